//! A middlebox between client and server answers in the server's place: a proxy, or a hotel's sign-in page.

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::{HttpResponse, UiEvent};
use kez_client::view::{AccountView, DeliveryState};
use rstest::rstest;

use crate::rotation::{change, ready};
use crate::sim::{BASE, World};
use crate::two_people::{alice_and_bob, writing_envelopes};

fn page(status: u16) -> HttpResponse {
    HttpResponse {
        status,
        retry_after: None,
        date: None,
        body: b"<html>Sign in to the hotel's network</html>".to_vec(),
    }
}

/// Answers these requests in the server's place; the server never sees them.
fn answer_instead(world: &mut World, status: u16, which: fn(&HttpRequest) -> bool) {
    world.relay.intercept =
        Some(Box::new(move |request| if which(request) { Some(page(status)) } else { None }));
}

fn is_write(request: &HttpRequest) -> bool {
    request.method != Method::Get
}

#[rstest]
#[case(200)]
#[case(201)]
#[case(204)]
#[case(302)]
#[case(403)]
#[case(404)]
fn a_message_is_sent_only_once_the_server_has_it(#[case] status: u16) {
    let mut world = writing_envelopes(1);
    // It lets no stream through.
    world.relay.has_streams = false;
    world.cut_streams();
    world.run(1_000);
    answer_instead(&mut world, status, is_write);
    world.send("alice", "bob", "hello");
    world.run(30_000);
    assert_ne!(world.states("alice"), [DeliveryState::Sent]);
    world.relay.intercept = None;
    world.run(120_000);
    let failed = world.rows("alice")[0].clone();
    if failed.state == DeliveryState::Failed {
        world.ui("alice", UiEvent::RetryPressed { handle: "bob".into(), id: failed.id });
        world.run(5_000);
    }
    assert_eq!(world.states("alice"), [DeliveryState::Sent]);
    assert_eq!(world.texts("bob"), ["them: hello"]);
}

#[rstest]
#[case(200)]
#[case(201)]
#[case(404)]
fn an_account_exists_only_when_the_server_has_it(#[case] status: u16) {
    let mut world = World::new(2);
    world.open("alice");
    world.run(1_000);
    world.ui("alice", UiEvent::HandleTyped { text: "alice".into() });
    world.run(1_000);
    answer_instead(&mut world, status, is_write);
    world.create_account("alice", "");
    world.run(30_000);
    assert!(matches!(world.view("alice").account, AccountView::None { .. }));
    world.relay.intercept = None;
    world.run(120_000);
    assert!(matches!(world.view("alice").account, AccountView::Open(_)));
    assert!(world.relay.lookup("alice").is_some());
}

#[test]
fn a_key_is_changed_only_when_chain_and_server_have_it() {
    let (mut world, phrase) = ready(3);
    answer_instead(&mut world, 201, is_write);
    change(&mut world, "bob", &phrase);
    world.run(60_000);
    assert!(world.chain("bob").changing);
    assert_ne!(world.words("bob"), phrase);
    answer_instead(&mut world, 201, |request| is_write(request) && !request.target.starts_with(BASE));
    world.run(300_000);
    assert!(world.chain("bob").changing, "the chain has the new key, the server has not");
    assert_ne!(world.words("bob"), phrase);
    world.relay.intercept = None;
    world.run(600_000);
    assert!(!world.chain("bob").changing);
    assert_eq!(world.words("bob"), phrase);
    world.send("alice", "bob", "three");
    world.run(5_000);
    world.look("bob", "alice");
    assert_eq!(world.texts("bob").last().unwrap(), "them: three");
}

#[rstest]
#[case(200)]
#[case(403)]
fn a_block_counts_only_when_the_server_has_it(#[case] status: u16) {
    let mut world = alice_and_bob(4);
    world.send("alice", "bob", "hello");
    world.run(2_000);
    answer_instead(&mut world, status, is_write);
    world.ui("bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.run(60_000);
    world.relay.intercept = None;
    world.run(600_000);
    let listed = world.relay.listed.get(&("bob".parse().unwrap(), "blocks".to_owned()));
    assert!(listed.is_some_and(|listed| listed.contains(&"alice".parse().unwrap())));
}

#[test]
fn an_account_is_deleted_only_when_the_server_says_so() {
    let mut world = alice_and_bob(5);
    answer_instead(&mut world, 200, is_write);
    world.ui("alice", UiEvent::DeletionConfirmed);
    world.run(5_000);
    assert!(matches!(world.view("alice").account, AccountView::Open(_)));
}
