//! The test story common to every store, and a search for schedules in which a reader would miss a message.

use std::collections::BTreeMap;
use std::path::Path;

use futures::future::join_all;
use kez_chat_server::store::accounts::{Account, Claim, ClaimOutcome};
use kez_chat_server::store::accounts::{Rotation, RotationOutcome};
use kez_chat_server::store::chains::{ChainHead, LinkOutcome, NewLink};
use kez_chat_server::store::inboxes::{Acknowledged, Status};
use kez_chat_server::store::invites::NewInvite;
use kez_chat_server::store::people::List;
use kez_chat_server::store::usage::{Held, NetworkTag, Origin, Quota, Source, Usage};
use kez_chat_server::store::{
    AccountId, BindOutcome, CallerKey, InboxId, NewBinding, NewMessage, PageLimit, Store, StoreError,
    StoredMessage,
};
use kez_chat_server::transparency::tree;
use kez_core::caller_auth::{self, CallerAuth, CallerRequest, Nonce};
use kez_core::handle::Handle;
use kez_core::identity::{Primary, SecretIdentity, Seed};
use kez_core::invite::InviteCode;
use kez_core::log::merkle::GrowingTree;
use kez_core::nkey::{Role, SecretNkey};
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use proptest::prelude::*;
use sqlx::Connection;

use crate::bindings;
use crate::postgres::cluster::Cluster;
use crate::postgres::open::url;
use crate::support::{NOW, Person, rng, second_connection, server_name};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);
const PAGE: PageLimit = PageLimit { items: 100, bytes: 1024 * 1024 };

pub(crate) fn claim(person: &Person) -> Claim {
    Claim {
        handle: person.handle.clone(),
        primary: person.keys.public().primary(),
        registration: person.registration(NOW_TIME),
        invite: None,
        now: NOW_TIME,
    }
}

pub(crate) async fn account(store: &Store, person: &Person) -> Account {
    match store.claim_handle(claim(person)).await.unwrap() {
        ClaimOutcome::Stands(account) => account,
        taken => panic!("{taken:?}"),
    }
}

fn new_message(of: AccountId, envelope: &str) -> NewMessage {
    NewMessage {
        at: None,
        inbox: of.inbox(),
        envelope: envelope.to_owned().into(),
        origin: Origin::Known,
        quota: None,
        now: NOW_TIME,
    }
}

async fn texts(store: &Store, of: AccountId, since: u64, limit: PageLimit) -> Vec<(u64, String)> {
    let page = store.page_after(of.inbox(), since, limit).await.unwrap();
    let text = |item: StoredMessage| (item.seq, String::from_utf8(item.envelope).unwrap());
    page.into_iter().map(text).collect()
}

/// The behaviour of every store. `open` opens the same database each time.
async fn story(open: impl AsyncFn() -> Store) {
    let store = open().await;
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));

    // Each handle and each key is assigned once.
    let first = account(&store, &alice).await;
    assert_eq!(account(&store, &alice).await, first, "the same claim is accepted again");
    assert_eq!(store.lookup(&alice.handle).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.lookup_primary(&first.primary).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.lookup(&bob.handle).await.unwrap(), None);
    let other_key = Claim { primary: bob.keys.public().primary(), ..claim(&alice) };
    let other_key = Claim { registration: "{}".to_owned(), ..other_key };
    assert_eq!(store.claim_handle(other_key).await.unwrap(), ClaimOutcome::HandleTaken);
    let other_handle = Claim { handle: bob.handle.clone(), registration: "{}".to_owned(), ..claim(&alice) };
    assert_eq!(store.claim_handle(other_handle).await.unwrap(), ClaimOutcome::PrimaryTaken);
    // A reserved handle is refused to every claim, even from a key that holds another handle.
    let kept: Handle = "kept".parse().unwrap();
    assert!(store.reserve(kept.clone(), None, NOW_TIME).await.unwrap());
    for person in [&alice, &bob] {
        let reserved = Claim { handle: kept.clone(), registration: "{}".to_owned(), ..claim(person) };
        assert_eq!(store.claim_handle(reserved).await.unwrap(), ClaimOutcome::HandleReserved);
    }
    let second = account(&store, &bob).await;
    let (alice, bob) = (first.id, second.id);

    // Each inbox has its own numbers; the same bytes are stored once, even when they arrive at the same time.
    for (number, text) in [(1, "a"), (2, "b"), (3, "c")] {
        let sent = join_all([text; 3].map(|text| store.append(new_message(alice, text)))).await;
        let sent: Vec<_> = sent.into_iter().map(Result::unwrap).collect();
        assert_eq!(sent.iter().map(|sent| sent.seq).collect::<Vec<_>>(), [number; 3]);
        assert_eq!(sent.iter().filter(|sent| sent.fresh).count(), 1);
    }
    let again = store.append(new_message(alice, "c")).await.unwrap();
    assert!((again.seq, again.fresh) == (3, false));
    let other = store.append(new_message(bob, "a")).await.unwrap();
    assert!((other.seq, other.fresh) == (1, true));

    // Pages start after the cursor and end at the first limit reached.
    let all: Vec<_> = [(1, "a"), (2, "b"), (3, "c")].map(|(seq, text)| (seq, text.to_owned())).into();
    assert_eq!(texts(&store, alice, 0, PAGE).await, all);
    assert_eq!(texts(&store, alice, 1, PageLimit { items: 1, ..PAGE }).await, all[1..2]);
    assert_eq!(texts(&store, alice, 0, PageLimit { bytes: 2, ..PAGE }).await, all[..2]);
    assert_eq!(texts(&store, alice, 0, PageLimit { bytes: 0, ..PAGE }).await, all[..1], "one always fits");
    assert!(texts(&store, alice, 3, PAGE).await.is_empty());
    assert!(texts(&store, alice, u64::MAX, PAGE).await.is_empty());

    // A missing account receives nothing, and does not affect the others in its batch.
    let unknown = AccountId(4711);
    let (refused, stored) =
        tokio::join!(store.append(new_message(unknown, "x")), store.append(new_message(bob, "y")));
    assert!(matches!(refused, Err(StoreError::NoSuchAccount)), "{refused:?}");
    assert_eq!(stored.unwrap().seq, 2);
    assert_eq!(store.append(new_message(bob, "z")).await.unwrap().seq, 3, "no number was used up");

    // Nonces and messages at the same moment.
    let (nonce, keys) = (fresh_nonce(), [first.primary, second.primary].map(|key| CallerKey::of(&key)));
    let (stored, one, other) = tokio::join!(
        store.append(new_message(bob, "w")),
        store.use_nonce(keys[0], nonce, NOW_TIME),
        store.use_nonce(keys[1], nonce, NOW_TIME),
    );
    assert!(one.unwrap() && other.unwrap() && stored.unwrap().seq == 4);

    // Each caller can use a nonce once, until it is forgotten.
    let nonces = [fresh_nonce(), fresh_nonce()];
    assert!(store.use_nonce(keys[0], nonces[0], NOW_TIME).await.unwrap());
    assert!(!store.use_nonce(keys[0], nonces[0], Timestamp::from_unix(NOW + 120)).await.unwrap());
    assert!(store.use_nonce(keys[1], nonces[0], NOW_TIME).await.unwrap());
    assert!(store.use_nonce(keys[0], nonces[1], NOW_TIME).await.unwrap());
    assert!(store.use_nonce(keys[0], nonces[0], Timestamp::from_unix(NOW + 121)).await.unwrap());

    deleted_ones_take_nothing(&store, bob).await;
    people_are_listed(&store, alice, bob).await;
    inboxes_fill_up(&store, account(&store, &Person::new("grace")).await.id).await;
    owners_make_room(&store, account(&store, &Person::new("niaj")).await.id, alice).await;
    invitations_are_used_up(&store).await;

    // A chain grows by compare-and-swap, and the log of heads grows with it, leaf by leaf.
    let root = chain_story(&store).await;
    let removed_nkey = bindings::story(&store, (alice, first.primary), bob).await;

    // An account rotates to its next key, once.
    let former = rotation_story(&store).await;

    // The nonce of a signed message is used up once the message is stored, also for a new process after a crash.
    let of_message = fresh_nonce();
    assert!(store.note_nonce(keys[1], of_message, NOW_TIME).await.unwrap());
    assert!(!store.note_nonce(keys[1], of_message, NOW_TIME).await.unwrap());
    store.append(new_message(bob, "signed")).await.unwrap();
    let next = open().await;
    assert!(!next.use_nonce(keys[1], of_message, NOW_TIME).await.unwrap());
    next.close().await;

    // All of it survives a restart.
    let last = fresh_nonce();
    assert!(store.use_nonce(keys[1], last, NOW_TIME).await.unwrap());
    let epoch = store.epoch().to_owned();
    assert!(store.check().await.is_ok());
    store.close().await;
    assert!(matches!(store.append(new_message(alice, "late")).await, Err(StoreError::Closed)));
    assert!(matches!(store.page_after(alice.inbox(), 0, PAGE).await, Err(StoreError::Closed)));
    let store = open().await;
    assert_eq!(store.epoch(), epoch);
    assert_eq!(texts(&store, alice, 0, PAGE).await, all);
    assert_eq!(store.append(new_message(alice, "a")).await.unwrap().seq, 1);
    assert_eq!(store.append(new_message(alice, "d")).await.unwrap().seq, 4);
    assert!(!store.use_nonce(keys[1], last, NOW_TIME).await.unwrap());
    assert_eq!(store.lookup_primary(&former).await.unwrap().unwrap().handle.as_str(), "carol");
    assert_eq!(store.chain_head(&root).await.unwrap().unwrap().log_index, 2);
    assert_eq!(store.log_size().await.unwrap(), 3);
    assert_eq!(store.log_seed(seed(9)).await.unwrap().as_bytes(), seed(1).as_bytes());
    assert_eq!(store.bound_nkey(removed_nkey).await.unwrap(), None);
    store.close().await;
}

/// Carol rotates her key. Returns the former one.
async fn rotation_story(store: &Store) -> Primary {
    let (carol, next, dave) = (Person::new("carol"), Person::new("carol"), Person::new("dave"));
    let before = account(store, &carol).await;
    assert_eq!(before.root, before.primary);
    let dave = account(store, &dave).await;
    let rotation = Rotation {
        account: before.id,
        handle: before.handle.clone(),
        from: before.primary,
        to: next.keys.public().primary(),
        root: before.root,
        registration: next.registration(NOW_TIME),
        now: NOW_TIME,
    };
    let nkey = SecretNkey::random(Role::User, &mut rng()).public();
    let (expires_at, binding) = (Timestamp::from_unix(NOW + 60), "{}".to_owned());
    let binding =
        NewBinding { account: before.id, primary: before.primary, nkey, binding, expires_at, now: NOW_TIME };
    assert_eq!(store.bind_nkey(binding).await.unwrap(), BindOutcome::Bound);
    let to_daves_key = Rotation { to: dave.primary, ..rotation.clone() };
    assert_eq!(store.rotate(to_daves_key).await.unwrap(), RotationOutcome::PrimaryTaken);
    assert_eq!(
        store.lookup(&carol.handle).await.unwrap().as_ref(),
        Some(&before),
        "everything is rolled back"
    );
    assert_eq!(store.rotate(rotation.clone()).await.unwrap(), RotationOutcome::Rotated);
    assert_eq!(store.rotate(rotation.clone()).await.unwrap(), RotationOutcome::Overtaken);

    let after = store.lookup(&carol.handle).await.unwrap().unwrap();
    assert_eq!((after.id, after.primary, after.root), (before.id, rotation.to, before.primary));
    assert_eq!(after.registration, rotation.registration);
    assert_eq!(store.bound_nkey(nkey).await.unwrap(), None, "the bindings of the former key are void");
    for key in [before.primary, after.primary] {
        assert_eq!(store.lookup_primary(&key).await.unwrap().as_ref(), Some(&after));
    }
    // A former key neither returns nor goes to another account.
    let back = Rotation { from: after.primary, to: before.primary, ..rotation };
    assert_eq!(store.rotate(back).await.unwrap(), RotationOutcome::PrimaryTaken);
    assert_eq!(store.claim_handle(claim(&carol)).await.unwrap(), ClaimOutcome::HandleTaken);
    let elsewhere = Claim { handle: "carol2".parse().unwrap(), ..claim(&carol) };
    assert_eq!(store.claim_handle(elsewhere).await.unwrap(), ClaimOutcome::PrimaryTaken);
    before.primary
}

/// Two links of one chain, with a link of another chain in between. Returns the root of the first.
async fn chain_story(store: &Store) -> Primary {
    let root = |byte| SecretIdentity::from_seed(seed(byte)).public().primary();
    let link = |root, seqno, prev: Option<Hash>, text: &str| NewLink {
        root,
        seqno,
        prev,
        hash: Hash::of(text.as_bytes()),
        json: format!(r#"{{"link":"{text}"}}"#),
        now: NOW_TIME,
        per_day: Some(2),
    };
    let (one, two) = (root(1), root(2));
    let (a, b, c) =
        (link(one, 1, None, "a"), link(two, 1, None, "b"), link(one, 2, Some(Hash::of(b"a")), "c"));
    assert_eq!(store.chain_head(&one).await.unwrap(), None);
    assert_eq!(store.links_after(&one, 0, 1).await.unwrap(), None);
    assert_eq!(store.append_link(c.clone()).await.unwrap(), LinkOutcome::Conflict(None));
    for new in [&a, &b, &c] {
        assert_eq!(store.append_link(new.clone()).await.unwrap(), LinkOutcome::Appended);
        assert_eq!(store.append_link(new.clone()).await.unwrap(), LinkOutcome::Stands);
    }
    let head = ChainHead { seqno: 2, hash: Hash::of(b"c"), log_index: 2 };
    let other = link(one, 2, Some(Hash::of(b"a")), "d");
    assert_eq!(store.append_link(other).await.unwrap(), LinkOutcome::Conflict(Some(head)));
    let third = link(one, 3, Some(Hash::of(b"c")), "e");
    assert_eq!(store.append_link(third).await.unwrap(), LinkOutcome::TooMany(86_400));

    let all = store.links_after(&one, 0, 1024).await.unwrap().unwrap();
    assert_eq!((all.head, all.links), (head, vec![a.json.clone(), c.json.clone()]));
    let [first, second] = [&a, &c].map(|new| [new.json.clone()]);
    assert_eq!(store.links_after(&one, 0, 1).await.unwrap().unwrap().links, first, "one always fits");
    assert_eq!(store.links_after(&one, 1, 1).await.unwrap().unwrap().links, second);
    assert!(store.links_after(&one, u64::MAX, 1).await.unwrap().unwrap().links.is_empty());
    for (known, each, wanted) in [
        (vec![(one, 0), (two, 0), (root(3), 0)], 9, vec![(one, &a), (one, &c), (two, &b)]),
        (vec![(one, 0), (two, 0)], 1, vec![(one, &a), (two, &b)]),
        (vec![(one, 1), (two, 1)], 9, vec![(one, &c)]),
        (vec![(two, 9)], 9, vec![]),
        (vec![], 9, vec![]),
    ] {
        let mut found = store.links_after_each(&known, each).await.unwrap();
        // Only the order within a chain counts.
        found.sort_by_key(|(root, _)| [one, two].iter().position(|it| it == root));
        let wanted: Vec<_> = wanted.into_iter().map(|(root, new)| (root, new.json.clone())).collect();
        assert_eq!(found, wanted, "{known:?} {each}");
    }

    let mut tree = GrowingTree::default();
    let entries = store.log_entries(0, 256).await.unwrap();
    assert_eq!(
        entries.iter().map(|entry| (entry.root, entry.seqno)).collect::<Vec<_>>(),
        [(one, 1), (two, 1), (one, 2)]
    );
    entries.iter().for_each(|entry| tree.push(entry.leaf_hash().unwrap()));
    assert_eq!(store.log_entries(1, 1).await.unwrap(), entries[1..2]);
    let question = tree::root(3);
    let hashes = store.log_hashes(question.positions().to_vec()).await.unwrap();
    assert_eq!(question.answer(&hashes).unwrap(), tree.root());
    assert!(matches!(store.log_hashes(vec![0, 99]).await, Err(StoreError::Corrupt(_))));
    assert_eq!(store.log_seed(seed(1)).await.unwrap().as_bytes(), seed(1).as_bytes());
    one
}

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

/// Mallory's account is deleted while other code still has its id.
async fn deleted_ones_take_nothing(store: &Store, bob: AccountId) {
    let mallory = account(store, &Person::new("mallory")).await.id;
    assert_eq!(store.append(new_message(mallory, "before")).await.unwrap().seq, 1);
    assert!(store.delete_account(mallory, NOW_TIME).await.unwrap());
    let (refused, stored) =
        tokio::join!(store.append(new_message(mallory, "after")), store.append(new_message(bob, "v")));
    assert!(matches!(refused, Err(StoreError::NoSuchAccount)), "{refused:?}");
    assert_eq!(stored.unwrap().seq, 5);
}

async fn people_are_listed(store: &Store, alice: AccountId, bob: AccountId) {
    let listed = async || {
        let listed = store.listed(alice).await.unwrap();
        listed.into_iter().map(|listed| (listed.list, listed.id)).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, []);
    for _ in 0..2 {
        assert!(store.list(alice, List::Blocks, bob).await.unwrap());
        assert_eq!(listed().await, [(List::Blocks, bob)]);
    }
    assert!(store.list(alice, List::Contacts, bob).await.unwrap());
    for _ in 0..2 {
        store.unlist(alice, List::Blocks, bob).await.unwrap();
        assert_eq!(listed().await, [(List::Contacts, bob)]);
    }
    assert_eq!(store.listed(bob).await.unwrap(), []);
}

/// Each origin fills its share. A retry finds its stored message even in a full inbox.
async fn inboxes_fill_up(store: &Store, inbox: AccountId) {
    let quota = Quota { waiting: 4, bytes: 100, requests: Held { messages: 2, bytes: 10 } };
    let (request, blocked) = (Origin::Request(SIGNED), Origin::Blocked(SIGNED));
    let append = async |text: &str, origin| {
        store.append(NewMessage { origin, quota: Some(quota), ..new_message(inbox, text) }).await
    };
    let full = |answer: Result<_, StoreError>| matches!(answer, Err(StoreError::InboxFull));
    assert!(full(append("eleven bytes", request).await), "too large for the share of requests");
    assert_eq!(append("other", request).await.unwrap().seq, 1, "no number was used up");
    assert_eq!(append("block", blocked).await.unwrap().seq, 2);
    assert!(full(append("more", request).await));
    let (last, known) = tokio::join!(append("more", blocked), append("known", Origin::Known));
    assert!(full(last));
    assert_eq!(known.unwrap().seq, 3);
    assert!(full(append(&"x".repeat(90), Origin::Known).await), "too large for what is left");
    assert_eq!(append("last", Origin::Known).await.unwrap().seq, 4);
    assert!(full(append("one more", Origin::Known).await));
    let again = append("other", request).await.unwrap();
    assert!((again.seq, again.fresh) == (1, false));
    let delivered = [(1, "other"), (3, "known"), (4, "last")].map(|(seq, text)| (seq, text.to_owned()));
    assert_eq!(texts(store, inbox, 0, PAGE).await, delivered, "all but the blocked sender's");
    let two = PageLimit { items: 2, ..PAGE };
    assert_eq!(texts(store, inbox, 1, two).await, delivered[1..], "and it does not count toward a page");
}

/// Requests that an account has signed.
const SIGNED: Source = Source { key: None, signed: true, network: NetworkTag(1) };

/// Acknowledged requests make room for newer ones, and deleted ones are subtracted from the counts.
async fn owners_make_room(store: &Store, inbox: AccountId, peer: AccountId) {
    let peers_key = store.listed(inbox).await.unwrap();
    assert_eq!(peers_key, []);
    let quota = Quota { waiting: 30, bytes: 1 << 20, requests: Held { messages: 20, bytes: 1 << 19 } };
    let key = |n: u8| Some(Primary::from_bytes([n; 32]));
    let append = async |text: &str, origin| {
        store.append(NewMessage { origin, quota: Some(quota), ..new_message(inbox, text) }).await
    };
    let full = |answer: Result<_, StoreError>| matches!(answer, Err(StoreError::InboxFull));
    let unsigned =
        |n: u8, network| Origin::Request(Source { key: key(n), signed: false, network: NetworkTag(network) });
    let status = async || store.inbox_status(inbox.inbox()).await.unwrap();
    let of = |last, acknowledged, waiting, all: [u64; 2], requests: [u64; 2]| {
        let held = |[messages, bytes]: [u64; 2]| Held { messages, bytes };
        let usage = Usage { held: held(all), waiting };
        Status { last, acknowledged, keep: None, usage, requests: held(requests) }
    };
    assert_eq!(status().await, of(0, 0, 0, [0, 0], [0, 0]));

    // The half of the share for unsigned requests; a tenth, which is never less than ten.
    for n in 0..10 {
        append(&format!("one {n}"), unsigned(1, 1)).await.unwrap();
    }
    assert_eq!(status().await, of(10, 0, 10, [10, 50], [10, 50]));
    assert!(full(append("two", unsigned(2, 2)).await), "the unsigned half is full");
    let of_peer = Source { key: Some(store_key(store, peer).await), ..SIGNED };
    append("signed", Origin::Request(of_peer)).await.unwrap();
    append("known", Origin::Known).await.unwrap();
    assert_eq!(status().await, of(12, 0, 12, [12, 61], [11, 56]));

    // No waiting request is deleted for a newer one; acknowledged ones are, from the same part.
    let stands = Acknowledged::Stands(of(12, 3, 9, [12, 61], [11, 56]));
    assert_eq!(store.acknowledge(inbox.inbox(), 3).await.unwrap(), stands);
    assert_eq!(store.acknowledge(inbox.inbox(), 2).await.unwrap(), stands, "never back");
    assert_eq!(store.acknowledge(inbox.inbox(), 13).await.unwrap(), Acknowledged::NotGivenOut);
    let (two, three) = tokio::join!(append("two", unsigned(2, 2)), append("three", unsigned(2, 2)));
    let mut numbers = [two.unwrap().seq, three.unwrap().seq];
    numbers.sort_unstable();
    assert_eq!(numbers, [13, 14]);
    append("four", unsigned(2, 2)).await.unwrap();
    assert!(full(append("five", unsigned(2, 2)).await), "the first three went, the others wait");
    assert_eq!(status().await, of(15, 3, 12, [12, 58], [11, 53]));
    let seqs: Vec<u64> = texts(store, inbox, 0, PAGE).await.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (4..=15).collect::<Vec<_>>());
    assert!(append("one 0", Origin::Known).await.unwrap().fresh, "deleted messages are no longer recognised");

    // A blocked sender's messages are counted, and never read.
    append("blocked", Origin::Blocked(Source { key: key(9), ..SIGNED })).await.unwrap();
    assert_eq!(status().await, of(17, 3, 14, [14, 70], [12, 60]));
    assert_eq!(store.last_seq(inbox.inbox()).await.unwrap(), 17);
    assert_eq!(texts(store, inbox, 15, PAGE).await, [(16, "one 0".to_owned())]);

    // Declined, accepted, expired.
    assert_eq!(store.delete_requests(inbox.inbox(), Primary::from_bytes([9; 32])).await.unwrap(), 1);
    assert_eq!(store.delete_requests(inbox.inbox(), Primary::from_bytes([2; 32])).await.unwrap(), 3);
    assert_eq!(store.delete_requests(inbox.inbox(), Primary::from_bytes([2; 32])).await.unwrap(), 0);
    assert_eq!(status().await, of(17, 3, 10, [10, 51], [8, 41]));
    assert!(store.list(inbox, List::Contacts, peer).await.unwrap());
    assert_eq!(status().await, of(17, 3, 10, [10, 51], [7, 35]));
    assert_eq!(store.delete_requests(inbox.inbox(), store_key(store, peer).await).await.unwrap(), 0);
    let later = Timestamp::from_unix(NOW + 1);
    assert_eq!(store.forget_requests(inbox.inbox(), later).await.unwrap(), 0, "they are not acknowledged");
    store.acknowledge(inbox.inbox(), 9).await.unwrap();
    assert_eq!(store.inboxes_with_requests(NOW_TIME, InboxId::FIRST, 10).await.unwrap(), []);
    assert_eq!(store.inboxes_with_requests(later, InboxId::FIRST, 10).await.unwrap(), [inbox.inbox()]);
    assert_eq!(store.forget_requests(inbox.inbox(), later).await.unwrap(), 6);
    assert_eq!(status().await, of(17, 9, 4, [4, 21], [1, 5]));

    // Kept for a limited time.
    let days = kez_core::api::KeepDays::try_from(30).unwrap();
    store.keep_for(inbox.inbox(), Some(days)).await.unwrap();
    assert_eq!(store.limited_inboxes(InboxId::FIRST, 10).await.unwrap(), [(inbox.inbox(), days)]);
    assert_eq!(store.forget_acknowledged(inbox.inbox(), later).await.unwrap(), 0, "all four wait");
    store.acknowledge(inbox.inbox(), 12).await.unwrap();
    assert_eq!(store.forget_acknowledged(inbox.inbox(), NOW_TIME).await.unwrap(), 0);
    assert_eq!(store.forget_acknowledged(inbox.inbox(), later).await.unwrap(), 3);
    assert_eq!(status().await, Status { keep: Some(days), ..of(17, 12, 1, [1, 5], [0, 0]) });
    store.keep_for(inbox.inbox(), None).await.unwrap();
    assert_eq!(store.limited_inboxes(InboxId::FIRST, 10).await.unwrap(), []);
    store.unlist(inbox, List::Contacts, peer).await.unwrap();
}

/// The key of an account, as it appears on other users' lists.
async fn store_key(store: &Store, account: AccountId) -> Primary {
    let accounts = store.accounts_after(None, 100).await.unwrap();
    accounts.into_iter().find(|listed| listed.account.id == account).unwrap().account.primary
}

async fn invitations_are_used_up(store: &Store) {
    let invite = |label: &str, uses, expires: u64| {
        let code = InviteCode::random(&mut rng());
        let (hash, expires_at) = (code.hash(), Timestamp::from_unix(NOW + expires));
        NewInvite { hash, label: label.to_owned(), uses, now: NOW_TIME, expires_at }
    };
    let claim_with = async |handle: &str, invite: &NewInvite| {
        let claim = Claim { invite: Some(invite.hash), ..claim(&Person::new(handle)) };
        store.claim_handle(claim).await.unwrap()
    };
    let (twice, over) = (invite("twice", 2, 60), invite("over", 1, 0));
    let first = store.create_invite(twice.clone()).await.unwrap();
    assert!(first.counts(NOW_TIME) && !first.counts(twice.expires_at));
    store.create_invite(over.clone()).await.unwrap();
    assert_eq!(claim_with("heidi", &over).await, ClaimOutcome::InviteRefused);
    assert_eq!(claim_with("heidi", &invite("unknown", 1, 60)).await, ClaimOutcome::InviteRefused);
    assert_eq!(store.lookup(&"heidi".parse().unwrap()).await.unwrap(), None);
    assert!(matches!(claim_with("heidi", &twice).await, ClaimOutcome::Stands(_)));
    assert_eq!(claim_with("heidi", &twice).await, ClaimOutcome::HandleTaken, "and uses up no invitation");
    assert!(matches!(claim_with("ivan", &twice).await, ClaimOutcome::Stands(_)));
    assert_eq!(claim_with("judy", &twice).await, ClaimOutcome::InviteRefused, "used up");

    let ended = invite("ended", 9, 60);
    let id = store.create_invite(ended.clone()).await.unwrap().id;
    assert!(store.revoke_invite(id).await.unwrap());
    assert!(!store.revoke_invite(id + 1).await.unwrap());
    assert_eq!(claim_with("judy", &ended).await, ClaimOutcome::InviteRefused);
    let all = store.invites().await.unwrap();
    let all: Vec<_> = all.iter().map(|invite| (invite.label.as_str(), invite.used, invite.revoked)).collect();
    assert_eq!(all, [("ended", 0, true), ("over", 0, false), ("twice", 2, false)]);
}

fn fresh_nonce() -> Nonce {
    let (person, server) = (Person::new("someone"), server_name());
    let request = CallerRequest { server: &server, method: "GET", target: "/", body: b"" };
    let header =
        caller_auth::header(&person.keys, &person.handle.clone().into(), &request, NOW_TIME, &mut rng());
    CallerAuth::parse(&header).unwrap().verify(&request, &person.keys.public(), NOW_TIME).unwrap()
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    story(async || Store::sqlite(&file).await.unwrap()).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    let database = url(&Cluster::shared().await.database().await);
    story(async || Store::postgres(&database, 8).await.unwrap()).await;
}

/// The possible operations on an inbox, in any order.
#[derive(Clone, Debug)]
enum Step {
    /// Several messages at once, to one of two inboxes each; some of them identical.
    Append(Vec<(usize, u8)>),
    /// A reader of an inbox reads a page while messages arrive.
    Read { inbox: usize, items: u64, concurrent: Vec<(usize, u8)> },
    /// The oldest or all messages of an inbox are deleted.
    Delete { inbox: usize, all: bool },
    /// The server restarts.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let messages = |most| proptest::collection::vec((0..2_usize, any::<u8>()), 1..most);
    let step = prop_oneof![
        4 => messages(8).prop_map(Step::Append),
        4 => (0..2_usize, 1..6_u64, messages(4))
            .prop_map(|(inbox, items, concurrent)| Step::Read { inbox, items, concurrent }),
        1 => (0..2_usize, any::<bool>()).prop_map(|(inbox, all)| Step::Delete { inbox, all }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_that_pages_by_cursor_misses_nothing(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

/// The expected state of an inbox, and what its reader has seen of it.
#[derive(Default)]
struct Model {
    standing: BTreeMap<u64, u8>,
    last_seq: u64,
    cursor: u64,
    unread: BTreeMap<u64, u8>,
}

async fn play(steps: Vec<Step>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let mut store = Store::sqlite(&file).await.unwrap();
    let inboxes =
        [account(&store, &Person::new("alice")).await.id, account(&store, &Person::new("bob")).await.id];
    let mut models = [Model::default(), Model::default()];
    for step in steps {
        match step {
            Step::Append(messages) => append(&store, inboxes, &mut models, &messages).await,
            Step::Read { inbox, items, concurrent } => {
                let limit = PageLimit { items, ..PAGE };
                let page = store.page_after(inboxes[inbox].inbox(), models[inbox].cursor, limit);
                let (page, ()) = tokio::join!(page, async {
                    append(&store, inboxes, &mut models, &concurrent).await;
                });
                read(&mut models[inbox], page.unwrap());
            }
            Step::Delete { inbox, all } => delete(&file, inboxes[inbox], &mut models[inbox], all).await,
            Step::Restart => {
                store.close().await;
                store = Store::sqlite(&file).await.unwrap();
            }
        }
    }
    for (model, inbox) in models.iter_mut().zip(inboxes) {
        while !model.unread.is_empty() {
            read(model, store.page_after(inbox.inbox(), model.cursor, PAGE).await.unwrap());
        }
    }
    store.close().await;
}

async fn append(store: &Store, inboxes: [AccountId; 2], models: &mut [Model; 2], messages: &[(usize, u8)]) {
    let sent =
        messages.iter().map(|(inbox, text)| store.append(new_message(inboxes[*inbox], &text.to_string())));
    for (answer, (inbox, text)) in join_all(sent).await.into_iter().zip(messages) {
        let (answer, model) = (answer.unwrap(), &mut models[*inbox]);
        let stood = model.standing.iter().find(|(_, standing)| *standing == text).map(|(seq, _)| *seq);
        if let Some(seq) = stood {
            assert_eq!((answer.seq, answer.fresh), (seq, false), "a retry");
        } else {
            assert!(answer.fresh && answer.seq > model.last_seq, "no number is used twice");
            model.last_seq = answer.seq;
            model.standing.insert(answer.seq, *text);
            model.unread.insert(answer.seq, *text);
        }
    }
}

/// Asserts that a page holds the oldest unread messages, in order and without a gap.
fn read(model: &mut Model, page: Vec<StoredMessage>) {
    for item in page {
        let (seq, text) = model.unread.pop_first().unwrap();
        assert_eq!((item.seq, String::from_utf8(item.envelope).unwrap()), (seq, text.to_string()));
        model.cursor = seq;
    }
}

async fn delete(file: &Path, inbox: AccountId, model: &mut Model, all: bool) {
    let up_to = if all { model.last_seq } else { model.standing.keys().next().copied().unwrap_or(0) };
    let mut connection = second_connection(file).await;
    sqlx::query("DELETE FROM messages WHERE inbox = ?1 AND seq <= ?2")
        .bind(inbox.0)
        .bind(up_to.cast_signed())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    model.standing.retain(|seq, _| *seq > up_to);
    model.unread.retain(|seq, _| *seq > up_to);
}
