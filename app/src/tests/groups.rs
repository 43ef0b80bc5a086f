//! Groups.

use kez_client::view::{
    AccountView, AskingRow, ConversationRow, DeliveryState, GroupLine, GroupRow, GroupStage, GroupView,
    JoinView, MemberRow, MessageBody, MessageRow, Preview, Reason, ThreadView, View,
};

use super::{assert_holds, joining, open, row, show, thread};

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
