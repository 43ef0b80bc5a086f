//! The settings, and the key history.

use kez_client::view::{
    AccountView, Block, BlockedRow, ChainAlarm, ChainView, HistoryRow, Me, PersonAlarm, ThreadView, View,
};

use super::{assert_holds, me, open, show, thread};

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
