//! The hub's certificate and key: read at the start, and again when they change, which is looked at every so often and
//! when somebody asks.
//!
//! What is in the files counts, not their times, so links that are turned and files that are written in place are both
//! seen. A pair that is not whole (the certificate is there already and its key is not) or is wrong leaves the one
//! before in use; that is said once, and not before it has been so for two looks, because a pair is never replaced in
//! one step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sandbeat_status::files;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config;

/// The most bytes of a file.
const MAX_FILE: usize = 1 << 20;
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// What is wrong with one of the files; for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct Wrong {
    /// Of the configuration: `tls_cert` or `tls_key`.
    pub key: &'static str,
    /// What is wrong, with the file's path, and the cure.
    pub reason: String,
}

/// Has a hub that serves with TLS look at its certificate and key at once.
#[derive(Clone, Debug, Default)]
pub struct Renewal(Arc<Notify>);

/// TLS with the newest certificate that was good.
#[derive(Debug)]
pub(crate) struct Tls {
    files: config::Tls,
    present: Mutex<Pair>,
    trouble: Mutex<Trouble>,
    renewal: Renewal,
}

/// What is in the files, as it is used.
#[derive(Clone, Debug)]
struct Pair {
    config: Arc<ServerConfig>,
    digest: [u8; 32],
    /// Why clients refuse the first certificate, whomever they trust, if they do.
    flaw: Option<Flaw>,
}

/// What no client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// Its time was over then.
    Expired(Timestamp),
    /// It is an authority's own (CA:TRUE), as `openssl req -x509` makes them when nothing else is said.
    Authority,
}

/// How it stands with a pair that is not good.
#[derive(Debug, Default, PartialEq, Eq)]
enum Trouble {
    #[default]
    None,
    /// Seen once.
    New,
    /// Said.
    Known,
}

impl Renewal {
    /// Asks for it; does not wait.
    pub fn ask(&self) {
        self.0.notify_one();
    }
}

impl Tls {
    /// Reads the files. May block for as long as their disk does.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub(crate) fn read(files: &config::Tls, renewal: Renewal) -> Result<Self, Wrong> {
        let pair = Pair::read(files)?;
        pair.warn_of_flaw(files);
        Ok(Tls { files: files.clone(), present: Mutex::new(pair), trouble: Mutex::default(), renewal })
    }

    /// What a new connection shakes hands with.
    pub(crate) fn present(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.present.lock().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Looks at the files every now and then and when it is asked to, for as long as it is polled.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            // Both are a reason to look.
            let _ = timeout(LOOK, self.renewal.0.notified()).await;
            let this = Arc::clone(&self);
            // A disk that hangs costs one blocking thread and the next certificate.
            if let Err(error) = spawn_blocking(move || this.look()).await {
                tracing::error!(%error, "reading the certificate panicked; this is a bug of sandbeat");
            }
        }
    }

    /// Takes what is in the files where it is new and good.
    fn look(&self) {
        let read = Pair::read(&self.files);
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(pair) => {
                let known = std::mem::take(&mut *trouble) == Trouble::Known;
                if known || pair.digest != present.digest {
                    tracing::info!(cert = %self.files.cert.display(), "the certificate has been read again");
                }
                if pair.digest != present.digest {
                    pair.warn_of_flaw(&self.files);
                    *present = pair;
                }
            }
            Err(_) if *trouble == Trouble::None => *trouble = Trouble::New,
            Err(wrong) if *trouble == Trouble::New => {
                *trouble = Trouble::Known;
                tracing::warn!("hub.{wrong}; the certificate of before stays in use");
            }
            Err(_) => {}
        }
    }
}

/// Names what is wrong with the files. May block.
pub(crate) fn check(files: &config::Tls) -> Result<(), Wrong> {
    Pair::read(files).map(|_| ())
}

impl Pair {
    fn read(files: &config::Tls) -> Result<Self, Wrong> {
        let wrong_cert = |reason| Wrong { key: "tls_cert", reason };
        let wrong_key = |reason| Wrong { key: "tls_key", reason };
        let chain_pem = files::read(&files.cert, MAX_FILE).map_err(wrong_cert)?;
        let key_pem = files::read(&files.key, MAX_FILE).map_err(wrong_key)?;
        let (cert, key) = (files.cert.display(), files.key.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain_pem)
            .collect::<Result<_, _>>()
            .map_err(|e| wrong_cert(format!("{cert} is not PEM: {e}")))?;
        if chain.is_empty() {
            return Err(wrong_cert(format!(
                "{cert} has no certificate; it has to be PEM (`-----BEGIN CERTIFICATE-----`)"
            )));
        }
        let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| {
            wrong_key(match error {
                pem::Error::NoItemsFound => {
                    format!("{key} has no private key; it has to be PEM (`-----BEGIN PRIVATE KEY-----`), not encrypted")
                }
                error => format!("{key} is not PEM: {error}"),
            })
        })?;
        let flaw = flaw(&chain);
        let provider = Arc::new(ring::default_provider());
        let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                wrong_key(format!("{key} is not the key of the first certificate in {cert}"))
            }
            rustls::Error::InvalidCertificate(_) => wrong_cert(format!("{cert} is not a certificate: {error}")),
            error => wrong_key(format!("{key} is no key that can be used: {error}")),
        })?;
        let unusable = |error: rustls::Error| wrong_cert(format!("TLS cannot be used: {error}"));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A fleet that comes back after a restart of its network need not do all of it anew.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        let digest = Sha256::new().chain_update(Sha256::digest(&chain_pem)).chain_update(&key_pem).finalize().into();
        Ok(Pair { config: Arc::new(config), digest, flaw })
    }

    fn warn_of_flaw(&self, files: &config::Tls) {
        let cert = files.cert.display();
        match self.flaw {
            Some(Flaw::Expired(expired)) => {
                tracing::warn!(%cert, %expired, "hub.tls_cert: the certificate has expired, and agents refuse it; renew it");
            }
            Some(Flaw::Authority) => tracing::warn!(
                %cert,
                "hub.tls_cert: the certificate is an authority's own (CA:TRUE), not a server's, and agents refuse it; \
                 make one with CA:FALSE"
            ),
            None => {}
        }
    }
}

/// What is wrong with the first certificate for everyone.
fn flaw(chain: &[CertificateDer<'_>]) -> Option<Flaw> {
    let first = ParsedCertificate::try_from(chain.first()?).ok()?;
    // Its time and its use are judged before who has signed it, which nobody has here.
    let roots = RootCertStore::empty();
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(&first, &roots, &[], UnixTime::now(), algorithms) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Timestamp::from_second(i64::try_from(not_after.as_secs()).ok()?).ok().map(Flaw::Expired)
        }
        // The type of this one is the verifier's own.
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            Some(Flaw::Authority)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    struct Made {
        cert: String,
        key: String,
    }

    fn make(change: impl FnOnce(&mut CertificateParams)) -> Made {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Made { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn files(dir: &Path) -> config::Tls {
        config::Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") }
    }

    fn write(files: &config::Tls, cert: &str, key: &str) {
        fs::write(&files.cert, cert).unwrap();
        fs::write(&files.key, key).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let refusal = || check(&files).unwrap_err().to_string();
        assert!(refusal().starts_with("tls_cert: ") && refusal().contains("cert.pem cannot be read"), "{}", refusal());
        let (made, other) = (make(|_| {}), make(|_| {}));
        write(&files, "nothing", &made.key);
        assert!(refusal().starts_with("tls_cert: ") && refusal().contains("has no certificate"), "{}", refusal());
        write(&files, &made.cert, "nothing");
        assert!(refusal().starts_with("tls_key: ") && refusal().contains("has no private key"), "{}", refusal());
        write(&files, &made.cert, &made.cert);
        assert!(refusal().contains("has no private key"), "{}", refusal());
        write(&files, &made.cert, &other.key);
        assert!(refusal().starts_with("tls_key: ") && refusal().contains("is not the key of"), "{}", refusal());
        write(&files, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &made.key);
        assert!(refusal().starts_with("tls_cert: "), "{}", refusal());
        write(&files, &made.cert, &made.key);
        assert_eq!(check(&files), Ok(()));
        assert!(!refusal_shows(&files, &made.key));
    }

    fn refusal_shows(files: &config::Tls, secret: &str) -> bool {
        format!("{:?}", Pair::read(files)).contains(secret)
    }

    #[test]
    fn what_clients_refuse_of_a_certificate_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let old = make(|params| params.not_after = date_time_ymd(2020, 2, 3));
        write(&files, &old.cert, &old.key);
        let expired = Flaw::Expired("2020-02-03T00:00:00Z".parse().unwrap());
        assert_eq!(Pair::read(&files).unwrap().flaw, Some(expired));
        let authority = make(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        write(&files, &authority.cert, &authority.key);
        assert_eq!(Pair::read(&files).unwrap().flaw, Some(Flaw::Authority));
        let good = make(|_| {});
        write(&files, &good.cert, &good.key);
        assert_eq!(Pair::read(&files).unwrap().flaw, None);
    }

    #[test]
    fn a_new_pair_is_taken_when_it_is_whole_and_good() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let (first, second) = (make(|_| {}), make(|_| {}));
        write(&files, &first.cert, &first.key);
        let tls = Tls::read(&files, Renewal::default()).unwrap();
        let start = tls.present();
        tls.look();
        assert!(Arc::ptr_eq(&start, &tls.present()), "nothing is new");

        fs::write(&files.cert, &second.cert).unwrap();
        tls.look();
        assert!(Arc::ptr_eq(&start, &tls.present()), "it has no key yet");
        assert_eq!(*tls.trouble.lock().unwrap(), Trouble::New, "which is not worth a word");
        tls.look();
        assert_eq!(*tls.trouble.lock().unwrap(), Trouble::Known);
        fs::write(&files.key, &second.key).unwrap();
        tls.look();
        assert!(!Arc::ptr_eq(&start, &tls.present()));
        assert_eq!(*tls.trouble.lock().unwrap(), Trouble::None);
    }
}
