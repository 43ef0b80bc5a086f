//! Each browser is a device that the account's key history certifies: added without a question, visible to the owner and to contacts,
//! and removed for good.

use kez_client::event::UiEvent;
use kez_client::record::Kind;
use kez_client::view::{AccountView, ChainAlarm, DevicesView, Reason};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Body, Chain, Device, DeviceId};
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::restore::restore;
use crate::sigchains::{kinds, now};
use crate::sim::{BASE, World, problem};
use crate::two_people::alice_and_bob;

const PHONE: &str = "alice's phone";

fn devices(world: &World, who: &'static str) -> DevicesView {
    match world.view(who).account {
        AccountView::Open(me) => me.devices,
        other => panic!("not open: {other:?}"),
    }
}

/// The numbers of the devices; the one of this browser is marked.
fn list(world: &World, who: &'static str) -> Vec<String> {
    let rows = devices(world, who).rows;
    rows.iter().map(|row| format!("{}{}", row.number, if row.here { " here" } else { "" })).collect()
}

fn remove(world: &mut World, who: &'static str, number: u64) {
    let row = devices(world, who).rows.into_iter().find(|row| row.number == number).unwrap();
    world.ui(who, UiEvent::DeviceRemoved { device: row.id });
}

fn chain(world: &mut World, who: &'static str) -> Chain {
    let key = world.key(who).public().primary();
    world.relay.sigchains.of(&key)
}

/// Alice and Bob, who know each other, and Alice's second browser.
fn with_phone(chance: u64) -> World {
    let mut world = alice_and_bob(chance);
    world.send("alice", "bob", "one");
    world.run(1_000);
    world.send("bob", "alice", "two");
    world.run(1_000);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.look(PHONE, "bob");
    world.run(5_000);
    world
}

#[test]
fn a_new_account_begins_with_one_device() {
    let mut world = World::new(1);
    world.join("alice", "");
    for _ in 0..3 {
        let chain = chain(&mut world, "alice");
        let [certified] = chain.devices() else { panic!("{:?}", chain.devices()) };
        assert_eq!(certified.device.name.as_str(), "browser", "everybody can read it for ever");
        let years = (certified.device.expires_at.unix() - world.now / 1000) / (365 * 24 * 60 * 60);
        assert!((4..=5).contains(&years), "{years}");
        assert_ne!(certified.device.key.primary(), chain.primary());
        assert_eq!(list(&world, "alice"), ["1 here"]);
        world.reload("alice");
        world.run(2_000);
    }
    let root = chain(&mut world, "alice").root();
    let added = world.relay.sigchains.links(&root)[2].created_at().unix();
    assert_eq!(devices(&world, "alice").rows[0].added, added);
}

#[test]
fn an_account_of_the_first_edition_becomes_a_device_without_a_word() {
    let mut world = World::new(2);
    world.relay.intercept = Some(Box::new(|request| {
        let adds = request.body.as_ref().is_some_and(|body| body.contains("add_device"));
        (adds && request.target.starts_with(BASE)).then(|| problem(ProblemCode::Unavailable))
    }));
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    world.look("bob", "alice");
    for text in ["one", "two"] {
        world.send("bob", "alice", text);
        world.run(1_000);
        world.send("alice", "bob", text);
        world.run(1_000);
    }
    assert_eq!(list(&world, "alice"), [""; 0]);
    world.relay.intercept = None;
    world.run(120_000);
    assert_eq!(list(&world, "alice"), ["1 here"]);
    for text in ["three", "four"] {
        world.send("alice", "bob", text);
        world.run(1_000);
    }
    assert!(!world.texts("bob").iter().any(|text| text.contains("Device")), "{:?}", world.texts("bob"));
    assert_eq!((world.chain("alice").alarm, world.alarm("bob")), (None, None));
}

#[test]
fn another_browser_of_the_account_is_seen_by_its_owner_and_by_friends() {
    let mut world = with_phone(3);
    assert_eq!(list(&world, PHONE), ["1", "2 here"]);
    assert_eq!(list(&world, "alice"), ["1 here", "2"]);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::DeviceAdded), "at once");
    assert_eq!(world.chain(PHONE).alarm, None);
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    world.reload("alice");
    world.run(1_000);
    assert_eq!(world.chain("alice").alarm, None);

    for who in [PHONE, "alice"] {
        world.send(who, "bob", "from here");
        world.run(2_000);
    }
    let told = world.texts("bob").iter().filter(|text| text.contains("DeviceAdded")).count();
    assert_eq!(told, 1, "{:?}", world.texts("bob"));
    world.reload("bob");
    world.run(1_000);
    let told = world.texts("bob").iter().filter(|text| text.contains("DeviceAdded")).count();
    assert_eq!((told, world.view("bob").unread), (1, 0));
}

#[test]
fn a_removed_browser_stops_at_once_and_for_good() {
    let mut world = with_phone(4);
    world.send("bob", "alice", "for both");
    world.run(5_000);
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    remove(&mut world, "alice", 2);
    assert!(devices(&world, "alice").busy);
    world.run(2_000);
    assert_eq!(list(&world, "alice"), ["1 here"]);
    assert!(!devices(&world, "alice").busy && world.chain("alice").alarm.is_none());

    for _ in 0..2 {
        assert!(devices(&world, PHONE).removed);
        let posted = world.relay.groups.posted.len();
        world.send(PHONE, "bob", "still here?");
        assert_eq!(world.thread(PHONE).refused, Some(Reason::BrowserRemoved));
        world.send("bob", "alice", "for Alice");
        world.run(60_000);
        assert_eq!(world.relay.groups.posted.len(), posted + 1, "Bob's message");
        assert!(!world.texts(PHONE).contains(&"them: for Alice".to_owned()), "it receives nothing");
        world.reload(PHONE);
        world.run(2_000);
    }
    assert!(world.texts(PHONE).contains(&"them: for both".to_owned()), "what it had, it keeps");
    world.ui(PHONE, UiEvent::SignOutConfirmed);
    assert!(matches!(world.view(PHONE).account, AccountView::None { .. }));
    assert!(world.browser(PHONE).disk.is_empty());
    world.run(5_000);
    assert_eq!(
        kinds(&mut world, "alice"),
        ["init", "claim_handle", "add_device", "add_device", "revoke_device"]
    );
}

#[test]
fn signing_out_removes_the_device() {
    let mut world = with_phone(5);
    world.ui(PHONE, UiEvent::SignOutConfirmed);
    world.run(2_000);
    assert_eq!(list(&world, "alice"), ["1 here"]);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::DeviceAdded), "the graver of both");
    assert!(!devices(&world, "alice").removed);
}

#[test]
fn a_removal_without_further_news_raises_a_mild_alarm() {
    let mut world = with_phone(6);
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    world.run(1_000);
    world.ui(PHONE, UiEvent::SignOutConfirmed);
    // The other browser could have announced it.
    world.run(120_000);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::DeviceRemoved));
}

#[test]
fn a_removal_that_loses_the_race_is_made_again() {
    let mut world = with_phone(7);
    let alice = world.key("alice");
    let chain = world.relay.sigchains.of(&alice.public().primary());
    let faster = chain.draft(Body::SetCapabilities { min_version: 1 }, now(&world)).sign(&alice).unwrap();
    remove(&mut world, "alice", 2);
    world.relay.sigchains.append(&faster);
    world.run(120_000);
    assert_eq!(list(&world, "alice"), ["1 here"]);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::NotMine), "the foreign link is graver");
    assert!(devices(&world, PHONE).removed);
}

#[rstest]
fn a_crash_while_removing_neither_loses_nor_doubles_it(#[values(0, 1, 2, 3, 4, 5)] effects: usize) {
    let mut world = with_phone(8);
    world.browser("alice").dies_after = Some(effects);
    remove(&mut world, "alice", 2);
    world.run(60_000);
    world.browser("alice").dies_after = None;
    if list(&world, "alice").len() == 2 {
        // The browser died before anything was saved: Alice presses the button again.
        remove(&mut world, "alice", 2);
        world.run(10_000);
    }
    let revoked = kinds(&mut world, "alice").into_iter().filter(|kind| *kind == "revoke_device").count();
    assert_eq!((revoked, list(&world, "alice").len()), (1, 1));
}

#[test]
fn a_full_account_makes_room_before_it_takes_another_browser() {
    let mut world = alice_and_bob(9);
    let alice = world.key("alice");
    let mut chain = world.relay.sigchains.of(&alice.public().primary());
    for n in 0..19_u8 {
        let key = SecretIdentity::from_seed(Seed::from_bytes([n + 1; 32]));
        let device = Device {
            device: DeviceId::from_bytes([n; 16]),
            key: key.public(),
            name: "browser".parse().unwrap(),
            expires_at: Timestamp::from_unix(world.now / 1000 + 1_000_000),
        };
        let link = chain.draft(Body::AddDevice(device), now(&world)).sign_with_device(&alice, &key).unwrap();
        chain.append(&link).unwrap();
        world.relay.sigchains.append(&link);
    }
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(5_000);
    let view = devices(&world, PHONE);
    assert!(view.full && view.rows.len() == 20 && view.error.is_none(), "{view:?}");
    remove(&mut world, PHONE, 5);
    world.run(5_000);
    let view = devices(&world, PHONE);
    assert!(!view.full && view.rows.len() == 20 && view.rows.last().unwrap().here, "{view:?}");
}

#[test]
fn an_expired_device_gets_a_successor() {
    let mut world = World::new(10);
    world.join("alice", "");
    let old = devices(&world, "alice").rows[0].id.clone();
    world.now += 6 * 365 * 24 * 60 * 60 * 1000;
    world.reload("alice");
    world.run(10_000);
    let rows = devices(&world, "alice").rows;
    assert!(rows.iter().any(|row| row.here && row.id != old), "{rows:?}");
    assert!(!devices(&world, "alice").removed && world.chain("alice").alarm.is_none());
}

#[test]
fn the_key_of_a_device_never_leaves_its_browser() {
    let mut world = with_phone(11);
    let record = |world: &mut World, who| {
        let disk = &world.browser(who).disk;
        disk.iter().find(|((kind, _), _)| *kind == Kind::Device).map(|(_, value)| value.clone()).unwrap()
    };
    let (here, phone) = (record(&mut world, "alice"), record(&mut world, PHONE));
    // The record ends with the seed.
    let seed = here[here.len() - 32..].to_vec();
    assert_ne!(seed, phone[phone.len() - 32..].to_vec());
    assert!(!world.browser(PHONE).disk.values().any(|value| value.windows(32).any(|bytes| bytes == seed)));
}
