//! After the introduction: this browser checks the account's sigchain, creates the vault, signs, and waits until the chain has
//! it as a device.

use kez_core::api::LinkMessage;
use kez_core::handle::Handle;
use kez_core::identity::{Primary, PublicIdentity};
use kez_core::link::{Countersigned, Introduction, LIFETIME_SECONDS, LinkKeys, Side};
use kez_core::sigchain::{Chain, Draft, Hash, Link, Links};
use serde::{Deserialize, Serialize};

use super::{LOOK_EVERY, Offered, link_messages_target};
use crate::account::{Ready, StoredAccount};
use crate::chains::own_record;
use crate::kernel::answer::{Answer, Outcome, body, no_content, outcome, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::device::{OwnDevice, Standing};
use crate::kernel::effect::Effect;
use crate::kernel::lookup::Found;
use crate::kernel::me::StoredKey;
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::{LinkRequest, Purpose};
use crate::kernel::secret::Secret;
use crate::kernel::sync::StoredSync;

/// The id of the record of kind [`Kind::Link`].
const LINK: &str = "link";

/// The record of kind [`Kind::Link`]: what a restart needs to go on.
#[derive(Clone, Serialize, Deserialize)]
struct StoredLink {
    /// Where the countersignature is posted.
    target: String,
    /// The sealed countersignature, always the same bytes.
    message: String,
    /// When the server forgets the link, Unix seconds.
    until: u64,
}

/// A link whose account is known.
pub(super) struct Joining {
    account: StoredAccount,
    has_passphrase: bool,
    device: OwnDevice,
    chain: Chain,
    /// Every link of the chain so far, as canonical JSON.
    links: Vec<String>,
    sync: StoredSync,
    phase: Phase,
    due: Option<u64>,
    until: u64,
    backoff: Backoff,
}

enum Phase {
    /// The links of the chain that the introduction had no room for are fetched. Then the vault is created.
    Checking(Box<Checking>),
    /// The vault is being created.
    Vault(StoredLink),
    /// The countersignature is posted until the server has it.
    Saying(StoredLink),
    /// The sigchain is asked for this device.
    Waiting,
}

/// What an introduction says, until it is checked.
struct Checking {
    draft: Draft,
    keys: LinkKeys,
    /// Where the countersignature is to be posted.
    target: String,
    passphrase: Secret,
}

/// What an answer about the chain means.
pub(super) enum News {
    Wait,
    /// This browser belongs to the account.
    Linked,
    /// There is no vault yet, and there will be none.
    Refused(Reason),
    /// The vault is of no use.
    Failed(Reason),
}

impl Joining {
    /// Checks everything in an introduction that needs no request. `None` when it is not to be trusted.
    pub(super) fn begin(
        introduction: Introduction,
        keys: LinkKeys,
        offered: Offered,
        cx: &mut Context<'_>,
    ) -> Option<Self> {
        let Introduction { root, handle, server, registration, links, payload } = introduction;
        let found = Found::of_registration(registration.get(), &offered.server, root)?;
        let draft = Draft::parse(payload.get().as_bytes()).ok()?;
        let is_this = draft.device().is_some_and(|device| {
            device.device == offered.device.id() && device.key == offered.device.key().public()
        });
        if server != offered.server || found.handle != handle || !is_this {
            return None;
        }
        let account = StoredAccount {
            key: StoredKey::Public(found.key),
            handle,
            server,
            registration: Some(found.registration),
            signed_at: 0,
            registered: false,
            restored: false,
            // There is no phrase to confirm.
            phrase_confirmed: true,
            former: Vec::new(),
        };
        let target = link_messages_target(offered.code.id());
        let passphrase = offered.passphrase;
        let mut this = Self {
            account,
            has_passphrase: !passphrase.is_empty(),
            device: offered.device,
            chain: Chain::new(root),
            links: Vec::new(),
            sync: StoredSync { read_before: cx.server_time().unix(), ..StoredSync::new(cx.rng) },
            phase: Phase::Checking(Box::new(Checking { draft, keys, target, passphrase })),
            due: Some(cx.now),
            until: offered.until,
            backoff: Backoff::new(1_000, 30_000),
        };
        for link in links {
            this.append(link.get())?;
        }
        this.create_vault(cx);
        Some(this)
    }

    /// Goes on after a restart.
    pub(super) fn resume(
        account: StoredAccount,
        has_passphrase: bool,
        records: &[Record],
        cx: &mut Context<'_>,
    ) -> Option<Self> {
        let of = |kind| records.iter().find(|record| record.kind == kind);
        let stored: StoredLink = of(Kind::Link)?.read().ok()?;
        let (chain, links) = crate::chains::own_links(of(Kind::Chain)?).ok()?;
        let left = stored.until.saturating_sub(cx.wall() / 1000).min(LIFETIME_SECONDS);
        Some(Self {
            account,
            has_passphrase,
            device: OwnDevice::load(of(Kind::Device)?).ok()?,
            chain,
            links,
            sync: of(Kind::Sync)?.read().ok()?,
            phase: Phase::Saying(stored),
            due: Some(cx.now),
            until: cx.now.saturating_add(left * 1_000),
            backoff: Backoff::new(1_000, 30_000),
        })
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.account.handle
    }

    pub(super) const fn wake(&self) -> Option<u64> {
        self.due
    }

    pub(super) const fn creating_vault(&self) -> bool {
        matches!(self.phase, Phase::Vault(_))
    }

    /// The vault has been created: now the signature may leave the browser.
    pub(super) fn vault_created(&mut self, cx: &mut Context<'_>) {
        if let Phase::Vault(stored) = &self.phase {
            self.phase = Phase::Saying(stored.clone());
            self.due = Some(cx.now);
        }
    }

    /// Sends the next request, unless one is in flight.
    pub(super) fn proceed(&mut self, sigchains: Option<&str>, cx: &mut Context<'_>) {
        if cx.shared.requests.any(|purpose| matches!(purpose, Purpose::Link(_))) {
            return;
        }
        self.due = None;
        match &self.phase {
            Phase::Vault(_) => {}
            Phase::Saying(stored) => {
                cx.post(&stored.target, stored.message.clone(), Purpose::Link(LinkRequest::Say));
            }
            Phase::Checking(_) | Phase::Waiting => match sigchains {
                Some(base) => {
                    let (root, since) = (self.chain.root(), self.chain.length());
                    let target = format!("{base}/ed25519/{}?since={since}", root.hex());
                    cx.get(target, Purpose::Link(LinkRequest::Chain));
                }
                // The configuration is on its way.
                None => self.due = Some(cx.now.saturating_add(LOOK_EVERY)),
            },
        }
    }

    /// Handles the answer to the countersignature. Whether it is refused or not, the chain shows what came of it.
    pub(super) fn said(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match (outcome(answer, no_content), &self.phase) {
            (Outcome::Done(()) | Outcome::Refused(_), Phase::Saying(_)) => {
                self.phase = Phase::Waiting;
                self.backoff.reset();
                self.due = Some(cx.now.saturating_add(LOOK_EVERY));
            }
            _ => self.wait(answer, cx),
        }
    }

    /// Handles the server's answer with the links that follow those that are known.
    pub(super) fn on_chain(&mut self, answer: &Answer, cx: &mut Context<'_>) -> News {
        let links = answer.as_ref().ok().and_then(|response| body::<Links>(response, &[200]));
        let is_checking = matches!(self.phase, Phase::Checking(_));
        match links {
            Some(links) => {
                for link in &links.links {
                    if self.append(link.get()).is_none() {
                        return self.fails(Reason::LinkFailed);
                    }
                }
                if is_checking {
                    self.create_vault(cx);
                    if matches!(self.phase, Phase::Checking(_)) && links.links.is_empty() {
                        return self.fails(Reason::LinkFailed);
                    }
                    self.due.get_or_insert(cx.now);
                } else if self.device.standing(&self.chain, cx.timestamp()) == Standing::Live {
                    return self.linked(cx);
                } else {
                    self.due = Some(cx.now.saturating_add(LOOK_EVERY));
                }
            }
            None => self.wait(answer, cx),
        }
        if self.until <= cx.now { self.fails(Reason::LinkExpired) } else { News::Wait }
    }

    /// The account.
    pub(super) fn ready(self) -> Ready {
        let records = vec![self.sync.record(), self.device.record(), own_record(self.chain, self.links)];
        Ready { account: self.account, has_passphrase: self.has_passphrase, records }
    }

    fn fails(&self, why: Reason) -> News {
        if matches!(self.phase, Phase::Checking(_)) { News::Refused(why) } else { News::Failed(why) }
    }

    fn wait(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        let wait = self.backoff.next_after(retry_after(answer), cx.rng);
        self.due = Some(cx.now.saturating_add(wait.max(LOOK_EVERY)));
    }

    /// Verifies the next link. The account's key follows it.
    fn append(&mut self, json: &str) -> Option<()> {
        let link = Link::parse(json.as_bytes()).ok()?;
        self.chain.append(&link).ok()?;
        self.links.push(link.json().to_owned());
        Some(())
    }

    /// Creates the vault once the chain is complete: it ends where the other browser adds this one, and its key holds the
    /// handle.
    fn create_vault(&mut self, cx: &mut Context<'_>) {
        let Phase::Checking(checking) = &self.phase else { return };
        let Checking { draft, keys, target, passphrase } = checking.as_ref();
        let place: (Primary, u64, Option<Hash>) =
            (self.chain.root(), self.chain.length() + 1, self.chain.head());
        let key = self.account.key.key().public().primary();
        if draft.place() != place || self.chain.primary() != key {
            return;
        }
        let countersignature = draft.countersign(self.device.key());
        let sealed = serde_json::to_vec(&Countersigned { countersignature }).ok();
        let sealed = sealed.and_then(|plaintext| keys.seal(Side::New, 1, &plaintext).ok());
        let message = sealed.map(|sealed| LinkMessage {
            from: Side::New,
            n: 1,
            r#box: None,
            sealed: kez_core::api::Base64Url(sealed),
        });
        let Some(message) = message.and_then(|message| serde_json::to_string(&message).ok()) else { return };
        let left = self.until.saturating_sub(cx.now) / 1_000;
        let stored = StoredLink { target: target.clone(), message, until: cx.wall() / 1000 + left };
        let records = vec![
            self.account.record(),
            self.sync.record(),
            self.device.record(),
            own_record(self.chain.clone(), self.links.clone()),
            Record::put(Kind::Link, LINK, &stored),
        ];
        let passphrase = (!passphrase.is_empty()).then(|| passphrase.clone());
        cx.push(Effect::CreateVault { passphrase, records });
        self.phase = Phase::Vault(stored);
        self.due = None;
    }

    fn linked(&mut self, cx: &mut Context<'_>) -> News {
        let primary = PublicIdentity::try_from(self.chain.primary());
        if let Ok(key) = primary {
            self.account.key = StoredKey::Public(key);
        }
        self.account.registered = true;
        cx.save(self.account.record());
        cx.save(own_record(self.chain.clone(), self.links.clone()));
        cx.delete(Kind::Link, LINK);
        News::Linked
    }
}
