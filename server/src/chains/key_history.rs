//! The key history on a profile page.

use kez_app::History;
use kez_core::api::Lookup;
use kez_core::identity::Primary;
use kez_core::sigchain::{Body, Link};

use crate::chains::source::{ChainSource, ChainUnavailable};
use crate::store::{Store, StoreError};

/// The number of links on a page, counted from the end of the chain: some users have thousands.
const SHOWN: usize = 50;
/// The amount of a chain read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// The content and time of each link, or the fact that the sigchain server does not answer. A chain may claim any
/// handle anywhere, so only claims that this server confirms are shown.
///
/// # Errors
/// When the store does not answer.
pub async fn key_history(
    chains: &ChainSource,
    store: &Store,
    lookup: &Lookup,
) -> Result<History, StoreError> {
    let Some(root) = root_of(lookup) else { return Ok(History::Told(Vec::new())) };
    match chains {
        ChainSource::Embedded(_) => {
            let links = own(store, &root).await?;
            Ok(History::Told(links.iter().filter_map(|link| entry(link, lookup)).collect()))
        }
        ChainSource::Remote(remote) => match remote.links(&root).await {
            Ok(links) => {
                let before = links.len().saturating_sub(SHOWN);
                Ok(History::Told(links.iter().skip(before).filter_map(|link| entry(link, lookup)).collect()))
            }
            Err(ChainUnavailable::Store(error)) => Err(error),
            Err(error @ ChainUnavailable::Unreachable(_)) => {
                tracing::warn!(%error, "a profile page is served without its key history");
                Ok(History::Unreachable)
            }
            Err(error @ ChainUnavailable::Invalid(_)) => {
                tracing::error!(%error, "a profile page is served without its key history");
                Ok(History::Broken)
            }
        },
    }
}

async fn own(store: &Store, root: &Primary) -> Result<Vec<Link>, StoreError> {
    let Some(head) = store.chain_head(root).await? else { return Ok(Vec::new()) };
    let since = head.seqno.saturating_sub(SHOWN as u64);
    let piece = store.links_after(root, since, PAGE_BYTES).await?;
    let links = piece.into_iter().flat_map(|piece| piece.links);
    let parsed = links.map(|link| Link::parse(link.as_bytes()));
    parsed.map(|link| link.map_err(|_| StoreError::Corrupt("sigchain link"))).collect()
}

fn root_of(lookup: &Lookup) -> Option<Primary> {
    let hex = lookup.sigchain_url.rsplit('/').next()?;
    format!("ed25519:{hex}").parse().ok()
}

/// The text for a link; `None` when the link is about a handle other than the looked-up one.
fn entry(link: &Link, lookup: &Lookup) -> Option<(u64, String)> {
    let is_confirmed = match link.body() {
        Body::ClaimHandle { handle, server, .. } | Body::ReleaseHandle { handle, server } => {
            lookup.fqhn == format!("{handle}@{server}")
        }
        _ => true,
    };
    is_confirmed.then(|| (link.created_at().unix(), link.body().in_words()))
}
