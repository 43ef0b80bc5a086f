//! A server that lies about keys and messages, or about what exists.

use kez_client::event::{HttpResponse, StorageFault, UiEvent};
use kez_client::view::{AccountView, Connection, DeliveryState, Reason, ThreadState};
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::problem::ProblemCode;
use kez_core::registration::HandleRegistration;
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::sim::{World, json};
use crate::two_people::{Carrier, alice_and_bob, look_up_bob, writing_envelopes};

fn stranger(number: u8) -> SecretIdentity {
    SecretIdentity::from_seed(Seed::from_bytes([number; 32]))
}

/// A registration of `handle` by a stranger, with a valid signature.
fn claim(world: &World, by: &SecretIdentity, handle: &str) -> String {
    let now = Timestamp::from_unix(world.now / 1000);
    let handle = handle.parse().unwrap();
    HandleRegistration::sign(by, &handle, &world.relay.server, now).unwrap().to_json().unwrap()
}

/// From now on, the server says that `handle` belongs to a stranger.
fn swap_key(world: &mut World, handle: &str, number: u8) {
    let registration = claim(world, &stranger(number), handle);
    world.relay.force_registration(&registration, world.now);
}

fn start(world: &mut World, to: &str) {
    world.ui("alice", UiEvent::ConversationStarted { to: to.into() });
    world.run(500);
}

#[rstest]
fn a_new_key_is_announced_and_accepted_before_anything_is_sent(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(1);
    world.send("alice", "bob", "one");
    world.run(1_000);
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::VerifiedChanged { handle: "bob".into(), primary, verified: true });
    let old = world.thread("alice").safety_number;
    swap_key(&mut world, "bob", 9);
    start(&mut world, "bob");
    for _ in 0..2 {
        let thread = world.thread("alice");
        assert!(thread.key_changed && !thread.verified);
        assert_ne!(thread.safety_number, old, "the key on screen is the one to accept");
        let posted = world.relay.posted.len();
        world.send("alice", "bob", "two");
        world.run(1_000);
        assert_eq!(world.thread("alice").refused, Some(Reason::KeyChanged));
        assert_eq!(world.relay.posted.len(), posted);
        world.reload("alice");
    }
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    assert!(!world.thread("alice").key_changed);
    world.send("alice", "bob", "three");
    world.run(1_000);
    carrier.assert_the_only_one(&world);
    match carrier {
        Carrier::Envelopes => assert_eq!(last_recipient(&world), stranger(9).public().to_string()),
        // No device is known that belongs to this key, and nothing goes the old way any more.
        Carrier::Mls => assert_eq!(world.thread("alice").stopped, Some(Reason::NoDevice)),
    }
}

/// The key that the last envelope in Bob's inbox is sealed for.
fn last_recipient(world: &World) -> String {
    let sent: serde_json::Value = serde_json::from_str(world.relay.inbox("bob").last().unwrap()).unwrap();
    sent["to"].as_str().unwrap().to_owned()
}

#[rstest]
fn a_key_that_returns_is_not_a_change(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(2);
    world.send("alice", "bob", "one");
    world.run(1_000);
    let real = world.relay.lookup("bob").unwrap().registration.get().to_owned();
    swap_key(&mut world, "bob", 9);
    start(&mut world, "bob");
    assert!(world.thread("alice").key_changed);
    world.relay.force_registration(&real, world.now);
    start(&mut world, "bob");
    assert!(!world.thread("alice").key_changed && !world.thread("alice").verified);
    world.send("alice", "bob", "two");
    world.run(1_000);
    assert_eq!(world.texts("bob"), ["them: one", "them: two"]);
}

#[test]
fn mail_from_a_new_key_waits_until_it_is_accepted() {
    let mut world = writing_envelopes(3);
    world.send("bob", "alice", "from the old bob");
    world.run(1_000);
    // Bob loses all his data; the operator lets him register again.
    world.open("bob");
    world.run(500);
    let registration = claim(&world, &stranger(9), "bob");
    world.relay.force_registration(&registration, world.now);
    let words = kez_core::recovery_phrase::words(stranger(9).seed()).join(" ");
    crate::restore::restore(&mut world, "bob", &words);
    world.look("bob", "alice");
    world.run(500);
    for text in ["from the new bob", "really"] {
        world.send("bob", "alice", text);
    }
    world.run(2_000);
    assert_eq!(world.texts("alice"), ["them: from the old bob"]);
    assert!(world.thread("alice").key_changed);
    world.reload("alice");
    world.run(2_000);
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    assert_eq!(world.texts("alice"), ["them: from the old bob", "them: from the new bob", "them: really"]);
}

#[rstest]
fn queued_messages_are_resealed_for_an_accepted_key(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(4);
    look_up_bob(&mut world);
    world.send("alice", "bob", "hello");
    world.run(3_000);
    let before = carrier.stored_for(&world, "bob");
    world.weather.request_lost = 100;
    world.send("alice", "bob", "secret");
    world.run(20_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent, DeliveryState::Failed]);
    // No message is accepted before Alice learns of the new key.
    world.relay.intercept = Some(Box::new(move |request| {
        carrier.is_message(request).then(|| crate::sim::problem(ProblemCode::Unavailable))
    }));
    world.weather.request_lost = 0;
    swap_key(&mut world, "bob", 9);
    start(&mut world, "bob");
    world.relay.intercept = None;
    let id = world.rows("alice")[1].id.clone();
    world.ui("alice", UiEvent::RetryPressed { handle: "bob".into(), id });
    world.run(1_000);
    assert_eq!(carrier.stored_for(&world, "bob"), before, "nothing is sent to either key before acceptance");
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    world.run(1_000);
    carrier.assert_the_only_one(&world);
    match carrier {
        Carrier::Envelopes => {
            assert_eq!(last_recipient(&world), stranger(9).public().to_string());
            assert_eq!(world.states("alice"), [DeliveryState::Sent; 2]);
        }
        Carrier::Mls => assert_eq!(world.thread("alice").stopped, Some(Reason::NoDevice)),
    }
}

type Lie = fn(HttpResponse, &str) -> HttpResponse;

#[rstest]
#[case::another_handle(another_handle)]
#[case::another_key(another_key)]
#[case::no_registration(no_registration)]
#[case::nonsense(nonsense)]
#[case::a_proxy(proxy)]
fn a_lookup_that_proves_nothing_pins_nothing(#[case] lie: Lie) {
    let mut world = World::new(5);
    world.join("alice", "");
    world.join("bob", "");
    let other = claim(&world, &stranger(9), "carol");
    world.relay.script =
        Some(Box::new(
            move |request, response| {
                if request.target == "/v1/u/bob" { lie(response, &other) } else { response }
            },
        ));
    start(&mut world, "bob");
    let dialog = world.view("alice").new_conversation;
    assert_eq!((dialog.error, dialog.started), (Some(Reason::Unproven("bob".into())), None));
    world.look("alice", "bob");
    world.run(500);
    assert_eq!(world.thread("alice").state, ThreadState::Unavailable);
    world.send("alice", "bob", "secret");
    world.run(1_000);
    assert!(world.thread("alice").refused.is_some());
    assert!(world.relay.posted.is_empty());
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "contact"));
}

fn another_handle(response: HttpResponse, other: &str) -> HttpResponse {
    changed(&response, "registration", serde_json::from_str(other).unwrap())
}

fn another_key(response: HttpResponse, _: &str) -> HttpResponse {
    changed(&response, "primary", stranger(9).public().to_string().into())
}

fn no_registration(_: HttpResponse, _: &str) -> HttpResponse {
    json(200, &serde_json::json!({"handle": "bob"}))
}

fn nonsense(_: HttpResponse, _: &str) -> HttpResponse {
    HttpResponse { status: 200, retry_after: None, date: None, body: vec![0xff; 9] }
}

fn proxy(_: HttpResponse, _: &str) -> HttpResponse {
    json(404, &"not found")
}

fn changed(response: &HttpResponse, field: &str, value: serde_json::Value) -> HttpResponse {
    let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    body[field] = value;
    json(200, &body)
}

#[test]
fn a_false_by_primary_answer_never_names_a_sender() {
    let mut world = World::with_envelopes(6);
    world.join("alice", "");
    world.join("bob", "");
    world.join("carol", "");
    let carol = serde_json::to_value(world.relay.lookup("carol").unwrap()).unwrap();
    world.relay.script = Some(Box::new(move |request, response| {
        if request.target.starts_with("/v1/by-primary/") { json(200, &carol) } else { response }
    }));
    world.look("bob", "alice");
    world.run(500);
    world.send("bob", "alice", "I am bob");
    world.run(5_000);
    assert!(world.view("alice").conversations.is_empty());
    world.reload("alice");
    world.relay.script = None;
    world.run(5_000);
    world.look("alice", "bob");
    assert_eq!(world.texts("alice"), ["them: I am bob"], "held until it is proven");
}

#[test]
fn replays_and_misdirected_messages_add_nothing() {
    let mut world = alice_and_bob(7);
    world.send("alice", "bob", "one");
    world.run(1_000);
    world.send("bob", "alice", "to alice");
    world.run(1_000);
    for envelope in [world.relay.inbox("bob"), world.relay.inbox("alice"), world.relay.inbox("bob")].concat()
    {
        world.relay.append("bob", &envelope, world.now);
    }
    world.send("alice", "bob", "two");
    world.run(2_000);
    let readable: Vec<String> = world.texts("bob").into_iter().filter(|text| !text.contains('<')).collect();
    assert_eq!(readable, ["them: one", "me: to alice", "them: two"]);
}

#[test]
fn a_server_with_two_keys_for_one_handle_causes_no_race() {
    let mut world = alice_and_bob(8);
    world.send("bob", "alice", "hello");
    world.run(1_000);
    let mut claims = std::collections::BTreeMap::new();
    for number in [8, 9] {
        let registration = claim(&world, &stranger(number), "bob");
        world.relay.force_registration(&registration, world.now);
        let lookup = serde_json::to_value(world.relay.lookup("bob").unwrap()).unwrap();
        claims.insert(format!("/v1/by-primary/{}", stranger(number).public()), lookup);
        let alice = world.key("alice").public();
        let peer = Peer::new(&stranger(number), alice).unwrap();
        let at = Timestamp::from_unix(world.now / 1000);
        let sealed = envelope::seal(&stranger(number), &peer, b"{}", at, &mut world.rng).unwrap();
        world.relay.append("alice", &sealed.json, world.now);
    }
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = asked.clone();
    world.relay.script = Some(Box::new(move |request, response| {
        counter.set(counter.get() + u32::from(claims.contains_key(&request.target)));
        claims.get(&request.target).map_or(response, |lookup| json(200, lookup))
    }));
    world.push_to_streams();
    world.run(60_000);
    assert!(world.thread("alice").key_changed);
    assert!(asked.get() < 30, "{}", asked.get());
}

#[rstest]
fn full_storage_loses_nothing_and_reports_the_failure(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(9);
    world.send("alice", "bob", "one");
    world.run(1_000);
    world.browser("bob").full = Some(StorageFault::Full);
    world.send("alice", "bob", "two");
    world.run(1_000);
    world.ui("bob", UiEvent::NoticeDismissed);
    let notice = world.view("bob").notice.unwrap();
    assert_eq!(
        notice.what,
        Reason::NotSaved(StorageFault::Full),
        "what stops everything stays on the screen"
    );
    assert_eq!(world.view("bob").connection, Connection::Offline);
    world.send("bob", "alice", "three");
    assert_eq!(world.thread("bob").refused, Some(Reason::Stopped));
    world.send("alice", "bob", "four");
    world.run(5_000);
    world.browser("bob").full = None;
    world.reload("bob");
    world.run(2_000);
    assert_eq!(world.texts("bob"), ["them: one", "them: two", "them: four"]);

    world.browser("alice").full = Some(StorageFault::Full);
    let posted = world.relay.posted.len();
    world.send("alice", "bob", "five");
    world.run(5_000);
    assert_eq!(world.states("alice").last(), Some(&DeliveryState::Failed));
    assert_eq!(world.relay.posted.len(), posted, "an unsaved message is not sent");
}

#[test]
fn damaged_storage_is_reported() {
    let mut world = alice_and_bob(10);
    let disk = &mut world.browser("alice").disk;
    for value in disk.values_mut() {
        value.truncate(value.len() / 2);
    }
    world.reload("alice");
    assert_eq!(world.view("alice").account, AccountView::Unusable { fault: StorageFault::Damaged });
}

#[rstest]
fn the_key_that_is_accepted_is_the_one_on_screen(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(11);
    world.send("alice", "bob", "one");
    world.run(1_000);
    swap_key(&mut world, "bob", 8);
    start(&mut world, "bob");
    let compared = world.shown_key("alice");
    assert_eq!(compared, stranger(8).public().to_string());
    // Alice calls Bob to compare keys. During the call, the server swaps the key once more.
    swap_key(&mut world, "bob", 9);
    start(&mut world, "bob");
    let decisions = [
        UiEvent::NewKeyAccepted { handle: "bob".into(), primary: compared.clone() },
        UiEvent::VerifiedChanged { handle: "bob".into(), primary: compared, verified: true },
    ];
    for decision in decisions {
        world.ui("alice", decision);
        let thread = world.thread("alice");
        assert!(thread.key_changed && !thread.verified);
        assert_eq!(thread.refused, Some(Reason::KeyChangedAgain));
    }
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    assert!(!world.thread("alice").key_changed);
}
