//! The server's answers about the user's own chain.

use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Appended, Body, Link};

use super::{CHECK_INTERVAL, OwnChain};
use crate::chains::facts::Facts;
use crate::chains::watched::{Fetched, Watched};
use crate::chains::{ForeignLink, OwnNews};
use crate::kernel::answer::{Answer, Outcome, body, outcome};
use crate::kernel::backoff::around;
use crate::kernel::context::Context;
use crate::kernel::event::HttpResponse;
use crate::kernel::lookup::Proof;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;

impl OwnChain {
    /// Handles the answer to a request about the user's own chain. After the news, [`OwnChain::advance`] is due.
    pub(crate) fn on_answer(
        &mut self,
        purpose: &Purpose,
        answer: &Answer,
        facts: Facts<'_>,
        cx: &mut Context<'_>,
    ) -> OwnNews {
        match purpose {
            Purpose::OwnChain => return self.on_chain(answer, facts, cx),
            Purpose::OwnRecord => return self.on_record(answer, facts, cx),
            Purpose::RegisterChangedKey => return self.on_changed_key(answer, facts, cx),
            Purpose::ChangedRecord => return self.on_changed_record(answer, facts, cx),
            Purpose::AppendLink => self.on_appended(answer, cx),
            Purpose::KeepFormerKey => self.on_former_key_kept(answer, cx),
            _ => {}
        }
        OwnNews::None
    }

    /// Handles the server's answer to a link.
    fn on_appended(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let pending = self.pending();
        let stands = |response: &HttpResponse| {
            let Appended { seqno, head } = body(response, &[200, 201])?;
            pending.filter(|link| link.seqno() == seqno && link.hash() == head)
        };
        match outcome(answer, stands) {
            Outcome::Done(_) => self.link_stands(cx),
            // Another browser was faster, an attacker is at work, or the refusal is false. The chain will show which.
            Outcome::Refused(problem) => {
                if problem.code != ProblemCode::Conflict {
                    self.on_refusal(Reason::server(&problem.detail));
                }
                self.refused = true;
            }
            Outcome::Unknown => self.advance_later(answer, cx),
        }
    }

    fn link_stands(&mut self, cx: &mut Context<'_>) {
        self.backoff.reset();
        let Some(link) = self.pending() else { return };
        self.stored.pending = None;
        if self.stored.watched.chain.append(&link).is_ok() {
            self.stored.links.push(link.json().to_owned());
        } else {
            self.checked = false;
        }
        self.save(cx);
    }

    fn give_up_pending(&mut self, cx: &mut Context<'_>) {
        // A removal, or a change of the key, is made again for the place behind the link that was faster.
        if let Some(Body::RevokeDevice { device, .. }) = self.pending().map(|link| link.body().clone()) {
            self.removing = Some(device);
        }
        self.stored.pending = self.rotate_again(cx);
        if self.stored.pending.is_none() && self.stored.change.take().is_some() {
            self.error = Some(Reason::ChainMoved);
        }
        if self.chain().length() == 0 {
            // Announced by a link that never got into the chain.
            self.stored.next_seed = None;
        }
        self.save(cx);
    }

    /// Handles the server's answer with the account's own chain.
    fn on_chain(&mut self, answer: &Answer, facts: Facts<'_>, cx: &mut Context<'_>) -> OwnNews {
        self.answered = true;
        let first_sight = self.chain().length() == 0;
        let was_refused = self.refused;
        let mut news = OwnNews::None;
        match self.stored.watched.take(answer) {
            Fetched::New(links) => {
                self.checked = !self.stored.watched.is_behind();
                self.backoff.reset();
                let pending = self.pending().map(|link| link.hash());
                let mine = |link: &Link| Some(link.hash()) == pending;
                let adopted = first_sight && facts.restored && pending.is_none();
                let foreign =
                    links.iter().filter(|link| !adopted && !mine(link)).map(ForeignLink::from).collect();
                if links.iter().any(mine) {
                    self.stored.pending = None;
                } else if !links.is_empty() && pending.is_some() {
                    self.give_up_pending(cx);
                }
                self.stored.links.extend(links.iter().map(|link| link.json().to_owned()));
                if !links.is_empty() {
                    self.save(cx);
                    news = OwnNews::Links(foreign);
                }
            }
            Fetched::None => self.checked = true,
            Fetched::Alarm(alarm) => {
                self.checked = true;
                self.raise(alarm, cx);
            }
            Fetched::Unavailable => self.unanswered(answer, facts, cx),
        }
        if was_refused && self.checked {
            self.post_again_later(answer, cx);
        }
        news
    }

    /// As far as we can see, the refused link is not in the chain. It is kept, because the server has it and might
    /// still append it. In that case, the announced seed is needed.
    fn post_again_later(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        self.refused = false;
        if self.stored.pending.is_none() {
            return;
        }
        if self.stored.change.is_some() {
            return self.advance_later(answer, cx);
        }
        self.try_at = Some(cx.now.saturating_add(around(CHECK_INTERVAL, cx.rng)));
    }

    /// Handles the server's answer with the user's own registration, which a restored browser does not have.
    fn on_record(&mut self, answer: &Answer, facts: Facts<'_>, cx: &mut Context<'_>) -> OwnNews {
        match Proof::of_handle(answer, &facts.me.server, &facts.me.handle) {
            Proof::Proven(found) if found.key == facts.me.key.public() => {
                self.root_known = true;
                let root = found.root.unwrap_or(found.key.primary());
                // What was claimed about the chain of this root before still holds.
                if self.chain().length() == 0 && self.chain().root() != root {
                    self.stored.watched = Watched::new(root);
                }
                OwnNews::Registration(found.registration)
            }
            _ => {
                self.answered = true;
                self.advance_later(answer, cx);
                OwnNews::None
            }
        }
    }

    /// The server has no answer about the user's own chain. If it keeps answering everything else, that counts as an
    /// answer after a while.
    pub(super) fn unanswered(&mut self, answer: &Answer, facts: Facts<'_>, cx: &mut Context<'_>) {
        let watched = &mut self.stored.watched;
        if let Some(alarm) = facts.is_online.then(|| watched.unanswered(cx.wall() / 1000)).flatten() {
            self.checked = true;
            self.raise(alarm, cx);
        } else {
            self.save(cx);
            self.advance_later(answer, cx);
        }
    }
}
