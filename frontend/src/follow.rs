//! Following: another tab's worker leads, this one passes events there and views here.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use kez_client::event::UiEvent;
use kez_client::secret::Secret;

use crate::messages::{Between, ToPage, ToWorker};
use crate::tabs::Tabs;
use crate::worker::{Input, Tab};

/// A worker that does not lead, or does not lead yet.
pub(crate) struct Follower {
    pub(crate) tab: Tab,
    pub(crate) others: Tabs,
    /// Events that no leader has acknowledged, in order.
    pub(crate) pending: VecDeque<(u64, UiEvent)>,
    /// What this tab shows, to tell a new leader.
    looking: Option<UiEvent>,
    /// The data key of the unlocked account, in case this worker has to take over.
    pub(crate) key: Option<Secret>,
    /// What the page has said of the network last, for the time when this worker leads.
    pub(crate) online: Option<bool>,
    last: u64,
}

impl Follower {
    pub(crate) fn new(tab: Tab, others: Tabs) -> Self {
        Self { tab, others, pending: VecDeque::new(), looking: None, key: None, online: None, last: 0 }
    }

    /// Follows until this worker leads.
    pub(crate) async fn follow(&mut self, inputs: &mut UnboundedReceiver<Input>) {
        self.say_here();
        while let Some(input) = inputs.next().await {
            match input {
                Input::Lead => return,
                Input::Page(ToWorker::Ui(event)) => self.pass_on(event),
                Input::Tab(message) => self.hear(message),
                Input::Page(ToWorker::Network { online }) => self.online = Some(online),
                // The leader asks its own page about the storage; it is the same for all tabs.
                Input::Page(_) | Input::TabGone(_) | Input::Client(_) => {}
            }
        }
    }

    /// What the tab would say first to a leader: what it shows, then what is still pending.
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
        self.others.tell(&Between::Event { tab: self.tab.id.clone(), n: self.last, event });
    }

    fn hear(&mut self, message: Between) {
        match message {
            Between::Leader => self.introduce(),
            Between::Done { tab, n } if tab == self.tab.id => {
                self.pending.retain(|(pending, _)| *pending > n)
            }
            Between::View { tab, view } if tab == self.tab.id => self.tab.page.tell(&ToPage::View(view)),
            Between::Download { tab, name, bytes } if tab == self.tab.id => {
                self.tab.page.tell(&ToPage::Download { name, bytes });
            }
            Between::Unlocked { key } => self.key = Some(key),
            Between::Locked => self.key = None,
            Between::Deleted => {
                self.key = None;
                self.tab.remembered = None;
            }
            _ => {}
        }
    }

    fn say_here(&self) {
        self.others.tell(&Between::Here { tab: self.tab.id.clone(), looking: self.looking.clone() });
    }

    /// Tells a new leader about this tab, and again what the last one did not acknowledge.
    fn introduce(&self) {
        self.say_here();
        for (n, event) in &self.pending {
            let (n, event) = (*n, event.clone());
            self.others.tell(&Between::Event { tab: self.tab.id.clone(), n, event });
        }
    }
}
