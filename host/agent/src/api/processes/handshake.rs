//! The opening handshake of a websocket (RFC 6455, section 4.2).
//!
//! Only the headers: the connection stays hyper's until it has sent the answer. What is to be done with it then is
//! left with the connection's own task, which so owns the websocket as it owns its requests.

use std::pin::Pin;

use axum::extract::Request;
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::api::problem::Problem;

/// What section 1.3 adds to a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A websocket of ours.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What a connection goes on with once it is not HTTP any more.
pub(in crate::api) type Afterlife = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a request leaves what its connection goes on with; its connection's, and an extension of each request.
#[derive(Clone, Debug)]
pub(in crate::api) struct Afterlives(pub(in crate::api) mpsc::Sender<Afterlife>);

/// Agrees to a websocket, with which the connection's task then does as `work` says.
///
/// # Errors
/// The request asks for none, or for another version.
pub(super) fn agree<F>(
    mut request: Request,
    config: WebSocketConfig,
    work: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    F: Future<Output = ()> + Send + 'static,
{
    let accept = check(request.headers())?;
    let extensions = request.extensions_mut();
    let (upgrade, afterlives) = (extensions.remove::<OnUpgrade>(), extensions.remove::<Afterlives>());
    let (Some(upgrade), Some(Afterlives(afterlives))) = (upgrade, afterlives) else {
        return Err(not_a_websocket("this connection cannot become a websocket; use HTTP/1.1"));
    };
    let afterlife = async move {
        match upgrade.await {
            Ok(upgraded) => {
                let io = TokioIo::new(upgraded);
                work(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await).await;
            }
            Err(e) => tracing::debug!("a connection to the local API ended before it was a websocket: {e}"),
        }
    };
    if afterlives.try_send(Box::pin(afterlife)).is_err() {
        return Err(not_a_websocket("this connection has become a websocket already"));
    }
    let headers = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// The answer to the key in a request that asks for a websocket.
fn check(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    if !has(CONNECTION, "upgrade") || !has(UPGRADE, "websocket") {
        return Err(not_a_websocket("this is a websocket; send `Connection: upgrade` and `Upgrade: websocket`"));
    }
    if !has(SEC_WEBSOCKET_VERSION, "13") {
        return Err(not_a_websocket("only version 13 of websockets is spoken here"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(not_a_websocket("Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    // Base64 is a good value.
    HeaderValue::try_from(accept).map_err(|_| not_a_websocket("Sec-WebSocket-Key cannot be answered"))
}

fn not_a_websocket(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not_a_websocket", "Not a websocket", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn answer(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        check(&headers.collect()).ok().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        let good = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(answer(&good).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for missing in 0..good.len() {
            let mut bad = good.to_vec();
            bad.remove(missing);
            assert_eq!(answer(&bad), None, "{missing}");
        }
        let mut bad = good;
        bad[3].1 = "c2hvcnQ=";
        assert_eq!(answer(&bad), None);
    }
}
