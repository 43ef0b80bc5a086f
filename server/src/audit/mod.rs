//! Audits a server from outside. It replays the log leaf by leaf and every chain link by link, and names each
//! disagreement (docs/SPEC.md, section 13). It trusts nothing that the server says about itself.

mod chains;
mod finding;
mod log;
mod memory;
mod source;

use kez_core::log::checkpoint::LogKey;

pub use finding::{Finding, Kind};
pub use memory::{Memory, MemoryError};
pub use source::{AuditFailed, Source};

/// The result of an audit.
#[derive(Debug)]
pub struct Audit {
    /// The disagreements; empty when everything is valid.
    pub findings: Vec<Finding>,
    /// The number of heads in the log.
    pub size: u64,
    /// The number of chains to which they belong.
    pub chains: usize,
    /// The memory for the next audit; `None` when the log itself is invalid.
    pub memory: Option<Memory>,
}

/// Audits a server. `expected` is the log's key as the auditor knows it from another source. Without it the remembered
/// key counts, and without that the key that the server shows.
///
/// # Errors
/// [`AuditFailed`] when the server cannot be read completely.
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
