//! Reactions: one side sets and withdraws them, and the other side sees the latest state, whatever the order of arrival.

use kez_client::effect::Method;
use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{MessageBody, MessageRow};
use kez_core::content::{Content, MessageId, Reaction, Ref, What};
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity};
use kez_core::message::{Chain, plaintext};
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;
use proptest::prelude::*;

use crate::groups::{change, three};
use crate::restore::restore;
use crate::sim::World;
use crate::two_people::{alice_and_bob, writing_envelopes};

/// The reactions in a row: `👍` alone, `👍+` with the user's own, `👍2+` with both.
fn shown(row: &MessageRow) -> String {
    let one = |reaction: &kez_client::view::ReactionRow| {
        let (count, mine) = (reaction.count, reaction.mine);
        let count = if count > 1 { count.to_string() } else { String::new() };
        format!("{}{count}{}", reaction.emoji, if mine { "+" } else { "" })
    };
    row.reactions.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The reactions to the last message on screen.
fn last(world: &World, who: &'static str) -> String {
    world.messages(who).last().map(shown).unwrap()
}

fn react(world: &mut World, who: &'static str, to: &str, emoji: &str, on: bool) {
    let id = world.messages(who).last().unwrap().id.clone();
    world.ui(who, UiEvent::ReactionSet { handle: to.into(), id, emoji: emoji.into(), on });
}

/// Alice has written "hello" to Bob, and Bob has answered "hi".
fn talking(chance: u64) -> World {
    talk(alice_and_bob(chance))
}

fn talk(mut world: World) -> World {
    world.send("alice", "bob", "hello");
    world.run(1_000);
    world.send("bob", "alice", "hi");
    world.run(2_000);
    world
}

#[test]
fn a_reaction_reaches_the_other_side_and_takes_no_row() {
    let mut world = talking(1);
    react(&mut world, "alice", "bob", "👍", true);
    assert_eq!(last(&world, "alice"), "👍+", "at once");
    world.run(2_000);
    assert_eq!(last(&world, "bob"), "👍");
    react(&mut world, "bob", "alice", "👍", true);
    react(&mut world, "bob", "alice", "❤️", true);
    world.run(2_000);
    assert_eq!((last(&world, "alice"), last(&world, "bob")), ("❤️ 👍2+".into(), "❤️+ 👍2+".into()));
    react(&mut world, "alice", "bob", "👍", false);
    world.send("alice", "bob", "and a text");
    world.run(2_000);
    assert_eq!(shown(&world.rows("bob")[1]), "❤️+ 👍+");
    let rows = world.rows("bob");
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.missing_before == 0 && !row.contradicts_chain), "no gap");
    for who in ["alice", "bob"] {
        world.reload(who);
        world.run(1_000);
    }
    assert_eq!(shown(&world.rows("alice")[1]), "❤️ 👍");
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
}

#[test]
fn a_repeated_reaction_event_makes_one_reaction() {
    let mut world = talking(2);
    let sent = world.relay.groups.posted.len();
    for on in [true, true, false, false] {
        react(&mut world, "alice", "bob", "👍", on);
        world.run(2_000);
    }
    assert_eq!((last(&world, "bob"), world.relay.groups.posted.len() - sent), (String::new(), 2));
}

#[test]
fn at_most_eight_reactions_are_allowed() {
    let mut world = talking(3);
    for n in 0..9 {
        react(&mut world, "alice", "bob", &format!("e{n}"), true);
    }
    for odd in ["", "a b", "\n", &"x".repeat(33)] {
        react(&mut world, "alice", "bob", odd, true);
    }
    world.run(5_000);
    let eight = "e0 e1 e2 e3 e4 e5 e6 e7";
    assert_eq!(last(&world, "bob"), eight);
    react(&mut world, "alice", "bob", "e0", false);
    react(&mut world, "alice", "bob", "e8", true);
    world.run(5_000);
    assert_eq!(last(&world, "bob"), "e1 e2 e3 e4 e5 e6 e7 e8");
}

#[test]
fn the_latest_reaction_wins_whatever_the_clock() {
    let mut world = talking(4);
    react(&mut world, "alice", "bob", "👍", true);
    world.run(2_000);
    world.set_clock("alice", -3 * 3_600_000);
    react(&mut world, "alice", "bob", "👍", false);
    world.run(5_000);
    assert_eq!(last(&world, "bob"), "");
}

#[test]
fn restored_and_second_browsers_show_the_same_reactions() {
    let mut world = talk(writing_envelopes(5));
    react(&mut world, "alice", "bob", "👍", true);
    world.run(1_000);
    react(&mut world, "bob", "alice", "❤️", true);
    world.run(2_000);
    let words = world.words("alice");
    restore(&mut world, "phone", &words);
    world.look("phone", "bob");
    world.run(10_000);
    assert_eq!(last(&world, "phone"), "❤️ 👍+");
    react(&mut world, "phone", "bob", "👍", false);
    world.run(5_000);
    assert_eq!((last(&world, "alice"), last(&world, "bob")), ("❤️".into(), "❤️+".into()));
}

#[test]
fn a_refused_reaction_is_reverted_and_blocks_no_later_message() {
    use kez_core::problem::ProblemCode;

    let mut world = talking(6);
    let mut refused = 0;
    world.relay.intercept = Some(Box::new(move |request| {
        let is_message = request.method == Method::Post && request.target.ends_with("/messages");
        refused += u32::from(is_message);
        (is_message && refused == 1).then(|| crate::sim::problem(ProblemCode::Malformed))
    }));
    react(&mut world, "alice", "bob", "👍", true);
    world.send("alice", "bob", "after it");
    world.run(5_000);
    assert_eq!(world.texts("bob").last().unwrap(), "them: after it");
    assert!(world.rows("alice").iter().all(|row| row.reactions.is_empty()));
    assert!(world.view("alice").notice.is_some_and(|notice| notice.error));
    assert!(!world.browser("alice").disk.keys().any(|(kind, _)| kind.as_str() == "outbox"));
}

/// Seals a content from one person's key to another's.
fn sealed(
    world: &mut World,
    from: &SecretIdentity,
    to: &SecretIdentity,
    content: &Content,
    n: u64,
) -> String {
    let now = Timestamp::from_unix(world.now / 1000);
    let chain = Chain { id: "00112233aabbccdd".into(), n, prev: None };
    let peer = Peer::new(from, to.public()).unwrap();
    let plaintext = plaintext(content, &chain, &Heads::new());
    envelope::seal(from, &peer, &plaintext, now, &mut world.rng).unwrap().json
}

fn id(id: &str) -> MessageId {
    id.parse().unwrap()
}

fn reaction(of: &Ref, emoji: &str, on: bool, number: usize) -> Content {
    let what = What::Reaction(Reaction { of: of.clone(), emoji: emoji.parse().unwrap(), on });
    Content { id: id(&format!("01JE{number:022}")), sent_at: None, what }
}

#[test]
fn ten_thousand_reactions_stay_cheap() {
    let mut world = talking(7);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let size = |world: &mut World| world.browser("bob").disk.values().map(Vec::len).sum::<usize>();
    let hello = world.rows("alice")[0].id.clone();
    let known = Ref { by: alice.public().primary(), id: id(&hello) };
    let before = size(&mut world);
    for n in 0..1_000 {
        let unknown = Ref { by: alice.public().primary(), id: id(&format!("never {n}")) };
        for of in [&known, &unknown] {
            let content = reaction(of, &format!("{n}"), true, n);
            let envelope = sealed(&mut world, &alice, &bob, &content, 2 * n as u64 + 10);
            world.relay.append("bob", &envelope, world.now);
        }
    }
    world.push_to_streams();
    world.run(10_000);
    let first = world.rows("bob").into_iter().next().unwrap();
    assert_eq!(shown(&first), "0 1 10 100 101 102 103 104", "the smallest by bytes");
    let grown = size(&mut world) - before;
    assert!(grown < 64 * 1024, "{grown} bytes");
}

#[test]
fn a_reaction_by_a_stranger_to_an_unknown_message_is_dropped() {
    let mut world = talking(8);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let other = SecretIdentity::from_seed(kez_core::identity::Seed::from_bytes([9; 32]));
    let hello = world.rows("alice")[0].id.clone();
    let of = Ref { by: other.public().primary(), id: id(&hello) };
    let envelope = sealed(&mut world, &alice, &bob, &reaction(&of, "👍", true, 1), 7);
    world.relay.append("bob", &envelope, world.now);
    world.push_to_streams();
    world.run(2_000);
    assert!(world.rows("bob").iter().all(|row| row.reactions.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The message and the changes to it arrive in any order, some of them twice, with reloads between.
    #[test]
    fn changes_converge_in_any_order(
        words in prop::collection::vec((0..3_usize, any::<bool>()), 1..8),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..24),
        reloads in any::<u8>(),
    ) {
        let mut world = talking(9);
        let (alice, bob) = (world.key("alice"), world.key("bob"));
        let of = Ref { by: alice.public().primary(), id: id("late") };
        let now = Timestamp::from_unix(world.now / 1000);
        let mut contents = vec![Content::text(id("late"), "late", now)];
        contents.extend(words.iter().enumerate().map(|(n, (emoji, on))| {
            reaction(&of, ["👍", "❤️", "😂"][*emoji], *on, n)
        }));
        let mut left: Vec<usize> = (0..contents.len()).collect();
        let mut arrivals: Vec<usize> = order.iter().map(|at| at.index(contents.len())).collect();
        left.retain(|at| !arrivals.contains(at));
        arrivals.extend(left);
        for (step, at) in arrivals.iter().enumerate() {
            let envelope = sealed(&mut world, &alice, &bob, &contents[*at], *at as u64 + 2);
            world.relay.append("bob", &envelope, world.now);
            world.push_to_streams();
            world.run(1_000);
            if reloads >> (step % 8) & 1 == 1 {
                world.reload("bob");
            }
        }
        world.run(2_000);
        let mut expected: Vec<&str> = Vec::new();
        for (emoji, name) in ["👍", "❤️", "😂"].into_iter().enumerate() {
            if words.iter().rev().find(|(other, _)| *other == emoji).is_some_and(|(_, on)| *on) {
                expected.push(name);
            }
        }
        expected.sort_unstable();
        let row = world.rows("bob").into_iter().find(|row| crate::sim::text(row) == "late").unwrap();
        prop_assert_eq!(shown(&row), expected.join(" "));
    }
}

/// Alice, Bob and Carol in a group, where Alice has written "hello".
fn in_group(chance: u64) -> (World, String) {
    let (mut world, at) = three(chance);
    world.send("alice", &at, "hello");
    world.run(2_000);
    (world, at)
}

/// The reactions to the last text, as each of these people sees them.
fn all_see(world: &World, who: &[&'static str]) -> Vec<String> {
    let last =
        |who| world.messages(who).iter().rfind(|row| matches!(row.body, MessageBody::Text { .. })).map(shown);
    who.iter().map(|who| last(who).unwrap()).collect()
}

fn react_in(world: &mut World, who: &'static str, at: &str, emoji: &str, on: bool) {
    let rows = world.messages(who);
    let id = rows.iter().rfind(|row| matches!(row.body, MessageBody::Text { .. })).unwrap().id.clone();
    world.ui(who, UiEvent::ReactionSet { handle: at.into(), id, emoji: emoji.into(), on });
}

#[test]
fn members_of_a_group_react() {
    let (mut world, at) = in_group(20);
    react_in(&mut world, "bob", &at, "👍", true);
    react_in(&mut world, "carol", &at, "👍", true);
    react_in(&mut world, "carol", &at, "🎉", true);
    world.run(2_000);
    assert_eq!(all_see(&world, &["alice", "bob", "carol"]), ["🎉 👍2", "🎉 👍2+", "🎉+ 👍2+"]);
    let named =
        world.messages("alice").iter().rfind(|row| !row.reactions.is_empty()).unwrap().reactions.clone();
    let mut others = named[1].others.clone();
    others.sort();
    assert_eq!(others, ["bob", "carol"]);
    react_in(&mut world, "bob", &at, "👍", false);
    react_in(&mut world, "alice", &at, "🎉", true);
    world.run(2_000);
    assert_eq!(all_see(&world, &["alice", "bob", "carol"]), ["🎉2+ 👍", "🎉2 👍", "🎉2+ 👍+"]);
    assert!(
        world.rows("alice").iter().all(|row| row.missing_before == 0 && !row.contradicts_chain),
        "no gap"
    );
    for who in ["alice", "bob", "carol"] {
        world.reload(who);
        world.run(2_000);
    }
    assert_eq!(all_see(&world, &["alice", "bob", "carol"]), ["🎉2+ 👍", "🎉2 👍", "🎉2+ 👍+"]);
}

#[test]
fn the_reactions_of_a_removed_member_stay_and_new_ones_are_refused() {
    let (mut world, at) = in_group(21);
    react_in(&mut world, "carol", &at, "👍", true);
    world.run(2_000);
    change(&mut world, "alice", &at, GroupChange::Remove("carol".into()));
    assert_eq!(all_see(&world, &["alice", "bob"]), ["👍", "👍"]);
    let posted = world.relay.groups.posted.len();
    react_in(&mut world, "carol", &at, "🎉", true);
    world.run(2_000);
    assert_eq!(
        (all_see(&world, &["carol"]), world.relay.groups.posted.len()),
        (vec!["👍+".to_owned()], posted)
    );
}

#[test]
fn a_refused_reaction_in_a_group_is_reverted() {
    use kez_core::problem::ProblemCode;

    let (mut world, at) = in_group(22);
    let mut refused = 0;
    world.relay.intercept = Some(Box::new(move |request| {
        let is_message = request.method == Method::Post && request.target.ends_with("/messages");
        refused += u32::from(is_message);
        (is_message && refused == 1).then(|| crate::sim::problem(ProblemCode::Malformed))
    }));
    react_in(&mut world, "bob", &at, "👍", true);
    world.send("bob", &at, "after it");
    world.run(5_000);
    assert!(world.rows("bob").iter().all(|row| row.reactions.is_empty()));
    assert!(world.rows("alice").iter().all(|row| row.reactions.is_empty()));
    assert!(world.texts("alice").last().unwrap().ends_with("after it"));
}

#[test]
fn a_crash_leaves_a_reaction_in_a_group_whole() {
    for effects in 0..8 {
        let (mut world, at) = in_group(30 + effects as u64);
        world.browser("bob").dies_after = Some(effects);
        react_in(&mut world, "bob", &at, "👍", true);
        world.run(2_000);
        world.browser("bob").dies_after = None;
        world.reload("bob");
        world.run(30_000);
        let seen = all_see(&world, &["alice", "bob", "carol"]);
        assert!(seen == ["👍", "👍+", "👍"] || (effects == 0 && seen == ["", "", ""]), "{effects}: {seen:?}");
    }
}
