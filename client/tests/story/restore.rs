//! The same user in another browser.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::{AccountView, DeliveryState, Reason};
use kez_core::recovery_phrase::InvalidPhrase;
use rstest::rstest;

use crate::sim::World;
use crate::two_people::{alice_and_bob, writing_envelopes};

/// Restores bob in a browser with another name.
pub(crate) fn restore(world: &mut World, who: &'static str, words: &str) {
    world.open(who);
    world.run(1_000);
    world.ui(who, UiEvent::RestoreSubmitted { phrase: Secret::new(words), passphrase: Secret::default() });
    world.run(5_000);
}

fn error(world: &World, who: &'static str) -> Reason {
    let AccountView::None { restore, .. } = world.view(who).account else { panic!("restored") };
    assert!(!restore.busy);
    restore.error.unwrap()
}

#[test]
fn a_restore_brings_back_sent_and_received_messages() {
    let mut world = writing_envelopes(1);
    for turn in 0..5 {
        world.send("alice", "bob", &format!("question {turn}"));
        world.run(1_000);
        world.send("bob", "alice", &format!("answer {turn}"));
        world.run(1_000);
    }
    let words = world.words("bob");
    restore(&mut world, "bob on the phone", &words);
    world.look("bob on the phone", "alice");
    assert_eq!(world.texts("bob on the phone"), world.texts("bob"));
    let last = world.rows("bob on the phone").pop().unwrap();
    assert_eq!((last.state, last.missing_before), (DeliveryState::Sent, 0));

    // Both browsers continue, and see each other's messages.
    world.send("bob on the phone", "alice", "from the phone");
    world.run(1_000);
    world.send("bob", "alice", "from the desk");
    world.run(1_000);
    let end = ["me: from the phone", "me: from the desk"];
    assert!(world.texts("bob").ends_with(&end.map(str::to_owned)));
    assert!(world.texts("bob on the phone").ends_with(&end.map(str::to_owned)));
    assert!(world.rows("alice").iter().all(|row| row.missing_before == 0), "each installation has a chain");
}

#[test]
fn a_restore_brings_back_thousands_of_messages() {
    let mut world = writing_envelopes(2);
    world.look("alice", "nobody");
    for n in 0..1_300 {
        world.send("alice", "bob", &format!("{n}"));
        world.run(60);
    }
    world.run(5_000);
    let words = world.words("bob");
    // Every look-up is slow, so more messages arrive than may wait for it.
    world.weather.delay = 300;
    restore(&mut world, "restored", &words);
    world.run(30_000);
    world.look("restored", "alice");
    world.ui("restored", UiEvent::OldestWanted { handle: "alice".into() });
    let mut texts = world.texts("restored");
    while world.thread("restored").has_newer {
        world.ui("restored", UiEvent::NewerWanted { handle: "alice".into() });
        let more = world.texts("restored");
        let known = more.iter().position(|text| Some(text) == texts.last()).unwrap();
        texts.extend_from_slice(&more[known + 1..]);
    }
    let expected: Vec<String> = (0..1_300).map(|n| format!("them: {n}")).collect();
    assert_eq!(texts, expected);
    let AccountView::Open(me) = world.view("restored").account else { panic!("not open") };
    assert_eq!(me.unreadable, 0);
}

#[rstest]
#[case("", 0)]
#[case("zoo zoo zoo", 3)]
fn an_invalid_phrase_is_refused(#[case] words: &str, #[case] count: usize) {
    let mut world = World::new(1);
    restore(&mut world, "bob", words);
    assert_eq!(error(&world, "bob"), Reason::InvalidPhrase(InvalidPhrase::WordCount(count)));
}

#[test]
fn a_phrase_without_an_account_is_refused() {
    let mut world = World::new(1);
    let phrase = kez_core::recovery_phrase::words(&kez_core::identity::Seed::from_bytes([9; 32])).join(" ");
    restore(&mut world, "bob", &phrase);
    assert_eq!(error(&world, "bob"), Reason::NoAccount);
    world.relay_up(false);
    world.ui("bob", UiEvent::RestoreSubmitted { phrase: Secret::new(phrase), passphrase: Secret::default() });
    world.run(1_000);
    assert_eq!(error(&world, "bob"), Reason::NoAnswer);
}

#[test]
fn messages_from_before_a_restore_are_read_and_later_ones_unread() {
    let mut world = alice_and_bob(3);
    world.join("carol", "");
    for n in 0..5 {
        world.send("alice", "bob", &format!("{n}"));
    }
    world.run(5_000);
    let words = world.words("bob");
    restore(&mut world, "phone", &words);
    world.run(5_000);
    assert_eq!(world.view("phone").unread, 0);
    world.send("bob", "alice", "accepted");
    world.run(1_000);
    // What one browser shows is read in the other.
    world.ui("bob", UiEvent::Looking { at: None, visible: true });
    world.send("alice", "bob", "news");
    world.run(5_000);
    assert_eq!(world.view("phone").unread, 1);
    world.look("phone", "alice");
    assert_eq!(world.view("phone").unread, 0);
}
