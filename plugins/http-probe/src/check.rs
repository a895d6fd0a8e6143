//! What is asked and what is expected, from `[config]`. Each error names the key, and repeats no URL.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbeat_common::is_plain;
use sandbeat_sdk::limits::Limits;
use sandbeat_sdk::{Error, config};
use serde_json::{Map, Value};

use crate::url::Url;

/// How long one may take unless the config says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The longest text of `contains`, and the longest name or URL of a report, in bytes.
const MAX_TEXT: usize = 256;
const KEYS: [&str; 6] = ["url", "method", "status", "contains", "timeout", "name"];

/// One URL to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// Any of these is good.
    pub(crate) expected: Vec<Expected>,
    /// What has to be in the body.
    pub(crate) contains: Option<String>,
    pub(crate) timeout: Duration,
    /// What stands for the URL in the report.
    pub(crate) name: Option<String>,
}

/// Methods that ask and change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Status(u16),
    /// 2 for all of `2xx`.
    Class(u16),
}

impl Check {
    /// Reads the config's `urls` (one or an array; absent is none) and `timeout`.
    ///
    /// # Errors
    /// [`Error::Config`], which names the key: nothing to ask, a value of another form, two that could not be told apart
    /// in the report, or more than the limits allow.
    pub(crate) fn all(urls: Option<&str>, timeout: Option<&str>, limits: &Limits) -> Result<Vec<Self>, Error> {
        let timeout = match timeout {
            Some(text) => duration(text).map_err(|why| Error::config("timeout", why))?,
            None => TIMEOUT,
        };
        let urls = match urls.map(str::trim) {
            None | Some("") => Vec::new(),
            Some(text) if text.starts_with(['[', '{']) => match serde_json::from_str(text) {
                Ok(Value::Array(urls)) => urls,
                Ok(url) => vec![url],
                Err(_) => return Err(Error::config("urls", "has to be a URL, a table, or an array of these")),
            },
            Some(url) => vec![Value::from(url)],
        };
        if urls.is_empty() {
            return Err(Error::config("urls", "names nothing to ask"));
        }
        if urls.len() as u64 > limits.http_requests {
            let most = limits.http_requests;
            return Err(Error::config("urls", format_args!("has {} URLs; limits.http_requests is {most}", urls.len())));
        }
        let one = |(at, value): (usize, &Value)| {
            let mut keys = value.as_object().into_iter().flat_map(Map::keys);
            if let Some(other) = keys.find(|key| !KEYS.contains(&key.as_str())) {
                return Err(config::unknown(&format!("urls.{at}."), other, &KEYS));
            }
            Self::parse(value, timeout).map_err(|(key, why)| match key {
                Some(key) => Error::config(&format!("urls.{at}.{key}"), why),
                None => Error::config(&format!("urls.{at}"), why),
            })
        };
        let checks: Vec<_> = urls.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        for (at, check) in checks.iter().enumerate() {
            if check.timeout >= limits.http_timeout {
                let most = limits.http_timeout;
                let why = format_args!("is not less than limits.http_timeout ({most:?})");
                return Err(Error::config("timeout", why));
            }
            if !seen.insert((check.shown(), check.method.word())) {
                let key = format!("urls.{at}");
                return Err(Error::config(
                    &key,
                    "would be reported under the same URL as another one; give it a `name`",
                ));
            }
        }
        Ok(checks)
    }

    /// What it is called in the report and in the log.
    pub(crate) fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.url.shown())
    }

    /// Whether a status is what was expected.
    pub(crate) fn expects(&self, status: u16) -> bool {
        self.expected.iter().any(|expected| match expected {
            Expected::Status(good) => *good == status,
            Expected::Class(class) => *class == status / 100,
        })
    }

    fn parse(value: &Value, timeout: Duration) -> Result<Self, Wrong> {
        let table = match value {
            Value::String(url) => &Map::from_iter([("url".to_owned(), Value::from(url.as_str()))]),
            Value::Object(table) => table,
            _ => return Err((None, "has to be a URL or a table".into())),
        };
        let url = text(table, "url")?.ok_or((None, "has no `url`".to_owned()))?;
        let url = Url::parse(url).map_err(|why| (None, why.to_owned()))?;
        let method = match text(table, "method")? {
            None | Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            Some("OPTIONS") => Method::Options,
            Some(_) => return Err((Some("method"), "has to be GET, HEAD or OPTIONS".into())),
        };
        let contains = bounded(table, "contains")?;
        if contains.is_some() && method == Method::Head {
            return Err((Some("contains"), "cannot be with HEAD, whose answer has no body".into()));
        }
        let name = bounded(table, "name")?;
        if name.as_ref().is_some_and(|name| !is_plain(name)) {
            return Err((Some("name"), "has characters that cannot be seen or change how text is read".into()));
        }
        if name.is_none() && url.shown().len() > MAX_TEXT {
            return Err((None, format!("is longer than {MAX_TEXT} bytes, which cannot be reported; give it a `name`")));
        }
        let timeout = match text(table, "timeout")? {
            Some(text) => duration(text).map_err(|why| (Some("timeout"), why.to_owned()))?,
            None => timeout,
        };
        Ok(Self { url, method, expected: Expected::parse(table.get("status"))?, contains, timeout, name })
    }
}

/// The key, where it is one of a table, and what is wrong with its value.
type Wrong = (Option<&'static str>, String);

fn text<'a>(table: &'a Map<String, Value>, key: &'static str) -> Result<Option<&'a str>, Wrong> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err((Some(key), "has to be a string".into())),
    }
}

fn bounded(table: &Map<String, Value>, key: &'static str) -> Result<Option<String>, Wrong> {
    match text(table, key)? {
        Some(text) if text.is_empty() || text.len() > MAX_TEXT => {
            Err((Some(key), format!("has to have 1 to {MAX_TEXT} bytes")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

impl Method {
    /// As HTTP has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
        }
    }
}

impl Expected {
    fn parse(value: Option<&Value>) -> Result<Vec<Self>, Wrong> {
        let expected = match value {
            None => return Ok(vec![Expected::Class(2)]),
            Some(Value::Array(several)) => several.iter().map(Self::parse_one).collect(),
            Some(one) => Self::parse_one(one).map(|one| vec![one]),
        };
        let wrong = "has to be a status such as 200, a class such as \"2xx\", or an array of these";
        expected.filter(|expected: &Vec<_>| !expected.is_empty()).ok_or((Some("status"), wrong.into()))
    }

    fn parse_one(value: &Value) -> Option<Self> {
        match value {
            Value::Number(status) => {
                let status = u16::try_from(status.as_u64()?).ok()?;
                (100..600).contains(&status).then_some(Expected::Status(status))
            }
            Value::String(class) => {
                let class: u16 = class.strip_suffix("xx")?.parse().ok()?;
                (1..=5).contains(&class).then_some(Expected::Class(class))
            }
            _ => None,
        }
    }
}

/// As in the sidecar: a whole number and `ms`, `s` or `m`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let wrong = "has to be a time such as \"500ms\" or \"3s\"";
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong)?;
    let time = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(wrong),
    };
    if time.is_zero() { Err("has to be more than nothing") } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(urls: &str) -> Result<Vec<Check>, Error> {
        Check::all(Some(urls), None, &Limits::default())
    }

    #[test]
    fn a_url_alone_is_asked_by_get_and_expected_to_succeed() {
        let expected = Check {
            url: Url::parse("https://a.example/x").unwrap(),
            method: Method::Get,
            expected: vec![Expected::Class(2)],
            contains: None,
            timeout: Duration::from_secs(3),
            name: None,
        };
        for urls in ["https://a.example/x", r#"["https://a.example/x"]"#, r#"{"url":"https://a.example/x"}"#] {
            assert_eq!(all(urls).as_deref(), Ok(std::slice::from_ref(&expected)), "{urls}");
        }
    }

    #[test]
    fn a_table_says_more() {
        let urls = r#"[{"url":"http://a","method":"OPTIONS","status":[204,"3xx"],"contains":"ok","timeout":"250ms",
                       "name":"shop"},"http://a","http://a/?x",{"url":"http://a","method":"HEAD"}]"#;
        let error = all(urls).unwrap_err().to_string();
        assert!(error.starts_with("`urls.2` would be reported under the same URL"), "{error}");
        let checks = all(&urls.replace("\"http://a/?x\",", "")).unwrap();
        assert_eq!((checks[0].method, checks[0].timeout), (Method::Options, Duration::from_millis(250)));
        assert_eq!((checks[0].shown(), checks[1].shown()), ("shop".to_owned(), "http://a/".to_owned()));
        let good: Vec<_> = [200, 204, 301, 399, 404].into_iter().filter(|status| checks[0].expects(*status)).collect();
        assert_eq!(good, [204, 301, 399]);
        assert!(checks[1].expects(299) && !checks[1].expects(301));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("[\"https://a/{}\"]", "x".repeat(300));
        let many = format!("[{}]", vec!["\"http://a\""; 17].join(","));
        for (urls, part) in [
            ("", "`urls` names nothing"),
            ("[]", "`urls` names nothing"),
            ("[1", "`urls` has to be a URL"),
            ("[1]", "`urls.0` has to be a URL or a table"),
            ("secret", "`urls.0` is no URL"),
            (r#"["http://a","https://u:secret@b"]"#, "`urls.1` has a user name or password"),
            (r#"[{}]"#, "`urls.0` has no `url`"),
            (r#"[{"url":1}]"#, "`urls.0.url` has to be a string"),
            (
                r#"[{"url":"http://a","stauts":1}]"#,
                "`urls.0.stauts` is an unknown key; did you mean `urls.0.status`? known here: url",
            ),
            (r#"[{"url":"http://a","":1}]"#, "`urls.0.\"\"` is an unknown key; known here: url"),
            (r#"[{"url":"http://a","method":"POST"}]"#, "`urls.0.method` has to be"),
            (r#"[{"url":"http://a","status":"2x"}]"#, "`urls.0.status` has to be"),
            (r#"[{"url":"http://a","status":[]}]"#, "`urls.0.status` has to be"),
            (r#"[{"url":"http://a","status":99}]"#, "`urls.0.status` has to be"),
            (r#"[{"url":"http://a","status":"6xx"}]"#, "`urls.0.status` has to be"),
            (r#"[{"url":"http://a","contains":""}]"#, "`urls.0.contains` has to have"),
            (r#"[{"url":"http://a","contains":"x","method":"HEAD"}]"#, "`urls.0.contains` cannot be with HEAD"),
            (r#"[{"url":"http://a","name":"a\nb"}]"#, "`urls.0.name` has characters"),
            (r#"[{"url":"http://a","name":"a\u202eb"}]"#, "`urls.0.name` has characters"),
            (r#"[{"url":"http://a","timeout":"0s"}]"#, "`urls.0.timeout` has to be more"),
            (r#"[{"url":"http://a","timeout":"3"}]"#, "`urls.0.timeout` has to be a time"),
            (r#"[{"url":"http://a","timeout":"5s"}]"#, "`timeout` is not less than limits.http_timeout"),
            (&long, "`urls.0` is longer than 256 bytes"),
            (&many, "`urls` has 17 URLs; limits.http_requests is 16"),
        ] {
            let error = all(urls).unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.starts_with(part)), "{urls}: {error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = Check::all(Some("http://a"), Some("soon"), &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("`timeout` has to be a time"), "{error}");
        assert!(Check::all(None, None, &Limits::default()).is_err());
    }
}
