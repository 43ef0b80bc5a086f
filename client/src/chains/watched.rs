//! A person's chain as verified so far, and what contradicts it.

use kez_core::identity::Primary;
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Chain, Link, LinkRefused, Links, MAX_LINKS, SeenHead};
use serde::{Deserialize, Serialize};

use super::ChainAlarm;
use crate::kernel::answer::{Answer, problem};
use crate::kernel::event::StorageFault;
use crate::kernel::place::PersonId;
use crate::kernel::record::Record;

/// The format of chain records in which a device has no seqno. A chain without devices is the same in both formats, and
/// no app of that time added one.
const DEVICES_WITHOUT_SEQNO: u8 = 3;

/// The verified part of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// The longest chain seen so far.
    pub(super) chain: Chain,
    /// How far someone else has seen the chain, if that is further.
    claimed: Option<Claim>,
    /// The alarm, until the user has dismissed it.
    pub(super) alarm: Option<ChainAlarm>,
    /// The contact whose claim caused the alarm; `None` if the server's own answers prove it.
    pub(super) alarm_by: Option<PersonId>,
}

/// What someone claims to have seen, and how often the server had no answer to that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    seen: SeenHead,
    /// A contact, for claims about the user's own chain.
    by: Option<PersonId>,
    /// When the server first had no answer, Unix seconds; 0 before that.
    unanswered_since: u64,
    unanswered: u32,
}

/// The number of requests without an answer, and the seconds, after which the silence counts as an answer.
const UNANSWERED: u32 = 6;
const UNANSWERED_FOR: u64 = 3 * 60 * 60;

/// The result of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// Everything agrees. Contains the new links.
    New(Vec<Link>),
    /// The server has no such chain, and never had one.
    None,
    /// Something disagrees.
    Alarm(ChainAlarm),
    /// No answer, or an invalid one.
    Unavailable,
}

/// The result of comparing with someone else's view of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// Both agree.
    Agrees,
    /// The other view is ahead: fetch the chain.
    Ahead,
    /// The other view shows a different chain.
    Contradicts,
}

impl Watched {
    /// A chain of which no link is known yet.
    pub(super) const fn new(root: Primary) -> Self {
        Self { chain: Chain::new(root), claimed: None, alarm: None, alarm_by: None }
    }

    /// Refuses what was read from a record of the older format unless both formats agree on it.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] for a chain with devices.
    pub(super) fn check_format(&self, record: &Record) -> Result<(), StorageFault> {
        let is_older = record.has_format(DEVICES_WITHOUT_SEQNO);
        if is_older && !self.chain.devices().is_empty() { Err(StorageFault::Damaged) } else { Ok(()) }
    }

    /// The links seen so far.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain with this root in an answer, if it is valid, ends with the key `present`, and contains `key`.
    pub(crate) fn proven(root: Primary, answer: &Answer, key: &Primary, present: Primary) -> Option<Self> {
        let mut watched = Self::new(root);
        let is_valid = matches!(watched.take(answer), Fetched::New(_));
        let chain = &watched.chain;
        (is_valid && chain.primary() == present && chain.primaries().contains(key)).then_some(watched)
    }

    /// Processes the server's answer with the links after the last one.
    pub(super) fn take(&mut self, answer: &Answer) -> Fetched {
        let Ok(response) = answer else { return Fetched::Unavailable };
        let missing = response.status == 404
            && problem(response).is_some_and(|problem| problem.code == ProblemCode::UnknownChain);
        let links = match response.status {
            200 => serde_json::from_slice::<Links>(&response.body).ok(),
            _ if missing && self.chain.length() == 0 => {
                return self.check_claimed().map_or(Fetched::None, Fetched::Alarm);
            }
            _ if missing => {
                self.alarm_by = None;
                return Fetched::Alarm(ChainAlarm::Shorter);
            }
            _ => None,
        };
        match links.filter(|links| links.primary == self.chain.root()) {
            None => Fetched::Unavailable,
            Some(links) => self.take_links(&links),
        }
    }

    /// Processes the links after the last one. They are of this chain.
    pub(super) fn take_links(&mut self, links: &Links) -> Fetched {
        match self.extend(links) {
            Ok(new) if self.chain.length() < links.length => Fetched::New(new),
            Ok(new) => self.check_claimed().map_or(Fetched::New(new), Fetched::Alarm),
            Err(alarm) => {
                self.alarm_by = None;
                Fetched::Alarm(alarm)
            }
        }
    }

    fn extend(&mut self, answer: &Links) -> Result<Vec<Link>, ChainAlarm> {
        if answer.length < self.chain.length() {
            return Err(ChainAlarm::Shorter);
        }
        if answer.length > MAX_LINKS {
            return Err(ChainAlarm::Broken);
        }
        let mut chain = self.chain.clone();
        let mut new = Vec::with_capacity(answer.links.len());
        for link in &answer.links {
            let link = Link::parse(link.get().as_bytes()).map_err(|refused| alarm(&refused))?;
            chain.append(&link).map_err(|refused| match refused {
                LinkRefused::Conflict if new.is_empty() => ChainAlarm::Forked,
                refused => alarm(&refused),
            })?;
            new.push(link);
        }
        if chain.length() < answer.length && !new.is_empty() {
            // A page of a long chain, whose end is still to come.
            self.claim(&SeenHead { length: answer.length, head: answer.head }, None);
            self.chain = chain;
            return Ok(new);
        }
        if chain.length() != answer.length || chain.head() != Some(answer.head) {
            return Err(if new.is_empty() { ChainAlarm::Forked } else { ChainAlarm::Broken });
        }
        self.chain = chain;
        Ok(new)
    }

    /// Raises an alarm, unless one stands that is at least as grave.
    pub(super) fn warn(&mut self, alarm: ChainAlarm) {
        if self.alarm.is_none_or(|before| before.gravity() < alarm.gravity()) {
            (self.alarm, self.alarm_by) = (Some(alarm), None);
        }
    }

    /// An answer that was tried on a copy has raised an alarm. The chain stays as it was.
    pub(super) fn refuse(&mut self, tried: Self, alarm: ChainAlarm) {
        self.claimed = tried.claimed;
        self.warn(alarm);
    }

    /// Whether there are more links to fetch.
    pub(super) fn is_behind(&self) -> bool {
        self.claimed.as_ref().is_some_and(|claimed| claimed.seen.length > self.chain.length())
    }

    /// The server had no answer, or an invalid one, to a request for the chain, although it answers everything else. If
    /// someone claims more links, that counts as an answer after a while.
    pub(super) fn unanswered(&mut self, now: u64) -> Option<ChainAlarm> {
        let claimed = self.claimed.as_mut()?;
        claimed.unanswered += 1;
        if claimed.unanswered_since == 0 {
            claimed.unanswered_since = now;
        }
        let long = now.saturating_sub(claimed.unanswered_since) >= UNANSWERED_FOR;
        if long && claimed.unanswered >= UNANSWERED { self.check_claimed() } else { None }
    }

    /// Records the claim that there are more links. A smaller claim never replaces a larger one.
    fn claim(&mut self, seen: &SeenHead, by: Option<PersonId>) {
        let before = self.claimed.as_ref();
        if before.is_none_or(|claimed| claimed.seen.length < seen.length) {
            let (unanswered_since, unanswered) =
                before.map_or((0, 0), |claimed| (claimed.unanswered_since, claimed.unanswered));
            self.claimed = Some(Claim { seen: *seen, by, unanswered_since, unanswered });
        }
    }

    fn check_claimed(&mut self) -> Option<ChainAlarm> {
        let Claim { seen, by, .. } = self.claimed.take()?;
        let alarm = match self.chain.hash_at(seen.length) {
            Some(hash) if hash == seen.head => return None,
            Some(_) => ChainAlarm::Contradicted,
            None => ChainAlarm::Withheld,
        };
        self.alarm_by = by;
        Some(alarm)
    }

    /// Compares with someone else's view, and remembers it if it is further ahead.
    pub(super) fn compare(&mut self, seen: &SeenHead, by: Option<PersonId>) -> Compared {
        match self.chain.hash_at(seen.length) {
            Some(hash) if hash == seen.head => Compared::Agrees,
            Some(_) => Compared::Contradicts,
            None if seen.length == 0 => Compared::Contradicts,
            None => {
                self.claim(seen, by);
                Compared::Ahead
            }
        }
    }
}

const fn alarm(refused: &LinkRefused) -> ChainAlarm {
    match refused {
        LinkRefused::UnknownKind(_) => ChainAlarm::UnknownKind,
        _ => ChainAlarm::Broken,
    }
}
