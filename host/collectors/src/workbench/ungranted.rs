//! What a component imports and its sidecar grants nothing of. Pure.

use crate::world::Import;

/// The package whose interfaces a collector's toolchain may bind all at once.
const OWN: &str = "sandbeat:collector/";
/// So many of them need a grant; a component that imports them all says nothing of what it uses.
const OWN_WITH_GRANT: usize = 3;

/// A line for each import that gives nothing under these grants, with the key that would change that; one for all of
/// them where a component imports whatever a collector may, as the tools of some languages have it.
pub(crate) fn ungranted(imports: &[Import], granted: &[String]) -> Vec<String> {
    let needing = |import: &&Import| import.grant.is_some_and(|key| !granted.iter().any(|granted| granted == key));
    let ungranted: Vec<&Import> = imports.iter().filter(needing).collect();
    let own_with_grant = imports.iter().filter(|import| import.name.starts_with(OWN) && import.grant.is_some()).count();
    if own_with_grant == OWN_WITH_GRANT && ungranted.len() > 1 {
        let keys: Vec<String> = ungranted.iter().filter_map(|import| key(import)).collect();
        return vec![format!(
            "it imports all that a collector may, used or not; of that, its sidecar grants no {}",
            keys.join(", no ")
        )];
    }
    let line = |import: &&Import| {
        let (name, key) = (&import.name, key(import)?);
        Some(format!("it imports {name}, of which its sidecar grants nothing; if it needs it, set {key} under [grant]"))
    };
    ungranted.iter().filter_map(line).collect()
}

fn key(import: &Import) -> Option<String> {
    import.grant.map(|key| format!("`{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, grant: Option<&'static str>) -> Import {
        Import { name: name.into(), offered: true, note: String::new(), grant }
    }

    #[test]
    fn an_import_without_its_grant_is_named_with_the_key() {
        let imports = [
            import("sandbeat:collector/files@0.1.0", Some("read")),
            import("sandbeat:collector/log@0.1.0", None),
            import("wasi:http/outgoing-handler@0.2.6", Some("http")),
        ];
        let granted = |keys: &[&str]| -> Vec<String> {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            ungranted(&imports, &keys)
        };
        assert_eq!(granted(&["read", "http"]), Vec::<String>::new());
        let told = granted(&["read"]);
        assert!(told.len() == 1 && told[0].contains("wasi:http") && told[0].contains("`http`"), "{told:?}");
        assert_eq!(granted(&[]).len(), 2);
    }

    #[test]
    fn who_imports_everything_is_told_once() {
        let imports = [
            import("sandbeat:collector/files@0.1.0", Some("read")),
            import("sandbeat:collector/filesystems@0.1.0", Some("filesystems")),
            import("sandbeat:collector/processes@0.1.0", Some("processes")),
            import("wasi:filesystem/preopens@0.2.6", Some("dirs")),
        ];
        let told = ungranted(&imports, &["read".to_owned()]);
        assert!(told.len() == 1 && told[0].ends_with("no `filesystems`, no `processes`, no `dirs`"), "{told:?}");
    }
}
