//! The user and the group that a process runs as, by `/etc/passwd` and `/etc/group`.
//!
//! These two files and no other source: a static binary has no plug-ins to ask a directory server with, and a sandbox's
//! users are in its image. They are read at each start of a process with a user, since an image's script may add one.

use std::fs::File;
use std::io::{self, Read};

/// The most of either file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// What a process is to run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: Option<User>,
    pub(crate) group: Option<u32>,
    /// The groups beside it; `None` leaves the agent's.
    pub(crate) groups: Option<Vec<u32>>,
}

/// A user, and what its environment says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// Why there is no such user or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// `user` or `group`.
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

/// Looks up what is configured, by names or numbers.
///
/// # Errors
/// A name is not known, or a file cannot be read. A number that no file knows is as good as any, but brings no group:
/// in the agent's own, which is often root's, it could read what it should not.
pub(crate) fn identity(user: Option<&str>, group: Option<&str>) -> Result<Identity, Unknown> {
    let users = if user.is_some() { read("/etc/passwd", "user")? } else { String::new() };
    let groups = if user.or(group).is_some() { read("/etc/group", "group")? } else { String::new() };
    identity_in(&users, &groups, user, group)
}

fn identity_in(users: &str, groups: &str, user: Option<&str>, group: Option<&str>) -> Result<Identity, Unknown> {
    let found = user.map(|user| user_in(users, user)).transpose()?;
    let group = group.map(|group| group_in(groups, group)).transpose()?;
    let group = group.or(found.as_ref().and_then(|(_, group)| *group));
    if let (Some((user, _)), None) = (&found, group) {
        let reason = format!("user {} has no entry in /etc/passwd: set `group` as well", user.id);
        return Err(Unknown { key: "user", reason });
    }
    let beside = found.as_ref().map(|(user, _)| {
        let mut beside = groups_of(groups, &user.name);
        beside.extend(group.filter(|group| !beside.contains(group)));
        beside
    });
    Ok(Identity { user: found.map(|(user, _)| user), group, groups: beside })
}

fn user_in(users: &str, wanted: &str) -> Result<(User, Option<u32>), Unknown> {
    let number = wanted.parse::<u32>().ok();
    let found = entries(users).filter_map(|fields| {
        let [name, _, id, group, _, home, shell, ..] = fields.as_slice() else { return None };
        let id: u32 = id.parse().ok()?;
        let user = User { id, name: (*name).to_owned(), home: or(home, "/"), shell: or(shell, "/bin/sh") };
        Some((user, group.parse().ok()))
    });
    let found: Vec<_> = found.collect();
    let by_name = found.iter().find(|(user, _)| user.name == wanted);
    let found = by_name.or_else(|| found.iter().find(|(user, _)| Some(user.id) == number)).cloned();
    match (found, number) {
        (Some(found), _) => Ok(found),
        (None, Some(id)) => {
            Ok((User { id, name: wanted.to_owned(), home: "/".to_owned(), shell: "/bin/sh".to_owned() }, None))
        }
        (None, None) => Err(Unknown { key: "user", reason: format!("no user is called {wanted:?} in /etc/passwd") }),
    }
}

fn group_in(groups: &str, wanted: &str) -> Result<u32, Unknown> {
    let number = wanted.parse::<u32>().ok();
    let found = entries(groups).find_map(|fields| match fields.as_slice() {
        [name, _, id, ..] if *name == wanted => id.parse().ok(),
        _ => None,
    });
    let unknown = || Unknown { key: "group", reason: format!("no group is called {wanted:?} in /etc/group") };
    found.or(number).ok_or_else(unknown)
}

/// The groups that list a user.
fn groups_of(groups: &str, user: &str) -> Vec<u32> {
    let listed = entries(groups).filter_map(|fields| match fields.as_slice() {
        [_, _, id, members, ..] if members.split(',').any(|member| member == user) => id.parse().ok(),
        _ => None,
    });
    listed.collect()
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(':').collect())
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

fn read(path: &str, key: &'static str) -> Result<String, Unknown> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text)) {
        // An image without users has numbers.
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(failed) => Err(Unknown { key, reason: format!("{path} cannot be read: {failed}") }),
        Ok(_) => Ok(String::from_utf8_lossy(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\n# a remark\nweb:x:33:33::/srv:\n1000:x:7:8::/odd:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nweb:x:33:\nlogs:x:40:other,web\ndocker:x:41:web\n";

    fn look(user: Option<&str>, group: Option<&str>) -> Result<Identity, Unknown> {
        identity_in(USERS, GROUPS, user, group)
    }

    #[test]
    fn a_user_brings_its_groups_and_its_home() {
        let found = look(Some("web"), None).unwrap();
        let user = found.user.unwrap();
        assert_eq!((user.id, user.home.as_str(), user.shell.as_str()), (33, "/srv", "/bin/sh"));
        assert_eq!((found.group, found.groups), (Some(33), Some(vec![40, 41, 33])));
        assert_eq!(look(Some("33"), None).unwrap().group, Some(33));
        let found = look(Some("web"), Some("logs")).unwrap();
        assert_eq!((found.group, found.groups), (Some(40), Some(vec![40, 41])));
    }

    #[test]
    fn a_number_needs_no_entry_and_a_name_comes_before_a_number() {
        let alone = look(Some("4711"), None).unwrap_err();
        assert!(alone.key == "user" && alone.reason.ends_with("set `group` as well"), "{alone:?}");
        let found = look(Some("4711"), Some("12")).unwrap();
        assert_eq!((found.group, found.groups), (Some(12), Some(vec![12])));
        assert_eq!(found.user.unwrap().home, "/");
        assert_eq!(look(Some("1000"), None).unwrap().user.unwrap().id, 7);
        assert_eq!(look(None, Some("99")), Ok(Identity { user: None, group: Some(99), groups: None }));
    }

    #[test]
    fn an_unknown_name_is_told_with_its_key() {
        assert_eq!(look(Some("wbe"), None).unwrap_err().key, "user");
        assert_eq!(look(Some("web"), Some("wbe")).unwrap_err().key, "group");
    }
}
