//! The decisions of a KEZ Chat client: `Client::handle(event, now, rng)` changes the state and returns the effects.
//!
//! Synchronous, without I/O: time and randomness are arguments. Network and storage are [`effect::Effect`]s, which a
//! driver performs and answers with [`event::Event`]s. The screen is a [`view::View`], derived and never stored.
//!
//! Modules, each with private state and a small interface: `kernel` (the base of all others), `account`, `people`,
//! `chains`, `messages`, `groups`, `devices`, `search`, `link`, and `view`, which is built from all of them and which none of them
//! imports. `session` is the only module that uses several of them: it passes the result of one to the next.

pub mod view;

mod account;
mod chains;
mod devices;
mod groups;
mod kernel;
mod link;
mod messages;
mod people;
mod search;
mod session;
mod state;

pub use kernel::signer::Signer;
pub use kernel::{effect, engine, event, record, secret, sorted_map, vault};

use rand_core::CryptoRng;

use crate::kernel::context::{Context, Shared};
use crate::kernel::effect::Effect;
use crate::kernel::engine::{Engine, GroupEngine};
use crate::kernel::event::{Event, TabId};
use crate::kernel::tabs::Tab;
use crate::state::{Account, State};
use crate::view::View;

/// How many pages of messages a client keeps in memory, besides those on screens: about 4,000 messages.
pub const PAGES_IN_MEMORY: usize = 64;

/// A client: one account, one connection, any number of tabs.
pub struct Client {
    state: State,
    shared: Shared,
}

impl Client {
    /// An empty client, which keeps this many pages of messages in memory besides those on screens, and calls this engine
    /// once the driver says that it is ready. Its first event says what the storage holds ([`Event::Started`]).
    pub fn new(most_pages: usize, engine: Box<dyn GroupEngine>) -> Self {
        let engine = Engine::new(engine);
        Self { state: State::default(), shared: Shared { most_pages, engine, ..Shared::default() } }
    }

    /// Processes an event at `now` (Unix milliseconds) and returns the effects, in order. Everything that the event
    /// writes is one [`Effect::Save`] in front of all other effects.
    pub fn handle(&mut self, event: Event, now: u64, rng: &mut impl CryptoRng) -> Vec<Effect> {
        let mut cx = Context::new(now, rng, &mut self.shared);
        if cx.shared.halted.is_some() {
            self.state.handle_halted(event, &mut cx);
        } else {
            self.state.handle(event, &mut cx);
        }
        cx.into_effects()
    }

    /// When [`Event::Tick`] is due, in Unix milliseconds. To be read again after each event.
    pub fn next_wake(&self) -> Option<u64> {
        match self.shared.halted {
            Some(_) => None,
            None => self.state.wake().map(|at| self.shared.clock.wall(at)),
        }
    }

    /// The view of a tab. A tab that has not reported anything yet shows no conversation.
    pub fn view(&self, id: &TabId) -> View {
        let unknown = Tab::default();
        let tab = self.shared.tabs.get(id).unwrap_or(&unknown);
        let mut view = View {
            account: view::account(&self.state.account, &self.state.config, tab),
            notice: self.shared.notice.clone(),
            storage: self.shared.storage,
            ..View::default()
        };
        if let Account::Open(session) = &self.state.account {
            let halted = self.shared.halted.is_some();
            view.connection = if halted { view::Connection::Offline } else { session.link.state() };
            view.conversations = view::conversations(session);
            view.catching_up = session.link.catching_up(session.sync.cursor);
            view.blocked = session.lists.rows(&session.contacts);
            view.waiting = session.quarantine.rows();
            let saving =
                self.shared.requests.any(|purpose| matches!(purpose, kernel::requests::Purpose::Keep { .. }));
            view.inbox = session.keeping.view(saving);
            view.unread = view.conversations.iter().map(|row| row.unread).sum();
            view.thread = view::thread(session, tab, &self.shared);
            view.search = session.searches.view(id);
            view.new_conversation = tab.dialog.clone();
            view.new_group = tab.group_dialog.clone();
            view.report = tab.report.clone();
        }
        view
    }
}
