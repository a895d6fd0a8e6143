//! Where hierarchies of control groups are mounted, and which directory of them is whose: `/proc/self/cgroup` and
//! `/proc/self/mountinfo`, as cgroups(7), cgroup_namespaces(7) and proc_pid_mountinfo(5) describe them. Pure.

/// A mounted hierarchy, or the part of one that is seen at `point`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    root: String,
    point: String,
    /// Of version 1; none in version 2.
    controllers: Vec<String>,
    is_v2: bool,
}

/// A line of `/proc/self/cgroup`, such as `4:memory:/a/b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership<'a> {
    /// None in version 2.
    pub(crate) controllers: Vec<&'a str>,
    pub(crate) path: &'a str,
}

/// A directory that may be a group's, and where its hierarchy is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) dir: String,
    pub(crate) top: String,
}

impl Mount {
    /// Those of control groups, in the kernel's order.
    pub(crate) fn parse(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse_line).collect()
    }

    /// A line such as `32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu`.
    fn parse_line(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3).map(unescape);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let is_v2 = match kind.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let options = kind.nth(1).unwrap_or_default().split(',').filter(|_| !is_v2);
        Some(Self { root, point, controllers: options.map(str::to_owned).collect(), is_v2 })
    }

    /// Whether it shows version 2, or the hierarchy of version 1 that has a controller.
    pub(crate) fn shows(&self, controller: Option<&str>) -> bool {
        match controller {
            None => self.is_v2,
            Some(controller) => !self.is_v2 && self.controllers.iter().any(|one| one == controller),
        }
    }
}

impl<'a> Membership<'a> {
    /// All of a process's; a line of another form is left out.
    pub(crate) fn parse(text: &'a str) -> Vec<Self> {
        let line = |line: &'a str| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let controllers = controllers.split(',').filter(|name| !name.is_empty()).collect();
            path.starts_with('/').then_some(Self { controllers, path })
        };
        text.lines().filter_map(line).collect()
    }

    /// Where the group may be found among mounts that show its hierarchy, the likeliest first.
    ///
    /// A mount shows it when the mount's root is the group or above it. In a container, a path that no mount shows is
    /// the host's name for what is mounted, so what the first mount shows at its top comes last.
    ///
    /// # Errors
    /// It cannot be found, for a person.
    pub(crate) fn places<'m>(&self, mounts: impl Iterator<Item = &'m Mount>) -> Result<Vec<Place>, &'static str> {
        if self.path.ends_with(" (deleted)") {
            return Err("the group has been removed");
        }
        if climbs(self.path) {
            return Err("the group is outside of the cgroup namespace");
        }
        let mut seen = false;
        let (mut places, mut tops) = (Vec::new(), Vec::new());
        for mount in mounts {
            seen = true;
            if climbs(&mount.root) {
                continue;
            }
            let top = mount.point.trim_end_matches('/').to_owned();
            if let Some(rest) = below(self.path, &mount.root) {
                places.push(Place { dir: format!("{top}{rest}"), top: top.clone() });
            }
            tops.push(Place { dir: top.clone(), top });
        }
        places.extend(tops.into_iter().take(1));
        match (seen, places.is_empty()) {
            (false, _) => Err("the hierarchy is not mounted"),
            (true, true) => Err("what is mounted is outside of the cgroup namespace"),
            (true, false) => Ok(places),
        }
    }
}

/// What of a path follows a folder: nothing, or `/` and more.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
    match rest {
        "" | "/" => Some(""),
        _ => rest.starts_with('/').then_some(rest),
    }
}

/// What lies outside of the namespace is shown with `..`; the names between are not known.
fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// Spaces and the like are written as `\040` in octal.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(&part[3..]);
            }
            None => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = include_str!("../tests/recorded/hybrid/mountinfo");

    fn places(mounts: &str, path: &str) -> Result<Vec<String>, &'static str> {
        let mounts = Mount::parse(mounts);
        let membership = Membership { controllers: vec![], path };
        let places = membership.places(mounts.iter().filter(|mount| mount.shows(None)))?;
        Ok(places.into_iter().map(|place| format!("{} of {}", place.dir, place.top)).collect())
    }

    fn v2(root: &str, point: &str) -> String {
        format!("42 23 0:13 {root} {point} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n")
    }

    #[test]
    fn hierarchies_are_told_from_other_mounts() {
        let mounts = Mount::parse(HYBRID);
        assert_eq!(mounts.len(), 10, "{mounts:#?}");
        let memory: Vec<_> = mounts.iter().filter(|mount| mount.shows(Some("memory"))).collect();
        assert_eq!(memory.len(), 1);
        assert_eq!((&*memory[0].root, &*memory[0].point), ("/", "/sys/fs/cgroup/memory"));
        assert_eq!(mounts.iter().filter(|mount| mount.shows(None)).count(), 1);
        let joint = Mount::parse("33 31 0:30 /d /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct");
        assert!(joint[0].shows(Some("cpuacct")) && joint[0].shows(Some("cpu")) && !joint[0].shows(Some("cpuset")));
        for odd in ["", " - ", "22 1 8:1 / /", "22 1 8:1 - cgroup2 x rw", "- - -"] {
            assert_eq!(Mount::parse(odd), [], "{odd:?}");
        }
    }

    #[test]
    fn a_membership_has_controllers_or_is_of_version_2() {
        let text = "5:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/x\nodd\n7:pids\n8:pids:relative\n";
        let of = |controllers: &[&'static str], path| Membership { controllers: controllers.to_vec(), path };
        assert_eq!(
            Membership::parse(text),
            [of(&["cpu", "cpuacct"], "/a:b"), of(&["name=systemd"], "/"), of(&[], "/x")]
        );
    }

    #[test]
    fn a_group_is_found_below_what_is_mounted() {
        let whole = v2("/", "/sys/fs/cgroup");
        let top = "/sys/fs/cgroup of /sys/fs/cgroup".to_owned();
        assert_eq!(places(&whole, "/"), Ok(vec![top.clone(), top.clone()]), "a namespace");
        assert_eq!(places(&whole, "/a/b"), Ok(vec!["/sys/fs/cgroup/a/b of /sys/fs/cgroup".to_owned(), top.clone()]));
        let part = v2("/docker/abc", "/sys/fs/cgroup");
        assert_eq!(places(&part, "/docker/abc"), Ok(vec![top.clone(), top.clone()]), "a container");
        assert_eq!(places(&part, "/docker/abc/in/ner").unwrap()[0], "/sys/fs/cgroup/in/ner of /sys/fs/cgroup");
        assert_eq!(places(&part, "/docker/abcd"), Ok(vec![top]), "the host's name");
        let two = v2("/x", "/mnt") + &v2("/", "/a\\040b");
        assert_eq!(places(&two, "/c").unwrap(), ["/a b/c of /a b", "/mnt of /mnt"]);
    }

    #[test]
    fn what_is_outside_of_the_namespace_is_not_guessed() {
        let whole = v2("/", "/sys/fs/cgroup");
        assert_eq!(places(&whole, "/../other"), Err("the group is outside of the cgroup namespace"));
        let outside = v2("/../..", "/sys/fs/cgroup");
        assert_eq!(places(&outside, "/"), Err("what is mounted is outside of the cgroup namespace"));
        assert_eq!(places(&whole, "/a (deleted)"), Err("the group has been removed"));
        assert_eq!(places("", "/a"), Err("the hierarchy is not mounted"));
        assert!(places(&whole, "/a..b").is_ok());
    }
}
