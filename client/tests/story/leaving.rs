//! Exporting the user's data, and deleting the account.

use kez_client::effect::Method;
use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Reason};
use kez_core::problem::ProblemCode;

use crate::sim::{World, json, problem};
use crate::two_people::{alice_and_bob, writing_envelopes};

fn chat(chance: u64) -> World {
    talk(alice_and_bob(chance))
}

fn talk(mut world: World) -> World {
    world.send("alice", "bob", "Say \"friend\" and enter");
    world.send("bob", "alice", "friend");
    world.run(2_000);
    world
}

fn error(world: &World, who: &'static str) -> Option<Reason> {
    match world.view(who).account {
        AccountView::Open(me) => me.leaving.error,
        _ => None,
    }
}

#[test]
fn an_export_is_one_file_with_stored_data_and_conversations() {
    let mut world = chat(41);
    world.ui("alice", UiEvent::ExportPressed);
    world.ui("alice", UiEvent::ExportPressed);
    world.run(1_000);
    let downloads = std::mem::take(&mut world.browser("alice").downloads);
    let [(name, json)] = downloads.as_slice() else { panic!("one file: {downloads:?}") };
    assert_eq!(name, "kez-chat-alice.json");
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["type"], "kez.chat.client_export");
    assert_eq!(json["stored"]["type"], "kez.chat.export");
    let bob = &json["conversations"][0];
    assert_eq!((&bob["with"], &bob["verified"]), (&"bob".into(), &false.into()));
    let messages = bob["messages"].as_array().unwrap().iter();
    let said: Vec<_> = messages.filter(|m| m["kind"] == "text").map(|m| (&m["mine"], &m["text"])).collect();
    assert_eq!(said, [(&true.into(), &"Say \"friend\" and enter".into()), (&false.into(), &"friend".into())]);
    assert_eq!(error(&world, "alice"), None);
}

#[test]
fn signing_out_clears_the_browser_and_the_phrase_restores_the_account() {
    let mut world = talk(writing_envelopes(45));
    let words = world.words("alice");
    world.ui("alice", UiEvent::SignOutConfirmed);
    world.run(1_000);
    assert!(matches!(world.view("alice").account, AccountView::None { lost: None, .. }));
    world.reload("alice");
    world.run(1_000);
    assert!(
        matches!(world.view("alice").account, AccountView::None { lost: None, .. }),
        "also after a reload"
    );
    world
        .ui("alice", UiEvent::RestoreSubmitted { phrase: Secret::new(words), passphrase: Secret::default() });
    world.run(5_000);
    world.look("alice", "bob");
    assert_eq!(world.texts("alice").len(), 2, "the server still has the account and its messages");
}

#[test]
fn a_failed_export_is_reported_and_can_be_retried() {
    let mut world = chat(42);
    world.relay_up(false);
    world.ui("alice", UiEvent::ExportPressed);
    world.run(40_000);
    assert_eq!(error(&world, "alice"), Some(Reason::NoAnswer));
    world.relay_up(true);
    world.ui("alice", UiEvent::ExportPressed);
    world.run(1_000);
    assert_eq!(error(&world, "alice"), None);
    assert_eq!(world.browser("alice").downloads.len(), 1);
}

#[test]
fn a_deleted_account_is_gone_from_server_and_browser() {
    let mut world = chat(43);
    world.ui("alice", UiEvent::DeletionConfirmed);
    world.run(1_000);
    assert!(matches!(world.view("alice").account, AccountView::None { lost: None, .. }));
    assert!(world.view("alice").conversations.is_empty());
    let browser = world.browser("alice");
    assert!(browser.disk.is_empty() && browser.vault.is_none() && browser.remembered.is_none());
    assert!(world.relay.lookup("alice").is_none());
    world.reload("alice");
    world.run(1_000);
    assert!(matches!(world.view("alice").account, AccountView::None { lost: None, .. }));
    assert_eq!(world.texts("bob").len(), 2, "Bob keeps his copy");
}

#[test]
fn a_deletion_with_a_lost_answer_is_detected() {
    let mut world = chat(44);
    world.relay.delete("alice");
    world.ui("alice", UiEvent::DeletionConfirmed);
    world.run(1_000);
    assert!(matches!(world.view("alice").account, AccountView::None { .. }));
    assert!(world.browser("alice").disk.is_empty());
}

#[test]
fn a_refused_deletion_loses_nothing() {
    let mut world = chat(45);
    let record = json(200, &world.relay.lookup("alice"));
    world.relay.script = Some(Box::new(move |request, response| match request.target.as_str() {
        "/v1/u/alice" if request.method == Method::Delete => problem(ProblemCode::Unauthorized),
        "/v1/u/alice" => record.clone(),
        _ => response,
    }));
    world.ui("alice", UiEvent::DeletionConfirmed);
    world.run(1_000);
    assert_eq!(error(&world, "alice"), Some(Reason::SignatureRefused));
    assert!(!world.browser("alice").disk.is_empty());
    assert_eq!(world.texts("alice").len(), 2);
}
