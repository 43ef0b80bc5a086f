//! Joining.

use kez_client::event::{Event, TabId, UiEvent};
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Availability, JoinStep, JoinView, Reason};
use kez_core::handle::InvalidHandle;
use kez_core::sigchain::Hash;

use crate::sim::World;

fn join(world: &World, who: &'static str) -> JoinView {
    let AccountView::None { join, .. } = world.view(who).account else { panic!("not joining") };
    join
}

fn open_handle(world: &World, who: &'static str) -> String {
    let AccountView::Open(me) = world.view(who).account else {
        panic!("not open: {:?}", world.view(who).account)
    };
    me.handle
}

fn type_handle(world: &mut World, who: &'static str, text: &str) -> Availability {
    world.ui(who, UiEvent::HandleTyped { text: text.into() });
    world.run(500);
    join(world, who).availability
}

#[test]
fn a_passphrase_is_set_changed_and_removed_later() {
    let mut world = World::new(20);
    world.join("bob", "");
    let change = |world: &mut World, current: &str, new: &str| {
        let (current, new) = (Secret::new(current), Secret::new(new));
        world.ui("bob", UiEvent::PassphraseChanged { current, new });
        world.run(500);
        match world.view("bob").account {
            AccountView::Open(me) => (me.has_passphrase, me.passphrase_change.error),
            other => panic!("not open: {other:?}"),
        }
    };
    assert_eq!(change(&mut world, "", "first"), (true, None));
    let (has_one, error) = change(&mut world, "wrong", "second");
    assert!(has_one && error == Some(Reason::WrongCurrentPassphrase));
    assert_eq!(change(&mut world, "first", "second"), (true, None));
    world.reload("bob");
    world.run(500);
    for (typed, opens) in [("first", false), ("second", true)] {
        world.ui("bob", UiEvent::UnlockSubmitted { passphrase: Secret::new(typed) });
        world.run(500);
        assert_eq!(matches!(world.view("bob").account, AccountView::Open(_)), opens, "{typed}");
    }
    assert_eq!(change(&mut world, "second", ""), (false, None));
    world.reload("bob");
    world.run(500);
    assert!(matches!(world.view("bob").account, AccountView::Open(_)), "no passphrase is asked for");
}

#[test]
fn the_phrase_can_be_confirmed_later_and_a_reminder_stays_until_then() {
    let mut world = World::new(19);
    world.open("bob");
    world.run(1_000);
    type_handle(&mut world, "bob", "bob");
    world.ui("bob", UiEvent::HandleChosen);
    world.ui("bob", UiEvent::PhraseConfirmationPutOff);
    world.ui("bob", UiEvent::AccountCreated { passphrase: Secret::default() });
    world.run(3_000);
    let confirmed = |world: &World| match world.view("bob").account {
        AccountView::Open(me) => me.phrase_confirmed,
        other => panic!("not open: {other:?}"),
    };
    assert!(!confirmed(&world));
    world.reload("bob");
    world.run(1_000);
    assert!(!confirmed(&world), "also after a reload");
    world.ui("bob", UiEvent::PhraseKept);
    world.reload("bob");
    world.run(1_000);
    assert!(confirmed(&world));
    world.join("alice", "");
    assert!(matches!(world.view("alice").account, AccountView::Open(me) if me.phrase_confirmed));
}

#[test]
fn a_handle_is_checked_while_it_is_typed() {
    let mut world = World::new(1);
    world.join("alice", "");
    world.open("bob");
    world.run(500);
    assert_eq!(type_handle(&mut world, "bob", ""), Availability::Empty);
    let reason = Reason::InvalidHandle(InvalidHandle::TooShort);
    assert_eq!(type_handle(&mut world, "bob", "b"), Availability::Refused { reason });
    assert!(matches!(type_handle(&mut world, "bob", "admin"), Availability::Refused { .. }));
    assert_eq!(type_handle(&mut world, "bob", "alice"), Availability::Taken);
    world.ui("bob", UiEvent::HandleChosen);
    assert_eq!(join(&world, "bob").step, JoinStep::Handle, "a taken handle blocks the next step");
    assert_eq!(type_handle(&mut world, "bob", "bob"), Availability::Available);
}

#[test]
fn wrong_words_are_named() {
    let mut world = World::new(1);
    world.open("bob");
    world.run(500);
    type_handle(&mut world, "bob", "bob");
    world.ui("bob", UiEvent::HandleChosen);
    world.ui("bob", UiEvent::PhraseSeen);
    let JoinStep::Confirm { positions } = world.join_step("bob") else { panic!("not asked back") };
    world.ui("bob", UiEvent::PhraseConfirmed { words: vec![Secret::new("wrong"); 3] });
    assert_eq!(join(&world, "bob").error, Some(Reason::WrongWord(positions[0])));
    assert_eq!(world.join_step("bob"), JoinStep::Confirm { positions });
    world.ui("bob", UiEvent::JoinBack);
    assert!(matches!(world.join_step("bob"), JoinStep::Phrase { .. }));
}

#[test]
fn a_lost_answer_and_a_reload_create_one_account() {
    for lost in ["request", "answer"] {
        let mut world = World::new(1);
        world.open("alice");
        world.run(500);
        type_handle(&mut world, "alice", "alice");
        match lost {
            "request" => world.weather.request_lost = 100,
            _ => world.weather.answer_lost = 100,
        }
        world.create_account("alice", "");
        world.run(10 * 60_000);
        assert!(join(&world, "alice").busy, "{lost}");
        world.reload("alice");
        world.run(5_000);
        (world.weather.request_lost, world.weather.answer_lost) = (0, 0);
        world.run(60_000);
        assert_eq!(open_handle(&world, "alice"), "alice", "{lost}");
        world.reload("alice");
        assert_eq!(open_handle(&world, "alice"), "alice", "{lost}");
    }
}

#[test]
fn a_handle_taken_before_registration_can_be_replaced() {
    let mut world = World::new(1);
    world.open("bob");
    world.run(500);
    assert_eq!(type_handle(&mut world, "bob", "alice"), Availability::Available);
    world.join("alice", "");
    world.create_account("bob", "");
    world.run(1_000);
    let view = join(&world, "bob");
    assert_eq!((view.step, view.busy), (JoinStep::Handle, false));
    assert_eq!(view.error, Some(Reason::HandleTaken("alice".into())));
    assert_eq!(type_handle(&mut world, "bob", "bob"), Availability::Available);
    world.ui("bob", UiEvent::HandleChosen);
    world.run(1_000);
    assert_eq!(open_handle(&world, "bob"), "bob");
    world.reload("bob");
    assert_eq!(open_handle(&world, "bob"), "bob");
}

#[test]
fn a_passphrase_locks() {
    let mut world = World::new(1);
    world.join("alice", "open sesame");
    assert_eq!(open_handle(&world, "alice"), "alice");
    for lock in [UiEvent::LockPressed, UiEvent::NoticeDismissed] {
        if lock == UiEvent::NoticeDismissed {
            world.reload("alice");
        }
        world.ui("alice", lock);
        assert_eq!(world.view("alice").account, AccountView::Locked { busy: false, error: None });
        world.ui("alice", UiEvent::UnlockSubmitted { passphrase: Secret::new("wrong") });
        world.run(10);
        assert!(matches!(world.view("alice").account, AccountView::Locked { busy: false, error: Some(_) }));
        world.ui("alice", UiEvent::UnlockSubmitted { passphrase: Secret::new("open sesame") });
        world.run(10);
        assert_eq!(open_handle(&world, "alice"), "alice");
    }
}

#[test]
fn locking_needs_a_passphrase() {
    let mut world = World::new(1);
    world.join("alice", "");
    world.ui("alice", UiEvent::LockPressed);
    assert_eq!(open_handle(&world, "alice"), "alice");
}

#[test]
fn lost_storage_is_detected() {
    let mut world = World::new(1);
    world.join("alice", "");
    let browser = world.browser("alice");
    browser.disk.clear();
    browser.vault = None;
    world.reload("alice");
    let AccountView::None { lost, .. } = world.view("alice").account else { panic!("there is an account") };
    assert_eq!(lost.as_deref(), Some("alice"));
}

#[test]
fn the_chain_names_the_registration_on_the_server() {
    let mut world = World::new(22);
    world.open("alice");
    world.run(1_000);
    world.ui("alice", UiEvent::HandleTyped { text: "alice".into() });
    world.run(1_000);
    world.weather.answer_lost = 100;
    world.create_account("alice", "");
    // Long enough that the claim has to be signed again.
    world.run(6 * 60_000);
    world.weather.answer_lost = 0;
    world.run(120_000);
    let registration = world.relay.lookup("alice").unwrap().registration.get().to_owned();
    let key = world.key("alice").public().primary();
    let claim = world.relay.sigchains.of(&key).claim(&"alice".parse().unwrap(), &world.relay.server).cloned();
    assert_eq!(claim.unwrap().registration, Hash::of_json(&registration));
}

#[test]
fn messages_between_tabs_contain_no_phrase() {
    let mut world = World::new(23);
    world.open("alice");
    world.run(500);
    type_handle(&mut world, "alice", "alice");
    world.ui("alice", UiEvent::HandleChosen);
    assert!(matches!(join(&world, "alice").step, JoinStep::Phrase { words } if words.len() == 24));
    let AccountView::None { join, .. } = world.view("alice").without_phrases().account else { panic!() };
    assert_eq!(join.step, JoinStep::Phrase { words: Vec::new() });

    let mut world = World::new(24);
    world.join("alice", "");
    world.ui("alice", UiEvent::PhraseShown);
    world.ui("alice", UiEvent::RotationPhraseShown);
    let phrases = |view: kez_client::view::View| match view.account {
        AccountView::Open(me) => (me.phrase, me.chain.phrase),
        other => panic!("not open: {other:?}"),
    };
    let shown = phrases(world.view("alice"));
    assert!(shown.0.is_some() && shown.1.is_some());
    assert_eq!(phrases(world.view("alice").without_phrases()), (None, None));
    world.event("alice", Event::PhraseRefused(TabId("second".into())));
    assert_eq!(world.view("alice").notice.unwrap().what, Reason::PhraseElsewhere);
}

#[test]
fn a_handle_is_normalised() {
    let mut world = World::new(25);
    world.open("alice");
    world.run(500);
    for text in ["Alice", " @alice ", "ALICE", "\u{200b}alice"] {
        assert_eq!(type_handle(&mut world, "alice", text), Availability::Available, "{text}");
    }
    world.create_account("alice", "");
    world.run(3_000);
    assert_eq!(open_handle(&world, "alice"), "alice");
}
