//! Groups: three people create one, talk, and change who belongs to it.

use std::collections::BTreeMap;

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{GroupLine, GroupStage, GroupView, MessageBody, MessageRow};

use crate::sim::{SealedAt, World};

/// A world with these people, who have not met.
pub(crate) fn people(chance: u64, who: &[&'static str]) -> World {
    let mut world = World::new(chance);
    for one in who {
        world.join(one, "");
    }
    world.run(3_000);
    world
}

/// Has someone create a group, and everybody look at it. Returns its place in the address.
pub(crate) fn create(world: &mut World, who: &'static str, name: &str, members: &[&'static str]) -> String {
    let to = members.iter().map(|member| (*member).to_owned()).collect();
    world.ui(who, UiEvent::GroupCreated { name: name.into(), members: to });
    world.run(2_000);
    let dialog = world.view(who).new_group;
    let gid = dialog.started.unwrap_or_else(|| panic!("not created: {:?}", dialog.error));
    let at = format!("g/{gid}");
    for member in members.iter().chain([&who]) {
        world.look(member, &at);
    }
    world.run(3_000);
    at
}

/// Presses a button of the dialog "Group members".
pub(crate) fn change(world: &mut World, who: &'static str, at: &str, change: GroupChange) {
    let gid = at.strip_prefix("g/").unwrap().to_owned();
    world.ui(who, UiEvent::GroupChanged { gid, change });
    world.run(3_000);
}

pub(crate) fn group(world: &World, who: &'static str) -> GroupView {
    world.thread(who).group.expect("a group")
}

/// The members on screen; admins have a star.
pub(crate) fn members(world: &World, who: &'static str) -> Vec<String> {
    let members = group(world, who).members;
    members.iter().map(|member| format!("{}{}", member.handle, if member.admin { "*" } else { "" })).collect()
}

/// A row as `bob: text`, or an event.
pub(crate) fn row(row: &MessageRow) -> String {
    let author = row.author.clone().unwrap_or_else(|| if row.mine { "me".into() } else { "-".into() });
    match &row.body {
        MessageBody::Text { text } => format!("{author}: {text}"),
        MessageBody::Group(line) => shown(line),
        other => format!("{author}: <{other:?}>"),
    }
}

fn shown(line: &GroupLine) -> String {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "me".into());
    match line {
        GroupLine::Created { by } => format!("[{} created]", name(by)),
        GroupLine::Added { by, who } => format!("[{} added {}]", name(by), name(who)),
        GroupLine::Removed { by, who } => format!("[{} removed {}]", name(by), name(who)),
        GroupLine::Left { who } => format!("[{} left]", name(who)),
        GroupLine::Renamed { by, name: new } => format!("[{} renamed {new}]", name(by)),
        GroupLine::Role { by, who, admin } => format!("[{} role {} {admin}]", name(by), name(who)),
        GroupLine::Device { who } => format!("[device of {}]", name(who)),
        GroupLine::Rejoined => "[rejoined]".into(),
        GroupLine::Upgraded => "[upgraded]".into(),
    }
}

pub(crate) fn rows(world: &World, who: &'static str) -> Vec<String> {
    world.all_rows(who).iter().map(row).collect()
}

/// Has someone scroll up, so that the whole conversation is on screen.
pub(crate) fn scroll_up(world: &mut World, who: &'static str, at: &str) {
    for _ in 0..3 {
        world.ui(who, UiEvent::OlderWanted { handle: at.to_owned() });
    }
    assert!(!world.thread(who).has_older, "the stories are short");
}

/// The rows that are texts.
pub(crate) fn texts(world: &World, who: &'static str) -> Vec<String> {
    rows(world, who).into_iter().filter(|row| !row.starts_with('[')).collect()
}

/// No two different messages that left a browser were sealed with the same key.
pub(crate) fn assert_no_key_used_twice(world: &World) {
    let seals = world.seals.as_ref().unwrap().made.borrow();
    let mut used: BTreeMap<SealedAt, Vec<u8>> = BTreeMap::new();
    for posted in &world.relay.groups.posted {
        let item = kez_core::group_item::GroupItem::parse(posted.clone()).unwrap();
        let kez_core::group_item::Body::Message(post) = item.body() else { continue };
        let at = seals.get(&post.mls).expect("sealed here");
        let other = used.insert(*at, post.mls.clone());
        assert!(other.is_none(), "sealed twice: {at:?}");
    }
}

const THREE: [&str; 3] = ["alice", "bob", "carol"];

/// Alice's group with Bob and Carol.
pub(crate) fn three(chance: u64) -> (World, String) {
    let mut world = people(chance, &THREE);
    let at = create(&mut world, "alice", "Hiking", &["bob", "carol"]);
    for who in ["bob", "carol"] {
        change(&mut world, who, &at, GroupChange::Accept);
    }
    (world, at)
}

#[test]
fn three_people_create_a_group_and_talk() {
    let (mut world, at) = three(1);
    for who in THREE {
        assert_eq!(members(&world, who), ["alice*", "bob", "carol"], "{who}");
        let view = group(&world, who);
        assert_eq!(
            (view.name.as_str(), &view.stage, view.incomplete),
            ("Hiking", &GroupStage::In, false),
            "{who}"
        );
        assert_eq!(view.number, group(&world, "alice").number);
        world.send(who, &at, &format!("from {who}"));
        world.run(2_000);
    }
    for _ in 0..2 {
        let mut alice = rows(&world, "alice");
        alice[1..3].sort();
        assert_eq!(
            alice,
            [
                "[me created]",
                "[me added bob]",
                "[me added carol]",
                "me: from alice",
                "bob: from bob",
                "carol: from carol"
            ]
        );
        assert_eq!(
            rows(&world, "bob"),
            ["[alice added me]", "alice: from alice", "me: from bob", "carol: from carol"]
        );
        for who in THREE {
            assert!(world.rows(who).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
            world.reload(who);
        }
        world.run(3_000);
    }
    assert_no_key_used_twice(&world);
}

#[test]
fn a_newcomer_sees_nothing_from_before_and_a_removed_member_nothing_after() {
    let mut world = people(2, &["alice", "bob", "carol"]);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    world.send("alice", &at, "before carol");
    world.run(2_000);
    change(&mut world, "alice", &at, GroupChange::Add("@carol".into()));
    world.look("carol", &at);
    world.run(2_000);
    world.send("bob", &at, "welcome carol");
    world.run(2_000);
    assert_eq!(rows(&world, "carol"), ["[alice added me]", "bob: welcome carol"]);
    assert_eq!(rows(&world, "bob")[2..], ["[alice added carol]", "me: welcome carol"]);
    assert!(world.rows("carol").iter().all(|row| row.missing_before == 0));
    assert_eq!(group(&world, "carol").name, "Hiking");

    change(&mut world, "alice", &at, GroupChange::Remove("bob".into()));
    assert_eq!(group(&world, "bob").stage, GroupStage::Removed);
    world.send("bob", &at, "still here?");
    assert_eq!(world.thread("bob").refused, Some(kez_client::view::Reason::NotInGroup));
    world.send("alice", &at, "after bob");
    world.run(3_000);
    for _ in 0..2 {
        assert_eq!(rows(&world, "bob").last().unwrap(), "[alice removed me]");
        assert_eq!(rows(&world, "carol")[2..], ["[alice removed bob]", "alice: after bob"]);
        assert_eq!(members(&world, "alice"), ["alice*", "carol"]);
        world.reload("bob");
        world.run(3_000);
    }
    // Added again, he sees what comes then.
    change(&mut world, "alice", &at, GroupChange::Add("bob".into()));
    world.send("alice", &at, "again with bob");
    world.run(3_000);
    assert_eq!(group(&world, "bob").stage, GroupStage::In);
    assert_eq!(texts(&world, "bob").last().unwrap(), "alice: again with bob");
    assert!(!rows(&world, "bob").contains(&"alice: after bob".to_owned()));
    assert_no_key_used_twice(&world);
}

#[test]
fn who_leaves_is_removed_by_the_others() {
    let (mut world, at) = three(3);
    change(&mut world, "carol", &at, GroupChange::Leave);
    world.run(10_000);
    assert_eq!(group(&world, "carol").stage, GroupStage::Left);
    for who in ["alice", "bob"] {
        assert_eq!(rows(&world, who).last().unwrap(), "[carol left]", "{who}");
        assert_eq!(members(&world, who), ["alice*", "bob"]);
    }
    world.send("bob", &at, "without carol");
    world.run(3_000);
    assert_eq!(rows(&world, "alice").last().unwrap(), "bob: without carol");
    assert_eq!(rows(&world, "carol").last().unwrap(), "[me left]");
    // The last admin leaves: everybody is one.
    change(&mut world, "alice", &at, GroupChange::Leave);
    world.run(10_000);
    assert_eq!(members(&world, "bob"), ["bob"]);
    assert!(group(&world, "bob").admin);
    assert_eq!(rows(&world, "bob").last().unwrap(), "[alice left]");
}

#[test]
fn roles_and_names_change() {
    let (mut world, at) = three(4);
    change(&mut world, "bob", &at, GroupChange::Rename("Bob's".into()));
    assert_eq!(group(&world, "bob").error, Some(kez_client::view::Reason::NotAdmin));
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    change(&mut world, "bob", &at, GroupChange::Rename("Climbing".into()));
    change(&mut world, "bob", &at, GroupChange::Remove("carol".into()));
    for who in ["alice", "bob"] {
        assert_eq!(members(&world, who), ["alice*", "bob*"], "{who}");
        assert_eq!(group(&world, who).name, "Climbing");
    }
    assert_eq!(
        rows(&world, "alice")[3..],
        ["[me role bob true]", "[bob renamed Climbing]", "[bob removed carol]"]
    );
    let list = world.view("alice").conversations;
    let row = list.iter().find(|row| row.handle == at).unwrap();
    assert_eq!(row.group.as_ref().unwrap().name, "Climbing");
}

#[test]
fn a_group_from_a_stranger_is_a_request() {
    let mut world = people(5, &["alice", "bob"]);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    let row =
        |world: &World| world.view("bob").conversations.into_iter().find(|row| row.handle == at).unwrap();
    let request = row(&world);
    assert!(request.request && request.group.unwrap().added_by.as_deref() == Some("alice"));
    world.send("alice", &at, "hello");
    world.run(2_000);
    assert_eq!(texts(&world, "bob"), ["alice: hello"], "a request is readable");
    change(&mut world, "bob", &at, GroupChange::Accept);
    assert!(!row(&world).request && !world.thread("bob").request);

    let other = create(&mut world, "alice", "Spam", &["bob"]);
    change(&mut world, "bob", &other, GroupChange::Leave);
    world.run(5_000);
    assert!(world.view("bob").conversations.iter().all(|row| row.handle != other));
    assert_eq!(members(&world, "alice"), ["alice*"]);
}

#[test]
fn who_cannot_be_found_is_not_added() {
    let mut world = people(6, &["alice", "bob"]);
    world.ui(
        "alice",
        UiEvent::GroupCreated { name: "x".into(), members: vec!["bob".into(), "nobody".into()] },
    );
    world.run(2_000);
    let dialog = world.view("alice").new_group;
    assert!(
        matches!(dialog.error, Some(kez_client::view::Reason::UnknownHandle { .. })) && !dialog.busy,
        "{dialog:?}"
    );
    assert!(world.view("alice").conversations.is_empty());
    for (name, members) in [("", vec![]), ("x", vec!["alice".to_owned()]), ("x", vec!["b!".to_owned()])] {
        world.ui("alice", UiEvent::GroupCreated { name: name.into(), members });
        assert!(world.view("alice").new_group.error.is_some());
    }
    let at = create(&mut world, "alice", "Hiking", &[]);
    assert_eq!(rows(&world, "alice"), ["[me created]"]);
    change(&mut world, "alice", &at, GroupChange::Add("nobody".into()));
    assert!(group(&world, "alice").error.is_some());
    change(&mut world, "alice", &at, GroupChange::Add("bob".into()));
    assert_eq!((group(&world, "alice").error, members(&world, "alice").len()), (None, 2));
}

#[test]
fn key_packages_are_kept_up() {
    let mut world = people(7, &["alice", "bob"]);
    assert_eq!(world.relay.groups.unclaimed("bob"), [(40, true)]);
    for n in 0..27 {
        create(&mut world, "alice", &format!("group {n}"), &["bob"]);
    }
    assert_eq!(world.relay.groups.unclaimed("bob"), [(39, true)], "refilled below 15");
    // Without any, a member joins by itself.
    world.relay.groups.drop_packages("bob");
    world.browser("bob").unplugged = true;
    world.ui("alice", UiEvent::GroupDialogClosed);
    let at = create(&mut world, "alice", "late", &["bob"]);
    assert!(group(&world, "alice").incomplete, "nobody can read this for bob yet");
    world.browser("bob").unplugged = false;
    world.run(150_000);
    world.look("bob", &at);
    assert!(!group(&world, "alice").incomplete);
    world.send("alice", &at, "now");
    world.run(3_000);
    assert_eq!(texts(&world, "bob"), ["alice: now"]);
}

#[test]
fn who_was_offline_catches_up() {
    let (mut world, at) = three(8);
    world.browser("carol").unplugged = true;
    world.cut_streams();
    world.run(1_000);
    for n in 0..50 {
        world.send("alice", &at, &format!("{n}"));
        world.run(200);
    }
    world.run(5_000);
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    for n in 50..60 {
        world.send("bob", &at, &format!("{n}"));
        world.run(200);
    }
    world.send("carol", &at, "written offline");
    world.run(2_000);
    world.browser("carol").unplugged = false;
    world.run(180_000);
    scroll_up(&mut world, "carol", &at);
    let expected: Vec<String> =
        (0..60).map(|n| format!("{}: {n}", if n < 50 { "alice" } else { "bob" })).collect();
    let carol = texts(&world, "carol");
    let others: Vec<String> = carol.iter().filter(|row| !row.starts_with("me")).cloned().collect();
    assert_eq!(others, expected);
    assert_eq!(texts(&world, "alice").last().unwrap(), "carol: written offline");
    assert!(
        group(&world, "carol").stage == GroupStage::In
            && world.rows("carol").iter().all(|row| row.missing_before == 0)
    );
    assert_no_key_used_twice(&world);
}

#[test]
fn two_tabs_show_the_same_group() {
    let (mut world, at) = three(9);
    let looking = UiEvent::Looking { at: Some(at.clone()), visible: true };
    world.tab_ui("alice", "other", looking);
    world.send("bob", &at, "for both");
    world.run(2_000);
    for tab in ["tab", "other"] {
        let thread = world.tab_view("alice", tab).thread.unwrap();
        assert_eq!(row(thread.messages.last().unwrap()), "bob: for both");
    }
    let draft = UiEvent::DraftChanged { handle: at.clone(), text: "half".into() };
    world.ui("alice", draft);
    assert_eq!(world.tab_view("alice", "other").thread.unwrap().draft, "half");
    world.reload("alice");
    world.run(2_000);
    assert_eq!(world.thread("alice").draft, "half");
}

#[test]
fn groups_are_searched_and_exported() {
    let (mut world, at) = three(11);
    for who in ["alice", "carol"] {
        world.send(who, &at, &format!("the hut of {who}"));
        world.run(2_000);
    }
    for (text, within) in [("hut", None), ("hut", Some(at.clone()))] {
        world.ui("bob", UiEvent::SearchTyped { text: text.into(), within });
        world.run(1);
        let found = world.view("bob").search.unwrap();
        let hits: Vec<_> = found.hits.iter().map(|hit| (hit.handle.as_str(), hit.mine)).collect();
        assert_eq!(
            (found.done, hits.as_slice()),
            (true, [(at.as_str(), false), (at.as_str(), false)].as_slice())
        );
    }
    world.ui("bob", UiEvent::SearchTyped { text: "HIK".into(), within: None });
    world.run(1);
    assert_eq!(world.view("bob").search.unwrap().people, [at.as_str()]);

    world.ui("bob", UiEvent::ExportPressed);
    world.run(1_000);
    let (_, json) = world.browser("bob").downloads.remove(0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let [group] = json["groups"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&group["name"], format!("g/{}", group["gid"].as_str().unwrap())), (&"Hiking".into(), at));
    let said = group["messages"].as_array().unwrap().iter().filter(|message| message["kind"] == "text");
    let said = said.map(|message| (message["from"].as_str().unwrap(), message["text"].as_str().unwrap()));
    let expected = [("alice", "the hut of alice"), ("carol", "the hut of carol")];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn every_device_replaces_its_keys() {
    let (mut world, at) = three(10);
    let gid = at.strip_prefix("g/").unwrap().parse().unwrap();
    let commits = |world: &World| world.relay.groups.logs[&gid].observed.epoch;
    let before = commits(&world);
    world.run(70 * 60 * 1000);
    let after_an_hour = commits(&world);
    assert!((before + 2..=before + 6).contains(&after_an_hour), "Bob and Carol: {before}, {after_an_hour}");
    world.send("bob", &at, "with new keys");
    world.run(3_000);
    assert_eq!(texts(&world, "carol"), ["bob: with new keys"]);
    for who in THREE {
        world.reload(who);
    }
    world.run(70 * 60 * 1000);
    assert_eq!(commits(&world), after_an_hour, "not again within a week");
    assert_no_key_used_twice(&world);
}
