//! Folders that are the agent's own: where they lie, and that nobody else can write to them.
//!
//! What lies in them is trusted: native code that is run, and state that collectors get back. A folder is therefore
//! made for the agent's user alone, and refused when it is a link, belongs to another user, or can be written to by
//! others. What is done there goes by its path; whoever can rename a folder above it can put another one in its
//! place. It is therefore refused as well when one of those is not root's or the agent's, and callers get its path
//! without links, since those could be changed too. Nothing is kept open: each caller owns what it does there.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How the name of a file begins that is not finished.
pub(crate) const UNFINISHED: &str = ".new-";

/// Compiled collectors.
pub(crate) const CACHE: Purpose = Purpose {
    what: "compiled collectors",
    key: "plugins.cache_dir",
    of_root: "/var/cache/sandbeat",
    variable: "XDG_CACHE_HOME",
    in_home: ".cache/sandbeat",
    temporary: "sandbeat",
};

/// What is kept across restarts.
pub(crate) const STATE: Purpose = Purpose {
    what: "collectors' states",
    key: "plugins.state_dir",
    of_root: "/var/lib/sandbeat",
    variable: "XDG_STATE_HOME",
    in_home: ".local/state/sandbeat",
    temporary: "sandbeat-state",
};

/// What a folder is for, and where it usually lies.
pub(crate) struct Purpose {
    what: &'static str,
    /// The key that chooses it.
    key: &'static str,
    /// For root.
    of_root: &'static str,
    /// The variable of the folder that it is one of.
    variable: &'static str,
    /// Below the user's home.
    in_home: &'static str,
    /// Below the folder for temporary files, followed by the user's number.
    temporary: &'static str,
}

/// Who the agent is.
#[derive(Clone, Copy)]
struct Agent {
    user: u32,
    group: u32,
    /// How users show that are outside of the agent's user namespace, where it is in one: those who made the sandbox.
    outside: Option<u32>,
}

/// The configured folder, or the first usable one of the usual places; made where it is missing. Its path is without
/// links.
///
/// # Errors
/// In words for the operator, with the key to change.
pub(crate) fn folder(configured: Option<&Path>, purpose: &Purpose) -> Result<PathBuf, String> {
    let mut tried = Vec::new();
    for dir in configured.map_or_else(|| usual_places(purpose), |dir| vec![dir.to_owned()]) {
        match make(&dir) {
            Ok(dir) => return Ok(dir),
            Err(e) => tried.push(format!("{}: {e}", dir.display())),
        }
    }
    Err(format!("no folder for {} can be used ({}); set {}", purpose.what, tried.join("; "), purpose.key))
}

/// Makes the folder where it is missing, and sees that nobody else can write to it or put another in its place. Its
/// path without links.
///
/// # Errors
/// Why it cannot be used, in words.
pub(crate) fn make(dir: &Path) -> Result<PathBuf, String> {
    if !dir.is_dir() {
        let parent = dir.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(|e| e.to_string())?;
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e.to_string()),
            _ => {}
        }
    }
    // Of the folder itself: a link planted in a shared place must not count.
    if !std::fs::symlink_metadata(dir).map_err(|e| e.to_string())?.is_dir() {
        return Err("it is not a folder".into());
    }
    let dir = dir.canonicalize().map_err(|e| e.to_string())?;
    let agent = Agent::current();
    check_above(&dir, agent)?;
    // After those above it: what is found now cannot be replaced any more.
    let found = std::fs::symlink_metadata(&dir).map_err(|e| e.to_string())?;
    if !found.is_dir() {
        return Err("it is not a folder".into());
    }
    if found.uid() != agent.user {
        return Err("it belongs to another user".into());
    }
    if others_can_write(&found) {
        return Err("others can write to it; `chmod go-w` it".into());
    }
    tempfile::tempfile_in(&dir).map_err(|e| e.to_string())?;
    Ok(dir)
}

/// Whether this is the agent's user's, and only that user (and root) can write to it.
pub(crate) fn is_own(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && !others_can_write(found)
}

fn others_can_write(found: &Metadata) -> bool {
    found.mode() & 0o022 != 0
}

/// Whether one of the folders above `dir`, a path without links, lets others replace what is below it.
fn check_above(dir: &Path, agent: Agent) -> Result<(), String> {
    let mut above: Vec<&Path> = dir.ancestors().skip(1).collect();
    // From the top: each one counts once those above it are known to stay.
    above.reverse();
    for folder in above {
        let at = |problem: String| format!("others could replace it, because {} {problem}", folder.display());
        let found = std::fs::symlink_metadata(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        if !found.is_dir() {
            return Err(at("is not a folder any more".into()));
        }
        agent.trusts(found.uid(), found.gid(), found.mode()).map_err(at)?;
    }
    Ok(())
}

impl Agent {
    fn current() -> Self {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Agent { user, group, outside: outside() }
    }

    /// Whether a folder with this owner, group and mode leaves what belongs to the agent in its place.
    fn trusts(self, user: u32, group: u32, mode: u32) -> Result<(), String> {
        if user != 0 && user != self.user && Some(user) != self.outside {
            return Err(format!("belongs to user {user}; choose another place, or `chown` that folder to root"));
        }
        // In a sticky folder each may rename only what is theirs.
        if mode & 0o1000 != 0 {
            return Ok(());
        }
        if mode & 0o002 != 0 {
            return Err("can be written to by everyone; `chmod o-w` that folder".into());
        }
        if mode & 0o020 != 0 && group != 0 && group != self.group {
            return Err(format!("can be written to by group {group}; `chmod g-w` that folder"));
        }
        Ok(())
    }
}

/// See user_namespaces(7): outside of any, all users are mapped to themselves.
fn outside() -> Option<u32> {
    let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
    let mut fields = map.split_ascii_whitespace();
    if fields.by_ref().take(3).eq(["0", "0", "4294967295"]) {
        return None;
    }
    std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()
}

fn usual_places(purpose: &Purpose) -> Vec<PathBuf> {
    let user = rustix::process::geteuid();
    let mut places = Vec::new();
    if user.is_root() {
        places.push(PathBuf::from(purpose.of_root));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    places.extend(absolute(purpose.variable).map(|dir| dir.join("sandbeat")));
    places.extend(absolute("HOME").map(|dir| dir.join(purpose.in_home)));
    places.push(std::env::temp_dir().join(format!("{}-{}", purpose.temporary, user.as_raw())));
    places
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = folder(Some(&shared), &CACHE).unwrap_err();
        assert!(refused.contains("others can write") && refused.contains("plugins.cache_dir"), "{refused}");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&shared, &link).unwrap();
        assert!(folder(Some(&link), &STATE).unwrap_err().contains("plugins.state_dir"));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(make(&file).is_err());
    }

    #[test]
    fn a_folder_that_others_could_replace_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let above = dir.path().canonicalize().unwrap().join("above");
        let wanted = above.join("a/b");
        assert_eq!(make(&wanted), Ok(wanted.clone()));
        let set_mode = |mode| std::fs::set_permissions(&above, std::fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o777);
        let refused = folder(Some(&wanted), &CACHE).unwrap_err();
        let reason = format!("because {} can be written to by everyone; `chmod o-w`", above.display());
        assert!(refused.contains(&reason) && refused.contains("plugins.cache_dir"), "{refused}");
        set_mode(0o1777);
        assert_eq!(make(&wanted), Ok(wanted.clone()));
        set_mode(0o755);
        // Only root can give folders away; what follows from it is tested below for everyone.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&above, Some(12345), None).unwrap();
            let refused = make(&wanted).unwrap_err();
            assert!(refused.contains(&format!("{} belongs to user 12345", above.display())), "{refused}");
        }
    }

    #[test]
    fn only_root_and_the_agent_are_trusted_with_a_folder_above() {
        let agent = Agent { user: 1000, group: 1001, outside: None };
        let trusted = |user, group, mode| agent.trusts(user, group, mode).is_ok();
        assert!(trusted(0, 5, 0o755) && trusted(1000, 5, 0o700) && !trusted(1002, 1001, 0o700));
        assert!(!trusted(0, 0, 0o757) && trusted(0, 0, 0o1777) && !trusted(1002, 0, 0o1777));
        assert!(trusted(0, 0, 0o775) && trusted(0, 1001, 0o775));
        assert!(!trusted(0, 5, 0o775) && trusted(0, 5, 0o1775));
        assert!(!trusted(65534, 0, 0o755));
        let inside = Agent { outside: Some(65534), ..agent };
        assert!(inside.trusts(65534, 65534, 0o755).is_ok() && inside.trusts(65534, 65534, 0o757).is_err());
    }

    #[test]
    fn links_above_a_folder_are_followed_once() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir(top.join("real")).unwrap();
        std::os::unix::fs::symlink(top.join("real"), top.join("link")).unwrap();
        assert_eq!(folder(Some(&top.join("link/a")), &STATE), Ok(top.join("real/a")));
    }

    #[test]
    fn a_folder_that_is_missing_is_made_for_its_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().canonicalize().unwrap().join("a/b");
        assert_eq!(folder(Some(&wanted), &CACHE), Ok(wanted.clone()));
        assert_eq!(std::fs::metadata(&wanted).unwrap().mode() & 0o777, 0o700);
        assert_eq!(folder(Some(&wanted), &CACHE), Ok(wanted));
    }
}
