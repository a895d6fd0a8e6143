//! What stands where a log has a figure, as far as it matters: nothing of it is kept, however large it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value in a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    Null,
    /// What a number of tokens and a time are.
    Whole(u64),
    /// Negative, or a fraction.
    Number,
    /// An object of whole numbers.
    Parts,
    Other,
}

struct Kinds;

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

impl<'de> Visitor<'de> for Kinds {
    type Value = Figure;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Figure, E> {
        Ok(Figure::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Figure, E> {
        Ok(Figure::Other)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Figure, E> {
        Ok(Figure::Whole(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Figure, E> {
        Ok(Figure::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Figure, E> {
        Ok(Figure::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Figure, E> {
        Ok(Figure::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Figure, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Figure::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Figure, A::Error> {
        let mut all_whole = true;
        while let Some((_, value)) = entries.next_entry::<IgnoredAny, Figure>()? {
            all_whole &= matches!(value, Figure::Whole(_));
        }
        Ok(if all_whole { Figure::Parts } else { Figure::Other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_kind() {
        for (text, kind) in [
            ("null", Figure::Null),
            ("7", Figure::Whole(7)),
            ("-7", Figure::Number),
            ("0.5", Figure::Number),
            ("\"7\"", Figure::Other),
            ("true", Figure::Other),
            ("[0,[1],{}]", Figure::Other),
            ("{}", Figure::Parts),
            (r#"{"a":1,"b":2}"#, Figure::Parts),
            (r#"{"a":1,"b":{"c":2}}"#, Figure::Other),
        ] {
            assert_eq!(serde_json::from_str::<Figure>(text).unwrap(), kind, "{text}");
        }
        assert!(serde_json::from_str::<Figure>("[1,").is_err());
    }
}
