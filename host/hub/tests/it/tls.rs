//! The hub over TLS: what clients agree with it on, a certificate that is replaced, and clients that know of no TLS.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use sandbeat_hub::{Error, Tls};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, advance, pause, resume, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{DEADLINE, Hub, answer};

const ASK: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A certificate for `localhost`, its key, and who trusts it.
struct Made {
    cert: String,
    key: String,
}

impl Made {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        Made { cert: cert.pem(), key: key.serialize_pem() }
    }

    fn write(&self, dir: &TempDir) -> Tls {
        let tls = Tls { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        fs::write(&tls.cert, &self.cert).unwrap();
        fs::write(&tls.key, &self.key).unwrap();
        tls
    }

    /// A client that trusts this certificate alone.
    async fn connect(
        &self,
        hub: &Hub,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, hub.connect().await).await
    }
}

async fn hub(dir: &TempDir, made: &Made, header_timeout: Duration) -> Hub {
    let tls = made.write(dir);
    Hub::start(|config| {
        config.tls = Some(tls);
        config.limits.header_timeout = header_timeout;
    })
    .await
}

async fn ask(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(ASK).await.unwrap();
    let mut read = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut read)).await.expect("no answer in time").unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn clients_agree_on_a_version_and_on_http_1() {
    let (dir, made) = (tempfile::tempdir().unwrap(), Made::new());
    let hub = hub(&dir, &made, DEADLINE).await;
    for (offered, agreed) in [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let stream = made.connect(&hub, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(agreed));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        let answer = ask(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"status\":\"ok\""), "{answer}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_request_without_tls_is_told_so() {
    let (dir, made) = (tempfile::tempdir().unwrap(), Made::new());
    let hub = hub(&dir, &made, DEADLINE).await;
    hub.get("/health").send().await.refused(400, "TLS");
    hub.stop().await;
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_holds_nobody_up() {
    let (dir, made) = (tempfile::tempdir().unwrap(), Made::new());
    let hub = hub(&dir, &made, Duration::from_millis(500)).await;
    let mut silent = hub.connect().await;
    let mut half = hub.connect().await;
    half.write_all(&[22, 3, 1, 0, 100, 1]).await.unwrap();
    let start = Instant::now();
    assert!(ask(made.connect(&hub, &version::TLS13).await.unwrap()).await.starts_with("HTTP/1.1 200"));
    for stream in [&mut silent, &mut half] {
        assert_eq!(answer(stream).await.status, 0, "closed");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    hub.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart() {
    let (dir, first, second) = (tempfile::tempdir().unwrap(), Made::new(), Made::new());
    let hub = hub(&dir, &first, DEADLINE).await;
    let mut kept = first.connect(&hub, &version::TLS13).await.unwrap();
    second.write(&dir);
    // How often the hub looks at its files.
    pause();
    advance(Duration::from_secs(10)).await;
    resume();
    let deadline = Instant::now() + DEADLINE;
    while second.connect(&hub, &version::TLS13).await.is_err() {
        assert!(Instant::now() < deadline, "it is never taken");
        sleep(Duration::from_millis(50)).await;
    }
    first.connect(&hub, &version::TLS13).await.expect_err("the old one is still shown");
    kept.write_all(ASK).await.unwrap();
    assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0, "a connection of before goes on");
    hub.stop().await;
}

#[tokio::test]
async fn a_key_that_does_not_fit_keeps_the_hub_from_starting() {
    let (dir, made, other) = (tempfile::tempdir().unwrap(), Made::new(), Made::new());
    let files = Made { cert: made.cert, key: other.key }.write(&dir);
    let config = sandbeat_hub::Config { tls: Some(files), ..sandbeat_hub::Config::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = sandbeat_hub::serve(listener, config, std::future::pending()).await.unwrap_err();
    assert!(matches!(&error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().starts_with("hub.tls_key: "), "{error}");
}
