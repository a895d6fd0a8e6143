//! Which characters of a text from outside read as what they are.
//!
//! The rule, which `docs/plugins.md` states for authors: nothing is plain that ends a line, controls a terminal, turns the
//! direction of reading, or is seen as nothing. What is seen as nothing is Unicode's `Default_Ignorable_Code_Point` and the
//! blank of braille; it is plain where it can change what its neighbours look like: joiners at a virama and non-joiners in
//! scripts that join (UAX #31), joiners between emoji, variation selectors behind what has such variations (UTS #51,
//! UTS #37), and the tags of the three flags that there are (UTS #51).
//! A soft hyphen, U+200B and the marks of direction have no such place: alike texts could differ by them anywhere.
//!
//! It is the same for the agent, which refuses or escapes by it, and for the bundled collectors, which replace by it. The
//! hub's page has the same tables (`host/hub/src/page/static/dom.js`), and `samples.json` is held against both.
//! Pure, and without dependencies, since it becomes a part of components. It cannot fail.

use std::str::Chars;

type Range = (u32, u32);

/// `Default_Ignorable_Code_Point` of Unicode 17, and what else is seen as nothing or ends a line without being a control
/// character.
const UNSEEN: [Range; 18] = [
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    // Anchors of annotations are not ignorable, and seen by nobody.
    (0xfff0, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];
/// Scripts whose letters join or stack: Arabic and Syriac, N'Ko to Sinhala, Myanmar, Khmer, Mongolian, Balinese to Batak,
/// Javanese, Brahmi to Tirhuta, Adlam.
const JOINING: [Range; 10] = [
    (0x620, 0x77f),
    (0x7c0, 0xdff),
    (0x1000, 0x109f),
    (0x1780, 0x17b3),
    (0x17b6, 0x17dd),
    (0x1820, 0x18aa),
    (0x1b00, 0x1bff),
    (0xa980, 0xa9df),
    (0x1_1000, 0x1_14ff),
    (0x1_e900, 0x1_e95f),
];
/// Emoji that others are joined of.
const EMOJI: [Range; 4] = [(0x2194, 0x2199), (0x2600, 0x27bf), (0x2b1b, 0x2b1c), (0x1_f300, 0x1_faff)];
/// What takes away the vowel of an Indic letter, and makes it join the next one.
const VIRAMAS: [Range; 19] = [
    (0x94d, 0x94d),
    (0x9cd, 0x9cd),
    (0xa4d, 0xa4d),
    (0xacd, 0xacd),
    (0xb4d, 0xb4d),
    (0xbcd, 0xbcd),
    (0xc4d, 0xc4d),
    (0xccd, 0xccd),
    (0xd4d, 0xd4d),
    (0xdca, 0xdca),
    (0x1039, 0x103a),
    (0x17d2, 0x17d2),
    (0x1b44, 0x1b44),
    (0x1baa, 0x1bab),
    (0xa9c0, 0xa9c0),
    (0x1_1046, 0x1_1046),
    (0x1_10b9, 0x1_10b9),
    (0x1_1133, 0x1_1134),
    (0x1_134d, 0x1_134d),
];
/// Latin letters, digits, and signs after which an ending in another script may follow.
const LATIN: [Range; 6] = [(0x29, 0x29), (0x30, 0x39), (0x41, 0x5a), (0x61, 0x7a), (0xbb, 0xbb), (0xc0, 0x24f)];
/// Signs and emoji that have a form as text and one as emoji.
const SIGNS: [Range; 8] = [
    (0xa9, 0xa9),
    (0xae, 0xae),
    (0x203c, 0x2049),
    (0x2100, 0x27ff),
    (0x2900, 0x2bff),
    (0x3030, 0x303d),
    (0x3297, 0x3299),
    (0x1_f000, 0x1_faff),
];
const SIGN_SELECTORS: [Range; 1] = [(0xfe0e, 0xfe0f)];
const IDEOGRAPHS: [Range; 4] = [(0x3400, 0x4dbf), (0x4e00, 0x9fff), (0xf900, 0xfaff), (0x2_0000, 0x3_ffff)];
const IDEOGRAPH_SELECTORS: [Range; 2] = [(0xfe00, 0xfe02), (0xe_0100, 0xe_01ef)];
const MONGOLIAN: [Range; 1] = [(0x1820, 0x18aa)];
const MONGOLIAN_SELECTORS: [Range; 2] = [(0x180b, 0x180d), (0x180f, 0x180f)];
/// The flags of England, Scotland and Wales, as tags. Those of other regions look like a black one.
const REGIONS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];
/// What is added to an ASCII character to make a tag of it.
const TAG: u32 = 0xe_0000;
const BLACK_FLAG: char = '\u{1f3f4}';
const END_OF_TAGS: char = '\u{e007f}';
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
const EMOJI_SELECTOR: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

/// Whether all of a text is plain.
pub fn is_plain(text: &str) -> bool {
    judged(text).all(|(_, is_plain)| is_plain)
}

/// A text's characters, each with whether it is plain where it stands. Where those that are not are replaced by what always
/// is, the text is plain.
pub fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    Judged { rest: text.chars(), before: None, tags: 0 }
}

struct Judged<'a> {
    rest: Chars<'a>,
    /// The character before, if it is plain.
    before: Option<char>,
    /// How many of the next ones are the tags of a flag.
    tags: usize,
}

impl Iterator for Judged<'_> {
    type Item = (char, bool);

    fn next(&mut self) -> Option<(char, bool)> {
        let c = self.rest.next()?;
        let is_plain = if self.tags > 0 {
            self.tags -= 1;
            true
        } else {
            !c.is_control() && (!is_in(&UNSEEN, c) || self.is_seen(c))
        };
        if c == BLACK_FLAG {
            self.tags = tags(self.rest.clone());
        }
        self.before = is_plain.then_some(c);
        Some((c, is_plain))
    }
}

impl Judged<'_> {
    /// Whether one of [`UNSEEN`] changes what its neighbours look like.
    fn is_seen(&self, c: char) -> bool {
        let Some(before) = self.before else { return false };
        let follows = |ranges: &[Range]| self.rest.clone().next().is_some_and(|after| is_in(ranges, after));
        match c {
            JOINER if is_in(&JOINING, before) => is_in(&VIRAMAS, before) || follows(&VIRAMAS),
            JOINER => (is_in(&EMOJI, before) || before == EMOJI_SELECTOR) && follows(&EMOJI),
            // Between a word of another script and an ending of these as well, as in Persian.
            NON_JOINER => (is_in(&JOINING, before) || is_in(&LATIN, before)) && follows(&JOINING),
            EMOJI_SELECTOR if matches!(before, '#' | '*' | '0'..='9') => self.rest.clone().next() == Some(KEYCAP),
            _ if is_in(&SIGN_SELECTORS, c) && is_in(&SIGNS, before) => true,
            _ if is_in(&IDEOGRAPH_SELECTORS, c) => is_in(&IDEOGRAPHS, before),
            _ if is_in(&MONGOLIAN_SELECTORS, c) => is_in(&MONGOLIAN, before),
            _ => false,
        }
    }
}

/// How many characters after a black flag make it that of a region.
fn tags(rest: Chars<'_>) -> usize {
    let is_flag = |region: &str| {
        let tags = region.chars().filter_map(|c| char::from_u32(TAG + u32::from(c)));
        rest.clone().take(region.len() + 1).eq(tags.chain([END_OF_TAGS]))
    };
    REGIONS.iter().find(|region| is_flag(region)).map_or(0, |region| region.len() + 1)
}

fn is_in(ranges: &[Range], c: char) -> bool {
    let c = u32::from(c);
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn samples() -> Value {
        serde_json::from_str(include_str!("../samples.json")).unwrap()
    }

    /// With what is not plain as the agent and the page write it.
    fn shown(text: &str) -> String {
        let shown = |(c, is_plain): (char, bool)| if is_plain { c.to_string() } else { c.escape_unicode().to_string() };
        judged(text).map(shown).collect()
    }

    #[test]
    fn real_texts_are_plain_and_what_hides_is_not() {
        let samples = samples();
        for good in samples["plain"].as_array().unwrap() {
            let good = good.as_str().unwrap();
            assert!(is_plain(good), "{good}: {}", shown(good));
        }
        for (bad, expected) in samples["shown"].as_object().unwrap() {
            assert_eq!(shown(bad), expected.as_str().unwrap());
            assert!(!is_plain(bad), "{expected}");
        }
    }

    /// Those of all characters but controls, as `FIRST-LAST`, in the planes that have any.
    fn ranges(is_one: impl Fn(char) -> bool) -> Value {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let planes = ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{effff}');
        for c in planes.filter(|c| !c.is_control() && is_one(*c)).map(u32::from) {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == c => *last = c,
                _ => ranges.push((c, c)),
            }
        }
        ranges.into_iter().map(|(first, last)| format!("{first:X}-{last:X}")).collect()
    }

    #[test]
    fn the_samples_name_all_characters_of_each_kind() {
        let samples = samples();
        assert_eq!(ranges(|c| !is_plain(&c.to_string())), samples["alone"]);
        for (pattern, expected) in samples["within"].as_object().unwrap() {
            assert_eq!(ranges(|c| is_plain(&pattern.replace('x', &c.to_string()))), *expected, "{pattern:?}");
        }
        assert!(('\0'..=char::MAX).filter(|c| c.is_control()).all(|c| !is_plain(&format!("a{c}b"))));
    }

    #[test]
    fn what_is_replaced_is_plain_and_what_is_cut_grows_no_more() {
        let parts = "a می\u{94d}क葛#1☎❤👩🏴\u{20e3}\u{200b}\u{200c}\u{200d}\u{fe0f}\u{e0100}\u{180b}\u{1820}\u{e0067}\u{e007f}\u{61c}";
        let parts: Vec<char> = parts.chars().collect();
        let replaced = |text: &str| -> String {
            judged(text).map(|(c, is_plain)| if is_plain { c } else { char::REPLACEMENT_CHARACTER }).collect()
        };
        for number in 0..parts.len().pow(4) {
            let text: String = (0..4_u32).map(|place| parts[number / parts.len().pow(place) % parts.len()]).collect();
            let plain = replaced(&text);
            assert!(is_plain(&plain), "{}", text.escape_unicode());
            for (cut, _) in plain.char_indices() {
                assert!(replaced(&plain[..cut]).len() <= cut, "{}", text.escape_unicode());
            }
        }
    }
}
