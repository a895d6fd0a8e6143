//! Timestamps as the agents write them: RFC 3339, with no fraction of a second or three digits of one.

/// Milliseconds since 1970-01-01T00:00:00Z; nothing for any other form and for times that do not exist.
pub(crate) fn millis(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (fraction, zone) = match (bytes.len(), bytes.get(19)?) {
        (20 | 25, b'Z' | b'+' | b'-') => (0, 19),
        (24 | 29, b'.') => (number(bytes.get(20..23)?)?, 23),
        _ => return None,
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, separator)| bytes.get(*at) != Some(separator)) {
        return None;
    }
    let part = |from: usize, to: usize| number(bytes.get(from..to)?);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second - offset(bytes.get(zone..)?)?;
    Some(seconds * 1_000 + fraction)
}

/// Seconds that a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = zone.split_first()?;
    match (sign, rest) {
        (b'Z', []) => Some(0),
        (b'+' | b'-', [h1, h2, b':', m1, m2]) => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century_days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(century_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn forms_that_the_agents_write_are_read() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2026-11-20T12:34:56.789Z"), Some(1_795_178_096_789));
        assert_eq!(millis("2024-02-29T23:59:59+02:00"), Some(1_709_243_999_000));
        assert_eq!(millis("2024-02-29T23:59:59.500-01:30"), Some(1_709_256_599_500));
        assert_eq!(millis("1969-12-31T23:59:59.999Z"), Some(-1));
    }

    #[test]
    fn anything_else_is_not() {
        for text in [
            "",
            "yesterday",
            "2026-11-20",
            "2026-11-20 12:34:56Z",
            "2026-11-20T12:34:56",
            "2026-13-20T12:34:56Z",
            "2026-02-29T12:34:56Z",
            "2026-11-31T12:34:56Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T12:34:56.78Z",
            "2026-11-20T12:34:56+0100",
            "2026-11-20T12:34:56+24:00",
            "+026-11-20T12:34:56Z",
            "2026-11-20T12:34:5üZ",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
