//! `sandbeat ps`: the supervised processes; and what a person is told of one of them.

use std::time::Duration;

use sandbeat_status::ProcessState;
use sandbeat_status::names::shown;
use serde::Deserialize;

use crate::args::Print;
use crate::{client, config, format, output};

/// How much of a name or a reason is shown, in bytes.
const MAX_SHOWN: usize = 512;

/// A process, as the agent tells of it. Phases are words, so that a newer agent's are shown as they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    pub(crate) id: String,
    pub(crate) state: ProcessState,
    pub(crate) phase: String,
    pub(crate) pid: Option<u32>,
    uptime_ms: Option<u64>,
    restart_count: u32,
    last_error: Option<String>,
    exit_code: Option<i32>,
    exit_signal: Option<String>,
    next_restart_ms: Option<u64>,
    #[serde(default)]
    waiting_for: Vec<String>,
}

pub(crate) fn run(options: &Print) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    let answer = client::get(&api, "/v1/processes")?;
    if options.json {
        return output::json(&answer);
    }
    let processes: Vec<Process> = client::read(&answer["processes"])?;
    if processes.is_empty() {
        return output::line("no processes; configure some as [processes.NAME]");
    }
    let mut table = output::table(["NAME", "STATUS", "PHASE", "PID", "UPTIME", "RESTARTS", "LAST ERROR"], &[3, 5]);
    for process in &processes {
        table.add_row(row(process));
    }
    output::keep_whole(&mut table, &[0, 1, 3, 4, 5]);
    output::make_room(&mut table, &[5, 3, 4]);
    output::print_painted(&table, "STATUS")
}

impl Process {
    /// Its name, safe to print.
    pub(crate) fn name(&self) -> String {
        shown(&self.id, MAX_SHOWN)
    }

    /// What is wrong with it, in a person's words; `None` where nothing is.
    pub(crate) fn trouble(&self) -> Option<String> {
        if self.state != ProcessState::Error {
            return None;
        }
        let phase = match self.phase.as_str() {
            "backing-off" => match self.next_restart_ms {
                Some(millis) if millis > 0 => format!("starts again in {}", secs(millis)),
                _ => "is being started again".to_owned(),
            },
            "gave-up" => format!("was given up; `sandbeat start {}` tries again", self.name()),
            "exited" => "has ended and is not started again".to_owned(),
            "unhealthy" => "runs but fails its checks".to_owned(),
            other => shown(other, MAX_SHOWN),
        };
        let reason = self.last_error.as_deref().map(|reason| format!(": {}", shown(reason, MAX_SHOWN)));
        let restarts = match self.restart_count {
            0 => String::new(),
            count => format!(" ({} so far)", format::count(count as usize, "restart", "restarts")),
        };
        Some(format!("{phase}{restarts}{}", reason.unwrap_or_default()))
    }

    /// Whether it was started just now, so that it may end at once, or has checks that have not passed yet.
    pub(crate) fn is_settling(&self, moment: Duration) -> bool {
        let young = self.uptime_ms.is_some_and(|millis| Duration::from_millis(millis) < moment);
        self.phase == "starting" || (self.phase == "ready" && young)
    }

    /// Where in its life it is, in a person's words: `running with pid 12`, `stopped, having exited with code 0`.
    pub(crate) fn life(&self) -> String {
        if let Some(trouble) = self.trouble() {
            return trouble;
        }
        let pid = self.pid.map(|pid| format!(" with pid {pid}")).unwrap_or_default();
        match self.phase.as_str() {
            "ready" | "unhealthy" => format!("running{pid}"),
            "starting" => format!("started{pid}; its checks have not passed yet"),
            "stopping" => format!("still stopping{pid}"),
            "waiting" => self.phase_in_words(),
            "exited" | "gave-up" => match (self.exit_code, &self.exit_signal) {
                (Some(code), _) => format!("stopped; its exit code was {code}"),
                (None, Some(signal)) => format!("stopped by {}", shown(signal, MAX_SHOWN)),
                (None, None) => "stopped".to_owned(),
            },
            _ => self.phase_in_words(),
        }
    }

    /// The phase, with what it waits for.
    fn phase_in_words(&self) -> String {
        let phase = shown(&self.phase, MAX_SHOWN);
        match (self.phase.as_str(), self.next_restart_ms) {
            ("backing-off", Some(millis)) => format!("{phase} ({})", secs(millis)),
            ("waiting", _) if !self.waiting_for.is_empty() => {
                format!("{phase} (for {})", shown(&self.waiting_for.join(", "), MAX_SHOWN))
            }
            _ => phase,
        }
    }
}

fn row(process: &Process) -> [String; 7] {
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    [
        process.name(),
        process.state.as_str().to_owned(),
        process.phase_in_words(),
        number(process.pid),
        process.uptime_ms.map_or_else(|| "-".to_owned(), uptime),
        process.restart_count.to_string(),
        process.last_error.as_deref().map_or_else(|| "-".to_owned(), |reason| shown(reason, MAX_SHOWN)),
    ]
}

/// Whole seconds, rounded up, so that nothing happens before its time.
fn secs(millis: u64) -> String {
    format::span(millis.div_ceil(1000))
}

/// The two largest units of a time: `3d 4h`, `12m 5s`.
fn uptime(millis: u64) -> String {
    let secs = millis / 1000;
    let parts = [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "m"), (secs % 60, "s")];
    let from = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    parts[from..].iter().take(2).map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn process(more: Value) -> Process {
        let mut process = json!({"id": "web", "state": "running", "phase": "ready", "restartCount": 0});
        process.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(process).unwrap()
    }

    #[test]
    fn an_uptime_shows_its_two_largest_units() {
        for (millis, shown) in [(0, "0s"), (59_999, "59s"), (61_000, "1m 1s"), (90_061_000, "1d 1h")] {
            assert_eq!(uptime(millis), shown);
        }
    }

    #[test]
    fn a_row_shows_when_it_goes_on_and_what_it_waits_for() {
        let running = process(json!({"pid": 12, "uptimeMs": 61_000}));
        assert_eq!(row(&running), ["web", "running", "ready", "12", "1m 1s", "0", "-"]);
        let failing = json!({"state": "error", "phase": "backing-off", "nextRestartMs": 3_100, "restartCount": 7,
                             "lastError": "exited with code 1"});
        assert_eq!(row(&process(failing)), ["web", "error", "backing-off (4s)", "-", "-", "7", "exited with code 1"]);
        let waiting = process(json!({"state": "stopped", "phase": "waiting", "waitingFor": ["db", "cache"]}));
        assert_eq!(row(&waiting)[2], "waiting (for db, cache)");
    }

    #[test]
    fn trouble_is_told_in_words() {
        assert_eq!(process(json!({})).trouble(), None);
        let error = |phase: &str, more: Value| {
            let mut more = more;
            more["state"] = "error".into();
            more["phase"] = phase.into();
            process(more).trouble().unwrap()
        };
        let reason = "killed by SIGKILL";
        assert_eq!(
            error("backing-off", json!({"nextRestartMs": 4000, "restartCount": 1, "lastError": reason})),
            "starts again in 4s (1 restart so far): killed by SIGKILL"
        );
        assert!(error("gave-up", json!({"restartCount": 20})).contains("`sandbeat start web` tries again"));
        assert_eq!(error("unhealthy", json!({"lastError": "refused"})), "runs but fails its checks: refused");
        assert_eq!(error("exited", json!({})), "has ended and is not started again");
    }

    #[test]
    fn one_that_was_just_started_is_settling() {
        let settling = |more| process(more).is_settling(Duration::from_millis(250));
        assert!(settling(json!({"uptimeMs": 249})) && !settling(json!({"uptimeMs": 250})));
        assert!(settling(json!({"phase": "starting", "uptimeMs": 9999})));
        assert!(!settling(json!({"phase": "backing-off", "state": "error"})));
    }

    #[test]
    fn a_life_is_told_in_words() {
        assert_eq!(process(json!({"pid": 12})).life(), "running with pid 12");
        assert_eq!(process(json!({"phase": "stopping", "pid": 12})).life(), "still stopping with pid 12");
        let ended = |more: Value| {
            let mut more = more;
            more["state"] = "stopped".into();
            more["phase"] = "exited".into();
            process(more).life()
        };
        assert_eq!(ended(json!({"exitCode": 0})), "stopped; its exit code was 0");
        assert_eq!(ended(json!({"exitSignal": "SIGTERM"})), "stopped by SIGTERM");
    }
}
