//! Settings from the environment: `SANDBEAT_SECTION__KEY`, and the variables of the agents before this one.
//!
//! They are laid over those of the file as texts, and judged with them; any other variable is passed over.

use sandbeat_status::settings::{Place, Settings};

/// The variables of the agents that this one replaces.
const AGENT_VARIABLES: [(&str, [&str; 2]); 5] = [
    ("AGENT_SERVER_URL", ["report", "server_url"]),
    ("AGENT_SANDBOX_ID", ["sandbox", "id"]),
    ("AGENT_TOKEN", ["report", "token"]),
    ("AGENT_TOKEN_FILE", ["report", "token_file"]),
    ("AGENT_REPORT_INTERVAL", ["report", "interval"]),
];
/// Keys of which one, set in the environment or by a flag, replaces the other in the file.
const EITHER: [[&str; 2]; 3] =
    [["report.token", "report.token_file"], ["api.token", "api.token_file"], ["hub.admin_key", "hub.admin_key_file"]];

/// The environment as far as it is text: nothing that is read here has a name or a value that is not.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Lays the variables that are settings over those that are there.
pub(super) fn overlay(settings: &mut Settings, variables: impl Iterator<Item = (String, String)>) {
    // An empty one is what `${NAME:-}` leaves of a variable that is not set.
    for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
        let path: Vec<String> = match AGENT_VARIABLES.iter().find(|(known, _)| *known == name) {
            Some((_, path)) => path.iter().map(ToString::to_string).collect(),
            None => match name.strip_prefix("SANDBEAT_").filter(|rest| rest.contains("__")) {
                Some(rest) => rest.split("__").map(str::to_ascii_lowercase).collect(),
                None => continue,
            },
        };
        lay(settings, &path.iter().map(String::as_str).collect::<Vec<_>>(), &value, &name);
    }
}

/// Lays one value of a variable or a flag, which is its name, over what is there.
pub(super) fn lay(settings: &mut Settings, path: &[&str], value: &str, name: &str) {
    let key = path.join(".");
    for [one, other] in EITHER {
        let replaced = if key == one { other } else { one };
        if (key == one || key == other) && !matches!(settings.place(replaced), Place::Named(_)) {
            settings.forget(replaced);
        }
    }
    settings.overlay(path, value, name);
}
