//! From "Create account" to an account on the server. The vault is created first, so that no account exists whose key
//! is not stored. Then the signed claim is posted, with the same bytes until the server answers.

use kez_core::handle::{Handle, ServerName};
use kez_core::identity::SecretIdentity;
use kez_core::invite::InviteCode;
use kez_core::problem::ProblemCode;
use kez_core::registration::HandleRegistration;

use crate::account::{Ready, StoredAccount};
use crate::kernel::answer;
use crate::kernel::answer::{Answer, retry_after};
use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::event::HttpResponse;
use crate::kernel::lookup::{self, Proof};
use crate::kernel::me::StoredKey;
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;
use crate::kernel::seed::StoredSeed;
use crate::kernel::sync::StoredSync;

/// The maximum age of a claim, in milliseconds, before it is signed again. The server accepts claims for five minutes.
pub(crate) const LONGEST_CLAIM_AGE: u64 = 4 * 60 * 1000;

/// The id of the record of kind [`Kind::Invite`].
const INVITE: &str = "invite";

/// An account that is being created.
pub(crate) struct Registering {
    account: StoredAccount,
    has_passphrase: bool,
    /// The other records of the vault.
    records: Vec<Record>,
    /// The invitation code, if the server requires one. Kept in the vault until the server has accepted it.
    invite: Option<InviteCode>,
    phase: Phase,
    backoff: Backoff,
    /// Whether the claim has been re-signed with the server's time, after the server found it too old or too new.
    signed_anew: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the storage to create the vault.
    Vault,
    /// Waiting for the server to accept the claim, or to say whether it already has.
    Server,
    /// Waiting to ask the server again at this time.
    Waiting(u64),
    /// The handle is taken, or the invitation is invalid. The user has to choose another.
    Refused,
}

/// The result of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Still pending, perhaps with a message for the user.
    Pending(Option<Reason>),
    /// The account exists.
    Registered,
    /// The server refuses this handle, or this invitation.
    Refused(Reason),
}

impl Registering {
    /// Signs the claim and requests the vault.
    pub(crate) fn begin(
        me: SecretIdentity,
        handle: Handle,
        server: &ServerName,
        invite: Option<InviteCode>,
        passphrase: Secret,
        phrase_confirmed: bool,
        cx: &mut Context<'_>,
    ) -> Self {
        let mut account = StoredAccount {
            key: StoredKey::Seed(StoredSeed(me.seed().clone())),
            handle,
            server: server.clone(),
            registration: None,
            signed_at: 0,
            registered: false,
            restored: false,
            phrase_confirmed,
            former: Vec::new(),
        };
        sign(&mut account, cx);
        let sync = StoredSync::new(cx.rng).record();
        let has_passphrase = !passphrase.is_empty();
        let passphrase = has_passphrase.then_some(passphrase);
        let mut first = vec![account.record(), sync.clone()];
        first.extend(invite.as_ref().map(record));
        cx.push(Effect::CreateVault { passphrase, records: first });
        let (records, backoff) = (vec![sync], backoff());
        Self { account, has_passphrase, records, invite, phase: Phase::Vault, backoff, signed_anew: false }
    }

    /// Resumes after a restart: the vault has an account that the server may not know yet.
    pub(crate) fn resume(
        account: StoredAccount,
        has_passphrase: bool,
        records: Vec<Record>,
        cx: &mut Context<'_>,
    ) -> Self {
        let invite = Self::kept_invitation(&records).expose().parse().ok();
        let (phase, backoff) = (Phase::Server, backoff());
        let mut this = Self { account, has_passphrase, records, invite, phase, backoff, signed_anew: false };
        this.post(cx);
        this
    }

    /// The invitation stored in the vault; empty if there is none.
    pub(crate) fn kept_invitation(records: &[Record]) -> Secret {
        let kept = records.iter().find(|record| record.kind == Kind::Invite);
        Secret::new(kept.and_then(|record| record.read::<String>().ok()).unwrap_or_default())
    }

    /// The vault has been created.
    pub(crate) fn vault_created(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Vault {
            self.post(cx);
        }
    }

    /// The user chose another handle or another invitation after a refusal.
    pub(crate) fn claim(
        &mut self,
        handle: Handle,
        server: &ServerName,
        invite: Option<InviteCode>,
        cx: &mut Context<'_>,
    ) {
        self.account.handle = handle;
        self.account.server = server.clone();
        self.account.registration = None;
        self.signed_anew = false;
        self.invite = invite;
        match &self.invite {
            Some(invite) => cx.save(record(invite)),
            None => cx.delete(Kind::Invite, INVITE),
        }
        self.post(cx);
    }

    /// Handles the server's answer to the claim.
    pub(crate) fn claim_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Outcome {
        let key = self.account.identity().public();
        let done = |response: &HttpResponse| {
            lookup::registered(response, &self.account.server, &self.account.handle, Some(key))
        };
        match answer::outcome(answer, done) {
            answer::Outcome::Done(()) => self.registered(cx),
            // This very key may hold the handle already, if an earlier answer was lost.
            answer::Outcome::Refused(problem) if problem.status == 409 => {
                cx.get(format!("/v1/by-primary/{key}"), Purpose::OwnAccount);
                Outcome::Pending(None)
            }
            // The answer has just corrected our clock.
            answer::Outcome::Refused(problem) if problem.code == ProblemCode::Stale && !self.signed_anew => {
                self.signed_anew = true;
                self.account.registration = None;
                self.post(cx);
                Outcome::Pending(None)
            }
            answer::Outcome::Refused(problem) => {
                self.phase = Phase::Refused;
                Outcome::Refused(match problem.code {
                    ProblemCode::Stale => Reason::WrongClock,
                    _ => Reason::server(&problem.detail),
                })
            }
            answer::Outcome::Unknown => self.wait(answer, cx),
        }
    }

    /// Handles the server's answer about the key.
    pub(crate) fn own_account_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Outcome {
        let key = self.account.identity().public().primary();
        match Proof::of_key(answer, &self.account.server, key) {
            Proof::Proven(found) => {
                self.account.handle = found.handle;
                // A newer claim than the server's may have been signed since.
                self.account.registration = Some(found.registration);
                self.registered(cx)
            }
            Proof::NotFound => {
                self.phase = Phase::Refused;
                Outcome::Refused(Reason::HandleTaken(self.account.handle.to_string()))
            }
            Proof::Replaced(_) | Proof::Unavailable => self.wait(answer, cx),
        }
    }

    /// Handles the timer.
    pub(crate) fn tick(&mut self, cx: &mut Context<'_>) {
        if self.wake().is_some_and(|at| at <= cx.now) {
            self.post(cx);
        }
    }

    /// When to ask again.
    pub(crate) const fn wake(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// Whether the registration is under way, as opposed to waiting for the user.
    pub(crate) fn busy(&self) -> bool {
        self.phase != Phase::Refused
    }

    /// Whether the vault is being created.
    pub(crate) fn creating_vault(&self) -> bool {
        self.phase == Phase::Vault
    }

    /// The registered account.
    pub(crate) fn ready(self) -> Ready {
        Ready { account: self.account, has_passphrase: self.has_passphrase, records: self.records }
    }

    fn post(&mut self, cx: &mut Context<'_>) {
        let age = cx.wall().abs_diff(self.account.signed_at);
        if self.account.registration.is_none() || age > LONGEST_CLAIM_AGE {
            sign(&mut self.account, cx);
            cx.save(self.account.record());
        }
        self.phase = Phase::Server;
        if let Some(body) = self.account.registration.clone() {
            let request = HttpRequest {
                method: Method::Post,
                target: "/v1/register".to_owned(),
                auth: None,
                invite: self.invite.as_ref().map(ToString::to_string),
                body: Some(body),
            };
            cx.request(request, Purpose::Register);
        }
    }

    fn wait(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Outcome {
        let wait = self.backoff.next_after(retry_after(answer), cx.rng);
        self.phase = Phase::Waiting(cx.now.saturating_add(wait));
        Outcome::Pending(Some(Reason::StillTrying))
    }

    fn registered(&mut self, cx: &mut Context<'_>) -> Outcome {
        self.account.registered = true;
        cx.save(self.account.record());
        if self.invite.is_some() {
            cx.delete(Kind::Invite, INVITE);
        }
        Outcome::Registered
    }
}

fn record(invite: &InviteCode) -> Record {
    Record::put(Kind::Invite, INVITE, &invite.to_string())
}

const fn backoff() -> Backoff {
    Backoff::new(1_000, 30_000)
}

fn sign(account: &mut StoredAccount, cx: &Context<'_>) {
    let key = account.identity();
    let signed = key.secret().map(|key| {
        HandleRegistration::sign(key, &account.handle, &account.server, cx.server_time())?.to_json()
    });
    account.registration = signed.and_then(Result::ok);
    account.signed_at = cx.wall();
}
