//! `/proc/self/mountinfo`, as proc_pid_mountinfo(5) describes it: what is mounted where.
//!
//! Whoever mounts chooses names, and they are bytes: what is no UTF-8 in them becomes U+FFFD, and concerns no other mount.

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The folder that it is mounted on.
    pub(crate) point: String,
    /// Such as `ext4`.
    pub(crate) kind: String,
    /// What is mounted, such as `/dev/sda1`; with file systems that need no device, any word.
    pub(crate) source: String,
}

impl Mount {
    /// All of them, in the order in which they were mounted. A line of another form is left out.
    pub(crate) fn parse(content: &[u8]) -> Vec<Self> {
        String::from_utf8_lossy(content).lines().filter_map(Self::parse_line).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        // Optional fields stand before the separator, so that only what is around it has a fixed place.
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut filesystem = filesystem.split(' ');
        Some(Self {
            point: unescape(mount.split(' ').nth(4)?),
            kind: unescape(filesystem.next()?),
            source: unescape(filesystem.next()?),
        })
    }

    /// The mount on which a path lies: the deepest one around it, and the last of several in the same place, which hides
    /// the others.
    pub(crate) fn of<'a>(path: &str, mounts: &'a [Self]) -> Option<&'a Self> {
        let is_around = |mount: &&Self| match path.strip_prefix(mount.point.trim_end_matches('/')) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        mounts.iter().filter(is_around).max_by_key(|mount| mount.point.len())
    }
}

/// The kernel writes space, tab, line feed and backslash as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        match byte {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
        27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard\n\
        22 27 0:21 / /proc rw - proc proc rw\n\
        broken\n\
        30 27 8:1 / /data rw - ext4 /dev/sda1 rw\n\
        31 27 8:2 / /data rw - xfs /dev/sdb1 rw\n\
        32 27 0:50 / /my\\040files\\134x rw - tmpfs none rw\n";

    #[test]
    fn the_fields_around_the_separator_are_read() {
        let mounts = Mount::parse(MOUNTINFO.as_bytes());
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[0], Mount { point: "/".into(), kind: "ext4".into(), source: "/dev/vda".into() });
        assert_eq!(mounts[4].point, "/my files\\x");
    }

    #[test]
    fn a_name_that_is_no_text_concerns_its_own_mount_alone() {
        let content = [MOUNTINFO.as_bytes(), b"33 27 0:51 / /x\xff rw - tmpfs a\xfe\xffb rw\n"].concat();
        let mounts = Mount::parse(&content);
        assert_eq!(mounts[..5], Mount::parse(MOUNTINFO.as_bytes()));
        assert_eq!((&*mounts[5].point, &*mounts[5].source), ("/x\u{fffd}", "a\u{fffd}\u{fffd}b"));
    }

    #[test]
    fn the_deepest_and_last_mount_is_the_path_s() {
        let mounts = Mount::parse(MOUNTINFO.as_bytes());
        for (path, source) in [
            ("/", "/dev/vda"),
            ("/database", "/dev/vda"),
            ("/data", "/dev/sdb1"),
            ("/data/x", "/dev/sdb1"),
            ("/my files\\x/y", "none"),
        ] {
            assert_eq!(Mount::of(path, &mounts).unwrap().source, source, "{path}");
        }
        assert_eq!(Mount::of("/", &mounts[1..]), None);
    }

    #[test]
    fn what_is_no_escape_stays() {
        for (field, text) in
            [("a\\040b", "a b"), ("\\", "\\"), ("\\04", "\\04"), ("\\xyz", "\\xyz"), ("\\777", "\\777")]
        {
            assert_eq!(unescape(field), text);
        }
    }
}
