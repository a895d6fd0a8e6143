//! Makes `sandbeat/collector.h` and `sandbeat/collector.c` of `wit/`: `cargo run -p sandbeat-sdk-c`.
//!
//! They are checked in, so that authors need no generator; a test compares them with what would be made now. The
//! object file that wit-bindgen would add is left out: `sandbeat plugin wrap` says which world a module is for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

fn main() -> anyhow::Result<()> {
    for (path, content) in bindings()? {
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Each file with what has to be in it.
fn bindings() -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let package = resolve.push_file(here.join("../../../wit/collector.wit"))?;
    let world = resolve.select_world(&[package], Some("collector"))?;
    let options = wit_bindgen_c::Opts { no_object_file: true, ..Default::default() };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    Ok(files.iter().map(|(name, content)| (here.join("sandbeat").join(name), content.to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bindings_are_those_of_the_world() {
        let made = bindings().unwrap();
        assert_eq!(made.len(), 2);
        for (path, content) in made {
            let is_current = fs::read(&path).unwrap() == content;
            assert!(is_current, "{} is out of date; `cargo run -p sandbeat-sdk-c` makes it anew", path.display());
        }
    }
}
