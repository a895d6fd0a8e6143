//! A sandbox for a collector's tests, and the host's stand-in wherever a collector is built natively.
//!
//! ```
//! use sandbeat_sdk::prelude::*;
//! use sandbeat_sdk::testing::Sandbox;
//!
//! fn collect() -> Result<Contribution, Error> {
//!     let _jobs: u32 = files::read_to_string("/run/queue/length")?.trim().parse()?;
//!     Ok(Contribution::new())
//! }
//!
//! assert!(Sandbox::new().file("/run/queue/length", "3\n").run(collect).is_ok());
//! assert!(matches!(Sandbox::new().missing("/run/queue/length").run(collect), Err(Error::Unavailable(_))));
//! assert!(matches!(Sandbox::new().run(collect), Err(Error::Denied(_))));
//! ```
//!
//! What a test does not put in is not there: no grant, no config, no state. Outside of [`Sandbox::run`] it is so for
//! everything.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use crate::files::{Entry, EntryKind, Info, Reason};
use crate::filesystems::Usage;
use crate::limits::Limits;
use crate::log::Level;
use crate::native::Sample;
use crate::processes::{Owner, ProcessError};
use crate::state::StateError;

/// All that a collector can see, filled by a test.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    files: BTreeMap<String, Option<Vec<u8>>>,
    config: BTreeMap<String, Setting>,
    state: BTreeMap<String, Vec<u8>>,
    limits: Limits,
    sample: Sample,
    modified: BTreeMap<String, Duration>,
    filesystems: BTreeMap<String, Option<Usage>>,
    owners: Option<BTreeMap<u64, Owner>>,
    certificates: BTreeMap<String, Vec<u8>>,
    lines: Vec<(Level, String)>,
}

/// What `config` says of one key.
#[derive(Clone, Debug)]
struct Setting {
    text: String,
    json: String,
}

impl Sandbox {
    /// One in which nothing is granted and nothing configured.
    pub fn new() -> Self {
        Self::default()
    }

    /// A granted file.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.to_owned(), Some(content.as_ref().to_vec()));
        self
    }

    /// A path that is granted, and at which nothing is.
    #[must_use]
    pub fn missing(mut self, path: &str) -> Self {
        self.files.insert(path.to_owned(), None);
        self
    }

    /// When the content of a granted file changed, since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn modified(mut self, path: &str, since_epoch: Duration) -> Self {
        self.modified.insert(path.to_owned(), since_epoch);
        self
    }

    /// A granted path, and the file system on which it lies; `None` where nothing is at the path.
    #[must_use]
    pub fn filesystem(mut self, path: &str, usage: Option<Usage>) -> Self {
        self.filesystems.insert(path.to_owned(), usage);
        self
    }

    /// Processes are granted, and these hold the sockets with these inodes.
    #[must_use]
    pub fn processes(mut self, owners: impl IntoIterator<Item = (u64, Owner)>) -> Self {
        self.owners.get_or_insert_default().extend(owners);
        self
    }

    /// What the server of an origin showed of itself.
    #[must_use]
    pub fn certificate(mut self, origin: &str, der: &[u8]) -> Self {
        self.certificates.insert(origin.to_owned(), der.to_vec());
        self
    }

    /// A string of `[config]`; one that begins like an array or a table in JSON is taken for that. All else: see
    /// [`Sandbox::config_json`].
    #[must_use]
    pub fn config(self, key: &str, value: &str) -> Self {
        if value.starts_with(['[', '{']) {
            return self.config_json(key, value);
        }
        self.set(key, Setting { text: value.to_owned(), json: quote(value) })
    }

    /// A value of `[config]` that is no string, as JSON.
    #[must_use]
    pub fn config_json(self, key: &str, json: &str) -> Self {
        self.set(key, Setting { text: json.to_owned(), json: json.to_owned() })
    }

    /// Other limits than those of a sidecar that sets none. That of the state is kept here as well.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What the agent measured itself.
    #[must_use]
    pub fn sample(mut self, sample: Sample) -> Self {
        self.sample = sample;
        self
    }

    /// Runs a part of a collector in this sandbox. What it keeps in its state and writes to the log stays here.
    pub fn run<R>(&mut self, collector: impl FnOnce() -> R) -> R {
        CURRENT.with_borrow_mut(|current| mem::swap(current, self));
        let result = collector();
        CURRENT.with_borrow_mut(|current| mem::swap(current, self));
        result
    }

    /// The lines that were written to the log.
    pub fn lines(&self) -> &[(Level, String)] {
        &self.lines
    }

    fn set(mut self, key: &str, setting: Setting) -> Self {
        self.config.insert(key.to_owned(), setting);
        self
    }
}

thread_local! {
    static CURRENT: RefCell<Sandbox> = RefCell::default();
}

pub(crate) fn log(level: Level, message: &str) {
    CURRENT.with_borrow_mut(|sandbox| sandbox.lines.push((level, message.to_owned())));
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    CURRENT.with_borrow(|sandbox| sandbox.config.get(key).map(|setting| setting.text.clone()))
}

pub(crate) fn config_json() -> String {
    CURRENT.with_borrow(|sandbox| object(sandbox.config.iter().map(|(key, setting)| (key.as_str(), setting))))
}

pub(crate) fn state_get(key: &str) -> Option<Vec<u8>> {
    CURRENT.with_borrow(|sandbox| sandbox.state.get(key).cloned())
}

pub(crate) fn state_set(key: &str, value: &[u8]) -> Result<(), StateError> {
    if key.is_empty() || key.len() > 128 {
        return Err(StateError::BadKey);
    }
    CURRENT.with_borrow_mut(|sandbox| {
        let others = sandbox.state.iter().filter(|(other, _)| *other != key);
        let size: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        let limit = sandbox.limits.state;
        if (size + key.len() + value.len()) as u64 > limit {
            return Err(StateError::Full(limit));
        }
        sandbox.state.insert(key.to_owned(), value.to_vec());
        Ok(())
    })
}

pub(crate) fn state_delete(key: &str) {
    CURRENT.with_borrow_mut(|sandbox| sandbox.state.remove(key));
}

pub(crate) fn state_keys() -> Vec<String> {
    CURRENT.with_borrow(|sandbox| sandbox.state.keys().cloned().collect())
}

pub(crate) fn limits() -> Limits {
    CURRENT.with_borrow(|sandbox| sandbox.limits)
}

pub(crate) fn current() -> Sample {
    CURRENT.with_borrow(|sandbox| sandbox.sample.clone())
}

pub(crate) fn read(path: &str) -> Result<Vec<u8>, Reason> {
    CURRENT.with_borrow(|sandbox| match sandbox.files.get(path) {
        Some(Some(content)) => Ok(content.clone()),
        Some(None) => Err(Reason::NotFound),
        None if !entries(&sandbox.files, path).is_empty() => Err(Reason::WrongType),
        None => Err(Reason::Denied),
    })
}

pub(crate) fn read_at(path: &str, offset: u64, length: u32) -> Result<Vec<u8>, Reason> {
    let content = read(path)?.into_iter();
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(content.skip(skipped).take(usize::try_from(length).unwrap_or(usize::MAX)).collect())
}

pub(crate) fn list(directory: &str) -> Result<Vec<Entry>, Reason> {
    CURRENT.with_borrow(|sandbox| match sandbox.files.get(directory) {
        Some(Some(_)) => Err(Reason::WrongType),
        Some(None) => Err(Reason::NotFound),
        None => match entries(&sandbox.files, directory) {
            entries if entries.is_empty() => Err(Reason::Denied),
            entries => Ok(entries),
        },
    })
}

pub(crate) fn stat(path: &str) -> Result<Info, Reason> {
    let content = read(path);
    let modified = CURRENT.with_borrow(|sandbox| sandbox.modified.get(path).copied());
    match content {
        Ok(content) => Ok(Info { kind: EntryKind::File, size: content.len() as u64, modified }),
        Err(Reason::WrongType) => Ok(Info { kind: EntryKind::Directory, size: 0, modified }),
        Err(reason) => Err(reason),
    }
}

pub(crate) fn granted_filesystems() -> Vec<String> {
    CURRENT.with_borrow(|sandbox| sandbox.filesystems.keys().cloned().collect())
}

pub(crate) fn stat_filesystem(path: &str) -> Result<Usage, Reason> {
    CURRENT.with_borrow(|sandbox| match sandbox.filesystems.get(path) {
        Some(Some(usage)) => Ok(*usage),
        Some(None) => Err(Reason::NotFound),
        None => Err(Reason::Denied),
    })
}

pub(crate) fn socket_owners(inodes: &[u64]) -> Result<Vec<Option<Owner>>, ProcessError> {
    const MOST: u64 = 4096;
    CURRENT.with_borrow(|sandbox| match &sandbox.owners {
        None => Err(ProcessError::Denied),
        Some(_) if inodes.len() as u64 > MOST => Err(ProcessError::TooMany(MOST)),
        Some(owners) => Ok(inodes.iter().map(|inode| owners.get(inode).cloned()).collect()),
    })
}

pub(crate) fn certificate(origin: &str) -> Option<Vec<u8>> {
    CURRENT.with_borrow(|sandbox| sandbox.certificates.get(origin).cloned())
}

fn entries(files: &BTreeMap<String, Option<Vec<u8>>>, directory: &str) -> Vec<Entry> {
    let prefix = format!("{}/", directory.trim_end_matches('/'));
    let below =
        files.iter().filter(|(_, content)| content.is_some()).filter_map(|(path, _)| path.strip_prefix(&prefix));
    let mut entries: Vec<Entry> = below
        .map(|rest| match rest.split_once('/') {
            Some((name, _)) => Entry { name: name.to_owned(), kind: EntryKind::Directory },
            None => Entry { name: rest.to_owned(), kind: EntryKind::File },
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    entries
}

/// Settings as JSON; a key with a dot is in a table.
fn object<'a>(settings: impl Iterator<Item = (&'a str, &'a Setting)>) -> String {
    /// What is under a key itself, and what is in a table of that name.
    type Member<'a> = (Option<&'a Setting>, Vec<(&'a str, &'a Setting)>);
    let mut members: BTreeMap<&str, Member<'_>> = BTreeMap::new();
    for (key, setting) in settings {
        match key.split_once('.') {
            Some((table, key)) => members.entry(table).or_default().1.push((key, setting)),
            None => members.entry(key).or_default().0 = Some(setting),
        }
    }
    let members = members.into_iter().map(|(key, (setting, below))| {
        let json = setting.map_or_else(|| object(below.into_iter()), |setting| setting.json.clone());
        format!("{}:{json}", quote(key))
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn quote(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, config, files, log, state};

    #[test]
    fn what_was_not_put_in_is_not_there() {
        let mut sandbox = Sandbox::new().file("/proc/net/dev", "x").missing("/proc/pressure/cpu");
        sandbox.run(|| {
            assert_eq!(files::read_to_string("/proc/net/dev"), Ok("x".to_owned()));
            assert_eq!(files::read("/proc/pressure/cpu").unwrap_err().reason, Reason::NotFound);
            assert_eq!(files::read("/etc/shadow").unwrap_err().reason, Reason::Denied);
            assert_eq!(files::read("/proc/net").unwrap_err().reason, Reason::WrongType);
            assert_eq!(files::list("/proc").unwrap(), [Entry { name: "net".into(), kind: EntryKind::Directory }]);
            assert_eq!(files::read_at("/proc/net/dev", 1, 10), Ok(Vec::new()));
        });
        assert_eq!(files::read("/proc/net/dev").unwrap_err().reason, Reason::Denied);
    }

    #[test]
    fn state_and_log_stay_after_the_run() {
        let mut sandbox = Sandbox::new();
        sandbox.run(|| {
            state::set("last", b"1").unwrap();
            log::info!("count is {}", 1);
            assert_eq!(state::set("", b""), Err(StateError::BadKey));
            assert_eq!(state::set("big", &[0; 65_536]), Err(StateError::Full(65_536)));
        });
        sandbox.run(|| {
            assert_eq!(state::get("last").as_deref(), Some(&b"1"[..]));
            assert_eq!(state::keys(), ["last"]);
            state::delete("last");
            assert_eq!(state::get("last"), None);
        });
        assert_eq!(sandbox.lines(), [(Level::Info, "count is 1".to_owned())]);
    }

    #[test]
    fn a_wrong_value_of_the_config_names_its_key() {
        let mut sandbox = Sandbox::new()
            .config("count", "three")
            .config("one", "eth*")
            .config("many", r#"["eth*","wlan0"]"#)
            .config("numbers", "[1,2]");
        sandbox.run(|| {
            let error = config::parse::<u32>("count").unwrap_err();
            assert_eq!(error, Error::Config("`count` is \"three\": invalid digit found in string".into()));
            assert_eq!(config::parse::<u32>("absent"), Ok(None));
            assert_eq!(config::strings("one").unwrap().unwrap(), ["eth*"]);
            assert_eq!(config::strings("many").unwrap().unwrap(), ["eth*", "wlan0"]);
            assert_eq!(config::strings("absent"), Ok(None));
            let error = config::strings("numbers").unwrap_err();
            assert!(matches!(&error, Error::Config(text) if text.starts_with("`numbers` is [1,2];")), "{error}");
            assert!(config::json().starts_with(r#"{"count":"three","#), "{}", config::json());
        });
    }

    #[test]
    fn a_string_of_the_config_is_told_from_all_else() {
        let mut sandbox = Sandbox::new()
            .config("name", "5")
            .config("http.host", "h")
            .config_json("http.port", "80")
            .config_json("count", "5");
        sandbox.run(|| {
            assert_eq!(config::json(), r#"{"count":5,"http":{"host":"h","port":80},"name":"5"}"#);
            assert_eq!(config::string("name"), Ok(Some("5".to_owned())));
            assert_eq!(config::string("http.host"), Ok(Some("h".to_owned())));
            assert_eq!(config::string("absent"), Ok(None));
            assert_eq!(config::parse("http.port"), Ok(Some(80)));
            let error = Error::Config("`count` is 5; it has to be a string".into());
            assert_eq!(config::string("count"), Err(error));
        });
    }
}
