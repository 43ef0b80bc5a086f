//! Records that are damaged, or from a newer version.

use kez_client::event::StorageFault;
use kez_client::view::{AccountView, DeliveryState, MessageBody, Reason};

use crate::sim::World;
use crate::two_people::alice_and_bob;

/// A world in which Alice has a record of each kind that belongs to a conversation.
fn with_everything(chance: u64) -> World {
    let mut world = alice_and_bob(chance);
    world.send("alice", "bob", "one");
    world.run(1_000);
    world.send("bob", "alice", "two");
    world.run(30_000);
    world.relay_up(false);
    world.send("alice", "bob", "three");
    world.run(1_000);
    let draft = "half a sentence".to_owned();
    world.ui("alice", kez_client::event::UiEvent::DraftChanged { handle: "bob".into(), text: draft });
    world
}

fn ids(world: &mut World, kind: &str) -> Vec<String> {
    let disk = world.browser("alice").disk.keys();
    disk.filter(|(other, _)| other.as_str() == kind).map(|(_, id)| id.clone()).collect()
}

/// The number of the conversation with Bob.
fn slot(world: &mut World) -> String {
    ids(world, "contact").remove(0)
}

fn damage(world: &mut World, kind: &str, id: &str, how: impl Fn(&mut Vec<u8>)) {
    let disk = world.browser("alice").disk.iter_mut();
    for (_, value) in disk.filter(|((other, name), _)| other.as_str() == kind && name == id) {
        how(value);
    }
    world.reload("alice");
}

#[test]
fn a_damaged_record_loses_only_its_contents() {
    for kind in ["page", "index", "outbox", "draft", "conversation", "contact", "chain", "nkey", "quarantine"]
    {
        for id in ids(&mut with_everything(1), kind).into_iter().filter(|id| id != "own") {
            let mut world = with_everything(1);
            damage(&mut world, kind, &id, |value| value.truncate(1));
            let view = world.view("alice");
            assert!(matches!(view.account, AccountView::Open(_)), "{kind}/{id}: {:?}", view.account);
            let told = view.notice.map(|notice| notice.what);
            let expected = if kind == "contact" { 6 } else { 1 };
            assert_eq!(told, Some(Reason::Damaged(expected)), "{kind}/{id}");
            let rows = if kind == "page" { 1 } else { 3 };
            if kind != "contact" {
                assert_eq!(world.rows("alice").len(), rows, "{kind}/{id}");
            }
        }
    }
}

#[test]
fn a_damaged_page_is_shown_as_one_row() {
    let mut world = with_everything(2);
    let page = format!("{}/000000000000", slot(&mut world));
    damage(&mut world, "page", &page, |value| value[1] ^= 0xff);
    let damaged = |world: &World| {
        let rows = world.rows("alice").into_iter();
        rows.map(|row| row.body == MessageBody::Damaged).collect::<Vec<_>>()
    };
    assert_eq!(damaged(&world), [true]);
    assert_eq!(world.view("alice").unread, 0);
    world.relay_up(true);
    world.run(60_000);
    assert_eq!(world.texts("bob"), ["them: one", "me: two", "them: three"], "everything else continues");
    world.send("bob", "alice", "four");
    world.run(1_000);
    world.reload("alice");
    assert_eq!(damaged(&world), [true, false]);
}

#[test]
fn a_damaged_index_part_is_rebuilt_once() {
    let mut world = with_everything(7);
    let index = format!("{}/000000000000", slot(&mut world));
    damage(&mut world, "index", &index, |value| value.truncate(1));
    assert_eq!(world.rows("alice").len(), 3);
    world.reload("alice");
    assert_eq!((world.rows("alice").len(), world.view("alice").notice), (3, None));
}

#[test]
fn a_chain_with_a_lost_end_starts_over() {
    let mut world = with_everything(6);
    let row = world.view("alice").conversations.remove(0);
    let conversation = slot(&mut world);
    damage(&mut world, "conversation", &conversation, |value| value.truncate(1));
    assert_eq!(world.view("alice").conversations, [row], "rebuilt from the newest page");
    world.relay_up(true);
    world.run(60_000);
    world.send("alice", "bob", "four");
    world.run(5_000);
    assert_eq!(world.texts("bob"), ["them: one", "me: two", "them: three", "them: four"]);
    let rows = world.rows("bob");
    assert!(rows.iter().all(|row| !row.contradicts_chain && row.missing_before == 0), "{rows:?}");
}

#[test]
fn a_message_with_a_damaged_outbox_record_is_not_shown_as_sent() {
    let mut world = with_everything(3);
    let id = ids(&mut world, "outbox").pop().unwrap();
    damage(&mut world, "outbox", &id, |value| value.truncate(2));
    world.relay_up(true);
    world.run(60_000);
    assert_eq!(world.states("alice").last(), Some(&DeliveryState::Failed));
    let row = world.rows("alice").pop().unwrap().id;
    world.ui("alice", kez_client::event::UiEvent::RetryPressed { handle: "bob".into(), id: row.clone() });
    world.run(5_000);
    assert_eq!(world.states("alice").last(), Some(&DeliveryState::Failed));
    world.ui("alice", kez_client::event::UiEvent::DeletePressed { handle: "bob".into(), id: row });
    world.send("alice", "bob", "four");
    world.run(5_000);
    assert_eq!(world.texts("bob"), ["them: one", "me: two", "them: four"]);
}

#[test]
fn records_of_a_newer_version_are_not_modified() {
    for kind in ["account", "sync", "contact", "conversation", "index", "page", "outbox", "draft", "chain"] {
        let mut world = with_everything(4);
        let id = ids(&mut world, kind).pop().unwrap();
        let before = world.browser("alice").disk.clone();
        damage(&mut world, kind, &id, |value| value[0] += 1);
        let fault = StorageFault::Newer;
        assert_eq!(world.view("alice").account, AccountView::Unusable { fault }, "{kind}");
        world.run(60_000);
        assert_eq!(world.browser("alice").disk.len(), before.len(), "{kind}");
    }
}

#[test]
fn a_missing_essential_record_is_detected() {
    for (kind, id) in [("account", "account"), ("sync", "sync"), ("chain", "own")] {
        let mut world = with_everything(5);
        damage(&mut world, kind, id, |value| value.truncate(1));
        let fault = StorageFault::Damaged;
        assert_eq!(world.view("alice").account, AccountView::Unusable { fault }, "{kind}");
    }
}
