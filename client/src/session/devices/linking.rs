//! "Link a device": this browser adds a new one to the user's chain. The user types the code that the new one shows, and an
//! offer is taken only if that is its code; so the server cannot put another browser in its place.

use kez_core::api::{Base64Url, LinkMessage, LinkState, link_messages_target, link_target};
use kez_core::link::{
    Countersigned, Introduction, LIFETIME_SECONDS, LinkAdded, LinkCode, LinkOffer, LinkSecret,
    MAX_SEALED_BYTES, Side,
};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Body, MAX_LIVE_DEVICES};
use serde_json::value::RawValue;

use crate::devices::{LinkStage as Stage, Offered, Talk};
use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome};
use crate::kernel::context::Context;
use crate::kernel::device::certificate;
use crate::kernel::reason::Reason;
use crate::kernel::requests::{LinkRequest, Purpose};
use crate::kernel::secret::Secret;
use crate::session::Session;

/// How often, in milliseconds, the server is asked for messages of the new browser.
const LOOK_EVERY: u64 = 2_000;
/// What precedes the code in the address that a new browser shows.
const IN_ADDRESS: &str = "#link=";
/// The bytes of an introduction that are kept for what is not the links of the chain.
const ROOM: usize = 8 * 1024;

impl Session {
    /// "Continue" with a code, or with the address that has it.
    pub(in crate::session) fn link_code_typed(&mut self, text: &Secret, cx: &mut Context<'_>) {
        let text = text.expose();
        let code = text.rsplit_once(IN_ADDRESS).map_or(text, |(_, code)| code);
        let linking = &mut self.devices.linking;
        if !matches!(linking.stage, Stage::Idle | Stage::Asking(_) | Stage::Linked) {
            return;
        }
        let Ok(code) = code.parse::<LinkCode>() else { return linking.fail(Reason::InvalidLinkCode) };
        linking.error = None;
        linking.until = cx.now.saturating_add(LIFETIME_SECONDS * 1_000);
        cx.get(link_target(code.id()), Purpose::Link(LinkRequest::Look));
        linking.stage = Stage::Looking(code);
    }

    /// "Cancel".
    pub(in crate::session) fn link_cancelled(&mut self, cx: &mut Context<'_>) {
        self.devices.linking = Default::default();
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Link(_)));
    }

    /// "Link".
    pub(in crate::session) fn link_confirmed(&mut self, cx: &mut Context<'_>) {
        let Stage::Asking(offered) = std::mem::take(&mut self.devices.linking.stage) else { return };
        match self.talk(&offered, cx) {
            Ok(talk) => {
                self.devices.linking.stage = Stage::Talking(Box::new(talk));
                self.go_on_linking(cx);
            }
            Err(why) => self.devices.linking.fail(why),
        }
    }

    /// Makes the introduction: the account, and the link that will add the new browser.
    fn talk(&self, offered: &Offered, cx: &mut Context<'_>) -> Result<Talk, Reason> {
        let (own, now) = (self.chains.own(), cx.timestamp());
        let chain = own.chain();
        if chain.live(now).count() >= MAX_LIVE_DEVICES {
            return Err(Reason::DevicesFull);
        }
        if own.making().is_some() || self.my_credential(cx).is_none() {
            return Err(Reason::ChainPending);
        }
        let registration = self.registration.clone().ok_or(Reason::ChainPending)?;
        let offer = &offered.offer;
        let device = certificate(offer.device(), *offer.key(), now).ok_or(Reason::LinkFailed)?;
        let draft = chain.draft(Body::AddDevice(device), now);
        let secret = LinkSecret::random(&mut &mut *cx.rng);
        let keys = secret.keys(offer.box_key(), offer).map_err(|_| Reason::LinkFailed)?;
        let raw = |json: String| RawValue::from_string(json).map_err(|_| Reason::LinkFailed);
        // The last links may have no room. The new browser fetches them.
        let mut room = MAX_SEALED_BYTES - ROOM;
        let links = own.links().iter().take_while(|link| {
            let fits = link.len() < room;
            room = room.saturating_sub(link.len() + 1);
            fits
        });
        let introduction = Introduction {
            root: chain.root(),
            handle: self.me.handle.clone(),
            server: self.me.server.clone(),
            registration: raw(registration)?,
            links: links.map(|link| raw(link.clone())).collect::<Result<_, _>>()?,
            payload: raw(draft.payload())?,
        };
        let plaintext = serde_json::to_vec(&introduction).map_err(|_| Reason::LinkFailed)?;
        let sealed = keys.seal(Side::Old, 1, &plaintext).map_err(|_| Reason::LinkFailed)?;
        let message =
            LinkMessage { from: Side::Old, n: 1, r#box: Some(secret.public()), sealed: Base64Url(sealed) };
        let introduction = Some(serde_json::to_string(&message).map_err(|_| Reason::LinkFailed)?);
        Ok(Talk { id: offered.id, keys, device: offer.device(), draft, introduction })
    }

    /// Sends the next request about the link, unless one is in flight.
    fn go_on_linking(&mut self, cx: &mut Context<'_>) {
        self.devices.linking.due = None;
        if cx.shared.requests.any(|purpose| matches!(purpose, Purpose::Link(_))) {
            return;
        }
        match &self.devices.linking.stage {
            Stage::Talking(talk) => match &talk.introduction {
                Some(message) => {
                    let purpose = Purpose::Link(LinkRequest::Say);
                    cx.post(&link_messages_target(talk.id), message.clone(), purpose);
                }
                None => cx.get(link_target(talk.id), Purpose::Link(LinkRequest::Look)),
            },
            Stage::Looking(code) => cx.get(link_target(code.id()), Purpose::Link(LinkRequest::Look)),
            _ => {}
        }
    }

    /// Performs the next step of a link, if it is due.
    pub(super) fn advance_linking(&mut self, cx: &mut Context<'_>) {
        let linking = &mut self.devices.linking;
        if linking.due.take_if(|at| *at <= cx.now).is_some() {
            if linking.until <= cx.now {
                return linking.fail(Reason::LinkExpired);
            }
            self.go_on_linking(cx);
        }
        if let Stage::Appending(talk) = &self.devices.linking.stage {
            let (own, device) = (self.chains.own(), talk.device);
            match own.chain().device(&device).map(|known| known.seqno) {
                Some(seqno) => self.tell_linked(seqno, cx),
                None if own.making().is_none() => {
                    // Another link was faster.
                    self.devices.end_history(device);
                    self.devices.linking.fail(Reason::ChainMoved);
                }
                None => {}
            }
        }
    }

    /// Tells the new browser that it belongs to the account.
    fn tell_linked(&mut self, seqno: u64, cx: &mut Context<'_>) {
        let Stage::Appending(talk) = std::mem::replace(&mut self.devices.linking.stage, Stage::Telling)
        else {
            return;
        };
        let sealed = serde_json::to_vec(&LinkAdded { seqno }).ok();
        let sealed = sealed.and_then(|plaintext| talk.keys.seal(Side::Old, 2, &plaintext).ok());
        let message = sealed.map(|sealed| LinkMessage {
            from: Side::Old,
            n: 2,
            r#box: None,
            sealed: Base64Url(sealed),
        });
        if let Some(message) = message.and_then(|message| serde_json::to_string(&message).ok()) {
            cx.post(&link_messages_target(talk.id), message, Purpose::Link(LinkRequest::Say));
        }
    }

    /// Handles an answer about a link.
    pub(in crate::session) fn link_answered(
        &mut self,
        request: LinkRequest,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        let again = Some(cx.now.saturating_add(LOOK_EVERY));
        let linking = &mut self.devices.linking;
        match (request, &mut linking.stage) {
            (LinkRequest::Look, Stage::Looking(code)) => {
                match outcome(answer, |response| body::<LinkState>(response, &[200])) {
                    Outcome::Done(state) => match offer_with(code, &state) {
                        Some(offered) => linking.stage = Stage::Asking(Box::new(offered)),
                        None => linking.fail(Reason::OtherOffer),
                    },
                    Outcome::Refused(problem) if problem.code == ProblemCode::UnknownLink => {
                        linking.fail(Reason::UnknownLinkCode);
                    }
                    Outcome::Refused(problem) => linking.fail(Reason::server(&problem.detail)),
                    Outcome::Unknown => linking.due = again,
                }
            }
            (LinkRequest::Say, Stage::Talking(talk)) => match outcome(answer, no_content) {
                Outcome::Done(()) => {
                    talk.introduction = None;
                    linking.due = again;
                }
                Outcome::Refused(problem) if problem.code == ProblemCode::Conflict => {
                    // An answer was lost.
                    talk.introduction = None;
                    linking.due = again;
                }
                Outcome::Refused(problem) => linking.fail(Reason::server(&problem.detail)),
                Outcome::Unknown => linking.due = again,
            },
            (LinkRequest::Look, Stage::Talking(_)) => {
                match outcome(answer, |response| body::<LinkState>(response, &[200])) {
                    Outcome::Done(state) => self.on_link_messages(&state.messages, cx),
                    Outcome::Refused(problem) if problem.code == ProblemCode::UnknownLink => {
                        linking.fail(Reason::LinkExpired);
                    }
                    Outcome::Refused(_) | Outcome::Unknown => linking.due = again,
                }
            }
            (LinkRequest::Say, Stage::Telling) => linking.stage = Stage::Linked,
            _ => {}
        }
    }

    /// The new browser has countersigned: the link is signed and stored, with the wish for its history, before it is posted.
    fn on_link_messages(&mut self, messages: &[LinkMessage], cx: &mut Context<'_>) {
        let Some(message) = messages.iter().find(|message| message.from == Side::New && message.n == 1)
        else {
            self.devices.linking.due = Some(cx.now.saturating_add(LOOK_EVERY));
            return;
        };
        let Stage::Talking(talk) = std::mem::take(&mut self.devices.linking.stage) else { return };
        let opened = talk.keys.open(Side::New, 1, &message.sealed.0).ok();
        let countersigned = opened.and_then(|opened| serde_json::from_slice::<Countersigned>(&opened).ok());
        let signer = self.me.link_signer();
        let link = countersigned.zip(signer).and_then(|(Countersigned { countersignature }, signer)| {
            talk.draft.clone().sign_countersigned(signer, countersignature).ok()
        });
        let Some(link) = link else { return self.devices.linking.fail(Reason::LinkFailed) };
        let (chains, facts) = self.chains_with_facts();
        if !chains.own_mut().add_device(&link, facts, cx) {
            return self.devices.linking.fail(Reason::ChainMoved);
        }
        self.devices.begin_history(talk.device);
        self.devices.linking.stage = Stage::Appending(talk);
    }
}

/// The offer of a link, if it is the one with this code.
fn offer_with(code: &LinkCode, state: &LinkState) -> Option<Offered> {
    let offer = LinkOffer::parse(state.offer.get().as_bytes()).ok()?;
    (offer.code().ok()? == *code).then(|| Offered { id: code.id(), offer })
}
