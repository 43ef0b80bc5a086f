//! Process metrics, under the names that Prometheus libraries agree on
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>), and the build.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};

/// Clock ticks per second in proc(5): `USER_HZ`, which is 100 on every architecture of Linux today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The metrics of this process; [`refresh`](Self::refresh) updates them.
pub struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open_files: Gauge,
    most_files: Gauge,
    started: Gauge<f64, AtomicU64>,
}

/// Fields of `/proc/self/stat`.
struct Stat {
    cpu_seconds: f64,
    start_ticks: f64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl ProcessMetrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.sub_registry_with_prefix("kez_chat").register("build", "Which build runs", build);
        let (cpu, started) = (Counter::default(), Gauge::default());
        registry.register_with_unit(
            "process_cpu",
            "User and system CPU time spent",
            Unit::Seconds,
            cpu.clone(),
        );
        registry.register_with_unit(
            "process_start_time",
            "When the process started, since the Unix epoch",
            Unit::Seconds,
            started.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        Self {
            resident: gauge("process_resident_memory_bytes", "Resident memory"),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory"),
            open_files: gauge("process_open_fds", "Open file descriptors"),
            most_files: gauge("process_max_fds", "Most open file descriptors allowed"),
            cpu,
            started,
        }
    }

    /// Reads proc(5). On systems without it, the metrics keep their values.
    pub fn refresh(&self) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|text| parse(&text)) {
            let page_bytes = i64::try_from(rustix::param::page_size()).unwrap_or(4096);
            self.cpu.inc_by((stat.cpu_seconds - self.cpu.get()).max(0.0));
            self.resident.set(stat.resident_pages.saturating_mul(page_bytes));
            self.virtual_memory.set(stat.virtual_bytes);
            if let Some(boot) = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text)) {
                self.started.set(boot + stat.start_ticks / TICKS_PER_SECOND);
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(open.count()).unwrap_or(i64::MAX));
        }
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        self.most_files.set(i64::try_from(most).unwrap_or(i64::MAX));
    }
}

/// The fields after the program's name, which stands in parentheses and may hold any characters.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5) counts from 1, and the state after the name is field 3.
    let field = |number: usize| fields.get(number - 3);
    let ticks = |number| field(number)?.parse::<f64>().ok();
    Some(Stat {
        cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
        start_ticks: ticks(22)?,
        virtual_bytes: field(23)?.parse().ok()?,
        resident_pages: field(24)?.parse().ok()?,
    })
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_and_spaces_is_skipped() {
        let numbers = (4..=52).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let stat = parse(&format!("17 (a) b (c) S {numbers}\n")).unwrap();
        assert!((stat.cpu_seconds - 0.29).abs() < 1e-9);
        assert!((stat.start_ticks - 22.0).abs() < 1e-9);
        assert_eq!((stat.virtual_bytes, stat.resident_pages), (23, 24));
        assert!(parse("17 (a) S 1 2").is_none());
    }
}
