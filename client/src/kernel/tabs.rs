//! The browser's tabs: what each one shows, and its own screen state.

use serde::{Deserialize, Serialize};

use crate::kernel::event::TabId;
use crate::kernel::reason::Reason;
use crate::kernel::sorted_map::SortedMap;

/// The dialog "New conversation".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConversation {
    /// Whether the handle is being looked up.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<Reason>,
    /// The handle that was found: the page navigates to `/messages/{handle}` and closes the dialog.
    pub started: Option<String>,
}

/// The dialog "New group".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGroup {
    /// Whether the members are being looked up, or the group is being created.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<Reason>,
    /// The id of the new group: the page navigates to `/messages/g/{gid}` and closes the dialog.
    pub started: Option<String>,
}

/// The state of a report to the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportView {
    /// The user is writing it.
    #[default]
    Open,
    /// The request is in flight.
    Sending,
    /// The server has stored the report.
    Sent,
    /// The report was not sent.
    Failed(Reason),
}

/// The part of a conversation that a tab shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Window {
    /// The newest messages.
    #[default]
    Latest,
    /// The messages from this order onwards, but not more than `most`.
    From {
        /// The order of the first message.
        order: u64,
        /// The largest number of messages.
        most: usize,
    },
}

/// One tab.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tab {
    /// The conversation on screen, as in the URL.
    pub(crate) at: Option<String>,
    /// Whether what is on screen counts as read.
    pub(crate) visible: bool,
    /// The range of messages that the thread shows.
    pub(crate) window: Window,
    /// The rows whose long texts are shown in full.
    pub(crate) shown_whole: Vec<String>,
    /// The row below the line "New messages"; fixed while the thread is open.
    pub(crate) first_unread: Option<String>,
    /// The order of the row to scroll to, and the number of the jump.
    pub(crate) jump: Option<(u64, u64)>,
    /// The number of the tab's last jump.
    pub(crate) jumps: u64,
    /// Increases when another tab changes the draft of the conversation on screen, or sends it.
    pub(crate) draft_version: u64,
    /// Why the last "Send" was refused.
    pub(crate) refused: Option<Reason>,
    /// The dialog "New conversation".
    pub(crate) dialog: NewConversation,
    /// The handle that the dialog waits for.
    pub(crate) wanted: Option<String>,
    /// The dialog "New group".
    pub(crate) group_dialog: NewGroup,
    /// The dialog "Report".
    pub(crate) report: ReportView,
    /// Whether the recovery phrase is shown.
    pub(crate) phrase_shown: bool,
    /// Whether the rotation phrase is shown.
    pub(crate) rotation_phrase_shown: bool,
}

/// All tabs that have reported their screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tabs(SortedMap<TabId, Tab>);

impl Tabs {
    pub(crate) fn get(&self, tab: &TabId) -> Option<&Tab> {
        self.0.get(tab)
    }

    pub(crate) fn entry(&mut self, tab: &TabId) -> &mut Tab {
        self.0.get_or_default(tab.clone())
    }

    pub(crate) fn remove(&mut self, tab: &TabId) {
        self.0.remove(tab);
    }

    pub(crate) fn ids(&self) -> Vec<TabId> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tab> {
        self.0.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tab> {
        self.0.values_mut()
    }

    /// All tabs except this one.
    pub(crate) fn others_mut(&mut self, but: &TabId) -> impl Iterator<Item = &mut Tab> {
        self.0.iter_mut().filter(move |(tab, _)| *tab != but).map(|(_, tab)| tab)
    }

    /// Whether `shows` is true for any visible tab.
    pub(crate) fn any_visible(&self, shows: impl Fn(&str) -> bool) -> bool {
        self.0.values().any(|tab| tab.visible && tab.at.as_deref().is_some_and(&shows))
    }

    /// Resets everything except which screen each tab shows.
    pub(crate) fn close_all_screens(&mut self) {
        for tab in self.0.values_mut() {
            *tab = Tab { at: tab.at.take(), visible: tab.visible, jumps: tab.jumps, ..Tab::default() };
        }
    }
}
