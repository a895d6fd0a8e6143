//! Log files with the real thread: what stands in them, and what is said of what does not.

use std::fs;
use std::path::Path;

use super::*;

fn logging(max_size: u64) -> Logging {
    Logging { max_size, ..Logging::default() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn put(file: &LogFile, second: i64, texts: &[&str]) {
    let mut writer = file.writer(at(second), Stream::Stdout);
    texts.iter().for_each(|text| writer.push(text.as_bytes(), false));
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn what_is_left_is_written_in_order_with_times_that_do_not_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.log");
    let file = LogFile::at("web", &path, &logging(1 << 20), RETRY);
    put(&file, 5, &["one"]);
    put(&file, 3, &["two"]);
    file.writer(at(6), Stream::Stderr).push(b"begun", true);
    file.end_line(Stream::Stderr);
    file.written().await;
    assert_eq!(
        lines(&path),
        [
            "1970-01-01T00:00:05.000Z stdout one",
            "1970-01-01T00:00:05.000Z stdout two",
            "1970-01-01T00:00:06.000Z stderr begun"
        ]
    );
    assert!(file.shared.lock().running, "the thread waits for more");
    let shared = Arc::clone(&file.shared);
    drop(file);
    let started = Instant::now();
    while shared.lock().running {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::task::yield_now().await;
    }
    assert!(started.elapsed() < IDLE, "and ends when nothing more can come");
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_noted_when_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let path = logs.join("web.log");
    let file = LogFile::at("web", &path, &logging(1 << 20), Duration::ZERO);
    for second in 1..=3 {
        put(&file, second, &["lost", "lost"]);
        file.written().await;
    }
    assert_eq!(file.shared.lock().lost, 6);
    fs::create_dir(&logs).unwrap();
    put(&file, 4, &["kept"]);
    file.written().await;
    let noted = "1970-01-01T00:00:04.000Z sandbeat 6 lines are missing here: they could not be written";
    assert_eq!(lines(&path), [noted, "1970-01-01T00:00:04.000Z stdout kept"]);
    fs::remove_dir_all(&logs).unwrap();
    put(&file, 5, &["lost"]);
    file.written().await;
    fs::create_dir(&logs).unwrap();
    put(&file, 6, &["kept"]);
    file.written().await;
    assert_eq!(lines(&path)[0], noted.replace("6 lines", "1 lines").replace("04.000", "06.000"));
}

#[tokio::test]
async fn nothing_is_tried_for_a_while_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs/web.log");
    let file = LogFile::at("web", &path, &logging(1 << 20), Duration::from_secs(3600));
    put(&file, 1, &["lost"]);
    file.written().await;
    fs::create_dir(dir.path().join("logs")).unwrap();
    put(&file, 2, &["lost"]);
    file.written().await;
    assert!(!path.exists());
    assert_eq!(file.shared.lock().lost, 2);
}

#[test]
fn what_a_slow_disk_does_not_take_is_dropped_until_it_has_taken_the_queue() {
    let file = LogFile::at("web", Path::new("/never"), &logging(1 << 20), RETRY);
    // As if a thread were at the disk.
    (file.shared.lock().running, file.shared.lock().writing) = (true, true);
    let text = "x".repeat(8000);
    for _ in 0..1000 {
        put(&file, 1, &[&text]);
    }
    let mut queue = file.shared.lock();
    assert!(queue.plain.len() < MAX_QUEUE + 10_000, "{}", queue.plain.len());
    let taken = queue.taken();
    let told = queue.note(&taken.0, taken.1, Ok(()), RETRY);
    assert!(told.is_none());
    let lost = queue.lost;
    assert_eq!(lost + taken.0.iter().filter(|byte| **byte == b'\n').count() as u64, 1000);
    queue.writing = true;
    drop(queue);
    put(&file, 2, &["kept"]);
    let mut queue = file.shared.lock();
    let taken = queue.taken();
    assert!(taken.0.starts_with(format!("1970-01-01T00:00:02.000Z sandbeat {lost} lines").as_bytes()));
    assert!(matches!(queue.note(&taken.0, taken.1, Ok(()), RETRY), Some(Told::Slow(told)) if told == lost));
}
