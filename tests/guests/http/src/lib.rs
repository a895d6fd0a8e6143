//! A collector that goes where `[config] url` says, by `wasi:http`, and follows redirects as any client may.

mod request;

use sandbeat_sdk::prelude::*;

use crate::request::{Answer, Url};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;

const STATUS: Gauge = Gauge::new("test.http.status", "1", "The status of the last answer.");
const LENGTH: Gauge = Gauge::new("test.http.length", "By", "The length of the last answer's body.");

struct Http;

impl Collector for Http {
    fn describe() -> Description {
        Description::new("1.0.0", "Goes where it is told to.").with(&STATUS).with(&LENGTH)
    }

    fn collect() -> Result<Contribution, Error> {
        let url = config::get("url").ok_or_else(|| Error::config("url", "is missing"))?;
        let url = Url::parse(&url).ok_or_else(|| Error::config("url", "is no URL"))?;
        let answer = match config::get("behaviour").unwrap_or_default().as_str() {
            "" => follow(url)?,
            "many" => loop {
                // Whatever the host says to one of them.
                let _ = request::get(&url, &[]);
            },
            "at once" => request::many_at_once(&url)?,
            "forged host" => request::get(&url, &[("host", "another.example")])?,
            "forged connection" => request::get(&url, &[("connection", "upgrade")])?,
            other => return Err(Error::config("behaviour", format_args!("`{other}` is not known"))),
        };
        Ok(Contribution::new().with(STATUS.value(answer.status)).with(LENGTH.value(answer.length)))
    }
}

sandbeat_sdk::export!(Http);

fn follow(mut url: Url) -> Result<Answer, Error> {
    for _ in 0..MAX_REDIRECTS {
        let answer = request::get(&url, &[])?;
        match answer.location.as_deref().and_then(Url::parse) {
            Some(location) => url = location,
            None => return Ok(answer),
        }
    }
    Err(Error::unavailable("too many redirects"))
}
