//! The collector `cgroup` on this machine, held against an independent reading.
