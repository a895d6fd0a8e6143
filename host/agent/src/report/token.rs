//! A token: what may be one, and how it is read from a file.

use std::path::Path;

use hyper::header::HeaderValue;
use sandbeat_status::files;
use secrecy::{ExposeSecret, SecretString};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 4096;
/// A file may have this much white space around it.
const MAX_SPACE: usize = 16;

/// The file's text without the white space around it. May block, as [`files::read`] does.
///
/// # Errors
/// What is wrong with the file or the token, never with the token in it; for the operator.
pub(crate) fn read(path: &Path) -> Result<SecretString, String> {
    let bytes = files::read(path, MAX_TOKEN + MAX_SPACE)?;
    let text = String::from_utf8_lossy(&bytes);
    check(text.trim().to_owned().into()).map_err(|reason| format!("{}: {reason}", path.display()))
}

/// Whether an HTTP header can carry it as one word.
///
/// # Errors
/// What is wrong with it, for the operator.
pub(crate) fn check(token: SecretString) -> Result<SecretString, String> {
    let text = token.expose_secret();
    if text.is_empty() {
        Err("the token is empty".to_owned())
    } else if text.len() > MAX_TOKEN {
        Err(format!("the token is longer than {MAX_TOKEN} bytes"))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("the token has a character that is no printable ASCII".to_owned())
    } else {
        Ok(token)
    }
}

/// What `Authorization` says with this token; nothing where it cannot be in a header.
pub(super) fn authorization(token: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
