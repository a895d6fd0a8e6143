//! TLS to the hub: who is trusted, who the agent is, and what went wrong in the operator's words.
//!
//! The platform's roots and those of `report.ca_file` are trusted; the agent shows the certificate of
//! `report.client_cert_file` where the hub asks for one. Reading them may block, so it is done at the start and on
//! blocking threads. A file that is wrong yields no configuration, so that whoever has an older one keeps it.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sandbeat_status::files;
use sandbeat_status::names::shown;
use sha1::{Digest, Sha1};

use super::TlsFiles;

/// The most bytes of a file; the roots of a whole system have a quarter of it.
const MAX_FILE: usize = 1 << 20;
/// The most bytes of what a certificate says in a message.
const MAX_WORDS: usize = 200;

const CA_FILE: &str = "report.ca_file";
const CERT_FILE: &str = "report.client_cert_file";
const KEY_FILE: &str = "report.client_key_file";

/// What new connections are made with.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    identity: Arc<Identity>,
    /// Of the files that it was made from.
    digest: [u8; 20],
}

/// What is wrong with one key of the configuration; for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub(crate) struct Wrong {
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

/// Names everything that is wrong with the files and, for a hub at an `https` URL, with the roots. May block.
pub(crate) fn check(files: &TlsFiles, https: bool) -> Vec<Wrong> {
    let (contents, mut wrong) = Contents::read(files);
    match https {
        true if wrong.is_empty() => wrong.extend(Tls::of(contents).err()),
        _ => wrong.extend(contents.anchors().err().into_iter().chain(contents.certified().err())),
    }
    wrong
}

impl Tls {
    /// Reads the files and the platform's roots. May block.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn read(files: &TlsFiles) -> Result<Self, Wrong> {
        let (contents, wrong) = Contents::read(files);
        wrong.into_iter().next().map_or_else(|| Tls::of(contents), Err)
    }

    /// As [`Tls::read`]; nothing where the files are the same as before.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn read_again(&self, files: &TlsFiles) -> Result<Option<Self>, Wrong> {
        let (contents, wrong) = Contents::read(files);
        match wrong.into_iter().next() {
            Some(wrong) => Err(wrong),
            None if contents.digest() == self.digest => Ok(None),
            None => Tls::of(contents).map(Some),
        }
    }

    /// The hub accepted a report, so that it wants no certificate that it was not shown.
    pub(super) fn note_accepted(&self) {
        self.identity.accepted.store(true, Ordering::Relaxed);
    }

    /// Whether the hub has asked for a certificate, there is none, and it has never done without.
    fn lacks_certificate(&self) -> bool {
        let Identity { certified, asked, accepted } = &*self.identity;
        certified.is_none() && asked.load(Ordering::Relaxed) && !accepted.load(Ordering::Relaxed)
    }

    fn of(contents: Contents) -> Result<Self, Wrong> {
        let provider: Arc<CryptoProvider> = ring::default_provider().into();
        let unusable =
            |e: rustls::Error| Wrong { key: "report.server_url", reason: format!("TLS cannot be used: {e}") };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for anchor in contents.anchors()? {
            roots.add(anchor).map_err(unusable)?;
        }
        if roots.is_empty() {
            let reason = "is https, and this system has no CA certificates; install them (the package \
                          ca-certificates), or set report.ca_file";
            return Err(Wrong { key: "report.server_url", reason: reason.to_owned() });
        }
        let identity = Arc::new(Identity { certified: contents.certified()?, ..Identity::default() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_cert_resolver(identity.clone());
        Ok(Tls { config: Arc::new(config), identity, digest: contents.digest() })
    }
}

/// The agent's own certificate, whether the hub wanted to see one, and whether it ever accepted a report.
#[derive(Debug, Default)]
struct Identity {
    certified: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
    accepted: AtomicBool,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

/// What is in the files.
struct Contents {
    ca: Option<Content>,
    client: Option<(Content, Content)>,
}

struct Content {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Contents {
    fn read(files: &TlsFiles) -> (Self, Vec<Wrong>) {
        let mut wrong = Vec::new();
        let mut read = |key, path: &Path| match files::read(path, MAX_FILE) {
            Ok(bytes) => Some(Content { path: path.to_owned(), bytes }),
            Err(reason) => {
                wrong.push(Wrong { key, reason });
                None
            }
        };
        let ca = files.ca.as_deref().and_then(|path| read(CA_FILE, path));
        let client = files.client.as_ref().map(|(cert, key)| (read(CERT_FILE, cert), read(KEY_FILE, key)));
        let client = client.and_then(|(cert, key)| cert.zip(key));
        (Contents { ca, client }, wrong)
    }

    fn digest(&self) -> [u8; 20] {
        let mut digest = Sha1::new();
        let client = self.client.iter().flat_map(|(cert, key)| [cert, key]);
        for content in self.ca.iter().chain(client) {
            digest.update(content.bytes.len().to_le_bytes());
            digest.update(&content.bytes);
        }
        digest.finalize().into()
    }

    fn anchors(&self) -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let Some(ca) = &self.ca else { return Ok(Vec::new()) };
        let wrong = |reason| Wrong { key: CA_FILE, reason };
        let anchors = ca.certificates().map_err(wrong)?;
        for (n, anchor) in anchors.iter().enumerate() {
            let added = RootCertStore::empty().add(anchor.clone());
            added.map_err(|e| wrong(format!("{}: certificate {} is of no use: {e}", ca.path.display(), n + 1)))?;
        }
        Ok(anchors)
    }

    fn certified(&self) -> Result<Option<Arc<CertifiedKey>>, Wrong> {
        let Some((cert, key)) = &self.client else { return Ok(None) };
        let chain = cert.certificates().map_err(|reason| Wrong { key: CERT_FILE, reason })?;
        let wrong = |reason: &str| Wrong { key: KEY_FILE, reason: format!("{} {reason}", key.path.display()) };
        let pem = PrivateKeyDer::from_pem_slice(&key.bytes)
            .map_err(|_| wrong("has no key that can be read; it takes one in PEM, not encrypted"))?;
        match CertifiedKey::from_der(chain, pem, &ring::default_provider()) {
            Ok(certified) => Ok(Some(Arc::new(certified))),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(wrong("is not the key of the certificate in report.client_cert_file"))
            }
            Err(rustls::Error::InvalidCertificate(_)) => {
                let reason = format!("{}: the first certificate cannot be read", cert.path.display());
                Err(Wrong { key: CERT_FILE, reason })
            }
            Err(e) => Err(wrong(&format!("cannot be used: {e}"))),
        }
    }
}

impl Content {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let path = self.path.display();
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match read {
            Ok(certificates) if certificates.is_empty() => {
                Err(format!("{path} has no certificate; it takes PEM, which begins with -----BEGIN CERTIFICATE-----"))
            }
            Ok(certificates) => Ok(certificates),
            Err(e) => Err(format!("{path} is not PEM: {}", shown(&e.to_string(), MAX_WORDS))),
        }
    }
}

/// Why there is no TLS with `server`, and what to do about it. `tls` is what was tried.
pub(super) fn explain(server: &str, tls: &Tls, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(wrong) => certificate(server, wrong),
        rustls::Error::AlertReceived(alert) => refusal(server, tls, *alert),
        rustls::Error::InvalidMessage(_) => {
            format!("{server} speaks no TLS there; check the port in report.server_url, or write it with http://")
        }
        rustls::Error::PeerIncompatible(_) => incompatible(server),
        other => format!("TLS with {server} failed: {other}"),
    }
}

/// Why a hub that hung up without a word did so, where that can be known.
pub(super) fn explain_end(server: &str, tls: &Tls) -> Option<String> {
    tls.lacks_certificate().then(|| wanted(server))
}

fn certificate(server: &str, wrong: &CertificateError) -> String {
    let of = format!("the certificate of {server}");
    match wrong {
        CertificateError::Expired => format!("{of} has expired; renew it there"),
        CertificateError::ExpiredContext { time, not_after } => {
            let (until, now) = (date(*not_after), date(*time));
            format!(
                "{of} has expired: it was valid until {until}, and it is {now} here; renew it there, or set the clock here"
            )
        }
        CertificateError::NotValidYet => format!("{of} is not valid yet; check the clock here"),
        CertificateError::NotValidYetContext { time, not_before } => {
            let (from, now) = (date(*not_before), date(*time));
            format!("{of} is not valid yet: it is valid from {from}, and it is {now} here; check the clock here")
        }
        CertificateError::UnknownIssuer => {
            format!(
                "{of} is of an authority that is not trusted here; set report.ca_file to that authority's certificate"
            )
        }
        CertificateError::NotValidForName => format!("{of} is for another name; check report.server_url"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let names = shown(&presented.iter().map(plain).collect::<Vec<_>>().join(", "), MAX_WORDS);
            format!("{of} is for other names ({names}); check report.server_url")
        }
        CertificateError::Revoked => format!("{of} has been revoked; renew it there"),
        // How a certificate that has signed itself fails, where another of the same name is trusted.
        CertificateError::BadSignature => {
            format!("{of} is not signed by an authority that is trusted here; set report.ca_file to its authority's")
        }
        // The type of this one is the verifier's own.
        CertificateError::Other(why) if why.0.to_string().contains("CaUsedAsEndEntity") => {
            format!("{of} is an authority's own (CA:TRUE), not a server's; issue one for the server with it")
        }
        other => format!("{of} is not accepted: {other}"),
    }
}

fn refusal(server: &str, tls: &Tls, alert: AlertDescription) -> String {
    let shown = tls.identity.certified.is_some();
    match alert {
        AlertDescription::CertificateRequired if !shown => wanted(server),
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
            if shown =>
        {
            format!("{server} refuses the certificate of report.client_cert_file ({alert:?}); renew it")
        }
        _ if tls.lacks_certificate() => wanted(server),
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => incompatible(server),
        AlertDescription::UnrecognisedName => {
            format!("{server} does not know that name; check report.server_url")
        }
        alert => format!("{server} refuses TLS ({alert:?})"),
    }
}

fn wanted(server: &str) -> String {
    format!("{server} wants a client certificate; set report.client_cert_file and report.client_key_file")
}

fn incompatible(server: &str) -> String {
    format!("{server} and this agent have no version or cipher of TLS in common; it has to speak TLS 1.2 or 1.3")
}

fn date(time: UnixTime) -> String {
    let moment = i64::try_from(time.as_secs()).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    moment.map_or_else(|| "an unknown time".to_owned(), |moment| moment.to_string())
}
