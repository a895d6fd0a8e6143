//! Pages of the fleet.

use super::*;

/// The ids, how many match, and whether more follow; the same whatever is looked at at once.
fn page(hub: &Hub, query: &Query) -> (String, usize, bool) {
    let mut pages = [1, 2, 100].map(|most| {
        let mut paging = Paging::new(query);
        while paging.step(&hub.fleet, most) {}
        let Page { sandboxes, total, more } = paging.finish();
        (sandboxes.iter().map(|s| &*s.registration.id).collect::<String>(), total, more)
    });
    pages.sort();
    let [first, second, third] = pages;
    assert_eq!((&first, &second), (&second, &third));
    first
}

/// Five, of which b and d have reported; b is `live`, d is lost by now.
fn five() -> Hub {
    let mut hub = Hub::new(10);
    for id in ["e", "c", "a", "d", "b"] {
        let registration = Registration {
            described: Described {
                name: Some(format!("Name of {id}").into()),
                image: None,
                metadata: [("team".to_owned(), if id < "c" { "red" } else { "blue" }.to_owned())].into(),
            }
            .kept(),
            ..Registration::by_report(id, wall(0))
        };
        hub.fleet.register(Arc::new(registration), hub.at(0)).unwrap();
    }
    for (id, seconds) in [("d", 0), ("b", 5)] {
        hub.beat(&Sender::New, id, seconds, serde_json::json!({"hostname": format!("Host-{id}")})).unwrap();
    }
    hub.expire(8);
    hub
}

/// Six that report every 2 s; c to f are silent after that, and the hub doubts. a has a failed process, b a failed
/// collector, c both; g has never reported and is overdue.
fn six() -> Hub {
    let rules = Rules { suspect_least: 2, suspect_fraction: 0.2, never_reported_after: SECOND, ..settings().rules };
    let mut hub = Hub::with(Settings { rules, ..settings() });
    let process = serde_json::json!({"web": {"status": "error"}});
    let collector = serde_json::json!([{"name": "p", "state": "quarantined"}]);
    for id in ["a", "b", "c", "d", "e", "f", "g"] {
        let sender = hub.register(id, 0).unwrap();
        let fields = match id {
            "a" => serde_json::json!({"processes": process}),
            "b" => serde_json::json!({"plugins": collector}),
            "c" => serde_json::json!({"processes": process, "plugins": collector}),
            "g" => continue,
            _ => none(),
        };
        hub.beat(&sender, id, 0, fields.clone()).unwrap();
        if id < "c" {
            hub.beat(&sender, id, 6, fields).unwrap();
        }
    }
    hub.expire(8);
    hub
}

#[test]
fn what_stands_out_is_found_and_counted() {
    let hub = six();
    let counts = hub.fleet.counts();
    assert_eq!((counts.overdue, counts.suspect), (1, 4));
    assert_eq!(counts.failing, Failing { processes: 2, collectors: 2, any: 3 });
    let all = Query { limit: 10, ..Query::default() };
    let (live, never) = (Some(Liveness::Live), Some(Liveness::NeverReported));
    let failing = |trouble| Query { failing: Some(trouble), ..all.clone() };
    for (query, ids) in [
        (failing(Trouble::Processes), "ac"),
        (failing(Trouble::Collectors), "bc"),
        (failing(Trouble::Any), "abc"),
        (Query { suspect: Some(true), ..all.clone() }, "cdef"),
        (Query { suspect: Some(false), ..all.clone() }, "abg"),
        (Query { overdue: Some(true), ..all.clone() }, "g"),
        (Query { overdue: Some(false), ..all.clone() }, "abcdef"),
        (Query { suspect: Some(false), liveness: live, ..all.clone() }, "ab"),
        (Query { overdue: Some(false), liveness: never, ..all.clone() }, ""),
        (Query { suspect: Some(true), ..failing(Trouble::Any) }, "c"),
        (Query { overdue: Some(true), ..failing(Trouble::Any) }, ""),
        (Query { search: Some("b".into()), ..failing(Trouble::Any) }, "b"),
    ] {
        assert_eq!(page(&hub, &query), (ids.into(), ids.len(), false), "{query:?}");
        let first = Query { limit: 1, ..query };
        let expected = (ids.chars().take(1).collect(), ids.len(), ids.len() > 1);
        assert_eq!(page(&hub, &first), expected, "{first:?}");
    }
}

#[test]
fn pages_follow_each_other() {
    let hub = five();
    let all = Query { limit: 2, ..Query::default() };
    assert_eq!(page(&hub, &all), ("ab".into(), 5, true));
    let after = |id: &str| Query { after: Some(id.into()), ..all.clone() };
    assert_eq!(page(&hub, &after("b")), ("cd".into(), 5, true));
    assert_eq!(page(&hub, &after("c")), ("de".into(), 5, false));
    assert_eq!(page(&hub, &after("cc")), ("de".into(), 5, false), "also after one that was deleted");
    assert_eq!(page(&hub, &after("e")), (String::new(), 5, false));
}

#[test]
fn what_is_asked_for_must_all_hold_and_is_counted_on_all_pages() {
    let hub = five();
    let all = Query { limit: 10, ..Query::default() };
    let metadata = |key: &str, value: Option<&str>| vec![(key.to_owned(), value.map(str::to_owned))];
    let (live, lost, never) = (Some(Liveness::Live), Some(Liveness::Lost), Some(Liveness::NeverReported));
    for (query, ids) in [
        (Query { status: Some(Status::Running), ..all.clone() }, "bd"),
        (Query { status: Some(Status::Stopped), ..all.clone() }, ""),
        (Query { status: Some(Status::Pending), ..all.clone() }, "ace"),
        (Query { liveness: live, ..all.clone() }, "b"),
        (Query { liveness: lost, ..all.clone() }, "d"),
        (Query { liveness: never, ..all.clone() }, "ace"),
        (Query { liveness: never, status: Some(Status::Running), ..all.clone() }, ""),
        (Query { liveness: lost, status: Some(Status::Running), ..all.clone() }, "d"),
        (Query { metadata: metadata("team", Some("red")), ..all.clone() }, "ab"),
        (Query { metadata: metadata("team", None), ..all.clone() }, "abcde"),
        (Query { metadata: metadata("other", None), ..all.clone() }, ""),
        (Query { metadata: metadata("team", Some("blue")), liveness: lost, ..all.clone() }, "d"),
        (Query { search: Some("NAME OF C".into()), ..all.clone() }, "c"),
        (Query { search: Some("host-".into()), ..all.clone() }, "bd"),
        (Query { search: Some("d".into()), liveness: live, ..all.clone() }, ""),
    ] {
        assert_eq!(page(&hub, &query), (ids.into(), ids.len(), false), "{query:?}");
        let first = Query { limit: 1, ..query };
        let expected = (ids.chars().take(1).collect(), ids.len(), ids.len() > 1);
        assert_eq!(page(&hub, &first), expected, "{first:?}");
    }
    let second = Query { search: Some("name".into()), after: Some("c".into()), limit: 1, ..all };
    assert_eq!(page(&hub, &second), ("d".into(), 5, true), "those before it are counted, too");
}

#[test]
fn what_comes_and_goes_between_two_looks_costs_no_other() {
    let all = Query { limit: 10, ..Query::default() };
    for (query, total) in [(all.clone(), 5), (Query { search: Some(String::new()), ..all }, 6)] {
        let mut hub = five();
        let mut paging = Paging::new(&query);
        assert!(paging.step(&hub.fleet, 2));
        hub.fleet.remove("b").unwrap();
        for id in ["aa", "bb"] {
            hub.register(id, 9).unwrap();
        }
        while paging.step(&hub.fleet, 2) {}
        let page = paging.finish();
        let ids: Vec<_> = page.sandboxes.iter().map(|sandbox| &*sandbox.registration.id).collect();
        assert_eq!((ids, page.total), (vec!["a", "b", "bb", "c", "d", "e"], total), "{query:?}");
    }
}
