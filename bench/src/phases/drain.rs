//! Drain: every recipient reads its whole inbox, page after page.

use std::sync::Arc;

use kez_core::api::{InboxPage, MAX_PAGE_ITEMS};
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::people::Person;
use crate::process::Usage;
use crate::target::Target;

/// How many connections read, each one inbox after another.
const READERS: usize = 32;

/// Reads all inboxes `times` times, because a single read may use too little CPU for the resolution of the kernel's
/// clock. Returns the seconds of CPU of one time.
///
/// # Errors
/// Also when an acknowledged message is missing.
pub(crate) async fn run(
    target: &Arc<Target>,
    recipients: &Arc<Vec<Person>>,
    acknowledged: usize,
    times: u32,
) -> Result<f64, Failure> {
    let before = Usage::of(target.pid)?;
    for _ in 0..times {
        let found = read_all(target, recipients).await?;
        if found != acknowledged {
            return Err(Failure::Lost { acknowledged, found });
        }
    }
    let used = Usage::of(target.pid)? - before;
    Ok(used.cpu_seconds / f64::from(times))
}

async fn read_all(target: &Arc<Target>, recipients: &Arc<Vec<Person>>) -> Result<usize, Failure> {
    let mut readers = JoinSet::new();
    let share = recipients.len().div_ceil(READERS).max(1);
    for first in (0..recipients.len()).step_by(share) {
        let (target, recipients) = (Arc::clone(target), Arc::clone(recipients));
        readers.spawn(async move {
            let mut connection = Connection::open(target.address).await?;
            let mut found = 0;
            for person in recipients.iter().skip(first).take(share) {
                found += read_inbox(&mut connection, &target, person).await?;
            }
            Ok::<_, Failure>(found)
        });
    }
    let mut found = 0;
    while let Some(count) = readers.join_next().await {
        found += count??;
    }
    Ok(found)
}

async fn read_inbox(connection: &mut Connection, target: &Target, person: &Person) -> Result<usize, Failure> {
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
