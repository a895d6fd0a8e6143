//! One connection from its acceptance to its end: the handshake of TLS where there is one, then one request after
//! another, each phase with its own deadline.
//!
//! Owner: a task of the accept loop, which may abort it while it waits. Nothing here outlives that task. What goes
//! wrong is the client's matter: it ends the connection and is logged at debug.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::server::Peer;
use crate::server::answer::Service;
use crate::server::phase::{Phase, Watchdog, Watched};
use crate::server::stall::Stall;
use crate::server::tls::Tls;

/// A request's head, in bytes; and how much of a body is read at once.
const MAX_HEAD: usize = 32 << 10;
const MAX_HEADERS: usize = 64;
/// What the system may keep for the connection in each direction, in bytes; Linux takes twice as much, its own part
/// included. Left alone that grows to some MiB where a client does not read, or sends what the hub does not.
const BUFFER: usize = 128 << 10;
/// The first byte of a handshake; no request begins with it.
const HANDSHAKE: u8 = 22;
/// What is read and dropped of a request that came to the wrong port, in bytes, and for how long: a client that is
/// still sending would miss the answer.
const LINGER: u64 = 64 << 10;
const LINGER_TIME: Duration = Duration::from_secs(1);
const WRONG_PORT: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\
    Content-Length: 63\r\n\r\n{\"code\":400,\"message\":\"this port speaks TLS; use an https URL\"}";

/// Serves a connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    phase: Arc<Phase>,
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
) {
    let _counted = service.measures().connections.count();
    // Answers are small and written at once; without this the last segment of one could wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no TCP_NODELAY");
    }
    let buffers = set_socket_send_buffer_size(&stream, BUFFER).and(set_socket_recv_buffer_size(&stream, BUFFER));
    if let Err(error) = buffers {
        tracing::debug!(%peer, %error, "its buffers are as large as the system makes them");
    }
    let Some(tls) = tls else { return requests(stream, peer, phase, service).await };
    let limit = service.limits().header_timeout;
    // What TLS takes would else be part of every connection without it, too, and more than that takes itself.
    match Box::pin(timeout(limit, handshake(stream, &tls))).await {
        Ok(Ok(Some(stream))) => Box::pin(requests(stream, peer, phase, service)).await,
        Ok(Ok(None)) => tracing::debug!(%peer, "a request without TLS"),
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => tracing::debug!(%peer, "the handshake took too long"),
    }
}

/// Shakes hands; with a client that does not know of TLS, nothing comes of it but an answer that says so.
async fn handshake(
    mut stream: TcpStream,
    tls: &Tls,
) -> std::io::Result<Option<tokio_rustls::server::TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        stream.write_all(WRONG_PORT).await?;
        stream.shutdown().await?;
        let rest = async { tokio::io::copy(&mut stream.take(LINGER), &mut tokio::io::sink()).await };
        return timeout(LINGER_TIME, rest).await.map_or(Ok(None), |read| read.map(|_| None));
    }
    TlsAcceptor::from(tls.present()).accept(stream).await.map(Some)
}

/// Serves requests until the client closes, a deadline is over, or the hub stops.
async fn requests<S>(stream: S, peer: SocketAddr, phase: Arc<Phase>, service: Arc<Service>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = service.limits();
    let stream = Watched::new(Stall::new(stream, limits.request_timeout), Arc::clone(&phase));
    let client = Peer { address: peer.ip().to_canonical(), phase: Arc::clone(&phase) };
    let answer = service_fn(|request| service.answer(request, &client));
    let mut connection = pin!(
        http1::Builder::new()
            // The watchdog has them.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let mut watchdog = Watchdog::new(&phase, limits);
    let mut closing = false;
    let ended = poll_fn(|cx| {
        loop {
            if !closing && phase.is_closing() {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            match connection.as_mut().poll(cx) {
                Poll::Ready(ended) => return Poll::Ready(Some(ended)),
                // It may have come to its end before it was asked to, and would not be woken.
                Poll::Pending if !closing && phase.is_closing() => {}
                Poll::Pending => return watchdog.poll_expired(cx).map(|()| None),
            }
        }
    });
    match ended.await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
        None => tracing::debug!(%peer, stage = ?phase.state().stage, "no request in time; connection closed"),
    }
}
