//! Renders whole pages from hand-made views, and checks the roles and names that users, screen readers and tests rely
//! on.

mod account;
mod chat;
mod devices;
mod groups;
mod settings;

use kez_client::view::{
    AccountView, Block, ChainView, Connection, ConversationRow, DeliveryState, DevicesView, JoinView,
    LeavingView, LinkView, Me, MessageBody, MessageRow, PassphraseView, Preview, RestoreView, ThreadState,
    ThreadView, View,
};
use leptos::prelude::*;
use leptos_router::location::RequestUrl;

use crate::app::App;
use crate::session::Session;

/// Renders the app at a path with a view.
fn show(path: &str, view: View) -> String {
    let owner = Owner::new_root(None);
    owner.with(|| {
        let session = Session::idle();
        session.set_view(view);
        provide_context(RequestUrl::new(path));
        provide_context(session);
        App().to_html().replace("<!>", "")
    })
}

fn me() -> Me {
    Me {
        handle: "alice".to_owned(),
        server: "kez.lat".to_owned(),
        primary: format!("ed25519:{}", "0b".repeat(32)),
        has_passphrase: true,
        passphrase_change: PassphraseView::default(),
        has_words: true,
        phrase_confirmed: true,
        phrase: None,
        unreadable: 0,
        chain: ChainView::default(),
        devices: DevicesView::default(),
        leaving: LeavingView::default(),
    }
}

fn row(id: &str, mine: bool, at: u64, state: DeliveryState) -> MessageRow {
    MessageRow {
        id: id.to_owned(),
        mine,
        author: None,
        body: MessageBody::Text { text: format!("text of {id}") },
        state,
        at,
        missing_before: 0,
        contradicts_chain: false,
        cut: false,
        former_key: None,
        old_way: false,
        error: None,
        reactions: Vec::new(),
    }
}

fn thread() -> ThreadView {
    ThreadView {
        handle: "bob".to_owned(),
        group: None,
        state: ThreadState::Ready,
        messages: vec![
            row("a", true, 60, DeliveryState::Sent),
            row("b", false, 70, DeliveryState::Received),
            MessageRow { missing_before: 2, ..row("c", false, 80, DeliveryState::Received) },
        ],
        has_older: false,
        has_newer: false,
        total: 3,
        first_unread: Some("b".to_owned()),
        jump: None,
        draft: String::new(),
        draft_version: 0,
        primary: None,
        safety_number: Some("01234 56789".to_owned()),
        verified: true,
        key_changed: false,
        key_change_proven: false,
        chain_alarm: None,
        request: false,
        block: Block::None,
        stopped: None,
        refused: None,
    }
}

fn open(thread: Option<ThreadView>) -> View {
    View {
        account: AccountView::Open(me()),
        connection: Connection::Online,
        conversations: vec![ConversationRow {
            handle: "bob".to_owned(),
            primary: "ed25519:0d".to_owned(),
            group: None,
            preview: Preview::Theirs("hello".to_owned()),
            at: Some(80),
            unread: 2,
            request: false,
            verified: true,
        }],
        thread,
        ..View::default()
    }
}

fn joining(join: JoinView) -> View {
    none(join, LinkView::default())
}

fn linking(link: LinkView) -> View {
    none(JoinView::default(), link)
}

fn none(join: JoinView, link: LinkView) -> View {
    let account = AccountView::None { join, restore: RestoreView::default(), link, lost: None };
    View { account, ..View::default() }
}

#[track_caller]
fn assert_holds(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}
