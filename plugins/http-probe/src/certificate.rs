//! How long a certificate is valid, and what of it may be why it was refused. No I/O.

use std::net::IpAddr;
use std::time::Duration;

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Why a server's certificate was refused, as far as it shows: the agent says only that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Expired,
    NotYetValid,
    OtherName,
    /// Nothing is wrong with the certificate itself: nobody trusted has issued it, or something is wrong with one above.
    Untrusted,
}

/// Seconds from `now` (since 1970-01-01T00:00:00Z) until a certificate in DER expires; negative when it has. Nothing when
/// it is none that RFC 5280 knows.
pub(crate) fn remaining(der: &[u8], now: Duration) -> Option<f64> {
    let certificate = Certificate::from_der(der).ok()?;
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Some(until.as_secs_f64() - now.as_secs_f64())
}

/// What is wrong with a refused certificate in DER of a server that was asked for as `host`, a name or an address; of
/// several faults the first in the order of [`Fault`]. Nothing when it is none that RFC 5280 knows.
pub(crate) fn fault(der: &[u8], host: &str, now: Duration) -> Option<Fault> {
    let certificate = Certificate::from_der(der).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let names = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()?;
    let is_named = || names.iter().flat_map(|(_, names)| &names.0).any(|name| is_of(name, host));
    Some(if now > validity.not_after.to_unix_duration() {
        Fault::Expired
    } else if now < validity.not_before.to_unix_duration() {
        Fault::NotYetValid
    } else if !is_named() {
        Fault::OtherName
    } else {
        Fault::Untrusted
    })
}

/// As RFC 9525 compares them: a `*` stands for one whole label, the first.
fn is_of(name: &GeneralName, host: &str) -> bool {
    match (name, host.parse::<IpAddr>()) {
        (GeneralName::IpAddress(bytes), Ok(IpAddr::V4(address))) => bytes.as_bytes() == address.octets(),
        (GeneralName::IpAddress(bytes), Ok(IpAddr::V6(address))) => bytes.as_bytes() == address.octets(),
        (GeneralName::DnsName(name), Err(_)) => {
            let (name, host) = (name.as_str(), host.strip_suffix('.').unwrap_or(host));
            let below =
                |name: &str, host: &str| Some(name.strip_prefix("*.")?.eq_ignore_ascii_case(host.split_once('.')?.1));
            name.eq_ignore_ascii_case(host) || below(name, host).unwrap_or(false)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn it_is_valid_until_the_end_that_it_names() {
        for (year, month, day, seconds) in
            [(2020, 1, 1, 1_577_836_800), (2049, 12, 31, 2_524_521_600), (2200, 1, 1, 7_258_118_400)]
        {
            let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, month, day);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let now = Duration::from_secs(1_700_000_000);
            assert_eq!(remaining(certificate.der(), now), Some((seconds - 1_700_000_000_i64) as f64));
        }
    }

    #[test]
    fn a_refused_one_is_told_by_what_is_wrong_with_it() {
        let now = Duration::from_secs(1_700_000_000);
        let fault_of = |from, until, names: &[&str], host: &str| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            fault(certificate.der(), host, now)
        };
        let named = ["a.example", "*.b.example", "10.0.0.1", "::1"];
        for host in ["A.example", "a.example.", "x.b.example", "10.0.0.1", "::1"] {
            assert_eq!(fault_of(2020, 2030, &named, host), Some(Fault::Untrusted), "{host}");
        }
        for host in ["b.example", "x.y.b.example", "x.a.example", "10.0.0.2", "::2", "*.c.example"] {
            assert_eq!(fault_of(2020, 2030, &named, host), Some(Fault::OtherName), "{host}");
        }
        assert_eq!(fault_of(2020, 2030, &[], "a.example"), Some(Fault::OtherName));
        assert_eq!(fault_of(2020, 2021, &named, "elsewhere"), Some(Fault::Expired));
        assert_eq!(fault_of(2029, 2030, &named, "a.example"), Some(Fault::NotYetValid));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for der in [&b""[..], b"\x30\x00", b"hello"] {
            assert_eq!((remaining(der, Duration::ZERO), fault(der, "a", Duration::ZERO)), (None, None));
        }
    }
}
