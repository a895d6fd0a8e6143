//! Processes that are created while the agent runs.

use std::collections::BTreeMap;

use sandbeat_supervisor::{Exit, Kind, Limits, New, Phase, Request, RequestError, Stdio};

use crate::harness::{DEADLINE, Sandbox, exists, process};

fn new(script: &str) -> New {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    New { command, cwd: None, env: BTreeMap::new(), stdio: Stdio::Output, interactive: false }
}

#[tokio::test]
async fn it_is_numbered_listed_and_deleted() {
    let sandbox = Sandbox::start(&process("web", "exec sleep 1000", ""));
    let handle = &sandbox.handle;
    for n in 1..=11 {
        let created = handle.create(new("exec sleep 1000")).await.unwrap();
        assert_eq!((created.id, created.kind), (format!("proc_{n}"), Kind::Created));
    }
    let ids: Vec<String> = handle.list().into_iter().map(|details| details.id).collect();
    assert_eq!(&ids[..4], ["web", "proc_1", "proc_2", "proc_3"]);
    assert_eq!(&ids[9..], ["proc_9", "proc_10", "proc_11"]);
    assert_eq!(handle.delete("proc_2").await, Err(RequestError::Running("proc_2".into())));
    assert_eq!(handle.delete("web").await, Err(RequestError::Configured("web".into())));
    assert_eq!(handle.delete("proc_99").await, Err(RequestError::Unknown("proc_99".into())));
    let pid = handle.get("proc_2").unwrap().status.pid.unwrap();
    let ended = handle.ask("proc_2", Request::Stop, DEADLINE).await.unwrap();
    assert!(ended.phase == Phase::Exited && ended.exited.is_some() && !exists(pid), "{ended:?}");
    handle.delete("proc_2").await.unwrap();
    crate::harness::eventually(|| handle.get("proc_2").is_none().then_some(()), || "still there").await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn one_that_cannot_be_started_leaves_no_trace() {
    let sandbox = Sandbox::start("");
    let missing = New { command: vec!["no-such-program".into()], ..new("") };
    let failed = sandbox.handle.create(missing).await.unwrap_err();
    assert_eq!(failed.to_string(), "cannot start `no-such-program`: no such file or directory");
    let empty = New { command: vec![], ..new("") };
    assert!(matches!(sandbox.handle.create(empty).await, Err(RequestError::Wrong(_))));
    assert_eq!(sandbox.handle.create(new("exit 3")).await.unwrap().id, "proc_1", "no number is burnt");
    let ended = sandbox.until_of("proc_1", |one| one.phase == Phase::Exited).await;
    assert_eq!(ended.last_exit, Some(Exit::Code(3)));
    assert!(!sandbox.handle.snapshot().contains_key("proc_1"), "a report tells of those that run");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn as_many_run_as_are_allowed_and_the_longest_ended_make_room() {
    let sandbox = Sandbox::start("");
    let handle = &sandbox.handle;
    handle.set_limits(Limits { max_concurrent: 2, ..Limits::default() }).unwrap();
    for _ in 0..2 {
        handle.create(new("exec sleep 1000")).await.unwrap();
    }
    assert_eq!(handle.create(new("exit 0")).await, Err(RequestError::TooMany(2)));
    handle.ask("proc_1", Request::Kill, DEADLINE).await.unwrap();
    for n in 3..=70 {
        let id = handle.create(new("exit 0")).await.unwrap().id;
        assert_eq!(id, format!("proc_{n}"));
        sandbox.until_of(&id, |one| one.phase == Phase::Exited).await;
    }
    crate::harness::eventually(|| (handle.list().len() <= 65).then_some(()), || handle.list().len()).await;
    assert!(handle.get("proc_1").is_none() && handle.get("proc_2").is_some() && handle.get("proc_70").is_some());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_burst_leaves_no_more_than_are_kept_and_what_is_deleted_is_gone_at_once() {
    let sandbox = Sandbox::start("");
    let handle = &sandbox.handle;
    for _ in 0..4 {
        let mut burst = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let handle = handle.clone();
            burst.spawn(async move { handle.create(new("exit 0")).await.map(|created| created.id) });
        }
        while let Some(created) = burst.join_next().await {
            let id = created.unwrap().unwrap();
            sandbox.until_gone_or(&id, |one| one.phase == Phase::Exited).await;
        }
    }
    handle.create(new("exec sleep 1000")).await.unwrap();
    assert!(handle.list().len() <= 65, "{}", handle.list().len());
    let ended = handle.list().into_iter().find(|one| one.phase == Phase::Exited).unwrap();
    handle.delete(&ended.id).await.unwrap();
    assert_eq!(handle.get(&ended.id), None);
    for _ in 0..50 {
        let missing = New { command: vec!["no-such-program".into()], ..new("") };
        handle.create(missing).await.unwrap_err();
        let id = handle.create(new("exec sleep 1000")).await.unwrap().id;
        handle.ask(&id, Request::Kill, DEADLINE).await.unwrap();
        assert!(handle.get(&id).is_some(), "{id}");
    }
    sandbox.shutdown().await;
}

/// A program whose start hangs until this is dropped, as on a file system that does not answer: whoever opens the file
/// waits for the lease on it.
struct Hanging {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    file: std::fs::File,
}

impl Hanging {
    #[expect(unsafe_code, reason = "there is no safe interface to leases")]
    fn lease(&self, kind: i32) -> i32 {
        use std::os::fd::AsRawFd;
        // SAFETY: the descriptor is open, and ignoring a signal needs no handler.
        unsafe {
            libc::signal(libc::SIGIO, libc::SIG_IGN);
            libc::fcntl(self.file.as_raw_fd(), libc::F_SETLEASE, kind)
        }
    }

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hangs");
        std::fs::copy("/bin/true", &path).unwrap();
        let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let hanging = Hanging { _dir: dir, path, file };
        let started = std::time::Instant::now();
        // A child that another test has just forked has the file open, too, until it executes something.
        while hanging.lease(libc::F_WRLCK) != 0 {
            let refused = std::io::Error::last_os_error();
            assert!(started.elapsed() < std::time::Duration::from_secs(10), "{refused}");
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        hanging
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.lease(libc::F_UNLCK);
    }
}

#[tokio::test]
async fn a_start_that_hangs_holds_up_no_other() {
    let hanging = Hanging::new();
    let sandbox = Sandbox::start(&process("web", "exec sleep 1000", ""));
    let before = sandbox.until(crate::harness::running).await.status.pid.unwrap();
    let handle = sandbox.handle.clone();
    let command = vec![hanging.path.display().to_string()];
    let hangs = tokio::spawn(async move { handle.create(New { command, ..new("") }).await });
    crate::harness::eventually(|| sandbox.handle.get("proc_1"), || "not there").await;
    let started = std::time::Instant::now();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(before.try_into().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    sandbox.until(|web| crate::harness::running(web) && web.status.pid != Some(before)).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    drop(hanging);
    drop(hangs.await.unwrap());
    sandbox.shutdown().await;
}
