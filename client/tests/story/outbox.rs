//! Sending while the network or the relay fails.

use std::cell::RefCell;
use std::rc::Rc;

use kez_client::event::UiEvent;
use kez_client::view::{Connection, DeliveryState, Reason, Room};
use kez_core::api::InboxLimits;
use kez_core::problem::ProblemCode;
use rstest::rstest;

use crate::sim::{World, json, problem};
use crate::two_people::{Carrier, alice_and_bob, look_up_bob};

const SENDING: DeliveryState = DeliveryState::Sending;
const SENT: DeliveryState = DeliveryState::Sent;
const FAILED: DeliveryState = DeliveryState::Failed;

fn retry(world: &mut World, id: &str) {
    world.ui("alice", UiEvent::RetryPressed { handle: "bob".into(), id: id.into() });
}

fn delete(world: &mut World, id: &str) {
    world.ui("alice", UiEvent::DeletePressed { handle: "bob".into(), id: id.into() });
}

#[rstest]
fn offline_messages_are_queued_and_sent_in_order(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(1);
    look_up_bob(&mut world);
    world.network("alice", false);
    assert_eq!(world.view("alice").connection, Connection::Offline);
    for text in ["one", "two", "three"] {
        world.send("alice", "bob", text);
    }
    world.run(60_000);
    assert_eq!(world.states("alice"), [SENDING; 3]);
    world.reload("alice");
    world.network("alice", false);
    world.run(60_000);
    world.network("alice", true);
    world.run(5_000);
    assert_eq!(world.states("alice"), [SENT; 3]);
    assert_eq!(world.texts("bob"), ["them: one", "them: two", "them: three"]);
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_failed_send_survives_a_reload_and_a_retry_makes_no_duplicate(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(2);
    look_up_bob(&mut world);
    world.weather.answer_lost = 100;
    let id = world.send("alice", "bob", "Hello");
    world.send("alice", "bob", "Again");
    world.run(20_000);
    assert_eq!(world.states("alice"), [FAILED; 2], "the queue fails as one");
    assert!(world.rows("alice")[0].error.is_some());
    retry(&mut world, &id);
    assert_eq!(world.states("alice"), [SENDING; 2], "a retry is one at once");
    world.run(20_000);
    world.weather.answer_lost = 0;
    world.reload("alice");
    world.run(3_000);
    assert_eq!(world.states("alice"), [SENT; 2]);
    world.run(30_000);
    assert_eq!(world.texts("bob"), ["them: Hello", "them: Again"]);
    assert!(world.rows("bob").iter().all(|row| row.missing_before == 0));
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn what_was_sealed_is_posted_byte_for_byte(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(3);
    look_up_bob(&mut world);
    // The group exists, and the relay cannot show that it has the message.
    world.send("alice", "bob", "first");
    world.run(3_000);
    let posted = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&posted);
    world.relay.intercept = Some(Box::new(move |request| {
        let is_message = carrier.is_message(request);
        seen.borrow_mut().extend(request.body.clone().filter(|_| is_message));
        is_message.then(|| problem(ProblemCode::Unavailable))
    }));
    let id = world.send("alice", "bob", "Hello");
    world.run(10_000);
    world.reload("alice");
    retry(&mut world, &id);
    world.run(10_000);
    let posted = posted.borrow();
    assert!(posted.len() >= 6, "{}", posted.len());
    assert!(posted.windows(2).all(|pair| pair[0] == pair[1]));
}

#[rstest]
fn a_new_message_also_retries_failed_ones_in_order(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(4);
    look_up_bob(&mut world);
    world.weather.request_lost = 100;
    world.send("alice", "bob", "one");
    world.run(10_000);
    world.weather.request_lost = 0;
    world.send("alice", "bob", "two");
    world.run(3_000);
    assert_eq!(world.texts("bob"), ["them: one", "them: two"]);
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_restored_connection_resumes_sending(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(5);
    look_up_bob(&mut world);
    world.relay_up(false);
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    world.run(20_000);
    assert_eq!(world.states("alice"), [FAILED; 2]);
    assert_eq!(world.view("alice").connection, Connection::Offline);
    world.relay_up(true);
    world.run(60_000);
    assert_eq!(world.states("alice"), [SENT; 2]);
    assert_eq!(world.view("alice").connection, Connection::Online);
    assert_eq!(world.texts("bob"), ["them: one", "them: two"]);
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_deleted_message_is_never_sent(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(6);
    look_up_bob(&mut world);
    world.weather.request_lost = 100;
    let first = world.send("alice", "bob", "one");
    delete(&mut world, &first);
    assert_eq!(world.rows("alice").len(), 1, "not while it is being sent");
    world.run(20_000);
    let second = world.send("alice", "bob", "two");
    world.run(20_000);
    delete(&mut world, &first);
    assert_eq!(world.texts("alice"), ["me: two"]);
    world.reload("alice");
    world.weather.request_lost = 0;
    retry(&mut world, &second);
    world.run(3_000);
    assert_eq!(world.texts("alice"), ["me: two"]);
    assert_eq!(world.texts("bob"), ["them: two"]);
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_refused_message_fails_alone(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(7);
    let mut refused = 0;
    world.relay.intercept = Some(Box::new(move |request| {
        refused += u32::from(carrier.is_message(request));
        (carrier.is_message(request) && refused == 1).then(|| problem(ProblemCode::Malformed))
    }));
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    world.run(5_000);
    assert_eq!(world.states("alice"), [FAILED, SENT]);
    assert_eq!(world.rows("alice")[0].error, Some(Reason::Server(ProblemCode::Malformed.title().into())));
    carrier.assert_the_only_one(&world);
}

#[rstest]
#[case::busy(503)]
#[case::rate_limit(429)]
#[case::a_proxy(410)]
fn a_busy_server_is_asked_again(
    #[case] status: u16,
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(8);
    let mut answers = 0;
    world.relay.intercept = Some(Box::new(move |request| {
        answers += u32::from(carrier.is_message(request));
        let mut busy = json(status, &serde_json::json!({}));
        busy.retry_after = Some(1);
        (carrier.is_message(request) && answers <= 2).then_some(busy)
    }));
    world.send("alice", "bob", "one");
    world.run(1_000);
    assert_eq!(world.states("alice"), [SENDING], "Retry-After is kept");
    world.run(4_000);
    assert_eq!(world.states("alice"), [SENT]);
}

#[rstest]
fn a_repeated_send_event_makes_one_message(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(9);
    let id = world.ulid();
    for text in ["Hello", "Hello", "Hello?"] {
        world.ui("alice", UiEvent::SendPressed { handle: "bob".into(), id: id.clone(), text: text.into() });
        world.run(300);
    }
    assert_eq!(world.texts("alice"), ["me: Hello"]);
    assert_eq!(world.texts("bob"), ["them: Hello"]);
}

#[test]
fn invalid_send_events_store_nothing() {
    let mut world = alice_and_bob(10);
    let before = world.browser("alice").disk.clone();
    world.ui("alice", UiEvent::SendPressed { handle: "bob".into(), id: "../x".into(), text: "x".into() });
    assert!(world.view("alice").notice.unwrap().error);
    world.send("alice", "bob", " \n\t ");
    world.send("alice", "nobody-here", "x");
    assert!(world.thread("alice").refused.is_some());
    world.send("alice", "alice", "x");
    assert_eq!(world.thread("alice").refused, Some(Reason::OwnHandle));
    world.send("alice", "bob@elsewhere.example", "x");
    assert_eq!(world.browser("alice").disk, before);
}

#[rstest]
fn an_over_long_text_is_refused_with_the_limit(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(11);
    world.send("alice", "bob", &"x".repeat(187 * 1024));
    assert_eq!(world.thread("alice").refused, None);
    for long in ["x".repeat(192 * 1024), "\u{1}".repeat(33 * 1024)] {
        world.send("alice", "bob", &long);
        assert_eq!(world.thread("alice").refused, Some(Reason::TooLong(187)));
    }
    world.run(2_000);
    assert_eq!(world.states("alice"), [SENT]);
    assert_eq!(world.rows("bob").len(), 1);
    if carrier == Carrier::Envelopes {
        assert_eq!(world.relay.inbox("alice").len(), 1, "the copy fits too");
    }
}

#[test]
fn drafts_survive_a_reload_and_are_cleared_by_sending() {
    let mut world = alice_and_bob(12);
    world.ui("alice", UiEvent::DraftChanged { handle: "bob".into(), text: "Dear".into() });
    world.reload("alice");
    assert_eq!(world.thread("alice").draft, "Dear");
    world.send("alice", "bob", "Dear Bob");
    assert_eq!(world.thread("alice").draft, "");
    world.reload("alice");
    assert_eq!(world.thread("alice").draft, "");
}

#[rstest]
fn a_slow_send_is_reported_and_retried_automatically(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(13);
    world.relay.intercept = Some(Box::new(move |request| {
        let mut busy = problem(ProblemCode::Unavailable);
        busy.retry_after = Some(3_600);
        carrier.is_message(request).then_some(busy)
    }));
    world.send("alice", "bob", "one");
    world.run(10_000);
    assert_eq!(world.states("alice"), [FAILED], "within ten seconds");
    assert!(world.rows("alice")[0].error.is_some());
    world.relay.intercept = None;
    world.run(400_000);
    assert_eq!(world.states("alice"), [SENT], "without a press");
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_missing_answer_is_reported(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(14);
    look_up_bob(&mut world);
    world.weather.delay = 60_000;
    world.send("alice", "bob", "one");
    world.run(10_000);
    assert_eq!(world.states("alice"), [FAILED]);
    world.weather.delay = 20;
    world.run(200_000);
    assert_eq!(world.states("alice"), [SENT]);
    assert_eq!(world.texts("bob"), ["them: one"]);
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn sending_does_not_depend_on_the_offline_flag_of_the_browser(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(15);
    world.network_hint("alice", false);
    world.send("alice", "bob", "one");
    world.run(2_000);
    assert_eq!(world.states("alice"), [SENT]);
    assert_eq!(world.view("alice").connection, Connection::Online);
    world.send("bob", "alice", "two");
    world.run(2_000);
    assert_eq!(world.texts("alice"), ["me: one", "them: two"]);
    world.reload("alice");
    world.network_hint("alice", false);
    world.send("bob", "alice", "three");
    world.run(10_000);
    assert_eq!(world.texts("alice").last().unwrap(), "them: three");
    carrier.assert_the_only_one(&world);
}

#[rstest]
fn a_full_inbox_or_log_is_reported(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(16);
    world.send("alice", "bob", "one");
    world.run(2_000);
    if carrier == Carrier::Envelopes {
        let limits =
            InboxLimits { waiting: 1, bytes: 1 << 30, requests_messages: 1_000, requests_bytes: 64 << 20 };
        world.relay.keeping.limits = Some(limits);
    }
    world.relay.intercept =
        Some(Box::new(move |request| carrier.is_message(request).then(|| problem(ProblemCode::InboxFull))));
    world.send("alice", "bob", "two");
    world.run(1_000);
    assert_eq!(world.states("alice"), [SENT, FAILED]);
    let (why, is_bobs) = match carrier {
        Carrier::Envelopes => (Reason::TheirInboxFull, true),
        Carrier::Mls => (Reason::GroupFull, false),
    };
    assert_eq!(world.rows("alice")[1].error, Some(why));
    world.reload("bob");
    world.run(1_000);
    if is_bobs {
        assert_eq!(world.view("bob").notice.unwrap().what, Reason::InboxFull);
        assert_eq!(world.view("bob").inbox.unwrap().room, Room::Full);
    }
    world.relay.intercept = None;
    world.run(180_000);
    assert_eq!(world.states("alice"), [SENT, SENT]);
}
