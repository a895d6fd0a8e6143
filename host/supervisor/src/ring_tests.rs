//! The ring as arithmetic: what is held, under which numbers and times, and who is woken.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::*;

const NONE: [u64; 0] = [];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn push(ring: &Ring, stream: Stream, texts: &[&str]) {
    let mut writer = ring.writer(at(1));
    texts.iter().for_each(|text| writer.push(stream, text.as_bytes(), false));
}

fn numbers(lines: &[Line]) -> Vec<u64> {
    lines.iter().map(|line| line.sequence).collect()
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| std::str::from_utf8(&line.bytes).unwrap()).collect()
}

#[test]
fn numbers_tell_what_is_new_and_what_was_missed() {
    let ring = Ring::new(1 << 20);
    assert_eq!((ring.last(), numbers(&ring.read(0, None, 9))), (0, vec![]));
    push(&ring, Stream::Stdout, &["a", "", "c"]);
    assert_eq!(ring.last(), 3);
    assert_eq!(texts(&ring.read(0, None, 9)), ["a", "", "c"]);
    assert_eq!(numbers(&ring.read(1, None, 1)), [2]);
    assert_eq!(numbers(&ring.read(3, None, 9)), NONE);
    assert_eq!(numbers(&ring.read(u64::MAX, None, 9)), NONE);
    assert_eq!(numbers(&ring.read(0, None, 0)), NONE);
}

#[test]
fn the_oldest_make_room_and_the_bound_holds_at_every_moment() {
    let ring = Ring::new(10_000);
    for number in 0..5_000_usize {
        let text = format!("{number:.>width$}", width = number % 97);
        push(&ring, Stream::Stderr, &[&text]);
        assert!(ring.lock().size() <= 10_000);
        assert!(ring.lock().text.capacity() <= 10_000);
    }
    let left = ring.read(0, None, usize::MAX);
    assert_eq!(left.last().unwrap().sequence, 5_000);
    assert!(left.len() > 100, "{}", left.len());
    for line in &left {
        let number = line.sequence as usize - 1;
        assert_eq!(line.bytes, format!("{number:.>width$}", width = number % 97).as_bytes());
    }
    assert_eq!(numbers(&ring.read(7, None, 1)), [left[0].sequence], "one who has fallen behind finds the oldest");
}

#[test]
fn a_smaller_bound_holds_at_once_and_numbers_go_on() {
    let ring = Ring::new(1 << 20);
    push(&ring, Stream::Stdout, &["x".repeat(1000).as_str(); 100]);
    ring.set_bound(5_000);
    assert!(ring.lock().size() <= 5_000 && ring.lock().text.capacity() <= 5_000);
    push(&ring, Stream::Stdout, &["y"]);
    assert_eq!(ring.read(100, None, 9)[0].sequence, 101);
    assert_eq!(Ring::new(1).longest(), 1024, "no bound is so small that nothing is held");
}

#[test]
fn more_than_is_copied_at_once_is_read_whole() {
    let ring = Ring::new(8 << 20);
    let (long, count) = ("z".repeat(5000), MAX_RECORDS + 500);
    for _ in 0..200 {
        push(&ring, Stream::Stdout, &[&long]);
    }
    push(&ring, Stream::Stderr, &vec![""; count]);
    let lines = ring.read(0, None, usize::MAX);
    assert_eq!(numbers(&lines), (1..=200 + count as u64).collect::<Vec<_>>());
    assert!(lines.iter().take(200).all(|line| line.bytes.len() == 5000));
    assert_eq!(ring.read(0, Some(Stream::Stderr), usize::MAX).len(), count);
    assert_eq!(numbers(&ring.read(0, Some(Stream::Stderr), 1)), [201]);
}

#[test]
fn the_newest_of_one_stream_are_found() {
    let ring = Ring::new(1 << 20);
    for _ in 0..3 {
        push(&ring, Stream::Stdout, &["out"]);
        push(&ring, Stream::Stderr, &["err", "err"]);
    }
    let newest = |stream, most| numbers(&ring.read(ring.before_newest(stream, most), stream, usize::MAX));
    assert_eq!(newest(None, 2), [8, 9]);
    assert_eq!(newest(Some(Stream::Stdout), 2), [4, 7]);
    assert_eq!(newest(Some(Stream::Stdout), 9), [1, 4, 7]);
    assert_eq!(newest(Some(Stream::Pty), 9), NONE);
    assert_eq!(newest(None, 0), NONE);
}

#[test]
fn time_does_not_go_back_when_the_clock_is_set_back() {
    let ring = Ring::new(1 << 20);
    for second in [100, 40, 99, 101] {
        ring.writer(at(second)).push(Stream::Stdout, b"tick", false);
    }
    let times: Vec<_> = ring.read(0, None, 9).iter().map(|line| line.at).collect();
    assert_eq!(times, [at(100), at(100), at(100), at(101)]);
    assert_eq!([0, 100, 101, 102].map(|second| ring.before(at(second))), [0, 0, 3, 4]);
    assert_eq!(Ring::new(0).before(at(1)), 0);
}

#[test]
fn who_waits_is_woken_by_a_line_and_by_the_end() {
    let ring = Arc::new(Ring::new(1 << 20));
    let context = &mut Context::from_waker(Waker::noop());
    assert!(pin!(ring.changed(0)).poll(context).is_ready(), "nothing can come");
    let (first, second) = (ring.open(), ring.open());
    let mut news = pin!(ring.changed(0));
    assert!(news.as_mut().poll(context).is_pending());
    push(&ring, Stream::Stdout, &["news"]);
    assert!(news.poll(context).is_ready());
    assert!(pin!(ring.changed(0)).poll(context).is_ready());
    let mut end = pin!(ring.changed(1));
    assert!(end.as_mut().poll(context).is_pending());
    drop(first);
    assert!(ring.is_open() && end.as_mut().poll(context).is_pending());
    drop(second);
    assert!(!ring.is_open() && end.poll(context).is_ready());
}

#[tokio::test]
async fn who_waits_is_woken() {
    let ring = Arc::new(Ring::new(1 << 20));
    let open = ring.open();
    let waiting = tokio::spawn({
        let ring = Arc::clone(&ring);
        async move {
            ring.changed(0).await;
            ring.changed(1).await;
        }
    });
    tokio::task::yield_now().await;
    push(&ring, Stream::Stdout, &["news"]);
    tokio::task::yield_now().await;
    drop(open);
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
}
