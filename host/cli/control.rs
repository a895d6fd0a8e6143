//! `sandbeat start|stop|restart NAME…` and `reload`: what is asked of the running agent, and what came of it.
//!
//! All processes are asked for at the same time, each by a thread that ends with its wait, and are told of in the order
//! in which they were named. One that fails does not keep the others from being asked for; the command fails when one
//! of them did not come to what was asked for within the time.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use sandbeat_agent::api::Config;
use sandbeat_status::names::{short_name, shown};
use sandbeat_status::settings::nearest;
use serde_json::{Value, json};

use crate::args::{ControlOptions, Print};
use crate::client::{self, Refused};
use crate::config;
use crate::output::{self, Several};
use crate::ps::Process;

/// The longest wait that the agent takes.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// One that runs for so long after its start has come up.
const MOMENT: Duration = Duration::from_millis(250);
/// Between two looks at one that comes up.
const LOOK: Duration = Duration::from_millis(50);
/// The most that are asked for at the same time: fewer than the agent lets wait, which others want to do as well.
const MAX_AT_ONCE: usize = 32;
/// How much of a name is shown, in bytes.
const MAX_SHOWN: usize = 100;
/// The most names that an error lists.
const MAX_NAMES: usize = 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Restart,
}

pub(crate) fn run(action: Action, options: &ControlOptions) -> anyhow::Result<()> {
    let api = config::api(&options.print.file)?;
    let wait = options.wait.min(MAX_WAIT);
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for names in options.names.chunks(MAX_AT_ONCE) {
        for (name, brought) in names.iter().zip(bring_all(&api, action, names, wait)) {
            let judged = brought.and_then(|answer| {
                let process: Process = client::read(&answer)?;
                done.push(answer);
                judge(action, &process)
            });
            match judged {
                Ok(said) if !options.print.json => output::line(format_args!("{}: {said}", shown(name, MAX_SHOWN)))?,
                Ok(_) => {}
                Err(error) => failed.push(format!("{}: {error:#}", shown(name, MAX_SHOWN))),
            }
        }
    }
    if options.print.json {
        output::json(&json!({ "processes": done }))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Several(failed).into()) }
}

/// Has the configuration read again, and says what changed.
pub(crate) fn reload(options: &Print) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    let answer = match client::post(&api, "/v1/reload") {
        Ok((_, answer)) => answer,
        Err(error) => match error.downcast_ref::<Refused>() {
            Some(refused) if !refused.problems.is_empty() => {
                let mut told = vec![refused.detail.clone()];
                told.extend(refused.problems.iter().cloned());
                return Err(Several(told).into());
            }
            _ => return Err(error),
        },
    };
    if options.json { output::json(&answer) } else { output::line(changes(&answer)) }
}

/// The same as [`bring`] of all of these at the same time, in their order.
fn bring_all(api: &Config, action: Action, names: &[String], wait: Duration) -> Vec<anyhow::Result<Value>> {
    thread::scope(|scope| {
        let asked: Vec<_> = names.iter().map(|name| scope.spawn(move || bring(api, action, name, wait))).collect();
        let crashed = |_| Err(anyhow!("the request for it has crashed"));
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(crashed)).collect()
    })
}

/// Asks for it, and waits until it is done or the time is over: what is then known of the process.
fn bring(api: &Config, action: Action, name: &str, wait: Duration) -> anyhow::Result<Value> {
    let by = Instant::now() + wait;
    let answer = ask(api, action, name, wait)?;
    settled(api, action, name, answer, by)
}

fn ask(api: &Config, action: Action, name: &str, wait: Duration) -> anyhow::Result<Value> {
    ensure!(short_name(name).is_ok(), unknown(api, name)?);
    let path = format!("/v1/processes/{name}/{}?waitMs={}", action.as_str(), wait.as_millis());
    match client::post_within(api, &path, wait) {
        Ok((_, answer)) => Ok(answer),
        Err(error) if error.downcast_ref::<Refused>().is_some_and(Refused::is_unknown) => bail!(unknown(api, name)?),
        Err(error) => Err(error),
    }
}

/// Looks again at one that was started until its checks have passed and it has run for a moment, or it has ended: one
/// that ends at once has not come to anything.
fn settled(api: &Config, action: Action, name: &str, first: Value, by: Instant) -> anyhow::Result<Value> {
    let mut answer = first;
    loop {
        let process: Process = client::read(&answer)?;
        if action == Action::Stop || !process.is_settling(MOMENT) || Instant::now() >= by {
            return Ok(answer);
        }
        sleep(LOOK);
        answer = client::get(api, &format!("/v1/processes/{name}"))?;
    }
}

/// That there is no such process, and which one may be meant.
pub(crate) fn unknown(api: &Config, name: &str) -> anyhow::Result<String> {
    let answer = client::get(api, "/v1/processes")?;
    let processes = answer["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = processes.iter().filter_map(|process| process["id"].as_str()).collect();
    Ok(no_such(name, &names))
}

fn no_such(name: &str, names: &[&str]) -> String {
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", shown(near, MAX_SHOWN)),
        None if names.is_empty() => "there are none".to_owned(),
        None => {
            let more = if names.len() > MAX_NAMES { ", …" } else { "" };
            let listed = names.iter().take(MAX_NAMES).map(|name| shown(name, MAX_SHOWN)).collect::<Vec<_>>();
            format!("there are {}{more}", listed.join(", "))
        }
    };
    format!("no process is called that; {hint}")
}

/// What came of it, or that it did not come to what was asked for.
fn judge(action: Action, process: &Process) -> anyhow::Result<String> {
    let life = process.life();
    let came_to_it = match action {
        Action::Stop => matches!(process.phase.as_str(), "exited" | "gave-up" | "waiting"),
        Action::Start | Action::Restart => match process.phase.as_str() {
            // One that has done its work by now has been started as well.
            "exited" => process.trouble().is_none(),
            phase => matches!(phase, "starting" | "ready" | "unhealthy"),
        },
    };
    match (action, came_to_it) {
        // How it ended is no matter: it was asked to.
        (Action::Stop, true) => Ok("stopped".to_owned()),
        (_, true) => Ok(life),
        (_, false) => Err(anyhow!(life)),
    }
}

fn changes(answer: &Value) -> String {
    let listed =
        |key: &str| -> Vec<&str> { answer[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let mut told = Vec::new();
    for (key, word) in [("added", "added"), ("removed", "removed"), ("restarted", "restarted")] {
        let names = listed(key);
        if !names.is_empty() {
            told.push(format!("{word} {}", shown(&names.join(", "), 4096)));
        }
    }
    let mut said = if told.is_empty() { "nothing changed".to_owned() } else { told.join("; ") };
    let unchanged = listed("unchanged").len();
    if unchanged > 0 && !told.is_empty() {
        said.push_str(&format!("; {unchanged} unchanged"));
    }
    let later = listed("needsRestart");
    if !later.is_empty() {
        let later = shown(&later.join(", "), 4096);
        said.push_str(&format!("\nchanges of {later} take effect when the agent is started again"));
    }
    said
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(action: Action, phase: &str, state: &str) -> Result<String, String> {
        let process = json!({"id": "web", "state": state, "phase": phase, "restartCount": 0});
        judge(action, &serde_json::from_value(process).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn it_is_said_whether_it_came_to_what_was_asked_for() {
        for (action, phase, state, well) in [
            (Action::Start, "ready", "running", true),
            (Action::Start, "starting", "running", true),
            (Action::Start, "exited", "stopped", true),
            (Action::Start, "exited", "error", false),
            (Action::Start, "backing-off", "error", false),
            (Action::Restart, "stopping", "running", false),
            (Action::Restart, "ready", "running", true),
            (Action::Stop, "exited", "stopped", true),
            (Action::Stop, "exited", "error", true),
            (Action::Stop, "stopping", "running", false),
        ] {
            assert_eq!(judged(action, phase, state).is_ok(), well, "{action:?} {phase} {state}");
        }
    }

    #[test]
    fn a_name_that_is_not_there_is_met_with_those_that_are() {
        assert!(no_such("wbe", &["db", "web"]).ends_with("did you mean `web`?"));
        assert!(no_such("something", &["db", "web"]).ends_with("there are db, web"));
        assert!(no_such("something", &[]).ends_with("there are none"));
    }

    #[test]
    fn changes_are_told_in_words() {
        let nothing = json!({"added": [], "removed": [], "restarted": [], "unchanged": ["a"], "needsRestart": []});
        assert_eq!(changes(&nothing), "nothing changed");
        let some = json!({"added": ["a", "b"], "removed": [], "restarted": ["c"], "unchanged": ["d"],
                          "needsRestart": ["report"]});
        assert_eq!(
            changes(&some),
            "added a, b; restarted c; 1 unchanged\nchanges of report take effect when the agent is started again"
        );
    }
}
