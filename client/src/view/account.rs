//! The account, as shown on screen.

use kez_core::identity::SecretIdentity;
use kez_core::mls::LeafId;
use kez_core::recovery_phrase;
use kez_core::sigchain::{Certified, DeviceId, Link, MAX_LIVE_DEVICES};

use super::{
    AccountView, ChainView, DeviceRow, DevicesView, HistoryRow, JoinView, LinkView, LinkingView, Me,
    RestoreView,
};
use crate::account::{Join, Onboarding, Restore};
use crate::kernel::config::Config;
use crate::kernel::device::OwnDevice;
use crate::kernel::seed::StoredSeed;
use crate::kernel::tabs::Tab;
use crate::session::Session;
use crate::state::Account;

/// The account, with its phrases only if this tab shows them.
pub(crate) fn account(account: &Account, config: &Config, tab: &Tab) -> AccountView {
    match account {
        Account::Loading => AccountView::Loading,
        Account::Unusable(fault) => AccountView::Unusable { fault: *fault },
        Account::None(onboarding) => none(onboarding, config),
        Account::Locked { busy, error } => AccountView::Locked { busy: *busy, error: error.clone() },
        Account::Open(session) => AccountView::Open(me(session, tab)),
    }
}

fn none(onboarding: &Onboarding, config: &Config) -> AccountView {
    AccountView::None {
        join: join(&onboarding.join, config),
        restore: restore(&onboarding.restore),
        link: LinkView { step: onboarding.linking.step(), error: onboarding.linking.error.clone() },
        lost: onboarding.lost.clone(),
    }
}

fn join(join: &Join, config: &Config) -> JoinView {
    JoinView {
        step: join.step_view(),
        handle: join.handle.clone(),
        availability: join.availability.clone(),
        registration: config.registration,
        invitation: join.invitation.clone(),
        error: join.error.clone(),
        busy: join.busy(),
    }
}

fn restore(restore: &Restore) -> RestoreView {
    RestoreView { busy: restore.busy(), error: restore.error.clone() }
}

fn me(session: &Session, tab: &Tab) -> Me {
    let words =
        |key: &SecretIdentity| recovery_phrase::words(key.seed()).into_iter().map(str::to_owned).collect();
    let key = session.me.key.secret();
    Me {
        handle: session.me.handle.to_string(),
        server: session.me.server.to_string(),
        primary: session.me.key.public().to_string(),
        has_passphrase: session.passphrase.is_set(),
        passphrase_change: session.passphrase.view().clone(),
        phrase_confirmed: session.phrase_confirmed,
        has_words: key.is_some(),
        phrase: key.filter(|_| tab.phrase_shown).map(words),
        unreadable: session.sync.unreadable,
        chain: chain(session, tab.rotation_phrase_shown),
        devices: devices(session),
        leaving: session.exit.view().clone(),
    }
}

fn devices(session: &Session) -> DevicesView {
    let (own, linking) = (session.chains.own(), &session.devices.linking);
    let (chain, here) = (own.chain(), session.me.device.as_ref().map(OwnDevice::id));
    let added = |seqno: u64| {
        let at = usize::try_from(seqno).ok()?.checked_sub(1)?;
        Some(Link::parse(own.links().get(at)?.as_bytes()).ok()?.created_at().unix())
    };
    let last_seen = |device: DeviceId| {
        let leaf = LeafId { root: chain.root(), device };
        session.groups.iter().filter_map(|(_, group)| group.seen.last(&leaf)).max()
    };
    let row = |(number, known): (u64, &Certified)| DeviceRow {
        id: known.device.device.to_string(),
        number,
        name: session.devices.name(&known.device.device).unwrap_or_default().to_owned(),
        here: Some(known.device.device) == here,
        added: added(known.seqno).unwrap_or_default(),
        last_seen: last_seen(known.device.device).filter(|_| Some(known.device.device) != here),
    };
    let known = (1..).zip(chain.devices()).filter(|(_, known)| !known.is_revoked());
    let rows: Vec<_> = known.map(row).collect();
    DevicesView {
        full: rows.len() >= MAX_LIVE_DEVICES && !rows.iter().any(|row| row.here),
        history: session.history_progress(),
        linking: LinkingView { step: linking.step(), error: linking.error.clone() },
        rows,
        busy: own.removing().is_some(),
        error: own.device_error().cloned(),
        removed: session.was_removed(),
        keeps_history: session.devices.backup().keeps_history() == Some(true),
    }
}

fn chain(session: &Session, phrase_shown: bool) -> ChainView {
    let own = session.chains.own();
    let (alarm, alarm_by) = own.alarm().unzip();
    let words = |seed: &StoredSeed| recovery_phrase::words(&seed.0).into_iter().map(str::to_owned).collect();
    ChainView {
        history: own.links().iter().filter_map(|link| history_row(link)).collect(),
        alarm,
        alarm_by: alarm_by
            .flatten()
            .and_then(|id| session.contacts.get(id))
            .map(|contact| contact.stored.handle.to_string()),
        phrase_waits: own.announced().is_some(),
        phrase: own.announced().filter(|_| phrase_shown).map(words),
        changing: own.is_changing(),
        error: own.error().cloned(),
        replaced: session.key_was_replaced(),
        refuses_old: own.refuses_old_messages(),
    }
}

fn history_row(link: &str) -> Option<HistoryRow> {
    let link = Link::parse(link.as_bytes()).ok()?;
    Some(HistoryRow { at: link.created_at().unix(), text: link.body().in_words() })
}
