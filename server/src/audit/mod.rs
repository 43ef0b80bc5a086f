//! Checking a server from outside: its log is replayed leaf by leaf, every chain link by link, and what disagrees gets a
//! name (docs/SPEC.md, section 13). Nothing that the server says about itself is believed.

mod chains;
mod finding;
mod log;
mod memory;
mod source;

use kez_core::log::checkpoint::LogKey;

pub use finding::{Finding, Kind};
pub use memory::{Memory, MemoryError};
pub use source::{AuditFailed, Source};

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// What disagrees; empty when everything holds.
    pub findings: Vec<Finding>,
    /// How many heads the log holds.
    pub size: u64,
    /// How many chains they belong to.
    pub chains: usize,
    /// What the next audit should know; none when the log does not hold by itself.
    pub memory: Option<Memory>,
}

/// Audits a server. `expected` is the log's key as the auditor knows it from elsewhere; without it the remembered one
/// counts, and without that the one that the server shows.
///
/// # Errors
/// [`AuditFailed`] when the server cannot be read to the end.
pub async fn audit(
    source: &Source,
    expected: Option<LogKey>,
    remembered: Option<&Memory>,
) -> Result<Audit, AuditFailed> {
    let mut findings = Vec::new();
    let shown = source.log_key().await?;
    let known = expected.or_else(|| remembered.map(|memory| memory.log_key.clone()));
    if let Some(known) = known.as_ref().filter(|known| **known != shown) {
        findings.push(Finding::new(
            Kind::OtherKey,
            format!("the server shows {shown}, the auditor knows {known}"),
        ));
    }
    let key = known.unwrap_or(shown);
    let Some(mut log) = log::replay(source, &key, remembered, &mut findings).await? else {
        return Ok(Audit { findings, size: 0, chains: 0, memory: None });
    };
    let chains = chains::check(source, &key, &mut log, &mut findings).await?;
    let memory = log.holds.then(|| log.memory(&key));
    Ok(Audit { findings, size: log.size(), chains, memory })
}
