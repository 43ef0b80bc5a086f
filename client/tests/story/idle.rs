//! Devices that were not used for long are taken out of groups, and join by themselves when they come back.

use kez_client::event::GroupChange;
use kez_client::view::{AccountView, DeviceRow, GroupStage};
use kez_core::api::GroupKind;
use kez_core::time::Timestamp;

use crate::groups::{assert_no_key_used_twice, change, create, group, people, rows, texts, three};
use crate::restore::restore;
use crate::sim::World;

const PHONE: &str = "alice's phone";
const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;

/// Closes a browser.
fn close(world: &mut World, who: &'static str) {
    world.network(who, false);
    world.run(1_000);
    let browser = world.browser(who);
    // No answer wakes it any more.
    browser.life += 1;
    browser.timer = None;
}

/// Opens a closed browser.
fn open(world: &mut World, who: &'static str) {
    world.browser(who).unplugged = false;
    world.reload(who);
    world.run(60_000);
}

/// Days pass. Every sixth of them, and on the last one, the browsers that are open are used for two hours.
fn pass(world: &mut World, mut days: u64) {
    while days > 0 {
        let some = days.min(6);
        world.now += some * DAY - 2 * HOUR;
        world.run(2 * HOUR);
        days -= some;
    }
}

/// How many devices of an account are in a group, as someone sees it.
fn devices(world: &World, who: &'static str, account: &str) -> u64 {
    let members = group(world, who).members;
    members.iter().find(|member| member.handle == account).expect("in the policy").devices
}

/// The leaves of the only group of this kind.
fn leaves(world: &World, kind: GroupKind) -> usize {
    let mut logs = world.relay.groups.logs.values().filter(|log| log.kind == kind && log.members.len() < 3);
    logs.next().expect("such a group").observed.leaves.len()
}

/// The other browser of Alice, as her settings show it.
fn other_browser(world: &World, who: &'static str) -> DeviceRow {
    let AccountView::Open(me) = world.view(who).account else { panic!("not open") };
    me.devices.rows.into_iter().find(|row| !row.here).unwrap()
}

#[test]
fn an_admin_takes_out_a_device_that_was_idle_for_60_days() {
    let (mut world, at) = three(1);
    world.run(2 * HOUR);
    close(&mut world, "carol");
    pass(&mut world, 30);
    world.send("bob", &at, "after a month");
    pass(&mut world, 29);
    assert_eq!(devices(&world, "alice", "carol"), 1, "after 59 days");
    pass(&mut world, 1);
    let before = rows(&world, "alice");
    for who in ["alice", "bob"] {
        let view = group(&world, who);
        assert_eq!((devices(&world, who, "carol"), view.incomplete, view.error), (0, false, None), "{who}");
        assert_eq!(devices(&world, who, "bob"), 1, "an active device is never idle");
    }
    world.send("bob", &at, "without carol");
    world.run(3_000);

    open(&mut world, "carol");
    assert_eq!(devices(&world, "alice", "carol"), 1);
    for (who, text) in [("carol", "thanks"), ("alice", "welcome back")] {
        world.send(who, &at, text);
        world.run(3_000);
    }
    assert_eq!(group(&world, "carol").stage, GroupStage::In);
    let carol = rows(&world, "carol");
    assert_eq!(
        carol[1..],
        ["bob: after a month", "[rejoined]", "me: thanks", "alice: welcome back"],
        "a device that was taken out reads what follows"
    );
    let seen = ["bob: without carol", "carol: thanks", "me: welcome back"];
    assert_eq!(rows(&world, "alice")[before.len()..], seen, "nothing else happened");
    pass(&mut world, 59);
    assert_eq!(devices(&world, "bob", "carol"), 1);
    assert_no_key_used_twice(&world);
}

#[test]
fn a_member_takes_out_no_idle_device_of_another() {
    let (mut world, _) = three(2);
    world.run(2 * HOUR);
    for who in ["alice", "carol"] {
        close(&mut world, who);
    }
    pass(&mut world, 70);
    for account in ["alice", "bob", "carol"] {
        assert_eq!(devices(&world, "bob", account), 1);
    }
    // An admin who comes back is not idle any more, and takes out the one who is.
    open(&mut world, "alice");
    pass(&mut world, 1);
    assert_eq!((devices(&world, "bob", "alice"), devices(&world, "bob", "carol")), (1, 0));
}

/// Alice with two browsers, who writes with Bob and is a member of his group.
fn with_phone(chance: u64) -> (World, String) {
    let mut world = people(chance, &["alice", "bob"]);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    let at = create(&mut world, "bob", "Hiking", &["alice"]);
    change(&mut world, "alice", &at, GroupChange::Accept);
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "hello");
    world.run(2 * HOUR);
    world.look("alice", &at);
    (world, at)
}

#[test]
fn the_other_browser_of_an_account_takes_out_an_idle_one() {
    let (mut world, at) = with_phone(3);
    assert_eq!((leaves(&world, GroupKind::Direct), leaves(&world, GroupKind::Own)), (3, 2));
    for who in [PHONE, "bob"] {
        close(&mut world, who);
    }
    pass(&mut world, 59);
    assert_eq!((leaves(&world, GroupKind::Direct), leaves(&world, GroupKind::Own)), (3, 2));
    let seen = other_browser(&world, "alice").last_seen.expect("heard of");
    pass(&mut world, 2);
    // Bob has been idle for as long, but Alice is no admin of his group, and is to reach him in the group of two.
    assert_eq!((leaves(&world, GroupKind::Direct), leaves(&world, GroupKind::Own)), (2, 1));
    assert_eq!((devices(&world, "alice", "alice"), devices(&world, "alice", "bob")), (1, 1));
    assert_eq!(other_browser(&world, "alice").last_seen, Some(seen), "still known");

    world.send("alice", &at, "without the phone");
    world.look("alice", "bob");
    world.send("alice", "bob", "to bob alone");
    open(&mut world, "bob");
    open(&mut world, PHONE);
    world.run(60_000);
    assert_eq!((leaves(&world, GroupKind::Direct), leaves(&world, GroupKind::Own)), (3, 2));
    world.send("alice", "bob", "to the phone as well");
    world.run(3_000);
    world.look("bob", "alice");
    world.look(PHONE, "bob");
    assert_eq!(world.texts("bob").last().unwrap(), "them: to the phone as well");
    assert!(world.texts("bob").contains(&"them: to bob alone".to_owned()));
    assert_eq!(world.texts(PHONE).last().unwrap(), "me: to the phone as well");
    assert!(!world.texts(PHONE).contains(&"me: to bob alone".to_owned()));
    assert_eq!(other_browser(&world, "alice").last_seen.unwrap() / 86_400, world.now / DAY);
}

#[test]
fn who_was_away_for_longer_than_the_log_reaches_takes_no_one_for_idle() {
    let (mut world, at) = three(5);
    let gid = at.strip_prefix("g/").unwrap().parse().unwrap();
    world.run(2 * HOUR);
    close(&mut world, "alice");
    pass(&mut world, 70);
    let log = world.relay.groups.logs.get_mut(&gid).unwrap();
    let month_ago = Timestamp::from_unix((world.now - 30 * DAY) / 1000);
    log.deleted = log.items.iter().filter(|item| item.created_at < month_ago).count() as u64;
    open(&mut world, "alice");
    pass(&mut world, 1);
    assert_eq!(rows(&world, "alice").last().unwrap(), "[rejoined]");
    for who in ["bob", "carol"] {
        assert_eq!(rows(&world, who), ["[alice added me]"], "never taken out");
    }
}

#[test]
fn a_server_that_lies_about_times_causes_removals_that_heal() {
    let (mut world, at) = three(6);
    world.run(2 * HOUR);
    world.relay.groups.says_stored_at = Some(Timestamp::from_unix(world.now / 1000));
    pass(&mut world, 61);
    pass(&mut world, 30);
    let rejoined = |world: &World, who| rows(world, who).iter().filter(|row| *row == "[rejoined]").count();
    assert_eq!((rejoined(&world, "bob"), rejoined(&world, "carol")), (1, 1), "each of them once");
    for who in ["alice", "bob", "carol"] {
        assert_eq!((group(&world, who).stage, devices(&world, "alice", who)), (GroupStage::In, 1));
        world.send(who, &at, &format!("from {who}"));
        world.run(3_000);
    }
    assert_eq!(texts(&world, "carol"), ["alice: from alice", "bob: from bob", "me: from carol"]);
}

#[test]
fn the_settings_say_when_another_browser_was_last_seen() {
    let (mut world, at) = with_phone(7);
    pass(&mut world, 3);
    close(&mut world, PHONE);
    let seen = other_browser(&world, "alice").last_seen.expect("it has joined");
    assert!(seen * 1000 < world.now - 2 * DAY, "only used");
    pass(&mut world, 2);
    assert_eq!(other_browser(&world, "alice").last_seen, Some(seen));
    world.reload("alice");
    world.run(1_000);
    assert_eq!(other_browser(&world, "alice").last_seen, Some(seen));
    open(&mut world, PHONE);
    world.look(PHONE, &at);
    world.send(PHONE, &at, "from the phone");
    world.run(3_000);
    let seen = other_browser(&world, "alice").last_seen.unwrap();
    assert!(seen.abs_diff(world.now / 1000) < 10);
    let AccountView::Open(me) = world.view("alice").account else { panic!("not open") };
    assert_eq!(me.devices.rows.iter().find(|row| row.here).unwrap().last_seen, None);
}
