//! One's own browsers: those that have the recovery words, and those that act as their device alone.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::record::Kind;
use kez_client::view::{AccountView, ChainAlarm, DeliveryState, Me, Reason};
use kez_core::api::GroupKind;
use kez_core::caller_auth::CallerAuth;
use kez_core::sigchain::Body;
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::groups::{change, create, people, rows, texts};
use crate::restore::restore;
use crate::sim::World;

const PHONE: &str = "alice's phone";

fn me(world: &World, who: &'static str) -> Me {
    match world.view(who).account {
        AccountView::Open(me) => me,
        other => panic!("not open: {other:?}"),
    }
}

fn account<'a>(world: &'a mut World, who: &'static str) -> &'a mut Vec<u8> {
    world.browser(who).disk.get_mut(&(Kind::Account, "account".to_owned())).unwrap()
}

/// Alice's second browser, from whose storage the words are taken: only its device is left.
fn without_words(world: &mut World) {
    let words = world.words("alice");
    restore(world, PHONE, &words);
    world.run(3_000);
    let public = postcard::to_allocvec(&world.key("alice").public()).unwrap();
    let stored = account(world, PHONE);
    // The format, the kind of key, and the seed.
    let rest = stored.split_off(34);
    stored.truncate(1);
    stored.push(1);
    stored.extend(public);
    stored.extend(rest);
    world.reload(PHONE);
    world.run(3_000);
    assert!(!me(world, PHONE).has_words);
}

/// Alice with two browsers, one of them without words, and Bob in a group with her.
fn with_phone(chance: u64) -> (World, String) {
    let mut world = people(chance, &["alice", "bob"]);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    without_words(&mut world);
    world.look(PHONE, &at);
    world.run(3_000);
    (world, at)
}

#[test]
fn an_account_of_the_earlier_format_opens() {
    let mut world = people(1, &["alice"]);
    let words = world.words("alice");
    let stored = account(&mut world, "alice");
    assert_eq!(stored[..2], [3, 0]);
    stored.remove(1);
    stored[0] = 2;
    world.reload("alice");
    world.run(1_000);
    assert!(me(&world, "alice").has_words);
    assert_eq!(world.words("alice"), words);
}

#[test]
fn a_browser_without_words_writes_and_reads_in_groups() {
    let (mut world, at) = with_phone(2);
    world.send(PHONE, &at, "from the phone");
    world.run(2_000);
    world.send("bob", &at, "hello phone");
    world.run(2_000);
    world.send("alice", &at, "from the desk");
    world.run(2_000);
    assert_eq!(texts(&world, PHONE), ["me: from the phone", "bob: hello phone", "me: from the desk"]);
    assert_eq!(texts(&world, "alice"), texts(&world, PHONE));
    assert_eq!(texts(&world, "bob"), ["alice: from the phone", "me: hello phone", "alice: from the desk"]);
    world.reload(PHONE);
    world.run(3_000);
    assert_eq!(texts(&world, PHONE).len(), 3);
    let shown = me(&world, PHONE);
    assert_eq!((shown.unreadable, shown.phrase_confirmed), (0, true));
    world.ui(PHONE, UiEvent::PhraseShown);
    assert_eq!(me(&world, PHONE).phrase, None);
}

#[test]
fn a_browser_without_words_leaves_the_inbox_to_the_others() {
    let mut world = World::new(3);
    world.without_engine.push("bob");
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    world.run(3_000);
    without_words(&mut world);
    world.network("alice", false);
    world.look("bob", "alice");
    world.run(1_000);
    world.send("bob", "alice", "for the words");
    world.run(60_000);
    let view = world.view(PHONE);
    assert!(view.waiting.is_empty() && view.notice.is_none(), "{:?}", view.notice);
    assert_eq!(me(&world, PHONE).unreadable, 0);
    world.look(PHONE, "bob");
    world.run(1_000);
    // His chain may yet name a device. Once it was seen, it is clear that he reads envelopes only.
    world.send(PHONE, "bob", "sealed with what?");
    world.run(2_000);
    assert_eq!(world.states(PHONE), [DeliveryState::Failed]);
    world.send(PHONE, "bob", "with nothing");
    assert_eq!(world.thread(PHONE).refused, Some(Reason::NoWords));
    assert_eq!(world.states(PHONE), [DeliveryState::Failed]);
    world.network("alice", true);
    world.look("alice", "bob");
    world.run(10_000);
    assert_eq!(world.texts("alice"), ["them: for the words"], "the phone has acknowledged nothing");
    assert_eq!(world.texts(PHONE), ["me: sealed with what?", "them: for the words"], "it has got a copy");
}

#[test]
fn a_browser_without_words_writes_over_mls() {
    let mut world = people(4, &["alice", "bob"]);
    without_words(&mut world);
    world.network("alice", false);
    world.look(PHONE, "bob");
    world.run(1_000);
    world.send(PHONE, "bob", "from the phone");
    world.run(5_000);
    world.look("bob", "alice");
    world.run(1_000);
    world.send("bob", "alice", "to the phone");
    world.run(5_000);
    assert_eq!(world.texts(PHONE), ["me: from the phone", "them: to the phone"]);
    world.network("alice", true);
    world.look("alice", "bob");
    world.run(60_000);
    assert_eq!(world.texts("alice").last().unwrap(), "them: to the phone");
}

#[test]
fn every_request_of_a_browser_without_words_is_signed_by_its_device() {
    let (mut world, at) = with_phone(4);
    world.network("alice", false);
    world.network("bob", false);
    world.relay.nats_ws_url = Some("wss://broker".to_owned());
    world.relay.intercept = Some(Box::new(|request| {
        let auth = request.auth.as_ref().map(|auth| CallerAuth::parse(auth).expect("a caller"));
        assert!(auth.is_none_or(|auth| auth.device().is_some()), "{}", request.target);
        assert!(!request.target.ends_with("nats-keys"), "only the account's key binds an nkey");
        None
    }));
    world.reload(PHONE);
    world.run(60_000);
    world.network(PHONE, false);
    world.network(PHONE, true);
    world.send(PHONE, &at, "signed by the device");
    world.ui(PHONE, UiEvent::BlockPressed { handle: "bob".into() });
    world.ui(PHONE, UiEvent::ExportPressed);
    world.run(60_000);
    assert_eq!(texts(&world, PHONE), ["me: signed by the device"]);
    assert_eq!(world.browser(PHONE).downloads.len(), 1);
    world.ui(PHONE, UiEvent::DeletionConfirmed);
    world.run(2_000);
    assert!(matches!(world.view(PHONE).notice, Some(notice) if notice.what == Reason::NoWords));
}

#[test]
fn a_change_of_the_key_leaves_a_browser_without_words_as_it_is() {
    let (mut world, at) = with_phone(5);
    let phrase = world.rotation_words("alice");
    world.ui("alice", UiEvent::KeyChangeSubmitted { phrase: kez_client::secret::Secret::new(phrase) });
    world.run(10_000);
    for _ in 0..2 {
        let key = world.key("alice").public().to_string();
        let shown = me(&world, PHONE);
        assert_eq!((shown.primary, shown.chain.replaced), (key, false));
        world.send(PHONE, &at, "still here");
        world.run(3_000);
        world.reload(PHONE);
        world.run(3_000);
    }
    assert_eq!(texts(&world, "bob"), ["alice: still here"; 2]);
}

#[test]
fn a_browser_without_words_removes_another_one_and_itself() {
    let (mut world, _) = with_phone(6);
    let words = world.words("alice");
    restore(&mut world, "lost", &words);
    world.run(3_000);
    let lost = me(&world, PHONE).devices.rows.into_iter().find(|row| row.number == 3).unwrap();
    world.ui(PHONE, UiEvent::DeviceRemoved { device: lost.id });
    world.run(3_000);
    assert!(me(&world, "lost").devices.removed);
    world.ui(PHONE, UiEvent::SignOutConfirmed);
    world.run(3_000);
    assert!(world.browser(PHONE).disk.is_empty());
    let left: Vec<u64> = me(&world, "alice").devices.rows.iter().map(|row| row.number).collect();
    assert_eq!(left, [1]);
}

#[test]
fn a_removed_browser_without_words_is_out_at_once() {
    let (mut world, at) = with_phone(7);
    let phone = me(&world, "alice").devices.rows.into_iter().find(|row| row.number == 2).unwrap();
    world.ui("alice", UiEvent::DeviceRemoved { device: phone.id });
    world.run(3_000);
    assert!(me(&world, PHONE).devices.removed);
    world.send("bob", &at, "without the phone");
    world.run(3_000);
    assert!(!rows(&world, PHONE).contains(&"bob: without the phone".to_owned()));
    assert_eq!(texts(&world, "alice"), ["bob: without the phone"]);
}

/// Alice with two browsers that have the words, and Bob, whom both know.
fn with_desk_and_phone(chance: u64) -> World {
    let mut world = people(chance, &["alice", "bob"]);
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "hello");
    world.run(2_000);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.look(PHONE, "bob");
    world.run(10_000);
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    world
}

/// What a browser calls the devices, in their order.
fn names(world: &World, who: &'static str) -> Vec<String> {
    me(world, who).devices.rows.into_iter().map(|row| row.name).collect()
}

/// The groups of devices on the relay.
fn own_groups(world: &World) -> Vec<usize> {
    let own = world.relay.groups.logs.values().filter(|log| log.kind == GroupKind::Own);
    let mut leaves: Vec<usize> = own.map(|log| log.observed.leaves.len()).collect();
    leaves.sort_unstable();
    leaves
}

#[test]
fn each_account_has_one_group_of_devices_that_no_one_sees() {
    let mut world = with_desk_and_phone(8);
    assert_eq!(own_groups(&world), [1, 2]);
    for who in ["alice", PHONE, "bob"] {
        let listed = world.view(who).conversations;
        assert!(listed.iter().all(|row| row.group.is_none()), "{listed:?}");
        let gids: Vec<String> = world.relay.groups.logs.keys().map(ToString::to_string).collect();
        for gid in gids {
            world.look(who, &format!("g/{gid}"));
            assert!(world.view(who).thread.is_none_or(|thread| thread.group.is_none()));
        }
        assert_eq!(world.view(who).unread, 0);
        world.reload(who);
        world.run(5_000);
    }
    assert_eq!(own_groups(&world), [1, 2], "none is created anew");
}

#[test]
fn two_browsers_that_begin_together_share_one_group_of_devices() {
    let mut world = World::new(9);
    world.join("alice", "");
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(3_000);
    // Neither has an engine yet. Now both get one.
    let seals = Some(Default::default());
    for who in ["alice", PHONE] {
        world.browser(who).seals.clone_from(&seals);
        world.reload(who);
    }
    world.run(20_000);
    assert_eq!(own_groups(&world), [2]);
    rename(&mut world, "alice", 1, "Desk");
    assert_eq!(names(&world, PHONE), ["Desk", ""]);
}

fn rename(world: &mut World, who: &'static str, number: u64, name: &str) {
    let row = me(world, who).devices.rows.into_iter().find(|row| row.number == number).unwrap();
    world.ui(who, UiEvent::DeviceRenamed { device: row.id, name: name.into() });
    world.run(2_000);
}

#[test]
fn names_of_devices_reach_the_other_browsers_and_no_one_else() {
    let mut world = with_desk_and_phone(10);
    rename(&mut world, "alice", 1, "  My desk\n");
    rename(&mut world, PHONE, 2, "Phone");
    for who in ["alice", PHONE] {
        assert_eq!(names(&world, who), ["My desk", "Phone"]);
        world.reload(who);
        world.run(3_000);
        assert_eq!(names(&world, who), ["My desk", "Phone"]);
    }
    rename(&mut world, PHONE, 2, "");
    assert_eq!(names(&world, "alice"), ["My desk", ""]);
    let root = world.key("alice").public().primary();
    assert!(world.relay.sigchains.links(&root).iter().all(|link| !link.json().contains("My desk")));
    let words = world.words("alice");
    restore(&mut world, "third", &words);
    world.run(10_000);
    assert_eq!(names(&world, "third"), ["My desk", "", ""], "a newcomer is told");
}

#[test]
fn decisions_about_people_are_followed() {
    let mut world = with_desk_and_phone(11);
    let primary = world.shown_key(PHONE);
    world.ui(
        PHONE,
        UiEvent::VerifiedChanged { handle: "bob".into(), primary: primary.clone(), verified: true },
    );
    world.run(2_000);
    world.look("alice", "bob");
    assert!(world.thread("alice").verified);
    world.ui("alice", UiEvent::VerifiedChanged { handle: "bob".into(), primary, verified: false });
    world.run(2_000);
    assert!(!world.thread(PHONE).verified);
    world.ui(PHONE, UiEvent::BlockPressed { handle: "bob".into() });
    world.run(2_000);
    assert_eq!(world.view("alice").blocked.len(), 1);
    world.ui("alice", UiEvent::UnblockPressed { handle: "bob".into() });
    world.run(2_000);
    assert!(world.view(PHONE).blocked.is_empty() && world.view("alice").blocked.is_empty());
    let posted = world.relay.groups.posted.len();
    world.run(60_000);
    assert_eq!(world.relay.groups.posted.len(), posted, "no one answers what was followed");
}

#[test]
fn what_was_read_in_one_browser_is_read_in_the_other() {
    let mut world = with_desk_and_phone(12);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    world.tab_ui("alice", "tab", UiEvent::Looking { at: None, visible: true });
    world.run(5_000);
    for text in ["one", "two"] {
        world.send("bob", &at, text);
        world.run(2_000);
    }
    assert_eq!((world.view("alice").unread, world.view(PHONE).unread), (2, 2));
    world.look(PHONE, &at);
    world.run(5_000);
    assert_eq!((world.view("alice").unread, world.view(PHONE).unread), (0, 0));
    world.reload("alice");
    world.run(2_000);
    assert_eq!(world.view("alice").unread, 0);
    // The mark may come before the message.
    world.network("alice", false);
    world.send("bob", &at, "three");
    world.run(5_000);
    assert_eq!((world.view("alice").unread, world.view(PHONE).unread), (0, 0));
    world.network("alice", true);
    world.run(10_000);
    world.tab_ui("alice", "tab", UiEvent::Looking { at: Some(at), visible: false });
    assert_eq!((world.view("alice").unread, texts(&world, "alice").len()), (0, 3));
}

#[test]
fn a_group_that_one_browser_accepts_is_accepted_in_the_other() {
    let mut world = with_desk_and_phone(13);
    world.join("carol", "");
    let at = create(&mut world, "carol", "Carol's", &["alice"]);
    world.look(PHONE, &at);
    world.run(5_000);
    let asks = |world: &World, who| world.view(who).conversations.iter().filter(|row| row.request).count();
    assert_eq!((asks(&world, "alice"), asks(&world, PHONE)), (1, 1));
    change(&mut world, PHONE, &at, GroupChange::Accept);
    assert_eq!((asks(&world, "alice"), asks(&world, PHONE)), (0, 0));
}

#[test]
fn a_link_that_another_device_announces_is_no_alarm() {
    let mut world = with_desk_and_phone(14);
    let words = world.words("alice");
    restore(&mut world, "third", &words);
    world.run(20_000);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::DeviceAdded), "no device can announce itself");
    for who in ["alice", PHONE] {
        world.ui(who, UiEvent::OwnChainAlarmDismissed);
    }
    let third = me(&world, PHONE).devices.rows.into_iter().find(|row| row.number == 3).unwrap();
    world.ui(PHONE, UiEvent::DeviceRemoved { device: third.id });
    world.run(60_000);
    assert_eq!((world.chain("alice").alarm, world.chain(PHONE).alarm), (None, None));
    assert_eq!(me(&world, "alice").devices.rows.len(), 2);
}

#[test]
fn a_link_that_no_device_announces_is_an_alarm_soon() {
    let mut world = with_desk_and_phone(15);
    let alice = world.key("alice");
    let chain = world.relay.sigchains.of(&alice.public().primary());
    let now = Timestamp::from_unix(world.now / 1000);
    let link = chain.draft(Body::SetCapabilities { min_version: 1 }, now).sign(&alice).unwrap();
    world.relay.sigchains.append(&link);
    world.push_to_streams();
    world.run(5_000);
    assert_eq!(world.chain("alice").alarm, None, "it may still be announced");
    world.reload("alice");
    world.run(20_000);
    assert_eq!(world.chain("alice").alarm, Some(ChainAlarm::NotMine), "the wait survives a restart");
    assert_eq!(world.chain(PHONE).alarm, Some(ChainAlarm::NotMine));
}

/// The words add a browser when no other one is left: its device was lost, or was removed by signing out.
#[rstest]
fn the_words_bring_the_account_back_when_no_device_is_left(#[values(false, true)] signed_out: bool) {
    let mut world = people(16, &["alice", "bob"]);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    let words = world.words("alice");
    if signed_out {
        world.ui("alice", UiEvent::SignOutConfirmed);
        world.run(3_000);
    } else {
        world.network("alice", false);
    }
    restore(&mut world, PHONE, &words);
    world.run(10_000);
    world.look(PHONE, &at);
    world.send(PHONE, &at, "back again");
    world.run(3_000);
    world.send("bob", &at, "welcome");
    world.run(3_000);
    assert_eq!(texts(&world, PHONE), ["me: back again", "bob: welcome"]);
    assert_eq!(texts(&world, "bob"), ["alice: back again", "me: welcome"]);
    rename(&mut world, PHONE, 2, "Phone");
    let listed = me(&world, PHONE).devices.rows;
    assert_eq!(listed.len(), if signed_out { 1 } else { 2 }, "the lost one stays until it is removed");
    if !signed_out {
        world.ui(PHONE, UiEvent::DeviceRemoved { device: listed[0].id.clone() });
        world.run(5_000);
    }
    assert_eq!((names(&world, PHONE), own_groups(&world)), (vec!["Phone".to_owned()], vec![1, 1]));
}
