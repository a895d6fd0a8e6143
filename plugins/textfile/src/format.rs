//! Prometheus' text format, with the answers of the parser that node_exporter has (`expfmt` of `prometheus/common`, with
//! names as they were before UTF-8): what that one refuses is refused here, and so is a whole file with client-side
//! timestamps, as by node_exporter's textfile collector.
//!
//! It is written by hand because no library does this. `prometheus-parse` and `prometheus-scrape` pass over lines that
//! they cannot read, split labels at commas inside values, and know no HELP; `openmetrics-parser` is under the LGPL;
//! `prom_text_format_parser` has had one release and knows neither HELP's rules nor merged series.
//!
//! Two things are refused beyond that, because they would cost more than a collector has: more than [`MAX_SAMPLES`]
//! samples in a file, and more than [`MAX_LABELS`] labels of one. Names in quotes are refused as well: all that they
//! could say here is what they say without.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use crate::cursor::{Cursor, has_known_escapes};

/// Samples of one file; a thousand series can be reported, and a histogram's has a sample per bucket.
const MAX_SAMPLES: usize = 50_000;
/// Labels of one sample; 16 can be reported.
const MAX_LABELS: usize = 64;

/// What a file says. Order: families as they occur, series by their labels.
#[derive(Debug, Default)]
pub(crate) struct Exposition<'a> {
    /// Also those without a series.
    pub(crate) families: Vec<Family<'a>>,
    /// By the family's place in `families`, and the labels.
    pub(crate) series: BTreeMap<(usize, Labels<'a>), Data>,
    /// Numbers of which an earlier line has the same name and labels; they are left out.
    pub(crate) duplicates: u64,
}

/// Metrics of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family<'a> {
    pub(crate) name: &'a str,
    /// Known once a TYPE or a sample was read.
    pub(crate) kind: Option<Kind>,
    /// The HELP text with its escapes, which are part of what makes one differ from another.
    pub(crate) help: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Untyped,
    Histogram,
    Summary,
}

/// By name, and without those whose value is empty, which is Prometheus' way to say that there is none. A histogram's
/// `le` and a summary's `quantile` are not among them.
pub(crate) type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// What is known of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Of a counter, a gauge, or what has no type.
    Number(f64),
    /// Of a histogram or a summary.
    Parts(Box<Parts>),
}

/// The samples that make up a histogram or a summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    /// Upper bounds with cumulative counts, or quantiles with their values, as they occur; of two with the same mark,
    /// the later one holds.
    pub(crate) marks: Vec<(f64, f64)>,
    pub(crate) sum: Option<f64>,
    pub(crate) count: Option<f64>,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Counted from 1.
    pub(crate) line: usize,
    /// In words that repeat nothing of the line but a metric's name.
    pub(crate) why: String,
}

impl<'a> Exposition<'a> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The first line that is not as it has to be; nothing of the file is to be used then.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        let mut parser = Parser::default();
        let mut lines = text.split(|byte| *byte == b'\n').enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let mut cursor = Cursor::new(line);
            cursor.skip_blanks();
            let ended = match lines.peek() {
                None if !cursor.is_at_end() => Err("the file ends without a line feed".into()),
                _ => parser.line(cursor),
            };
            ended.map_err(|why| Refusal { line: at + 1, why })?;
        }
        Ok(parser.read)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

#[derive(Default)]
struct Parser<'a> {
    read: Exposition<'a>,
    places: BTreeMap<&'a str, usize>,
    samples: usize,
}

/// What a sample says of its family, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Sum,
    Count,
}

impl<'a> Parser<'a> {
    /// A line without the blanks before it.
    fn line(&mut self, mut cursor: Cursor<'a>) -> Result<(), String> {
        if cursor.is_at_end() {
            Ok(())
        } else if cursor.eat(b'#') {
            self.comment(cursor)
        } else {
            self.sample(cursor)
        }
    }

    fn comment(&mut self, mut cursor: Cursor<'a>) -> Result<(), String> {
        cursor.skip_blanks();
        let keyword = cursor.token();
        if cursor.is_at_end() || !matches!(keyword, b"HELP" | b"TYPE") {
            return Ok(());
        }
        cursor.skip_blanks();
        let name = cursor.metric_name();
        if cursor.is_at_end() {
            return Ok(());
        }
        if name.is_empty() || !cursor.is_at_blank() {
            return Err("the name after HELP or TYPE is not valid".into());
        }
        let (family, _) = self.family(name);
        cursor.skip_blanks();
        let family = &mut self.read.families[family];
        match cursor.rest() {
            [] => Ok(()),
            help if keyword == b"HELP" => family.set_help(help),
            kind => family.set_kind(kind),
        }
    }

    fn sample(&mut self, mut cursor: Cursor<'a>) -> Result<(), String> {
        let name = cursor.metric_name();
        if name.is_empty() {
            return Err("there is no valid metric name".into());
        }
        let wrong = |why: &str| format!("`{}`: {why}", shown(name));
        self.samples += 1;
        if self.samples > MAX_SAMPLES {
            return Err(format!("there are more than {MAX_SAMPLES} samples"));
        }
        let (family, part) = self.family(name);
        let kind = *self.read.families[family].kind.get_or_insert(Kind::Untyped);
        cursor.skip_blanks();
        let (labels, mark) = match cursor.eat(b'{') {
            true => labels(&mut cursor, kind).map_err(wrong)?,
            false => (Vec::new(), None),
        };
        cursor.skip_blanks();
        let value = number(cursor.token()).ok_or_else(|| wrong("its value is not a number"))?;
        no_timestamp(cursor).map_err(wrong)?;
        let is_count = kind == Kind::Histogram && (part == Part::Count || part == Part::Value && mark.is_some());
        if is_count && value < 0.0 {
            return Err(wrong("a count of the histogram is negative"));
        }
        match self.read.series.entry((family, labels)) {
            Entry::Vacant(place) => {
                place.insert(Data::new(kind, value)).add(part, mark, value);
            }
            Entry::Occupied(mut place) => {
                self.read.duplicates += u64::from(!place.get_mut().add(part, mark, value));
            }
        }
        Ok(())
    }

    /// The family that a name belongs to: the one with this very name, or the summary or histogram of which it is a
    /// part; else a new one.
    fn family(&mut self, name: &'a str) -> (usize, Part) {
        if let Some(place) = self.places.get(name) {
            return (*place, Part::Value);
        }
        let parts = [("_count", Part::Count), ("_sum", Part::Sum), ("_bucket", Part::Value)];
        for (suffix, part) in parts {
            let place = name.strip_suffix(suffix).and_then(|base| self.places.get(base));
            let kind = place.and_then(|place| self.read.families[*place].kind);
            let has_it = match kind {
                Some(Kind::Histogram) => true,
                Some(Kind::Summary) => part != Part::Value,
                _ => false,
            };
            if let (Some(place), true) = (place, has_it) {
                return (*place, part);
            }
        }
        let place = self.read.families.len();
        self.read.families.push(Family { name, kind: None, help: None });
        self.places.insert(name, place);
        (place, Part::Value)
    }
}

impl<'a> Family<'a> {
    fn set_help(&mut self, help: &'a [u8]) -> Result<(), String> {
        if self.help.is_some() {
            return Err(format!("`{}` has a second HELP", shown(self.name)));
        }
        if !has_known_escapes(help) {
            return Err(format!("the HELP of `{}` has an unknown escape", shown(self.name)));
        }
        self.help = Some(help);
        Ok(())
    }

    fn set_kind(&mut self, kind: &[u8]) -> Result<(), String> {
        if self.kind.is_some() {
            return Err(format!("`{}` has a second TYPE, or one after its samples", shown(self.name)));
        }
        self.kind = Some(match kind.to_ascii_lowercase().as_slice() {
            b"counter" => Kind::Counter,
            b"gauge" => Kind::Gauge,
            b"untyped" => Kind::Untyped,
            b"histogram" => Kind::Histogram,
            b"summary" => Kind::Summary,
            _ => return Err(format!("the TYPE of `{}` is not known", shown(self.name))),
        });
        Ok(())
    }
}

impl Data {
    fn new(kind: Kind, value: f64) -> Self {
        match kind {
            Kind::Histogram | Kind::Summary => Data::Parts(Box::default()),
            Kind::Counter | Kind::Gauge | Kind::Untyped => Data::Number(value),
        }
    }

    /// Whether there was room for it: a number stays what it was first.
    fn add(&mut self, part: Part, mark: Option<f64>, value: f64) -> bool {
        let Data::Parts(parts) = self else { return false };
        match (part, mark) {
            (Part::Sum, _) => parts.sum = Some(value),
            (Part::Count, _) => parts.count = Some(value),
            (Part::Value, Some(mark)) => parts.marks.push((mark, value)),
            (Part::Value, None) => {}
        }
        true
    }
}

/// Labels whose opening brace was passed, up to the closing one, and the mark that is among them: `le` of a histogram,
/// `quantile` of a summary.
fn labels<'a>(cursor: &mut Cursor<'a>, kind: Kind) -> Result<(Labels<'a>, Option<f64>), &'static str> {
    let (mut labels, mut mark, mut number_of) = (Labels::new(), None, 0);
    loop {
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            break;
        }
        number_of += 1;
        let name = cursor.label_name();
        cursor.skip_blanks();
        if name.is_empty() || name == "__name__" || !cursor.eat(b'=') {
            return Err("a label's name is not valid");
        }
        cursor.skip_blanks();
        let value = cursor.eat(b'"').then(|| cursor.quoted()).flatten().ok_or("a label's value is not valid")?;
        match (kind, name) {
            (Kind::Histogram, "le") | (Kind::Summary, "quantile") => {
                let value = number(value.as_bytes()).ok_or("its `le` or `quantile` is not a number")?;
                mark = (!value.is_nan()).then_some(value);
            }
            _ => labels.push((name, value)),
        }
        cursor.skip_blanks();
        match cursor.eat(b',') {
            true if number_of == MAX_LABELS => return Err("it has more labels than 64"),
            true => {}
            false if cursor.eat(b'}') => break,
            false => return Err("its labels are not separated by `,` and ended by `}`"),
        }
    }
    labels.sort_unstable_by_key(|(name, _)| *name);
    if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err("a label occurs twice");
    }
    labels.retain(|(_, value)| !value.is_empty());
    Ok((labels, mark))
}

/// As Go's `strconv.ParseFloat` reads it: what is too large for a double is none, and a sign stands before no NaN.
fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: f64 = text.parse().ok()?;
    let is_word = text.contains(['n', 'N']);
    let is_good = match number.is_nan() {
        true => !text.starts_with(['+', '-']),
        false => number.is_finite() || is_word,
    };
    is_good.then_some(number)
}

/// What may follow a value: nothing.
fn no_timestamp(mut cursor: Cursor<'_>) -> Result<(), &'static str> {
    if cursor.is_at_end() {
        return Ok(());
    }
    cursor.skip_blanks();
    let is_integer = std::str::from_utf8(cursor.token()).is_ok_and(|text| text.parse::<i64>().is_ok());
    Err(match is_integer && cursor.is_at_end() {
        true => "it has a timestamp of its own, which is not supported",
        false => "something follows its value",
    })
}

fn shown(name: &str) -> &str {
    &name[..name.len().min(100)]
}

#[cfg(test)]
mod tests;
