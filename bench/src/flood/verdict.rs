//! The results of a flood, and whether the server kept its promises.

use std::collections::{BTreeMap, HashSet};

use hyper::StatusCode;
use kez_core::api::{InboxPage, Receipt};

use super::attackers::{Flood, Kind};
use super::known::{Conversations, Phase};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::latency::Latencies;
use crate::party::Party;
use crate::process::resident_kib;
use crate::target::Target;

const MIB: f64 = 1024.0 * 1024.0;
/// The limit for the 99th percentile of known senders, in milliseconds.
const P99_MS: f64 = 500.0;
/// A generous estimate of the disk space that a message takes besides its envelope, in row and indexes.
const BESIDE_ENVELOPE: u64 = 512;
/// A generous estimate of the disk space that an account takes.
const ACCOUNT: u64 = 4096;
/// The largest size of the write-ahead log beside the database.
const WRITE_AHEAD_LOG: u64 = 64 << 20;

/// The part of each inbox that is open to strangers.
#[derive(Clone, Copy)]
pub(super) struct Quotas {
    messages: u64,
    bytes: u64,
    stated: bool,
}

impl Quotas {
    /// The server's own defaults.
    pub(super) const DEFAULT: Self = Self { messages: 1_000, bytes: 64 << 20, stated: false };
    /// Quotas that are full within seconds.
    pub(super) const BRIEF: Self = Self { messages: 100, bytes: 1 << 20, stated: true };

    /// The quotas as flags; none for the server's defaults.
    pub(super) fn flags(self) -> Vec<String> {
        if !self.stated {
            return Vec::new();
        }
        vec![format!("--requests-messages={}", self.messages), format!("--requests-bytes={}", self.bytes)]
    }

    /// The disk space, in bytes, that this many inboxes full of strangers' messages may take.
    fn worth(self, inboxes: usize) -> u64 {
        (self.bytes + self.messages * BESIDE_ENVELOPE) * inboxes as u64
    }
}

/// The resources that the server used during the flood.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) disk_before: u64,
    pub(super) disk_most: u64,
    pub(super) rss_before: f64,
    pub(super) rss_most: f64,
}

/// The values to judge.
pub(super) struct Verdict {
    pub(super) quotas: Quotas,
    pub(super) load: Load,
    pub(super) pairs: usize,
    pub(super) all_arrived: bool,
    pub(super) brief: bool,
}

impl Verdict {
    /// Prints the results, and fails with a list of the broken promises.
    pub(super) async fn tell(
        self,
        target: &Target,
        known: &Conversations,
        flood: &Flood,
    ) -> Result<(), Failure> {
        let mut broken = Vec::new();
        let [before, during] = [Phase::Before, Phase::During].map(|phase| known.latencies(phase));
        show("known senders before the flood, ack ms", before.0);
        show("known senders before the flood, to the screen ms", before.1);
        let acks = show("known senders during the flood, ack ms", during.0);
        show("known senders during the flood, to the screen ms", during.1);
        if acks >= P99_MS && !self.brief {
            broken.push(format!("known senders' p99 is {acks:.0} ms, {P99_MS:.0} or more"));
        }
        let [repeated, reopened] = known.troubles();
        println!("known senders sent again {repeated} times, and read on {reopened} times");
        self.known_senders_were_not_refused(known, &mut broken);
        self.all_is_there(target, known, &mut broken).await?;
        self.the_flood_was_one(flood, &mut broken);
        self.the_disk(known, flood, &mut broken);
        let now = resident_kib(target.pid)?;
        println!(
            "RSS MiB before / most / after: {:.1} / {:.1} / {:.1}; {:.2} cores",
            self.load.rss_before / 1024.0,
            self.load.rss_most / 1024.0,
            now / 1024.0,
            self.load.cpu_seconds / self.load.seconds,
        );
        if broken.is_empty() { Ok(()) } else { Err(Failure::Broken(broken.join("; "))) }
    }

    fn known_senders_were_not_refused(&self, known: &Conversations, broken: &mut Vec<String>) {
        let refused = known.refused();
        if let Some(first) = refused.first() {
            broken
                .push(format!("{} messages of known senders were refused, one with {first}", refused.len()));
        }
    }

    /// Checks that the streams delivered every acknowledged message, and that the inboxes contain it.
    async fn all_is_there(
        &self,
        target: &Target,
        known: &Conversations,
        broken: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if !self.all_arrived {
            broken.push(format!("{} acknowledged messages never came out of a stream", known.missing()));
        }
        let mut lost = 0;
        for (party, expected) in known.expected() {
            let stored = stored(target, party).await?;
            lost += expected.iter().filter(|receipt| !stored.contains(receipt)).count();
        }
        println!("{} acknowledged messages of known senders, {lost} of them missing", known.acknowledged());
        if known.acknowledged() == 0 {
            broken.push("no known sender said anything".to_owned());
        }
        if lost > 0 {
            broken.push(format!("{lost} acknowledged messages are in no inbox"));
        }
        Ok(())
    }

    /// Checks that the flood met the limits: a flood that triggers none proves nothing.
    fn the_flood_was_one(&self, flood: &Flood, broken: &mut Vec<String>) {
        let answers = flood.answers();
        let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for ((kind, status), count) in &answers {
            let status = if *status == 0 { "cut".to_owned() } else { status.to_string() };
            kinds.entry(*kind).or_default().push(format!("{status}: {count}"));
        }
        let all: usize = answers.values().sum();
        println!(
            "{all} answers ({:.0}/s) to {:.0} MiB ({:.1} MiB/s):",
            all as f64 / self.load.seconds,
            flood.bytes() as f64 / MIB,
            flood.bytes() as f64 / MIB / self.load.seconds,
        );
        for (kind, statuses) in kinds {
            println!("  {kind:?}: {}", statuses.join(", "));
        }
        let some = |kind, status: StatusCode| answers.contains_key(&(kind, status.as_u16()));
        for (kind, status) in [
            (Kind::Large, StatusCode::CREATED),
            (Kind::Large, StatusCode::INSUFFICIENT_STORAGE),
            (Kind::Small, StatusCode::INSUFFICIENT_STORAGE),
            (Kind::Stranger, StatusCode::TOO_MANY_REQUESTS),
            (Kind::Stranger, StatusCode::INSUFFICIENT_STORAGE),
            (Kind::Forger, StatusCode::UNAUTHORIZED),
            (Kind::Newcomer, StatusCode::CREATED),
            (Kind::Asker, StatusCode::TOO_MANY_REQUESTS),
            (Kind::Stalled, StatusCode::REQUEST_TIMEOUT),
        ] {
            // A run of a few seconds does not use up every allowance, and its inboxes are so small that small messages may
            // take the whole share before the first large one comes.
            let soon = status != StatusCode::TOO_MANY_REQUESTS
                && kind != Kind::Stalled
                && (kind, status) != (Kind::Large, StatusCode::CREATED);
            if !some(kind, status) && (soon || !self.brief) {
                broken.push(format!("the flood was none: {kind:?} never got {status}"));
            }
        }
        let failed = answers.iter().filter(|((_, status), _)| *status == 500 || *status == 504);
        let failed: usize = failed.map(|(_, count)| count).sum();
        if failed > 0 {
            broken.push(format!("{failed} answers say that the server failed"));
        }
    }

    fn the_disk(&self, known: &Conversations, flood: &Flood, broken: &mut Vec<String>) {
        let grown = self.load.disk_most.saturating_sub(self.load.disk_before);
        let rest = known.acknowledged() as u64 * (1024 + BESIDE_ENVELOPE) + flood.accounts() as u64 * ACCOUNT;
        let worth = self.quotas.worth(self.pairs) + rest;
        let most = worth + WRITE_AHEAD_LOG;
        println!(
            "disk grew by {:.1} MiB; the quotas of {} inboxes, {} accounts and {} messages are worth {:.1} MiB, and {:.0} MiB \
             for the log",
            grown as f64 / MIB,
            self.pairs,
            flood.accounts(),
            known.acknowledged(),
            worth as f64 / MIB,
            WRITE_AHEAD_LOG as f64 / MIB,
        );
        if grown > most {
            broken.push(format!("the disk grew by {grown} bytes, more than {most}"));
        }
    }
}

/// Prints a summary of latencies, and returns the 99th percentile in milliseconds.
fn show(what: &str, latencies: Latencies) -> f64 {
    let sorted = latencies.sorted();
    let [p50, p99, worst] = [50, 99, 100].map(|percent| sorted.percentile_ms(percent));
    println!("{what}, p50 / p99 / worst of {}: {p50:.1} / {p99:.1} / {worst:.1}", sorted.count());
    p99
}

/// The messages in an inbox.
async fn stored(target: &Target, party: &Party) -> Result<HashSet<Receipt>, Failure> {
    let mut connection: Connection = party.connect(target).await?;
    let (mut stored, mut since) = (HashSet::new(), 0);
    loop {
        let (path, auth) = target.page_request(&party.person, since, 1000);
        let headers = auth.as_deref().map(|auth| (kez_core::inbox_auth::HEADER, auth));
        let answer = connection
            .exchange(hyper::Method::GET, &path, party.origin, headers.as_slice(), hyper::body::Bytes::new())
            .await?;
        let (status, body) = answer;
        if status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(Failure::Status { path, status, body });
        }
        let page: InboxPage = serde_json::from_slice(&body)?;
        if page.next == since {
            return Ok(stored);
        }
        since = page.next;
        stored.extend(page.items.iter().map(|item| Receipt::of(item.envelope.get().as_bytes())));
    }
}
