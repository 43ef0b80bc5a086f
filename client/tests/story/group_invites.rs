//! Joining a group by a link: an admin hands it out, and approves or declines the people who ask.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::view::{GroupStage, Reason};
use kez_core::mls::GroupId;

use crate::groups::{change, create, group, members, people, rows, texts};
use crate::sim::World;

/// Alice makes a link to her group. Returns what follows `/g#`.
fn link(world: &mut World, at: &str) -> String {
    change(world, "alice", at, GroupChange::Invite);
    group(world, "alice").link.expect("a link")
}

fn ask(world: &mut World, who: &'static str, link: &str) {
    world.ui(who, UiEvent::JoinAsked { link: link.to_owned() });
    world.run(3_000);
}

fn gid(at: &str) -> GroupId {
    at.strip_prefix("g/").unwrap().parse().unwrap()
}

/// The handles below "Asking to join".
fn asking(world: &World, who: &'static str) -> Vec<String> {
    group(world, who).asking.into_iter().map(|row| row.handle).collect()
}

/// Whether someone waits for approval, or why the server has refused the request.
fn asked(world: &World, who: &'static str) -> Vec<Option<Reason>> {
    world.view(who).asked.into_iter().map(|row| row.refused).collect()
}

/// Alice's group with Bob, and Carol, who has not met them.
fn two_and_carol(chance: u64) -> (World, String) {
    let mut world = people(chance, &["alice", "bob", "carol"]);
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    (world, at)
}

#[test]
fn who_asks_with_a_link_is_approved_and_is_in() {
    let (mut world, at) = two_and_carol(1);
    world.send("alice", &at, "before carol");
    world.run(2_000);
    let link = link(&mut world, &at);
    change(&mut world, "alice", &at, GroupChange::Invite);
    assert_eq!(group(&world, "alice").link, Some(link.clone()), "one link, however often it is shown");

    ask(&mut world, "carol", &link);
    assert_eq!(asked(&world, "carol"), [None]);
    assert!(world.view("carol").conversations.is_empty(), "no admin has approved");
    assert_eq!(asking(&world, "alice"), ["carol"]);
    assert_eq!(asking(&world, "bob"), Vec::<String>::new(), "Bob is no admin");
    for who in ["alice", "carol"] {
        world.reload(who);
    }
    world.run(3_000);
    assert_eq!((asked(&world, "carol"), asking(&world, "alice")), (vec![None], vec!["carol".to_owned()]));

    change(&mut world, "alice", &at, GroupChange::Approve("@carol".into()));
    world.look("carol", &at);
    world.send("bob", &at, "hello carol");
    world.run(2_000);
    assert_eq!(rows(&world, "carol"), ["[alice added me]", "bob: hello carol"]);
    let row = world.view("carol").conversations.into_iter().find(|row| row.handle == at).unwrap();
    assert!(!row.request && !world.thread("carol").request, "she asked for it");
    assert_eq!((asked(&world, "carol"), asking(&world, "alice")), (vec![], vec![]));
    assert_eq!(members(&world, "alice"), ["alice*", "bob", "carol"]);

    // A member who opens the link again asks for nothing.
    let items = world.relay.groups.logs[&gid(&at)].items.len();
    ask(&mut world, "carol", &link);
    assert_eq!(world.relay.groups.logs[&gid(&at)].items.len(), items);
}

#[test]
fn declining_is_local_and_a_removed_member_asks_again() {
    let (mut world, at) = two_and_carol(2);
    change(&mut world, "alice", &at, GroupChange::Promote("bob".into()));
    let link = link(&mut world, &at);
    ask(&mut world, "carol", &link);
    change(&mut world, "alice", &at, GroupChange::Decline("carol".into()));
    assert_eq!((asking(&world, "alice"), asking(&world, "bob")), (vec![], vec!["carol".to_owned()]));
    world.reload("alice");
    world.run(3_000);
    assert_eq!(asking(&world, "alice"), Vec::<String>::new());
    assert_eq!(asked(&world, "carol"), [None], "she is not told");
    change(&mut world, "alice", &at, GroupChange::Approve("carol".into()));
    assert_eq!(group(&world, "alice").error, Some(Reason::NoSuchHandle));
    change(&mut world, "bob", &at, GroupChange::Approve("carol".into()));
    world.look("carol", &at);
    assert_eq!(group(&world, "carol").stage, GroupStage::In);

    change(&mut world, "alice", &at, GroupChange::Remove("carol".into()));
    assert_eq!(group(&world, "carol").stage, GroupStage::Removed);
    assert_eq!(asking(&world, "alice"), Vec::<String>::new(), "the first request was answered");
    ask(&mut world, "carol", &link);
    assert_eq!((asking(&world, "alice"), asked(&world, "carol")), (vec!["carol".to_owned()], vec![None]));
    assert_eq!(group(&world, "carol").stage, GroupStage::Removed);
    change(&mut world, "alice", &at, GroupChange::Approve("carol".into()));
    world.send("alice", &at, "again");
    world.run(3_000);
    assert_eq!((group(&world, "carol").stage, world.thread("carol").request), (GroupStage::In, false));
    assert_eq!(texts(&world, "carol").last().unwrap(), "alice: again");
}

#[test]
fn a_revoked_an_expired_and_a_made_up_link_are_refused_alike() {
    let (mut world, at) = two_and_carol(3);
    change(&mut world, "bob", &at, GroupChange::Invite);
    assert_eq!(
        (group(&world, "bob").error, group(&world, "bob").link),
        (Some(Reason::NotAdmin), None),
        "Bob is no admin"
    );
    let revoked = link(&mut world, &at);
    change(&mut world, "alice", &at, GroupChange::RevokeLink);
    assert_eq!(group(&world, "alice").link, None);
    ask(&mut world, "carol", &revoked);
    assert_eq!(asked(&world, "carol"), [Some(Reason::LinkRefused)]);

    let other = link(&mut world, &at);
    assert_ne!(other, revoked);
    let gid = gid(&at);
    ask(&mut world, "carol", &format!("00000-00000-00000-00000.{gid}"));
    assert_eq!(asked(&world, "carol"), [Some(Reason::LinkRefused)]);
    world.run(7 * 24 * 60 * 60 * 1_000);
    ask(&mut world, "carol", &other);
    assert_eq!(asked(&world, "carol"), [Some(Reason::LinkRefused)]);
    let fresh = link(&mut world, &at);
    assert_ne!(fresh, other, "an expired link is replaced");
    ask(&mut world, "carol", &fresh);
    assert_eq!((asked(&world, "carol"), asking(&world, "alice")), (vec![None], vec!["carol".to_owned()]));
    for part in ["", "K7QXM-2R9VD-WT4HB-N8ZPC", &format!("K7QXM.{gid}")] {
        ask(&mut world, "bob", part);
        assert_eq!(world.view("bob").notice.unwrap().what, Reason::BadLink, "{part}");
        world.ui("bob", UiEvent::NoticeDismissed);
    }
}

#[test]
fn requests_survive_lost_answers_and_crashes() {
    let (mut world, at) = two_and_carol(4);
    world.browser("alice").unplugged = true;
    change(&mut world, "alice", &at, GroupChange::Invite);
    assert_eq!(group(&world, "alice").link, None, "the server does not know it");
    world.reload("alice");
    world.browser("alice").unplugged = false;
    world.run(150_000);
    let link = group(&world, "alice").link.expect("a link");

    world.browser("carol").unplugged = true;
    world.ui("carol", UiEvent::JoinAsked { link: link.clone() });
    world.reload("carol");
    world.run(3_000);
    assert_eq!((asked(&world, "carol"), asking(&world, "alice")), (vec![None], vec![]));
    assert!(!world.view("carol").asked[0].sent);
    world.browser("carol").unplugged = false;
    world.run(150_000);
    assert_eq!(asking(&world, "alice"), ["carol"]);
    assert!(world.view("carol").asked[0].sent);

    // A blocked person is not shown.
    world.ui("alice", UiEvent::ConversationStarted { to: "bob".into() });
    change(&mut world, "alice", &at, GroupChange::Remove("bob".into()));
    world.ui("alice", UiEvent::BlockPressed { handle: "bob".into() });
    world.run(2_000);
    ask(&mut world, "bob", &link);
    assert_eq!(asking(&world, "alice"), ["carol"]);
}

#[test]
fn a_request_that_no_device_of_the_asker_has_signed_is_not_shown() {
    let (mut world, at) = two_and_carol(5);
    let link = link(&mut world, &at);
    ask(&mut world, "carol", &link);
    change(&mut world, "alice", &at, GroupChange::Decline("carol".into()));
    // The server passes off the statement as another person's.
    let (bob, carol) = (world.key("bob").public().primary(), world.key("carol").public().primary());
    let log = world.relay.groups.logs.get_mut(&gid(&at)).unwrap();
    let item = log.items.iter().find(|item| item.envelope.get().contains("kez.group.request")).unwrap();
    let (stored_at, forged) = (item.created_at, item.envelope.get().replace(&carol.hex(), &bob.hex()));
    assert_ne!(forged, item.envelope.get());
    log.append(serde_json::value::RawValue::from_string(forged).unwrap(), stored_at, &mut None);
    change(&mut world, "alice", &at, GroupChange::Remove("bob".into()));
    world.send("alice", &at, "read on");
    world.run(5_000);
    assert_eq!(asking(&world, "alice"), Vec::<String>::new());
    assert_eq!(texts(&world, "alice").last().unwrap(), "me: read on");
}

#[test]
fn a_change_waits_a_short_time_for_packages_that_can_be_claimed_later() {
    let (mut world, at) = two_and_carol(6);
    let gid_of_carol = "carol".parse().unwrap();
    world.relay.groups.later.insert(gid_of_carol, 40);
    change(&mut world, "alice", &at, GroupChange::Add("carol".into()));
    assert!(group(&world, "alice").busy && group(&world, "alice").members.len() == 2, "it waits");
    world.run(40_000);
    assert_eq!(members(&world, "alice"), ["alice*", "bob", "carol"]);
    assert!(!group(&world, "alice").incomplete, "with a key package");

    // An hour is too long: the person is added, and joins by itself.
    change(&mut world, "alice", &at, GroupChange::Remove("carol".into()));
    world.browser("carol").unplugged = true;
    world.relay.groups.later.insert("carol".parse().unwrap(), 3_600);
    change(&mut world, "alice", &at, GroupChange::Add("carol".into()));
    assert_eq!(members(&world, "alice"), ["alice*", "bob", "carol"]);
    assert!(group(&world, "alice").incomplete);
}
