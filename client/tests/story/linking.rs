//! A new browser is linked by one that belongs to the account: with a code, without the recovery words.

use kez_client::event::{GroupChange, UiEvent};
use kez_client::record::Kind;
use kez_client::secret::Secret;
use kez_client::view::{
    AccountView, ChainAlarm, LinkStep, LinkView, LinkingStep, LinkingView, Me, MessageRow, ReactionRow,
    Reason,
};
use kez_core::api::{GroupKind, messages_target};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::{Body, Chain};
use kez_core::time::Timestamp;
use rstest::rstest;

use crate::groups::{change, create, people, row, texts};
use crate::sim::World;

pub(crate) const NEW: &str = "alice's new browser";

pub(crate) fn me(world: &World, who: &'static str) -> Me {
    match world.view(who).account {
        AccountView::Open(me) => me,
        other => panic!("not open: {other:?}"),
    }
}

/// What /link shows.
fn link(world: &World) -> LinkView {
    match world.view(NEW).account {
        AccountView::None { link, .. } => link,
        other => panic!("not linking: {other:?}"),
    }
}

fn is_open(world: &World) -> bool {
    matches!(world.view(NEW).account, AccountView::Open(_))
}

/// What "Link a device" shows.
fn linking(world: &World) -> LinkingView {
    me(world, "alice").devices.linking
}

/// A new browser shows its code. Returns it.
fn offer(world: &mut World, passphrase: &str) -> String {
    world.open(NEW);
    world.run(1_000);
    world.ui(NEW, UiEvent::LinkBegun { passphrase: Secret::new(passphrase) });
    world.run(1_000);
    match link(world).step {
        LinkStep::Code { code, .. } => code,
        other => panic!("no code: {other:?}"),
    }
}

fn type_code(world: &mut World, code: &str) {
    world.ui("alice", UiEvent::LinkCodeTyped { text: Secret::new(code) });
    world.run(1_000);
}

/// Links a new browser to Alice's account.
pub(crate) fn linked(world: &mut World) {
    let code = offer(world, "");
    type_code(world, &code);
    assert_eq!(linking(world).step, LinkingStep::Confirm);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(20_000);
    assert!(is_open(world), "{:?} {:?}", world.view(NEW).account, linking(world));
}

fn chain(world: &mut World) -> Chain {
    let key = world.key("alice").public().primary();
    world.relay.sigchains.of(&key)
}

/// How many devices the chain has, also those that were revoked.
fn devices(world: &mut World) -> usize {
    chain(world).devices().len()
}

/// Alice with a chat and a group, in which there is something to tell.
fn with_history(chance: u64) -> (World, String) {
    let mut world = people(chance, &["alice", "bob"]);
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(1_000);
    for turn in 0..5 {
        world.send("alice", "bob", &format!("question {turn}"));
        world.run(1_000);
        world.send("bob", "alice", &format!("answer {turn}"));
        world.run(1_000);
    }
    let at = create(&mut world, "alice", "Hiking", &["bob"]);
    change(&mut world, "bob", &at, GroupChange::Accept);
    for who in ["alice", "bob"] {
        world.send(who, &at, &format!("{who} before"));
        world.run(2_000);
    }
    (world, at)
}

#[test]
fn a_linked_browser_has_no_words_but_everything_else() {
    let (mut world, at) = with_history(1);
    linked(&mut world);
    assert_eq!(linking(&world).step, LinkingStep::Linked);
    let new = me(&world, NEW);
    assert_eq!((new.has_words, new.handle.as_str(), new.devices.rows.len()), (false, "alice", 2));
    assert_eq!((new.chain.alarm, world.chain("alice").alarm), (None, None), "who links is not alarmed");
    world.run(20_000);
    world.look(NEW, "bob");
    world.run(1_000);
    let before = world.texts("alice");
    assert!(before.len() <= 10, "{before:?}");
    world.look("alice", "bob");
    assert_eq!(world.texts(NEW), world.texts("alice"));
    assert_eq!(world.view(NEW).unread, 0);
    world.look(NEW, &at);
    world.run(1_000);
    assert_eq!(texts(&world, NEW), ["me: alice before", "bob: bob before"]);
    assert_eq!(world.view(NEW).conversations.iter().filter(|row| row.request).count(), 0);
    let name = world.thread(NEW).group.unwrap().name;
    assert_eq!(name, "Hiking");
    for (who, text) in [(NEW, "from the new one"), ("bob", "hello"), ("alice", "both")] {
        world.send(who, &at, text);
        world.run(2_000);
    }
    let expected = ["me: alice before", "bob: bob before", "me: from the new one", "bob: hello", "me: both"];
    assert_eq!(texts(&world, NEW), expected);
    world.reload(NEW);
    world.run(5_000);
    assert_eq!(texts(&world, NEW), expected);
    let seed = world.key("alice").seed().as_bytes().to_vec();
    let disk = &world.browser(NEW).disk;
    assert!(!disk.values().any(|value| value.windows(32).any(|bytes| bytes == seed)));
    assert!(!disk.contains_key(&(Kind::Link, "link".to_owned())));
}

#[test]
fn what_is_a_request_in_one_browser_is_one_in_the_linked_browser() {
    let mut world = people(18, &["alice", "bob", "carol"]);
    world.look("bob", "alice");
    world.run(1_000);
    world.send("bob", "alice", "do you know me?");
    world.run(2_000);
    let at = create(&mut world, "carol", "Strangers", &["alice"]);
    change(&mut world, "alice", &at, GroupChange::Accept);
    linked(&mut world);
    world.run(10_000);
    let rows = world.view(NEW).conversations;
    let requests: Vec<&str> = rows.iter().filter(|row| row.request).map(|row| row.handle.as_str()).collect();
    assert_eq!(requests, ["bob"], "the group was accepted");
    world.look(NEW, "bob");
    world.run(1_000);
    assert_eq!(world.texts(NEW), ["them: do you know me?"]);
    world.ui(NEW, UiEvent::RequestAccepted { handle: "bob".into() });
    world.run(3_000);
    assert!(world.view("alice").conversations.iter().all(|row| !row.request));
}

#[test]
fn the_address_that_the_new_browser_shows_links_it_too() {
    let mut world = people(2, &["alice"]);
    offer(&mut world, "");
    let LinkStep::Code { code, url } = link(&world).step else { panic!("no code") };
    assert_eq!(url, format!("https://{}/settings#link={}", world.relay.server, code.replace('-', "")));
    type_code(&mut world, &url);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(10_000);
    assert!(is_open(&world));
}

#[test]
fn a_wrong_code_is_refused() {
    let mut world = people(3, &["alice"]);
    let code = offer(&mut world, "");
    for (typed, why) in [
        ("hello", Reason::InvalidLinkCode),
        ("K7QXM-2R9VD-WT4HB-N8ZPC", Reason::UnknownLinkCode),
        ("https://kez.lat/settings#link=", Reason::InvalidLinkCode),
    ] {
        type_code(&mut world, typed);
        assert_eq!(linking(&world), LinkingView { step: LinkingStep::Code, error: Some(why) }, "{typed}");
        world.ui("alice", UiEvent::LinkConfirmed);
    }
    type_code(&mut world, &code.to_lowercase());
    assert_eq!(linking(&world), LinkingView { step: LinkingStep::Confirm, error: None });
    world.ui("alice", UiEvent::LinkCancelled);
    world.run(10_000);
    assert_eq!((linking(&world).step, devices(&mut world)), (LinkingStep::Code, 1));
    assert!(!is_open(&world));
}

#[test]
fn an_offer_that_the_server_swaps_is_refused() {
    let mut world = people(4, &["alice"]);
    let code = offer(&mut world, "");
    let other = {
        let mut elsewhere = people(5, &["alice"]);
        offer(&mut elsewhere, "");
        elsewhere.relay.links.0.into_values().next().unwrap().offer
    };
    for link in world.relay.links.0.values_mut() {
        link.offer = other.clone();
    }
    type_code(&mut world, &code);
    assert_eq!(linking(&world).error, Some(Reason::OtherOffer));
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(10_000);
    assert_eq!(devices(&mut world), 1);
}

#[test]
fn what_the_server_changes_on_the_way_links_nothing() {
    let mut world = people(6, &["alice"]);
    let code = offer(&mut world, "");
    world.relay.script = Some(Box::new(|request, mut response| {
        if request.target.starts_with("/v1/links/")
            && let Ok(mut state) = serde_json::from_slice::<kez_core::api::LinkState>(&response.body)
        {
            for message in &mut state.messages {
                message.sealed.0[9] ^= 1;
            }
            response.body = serde_json::to_vec(&state).unwrap();
        }
        response
    }));
    type_code(&mut world, &code);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(20_000);
    assert_eq!(link(&world).error, Some(Reason::LinkFailed));
    assert_eq!(devices(&mut world), 1);
    assert!(world.browser(NEW).disk.is_empty());
}

#[test]
fn a_server_that_withholds_links_nothing_and_the_browser_gives_up() {
    let mut world = people(7, &["alice"]);
    let code = offer(&mut world, "");
    world.relay.script = Some(Box::new(|request, mut response| {
        if request.target.starts_with("/v1/links/")
            && let Ok(mut state) = serde_json::from_slice::<kez_core::api::LinkState>(&response.body)
        {
            state.messages.retain(|message| message.from == kez_core::link::Side::Old);
            response.body = serde_json::to_vec(&state).unwrap();
        }
        response
    }));
    type_code(&mut world, &code);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(20_000);
    assert!(matches!(link(&world).step, LinkStep::Joining { .. }));
    assert_eq!(linking(&world).step, LinkingStep::Linking);
    world.run(11 * 60 * 1000);
    assert_eq!(
        (linking(&world).error, link(&world).error),
        (Some(Reason::LinkExpired), Some(Reason::LinkExpired))
    );
    assert_eq!(devices(&mut world), 1);
    assert!(world.browser(NEW).disk.is_empty());
    world.relay.script = None;
    linked(&mut world);
}

#[test]
fn a_code_that_no_one_types_expires() {
    let mut world = people(8, &["alice"]);
    offer(&mut world, "");
    world.run(11 * 60 * 1000);
    assert_eq!(link(&world), LinkView { step: LinkStep::Passphrase, error: Some(Reason::LinkExpired) });
}

#[test]
fn a_new_browser_that_cancels_is_not_linked() {
    let mut world = people(9, &["alice"]);
    let code = offer(&mut world, "");
    world.ui(NEW, UiEvent::LinkCancelled);
    type_code(&mut world, &code);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(30_000);
    assert_eq!((devices(&mut world), link(&world).step), (1, LinkStep::Passphrase));
    assert!(world.browser(NEW).disk.is_empty());
}

#[test]
fn a_passphrase_locks_the_linked_browser() {
    let mut world = people(10, &["alice"]);
    let code = offer(&mut world, "open sesame");
    type_code(&mut world, &code);
    world.ui("alice", UiEvent::LinkConfirmed);
    world.run(20_000);
    assert!(me(&world, NEW).has_passphrase);
    world.reload(NEW);
    world.run(1_000);
    assert!(matches!(world.view(NEW).account, AccountView::Locked { .. }));
    world.ui(NEW, UiEvent::UnlockSubmitted { passphrase: Secret::new("open sesame") });
    world.run(2_000);
    assert_eq!(me(&world, NEW).handle, "alice");
}

#[test]
fn a_key_that_was_changed_before_is_followed_from_the_root() {
    let mut world = people(11, &["alice"]);
    let phrase = world.rotation_words("alice");
    world.ui("alice", UiEvent::KeyChangeSubmitted { phrase: Secret::new(phrase) });
    world.run(10_000);
    linked(&mut world);
    assert_eq!(me(&world, NEW).primary, world.key("alice").public().to_string());
}

#[test]
fn a_chain_that_has_no_room_in_the_introduction_is_fetched() {
    let mut world = people(12, &["alice"]);
    let alice = world.key("alice");
    for _ in 0..150 {
        let chain = chain(&mut world);
        let now = Timestamp::from_unix(world.now / 1000);
        let link = chain.draft(Body::SetCapabilities { min_version: 1 }, now).sign(&alice).unwrap();
        world.relay.sigchains.append(&link);
    }
    world.reload("alice");
    world.run(20_000);
    world.ui("alice", UiEvent::OwnChainAlarmDismissed);
    linked(&mut world);
    assert_eq!(me(&world, NEW).chain.history.len(), 154);
}

#[test]
fn a_linked_browser_links_another_one_and_removes_the_first() {
    let (mut world, at) = with_history(13);
    linked(&mut world);
    world.run(10_000);
    world.open("third");
    world.run(1_000);
    world.ui("third", UiEvent::LinkBegun { passphrase: Secret::default() });
    world.run(1_000);
    let AccountView::None { link, .. } = world.view("third").account else { panic!("open") };
    let LinkStep::Code { code, .. } = link.step else { panic!("{link:?}") };
    world.ui(NEW, UiEvent::LinkCodeTyped { text: Secret::new(code) });
    world.run(1_000);
    world.ui(NEW, UiEvent::LinkConfirmed);
    world.run(60_000);
    world.look("third", &at);
    world.run(2_000);
    assert_eq!(texts(&world, "third"), ["me: alice before", "bob: bob before"], "history is handed on");
    assert_eq!((world.chain("alice").alarm, world.chain("third").alarm), (None, None), "it was announced");

    let new = me(&world, "alice").devices.rows.into_iter().find(|row| row.number == 2).unwrap();
    world.ui("third", UiEvent::DeviceRemoved { device: new.id });
    world.run(5_000);
    assert!(me(&world, NEW).devices.removed);
    world.send("bob", &at, "without it");
    world.run(3_000);
    world.look(NEW, &at);
    assert!(!texts(&world, NEW).contains(&"bob: without it".to_owned()));
    assert!(texts(&world, "third").contains(&"bob: without it".to_owned()));
}

#[test]
fn a_browser_that_someone_adds_with_a_stolen_key_is_an_alarm_in_linked_browsers_too() {
    let mut world = people(14, &["alice"]);
    linked(&mut world);
    world.run(10_000);
    let words = world.words("alice");
    crate::restore::restore(&mut world, "thief", &words);
    world.run(30_000);
    for who in ["alice", NEW] {
        assert_eq!(world.chain(who).alarm, Some(ChainAlarm::DeviceAdded), "{who}");
    }
}

#[test]
fn a_long_history_comes_in_parts_and_an_interrupted_transfer_goes_on() {
    let (mut world, _) = with_history(15);
    world.look("alice", "bob");
    for turn in 0..300 {
        world.send("alice", "bob", &format!("message {turn} {}", "x".repeat(1_000)));
        world.run(200);
    }
    world.run(10_000);
    let code = offer(&mut world, "");
    type_code(&mut world, &code);
    world.ui("alice", UiEvent::LinkConfirmed);
    let mut shown = false;
    for turn in 0..400 {
        world.run(50);
        shown |= is_open(&world) && me(&world, NEW).devices.history.is_some();
        // Every few parts, one side dies.
        if is_open(&world) && turn % 9 == 3 {
            let who = if turn % 2 == 0 { "alice" } else { NEW };
            world.reload(who);
        }
    }
    world.run(60_000);
    assert!(shown, "there is progress to see");
    assert_eq!((me(&world, NEW).devices.history, me(&world, "alice").devices.history), (None, None));
    world.look(NEW, "bob");
    world.run(1_000);
    // The line that says that the chat has moved to MLS may be among the rows of the new browser.
    assert!((310..=311).contains(&world.thread(NEW).total), "{}", world.thread(NEW).total);
    let same_end =
        |new: &[String], old: &[String]| new.iter().rev().zip(old.iter().rev()).all(|(a, b)| a == b);
    assert!(same_end(&world.texts(NEW), &world.texts("alice")), "the newest");
    for _ in 0..10 {
        for who in [NEW, "alice"] {
            world.ui(who, UiEvent::OlderWanted { handle: "bob".into() });
        }
    }
    let same_start = |new: &[String], old: &[String]| new.iter().zip(old).all(|(a, b)| a == b);
    assert!(same_start(&world.texts(NEW), &world.texts("alice")), "the oldest");
    let largest = world.relay.groups.posted.iter().map(Vec::len).max().unwrap();
    assert!(largest <= 262_144, "{largest}");
}

/// The reactions to a row: each emoji with the number of people who have set it, and `+` for the user.
fn reactions(row: &MessageRow) -> Vec<String> {
    let one = |of: &ReactionRow| format!("{}{}{}", of.emoji, of.count, if of.mine { "+" } else { "" });
    row.reactions.iter().map(one).collect()
}

/// Reacts to the first message that begins like this.
fn react(world: &mut World, who: &'static str, at: &str, text: &str, emoji: &str, on: bool) {
    world.look(who, at);
    world.run(500);
    let id = world.rows(who).into_iter().find(|row| crate::sim::text(row).starts_with(text)).unwrap().id;
    world.ui(who, UiEvent::ReactionSet { handle: at.into(), id, emoji: emoji.into(), on });
    world.run(1_000);
}

#[test]
fn a_linked_browser_gets_the_reactions_too() {
    let (mut world, at) = with_history(19);
    for (who, to) in [("alice", "bob"), ("bob", "alice")] {
        react(&mut world, who, to, "answer 2", "👍", true);
        react(&mut world, who, &at, "bob before", "❤️", true);
    }
    react(&mut world, "bob", "alice", "answer 2", "👎", true);
    react(&mut world, "bob", "alice", "answer 2", "👎", false);
    linked(&mut world);
    world.run(20_000);
    let shown = |world: &mut World, who: &'static str, at: &str| -> Vec<Vec<String>> {
        world.look(who, at);
        world.run(1_000);
        world.rows(who).iter().map(reactions).filter(|all| !all.is_empty()).collect()
    };
    assert_eq!(shown(&mut world, NEW, "bob"), [["👍2+"]]);
    assert_eq!(shown(&mut world, NEW, &at), [["❤️2+"]]);
    assert_eq!(world.rows(NEW).iter().flat_map(|row| &row.reactions).next().unwrap().others, ["bob"]);
    // They can be withdrawn, also from the new browser, and after a reload.
    world.reload(NEW);
    world.run(3_000);
    react(&mut world, "bob", "alice", "answer 2", "👍", false);
    react(&mut world, NEW, &at, "bob before", "❤️", false);
    for who in ["alice", NEW] {
        assert_eq!(shown(&mut world, who, "bob"), [["👍1+"]], "{who}");
        assert_eq!(shown(&mut world, who, &at), [["❤️1"]], "{who}");
    }
}

/// The transfer is slow, and someone reacts to a message that has not come yet.
#[test]
fn a_reaction_that_comes_before_its_message_is_shown() {
    let (mut world, _) = with_history(20);
    let own = world.relay.groups.logs.iter().find(|(_, log)| {
        log.kind == GroupKind::Own && log.members.keys().any(|handle| handle.as_str() == "alice")
    });
    let target = messages_target(*own.unwrap().0);
    world.relay.intercept = Some(Box::new(move |request| {
        (request.target == target).then(|| crate::sim::problem(ProblemCode::Unavailable))
    }));
    linked(&mut world);
    react(&mut world, "bob", "alice", "question 1", "👍", true);
    world.look(NEW, "bob");
    world.run(2_000);
    assert!(world.view(NEW).thread.is_none_or(|thread| thread.total < 10));
    world.relay.intercept = None;
    world.run(60_000);
    world.look(NEW, "bob");
    world.run(1_000);
    let row = world.rows(NEW).into_iter().find(|row| crate::sim::text(row) == "question 1").unwrap();
    assert_eq!(reactions(&row), ["👍1"]);
}

/// Alice and Bob have written to each other, in envelopes if Bob has no MLS.
fn talking(has_mls: bool) -> World {
    let mut world = World::new(21);
    if !has_mls {
        world.without_engine.push("bob");
    }
    for who in ["alice", "bob"] {
        world.join(who, "");
    }
    world.look("alice", "bob");
    world.look("bob", "alice");
    world.run(3_000);
    world.send("alice", "bob", "first");
    world.run(3_000);
    world
}

/// The number of letters of the longest text that Alice's browser sends to Bob.
fn most_letters(mut world: World) -> usize {
    let (mut fits, mut too_many) = (100 * 1024, 300 * 1024);
    while too_many - fits > 1 {
        let letters = usize::midpoint(fits, too_many);
        world.send("alice", "bob", &"x".repeat(letters));
        match world.thread("alice").refused {
            Some(_) => too_many = letters,
            None => fits = letters,
        }
    }
    fits
}

#[rstest]
fn the_longest_texts_come_in_parts_of_their_own(#[values(false, true)] has_mls: bool) {
    let most = most_letters(talking(has_mls));
    assert!(most > if has_mls { 168 } else { 187 } * 1024, "{most}");
    let mut world = talking(has_mls);
    for (who, to) in [("alice", "bob"), ("bob", "alice")] {
        world.send(who, to, &"x".repeat(most));
        world.run(5_000);
        react(&mut world, "alice", "bob", "xxx", "👍", true);
    }
    world.send("alice", "bob", "last");
    world.run(5_000);
    linked(&mut world);
    world.run(60_000);
    world.look(NEW, "bob");
    world.run(1_000);
    let cut: Vec<bool> = world.rows(NEW).iter().map(|row| row.cut).collect();
    assert_eq!(cut, [false, true, true, false]);
    for row in world.rows(NEW).into_iter().filter(|row| row.cut) {
        world.ui(NEW, UiEvent::WholeTextWanted { handle: "bob".into(), id: row.id });
    }
    let letters = |row: &MessageRow| crate::sim::text(row).len();
    assert_eq!(world.rows(NEW).iter().map(letters).collect::<Vec<_>>(), [5, most, most, 4]);
    assert_eq!((me(&world, NEW).devices.history, me(&world, "alice").devices.history), (None, None));
    assert!(world.relay.groups.posted.iter().all(|item| item.len() <= 262_144));
}

/// A crash at any effect, on either side, leaves a browser that is linked or one that is not, and another attempt works.
#[rstest]
fn a_crash_leaves_a_browser_that_is_linked_or_not(
    #[values("alice", NEW)] who: &'static str,
    #[values(0, 1, 2, 3, 5, 8, 12, 17, 23, 30)] effects: usize,
) {
    let mut world = people(16, &["alice"]);
    world.open(NEW);
    world.run(1_000);
    if who == NEW {
        world.browser(NEW).dies_after = Some(effects);
    }
    world.ui(NEW, UiEvent::LinkBegun { passphrase: Secret::default() });
    world.run(1_000);
    let code = match world.view(NEW).account {
        AccountView::None { link: LinkView { step: LinkStep::Code { code, .. }, .. }, .. } => Some(code),
        _ => None,
    };
    if let Some(code) = code {
        if who == "alice" {
            world.browser("alice").dies_after = Some(effects);
        }
        type_code(&mut world, &code);
        world.ui("alice", UiEvent::LinkConfirmed);
        world.run(60_000);
    }
    for one in ["alice", NEW] {
        world.browser(one).dies_after = None;
        world.reload(one);
    }
    world.run(12 * 60 * 1000);
    if is_open(&world) {
        assert_eq!(me(&world, NEW).devices.rows.len(), 2);
    } else {
        assert!(world.browser(NEW).disk.is_empty());
        world.ui("alice", UiEvent::LinkCancelled);
        linked(&mut world);
    }
    rename_works(&mut world);
}

/// Both browsers are in the group of devices.
fn rename_works(world: &mut World) {
    let row = me(world, NEW).devices.rows.into_iter().find(|row| row.here).unwrap();
    world.ui(NEW, UiEvent::DeviceRenamed { device: row.id, name: "New".into() });
    world.run(10_000);
    assert!(me(world, "alice").devices.rows.iter().any(|row| row.name == "New"));
}

#[test]
fn the_lines_of_a_group_say_that_a_device_was_added() {
    let (mut world, at) = with_history(17);
    linked(&mut world);
    world.look("alice", &at);
    world.run(5_000);
    let last = world.rows("alice").iter().map(row).next_back().unwrap();
    assert_eq!(last, "[device of me]");
}
