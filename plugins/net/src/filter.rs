//! Which interfaces are reported: the config's `interfaces` and `exclude`.
//!
//! Patterns are matched against the whole name; `*` stands for any characters, `?` for one. Without `interfaces`, all
//! but `lo` are taken.

/// The operator's choice.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    interfaces: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Filter {
    /// Takes the two values of the config.
    ///
    /// # Errors
    /// A pattern cannot match any interface: the key, and what is wrong with its value.
    pub(crate) fn new(
        interfaces: Option<Vec<String>>,
        exclude: Option<Vec<String>>,
    ) -> Result<Self, (&'static str, String)> {
        if interfaces.as_ref().is_some_and(Vec::is_empty) {
            return Err(("interfaces", "names no interface; leave it out for all but `lo`".into()));
        }
        for (key, patterns) in [("interfaces", &interfaces), ("exclude", &exclude)] {
            for pattern in patterns.iter().flatten() {
                check(pattern).map_err(|why| (key, why))?;
            }
        }
        Ok(Self { interfaces, exclude: exclude.unwrap_or_default() })
    }

    /// Whether an interface is reported.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        let chosen = match &self.interfaces {
            Some(patterns) => any(patterns),
            None => name != "lo",
        };
        chosen && !any(&self.exclude)
    }

    /// Whether the operator named the interfaces that there have to be.
    pub(crate) fn is_a_choice(&self) -> bool {
        self.interfaces.is_some()
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
    fn loopback_is_left_out_unless_chosen() {
        let strings = |strings: &[&str]| Some(strings.iter().map(ToString::to_string).collect());
        let default = Filter::new(None, None).unwrap();
        assert!(default.takes("eth0") && !default.takes("lo"));
        let chosen = Filter::new(strings(&["lo", "eth*"]), strings(&["eth1"])).unwrap();
        assert!(chosen.takes("lo") && chosen.takes("eth0") && !chosen.takes("eth1") && !chosen.takes("wlan0"));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for pattern in ["", "eth0,eth1", "eth[0-9]", "{a,b}", "a b", "/x"] {
            assert!(check(pattern).is_err(), "{pattern:?}");
        }
        assert_eq!(check("br-1a2b3c.5@if7_*?:0"), Ok(()));
    }
}
