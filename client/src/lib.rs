//! What a KEZ Chat client decides: `Client::handle(event, now, rng)` changes the state and says which effects follow.
//!
//! Synchronous, without I/O: time and chance are arguments, the network and the storage are [`effect::Effect`]s that a
//! driver performs and answers with [`event::Event`]s. What the screen shows is [`view::View`], derived and never stored.
//!
//! This file only says who gets which event. A message on its way out is in `compose`, then `outbox`; one on its way in
//! in `connection` and `nats`, then `inbox`; people are in `directory`, `contacts` and `people`; the ways to an account are
//! `join`, `registering` and `restore`; key histories are in `sigchains`.

pub mod effect;
pub mod event;
pub mod record;
pub mod secret;
pub mod sorted_map;
pub mod vault;
pub mod view;

mod account;
mod backoff;
mod catch_up;
mod clock;
mod compose;
mod config;
mod connection;
mod contacts;
mod context;
mod conversation;
mod directory;
mod inbox;
mod join;
mod keeping;
mod leaving;
mod lookup;
mod nats;
mod nkey;
mod onboarding;
mod open;
mod outbox;
mod pace;
mod passphrase;
mod people;
mod quarantine;
mod queue;
mod registering;
mod reporting;
mod requests;
mod restore;
mod screen;
mod session;
mod sigchains;
mod state;
mod sync;
mod tabs;
mod window;

pub use nkey::Signer;

#[cfg(test)]
mod chance;

use rand_core::CryptoRng;

use crate::account::Account;
use crate::context::{Context, Shared};
use crate::effect::Effect;
use crate::event::{Event, TabId};
use crate::state::State;
use crate::tabs::Tab;
use crate::view::View;

/// A client: one account, one connection, any number of tabs.
#[derive(Default)]
pub struct Client {
    state: State,
    shared: Shared,
}

impl Client {
    /// A client that knows nothing yet. The first event says what the storage holds
    /// ([`Event::Started`]).
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what happened at `now` (Unix milliseconds) and says what is to be done, in order. Whatever the event
    /// writes is one [`Effect::Save`] in front of everything else.
    pub fn handle(&mut self, event: Event, now: u64, rng: &mut impl CryptoRng) -> Vec<Effect> {
        let mut cx = Context::new(now, rng, &mut self.shared);
        if cx.shared.halted.is_some() {
            self.state.handle_halted(event, &mut cx);
        } else {
            self.state.handle(event, &mut cx);
        }
        cx.into_effects()
    }

    /// When, in Unix milliseconds, [`Event::Tick`] is due; to be asked again after each event.
    pub fn next_wake(&self) -> Option<u64> {
        match self.shared.halted {
            Some(_) => None,
            None => self.state.wake().map(|at| self.shared.clock.wall(at)),
        }
    }

    /// What a tab shows. A tab that has not said anything yet shows no conversation.
    pub fn view(&self, tab: &TabId) -> View {
        let unknown = Tab::default();
        let tab = self.shared.tabs.get(tab).unwrap_or(&unknown);
        let mut view = View {
            account: view::account(&self.state.account, &self.state.config, tab),
            notice: self.shared.notice.clone(),
            storage: self.shared.storage,
            ..View::default()
        };
        if let Account::Open(session) = &self.state.account {
            let halted = self.shared.halted.is_some();
            view.connection = if halted { view::Connection::Offline } else { session.link.state };
            view.conversations = view::conversations(session);
            view.catching_up = session.link.catch_up.view(session.sync.cursor);
            view.blocked = session.blocked();
            view.waiting = session.quarantine.rows();
            let saving =
                self.shared.requests.any(|purpose| matches!(purpose, requests::Purpose::Keep { .. }));
            view.inbox = session.keeping.view(saving);
            view.unread = view.conversations.iter().map(|row| row.unread).sum();
            view.thread = view::thread(session, tab, &self.shared);
            view.new_conversation = tab.dialog.clone();
            view.report = tab.report.clone();
        }
        view
    }
}
