//! Without an account: dispatches events to /join and /restore.

use crate::account::join::{Join, Step};
use crate::account::linking::Linking;
use crate::account::registering::{Outcome, Registering};
use crate::account::restore::Restore;
use crate::account::{Ready, StoredAccount};
use crate::kernel::answer::Answer;
use crate::kernel::config::Config;
use crate::kernel::context::Context;
use crate::kernel::event::{StorageFault, UiEvent};
use crate::kernel::reason::Reason;
use crate::kernel::record::Record;
use crate::kernel::requests::Purpose;

/// The ways to get an account: joining and restoring.
#[derive(Default)]
pub(crate) struct Onboarding {
    pub(crate) join: Join,
    pub(crate) restore: Restore,
    pub(crate) linking: Linking,
    /// The handle of an account whose storage was lost.
    pub(crate) lost: Option<String>,
}

impl Onboarding {
    /// Resumes a registration that the server has not accepted yet.
    pub(crate) fn resume(
        account: StoredAccount,
        has_passphrase: bool,
        records: Vec<Record>,
        cx: &mut Context<'_>,
    ) -> Self {
        if account.identity().secret().is_none() {
            let linking = Linking::resume(account, has_passphrase, records, cx);
            return Self { linking, ..Self::default() };
        }
        let join = Join {
            step: Step::Passphrase,
            handle: account.handle.to_string(),
            seed: account.identity().secret().map(|key| key.seed().clone()),
            invitation: Registering::kept_invitation(&records),
            registering: Some(Registering::resume(account, has_passphrase, records, cx)),
            ..Join::default()
        };
        Self { join, ..Self::default() }
    }

    /// Handles an action of the user.
    pub(crate) fn ui(&mut self, event: UiEvent, config: &Config, cx: &mut Context<'_>) {
        match event {
            UiEvent::HandleTyped { text } => self.join.handle_typed(text, cx),
            UiEvent::InvitationTyped { text } => self.join.invitation_typed(text),
            UiEvent::HandleChosen => self.join.handle_chosen(config, cx),
            UiEvent::PhraseSeen => self.join.phrase_seen(cx),
            UiEvent::PhraseConfirmationPutOff => self.join.confirmation_put_off(),
            UiEvent::PhraseConfirmed { words } => self.join.phrase_confirmed(&words),
            UiEvent::JoinBack => self.join.back(),
            UiEvent::LinkBegun { passphrase } if !self.restore.busy() && self.join.registering.is_none() => {
                self.linking.begin(passphrase, config, cx);
            }
            UiEvent::LinkCancelled => self.linking.cancel(cx),
            // One way to an account at a time.
            _ if self.linking.busy() => {}
            UiEvent::AccountCreated { passphrase } if !self.restore.busy() => {
                self.join.create_account(passphrase, config, cx);
            }
            UiEvent::RestoreSubmitted { phrase, passphrase } if self.join.registering.is_none() => {
                self.restore.submit(&phrase, passphrase, config.server.as_ref(), cx);
            }
            _ => {}
        }
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let registering = self.join.registering.as_ref().and_then(Registering::wake);
        [registering, self.linking.wake()].into_iter().flatten().min()
    }

    /// Handles the timer.
    pub(crate) fn on_tick(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.linking.on_tick(config, cx);
        if let Some(registering) = &mut self.join.registering {
            registering.tick(cx);
        }
    }

    /// Handles an answer. Returns the account once it exists.
    pub(crate) fn answered(
        &mut self,
        purpose: &Purpose,
        answer: &Answer,
        config: &mut Config,
        cx: &mut Context<'_>,
    ) -> Option<Ready> {
        let server = config.server.as_ref();
        match (purpose, &mut self.join.registering) {
            (Purpose::Availability(handle), _) => self.join.availability_answered(handle, answer, server),
            (Purpose::Restore, _) => self.restore.answered(answer, server, cx),
            (Purpose::Link(request), _) => return self.linking.answered(*request, answer, config, cx),
            (Purpose::Register, Some(registering)) => {
                config.refused(answer);
                let outcome = registering.claim_answered(answer, cx);
                return self.registration_went(outcome, cx);
            }
            (Purpose::OwnAccount, Some(registering)) => {
                let outcome = registering.own_account_answered(answer, cx);
                return self.registration_went(outcome, cx);
            }
            _ => {}
        }
        None
    }

    /// The vault has been created. Returns the account, if nothing else was missing.
    pub(crate) fn vault_created(&mut self, config: &Config, cx: &mut Context<'_>) -> Option<Ready> {
        self.linking.vault_created(config, cx);
        if let Some(registering) = &mut self.join.registering {
            registering.vault_created(cx);
            return None;
        }
        self.restore.vault_created()
    }

    /// The vault could not be created.
    pub(crate) fn vault_failed(&mut self, fault: StorageFault) {
        let error = Reason::Storage(fault);
        if self.restore.creating_vault() {
            self.restore.fail(error);
        } else if self.linking.creating_vault() {
            self.linking.fail(error);
        } else if self.join.registering.as_ref().is_some_and(Registering::creating_vault) {
            self.join.registering = None;
            self.join.error = Some(error);
        }
    }

    fn registration_went(&mut self, outcome: Outcome, cx: &mut Context<'_>) -> Option<Ready> {
        match outcome {
            Outcome::Pending(error) => self.join.error = error,
            Outcome::Registered => return self.join.registering.take().map(Registering::ready),
            Outcome::Refused(error) => {
                self.join.step = Step::Handle;
                self.join.handle_typed(self.join.handle.clone(), cx);
                self.join.error = Some(error);
            }
        }
        None
    }
}
