//! The TLS settings of all collectors: made once, when the first one needs them.
//!
//! Reading the platform's roots takes milliseconds and reads files, so it happens on a thread for blocking work, and
//! never in an agent whose collectors speak no https. A failure is not kept: once the roots are installed, the next
//! request finds them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

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
        let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS cannot be set up: {e}"))?
            .with_root_certificates((self.roots)()?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.config.get_or_init(|| Arc::new(config)).clone())
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
