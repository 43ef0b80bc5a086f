//! Messages on the live stream.

use kez_client::event::{Event, LiveEvent};
use kez_client::view::{DeliveryState, Reason};
use kez_core::api::MAX_LIVE_FRAME_BYTES;
use kez_core::problem::{Problem, ProblemCode};
use rstest::rstest;

use crate::sim::{Weather, World, json, problem};
use crate::two_people::{Carrier, alice_and_bob, look_up_bob, writing_envelopes};

const SENDING: DeliveryState = DeliveryState::Sending;
const SENT: DeliveryState = DeliveryState::Sent;
const FAILED: DeliveryState = DeliveryState::Failed;
const HOUR: u64 = 60 * 60 * 1_000;

/// How many messages have come on a stream, and how many as a POST.
fn ways(world: &World) -> (usize, usize) {
    let streamed = world.relay.streamed.len();
    (streamed, world.relay.posted.len() - streamed)
}

/// The bodies that went to bob.
fn to_bob(world: &World) -> Vec<&String> {
    world.relay.posted.iter().filter(|body| body.contains(r#""to":"bob""#)).collect()
}

/// Bob has exactly these, each stored once, and Alice's browser has nothing left to send.
fn arrived(world: &mut World, texts: &[&str]) {
    arrived_over(Carrier::Envelopes, world, texts);
}

fn arrived_over(carrier: Carrier, world: &mut World, texts: &[&str]) {
    let expected: Vec<String> = texts.iter().map(|text| format!("them: {text}")).collect();
    assert_eq!(world.texts("bob"), expected);
    assert_eq!(carrier.stored_for(world, "bob"), texts.len());
    assert_eq!(world.states("alice"), vec![SENT; texts.len()]);
    assert!(world.rows("bob").iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
}

#[test]
fn a_message_and_its_copy_go_on_a_stream_that_has_caught_up() {
    let mut world = writing_envelopes(1);
    world.send("alice", "bob", "one");
    world.run(500);
    assert_eq!(ways(&world), (2, 0));
    arrived(&mut world, &["one"]);

    world.reload("alice");
    world.send("alice", "bob", "before the stream is there");
    world.run(500);
    let (streamed, posted) = ways(&world);
    assert!(posted > 0, "not before the end of the backlog");
    world.send("alice", "bob", "and after");
    world.run(500);
    assert_eq!(ways(&world), (streamed + 2, posted));
    arrived(&mut world, &["one", "before the stream is there", "and after"]);
}

#[rstest]
fn where_streams_cannot_be_opened_messages_are_posted(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(2);
    world.relay.has_streams = false;
    world.cut_streams();
    world.run(1_000);
    world.send("alice", "bob", "one");
    world.run(500);
    if carrier == Carrier::Envelopes {
        assert_eq!(ways(&world), (0, 2));
    }
    world.run(10_000);
    arrived_over(carrier, &mut world, &["one"]);
}

#[rstest]
#[case::before_the_relay_has_it(Weather { request_lost: 100, delay: 20, ..Weather::default() }, 0)]
#[case::before_its_answer(Weather { answer_lost: 100, delay: 20, ..Weather::default() }, 1)]
fn a_stream_that_ends_before_the_answer_costs_a_repeat(#[case] weather: Weather, #[case] stored: usize) {
    let mut world = writing_envelopes(3);
    look_up_bob(&mut world);
    world.weather = weather;
    world.send("alice", "bob", "one");
    world.run(30);
    assert!(!world.has_stream("alice"));
    assert_eq!((world.relay.inbox("bob").len(), world.relay.streamed.len()), (stored, stored));
    world.weather = Weather { delay: 20, ..Weather::default() };
    world.run(3_000);
    arrived(&mut world, &["one"]);
    let bodies = to_bob(&world);
    assert_eq!(bodies.len(), stored + 1);
    assert!(bodies.iter().all(|body| body == &bodies[0]), "the same bytes");
    assert!(world.has_stream("alice"));
}

#[rstest]
#[case::the_message(true)]
#[case::its_answer(false)]
fn an_answer_that_never_comes_is_given_up_and_the_next_hour_is_posted(#[case] message: bool) {
    let mut world = writing_envelopes(4);
    if message {
        // The stream is dead, and no one is told.
        world.silence_streams();
    } else {
        world.weather.swallowed = 100;
    }
    world.send("alice", "bob", "one");
    world.run(7_000);
    assert_eq!(world.states("alice"), [SENDING]);
    world.run(2_000);
    assert_eq!(world.states("alice"), [FAILED], "the user is told");
    assert_eq!(world.rows("alice")[0].error, Some(Reason::StillTrying));
    world.weather.swallowed = 0;
    world.run(10_900);
    assert_eq!(ways(&world), (0, 0));
    world.run(2_000);
    assert_eq!((ways(&world), world.states("alice")), ((0, 2), vec![SENT]));
    assert!(world.has_stream("alice"), "a new stream");
    world.send("alice", "bob", "two");
    world.run(HOUR);
    assert_eq!(ways(&world), (0, 4));
    world.send("alice", "bob", "three");
    world.run(1_000);
    assert_eq!(ways(&world), (2, 4));
    arrived(&mut world, &["one", "two", "three"]);
}

#[test]
fn an_answer_that_the_protocol_does_not_name_is_none() {
    let mut world = alice_and_bob(5);
    world.relay.script = Some(Box::new(|_, mut response| {
        response.status = 299;
        response
    }));
    world.send("alice", "bob", "one");
    world.run(100);
    assert_eq!(world.states("alice"), [SENDING]);
    world.relay.script = None;
    world.run(5_000);
    assert!(to_bob(&world).len() > 1);
    arrived(&mut world, &["one"]);
}

#[test]
fn a_refusal_on_the_stream_fails_one_message() {
    let mut world = writing_envelopes(6);
    let mut refused = false;
    world.relay.script = Some(Box::new(move |request, response| {
        let first = request.target == "/v1/messages" && !std::mem::replace(&mut refused, true);
        if first { json(404, &Problem::new(ProblemCode::UnknownHandle, "gone")) } else { response }
    }));
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    world.run(2_000);
    assert_eq!(world.states("alice"), [FAILED, SENT]);
    assert_eq!(world.rows("alice")[0].error, Some(Reason::Server("gone".into())));
    assert_eq!(ways(&world), (3, 0));
}

#[rstest]
#[case(ProblemCode::RateLimited, SENDING)]
#[case(ProblemCode::Unavailable, SENDING)]
#[case(ProblemCode::StorageFull, SENDING)]
#[case(ProblemCode::Timeout, SENDING)]
#[case(ProblemCode::InboxFull, FAILED)]
fn a_busy_server_is_asked_again_on_the_stream(#[case] code: ProblemCode, #[case] shown: DeliveryState) {
    let mut world = writing_envelopes(7);
    world.relay.script = Some(Box::new(move |request, response| match request.target.as_str() {
        "/v1/messages" => {
            let mut busy = problem(code);
            busy.retry_after = Some(5);
            busy
        }
        _ => response,
    }));
    world.send("alice", "bob", "one");
    world.run(4_900);
    assert_eq!(ways(&world), (1, 0), "the Retry-After of the frame is kept");
    assert_eq!(world.states("alice"), [shown]);
    world.relay.script = None;
    world.run(1_000);
    assert_eq!(ways(&world), (3, 0));
    arrived(&mut world, &["one"]);
}

#[test]
fn a_message_that_is_too_large_for_a_frame_is_posted() {
    let mut world = writing_envelopes(8);
    let frame = |world: &mut World, characters: usize| {
        let text = "x".repeat(characters);
        world.send("alice", "bob", &text);
        world.run(1_000);
        assert_eq!(world.states("alice").last(), Some(&SENT));
        ways(world)
    };
    // Base64 makes four bytes of three, and a padding to multiples of 2 KiB comes before it.
    assert_eq!(frame(&mut world, 3 * MAX_LIVE_FRAME_BYTES / 4), (0, 2));
    assert_eq!(frame(&mut world, 46_000), (2, 2));
    // The copy is a little larger than the message.
    let mut apart = 0;
    for characters in (46_000..47_200).step_by(50) {
        let (streamed, posted) = ways(&world);
        apart += usize::from(frame(&mut world, characters) == (streamed + 1, posted + 1));
    }
    assert!(apart > 0, "the message fits, and the copy does not");
}

#[test]
fn answers_that_nothing_waits_for_change_nothing() {
    let mut world = writing_envelopes(9);
    world.weather.answer_doubled = 100;
    world.send("alice", "bob", "one");
    world.run(500);
    world.weather.delay = 5_000;
    world.send("alice", "bob", "two");
    let refused = serde_json::to_string(&Problem::new(ProblemCode::UnknownHandle, "gone")).unwrap();
    for id in ["null", "0", "1", "4000", "9007199254740991"] {
        let frame = format!(r#"{{"id":{id},"status":404,"body":{refused}}}"#);
        world.event("alice", Event::Live(LiveEvent::Frame(frame)));
    }
    assert_eq!(world.states("alice"), [SENT, SENDING]);
    assert!(world.has_stream("alice"));
    world.run(30_000);
    arrived(&mut world, &["one", "two"]);
    assert_eq!(ways(&world), (4, 0));
}

#[test]
fn a_late_answer_of_an_earlier_stream_is_not_taken_for_one_of_the_next() {
    let mut world = writing_envelopes(10);
    world.weather.answer_lost = 100;
    world.send("alice", "bob", "one");
    world.run(30);
    let id = frame_id(&world);
    world.weather.answer_lost = 0;
    world.run(3_000);
    world.weather.request_lost = 100;
    world.send("alice", "bob", "two");
    let refused = serde_json::to_string(&Problem::new(ProblemCode::UnknownHandle, "gone")).unwrap();
    let frame = format!(r#"{{"id":{id},"status":404,"body":{refused}}}"#);
    world.event("alice", Event::Live(LiveEvent::Frame(frame)));
    assert_eq!(world.states("alice"), [SENT, SENDING]);
    world.weather.request_lost = 0;
    world.run(5_000);
    arrived(&mut world, &["one", "two"]);
}

#[rstest]
#[case("nonsense")]
#[case(r#"{"id":1,"status":201}"#)]
#[case(r#"{"id":1,"status":70000,"body":{}}"#)]
#[case(r#"{"id":-1,"status":201,"body":{}}"#)]
fn nonsense_on_the_stream_ends_it_and_the_message_is_sent_again(#[case] nonsense: &str) {
    let mut world = writing_envelopes(11);
    world.weather.delay = 1_000;
    world.send("alice", "bob", "one");
    world.event("alice", Event::Live(LiveEvent::Frame(nonsense.to_owned())));
    assert!(!world.has_stream("alice"));
    world.run(10_000);
    arrived(&mut world, &["one"]);
}

#[test]
fn a_key_that_may_not_send_on_the_stream_is_tried_as_a_post() {
    let mut world = writing_envelopes(12);
    world.relay.intercept = Some(Box::new(|request| {
        let on_stream = request.auth.as_deref().is_some_and(|auth| auth.starts_with("the stream"));
        on_stream.then(|| problem(ProblemCode::Unauthorized))
    }));
    world.send("alice", "bob", "one");
    world.run(1_000);
    assert_eq!(world.relay.streamed.len(), 1);
    assert_eq!(to_bob(&world).len(), 1, "the relay took the POST only");
    arrived(&mut world, &["one"]);
}

#[test]
fn with_nats_messages_are_posted() {
    let mut world = crate::nats::with_nats(Carrier::Envelopes, 13);
    world.send("alice", "bob", "one");
    world.run(1_000);
    assert_eq!(ways(&world), (0, 2));
    arrived(&mut world, &["one"]);

    // While the broker is away, the stream takes its place.
    world.broker_up(false);
    world.run(5_000);
    assert!(world.has_stream("alice"));
    world.weather.delay = 2_000;
    world.send("alice", "bob", "two");
    assert_eq!(world.states("alice"), [SENT, SENDING]);
    world.run(10_000);
    arrived(&mut world, &["one", "two"]);
    assert_eq!(ways(&world), (2, 2));
}

#[test]
fn a_broker_that_comes_back_takes_the_stream_away_but_no_message() {
    let mut world = World::with_envelopes(14);
    world.relay.nats_ws_url = Some("wss://kez.lat:8443".to_owned());
    world.broker.up = false;
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(5_000);
    assert!(world.has_stream("alice"));
    world.weather.swallowed = 100;
    world.send("alice", "bob", "one");
    world.broker_up(true);
    while world.has_stream("alice") {
        world.run(100);
    }
    world.run(1_000);
    assert_eq!(world.states("alice"), [SENT], "at once, not when the answer is too late");
    arrived(&mut world, &["one"]);
}

#[rstest]
fn a_network_that_goes_and_comes_back_costs_no_message(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(15);
    world.weather.delay = 1_000;
    world.send("alice", "bob", "one");
    world.network("alice", false);
    world.send("alice", "bob", "two");
    world.run(5_000);
    assert_eq!(world.states("alice"), [SENDING; 2]);
    world.network("alice", true);
    // A group of two begins with several requests.
    world.run(30_000);
    arrived_over(carrier, &mut world, &["one", "two"]);
}

#[rstest]
fn twenty_conversations_at_once_are_answered_in_any_order(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    const NAMES: [&str; 20] = [
        "p00", "p01", "p02", "p03", "p04", "p05", "p06", "p07", "p08", "p09", "p10", "p11", "p12", "p13",
        "p14", "p15", "p16", "p17", "p18", "p19",
    ];
    let mut world = carrier.alice_and_bob(16);
    for name in NAMES {
        world.join(name, "");
        world.look("alice", name);
        world.run(500);
    }
    world.weather = Weather { delay: 3_000, request_doubled: 30, answer_doubled: 30, ..Weather::default() };
    for name in NAMES {
        world.send("alice", name, "hello");
    }
    world.run(200_000);
    for name in NAMES {
        assert_eq!(carrier.stored_for(&world, name), 1, "{name}");
    }
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
    if carrier == Carrier::Envelopes {
        let (streamed, posted) = ways(&world);
        assert!(
            streamed > 0 && posted > 0,
            "{streamed} on the stream, and more than it takes at once: {posted}"
        );
        assert_eq!(world.relay.inbox("alice").len(), 20, "the copies");
    }
}

/// The number of the last message on a stream.
fn frame_id(world: &World) -> u64 {
    world.relay.last_number.expect("a message on a stream")
}
