//! Processes with a terminal of their own.

use sandbeat_supervisor::{Exit, Phase, Request, Size, Stdio, Stream};

use crate::harness::{DEADLINE, Sandbox, eventually, process, running};

const SIZE: Size = Size { cols: 100, rows: 30 };

#[tokio::test]
async fn it_is_a_terminal_of_the_size_that_was_asked_for_in_all_three() {
    let sandbox = Sandbox::start("");
    let script = "for fd in 0 1 2; do [ -t $fd ] && printf $fd; done; echo; stty size; echo $TERM; \
                  : > /dev/tty && echo controlling; tty";
    let id = sandbox.create(script, Stdio::Terminal(SIZE)).await;
    let text = sandbox.text_of(&id, |text| text.contains("/dev/pts/")).await;
    assert!(text.starts_with("012\r\n30 100\r\nxterm-256color\r\ncontrolling\r\n"), "{text:?}");
    let ended = sandbox.until_of(&id, |one| one.phase == Phase::Exited).await;
    assert_eq!((ended.last_exit, ended.status.last_error), (Some(Exit::Code(0)), None));
    let log = sandbox.handle.log(&id).unwrap();
    eventually(|| (!log.is_open()).then_some(()), || log.last()).await;
    assert!(log.after(0, usize::MAX).iter().all(|line| line.stream == Stream::Pty && line.partial));
    assert!(!sandbox.text_of(&id, |_| true).await.contains("error"), "the end of a terminal is no error");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_is_typed_is_echoed_read_and_ended() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("exec cat", Stdio::Terminal(SIZE)).await;
    sandbox.handle.input(&id, b"hello\n").await.unwrap();
    sandbox.text_of(&id, |text| text == "hello\r\nhello\r\n").await;
    sandbox.handle.close_input(&id).await.unwrap();
    let ended = sandbox.until_of(&id, |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.last_exit, Some(Exit::Code(0)));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_prompt_is_seen_at_once_and_interrupting_reaches_the_program() {
    let sandbox = Sandbox::start("");
    let id = sandbox.create("printf 'name? '; read -r name; exec sleep 1000", Stdio::Terminal(SIZE)).await;
    sandbox.text_of(&id, |text| text == "name? ").await;
    sandbox.handle.input(&id, b"\x03").await.unwrap();
    let ended = sandbox.until_of(&id, |one| one.phase == Phase::Exited).await;
    let interrupted = Exit::Signal { number: 2, name: "SIGINT".into(), out_of_memory: false };
    assert_eq!(ended.last_exit, Some(interrupted));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_program_sees_another_size() {
    let sandbox = Sandbox::start("");
    let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done";
    let id = sandbox.create(script, Stdio::Terminal(SIZE)).await;
    sandbox.text_of(&id, |text| text == "ready\r\n").await;
    sandbox.handle.resize(&id, Size { cols: 120, rows: 40 }).unwrap();
    sandbox.text_of(&id, |text| text == "ready\r\n40 120\r\n").await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_configured_one_has_one_too_with_its_own_variables_and_is_stopped() {
    let keys = "tty = true\nenv = { TERM = \"dumb\" }";
    let sandbox = Sandbox::start(&process("web", "echo $TERM; stty size; sleep 1000 & wait", keys));
    sandbox.text_of("web", |text| text == "dumb\r\n24 80\r\n").await;
    sandbox.until(running).await;
    let stopped = sandbox.handle.ask("web", Request::Stop, DEADLINE).await.unwrap();
    assert_eq!(stopped.phase, Phase::Exited);
    let log = sandbox.handle.log("web").unwrap();
    eventually(|| (!log.is_open()).then_some(()), || log.last()).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn it_belongs_to_the_user_that_the_program_runs_as() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("only root can start something as another user");
    }
    let sandbox =
        Sandbox::start(&process("web", "echo by name > $(tty); exec sleep 1000", "tty = true\nuser = \"nobody\""));
    sandbox.text_of("web", |text| text == "by name\r\n").await;
    sandbox.shutdown().await;
}
