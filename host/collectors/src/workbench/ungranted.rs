//! What a component imports and its sidecar grants nothing of. Pure.

use crate::world::Import;

/// The package whose interfaces a collector's toolchain may bind all at once.
const OWN: &str = "sandbeat:collector/";
/// So many of them need a grant; a component that imports them all says nothing of what it uses.
const OWN_WITH_GRANT: usize = 3;

/// A line for each import that gives nothing under these grants, with the key that would change that. Where a component
/// imports whatever a collector may, as the tools of some languages have it, that is told only of a sidecar that grants
/// nothing of it.
pub(crate) fn ungranted(imports: &[Import], granted: &[String]) -> Vec<String> {
    let is_granted = |import: &&Import| import.grant.is_some_and(|key| granted.iter().any(|granted| granted == key));
    let needing: Vec<&Import> = imports.iter().filter(|import| import.grant.is_some()).collect();
    if needing.iter().filter(|import| import.name.starts_with(OWN)).count() == OWN_WITH_GRANT {
        let keys: Vec<String> = needing.iter().filter_map(|import| key(import)).collect();
        let told =
            format!("it imports all that a collector may, and its sidecar grants nothing of it: {}", keys.join(", "));
        return if needing.iter().any(is_granted) { Vec::new() } else { vec![told] };
    }
    let ungranted = needing.iter().filter(|import| !is_granted(import));
    let line = |import: &Import| {
        let (name, key) = (&import.name, key(import)?);
        Some(format!("it imports {name}, of which its sidecar grants nothing; if it needs it, set {key} under [grant]"))
    };
    ungranted.filter_map(|import| line(import)).collect()
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
        let told = ungranted(&imports, &["env".to_owned()]);
        assert!(told.len() == 1 && told[0].ends_with("`read`, `filesystems`, `processes`, `dirs`"), "{told:?}");
        assert!(ungranted(&imports, &["read".to_owned()]).is_empty(), "what else it uses is not known");
    }
}
