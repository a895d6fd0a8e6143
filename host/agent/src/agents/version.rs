//! Which version each program is, asked once per installation.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbeat_supervisor::{Exit, Handle, Ran, RequestError, Run};
use tokio::task::JoinSet;

use super::find::{Identity, Place};

/// How long a program has for `--version`; then it is killed, with everything that it started.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);
/// What is read of its answer, in bytes.
const MAX_ANSWER: usize = 8 << 10;
/// A program that gave no version is asked again after this long.
const RETRY: Duration = Duration::from_secs(60);
/// The longest version.
const MAX_VERSION: usize = 64;

/// What is known, by path.
#[derive(Debug, Default)]
pub(super) struct Versions {
    known: HashMap<PathBuf, Answer>,
}

/// What a program said.
#[derive(Debug)]
struct Answer {
    identity: Identity,
    version: Option<String>,
    at: Instant,
}

/// A program could not be asked at this moment, for a reason that is not its own.
#[derive(Debug, PartialEq, Eq)]
struct NotAsked;

impl Versions {
    /// The version of a program, where it is known.
    pub(super) fn of(&self, place: &Place) -> Option<&str> {
        let answer = self.known.get(&place.path).filter(|answer| answer.identity == place.identity)?;
        answer.version.as_deref()
    }

    /// Asks those whose version is not known, or all of them `anew`, and forgets every other one. Takes at most
    /// [`TIMEOUT`] and what starting programs takes.
    pub(super) async fn learn(&mut self, places: &[Place], anew: bool, processes: &Handle) {
        let now = Instant::now();
        self.known.retain(|path, _| places.iter().any(|place| place.path == *path));
        let mut asking = JoinSet::new();
        for place in places.iter().filter(|place| anew || !self.is_known(place, now)).cloned() {
            let processes = processes.clone();
            asking.spawn(async move {
                let asked = ask(&place.path, &processes).await;
                (place, asked)
            });
        }
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok((Place { path, identity }, Ok(version))) => {
                    self.known.insert(path, Answer { identity, version, at: Instant::now() });
                }
                // It said nothing: what is known stays, and the next one who wants to know has it asked.
                Ok((_, Err(NotAsked))) => {}
                Err(failed) => {
                    tracing::error!("asking for a version failed; this is a defect of the agent: {failed}");
                }
            }
        }
    }

    fn is_known(&self, place: &Place, now: Instant) -> bool {
        self.known.get(&place.path).is_some_and(|answer| {
            let fresh = answer.version.is_some() || now.saturating_duration_since(answer.at) < RETRY;
            answer.identity == place.identity && fresh
        })
    }
}

async fn ask(program: &Path, processes: &Handle) -> Result<Option<String>, NotAsked> {
    let Some(word) = program.to_str() else { return Ok(None) };
    let run = Run {
        command: vec![word.to_owned(), "--version".to_owned()],
        // Some read the settings of the project that they are started in.
        cwd: Some(PathBuf::from("/")),
        env: BTreeMap::new(),
        timeout: TIMEOUT,
        max_output: MAX_ANSWER,
    };
    let version = of_run(processes.run(run).await)?;
    tracing::debug!(program = word, version, "asked for its version");
    Ok(version)
}

/// What came of asking. A program that cannot be started has no version; where too many run, it was not its turn.
fn of_run(ran: Result<Ran, RequestError>) -> Result<Option<String>, NotAsked> {
    match ran {
        Ok(ran) => Ok(of_answer(&ran)),
        Err(error) => {
            tracing::debug!("a program cannot be asked for its version: {error}");
            match error {
                RequestError::NotStarted(_) | RequestError::Wrong(_) => Ok(None),
                _ => Err(NotAsked),
            }
        }
    }
}

/// The version in an answer. One that ended badly has spoken of something else.
fn of_answer(ran: &Ran) -> Option<String> {
    let well = ran.exit == Some(Exit::Code(0));
    let texts = well.then(|| [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()))?;
    texts.iter().find_map(|text| version(text)).map(str::to_owned)
}

/// The first word that looks like a version: numbers with a dot between, perhaps a `v` before, and whatever letters,
/// digits, `.`, `+`, `-` and `_` come after.
fn version(text: &str) -> Option<&str> {
    let around = |c: char| c.is_whitespace() || "()[]{}<>,;\"'`=/@".contains(c);
    text.split(around).map(|word| word.strip_prefix(['v', 'V']).unwrap_or(word).trim_end_matches('.')).find(|word| {
        let mut numbers = word.splitn(3, '.');
        let numeric = |part: Option<&str>| part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let major = numbers.next().filter(|major| major.bytes().all(|byte| byte.is_ascii_digit()));
        numeric(major)
            && numeric(numbers.next())
            && word.len() <= MAX_VERSION
            && word.chars().all(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(code: i32, stdout: &str, stderr: &str) -> Ran {
        Ran {
            exit: Some(Exit::Code(code)),
            timed_out: false,
            stdout: stdout.into(),
            stderr: stderr.into(),
            stdout_truncated: false,
            stderr_truncated: false,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn the_first_word_that_looks_like_a_version_is_it() {
        for (text, expected) in [
            ("2.0.14 (Claude Code)\n", Some("2.0.14")),
            ("codex-cli 0.46.0\n", Some("0.46.0")),
            ("v1.0.3", Some("1.0.3")),
            ("0.0.1761854483-g125cd7 (released 2025-10-30T20:01:23.000Z, 3h ago)", Some("0.0.1761854483-g125cd7")),
            ("2025.10.28-0a91dc2\n", Some("2025.10.28-0a91dc2")),
            ("opencode/1.0.3 linux-x64 node-v22.1.0", Some("1.0.3")),
            ("version \"1.2.3-rc.1+build_5\".", Some("1.2.3-rc.1+build_5")),
            ("warning at 12:30:01.5\nversion 1.2.", Some("1.2")),
            ("\u{1b}[32mgarbage\u{1b}[0m \u{fffd} 17 ... .5 1. x1.2", None),
            ("1.2/../../etc", Some("1.2")),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text:?}");
        }
        assert_eq!(version(&format!("1.{}", "2".repeat(MAX_VERSION))), None);
    }

    #[test]
    fn what_is_said_in_a_failure_is_no_version() {
        assert_eq!(of_answer(&ran(0, "", "codex 1.2.3")), Some("1.2.3".to_owned()));
        assert_eq!(of_answer(&ran(0, "0.9.0", "node 22.1.0")), Some("0.9.0".to_owned()));
        assert_eq!(of_answer(&ran(1, "", "needs node 22.1.0")), None);
        assert_eq!(of_answer(&Ran { exit: None, timed_out: true, ..ran(0, "1.2.3", "") }), None);
    }

    #[test]
    fn one_who_was_not_asked_has_not_said_nothing() {
        assert_eq!(of_run(Err(RequestError::TooMany(64))), Err(NotAsked));
        assert_eq!(of_run(Err(RequestError::Wrong("no".to_owned()))), Ok(None));
        assert_eq!(of_run(Ok(ran(0, "1.2.3", ""))), Ok(Some("1.2.3".to_owned())));
    }
}
