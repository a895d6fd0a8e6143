//! Where to ask, and how to call it in the report.

/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// An `http` or `https` URL without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) https: bool,
    /// Host and port.
    pub(crate) authority: String,
    /// With the query, as it is sent.
    pub(crate) path: String,
}

impl Url {
    /// # Errors
    /// What is wrong, in words that do not repeat it: it may hold a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_URL {
            return Err("is longer than 2048 bytes");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has characters that have to be encoded, such as `%20` for a space");
        }
        let (scheme, rest) = text.split_once("://").ok_or("is no URL; it has to begin with `https://` or `http://`")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("has to begin with `https://` or `http://`"),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("has a user name or password, which are not sent; leave them out");
        }
        if authority.is_empty() {
            return Err("names no host");
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { https, authority: authority.to_owned(), path: format!("{slash}{path}") })
    }

    /// The host alone: a name, or an address without brackets.
    pub(crate) fn host(&self) -> &str {
        match self.authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self.authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }

    /// The URL without its query, where secrets often are.
    pub(crate) fn shown(&self) -> String {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        format!("{}{path}", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, https, authority, path, shown) in [
            ("https://a.example", true, "a.example", "/", "https://a.example/"),
            ("HTTP://a.example:80/b/c", false, "a.example:80", "/b/c", "http://a.example:80/b/c"),
            ("https://[::1]:8/?t=secret#top", true, "[::1]:8", "/?t=secret", "https://[::1]:8/"),
            ("https://a.example?t=a@b/c", true, "a.example", "/?t=a@b/c", "https://a.example/"),
            ("https://a.example/@b#?", true, "a.example", "/@b", "https://a.example/@b"),
        ] {
            let url = Url { https, authority: authority.to_owned(), path: path.to_owned() };
            assert_eq!(url.shown(), shown);
            assert_eq!(url.host(), if authority.starts_with('[') { "::1" } else { "a.example" });
            assert_eq!(Url::parse(text), Ok(url));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        let long = format!("https://a/{}", "x".repeat(MAX_URL));
        for (text, part) in [
            ("https://user:secret@a/", "user name or password"),
            ("https://secret@a?x", "user name or password"),
            ("ftp://secret/", "has to begin with"),
            ("secret", "is no URL"),
            ("https:///secret", "names no host"),
            ("https://a/secret x", "have to be encoded"),
            ("https://a/secrét", "have to be encoded"),
            (&long, "longer than"),
        ] {
            let why = Url::parse(text).unwrap_err();
            assert!(why.contains(part) && !why.contains("secr"), "{text}: {why}");
        }
    }
}
