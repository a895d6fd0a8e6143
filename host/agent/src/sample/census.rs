//! Counted over the sandbox's processes: file descriptors, and tasks where no controller counts them.
//!
//! May take long, so it belongs on a thread of its own (`inquiry`). A process that ends meanwhile does not count. What
//! can be counted in part only, because processes belong to another user or are too many, is not told at all.
//! Formats: proc_pid_stat(5), proc_pid_fd(5).

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::PROC_SUPER_MAGIC;
use rustix::io::Errno;

use super::files;
use super::scope::Scope;

/// Counting is given up after this.
const LONGEST: Duration = Duration::from_secs(2);
/// `PF_KTHREAD` among a task's flags: the kernel's own are not the sandbox's.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What was counted, each with the reason why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Census {
    /// Processes with their threads; None where that was not asked for.
    pub(super) tasks: Option<Result<u64, String>>,
    /// Open file descriptors.
    pub(super) open_files: Result<u64, String>,
}

/// Counts descriptors, and tasks only where `tasks_wanted`, because that takes longer.
///
/// # Errors
/// The processes are not known, are too many, or it took too long; for a person.
pub(super) fn count(root: &Path, scope: &Scope, tasks_wanted: bool) -> Result<Census, String> {
    count_until(root, scope, tasks_wanted, Instant::now() + LONGEST)
}

fn count_until(root: &Path, scope: &Scope, tasks_wanted: bool, deadline: Instant) -> Result<Census, String> {
    if hides_processes(root) {
        return Err("/proc hides the processes of other users from the agent".to_owned());
    }
    let processes = scope.processes(root)?;
    let sized = directories_tell_sizes(root);
    let mut tasks = Tally::default();
    let mut open_files = Tally::default();
    for process in &processes {
        let dir = root.join("proc").join(process.to_string());
        if tasks_wanted {
            tasks.add(tasks_of(&dir));
        }
        open_files.add(descriptors_of(&dir.join("fd"), sized, deadline));
        if Instant::now() >= deadline {
            return Err(format!("counting over {} processes takes more than {} s", processes.len(), LONGEST.as_secs()));
        }
    }
    Ok(Census {
        tasks: tasks_wanted.then(|| tasks.result("state", processes.len())),
        open_files: open_files.result("descriptors", processes.len()),
    })
}

/// A sum over processes, and how many of them it lacks.
#[derive(Debug, Default)]
struct Tally {
    sum: u64,
    unreadable: u64,
    why: Option<io::Error>,
}

impl Tally {
    fn add(&mut self, count: io::Result<u64>) {
        match count {
            Ok(count) => self.sum = self.sum.saturating_add(count),
            // It has ended.
            Err(e) if e.kind() == ErrorKind::NotFound || Errno::from_io_error(&e) == Some(Errno::SRCH) => {}
            Err(e) => {
                self.unreadable += 1;
                self.why = Some(e);
            }
        }
    }

    fn result(self, what: &str, of: usize) -> Result<u64, String> {
        match self.why {
            None => Ok(self.sum),
            Some(why) => Err(format!("the {what} of {} of {of} processes cannot be read: {why}", self.unreadable)),
        }
    }
}

/// The threads of a process; none for the kernel's own.
fn tasks_of(dir: &Path) -> io::Result<u64> {
    let stat = files::try_read(&dir.join("stat"))?;
    threads_in(&stat).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "its stat has an unknown form"))
}

/// The name before the last `)` may have anything in it. Behind it come the state (3rd field) to the flags (9th) and
/// the number of threads (20th).
fn threads_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let flags: u64 = fields.nth(6)?.parse().ok()?;
    let threads: u64 = fields.nth(10)?.parse().ok()?;
    Some(if flags & KERNEL_THREAD == 0 { threads } else { 0 })
}

fn descriptors_of(dir: &Path, sized: bool, deadline: Instant) -> io::Result<u64> {
    if sized {
        return Ok(fs::metadata(dir)?.len());
    }
    let mut count = 0;
    for entry in fs::read_dir(dir)? {
        entry?;
        count += 1;
        if count % 1024 == 0 && Instant::now() >= deadline {
            break;
        }
    }
    Ok(count)
}

/// Whether `/proc` is mounted with `hidepid`, which shows others' processes to root alone: those not shown would look
/// like those that have ended.
fn hides_processes(root: &Path) -> bool {
    let mounts = files::read_up_to(&root.join("proc/self/mountinfo"), files::MAX_MOUNTINFO).unwrap_or_default();
    !rustix::process::geteuid().is_root() && hidepid(&mounts)
}

fn hidepid(mounts: &str) -> bool {
    let options = mounts.lines().filter_map(|line| line.split_once(" - proc ")).map(|(_, kind)| kind);
    options
        .flat_map(|kind| kind.split([' ', ',']))
        .any(|option| option.strip_prefix("hidepid=").is_some_and(|mode| !["0", "off"].contains(&mode)))
}

/// Since Linux 6.2 a process's `fd` has as its size how many are in it, which anyone may see and costs one call. This
/// process has some open, so a size of 0 means an older kernel.
fn directories_tell_sizes(root: &Path) -> bool {
    let own = root.join("proc/self/fd");
    rustix::fs::statfs(&own).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC)
        && fs::metadata(&own).is_ok_and(|meta| meta.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    fn stat(name: &str, flags: u64, threads: u64) -> String {
        format!("7 ({name}) S 1 7 7 0 -1 {flags} 100 0 0 0 5 6 0 0 20 0 {threads} 0 1234 1 1")
    }

    #[test]
    fn threads_and_descriptors_are_summed_over_the_processes() {
        let tree = Tree::new("0::/\n")
            .file("proc/7/stat", &stat("a) S (b", 4_194_304, 3))
            .file("proc/7/fd/0", "")
            .file("proc/7/fd/1", "")
            .file("proc/8/stat", &stat("kworker/0:1", KERNEL_THREAD | 64, 1))
            .file("proc/9/stat", &stat("c", 0, 1))
            .file("proc/9/fd/255", "");
        let census = count(tree.root(), &Scope::Machine, true).unwrap();
        assert_eq!(census, Census { tasks: Some(Ok(4)), open_files: Ok(3) });
    }

    #[test]
    fn what_can_be_counted_in_part_only_is_named() {
        let tree = Tree::new("0::/\n")
            .file("proc/7/stat", "nonsense")
            .file("proc/7/fd", "no directory")
            .file("proc/9/stat", &stat("c", 0, 1))
            .file("proc/9/fd/0", "");
        let census = count(tree.root(), &Scope::Machine, true).unwrap();
        assert!(census.tasks.unwrap().unwrap_err().starts_with("the state of 1 of 2 processes cannot be read"));
        assert!(census.open_files.unwrap_err().starts_with("the descriptors of 1 of 2 processes cannot be read"));
    }

    #[test]
    fn it_does_not_take_longer_than_it_may() {
        let tree = Tree::new("0::/\n").file("proc/9/stat", &stat("c", 0, 1)).file("proc/9/fd/0", "");
        let reason = count_until(tree.root(), &Scope::Machine, false, Instant::now()).unwrap_err();
        assert!(reason.contains("takes more than"), "{reason}");
    }

    #[test]
    fn a_proc_that_hides_processes_is_told_by_its_mount() {
        for (options, hides) in
            [("rw", false), ("rw,hidepid=0", false), ("rw,gid=5,hidepid=2", true), ("rw,hidepid=invisible", true)]
        {
            let mounts = format!(
                "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n26 22 0:5 / /proc rw,nosuid shared:1 - proc proc {options}\n"
            );
            assert_eq!(hidepid(&mounts), hides, "{options}");
        }
    }

    #[test]
    fn odd_states_have_no_threads() {
        for odd in ["", ")", "7 (a) S", "7 (a) S 1 7 7 0 -1 x 100 0 0 0 5 6 0 0 20 0 3", "7 a S 1 1 1 1 1 1 1"] {
            assert_eq!(threads_in(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn both_ways_to_count_descriptors_agree() {
        let (deadline, own) = (Instant::now() + LONGEST, Path::new("/proc/self/fd"));
        if directories_tell_sizes(Path::new("/")) {
            // Other tests open and close files meanwhile.
            let (sized, listed) =
                (descriptors_of(own, true, deadline).unwrap(), descriptors_of(own, false, deadline).unwrap());
            assert!(sized.abs_diff(listed) < 100, "{sized} by size, {listed} by list");
        }
        assert!(descriptors_of(own, false, deadline).unwrap() >= 3);
    }
}
