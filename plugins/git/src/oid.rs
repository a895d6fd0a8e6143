//! The id of a git object: the SHA-1 of its kind, size and content.

use std::fmt::{self, Display, Write};

use sha1::{Digest, Sha1};

/// An object's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Oid(pub(crate) [u8; 20]);

/// An object's id in the making.
pub(crate) struct Hasher(Sha1);

impl Oid {
    /// Reads the 40 digits; nothing when the text is anything else.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let (digits, rest) = text.as_bytes().as_chunks::<2>();
        let digits: &[[u8; 2]; 20] = digits.try_into().ok().filter(|_| rest.is_empty())?;
        let mut oid = [0; 20];
        for (byte, [high, low]) in oid.iter_mut().zip(digits) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(oid))
    }
}

impl Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Hasher {
    /// For an object of this kind and size in bytes.
    pub(crate) fn new(kind: &str, size: u64) -> Self {
        let mut header = String::new();
        // Writing into a `String` cannot fail.
        let _ = write!(header, "{kind} {size}\0");
        let mut sha1 = Sha1::new();
        sha1.update(header.as_bytes());
        Self(sha1)
    }

    pub(crate) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    pub(crate) fn finish(self) -> Oid {
        Oid(self.0.finalize().into())
    }
}

/// The id of an object with this whole content.
pub(crate) fn hash(kind: &str, content: &[u8]) -> Oid {
    let mut hasher = Hasher::new(kind, content.len() as u64);
    hasher.update(content);
    hasher.finish()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_those_of_git() {
        assert_eq!(hash("blob", b"").to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(hash("tree", b"").to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn only_forty_digits_are_an_id() {
        let text = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
        assert_eq!(Oid::from_hex(text).unwrap().to_string(), text);
        for text in ["", "e69d", "E69DE29BB2D1D6434B8B29AE775AD8C2E48C5391", &text[1..], &format!("{text}0")] {
            assert_eq!(Oid::from_hex(text), None, "{text}");
        }
    }
}
