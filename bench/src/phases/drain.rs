//! Drain: every recipient reads its whole inbox, page after page.

use std::sync::Arc;

use kez_core::api::{InboxPage, MAX_PAGE_ITEMS};
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::people::Person;
use crate::process::Usage;
use crate::target::Target;

/// A single read uses too little CPU for the resolution of the kernel's clock.
const TIMES: usize = 4;

/// Reads all inboxes several times; returns the seconds of CPU per thousand messages.
///
/// # Errors
/// Also when an acknowledged message is missing.
pub(crate) async fn run(
    target: &Arc<Target>,
    recipients: &Arc<Vec<Person>>,
    acknowledged: usize,
) -> Result<f64, Failure> {
    let before = Usage::of(target.pid)?;
    for _ in 0..TIMES {
        let found = read_all(target, recipients).await?;
        if found != acknowledged {
            return Err(Failure::Lost { acknowledged, found });
        }
    }
    let used = Usage::of(target.pid)? - before;
    Ok(used.cpu_seconds / (acknowledged * TIMES) as f64 * 1e3)
}

async fn read_all(target: &Arc<Target>, recipients: &Arc<Vec<Person>>) -> Result<usize, Failure> {
    let mut readers = JoinSet::new();
    for reader in 0..recipients.len() {
        let (target, recipients) = (Arc::clone(target), Arc::clone(recipients));
        readers.spawn(async move { read_inbox(&target, &recipients[reader]).await });
    }
    let mut found = 0;
    while let Some(count) = readers.join_next().await {
        found += count??;
    }
    Ok(found)
}

async fn read_inbox(target: &Target, person: &Person) -> Result<usize, Failure> {
    let mut connection = Connection::open(target.address).await?;
    let (mut since, mut found) = (0, 0);
    loop {
        let (path, auth) = target.page_request(person, since, MAX_PAGE_ITEMS);
        let page: InboxPage = serde_json::from_slice(&connection.get(&path, auth.as_deref()).await?)?;
        if page.items.is_empty() {
            return Ok(found);
        }
        for item in &page.items {
            if item.seq <= since {
                return Err(Failure::Protocol(format!("seq {} came after {since}", item.seq)));
            }
            since = item.seq;
        }
        found += page.items.len();
    }
}
