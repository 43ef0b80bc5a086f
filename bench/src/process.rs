//! The resources used by a process, as Linux counts them (proc(5)).

use std::fs;
use std::io;
use std::ops::{Add, Sub};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::failure::Failure;

/// Clock ticks per second in `/proc/<pid>/stat`: `USER_HZ`, which is 100 on every architecture that Linux supports
/// today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The resources that a process has used since it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// CPU time in seconds, user and system, of all its threads.
    pub(crate) cpu_seconds: f64,
    /// The bytes that it caused to be written to storage.
    pub(crate) written_bytes: f64,
}

impl Usage {
    /// Reads the counters of a process.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        Ok(Self { cpu_seconds: ticks(&stat, 11)?, written_bytes: labelled(&io, "write_bytes:")? })
    }
}

impl Usage {
    /// Reads the counters of a process and its children, and the CPU time of children that have exited.
    pub(crate) fn of_family(parent_pid: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string(format!("/proc/{parent_pid}/stat"))?;
        let mut family = Self::of(parent_pid)?;
        family.cpu_seconds += ticks(&stat, 13)?;
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may exit while its files are read; its usage is then counted by its parent.
            if let (Ok(true), Ok(child)) = (parent(pid).map(|of| of == parent_pid), Self::of(pid)) {
                family.cpu_seconds += child.cpu_seconds;
                family.written_bytes += child.written_bytes;
            }
        }
        Ok(family)
    }
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Result<u32, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    fields(&stat).nth(1).and_then(|field| field.parse().ok()).ok_or_else(|| unreadable("ppid"))
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            written_bytes: self.written_bytes + other.written_bytes,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            written_bytes: self.written_bytes - earlier.written_bytes,
        }
    }
}

/// The resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<f64, Failure> {
    labelled(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")
}

/// The part of [`resident_kib`] that holds no file: heap and stacks. Pages of the binary and the libraries are the
/// system's cache, which it can reclaim.
pub(crate) fn anonymous_kib(pid: u32) -> Result<f64, Failure> {
    labelled(&fs::read_to_string(format!("/proc/{pid}/status"))?, "RssAnon:")
}

/// Raises the open-file limit of this process to the most that an unprivileged process may have.
pub(crate) fn raise_open_files() -> Result<(), Failure> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit).map_err(io::Error::from)?)
}

/// The open-file limit of this process.
pub(crate) fn open_files_allowed() -> Result<usize, Failure> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = labelled(&limits, "Max open files");
    // "unlimited" does not parse as a number.
    Ok(soft.map_or(usize::MAX, |files| files as usize))
}

/// The machine's load averages over 1, 5 and 15 minutes, as text. They show how busy the machine was.
pub(crate) fn load_average() -> Result<String, Failure> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// The fields after field 2, the name, which may contain any character.
fn fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace()
}

/// Two neighbouring fields, user and system, as seconds: 11 is the process itself, 13 its children that have exited.
fn ticks(stat: &str, first: usize) -> Result<f64, Failure> {
    let ticks: Option<Vec<f64>> = fields(stat).skip(first).take(2).map(|field| field.parse().ok()).collect();
    match ticks.as_deref() {
        Some([user, system]) => Ok((user + system) / TICKS_PER_SECOND),
        _ => Err(unreadable("utime")),
    }
}

fn labelled(text: &str, label: &str) -> Result<f64, Failure> {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).ok_or_else(|| unreadable(label))
}

fn unreadable(field: &str) -> Failure {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc has no readable {field}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 99";
        assert_eq!(ticks(stat, 11).unwrap(), 3.0);
        assert!(ticks("7 (a) S 1", 11).is_err());
    }

    #[test]
    fn labels_match_only_as_a_whole() {
        assert_eq!(labelled("VmHWM:\t 9 kB\nVmRSS:\t  1234 kB\n", "VmRSS:").unwrap(), 1234.0);
        assert!(labelled("VmRSS:\tmuch\n", "VmRSS:").is_err());
    }

    #[test]
    fn the_limit_of_open_files_goes_up_to_the_hard_one() {
        raise_open_files().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn the_usage_of_this_process_is_positive() {
        let pid = std::process::id();
        assert!(Usage::of(pid).unwrap().cpu_seconds >= 0.0);
        assert!(Usage::of_family(pid).unwrap().cpu_seconds >= 0.0);
        let (resident, anonymous) = (resident_kib(pid).unwrap(), anonymous_kib(pid).unwrap());
        assert!(anonymous > 10.0 && resident > anonymous, "{resident} {anonymous}");
        assert!(open_files_allowed().unwrap() > 10);
    }
}
