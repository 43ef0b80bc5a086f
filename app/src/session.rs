//! The single context of the app: the parts of the view as signals, and the channel for user actions.

use kez_client::event::UiEvent;
use kez_client::view::{
    AccountView, AskedRow, BlockedRow, CatchingUp, Connection, ConversationRow, InboxView, MessageRow,
    NewConversation, NewGroup, Notice, ReportView, SearchView, StorageView, ThreadView, View, WaitingRow,
};
use leptos::prelude::*;

use crate::reactive::memo;

type Sender = Box<dyn Fn(UiEvent)>;
type BeforeRows = Box<dyn Fn()>;

/// The state that the components share. Each part of the view is a signal of its own, which changes only when that part
/// does.
#[derive(Clone, Copy)]
pub struct Session {
    pub(crate) account: RwSignal<AccountView>,
    pub(crate) connection: RwSignal<Connection>,
    pub(crate) conversations: RwSignal<Vec<ConversationRow>>,
    /// All blocked users.
    pub(crate) blocked: RwSignal<Vec<BlockedRow>>,
    pub(crate) unread: RwSignal<u64>,
    /// The progress of a long catch-up.
    pub(crate) catching_up: RwSignal<Option<CatchingUp>>,
    /// The open conversation without its messages.
    pub(crate) thread: RwSignal<Option<ThreadView>>,
    /// The messages of the open conversation.
    pub(crate) messages: RwSignal<Vec<MessageRow>>,
    /// The search, while its text is not empty.
    pub(crate) search: RwSignal<Option<SearchView>>,
    pub(crate) new_conversation: RwSignal<NewConversation>,
    pub(crate) new_group: RwSignal<NewGroup>,
    /// The groups that the user has asked to join.
    pub(crate) asked: RwSignal<Vec<AskedRow>>,
    pub(crate) report: RwSignal<ReportView>,
    pub(crate) notice: RwSignal<Option<Notice>>,
    pub(crate) storage: RwSignal<StorageView>,
    /// The user blocked a moment ago; a toast offers to undo it.
    pub(crate) just_blocked: RwSignal<Option<String>>,
    /// What the page itself says about the user's last action.
    pub(crate) remark: RwSignal<Option<&'static str>>,
    /// The conversation whose row takes the focus when it appears: an accepted conversation moves to another list.
    pub(crate) row_to_focus: RwSignal<Option<String>>,
    /// Whether the reminder about the rotation phrase was dismissed. It returns at the next start.
    pub(crate) reminder_dismissed: RwSignal<bool>,
    /// The number of the last jump to a message that this page made.
    pub(crate) jumped: RwSignal<u64>,
    before_rows: Option<StoredValue<Option<BeforeRows>, LocalStorage>>,
    /// What the server stores for this account.
    pub(crate) inbox: RwSignal<Option<InboxView>>,
    /// Messages from keys without a known handle.
    pub(crate) waiting: RwSignal<Vec<WaitingRow>>,
    sender: Option<StoredValue<Sender, LocalStorage>>,
}

impl Session {
    /// A session whose events go to `send`. Browser only: `send` stays on the thread that made it.
    pub fn new(send: impl Fn(UiEvent) + 'static) -> Self {
        let sender: Sender = Box::new(send);
        let before_rows = Some(StoredValue::new_local(None));
        Self { sender: Some(StoredValue::new_local(sender)), before_rows, ..Self::idle() }
    }

    /// A session with the default view that discards its events; used for rendering on the server.
    pub fn idle() -> Self {
        Self {
            account: RwSignal::default(),
            connection: RwSignal::default(),
            conversations: RwSignal::default(),
            blocked: RwSignal::default(),
            unread: RwSignal::default(),
            catching_up: RwSignal::default(),
            thread: RwSignal::default(),
            messages: RwSignal::default(),
            search: RwSignal::default(),
            new_conversation: RwSignal::default(),
            new_group: RwSignal::default(),
            asked: RwSignal::default(),
            report: RwSignal::default(),
            notice: RwSignal::default(),
            storage: RwSignal::default(),
            just_blocked: RwSignal::default(),
            remark: RwSignal::default(),
            row_to_focus: RwSignal::default(),
            reminder_dismissed: RwSignal::default(),
            jumped: RwSignal::default(),
            before_rows: None,
            inbox: RwSignal::default(),
            waiting: RwSignal::default(),
            sender: None,
        }
    }

    /// Shows a new view. Unchanged parts do not update.
    pub fn set_view(&self, view: View) {
        let View {
            account,
            connection,
            conversations,
            blocked,
            unread,
            catching_up,
            mut thread,
            search,
            new_conversation,
            new_group,
            asked,
            report,
            notice,
            storage,
            inbox,
            waiting,
        } = view;
        let messages = thread.as_mut().map(|thread| std::mem::take(&mut thread.messages)).unwrap_or_default();
        set_if_changed(self.account, account);
        set_if_changed(self.connection, connection);
        set_if_changed(self.conversations, conversations);
        set_if_changed(self.blocked, blocked);
        set_if_changed(self.unread, unread);
        set_if_changed(self.catching_up, catching_up);
        if self.messages.with_untracked(|old| *old != messages) {
            self.announce_rows();
        }
        // The rows come first: a component that mounts for another thread must find its messages.
        set_if_changed(self.messages, messages);
        set_if_changed(self.thread, thread);
        set_if_changed(self.search, search);
        set_if_changed(self.new_conversation, new_conversation);
        set_if_changed(self.new_group, new_group);
        set_if_changed(self.asked, asked);
        set_if_changed(self.report, report);
        set_if_changed(self.notice, notice);
        set_if_changed(self.storage, storage);
        set_if_changed(self.inbox, inbox);
        set_if_changed(self.waiting, waiting);
    }

    /// Calls `f` right before the rows of the open conversation change, until the calling reactive scope ends.
    pub(crate) fn before_rows_change(&self, f: impl Fn() + 'static) {
        if let Some(before_rows) = self.before_rows {
            before_rows.set_value(Some(Box::new(f)));
            on_cleanup(move || {
                before_rows.try_set_value(None);
            });
        }
    }

    fn announce_rows(&self) {
        if let Some(before_rows) = self.before_rows {
            before_rows.with_value(|f| {
                if let Some(f) = f {
                    f();
                }
            });
        }
    }

    /// Blocks a user, and offers to undo it.
    pub(crate) fn block(&self, handle: String) {
        self.send(UiEvent::BlockPressed { handle: handle.clone() });
        self.just_blocked.set(Some(handle));
    }

    /// Reports a user action.
    pub(crate) fn send(&self, event: UiEvent) {
        if let Some(sender) = self.sender {
            sender.with_value(|send| send(event));
        }
    }

    /// A value derived from the conversation with `handle`, or the default while another one is open.
    pub(crate) fn thread_part_of<T>(
        &self,
        handle: &str,
        part: impl Fn(&ThreadView) -> T + Send + Sync + 'static,
    ) -> Memo<T>
    where
        T: Default + PartialEq + Send + Sync + 'static,
    {
        let handle = handle.to_owned();
        self.thread_part(move |thread| if thread.handle == handle { part(thread) } else { T::default() })
    }

    /// A value derived from the open conversation, or the default if none is open.
    pub(crate) fn thread_part<T>(&self, part: impl Fn(&ThreadView) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: Default + PartialEq + Send + Sync + 'static,
    {
        let thread = self.thread;
        memo(move || thread.with(|thread| thread.as_ref().map(&part).unwrap_or_default()))
    }
}

/// The session of this app.
pub(crate) fn use_session() -> Session {
    use_context().unwrap_or_else(Session::idle)
}

fn set_if_changed<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.with_untracked(|old| *old != value) {
        signal.set(value);
    }
}
