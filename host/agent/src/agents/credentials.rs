//! Whether what an agent needs to sign in is there, as sandbox-agent 0.4.2 judges it: environment variables of this
//! process and the well-known files below the home directory of its user.
//!
//! Nothing that is read here leaves this file but a yes or no; nothing of it is logged. An empty variable is none (the
//! reference takes it for one). Whether a token has expired is not judged: the agents renew theirs. A file that cannot
//! be read, is larger than [`MAX_FILE`] or is not JSON holds nothing.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde_json::Value;

/// What is read of a file, in bytes. The longest holds an agent's whole history of projects.
const MAX_FILE: u64 = 8 << 20;

const ANTHROPIC_VARIABLES: [&str; 4] =
    ["ANTHROPIC_API_KEY", "CLAUDE_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"];
const OPENAI_VARIABLES: [&str; 2] = ["OPENAI_API_KEY", "CODEX_API_KEY"];
/// Keys of an account, which begin with [`ANTHROPIC_KEY`].
const CLAUDE_FILES: [&str; 3] = [".claude.json", ".claude.json.api", ".claude.json.nathan"];
const CLAUDE_KEYS: [&str; 4] = ["/primaryApiKey", "/apiKey", "/anthropicApiKey", "/customApiKey"];
const ANTHROPIC_KEY: &str = "sk-ant-";
const CLAUDE_SIGN_IN: [&str; 2] = [".claude/.credentials.json", ".claude-oauth-credentials.json"];
const AMP_FILE: &str = ".amp/config.json";
const AMP_KEYS: [&str; 3] = ["/anthropicApiKey", "/anthropic_api_key", "/apiKey"];
const CODEX_FILE: &str = ".codex/auth.json";
const CODEX_KEYS: [&str; 2] = ["/OPENAI_API_KEY", "/tokens/access_token"];
/// Holds keys of several providers.
const OPENCODE_FILE: &str = ".local/share/opencode/auth.json";

/// What an agent needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Access to Anthropic's models.
    Anthropic,
    /// Access to OpenAI's models.
    OpenAi,
    /// One of the two.
    Either,
    /// Anthropic's in the reference; or a key of its own, which is what it uses.
    Amp,
    /// Nothing that can be seen from here; said to be there.
    Nothing,
}

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    anthropic: bool,
    openai: bool,
    amp: bool,
}

impl Credentials {
    /// Looks at the environment by a function of a variable's name, and below a home directory.
    pub(super) fn look(variable: impl Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Self {
        let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        let read = |file: &str| home.and_then(|home| read(&home.join(file))).unwrap_or_default();
        let opencode = read(OPENCODE_FILE);
        let amp = read(AMP_FILE);
        Credentials {
            anthropic: ANTHROPIC_VARIABLES.iter().any(&set)
                || opencode_has(&opencode, "anthropic")
                || has(&amp, &AMP_KEYS)
                || CLAUDE_SIGN_IN.iter().any(|file| has(&read(file), &["/claudeAiOauth/accessToken"]))
                || CLAUDE_FILES.iter().any(|file| has_account_key(&read(file))),
            openai: OPENAI_VARIABLES.iter().any(&set)
                || opencode_has(&opencode, "openai")
                || has(&read(CODEX_FILE), &CODEX_KEYS),
            amp: set(&"AMP_API_KEY"),
        }
    }

    /// Whether an agent's needs are met.
    pub(super) fn meet(self, needs: Needs) -> bool {
        match needs {
            Needs::Anthropic => self.anthropic,
            Needs::OpenAi => self.openai,
            Needs::Either => self.anthropic || self.openai,
            Needs::Amp => self.anthropic || self.amp,
            Needs::Nothing => true,
        }
    }
}

fn has(file: &Value, pointers: &[&str]) -> bool {
    pointers.iter().any(|pointer| text(file, pointer).is_some_and(|text| !text.is_empty()))
}

fn has_account_key(file: &Value) -> bool {
    CLAUDE_KEYS.iter().any(|pointer| text(file, pointer).is_some_and(|key| key.starts_with(ANTHROPIC_KEY)))
}

fn opencode_has(file: &Value, provider: &str) -> bool {
    ["key", "access"].iter().any(|name| has(file, &[&format!("/{provider}/{name}")]))
}

fn text<'a>(file: &'a Value, pointer: &str) -> Option<&'a str> {
    file.pointer(pointer)?.as_str()
}

fn read(path: &Path) -> Option<Value> {
    // To open a pipe of that name would wait for a writer, and to read it might never end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    file.metadata().ok().filter(Metadata::is_file)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(variables: &[(&str, &str)], file: Option<(&str, &str)>) -> [bool; 3] {
        let home = tempfile::tempdir().unwrap();
        if let Some((path, content)) = file {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let Credentials { anthropic, openai, amp } = Credentials::look(variable, Some(home.path()));
        [anthropic, openai, amp]
    }

    #[test]
    fn variables_count_where_they_hold_something() {
        for (name, expected) in [
            ("ANTHROPIC_API_KEY", [true, false, false]),
            ("CLAUDE_CODE_OAUTH_TOKEN", [true, false, false]),
            ("CODEX_API_KEY", [false, true, false]),
            ("AMP_API_KEY", [false, false, true]),
            ("GEMINI_API_KEY", [false, false, false]),
        ] {
            assert_eq!(held(&[(name, "x")], None), expected, "{name}");
            assert_eq!(held(&[(name, "")], None), [false; 3], "{name}");
        }
    }

    #[test]
    fn files_count_where_they_hold_a_key_or_a_token() {
        for (file, content, expected) in [
            (".claude.json", r#"{"primaryApiKey": "sk-ant-1"}"#, [true, false, false]),
            (".claude.json", r#"{"primaryApiKey": "1"}"#, [false; 3]),
            (".claude.json", "{}", [false; 3]),
            (".claude/.credentials.json", r#"{"claudeAiOauth": {"accessToken": "1"}}"#, [true, false, false]),
            (".claude/.credentials.json", "not JSON", [false; 3]),
            (".codex/auth.json", r#"{"OPENAI_API_KEY": null, "tokens": {"access_token": "1"}}"#, [false, true, false]),
            (".codex/auth.json", r#"{"OPENAI_API_KEY": null, "tokens": null}"#, [false; 3]),
            (OPENCODE_FILE, r#"{"anthropic": {"type": "api", "key": "1"}}"#, [true, false, false]),
            (OPENCODE_FILE, r#"{"openai": {"type": "oauth", "access": "1"}}"#, [false, true, false]),
            (OPENCODE_FILE, r#"{"google": {"type": "api", "key": "1"}}"#, [false; 3]),
            (AMP_FILE, r#"{"anthropicApiKey": "1"}"#, [true, false, false]),
        ] {
            assert_eq!(held(&[], Some((file, content))), expected, "{file}: {content}");
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_holds_nothing_and_nobody_up() {
        let home = tempfile::tempdir().unwrap();
        for name in CLAUDE_FILES {
            let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR);
            rustix::fs::mknodat(rustix::fs::CWD, home.path().join(name), kind, mode, 0).unwrap();
        }
        std::fs::create_dir_all(home.path().join(AMP_FILE)).unwrap();
        let (sender, looked) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(Credentials::look(|_| None, Some(home.path()))));
        let Credentials { anthropic, openai, amp } = looked.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        assert_eq!([anthropic, openai, amp], [false; 3]);
    }

    #[test]
    fn each_agent_is_judged_by_its_needs() {
        let anthropic = Credentials { anthropic: true, openai: false, amp: false };
        let met = [Needs::Anthropic, Needs::OpenAi, Needs::Either, Needs::Amp, Needs::Nothing];
        assert_eq!(met.map(|needs| anthropic.meet(needs)), [true, false, true, true, true]);
    }
}
