//! The form in which metadata lists processes, for programs and people: `8401:node:0.831 77:python3:0.12`.
//!
//! Entries are separated by one space, the largest figure first. Each is the process id, the name and the figure,
//! separated by colons. In a name, all but ASCII letters, digits and `-._~+@/` is percent-encoded (RFC 3986), so that one
//! that a process gave itself can look like nothing else, and `decodeURIComponent` reads it.

use std::fmt::Display;

use sandbeat_common::encoded;

/// What a metadata value may have, in bytes.
const MAX_LENGTH: usize = 1024;

/// Lists processes as far as there is room.
pub(crate) fn listing<'a, F: Display>(processes: impl IntoIterator<Item = (u32, &'a str, F)>) -> String {
    let mut listing = String::new();
    for (pid, name, figure) in processes {
        let space = if listing.is_empty() { "" } else { " " };
        let entry = format!("{space}{pid}:{}:{figure}", encoded(name));
        if listing.len() + entry.len() > MAX_LENGTH {
            break;
        }
        listing.push_str(&entry);
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_listed_with_names_that_cannot_look_like_others() {
        let processes = [(8401, "node", 0.831), (77, "a b:1 9:é%", 0.5), (3, "", 0.1)];
        assert_eq!(listing(processes), "8401:node:0.831 77:a%20b%3A1%209%3A%C3%A9%25:0.5 3::0.1");
        assert_eq!(listing([(1, "x", 0); 0]), "");
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let name = "%".repeat(64);
        let text = listing((1..=20).map(|pid| (pid, &*name, 4096_u64)));
        assert!(text.len() <= MAX_LENGTH && text.split(' ').count() == 5, "{text}");
    }
}
