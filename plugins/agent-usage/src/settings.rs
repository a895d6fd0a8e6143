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

/// A folder with logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) folder: String,
    pub(crate) agent: Agent,
}

impl Settings {
    pub(crate) fn read() -> Result<Settings, Error> {
        let homes = config::strings("home")?.unwrap_or_else(|| vec!["/root".to_owned()]);
        let homes: Vec<String> = homes.iter().map(|home| home.trim_end_matches('/').to_owned()).collect();
        if homes.is_empty()
            || homes.len() > MAX_HOMES
            || !homes.iter().all(|home| home.is_empty() || home.starts_with('/'))
        {
            return Err(Error::config("home", "has to be an absolute path or an array of them"));
        }
        let prices = Prices::new(config::get("prices").as_deref()).map_err(|why| Error::config("prices", why))?;
        Ok(Settings { homes, prices })
    }

    /// The folders in the order in which they are looked through.
    pub(crate) fn roots(&self) -> Vec<Root> {
        let below = [
            (".claude/projects", Agent::ClaudeCode),
            (".config/claude/projects", Agent::ClaudeCode),
            (".codex/sessions", Agent::Codex),
            (".codex/archived_sessions", Agent::Codex),
            (".local/share/opencode/storage/message", Agent::OpenCode),
        ];
        let root = |home: &String, (folder, agent): (&str, Agent)| Root { folder: format!("{home}/{folder}"), agent };
        let mut roots: Vec<Root> = self.homes.iter().flat_map(|home| below.map(|part| root(home, part))).collect();
        roots.sort_by(|a, b| a.folder.split('/').cmp(b.folder.split('/')));
        roots.dedup();
        roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbeat_sdk::testing::Sandbox;

    #[test]
    fn without_settings_it_is_root_s_home() {
        let settings = Sandbox::new().run(Settings::read).unwrap();
        let roots: Vec<_> = settings.roots().into_iter().map(|root| (root.folder, root.agent.name())).collect();
        let expected = [
            ("/root/.claude/projects", "claude-code"),
            ("/root/.codex/archived_sessions", "codex"),
            ("/root/.codex/sessions", "codex"),
            ("/root/.config/claude/projects", "claude-code"),
            ("/root/.local/share/opencode/storage/message", "opencode"),
        ];
        assert_eq!(roots, expected.map(|(folder, agent)| (folder.to_owned(), agent)));
    }

    #[test]
    fn several_homes_are_looked_through() {
        let mut sandbox = Sandbox::new().config("home", r#"["/home/b/","/home/a"]"#);
        let roots = sandbox.run(Settings::read).unwrap().roots();
        assert_eq!((roots.len(), &*roots[0].folder), (10, "/home/a/.claude/projects"));
    }

    #[test]
    fn wrong_settings_are_named() {
        for (key, value) in [("home", "root"), ("home", "[]"), ("prices", r#"{"a":1}"#)] {
            let error = Sandbox::new().config(key, value).run(Settings::read).unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.starts_with(&format!("`{key}`"))), "{error}");
        }
    }
}
