//! The configuration: whose home, and prices.

use sandbeat_sdk::{Error, config};

use crate::prices::Prices;
use crate::usage::Agent;

/// More homes than that are refused.
const MAX_HOMES: usize = 100;

/// What the operator set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) homes: Vec<String>,
    pub(crate) prices: Prices,
}

/// What of a refusal is not cut off, less what stands before it, in bytes.
const MAX_GLOBS: usize = 420;

/// Below a home: the folders with logs, what they are, and what of them is to be granted.
const FOLDERS: [(&str, Logs, &[&str]); 6] = [
    (".claude/projects", Logs::ClaudeCode, &["**/*.jsonl"]),
    (".config/claude/projects", Logs::ClaudeCode, &["**/*.jsonl"]),
    (".codex/sessions", Logs::Codex, &["**/rollout-*.jsonl"]),
    (".codex/archived_sessions", Logs::Codex, &["**/rollout-*.jsonl"]),
    (".local/share/opencode", Logs::Databases, &["opencode*.db", "opencode*.db-wal"]),
    (".local/share/opencode/storage/message", Logs::Messages, &["*/*.json"]),
];

/// A folder with logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) folder: String,
    pub(crate) logs: Logs,
}

/// In which form, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Logs {
    ClaudeCode,
    Codex,
    /// Of OpenCode before 1.2, a file each.
    Messages,
    /// Of OpenCode.
    Databases,
}

impl Settings {
    pub(crate) fn read() -> Result<Settings, Error> {
        config::only(&["home", "prices"])?;
        let homes = config::strings("home")?.unwrap_or_else(|| vec!["/root".to_owned()]);
        let homes: Vec<String> = homes.iter().map(|home| home.trim_end_matches('/').to_owned()).collect();
        if homes.is_empty()
            || homes.len() > MAX_HOMES
            || !homes.iter().all(|home| home.is_empty() || home.starts_with('/'))
        {
            return Err(Error::config("home", "has to be an absolute path or an array of them"));
        }
        let prices = Prices::new(config::get("prices").as_deref())?;
        Ok(Settings { homes, prices })
    }

    /// The folders in the order in which they are looked through.
    pub(crate) fn roots(&self) -> Vec<Root> {
        let root = |home: &String, (folder, logs, _)| Root { folder: format!("{home}/{folder}"), logs };
        let mut roots: Vec<Root> = self.homes.iter().flat_map(|home| FOLDERS.map(|part| root(home, part))).collect();
        roots.sort_by(|a, b| a.folder.split('/').cmp(b.folder.split('/')));
        roots.dedup();
        roots
    }

    /// Why nothing is read where nothing is granted, and what would be the cure, in as few words as are reported.
    pub(crate) fn denied(&self) -> Error {
        let home = self.homes.first().map_or("", String::as_str);
        let others = if self.homes.len() > 1 { ", and so for each other home" } else { "" };
        let below = |home: &str| {
            let globs = FOLDERS.iter().flat_map(|(folder, _, globs)| globs.iter().map(move |glob| (folder, glob)));
            let globs: Vec<String> = globs.map(|(folder, glob)| format!("\"{home}{folder}/{glob}\"")).collect();
            globs.join(", ")
        };
        let globs = format!("read = [{}]{others}", below(&format!("{home}/")));
        let globs = match globs.len() <= MAX_GLOBS {
            true => globs,
            false => format!("`read`, each behind `{home}/`{others}: {}", below("")),
        };
        Error::denied(format!("no agent's logs are granted; set under `[grant]` in the sidecar {globs}"))
    }
}

impl Logs {
    pub(crate) fn agent(self) -> Agent {
        match self {
            Logs::ClaudeCode => Agent::ClaudeCode,
            Logs::Codex => Agent::Codex,
            Logs::Messages | Logs::Databases => Agent::OpenCode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    #[test]
    fn without_settings_it_is_root_s_home() {
        let settings = Sandbox::new().run(Settings::read).unwrap();
        let roots: Vec<_> = settings.roots().into_iter().map(|root| (root.folder, root.logs.agent().name())).collect();
        let expected = [
            ("/root/.claude/projects", "claude-code"),
            ("/root/.codex/archived_sessions", "codex"),
            ("/root/.codex/sessions", "codex"),
            ("/root/.config/claude/projects", "claude-code"),
            ("/root/.local/share/opencode", "opencode"),
            ("/root/.local/share/opencode/storage/message", "opencode"),
        ];
        assert_eq!(roots, expected.map(|(folder, agent)| (folder.to_owned(), agent)));
    }

    #[test]
    fn several_homes_are_looked_through() {
        let mut sandbox = Sandbox::new().config("home", r#"["/home/b/","/home/a"]"#);
        let roots = sandbox.run(Settings::read).unwrap().roots();
        assert_eq!((roots.len(), &*roots[0].folder), (12, "/home/a/.claude/projects"));
    }

    #[test]
    fn a_refusal_names_what_the_shipped_sidecar_grants() {
        let settings = Sandbox::new().run(Settings::read).unwrap();
        let Error::Denied(text) = settings.denied() else { panic!() };
        let shipped = include_str!("../agent-usage.toml");
        let granted: Vec<_> =
            shipped.lines().filter_map(|line| line.trim().strip_prefix("\"/")?.split('"').next()).collect();
        assert_eq!(granted.len(), 7, "{granted:?}");
        assert!(granted.iter().all(|glob| text.contains(&format!("\"/{glob}\""))), "{text}");
        assert!(text.len() < 512, "the host cuts what is longer: {text}");

        let mut sandbox = Sandbox::new().config("home", "/home/someone-whose-name-is-longer-than-others");
        let Error::Denied(text) = sandbox.run(Settings::read).unwrap().denied() else { panic!() };
        let is_named = |glob: &&str| text.contains(&format!("\"{}\"", glob.trim_start_matches("root/")));
        assert!(granted.iter().all(is_named) && text.contains("`/home/someone-whose"), "{text}");
        assert!(text.len() < 512, "{text}");
    }

    #[test]
    fn wrong_settings_are_named() {
        for (key, value) in [("home", "root"), ("home", "[]"), ("prices", "[]")] {
            let error = Sandbox::new().config(key, value).run(Settings::read).unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.starts_with(&format!("`{key}`"))), "{error}");
        }
    }
}
