//! What a profile page tells of the history of a key.

use kez_core::api::Lookup;
use kez_core::identity::Primary;
use kez_core::sigchain::Link;

use crate::store::{Store, StoreError};

/// How many links a page tells of, the last ones: some people have thousands.
const SHOWN: usize = 50;
/// How much of a chain is read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// When each link was made, in Unix seconds, and what it says; nothing for somebody whose chain is kept elsewhere.
///
/// # Errors
/// When the store does not answer.
pub async fn key_history(store: &dyn Store, lookup: &Lookup) -> Result<Vec<(u64, String)>, StoreError> {
    let Some(root) = root_of(lookup) else { return Ok(Vec::new()) };
    let Some(head) = store.chain_head(&root).await? else { return Ok(Vec::new()) };
    let since = head.seqno.saturating_sub(SHOWN as u64);
    let piece = store.links_after(&root, since, PAGE_BYTES).await?;
    let links = piece.into_iter().flat_map(|piece| piece.links);
    links.map(|link| told(&link)).collect()
}

fn root_of(lookup: &Lookup) -> Option<Primary> {
    let hex = lookup.sigchain_url.rsplit('/').next()?;
    format!("ed25519:{hex}").parse().ok()
}

fn told(link: &str) -> Result<(u64, String), StoreError> {
    let link = Link::parse(link.as_bytes()).map_err(|_| StoreError::Corrupt("sigchain link"))?;
    Ok((link.created_at().unix(), link.body().in_words()))
}
