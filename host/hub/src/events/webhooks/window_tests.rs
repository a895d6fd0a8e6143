use super::*;
use crate::event::Kind;

/// A window that events are put into by whose they are, numbered from 1.
struct Test {
    window: Window,
    now: Instant,
    count: u64,
}

impl Test {
    fn new(whose: impl IntoIterator<Item = &'static str>) -> Self {
        let mut test = Test { window: Window::default(), now: Instant::now(), count: 0 };
        whose.into_iter().for_each(|whose| test.add(whose));
        test
    }

    fn many(count: usize) -> Self {
        let mut test = Test::new([]);
        (0..count).for_each(|n| test.add(&format!("s-{n}")));
        test
    }

    /// `-` is the hub as a whole.
    fn add(&mut self, whose: &str) {
        self.count += 1;
        let event = Event::of(&whose.into(), Kind::Lost, Timestamp::UNIX_EPOCH);
        let sandbox_id = event.sandbox_id.filter(|_| whose != "-");
        self.window.add(Arc::new(Event { id: self.count, sandbox_id, ..event }), self.now);
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// All that may be posted now.
    fn started(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.window.start(self.now).map(|event| event.id)).collect()
    }

    fn taken(&mut self, id: u64) {
        self.window.taken(id, self.now);
    }

    /// Its pause is the shortest one.
    fn failed(&mut self, id: u64) {
        self.window.failed(id, None, self.now, 0.0);
    }

    /// In how many milliseconds there is one to post.
    fn next_in(&self) -> Option<u128> {
        self.window.starts_at(self.now).map(|at| at.saturating_duration_since(self.now).as_millis())
    }

    /// The wall's clock shows the same hour for ever, so only what passed here counts.
    fn given_up(&mut self) -> Vec<u64> {
        self.window.give_up(self.now, Timestamp::UNIX_EPOCH).iter().map(|event| event.id).collect()
    }

    fn oldest(&self) -> Option<u64> {
        self.window.oldest().map(|event| event.id)
    }
}

#[test]
fn each_sandbox_has_its_order_and_nobody_waits_for_another() {
    let mut test = Test::new(["a", "a", "b", "-", "b", "-"]);
    assert_eq!(test.started(), [1, 3, 4]);
    test.taken(3);
    assert_eq!((test.started(), test.oldest()), (vec![5], Some(1)));
    test.taken(4);
    test.taken(1);
    assert_eq!((test.started(), test.oldest()), (vec![2, 6], Some(2)));
    for id in [5, 6, 2] {
        test.taken(id);
    }
    assert_eq!((test.started(), test.oldest(), test.window.len()), (vec![], None, 0));
}

#[test]
fn no_more_than_a_few_are_under_way() {
    let mut test = Test::many(40);
    assert_eq!(test.started(), (1..=16).collect::<Vec<_>>());
    assert_eq!(test.next_in(), None);
    test.taken(9);
    assert_eq!(test.started(), [17]);
}

#[test]
fn what_fails_holds_up_its_own_sandbox_alone() {
    let mut test = Test::new(["a", "a", "b"]);
    assert_eq!(test.started(), [1, 3]);
    test.failed(1);
    test.taken(3);
    test.add("c");
    test.add("b");
    assert_eq!(test.started(), [4, 5]);
    test.taken(4);
    test.taken(5);
    assert_eq!((test.next_in(), test.started()), (Some(1000), vec![]));
    test.later(1);
    assert_eq!(test.started(), [1]);
    test.failed(1);
    assert_eq!(test.next_in(), Some(2000));
    // However long it fails, somebody else's goes at once.
    for _ in 0..10 {
        test.later(300);
        assert_eq!(test.started(), [1]);
        test.failed(1);
    }
    test.add("d");
    assert_eq!(test.started(), [6]);
    test.taken(6);
    test.later(300);
    assert_eq!(test.started(), [1]);
    test.taken(1);
    assert_eq!(test.started(), [2], "and its own line goes on");
}

#[test]
fn since_a_failure_one_tries_at_a_time() {
    let mut test = Test::many(40);
    assert_eq!(test.started().len(), 16);
    test.failed(1);
    test.taken(2);
    assert_eq!(test.started(), [17, 18], "one was taken");
    test.failed(3);
    assert_eq!((test.started(), test.next_in()), (vec![], None));
    test.taken(4);
    assert_eq!(test.started(), [19, 20]);
}

#[test]
fn an_endpoint_that_is_down_is_tried_as_rarely_as_one_event_would_be() {
    let mut test = Test::many(100);
    let mut tried = 0;
    for id in test.started() {
        test.failed(id);
    }
    let mut pauses = Vec::new();
    while pauses.len() < 10 {
        let pause = test.next_in().unwrap();
        pauses.push(pause);
        test.now += Duration::from_millis(pause.try_into().unwrap());
        let started = test.started();
        assert_eq!(started.len(), 1);
        // However many come meanwhile.
        test.add("new");
        tried = started[0];
        test.failed(tried);
        assert_eq!(test.started(), [0; 0]);
    }
    assert_eq!(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]);
    assert_eq!(tried, 26, "another one each time");
    test.later(150);
    assert_eq!(test.started().len(), 1);
    test.taken(27);
    assert_eq!(test.started(), (1..=16).collect::<Vec<_>>(), "what failed meanwhile may go at once");
}

#[test]
fn a_late_success_ends_no_pause_but_the_endpoints() {
    let mut test = Test::new(["a", "b", "c", "d"]);
    assert_eq!(test.started().len(), 4);
    test.failed(1);
    test.failed(2);
    test.taken(3);
    test.add("e");
    assert_eq!(test.started(), [5]);
    test.taken(4);
    test.taken(5);
    assert_eq!((test.started(), test.next_in()), (vec![], Some(1000)), "it began before they failed");
}

#[test]
fn what_the_endpoint_asks_for_binds_all() {
    let mut test = Test::new(["a", "b", "c"]);
    assert_eq!(test.started().len(), 3);
    test.window.failed(1, Some(Duration::from_secs(30)), test.now, 0.0);
    test.window.failed(2, Some(Duration::from_secs(5)), test.now, 0.0);
    test.taken(3);
    test.add("d");
    assert_eq!((test.started(), test.next_in()), (vec![], Some(30_000)));
    test.later(30);
    assert_eq!(test.started(), [1, 2, 4]);
}

#[test]
fn nothing_gets_far_ahead_of_what_is_not_taken() {
    let mut test = Test::new(["a"]);
    assert_eq!(test.started(), [1]);
    let mut others = 0;
    while test.window.has_room_for(1) {
        test.add("b");
        let id = test.started()[0];
        test.taken(id);
        others += 1;
    }
    assert_eq!((others, test.window.len()), (SPAN - 1, 1));
    test.taken(1);
    assert!(test.window.has_room_for(SPAN) && !test.window.has_room_for(SPAN + 1));
}

const DAY: u64 = 24 * 60 * 60;

#[test]
fn an_event_has_its_day_where_nothing_is_taken() {
    let mut test = Test::new(["a", "b"]);
    test.later(100 * DAY);
    assert_eq!(test.given_up(), [0; 0], "old, but nothing has failed");
    assert_eq!(test.started(), [1, 2]);
    test.failed(1);
    test.failed(2);
    assert_eq!(test.given_up(), [0; 0], "the hub was away, the endpoint may be back");
    test.later(DAY - 1);
    test.add("c");
    assert_eq!(test.given_up(), [0; 0]);
    assert_eq!(test.started(), [3]);
    test.later(1);
    assert_eq!(test.given_up(), [1, 2]);
    test.later(DAY);
    assert_eq!(test.given_up(), [0; 0], "it is under way");
    test.failed(3);
    assert_eq!((test.given_up(), test.oldest()), (vec![3], None));
}

#[test]
fn what_one_sandbox_waits_for_is_given_up_though_others_events_are_taken() {
    let mut test = Test::new(["a", "a"]);
    let mut tries = 0;
    let start = test.now;
    while test.window.len() == 2 {
        test.add("b");
        for id in test.started() {
            if id == 1 {
                test.failed(1);
                tries += 1;
            } else {
                test.taken(id);
            }
        }
        test.later(60);
        let waited = (test.now - start).as_secs();
        assert_eq!(test.given_up(), if waited < DAY { vec![] } else { vec![1, 2] }, "after {waited} s");
    }
    assert!(tries > 250 && test.window.len() == 0, "{tries} tries");
}

#[test]
fn the_next_of_a_line_that_fails_waits_for_its_pause() {
    let mut test = Test::new(["a"]);
    assert_eq!(test.started(), [1]);
    test.failed(1);
    test.later(DAY / 2);
    test.add("a");
    test.later(DAY / 2 - 1);
    assert_eq!(test.started(), [1]);
    test.later(1);
    test.failed(1);
    assert_eq!(test.given_up(), [1]);
    assert_eq!((test.started(), test.next_in()), (vec![], Some(2000)));
    test.later(2);
    assert_eq!(test.started(), [2]);
}

/// Whatever comes of posts, in whatever order.
#[test]
fn all_come_through_in_the_order_of_each() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut test = Test::new([]);
        let (mut under_way, mut whose, mut done) = (Vec::new(), vec![""], Vec::new());
        let mut failed_last = false;
        while done.len() < 300 {
            while test.count < 300 && test.window.has_room_for(1) && random.u8(..4) > 0 {
                whose.push(["a", "b", "c", "d", "-"][random.usize(..5)]);
                test.add(whose[whose.len() - 1]);
            }
            let started = test.started();
            under_way.extend(&started);
            assert!(under_way.len() <= IN_FLIGHT && (!failed_last || started.is_empty() || under_way.len() == 1));
            if under_way.is_empty() {
                test.now = test.window.starts_at(test.now).unwrap_or(test.now);
                continue;
            }
            let id = under_way.swap_remove(random.usize(..under_way.len()));
            failed_last = random.u8(..3) == 0;
            if failed_last {
                test.window.failed(id, random.bool().then_some(Duration::from_secs(3)), test.now, random.f64());
            } else {
                test.taken(id);
                done.push(id);
            }
        }
        for line in ["a", "b", "c", "d", "-"] {
            assert!(done.iter().filter(|id| whose[**id as usize] == line).is_sorted(), "{seed}: {line} of {done:?}");
        }
        assert_eq!((test.window.len(), test.window.in_flight, test.window.lines.len()), (0, 0, 0));
        assert_eq!((test.window.fresh.len(), test.window.failed.len()), (0, 0));
    }
}
