//! Who goes first when the machine is busy: the beat.
//!
//! On Linux a nice value belongs to a thread, and a thread has that of the one which started it. To lower it takes
//! `CAP_SYS_NICE` or `RLIMIT_NICE`; where neither is there, nothing is different and nothing is wrong.

use rustix::process::{getpriority_process, setpriority_process};

/// A thread with it has nine times the weight of one with 0 (`sched_prio_to_weight` of the kernel). The rest of the
/// range is left to those who must be before all others.
const NICE: i32 = -10;

/// Has the calling thread go before others, as far as the system lets it.
pub(crate) fn go_first() {
    // Lower already where the whole agent was started so.
    if getpriority_process(None).is_ok_and(|nice| nice <= NICE) {
        return;
    }
    if let Err(refused) = setpriority_process(None, NICE) {
        tracing::debug!("the beat's thread has no priority over others: {refused}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_threads_alone() {
        let nice = || getpriority_process(None).unwrap();
        let before = nice();
        let (first, refused) = std::thread::spawn(move || {
            go_first();
            (nice(), setpriority_process(None, NICE).is_err())
        })
        .join()
        .unwrap();
        assert_eq!(nice(), before);
        assert_eq!(first, if refused { before } else { before.min(NICE) });
    }
}
