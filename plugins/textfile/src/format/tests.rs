//! What is read of a file, and what is refused. The cases are those that the parser of `prometheus/common` is tested with,
//! in words of our own.

use proptest::prelude::*;

use super::*;
use crate::points;

fn parse(text: &str) -> Result<Exposition<'_>, Refusal> {
    Exposition::parse(text.as_bytes())
}

/// As `name{label=value,…}`.
fn series<'a>(read: &'a Exposition<'_>) -> Vec<(String, Kind, &'a Data)> {
    let line = |((family, labels), data): (&(usize, Labels<'_>), &'a Data)| {
        let family = &read.families[*family];
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (format!("{}{{{}}}", family.name, labels.join(",")), family.kind.unwrap(), data)
    };
    read.series.iter().map(line).collect()
}

#[test]
fn numbers_are_read_in_all_their_forms() {
    let read = parse(
        "\n# a comment\n#\n# HELP\n# HELP lonely\n   plain   1.5\n# HELP seen It was seen\\nby \"us\" \\\\.\n# TYPE seen CoUnTeR\n\
         seen{b=\"2\" , a = \"x,}\\\"\\\\y\\n\",} +Inf\nseen{a=\"\"}.5e1\n\tno:blank{}-0\nnan NaN\n",
    );
    let read = read.unwrap();
    let values: Vec<_> = series(&read)
        .into_iter()
        .map(|(name, kind, data)| {
            let Data::Number(value) = data else { panic!("{name}") };
            (name, kind, value.to_string())
        })
        .collect();
    let expected = [
        ("plain{}", Kind::Untyped, "1.5"),
        ("seen{}", Kind::Counter, "5"),
        ("seen{a=x,}\"\\y\n,b=2}", Kind::Counter, "inf"),
        ("no:blank{}", Kind::Untyped, "-0"),
        ("nan{}", Kind::Untyped, "NaN"),
    ];
    assert_eq!(values, expected.map(|(name, kind, value)| (name.to_owned(), kind, value.to_owned())));
    assert_eq!(read.families[1].help, Some(&br#"It was seen\nby "us" \\."#[..]));
}

#[test]
fn parts_of_a_histogram_and_a_summary_come_together() {
    let read = parse(
        "# TYPE h histogram\nh_bucket{le=\"1\",a=\"x\"} 3\nh_bucket{a=\"y\",le=\"+Inf\"} 9\nh_sum{a=\"x\"} 4.5\n\
         h_bucket{le=\"+Inf\",a=\"x\"} 7\nh_count{a=\"x\"} 7\n\
         # TYPE s summary\ns{quantile=\"0.5\"} 2\ns{quantile=\"0.99\"} NaN\ns_sum 20\ns_count 10\n\
         h_buckets 1\ns_bucket 2\n",
    );
    let read = read.unwrap();
    let all = series(&read);
    let names: Vec<_> = all.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
    let expected = [
        ("h{a=x}", Kind::Histogram),
        ("h{a=y}", Kind::Histogram),
        ("s{}", Kind::Summary),
        ("h_buckets{}", Kind::Untyped),
        ("s_bucket{}", Kind::Untyped),
    ];
    assert_eq!(names, expected);
    let parts = Parts { marks: vec![(1.0, 3.0), (f64::INFINITY, 7.0)], sum: Some(4.5), count: Some(7.0) };
    assert_eq!(*all[0].2, Data::Parts(Box::new(parts)));
    let Data::Parts(summary) = all[2].2 else { panic!("{all:?}") };
    assert_eq!((summary.marks.len(), summary.sum, summary.count), (2, Some(20.0), Some(10.0)));
}

#[test]
fn the_first_of_two_equal_samples_holds() {
    let read = parse("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{z=\"\"} 3\na 4\n").unwrap();
    assert_eq!(read.duplicates, 2);
    let values: Vec<_> = series(&read).into_iter().map(|(_, _, data)| data.clone()).collect();
    assert_eq!(values, [Data::Number(3.0), Data::Number(1.0)]);
}

#[test]
fn a_file_with_a_bad_line_is_refused() {
    let many = format!("m{{{}}} 1\n", (0..65).map(|n| format!("l{n}=\"\",")).collect::<String>());
    for (text, line, part) in [
        ("a 1\nb 42", 2, "without a line feed"),
        ("# HELP a b", 1, "without a line feed"),
        ("m{l=\"\\t\"} 1\n", 1, "a label's value"),
        ("m{l=\"new\nline\"} 1\n", 1, "a label's value"),
        ("m{@=\"x\"} 1\n", 1, "a label's name"),
        ("m{__name__=\"x\"} 1\n", 1, "a label's name"),
        ("m{l+=\"x\"} 1\n", 1, "a label's name"),
        ("m{l.m=\"x\"} 1\n", 1, "a label's name"),
        ("m{\"l\"=\"x\"} 1\n", 1, "a label's name"),
        ("m{l=x} 1\n", 1, "a label's value"),
        ("m{l=\"x\"+} 1\n", 1, "separated"),
        ("m{l=\"x\" m=\"y\"} 1\n", 1, "separated"),
        ("m{l=\"x\"\n", 1, "separated"),
        ("m{l=\"a\",l=\"b\"} 1\n", 1, "occurs twice"),
        (&many, 1, "more labels than 64"),
        ("# TYPE m summary\nm{quantile=\"x\"} 1\n", 2, "`quantile`"),
        ("# TYPE m histogram\nm_bucket{le=\"0x1p-3\"} 1\n", 2, "`le`"),
        ("m 1 1441205977284\n", 1, "timestamp of its own"),
        ("m 1 2.5\n", 1, "follows its value"),
        ("m 1 \n", 1, "follows its value"),
        ("m 1 2 3\n", 1, "follows its value"),
        ("m 1 2 \n", 1, "follows its value"),
        ("m 1\r\n", 1, "not a number"),
        ("m\n", 1, "not a number"),
        ("m 1_2\n", 1, "not a number"),
        ("m 0x1\n", 1, "not a number"),
        ("m 0x1p-3\n", 1, "not a number"),
        ("m 0b1\n", 1, "not a number"),
        ("m 1e999\n", 1, "not a number"),
        ("m -NaN\n", 1, "not a number"),
        ("m one\n", 1, "not a number"),
        ("# HELP m one\n# HELP m two\n", 2, "second HELP"),
        ("# HELP m a\\tb\n", 1, "unknown escape"),
        ("# HELP m a\\\n", 1, "unknown escape"),
        ("# TYPE m counter\n# TYPE m untyped\n", 2, "second TYPE"),
        ("m 4\n# TYPE m counter\n", 2, "after its samples"),
        ("# TYPE m unknown\n", 1, "not known"),
        ("# TYPE m counter \n", 1, "not known"),
        ("# TYPE m gaugehistogram\n", 1, "not known"),
        ("# HELP 1\n", 1, "HELP or TYPE"),
        ("# TYPE met-ric\n", 1, "HELP or TYPE"),
        ("# TYPE met-ric counter\n", 1, "HELP or TYPE"),
        ("@m{l=\"x\"} 1\n", 1, "no valid metric name"),
        ("{l=\"x\"} 1\n", 1, "no valid metric name"),
        ("{\"m\"} 1\n", 1, "no valid metric name"),
        ("1m 1\n", 1, "no valid metric name"),
        ("# TYPE h histogram\nh_count -1\n", 2, "negative"),
        ("# TYPE h histogram\nh_bucket{le=\"1\"} -0.5\n", 2, "negative"),
    ] {
        let refusal = parse(text).unwrap_err();
        assert!(refusal.line == line && refusal.why.contains(part), "{text:?}: {refusal}");
    }
    assert!(Exposition::parse(b"m{l=\"\xbd\"} 1\n").is_err());
}

#[test]
fn what_looks_wrong_and_is_not_is_read() {
    for text in ["", "\n", "  ", "\n\t", "# HELP m\n# HELP m\n# TYPE m\n", "#TYPE m gauge\nm 1\n", "# TYPES m x\n"] {
        assert!(parse(text).is_ok(), "{text:?}");
    }
    assert!(Exposition::parse(b"# HELP m gr\xfc\xdfe\nm 1\n").is_ok());
}

#[test]
fn samples_are_bounded() {
    let lines = |count: usize| "m 1\n".repeat(count);
    assert!(parse(&lines(MAX_SAMPLES)).is_ok());
    assert!(parse(&lines(MAX_SAMPLES + 1)).unwrap_err().why.contains("more than 50000 samples"));
}

proptest! {
    /// Whatever is in a file, it is read or refused, and all that is read can be made points of, or left out.
    #[test]
    fn no_file_ends_the_collector(
        lines in prop::collection::vec(
            prop_oneof![
                "# (TYPE|HELP) [ah](_sum|_bucket)? (histogram|summary|counter|x\\\\n)",
                "[ah:](_sum|_count|_bucket)?(\\{(le|quantile|b)=\"([0-9.]{0,3}|\\+Inf|\\PC\\\\)\",?\\})? [0-9.eE+-]{1,4}",
                "\\PC{0,20}",
            ],
            0..12,
        ),
        tail in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut text = lines.join("\n").into_bytes();
        text.push(b'\n');
        let ended = text.len();
        text.extend(tail);
        for text in [&text[..ended], &text] {
            if let Ok(read) = Exposition::parse(text) {
                for ((family, labels), data) in &read.series {
                    let family = &read.families[*family];
                    let points = points::of(family, labels, data, 16);
                    prop_assert!(points.len() as u64 <= points::count(family, data));
                }
            }
        }
    }
}
