//! Origins: what `[grant] http` names, and where a request wants to go.
//!
//! One parser reads both, so that no text means one thing to the operator and another to a guest. An origin is a
//! scheme, a host and a port; it matches another one exactly. Its canonical text is that of RFC 6454: lower case,
//! without the scheme's own port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sandbeat_status::names;

/// The longest host name, in bytes (RFC 1035), and the longest part of it between dots.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// The granted origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<(usize, Origin)>);

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) https: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

impl Origins {
    /// The origins, and for each text that is none its index and why, for the person who wrote it.
    pub(crate) fn parse(texts: &[String]) -> (Self, Vec<(usize, String)>) {
        let (mut origins, mut wrong) = (Vec::new(), Vec::new());
        for (at, text) in texts.iter().enumerate() {
            match Origin::parse(text) {
                Ok(origin) => origins.push((at, origin)),
                Err(reason) => wrong.push((at, reason)),
            }
        }
        (Origins(origins), wrong)
    }

    /// The canonical text of each, such as `https://api.example.com`, with its index among the texts it was read
    /// from.
    pub(crate) fn canonical(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().map(|(at, origin)| (*at, origin.text()))
    }

    /// Keeps the origins that are granted there as well.
    pub(crate) fn narrow(&mut self, newer: &Origins) {
        self.0.retain(|(_, origin)| newer.contains(origin));
    }

    pub(super) fn contains(&self, wanted: &Origin) -> bool {
        self.0.iter().any(|(_, origin)| origin == wanted)
    }
}

impl Origin {
    /// # Errors
    /// What is wrong with the text and how to write it instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let shown = names::shown(text, 200);
        let wrong = |cure: &str| format!("`{shown}` is not an origin: {cure}");
        if !text.is_ascii() {
            return Err(wrong("write a name beyond ASCII in its encoded form (`xn--…`)"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("write scheme and host, such as `https://api.example.com`"));
        };
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("the scheme has to be `http` or `https`")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(wrong("it ends after host and port; leave out the path"));
        }
        if authority.contains('@') {
            return Err(wrong("leave out user name and password, which a collector sends as a header"));
        }
        if authority.contains('*') {
            return Err(wrong("it is no pattern; name each host"));
        }
        let (host, port) = Host::and_port(authority).map_err(wrong)?;
        Ok(Origin::new(https, host, port))
    }

    fn new(https: bool, host: Host, port: Option<u16>) -> Self {
        let (scheme, usual) = if https { ("https", 443) } else { ("http", 80) };
        let port = port.unwrap_or(usual);
        let mut origin = Origin { https, host, port, text: String::new() };
        origin.text = format!("{scheme}://{}", origin.authority());
        origin
    }

    /// The canonical text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text of the same origin at an address.
    pub(super) fn at(&self, address: IpAddr) -> String {
        // A grant is written with the IPv4 address that is inside.
        Origin::new(self.https, Host::Address(address.to_canonical()), Some(self.port)).text
    }

    /// What belongs into the `Host` header.
    pub(super) fn authority(&self) -> String {
        let host = self.host.text();
        match (self.https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl Host {
    fn text(&self) -> String {
        match self {
            Host::Name(name) => name.clone(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    /// Splits an authority; on failure, how to write it.
    fn and_port(authority: &str) -> Result<(Host, Option<u16>), &'static str> {
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']').ok_or("an IPv6 address ends with `]`")?;
            return Ok((Host::v6(address)?, Self::port(port.strip_prefix(':'), port.is_empty())?));
        }
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("write an IPv6 address in brackets, such as `http://[::1]:8080`");
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        Ok((Host::v4_or_name(host)?, Self::port(port, port.is_none())?))
    }

    fn port(digits: Option<&str>, absent: bool) -> Result<Option<u16>, &'static str> {
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse().ok().filter(|port| *port != 0),
            false => None,
        };
        match digits {
            _ if absent => Ok(None),
            Some(digits) => number(digits).map(Some).ok_or("a port is a number between 1 and 65535"),
            None => Err("only a port can follow the host"),
        }
    }

    fn v6(text: &str) -> Result<Host, &'static str> {
        let address: Ipv6Addr = text.parse().map_err(|_| "what is in the brackets is not an IPv6 address")?;
        match address.to_ipv4_mapped() {
            Some(_) => Err("write the IPv4 address itself"),
            None => Ok(Host::Address(address.into())),
        }
    }

    fn v4_or_name(text: &str) -> Result<Host, &'static str> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        if text.is_empty() {
            return Err("its host is missing");
        }
        let fits = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if text.len() > MAX_NAME || !text.split('.').all(fits) {
            return Err("its host is not a name of letters, digits, `-`, `_` and single dots between them");
        }
        // The system's resolver takes `127.1`, `2130706433` and `0x7f000001` for addresses.
        if text.rsplit('.').next().is_some_and(is_number) {
            return Err("a host that ends in a number has to be an IPv4 address of four decimal numbers");
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_canonical_text() {
        for (text, canonical) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://API.Example.COM:443/", "https://api.example.com"),
            ("HTTP://x:80", "http://x"),
            ("http://x:443", "http://x:443"),
            ("https://x:80", "https://x:80"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
            ("http://[fd00:EC2::254]:80", "http://[fd00:ec2::254]"),
            ("http://my_service.internal:08080", "http://my_service.internal:8080"),
            ("http://3proxy:3128", "http://3proxy:3128"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().text(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_its_cure() {
        let long = format!("http://{}.example", "a".repeat(64));
        let longer = format!("http://{}example", "a.".repeat(130));
        for (text, part) in [
            ("api.example.com", "write scheme and host"),
            ("", "write scheme and host"),
            ("ftp://x", "`http` or `https`"),
            ("unix:///run/docker.sock", "`http` or `https`"),
            ("https://x/v1", "leave out the path"),
            ("https://x//", "leave out the path"),
            ("https://x?q", "leave out the path"),
            ("https://x#f", "leave out the path"),
            ("https://a\\@b", "leave out the path"),
            ("https://user:secret@x", "leave out user name"),
            ("https://*.example.com", "no pattern"),
            ("https://", "host is missing"),
            ("https://:443", "host is missing"),
            ("https://x:", "between 1 and 65535"),
            ("https://x:0", "between 1 and 65535"),
            ("https://x:65536", "between 1 and 65535"),
            ("https://x:+80", "between 1 and 65535"),
            ("https://x:http", "between 1 and 65535"),
            ("http://::1", "in brackets"),
            ("http://[::1", "ends with `]`"),
            ("http://[::1]8080", "only a port"),
            ("http://[::1]:", "between 1 and 65535"),
            ("http://[fe80::1%25eth0]", "not an IPv6 address"),
            ("http://[127.0.0.1]", "not an IPv6 address"),
            ("http://[::ffff:127.0.0.1]", "the IPv4 address itself"),
            ("http://x.", "not a name"),
            ("http://a..b", "not a name"),
            ("http://a b", "not a name"),
            ("http://a%2eb", "not a name"),
            ("http://127.1", "four decimal numbers"),
            ("http://2130706433", "four decimal numbers"),
            ("http://0x7f000001", "four decimal numbers"),
            ("http://1.2.3.0X4", "four decimal numbers"),
            ("http://0177.0.0.1", "four decimal numbers"),
            ("http://1.2.3.256", "four decimal numbers"),
            ("https://bücher.example", "`xn--…`"),
            (&long, "not a name"),
            (&longer, "not a name"),
        ] {
            let reason = Origin::parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }

    #[test]
    fn each_wrong_text_is_named_by_its_index() {
        let texts = ["https://a".to_owned(), "b".to_owned(), "http://c:81".to_owned()];
        let (origins, wrong) = Origins::parse(&texts);
        assert_eq!(origins.canonical().collect::<Vec<_>>(), [(0, "https://a"), (2, "http://c:81")]);
        assert_eq!(wrong.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn origins_that_are_no_longer_granted_are_dropped() {
        let (mut origins, _) = Origins::parse(&["https://a".to_owned(), "https://b".to_owned()]);
        let (newer, _) = Origins::parse(&["https://B:443".to_owned(), "https://c".to_owned()]);
        origins.narrow(&newer);
        assert_eq!(origins.canonical().collect::<Vec<_>>(), [(1, "https://b")]);
    }

    #[test]
    fn an_origin_matches_exactly() {
        let (origins, _) = Origins::parse(&["https://api.example.com".to_owned(), "http://10.0.0.1:81".to_owned()]);
        let granted = |text: &str| origins.contains(&Origin::parse(text).unwrap());
        assert!(granted("https://API.example.com:443"));
        assert!(granted("http://10.0.0.1:81"));
        for other in ["http://api.example.com", "https://api.example.com:444", "https://example.com"] {
            assert!(!granted(other), "{other}");
        }
        for other in
            ["https://x.api.example.com", "https://api.example.com.evil", "http://10.0.0.1", "http://10.0.0.11:81"]
        {
            assert!(!granted(other), "{other}");
        }
    }
}
