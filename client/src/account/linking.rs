//! Getting an account from another browser, without its recovery words: this one shows the code of an offer, and the other
//! one, where the user types the code, adds this browser to the account's sigchain as a device.
//!
//! The vault is created before this browser signs anything, so a crash leaves a browser that is not linked, or one that finds
//! out from the sigchain that it is.

mod joining;

use kez_core::api::{LinkMessage, LinkState, PutLink, link_messages_target, link_target};
use kez_core::handle::ServerName;
use kez_core::link::{Introduction, LIFETIME_SECONDS, LinkCode, LinkOffer, LinkSecret, Side};
use kez_core::problem::ProblemCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::account::{Ready, StoredAccount};
use crate::kernel::answer::{Answer, Outcome, body, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::config::Config;
use crate::kernel::context::Context;
use crate::kernel::device::OwnDevice;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::reason::Reason;
use crate::kernel::record::Record;
use crate::kernel::requests::{LinkRequest, Purpose};
use crate::kernel::secret::Secret;
use joining::Joining;

/// How often, in milliseconds, the server is asked for messages of the other browser.
const LOOK_EVERY: u64 = 2_000;

/// The steps of /link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkStep {
    /// Choosing a passphrase, or none.
    #[default]
    Passphrase,
    /// The offer is on its way to the server.
    Offering,
    /// The other browser has to be given this code.
    Code {
        /// The code, in groups.
        code: String,
        /// The address that opens the settings of the other browser with the code.
        url: String,
    },
    /// The other browser has answered.
    Joining {
        /// The account's handle, without `@`.
        handle: String,
    },
}

/// The state of /link.
#[derive(Default)]
pub(crate) struct Linking {
    pub(crate) error: Option<Reason>,
    stage: Option<Stage>,
}

enum Stage {
    Offered(Box<Offered>),
    Joining(Box<Joining>),
}

/// An offer.
struct Offered {
    device: OwnDevice,
    secret: LinkSecret,
    offer: LinkOffer,
    /// The offer as it was put.
    json: String,
    code: LinkCode,
    passphrase: Secret,
    server: ServerName,
    /// Whether the server has it.
    is_put: bool,
    /// When the next request is due.
    due: Option<u64>,
    /// When the server forgets it.
    until: u64,
    backoff: Backoff,
}

impl Linking {
    /// "Continue" on /link: makes an offer.
    pub(crate) fn begin(&mut self, passphrase: Secret, config: &Config, cx: &mut Context<'_>) {
        if self.stage.is_some() {
            return;
        }
        self.error = None;
        let Some(server) = config.server.clone() else {
            self.error = Some(Reason::NotConnected);
            return;
        };
        match Offered::new(passphrase, server, cx) {
            Some(offered) => self.stage = Some(Stage::Offered(Box::new(offered))),
            None => self.error = Some(Reason::LinkFailed),
        }
        self.proceed(cx);
    }

    /// A link that was begun before a restart: the vault has it.
    pub(crate) fn resume(
        account: StoredAccount,
        has_passphrase: bool,
        records: Vec<Record>,
        cx: &mut Context<'_>,
    ) -> Self {
        match Joining::resume(account, has_passphrase, &records, cx) {
            Some(joining) => Self { error: None, stage: Some(Stage::Joining(Box::new(joining))) },
            None => {
                // The vault holds nothing that could be opened.
                cx.push(Effect::DestroyVault);
                Self { error: Some(Reason::LinkFailed), stage: None }
            }
        }
    }

    /// "Cancel", or another way to an account was chosen.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>) {
        if let Some(Stage::Joining(_)) = self.stage.take() {
            cx.push(Effect::DestroyVault);
        }
        self.error = None;
        cx.shared.requests.forget(|purpose| matches!(purpose, Purpose::Link(_)));
    }

    /// Whether a link is under way.
    pub(crate) const fn busy(&self) -> bool {
        self.stage.is_some()
    }

    /// The step on screen.
    pub(crate) fn step(&self) -> LinkStep {
        match &self.stage {
            None => LinkStep::Passphrase,
            Some(Stage::Offered(offered)) if !offered.is_put => LinkStep::Offering,
            Some(Stage::Offered(offered)) => {
                let (code, server) = (offered.code.to_string(), &offered.server);
                let url = format!("https://{server}/settings#link={}", code.replace('-', ""));
                LinkStep::Code { code, url }
            }
            Some(Stage::Joining(joining)) => LinkStep::Joining { handle: joining.handle().to_string() },
        }
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        match self.stage.as_ref()? {
            Stage::Offered(offered) => offered.due,
            Stage::Joining(joining) => joining.wake(),
        }
    }

    /// Handles the timer. The base URL of the sigchains is in the server's configuration.
    pub(crate) fn on_tick(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.wake().is_some_and(|at| at <= cx.now) {
            if let Some(Stage::Joining(joining)) = &mut self.stage {
                joining.proceed(config.sigchains.as_deref(), cx);
            }
            self.proceed(cx);
        }
    }

    /// Performs the next step of an offer.
    fn proceed(&mut self, cx: &mut Context<'_>) {
        let Some(Stage::Offered(offered)) = &mut self.stage else { return };
        if offered.until <= cx.now {
            self.stage = None;
            self.error = Some(Reason::LinkExpired);
        } else if !cx.shared.requests.any(|purpose| matches!(purpose, Purpose::Link(_))) {
            offered.ask(cx);
        }
    }

    /// Handles an answer. Returns the account once it exists.
    pub(crate) fn answered(
        &mut self,
        request: LinkRequest,
        answer: &Answer,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Option<Ready> {
        match (request, &mut self.stage) {
            (LinkRequest::Put, Some(Stage::Offered(offered))) => match outcome(answer, created) {
                Outcome::Done(()) => offered.is_put(cx),
                Outcome::Refused(problem) => self.fail(Reason::server(&problem.detail)),
                Outcome::Unknown => offered.wait(answer, cx),
            },
            (LinkRequest::Look, Some(Stage::Offered(offered))) => {
                match outcome(answer, |response| body::<LinkState>(response, &[200])) {
                    Outcome::Done(state) => return self.heard(&state, config, cx),
                    Outcome::Refused(problem) if problem.code == ProblemCode::UnknownLink => {
                        self.fail(Reason::LinkExpired);
                    }
                    Outcome::Refused(_) | Outcome::Unknown => offered.wait(answer, cx),
                }
            }
            (LinkRequest::Say, Some(Stage::Joining(joining))) => joining.said(answer, cx),
            (LinkRequest::Chain, Some(Stage::Joining(joining))) => match joining.on_chain(answer, cx) {
                joining::News::Wait => {}
                joining::News::Linked => {
                    if let Some(Stage::Joining(joining)) = self.stage.take() {
                        return Some(joining.ready());
                    }
                }
                joining::News::Failed(why) => {
                    cx.push(Effect::DestroyVault);
                    self.fail(why);
                }
                joining::News::Refused(why) => self.fail(why),
            },
            _ => {}
        }
        None
    }

    /// The vault has been created.
    pub(crate) fn vault_created(&mut self, config: &Config, cx: &mut Context<'_>) {
        if let Some(Stage::Joining(joining)) = &mut self.stage {
            joining.vault_created(cx);
            joining.proceed(config.sigchains.as_deref(), cx);
        }
    }

    /// Whether the vault is being created.
    pub(crate) fn creating_vault(&self) -> bool {
        matches!(&self.stage, Some(Stage::Joining(joining)) if joining.creating_vault())
    }

    /// Ends the attempt for this reason.
    pub(crate) fn fail(&mut self, why: Reason) {
        self.stage = None;
        self.error = Some(why);
    }

    /// The messages of the other browser, if there are any.
    fn heard(&mut self, state: &LinkState, config: &Config, cx: &mut Context<'_>) -> Option<Ready> {
        let Some(Stage::Offered(offered)) = &mut self.stage else { return None };
        let first = state.messages.iter().find(|message| message.from == Side::Old && message.n == 1);
        let Some(message) = first else {
            offered.due = Some(cx.now.saturating_add(LOOK_EVERY));
            return None;
        };
        let introduced = offered.introduced(message);
        let Some(Stage::Offered(offered)) = self.stage.take() else { return None };
        let begun =
            introduced.and_then(|(introduction, keys)| Joining::begin(introduction, keys, *offered, cx));
        match begun {
            Some(mut joining) => {
                joining.proceed(config.sigchains.as_deref(), cx);
                self.stage = Some(Stage::Joining(Box::new(joining)));
            }
            None => self.fail(Reason::LinkFailed),
        }
        None
    }
}

impl Offered {
    fn new(passphrase: Secret, server: ServerName, cx: &mut Context<'_>) -> Option<Self> {
        let (device, secret) = (OwnDevice::random(cx.rng), LinkSecret::random(&mut &mut *cx.rng));
        let mut nonce = [0; 16];
        cx.rng.fill_bytes(&mut nonce);
        let offer = LinkOffer::new(secret.public(), device.id(), device.key().public(), nonce);
        let (json, code) = (offer.to_json().ok()?, offer.code().ok()?);
        let until = cx.now.saturating_add(LIFETIME_SECONDS * 1_000);
        let (is_put, due, backoff) = (false, None, Backoff::new(1_000, 30_000));
        Some(Self { device, secret, offer, json, code, passphrase, server, is_put, due, until, backoff })
    }

    /// Puts the offer, with the same bytes until the server has it, and then asks for an answer of the other browser.
    fn ask(&mut self, cx: &mut Context<'_>) {
        self.due = None;
        let target = link_target(self.code.id());
        if self.is_put {
            return cx.get(target, Purpose::Link(LinkRequest::Look));
        }
        let offer = RawValue::from_string(self.json.clone()).ok();
        if let Some(body) = offer.and_then(|offer| serde_json::to_string(&PutLink { offer }).ok()) {
            let (method, body) = (Method::Put, Some(body));
            let request = HttpRequest { method, target, auth: None, invite: None, body };
            cx.request(request, Purpose::Link(LinkRequest::Put));
        }
    }

    fn is_put(&mut self, cx: &mut Context<'_>) {
        self.is_put = true;
        self.backoff.reset();
        self.due = Some(cx.now.saturating_add(LOOK_EVERY));
    }

    fn wait(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let wait = self.backoff.next_after(retry_after(answer), cx.rng);
        self.due = Some(cx.now.saturating_add(wait.max(LOOK_EVERY)));
    }

    /// Opens the first message of the other browser.
    fn introduced(&self, message: &LinkMessage) -> Option<(Introduction, kez_core::link::LinkKeys)> {
        let keys = self.secret.keys(message.r#box.as_ref()?, &self.offer).ok()?;
        let opened = keys.open(Side::Old, 1, &message.sealed.0).ok()?;
        Some((serde_json::from_slice(&opened).ok()?, keys))
    }
}

fn created(response: &crate::kernel::event::HttpResponse) -> Option<()> {
    matches!(response.status, 200 | 201 | 204).then_some(())
}
