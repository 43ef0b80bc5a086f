//! Setting, changing and removing the passphrase that locks the account in this browser.

use serde::{Deserialize, Serialize};

use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::event::VaultEvent;
use crate::kernel::reason::{Notice, Reason};
use crate::kernel::secret::Secret;

/// The state of a passphrase change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseView {
    /// Whether the storage is working on it.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// The passphrase of the account, and the state of a change.
pub(crate) struct PassphraseChange {
    /// Whether there is a passphrase.
    is_set: bool,
    /// Whether there will be one after the change.
    keeps_one: bool,
    view: PassphraseView,
}

impl PassphraseChange {
    pub(crate) fn new(is_set: bool) -> Self {
        Self { is_set, keeps_one: false, view: PassphraseView::default() }
    }

    /// Whether a passphrase locks the account.
    pub(crate) const fn is_set(&self) -> bool {
        self.is_set
    }

    pub(crate) const fn view(&self) -> &PassphraseView {
        &self.view
    }

    /// "Set passphrase", "Change passphrase" or, when the new one is empty, "Remove passphrase".
    pub(crate) fn on_change(&mut self, current: Secret, new: Secret, cx: &mut Context<'_>) {
        if self.view.busy {
            return;
        }
        self.view = PassphraseView { busy: true, error: None };
        self.keeps_one = !new.is_empty();
        let current = self.is_set.then_some(current);
        let new = (!new.is_empty()).then_some(new);
        cx.push(Effect::RewrapVault { current, new });
    }

    /// Handles the storage's answer.
    pub(crate) fn on_vault(&mut self, event: &VaultEvent, cx: &mut Context<'_>) {
        if !self.view.busy {
            return;
        }
        let error = match event {
            VaultEvent::Rewrapped => {
                let what = match (self.is_set, self.keeps_one) {
                    (false, true) => Reason::PassphraseSet,
                    (true, true) => Reason::PassphraseChanged,
                    (_, false) => Reason::PassphraseRemoved,
                };
                self.is_set = self.keeps_one;
                cx.shared.notice = Some(Notice { what, error: false });
                None
            }
            VaultEvent::WrongPassphrase => Some(Reason::WrongCurrentPassphrase),
            VaultEvent::Failed(fault) => Some(Reason::Storage(*fault)),
            VaultEvent::Created | VaultEvent::Opened(_) => None,
        };
        self.view = PassphraseView { busy: false, error };
    }
}
