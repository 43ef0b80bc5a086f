//! A linked browser has no recovery words, so the browsers that have them tell it what comes and goes in envelopes.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{DeliveryState, MessageRow, Reason};
use kez_core::api::GroupKind;
use rstest::rstest;
use serde_json::{Value, json};

use crate::groups::{change, create, texts};
use crate::linking::{NEW, linked, me};
use crate::restore::restore;
use crate::sim::World;

const PHONE: &str = "alice's phone";
/// Longer than a copy waits.
const SOON: u64 = 8_000;

/// Alice has linked a second browser. Bob and Carol have no MLS, so she and they write envelopes.
fn with_linked(chance: u64) -> World {
    let mut world = World::new(chance);
    world.without_engine = vec!["bob", "carol"];
    for who in ["alice", "bob", "carol"] {
        world.join(who, "");
    }
    world.look("bob", "alice");
    world.look("carol", "alice");
    world.run(1_000);
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "before");
    world.run(2_000);
    linked(&mut world);
    world.look("alice", "carol");
    world.run(SOON);
    world
}

fn see(world: &mut World, who: &'static str, at: &str) -> Vec<String> {
    world.look(who, at);
    world.run(1_000);
    world.texts(who)
}

/// How many items Alice's devices have put into the log of their group.
fn told(world: &World) -> usize {
    let logs = world.relay.groups.logs.iter();
    let mut own = logs.filter(|(_, log)| {
        log.kind == GroupKind::Own && log.members.keys().any(|handle| handle.as_str() == "alice")
    });
    let (gid, _) = own.next().unwrap();
    let gid = gid.to_string();
    let is_message = |item: &&Vec<u8>| {
        let item: Value = serde_json::from_slice(item).unwrap();
        item["kind"] == "message" && item["gid"] == gid
    };
    world.relay.groups.posted.iter().filter(is_message).count()
}

/// The unread messages of a conversation in the list.
fn unread(world: &World, who: &'static str, handle: &str) -> u64 {
    let rows = world.view(who).conversations;
    rows.iter().find(|row| row.handle == handle).map_or(0, |row| row.unread)
}

#[test]
fn a_linked_browser_shows_what_comes_and_goes_in_envelopes() {
    let mut world = with_linked(1);
    let sent = [("bob", "one"), ("bob", "two"), ("alice", "three"), ("bob", "four"), ("alice", "five")];
    for (who, text) in sent {
        world.send(who, if who == "bob" { "alice" } else { "bob" }, text);
        world.run(300);
    }
    world.run(SOON);
    assert_eq!(unread(&world, NEW, "bob"), 3, "the user's own are read");
    let expected = ["me: before", "them: one", "them: two", "me: three", "them: four", "me: five"];
    assert_eq!(see(&mut world, "alice", "bob"), expected);
    assert_eq!(see(&mut world, NEW, "bob"), expected);
    assert!(world.rows(NEW).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
    let times = |world: &World, who| world.rows(who).iter().map(|row| row.at).collect::<Vec<_>>();
    assert_eq!(times(&world, NEW), times(&world, "alice"));
    for who in ["alice", NEW] {
        world.reload(who);
        world.run(SOON);
        assert_eq!(see(&mut world, who, "bob"), expected);
        assert_eq!((world.view(who).unread, me(&world, who).unreadable), (0, 0));
    }
}

#[test]
fn a_linked_browser_cannot_answer_in_envelopes_and_says_so() {
    let mut world = with_linked(2);
    world.send("bob", "alice", "who reads this?");
    world.run(SOON);
    assert_eq!(see(&mut world, NEW, "bob"), ["me: before", "them: who reads this?"]);
    world.send(NEW, "bob", "I do");
    assert_eq!(world.thread(NEW).refused, Some(Reason::NoWords));
    let row = world.rows(NEW).pop().unwrap();
    world.ui(NEW, UiEvent::ReactionSet { handle: "bob".into(), id: row.id, emoji: "👍".into(), on: true });
    world.run(SOON);
    assert_eq!(world.texts("bob"), ["them: before", "me: who reads this?"]);
    assert!(world.rows(NEW).iter().all(|row| row.reactions.is_empty()));
}

#[test]
fn what_came_while_the_linked_browser_was_away_is_there_when_it_returns() {
    let mut world = with_linked(3);
    world.network(NEW, false);
    for n in 0..70 {
        world.send("bob", "alice", &format!("{n}"));
        world.run(700);
    }
    world.run(SOON);
    world.network(NEW, true);
    world.run(SOON);
    assert_eq!(unread(&world, NEW, "bob"), 70);
    let expected: Vec<String> = (0..70).map(|n| format!("them: {n}")).collect();
    world.look(NEW, "bob");
    world.ui(NEW, UiEvent::LatestWanted { handle: "bob".into() });
    world.run(1_000);
    assert!(world.texts(NEW).ends_with(&expected[50..]), "{:?}", world.texts(NEW));
    assert_eq!(world.thread(NEW).total, 71);
}

/// The reactions in a row: `👍+` with the user's own.
fn reactions(row: &MessageRow) -> Vec<String> {
    row.reactions.iter().map(|of| format!("{}{}", of.emoji, if of.mine { "+" } else { "" })).collect()
}

#[test]
fn reactions_are_copied_too() {
    let mut world = with_linked(4);
    world.send("bob", "alice", "nice?");
    world.run(SOON);
    world.look("alice", "bob");
    for (who, at, emoji) in [("alice", "bob", "👍"), ("bob", "alice", "❤️")] {
        let id = world.messages(who).pop().unwrap().id;
        world.ui(who, UiEvent::ReactionSet { handle: at.into(), id, emoji: emoji.into(), on: true });
        world.run(SOON);
    }
    see(&mut world, NEW, "bob");
    assert_eq!(reactions(world.rows(NEW).last().unwrap()), ["❤️", "👍+"]);
    let id = world.rows("alice").pop().unwrap().id;
    world.ui("alice", UiEvent::ReactionSet { handle: "bob".into(), id, emoji: "👍".into(), on: false });
    world.run(SOON);
    assert_eq!(reactions(world.rows(NEW).last().unwrap()), ["❤️"]);
}

#[test]
fn a_request_of_a_stranger_is_one_in_the_linked_browser() {
    let mut world = with_linked(5);
    world.send("carol", "alice", "do you know me?");
    world.run(SOON);
    let requests = |world: &World, who| -> Vec<String> {
        let rows = world.view(who).conversations;
        rows.into_iter().filter(|row| row.request).map(|row| row.handle).collect()
    };
    assert_eq!(
        (requests(&world, "alice"), requests(&world, NEW)),
        (vec!["carol".into()], vec!["carol".into()])
    );
    assert_eq!(
        (see(&mut world, NEW, "carol"), world.view(NEW).unread),
        (vec!["them: do you know me?".into()], 0)
    );
    assert!(world.view(NEW).waiting.is_empty());
    // Declined in one browser, the next message is a new request there.
    world.ui(NEW, UiEvent::RequestDeclined { handle: "carol".into() });
    world.run(2_000);
    assert!(requests(&world, NEW).is_empty());
    world.send("carol", "alice", "hello?");
    world.run(SOON);
    assert_eq!(
        (requests(&world, NEW), see(&mut world, NEW, "carol")),
        (vec!["carol".into()], vec!["them: hello?".into()])
    );
    world.ui(NEW, UiEvent::RequestAccepted { handle: "carol".into() });
    world.run(SOON);
    assert!(requests(&world, "alice").is_empty());
    world.ui("alice", UiEvent::BlockPressed { handle: "carol".into() });
    world.run(2_000);
    world.send("carol", "alice", "blocked");
    world.run(SOON);
    assert_eq!(world.texts(NEW), ["them: hello?"]);
}

/// The server does not answer for a while about someone whom the linked browser does not know.
#[test]
fn a_copy_waits_until_its_person_is_known() {
    let mut world = with_linked(6);
    let hidden = "/v1/by-primary/";
    world.send("carol", "alice", "one");
    world.run(200);
    world.relay.intercept = Some(Box::new(move |request| {
        request
            .target
            .starts_with(hidden)
            .then(|| crate::sim::problem(kez_core::problem::ProblemCode::Unavailable))
    }));
    world.send("carol", "alice", "two");
    world.run(SOON);
    assert_eq!(world.view(NEW).waiting.iter().map(|row| row.messages).sum::<u64>(), 2);
    world.reload(NEW);
    world.run(2_000);
    world.relay.intercept = None;
    world.run(30_000);
    assert!(world.view(NEW).waiting.is_empty());
    assert_eq!(see(&mut world, NEW, "carol"), ["them: one", "them: two"]);
    // Someone who has left the server cannot be shown.
    world.network(NEW, false);
    world.join("dave", "");
    world.look("dave", "alice");
    world.run(1_000);
    world.ui(NEW, UiEvent::Looking { at: None, visible: true });
    let before = me(&world, NEW).unreadable;
    let dave = world.key("dave").public().to_string();
    forge(&world, copy(&dave, "ab"));
    say_something(&mut world, "alice");
    world.relay.delete("dave");
    world.network(NEW, true);
    world.run(30_000);
    assert_eq!((me(&world, NEW).unreadable, world.view(NEW).waiting.len()), (before + 1, 0));
}

#[test]
fn the_largest_text_is_copied() {
    let mut world = with_linked(7);
    let long = "x".repeat(187 * 1024);
    world.send("alice", "bob", &long);
    assert_eq!(world.thread("alice").refused, None);
    world.send("bob", "alice", &long);
    world.run(SOON);
    see(&mut world, NEW, "bob");
    let cut: Vec<bool> = world.rows(NEW).iter().map(|row| row.cut).collect();
    assert_eq!((cut, world.thread(NEW).total), (vec![false, true, true], 3));
}

/// Alice has a third browser, which was restored from the words.
fn with_phone(chance: u64) -> World {
    let mut world = with_linked(chance);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(SOON);
    world
}

#[test]
fn of_two_browsers_with_words_one_sends_the_copy() {
    let mut world = with_phone(8);
    let before = told(&world);
    let mut sent = 0;
    for n in 0..12 {
        world.send("bob", "alice", &format!("to alice {n}"));
        world.send("alice", "bob", &format!("to bob {n}"));
        sent += 2;
        world.run(20_000);
    }
    assert_eq!(told(&world) - before, sent);
    assert_eq!(see(&mut world, NEW, "bob").len(), 1 + sent);
    let [mut new, mut phone] = [NEW, PHONE].map(|who| see(&mut world, who, "bob"));
    // What was written at the same time may have another order.
    new.sort_unstable();
    phone.sort_unstable();
    assert_eq!(new, phone);
    // The other one does it alone.
    world.network("alice", false);
    world.send("bob", "alice", "for the phone");
    world.run(SOON);
    assert_eq!(world.texts(NEW).last().unwrap(), "them: for the phone");
    // It was there already when the first one returns.
    let before = told(&world);
    world.network("alice", true);
    world.run(SOON);
    assert_eq!(told(&world), before);
}

#[test]
fn browsers_with_words_send_each_other_no_copies() {
    let mut world = World::new(9);
    world.without_engine = vec!["bob"];
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.look("bob", "alice");
    world.run(SOON);
    for who in ["alice", PHONE] {
        world.reload(who);
        world.run(SOON);
    }
    let before = told(&world);
    for n in 0..3 {
        world.send("bob", "alice", &format!("{n}"));
        world.run(SOON);
    }
    assert_eq!(told(&world), before);
    assert_eq!(see(&mut world, PHONE, "bob").len(), 3);
}

#[test]
fn a_browser_that_is_removed_gets_nothing_more() {
    let mut world = with_linked(10);
    let new = me(&world, NEW).devices.rows.into_iter().find(|row| row.here).unwrap();
    world.send("bob", "alice", "waits");
    world.run(30);
    world.ui("alice", UiEvent::DeviceRemoved { device: new.id });
    world.run(SOON);
    assert!(me(&world, NEW).devices.removed);
    let before = told(&world);
    world.send("bob", "alice", "later");
    world.run(60_000);
    assert_eq!(told(&world), before, "nothing waits either");
    assert_eq!(see(&mut world, "alice", "bob"), ["me: before", "them: waits", "them: later"]);
    assert_eq!(see(&mut world, NEW, "bob"), ["me: before"]);
}

/// The tab dies at each step of a copy, in either browser.
#[rstest]
fn a_crash_at_any_step_loses_and_doubles_nothing(
    #[values("alice", NEW)] who: &'static str,
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
) {
    let mut world = with_linked(100 + effects as u64);
    world.browser(who).dies_after = Some(effects);
    world.weather.answer_lost = if answers_are_lost { 100 } else { 0 };
    world.send("bob", "alice", "one");
    world.send("carol", "alice", "hello");
    world.run(SOON);
    world.weather.answer_lost = 0;
    world.browser(who).dies_after = None;
    world.reload(who);
    world.send("bob", "alice", "two");
    world.run(60_000);
    for who in ["alice", NEW] {
        assert_eq!(see(&mut world, who, "bob"), ["me: before", "them: one", "them: two"], "{who}");
        assert_eq!(see(&mut world, who, "carol"), ["them: hello"], "{who}");
    }
}

/// The author dies at each step of a message of the user's.
#[rstest]
fn a_crash_at_any_step_loses_no_copy_of_the_users_messages(
    #[values(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)] effects: usize,
) {
    let mut world = with_linked(200 + effects as u64);
    world.look("alice", "bob");
    world.browser("alice").dies_after = Some(effects);
    world.send("alice", "bob", "while it dies");
    world.run(SOON);
    world.browser("alice").dies_after = None;
    world.reload("alice");
    world.run(60_000);
    for who in ["alice", NEW] {
        assert_eq!(see(&mut world, who, "bob"), ["me: before", "me: while it dies"], "{who}");
    }
    assert_eq!(world.states("alice"), [DeliveryState::Sent; 2]);
}

/// A copy that a modified client makes up.
fn copy(with: &str, id: &str) -> Value {
    json!({
        "id": "01JE", "kind": "copy", "quiet": true, "with": with, "mine": false, "envelope": "0d".repeat(32),
        "message": { "id": id, "kind": "text", "text": "never said" }, "kept_at": "2026-11-22T19:00:00Z",
    })
}

/// The next text that any browser seals is this one.
fn forge(world: &World, content: Value) {
    world.seals.as_ref().unwrap().forged.borrow_mut().push_back(content);
}

/// A browser of Alice's sends something to the group of her devices.
fn say_something(world: &mut World, who: &'static str) {
    let row = me(world, who).devices.rows.into_iter().find(|row| row.here).unwrap();
    let name = format!("named {}", world.now);
    world.ui(who, UiEvent::DeviceRenamed { device: row.id, name });
    world.run(2_000);
}

/// Only one of the user's own devices can tell what came in an envelope.
#[test]
fn a_copy_of_another_person_means_nothing() {
    let mut world = with_linked(11);
    world.join("erin", "");
    let at = create(&mut world, "erin", "Hiking", &["alice"]);
    change(&mut world, "alice", &at, GroupChange::Accept);
    world.look(NEW, &at);
    world.run(SOON);
    let bob = world.key("bob").public().to_string();
    forge(&world, copy(&bob, "a"));
    world.send("erin", &at, "a copy");
    world.run(SOON);
    assert!(texts(&world, NEW).is_empty());
    for who in ["alice", NEW] {
        assert_eq!(see(&mut world, who, "bob"), ["me: before"], "{who}");
        assert_eq!(me(&world, who).unreadable, 1, "{who}");
    }
    // The same over the group of two, and in an envelope.
    world.look("erin", "alice");
    world.run(1_000);
    forge(&world, copy(&bob, "a"));
    world.send("erin", "alice", "another copy");
    world.run(SOON);
    assert_eq!(see(&mut world, NEW, "bob"), ["me: before"]);
    assert!(see(&mut world, NEW, "erin").is_empty(), "{:?}", world.texts(NEW));
}

/// Whatever a device of the user's sends, the others stay as they are and count it.
#[test]
fn odd_copies_are_counted() {
    let mut world = with_linked(12);
    let mine = world.key("alice").public().to_string();
    let bob = world.key("bob").public().to_string();
    let with = |name: &str, value: Value| {
        let mut odd = copy(&bob, "a");
        odd[name] = value;
        odd
    };
    let inner = |kind: &str| json!({ "id": "b", "kind": kind, "quiet": true, "messages": [], "changes": [] });
    let odd = [
        with("with", json!("bob")),
        with("with", json!(mine)),
        with("with", json!(format!("ed25519:{}", "ff".repeat(32)))),
        with("envelope", json!("0d")),
        with("mine", json!("no")),
        with("kept_at", json!(7)),
        with("message", json!("hello")),
        with("message", json!({ "id": "b", "kind": "text" })),
        with("message", inner("archive")),
        with("message", inner("sync")),
        with("message", copy(&bob, "c")),
        with("message", json!({ "id": "b", "kind": "poll", "quiet": true })),
        with(
            "message",
            json!({ "id": "b", "kind": "sent", "to": bob, "message": { "id": "c", "kind": "text", "text": "x" } }),
        ),
    ];
    let count = odd.len() as u64;
    for (n, mut odd) in odd.into_iter().enumerate() {
        if odd["envelope"] != "0d" {
            odd["envelope"] = json!(format!("{n:064x}"));
        }
        forge(&world, odd);
        say_something(&mut world, "alice");
    }
    assert_eq!(see(&mut world, NEW, "bob"), ["me: before"]);
    assert_eq!((me(&world, NEW).unreadable, world.view(NEW).conversations.len()), (count, 1));
    // One that is well formed is believed, once: the device could say anything in the user's name.
    for _ in 0..2 {
        forge(&world, copy(&bob, "a"));
        say_something(&mut world, "alice");
    }
    assert_eq!(see(&mut world, NEW, "bob"), ["me: before", "them: never said"]);
    assert_eq!(me(&world, NEW).unreadable, count);
    // A browser with the words believes the envelopes alone.
    forge(&world, copy(&bob, "d"));
    say_something(&mut world, NEW);
    assert_eq!(see(&mut world, "alice", "bob"), ["me: before"]);
}
