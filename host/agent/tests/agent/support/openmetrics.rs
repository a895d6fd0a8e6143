//! Reads OpenMetrics 1.0 as strictly as the specification has it, where Prometheus itself would let things pass.
//! Independent of what writes it.

use std::collections::{BTreeMap, BTreeSet};

/// A family with its samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    pub(crate) help: Option<String>,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    /// Name, labels and value.
    pub(crate) samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

/// All families by name, or what is wrong with which line.
pub(crate) fn read(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with `# EOF`")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        read_line(line, &mut current, &mut families, &mut taken).map_err(|wrong| format!("{wrong}: {line}"))?;
    }
    for (name, family) in &families {
        check(name, family).map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(families)
}

/// The value of one sample; labels are given in any order, and all of them.
pub(crate) fn value(families: &BTreeMap<String, Family>, sample: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<String, String> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut samples = families.values().flat_map(|family| &family.samples);
    samples.find(|(name, of, _)| name == sample && *of == labels).map(|(_, _, value)| *value)
}

fn read_line(
    line: &str,
    current: &mut String,
    families: &mut BTreeMap<String, Family>,
    taken: &mut BTreeSet<String>,
) -> Result<(), String> {
    let Some(comment) = line.strip_prefix("# ") else {
        let (name, labels, value) = read_sample(line)?;
        let family = families.get_mut(current).ok_or("a sample before its type")?;
        let end = name.strip_prefix(current.as_str()).ok_or("a sample of another family")?;
        if !ends(&family.kind)?.contains(&end) {
            return Err(format!("`{end}` is no part of a {}", family.kind));
        }
        family.samples.push((name, labels, value));
        return Ok(());
    };
    let mut parts = comment.splitn(3, ' ');
    let (word, name, text) = (parts.next().unwrap(), parts.next().ok_or("no name")?, parts.next().ok_or("no text")?);
    if name != current {
        check_name(name)?;
        *current = name.to_owned();
        if families.insert(name.to_owned(), Family { kind: "unknown".to_owned(), ..Family::default() }).is_some() {
            return Err("its family is told twice".to_owned());
        }
    }
    let family = families.get_mut(name).unwrap();
    if !family.samples.is_empty() {
        return Err("told after samples".to_owned());
    }
    match word {
        "HELP" if family.help.is_none() => family.help = Some(unescaped(text)?),
        "UNIT" if family.unit.is_none() && name.ends_with(&format!("_{text}")) => family.unit = Some(text.to_owned()),
        "TYPE" if family.kind == "unknown" => {
            family.kind = text.to_owned();
            for end in ends(text)?.iter().chain(&[""]).collect::<BTreeSet<_>>() {
                if !taken.insert(format!("{name}{end}")) {
                    return Err(format!("the name {name}{end} is taken"));
                }
            }
        }
        _ => return Err("a second one, or one that does not fit".to_owned()),
    }
    Ok(())
}

fn ends(kind: &str) -> Result<&'static [&'static str], String> {
    match kind {
        "gauge" => Ok(&[""]),
        "counter" => Ok(&["_total", "_created"]),
        "histogram" => Ok(&["_bucket", "_count", "_sum", "_created"]),
        "info" => Ok(&["_info"]),
        other => Err(format!("the type {other}")),
    }
}

fn read_sample(line: &str) -> Result<(String, BTreeMap<String, String>, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    check_name(name)?;
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").ok_or("a label without a value")?;
            check_name(label).and_then(|()| if label.contains(':') { Err("a colon".to_owned()) } else { Ok(()) })?;
            let close = closing(after).ok_or("a value without an end")?;
            if labels.insert(label.to_owned(), unescaped(&after[..close])?).is_some() {
                return Err(format!("the label {label} twice"));
            }
            rest = &after[close + 1..];
            rest = match rest.strip_prefix(',') {
                Some(more) if !more.starts_with('}') => more,
                Some(_) => return Err("a comma too many".to_owned()),
                None => rest,
            };
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value: f64 = value.parse().map_err(|_| format!("`{value}` is no number"))?;
    value.is_finite().then_some((name.to_owned(), labels, value)).ok_or("not finite".to_owned())
}

/// Where the quote is that ends a value.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| match (escaped, byte) {
        (false, b'"') => true,
        _ => {
            escaped = !escaped && byte == b'\\';
            false
        }
    })
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '"' => return Err("a quote that is not escaped".to_owned()),
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(c @ ('"' | '\\')) => c,
                other => return Err(format!("the escape {other:?}")),
            },
            c => c,
        });
    }
    Ok(out)
}

fn check_name(name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    if first && good { Ok(()) } else { Err(format!("`{name}` is no name")) }
}

fn check(name: &str, family: &Family) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut histograms: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        if !seen.insert((sample, labels)) {
            return Err(format!("{sample} {labels:?} is there twice"));
        }
        if family.kind != "gauge" && *value < 0.0 {
            return Err(format!("{sample} is negative"));
        }
        if family.kind == "info" && *value != 1.0 {
            return Err("an info that is not 1".to_owned());
        }
        if sample.ends_with("_bucket") && family.kind == "histogram" {
            let mut of = labels.clone();
            let le = of.remove("le").ok_or("a bucket without `le`")?;
            let le = if le == "+Inf" { f64::INFINITY } else { le.parse().map_err(|_| format!("the bound {le}"))? };
            histograms.entry(of).or_default().push((le, *value));
        }
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    for (sample, labels, count) in &family.samples {
        if *sample != format!("{name}_count") {
            continue;
        }
        let buckets = histograms.remove(labels).ok_or("a count without buckets")?;
        let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        if !grows || buckets.last() != Some(&(f64::INFINITY, *count)) {
            return Err(format!("the buckets {buckets:?} of {labels:?} do not add up to {count}"));
        }
        if !family.samples.iter().any(|(sum, of, _)| *sum == format!("{name}_sum") && of == labels) {
            return Err("no sum".to_owned());
        }
    }
    if histograms.is_empty() { Ok(()) } else { Err("buckets without a count".to_owned()) }
}
