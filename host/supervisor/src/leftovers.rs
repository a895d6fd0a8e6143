//! What an agent that was killed has left behind, ended by the next one at its start.
//!
//! Left behind is what carries the mark of an agent that is not there any more, and the cgroups of such an one. Marks
//! of other PID namespaces are left alone, because nobody can say from here whether their agents live, and so is what a
//! living agent has started: several agents in one sandbox do not touch each other's.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::tree::leaf::Home;
use crate::tree::mark::{self, Agent};
use crate::tree::sweep;
use crate::tree::table::{self, Claim, Seen};

/// How long what was killed may take to be gone.
const GRACE: Duration = Duration::from_secs(2);

/// The most names in a message.
const MAX_NAMES: usize = 8;

/// Kills what agents that were killed have left behind. For before anything is started; blocks for four seconds at
/// most, usually for the time of a look over all processes.
pub fn clear_leftovers() {
    let Some(own) = Agent::own() else { return };
    if sweep::bounded(GRACE * 2, move || clear(&own), || {}).is_none() {
        warn!("what an earlier agent may have left behind was not found in time; starting all the same");
    }
}

/// Processes for a message: how many, and which.
pub(crate) fn told(ended: &[Seen]) -> String {
    let names: BTreeSet<&str> = ended.iter().filter_map(|seen| mark::id(seen.mark.as_deref()?)).collect();
    let what = if ended.len() == 1 { "process" } else { "processes" };
    let mut text = format!("{} {what}", ended.len());
    if !names.is_empty() {
        let shown: Vec<&str> = names.iter().copied().take(MAX_NAMES).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        text = format!("{text}, of {}{more}", shown.join(", "));
    }
    text
}

fn clear(own: &Agent) {
    let deadline = Instant::now() + GRACE;
    let gone = agents_gone(own);
    if !gone.is_empty() {
        let claims: Vec<Claim> = gone.into_iter().map(|agent| Claim::Agent { agent, below: None }).collect();
        let (ended, clear) = sweep::end(&claims, 0, deadline);
        if !ended.is_empty() {
            warn!("killed what an agent that ended without stopping its processes left behind: {}", told(&ended));
        }
        if !clear {
            warn!("some of that is still there after SIGKILL; it hangs in the kernel");
        }
    }
    for (agent, home) in Home::left_behind(own) {
        if home.is_populated() {
            warn!(
                "killing what is left in the cgroups of an agent that was killed, which had process id {}",
                agent.pid
            );
        }
        home.end(deadline);
    }
}

fn agents_gone(own: &Agent) -> BTreeSet<Agent> {
    let table = table::look(0, |_| {}).unwrap_or_default();
    // What this agent was started by, and all around that, may carry an old mark as well.
    let own_mark = std::env::var(mark::VARIABLE).unwrap_or_default();
    let around: BTreeSet<Agent> = mark::agents(&own_mark).collect();
    let named: BTreeSet<Agent> = table.iter().filter_map(|seen| seen.mark.as_deref()).flat_map(mark::agents).collect();
    named
        .into_iter()
        .filter(|agent| agent.namespace == own.namespace && !agent.is_alive() && !around.contains(agent))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_is_told_by_number_and_name() {
        let seen = |mark: Option<&str>| Seen {
            pid: 1,
            parent: 0,
            group: 1,
            state: 'S',
            start: 1,
            mark: mark.map(str::to_owned),
        };
        let ended = [seen(Some("1.2.3/web.1")), seen(Some("1.2.3/web.2")), seen(Some("1.2.3/db.3")), seen(None)];
        assert_eq!(told(&ended), "4 processes, of db, web");
        assert_eq!(told(&ended[3..]), "1 process");
    }
}
