//! Groups on a malicious server. It may stop a group, but it can neither have a member send to the wrong people nor show
//! members different histories without a sign.

use std::collections::BTreeSet;

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{DeliveryState, GroupStage, Reason};
use kez_core::api::Base64Url;
use kez_core::handle::Handle;
use kez_core::mls::GroupId;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::groups::{assert_no_key_used_twice, change, create, group, members, people, rows, texts, three};
use crate::sim::World;

const THREE: [&str; 3] = ["alice", "bob", "carol"];
const FOUR_MINUTES: u64 = 240_000;

fn gid(at: &str) -> GroupId {
    at.strip_prefix("g/").unwrap().parse().unwrap()
}

fn handle(name: &str) -> Handle {
    name.parse().unwrap()
}

fn is_message(item: &RawValue) -> bool {
    item.get().contains(r#""kind":"message""#)
}

/// Flips the last bit of an item's MLS message. In a commit that is its membership tag, which no server can check.
fn with_flipped_bit(item: &RawValue) -> Box<RawValue> {
    let mut item: Value = serde_json::from_str(item.get()).unwrap();
    let mut mls: Base64Url = serde_json::from_value(item["mls"].take()).unwrap();
    *mls.0.last_mut().unwrap() ^= 1;
    item["mls"] = json!(mls);
    RawValue::from_string(item.to_string()).unwrap()
}

/// How often each member sees a text.
fn counts(world: &World, text: &str) -> [usize; 3] {
    THREE.map(|who| texts(world, who).iter().filter(|row| row.ends_with(text)).count())
}

/// From here on the server is honest: all three members get into one state and talk.
fn heals(world: &mut World, at: &str) {
    world.relay.groups.tamper = None;
    world.relay.script = None;
    world.run(FOUR_MINUTES);
    for who in THREE {
        let text = format!(": {who} again");
        world.send(who, at, text.trim_start_matches(": "));
        world.run(5_000);
        assert_eq!(counts(world, &text), [1, 1, 1], "{:?}", THREE.map(|who| rows(world, who)));
    }
    let numbers: BTreeSet<Option<String>> = THREE.iter().map(|who| group(world, who).number).collect();
    assert_eq!(numbers.len(), 1);
    assert_no_key_used_twice(world);
}

#[test]
fn two_histories_never_meet() {
    let (mut world, at) = three(31);
    for who in ["bob", "carol"] {
        change(&mut world, "alice", &at, GroupChange::Promote(who.into()));
    }
    world.send("alice", &at, "before the split");
    world.run(2_000);
    let logs = world.relay.groups.logs.clone();
    world.relay.groups.split.insert(handle("carol"), logs);

    // Each side commits, and writes.
    change(&mut world, "alice", &at, GroupChange::Rename("Climbing".into()));
    change(&mut world, "alice", &at, GroupChange::Remove("carol".into()));
    change(&mut world, "carol", &at, GroupChange::Remove("bob".into()));
    world.send("alice", &at, "without carol");
    world.send("carol", &at, "without bob");
    world.run(10_000);
    assert_eq!(counts(&world, ": without carol"), [1, 1, 0]);
    assert_eq!(counts(&world, ": without bob"), [0, 0, 1]);
    assert_ne!(group(&world, "alice").number, group(&world, "carol").number);
    assert_eq!(group(&world, "alice").number, group(&world, "bob").number);

    // Shown the other history, Carol's messages reach no one.
    world.relay.groups.split.clear();
    world.run(FOUR_MINUTES);
    world.send("alice", &at, "still without carol");
    world.send("carol", &at, "still without bob");
    world.run(60_000);
    assert_eq!(counts(&world, ": still without carol"), [1, 1, 0]);
    assert_eq!(counts(&world, ": without bob"), [0, 0, 1]);
    assert_eq!(counts(&world, ": still without bob"), [0, 0, 1]);
    assert_ne!(world.states("carol").last(), Some(&DeliveryState::Sent));
    assert_no_key_used_twice(&world);
}

#[test]
fn a_message_that_is_stored_twice_is_shown_once() {
    let (mut world, at) = three(32);
    world.relay.groups.tamper = Some(Box::new(|item| match is_message(&item) {
        true => vec![item.clone(), item],
        false => vec![item],
    }));
    world.send("alice", &at, "once");
    world.run(10_000);
    assert_eq!(counts(&world, ": once"), [1, 1, 1]);
    heals(&mut world, &at);
    assert_eq!(counts(&world, ": once"), [1, 1, 1]);
}

#[test]
fn a_commit_that_is_stored_twice_changes_the_group_once() {
    let (mut world, at) = three(33);
    world.relay.groups.tamper = Some(Box::new(|item| match is_message(&item) {
        true => vec![item],
        false => vec![item.clone(), item],
    }));
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    heals(&mut world, &at);
    for who in THREE {
        assert_eq!(members(&world, who), ["alice*", "bob*", "carol"], "{who}");
    }
}

#[test]
fn messages_in_another_order_are_shown_or_marked_and_never_doubled() {
    let (mut world, at) = three(34);
    let mut held = None;
    world.relay.groups.tamper = Some(Box::new(move |item| match held.take() {
        Some(first) => vec![item, first],
        None => {
            held = Some(item);
            Vec::new()
        }
    }));
    for text in ["first", "second"] {
        world.send("alice", &at, text);
        world.run(2_000);
    }
    for text in [": first", ": second"] {
        assert!(counts(&world, text).iter().all(|count| *count <= 1));
    }
    for who in ["bob", "carol"] {
        let is_marked = world.rows(who).iter().any(|row| row.missing_before > 0)
            || rows(&world, who).iter().any(|row| row.contains("Undecryptable"));
        assert!(is_marked || counts(&world, ": first")[1..] == [1, 1], "{who}: {:?}", rows(&world, who));
    }
    heals(&mut world, &at);
}

#[test]
fn a_message_that_is_dropped_is_missed() {
    let (mut world, at) = three(35);
    let mut dropped = false;
    world.relay.groups.tamper = Some(Box::new(move |item| match std::mem::replace(&mut dropped, true) {
        false => Vec::new(),
        true => vec![item],
    }));
    for text in ["dropped", "kept"] {
        world.send("alice", &at, text);
        world.run(2_000);
    }
    for who in ["bob", "carol"] {
        let row = world.rows(who).into_iter().next_back().unwrap();
        assert_eq!((crate::groups::row(&row).as_str(), row.missing_before), ("alice: kept", 1), "{who}");
    }
}

#[test]
fn a_commit_that_members_refuse_makes_them_join_anew() {
    let (mut world, at) = three(36);
    let mut done = false;
    world.relay.groups.tamper = Some(Box::new(move |item| match is_message(&item) || done {
        true => vec![item],
        false => {
            done = true;
            vec![with_flipped_bit(&item)]
        }
    }));
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    heals(&mut world, &at);
    for who in THREE {
        assert_eq!(members(&world, who), ["alice*", "bob*", "carol"], "{who}: what the server has stored");
    }
}

#[test]
fn a_group_that_was_damaged_too_often_is_tried_again_when_the_user_wants_it() {
    let mut world = people(42, &["alice", "bob", "carol", "dave", "erin"]);
    let at = create(&mut world, "alice", "Hiking", &["bob", "carol"]);
    for who in ["bob", "carol"] {
        change(&mut world, who, &at, GroupChange::Accept);
    }
    // Four times a day, members refuse what the server has stored.
    let promote = |who: &str| GroupChange::Promote(who.into());
    let add = |who: &str| GroupChange::Add(who.into());
    for wish in [promote("bob"), promote("carol"), add("dave"), add("erin")] {
        let mut done = false;
        world.relay.groups.tamper = Some(Box::new(move |item| match is_message(&item) || done {
            true => vec![item],
            false => {
                done = true;
                vec![with_flipped_bit(&item)]
            }
        }));
        change(&mut world, "alice", &at, wish);
        world.run(FOUR_MINUTES);
    }
    for who in ["bob", "carol"] {
        assert_eq!(group(&world, who).stage, GroupStage::Broken(Reason::GroupDamaged), "{who}");
    }
    // The server is honest from here on. A new start on the same day changes nothing.
    world.relay.groups.tamper = None;
    world.reload("bob");
    world.look("bob", &at);
    world.run(FOUR_MINUTES);
    assert_eq!(group(&world, "bob").stage, GroupStage::Broken(Reason::GroupDamaged));
    for who in THREE {
        world.ui(who, UiEvent::TryAgainPressed { handle: at.clone() });
    }
    heals(&mut world, &at);
}

/// Has the server answer about the group with parts of what it showed before, from now on.
fn shows(world: &mut World, at: &str, changed: impl Fn(&mut Value) + 'static) {
    let target = format!("/v1/groups/{}", gid(at));
    world.relay.script = Some(Box::new(move |request, mut response| {
        if request.target == target && response.status == 200 {
            let mut body: Value = serde_json::from_slice(&response.body).unwrap();
            changed(&mut body);
            response.body = serde_json::to_vec(&body).unwrap();
        }
        response
    }));
}

fn encoded(bytes: &[u8]) -> Value {
    json!(Base64Url(bytes.to_vec()))
}

/// Carol's browser loses its MLS state, and has to join anew.
fn carol_loses_her_state(world: &mut World) {
    world.browser("carol").disk.retain(|(kind, _), _| *kind != kez_client::record::Kind::State);
    world.reload("carol");
    world.run(60_000);
}

#[test]
fn an_earlier_state_is_not_joined() {
    let (mut world, at) = three(37);
    let log = world.relay.groups.logs[&gid(&at)].clone();
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    let (info, tree) = (encoded(&log.info), encoded(&log.observed.tree));
    for epoch in [None, Some(log.observed.epoch)] {
        let (info, tree) = (info.clone(), tree.clone());
        shows(&mut world, &at, move |body| {
            (body["info"], body["tree"]) = (info.clone(), tree.clone());
            if let Some(epoch) = epoch {
                body["epoch"] = epoch.into();
            }
        });
        carol_loses_her_state(&mut world);
        assert_ne!(group(&world, "carol").stage, GroupStage::In, "{epoch:?}");
        world.send("alice", &at, "meanwhile");
        world.run(2_000);
    }
    assert_eq!(counts(&world, ": meanwhile")[2], 0);
    heals(&mut world, &at);
}

#[test]
fn a_state_with_another_tree_is_not_joined() {
    let (mut world, at) = three(38);
    let tree = encoded(&world.relay.groups.logs[&gid(&at)].observed.tree.clone());
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    shows(&mut world, &at, move |body| body["tree"] = tree.clone());
    carol_loses_her_state(&mut world);
    assert_ne!(group(&world, "carol").stage, GroupStage::In);
    heals(&mut world, &at);
}

#[test]
fn a_welcome_to_another_group_is_not_taken() {
    let (mut world, _) = three(39);
    world.ui("alice", UiEvent::GroupDialogClosed);
    // The server keeps Carol's Welcome to one group, and gives it to her in another one.
    let other = create(&mut world, "alice", "Other", &["carol"]);
    let carol = world.key("carol").public().primary();
    let welcomes = world.relay.groups.logs[&gid(&other)].welcome_of(carol);
    world.ui("alice", UiEvent::GroupDialogClosed);
    world.relay.script = Some(Box::new(move |request, mut response| {
        if request.target.starts_with("/v1/groups/") && response.status == 200 {
            let mut body: Value = serde_json::from_slice(&response.body).unwrap();
            if body.get("welcome").is_some_and(|welcome| !welcome.is_null()) {
                let (welcome, tree) = &welcomes;
                body["welcome"]["welcome"] = encoded(welcome);
                body["welcome"]["tree"] = encoded(tree);
                response.body = serde_json::to_vec(&body).unwrap();
            }
        }
        response
    }));
    let at = create(&mut world, "alice", "Third", &["bob", "carol"]);
    world.run(60_000);
    for who in ["bob", "carol"] {
        change(&mut world, who, &at, GroupChange::Accept);
    }
    assert_eq!(group(&world, "carol").name, "Third");
    heals(&mut world, &at);
}

#[test]
fn a_restored_server_gets_its_members_back() {
    let (mut world, at) = three(40);
    world.send("alice", &at, "before the backup");
    world.run(2_000);
    let backup = world.relay.groups.logs.clone();
    world.send("bob", &at, "after the backup");
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    world.relay.groups.logs = backup;
    world.relay.restore_from_backup();
    world.cut_streams();
    heals(&mut world, &at);
    assert_eq!(counts(&world, ": before the backup"), [1, 1, 1]);
    assert_eq!(counts(&world, ": after the backup"), [1, 1, 1], "they have read it");
}

#[test]
fn a_hidden_removal_of_a_device_is_seen_in_the_log() {
    let (mut world, at) = three(41);
    let words = world.words("alice");
    crate::restore::restore(&mut world, "alice's phone", &words);
    world.run(150_000);
    world.look("alice's phone", &at);
    // The server keeps the link that revokes the phone to itself.
    let alice = world.key("alice").public().primary();
    let length = world.relay.sigchains.links(&alice).len();
    world.relay.script = Some(Box::new(move |request, mut response| {
        if request.target == "/v1/people" && response.status == 200 {
            let mut body: Value = serde_json::from_slice(&response.body).unwrap();
            for person in body["people"].as_array_mut().unwrap() {
                if person["handle"] == "alice" && person["length"].as_u64().unwrap() as usize > length {
                    person["length"] = length.into();
                    person["links"] = json!([]);
                    person.as_object_mut().unwrap().remove("head");
                }
            }
            response.body = serde_json::to_vec(&body).unwrap();
        }
        response
    }));
    let kez_client::view::AccountView::Open(me) = world.view("alice").account else { panic!("not open") };
    let phone = me.devices.rows.into_iter().find(|row| !row.here).unwrap();
    world.ui("alice", kez_client::event::UiEvent::DeviceRemoved { device: phone.id });
    world.run(10_000);
    world.send("bob", &at, "not for the phone");
    world.run(10_000);
    assert_eq!(counts(&world, ": not for the phone"), [1, 1, 1]);
    let seen = texts(&world, "alice's phone");
    assert!(seen.iter().all(|row| !row.contains("not for the phone")), "{seen:?}");
}
