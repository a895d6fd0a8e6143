//! The page: `GET /` and the files that it consists of, which are part of the binary.
//!
//! The page is the same for everyone and holds nothing of the fleet, so it needs no key; its script asks for what it
//! shows through the interface, with the key that the reader gives it. It is written by hand in `static/`, without a
//! framework and without a build: `app.js` is where to begin reading.
//!
//! # What holds
//! - Nothing is loaded from elsewhere, and nothing that a sandbox says can become markup or run: the policy in
//!   [`POLICY`] allows scripts and styles of this origin only, none inline, and the browser refuses every way of making
//!   markup from text (`require-trusted-types-for`). The scripts make elements and text nodes alone.
//! - Files other than `/` have a hash of all of them in their path. They never change under it and are kept for good;
//!   `/` names the hash and is asked for anew each time, which costs an answer without a body while it is the same.
//!
//! Nothing here can fail but an address that does not exist.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use xxhash_rust::xxh3::Xxh3;

use crate::api::encode::{encoded, is_known, tag};
use crate::api::reply::Problem;

/// What the browser lets the page do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Where the files are, below their hash.
const FOLDER: &str = "/page";

/// A year: the longest that caches are asked for.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// `/`, as it is written: with `{assets}` for the folder of the files, and `{preloads}` for what the script needs.
const INDEX: &str = include_str!("static/index.html");

macro_rules! files {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$(File { name: $name, kind: $kind, content: include_str!(concat!("static/", $name)) }),*]
    };
}

static FILES: &[File] = files![
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "base.css": STYLE,
    "cells.js": SCRIPT,
    "columns.js": SCRIPT,
    "detail.css": STYLE,
    "detail.js": SCRIPT,
    "dom.js": SCRIPT,
    "events.css": STYLE,
    "events.js": SCRIPT,
    "figures.js": SCRIPT,
    "fleet.js": SCRIPT,
    "format.js": SCRIPT,
    "frame.css": STYLE,
    "glance.js": SCRIPT,
    "help.js": SCRIPT,
    "icon.svg": IMAGE,
    "list.css": STYLE,
    "live.js": SCRIPT,
    "load.js": SCRIPT,
    "notices.js": SCRIPT,
    "plot.js": SCRIPT,
    "route.js": SCRIPT,
    "sections.js": SCRIPT,
    "sse.js": SCRIPT,
    "table.js": SCRIPT,
    "theme.js": SCRIPT,
    "time.js": SCRIPT,
    "words.js": SCRIPT,
];

static PAGE: LazyLock<Page> = LazyLock::new(Page::new);

/// One file of the page.
struct File {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

/// What depends on the files' content.
struct Page {
    /// Of all files, in hexadecimal.
    hash: String,
    /// `/` as it is served.
    index: Bytes,
    /// Of `/`.
    etag: String,
}

/// The page's routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let routes = Router::new().route("/", get(index)).route(&format!("{FOLDER}/{{hash}}/{{name}}"), get(file));
    encoded(routes).layer(map_response(guarded))
}

async fn index(headers: HeaderMap) -> Response {
    let Page { index, etag, .. } = &*PAGE;
    let shared = [(ETAG, etag.as_str()), (CACHE_CONTROL, "no-cache")];
    if is_known(&headers, etag) {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    (shared, [(CONTENT_TYPE, HTML)], index.clone()).into_response()
}

async fn file(Path((hash, name)): Path<(String, String)>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.name == name && hash == PAGE.hash);
    let missing = || Problem::new(StatusCode::NOT_FOUND, "the page has no such file; it may be of another version");
    let File { kind, content, .. } = file.ok_or_else(missing)?;
    Ok(([(CONTENT_TYPE, *kind), (CACHE_CONTROL, FOR_GOOD)], *content).into_response())
}

async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Page {
    fn new() -> Self {
        let mut hasher = Xxh3::new();
        for File { name, content, .. } in FILES {
            hasher.update(name.as_bytes());
            hasher.update(content.as_bytes());
        }
        let hash = format!("{:016x}", hasher.digest());
        let index = INDEX.replace("{preloads}", &preloads()).replace("{assets}", &format!("{FOLDER}/{hash}"));
        Page { etag: tag(index.as_bytes()), index: Bytes::from(index), hash }
    }
}

/// All scripts at once, instead of each only when another names it.
fn preloads() -> String {
    let scripts = FILES.iter().filter(|file| file.kind == SCRIPT);
    scripts.map(|file| format!("<link rel=\"modulepreload\" href=\"{{assets}}/{}\">", file.name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/page/static");
        let there = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let served = FILES.iter().map(|file| file.name.to_owned()).chain(["index.html".to_owned()]);
        assert_eq!(there.collect::<BTreeSet<_>>(), served.collect::<BTreeSet<_>>());
    }

    #[test]
    fn no_script_makes_markup_or_code_from_text() {
        const FORBIDDEN: [&str; 9] = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "setHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "eval(",
            "new Function",
        ];
        for File { name, content, .. } in FILES {
            for word in FORBIDDEN {
                assert!(!content.contains(word), "{name} has {word}");
            }
        }
    }

    #[test]
    fn nothing_is_inline_or_from_elsewhere() {
        for inline in ["<style", "style=", "onclick", "onload", "<script>"] {
            assert!(!INDEX.contains(inline), "{inline}");
        }
        for File { name, content, .. } in FILES {
            let elsewhere =
                content.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
            // The names of XML's vocabularies are no addresses.
            let elsewhere: Vec<_> = elsewhere.filter(|rest| !rest.starts_with("://www.w3.org/2000/svg")).collect();
            assert!(elsewhere.is_empty(), "{name}: {elsewhere:?}");
        }
        assert!(!INDEX.contains("//"));
    }
}
