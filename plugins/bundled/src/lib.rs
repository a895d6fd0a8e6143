//! The collectors that come with sandbeat: each as a component and with its sidecar, ready to be written into a
//! plugins directory. The build script builds them from their crates beside this one.

/// A collector that comes with sandbeat.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Its name: of the files `NAME.wasm` and `NAME.toml`.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// The sidecar, in TOML: its settings, grants and limits.
    pub sidecar: &'static str,
}

/// All of them, by name.
pub const COLLECTORS: &[Bundled] =
    &[bundled!("disk"), bundled!("git"), bundled!("load"), bundled!("net"), bundled!("textfile")];

macro_rules! bundled {
    ($name:literal) => {
        Bundled {
            name: $name,
            wasm: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
            sidecar: include_str!(concat!("../../", $name, "/", $name, ".toml")),
        }
    };
}
use bundled;

#[cfg(test)]
mod tests {
    use super::COLLECTORS;

    #[test]
    fn each_is_a_small_component() {
        for collector in COLLECTORS {
            // A module has the version 1; a component 13 in layer 1.
            assert!(collector.wasm.starts_with(b"\0asm\x0d\0\x01\0"), "{}", collector.name);
            assert!(collector.wasm.len() < 300_000, "{}: {} bytes", collector.name, collector.wasm.len());
        }
    }

    #[test]
    fn each_sidecar_grants_something_and_not_everything() {
        for collector in COLLECTORS {
            let sidecar: toml::Table = collector.sidecar.parse().unwrap();
            // Of a file system only the size is told, so its root may be granted.
            let grants = sidecar["grant"].as_table().unwrap().iter().filter(|(key, _)| *key != "filesystems");
            let paths: Vec<_> =
                grants.flat_map(|(_, paths)| paths.as_array().unwrap()).map(|path| path.as_str().unwrap()).collect();
            assert!(!paths.is_empty(), "{}", collector.name);
            assert!(!paths.iter().any(|path| path.contains("**") || *path == "/"), "{}: {paths:?}", collector.name);
        }
    }
}
