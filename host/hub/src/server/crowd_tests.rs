use tokio::time::{Instant, advance};

use super::*;

const fn v4(last: u8) -> Origin {
    Origin::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// A crowd whose connections are called by numbers, on a clock that stands still.
struct Test {
    crowd: Crowd<u32, u32>,
    phases: HashMap<u32, Arc<Phase>>,
    epoch: Instant,
}

impl Test {
    fn new(limit: usize) -> Self {
        Test { crowd: Crowd::new(limit), phases: HashMap::new(), epoch: Instant::now() }
    }

    /// A stranger's connection that has come to this stage now.
    fn stranger(&mut self, key: u32, origin: Origin, stage: Stage) {
        let phase = Arc::new(Phase::new(self.epoch));
        phase.enter(stage).unwrap();
        self.crowd.add(key, origin, Arc::clone(&phase), key);
        self.phases.insert(key, phase);
    }

    /// The same of one that has shown a token.
    fn add(&mut self, key: u32, origin: Origin, stage: Stage) {
        self.stranger(key, origin, stage);
        self.phases[&key].recognize();
    }

    fn room(&mut self, origin: Origin) -> Room<u32> {
        self.crowd.make_room(origin, self.epoch.elapsed())
    }
}

async fn second() {
    advance(Duration::from_secs(1)).await;
}

#[test]
fn an_origin_is_an_address_or_a_network() {
    let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(origin("10.0.0.1"), origin("::ffff:10.0.0.1"));
    assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
    assert_eq!(origin("2001:db8::1"), origin("2001:db8:0:ff:ffff::1"), "any subnet of one customer");
    assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:100::1"));
}

#[tokio::test(start_paused = true)]
async fn below_the_limit_nobody_gives_way() {
    let mut test = Test::new(2);
    test.add(1, v4(1), Stage::Opening);
    assert_eq!(test.room(v4(1)), Room::Free);
    test.add(2, v4(1), Stage::Opening);
    assert!(test.crowd.is_full());
    assert_eq!(test.crowd.remove(1), Some(1));
    assert_eq!((test.room(v4(1)), test.crowd.remove(1)), (Room::Free, None));
}

#[tokio::test(start_paused = true)]
async fn the_origin_that_holds_the_most_gives_way_and_half_open_ones_go_first() {
    let mut test = Test::new(7);
    test.add(1, v4(1), Stage::Idle);
    test.add(2, v4(1), Stage::Idle);
    second().await;
    test.add(3, v4(2), Stage::Busy);
    second().await;
    test.add(4, v4(2), Stage::Idle);
    second().await;
    test.add(5, v4(2), Stage::Idle);
    test.stranger(6, v4(2), Stage::Opening);
    second().await;
    test.add(7, v4(2), Stage::Head);
    for expected in [6, 4, 5] {
        assert_eq!(test.room(v4(3)), Room::Instead(expected), "though the idle ones of the other are older");
        test.add(expected + 100, v4(expected as u8 + 100), Stage::Busy);
    }
    // Two each: the one that came last is asked last.
    assert_eq!(test.room(v4(3)), Room::Instead(7), "of the same count, the highest address");
}

#[tokio::test(start_paused = true)]
async fn one_in_the_middle_of_a_request_goes_only_for_a_fairer_share() {
    let mut test = Test::new(3);
    for key in 1..=3 {
        test.add(key, v4(1), Stage::Busy);
        second().await;
    }
    assert_eq!(test.room(v4(1)), Room::None, "not for one of its own");
    assert_eq!(test.room(v4(2)), Room::Instead(1));
    test.add(4, v4(2), Stage::Busy);
    assert_eq!(test.room(v4(2)), Room::None, "two and one would only become one and two");
    test.phases[&3].enter(Stage::Answered).unwrap();
    assert_eq!(test.room(v4(2)), Room::None, "its answer is not sent yet");
    test.phases[&3].enter(Stage::Idle).unwrap();
    assert_eq!(test.room(v4(2)), Room::Instead(3), "what waits is for who holds less");
}

#[tokio::test(start_paused = true)]
async fn the_origin_that_holds_the_most_displaces_its_own() {
    let mut test = Test::new(3);
    test.add(1, v4(2), Stage::Idle);
    second().await;
    test.add(2, v4(1), Stage::Busy);
    test.add(3, v4(1), Stage::Idle);
    assert_eq!(test.room(v4(1)), Room::Instead(3));
    test.add(4, v4(1), Stage::Opening);
    assert_eq!(test.room(v4(1)), Room::Instead(4));
    test.add(5, v4(1), Stage::Busy);
    assert_eq!(test.room(v4(1)), Room::None, "not the idle one of who holds less");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_has_its_time_where_others_wait() {
    let mut test = Test::new(2);
    test.add(1, v4(1), Stage::Idle);
    test.stranger(2, v4(1), Stage::Opening);
    assert_eq!(test.room(v4(1)), Room::Instead(1), "the other has only just come");
}

#[tokio::test(start_paused = true)]
async fn of_many_origins_those_go_that_have_shown_nothing_whatever_they_do() {
    let mut test = Test::new(6);
    test.add(1, v4(1), Stage::Idle);
    test.stranger(2, v4(2), Stage::Opening);
    second().await;
    test.stranger(3, v4(3), Stage::Busy);
    for (key, stage) in [(4, Stage::Head), (5, Stage::Busy), (6, Stage::Busy)] {
        test.add(key, v4(key as u8), stage);
    }
    assert_eq!(test.room(v4(7)), Room::None, "they may be slow, and the highest address is busy");
    second().await;
    second().await;
    test.add(7, v4(6), Stage::Idle);
    assert_eq!(test.room(v4(9)), Room::Instead(2), "before an idle one of the origin that holds the most");
    assert_eq!(test.crowd.remove(7), Some(7));
    test.add(8, v4(8), Stage::Busy);
    second().await;
    test.phases[&3].enter(Stage::Idle).unwrap();
    assert_eq!(test.room(v4(9)), Room::Instead(3), "what it does makes it no younger");
    test.add(9, v4(9), Stage::Busy);
    assert_eq!(test.room(v4(10)), Room::None, "the others have shown something, and the highest address is busy");
    assert!(test.crowd.strangers.len() <= 2, "{:?}", test.crowd.strangers);
}

#[tokio::test(start_paused = true)]
async fn where_strangers_hold_most_places_the_oldest_of_them_goes_though_it_has_just_come() {
    let mut test = Test::new(8);
    for (key, last) in [(1, 1), (2, 20), (3, 21), (4, 22)] {
        test.add(key, v4(last), Stage::Idle);
    }
    for key in 5..=8 {
        test.stranger(key, v4(key as u8), Stage::Answered);
    }
    assert_eq!(test.room(v4(9)), Room::Instead(4), "they hold no more than half");
    test.stranger(9, v4(9), Stage::Opening);
    assert_eq!(test.room(v4(10)), Room::Instead(5));
    test.stranger(10, v4(10), Stage::Opening);
    test.phases[&6].recognize();
    assert_eq!(test.room(v4(11)), Room::Instead(3), "one of them is none any more");
}

#[tokio::test(start_paused = true)]
async fn those_who_are_known_stay_while_strangers_flood_in_from_their_own_address() {
    let mut test = Test::new(8);
    (1..=3).for_each(|key| test.add(key, v4(1), Stage::Idle));
    for key in 4..100 {
        if key > 8 {
            assert_eq!(test.room(v4(1)), Room::Instead(key - 5));
        }
        test.stranger(key, v4(1), Stage::Answered);
        advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strangers_from_one_origin_displaces_no_newcomer_of_another() {
    let mut test = Test::new(8);
    test.stranger(1, v4(2), Stage::Opening);
    for key in 2..100 {
        if key > 8 {
            assert_eq!(test.room(v4(1)), Room::Instead(key - 7));
        }
        test.stranger(key, v4(1), Stage::Opening);
        advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_no_request_under_way() {
    let mut test = Test::new(2);
    test.add(1, v4(1), Stage::Busy);
    test.add(2, v4(2), Stage::Answered);
    assert_eq!(test.room(v4(3)), Room::None);
    advance(SLOW).await;
    assert_eq!(test.room(v4(3)), Room::Instead(2));
}

#[tokio::test(start_paused = true)]
async fn a_fleet_displaces_no_slow_newcomer_of_another_origin() {
    let mut test = Test::new(3);
    test.add(1, v4(1), Stage::Idle);
    second().await;
    test.add(2, v4(1), Stage::Idle);
    test.stranger(3, v4(2), Stage::Opening);
    second().await;
    second().await;
    assert_eq!(test.room(v4(1)), Room::Instead(1));
}

#[tokio::test(start_paused = true)]
async fn who_came_is_not_remembered_for_ever() {
    let mut test = Test::new(2);
    test.stranger(0, v4(1), Stage::Opening);
    for key in 1..10_000 {
        test.add(key, v4(1), Stage::Idle);
        assert_eq!(test.crowd.remove(key), Some(key));
    }
    assert!(test.crowd.strangers.len() <= 2 * LOOK);
    test.add(10_000, v4(2), Stage::Busy);
    advance(SLOW).await;
    assert_eq!(test.room(v4(3)), Room::Instead(0));
}

#[tokio::test(start_paused = true)]
async fn who_was_claimed_does_nothing_more() {
    let mut test = Test::new(1);
    test.add(1, v4(1), Stage::Idle);
    assert_eq!(test.room(v4(2)), Room::Instead(1));
    assert!(test.phases[&1].enter(Stage::Head).is_err());
    assert_eq!(test.crowd.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_who_waits_and_lets_the_others_finish() {
    let mut test = Test::new(9);
    for (key, stage) in [(1, Stage::Opening), (2, Stage::Head), (3, Stage::Idle), (4, Stage::Busy)] {
        test.add(key, v4(1), stage);
    }
    let mut waiting: Vec<u32> = test.crowd.close().collect();
    waiting.sort_unstable();
    assert_eq!(waiting, [1, 2, 3]);
    assert!(test.phases[&4].is_closing());
    test.phases[&4].enter(Stage::Answered).unwrap();
    assert!(test.phases[&4].is_closing(), "it is still known after the request");
}

#[tokio::test(start_paused = true)]
async fn places_are_kept_right_through_any_order() {
    let mut test = Test::new(1000);
    for key in 0..1000 {
        test.add(key, v4((key % 7) as u8), Stage::Idle);
    }
    for key in (0..1000).step_by(3) {
        assert_eq!(test.crowd.remove(key), Some(key));
    }
    for key in 0..1000 {
        let gone = test.crowd.remove(key);
        assert_eq!(gone, (key % 3 != 0).then_some(key));
    }
    assert!(test.crowd.origins.is_empty() && test.crowd.by_count.is_empty());
}
