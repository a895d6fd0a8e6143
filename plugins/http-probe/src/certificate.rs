//! How long a certificate is valid.

use std::time::Duration;

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Seconds from `now` (since 1970-01-01T00:00:00Z) until a certificate in DER expires; negative when it has. Nothing when
/// it is none that RFC 5280 knows.
pub(crate) fn remaining(der: &[u8], now: Duration) -> Option<f64> {
    let certificate = Certificate::from_der(der).ok()?;
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Some(until.as_secs_f64() - now.as_secs_f64())
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
    fn what_is_no_certificate_has_no_end() {
        for der in [&b""[..], b"\x30\x00", b"hello"] {
            assert_eq!(remaining(der, Duration::ZERO), None);
        }
    }
}
