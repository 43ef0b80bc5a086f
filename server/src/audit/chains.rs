//! Replays every chain in the log, and compares the server's answers about handles with them.

use kez_core::handle::ServerName;
use kez_core::identity::Primary;
use kez_core::log::checkpoint::LogKey;
use kez_core::log::inclusion::Inclusion;
use kez_core::sigchain::{Chain, Link};
use kez_core::webfinger::{PROPERTY_LOG, PROPERTY_PRIMARY};

use super::finding::{Finding, Kind};
use super::log::{Replayed, Shown};
use super::source::{AuditFailed, Source};

/// Checks every chain in the log. Returns the number of chains.
pub(super) async fn check(
    source: &Source,
    key: &LogKey,
    log: &mut Replayed,
    findings: &mut Vec<Finding>,
) -> Result<usize, AuditFailed> {
    let server = source.config().await?.map(|config| config.server);
    let mut roots: Vec<Primary> = log.chains.keys().copied().collect();
    roots.sort();
    for root in &roots {
        let chain = match read(source, root, findings).await {
            Ok(Some(chain)) => chain,
            Ok(None) => continue,
            Err(failed) => {
                // If the server does not answer this request either, it is down and hides nothing.
                source.checkpoint().await?;
                findings.push(Finding::new(Kind::WithheldChain, format!("the chain of {root}: {failed}")));
                continue;
            }
        };
        if chain.length() > logged(log, root).len() as u64 {
            // The chain may have grown since the log was read.
            log.advance(source, key, findings).await?;
        }
        compare(&chain, logged(log, root), findings);
        // The missing links have already been reported; no proof can lead there.
        if chain.length() == logged(log, root).len() as u64 {
            let proof = source.inclusion(root).await?;
            Proofs { source, key, log, findings }.check(proof, root, format!("the proof for {root}")).await?;
        }
        if let Some(server) = &server {
            check_handles(source, key, server, &chain, log, findings).await?;
        }
    }
    Ok(roots.len())
}

/// Checks proofs, and the checkpoints that come with them, as long as the log itself has no finding. An invalid log has
/// invalid proofs, and reporting them would add nothing.
struct Proofs<'a> {
    source: &'a Source,
    key: &'a LogKey,
    log: &'a mut Replayed,
    findings: &'a mut Vec<Finding>,
}

impl Proofs<'_> {
    async fn check(
        &mut self,
        proof: Option<Inclusion>,
        root: &Primary,
        place: String,
    ) -> Result<(), AuditFailed> {
        if !self.log.holds {
            return Ok(());
        }
        let Some(proof) = proof else {
            self.findings.push(Finding::new(Kind::BadInclusion, format!("{place} does not exist")));
            return Ok(());
        };
        match proof.verify(root, self.key) {
            Ok(checkpoint) => {
                let shown = Shown { place, checkpoint, note: proof.checkpoint };
                self.log.compare(self.source, self.key, &shown, self.findings).await
            }
            Err(error) => {
                self.findings.push(Finding::new(Kind::BadInclusion, format!("{place}: {error}")));
                Ok(())
            }
        }
    }

    async fn check_text(&mut self, json: &str, root: &Primary, place: String) -> Result<(), AuditFailed> {
        match serde_json::from_str(json) {
            Ok(proof) => self.check(Some(proof), root, place).await,
            Err(error) => {
                self.findings.push(Finding::new(Kind::BadInclusion, format!("{place}: {error}")));
                Ok(())
            }
        }
    }
}

/// Reads a chain from its first link, with every rule. `None` when the server does not serve it.
async fn read(
    source: &Source,
    root: &Primary,
    findings: &mut Vec<Finding>,
) -> Result<Option<Chain>, AuditFailed> {
    let mut chain = Chain::new(*root);
    loop {
        let Some(page) = source.links(root, chain.length()).await? else {
            findings.push(Finding::new(Kind::MissingLinks, format!("the chain of {root} cannot be fetched")));
            return Ok(None);
        };
        for link in &page.links {
            let read = Link::parse(link.get().as_bytes()).and_then(|link| chain.append(&link));
            if let Err(refused) = read {
                let detail = format!("link {} of {root}: {refused}", chain.length() + 1);
                findings.push(Finding::new(Kind::InvalidChain, detail));
                return Ok(Some(chain));
            }
        }
        if page.links.is_empty() || chain.length() >= page.length {
            return Ok(Some(chain));
        }
    }
}

fn logged<'a>(log: &'a Replayed, root: &Primary) -> &'a [kez_core::sigchain::Hash] {
    log.chains.get(root).map_or(&[], Vec::as_slice)
}

/// Checks that every link in the log is served, and that every served link is in the log.
fn compare(chain: &Chain, logged: &[kez_core::sigchain::Hash], findings: &mut Vec<Finding>) {
    let root = chain.root();
    for (seqno, hash) in (1..).zip(logged) {
        match chain.hash_at(seqno) {
            Some(shown) if shown == *hash => {}
            Some(shown) => {
                let detail = format!("link {seqno} of {root} is {shown}, in the log it is {hash}");
                findings.push(Finding::new(Kind::HeadNotInLog, detail));
            }
            None => {
                let detail = format!("link {seqno} of {root} is in the log and not shown");
                findings.push(Finding::new(Kind::MissingLinks, detail));
            }
        }
    }
    if chain.length() > logged.len() as u64 {
        let detail = format!("{root} has {} links, the log has {} of them", chain.length(), logged.len());
        findings.push(Finding::new(Kind::HeadNotInLog, detail));
    }
}

/// Checks the server's answers about the handles that a chain claims on it. Anyone may claim anything in their own
/// chain, so only a lookup that names this very chain has to agree with it.
async fn check_handles(
    source: &Source,
    key: &LogKey,
    server: &ServerName,
    chain: &Chain,
    log: &mut Replayed,
    findings: &mut Vec<Finding>,
) -> Result<(), AuditFailed> {
    let root = chain.root();
    for claim in chain.claims().iter().filter(|claim| claim.server == *server) {
        let Some(lookup) = source.lookup(&claim.handle).await? else { continue };
        if !lookup.sigchain_url.ends_with(&root.hex()) {
            continue;
        }
        let handle = &claim.handle;
        match lookup.verify(server) {
            Ok((_, shown)) if shown.primary() == chain.primary() => {}
            Ok((_, shown)) => {
                let detail =
                    format!("{handle} is {shown} in the lookup, {} in the chain of {root}", chain.primary());
                findings.push(Finding::new(Kind::WrongKey, detail));
            }
            Err(error) => findings.push(Finding::new(Kind::WrongKey, format!("{handle}: {error}"))),
        }
        let jrd = source.webfinger(handle, server).await?;
        let property = |name| jrd.as_ref().and_then(|jrd| jrd.properties.get(name));
        if let Some(shown) = property(PROPERTY_PRIMARY)
            && *shown != lookup.primary.to_string()
        {
            let detail = format!("{handle} is {shown} in WebFinger, {} in the lookup", lookup.primary);
            findings.push(Finding::new(Kind::WrongKey, detail));
        }
        let mut proofs = Proofs { source, key, log: &mut *log, findings: &mut *findings };
        if let Some(proof) = &lookup.log {
            proofs.check_text(proof.get(), &root, format!("the lookup of {handle}")).await?;
        }
        if let Some(proof) = property(PROPERTY_LOG) {
            proofs.check_text(proof, &root, format!("WebFinger for {handle}")).await?;
        }
    }
    Ok(())
}
