//! A stranger writes: a message request, until it is accepted or answered. Also blocked users.

use kez_client::event::UiEvent;
use kez_client::view::{Block, BlockedRow, ConversationRow, DeliveryState, Reason, ReportView, ThreadView};
use kez_core::envelope::Envelope;
use kez_core::problem::ProblemCode;

use crate::restore::restore;
use crate::sim::{World, problem};
use crate::two_people::alice_and_bob;

fn row(world: &World, who: &'static str) -> ConversationRow {
    world.view(who).conversations[0].clone()
}

fn listed(world: &World, owner: &str, list: &str) -> Vec<String> {
    let listed = world.relay.listed.get(&(owner.parse().unwrap(), list.to_owned()));
    listed.into_iter().flatten().map(ToString::to_string).collect()
}

fn blocked(handle: &str, lifting: bool) -> BlockedRow {
    BlockedRow { handle: handle.to_owned(), lifting, in_doubt: false }
}

fn press(world: &mut World, who: &'static str, event: UiEvent) {
    world.ui(who, event);
    world.run(1_000);
}

/// Alice has written to Bob, who does not know her and has another conversation open.
fn a_request(chance: u64) -> World {
    request_in(World::new(chance))
}

fn request_in(mut world: World) -> World {
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    world.run(1_000);
    world.send("alice", "bob", "Hello Bob");
    world.run(1_000);
    world
}

#[test]
fn a_request_is_listed_and_readable_without_a_badge() {
    let mut world = a_request(1);
    let at_bob = row(&world, "bob");
    assert!(at_bob.request);
    assert_eq!((at_bob.unread, world.view("bob").unread), (0, 0));
    assert!(!row(&world, "alice").request, "writing first accepts");
    assert_eq!(listed(&world, "alice", "contacts"), ["bob"]);
    world.look("bob", "alice");
    assert_eq!(world.texts("bob"), ["them: Hello Bob"]);
    assert!(world.thread("bob").request);
    world.reload("bob");
    world.run(1_000);
    assert!(row(&world, "bob").request && listed(&world, "bob", "contacts").is_empty());
}

#[test]
fn accepting_updates_the_server_and_the_unread_count() {
    let mut world = a_request(2);
    press(&mut world, "bob", UiEvent::RequestAccepted { handle: "alice".into() });
    assert_eq!((row(&world, "bob").request, row(&world, "bob").unread), (false, 1));
    assert_eq!(listed(&world, "bob", "contacts"), ["alice"]);
}

#[test]
fn a_reply_accepts_the_request() {
    let mut world = a_request(3);
    world.look("bob", "alice");
    world.send("bob", "alice", "Hello Alice");
    world.run(1_000);
    assert!(!row(&world, "bob").request && !world.thread("bob").request);
    assert_eq!(listed(&world, "bob", "contacts"), ["alice"]);
    assert_eq!(world.texts("alice"), ["me: Hello Bob", "them: Hello Alice"]);
}

#[test]
fn a_block_silences_the_sender_and_survives_a_restore() {
    let mut world = a_request(4);
    press(&mut world, "bob", UiEvent::BlockPressed { handle: "alice".into() });
    assert!(world.view("bob").conversations.is_empty());
    assert_eq!(world.view("bob").blocked, [blocked("alice", false)]);
    assert_eq!(listed(&world, "bob", "blocks"), ["alice"]);
    world.send("alice", "bob", "Still there?");
    world.run(1_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent, DeliveryState::Sent], "she is told nothing");
    world.look("bob", "alice");
    let ThreadView { block, request, .. } = world.thread("bob");
    assert!(block == Block::Set && request);
    assert_eq!(world.texts("bob"), ["them: Hello Bob"]);
    world.send("bob", "alice", "Go away");
    assert_eq!(world.thread("bob").refused, Some(Reason::Blocked));

    let phrase = world.words("bob");
    restore(&mut world, "phone", &phrase);
    assert_eq!(world.view("phone").blocked, [blocked("alice", false)]);
    assert!(world.view("phone").conversations.is_empty());

    press(&mut world, "phone", UiEvent::UnblockPressed { handle: "alice".into() });
    assert!(world.view("phone").blocked.is_empty() && listed(&world, "bob", "blocks").is_empty());
    world.send("alice", "bob", "Hello again");
    world.run(1_000);
    world.look("phone", "alice");
    assert_eq!(world.texts("phone").last().map(String::as_str), Some("them: Hello again"));
}

#[test]
fn list_changes_reach_the_server_once_it_is_back() {
    let mut world = a_request(5);
    world.relay_up(false);
    press(&mut world, "bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.reload("bob");
    world.run(5_000);
    assert_eq!(
        (world.view("bob").blocked, listed(&world, "bob", "blocks").len()),
        (vec![blocked("alice", false)], 0)
    );
    world.relay_up(true);
    world.run(120_000);
    assert_eq!(listed(&world, "bob", "blocks"), ["alice"]);
}

#[test]
fn a_block_counts_as_lifted_once_the_server_knows() {
    let mut world = a_request(7);
    press(&mut world, "bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.look("bob", "alice");
    let phrase = world.words("bob");
    restore(&mut world, "phone", &phrase);
    world.relay_up(false);
    for who in ["bob", "phone"] {
        press(&mut world, who, UiEvent::UnblockPressed { handle: "alice".into() });
        assert_eq!(world.view(who).blocked, [blocked("alice", true)], "{who}");
    }
    assert_eq!(world.thread("bob").block, Block::Lifting);
    world.reload("bob");
    world.run(5_000);
    assert_eq!(world.view("bob").blocked, [blocked("alice", true)], "a reload keeps everything");
    assert_eq!(listed(&world, "bob", "blocks"), ["alice"]);
    world.relay_up(true);
    world.run(300_000);
    assert_eq!(listed(&world, "bob", "blocks"), [] as [&str; 0]);
    for who in ["bob", "phone"] {
        assert_eq!(world.view(who).blocked, [], "{who}");
    }
    assert_eq!(world.thread("bob").block, Block::None);
}

#[test]
fn a_block_whose_answer_was_lost_can_be_lifted() {
    let mut world = a_request(8);
    world.weather.answer_lost = 100;
    world.ui("bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.run(300);
    world.ui("bob", UiEvent::UnblockPressed { handle: "alice".into() });
    assert_eq!(world.view("bob").blocked, [blocked("alice", true)]);
    world.weather.answer_lost = 0;
    world.run(600_000);
    assert_eq!(listed(&world, "bob", "blocks"), [] as [&str; 0]);
    assert_eq!(world.view("bob").blocked, []);
}

#[test]
fn a_wrong_clock_makes_messages_go_unsigned() {
    let mut world = alice_and_bob(6);
    world.relay.script = Some(Box::new(|request, response| {
        let signed = request.auth.is_some() && request.target == "/v1/messages";
        if signed { problem(ProblemCode::Unauthorized) } else { response }
    }));
    world.send("alice", "bob", "Hello Bob");
    world.run(1_000);
    assert_eq!(world.states("alice"), [DeliveryState::Sent]);
}

#[test]
fn a_rolled_back_database_keeps_blocks_and_accepted_contacts() {
    let mut world = a_request(9);
    world.join("carol", "");
    world.look("carol", "bob");
    world.run(1_000);
    world.send("carol", "bob", "Hello Bob");
    world.run(1_000);
    press(&mut world, "bob", UiEvent::BlockPressed { handle: "alice".into() });
    press(&mut world, "bob", UiEvent::RequestAccepted { handle: "carol".into() });
    assert_eq!(listed(&world, "bob", "contacts"), ["carol"]);
    // The backup was made before both changes.
    world.relay.listed.clear();
    world.relay.restore_from_backup();
    world.cut_streams();
    world.run(60_000);
    assert_eq!(world.view("bob").blocked, [blocked("alice", false)]);
    assert_eq!(listed(&world, "bob", "blocks"), ["alice"], "the lists are sent to the server again");
    assert_eq!(listed(&world, "bob", "contacts"), ["carol"]);
    world.relay.listed.clear();
    world.relay.restore_from_backup();
    world.reload("bob");
    world.run(60_000);
    assert_eq!(
        listed(&world, "bob", "blocks"),
        ["alice"],
        "also if it was restored while all browsers were closed"
    );
    assert_eq!(listed(&world, "bob", "contacts"), ["carol"]);
}

#[test]
fn a_block_dropped_by_the_server_still_applies() {
    let mut world = a_request(10);
    press(&mut world, "bob", UiEvent::BlockPressed { handle: "alice".into() });
    world.relay.listed.clear();
    world.reload("bob");
    world.run(60_000);
    assert_eq!(world.view("bob").blocked.len(), 1);
    world.send("alice", "bob", "I am back");
    world.run(10_000);
    world.look("bob", "alice");
    assert_eq!(world.texts("bob"), ["them: Hello Bob"]);
}

#[test]
fn a_declined_request_is_deleted_everywhere_and_the_next_one_is_new() {
    let mut world = a_request(11);
    world.run(60_000);
    press(&mut world, "bob", UiEvent::RequestDeclined { handle: "alice".into() });
    assert!(world.view("bob").conversations.is_empty());
    assert_eq!(world.relay.inbox("bob"), [] as [&str; 0]);
    world.reload("bob");
    world.run(5_000);
    assert!(world.view("bob").conversations.is_empty());
    world.send("alice", "bob", "Please");
    world.run(5_000);
    assert!(row(&world, "bob").request);
    world.look("bob", "alice");
    assert_eq!(world.texts("bob"), ["them: Please"]);
}

#[test]
fn a_report_names_the_key_and_the_last_messages_and_no_content() {
    let mut world = request_in(World::with_envelopes(12));
    for n in 0..60 {
        world.send("alice", "bob", &format!("buy {n}"));
        world.run(1_000);
    }
    world.look("bob", "alice");
    world.run(1_000);
    let report = |note: &str| UiEvent::ReportSubmitted { handle: "alice".into(), note: note.into() };
    world.ui("bob", report(&"x".repeat(1_001)));
    assert!(matches!(world.view("bob").report, ReportView::Failed(_)));
    world.ui("bob", report("She sells things."));
    assert_eq!(world.view("bob").report, ReportView::Sending);
    world.ui("bob", report("Twice."));
    world.run(1_000);
    assert_eq!(world.view("bob").report, ReportView::Sent);
    let [report] = &world.relay.reports[..] else { panic!("{:?}", world.relay.reports) };
    assert_eq!(
        (report.about.to_string(), report.note.as_str()),
        (world.shown_key("bob"), "She sells things.")
    );
    assert!(report.is_well_formed());
    let theirs = world.relay.inbox("bob").iter().rev().take(50).map(|json| hash(json)).collect::<Vec<_>>();
    assert_eq!(report.messages, theirs);
    world.ui("bob", UiEvent::ReportClosed);
    assert_eq!(world.view("bob").report, ReportView::Open);
    world.ui("bob", UiEvent::ReportSubmitted { handle: "alice".into(), note: String::new() });
    world.ui("bob", UiEvent::ReportClosed);
    world.run(1_000);
    assert_eq!(world.view("bob").report, ReportView::Open, "a late answer fills no new dialog");
}

#[test]
fn a_failed_report_is_shown_as_failed() {
    let mut world = a_request(13);
    world.look("bob", "alice");
    world.run(1_000);
    world.relay_up(false);
    world.ui("bob", UiEvent::ReportSubmitted { handle: "alice".into(), note: String::new() });
    world.run(60_000);
    assert_eq!(world.view("bob").report, ReportView::Failed(Reason::NoAnswer));
}

fn hash(envelope: &str) -> String {
    Envelope::parse(envelope.as_bytes()).unwrap().hash().to_string()
}
