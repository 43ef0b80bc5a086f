//! Following: another tab's worker leads. This worker passes events to it and its views to the page.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use kez_client::event::{Event, UiEvent};
use kez_client::view::{Connection, Notice, Reason, View};

use crate::effects::timer::Timer;
use crate::messages::{TabMessage, ToPage, ToWorker};
use crate::tabs::Tabs;
use crate::worker::{Input, Inputs, Tab};

/// How long, in milliseconds, the leader may take to answer before the page reports it as unresponsive.
const PATIENCE: u64 = 10_000;

/// A worker that does not lead, or not yet.
pub(crate) struct Follower {
    pub(crate) tab: Tab,
    pub(crate) others: Tabs,
    /// Events that no leader has acknowledged, in order.
    pub(crate) pending: VecDeque<(u64, UiEvent)>,
    /// What this tab shows, to report to a new leader.
    looking: Option<UiEvent>,
    /// The view on the page.
    shown: Box<View>,
    /// Fires when the leader has not answered in time.
    alarm: Option<Timer>,
    /// Whether the page reports that the leader does not answer.
    said_silent: bool,
    inputs: Inputs,
    /// The page's last report on the network, for when this worker becomes the leader.
    pub(crate) online: Option<bool>,
    last: u64,
}

impl Follower {
    pub(crate) fn new(tab: Tab, others: Tabs, inputs: Inputs) -> Self {
        Self {
            tab,
            others,
            pending: VecDeque::new(),
            looking: None,
            shown: Box::default(),
            alarm: None,
            said_silent: false,
            inputs,
            online: None,
            last: 0,
        }
    }

    /// Follows until this worker becomes the leader.
    pub(crate) async fn follow(&mut self, inputs: &mut UnboundedReceiver<Input>) {
        self.say_here();
        self.wait_for_the_leader();
        while let Some(input) = inputs.next().await {
            match input {
                Input::Lead => return,
                Input::Page(ToWorker::Ui(event)) => self.pass_on(event),
                Input::Tab(message) => self.receive(message),
                Input::Page(ToWorker::Network { online }) => self.online = Some(online),
                Input::Client(Event::Tick) => self.say_that_the_leader_is_silent(),
                // The leader asks its own page about the storage, which all tabs share.
                Input::Page(_) | Input::TabGone(_) | Input::Live(..) | Input::Client(_) => {}
            }
        }
    }

    /// The events that this tab would first send to a leader: what it shows, then the pending events.
    pub(crate) fn unsaid(&mut self) -> Vec<UiEvent> {
        let pending = self.pending.drain(..).map(|(_, event)| event);
        self.looking.clone().into_iter().chain(pending).collect()
    }

    fn pass_on(&mut self, event: UiEvent) {
        if matches!(event, UiEvent::Looking { .. }) {
            self.looking = Some(event.clone());
        }
        self.last += 1;
        self.pending.push_back((self.last, event.clone()));
        self.others.send(&TabMessage::Event { tab: self.tab.id.clone(), n: self.last, event });
        if self.alarm.is_none() {
            self.wait_for_the_leader();
        }
    }

    fn wait_for_the_leader(&mut self) {
        let inputs = self.inputs.clone();
        self.alarm = Timer::after(PATIENCE, move || inputs.send(Input::Client(Event::Tick)));
    }

    /// The leading tab may be frozen, or busy for a long time. The page says so until the leader answers.
    fn say_that_the_leader_is_silent(&mut self) {
        let notice = Some(Notice { what: Reason::LeaderSilent, error: true });
        let view = View { notice, connection: Connection::Connecting, ..View::clone(&self.shown) };
        self.tab.page.send(&ToPage::View(Box::new(view)));
        self.said_silent = true;
        self.wait_for_the_leader();
    }

    /// Handles a sign of life from the leader. If an answer is still due, the time limit starts again.
    fn leader_has_answered(&mut self) {
        self.alarm = None;
        if std::mem::take(&mut self.said_silent) {
            self.tab.page.send(&ToPage::View(self.shown.clone()));
        }
        if !self.pending.is_empty() {
            self.wait_for_the_leader();
        }
    }

    fn receive(&mut self, message: TabMessage) {
        match message {
            TabMessage::Leader => self.introduce(),
            TabMessage::Done { tab, n } if tab == self.tab.id => {
                self.pending.retain(|(pending, _)| *pending > n);
                self.leader_has_answered();
            }
            TabMessage::View { tab, view } if tab == self.tab.id => {
                self.shown = view.clone();
                self.tab.page.send(&ToPage::View(view));
                self.leader_has_answered();
            }
            TabMessage::Download { tab, name, bytes } if tab == self.tab.id => {
                self.tab.page.send(&ToPage::Download { name, bytes });
            }
            TabMessage::Deleted => self.tab.remembered = None,
            _ => {}
        }
    }

    fn say_here(&self) {
        self.others.send(&TabMessage::Here { tab: self.tab.id.clone(), looking: self.looking.clone() });
    }

    /// Introduces this tab to a new leader, and sends again the events that the last leader did not acknowledge.
    fn introduce(&self) {
        self.say_here();
        for (n, event) in &self.pending {
            let (n, event) = (*n, event.clone());
            self.others.send(&TabMessage::Event { tab: self.tab.id.clone(), n, event });
        }
    }
}
