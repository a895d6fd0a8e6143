//! Which of the things that have names are reported: patterns in the collector's `[config]`.
//!
//! Patterns are matched against the whole name; `*` stands for any characters, `?` for one. What is taken without a
//! choice is the collector's affair. A pattern that could match nothing is an error that names its key.

use sandbeat_sdk::{Error, config};

/// The operator's choice.
#[derive(Clone, Debug)]
pub struct Filter {
    chosen: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Filter {
    /// Takes the patterns under a key of `[config]`, and those under `exclude`, which are all that there may be. Each is
    /// one string or an array of them, and may be absent.
    ///
    /// # Errors
    /// [`Error::Config`], when there is another key, a value is not of that form, or a pattern cannot match any name.
    pub fn from_config(key: &str) -> Result<Self, Error> {
        config::only(&[key, "exclude"])?;
        let (chosen, exclude) = (config::strings(key)?, config::strings("exclude")?);
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::config(key, "is empty; leave it out for the usual ones"));
        }
        for (key, patterns) in [(key, &chosen), ("exclude", &exclude)] {
            for pattern in patterns.iter().flatten() {
                check(pattern).map_err(|why| Error::config(key, why))?;
            }
        }
        Ok(Self { chosen, exclude: exclude.unwrap_or_default() })
    }

    /// Whether a thing of this name is reported; `by_default` holds where the operator chose none.
    pub fn takes(&self, name: &str, by_default: bool) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        self.chosen.as_deref().map_or(by_default, any) && !any(&self.exclude)
    }

    /// Whether the operator named the things that there have to be.
    pub fn is_a_choice(&self) -> bool {
        self.chosen.is_some()
    }
}

fn check(pattern: &str) -> Result<(), String> {
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '[' | ']' | '{' | '}' | '!' | ',');
    if pattern.is_empty() {
        return Err("has an empty pattern".into());
    }
    match pattern.chars().find(|c| strange(*c)) {
        Some(c) => Err(format!("has the pattern {pattern:?} with {c:?}; only `*` and `?` stand for other characters")),
        None => Ok(()),
    }
}

/// On a mismatch, the last `*` takes one character more: linear in practice, and never exponential.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use sandbeat_sdk::testing::Sandbox;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth", "eth0", false),
            ("eth*", "eth", true),
            ("eth*", "eth0.100", true),
            ("*", "", true),
            ("?", "", false),
            ("e?h?", "eth0", true),
            ("*h*0", "eth0", true),
            ("*h*1", "eth0", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn without_a_choice_the_collector_s_own_holds() {
        let filter = |config: &[(&str, &str)]| {
            let sandbox = config.iter().fold(Sandbox::new(), |sandbox, (key, value)| sandbox.config(key, value));
            { sandbox }.run(|| Filter::from_config("interfaces")).unwrap()
        };
        let default = filter(&[("exclude", "eth1")]);
        assert!(default.takes("eth0", true) && !default.takes("lo", false) && !default.takes("eth1", true));
        let chosen = filter(&[("interfaces", r#"["lo","eth*"]"#), ("exclude", "eth1")]);
        assert!(chosen.takes("lo", false) && chosen.takes("eth0", true) && !chosen.takes("eth1", true));
        assert!(!chosen.takes("wlan0", true) && chosen.is_a_choice() && !default.is_a_choice());
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for pattern in ["", "eth0,eth1", "eth[0-9]", "{a,b}", "a b", "/x"] {
            assert!(check(pattern).is_err(), "{pattern:?}");
        }
        assert_eq!(check("br-1a2b3c.5@if7_*?:0"), Ok(()));
    }
}
