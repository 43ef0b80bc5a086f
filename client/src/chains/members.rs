//! People who are members of groups, contacts or not: the handle and the verified chain of each, by the root of the
//! chain. They are looked up many at once with `POST /v1/people`.

use std::collections::BTreeMap;

use kez_core::api::{LookUpPeople, MAX_PEOPLE, PEOPLE_TARGET, People, PersonFound};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::Primary;
use kez_core::mls::LeafId;
use kez_core::mls::call::Certified;
use kez_core::mls::credential::Credential;
use kez_core::sigchain::{Body, Chain, Hash, Heads, Links, SeenHead};
use serde::{Deserialize, Serialize};

use super::ChainAlarm;
use super::watched::{Compared, Fetched, Watched};
use crate::kernel::answer::{Answer, body};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::StorageFault;
use crate::kernel::me::Me;
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::sorted_map::SortedMap;

/// The record of kind [`Kind::Member`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredMember {
    root: Primary,
    handle: Handle,
    watched: Watched,
    /// The devices that the chain has revoked, each with the seqno of the link.
    revoked: Vec<Revoked>,
}

/// A device that a chain has revoked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Revoked {
    leaf: LeafId,
    seqno: u64,
}

struct Member {
    /// The number of the record.
    number: u64,
    stored: StoredMember,
}

/// All members that were looked up and verified.
#[derive(Default)]
pub(crate) struct MemberChains {
    all: SortedMap<Primary, Member>,
    last: u64,
    /// Those whose own messages claimed more links while a request about them was open: its answer may be older.
    claims_during_request: Vec<Primary>,
}

/// What an answer about members says.
#[derive(Debug, Default)]
pub(crate) struct PeopleNews {
    /// Those for whom the server has given its whole answer, whether it knows them or not.
    pub(crate) answered: Vec<Primary>,
    /// Those whose chain has grown.
    pub(crate) grown: Vec<Primary>,
}

impl MemberChains {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        let number = record.id.strip_prefix('m').and_then(|number| number.parse().ok());
        let number = number.ok_or(StorageFault::Damaged)?;
        self.last = self.last.max(number);
        let stored: StoredMember = record.read()?;
        self.all.insert(stored.root, Member { number, stored });
        Ok(())
    }

    /// The verified chain with this root.
    pub(crate) fn chain(&self, root: &Primary) -> Option<&Chain> {
        self.all.get(root).map(|member| &member.stored.watched.chain)
    }

    /// The handle of the person with this root.
    pub(crate) fn handle(&self, root: &Primary) -> Option<&Handle> {
        self.all.get(root).map(|member| &member.stored.handle)
    }

    /// The person with this handle.
    pub(crate) fn by_handle(&self, handle: &Handle) -> Option<Primary> {
        self.all.iter().find(|(_, member)| member.stored.handle == *handle).map(|(root, _)| *root)
    }

    /// The chains of all members.
    pub(super) fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.all.values().map(|member| &member.stored.watched.chain)
    }

    /// The link with which a chain has revoked a device: its seqno and hash.
    pub(crate) fn revoked(&self, leaf: &LeafId) -> Option<(u64, Hash)> {
        let member = &self.all.get(&leaf.root)?.stored;
        let revoked = member.revoked.iter().find(|revoked| revoked.leaf == *leaf)?;
        Some((revoked.seqno, member.watched.chain.hash_at(revoked.seqno)?))
    }

    /// Looks these people up, and fetches the links that are not here yet.
    pub(crate) fn ask(&self, mut roots: Vec<Primary>, me: &Me, cx: &mut Context<'_>) {
        roots.sort_unstable();
        roots.dedup();
        roots.retain(|root| !is_asked(root, cx));
        for some in roots.chunks(MAX_PEOPLE) {
            let length = |root: &Primary| self.chain(root).map_or(0, Chain::length);
            let roots: BTreeMap<Primary, u64> = some.iter().map(|root| (*root, length(root))).collect();
            let Ok(body) = serde_json::to_string(&LookUpPeople { roots }) else { return };
            let request = me.signed(Method::Post, PEOPLE_TARGET.to_owned(), Some(body), cx);
            cx.request(request, Purpose::People(some.to_vec()));
        }
    }

    /// Handles the answer about these people. `None` when there was none.
    pub(crate) fn on_people(
        &mut self,
        asked: &[Primary],
        answer: &Answer,
        me: &Me,
        cx: &mut Context<'_>,
    ) -> Option<PeopleNews> {
        let response = answer.as_ref().ok()?;
        let People { people } = body(response, &[200])?;
        let mut news = PeopleNews { answered: asked.to_vec(), grown: Vec::new() };
        let claimed = |root: &Primary| self.claims_during_request.contains(root);
        let mut unfinished: Vec<Primary> = asked.iter().filter(|root| claimed(root)).copied().collect();
        self.claims_during_request.retain(|root| !asked.contains(root));
        news.answered.retain(|root| !unfinished.contains(root));
        let asked: Vec<Primary> = news.answered.clone();
        let mut taken = Vec::new();
        for person in people {
            let Some((root, grown, is_behind)) = self.take(person, &asked, &me.server, cx) else { continue };
            taken.push(root);
            if grown {
                news.grown.push(root);
            }
            if is_behind {
                news.answered.retain(|other| *other != root);
                unfinished.push(root);
            }
        }
        for root in asked.iter().filter(|root| !taken.contains(root)) {
            self.unanswered(root, cx);
        }
        self.ask(unfinished, me, cx);
        Some(news)
    }

    /// The server has left out a person, or given no chain. If the member claims more links, that counts as an answer after
    /// a while.
    fn unanswered(&mut self, root: &Primary, cx: &mut Context<'_>) {
        if let Some(member) = self.all.get_mut(root)
            && let Some(alarm) = member.stored.watched.unanswered(cx.wall() / 1000)
        {
            member.stored.watched.warn(alarm);
            member.save(cx);
        }
    }

    /// Whether a member claims more links than the server has shown.
    pub(crate) fn has_claims(&self) -> bool {
        self.all.values().any(|member| member.stored.watched.is_behind())
    }

    /// The alarm about a member's chain, until the user has dismissed it.
    pub(crate) fn alarm(&self, root: &Primary) -> Option<ChainAlarm> {
        self.all.get(root)?.stored.watched.alarm
    }

    /// The user has dismissed the alarm.
    pub(crate) fn dismiss_alarm(&mut self, root: &Primary, cx: &mut Context<'_>) {
        if let Some(member) = self.all.get_mut(root)
            && member.stored.watched.alarm.take().is_some()
        {
            member.save(cx);
        }
    }

    /// Compares the head of a member's chain, as the member's own message names it, with the chain here.
    pub(crate) fn on_heads(&mut self, root: &Primary, heads: &Heads, me: &Me, cx: &mut Context<'_>) {
        let seen: Option<&SeenHead> = heads.get(root);
        let (Some(seen), Some(member)) = (seen, self.all.get_mut(root)) else { return };
        match member.stored.watched.compare(seen, None) {
            Compared::Agrees => {}
            Compared::Ahead if is_asked(root, cx) => self.claims_during_request.push(*root),
            Compared::Ahead => self.ask(vec![*root], me, cx),
            Compared::Contradicts => {
                member.stored.watched.warn(ChainAlarm::Contradicted);
                member.save(cx);
            }
        }
    }

    /// Takes a look-up and the links that came with it. Returns the root, whether there is news, and whether more follows.
    fn take(
        &mut self,
        person: PersonFound,
        asked: &[Primary],
        server: &ServerName,
        cx: &mut Context<'_>,
    ) -> Option<(Primary, bool, bool)> {
        let (lookup, chain) = person.into_parts();
        let (handle, key) = lookup.verify(server).ok()?;
        let root = lookup.sigchain_url.rsplit('/').next()?;
        let root: Primary = format!("ed25519:{root}").parse().ok().filter(|root| asked.contains(root))?;
        let chain = chain?;
        let links = Links { primary: root, length: chain.length, head: chain.head?, links: chain.links };
        let before = self.all.get(&root);
        let mut stored = before.map_or_else(
            || StoredMember {
                root,
                handle: handle.clone(),
                watched: Watched::new(root),
                revoked: Vec::new(),
            },
            |member| member.stored.clone(),
        );
        let new = match stored.watched.take_links(&links) {
            Fetched::New(new) => new,
            Fetched::Alarm(alarm) => {
                // The chain that is here stays, with the alarm. A person of whom none is here stays unknown.
                let member = self.all.get_mut(&root)?;
                member.stored.watched.refuse(stored.watched, alarm);
                member.save(cx);
                return None;
            }
            Fetched::None | Fetched::Unavailable => return None,
        };
        for link in &new {
            if let Body::RevokeDevice { device, .. } = link.body() {
                let leaf = LeafId { root, device: *device };
                stored.revoked.push(Revoked { leaf, seqno: link.seqno() });
            }
        }
        let is_behind = stored.watched.is_behind();
        // A chain that does not lead to the key that holds the handle belongs to another person.
        if !is_behind && stored.watched.chain.primary() != key.primary() {
            return None;
        }
        let is_news = before.is_none() || !new.is_empty() || stored.handle != handle;
        stored.handle = handle;
        if is_news {
            let number = before.map_or(self.last + 1, |member| member.number);
            self.last = self.last.max(number);
            let member = Member { number, stored };
            member.save(cx);
            self.all.insert(root, member);
        }
        Some((root, is_news, is_behind))
    }
}

impl Member {
    fn save(&self, cx: &mut Context<'_>) {
        cx.put(Kind::Member, format!("m{}", self.number), &self.stored);
    }
}

/// Whether a request about this person is open.
fn is_asked(root: &Primary, cx: &Context<'_>) -> bool {
    cx.shared.requests.any(|open| matches!(open, Purpose::People(asked) if asked.contains(root)))
}

/// The devices that a chain certifies, or certified once.
pub(crate) fn certified(chain: &Chain) -> impl Iterator<Item = Certified> {
    chain.devices().iter().filter_map(|known| {
        let (root, device, seqno) = (chain.root(), known.device.device, known.seqno);
        let credential = Credential { root, device, seqno, link: chain.hash_at(seqno)? };
        Some(Certified { credential, key: known.device.key.primary(), ended: Some(known.ends_at()) })
    })
}
