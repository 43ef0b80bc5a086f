//! Restoring an account from its 24 words: the key identifies the handle, and the inbox contains the history.

use kez_core::handle::{Handle, ServerName};
use kez_core::identity::SecretIdentity;
use kez_core::recovery_phrase;

use crate::account::{Ready, StoredAccount};
use crate::kernel::answer::{Answer, refusal};
use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::lookup::Proof;
use crate::kernel::me::StoredKey;
use crate::kernel::reason::Reason;
use crate::kernel::record::Record;
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;
use crate::kernel::seed::StoredSeed;
use crate::kernel::sync::StoredSync;

/// The state of /restore.
#[derive(Default)]
pub(crate) struct Restore {
    pub(crate) error: Option<Reason>,
    /// The words and the passphrase during the lookup, then the account while the vault is created.
    attempt: Option<Attempt>,
}

struct Attempt {
    me: SecretIdentity,
    passphrase: Secret,
    vault: Option<(StoredAccount, Vec<Record>)>,
}

impl Restore {
    pub(crate) const fn busy(&self) -> bool {
        self.attempt.is_some()
    }

    /// "Restore account".
    pub(crate) fn submit(
        &mut self,
        phrase: &Secret,
        passphrase: Secret,
        server: Option<&ServerName>,
        cx: &mut Context<'_>,
    ) {
        if self.busy() {
            return;
        }
        self.error = None;
        let seed = match recovery_phrase::parse(phrase.expose()) {
            Ok(seed) => seed,
            Err(invalid) => return self.fail(Reason::InvalidPhrase(invalid)),
        };
        if server.is_none() {
            return self.fail(Reason::NotConnected);
        }
        let me = SecretIdentity::from_seed(seed);
        cx.get(format!("/v1/by-primary/{}", me.public()), Purpose::Restore);
        self.attempt = Some(Attempt { me, passphrase, vault: None });
    }

    /// Handles the server's answer with the handle of the key.
    pub(crate) fn answered(&mut self, answer: &Answer, server: Option<&ServerName>, cx: &mut Context<'_>) {
        let (Some(attempt), Some(server)) = (&mut self.attempt, server) else { return };
        match Proof::of_key(answer, server, attempt.me.public().primary()) {
            Proof::Proven(found) => attempt.create_vault(found.handle, server, cx),
            Proof::Replaced(_) => self.fail(Reason::OldKey),
            Proof::NotFound => self.fail(Reason::NoAccount),
            Proof::Unavailable => self.fail(match answer {
                Err(_) => Reason::NoAnswer,
                Ok(response) if response.status == 200 => Reason::UnprovenAccount,
                Ok(response) => refusal(response),
            }),
        }
    }

    /// The vault has been created. Assembles the account.
    pub(crate) fn vault_created(&mut self) -> Option<Ready> {
        if !self.creating_vault() {
            return None;
        }
        let attempt = self.attempt.take()?;
        let (account, records) = attempt.vault?;
        Some(Ready { account, has_passphrase: !attempt.passphrase.is_empty(), records })
    }

    /// Whether the vault is being created.
    pub(crate) fn creating_vault(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.vault.is_some())
    }

    /// Aborts for this reason.
    pub(crate) fn fail(&mut self, error: Reason) {
        self.attempt = None;
        self.error = Some(error);
    }
}

impl Attempt {
    fn create_vault(&mut self, handle: Handle, server: &ServerName, cx: &mut Context<'_>) {
        let account = StoredAccount {
            key: StoredKey::Seed(StoredSeed(self.me.seed().clone())),
            handle,
            server: server.clone(),
            registration: None,
            signed_at: 0,
            registered: true,
            restored: true,
            phrase_confirmed: true,
            former: Vec::new(),
        };
        let sync = StoredSync { read_before: cx.server_time().unix(), ..StoredSync::new(cx.rng) };
        let records = vec![account.record(), sync.record()];
        let passphrase = (!self.passphrase.is_empty()).then(|| self.passphrase.clone());
        self.vault = Some((account, records.clone()));
        cx.push(Effect::CreateVault { passphrase, records });
    }
}
