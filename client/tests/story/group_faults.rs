//! Groups when something fails: tabs die, answers get lost, commits race, storage is old, a server lies.

use kez_client::effect::Method;
use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{DeliveryState, GroupStage, Reason};
use kez_core::group_item::{Body, GroupItem};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{self, Device, DeviceId};
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::groups::{
    assert_no_key_used_twice, change, create, group, members, people, rows, scroll_up, texts, three,
};
use crate::restore::restore;
use crate::sigchains::now;
use crate::sim::{Weather, World};

const PHONE: &str = "alice's phone";

/// How often a text is on the screen of someone.
fn count(world: &World, who: &'static str, text: &str) -> usize {
    texts(world, who).iter().filter(|row| row.ends_with(text)).count()
}

#[rstest]
fn a_send_that_dies_anywhere_arrives_once(
    #[values(0, 1, 2, 3, 4, 5, 6, 7)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
) {
    for seed in 0..20 {
        let (mut world, at) = three(100 + seed);
        world.weather.answer_lost = if answers_are_lost { 60 } else { 0 };
        world.browser("alice").dies_after = Some(effects);
        world.send("alice", &at, "while it dies");
        world.run(1_000 + seed * 37);
        world.browser("alice").dies_after = None;
        world.weather.answer_lost = 0;
        world.reload("alice");
        world.run(60_000);
        let accepted = count(&world, "alice", ": while it dies");
        assert!(accepted == 1 || effects == 0, "the message is stored");
        for who in ["bob", "carol"] {
            assert_eq!(count(&world, who, ": while it dies"), accepted, "{who}, seed {seed}");
        }
        assert!(world.states("alice").iter().all(|state| *state != DeliveryState::Sending));
        world.send("alice", &at, "after");
        world.run(3_000);
        assert_eq!(count(&world, "carol", ": after"), 1);
        assert!(!rows(&world, "alice").contains(&"[rejoined]".to_owned()));
        assert_no_key_used_twice(&world);
    }
}

#[rstest]
fn a_commit_that_dies_anywhere_is_made_once(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
) {
    for seed in 0..20 {
        let mut world = people(200 + seed, &["alice", "bob", "carol"]);
        let at = create(&mut world, "alice", "Hiking", &["bob"]);
        world.weather.answer_lost = if answers_are_lost { 60 } else { 0 };
        world.browser("alice").dies_after = Some(effects);
        change(&mut world, "alice", &at, GroupChange::Add("carol".into()));
        world.browser("alice").dies_after = None;
        world.weather.answer_lost = 0;
        world.reload("alice");
        world.run(60_000);
        if members(&world, "alice").len() == 2 {
            // The browser died before the wish was stored.
            change(&mut world, "alice", &at, GroupChange::Add("carol".into()));
        }
        world.look("carol", &at);
        world.run(3_000);
        for who in ["alice", "bob", "carol"] {
            assert_eq!(members(&world, who), ["alice*", "bob", "carol"], "{who}, seed {seed}");
            assert_eq!(group(&world, who).number, group(&world, "alice").number);
            let added = rows(&world, who).iter().filter(|row| row.contains("added carol")).count();
            assert_eq!(added, usize::from(who != "carol"));
        }
        world.send("carol", &at, "here");
        world.run(3_000);
        assert_eq!((count(&world, "alice", ": here"), count(&world, "bob", ": here")), (1, 1));
        assert!(!rows(&world, "alice").contains(&"[rejoined]".to_owned()));
        assert_no_key_used_twice(&world);
    }
}

#[rstest]
fn changes_at_once_are_all_made(#[values(1, 2, 3, 4, 5)] seed: u64) {
    let mut world = people(300 + seed, &["alice", "bob", "carol", "dave", "erin", "frank"]);
    let at = create(&mut world, "alice", "Hiking", &["bob", "carol"]);
    for who in ["bob", "carol"] {
        change(&mut world, "alice", &at, GroupChange::Promote(who.into()));
    }
    let gid = at.strip_prefix("g/").unwrap().to_owned();
    for (who, new) in [("alice", "dave"), ("bob", "erin"), ("carol", "frank")] {
        let change = GroupChange::Add(new.into());
        world.ui(who, UiEvent::GroupChanged { gid: gid.clone(), change });
        world.send(who, &at, &format!("by {who}"));
    }
    world.run(60_000);
    for who in ["dave", "erin", "frank"] {
        world.look(who, &at);
    }
    world.run(1_000);
    let number = group(&world, "alice").number;
    for who in ["alice", "bob", "carol", "dave", "erin", "frank"] {
        assert_eq!(members(&world, who).len(), 6, "{who}");
        assert_eq!((group(&world, who).number, group(&world, who).stage), (number.clone(), GroupStage::In));
        assert!(!rows(&world, who).contains(&"[rejoined]".to_owned()));
    }
    for who in ["alice", "bob", "carol"] {
        for by in ["alice", "bob", "carol"] {
            assert_eq!(count(&world, who, &format!(": by {by}")), 1, "{who} {by}");
        }
    }
    assert_no_key_used_twice(&world);
}

#[rstest]
fn bad_weather_loses_doubles_and_reorders_nothing(#[values(1, 2, 3)] seed: u64) {
    let (mut world, at) = three(400 + seed);
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
        for who in ["alice", "bob", "carol"] {
            world.send(who, &at, &format!("{who} {n}"));
            world.run(150);
        }
        match n {
            3 => change(&mut world, "alice", &at, GroupChange::Promote("bob".into())),
            6 => change(&mut world, "bob", &at, GroupChange::Rename("Climbing".into())),
            8 => world.reload("carol"),
            _ => {}
        }
    }
    world.weather = Weather { delay: 20, ..Weather::default() };
    world.run(200_000);
    for who in ["alice", "bob", "carol"] {
        scroll_up(&mut world, who, &at);
        for by in ["alice", "bob", "carol"] {
            let name = if who == by { "me" } else { by };
            let got: Vec<String> =
                texts(&world, who).into_iter().filter(|row| row.starts_with(&format!("{name}: "))).collect();
            let sent: Vec<String> = (0..10).map(|n| format!("{name}: {by} {n}")).collect();
            assert_eq!(got, sent, "{who} {by}");
        }
        assert_eq!(group(&world, who).name, "Climbing");
        assert!(world.rows(who).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain), "{who}");
    }
    assert_no_key_used_twice(&world);
}

#[test]
fn an_old_copy_of_the_storage_joins_anew_and_sends_nothing_under_old_keys() {
    let (mut world, at) = three(11);
    world.send("alice", &at, "one");
    world.run(2_000);
    let copy = world.browser("alice").disk.clone();
    for text in ["two", "three"] {
        world.send("alice", &at, text);
        world.run(2_000);
    }
    world.browser("alice").disk = copy;
    world.reload("alice");
    world.send("alice", &at, "four");
    world.run(60_000);
    assert!(rows(&world, "alice").contains(&"[rejoined]".to_owned()), "{:?}", rows(&world, "alice"));
    for who in ["bob", "carol"] {
        assert_eq!(texts(&world, who), ["alice: one", "alice: two", "alice: three", "alice: four"], "{who}");
        assert_eq!(group(&world, who).number, group(&world, "alice").number);
    }
    world.send("bob", &at, "five");
    world.run(3_000);
    assert_eq!(texts(&world, "alice").last().unwrap(), "bob: five");
    assert_no_key_used_twice(&world);
}

#[test]
fn an_old_copy_from_before_a_commit_of_its_own_joins_anew() {
    let (mut world, at) = three(12);
    let copy = world.browser("alice").disk.clone();
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    world.browser("alice").disk = copy;
    world.reload("alice");
    world.run(60_000);
    assert_eq!(members(&world, "alice"), ["alice*", "bob*", "carol"]);
    world.send("alice", &at, "still here");
    world.run(3_000);
    assert_eq!(texts(&world, "bob"), ["alice: still here"]);
    assert_no_key_used_twice(&world);
}

#[test]
fn a_lost_state_joins_anew() {
    let (mut world, at) = three(13);
    world.browser("carol").disk.retain(|(kind, _), _| *kind != kez_client::record::Kind::State);
    world.reload("carol");
    world.run(60_000);
    world.send("alice", &at, "to carol");
    world.send("carol", &at, "from carol");
    world.run(3_000);
    assert_eq!(count(&world, "carol", ": to carol") + count(&world, "alice", ": from carol"), 2);
}

#[test]
fn another_browser_of_a_member_joins_by_itself() {
    let (mut world, at) = three(14);
    world.send("bob", &at, "before the phone");
    world.run(2_000);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    world.look(PHONE, &at);
    assert_eq!(members(&world, PHONE), ["alice*", "bob", "carol"]);
    assert_eq!(group(&world, PHONE).name, "Hiking");
    for (who, text) in [("bob", "to both"), (PHONE, "from the phone"), ("alice", "from here")] {
        world.send(who, &at, text);
        world.run(3_000);
    }
    assert_eq!(texts(&world, PHONE), ["bob: to both", "me: from the phone", "me: from here"]);
    assert_eq!(texts(&world, "alice")[1..], ["bob: to both", "me: from the phone", "me: from here"]);
    assert_eq!(texts(&world, "carol")[1..], ["bob: to both", "alice: from the phone", "alice: from here"]);
    assert!(rows(&world, "bob").contains(&"[device of alice]".to_owned()), "{:?}", rows(&world, "bob"));
    assert_no_key_used_twice(&world);
}

#[test]
fn a_revoked_device_is_removed_before_any_member_sends_again() {
    let (mut world, at) = three(15);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    world.look(PHONE, &at);
    let devices = |world: &World, who| {
        group(world, who).members.iter().find(|member| member.handle == "alice").unwrap().devices
    };
    assert_eq!(devices(&world, "bob"), 2);
    let kez_client::view::AccountView::Open(me) = world.view("alice").account else { panic!("not open") };
    let phone = me.devices.rows.into_iter().find(|row| !row.here).unwrap();
    world.ui("alice", UiEvent::DeviceRemoved { device: phone.id });
    world.run(500);
    world.send("alice", &at, "without the phone");
    world.run(10_000);
    for who in ["alice", "bob", "carol"] {
        assert_eq!(devices(&world, who), 1, "{who}");
    }
    assert_eq!(count(&world, "bob", ": without the phone"), 1);
    assert_eq!(count(&world, PHONE, ": without the phone"), 0);
}

#[test]
fn a_device_that_no_chain_knows_stops_the_group() {
    let (mut world, at) = three(16);
    // The server shows Bob a chain of Alice without her phone.
    let alice = world.key("alice").public().primary();
    let length = world.relay.sigchains.links(&alice).len();
    world.relay.script = Some(Box::new(move |request, mut response| {
        if request.target == "/v1/people" && response.status == 200 {
            let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            for person in body["people"].as_array_mut().unwrap() {
                if person["handle"] == "alice" && person["length"].as_u64().unwrap() as usize > length {
                    let asked: serde_json::Value =
                        serde_json::from_str(request.body.as_ref().unwrap()).unwrap();
                    let known =
                        asked["roots"].as_object().unwrap().values().next().unwrap().as_u64().unwrap();
                    let links = person["links"].as_array_mut().unwrap();
                    links.truncate(length.saturating_sub(known as usize));
                    person["length"] = length.into();
                    person.as_object_mut().unwrap().remove("head");
                }
            }
            response.body = serde_json::to_vec(&body).unwrap();
        }
        response
    }));
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(150_000);
    for who in ["bob", "carol"] {
        assert_eq!(group(&world, who).stage, GroupStage::Broken(Reason::UnknownDevice), "{who}");
        let posted = world.relay.groups.posted.len();
        world.send(who, &at, "to a ghost");
        world.run(3_000);
        assert_eq!(world.relay.groups.posted.len(), posted);
        assert_eq!(world.thread(who).refused, Some(Reason::UnknownDevice));
        // A new start tries it again, in vain.
        world.reload(who);
        world.look(who, &at);
        world.run(10_000);
        assert_eq!(group(&world, who).stage, GroupStage::Broken(Reason::UnknownDevice), "{who}");
        assert_eq!(world.relay.groups.posted.len(), posted);
    }
    world.relay.script = None;
    world.reload("bob");
    world.ui("carol", UiEvent::TryAgainPressed { handle: at.clone() });
    world.run(10_000);
    for who in ["bob", "carol"] {
        world.look(who, &at);
        world.send(who, &at, &format!("from {who}"));
        world.run(3_000);
        assert_eq!(count(&world, "alice", &format!(": from {who}")), 1);
    }
}

#[test]
fn withheld_commits_are_noticed() {
    let (mut world, at) = three(17);
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    world.relay.groups.withholds = true;
    change(&mut world, "alice", &at, GroupChange::Remove("carol".into()));
    change(&mut world, "bob", &at, GroupChange::Rename("x".into()));
    change(&mut world, "bob", &at, GroupChange::Promote("carol".into()));
    world.run(60_000);
    assert_eq!(group(&world, "bob").stage, GroupStage::Broken(Reason::CommitsWithheld));
    world.relay.groups.withholds = false;
    world.ui("bob", UiEvent::TryAgainPressed { handle: at.clone() });
    world.run(10_000);
    assert_eq!(members(&world, "bob"), ["alice*", "bob*"]);
    world.send("bob", &at, "again");
    world.run(3_000);
    assert_eq!(count(&world, "alice", ": again"), 1);
}

#[test]
fn a_device_of_another_key_is_never_added() {
    let mut world = people(18, &["alice", "bob"]);
    // Someone with Bob's key has certified a device whose key packages the server gives out; Bob's chain shows it.
    let bob = world.key("bob");
    let chain = world.relay.sigchains.of(&bob.public().primary());
    let ghost = SecretIdentity::from_seed(Seed::from_bytes([9; 32]));
    let device = Device {
        device: DeviceId::from_bytes([9; 16]),
        key: ghost.public(),
        name: "browser".parse().unwrap(),
        expires_at: Timestamp::from_unix(world.now / 1000 + 1_000_000),
    };
    let link =
        chain.draft(sigchain::Body::AddDevice(device), now(&world)).sign_with_device(&bob, &ghost).unwrap();
    world.relay.sigchains.append(&link);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    assert_eq!(group(&world, "alice").members[1].devices, 1, "it has no key package");
    world.send("alice", &at, "hello");
    world.run(3_000);
    assert_eq!(texts(&world, "bob"), ["alice: hello"]);
}

fn log_of<'a>(world: &'a mut World, at: &str) -> &'a mut crate::sim::Log {
    world.relay.groups.logs.get_mut(&at.strip_prefix("g/").unwrap().parse().unwrap()).unwrap()
}

/// All three write, and read each other, in the same state.
fn all_talk(world: &mut World, at: &str) {
    for who in ["alice", "bob", "carol"] {
        world.send(who, at, &format!("{who} talks"));
        world.run(3_000);
        for reader in ["alice", "bob", "carol"] {
            assert_eq!(
                count(world, reader, &format!(": {who} talks")),
                1,
                "{reader}: {:?}",
                rows(world, reader)
            );
        }
    }
    assert_eq!(group(world, "carol").number, group(world, "alice").number);
    assert_no_key_used_twice(world);
}

/// A member was away for longer than the server keeps items.
#[rstest]
fn a_member_who_was_away_too_long_joins_anew(#[values(false, true)] with_commit: bool) {
    let (mut world, at) = three(15);
    world.send("alice", &at, "first");
    world.run(2_000);
    world.browser("carol").unplugged = true;
    world.cut_streams();
    world.send("alice", &at, "long ago");
    world.run(2_000);
    if with_commit {
        change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    }
    let log = log_of(&mut world, &at);
    log.deleted = log.items.len() as u64;
    world.send("alice", &at, "later");
    world.run(2_000);
    change(&mut world, "alice", &at, GroupChange::Promote("carol".into()));
    world.browser("carol").unplugged = false;
    world.run(240_000);
    assert_eq!(count(&world, "carol", ": long ago"), 0);
    if with_commit {
        assert!(rows(&world, "carol").contains(&"[rejoined]".to_owned()), "{:?}", rows(&world, "carol"));
    } else {
        let later = world.messages("carol").into_iter().find(|row| crate::sim::text(row).ends_with("later"));
        assert_eq!(later.unwrap().missing_before, 1, "the deleted message is missed");
    }
    all_talk(&mut world, &at);
}

#[test]
fn a_welcome_whose_package_is_gone_is_replaced_by_a_commit_of_ones_own() {
    let mut world = people(16, &["alice", "bob", "carol"]);
    world.browser("carol").unplugged = true;
    world.cut_streams();
    let at = create(&mut world, "alice", "Hiking", &["bob", "carol"]);
    world.browser("carol").disk.retain(|(kind, _), _| *kind != kez_client::record::Kind::Package);
    world.browser("carol").unplugged = false;
    world.reload("carol");
    world.run(60_000);
    world.look("carol", &at);
    for who in ["bob", "carol"] {
        change(&mut world, who, &at, GroupChange::Accept);
    }
    all_talk(&mut world, &at);
}

#[test]
fn a_full_log_fails_the_message_with_that_reason() {
    let (mut world, at) = three(17);
    world.relay.intercept = Some(Box::new(|request| {
        let is_message = request.method == Method::Post && request.target.ends_with("/messages");
        is_message.then(|| crate::sim::problem(ProblemCode::InboxFull))
    }));
    world.send("alice", &at, "no room");
    world.run(20_000);
    let row = world.messages("alice").pop().unwrap();
    assert_eq!((row.state, row.error), (DeliveryState::Failed, Some(Reason::GroupFull)));
    world.relay.intercept = None;
    world.run(120_000);
    assert_eq!(count(&world, "bob", ": no room"), 1, "it goes on by itself once there is room");
    all_talk(&mut world, &at);
}

/// Makes all engines trap at the last message or commit of a group.
pub(crate) fn trap_at_the_last(world: &mut World, at: &str, is_commit: bool) {
    let items = log_of(world, at).items.iter().rev();
    let parsed = items.map(|item| GroupItem::parse(item.envelope.get().as_bytes().to_vec()).unwrap());
    let mls: Option<Vec<u8>> = parsed.into_iter().find_map(|item| match item.body() {
        Body::Message(post) if !is_commit => Some(post.mls.clone()),
        Body::Commit(post, _) if is_commit => Some(post.mls.clone()),
        _ => None,
    });
    world.seals.as_ref().unwrap().traps.borrow_mut().insert(mls.unwrap());
}

#[test]
fn a_message_at_which_the_engine_traps_is_a_row_that_cannot_be_read() {
    let (mut world, at) = three(18);
    world.browser("carol").unplugged = true;
    world.cut_streams();
    world.send("alice", &at, "before");
    world.run(2_000);
    world.send("alice", &at, "it traps");
    world.run(2_000);
    trap_at_the_last(&mut world, &at, false);
    world.send("alice", &at, "after");
    world.run(2_000);
    world.browser("carol").unplugged = false;
    world.run(120_000);
    let seen = rows(&world, "carol");
    assert!(!seen.contains(&"[rejoined]".to_owned()), "{seen:?}");
    let texts: Vec<&str> = seen.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!((texts[0], texts[2]), ("alice: after", "alice: before"));
    assert!(texts[1].contains("Undecryptable"), "{seen:?}");
    all_talk(&mut world, &at);
}

#[test]
fn a_commit_at_which_the_engine_traps_makes_one_join_anew() {
    let (mut world, at) = three(19);
    world.browser("carol").unplugged = true;
    world.cut_streams();
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    trap_at_the_last(&mut world, &at, true);
    world.browser("carol").unplugged = false;
    world.run(120_000);
    assert!(rows(&world, "carol").contains(&"[rejoined]".to_owned()), "{:?}", rows(&world, "carol"));
    all_talk(&mut world, &at);
}
