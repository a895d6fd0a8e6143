//! A control group of a test's own, in whichever version lets it make one, with shells in it. What is in it is killed,
//! and the group removed, when it is dropped.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::{Config, Sampler};
use super::eventually;

const V1_CONTROLLERS: [&str; 4] = ["cpu", "cpuacct", "memory", "pids"];

pub(super) struct Confined {
    pub(super) v2: bool,
    /// One in version 2; in version 1 one for each controller, in the order of [`V1_CONTROLLERS`].
    dirs: Vec<PathBuf>,
    shells: Vec<Child>,
}

impl Confined {
    /// With controllers of either version. None where this process may not make groups; then the caller's test has
    /// nothing to hold a figure against, and asserts what is said instead.
    pub(super) fn make(name: &str) -> Option<Self> {
        let name = format!("sandbeat-test-{}-{name}", std::process::id());
        let v1: Option<Vec<PathBuf>> = V1_CONTROLLERS.iter().map(|controller| mount("cgroup", controller)).collect();
        match v1 {
            Some(points) => Self::within(false, points.iter().map(|point| point.join(&name)).collect()),
            None => {
                let point = mount("cgroup2", "rw")?;
                // Where this fails, the files are there already or the check below tells.
                let _ = fs::write(point.join("cgroup.subtree_control"), "+cpu +memory +pids");
                Self::within(true, vec![point.join(&name)]).filter(|group| group.dirs[0].join("memory.max").exists())
            }
        }
    }

    /// In version 2 without any controller, which hosts with version 1 have beside it.
    pub(super) fn make_bare(name: &str) -> Option<Self> {
        let name = format!("sandbeat-test-{}-{name}", std::process::id());
        Self::within(true, vec![mount("cgroup2", "rw")?.join(name)])
    }

    fn within(v2: bool, dirs: Vec<PathBuf>) -> Option<Self> {
        let made = Confined { v2, dirs, shells: Vec::new() };
        made.dirs.iter().all(|dir| dir.is_dir() || fs::create_dir(dir).is_ok()).then_some(made)
    }

    /// A file of the group's: what version 1 and version 2 call it.
    pub(super) fn file(&self, (controller, v1): (&str, &str), v2: &str) -> PathBuf {
        let index = V1_CONTROLLERS.iter().position(|known| *known == controller).unwrap();
        if self.v2 { self.dirs[0].join(v2) } else { self.dirs[index].join(v1) }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dirs[0]
    }

    /// Runs a script in the group.
    pub(super) fn shell(&mut self, script: &str) -> u32 {
        let enter: String =
            self.dirs.iter().map(|dir| format!("echo $$ > {}/cgroup.procs || exit 97\n", dir.display())).collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{enter}{script}")]).stdin(Stdio::piped()).stdout(Stdio::null());
        let shell = shell.spawn().unwrap();
        let id = shell.id();
        self.shells.push(shell);
        eventually("the shell is in its groups", || {
            self.dirs.iter().all(|dir| processes(dir).contains(&id)).then_some(())
        });
        id
    }

    /// Lets the shell's `read` go on.
    pub(super) fn go_on(&mut self) {
        use std::io::Write;
        self.shells[0].stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub(super) fn processes(&self) -> BTreeSet<u32> {
        processes(&self.dirs[0])
    }
}

/// As the agent would measure it if it was started beside a process.
pub(super) fn sampler_of(process: u32) -> Sampler {
    let config = Config { sandbox_id: "s".to_owned(), session_ports: Vec::new(), disks: Vec::new() };
    Sampler::of(config, Path::new("/"), Path::new(&format!("/proc/{process}")), Instant::now())
}

impl Drop for Confined {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let left: BTreeSet<u32> = self.dirs.iter().flat_map(|dir| processes(dir)).collect();
            for process in &left {
                let process = i32::try_from(*process).ok().and_then(Pid::from_raw);
                let _ = process.map(|process| kill_process(process, Signal::KILL));
            }
            for shell in &mut self.shells {
                let _ = shell.try_wait();
            }
            self.dirs.retain(|dir| dir.exists() && fs::remove_dir(dir).is_err());
            if self.dirs.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        for shell in &mut self.shells {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

fn processes(dir: &Path) -> BTreeSet<u32> {
    let list = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Where a hierarchy is mounted as a whole with an option.
fn mount(kind: &str, option: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let found = mounts.lines().map(|line| line.split(' ').collect::<Vec<&str>>()).find(|fields| {
        fields.get(2) == Some(&kind) && fields.get(3).is_some_and(|options| options.split(',').any(|one| one == option))
    })?;
    Some(PathBuf::from(found[1]))
}
