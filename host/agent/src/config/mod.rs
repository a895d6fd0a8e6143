//! The agent's part of the configuration: sections as they are written, and what becomes of them.
//!
//! The binary's configuration nests [`Sections`]' parts beside those of other crates, reads them with
//! [`sandbeat_status::settings`], and calls [`resolve`], which names everything that is wrong at once. Each part of
//! the agent owns its own resolved `Config`; the one here only holds them together. Files of tokens and certificates
//! are read here, so that what is wrong with them is known at the start. What of it goes into reports is bounded here
//! such that no hub has to refuse them for it.

mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::names::{self, MAX_METADATA_VALUE};
use sandbeat_status::settings::{self, Problem};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use self::secret::Secret;
use crate::api::{self, Listen, Permission};
use crate::report::{self, Compression, Proxy, ServerUrl, TlsFiles, Via, tls};
use crate::sample;

/// The most entries of the operator's `[metadata]`.
pub const MAX_OPERATOR_METADATA: usize = 64;
/// The most ports of `[sessions]`.
pub const MAX_SESSION_PORTS: usize = 64;
/// The most paths of `[disks]`.
pub const MAX_DISKS: usize = 16;
/// The longest of them, in bytes. Less than Linux takes, since all of them are in every report.
pub const MAX_DISK_PATH: usize = 1024;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What the agent needs to run; every value is good.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is measured.
    pub sample: sample::Config,
    /// Where reports go.
    pub report: report::Config,
    /// The local API.
    pub api: api::Config,
    /// The operator's own metadata.
    pub metadata: BTreeMap<String, String>,
}

/// The agent's sections of the file, as they are written.
#[derive(Clone, Debug, Default)]
pub struct Sections {
    /// `[sandbox]`
    pub sandbox: SandboxSection,
    /// `[report]`
    pub report: ReportSection,
    /// `[metadata]`
    pub metadata: BTreeMap<String, String>,
    /// `[api]`
    pub api: ApiSection,
    /// `[sessions]`
    pub sessions: SessionsSection,
    /// `[disks]`
    pub disks: DisksSection,
}

/// `[sandbox]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSection {
    /// The sandbox's id at the control plane. Required.
    pub id: Option<String>,
}

/// `[report]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSection {
    /// The hub's base URL. Required.
    pub server_url: Option<String>,
    /// The sandbox's token.
    pub token: Option<Secret>,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// Between reports.
    #[serde(deserialize_with = "settings::duration")]
    pub interval: Duration,
    /// For one exchange with the hub.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// The shortest interval or pause that the hub can direct.
    #[serde(deserialize_with = "settings::duration")]
    pub min_interval: Duration,
    /// The longest interval or pause that the hub can direct.
    #[serde(deserialize_with = "settings::duration")]
    pub max_interval: Duration,
    /// How far a report may be from its place in the schedule, as a part of the interval.
    pub jitter: f64,
    /// Certificates of authorities that are trusted beside the platform's; PEM.
    pub ca_file: Option<PathBuf>,
    /// The agent's own certificate; PEM.
    pub client_cert_file: Option<PathBuf>,
    /// The key of that certificate; PEM.
    pub client_key_file: Option<PathBuf>,
    /// `environment`, `off`, or a proxy's URL, which may hold a password.
    pub proxy: Option<Secret>,
    /// Whether large reports are compressed.
    pub compression: Compression,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSection {
    /// An address and port, `unix:` and a path, or `off`.
    pub listen: String,
    /// The token that requests must carry.
    pub token: Option<Secret>,
    /// A file with that token.
    pub token_file: Option<PathBuf>,
    /// Who may create and run processes there: `token` or `anyone`.
    pub processes: Permission,
}

/// `[disks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DisksSection {
    /// Of the file systems at these paths, the use is reported.
    pub paths: Vec<PathBuf>,
}

/// `[sessions]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsSection {
    /// Established inbound connections on these ports are sessions; none are counted without ports.
    pub ports: Vec<u16>,
}

impl Default for ReportSection {
    fn default() -> Self {
        ReportSection {
            server_url: None,
            token: None,
            token_file: None,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            min_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(60 * 60),
            jitter: 0.1,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            proxy: None,
            compression: Compression::default(),
        }
    }
}

impl Default for DisksSection {
    fn default() -> Self {
        DisksSection { paths: vec!["/".into()] }
    }
}

impl Default for ApiSection {
    fn default() -> Self {
        ApiSection {
            listen: "127.0.0.1:2468".to_owned(),
            token: None,
            token_file: None,
            processes: Permission::default(),
        }
    }
}

/// Checks everything, and reads the token files. The configuration is there exactly when there is no problem; keys in
/// problems are whole, such as `report.server_url`.
pub fn resolve(sections: Sections) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Vec::new();
    let Sections { sandbox, report, metadata, api, sessions, disks } = sections;
    let sandbox_id = sandbox_id(sandbox, &mut problems);
    let report = resolve_report(report, &mut problems);
    let api = api_config(api, &mut problems);
    check_metadata(&metadata, &mut problems);
    check_ports(&sessions.ports, &mut problems);
    check_disks(&disks.paths, &mut problems);
    let config = match (sandbox_id, report, api) {
        (Some(sandbox_id), Some(report), Some(api)) if problems.is_empty() => {
            let sample = sample::Config { sandbox_id, session_ports: sessions.ports, disks: disks.paths };
            Some(Config { sample, report, api, metadata })
        }
        _ => None,
    };
    (config, problems)
}

/// Checks `[api]` alone, for one who only asks a running agent; otherwise as [`resolve`].
pub fn resolve_api(section: ApiSection) -> (Option<api::Config>, Vec<Problem>) {
    let mut problems = Vec::new();
    let config = api_config(section, &mut problems);
    (config, problems)
}

fn sandbox_id(section: SandboxSection, problems: &mut Vec<Problem>) -> Option<String> {
    match section.id {
        None => {
            let cure = "is missing; set AGENT_SANDBOX_ID, or `id` under [sandbox]";
            problems.push(Problem::new("sandbox.id", cure));
            None
        }
        Some(id) => match names::sandbox_id(&id) {
            Ok(()) => Some(id),
            Err(reason) => {
                problems.push(Problem::new("sandbox.id", reason));
                None
            }
        },
    }
}

fn resolve_report(section: ReportSection, problems: &mut Vec<Problem>) -> Option<report::Config> {
    let server_url = match section.server_url.as_deref().map(ServerUrl::parse) {
        None => {
            let cure = "is missing; set AGENT_SERVER_URL, or `server_url` under [report]";
            problems.push(Problem::new("report.server_url", cure));
            None
        }
        Some(Err(reason)) => {
            problems.push(Problem::new("report.server_url", reason));
            None
        }
        Some(Ok(url)) => Some(url),
    };
    let token_file = section.token_file.clone();
    let token = secret::resolve("report", section.token, section.token_file, problems);
    let https = server_url.as_ref().is_some_and(ServerUrl::is_https);
    let tls = tls_files((section.ca_file, section.client_cert_file, section.client_key_file), https, problems);
    let proxy = proxy(section.proxy, server_url.as_ref(), problems);
    if !(0.0..=0.5).contains(&section.jitter) {
        problems.push(Problem::new("report.jitter", format!("{} is not between 0 and 0.5", section.jitter)));
    }
    let interval = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    for (key, duration, range) in [
        ("report.interval", section.interval, &interval),
        ("report.timeout", section.timeout, &(SHORTEST_INTERVAL..=LONGEST_TIMEOUT)),
        ("report.min_interval", section.min_interval, &interval),
        ("report.max_interval", section.max_interval, &interval),
    ] {
        if !range.contains(&duration) {
            let (least, most) = (range.start(), range.end());
            problems.push(Problem::new(key, format!("{duration:?} is not between {least:?} and {most:?}")));
        }
    }
    if section.min_interval > section.max_interval {
        problems.push(Problem::new("report.min_interval", "is longer than report.max_interval"));
    }
    Some(report::Config {
        server_url: server_url?,
        token,
        token_file,
        tls,
        proxy,
        compression: section.compression,
        interval: section.interval,
        jitter: section.jitter,
        timeout: section.timeout,
        directed: section.min_interval..=section.max_interval,
    })
}

/// The files of a certificate come together. All are read, so that what is wrong with them is known before they are
/// needed.
fn tls_files(
    (ca, certificate, key): (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>),
    https: bool,
    problems: &mut Vec<Problem>,
) -> TlsFiles {
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            problems.push(Problem::new("report.client_key_file", "is missing beside report.client_cert_file"));
            None
        }
        (None, Some(_)) => {
            problems.push(Problem::new("report.client_cert_file", "is missing beside report.client_key_file"));
            None
        }
    };
    let files = TlsFiles { ca, client };
    problems.extend(tls::check(&files, https).into_iter().map(|wrong| Problem::new(wrong.key, wrong.reason)));
    files
}

/// The word or URL, and whether what it leads to can be used.
fn proxy(written: Option<Secret>, server: Option<&ServerUrl>, problems: &mut Vec<Problem>) -> Proxy {
    let proxy = match written.map(Secret::into_inner) {
        None => Proxy::Environment,
        Some(written) => match written.expose_secret() {
            "environment" => Proxy::Environment,
            "off" => Proxy::Off,
            _ => Proxy::Url(written),
        },
    };
    let wrong = match (&proxy, server) {
        (Proxy::Url(url), _) => Via::written(url.expose_secret()).err(),
        (_, Some(server)) => Via::find(&proxy, server, report::environment).err(),
        (_, None) => None,
    };
    problems.extend(wrong.map(|reason| Problem::new("report.proxy", reason)));
    proxy
}

fn api_config(section: ApiSection, problems: &mut Vec<Problem>) -> Option<api::Config> {
    let configured = section.token.is_some() || section.token_file.is_some();
    let processes = section.processes;
    let token: Option<SecretString> = secret::resolve("api", section.token, section.token_file, problems);
    if section.listen == "off" {
        return Some(api::Config { listen: None, token, processes });
    }
    match Listen::parse(&section.listen) {
        Err(reason) => {
            problems.push(Problem::new("api.listen", reason));
            None
        }
        Ok(listen) => {
            if listen.is_beyond_loopback() && !configured {
                let cure = "can be reached from beyond this machine and wants a token; set api.token_file, or listen \
                            on 127.0.0.1";
                problems.push(Problem::new("api.listen", format!("{listen} {cure}")));
            }
            Some(api::Config { listen: Some(listen), token, processes })
        }
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>, problems: &mut Vec<Problem>) {
    if metadata.len() > MAX_OPERATOR_METADATA {
        let count = metadata.len();
        let reason = format!("has {count} entries; {MAX_OPERATOR_METADATA} are the most");
        problems.push(Problem::new("metadata", reason));
    }
    for (key, value) in metadata {
        let checked = names::metadata_key(key).and_then(|()| names::plain_text(value, MAX_METADATA_VALUE));
        if let Err(reason) = checked {
            problems.push(Problem::new(format!("metadata.{}", names::shown(key, names::MAX_NAME)), reason));
        }
    }
}

fn check_disks(paths: &[PathBuf], problems: &mut Vec<Problem>) {
    if paths.len() > MAX_DISKS {
        problems.push(Problem::new("disks.paths", format!("has {} paths; {MAX_DISKS} are the most", paths.len())));
    }
    for (index, path) in paths.iter().enumerate() {
        let text = path.to_string_lossy();
        let shown = names::shown(&text, names::MAX_NAME);
        if !path.is_absolute() {
            problems.push(Problem::new("disks.paths", format!("`{shown}` is not an absolute path")));
        } else if let Err(reason) = names::plain_text(&text, MAX_DISK_PATH) {
            let cure = "name another path of the same file system";
            problems.push(Problem::new("disks.paths", format!("`{shown}` cannot be reported: {reason}; {cure}")));
        } else if paths[..index].contains(path) {
            problems.push(Problem::new("disks.paths", format!("`{shown}` is there twice; name each path once")));
        }
    }
}

fn check_ports(ports: &[u16], problems: &mut Vec<Problem>) {
    if ports.len() > MAX_SESSION_PORTS {
        let reason = format!("has {} ports; {MAX_SESSION_PORTS} are the most", ports.len());
        problems.push(Problem::new("sessions.ports", reason));
    }
    if ports.contains(&0) {
        problems.push(Problem::new("sessions.ports", "0 is not a port"));
    }
}
