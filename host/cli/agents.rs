//! `sandbeat agents`: the coding agents of the sandbox, as a table or as JSON.

use sandbeat_status::names::shown;
use serde::Deserialize;
use serde_json::Value;

use crate::args::Print;
use crate::{client, config, output};

/// How much of a name or path is shown, in bytes.
const MAX_SHOWN: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Agent {
    id: String,
    installed: bool,
    credentials_available: bool,
    version: Option<String>,
    path: Option<String>,
    server_status: Option<Value>,
}

pub(crate) fn run(options: &Print) -> anyhow::Result<()> {
    let api = config::api(&options.file)?;
    let answer = client::get(&api, "/v1/agents")?;
    if options.json {
        return output::json(&answer);
    }
    let agents: Vec<Agent> = client::read(&answer["agents"])?;
    let mut table = output::table(["ID", "INSTALLED", "VERSION", "CREDENTIALS", "PROCESS", "PATH"], &[]);
    for agent in &agents {
        table.add_row(row(agent));
    }
    output::print_painted(&table, "PROCESS")
}

fn row(agent: &Agent) -> [String; 6] {
    let or_dash = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| shown(text, MAX_SHOWN));
    let yes = |yes: bool| (if yes { "yes" } else { "no" }).to_owned();
    [
        shown(&agent.id, MAX_SHOWN),
        yes(agent.installed),
        or_dash(agent.version.as_deref()),
        yes(agent.credentials_available),
        or_dash(agent.server_status.as_ref().and_then(|status| status["status"].as_str())),
        or_dash(agent.path.as_deref()),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_shows_what_is_known() {
        let row_of = |agent: Value| row(&serde_json::from_value(agent).unwrap());
        let missing = json!({"id": "pi", "installed": false, "credentialsAvailable": true, "capabilities": {}});
        assert_eq!(row_of(missing), ["pi", "no", "-", "yes", "-", "-"]);
        let running = json!({
            "id": "codex", "installed": true, "credentialsAvailable": false, "version": "0.46.0", "path": "/bin/codex",
            "serverStatus": {"status": "running", "restartCount": 0},
        });
        assert_eq!(row_of(running), ["codex", "yes", "0.46.0", "no", "running", "/bin/codex"]);
    }
}
