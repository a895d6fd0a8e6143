//! What a signal does to a hub that is not to end by it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Hub;
use crate::harness::Sandbox;

#[test]
fn sighup_has_the_certificate_looked_at_and_ends_nothing() {
    let sandbox = Sandbox::new();
    certify(&sandbox);
    let hub = Hub::start_in(sandbox, "tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n");
    let process = hub.process.as_ref().expect("it runs");

    certify(&hub.sandbox);
    let asked = Instant::now();
    process.signal(Signal::HUP);
    process.says(&["SIGHUP", "restart"]);
    process.says(&["the certificate has been read again"]);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}: it looked by itself", asked.elapsed());

    process.signal(Signal::TERM);
    let ended = hub.process.expect("it runs").ended();
    assert!(ended.status.success() && ended.stderr.contains("the hub has stopped"), "{ended:?}");
}

/// Puts a new certificate and its key there.
fn certify(sandbox: &Sandbox) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let cert = params.self_signed(&key).expect("a certificate");
    fs::write(sandbox.path("cert.pem"), cert.pem()).expect("a file");
    fs::write(sandbox.path("key.pem"), key.serialize_pem()).expect("a file");
}
