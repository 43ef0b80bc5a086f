//! The process on its machine: the log, counters, the disk, locks and signals.

pub mod backups;
pub mod disk;
pub mod fixed_settings;
pub mod log;
pub mod log_filter;
pub mod metrics;
pub mod open_files;
pub mod process_metrics;
pub mod server_lock;
pub mod stop;
