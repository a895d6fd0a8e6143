//! What cargo says it built: one JSON object per line (`--message-format json`).

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A compiled target of a package in this workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// The package's name.
    pub(crate) package: String,
    /// The package's folder.
    pub(crate) folder: PathBuf,
    /// The target's name, with `-` where the file has `_`.
    pub(crate) name: String,
    /// The component, if it is one.
    pub(crate) component: Option<PathBuf>,
}

/// What was built of packages below the workspace's root. Other lines, and those of another form, are passed over.
pub(crate) fn artifacts(text: &str, root: &Path) -> Vec<Artifact> {
    text.lines().filter_map(|line| artifact(&serde_json::from_str(line).ok()?, root)).collect()
}

fn artifact(message: &Value, root: &Path) -> Option<Artifact> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    if !folder.starts_with(root) {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str).map(PathBuf::from);
    Some(Artifact {
        package: package_name(message["package_id"].as_str()?).to_owned(),
        folder: folder.to_owned(),
        // The name of a library's target has `_` already.
        name: message["target"]["name"].as_str()?.replace('_', "-"),
        component: files.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "wasm")),
    })
}

/// From `path+file:///work/plugins/load#sandbeat-load@0.1.0`, or `…/sandbeat-load#0.1.0` where the folder has the name.
fn package_name(id: &str) -> &str {
    let (place, fragment) = id.rsplit_once('#').unwrap_or(("", id));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(fragment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_and_what_they_are_made_of_are_found() {
        let text = r#"
{"reason":"compiler-artifact","package_id":"registry+https://x#bytes@1.0.0","manifest_path":"/home/.cargo/bytes/Cargo.toml","target":{"name":"bytes"},"filenames":["/w/target/libbytes.rlib"]}
{"reason":"compiler-artifact","package_id":"path+file:///w/plugins/sdk#sandbeat-sdk@0.1.0","manifest_path":"/w/plugins/sdk/Cargo.toml","target":{"name":"sandbeat_sdk"},"filenames":["/w/target/libsandbeat_sdk.rlib"]}
{"reason":"compiler-artifact","package_id":"path+file:///w/plugins/load#sandbeat-load@0.1.0","manifest_path":"/w/plugins/load/Cargo.toml","target":{"name":"sandbeat_load"},"filenames":["/w/target/sandbeat_load.wasm","/w/target/libsandbeat_load.rlib"]}
{"reason":"build-finished","success":true}
not JSON"#;
        let found = artifacts(text, Path::new("/w"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].package.as_str(), &found[0].component), ("sandbeat-sdk", &None));
        assert_eq!((found[1].package.as_str(), found[1].name.as_str()), ("sandbeat-load", "sandbeat-load"));
        assert_eq!(found[1].component.as_deref(), Some(Path::new("/w/target/sandbeat_load.wasm")));
    }

    #[test]
    fn a_package_id_has_two_forms() {
        assert_eq!(package_name("path+file:///w/plugins/load#sandbeat-load@0.1.0"), "sandbeat-load");
        assert_eq!(package_name("path+file:///w/sandbeat-load#0.1.0"), "sandbeat-load");
    }
}
