//! The words of a report that are not the collectors' own: why a process failed, where it serves, how a plugin is.
//!
//! Servers bound each text and each list, and refuse the whole report for one that is longer; so none is. And where
//! there are many, they become fewer, step by step, so that processes and plugins in trouble do not take the place of
//! metrics. The local API has the whole. Pure.

use std::collections::BTreeMap;

use sandbeat_status::names::shown;
use sandbeat_status::{PluginStatus, ProcessStatus};

use super::encoded_len;

/// The most bytes of JSON that the list of plugins takes with all its words.
pub(super) const MAX_PLUGINS_BYTES: usize = 128 * 1024;
/// The same of the processes; as many as there can be, without words, take less than a quarter more.
pub(super) const MAX_PROCESSES_BYTES: usize = 96 * 1024;
/// The most bytes of a host name: what servers take of a word.
const MAX_HOSTNAME: usize = 255;
/// The most bytes of an error, of a reason and of a grant.
const MAX_SENTENCE: usize = 2048;
/// What is left of an error or a reason where there are too many words, in bytes.
const SHORT_SENTENCE: usize = 120;
/// The most grants of a plugin; one more line says how many others there are.
const MAX_GRANTS: usize = 1000;

/// The host name as a word: the kernel takes any bytes.
pub(super) fn hostname(hostname: &str) -> String {
    shown(hostname, MAX_HOSTNAME - '…'.len_utf8())
}

/// All processes.
pub(super) fn processes(mut processes: BTreeMap<String, ProcessStatus>) -> BTreeMap<String, ProcessStatus> {
    processes.values_mut().for_each(|process| shorten(&mut process.last_error, MAX_SENTENCE));
    let fewer: [fn(&mut ProcessStatus); 3] = [
        |process| shorten(&mut process.last_error, SHORT_SENTENCE),
        |process| process.base_url = None,
        |process| process.last_error = None,
    ];
    for fewer in fewer {
        if encoded_len(&processes) <= MAX_PROCESSES_BYTES {
            break;
        }
        processes.values_mut().for_each(fewer);
    }
    processes
}

/// All plugins.
pub(super) fn plugins(mut plugins: Vec<PluginStatus>) -> Vec<PluginStatus> {
    plugins.iter_mut().for_each(bound);
    for fewer in [brief, bare] {
        if encoded_len(&plugins) <= MAX_PLUGINS_BYTES {
            break;
        }
        plugins.iter_mut().for_each(fewer);
    }
    plugins
}

fn bound(plugin: &mut PluginStatus) {
    shorten(&mut plugin.reason, MAX_SENTENCE);
    if let Some(error) = &mut plugin.last_error {
        shorten_text(&mut error.reason, MAX_SENTENCE);
    }
    let others = plugin.grants.len().saturating_sub(MAX_GRANTS);
    plugin.grants.truncate(MAX_GRANTS);
    plugin.grants.iter_mut().for_each(|grant| shorten_text(grant, MAX_SENTENCE));
    if others > 0 {
        plugin.grants.push(format!("and {others} more"));
    }
}

fn brief(plugin: &mut PluginStatus) {
    plugin.grants.clear();
    plugin.last_error = None;
    shorten(&mut plugin.reason, SHORT_SENTENCE);
}

/// What it is, how it is, and how often it was called.
fn bare(plugin: &mut PluginStatus) {
    plugin.version = None;
    plugin.world = None;
    plugin.compiling = None;
    plugin.reason = None;
    plugin.failures_by_name.clear();
    plugin.duration_ms = None;
    plugin.peak_memory_bytes = None;
    plugin.rests_for_ms = None;
    plugin.last_reload = None;
}

fn shorten(text: &mut Option<String>, most: usize) {
    if let Some(text) = text {
        shorten_text(text, most);
    }
}

fn shorten_text(text: &mut String, most: usize) {
    if text.len() > most {
        *text = shown(text, most);
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
pub(super) mod tests;
