//! Reads the files with secrets that the operator names. May block for as long as the disk does.

use std::path::Path;

use sandbeat_status::files;

use crate::auth::Secret;

/// The most bytes of a file with a secret.
const MAX_SECRET_FILE: usize = 4 << 10;

/// The first line of a file, without white space around it.
///
/// # Errors
/// What is wrong with the file, never with what is in it; for the operator.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let bytes = files::read(path, MAX_SECRET_FILE)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{} is not text", path.display()))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().trim()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_the_first_line_of_a_small_text() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "  a secret \nmore\n").unwrap();
        assert_eq!(read(&file).unwrap().reveal(), "a secret");
        fs::write(&file, vec![b'x'; MAX_SECRET_FILE + 1]).unwrap();
        assert!(read(&file).unwrap_err().contains("has more than 4096 bytes"));
        fs::write(&file, [0xff]).unwrap();
        assert!(read(&file).unwrap_err().contains("is not text"));
    }
}
