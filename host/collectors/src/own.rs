//! What of `/proc` is the agent's own: its names, and what of it no collector may see.

/// What of the agent's own process may be granted; its environment and memory hold secrets.
const HARMLESS: [&str; 8] = ["cgroup", "io", "limits", "mountinfo", "mounts", "net", "stat", "status"];

/// All names of a place that the kernel names by the agent's process id: `/proc/self` and `/proc/net` are links there.
pub(crate) fn names(place: &str) -> Vec<String> {
    let mut names = vec![place.to_owned()];
    if let Some(rest) = below_own_process(place) {
        names.push(format!("/proc/self/{rest}"));
        if rest == "net" || rest.starts_with("net/") {
            names.push(format!("/proc/{rest}"));
        }
    }
    names
}

/// Whether a place shows what is the agent's own affair.
pub(crate) fn is_private(place: &str) -> bool {
    below_own_process(place).is_some_and(|rest| {
        let rest = match rest.strip_prefix("task/") {
            Some(thread) => thread.split_once('/').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let first = rest.split('/').next().unwrap_or_default();
        !first.is_empty() && !HARMLESS.contains(&first)
    })
}

fn below_own_process(place: &str) -> Option<&str> {
    let rest = place.strip_prefix("/proc/")?;
    let (process, rest) = rest.split_once('/').unwrap_or((rest, ""));
    (process == std::process::id().to_string()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_private_but_for_what_is_harmless() {
        let own = |rest: &str| format!("/proc/{}/{rest}", std::process::id());
        for rest in ["environ", "mem", "maps", "fd", "task/1/environ", "cwd"] {
            assert!(is_private(&own(rest)), "{rest}");
        }
        for rest in ["net/dev", "status", "task/1/stat", "task/1", ""] {
            assert!(!is_private(&own(rest)), "{rest}");
        }
        assert!(!is_private("/proc/1/environ") && !is_private("/etc/environ"));
    }

    #[test]
    fn the_links_of_proc_are_names_as_well() {
        let place = format!("/proc/{}/net/dev", std::process::id());
        assert_eq!(names(&place), [place.as_str(), "/proc/self/net/dev", "/proc/net/dev"]);
        assert_eq!(names("/proc/net/dev"), ["/proc/net/dev"]);
    }
}
