//! What is written to processes.

use std::time::Instant;

use sandbeat_supervisor::{InputError, Phase, Size, Stdio};

use crate::harness::{DEADLINE, Sandbox};

#[tokio::test]
async fn all_of_it_arrives_and_closing_is_the_end() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("exec wc -c", Stdio::Piped).await;
    let bytes = vec![b'x'; 100_000];
    for _ in 0..3 {
        sandbox.handle.input(&id, &bytes).await.unwrap();
    }
    sandbox.handle.close_input(&id).await.unwrap();
    sandbox.text_of(&id, |text| text == "300000\n").await;
    sandbox.until_of(&id, |one| one.phase == Phase::Exited).await;
    assert_eq!(sandbox.handle.input(&id, b"x").await, Err(InputError::NotRunning(id)));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_several_write_at_once_is_not_mixed() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("exec uniq -c", Stdio::Piped).await;
    let write = |byte: u8| {
        let line = [vec![byte; 150_000], vec![b'\n']].concat();
        let (handle, id) = (sandbox.handle.clone(), id.clone());
        async move { handle.input(&id, &line).await }
    };
    let (first, second) = tokio::join!(write(b'a'), write(b'b'));
    assert_eq!((first, second), (Ok(()), Ok(())));
    sandbox.handle.close_input(&id).await.unwrap();
    let text = sandbox.text_of(&id, |text| text.matches('\n').count() == 2).await;
    assert!(text.lines().all(|line| line.trim_start().len() == 150_002), "each once, and whole");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn one_that_does_not_read_is_not_waited_for_for_ever() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("exec sleep 1000", Stdio::Piped).await;
    let asked = Instant::now();
    let refused = sandbox.handle.input(&id, &[b'x'; 1 << 20]).await.unwrap_err();
    assert!(matches!(refused, InputError::Full(written) if written > 0 && written < 1 << 20), "{refused:?}");
    assert!(asked.elapsed() < DEADLINE / 2);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_input_that_is_closed_or_was_never_there_is_told() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("exec <&-; echo closed; exec sleep 1000", Stdio::Piped).await;
    sandbox.first_line(&id).await;
    assert_eq!(sandbox.handle.input(&id, b"x").await, Err(InputError::Closed));
    assert_eq!(sandbox.handle.resize(&id, Size::default()), Err(InputError::NoTerminal(id)));
    let id = sandbox.create("exec sleep 1000", Stdio::Output).await;
    assert_eq!(sandbox.handle.input(&id, b"x").await, Err(InputError::NoInput(id.clone())));
    assert_eq!(sandbox.handle.resize(&id, Size::default()), Err(InputError::NoTerminal(id)));
    let unknown = InputError::Unknown("none".into());
    assert_eq!(sandbox.handle.input("none", b"x").await, Err(unknown));
    sandbox.shutdown().await;
}
