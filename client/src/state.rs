//! Dispatches events to the parts, and switches between the states of the account.

use crate::account::{Onboarding, Ready, StoredAccount};
use crate::kernel::answer::Answer;
use crate::kernel::config::Config;
use crate::kernel::context::{Context, Halt};
use crate::kernel::effect::{Effect, RequestId};
use crate::kernel::event::{Event, Startup, StorageFault, TabId, UiEvent, VaultEvent};
use crate::kernel::reason::Notice;
use crate::kernel::reason::Reason;
use crate::kernel::record::Record;
use crate::kernel::requests::Purpose;
use crate::kernel::secret::Secret;
use crate::link;
use crate::session::Session;

/// The state of the account.
#[derive(Default)]
pub(crate) enum Account {
    /// The storage has not answered yet.
    #[default]
    Loading,
    /// The storage cannot be used.
    Unusable(StorageFault),
    /// No account. The user may be joining or restoring one.
    None(Box<Onboarding>),
    /// An account locked by a passphrase.
    Locked {
        /// Whether an attempt is under way.
        busy: bool,
        /// Why the last attempt failed.
        error: Option<Reason>,
    },
    /// An unlocked account.
    Open(Box<Session>),
}

/// The state of a client, except what all parts share.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) config: Config,
    /// An event that waits for pages of messages.
    waiting: Option<Event>,
}

impl State {
    /// Handles an event, or puts it off until the pages that it needs are loaded.
    pub(crate) fn handle(&mut self, event: Event, cx: &mut Context<'_>) {
        if let Account::Open(session) = &mut self.account
            && session.lacks_pages_for(&event, cx)
        {
            self.waiting = Some(event);
            return;
        }
        match event {
            Event::Loaded(pages) => self.loaded(pages, cx),
            event => self.dispatch(event, cx),
        }
        if let Account::Open(session) = &mut self.account {
            session.resume_reading(cx);
            session.on_live_answers(cx);
            session.end_event(cx);
            if session.was_removed() {
                self.stop(Halt::Removed, cx);
            }
        }
    }

    /// Pages were loaded: handles what waited for them.
    fn loaded(&mut self, pages: Result<Vec<Record>, StorageFault>, cx: &mut Context<'_>) {
        let Account::Open(session) = &mut self.account else { return };
        match pages.map(|pages| session.on_pages(&pages, cx)) {
            Ok(Ok(())) => {
                session.resume_batch(cx);
                if let Some(event) = self.waiting.take() {
                    self.dispatch(event, cx);
                }
            }
            Ok(Err(fault)) => self.become_unusable(fault, cx),
            Err(fault) => self.halt(fault, cx),
        }
    }

    /// Closes an account whose storage cannot be read.
    fn become_unusable(&mut self, fault: StorageFault, cx: &mut Context<'_>) {
        self.account = Account::Unusable(fault);
        self.waiting = None;
        cx.shared.requests.forget(|_| true);
        cx.push(Effect::CloseLive);
        cx.push(Effect::CloseNats);
    }

    /// Dispatches an event to the part that handles it.
    fn dispatch(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Ui(tab, event) => self.ui(&tab, event, cx),
            Event::TabClosed(tab) => {
                cx.shared.tabs.remove(&tab);
                if let Account::Open(session) = &mut self.account {
                    session.searches.end(&tab);
                }
            }
            Event::Started(startup) => self.started(startup, cx),
            Event::Vault(event) => self.vault(event, cx),
            Event::SaveFailed(fault) => self.halt(fault, cx),
            Event::Http(id, answer) => {
                set_clock(id, &answer, cx);
                if let Some(purpose) = cx.shared.requests.close(id) {
                    self.answered(purpose, &answer, cx);
                }
            }
            Event::Live(event) => {
                if let Account::Open(session) = &mut self.account {
                    session.on_link(|link, inbox, cx| link.on_live(event, inbox, cx), cx);
                }
            }
            Event::Nats(event) => {
                if let Account::Open(session) = &mut self.account {
                    session.on_link(
                        |link, inbox, cx| {
                            link.on_nats(event, inbox, cx);
                            link::Outcome::default()
                        },
                        cx,
                    );
                }
            }
            Event::Network { online } => self.network(online, cx),
            Event::Storage { persisted, used } => {
                cx.shared.storage.persisted = Some(persisted);
                cx.shared.storage.used = used;
            }
            Event::EngineReady(is_ready) => {
                cx.shared.engine.is_ready = is_ready;
                if let Account::Open(session) = &mut self.account {
                    session.on_engine(cx);
                }
            }
            Event::PhraseRefused(_) => cx.warn(Reason::PhraseElsewhere),
            Event::Tick => self.tick(cx),
            Event::Loaded(_) => {}
        }
    }

    /// Handles an event after the client has stopped. Only viewing and locking are allowed; locking discards the state,
    /// which may be ahead of the storage. A browser that was removed from the account can also leave it.
    pub(crate) fn handle_halted(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Ui(_, UiEvent::LockPressed) => self.lock(cx),
            Event::Ui(_, UiEvent::SignOutConfirmed) if cx.shared.halted == Some(Halt::Removed) => {
                self.exit(Reason::SignedOut, cx);
                return;
            }
            Event::Ui(tab, UiEvent::Looking { at, visible }) => {
                let screen = cx.shared.tabs.entry(&tab);
                (screen.at, screen.visible) = (at, visible);
            }
            Event::Ui(tab, UiEvent::SendPressed { .. }) => {
                let was_removed = cx.shared.halted == Some(Halt::Removed);
                cx.refuse(&tab, if was_removed { Reason::BrowserRemoved } else { Reason::Stopped });
            }
            Event::TabClosed(tab) => cx.shared.tabs.remove(&tab),
            Event::Loaded(pages) => {
                if let (Account::Open(session), Ok(pages)) = (&mut self.account, pages) {
                    let _ = session.on_pages(&pages, cx);
                }
                return;
            }
            _ => {}
        }
        if let Account::Open(session) = &mut self.account {
            session.load_screens(cx);
        }
    }

    /// When the next action is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let account = match &self.account {
            Account::None(onboarding) => onboarding.wake(),
            Account::Open(session) => session.wake(),
            _ => None,
        };
        [account, self.config.wake()].into_iter().flatten().min()
    }

    /// Opens an account.
    fn open(&mut self, ready: &Ready, cx: &mut Context<'_>) {
        self.account = match Session::load(ready) {
            Ok(mut session) => {
                session.start(cx);
                match self.config.server {
                    Some(_) => session.described(&self.config, cx),
                    None => self.config.ask(cx),
                }
                Account::Open(Box::new(session))
            }
            Err(fault) => Account::Unusable(fault),
        };
    }

    fn ui(&mut self, tab: &TabId, event: UiEvent, cx: &mut Context<'_>) {
        match event {
            UiEvent::NoticeDismissed => cx.shared.notice = None,
            UiEvent::PersistPressed => cx.push(Effect::PersistStorage),
            UiEvent::Looking { at, visible } => self.looking(tab, at, visible, cx),
            UiEvent::UnlockSubmitted { passphrase } => self.unlock(passphrase, cx),
            UiEvent::SignOutConfirmed => {
                if let Account::Open(session) = &mut self.account {
                    session.remove_own_device(cx);
                    self.exit(Reason::SignedOut, cx);
                }
            }
            UiEvent::LockPressed => {
                if matches!(&self.account, Account::Open(session) if session.passphrase.is_set()) {
                    self.lock(cx);
                }
            }
            event => match &mut self.account {
                Account::None(onboarding) => onboarding.ui(event, &self.config, cx),
                Account::Open(session) => session.ui(tab, event, cx),
                _ => {}
            },
        }
    }

    fn looking(&mut self, tab: &TabId, at: Option<String>, visible: bool, cx: &mut Context<'_>) {
        let screen = cx.shared.tabs.entry(tab);
        let moved = screen.at != at;
        (screen.at, screen.visible) = (at, visible);
        if let Account::Open(session) = &mut self.account {
            if moved {
                session.screen_changed(tab, cx);
            } else {
                session.screen_shown(tab, cx);
            }
        }
    }

    fn started(&mut self, startup: Startup, cx: &mut Context<'_>) {
        match startup {
            Startup::Empty { remembered } => {
                self.account =
                    Account::None(Box::new(Onboarding { lost: remembered, ..Onboarding::default() }));
                self.config.ask(cx);
            }
            Startup::Locked => self.account = Account::Locked { busy: false, error: None },
            Startup::Open { records, has_passphrase } => self.opened(records, has_passphrase, cx),
            Startup::Unusable(fault) => self.account = Account::Unusable(fault),
        }
    }

    fn opened(&mut self, records: Vec<Record>, has_passphrase: bool, cx: &mut Context<'_>) {
        match StoredAccount::find(&records) {
            Err(fault) => self.account = Account::Unusable(fault),
            Ok(account) if account.registered => {
                self.open(&Ready { account, has_passphrase, records }, cx);
            }
            Ok(account) => {
                self.config.ask(cx);
                let onboarding = Onboarding::resume(account, has_passphrase, records, cx);
                self.account = Account::None(Box::new(onboarding));
            }
        }
    }

    fn vault(&mut self, event: VaultEvent, cx: &mut Context<'_>) {
        let superseded = matches!(event, VaultEvent::Failed(StorageFault::Superseded));
        match (event, &mut self.account) {
            (event, Account::Open(session)) => session.passphrase.on_vault(&event, cx),
            (VaultEvent::Created, Account::None(onboarding)) => {
                if let Some(ready) = onboarding.vault_created(&self.config, cx) {
                    self.open(&ready, cx);
                }
            }
            (VaultEvent::Failed(fault), Account::None(onboarding)) => onboarding.vault_failed(fault),
            (VaultEvent::Opened(records), Account::Locked { .. }) => self.opened(records, true, cx),
            (VaultEvent::WrongPassphrase, Account::Locked { busy, error }) => {
                *busy = false;
                *error = Some(Reason::WrongPassphrase);
            }
            (VaultEvent::Failed(fault), Account::Locked { busy, error }) => {
                *busy = false;
                *error = Some(Reason::Storage(fault));
            }
            (VaultEvent::Failed(fault), Account::Loading) => self.account = Account::Unusable(fault),
            _ => {}
        }
        if superseded {
            self.halt(StorageFault::Superseded, cx);
        }
    }

    fn answered(&mut self, purpose: Purpose, answer: &Answer, cx: &mut Context<'_>) {
        match (purpose, &mut self.account) {
            (Purpose::Config, account) => {
                self.config.answered(answer, cx);
                if let (Account::Open(session), Some(_)) = (account, &self.config.server) {
                    session.described(&self.config, cx);
                }
            }
            (purpose, Account::None(onboarding)) => {
                let ready = onboarding.answered(&purpose, answer, &mut self.config, cx);
                if let Some(ready) = ready {
                    self.open(&ready, cx);
                }
            }
            (purpose, Account::Open(session)) => {
                session.answered(purpose, answer, cx);
                if session.exit.is_gone() {
                    self.exit(Reason::AccountDeleted, cx);
                }
            }
            _ => {}
        }
    }

    /// Removes the account from this browser.
    fn exit(&mut self, why: Reason, cx: &mut Context<'_>) {
        self.account = Account::None(Box::default());
        self.waiting = None;
        cx.shared.halted = None;
        cx.shared.requests.forget(|_| true);
        cx.shared.tabs.close_all_screens();
        cx.shared.notice = Some(Notice { what: why, error: false });
        cx.push(Effect::DestroyVault);
        cx.push(Effect::Remember { handle: None });
        cx.push(Effect::CloseLive);
        cx.push(Effect::CloseNats);
        self.config.ask(cx);
    }

    fn network(&mut self, online: bool, cx: &mut Context<'_>) {
        if cx.shared.offline != online {
            return;
        }
        cx.shared.offline = !online;
        match &mut self.account {
            Account::Open(session) => session.on_link(|link, inbox, cx| link.on_network(inbox, cx), cx),
            _ if online => self.config.ask(cx),
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.config.tick(cx);
        match &mut self.account {
            Account::None(onboarding) => {
                onboarding.on_tick(&self.config, cx);
            }
            Account::Open(session) => session.tick(cx),
            _ => {}
        }
    }

    fn unlock(&mut self, passphrase: Secret, cx: &mut Context<'_>) {
        if let Account::Locked { busy, error } = &mut self.account
            && !*busy
        {
            (*busy, *error) = (true, None);
            cx.push(Effect::UnlockVault { passphrase });
        }
    }

    /// Discards all secrets and texts.
    fn lock(&mut self, cx: &mut Context<'_>) {
        if !matches!(&self.account, Account::Open(session) if session.passphrase.is_set()) {
            return;
        }
        self.account = Account::Locked { busy: false, error: None };
        self.waiting = None;
        cx.shared.requests.forget(|_| true);
        cx.shared.tabs.close_all_screens();
        cx.shared.notice = None;
        cx.shared.halted = None;
        cx.push(Effect::LockVault);
        cx.push(Effect::CloseLive);
        cx.push(Effect::CloseNats);
    }

    /// Memory is now ahead of the storage. Continuing could acknowledge messages, or show them as sent, that a reload
    /// would not know. So the client stops until the storage is read again. The relay still has everything that was not
    /// stored.
    fn halt(&mut self, fault: StorageFault, cx: &mut Context<'_>) {
        self.stop(Halt::Storage(fault), cx);
        cx.warn(Reason::NotSaved(fault));
    }

    /// Stops sending and receiving.
    fn stop(&mut self, why: Halt, cx: &mut Context<'_>) {
        cx.shared.halted = Some(why);
        self.waiting = None;
        cx.shared.requests.forget(|_| true);
        cx.push(Effect::CloseLive);
        cx.push(Effect::CloseNats);
    }
}

/// Sets the clock by the date of a server answer.
fn set_clock(id: RequestId, answer: &Answer, cx: &mut Context<'_>) {
    let date = answer.as_ref().ok().and_then(|response| response.date);
    let prompt = cx.shared.requests.is_prompt(id, cx.now);
    if let Some(date) = date.filter(|_| prompt)
        && let Some(apart) = cx.shared.clock.server_says(date, cx.wall())
    {
        cx.warn(apart);
    }
}
