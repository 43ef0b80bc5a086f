//! Changing the key: in one or two of the user's browsers, and as seen by contacts.

use kez_client::effect::Method;
use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use kez_client::view::{AccountView, Connection, DeliveryState, FormerKey, MessageBody, Reason};
use kez_core::content::Content;
use kez_core::envelope;
use kez_core::identity::{Peer, SecretIdentity};
use kez_core::message::{Chain, plaintext};
use kez_core::problem::ProblemCode;
use kez_core::recovery_phrase;
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::restore::restore;
use crate::sigchains::kinds;
use crate::sim::{BASE, Weather, World, problem};
use crate::two_people::alice_without_mls;

/// The chain after one change of the key.
const CHANGED: [&str; 5] = ["init", "claim_handle", "add_device", "rotate_primary", "claim_handle"];

/// Alice and Bob have chatted in envelopes, and Bob has written down his rotation phrase.
pub(crate) fn ready(chance: u64) -> (World, String) {
    let mut world = alice_without_mls(chance);
    world.send("alice", "bob", "one");
    world.run(1_000);
    world.send("bob", "alice", "two");
    world.run(1_000);
    let phrase = world.rotation_words("bob");
    world.ui("bob", UiEvent::RotationPhraseKept);
    (world, phrase)
}

pub(crate) fn change(world: &mut World, who: &'static str, phrase: &str) {
    world.ui(who, UiEvent::KeyChangeSubmitted { phrase: Secret::new(phrase) });
}

fn identity(phrase: &str) -> SecretIdentity {
    SecretIdentity::from_seed(recovery_phrase::parse(phrase).unwrap())
}

#[test]
fn the_announced_phrase_takes_over_and_both_sides_continue() {
    let (mut world, phrase) = ready(1);
    let old = world.key("bob").public();
    change(&mut world, "bob", &phrase);
    assert!(world.chain("bob").changing);
    world.run(5_000);

    assert_eq!(world.words("bob"), phrase, "the second phrase is the first now");
    let view = world.chain("bob");
    assert!(!view.changing && view.phrase_waits && view.alarm.is_none() && view.error.is_none());
    assert_ne!(world.rotation_words("bob"), phrase, "and there is a new second one");
    assert_eq!(kinds(&mut world, "bob"), CHANGED);
    let lookup = world.relay.lookup("bob").unwrap();
    assert_eq!(lookup.primary, identity(&phrase).public().primary());
    assert!(lookup.sigchain_url.ends_with(&old.primary().hex()), "the first key names the chain for life");
    assert_eq!(world.view("bob").connection, Connection::Online);

    world.send("bob", "alice", "three");
    world.run(2_000);
    world.send("alice", "bob", "four");
    world.run(2_000);
    for _ in 0..2 {
        assert_eq!(world.texts("bob"), ["them: one", "me: two", "me: three", "them: four"]);
        let alice = world.texts("alice");
        assert_eq!(alice, ["me: one", "them: two", "them: <KeyReplaced>", "them: three", "me: four"]);
        let thread = world.thread("alice");
        assert!(!thread.key_changed && thread.chain_alarm.is_none(), "no alarm");
        assert!(world.rows("bob").iter().chain(&world.rows("alice")).all(|row| row.former_key.is_none()));
        assert!(world.rows("bob").iter().chain(&world.rows("alice")).all(|row| row.missing_before == 0));
        assert!(world.rows("bob").iter().chain(&world.rows("alice")).all(|row| !row.contradicts_chain));
        world.reload("alice");
        world.reload("bob");
        world.run(2_000);
    }
    assert_eq!(world.thread("alice").safety_number, world.thread("bob").safety_number);
}

#[test]
fn a_verified_contact_with_a_new_key_needs_acceptance_before_sending() {
    let (mut world, phrase) = ready(2);
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::VerifiedChanged { handle: "bob".into(), primary, verified: true });
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    world.send("bob", "alice", "it is still me");
    world.run(2_000);
    for _ in 0..2 {
        let thread = world.thread("alice");
        assert!(thread.key_changed && thread.key_change_proven && !thread.verified);
        assert!(
            world.texts("alice").ends_with(&["them: it is still me".to_owned()]),
            "mail is not held back"
        );
        world.send("alice", "bob", "is it?");
        world.run(1_000);
        assert_eq!(world.thread("alice").refused, Some(Reason::KeyChanged));
        world.reload("alice");
        world.run(1_000);
    }
    let primary = world.shown_key("alice");
    world.ui("alice", UiEvent::NewKeyAccepted { handle: "bob".into(), primary });
    assert!(!world.thread("alice").key_changed);
    world.send("alice", "bob", "it is");
    world.run(1_000);
    assert!(world.texts("bob").ends_with(&["them: it is".to_owned()]));
}

#[test]
fn another_phrase_changes_nothing() {
    let (mut world, _) = ready(3);
    let posted = world.relay.posted.len();
    let current = world.words("bob");
    for (phrase, says) in [
        (current.as_str(), Reason::NotRotationPhrase),
        ("zoo zoo zoo", Reason::InvalidPhrase(recovery_phrase::InvalidPhrase::WordCount(3))),
        (
            &recovery_phrase::words(&kez_core::identity::Seed::from_bytes([9; 32])).join(" "),
            Reason::NotRotationPhrase,
        ),
    ] {
        change(&mut world, "bob", phrase);
        world.run(1_000);
        let view = world.chain("bob");
        assert!(!view.changing && view.error == Some(says), "{view:?}");
    }
    assert_eq!((kinds(&mut world, "bob").len(), world.relay.posted.len()), (3, posted));
}

#[rstest]
fn a_crash_at_any_step_of_it_loses_nothing(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)] effects: usize,
) {
    let (mut world, phrase) = ready(4);
    world.browser("bob").dies_after = Some(effects);
    change(&mut world, "bob", &phrase);
    world.run(60_000);
    if !world.chain("bob").changing && world.words("bob") != phrase {
        // The browser died before anything was saved: Bob presses the button again.
        change(&mut world, "bob", &phrase);
        world.run(60_000);
    }
    assert_eq!(world.words("bob"), phrase);
    assert_eq!(kinds(&mut world, "bob"), CHANGED);
    let announced = identity(&world.rotation_words("bob")).public();
    let chain = world.relay.sigchains.of(&announced.primary());
    assert_eq!(chain.length(), 0, "not published yet");
    world.browser("bob").dies_after = None;
    world.send("bob", "alice", "three");
    world.send("alice", "bob", "four");
    world.run(5_000);
    assert!(world.texts("bob").contains(&"them: four".to_owned()));
    assert!(world.texts("alice").contains(&"them: three".to_owned()));
    assert_eq!(world.chain("bob").alarm, None);
}

#[rstest]
fn a_bad_network_only_delays_it(#[values(5, 6, 7, 8)] chance: u64) {
    let (mut world, phrase) = ready(chance);
    let weather =
        Weather { request_lost: 40, answer_lost: 40, request_doubled: 20, delay: 300, ..world.weather };
    world.weather = weather;
    change(&mut world, "bob", &phrase);
    world.run(3_600_000);
    world.weather = Weather { delay: 20, ..Weather::default() };
    world.run(60_000);
    assert_eq!(world.words("bob"), phrase);
    assert_eq!(kinds(&mut world, "bob"), CHANGED);
    world.send("bob", "alice", "three");
    world.run(60_000);
    assert!(world.texts("alice").contains(&"them: three".to_owned()));
}

#[test]
fn a_pending_message_is_resealed_with_the_new_key_without_a_duplicate() {
    let (mut world, phrase) = ready(9);
    // The relay has the message, but its answer is replaced by an error.
    let lost = |request: &kez_client::effect::HttpRequest, answer| {
        let busy = kez_core::problem::ProblemCode::Unavailable;
        if request.target == "/v1/messages" { crate::sim::problem(busy) } else { answer }
    };
    world.relay.script = Some(Box::new(lost));
    world.send("bob", "alice", "three");
    world.run(300);
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    assert_eq!(world.words("bob"), phrase);
    world.relay.posted.clear();
    world.relay.script = None;
    let id = world.rows("bob").pop().unwrap().id;
    world.ui("bob", UiEvent::RetryPressed { handle: "alice".into(), id });
    world.run(60_000);
    let new = identity(&phrase).public().to_string();
    assert!(!world.relay.posted.is_empty() && world.relay.posted.iter().all(|body| body.contains(&new)));
    let texts = world.texts("alice");
    assert_eq!(texts.iter().filter(|text| *text == "them: three").count(), 1, "{texts:?}");
    assert_eq!(world.states("bob").last(), Some(&DeliveryState::Sent));
}

#[test]
fn mail_to_a_former_key_opens_and_is_marked() {
    let (mut world, phrase) = ready(10);
    let (alice, old_bob) = (world.key("alice"), world.key("bob").public());
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    // From a sender who does not know of the new key yet.
    let late = seal(&alice, &old_bob, "late", &mut world);
    world.relay.append("bob", &late, world.now);
    world.push_to_streams();
    world.run(1_000);
    let row = world.rows("bob").pop().unwrap();
    assert_eq!(row.body, MessageBody::Text { text: "late".into() });
    assert_eq!(row.former_key, Some(FormerKey::Mine));
    world.reload("bob");
    assert_eq!(world.rows("bob").pop().unwrap().former_key, Some(FormerKey::Mine));
}

#[test]
fn mail_with_a_former_key_is_marked() {
    let (mut world, phrase) = ready(11);
    let (thief, alice) = (world.key("bob"), world.key("alice").public());
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    world.send("bob", "alice", "three");
    world.run(2_000);
    let forged = seal(&thief, &alice, "send me money", &mut world);
    world.relay.append("alice", &forged, world.now);
    world.push_to_streams();
    world.run(1_000);
    let row = world.rows("alice").pop().unwrap();
    assert_eq!(
        (row.body, row.former_key),
        (MessageBody::Text { text: "send me money".into() }, Some(FormerKey::Theirs))
    );
}

fn seal(
    from: &SecretIdentity,
    to: &kez_core::identity::PublicIdentity,
    text: &str,
    world: &mut World,
) -> String {
    let now = Timestamp::from_unix(world.now / 1000);
    let content = Content::text(format!("id {text}").parse().unwrap(), text, now);
    let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
    let peer = Peer::new(from, *to).unwrap();
    envelope::seal(from, &peer, &plaintext(&content, &chain, &Heads::new()), now, &mut world.rng)
        .unwrap()
        .json
}

#[test]
fn the_new_phrase_restores_everything_and_the_old_one_is_refused() {
    let (mut world, phrase) = ready(12);
    let old = world.words("bob");
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    world.send("bob", "alice", "three");
    world.run(2_000);
    world.send("alice", "bob", "four");
    world.run(2_000);

    restore(&mut world, "with the new one", &phrase);
    world.look("with the new one", "alice");
    world.run(5_000);
    let AccountView::Open(me) = world.view("with the new one").account else { panic!("not restored") };
    assert_eq!((me.handle.as_str(), me.unreadable, me.chain.alarm), ("bob", 0, None));
    assert_eq!(me.chain.history.len(), 6, "the chain that it finds, with this browser");
    assert_eq!(world.relay.sigchains.links(&identity(&phrase).public().primary()).len(), 0);
    assert_eq!(world.texts("with the new one"), ["them: one", "me: two", "me: three", "them: four"]);

    restore(&mut world, "with the old one", &old);
    let AccountView::None { restore, .. } = world.view("with the old one").account else {
        panic!("restored")
    };
    assert_eq!(restore.error, Some(Reason::OldKey));
}

#[test]
fn after_an_absence_messages_signed_before_a_key_change_are_read() {
    let (mut world, phrase) = ready(13);
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    world.send("bob", "alice", "three");
    world.run(2_000);
    let words = world.words("alice");
    restore(&mut world, "alice anew", &words);
    world.look("alice anew", "bob");
    world.run(20_000);
    let texts = world.texts("alice anew");
    assert_eq!(texts, ["me: one", "them: two", "them: three"]);
    assert_eq!(world.rows("alice anew")[1].former_key, Some(FormerKey::Theirs));
}

#[test]
fn another_browser_of_the_same_account_reports_its_replaced_key() {
    let (mut world, phrase) = ready(14);
    let words = world.words("bob");
    restore(&mut world, "bob on the phone", &words);
    world.look("bob on the phone", "alice");
    change(&mut world, "bob", &phrase);
    world.run(120_000);
    let view = world.chain("bob on the phone");
    assert!(view.replaced, "{view:?}");
    assert_eq!(view.alarm, None, "the browser that made the link has announced it");
    change(&mut world, "bob on the phone", &phrase);
    world.run(10_000);
    let view = world.chain("bob on the phone");
    assert!(!view.replaced && !view.changing && view.error.is_none(), "{view:?}");
    world.send("bob on the phone", "alice", "from the phone");
    world.run(5_000);
    let told = ["them: from the phone", "them: <DeviceAdded>"].map(str::to_owned);
    assert!(world.texts("alice").ends_with(&told), "{:?}", world.texts("alice"));
    assert!(world.texts("bob").ends_with(&["me: from the phone".to_owned()]));
    assert_eq!(kinds(&mut world, "bob").len(), 6);
}

#[test]
fn an_unproven_key_change_needs_acceptance() {
    let (mut world, _) = ready(15);
    let stranger = SecretIdentity::from_seed(kez_core::identity::Seed::from_bytes([9; 32]));
    let now = Timestamp::from_unix(world.now / 1000);
    let (handle, server) = ("bob".parse().unwrap(), world.relay.server.clone());
    let claim = kez_core::registration::HandleRegistration::sign(&stranger, &handle, &server, now).unwrap();
    world.relay.force_registration(&claim.to_json().unwrap(), world.now);
    world.ui("alice", UiEvent::ConversationStarted { to: "bob".into() });
    world.run(5_000);
    let thread = world.thread("alice");
    assert!(thread.key_changed && !thread.key_change_proven);
}

#[test]
fn a_key_can_change_twice() {
    let (mut world, phrase) = ready(16);
    change(&mut world, "bob", &phrase);
    world.run(5_000);
    let second = world.rotation_words("bob");
    change(&mut world, "bob", &second);
    world.run(5_000);
    assert_eq!(world.words("bob"), second);
    world.send("bob", "alice", "three");
    world.run(3_000);
    assert!(world.texts("alice").ends_with(&["them: three".to_owned()]));
    restore(&mut world, "restored", &second);
    world.look("restored", "alice");
    world.run(5_000);
    assert_eq!(world.texts("restored"), ["them: one", "me: two", "me: three"]);
}

#[test]
fn a_falsely_refused_link_still_changes_the_key() {
    for code in [ProblemCode::NotAuthorised, ProblemCode::Conflict] {
        let (mut world, phrase) = ready(20);
        world.relay.script = Some(Box::new(move |request, response| {
            let link = request.method == Method::Post && request.target.starts_with(BASE);
            if link { problem(code) } else { response }
        }));
        change(&mut world, "bob", &phrase);
        world.run(5_000);
        world.relay.script = None;
        world.run(120_000);
        let view = world.chain("bob");
        assert!(!view.changing && !view.replaced && view.alarm.is_none(), "{view:?}");
        assert!(view.phrase_waits, "the next seed is kept");
        assert_eq!(world.words("bob"), phrase);
        assert_eq!(kinds(&mut world, "bob"), CHANGED);
    }
}

#[test]
fn a_refused_link_is_reposted_until_accepted() {
    let (mut world, phrase) = ready(21);
    world.relay.refuses_links = true;
    change(&mut world, "bob", &phrase);
    world.run(120_000);
    let view = world.chain("bob");
    assert!(view.changing && view.error.is_some() && view.alarm.is_none(), "{view:?}");
    world.relay.refuses_links = false;
    world.reload("bob");
    world.run(120_000);
    assert!(!world.chain("bob").changing);
    assert_eq!(kinds(&mut world, "bob"), CHANGED);
}
