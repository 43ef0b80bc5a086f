//! Renders whole pages from hand-made views, and checks the roles and names that users, screen readers and tests rely
//! on.

use kez_client::view::{
    AccountView, AskingRow, Availability, Block, BlockedRow, CatchingUp, ChainAlarm, ChainView, Connection,
    ConversationRow, DeliveryState, DeviceRow, DevicesView, GroupLine, GroupRow, GroupStage, GroupView,
    HistoryRow, JoinStep, JoinView, LeavingView, LinkStep, LinkView, LinkingStep, LinkingView, Me, MemberRow,
    MessageBody, MessageRow, Notice, PassphraseView, PersonAlarm, Preview, Reason, RestoreView, ThreadState,
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
fn a_fingerprint_does_not_look_like_a_safety_number() {
    let html = show("/settings", open(None));
    assert!(!html.contains("class=\"digits\"") && html.contains("Key fingerprint</h3>"), "{html}");
}

#[test]
fn signing_out_is_offered_beside_deleting_the_account() {
    assert_holds(
        &show("/settings", open(None)),
        &["Sign out of this browser</button>", "Your account stays", "Delete account</button>"],
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
fn a_locked_account_asks_for_its_passphrase() {
    let account = AccountView::Locked { busy: false, error: Some(Reason::WrongPassphrase) };
    for path in ["/messages", "/settings"] {
        let html = show(path, View { account: account.clone(), ..View::default() });
        assert_holds(&html, &[">Passphrase</label>", "Unlock</button>", "The passphrase is wrong."]);
    }
}

#[test]
fn without_an_account_the_chat_links_to_joining() {
    let html = show("/messages", joining(JoinView::default()));
    assert_holds(&html, &["href=\"/join\"", "href=\"/restore\""]);
}

#[test]
fn the_home_page_links_to_joining_or_to_the_messages() {
    assert_holds(&show("/", View::default()), &[">Create account</a>", ">Restore account</a>"]);
    let html = show("/", open(None));
    assert!(html.contains(">Open messages</a>") && !html.contains(">Create account</a>"), "{html}");
}

#[test]
fn joining_goes_through_four_steps() {
    let taken = JoinView { availability: Availability::Taken, ..JoinView::default() };
    assert_holds(&show("/join", joining(taken)), &[">Handle</label>", ">Taken</p>", ">Continue</button>"]);

    let words = (1..=24).map(|n| format!("word{n}")).collect();
    let html = show("/join", joining(JoinView { step: JoinStep::Phrase { words }, ..JoinView::default() }));
    assert_holds(&html, &["aria-label=\"Recovery phrase\""]);
    assert_eq!(html.matches("<li>word").count(), 24);

    let step = JoinStep::Confirm { positions: vec![2, 11, 24] };
    let html = show("/join", joining(JoinView { step, ..JoinView::default() }));
    assert_holds(
        &html,
        &[">Word 2</label>", ">Word 11</label>", ">Word 24</label>", ">Confirm phrase</button>"],
    );

    let html = show("/join", joining(JoinView { step: JoinStep::Passphrase, ..JoinView::default() }));
    assert_holds(&html, &[">Passphrase</label>", ">Repeat passphrase</label>", "Create account</button>"]);
}

#[test]
fn an_unconfirmed_phrase_shows_a_reminder() {
    let words: Vec<String> = (1..=24).map(|n| format!("word{n}")).collect();
    let html = show("/join", joining(JoinView { step: JoinStep::Phrase { words }, ..JoinView::default() }));
    assert_holds(&html, &["Later</button>"]);
    let account = AccountView::Open(Me { phrase_confirmed: false, ..me() });
    let html = show("/messages", View { account, ..View::default() });
    assert_holds(&html, &["not written down yet", "href=\"/settings#recovery-phrase\""]);
    assert!(!show("/messages", open(None)).contains("not written down yet"));
}

fn with_devices(devices: DevicesView) -> View {
    View { account: AccountView::Open(Me { devices, ..me() }), ..View::default() }
}

#[test]
fn the_settings_list_the_devices_and_offer_to_remove_the_others() {
    let named = |number, here, name: &str| DeviceRow {
        id: "ab".repeat(16),
        number,
        name: name.to_owned(),
        here,
        added: 27 * 86_400,
    };
    let device = |number, here| named(number, here, "");
    let devices = DevicesView { rows: vec![device(1, false), device(3, true)], ..DevicesView::default() };
    let html = show("/settings", with_devices(devices.clone()));
    assert_holds(
        &html,
        &[
            "aria-label=\"Devices\"",
            "Browser 1",
            "28 January 1970</time>",
            "aria-label=\"Remove Browser 1\"",
            "Browser 3",
            "<strong>This browser</strong>",
            "aria-label=\"Rename Browser 1\"",
            "Link a device",
            "Keep history for my recovery words",
        ],
    );
    let alone = "Only this browser has your messages.";
    assert!(!html.contains(alone), "{html}");
    let only = DevicesView { rows: vec![device(1, true)], ..DevicesView::default() };
    assert_holds(&show("/settings", with_devices(only.clone())), &[alone]);
    let kept = show("/settings", with_devices(DevicesView { keeps_history: true, ..only }));
    assert!(!kept.contains(alone), "{kept}");
    let rows = vec![named(1, false, "Desk")];
    let html =
        show("/settings", with_devices(DevicesView { rows, history: Some((3, 17)), ..devices.clone() }));
    assert_holds(&html, &["aria-label=\"Remove Desk\"", "Earlier messages: part 3 of 17"]);
    assert!(!html.contains("Remove Browser 3") && !html.contains("20 browsers"), "{html}");
    let error = Some(Reason::NoAnswer);
    let html = show("/settings", with_devices(DevicesView { full: true, error, ..devices }));
    assert_holds(&html, &["An account can have 20 browsers", "The server did not answer. Try again."]);
}

#[test]
fn a_browser_is_linked_by_its_code() {
    let html = show("/link", linking(LinkView::default()));
    assert_holds(&html, &["Link this browser", ">Passphrase<", ">Repeat passphrase<", "Continue"]);
    assert!(html.contains("class=\"actions\"><button"), "nothing stands beside the button: {html}");
    let (code, url) = ("K7QXM-2R9VD-WT4HB-N8ZPC".to_owned(), "https://kez.lat/settings#link=K7".to_owned());
    let html = show("/link", linking(LinkView { step: LinkStep::Code { code, url }, error: None }));
    assert_holds(
        &html,
        &["aria-label=\"Code\"", "K7QXM-2R9VD-WT4HB-N8ZPC", "aria-label=\"QR code\"", "Cancel"],
    );
    let expired = LinkView { error: Some(Reason::LinkExpired), ..LinkView::default() };
    assert_holds(&show("/link", linking(expired)), &["The other browser did not answer in time."]);
    assert_holds(&show("/", View::default()), &["Link to another browser"]);

    let asked = |step, error| DevicesView { linking: LinkingView { step, error }, ..DevicesView::default() };
    let html = show("/settings", with_devices(asked(LinkingStep::Confirm, None)));
    assert_holds(&html, &["Link this browser to @alice?", ">Link<", "Cancel"]);
    let html = show("/settings", with_devices(asked(LinkingStep::Linked, None)));
    assert_holds(&html, &["The browser is linked."]);
}

#[test]
fn a_linked_browser_has_no_words_to_show() {
    let account = AccountView::Open(Me { has_words: false, ..me() });
    let html = show("/settings", View { account, ..View::default() });
    assert_holds(&html, &["It does not have your recovery phrase.", "Sign out of this browser"]);
    for absent in ["Show recovery phrase", "Change key", "Delete account", "Keep history"] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
}

#[test]
fn a_removed_browser_says_so() {
    let html = show("/messages", with_devices(DevicesView { removed: true, ..DevicesView::default() }));
    assert_holds(&html, &["This browser was removed from your account.", "href=\"/settings\""]);
}

const GID: &str = "0123456789abcdef0123456789abcdef";

fn group(stage: GroupStage) -> GroupView {
    let member = |handle: &str, me, admin, devices| MemberRow {
        handle: handle.to_owned(),
        me,
        admin,
        verified: !me,
        devices,
    };
    GroupView {
        gid: GID.to_owned(),
        name: "Family".to_owned(),
        stage,
        admin: true,
        members: vec![member("alice", true, true, 2), member("bob", false, false, 0)],
        number: Some("01234 56789".to_owned()),
        incomplete: false,
        busy: false,
        error: None,
        link: None,
        asking: Vec::new(),
    }
}

fn in_group(group: GroupView) -> View {
    let handle = format!("g/{GID}");
    let author = Some("bob".to_owned());
    let said = MessageRow { author, ..row("b", false, 70, DeliveryState::Received) };
    let (by, who) = (None, Some("bob".to_owned()));
    let body = MessageBody::Group(GroupLine::Added { by, who });
    let added = MessageRow { body, ..row("l", false, 60, DeliveryState::Received) };
    let messages = vec![added, said, row("a", true, 80, DeliveryState::Sent)];
    let row = ConversationRow {
        handle: handle.clone(),
        primary: String::new(),
        group: Some(GroupRow {
            name: group.name.clone(),
            added_by: None,
            inside: group.stage == GroupStage::In,
        }),
        preview: Preview::Member("bob".to_owned(), "hello".to_owned()),
        at: Some(80),
        unread: 0,
        request: false,
        verified: false,
    };
    let group = Some(group);
    let thread = ThreadView { handle, group, messages, verified: false, first_unread: None, ..thread() };
    View { conversations: vec![row], ..open(Some(thread)) }
}

#[test]
fn a_group_has_its_name_its_authors_and_its_lines() {
    let html = show(&format!("/messages/g/{GID}"), in_group(group(GroupStage::In)));
    assert_holds(
        &html,
        &[
            "New group</button>",
            &format!("href=\"/messages/g/{GID}\""),
            "Family </span>",
            "@bob: hello",
            ">Family</h2>",
            "aria-label=\"Messages in Family\"",
            ">@bob: </span>",
            "data-line=\"added\"",
            "You added @bob.",
            "Members</button>",
            "placeholder=\"Message Family\"",
        ],
    );
    assert!(!html.contains("Verify") && !html.contains("Add reaction"), "{html}");
}

fn asking(handle: &str) -> AskingRow {
    AskingRow { handle: handle.to_owned(), verified: false }
}

#[test]
fn a_link_to_a_group_asks_for_an_account_first() {
    let html = show("/g", View { account: AccountView::default(), ..View::default() });
    assert_holds(&html, &["You were invited to a group</h1>"]);
    let html = show("/g", joining(JoinView::default()));
    assert_holds(&html, &["You were invited to a group</h1>", "href=\"/join\"", "href=\"/restore\""]);
}

#[test]
fn a_group_says_what_stands_in_the_way() {
    let path = format!("/messages/g/{GID}");
    let incomplete = GroupView { incomplete: true, ..group(GroupStage::In) };
    let damaged = group(GroupStage::Broken(Reason::NoAnswer));
    for (group, says) in [
        (incomplete, "Not everybody can read this yet"),
        (GroupView { asking: vec![asking("carol")], ..group(GroupStage::In) }, "1 person asks to join"),
        (
            GroupView { asking: vec![asking("carol"), asking("dave")], ..group(GroupStage::In) },
            "2 people ask to join",
        ),
        (group(GroupStage::Joining), "This browser is joining the group."),
        (group(GroupStage::Left), "You have left this group."),
        (group(GroupStage::Removed), "You were removed from this group."),
        (damaged, "The server did not answer"),
        (group(GroupStage::Broken(Reason::GroupDamaged)), "Try again</button>"),
    ] {
        assert_holds(&show(&path, in_group(group)), &[says]);
    }
    let mut request = in_group(group(GroupStage::In));
    for row in &mut request.conversations {
        row.request = true;
    }
    if let Some(thread) = &mut request.thread {
        thread.request = true;
    }
    let html = show(&path, request.clone());
    assert_holds(&html, &["added you to this group", "Accept</button>", "Leave</button>"]);
    assert!(!html.contains("Decline</button>"), "{html}");
    let html = show("/messages", View { thread: None, ..request });
    assert_holds(&html, &["Requests", "Family </span>", "Accept</button>", "Leave</button>"]);
}

#[test]
fn restoring_asks_for_the_phrase() {
    let html = show("/restore", joining(JoinView::default()));
    assert_holds(&html, &[">Recovery phrase</label>", ">Passphrase</label>", ">Restore account</button>"]);
}

#[test]
fn the_settings_have_their_sections() {
    let html = show("/settings", open(None));
    assert_holds(
        &html,
        &[
            "<h2>Profile and keys</h2>",
            "<h2>Appearance</h2>",
            "<h2>Storage</h2>",
            "<h2>About</h2>",
            "Show recovery phrase</button>",
            "Lock now</button>",
        ],
    );
}

#[test]
fn the_settings_show_the_key_history_and_its_actions() {
    let phrase = (1..=24).map(|n| format!("word{n}")).collect();
    let history = vec![HistoryRow { at: 1_795_374_000, text: "Claimed the handle @alice.".to_owned() }];
    let chain = ChainView { history, phrase_waits: true, phrase: Some(phrase), ..ChainView::default() };
    let with =
        |chain: ChainView| View { account: AccountView::Open(Me { chain, ..me() }), ..View::default() };
    let html = show("/settings", with(chain.clone()));
    assert_holds(
        &html,
        &[
            "aria-label=\"Key history\"",
            "<time datetime=\"2026-11-22T19:00:00Z\">2026-11-22</time> <bdi>Claimed the handle @alice.</bdi>",
            "aria-label=\"Rotation phrase\"",
            "I have written it down</button>",
            ">Rotation phrase</label>",
            "Change key</button>",
        ],
    );
    let html = show("/settings", with(ChainView { phrase_waits: false, phrase: None, ..chain.clone() }));
    assert!(!html.contains("Show rotation phrase") && html.contains("no longer kept here"), "{html}");
    let html = show("/settings", with(ChainView::default()));
    assert!(!html.contains("Change key"), "without a chain there is nothing to change: {html}");
}

#[test]
fn key_history_alarms_are_shown_where_they_matter() {
    let alarm = Some(PersonAlarm { handle: "bob".into(), alarm: ChainAlarm::Shorter });
    let html = show("/messages/bob", open(Some(ThreadView { chain_alarm: alarm, ..thread() })));
    assert_holds(
        &html,
        &["role=\"alert\"", "The key history of @bob has become shorter", "Dismiss</button>"],
    );
    for (chain, says) in [
        (ChainView { alarm: Some(ChainAlarm::NotMine), ..ChainView::default() }, "It was me</button>"),
        (
            ChainView { alarm: Some(ChainAlarm::DeviceAdded), ..ChainView::default() },
            "A browser was added to your account.",
        ),
        (ChainView { replaced: true, ..ChainView::default() }, "changed in another browser"),
        (ChainView { phrase_waits: true, ..ChainView::default() }, "only this phrase can replace it"),
    ] {
        let account = AccountView::Open(Me { chain, ..me() });
        assert_holds(&show("/messages", View { account, ..View::default() }), &[says]);
    }
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
fn a_pending_unblock_is_shown() {
    let blocked = |handle: &str, lifting| BlockedRow { handle: handle.to_owned(), lifting, in_doubt: false };
    let view = View { blocked: vec![blocked("mallory", false), blocked("trent", true)], ..open(None) };
    let html = show("/settings", view);
    assert_holds(&html, &["<span>@mallory</span>", "<span>@trent</span>", "server does not know yet"]);
    assert_eq!(html.matches("Unblock</button>").count(), 1, "{html}");

    let banner = |block| {
        show("/messages/bob", open(Some(ThreadView { block, request: block != Block::None, ..thread() })))
    };
    assert_holds(&banner(Block::Set), &["You have blocked @bob", "Unblock</button>"]);
    let html = banner(Block::Lifting);
    assert_holds(&html, &["You have unblocked @bob. Until your server knows"]);
    assert!(!html.contains("Unblock</button>") && !html.contains("Accept</button>"), "{html}");
    assert!(!banner(Block::None).contains("blocked @bob"));
}

#[test]
fn a_notice_is_a_status_and_an_error_an_alert() {
    let notice = |error| Some(Notice { what: Reason::SignedOut, error });
    let html = show("/", View { notice: notice(false), ..View::default() });
    assert!(html.contains("role=\"status\"") && html.contains("<p>You are signed out."), "{html}");
    let html = show("/", View { notice: notice(true), ..View::default() });
    assert!(html.contains("role=\"alert\"") && html.contains("<p>You are signed out."), "{html}");
}
