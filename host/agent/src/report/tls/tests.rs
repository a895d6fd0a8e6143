//! Files as operators have them, and what is said of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::ServerName;
use tempfile::TempDir;

use super::*;

struct Folder(TempDir);

impl Folder {
    /// A certificate and its key, `cert.pem` and `key.pem`.
    fn new() -> (Self, KeyPair) {
        let dir = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["hub.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let folder = Folder(dir);
        folder.write("cert.pem", &cert.pem());
        folder.write("key.pem", &key.serialize_pem());
        (folder, key)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { ca: Some(self.path("cert.pem")), client: Some((self.path("cert.pem"), self.path("key.pem"))) }
    }

    fn wrong(&self, files: &TlsFiles) -> Vec<String> {
        check(files, false)
            .iter()
            .map(|wrong| wrong.to_string().replace(&format!("{}/", self.0.path().display()), ""))
            .collect()
    }
}

/// PKCS#8 of a P-256 key has the SEC 1 form inside, from the sequence with the version 1 and 32 bytes of key on.
fn sec1(key: &KeyPair) -> String {
    let pkcs8 = key.serialize_der();
    let start = pkcs8.windows(5).position(|bytes| bytes == [2, 1, 1, 4, 32]).unwrap() - 2;
    format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", STANDARD.encode(&pkcs8[start..]))
}

#[test]
fn keys_in_each_form_are_read() {
    let (folder, key) = Folder::new();
    assert_eq!(folder.wrong(&folder.files()), [""; 0]);
    folder.write("key.pem", &format!("# of the sandbox\n{}", sec1(&key)));
    assert_eq!(folder.wrong(&folder.files()), [""; 0]);
    assert_eq!(check(&folder.files(), true), [], "its own authority is enough for https");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_key() {
    let (folder, _) = Folder::new();
    let (_, other) = Folder::new();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cert = std::fs::read_to_string(folder.path("cert.pem")).unwrap();
    for (name, text, problem) in [
        ("key.pem", other.serialize_pem(), "report.client_key_file: key.pem is not the key of the certificate"),
        ("key.pem", encrypted.to_owned(), "report.client_key_file: key.pem has no key that can be read"),
        ("key.pem", cert.clone(), "report.client_key_file: key.pem has no key that can be read"),
    ] {
        folder.write(name, &text);
        let wrong = folder.wrong(&folder.files());
        assert!(wrong.len() == 1 && wrong[0].starts_with(problem), "{wrong:#?}");
    }
    for (text, problem) in [
        ("", "report.ca_file: ca.pem has no certificate; it takes PEM"),
        (encrypted, "report.ca_file: ca.pem has no certificate; it takes PEM"),
        ("-----BEGIN CERTIFICATE-----\n", "report.ca_file: ca.pem is not PEM"),
        (junk, "report.ca_file: ca.pem: certificate 1 is of no use"),
        (&format!("{cert}{junk}"), "report.ca_file: ca.pem: certificate 2 is of no use"),
        (&"a".repeat(MAX_FILE + 1), "report.ca_file: ca.pem has more than 1048576 bytes"),
    ] {
        folder.write("ca.pem", text);
        let files = TlsFiles { ca: Some(folder.path("ca.pem")), client: None };
        let wrong = folder.wrong(&files);
        assert!(wrong.len() == 1 && wrong[0].starts_with(problem), "{wrong:#?}");
        assert_eq!(check(&files, true).len(), 1);
    }
}

#[test]
fn all_files_that_cannot_be_read_are_named() {
    let (folder, _) = Folder::new();
    let (missing, dir) = (folder.path("missing"), folder.0.path().to_owned());
    let files = TlsFiles { ca: Some(missing.clone()), client: Some((dir, missing)) };
    let keys: Vec<_> = check(&files, true).into_iter().map(|wrong| wrong.key).collect();
    assert_eq!(keys, [CA_FILE, CERT_FILE, KEY_FILE]);
}

#[test]
fn files_are_the_same_by_their_content() {
    let (folder, key) = Folder::new();
    let tls = Tls::read(&folder.files()).unwrap();
    folder.write("key.pem", &key.serialize_pem());
    assert!(tls.read_again(&folder.files()).unwrap().is_none());
    folder.write("key.pem", &sec1(&key));
    assert!(tls.read_again(&folder.files()).unwrap().is_some());
    folder.write("key.pem", "");
    assert_eq!(tls.read_again(&folder.files()).unwrap_err().key, KEY_FILE);
}

#[test]
fn each_failure_is_told_in_words_that_help() {
    let (folder, _) = Folder::new();
    let anonymous = Tls::read(&TlsFiles { client: None, ..folder.files() }).unwrap();
    let known = Tls::read(&folder.files()).unwrap();
    let at = |secs| UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs));
    let name = ServerName::try_from("hub").unwrap();
    let other = CertificateError::NotValidForNameContext { expected: name, presented: vec!["a\nb".to_owned()] };
    for (tls, error, part) in [
        (&known, CertificateError::UnknownIssuer.into(), "set report.ca_file to"),
        (
            &known,
            CertificateError::NotValidYetContext { time: at(0), not_before: at(86_400) }.into(),
            "from 1970-01-02T",
        ),
        (&known, CertificateError::ExpiredContext { time: at(86_400), not_after: at(0) }.into(), "until 1970-01-01T"),
        (&known, other.into(), "(a\\nb)"),
        (&known, CertificateError::Revoked.into(), "revoked"),
        (&known, CertificateError::BadEncoding.into(), "is not accepted: "),
        (&known, rustls::Error::AlertReceived(AlertDescription::CertificateExpired), "refuses the certificate of"),
        (&anonymous, rustls::Error::AlertReceived(AlertDescription::CertificateRequired), "wants a client certificate"),
        (&known, rustls::Error::AlertReceived(AlertDescription::ProtocolVersion), "TLS 1.2 or 1.3"),
        (&known, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName), "does not know that name"),
        (&anonymous, rustls::Error::AlertReceived(AlertDescription::InternalError), "refuses TLS (InternalError)"),
        (&known, rustls::PeerIncompatible::NoCipherSuitesInCommon.into(), "TLS 1.2 or 1.3"),
        (&known, rustls::InvalidMessage::InvalidContentType.into(), "speaks no TLS"),
    ] {
        let told = explain("https://hub", tls, &error);
        assert!(told.contains(part) && told.contains("https://hub"), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
    // Asked, it has none to show: then whatever the hub says means that.
    assert_eq!(explain_end("https://hub", &anonymous), None);
    assert!(anonymous.identity.resolve(&[], &[]).is_none());
    assert!(explain_end("https://hub", &anonymous).unwrap().contains("wants a client certificate"));
    let error = rustls::Error::AlertReceived(AlertDescription::HandshakeFailure);
    assert!(explain("https://hub", &anonymous, &error).contains("wants a client certificate"));
    anonymous.note_accepted();
    assert_eq!(explain_end("https://hub", &anonymous), None, "it can do without");
    assert!(known.identity.resolve(&[], &[]).is_some() && explain_end("https://hub", &known).is_none());
}
