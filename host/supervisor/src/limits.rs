//! The limits on what is created and run through the local API. They can be changed while the agent runs.

use std::time::Duration;

/// How many may run, for how long, and with how much output and input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Created processes that run at the same time.
    pub max_concurrent: usize,
    /// For a one-shot command that names no timeout.
    pub default_run_timeout: Duration,
    /// The longest that one can name.
    pub max_run_timeout: Duration,
    /// What a one-shot command's answer holds of each of its outputs, in bytes, where it names no less.
    pub max_output: usize,
    /// What is held of the output of a created process, in bytes.
    pub max_log: usize,
    /// What one request can write to a process, in bytes.
    pub max_input: usize,
}

const MOST_CONCURRENT: usize = 1024;
const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_OUTPUT: usize = 64 << 20;
const MOST_INPUT: usize = 16 << 20;

impl Default for Limits {
    /// Those of sandbox-agent 0.4.
    fn default() -> Self {
        Limits {
            max_concurrent: 64,
            default_run_timeout: Duration::from_secs(30),
            max_run_timeout: Duration::from_secs(300),
            max_output: 1 << 20,
            max_log: 10 << 20,
            max_input: 64 << 10,
        }
    }
}

impl Limits {
    /// The same, with the default timeout no longer than the longest one.
    ///
    /// # Errors
    /// One is zero or beyond what is bearable.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let durations = [("defaultRunTimeoutMs", self.default_run_timeout), ("maxRunTimeoutMs", self.max_run_timeout)];
        for (name, value) in durations {
            if value.is_zero() || value > LONGEST_RUN {
                return Err(format!("{name} is not between 1 and {}", LONGEST_RUN.as_millis()));
            }
        }
        let counts = [
            ("maxConcurrentProcesses", self.max_concurrent, MOST_CONCURRENT),
            ("maxOutputBytes", self.max_output, MOST_OUTPUT),
            ("maxLogBytesPerProcess", self.max_log, MOST_OUTPUT),
            ("maxInputBytesPerRequest", self.max_input, MOST_INPUT),
        ];
        for (name, value, most) in counts {
            if value == 0 || value > most {
                return Err(format!("{name} is not between 1 and {most}"));
            }
        }
        Ok(Limits { default_run_timeout: self.default_run_timeout.min(self.max_run_timeout), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_bounded_and_the_default_timeout_is_no_longer_than_the_longest() {
        let limits = Limits { max_run_timeout: Duration::from_secs(10), ..Limits::default() };
        assert_eq!(limits.checked().unwrap().default_run_timeout, Duration::from_secs(10));
        let wrong = Limits { max_concurrent: 0, ..Limits::default() };
        assert!(wrong.checked().unwrap_err().starts_with("maxConcurrentProcesses"));
        let wrong = Limits { max_run_timeout: LONGEST_RUN * 2, ..Limits::default() };
        assert!(wrong.checked().unwrap_err().starts_with("maxRunTimeoutMs"));
    }
}
