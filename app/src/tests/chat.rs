//! The list of conversations and the thread.

use kez_client::view::{
    CatchingUp, Connection, DeliveryState, JoinStep, JoinView, MessageBody, MessageRow, Notice, Reason,
    ThreadView, View,
};

use super::{assert_holds, joining, open, row, show, thread};

#[test]
fn the_chat_has_a_list_a_thread_and_a_composer() {
    let html = show("/messages/bob", open(Some(thread())));
    assert_holds(
        &html,
        &[
            "<nav aria-label=\"Conversations\"",
            "New conversation</button>",
            "href=\"/messages/bob\"",
            ">2 unread</span>",
            "<h2 translate=\"no\">@bob</h2>",
            "role=\"log\"",
            "aria-label=\"Messages with @bob\"",
            "aria-label=\"Message\"",
            "aria-label=\"Send\"",
            ">Verify</span>",
            "aria-label=\"Conversation menu\"",
            "role=\"status\" aria-label=\"Connection\"",
            ">Online</div>",
        ],
    );
    assert_eq!(html.matches("aria-label=\"Message\"").count(), 1);
    assert_eq!(html.matches("<article").count(), 3);
}

#[test]
fn the_search_is_above_the_list_before_and_after_the_account_is_open() {
    for (view, is_disabled) in [(View::default(), true), (open(None), false)] {
        let html = show("/messages", view);
        let list = html.split("<nav aria-label=\"Conversations\"").nth(1).unwrap();
        let (before, search) = list.split_once("type=\"search\"").unwrap();
        let input = search.split('>').next().unwrap();
        assert!(before.contains("New conversation") && !before.contains("class=\"rows\""), "{html}");
        assert!(
            input.contains("aria-label=\"Search\"") && input.contains("disabled") == is_disabled,
            "{input}"
        );
        assert!(!html.contains("Search results"), "{html}");
    }
}

#[test]
fn only_new_messages_are_announced() {
    let html = show("/messages/bob", open(Some(thread())));
    let log = html.split("role=\"log\"").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    assert!(log.contains("aria-live=\"off\"") && log.contains("tabindex=\"-1\""), "{log}");
    assert_eq!(html.matches("aria-live=\"polite\"").count(), 1, "{html}");
    assert_eq!(
        html.split("<article").skip(1).filter(|row| row.contains("tabindex=\"0\"")).count(),
        1,
        "{html}"
    );
}

#[test]
fn a_long_catch_up_shows_its_progress() {
    let catching_up = Some(CatchingUp { done: 1_200, total: 10_000 });
    let html = show("/messages", View { catching_up, ..open(None) });
    assert_holds(&html, &["<progress", "max=\"10000\"", "value=\"1200\"", "1,200 of 10,000"]);
    assert!(!show("/messages", open(None)).contains("<progress"));
}

#[test]
fn a_long_text_has_a_show_all_button() {
    let mut long = thread();
    long.messages[1].cut = true;
    assert_eq!(show("/messages/bob", open(Some(long))).matches("Show all</button>").count(), 1);
}

#[test]
fn phrases_and_keys_are_not_translated() {
    let html = show("/messages/bob", open(Some(thread())));
    assert_holds(
        &html,
        &[
            "<h2 translate=\"no\">@bob",
            "translate=\"no\" class=\"row-name\"",
            "translate=\"no\" class=\"message-text\"",
        ],
    );
    let words = (1..=24).map(|n| format!("word{n}")).collect();
    let html = show("/join", joining(JoinView { step: JoinStep::Phrase { words }, ..JoinView::default() }));
    assert_holds(&html, &["aria-label=\"Recovery phrase\" translate=\"no\""]);
    assert_holds(
        &show("/settings", open(None)),
        &["translate=\"no\" class=\"fingerprint\"", "translate=\"no\" class=\"key\""],
    );
}

#[test]
fn the_thread_has_its_lines_in_place() {
    let html = show("/messages/bob", open(Some(thread())));
    let places: Vec<_> = ["text of a", "New messages", "text of b", "2 messages missing", "text of c"]
        .map(|text| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}")))
        .to_vec();
    assert!(places.is_sorted(), "{html}");
}

#[test]
fn a_changed_key_disables_the_composer() {
    let html = show("/messages/bob", open(Some(ThreadView { key_changed: true, ..thread() })));
    assert_holds(&html, &["role=\"alert\"", "The key of @bob has changed", "Accept new key</button>"]);
    let composer = html.split("<textarea").nth(1).and_then(|rest| rest.split('>').next()).unwrap();
    assert!(composer.contains("disabled"), "{composer}");
}

#[test]
fn a_refused_text_says_why() {
    let refused = Some(Reason::TooLong(187));
    let html = show("/messages/bob", open(Some(ThreadView { refused, ..thread() })));
    assert_holds(&html, &["role=\"alert\"", "the limit is 187 KB of text"]);
}

#[test]
fn a_stale_view_is_never_shown_under_another_handle() {
    let html = show("/messages/carol", open(Some(thread())));
    assert!(html.contains(">@carol</h2>") && !html.contains("text of a"), "{html}");
}

#[test]
fn the_offline_status_explains_what_happens_to_messages() {
    let html = show("/messages/bob", View { connection: Connection::Offline, ..open(Some(thread())) });
    assert_holds(
        &html,
        &[
            ">Offline</div>",
            "role=\"status\" class=\"banner\"",
            "Messages are kept and sent once you're back.",
        ],
    );
}

#[test]
fn a_proven_key_change_is_shown_without_an_alert() {
    let row = MessageRow { body: MessageBody::KeyReplaced, ..row("k", false, 60, DeliveryState::Received) };
    let html = show("/messages/bob", open(Some(ThreadView { messages: vec![row], ..thread() })));
    assert_holds(&html, &["@bob has changed their key. The key history proves it."]);
    assert!(!html.contains("<article"), "{html}");
    let changed = ThreadView { key_changed: true, key_change_proven: true, ..thread() };
    assert_holds(
        &show("/messages/bob", open(Some(changed))),
        &["proves that @bob changed it", "Accept new key</button>"],
    );
}

#[test]
fn an_added_device_is_a_line_and_no_message() {
    let row = MessageRow { body: MessageBody::DeviceAdded, ..row("d", false, 60, DeliveryState::Received) };
    let html = show("/messages/bob", open(Some(ThreadView { messages: vec![row], ..thread() })));
    assert_holds(&html, &["data-line=\"device\"", "@bob added a device"]);
    assert!(!html.contains("<article"), "{html}");
}

#[test]
fn a_notice_is_a_status_and_an_error_an_alert() {
    let notice = |error| Some(Notice { what: Reason::SignedOut, error });
    let html = show("/", View { notice: notice(false), ..View::default() });
    assert!(html.contains("role=\"status\"") && html.contains("<p>You are signed out."), "{html}");
    let html = show("/", View { notice: notice(true), ..View::default() });
    assert!(html.contains("role=\"alert\"") && html.contains("<p>You are signed out."), "{html}");
}
