//! "Keep history for my recovery words": what came over MLS is there again in a browser that is restored from the words.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::record::Kind;
use kez_client::view::{AccountView, GroupStage, Me, MessageBody};
use kez_core::api::GroupKind;
use kez_core::content::{Archive, Chat, Content, MessageId, Past, What};
use kez_core::envelope;
use kez_core::identity::{Peer, Primary, SecretIdentity};
use kez_core::message::{Chain, plaintext};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::direct::get_engine;
use crate::group_faults::trap_at_the_last;
use crate::groups::{change, create, group, people, texts};
use crate::restore::restore;
use crate::rotation;
use crate::sim::World;

const PHONE: &str = "alice's phone";
const NEXT: &str = "alice's next browser";

fn me(world: &World, who: &'static str) -> Me {
    match world.view(who).account {
        AccountView::Open(me) => me,
        other => panic!("not open: {other:?}"),
    }
}

fn keep(world: &mut World, who: &'static str, on: bool) {
    world.ui(who, UiEvent::BackupChanged { on });
    world.run(3_000);
}

/// Alice and Bob have written to each other and in a group, over MLS.
fn with_messages(chance: u64) -> (World, String) {
    let mut world = people(chance, &["alice", "bob"]);
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    for (who, to, text) in
        [("alice", "bob", "hello"), ("bob", "alice", "hi"), ("alice", "bob", "how are you?")]
    {
        world.send(who, to, text);
        world.run(2_000);
    }
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    for (who, text) in [("alice", "who comes?"), ("bob", "I do")] {
        world.send(who, &at, text);
        world.run(2_000);
    }
    (world, at)
}

/// All messages in the inbox of Alice that are for herself.
fn to_herself(world: &World) -> usize {
    let root = world.relay.posted.iter().filter(|body| body.contains("\"to\":\"alice\""));
    root.count()
}

/// The old browser is gone for good, and another one is restored from the words.
fn restored(world: &mut World) {
    let words = world.words("alice");
    world.network("alice", false);
    world.run(1_000);
    restore(world, NEXT, &words);
    world.run(20_000);
}

const CHAT: [&str; 3] = ["me: hello", "them: hi", "me: how are you?"];
const GROUP: [&str; 2] = ["me: who comes?", "bob: I do"];

#[test]
fn a_restored_browser_has_what_was_kept() {
    let (mut world, at) = with_messages(1);
    assert_eq!(to_herself(&world), 0, "nothing is kept unless the user wants it");
    keep(&mut world, "alice", true);
    assert!(me(&world, "alice").devices.keeps_history);
    world.run(90_000);
    assert_eq!(to_herself(&world), 2, "an envelope for each conversation");
    // What comes later, within a minute, shares one envelope.
    for n in 0..5 {
        world.send("bob", "alice", &format!("later {n}"));
        world.run(2_000);
    }
    world.run(90_000);
    assert_eq!(to_herself(&world), 3);
    restored(&mut world);
    assert!(me(&world, NEXT).devices.keeps_history, "the choice is the account's");
    assert_eq!(world.view(NEXT).unread, 0);
    world.look(NEXT, "bob");
    world.run(1_000);
    let mut chat: Vec<String> = CHAT.map(str::to_owned).into();
    chat.extend((0..5).map(|n| format!("them: later {n}")));
    assert_eq!(world.texts(NEXT), chat);
    assert!(world.rows(NEXT).iter().all(|row| row.missing_before == 0 && !row.contradicts_chain));
    world.look(NEXT, &at);
    world.run(1_000);
    assert_eq!(texts(&world, NEXT), GROUP);
    assert_eq!(group(&world, NEXT).name, "Hiking");
    assert!(world.view(NEXT).conversations.iter().all(|row| !row.request));
    // The conversation goes on, also in the browser that was restored, and after a reload.
    for (who, text) in [("bob", "welcome back"), (NEXT, "thank you")] {
        world.send(who, &at, text);
        world.run(3_000);
    }
    world.reload(NEXT);
    world.run(5_000);
    let expected = ["me: who comes?", "bob: I do", "bob: welcome back", "me: thank you"];
    assert_eq!(texts(&world, NEXT), expected);
    // What was read from the inbox is not kept again.
    let before = to_herself(&world);
    world.run(120_000);
    assert_eq!(to_herself(&world), before + 1);
}

#[test]
fn a_first_message_that_came_while_the_user_was_away_is_kept() {
    let mut world = people(22, &["alice", "bob"]);
    world.network("alice", false);
    world.look("bob", "alice");
    world.run(1_000);
    world.send("bob", "alice", "hello");
    for _ in 0..48 {
        world.run(60 * 60 * 1000);
    }
    world.network("alice", true);
    world.run(20_000);
    world.look("alice", "bob");
    world.ui("alice", UiEvent::RequestAccepted { handle: "bob".into() });
    keep(&mut world, "alice", true);
    world.run(120_000);
    restored(&mut world);
    world.look(NEXT, "bob");
    world.run(10_000);
    assert_eq!(world.texts(NEXT), ["them: hello"]);
}

#[test]
fn without_the_setting_a_restored_browser_has_nothing_from_before() {
    let (mut world, at) = with_messages(2);
    keep(&mut world, "alice", true);
    keep(&mut world, "alice", false);
    assert!(!me(&world, "alice").devices.keeps_history);
    world.run(200_000);
    assert_eq!(to_herself(&world), 0);
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    assert!(texts(&world, NEXT).is_empty());
    assert!(!me(&world, NEXT).devices.keeps_history);
}

#[test]
fn thousands_of_messages_are_kept_in_order() {
    let (mut world, at) = with_messages(3);
    for n in 0..250 {
        world.send(["alice", "bob"][n % 2], &at, &format!("{n}"));
        world.run(100);
    }
    world.run(5_000);
    world.reload("alice");
    world.run(3_000);
    keep(&mut world, "alice", true);
    world.run(120_000);
    assert!((5..=8).contains(&to_herself(&world)), "{}", to_herself(&world));
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    world.ui(NEXT, UiEvent::OldestWanted { handle: at.clone() });
    world.run(1_000);
    let mut all = texts(&world, NEXT);
    while world.thread(NEXT).has_newer {
        world.ui(NEXT, UiEvent::NewerWanted { handle: at.clone() });
        world.run(1_000);
        let more = texts(&world, NEXT);
        let known = more.iter().position(|text| Some(text) == all.last()).unwrap();
        all.extend_from_slice(&more[known + 1..]);
    }
    let own = (0..250).map(|n| format!("{}: {n}", ["me", "bob"][n % 2]));
    let expected: Vec<String> = GROUP.map(str::to_owned).into_iter().chain(own).collect();
    assert_eq!(all, expected);
}

/// Alice restores a second browser while the first one goes on. Both have the words, and one is enough.
#[test]
fn two_browsers_with_words_keep_a_message_once() {
    let (mut world, at) = with_messages(4);
    keep(&mut world, "alice", true);
    world.run(90_000);
    let words = world.words("alice");
    restore(&mut world, PHONE, &words);
    world.run(10_000);
    let before = to_herself(&world);
    world.send("bob", &at, "for both");
    world.run(200_000);
    assert_eq!(to_herself(&world), before + 1);
    // When the first one is away, the other one does it.
    world.network("alice", false);
    world.send("bob", &at, "for one");
    world.run(200_000);
    assert_eq!(to_herself(&world), before + 2);
    keep(&mut world, PHONE, false);
    world.network("alice", true);
    world.run(10_000);
    assert!(!me(&world, "alice").devices.keeps_history, "the other browser follows");
}

#[test]
fn a_group_that_the_user_has_left_is_there_to_read() {
    let (mut world, at) = with_messages(5);
    keep(&mut world, "alice", true);
    world.run(90_000);
    change(&mut world, "alice", &at, GroupChange::Leave);
    world.run(10_000);
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    assert_eq!(texts(&world, NEXT), GROUP);
    assert_eq!(
        (group(&world, NEXT).name.as_str(), group(&world, NEXT).stage),
        ("Hiking", GroupStage::Removed)
    );
}

/// The tab dies at each step of keeping messages.
#[rstest]
fn a_crash_at_any_step_loses_nothing(
    #[values(1, 2, 3, 4, 5, 6, 7, 8)] effects: usize,
    #[values(false, true)] answers_are_lost: bool,
) {
    let (mut world, at) = with_messages(600 + effects as u64);
    world.ui("alice", UiEvent::BackupChanged { on: true });
    world.run(58_000);
    world.browser("alice").dies_after = Some(effects);
    world.weather.answer_lost = if answers_are_lost { 100 } else { 0 };
    world.run(10_000);
    world.weather.answer_lost = 0;
    world.browser("alice").dies_after = None;
    world.reload("alice");
    world.run(90_000);
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    assert_eq!(texts(&world, NEXT), GROUP);
    world.look(NEXT, "bob");
    world.run(1_000);
    assert_eq!(world.texts(NEXT), CHAT);
}

/// Seals a content from one person's key to another's.
fn sealed(world: &mut World, from: &SecretIdentity, to: &SecretIdentity, what: What) -> String {
    let now = Timestamp::from_unix(world.now / 1000);
    let id: MessageId = "01JE".parse().unwrap();
    let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
    let peer = Peer::new(from, to.public()).unwrap();
    let plaintext = plaintext(&Content { id, sent_at: Some(now), what }, &chain, &Heads::new());
    envelope::seal(from, &peer, &plaintext, now, &mut world.rng).unwrap().json
}

/// The account gets an archive that someone with this key has sealed.
fn deliver(world: &mut World, from: &SecretIdentity, archive: Archive) {
    let alice = world.key("alice");
    let envelope = sealed(world, from, &alice, What::Archive(archive));
    world.relay.append("alice", &envelope, world.now);
    world.push_to_streams();
    world.run(3_000);
}

fn past(chat: Chat, from: Primary, at: u64) -> Past {
    let at = Timestamp::from_unix(at);
    Past {
        chat,
        id: "01JF".parse().unwrap(),
        from,
        text: "never said".into(),
        re: None,
        sent_at: at,
        kept_at: at,
        reactions: Vec::new(),
    }
}

#[test]
fn an_archive_of_another_person_has_no_meaning() {
    let (mut world, at) = with_messages(7);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let gid = at.strip_prefix("g/").unwrap().parse().unwrap();
    let messages = vec![past(Chat::Group(gid), alice.public().primary(), world.now / 1000)];
    deliver(&mut world, &bob, Archive { messages, registration: None, name: Some("Stolen".into()) });
    world.look("alice", &at);
    assert_eq!(texts(&world, "alice"), GROUP);
    assert_eq!(group(&world, "alice").name, "Hiking");
    assert_eq!(me(&world, "alice").unreadable, 1);
}

#[test]
fn odd_archives_change_nothing() {
    let (mut world, at) = with_messages(8);
    let alice = world.key("alice");
    let (mine, bob) = (alice.public().primary(), world.key("bob").public().primary());
    let gid = at.strip_prefix("g/").unwrap().parse().unwrap();
    let registration = || serde_json::value::RawValue::from_string("{}".into()).ok();
    for messages in [
        vec![],
        // A browser that was there takes no one's word for what was said, not even that of a thief of the words.
        vec![past(Chat::Group(gid), bob, 1)],
        vec![past(Chat::Group(gid), bob, world.now / 1000 + 60)],
        // In a browser that is older than the archive, unknown conversations stay unknown.
        vec![past(Chat::Group("0c".repeat(16).parse().unwrap()), mine, world.now / 1000)],
        vec![past(Chat::Person(mine), bob, world.now / 1000)],
    ] {
        deliver(&mut world, &alice, Archive { messages, registration: registration(), name: None });
    }
    world.look("alice", &at);
    assert_eq!(texts(&world, "alice"), GROUP);
    assert_eq!(world.view("alice").conversations.len(), 2);
    assert_eq!((me(&world, "alice").unreadable, me(&world, "alice").devices.keeps_history), (0, false));
}

#[test]
fn a_browser_without_words_seals_nothing() {
    let (mut world, at) = with_messages(9);
    keep(&mut world, "alice", true);
    let public = postcard::to_allocvec(&world.key("alice").public()).unwrap();
    let stored = world.browser("alice").disk.get_mut(&(Kind::Account, "account".to_owned())).unwrap();
    // The format, the kind of key, and the seed.
    let rest = stored.split_off(34);
    stored.truncate(1);
    stored.push(1);
    stored.extend(public);
    stored.extend(rest);
    world.reload("alice");
    world.run(3_000);
    world.send("bob", &at, "unkept");
    world.run(200_000);
    assert_eq!(to_herself(&world), 0);
}

/// The server loses what was kept last, in a browser that was itself restored from what was kept before.
#[test]
fn a_restored_server_gets_everything_again() {
    let (mut world, at) = with_messages(10);
    keep(&mut world, "alice", true);
    world.run(90_000);
    restored(&mut world);
    let before = world.relay.inbox("alice").len();
    world.send("bob", &at, "after the restore");
    world.run(90_000);
    assert_eq!(world.relay.inbox("alice").len(), before + 1);
    world.relay.lose_last("alice");
    world.relay.restore_from_backup();
    world.cut_streams();
    world.reload(NEXT);
    world.run(200_000);
    world.network(NEXT, false);
    let words = world.words(NEXT);
    restore(&mut world, PHONE, &words);
    world.run(20_000);
    world.look(PHONE, &at);
    world.run(1_000);
    assert_eq!(texts(&world, PHONE), ["me: who comes?", "bob: I do", "bob: after the restore"]);
}

/// A message that waits while others are kept is not forgotten.
#[test]
fn a_message_that_was_sent_late_is_kept_too() {
    let (mut world, at) = with_messages(11);
    keep(&mut world, "alice", true);
    world.run(90_000);
    world.relay.intercept = Some(Box::new(|request| {
        let is_item = request.target.starts_with("/v1/groups/") && request.target.ends_with("/messages");
        is_item.then(|| crate::sim::problem(ProblemCode::Malformed))
    }));
    let refused = world.send("alice", &at, "refused at first");
    world.run(2_000);
    world.relay.intercept = None;
    world.send("bob", &at, "meanwhile");
    world.run(120_000);
    world.ui("alice", UiEvent::RetryPressed { handle: at.clone(), id: refused });
    world.run(120_000);
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    assert!(texts(&world, NEXT).contains(&"me: refused at first".to_owned()), "{:?}", texts(&world, NEXT));
}

/// A chat moves to MLS, and what waited in it is sent that way: that is in no envelope.
#[test]
fn a_message_from_before_the_move_is_kept_if_it_went_over_mls() {
    let mut world = World::new(12);
    world.without_engine = vec!["alice", "bob"];
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    for (who, to, text) in [("alice", "bob", "old"), ("bob", "alice", "older")] {
        world.send(who, to, text);
        world.run(2_000);
    }
    world.network("alice", false);
    world.send("alice", "bob", "waited");
    get_engine(&mut world, "bob");
    world.run(20_000);
    get_engine(&mut world, "alice");
    world.network("alice", true);
    let envelopes = world.relay.posted.len();
    world.run(60_000);
    assert_eq!(world.texts("bob"), ["them: old", "me: older", "them: waited"]);
    assert_eq!(world.relay.posted.len(), envelopes, "it went over MLS");
    keep(&mut world, "alice", true);
    world.run(90_000);
    restored(&mut world);
    world.look(NEXT, "bob");
    world.run(1_000);
    assert_eq!(world.texts(NEXT), ["me: old", "them: older", "me: waited"]);
}

/// While this browser joins the group of devices anew, nothing is kept, and no timer runs without pause.
#[test]
fn without_the_group_of_devices_keeping_waits() {
    let (mut world, at) = with_messages(13);
    keep(&mut world, "alice", true);
    world.run(90_000);
    let words = world.words("alice");
    world.send("bob", &at, "later");
    world.run(5_000);
    world.browser("alice").unplugged = true;
    world.cut_streams();
    // The commit with which the phone joins cannot be processed, and the server does not show the group.
    restore(&mut world, PHONE, &words);
    world.run(20_000);
    let own = world.relay.groups.logs.iter().find(|(_, log)| {
        log.kind == GroupKind::Own && log.members.keys().any(|handle| handle.as_str() == "alice")
    });
    let gid = *own.unwrap().0;
    trap_at_the_last(&mut world, &format!("g/{gid}"), true);
    world.relay.intercept = Some(Box::new(move |request| {
        let shows = request.target == format!("/v1/groups/{gid}");
        shows.then(|| crate::sim::problem(ProblemCode::Unavailable))
    }));
    world.network(PHONE, false);
    world.browser("alice").unplugged = false;
    world.network("alice", true);
    world.run(200_000);
    let before = to_herself(&world);
    world.relay.intercept = None;
    world.run(400_000);
    assert_eq!(to_herself(&world), before + 1, "it goes on once the browser is back in the group");
}

/// What was kept before a change of the key is readable with the new words, and marked: the old words could have sealed it.
#[test]
fn what_a_former_key_has_kept_is_marked() {
    let (mut world, at) = with_messages(14);
    keep(&mut world, "alice", true);
    world.run(90_000);
    let phrase = world.rotation_words("alice");
    world.ui("alice", UiEvent::RotationPhraseKept);
    rotation::change(&mut world, "alice", &phrase);
    world.run(10_000);
    world.send("bob", &at, "after the change");
    world.run(120_000);
    restored(&mut world);
    world.look(NEXT, &at);
    world.run(1_000);
    assert_eq!(texts(&world, NEXT), ["me: who comes?", "bob: I do", "bob: after the change"]);
    let rows = world.messages(NEXT);
    let texts = rows.iter().filter(|row| matches!(row.body, MessageBody::Text { .. }));
    assert_eq!(texts.map(|row| row.former_key.is_some()).collect::<Vec<_>>(), [true, true, false]);
}
