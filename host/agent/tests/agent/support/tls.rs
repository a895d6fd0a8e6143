//! An authority of the test's own, and TLS in front of a hub.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::server::{ClientCertVerifierBuilder, WantsServerCert, WebPkiClientVerifier};
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn verifier(&self) -> ClientCertVerifierBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::new(ring::default_provider()))
    }

    /// For a name or address, valid for decades.
    pub(crate) fn issue(&self, name: &str) -> Certified {
        self.issue_for(name, 2020..2090)
    }

    /// Valid from one new year to another.
    pub(crate) fn issue_for(&self, name: &str, years: std::ops::Range<i32>) -> Certified {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certified { cert, key: key.serialize_pem() }
    }
}

impl Certified {
    /// Writes both into a folder.
    pub(crate) fn write(&self, dir: &Path) -> (PathBuf, PathBuf) {
        let (cert, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        std::fs::write(&cert, &self.cert).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (cert, key)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn server(&self) -> ServerConfig {
        self.server_with(rustls::ALL_VERSIONS, None)
    }

    /// A server that asks for certificates of an authority, and does without.
    pub(crate) fn server_that_asks(&self, clients: &Authority) -> ServerConfig {
        let verifier = clients.verifier().allow_unauthenticated().build().unwrap();
        self.finish(builder(rustls::ALL_VERSIONS).with_client_cert_verifier(verifier))
    }

    /// A server that wants certificates of an authority.
    pub(crate) fn server_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> ServerConfig {
        let builder = builder(versions);
        self.finish(match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => builder.with_client_cert_verifier(authority.verifier().build().unwrap()),
        })
    }

    fn finish(&self, builder: ConfigBuilder<ServerConfig, WantsServerCert>) -> ServerConfig {
        builder.with_single_cert(self.chain(), PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()).unwrap()
    }
}

fn builder(versions: &[&'static SupportedProtocolVersion]) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap()
}

/// Speaks TLS and passes on to a hub what is in it.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    clients: Arc<Mutex<Vec<Vec<u8>>>>,
    _serving: JoinSet<()>,
}

impl Front {
    pub(crate) async fn start(hub: SocketAddr, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(Mutex::new(Arc::new(config)));
        let clients = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let (configs, seen) = (config.clone(), clients.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = TlsAcceptor::from(configs.lock().unwrap().clone());
                connections.spawn(pass(stream, acceptor, hub, seen.clone()));
            }
        });
        Front { address, config, clients, _serving: serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// For the connections that come from now on.
    pub(crate) fn set(&self, config: ServerConfig) {
        *self.config.lock().unwrap() = Arc::new(config);
    }

    /// Whether someone showed this certificate.
    pub(crate) fn has_seen(&self, client: &Certified) -> bool {
        let shown = client.chain()[0].to_vec();
        self.clients.lock().unwrap().contains(&shown)
    }
}

async fn pass(stream: TcpStream, acceptor: TlsAcceptor, hub: SocketAddr, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    if let Some(certificates) = stream.get_ref().1.peer_certificates() {
        seen.lock().unwrap().push(certificates[0].to_vec());
    }
    let mut hub = TcpStream::connect(hub).await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut hub).await;
}
