//! The TLS settings of all collectors: made once, when the first one needs them.
//!
//! Reading the platform's roots takes milliseconds and reads files, so it happens on a thread for blocking work, and
//! never in an agent whose collectors speak no https. A failure is not kept: once the roots are installed, the next
//! request finds them.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Where the roots come from; blocks. On failure, what to do about it.
pub(super) type Roots = dyn Fn() -> Result<RootCertStore, String> + Send + Sync;

pub(super) struct Tls {
    roots: Box<Roots>,
    config: OnceLock<Arc<ClientConfig>>,
    /// Taken while the settings are made, so that several first requests make them once.
    turn: Mutex<()>,
}

impl Tls {
    pub(super) fn new(roots: Box<Roots>) -> Self {
        Tls { roots, config: OnceLock::new(), turn: Mutex::new(()) }
    }

    /// The settings.
    ///
    /// # Errors
    /// TLS cannot be set up: no root certificates, for one. In words for the operator.
    pub(super) async fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let tls = self.clone();
        tokio::task::spawn_blocking(move || tls.make()).await.map_err(|e| format!("TLS cannot be set up: {e}"))?
    }

    fn make(&self) -> Result<Arc<ClientConfig>, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let not_set_up = |e: &dyn std::fmt::Display| format!("TLS cannot be set up: {e}");
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new((self.roots)()?), provider.clone())
            .build()
            .map_err(|e| not_set_up(&e))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| not_set_up(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness(verifier)))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session that goes on is not verified again: a certificate that has expired or was replaced meanwhile would
        // go unnoticed, and tickets would be shared between collectors.
        config.resumption = Resumption::disabled();
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
    }
}

tokio::task_local! {
    /// What the server of the handshake that this task is at has shown, in DER.
    static SHOWN: RefCell<Option<Vec<u8>>>;
}

/// Does a handshake; beside its result the server's own certificate, also where that was refused, which is when TLS
/// itself does not tell it.
pub(super) async fn witnessed<T>(handshake: impl Future<Output = T>) -> (T, Option<Vec<u8>>) {
    let both = async {
        let result = handshake.await;
        (result, SHOWN.with(RefCell::take))
    };
    SHOWN.scope(RefCell::default(), both).await
}

/// Notes what it is asked to verify, and leaves the verdict to the usual verifier.
#[derive(Debug)]
struct Witness(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Outside of `witnessed` nobody asks.
        let _ = SHOWN.try_with(|shown| shown.replace(Some(end_entity.to_vec())));
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The platform's roots.
pub(super) fn platform_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err("this system has no CA certificates; install them (the package ca-certificates), or set \
                     SSL_CERT_FILE"
            .into()),
        false => Ok(roots),
    }
}
