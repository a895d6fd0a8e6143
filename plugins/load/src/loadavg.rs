//! `/proc/loadavg`, as proc(5) describes it: `0.52 0.58 0.59 2/1234 5678`.

/// What the file says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoadAverage {
    /// Over 1, 5 and 15 minutes.
    pub(crate) averages: [f64; 3],
    /// Threads that run or wait for a CPU.
    pub(crate) runnable: u64,
    /// Threads that exist.
    pub(crate) threads: u64,
}

impl LoadAverage {
    /// Nothing when the text has another form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        let mut average = || fields.next()?.parse().ok().filter(|average: &f64| average.is_finite());
        let averages = [average()?, average()?, average()?];
        let (runnable, threads) = fields.next()?.split_once('/')?;
        Some(Self { averages, runnable: runnable.parse().ok()?, threads: threads.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::LoadAverage;

    #[test]
    fn the_four_figures_are_read() {
        let load = LoadAverage { averages: [0.52, 13.0, 400.25], runnable: 2, threads: 1234 };
        assert_eq!(LoadAverage::parse("0.52 13.00 400.25 2/1234 5678\n"), Some(load));
    }

    #[test]
    fn another_form_is_nothing() {
        for text in ["", "0.52", "0.52 0.58 0.59", "0.52 0.58 0.59 2 5678", "0.52 0.58 inf 2/3 4", "a b c d/e f"] {
            assert_eq!(LoadAverage::parse(text), None, "{text:?}");
        }
    }
}
