//! Setting, changing and removing the passphrase that locks the account in this browser.

use crate::kernel::context::Context;
use crate::kernel::effect::Effect;
use crate::kernel::event::VaultEvent;
use crate::kernel::reason::Reason;
use crate::kernel::secret::Secret;
use crate::session::Session;
use crate::view::{Notice, PassphraseView};

/// The state of a change.
#[derive(Default)]
pub(crate) struct PassphraseChange {
    pub(crate) view: PassphraseView,
    /// Whether there will be a passphrase afterwards.
    keeps_one: bool,
}

impl Session {
    /// "Set passphrase", "Change passphrase" or, when the new one is empty, "Remove passphrase".
    pub(crate) fn change_passphrase(&mut self, current: Secret, new: Secret, cx: &mut Context<'_>) {
        if self.passphrase.view.busy {
            return;
        }
        self.passphrase.view = PassphraseView { busy: true, error: None };
        self.passphrase.keeps_one = !new.is_empty();
        let current = self.has_passphrase.then_some(current);
        let new = (!new.is_empty()).then_some(new);
        cx.push(Effect::RewrapVault { current, new });
    }

    /// Handles the storage's answer.
    pub(crate) fn passphrase_changed(&mut self, event: &VaultEvent, cx: &mut Context<'_>) {
        if !self.passphrase.view.busy {
            return;
        }
        let error = match event {
            VaultEvent::Rewrapped => {
                let done = match (self.has_passphrase, self.passphrase.keeps_one) {
                    (false, true) => Reason::PassphraseSet,
                    (true, true) => Reason::PassphraseChanged,
                    (_, false) => Reason::PassphraseRemoved,
                };
                self.has_passphrase = self.passphrase.keeps_one;
                cx.shared.notice = Some(Notice { what: done, error: false });
                None
            }
            VaultEvent::WrongPassphrase => Some(Reason::WrongCurrentPassphrase),
            VaultEvent::Failed(fault) => Some(Reason::Storage(*fault)),
            VaultEvent::Created | VaultEvent::Opened(_) => None,
        };
        self.passphrase.view = PassphraseView { busy: false, error };
    }
}
