//! TLS between the agent and its hub, with certificates of the test's own.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::agent::{Agent, Builder};
use crate::support::eventually;
use crate::support::hub::{Answer, Hub, free_address};
use crate::support::logs;
use crate::support::tls::{Authority, Certified, Front};

async fn start(url: &str, ca: &Path) -> Agent {
    Builder::new(url).with(|sections| sections.report.ca_file = Some(ca.to_owned())).start().await
}

async fn start_with_certificate(url: &str, ca: &Path, (cert, key): (&Path, &Path)) -> Agent {
    Builder::new(url)
        .with(|sections| {
            sections.report.ca_file = Some(ca.to_owned());
            sections.report.client_cert_file = Some(cert.to_owned());
            sections.report.client_key_file = Some(key.to_owned());
        })
        .start()
        .await
}

async fn refused(agent: Agent, front: &Front, part: &str) {
    let failing = agent.failing().await;
    agent.stop().await.unwrap();
    assert_eq!(failing["kind"], "tls", "{failing}");
    let message = failing["message"].as_str().unwrap();
    assert!(message.contains(part) && message.contains(&front.url()), "{part}: {message}");
    let told = logs::about(&front.url()).iter().filter(|line| line.contains("do not arrive")).count();
    assert_eq!(told, 1);
}

async fn accepted(agent: &Agent) {
    let count = |reports: &Value| reports["accepted"].as_u64().unwrap();
    let before = count(&agent.get("/v1/health").await["reports"]);
    let fine = |reports: &Value| count(reports) > before + 1 && reports.get("failing").is_none();
    agent.health("acceptance", fine).await;
}

struct Setup {
    hub: Hub,
    authority: Authority,
    dir: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let hub = Hub::start(|_, _| Answer::ok()).await;
        let (authority, dir) = (Authority::new("ours"), TempDir::new().unwrap());
        // Several in one file.
        let other = Authority::new("other").pem;
        std::fs::write(dir.path().join("ca.pem"), format!("comment\n{other}\n{}", authority.pem)).unwrap();
        Setup { hub, authority, dir }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.pem")
    }

    async fn front(&self, config: rustls::ServerConfig) -> Front {
        Front::start(self.hub.address, config).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_the_operators_authority_is_trusted() {
    let setup = Setup::new().await;
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let front = setup.front(setup.authority.issue("127.0.0.1").server_with(versions, None)).await;
        let agent = start(&front.url(), &setup.ca()).await;
        accepted(&agent).await;
        agent.stop().await.unwrap();
    }
    let received = setup.hub.received();
    assert_eq!(received.last().unwrap().status(), "stopped");
    assert_eq!(received[0].message().start, "POST /api/v1/sandboxes/sbox-1/status HTTP/1.1");
    assert!(received[0].message().header("host").starts_with("127.0.0.1:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_told() {
    let setup = Setup::new().await;
    let (ours, stranger) = (&setup.authority, Authority::new("stranger"));
    for (certified, part) in [
        (stranger.issue("127.0.0.1"), "set report.ca_file"),
        (ours.issue_for("127.0.0.1", 2020..2021), "has expired: it was valid until 2021-01-01T00:00:00Z"),
        (ours.issue_for("127.0.0.1", 2080..2090), "is valid from 2080-01-01T00:00:00Z"),
        (ours.issue("hub.example"), "hub.example"),
    ] {
        let front = setup.front(certified.server()).await;
        refused(start(&front.url(), &setup.ca()).await, &front, part).await;
    }
    assert_eq!(setup.hub.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let setup = Setup::new().await;
    let ours = &setup.authority;
    let good = ours.issue("sbox-1");
    let stranger = Authority::new("stranger").issue("sbox-1");
    let (good_dir, bad_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (cert, key) = good.write(good_dir.path());
    let (bad_cert, bad_key) = stranger.write(bad_dir.path());
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let server = || ours.issue("127.0.0.1").server_with(versions, Some(ours));
        let front = setup.front(server()).await;
        let missing = start(&front.url(), &setup.ca()).await;
        refused(missing, &front, "wants a client certificate; set report.client_cert_file").await;

        let front = setup.front(server()).await;
        let wrong = start_with_certificate(&front.url(), &setup.ca(), (&bad_cert, &bad_key)).await;
        refused(wrong, &front, "refuses the certificate of report.client_cert_file").await;

        let front = setup.front(server()).await;
        let agent = start_with_certificate(&front.url(), &setup.ca(), (&cert, &key)).await;
        accepted(&agent).await;
        agent.stop().await.unwrap();
        assert!(front.has_seen(&good));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_tells_only_in_http_that_it_wants_a_certificate_is_understood() {
    let setup = Setup::new().await;
    let hub = Hub::start(|_, _| Answer::status(400)).await;
    let server = setup.authority.issue("127.0.0.1").server_that_asks(&setup.authority);
    let front = Front::start(hub.address, server).await;
    let agent = start(&front.url(), &setup.ca()).await;
    let failing = agent.failing().await;
    assert_eq!(failing["kind"], "rejected");
    let message = failing["message"].as_str().unwrap();
    assert!(message.contains("(400)") && message.contains("wants a client certificate"), "{message}");
    agent.stop().await.unwrap();
}

/// As Kubernetes has secrets: what a link in the folder leads to is swapped.
struct Mounted {
    dir: TempDir,
    count: u32,
}

impl Mounted {
    fn new(ca: &str, certified: &Certified) -> Self {
        let mut mounted = Mounted { dir: TempDir::new().unwrap(), count: 0 };
        mounted.swap(ca, certified);
        for name in ["ca.pem", "tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), mounted.path(name)).unwrap();
        }
        mounted
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn swap(&mut self, ca: &str, certified: &Certified) {
        self.count += 1;
        let version = self.path(&format!("..{}", self.count));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("ca.pem"), ca).unwrap();
        certified.write(&version);
        symlink(version.file_name().unwrap(), self.path("..new")).unwrap();
        std::fs::rename(self.path("..new"), self.path("..data")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_while_the_agent_runs() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (before, after) = (old.issue("sbox-1"), new.issue("sbox-1"));
    let mut mounted = Mounted::new(&old.pem, &before);
    let front = Front::start(hub.address, old.issue("127.0.0.1").server_with(rustls::ALL_VERSIONS, Some(&old))).await;
    let files = (&*mounted.path("tls.crt"), &*mounted.path("tls.key"));
    let agent = start_with_certificate(&front.url(), &mounted.path("ca.pem"), files).await;
    accepted(&agent).await;
    assert!(front.has_seen(&before) && !front.has_seen(&after));

    // The hub takes both while the agents change over, and is itself the last.
    front.set(old.issue("127.0.0.1").server_with(rustls::ALL_VERSIONS, Some(&new)));
    mounted.swap(&format!("{}{}", old.pem, new.pem), &after);
    eventually("the new certificate", || async { front.has_seen(&after).then_some(()) }).await;
    accepted(&agent).await;
    front.set(new.issue("127.0.0.1").server_with(rustls::ALL_VERSIONS, Some(&new)));

    // A key that is not of the certificate is no reason to stop.
    mounted.swap(&new.pem, &Certified { key: before.key.clone(), ..after.clone() });
    let lines = |part: &str| {
        let about = logs::about(&mounted.dir.path().display().to_string());
        about.into_iter().filter(|line| line.contains(part)).count()
    };
    eventually("a warning", || async { (lines("is not the key of the certificate") == 1).then_some(()) }).await;
    accepted(&agent).await;
    mounted.swap(&new.pem, &after);
    eventually("the end of it", || async { (logs_end(&mounted) == 1).then_some(()) }).await;
    accepted(&agent).await;
    agent.stop().await.unwrap();
}

fn logs_end(mounted: &Mounted) -> usize {
    let about = logs::about(&mounted.dir.path().display().to_string());
    about.iter().filter(|line| line.contains("can be read again")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_no_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let setup = Setup::new().await;
    let agent = start(&url, &setup.ca()).await;
    let failing = agent.failing().await;
    assert_eq!(failing["kind"], "tls", "{failing}");
    let message = failing["message"].as_str().unwrap();
    assert!(message.contains("speaks no TLS") && message.contains(&url), "{message}");
    agent.stop().await.unwrap();
    plain.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_nobody_there_with_tls_as_well() {
    let setup = Setup::new().await;
    let agent = start(&format!("https://{}", free_address().await), &setup.ca()).await;
    assert_eq!(agent.failing().await["kind"], "refused");
    agent.stop().await.unwrap();
}
