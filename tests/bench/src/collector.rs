//! Which collectors the agent is measured with.

use std::path::Path;

use anyhow::{Context, ensure};

/// A file pair of the plugins directory.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Without `.wasm` and `.toml`.
    pub name: String,
    /// The component.
    pub wasm: Vec<u8>,
    /// The sidecar.
    pub sidecar: String,
}

/// The collector `ten`: ten points, nothing granted, nothing read.
///
/// # Errors
/// It has not been built.
pub fn ten() -> anyhow::Result<&'static [u8]> {
    let found = sandbeat_test_guests::GUESTS.iter().find(|(name, _)| *name == "ten");
    found.map(|(_, wasm)| *wasm).context("the test guests have no `ten`")
}

/// A bundled collector, called once per report.
///
/// # Errors
/// There is none of this name.
pub fn bundled(name: &str) -> anyhow::Result<Collector> {
    let found = sandbeat_bundled::COLLECTORS.iter().find(|bundled| bundled.name == name);
    let bundled = found.with_context(|| format!("no bundled collector `{name}`"))?;
    let lines = bundled.sidecar.lines().filter(|line| !line.starts_with("interval"));
    let sidecar = lines.map(|line| line.to_owned() + "\n").collect();
    Ok(Collector { name: name.to_owned(), wasm: bundled.wasm.to_vec(), sidecar })
}

/// So many collectors, no two of one digest, and none that reports what another does: the bundled ones, which find what
/// they read in a folder of their own, and for the rest variants of `ten`.
///
/// # Errors
/// One of them has not been built, or the folder cannot be written to.
pub fn fleet(count: usize, folder: &Path) -> anyhow::Result<Vec<Collector>> {
    std::fs::write(folder.join("jobs.prom"), "# TYPE jobs gauge\njobs{queue=\"a\"} 1\njobs{queue=\"b\"} 2\n")?;
    let folder = folder.to_str().context("the folder's name is no text")?;
    let at_home = |name: &str| -> anyhow::Result<Collector> {
        let Collector { name, wasm, mut sidecar } = bundled(name)?;
        for shipped in ["/workspace", "/var/lib/node_exporter/textfile_collector", "/root"] {
            sidecar = sidecar.replace(&format!("\"{shipped}"), &format!("\"{folder}"));
        }
        Ok(Collector { name, wasm, sidecar })
    };
    let names = sandbeat_bundled::COLLECTORS.iter().map(|bundled| bundled.name);
    let mut fleet = names.take(count).map(at_home).collect::<anyhow::Result<Vec<_>>>()?;
    for number in fleet.len()..count {
        fleet.push(Collector { name: format!("ten-{number}"), wasm: renamed(ten()?, number)?, sidecar: String::new() });
    }
    Ok(fleet)
}

/// `ten`, or the plugin that does the same, with a metric of another name, and so of another digest.
///
/// # Errors
/// It does not have the name of the metric among its data.
pub fn renamed(wasm: &[u8], number: usize) -> anyhow::Result<Vec<u8>> {
    const NAME: &[u8] = b"hw.temperature";
    let name = format!("hw.temperat{number:03}");
    ensure!(name.len() == NAME.len(), "{number} has more than three digits");
    let mut wasm = wasm.to_vec();
    let found: Vec<usize> = (0..wasm.len()).filter(|at| wasm[*at..].starts_with(NAME)).collect();
    ensure!(!found.is_empty(), "the metric's name is not to be found");
    for at in found {
        wasm[at..at + NAME.len()].copy_from_slice(name.as_bytes());
    }
    Ok(wasm)
}

/// The same code under another digest: with a custom section, which nobody reads, at its end.
pub fn variant(wasm: &[u8], number: usize) -> Vec<u8> {
    const NAME: &[u8] = b"variant";
    let number = number.to_le_bytes();
    let length = 1 + NAME.len() + number.len();
    // All lengths are below 128, where LEB128 is one byte of the number itself.
    let head = [0, length as u8, NAME.len() as u8];
    [wasm, &head, NAME, &number].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_of_a_fleet_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = fleet(20, folder.path()).unwrap();
        assert_eq!(fleet.len(), 20);
        assert_eq!(fleet.iter().map(|collector| &collector.wasm).collect::<BTreeSet<_>>().len(), 20);
        let sidecars: Vec<&str> = fleet.iter().map(|collector| collector.sidecar.as_str()).collect();
        assert!(sidecars.iter().all(|sidecar| !sidecar.contains("interval =") && !sidecar.contains("\"/root")));
        let git = fleet.iter().find(|collector| collector.name == "git").unwrap();
        assert!(git.sidecar.contains(&format!("dirs = [{:?}]", folder.path())), "{}", git.sidecar);
        assert!(super::fleet(0, folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_metric_is_renamed_wherever_its_name_is() {
        let wasm = renamed(b"hw.temperature|hw.temperature", 42).unwrap();
        assert_eq!(wasm, b"hw.temperat042|hw.temperat042");
        assert!(renamed(b"hw.temperature", 1000).is_err());
        assert!(renamed(b"hw.humidity", 1).is_err());
        assert!(renamed(crate::peer::PLUGIN, 1).is_ok());
    }

    #[test]
    fn a_variant_ends_in_a_whole_section() {
        let section = variant(b"", 3);
        assert_eq!(section[0], 0);
        assert_eq!(usize::from(section[1]), section.len() - 2);
    }
}
