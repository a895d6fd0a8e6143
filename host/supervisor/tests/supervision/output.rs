//! What processes write.

use sandbeat_supervisor::{Phase, Stream};

use crate::harness::Sandbox;

#[tokio::test]
async fn both_outputs_are_kept_with_their_numbers_and_any_bytes() {
    let sandbox = Sandbox::script("echo one; echo two >&2; printf '\\377end'", "");
    sandbox.until(|web| web.phase == Phase::Exited).await;
    let all = |lines: &[sandbeat_supervisor::Line]| lines.len() == 3;
    let handle = &sandbox.handle;
    let lines = crate::harness::eventually(
        || Some(handle.log("web").unwrap().after(0, 9)).filter(|lines| all(lines)),
        || "fewer",
    )
    .await;
    let of = |stream| lines.iter().filter(|line| line.stream == stream).collect::<Vec<_>>();
    let (out, err) = (of(Stream::Stdout), of(Stream::Stderr));
    assert_eq!(
        out.iter().map(|line| (&line.bytes[..], line.partial)).collect::<Vec<_>>(),
        [(&b"one"[..], false), (b"\xffend", true)]
    );
    assert_eq!(err[0].bytes, b"two");
    assert_eq!(lines.iter().map(|line| line.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(handle.log("web").unwrap().after(1, 1)[0].sequence, 2);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_flood_neither_blocks_the_writer_nor_fills_memory() {
    let sandbox = Sandbox::script("head -c 64000000 /dev/zero; yes | head -n 200000; echo; echo the end", "");
    sandbox.until(|web| web.phase == Phase::Exited).await;
    crate::harness::eventually(
        || sandbox.lines("web").last().filter(|line| *line == "the end").map(drop),
        || sandbox.lines("web").last().cloned(),
    )
    .await;
    let held: usize = sandbox.lines("web").iter().map(String::len).sum();
    assert!(held <= 256 * 1024, "{held}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_output_that_somebody_else_holds_open_delays_nothing() {
    let sandbox = Sandbox::script("setsid sleep 20 & echo started; exit 0", "");
    let asked = std::time::Instant::now();
    sandbox.until(|web| web.phase == Phase::Exited).await;
    sandbox.shutdown().await;
    assert!(asked.elapsed() < std::time::Duration::from_secs(15));
}
