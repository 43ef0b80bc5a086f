//! Who is here, as the screen shows it.

use kez_core::recovery_phrase;

use super::{AccountView, JoinView, Me, RestoreView};
use crate::account::{Account, Onboarding};
use crate::join::Join;
use crate::restore::Restore;
use crate::session::Session;

/// The account; the recovery phrase only where this tab shows it.
pub(crate) fn account(account: &Account, phrase_shown: bool) -> AccountView {
    match account {
        Account::Loading => AccountView::Loading,
        Account::Unusable(fault) => AccountView::Unusable { fault: *fault },
        Account::None(onboarding) => none(onboarding),
        Account::Locked { busy, error } => AccountView::Locked { busy: *busy, error: error.clone() },
        Account::Open(session) => AccountView::Open(me(session, phrase_shown)),
    }
}

fn none(onboarding: &Onboarding) -> AccountView {
    AccountView::None {
        join: join(&onboarding.join),
        restore: restore(&onboarding.restore),
        lost: onboarding.lost.clone(),
    }
}

fn join(join: &Join) -> JoinView {
    JoinView {
        step: join.step_view(),
        handle: join.handle.clone(),
        availability: join.availability.clone(),
        error: join.error.clone(),
        busy: join.busy(),
    }
}

fn restore(restore: &Restore) -> RestoreView {
    RestoreView { busy: restore.busy(), error: restore.error.clone() }
}

fn me(session: &Session, phrase_shown: bool) -> Me {
    let words = || recovery_phrase::words(session.me.seed()).into_iter().map(str::to_owned).collect();
    Me {
        handle: session.handle.to_string(),
        server: session.server.to_string(),
        primary: session.me.public().to_string(),
        has_passphrase: session.has_passphrase,
        phrase: phrase_shown.then(words),
        unreadable: session.sync.unreadable,
    }
}
