//! CPU time and memory of a process, and the cores that processes run on, from `/proc` and the scheduler.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The kernel's clock tick in `/proc`, which is the same on every Linux that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that a process has used so far.
pub(crate) fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let run = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok();
    let precise: u64 = tasks.filter_map(run).filter_map(|line| nth(&line, 0)).sum();
    if precise > 0 {
        return Duration::from_nanos(precise);
    }
    // Kernels without scheduler statistics: in ticks.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let (user, system) = (nth(after_name, 11).unwrap_or(0), nth(after_name, 12).unwrap_or(0));
    ticks(user + system)
}

/// The CPU time that the whole machine has been busy, all cores together.
pub(crate) fn machine_busy() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal, after the word "cpu"
    ticks([1, 2, 3, 6, 7, 8].iter().filter_map(|&at| nth(line, at)).sum())
}

/// Resident memory of a process, in bytes.
pub(crate) fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(nth(line, 0)? * 1024)
}

fn nth(line: &str, at: usize) -> Option<u64> {
    line.split_whitespace().nth(at)?.parse().ok()
}

fn ticks(count: u64) -> Duration {
    TICK * u32::try_from(count).unwrap_or(u32::MAX)
}

/// Which core does what. With fewer than three, the mock provider shares the load generator's; with one, all do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// The load generator's.
    pub(crate) load: usize,
    /// That of what is measured, and of nothing else.
    pub(crate) measured: usize,
    /// The mock provider's, behind a proxy.
    pub(crate) mock: usize,
    /// How many there are.
    pub(crate) count: usize,
}

impl Cores {
    /// Of those that this process may use.
    pub(crate) fn find() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
        Self::of(&all).ok_or_else(|| io::Error::other("no core may be used"))
    }

    fn of(all: &[usize]) -> Option<Self> {
        let load = *all.first()?;
        let measured = *all.get(1).unwrap_or(&load);
        Some(Self { load, measured, mock: *all.get(2).unwrap_or(&load), count: all.len() })
    }
}

/// Binds the running thread, and what it starts from now on, to a core.
pub(crate) fn bind(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// Allows this process and what it starts as many open files as may be had; gives how many.
pub(crate) fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_use_is_read_and_grows() {
        let pid = std::process::id();
        let before = cpu(pid);
        let mut sum = 0_u64;
        while cpu(pid) < before + Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(machine_busy() > Duration::ZERO);
        assert!(memory(pid).is_some_and(|bytes| bytes > 100 * 1024));
    }

    #[test]
    fn what_is_measured_has_a_core_of_its_own_where_there_are_two() {
        let two = Cores::of(&[4, 6]).unwrap();
        assert_eq!((two.load, two.measured, two.mock), (4, 6, 4));
        let three = Cores::of(&[0, 1, 2]).unwrap();
        assert_eq!((three.load, three.measured, three.mock), (0, 1, 2));
        let one = Cores::of(&[0]).unwrap();
        assert_eq!((one.load, one.measured, one.mock), (0, 0, 0));
        assert!(Cores::of(&[]).is_none());
    }
}
