//! The form in which metadata lists ports, for programs and people: `3000:node 8080:python3 9229`.
//!
//! Entries are separated by one space and sorted by number. Behind the number and a colon comes the process's name,
//! where it is known; in it, all but ASCII letters, digits and `-._~+@/` is percent-encoded (RFC 3986), so that a name
//! that a process gave itself can look like nothing else, and `decodeURIComponent` reads it. When not all fit, those that
//! come first in the caller's order are listed, and the last entry says how many are left out: `+12`.

use sandbeat_common::encoded;

/// What a metadata value may have, in bytes.
const MAX_LENGTH: usize = 1024;
/// Room for the entry that says how many are left out.
const REST: usize = 8;

/// Lists ports with their processes' names; those first that come first, as far as there is room.
pub(crate) fn listing<'a>(ports: impl IntoIterator<Item = (u16, Option<&'a str>)>) -> String {
    let mut ports = ports.into_iter();
    let (mut entries, mut length, mut left_out) = (Vec::new(), 0, 0);
    for (number, name) in ports.by_ref() {
        let entry = entry(number, name);
        if length + 1 + entry.len() > MAX_LENGTH - REST {
            left_out = 1 + ports.count();
            break;
        }
        length += 1 + entry.len();
        entries.push((number, entry));
    }
    entries.sort();
    let rest = (left_out > 0).then(|| format!("+{left_out}"));
    let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).chain(rest).collect();
    entries.join(" ")
}

fn entry(number: u16, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{number}:{}", encoded(name)),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_with_names_that_cannot_look_like_ports() {
        let ports = [(22, Some("sshd")), (80, None), (3000, Some("next server 4:5 +1")), (9000, Some("é%"))];
        assert_eq!(listing(ports), "22:sshd 80 3000:next%20server%204%3A5%20+1 9000:%C3%A9%25");
        assert_eq!(listing([]), "");
        assert_eq!(listing([(3000, None), (22, Some("sshd"))]), "22:sshd 3000");
    }

    #[test]
    fn a_long_list_ends_with_how_many_are_left_out() {
        let text = listing((1..=65_535).map(|port| (port, Some("x"))));
        assert!(text.len() <= MAX_LENGTH && text.len() > MAX_LENGTH - 20, "{}", text.len());
        let (listed, left_out) = text.rsplit_once(" +").unwrap();
        let listed: Vec<_> = listed.split(' ').collect();
        assert_eq!(listed.len() + left_out.parse::<usize>().unwrap(), 65_535);
        assert_eq!(listed.last(), Some(&&*format!("{}:x", listed.len())));
        let wide = listing((1..=100).map(|port| (port, Some("%%%%%%%%%%%%%%%%%%%%"))));
        assert!(wide.len() <= MAX_LENGTH && wide.ends_with(" +84"), "{wide}");
    }
}
