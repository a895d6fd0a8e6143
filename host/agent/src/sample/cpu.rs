//! CPU: time used by the sandbox, the cores that it may use, and how its quota held it back.
//!
//! Sources: `cpu.stat` and `cpu.max` (version 2), `cpuacct.usage`, `cpu.stat` and `cpu.cfs_quota_us` (version 1), as in
//! the kernel's admin-guide. Limits are read each time, because an orchestrator may change them while the sandbox runs.

use std::path::PathBuf;
use std::time::Duration;

use sandbeat_status::{Source, Throttling};

use super::cgroup::{Group, Groups};
use super::files;

/// Reads the CPU figures of one set of groups.
#[derive(Clone, Debug)]
pub(super) struct Cpu {
    usage: Option<(Source, Group)>,
    quota: Option<(Source, Group)>,
    cpuset: Option<Group>,
}

/// A quota, and the group that has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quota {
    pub(super) cores: f64,
    dir: PathBuf,
    source: Source,
}

impl Cpu {
    pub(super) fn new(groups: &Groups) -> Self {
        let v1 = |controller: &str| groups.v1.get(controller).cloned().map(|group| (Source::Cgroup1, group));
        // `cpu.stat` is in every version 2 group, even where version 1 does the accounting.
        let v2 = |controller: &str| groups.v2_with(controller).cloned().map(|group| (Source::Cgroup2, group));
        Cpu {
            usage: v2("cpuacct").or_else(|| v1("cpuacct")),
            quota: v2("cpu").or_else(|| v1("cpu")),
            cpuset: v2("cpuset").or_else(|| v1("cpuset")).map(|(_, group)| group),
        }
    }

    /// Where [`Cpu::used`] comes from; [`Source::Machine`] when no group says anything.
    pub(super) fn source(&self) -> Source {
        self.usage.as_ref().map_or(Source::Machine, |(source, _)| *source)
    }

    /// CPU time used by the group since it was made.
    pub(super) fn used(&self) -> Option<Duration> {
        match self.usage.as_ref()? {
            (Source::Cgroup1, group) => files::number(&group.file("cpuacct.usage")).map(Duration::from_nanos),
            (_, group) => files::field(&files::read(&group.file("cpu.stat"))?, "usage_usec").map(Duration::from_micros),
        }
    }

    /// The least quota upward, which is the one that holds the sandbox back.
    pub(super) fn quota(&self) -> Option<Quota> {
        let (source, group) = self.quota.as_ref()?;
        let name = match source {
            Source::Cgroup1 => "cpu.cfs_quota_us",
            _ => "cpu.max",
        };
        let quotas = group.files_upward(name).filter_map(|path| {
            let text = files::read(&path)?;
            let cores = match source {
                Source::Cgroup1 => v1_quota(text.trim(), files::number(&path.with_file_name("cpu.cfs_period_us"))?),
                _ => v2_quota(&text),
            }?;
            Some(Quota { cores, dir: path.parent()?.to_owned(), source: *source })
        });
        quotas.reduce(|least, quota| if quota.cores < least.cores { quota } else { least })
    }

    /// Cores that the sandbox may use: the least of the quota, the cpuset, and what the scheduler allows this process
    /// (`affinity`). The cpuset's effective set has its ancestors' in it.
    pub(super) fn limit_cores(&self, quota: Option<&Quota>, affinity: Option<f64>) -> Option<f64> {
        let cpuset = self.cpuset.as_ref().and_then(cpuset);
        affinity.into_iter().chain(cpuset).chain(quota.map(|quota| quota.cores)).reduce(f64::min)
    }
}

impl Quota {
    /// What the kernel says of it.
    pub(super) fn throttling(&self) -> Option<Throttling> {
        let stat = files::read(&self.dir.join("cpu.stat"))?;
        let throttled = match self.source {
            Source::Cgroup1 => Duration::from_nanos(files::field(&stat, "throttled_time")?),
            _ => Duration::from_micros(files::field(&stat, "throttled_usec")?),
        };
        Some(Throttling {
            periods: files::field(&stat, "nr_periods")?,
            throttled_periods: files::field(&stat, "nr_throttled")?,
            throttled_secs: throttled.as_secs_f64(),
        })
    }
}

/// `50000 100000` is half a core; `max 100000` is no limit.
fn v2_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    cores(quota.parse().ok()?, period.parse().ok()?)
}

/// A quota of -1 is no limit.
fn v1_quota(quota: &str, period: u64) -> Option<f64> {
    cores(quota.parse().ok()?, period)
}

fn cores(quota: u64, period: u64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

fn cpuset(group: &Group) -> Option<f64> {
    ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"]
        .iter()
        .find_map(|name| count_cpus(files::read(&group.file(name))?.trim()))
}

/// How many CPUs a list such as `0-3,7` has; none when it is empty or not a list.
fn count_cpus(list: &str) -> Option<f64> {
    let count = list.split(',').try_fold(0_u32, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })?;
    Some(f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tree::Tree;

    fn cpu(tree: &Tree) -> Cpu {
        Cpu::new(&Groups::locate(tree.root(), &tree.own(), &tree.mounts()))
    }

    fn limit(tree: &Tree, affinity: Option<f64>) -> Option<f64> {
        let cpu = cpu(tree);
        cpu.limit_cores(cpu.quota().as_ref(), affinity)
    }

    #[test]
    fn the_least_quota_upward_is_the_limit() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n")
            .file("sys/fs/cgroup/a/cpu.max", "150000 100000\n")
            .file("sys/fs/cgroup/a/b/cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
        assert_eq!(limit(&tree, Some(8.0)), Some(1.5));
        assert_eq!(cpu(&tree).used(), Some(Duration::from_millis(2500)));
        assert_eq!(cpu(&tree).source(), Source::Cgroup2);
        tree.write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        assert_eq!(limit(&tree, Some(8.0)), Some(4.0));
        assert_eq!(limit(&tree, Some(2.0)), Some(2.0));
    }

    #[test]
    fn a_cpuset_limits_as_well() {
        let tree = Tree::v2("/a").file("sys/fs/cgroup/a/cpuset.cpus.effective", "0-1,5\n");
        assert_eq!(limit(&tree, Some(8.0)), Some(3.0));
        assert_eq!(limit(&tree, None), Some(3.0));
    }

    #[test]
    fn version_1_has_a_hierarchy_per_controller() {
        let tree = Tree::new("3:cpuset:/\n2:cpu,cpuacct:/docker/x\n")
            .mount("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
            .file("sys/fs/cgroup/cpu,cpuacct/docker/x/cpuacct.usage", "3000000000\n")
            .file("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1\n")
            .file("sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n")
            .file("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "50000\n")
            .file("sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
        assert_eq!(cpu(&tree).source(), Source::Cgroup1);
        assert_eq!(cpu(&tree).used(), Some(Duration::from_secs(3)));
        assert_eq!(limit(&tree, Some(4.0)), Some(0.5));
    }

    #[test]
    fn throttling_is_that_of_the_quota_that_counts() {
        let tree = Tree::v2("/a/b")
            .file("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n")
            .file("sys/fs/cgroup/a/b/cpu.stat", "usage_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n")
            .file("sys/fs/cgroup/a/cpu.max", "150000 100000\n")
            .file("sys/fs/cgroup/a/cpu.stat", "usage_usec 9\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2500000\n");
        let throttling = cpu(&tree).quota().unwrap().throttling();
        assert_eq!(throttling, Some(Throttling { periods: 10, throttled_periods: 4, throttled_secs: 2.5 }));
        tree.write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
        assert_eq!(cpu(&tree).quota().unwrap().throttling().unwrap().periods, 0);
        tree.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        assert_eq!(cpu(&tree).quota(), None, "nothing is limited");
    }

    #[test]
    fn version_1_throttles_in_nanoseconds() {
        let tree = Tree::new("2:cpu:/x\n")
            .mount("/", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu")
            .file("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "50000\n")
            .file("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n")
            .file("sys/fs/cgroup/cpu/x/cpu.stat", "nr_periods 8\nnr_throttled 8\nthrottled_time 1500000000\n");
        let throttling = cpu(&tree).quota().unwrap().throttling();
        assert_eq!(throttling, Some(Throttling { periods: 8, throttled_periods: 8, throttled_secs: 1.5 }));
        tree.write("sys/fs/cgroup/cpu/x/cpu.stat", "nr_periods 8\n");
        assert_eq!(cpu(&tree).quota().unwrap().throttling(), None);
    }

    #[test]
    fn odd_quotas_are_no_limits() {
        for odd in ["", "max", "max 100000", "50000", "0 100000", "50000 0", "-1 100000", "a b", "1e5 100000"] {
            assert_eq!(v2_quota(odd), None, "{odd:?}");
        }
        for (odd, period) in [("-1", 100_000), ("0", 100_000), ("50000", 0), ("", 100_000), ("99999999999999999999", 1)]
        {
            assert_eq!(v1_quota(odd, period), None, "{odd:?}");
        }
    }

    #[test]
    fn a_hybrid_hosts_version_2_group_does_not_count() {
        let tree = Tree::new("2:cpuacct:/\n1:cpu:/\n0::/user\n")
            .mount("/", "/sys/fs/cgroup/cpuacct", "cgroup", "rw,cpuacct")
            .mount("/", "/sys/fs/cgroup/cpu", "cgroup", "rw,cpu")
            .mount("/", "/sys/fs/cgroup/unified", "cgroup2", "rw")
            .file("sys/fs/cgroup/cpuacct/release_agent", "")
            .file("sys/fs/cgroup/cpu/release_agent", "")
            .file("sys/fs/cgroup/unified/user/cgroup.events", "")
            .file("sys/fs/cgroup/unified/user/cpu.stat", "usage_usec 5\n");
        assert_eq!(cpu(&tree).source(), Source::Machine);
        assert_eq!(cpu(&tree).used(), None);
        assert_eq!(limit(&tree, Some(4.0)), Some(4.0));
    }

    #[test]
    fn lists_of_cpus_are_counted() {
        assert_eq!(count_cpus("0-3,7"), Some(5.0));
        assert_eq!(count_cpus("2"), Some(1.0));
        for bad in ["", "x", "3-1", "1-", "0-4294967295", "-1", "0-1,", "0,,1"] {
            assert_eq!(count_cpus(bad), None, "{bad:?}");
        }
    }
}
