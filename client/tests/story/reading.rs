//! Which messages count as read, in one tab and in several; poison messages; a relay with a new epoch.

use kez_client::effect::Effect;
use kez_client::event::{Event, HttpResponse, LiveEvent, UiEvent};
use kez_client::view::{AccountView, DeliveryState, Preview, Reason, ThreadState};
use kez_core::api::LiveFrame;
use kez_core::envelope::OpenError;
use kez_core::handle::InvalidHandle;
use rstest::rstest;

use crate::sim::World;
use crate::two_people::{Carrier, alice_and_bob, writing_envelopes};

fn looking(at: Option<&str>, visible: bool) -> UiEvent {
    UiEvent::Looking { at: at.map(str::to_owned), visible }
}

fn unreadable(world: &World, who: &'static str) -> u64 {
    let AccountView::Open(me) = world.view(who).account else { panic!("not open") };
    me.unreadable
}

#[rstest]
fn unread_until_a_visible_tab_shows_it(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(1);
    world.ui("bob", UiEvent::ConversationStarted { to: "alice".into() });
    world.run(500);
    world.ui("bob", looking(None, true));
    for text in ["one", "two"] {
        world.send("alice", "bob", text);
        world.run(500);
    }
    assert_eq!((world.view("bob").unread, world.view("bob").conversations[0].unread), (2, 2));
    world.reload("bob");
    world.run(500);
    assert_eq!(world.view("bob").unread, 2);
    world.ui("bob", looking(Some("alice"), false));
    assert_eq!(world.view("bob").unread, 2, "a hidden tab reads nothing");
    let first = world.rows("bob")[0].id.clone();
    assert_eq!(world.thread("bob").first_unread.as_ref(), Some(&first));
    world.ui("bob", looking(Some("alice"), true));
    assert_eq!(world.view("bob").unread, 0);
    assert_eq!(world.thread("bob").first_unread, Some(first), "the line stays while the thread is open");
    world.send("alice", "bob", "three");
    world.run(500);
    assert_eq!(world.view("bob").unread, 0);
    world.reload("bob");
    assert_eq!(world.view("bob").unread, 0);
    assert_eq!(world.thread("bob").first_unread, None);
}

#[rstest]
fn two_tabs_both_work_and_both_send(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(2);
    world.ui("bob", UiEvent::ConversationStarted { to: "alice".into() });
    world.run(500);
    world.tab_ui("bob", "second", looking(Some("@alice@kez.lat"), false));
    world.ui("bob", looking(None, true));
    world.send("alice", "bob", "Hello");
    world.run(500);
    assert_eq!((world.tab_view("bob", "second").unread, world.view("bob").unread), (1, 1));
    world.tab_ui("bob", "second", looking(Some("@alice@kez.lat"), true));
    assert_eq!((world.tab_view("bob", "second").unread, world.view("bob").unread), (0, 0));
    let id = world.ulid();
    let send = UiEvent::SendPressed { handle: "alice".into(), id, text: "from the second".into() };
    world.tab_ui("bob", "second", send);
    world.look("bob", "alice");
    world.send("bob", "alice", "from the first");
    world.run(1_000);
    assert_eq!(world.texts("alice"), ["me: Hello", "them: from the second", "them: from the first"]);
    assert_eq!(world.tab_view("bob", "second").thread.unwrap().messages, world.all_rows("bob"));
    world.tab_ui("bob", "second", UiEvent::PhraseShown);
    let phrase = |world: &World, tab| match world.tab_view("bob", tab).account {
        AccountView::Open(me) => me.phrase,
        _ => None,
    };
    assert!(phrase(&world, "second").is_some() && phrase(&world, "tab").is_none());
    world.event("bob", kez_client::event::Event::TabClosed(kez_client::event::TabId("second".into())));
    assert!(world.tab_view("bob", "second").thread.is_none());
}

#[test]
fn an_undecryptable_message_never_blocks_the_inbox() {
    let mut world = writing_envelopes(3);
    world.send("alice", "bob", "one");
    world.run(1_000);
    let good = world.relay.inbox("bob")[0].clone();
    let foreign =
        kez_core::identity::SecretIdentity::from_seed(kez_core::identity::Seed::from_bytes([9; 32]));
    let stranger = good.replace(&sender(&good), &foreign.public().to_string());
    let no_point = good.replace(&sender(&good), &format!("ed25519:{}", "02".repeat(32)));
    let tampered = good.replace("\"nonce\":\"", "\"more\":1,\"nonce\":\"");
    let mut poison =
        vec!["{}".to_owned(), r#"{"v":2}"#.into(), r#"{"a":1,"a":2}"#.into(), stranger, no_point];
    poison.extend([tampered, good.clone(), "{}".into(), format!("{{\"x\":\"{}\"}}", "y".repeat(200_000))]);
    for envelope in &poison {
        world.relay.append("bob", envelope, world.now);
    }
    world.send("alice", "bob", "two");
    world.run(3_000);
    let expected =
        ["them: one".to_owned(), format!("them: <{:?}>", OpenError::BadSignature), "them: two".into()];
    assert_eq!(world.texts("bob"), expected);
    assert_eq!(world.states("bob")[1], DeliveryState::Undecryptable);
    assert_eq!(unreadable(&world, "bob"), 6, "the good one and {{}} came twice");
    world.reload("bob");
    world.relay.restore_from_backup();
    world.cut_streams();
    world.run(30_000);
    assert_eq!(world.texts("bob"), expected);
    assert_eq!(unreadable(&world, "bob"), 6);
}

fn sender(envelope: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(envelope).unwrap();
    value["from"].as_str().unwrap().to_owned()
}

#[rstest]
fn a_relay_reset_loses_and_duplicates_nothing(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(4);
    for n in 0..5 {
        world.send("alice", "bob", &format!("before {n}"));
        world.run(500);
    }
    world.relay.append("bob", "{}", world.now);
    world.network("bob", false);
    world.send("alice", "bob", "during");
    world.run(1_000);
    world.relay.restore_from_backup();
    world.cut_streams();
    world.network("bob", true);
    world.run(30_000);
    world.send("alice", "bob", "after");
    world.run(1_000);
    let mut expected: Vec<String> = (0..5).map(|n| format!("them: before {n}")).collect();
    expected.extend(["them: during".to_owned(), "them: after".to_owned()]);
    assert_eq!(world.texts("bob"), expected);
}

#[rstest]
fn polling_replaces_a_failing_live_stream(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(5);
    world.weather.stream_cut = 100;
    world.cut_streams();
    world.send("alice", "bob", "Hello");
    world.run(10_000);
    assert_eq!(world.texts("bob"), ["them: Hello"]);
}

#[rstest]
fn slow_answers_cause_no_busy_loop(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(11);
    world.weather.stream_cut = 100;
    world.weather.delay = 90_000;
    world.cut_streams();
    world.send("alice", "bob", "Hello");
    world.run(30 * 60_000);
    assert_eq!(world.texts("bob"), ["them: Hello"]);
}

#[test]
fn a_wrong_clock_is_reported() {
    let mut world = alice_and_bob(6);
    world.relay.script = Some(Box::new(|request, response| match request.auth {
        Some(_) => crate::sim::problem(kez_core::problem::ProblemCode::Unauthorized),
        None => response,
    }));
    world.weather.stream_cut = 100;
    world.cut_streams();
    world.run(10_000);
    assert_eq!(world.view("alice").notice.unwrap().what, Reason::SignatureRefused);
}

#[test]
fn a_message_makes_a_contact_and_a_lookup_does_not() {
    let mut world = World::new(7);
    world.join("alice", "");
    world.join("bob", "");
    world.look("alice", "bob");
    assert_eq!(world.thread("alice").state, ThreadState::Resolving);
    world.run(500);
    assert_eq!(world.thread("alice").state, ThreadState::Ready);
    assert!(world.view("alice").conversations.is_empty(), "a lookup creates no contact");
    world.look("alice", "nobody");
    world.run(500);
    assert_eq!(world.thread("alice").state, ThreadState::NotFound);
    world.look("alice", "bob@elsewhere.example");
    assert_eq!(world.thread("alice").state, ThreadState::NotFound);

    world.look("alice", "bob");
    world.send("alice", "bob", "Hello\nsecond line");
    world.run(1_000);
    let row = world.view("bob").conversations.remove(0);
    assert_eq!(
        (row.handle.as_str(), row.request, row.preview),
        ("alice", true, Preview::Theirs("Hello".into()))
    );
}

#[test]
fn conversations_are_started_by_handle() {
    let mut world = World::new(8);
    world.join("alice", "");
    world.join("bob", "");
    let mut start = |to: &str| {
        world.ui("alice", UiEvent::ConversationStarted { to: to.into() });
        world.run(500);
        world.view("alice").new_conversation
    };
    for (to, says) in [
        ("x", Reason::InvalidHandle(InvalidHandle::TooShort)),
        ("alice", Reason::OwnHandle),
        ("carol", Reason::UnknownHandle { handle: "carol".into(), server: "kez.lat".into() }),
        ("bob@b.c", Reason::OtherServer("kez.lat".into())),
    ] {
        let dialog = start(to);
        assert_eq!(dialog.error, Some(says), "{to}");
        assert!(!dialog.busy && dialog.started.is_none());
    }
    let dialog = start("@bob@kez.lat");
    assert_eq!((dialog.started.as_deref(), dialog.error), (Some("bob"), None));
    assert_eq!(world.view("alice").conversations[0].preview, Preview::Nothing);
}

#[rstest]
fn older_messages_load_on_demand(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(9);
    for n in 0..120 {
        world.send("alice", "bob", &format!("{n}"));
    }
    world.run(20_000);
    assert_eq!((world.rows("bob").len(), world.thread("bob").has_older), (24, true));
    for (rows, has_older) in [(74, true), (120, false)] {
        world.ui("bob", UiEvent::OlderWanted { handle: "alice".into() });
        assert_eq!((world.rows("bob").len(), world.thread("bob").has_older), (rows, has_older));
    }
}

#[rstest]
fn a_thread_opens_at_the_first_unread_message_and_shows_a_bounded_part(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(9);
    world.look("bob", "nobody");
    for n in 0..450 {
        world.send("alice", "bob", &format!("{n}"));
    }
    world.run(60_000);
    world.look("bob", "alice");
    let thread = world.thread("bob");
    let first = world.rows("bob").into_iter().next();
    assert_eq!(thread.first_unread, first.map(|row| row.id));
    // The line that the chat has moved to MLS counts as a row.
    let line = u64::from(carrier == Carrier::Mls);
    assert_eq!(
        (thread.messages.len(), thread.has_older, thread.has_newer, thread.total),
        (44, false, true, 450 + line)
    );
    world.ui("bob", UiEvent::LatestWanted { handle: "alice".into() });
    let thread = world.thread("bob");
    assert_eq!((thread.messages.len(), thread.has_older, thread.has_newer), (24, true, false));
    world.ui("bob", UiEvent::OldestWanted { handle: "alice".into() });
    assert_eq!(world.texts("bob")[0], "them: 0");
    carrier.assert_the_only_one(&world);
    world.send("bob", "alice", "an answer");
    assert_eq!(world.texts("bob").last().unwrap(), "me: an answer", "sending scrolls to the end");
}

#[rstest]
fn a_long_text_is_shown_in_full_on_request(#[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier) {
    let mut world = carrier.alice_and_bob(9);
    let text = "word ".repeat(20_000);
    world.send("alice", "bob", &text);
    world.run(5_000);
    let row = world.rows("bob").remove(0);
    assert!(row.cut && world.texts("bob")[0].len() < 5_000);
    world.ui("bob", UiEvent::WholeTextWanted { handle: "alice".into(), id: row.id });
    assert!(!world.rows("bob")[0].cut);
    assert_eq!(world.texts("bob"), [format!("them: {text}")]);
    world.look("bob", "nobody");
    world.look("bob", "alice");
    assert!(world.rows("bob")[0].cut, "opened again, it is short again");
}

#[rstest]
fn the_latest_sender_is_listed_first_even_within_one_second(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(3);
    world.join("zoe", "");
    world.look("zoe", "alice");
    world.look("alice", "bob");
    for writer in ["bob", "zoe"] {
        world.send(writer, "alice", "the first of all");
        world.run(3_000);
    }
    for writer in ["bob", "zoe", "bob", "zoe"] {
        world.send(writer, "alice", "and another thing");
        world.run(100);
        let first = |world: &World| world.view("alice").conversations[0].handle.clone();
        assert_eq!(first(&world), writer);
        world.reload("alice");
        assert_eq!(first(&world), writer, "after a reload");
    }
}

#[rstest]
fn a_silently_dead_stream_is_replaced_within_minutes(
    #[values(Carrier::Envelopes, Carrier::Mls)] carrier: Carrier,
) {
    let mut world = carrier.alice_and_bob(12);
    world.silence_streams();
    world.send("alice", "bob", "are you there?");
    world.run(1_000);
    assert_eq!(world.texts("bob"), [] as [&str; 0], "he has not been notified");
    world.run(180_000);
    assert_eq!(world.texts("bob"), ["them: are you there?"]);
    world.send("alice", "bob", "so you are");
    world.run(5_000);
    assert!(world.has_stream("bob"));
    assert_eq!(world.texts("bob").len(), 2);
}

#[test]
fn a_draft_is_synchronised_between_tabs() {
    let mut world = alice_and_bob(13);
    world.tab_ui("alice", "second", looking(Some("@bob"), false));
    world.tab_ui("alice", "third", looking(None, false));
    let draft = |world: &World, tab| {
        let thread = world.tab_view("alice", tab).thread.unwrap();
        (thread.draft, thread.draft_version)
    };
    world.ui("alice", UiEvent::DraftChanged { handle: "bob".into(), text: "Dear Bob".into() });
    assert_eq!(draft(&world, "second"), ("Dear Bob".into(), 1));
    assert_eq!(draft(&world, "tab"), ("Dear Bob".into(), 0), "typing is not interrupted");
    world.send("alice", "bob", "Dear Bob");
    assert_eq!(
        draft(&world, "second"),
        (String::new(), 2),
        "a draft sent in one tab is cleared in the others"
    );
    world.tab_ui("alice", "second", UiEvent::DraftChanged { handle: "bob".into(), text: "P.S.".into() });
    assert_eq!((draft(&world, "tab"), draft(&world, "second").1), (("P.S.".into(), 1), 2));
}

#[test]
fn impossible_times_are_ignored() {
    let mut world = alice_and_bob(14);
    let (alice, bob) = (world.key("alice"), world.key("bob"));
    let peer = kez_core::identity::Peer::new(&alice, bob.public()).unwrap();
    let at = kez_core::time::Timestamp::from_unix(world.now / 1000);
    for (n, sent_at) in
        ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-11-22T19:00:00+01:00"].iter().enumerate()
    {
        let plaintext = format!(r#"{{"id":"m{n}","kind":"text","text":"{n}","sent_at":"{sent_at}"}}"#);
        let sealed =
            kez_core::envelope::seal(&alice, &peer, plaintext.as_bytes(), at, &mut world.rng).unwrap();
        world.relay.append("bob", &sealed.json, world.now);
    }
    world.push_to_streams();
    world.run(2_000);
    assert_eq!(world.texts("bob"), ["them: 0", "them: 1", "them: 2"]);
    let times: Vec<u64> = world.rows("bob").iter().map(|row| row.at).collect();
    let week = 7 * 24 * 3_600;
    assert!(times.iter().all(|shown| (at.unix() - week..=at.unix()).contains(shown)), "{times:?}");
}

/// A page that was requested later may be answered before a frame that was sent earlier.
#[test]
fn a_late_frame_does_not_start_the_reading_over() {
    let mut world = alice_and_bob(1);
    for n in 0..3 {
        world.send("alice", "bob", &format!("{n}"));
    }
    world.run(10_000);
    let frame = LiveFrame::Items { epoch: world.relay.epoch.clone(), items: Vec::new(), last: Some(2) };
    let event = Event::Live(LiveEvent::Frame(serde_json::to_string(&frame).unwrap()));
    let now = world.now;
    let effects = world.browser("bob").client.handle(event, now, &mut crate::sim::Chance::new(7));
    let restarts = |effect: &Effect| matches!(effect, Effect::OpenLive { .. } | Effect::CloseLive);
    assert!(!effects.iter().any(restarts), "{effects:?}");
}

#[test]
fn a_long_catch_up_in_pages_reports_its_progress() {
    let mut world = writing_envelopes(1);
    world.weather.stream_cut = 100;
    reports_a_long_catch_up(&mut world);
}

#[test]
fn a_long_catch_up_on_the_stream_reports_its_progress_without_any_other_answer() {
    let mut world = writing_envelopes(2);
    world.relay.intercept = Some(Box::new(|request| {
        let of_the_inbox = request.target.starts_with("/v1/inbox/bob");
        of_the_inbox.then(|| HttpResponse { status: 503, retry_after: None, date: None, body: Vec::new() })
    }));
    reports_a_long_catch_up(&mut world);
}

fn reports_a_long_catch_up(world: &mut World) {
    world.send("alice", "bob", "now they are contacts");
    world.run(5_000);
    world.network("bob", false);
    for n in 0..1_400 {
        world.send("alice", "bob", &format!("{n}"));
        world.run(100);
    }
    world.run(10_000);
    assert_eq!(world.view("bob").catching_up, None, "no progress is shown yet");
    world.network("bob", true);
    let mut seen = Vec::new();
    for _ in 0..2_000 {
        world.run(1);
        seen.extend(world.view("bob").catching_up);
    }
    assert!(seen.iter().all(|now| now.total >= 1_400 && now.done <= now.total), "{seen:?}");
    assert!(seen.is_sorted_by_key(|now| now.done), "{seen:?}");
    assert!(seen.iter().any(|now| now.done > 0 && now.done < now.total), "{seen:?}");
    world.run(60_000);
    assert_eq!(world.view("bob").catching_up, None);
    assert_eq!(world.texts("bob").last().unwrap(), "them: 1399");
}
