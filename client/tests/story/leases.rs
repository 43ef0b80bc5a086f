//! A worker that still runs after another one has taken over its browser.

use kez_client::event::{Event, StorageFault, TabId, UiEvent};
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Connection, DeliveryState, Reason};

use crate::sim::{Out, Superseded, World};
use crate::two_people::alice_and_bob;

fn ui(event: UiEvent) -> Event {
    Event::Ui(TabId("tab".to_owned()), event)
}

/// The late user action changes nothing, sends nothing, and stops that client.
fn stops(world: &mut World, late: &mut Superseded, event: UiEvent) {
    let (disk, vault) = (world.browser("alice").disk.clone(), world.browser("alice").vault.clone());
    let done = world.late("alice", late, ui(event));
    // Without an account, a client asks for the server's configuration.
    let is_sent = |out: &Out| match out {
        Out::Http(_, request) => request.auth.is_some(),
        out => matches!(out, Out::SendLive { .. } | Out::OpenLive { .. }),
    };
    assert!(!done.iter().any(is_sent), "nothing that was not stored is sent");
    assert!(done.iter().any(|out| matches!(out, Out::CloseLive)));
    assert_eq!(world.browser("alice").disk, disk, "what the new leader has stored stands");
    assert_eq!(world.browser("alice").vault, vault);
    let view = late.client.view(&TabId("tab".to_owned()));
    assert_eq!(view.notice.unwrap().what, Reason::NotSaved(StorageFault::Superseded));
    assert_ne!(view.connection, Connection::Online);
    assert_eq!(late.client.next_wake(), None);
    for event in [Event::Tick, Event::Network { online: true }, ui(UiEvent::NoticeDismissed)] {
        assert!(world.late("alice", late, event).is_empty(), "it has stopped");
    }
}

fn message(world: &mut World, text: &str) -> UiEvent {
    UiEvent::SendPressed { handle: "bob".into(), id: world.ulid(), text: text.into() }
}

#[test]
fn a_superseded_client_writes_and_sends_nothing() {
    let mut world = alice_and_bob(31);
    world.send("alice", "bob", "one");
    world.run(1_000);
    let mut late = world.take_over("alice");
    world.run(1_000);
    world.send("alice", "bob", "two");
    world.run(1_000);

    let three = message(&mut world, "a late one");
    stops(&mut world, &mut late, three);
    let again = message(&mut world, "a later one");
    world.late("alice", &mut late, ui(again));
    let refused = late.client.view(&TabId("tab".to_owned())).thread.unwrap().refused;
    assert_eq!(refused, Some(Reason::Stopped));

    world.send("alice", "bob", "three");
    world.run(1_000);
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.texts("alice"), ["me: one", "me: two", "me: three"]);
    assert_eq!(world.states("alice"), [DeliveryState::Sent; 3]);
    assert_eq!(world.texts("bob"), ["them: one", "them: two", "them: three"]);
    let rows = world.rows("bob");
    assert!(rows.iter().all(|row| row.missing_before == 0 && !row.contradicts_chain), "{rows:?}");
}

#[test]
fn a_superseded_client_can_neither_change_the_passphrase_nor_delete_the_account() {
    let none = || Secret::new("");
    let change = UiEvent::PassphraseChanged { current: none(), new: Secret::new("a new passphrase") };
    for event in [change, UiEvent::SignOutConfirmed] {
        let mut world = alice_and_bob(32);
        let mut late = world.take_over("alice");
        world.run(1_000);
        stops(&mut world, &mut late, event);
        world.reload("alice");
        assert!(matches!(world.view("alice").account, AccountView::Open(_)));
    }
}

#[test]
fn unlocking_takes_over_and_locking_gives_up() {
    const PASSPHRASE: &str = "a passphrase";
    let mut world = alice_and_bob(33);
    let set = UiEvent::PassphraseChanged { current: Secret::new(""), new: Secret::new(PASSPHRASE) };
    world.ui("alice", set);
    world.run(1_000);
    world.send("alice", "bob", "one");
    world.run(1_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent], "a change of the passphrase keeps the lease");

    let mut late = world.take_over("alice");
    world.run(1_000);
    let unlock = || UiEvent::UnlockSubmitted { passphrase: Secret::new(PASSPHRASE) };
    world.ui("alice", unlock());
    world.run(1_000);
    let two = message(&mut world, "a late one");
    stops(&mut world, &mut late, two);

    // A locked client has no state that could be behind, so it may take over again.
    world.late("alice", &mut late, ui(UiEvent::LockPressed));
    world.late("alice", &mut late, ui(unlock()));
    assert!(matches!(late.client.view(&TabId("tab".to_owned())).account, AccountView::Open(_)));
    world.send("alice", "bob", "two");
    world.run(1_000);
    assert_eq!(world.view("alice").notice.unwrap().what, Reason::NotSaved(StorageFault::Superseded));
}
