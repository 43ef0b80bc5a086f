//! Replaying every chain that is in the log, and comparing what the server says of handles.

use kez_core::handle::ServerName;
use kez_core::identity::Primary;
use kez_core::log::checkpoint::LogKey;
use kez_core::log::inclusion::Inclusion;
use kez_core::sigchain::{Chain, Link};

use super::finding::{Finding, Kind};
use super::log::Replayed;
use super::source::{AuditFailed, Source};

/// Checks every chain in the log. Returns how many there are.
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
        let Some(chain) = read(source, root, findings).await? else { continue };
        if chain.length() > logged(log, root).len() as u64 {
            // The chain may have grown since the log was read.
            log.advance(source, key, findings).await?;
        }
        compare(&chain, logged(log, root), findings);
        if let Some(server) = &server {
            check_handles(source, key, server, &chain, findings).await?;
        }
    }
    Ok(roots.len())
}

/// Reads a chain from its first link, with every rule. None when the server does not show it.
async fn read(
    source: &Source,
    root: &Primary,
    findings: &mut Vec<Finding>,
) -> Result<Option<Chain>, AuditFailed> {
    let mut chain = Chain::new(*root);
    loop {
        let Some(page) = source.links(root, chain.length()).await? else {
            findings.push(Finding::new(Kind::MissingLinks, format!("the chain of {root} is not to be had")));
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

/// Every link in the log is shown, and every link that is shown is in the log.
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

/// What the server answers about the handles that a chain claims on it. Anybody may claim anything in a chain of their
/// own, so only a lookup that names this very chain has to agree with it.
async fn check_handles(
    source: &Source,
    key: &LogKey,
    server: &ServerName,
    chain: &Chain,
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
        let Some(log) = &lookup.log else { continue };
        let proof = serde_json::from_str::<Inclusion>(log.get()).map_err(|error| error.to_string());
        let checked = proof.and_then(|proof| proof.verify(&root, key).map_err(|error| error.to_string()));
        if let Err(reason) = checked {
            findings.push(Finding::new(Kind::BadInclusion, format!("{handle}: {reason}")));
        }
    }
    Ok(())
}
