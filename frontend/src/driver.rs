//! The main loop that drives the client. An input becomes an event, the client decides, its effects run in order, and
//! every tab is sent its view.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use getrandom::SysRng;
use kez_client::effect::Effect;
use kez_client::event::{Event, TabId, UiEvent, VaultEvent};
use kez_client::sorted_map::SortedMap;
use kez_client::{Client, PAGES_IN_MEMORY};
use rand_core::UnwrapErr;

use crate::effects::engine::BrowserEngine;
use crate::effects::http;
use crate::effects::live::Live;
use crate::effects::nats::Nats;
use crate::effects::timer::Timer;
use crate::effects::vault::Vault;
use crate::follow::Follower;
use crate::js;
use crate::messages::{TabMessage, ToPage, ToWorker, bytes, packed};
use crate::tabs::{self, Tabs};
use crate::worker::{Input, Inputs, Tab};

/// The longest time for which inputs are processed before views are sent, in milliseconds. Building and showing a view
/// takes time, but the user sees no progress and no effect of a click until then.
const UNSHOWN_FOR: u64 = 100;

/// The leading worker.
pub(crate) struct Driver {
    client: Client,
    tab: Tab,
    others: Tabs,
    inputs: Inputs,
    vault: Vault,
    engine: BrowserEngine,
    live: Option<Live>,
    /// How many times the live stream was opened or closed. Events of earlier streams may still be in the queue.
    lives: u64,
    nats: Option<Nats>,
    timer: Option<Timer>,
    /// The following tabs, with the number of the last event processed for each.
    followers: SortedMap<TabId, u64>,
    /// Events from this tab's time as a follower that no leader has processed. They wait until the vault is open.
    unsaid: Vec<UiEvent>,
    /// The view last sent to each tab, as serialised.
    shown: SortedMap<TabId, Vec<u8>>,
}

impl Driver {
    /// Takes over: opens the storage, tells the other tabs, and handles this tab's unprocessed events.
    pub(crate) async fn start(mut follower: Follower, inputs: Inputs) -> Self {
        let unsaid = follower.unsaid();
        let Follower { tab, others, online, .. } = follower;
        let (vault, startup) = Vault::open(tab.remembered.clone()).await;
        let engine = BrowserEngine::default();
        let mut driver = Self {
            client: Client::new(PAGES_IN_MEMORY, Box::new(engine.clone())),
            engine,
            tab,
            others,
            inputs,
            vault,
            live: None,
            lives: 0,
            nats: None,
            timer: None,
            followers: SortedMap::default(),
            unsaid,
            shown: SortedMap::default(),
        };
        driver.others.send(&TabMessage::Leader);
        if let Some(online) = online {
            driver.step(Event::Network { online }).await;
        }
        driver.step(Event::Started(startup)).await;
        driver.handle_unsaid().await;
        driver.show();
        driver
    }

    /// While the account is locked, only events for a locked account are handled; the others wait.
    async fn handle_unsaid(&mut self) {
        let locked = self.vault.is_locked();
        let (now, later) = std::mem::take(&mut self.unsaid)
            .into_iter()
            .partition::<Vec<_>, _>(|event| !locked || is_for_a_locked_account(event));
        self.unsaid = later;
        for event in now {
            self.step(Event::Ui(self.tab.id.clone(), event)).await;
        }
    }

    /// Leads for as long as the tab lives.
    pub(crate) async fn drive(mut self, inputs: &mut UnboundedReceiver<Input>) {
        while let Some(input) = inputs.next().await {
            let begun = js::now();
            self.take(input).await;
            // Further inputs that have already arrived are processed before any view is sent.
            while js::now().abs_diff(begun) < UNSHOWN_FOR {
                let Ok(input) = inputs.try_recv() else { break };
                self.take(input).await;
            }
            self.show();
            self.schedule_wake_up();
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Client(event) => self.step(event).await,
            Input::Live(number, event) if number == self.lives => self.step(Event::Live(event)).await,
            Input::Page(ToWorker::Ui(event)) => self.step(Event::Ui(self.tab.id.clone(), event)).await,
            Input::Page(ToWorker::Network { online }) => self.step(Event::Network { online }).await,
            Input::Page(ToWorker::Storage { persisted, used }) => {
                self.step(Event::Storage { persisted, used }).await;
            }
            Input::Tab(message) => self.receive(message).await,
            Input::TabGone(tab) => {
                self.followers.remove(&tab);
                self.shown.remove(&tab);
                self.step(Event::TabClosed(tab)).await;
            }
            Input::Page(ToWorker::Hello { .. }) | Input::Lead | Input::Live(..) => {}
        }
        if !self.unsaid.is_empty() && !self.vault.is_locked() {
            self.handle_unsaid().await;
        }
    }

    async fn receive(&mut self, message: TabMessage) {
        match message {
            TabMessage::Here { tab, looking } => {
                // A tab may introduce itself again, in answer to a new leader.
                if self.followers.get(&tab).is_none() {
                    self.followers.insert(tab.clone(), 0);
                    tabs::watch_presence(tab.clone(), self.inputs.clone());
                }
                self.shown.remove(&tab);
                if let Some(looking) = looking {
                    self.step(Event::Ui(tab, looking)).await;
                }
            }
            TabMessage::Event { tab, n, event } => {
                // A tab that has not introduced itself will do so soon, and will then send this event again.
                let Some(last) = self.followers.get_mut(&tab) else { return };
                if self.vault.is_locked() {
                    // Not acknowledged: the tab sends the event again once the account is open.
                    if is_for_a_locked_account(&event) {
                        self.step(Event::Ui(tab, event)).await;
                    }
                    return;
                }
                if n > *last {
                    *last = n;
                    self.step(of_a_follower(tab.clone(), event)).await;
                }
                self.others.send(&TabMessage::Done { tab, n });
            }
            _ => {}
        }
    }

    /// Handles one event: performs its effects, and handles the events that follow from them at once.
    async fn step(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.client.handle(event, js::now(), &mut UnwrapErr(SysRng));
            for effect in effects {
                let is_save = matches!(effect, Effect::Save(_));
                match self.perform(effect).await {
                    Some(failed @ Event::SaveFailed(_)) if is_save => {
                        events.push_back(failed);
                        break;
                    }
                    answer => events.extend(answer),
                }
            }
        }
    }

    /// Performs an effect. Returns the event that answers it, if the answer is known at once.
    async fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Save(records) => return self.vault.save(&records).await.err().map(Event::SaveFailed),
            Effect::Load(keys) => return Some(Event::Loaded(self.vault.load(keys).await)),
            Effect::CreateVault { passphrase, records } => {
                let created = self.vault.create(passphrase.as_ref(), &records).await;
                return Some(Event::Vault(created.map_or_else(VaultEvent::Failed, |()| VaultEvent::Created)));
            }
            Effect::UnlockVault { passphrase } => {
                let unlocked = self.vault.unlock(&passphrase).await;
                if matches!(unlocked, VaultEvent::Opened(_)) {
                    // The followers then resend the events that were refused while the account was locked.
                    self.others.send(&TabMessage::Leader);
                }
                return Some(Event::Vault(unlocked));
            }
            Effect::RewrapVault { current, new } => {
                let rewrapped = self.vault.rewrap(current.as_ref(), new.as_ref()).await;
                return Some(Event::Vault(rewrapped));
            }
            Effect::LockVault => self.vault.lock(),
            Effect::DestroyVault => match self.vault.destroy().await {
                Ok(()) => self.others.send(&TabMessage::Deleted),
                Err(fault) => return Some(Event::Vault(VaultEvent::Failed(fault))),
            },
            Effect::Download { tab, name, bytes } if tab == self.tab.id => {
                self.tab.page.send(&ToPage::Download { name, bytes });
            }
            Effect::Download { tab, name, bytes } => {
                self.others.send(&TabMessage::Download { tab, name, bytes })
            }
            Effect::Http(id, request) => http::send(id, request, self.inputs.clone()),
            Effect::OpenLive { path, hello } => {
                self.lives += 1;
                self.live = Live::open(self.lives, &path, hello, &self.inputs);
            }
            Effect::SendLive { frame } => {
                return self.live.as_ref().and_then(|live| live.send(&frame).err()).map(Event::Live);
            }
            Effect::CloseLive => {
                self.lives += 1;
                self.live = None;
            }
            Effect::OpenNats { url, subject, signer } => {
                self.nats = Some(Nats::open(url, subject, signer, self.inputs.clone()));
            }
            Effect::CloseNats => self.nats = None,
            Effect::Remember { handle } => self.tab.page.send(&ToPage::Remember { handle }),
            Effect::BringEngine => self.engine.bring(self.inputs.clone()),
            Effect::PersistStorage => self.tab.page.send(&ToPage::PersistStorage),
        }
        None
    }

    /// Sends every tab its view, if the view has changed.
    fn show(&mut self) {
        for tab in self.followers.keys().chain([&self.tab.id]) {
            let view = self.client.view(tab);
            let own = *tab == self.tab.id;
            let message = if own {
                bytes(&ToPage::View(Box::new(view)))
            } else {
                // Every script of this origin can read messages between tabs, so they never contain a phrase.
                bytes(&TabMessage::View { tab: tab.clone(), view: Box::new(view.without_phrases()) })
            };
            if self.shown.get(tab) == Some(&message) {
                continue;
            }
            if own {
                self.tab.page.pass(&packed(&message));
            } else {
                self.others.pass(&message);
            }
            self.shown.insert(tab.clone(), message);
        }
    }

    fn schedule_wake_up(&mut self) {
        let inputs = self.inputs.clone();
        self.timer = self.client.next_wake().and_then(|at| {
            Timer::after(at.saturating_sub(js::now()), move || inputs.send(Input::Client(Event::Tick)))
        });
    }
}

/// Whether a locked account handles this event.
const fn is_for_a_locked_account(event: &UiEvent) -> bool {
    matches!(event, UiEvent::Looking { .. } | UiEvent::UnlockSubmitted { .. } | UiEvent::NoticeDismissed)
}

/// Turns a user action in a following tab into an event. Events that show a phrase are refused: the phrase would have
/// to cross between tabs.
fn of_a_follower(tab: TabId, event: UiEvent) -> Event {
    match event {
        UiEvent::PhraseShown | UiEvent::RotationPhraseShown | UiEvent::HandleChosen => {
            Event::PhraseRefused(tab)
        }
        event => Event::Ui(tab, event),
    }
}
