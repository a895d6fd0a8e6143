//! File descriptors: as many as there may be connections, and some for everything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::events::IN_FLIGHT;

/// For the store, certificates, and connections that are just ending.
const OTHERS: u64 = 128;
/// Of each webhook.
const POSTS: u64 = IN_FLIGHT as u64;

/// Raises the limit of this process as far as it takes for so many connections, and those of so many webhooks, and as
/// the system lets it. Returns how many there can be, and says so where they are fewer; then accepting works on, instead
/// of failing.
pub(super) fn fit(connections: usize, webhooks: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let others = POSTS.saturating_mul(u64::try_from(webhooks).unwrap_or(u64::MAX)).saturating_add(OTHERS);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(others);
    if current.is_none_or(|current| current >= wanted) {
        return connections;
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let allowed = if raised.is_ok() { maximum } else { current };
    let fitting = fitting(connections, allowed, others);
    if fitting < connections {
        tracing::warn!(
            max_connections = connections,
            descriptors = allowed,
            "this process may open too few files for `hub.max_connections`, and takes {fitting} connections at most; \
             raise its limit (`ulimit -n`, `LimitNOFILE=`) or lower the setting"
        );
    }
    fitting
}

/// How many connections can be with so many descriptors, of which so many are for others; at least one.
fn fitting(connections: usize, allowed: Option<u64>, others: u64) -> usize {
    let room = allowed.map_or(u64::MAX, |allowed| allowed.saturating_sub(others).max(1));
    connections.min(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_left_for_others() {
        assert_eq!(fitting(4096, None, OTHERS), 4096);
        assert_eq!(fitting(4096, Some(1 << 20), OTHERS), 4096);
        assert_eq!(fitting(4096, Some(1024), OTHERS), 896);
        assert_eq!(fitting(4096, Some(100), OTHERS), 1);
    }
}
