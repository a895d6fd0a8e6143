//! Servers on loopback that end with the test's runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a server does once it has read a request's head.
#[derive(Clone)]
pub(super) enum Manner {
    /// Sends this and closes.
    Answer(Vec<u8>),
    /// Sends this, then a byte each few milliseconds.
    Trickle(Vec<u8>),
    /// Sends this and keeps the connection open until the other side closes it.
    Hold(Vec<u8>),
    /// Closes.
    Close,
}

pub(super) struct Server {
    pub(super) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Server {
        Server::start_with(manner, None).await
    }

    /// Answers with a status and a body.
    pub(super) async fn answering(body: &str) -> Server {
        let length = body.len();
        Server::start(Manner::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into())).await
    }

    /// The same over TLS, with the certificate of [`roots`], which is for `localhost` and 127.0.0.1.
    pub(super) async fn with_tls() -> Server {
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/key.pem")).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate()], key)
            .unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
        Server::start_with(Manner::Answer(answer.to_vec()), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start_with(manner: Manner, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, open) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let server = Server { port, heads: heads.clone(), open: open.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, heads, open, tls) = (manner.clone(), heads.clone(), open.clone(), tls.clone());
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    match tls {
                        None => serve(stream, manner, &heads).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manner, &heads).await;
                            }
                        }
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// The heads of the requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    match manner {
        Manner::Close => {}
        Manner::Answer(answer) => {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
        Manner::Trickle(start) => {
            let _ = stream.write_all(&start).await;
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
            while stream.write_all(b"x").await.is_ok() {
                ticks.tick().await;
            }
        }
        Manner::Hold(start) => {
            let _ = stream.write_all(&start).await;
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
}

pub(super) fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("data/certificate.pem")).unwrap()
}

/// Trusts the certificate of [`Server::with_tls`].
pub(super) fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    roots
}
