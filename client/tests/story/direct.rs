//! Chats of two people over MLS: how they begin, who takes part, and what never goes the old way again.

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, ConversationRow, DeliveryState, MessageBody, Reason};
use kez_core::content::Content;
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::message::{Chain, plaintext};
use kez_core::mls::policy::Kind;
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Body, Device, DeviceId, Heads};
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::groups::{assert_no_key_used_twice, people, rows, texts};
use crate::restore::restore;
use crate::sigchains::now;
use crate::sim::{BASE, Log, Weather, World, problem};
use crate::two_people::{alice_and_bob, look_up_bob};

const PHONE: &str = "alice's phone";

/// Alice and Bob have exchanged a message over MLS.
fn talking(chance: u64) -> World {
    let mut world = alice_and_bob(chance);
    look_up_bob(&mut world);
    world.send("alice", "bob", "Hello Bob");
    world.run(3_000);
    world.send("bob", "alice", "Hello Alice");
    world.run(3_000);
    world
}

/// Alice and Bob have exchanged envelopes. Then both browsers get the engine, at the next start.
fn upgrading(chance: u64) -> World {
    let mut world = World::new(chance);
    world.without_engine = vec!["alice", "bob"];
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    for (who, to, text) in [("alice", "bob", "old one"), ("bob", "alice", "old two")] {
        world.send(who, to, text);
        world.run(2_000);
    }
    world
}

/// A browser gets the engine, and starts again.
pub(crate) fn get_engine(world: &mut World, who: &'static str) {
    let seals = world.seals.clone();
    world.browser(who).seals = seals;
    world.reload(who);
}

fn row(world: &World, who: &'static str) -> ConversationRow {
    let mut rows = world.view(who).conversations;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

fn count(world: &World, who: &'static str, text: &str) -> usize {
    texts(world, who).iter().filter(|row| row.ends_with(text)).count()
}

fn upgraded(world: &World, who: &'static str) -> usize {
    rows(world, who).iter().filter(|row| *row == "[upgraded]").count()
}

/// The logs of groups of two.
fn logs_of_two(world: &World) -> impl Iterator<Item = &Log> {
    world.relay.groups.logs.values().filter(|log| log.observed.policy.kind() == Kind::Direct)
}

fn groups_of_two(world: &World) -> usize {
    logs_of_two(world).count()
}

/// How many items the logs of groups of two have.
fn items(world: &World) -> usize {
    logs_of_two(world).map(|log| log.items.len()).sum()
}

/// Puts an envelope of Bob's into Alice's inbox, as a thief of his key could.
fn old_way(world: &mut World, text: &str) {
    let (bob, alice) = (world.key("bob"), world.key("alice").public());
    let now = Timestamp::from_unix(world.now / 1000);
    let content = Content::text(format!("id {text}").parse().unwrap(), text, now);
    let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
    let plaintext = plaintext(&content, &chain, &Heads::new());
    let peer = Peer::new(&bob, alice).unwrap();
    let sealed = envelope::seal(&bob, &peer, &plaintext, now, &mut world.rng).unwrap();
    world.relay.append("alice", &sealed.json, world.now);
    world.push_to_streams();
    world.run(2_000);
}

fn revoke_all(world: &mut World, who: &'static str) {
    let key = world.key(who);
    loop {
        let chain = world.relay.sigchains.of(&key.public().primary());
        let Some(live) = chain.devices().iter().find(|known| !known.is_revoked()) else { return };
        let body = Body::RevokeDevice { device: live.device.device, since: now(world) };
        let link = chain.draft(body, now(world)).sign(&key).unwrap();
        world.relay.sigchains.append(&link);
    }
}

#[test]
fn the_first_message_begins_a_group_that_carries_the_conversation() {
    let mut world = alice_and_bob(1);
    look_up_bob(&mut world);
    world.send("alice", "bob", "Hello Bob");
    assert_eq!(world.states("alice"), [DeliveryState::Sending], "the row appears at once");
    world.run(2_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent]);
    world.send("bob", "alice", "Hello Alice");
    world.run(2_000);
    for _ in 0..2 {
        assert_eq!(rows(&world, "alice"), ["[upgraded]", "me: Hello Bob", "-: Hello Alice"]);
        assert_eq!(rows(&world, "bob"), ["[upgraded]", "-: Hello Bob", "me: Hello Alice"]);
        for who in ["alice", "bob"] {
            assert_eq!(row(&world, who).group, None);
            assert!(world.rows(who).iter().all(|row| !row.old_way && row.missing_before == 0));
        }
        world.reload("alice");
        world.reload("bob");
        world.run(2_000);
    }
    assert_eq!(groups_of_two(&world), 1);
    assert!(world.relay.posted.is_empty(), "no envelope was sent");
    assert_no_key_used_twice(&world);
}

#[test]
fn both_start_at_once_and_end_in_one_group() {
    for chance in 0..20 {
        let mut world = alice_and_bob(100 + chance);
        world.weather.delay = 20 + 40 * chance;
        world.send("alice", "bob", "from Alice");
        world.send("bob", "alice", "from Bob");
        world.run(30_000);
        assert_eq!(groups_of_two(&world), 1);
        for (who, own, other) in [("alice", "from Alice", "from Bob"), ("bob", "from Bob", "from Alice")] {
            assert_eq!((count(&world, who, own), count(&world, who, other)), (1, 1), "{who}, {chance}");
            assert_eq!(upgraded(&world, who), 1);
            assert_eq!(row(&world, who).handle, if who == "alice" { "bob" } else { "alice" });
        }
        world.send("alice", "bob", "and on");
        world.run(5_000);
        assert_eq!(count(&world, "bob", "and on"), 1);
        assert_no_key_used_twice(&world);
    }
}

#[test]
fn an_old_chat_moves_to_mls_with_what_waits_in_it() {
    let mut world = upgrading(2);
    assert_eq!(groups_of_two(&world), 0);
    world.weather.answer_lost = 100;
    world.send("alice", "bob", "the relay has it, but Alice does not know");
    world.run(500);
    world.network("alice", false);
    world.weather.answer_lost = 0;
    world.send("alice", "bob", "and this waits");
    get_engine(&mut world, "bob");
    world.run(5_000);
    world.send("bob", "alice", "Alice has no device yet");
    world.run(5_000);
    get_engine(&mut world, "alice");
    world.network("alice", true);
    world.run(30_000);
    let envelopes = world.relay.posted.len();
    for (who, to, text) in [("alice", "bob", "new one"), ("bob", "alice", "new two")] {
        world.send(who, to, text);
        world.run(5_000);
    }
    let said = |me: &str, them: &str| {
        [
            format!("{me}: old one"),
            format!("{them}: old two"),
            format!("{me}: the relay has it, but Alice does not know"),
            format!("{me}: and this waits"),
            format!("{them}: Alice has no device yet"),
            format!("{me}: new one"),
            format!("{them}: new two"),
        ]
    };
    for (who, expected) in [("alice", said("me", "-")), ("bob", said("-", "me"))] {
        let (mut all, mut expected) = (texts(&world, who), expected.to_vec());
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "{who}");
        assert_eq!(upgraded(&world, who), 1);
        assert!(world.rows(who).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
    }
    let order = |who| {
        let texts = texts(&world, who).into_iter();
        texts.filter(|text| text.contains("Alice does not know") || text.contains("waits")).count()
    };
    assert_eq!((order("alice"), order("bob")), (2, 2));
    assert_eq!(world.relay.posted.len(), envelopes, "nothing more goes the old way");
    assert_no_key_used_twice(&world);
}

#[test]
fn a_hidden_chain_brings_no_envelope_back() {
    let mut world = talking(3);
    world.relay.script = Some(Box::new(|request, answer| {
        let is_chain = request.target.starts_with(BASE) && request.body.is_none();
        if is_chain { problem(ProblemCode::UnknownChain) } else { answer }
    }));
    for _ in 0..2 {
        world.send("alice", "bob", "still here");
        world.run(10_000);
        world.reload("alice");
        world.run(10_000);
    }
    assert_eq!(count(&world, "bob", "still here"), 2);
    assert!(world.relay.posted.is_empty());
}

#[rstest]
fn a_first_message_that_dies_anywhere_arrives_once(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
    #[values("alice", "bob")] dies: &'static str,
) {
    for seed in 0..5 {
        let mut world = alice_and_bob(200 + seed);
        look_up_bob(&mut world);
        world.weather.answer_lost = if answers_are_lost { 50 } else { 0 };
        world.browser(dies).dies_after = Some(effects);
        world.send("alice", "bob", "while it dies");
        world.run(2_000 + seed * 137);
        world.browser(dies).dies_after = None;
        world.weather.answer_lost = 0;
        world.reload(dies);
        world.run(120_000);
        let accepted = count(&world, "alice", ": while it dies");
        assert!(accepted == 1 || (effects == 0 && dies == "alice"), "the message is stored");
        assert_eq!(count(&world, "bob", ": while it dies"), accepted, "seed {seed}");
        assert!(world.states("alice").iter().all(|state| *state == DeliveryState::Sent));
        world.send("bob", "alice", "after");
        world.run(5_000);
        assert_eq!(count(&world, "alice", ": after"), 1);
        assert_eq!(groups_of_two(&world), 1);
        assert!(upgraded(&world, "alice") == 1 && upgraded(&world, "bob") == 1);
        assert!(world.relay.posted.is_empty());
        assert_no_key_used_twice(&world);
    }
}

#[test]
fn bad_weather_loses_doubles_and_reorders_nothing() {
    for chance in 0..4 {
        let mut world = alice_and_bob(300 + chance);
        world.weather = Weather {
            request_lost: 10,
            answer_lost: 15,
            request_doubled: 10,
            answer_doubled: 10,
            stream_cut: 5,
            swallowed: 0,
            delay: 400,
        };
        for n in 0..10 {
            for (who, to) in [("alice", "bob"), ("bob", "alice")] {
                world.send(who, to, &format!("{who} {n}"));
                world.run(200);
            }
            if n == 5 {
                world.reload("bob");
            }
        }
        world.weather = Weather { delay: 20, ..Weather::default() };
        world.run(200_000);
        for who in ["alice", "bob"] {
            for by in ["alice", "bob"] {
                let name = if who == by { "me" } else { "-" };
                let got: Vec<String> =
                    texts(&world, who).into_iter().filter(|row| row.starts_with(name)).collect();
                let sent: Vec<String> = (0..10).map(|n| format!("{name}: {by} {n}")).collect();
                assert_eq!(got, sent, "{who} {by}");
            }
            assert!(world.rows(who).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
        }
        assert_no_key_used_twice(&world);
    }
}

#[test]
fn ones_own_second_device_joins_and_shows_ones_own_messages_as_such() {
    let mut world = talking(4);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    world.look(PHONE, "bob");
    for (who, to, text) in
        [("alice", "bob", "from here"), ("bob", "alice", "to both"), (PHONE, "bob", "from the phone")]
    {
        world.send(who, to, text);
        world.run(5_000);
    }
    assert_eq!(texts(&world, PHONE), ["me: from here", "-: to both", "me: from the phone"]);
    assert_eq!(texts(&world, "alice")[2..], ["me: from here", "-: to both", "me: from the phone"]);
    assert_eq!(texts(&world, "bob")[2], "-: <DeviceAdded>");
    assert_eq!(texts(&world, "bob")[3..], ["-: from here", "me: to both", "-: from the phone"]);
    assert_eq!((upgraded(&world, PHONE), upgraded(&world, "bob")), (1, 1));
    assert!(!row(&world, PHONE).request, "her own message accepts him there");
    assert!(world.relay.posted.is_empty(), "no copies are sent");
    assert_no_key_used_twice(&world);
}

#[test]
fn nothing_is_sent_when_all_their_devices_are_revoked() {
    let mut world = talking(5);
    revoke_all(&mut world, "bob");
    world.run(1_000);
    world.look("alice", "bob");
    world.reload("alice");
    world.run(10_000);
    let before = (items(&world), world.relay.posted.len());
    world.send("alice", "bob", "into the void");
    world.run(60_000);
    let last = world.rows("alice").pop().unwrap();
    assert_eq!((last.state, last.error), (DeliveryState::Failed, Some(Reason::NoDevice)));
    assert_eq!(world.thread("alice").stopped, Some(Reason::NoDevice));
    let messages = |world: &World| world.relay.groups.posted.len();
    let posted = messages(&world);
    world.ui("alice", UiEvent::RetryPressed { handle: "bob".into(), id: last.id });
    world.run(60_000);
    assert_eq!((messages(&world), world.relay.posted.len()), (posted, before.1));
    assert!(items(&world) <= before.0 + 1, "no more than the commit that removes him");
}

#[test]
fn a_person_without_packages_joins_by_an_external_commit_and_then_reads() {
    let mut world = alice_and_bob(6);
    look_up_bob(&mut world);
    world.network("bob", false);
    world.relay.groups.drop_packages("bob");
    world.send("alice", "bob", "Hello Bob");
    world.run(20_000);
    let row = world.rows("alice").pop().unwrap();
    assert_eq!((row.state, row.error), (DeliveryState::Failed, Some(Reason::NoReader)));
    world.network("bob", true);
    world.run(60_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent]);
    assert_eq!(rows(&world, "bob"), ["[upgraded]", "-: Hello Bob"]);
}

#[test]
fn an_envelope_after_the_move_has_a_mark() {
    let mut world = talking(7);
    old_way(&mut world, "from a thief of the key");
    let rows = world.rows("alice");
    let marks: Vec<bool> = rows.iter().map(|row| row.old_way).collect();
    assert_eq!(marks, [false, false, true]);
    world.reload("alice");
    world.run(1_000);
    assert!(world.rows("alice").pop().unwrap().old_way);
}

#[test]
fn old_messages_can_be_refused() {
    let mut world = talking(8);
    world.ui("alice", UiEvent::OldMessagesRefused { on: true });
    assert!(world.chain("alice").refuses_old, "at once");
    world.run(5_000);
    let alice = world.key("alice").public().primary();
    assert_eq!(world.relay.sigchains.of(&alice).min_version(), 2);
    world.reload("alice");
    world.run(5_000);
    assert!(world.chain("alice").refuses_old);
    old_way(&mut world, "not read");
    assert_eq!(count(&world, "alice", "not read"), 0);
    world.ui("alice", UiEvent::OldMessagesRefused { on: false });
    world.run(5_000);
    assert!(!world.chain("alice").refuses_old);
    old_way(&mut world, "read again");
    assert_eq!(count(&world, "alice", "read again"), 1);
}

#[test]
fn who_cannot_do_mls_is_told_that_old_messages_are_refused() {
    let mut world = World::new(9);
    world.without_engine = vec!["alice"];
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    world.ui("bob", UiEvent::OldMessagesRefused { on: true });
    world.run(5_000);
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "an envelope");
    world.run(20_000);
    let row = world.rows("alice").pop().unwrap();
    assert_eq!((row.state, row.error), (DeliveryState::Failed, Some(Reason::OldMessagesRefused)));
    assert!(world.relay.posted.is_empty());
}

#[test]
fn a_stranger_is_a_request_that_can_be_accepted_declined_and_blocked() {
    let mut world = people(10, &["alice", "bob"]);
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "one");
    world.run(3_000);
    assert!(row(&world, "bob").request && row(&world, "bob").unread == 0);
    world.ui("bob", UiEvent::RequestDeclined { handle: "alice".into() });
    world.run(60_000);
    world.reload("bob");
    world.run(60_000);
    assert!(world.view("bob").conversations.is_empty(), "what was declined stays away");
    world.send("alice", "bob", "two");
    world.run(5_000);
    world.look("bob", "alice");
    assert_eq!(texts(&world, "bob"), ["-: two"], "a later message is a new request");
    assert!(row(&world, "bob").request);
    world.ui("bob", UiEvent::RequestAccepted { handle: "alice".into() });
    world.send("bob", "alice", "hello");
    world.run(3_000);
    assert_eq!((row(&world, "bob").request, count(&world, "alice", "hello")), (false, 1));
    world.ui("bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.run(1_000);
    world.send("alice", "bob", "are you there?");
    world.run(5_000);
    assert!(world.view("bob").conversations.is_empty());
    assert_eq!(count(&world, "bob", "are you there?"), 0);
    assert!(world.relay.posted.is_empty());
}

#[test]
fn a_group_that_a_blocked_person_creates_is_not_listed() {
    let mut world = talking(11);
    world.ui("bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.run(1_000);
    world.ui("alice", UiEvent::GroupCreated { name: "Come back".into(), members: vec!["bob".into()] });
    world.run(10_000);
    assert_eq!(world.view("alice").conversations.len(), 2);
    assert!(world.view("bob").conversations.is_empty());
}

#[test]
fn changed_keys_keep_the_group() {
    let mut world = talking(12);
    for who in ["bob", "alice"] {
        let phrase = world.rotation_words(who);
        world.ui(who, UiEvent::RotationPhraseKept);
        crate::rotation::change(&mut world, who, &phrase);
        world.run(10_000);
        for (from, to) in [("alice", "bob"), ("bob", "alice")] {
            world.send(from, to, &format!("{from} after {who}"));
            world.run(5_000);
            assert_eq!(count(&world, to, &format!("{from} after {who}")), 1);
        }
    }
    let notes = 2;
    assert_eq!((groups_of_two(&world), world.relay.posted.len()), (1, notes), "of the former keys");
    assert!(world.rows("alice").iter().chain(&world.rows("bob")).all(|row| !row.contradicts_chain));
}

#[test]
fn an_unproven_key_is_not_read_before_the_user_accepts_it() {
    let mut world = talking(13);
    // Bob loses all his data; the operator lets him register again with another key, and so another chain.
    let stranger = SecretIdentity::from_seed(Seed::from_bytes([9; 32]));
    let claim = kez_core::registration::HandleRegistration::sign(
        &stranger,
        &"bob".parse().unwrap(),
        &world.relay.server.clone(),
        Timestamp::from_unix(world.now / 1000),
    )
    .unwrap();
    world.relay.force_registration(&claim.to_json().unwrap(), world.now);
    let words = kez_core::recovery_phrase::words(stranger.seed()).join(" ");
    restore(&mut world, "bob anew", &words);
    world.run(10_000);
    world.look("bob anew", "alice");
    world.run(1_000);
    world.send("bob anew", "alice", "It is me");
    world.run(90_000);
    assert_eq!(count(&world, "alice", "It is me"), 0);
    assert!(world.thread("alice").key_changed);
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    world.run(10_000);
    assert_eq!(count(&world, "alice", "It is me"), 1);
    world.send("alice", "bob", "Is it?");
    world.run(5_000);
    assert_eq!((count(&world, "bob anew", "Is it?"), world.relay.posted.len()), (1, 0));
}

#[test]
fn a_device_that_no_chain_knows_stops_the_conversation() {
    let mut world = talking(14);
    // The server shows Bob a chain of Alice without her phone.
    let alice = world.key("alice").public().primary();
    let length = world.relay.sigchains.links(&alice).len() as u64;
    let target = format!("{BASE}/ed25519/{}", alice.hex());
    world.relay.script = Some(Box::new(move |request, mut response| {
        let is_people = request.target == "/v1/people" && response.status == 200;
        if is_people && request.body.as_ref().is_some_and(|body| body.contains(&alice.to_string())) {
            let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            body["people"] = serde_json::json!([]);
            response.body = serde_json::to_vec(&body).unwrap();
        } else if request.target.starts_with(&target) && request.target.ends_with(&format!("since={length}"))
        {
            return problem(ProblemCode::Unavailable);
        }
        response
    }));
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    assert_eq!(world.thread("bob").stopped, Some(Reason::UnknownDevice));
    let posted = world.relay.groups.posted.len();
    world.send("bob", "alice", "to a ghost");
    world.run(10_000);
    let row = world.rows("bob").pop().unwrap();
    assert_eq!((row.state, row.error), (DeliveryState::Failed, Some(Reason::UnknownDevice)));
    assert_eq!((world.relay.groups.posted.len(), world.relay.posted.len()), (posted, 0));

    // It is tried again in vain, and once more when the server shows the chain.
    world.ui("bob", UiEvent::TryAgainPressed { handle: "alice".into() });
    world.run(10_000);
    assert_eq!(world.thread("bob").stopped, Some(Reason::UnknownDevice));
    assert_eq!(world.relay.groups.posted.len(), posted);
    world.relay.script = None;
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        world.ui(who, UiEvent::TryAgainPressed { handle: with.into() });
        world.run(10_000);
        assert_eq!(world.thread(who).stopped, None, "{who}");
    }
    world.ui("bob", UiEvent::RetryPressed { handle: "alice".into(), id: row.id });
    world.run(10_000);
    world.look(PHONE, "bob");
    world.run(1_000);
    assert_eq!([count(&world, "alice", "to a ghost"), count(&world, PHONE, "to a ghost")], [1, 1]);
}

#[test]
fn a_revoked_device_is_removed_before_anything_is_sent_again() {
    let mut world = talking(15);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    let AccountView::Open(me) = world.view("alice").account else { panic!("not open") };
    let phone = me.devices.rows.into_iter().find(|row| !row.here).unwrap();
    world.ui("alice", UiEvent::DeviceRemoved { device: phone.id });
    world.run(2_000);
    world.send("alice", "bob", "without the phone");
    world.run(10_000);
    assert_eq!(count(&world, "bob", "without the phone"), 1);
    let log = logs_of_two(&world).next().unwrap();
    assert_eq!(log.observed.leaves.len(), 2);
}

#[test]
fn a_group_of_others_is_never_taken_for_the_conversation() {
    let mut world = people(16, &["alice", "bob", "carol"]);
    let at = crate::groups::create(&mut world, "carol", "Trap", &["alice"]);
    let gid = at.strip_prefix("g/").unwrap().to_owned();
    world.relay.script = Some(Box::new(move |request, response| {
        if request.target != "/v1/groups" || request.body.is_none() {
            return response;
        }
        let problem = kez_core::problem::Problem::new(ProblemCode::GroupExists, "it exists");
        crate::sim::json(409, &kez_core::api::GroupExistsProblem { problem, gid: gid.parse().unwrap() })
    }));
    world.look("alice", "bob");
    world.run(1_000);
    let posted = world.relay.groups.posted.len();
    world.send("alice", "bob", "for Bob alone");
    world.run(30_000);
    let row = world.rows("alice").pop().unwrap();
    assert_eq!((row.state, row.error), (DeliveryState::Failed, Some(Reason::GroupDamaged)));
    assert_eq!(world.relay.groups.posted.len(), posted);
}

#[test]
fn a_ghost_device_in_the_chain_of_the_other_is_harmless_without_packages() {
    let mut world = alice_and_bob(17);
    let bob = world.key("bob");
    let chain = world.relay.sigchains.of(&bob.public().primary());
    let ghost = SecretIdentity::from_seed(Seed::from_bytes([9; 32]));
    let device = Device {
        device: DeviceId::from_bytes([9; 16]),
        key: ghost.public(),
        name: "browser".parse().unwrap(),
        expires_at: Timestamp::from_unix(world.now / 1000 + 1_000_000),
    };
    let link = chain.draft(Body::AddDevice(device), now(&world)).sign_with_device(&bob, &ghost).unwrap();
    world.relay.sigchains.append(&link);
    world.send("alice", "bob", "Hello Bob");
    world.run(5_000);
    assert_eq!(world.rows("bob").pop().unwrap().body, MessageBody::Text { text: "Hello Bob".into() });
}
