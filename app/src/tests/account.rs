//! Joining, restoring and unlocking.

use kez_client::view::{AccountView, Availability, JoinStep, JoinView, Me, Reason, View};

use super::{assert_holds, joining, me, open, show};

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

#[test]
fn restoring_asks_for_the_phrase() {
    let html = show("/restore", joining(JoinView::default()));
    assert_holds(&html, &[">Recovery phrase</label>", ">Passphrase</label>", ">Restore account</button>"]);
}
