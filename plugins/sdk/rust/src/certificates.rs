//! What `wasi:http` does not tell of TLS.

use crate::host;

/// The certificate of its own (X.509, DER) that the server of an origin (`https://example.com:8443`) showed when this
/// call last connected to it, also where it was not trusted. Nothing when it showed none, or one of more than 16 KiB.
pub fn shown(origin: &str) -> Option<Vec<u8>> {
    host::certificate(origin)
}
