//! The `[hub]` table, key by key.

use std::fs;

use sandbeat_status::settings::Settings;

use super::*;
use crate::config::DEFAULT_LISTEN;

fn resolve(text: &str) -> (Config, Vec<String>) {
    let (raw, problems) = Settings::parse(text).unwrap().read::<RawConfig>();
    let (config, more) = raw.unwrap_or_default().resolve();
    (config, problems.iter().chain(&more).map(ToString::to_string).collect())
}

#[test]
fn an_empty_table_is_closed_and_on_loopback() {
    let (config, problems) = resolve("");
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(config.listen, DEFAULT_LISTEN);
    assert_eq!(config.enroll, Enroll::Closed);
    assert_eq!(config.limits.body, 1024 * 1024);
    assert!(config.admin_key.is_none());
}

#[test]
fn what_is_written_is_what_runs() {
    let (config, problems) = resolve(
        "listen = \"[::1]:9000\"\nenroll = \"open\"\nmax_sandboxes = 5\nbody_limit = \"64KiB\"\n\
         header_timeout = \"2s\"\nlost_after_intervals = 4\nlost_grace = \"500ms\"\ndefault_interval = \"10s\"\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((config.listen.port(), config.max_sandboxes, config.limits.body), (9000, 5, 65536));
    assert_eq!(config.enroll, Enroll::Open);
    assert_eq!(config.liveness.intervals, 4);
    assert_eq!(config.liveness.grace, Duration::from_millis(500));
}

#[test]
fn every_problem_is_named() {
    let (_, problems) = resolve(
        "listen = \"localhost\"\nenroll = \"maybe\"\nmax_sandboxes = 0\nbody_limit = \"1TiB\"\n\
         lost_grace = \"2s \"\nlost_after_interval = 3\nadmin_key = \"short\"\nheader_timeout = \"1ms\"\n",
    );
    for part in [
        "line 1: listen: `localhost` is not an IP address with a port",
        "line 2: enroll: unknown variant `maybe`",
        "line 6: lost_after_interval: unknown key; did you mean `lost_after_intervals`?",
        "max_sandboxes: 0 is not from 1",
        "body_limit: the limit is not from 4KiB",
        "admin_key: the key has 5 bytes",
        "header_timeout: the duration is not from 10ms",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part}: {problems:#?}");
    }
}

#[test]
fn beyond_loopback_there_has_to_be_a_key_even_when_enrolment_is_open() {
    for enroll in ["open", "closed"] {
        let (_, problems) = resolve(&format!("listen = \"0.0.0.0:8080\"\nenroll = \"{enroll}\""));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("listen: listening on 0.0.0.0:8080"), "{problems:?}");
    }
    let (config, problems) = resolve("listen = \"0.0.0.0:8080\"\nadmin_key = \"0123456789abcdef\"");
    assert!(problems.is_empty(), "{problems:?}");
    assert!(config.admin_key.is_some());
}

#[test]
fn the_key_may_stand_in_a_file_and_is_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let text = format!("admin_key_file = {:?}", file.path());
    let (config, problems) = resolve(&text);
    assert!(problems.is_empty(), "{problems:?}");
    assert!(config.admin_key.as_ref().unwrap().matches("0123456789abcdef"));
    assert!(!format!("{config:?}").contains("0123456789abcdef"));

    let (_, problems) = resolve("admin_key_file = \"/nowhere/at/all\"");
    assert!(problems[0].starts_with("admin_key_file: /nowhere/at/all cannot be read"), "{problems:?}");
    let (_, problems) = resolve(&format!("admin_key = \"0123456789abcdef\"\n{text}"));
    assert!(problems[0].contains("keep one of them"), "{problems:?}");
}

#[test]
fn a_secret_that_is_no_text_is_not_quoted() {
    let (_, problems) = resolve("admin_key = 1234567890123456");
    assert!(problems[0].starts_with("line 1: admin_key: ") && !problems[0].contains("123456"), "{problems:?}");
}

#[test]
fn a_body_fits_into_what_one_address_gets() {
    let (_, problems) = resolve("body_limit = \"1MiB\"\nbody_memory = \"1MiB\"");
    assert!(problems[0].starts_with("body_memory: one address gets half"), "{problems:?}");
    assert!(resolve("body_limit = \"1MiB\"\nbody_memory = \"2MiB\"").1.is_empty());
}

#[test]
fn a_certificate_and_its_key_come_together_and_are_looked_at() {
    let (_, problems) = resolve("tls_cert = \"/nowhere/cert.pem\"");
    assert!(problems[0].starts_with("tls_cert: the certificate needs its key"), "{problems:?}");
    let (_, problems) = resolve("tls_key = \"/nowhere/key.pem\"");
    assert!(problems[0].starts_with("tls_key: the key needs its certificate"), "{problems:?}");
    let (_, problems) = resolve("tls_cert = \"/nowhere/cert.pem\"\ntls_key = \"/nowhere/key.pem\"");
    assert!(problems[0].starts_with("tls_cert: /nowhere/cert.pem cannot be read"), "{problems:?}");
}

#[test]
fn webhooks_are_named_by_their_place() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "a-secret-of-the-hub's-own\n").unwrap();
    let (config, problems) = resolve(&format!(
        "[[webhooks]]\nurl = \"https://example.com/\"\nsecret_file = {:?}\nevents = [\"lost\", \"process-failed\"]\n",
        file.path()
    ));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(config.webhooks[0].secret.as_ref().unwrap().reveal(), "a-secret-of-the-hub's-own");
    assert!(!format!("{config:?}").contains("a-secret-of"));
    let (_, problems) = resolve("[[webhooks]]\nurl = \"https://example.com/\"\n[[webhooks]]\nurl = \"nowhere\"\n");
    assert!(problems[0].starts_with("webhooks.1.url: "), "{problems:?}");
    let (_, problems) = resolve("[[webhooks]]\nurl = \"https://example.com/\"\nevents = [\"gone\"]\n");
    assert!(problems[0].contains("unknown variant `gone`"), "{problems:?}");
}
