//! A proxy between the agent and its hub.

use tempfile::TempDir;

use crate::support::agent::{Agent, Builder};
use crate::support::hub::{Answer, Hub, free_address};
use crate::support::logs;
use crate::support::proxy::Proxy;
use crate::support::tls::{Authority, Front};

/// `me` and `p@ss`.
const USER: &str = "me:p%40ss@";
const AUTHORIZATION: &str = "Basic bWU6cEBzcw==";

async fn start(server: &str, proxy: &str, ca: Option<&TempDir>) -> Agent {
    let builder = Builder::new(server).with(|sections| {
        sections.report.proxy = Some(proxy.to_owned().into());
        sections.report.ca_file = ca.map(|dir| dir.path().join("ca.pem"));
    });
    builder.start().await
}

/// The failure, and whether anyone could read the password in what was told.
async fn failing(agent: Agent, proxy: &str) -> (String, String) {
    let failing = agent.failing().await;
    agent.stop().await.unwrap();
    let message = failing["message"].as_str().unwrap().to_owned();
    let told = logs::about(proxy).concat();
    assert!(told.contains(&message), "{told}");
    for part in ["p%40ss", "p@ss", "bWU6cEBzcw"] {
        assert!(!message.contains(part) && !told.contains(part), "{told}");
    }
    (failing["kind"].as_str().unwrap().to_owned(), message)
}

/// A hub behind TLS, and a folder with the certificate of its authority.
async fn secure_hub() -> (Hub, Front, TempDir) {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let authority = Authority::new("ours");
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let front = Front::start(hub.address, authority.issue("hub.invalid").server()).await;
    (hub, front, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_is_passed_on_by_the_proxy() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let proxy = Proxy::start(hub.address, "200 OK").await;
    // A name that only the proxy knows.
    let agent = start("http://hub.invalid:8080/base", &format!("http://{USER}{}", proxy.address), None).await;
    let received = hub.wait_count(3).await;
    agent.stop().await.unwrap();
    let request = &proxy.asked()[0];
    assert_eq!(request.start, "POST http://hub.invalid:8080/base/api/v1/sandboxes/sbox-1/status HTTP/1.1");
    assert_eq!(request.header("host"), "hub.invalid:8080");
    assert_eq!(request.header("proxy-authorization"), AUTHORIZATION);
    assert_eq!(received[0].message().header("authorization"), "Bearer s3cret");
}

#[tokio::test(flavor = "multi_thread")]
async fn https_goes_through_a_tunnel() {
    let (hub, front, ca) = secure_hub().await;
    let proxy = Proxy::start(front.address, "200 Connection established").await;
    let agent = start("https://hub.invalid", &format!("http://{USER}{}", proxy.address), Some(&ca)).await;
    let received = hub.wait_count(3).await;
    agent.stop().await.unwrap();
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1, "one tunnel for all reports: {asked:?}");
    assert_eq!(asked[0].start, "CONNECT hub.invalid:443 HTTP/1.1");
    assert_eq!(asked[0].header("host"), "hub.invalid:443");
    assert_eq!(asked[0].header("proxy-authorization"), AUTHORIZATION);
    assert_eq!(asked[0].header("authorization"), "", "the hub's token is not the proxy's");
    let request = received[0].message();
    assert_eq!(request.start, "POST /api/v1/sandboxes/sbox-1/status HTTP/1.1");
    assert_eq!(request.header("host"), "hub.invalid");
    assert_eq!(request.header("proxy-authorization"), "", "the proxy's password is not the hub's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_refuses_is_told_as_the_proxys() {
    let (hub, front, ca) = secure_hub().await;
    // Kept, so that none has the port of one before it, by which the log is searched.
    let mut proxies = Vec::new();
    for (server, user, answer, kind, part) in [
        ("https://hub.invalid", USER, "407 X", "denied", "refuses the user and password (407); correct them in"),
        ("https://hub.invalid", "", "407 X", "denied", "write them into report.proxy as http://USER:PASSWORD@"),
        ("https://hub.invalid", USER, "403 X", "rejected", "gives no tunnel to hub.invalid:443 (403)"),
        ("https://hub.invalid:8443", USER, "502 X", "unreachable", "does not reach hub.invalid:8443 (502)"),
        ("https://hub.invalid", USER, "OK", "protocol", "does not answer as a proxy does"),
        ("http://hub.invalid", USER, "407 X", "denied", "refuses the user and password (407); correct them in"),
    ] {
        let proxy = Proxy::start(front.address, answer).await;
        let address = format!("http://{}", proxy.address);
        let agent = start(server, &format!("http://{user}{}", proxy.address), Some(&ca)).await;
        let (found, message) = failing(agent, &address).await;
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(part) && message.contains(&format!("the proxy {address}")), "{message}");
        proxies.push(proxy);
    }
    assert_eq!(hub.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let hub = Hub::start(|_, _| Answer::ok()).await;
    let nobody = format!("http://{}", free_address().await);
    // Too long for a part of a name, so that no name server is asked.
    let nameless = format!("http://{}.invalid", "a".repeat(64));
    for (proxy, kind) in [(nobody, "refused"), (nameless, "dns")] {
        let agent = start(&hub.url(), &proxy.replace("//", &format!("//{USER}")), None).await;
        let (found, message) = failing(agent, &proxy).await;
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(&format!("the proxy {proxy} of report.proxy")), "{message}");
    }
    assert_eq!(hub.received().len(), 0, "nothing goes straight");
}
