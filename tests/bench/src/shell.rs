//! The peer that everybody has: a shell script that is run for each collect, and whose lines are read.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::point::Point;

/// The ten points of the collector `ten`.
const SCRIPT: &str = r#"for id in 0 1 2 3 4 5 6 7 8 9; do
    echo "hw.temperature Cel $((40 + id)) hw.id=$id"
done
"#;

/// Runs the script and reads what it says.
///
/// # Errors
/// There is no `/bin/sh`, or it says something else.
pub fn collect() -> anyhow::Result<Vec<Point>> {
    let output = Command::new("/bin/sh").args(["-c", SCRIPT]).stdin(Stdio::null()).output().context("/bin/sh")?;
    ensure!(output.status.success(), "the script ended with {}", output.status);
    String::from_utf8(output.stdout)?.lines().map(|line| point(line).with_context(|| line.to_owned())).collect()
}

fn point(line: &str) -> Option<Point> {
    let mut words = line.split(' ');
    let (name, unit) = (words.next()?.to_owned(), words.next()?.to_owned());
    let value = words.next()?.parse().ok()?;
    let attribute = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    Some(Point { name, unit, value, attributes: words.map(attribute).collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_says_ten_points() {
        let points = collect().unwrap();
        assert_eq!(points.len(), 10);
        assert_eq!((points[9].value, points[9].attributes["hw.id"].as_str()), (49.0, "9"));
    }
}
