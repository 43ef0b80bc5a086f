//! The log of a group in the store: one line of epochs, whatever happens at once.

use std::collections::HashSet;

use futures::future::join_all;
use kez_chat_server::store::groups::epoch::{At, NewEpoch, NewWelcome};
use kez_chat_server::store::groups::invites::{GroupInvite, InviteOutcome, InviteUse};
use kez_chat_server::store::groups::{
    CreateOutcome, GroupNumber, Member, NewGroup, NewMember, OfferedState, Welcome,
};
use kez_chat_server::store::people::List;
use kez_chat_server::store::usage::{Held, Origin, Quota};
use kez_chat_server::store::{
    AccountId, Appended, InboxId, NewMessage, PageLimit, Store, StoreError, postgres, sqlite,
};
use kez_core::invite::InviteHash;
use kez_core::mls::policy::{Kind, Role};
use kez_core::mls::{GroupId, LeafId};
use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;

use crate::postgres::cluster::Cluster;
use crate::postgres::open::url;
use crate::store::account;
use crate::support::{NOW, Person};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);
const LATER: Timestamp = Timestamp::from_unix(NOW + 1);
const ALL: PageLimit = PageLimit { items: 100_000, bytes: usize::MAX };

fn gid(byte: u8) -> GroupId {
    GroupId::from_bytes([byte; 16])
}

fn member(account: AccountId, role: Role, added_by: AccountId) -> NewMember {
    NewMember { account, role, added_by }
}

fn group(id: u8, kind: Kind, pair: Option<&str>, members: Vec<NewMember>) -> NewGroup {
    NewGroup {
        gid: gid(id),
        kind,
        pair: pair.map(|pair| Hash::of(pair.as_bytes())),
        state: b"state 0".to_vec(),
        info: format!("info {id}").into_bytes(),
        tree: b"tree 0".to_vec(),
        members,
        now: NOW_TIME,
    }
}

async fn created(store: &Store, new: NewGroup) -> GroupNumber {
    match store.create_group(new).await.unwrap() {
        CreateOutcome::Created(number) => number,
        other => panic!("{other:?}"),
    }
}

fn item(log: InboxId, text: &str, at: Option<At>) -> NewMessage {
    NewMessage {
        at,
        inbox: log,
        envelope: text.to_owned().into(),
        origin: Origin::Known,
        quota: None,
        now: NOW_TIME,
    }
}

async fn post(store: &Store, group: GroupNumber, epoch: u64, text: &str) -> Result<Appended, StoreError> {
    store.append(item(group.log(), text, Some(At::Epoch(epoch)))).await
}

async fn leave(
    store: &Store,
    group: GroupNumber,
    account: AccountId,
    text: &str,
) -> Result<Appended, StoreError> {
    store.append(item(group.log(), text, Some(At::Leave(account)))).await
}

async fn commit(
    store: &Store,
    group: GroupNumber,
    epoch: u64,
    text: &str,
    next: NewEpoch,
) -> Result<Appended, StoreError> {
    let at = At::Commit { epoch, next: Box::new(next) };
    store.append(item(group.log(), text, Some(at))).await
}

fn next(epoch: u64) -> NewEpoch {
    NewEpoch {
        state: format!("state {epoch}").into_bytes(),
        info: format!("info {epoch}").into_bytes(),
        tree: format!("tree {epoch}").into_bytes(),
        ..NewEpoch::default()
    }
}

fn is_stale(answer: &Result<Appended, StoreError>, at: (u64, u64)) -> bool {
    matches!(answer, Err(StoreError::StaleEpoch { epoch, head }) if (*epoch, *head) == at)
}

async fn story(open: impl AsyncFn() -> Store, restored: impl AsyncFn()) {
    let store = open().await;
    let people = ["alice", "bob", "carol"].map(Person::new);
    let mut ids = Vec::new();
    for person in &people {
        ids.push(account(&store, person).await.id);
    }
    let [alice, bob, carol] = <[AccountId; 3]>::try_from(ids).unwrap();

    // A group is created once; a conversation of two people is one.
    let of_two = || vec![member(alice, Role::Admin, alice), member(bob, Role::Member, alice)];
    let number = created(&store, group(1, Kind::Group, None, of_two())).await;
    let again = store.create_group(group(1, Kind::Group, None, of_two())).await.unwrap();
    assert_eq!(again, CreateOutcome::Stands(number));
    let other = NewGroup { info: b"other".to_vec(), ..group(1, Kind::Group, None, of_two()) };
    assert_eq!(store.create_group(other).await.unwrap(), CreateOutcome::Exists(gid(1)));
    let direct = created(&store, group(2, Kind::Direct, Some("alice, bob"), of_two())).await;
    let second = store.create_group(group(3, Kind::Direct, Some("alice, bob"), of_two())).await.unwrap();
    assert_eq!(second, CreateOutcome::Exists(gid(2)));
    assert_ne!(number, direct);
    assert_eq!(GroupNumber::of_log(number.log()), Some(number));
    assert_eq!(GroupNumber::of_log(alice.inbox()), None);

    // An item is looked for before its epoch is compared, and a refused one uses no number.
    assert_eq!(post(&store, number, 0, "a").await.unwrap().seq, 1);
    assert!(is_stale(&post(&store, number, 1, "b").await, (0, 1)));
    let change = NewEpoch {
        joined: vec![member(carol, Role::Member, bob)],
        roles: vec![(bob, Role::Admin)],
        welcome: Some(NewWelcome {
            devices: vec![leaf(7), leaf(8)],
            welcome: b"welcome".to_vec(),
            tree: b"tree".to_vec(),
        }),
        ..next(1)
    };
    let committed = commit(&store, number, 0, "commit 1", change.clone()).await.unwrap();
    assert!((committed.seq, committed.fresh) == (2, true));
    let again = commit(&store, number, 0, "commit 1", change).await.unwrap();
    assert!((again.seq, again.fresh) == (2, false), "a lost answer never becomes a stale epoch");
    let again = post(&store, number, 0, "a").await.unwrap();
    assert!((again.seq, again.fresh) == (1, false));
    assert!(is_stale(&post(&store, number, 0, "late").await, (1, 2)));
    assert!(is_stale(&commit(&store, number, 0, "late", next(1)).await, (1, 2)));
    // A statement names no epoch, and the other group is in its own.
    assert_eq!(leave(&store, number, carol, "leave").await.unwrap().seq, 3);
    assert_eq!(post(&store, direct, 0, "a").await.unwrap().seq, 1);
    assert!(matches!(post(&store, GroupNumber(4711), 0, "a").await, Err(StoreError::NoSuchAccount)));

    // The members and the state are those of the commit.
    let state = store.group_state(gid(1)).await.unwrap().unwrap();
    assert_eq!((state.number, state.kind, state.epoch, state.ahead), (number, Kind::Group, 1, false));
    assert_eq!(
        (state.state, state.info, state.tree),
        (b"state 1".to_vec(), b"info 1".to_vec(), b"tree 1".to_vec())
    );
    assert_eq!(store.group_state(gid(9)).await.unwrap(), None);
    let belongs = async |account| store.membership(account, gid(1)).await.unwrap().unwrap();
    let of_carol = belongs(carol).await;
    assert_eq!((of_carol.since, of_carol.until, of_carol.head), (1, None, 3));
    assert_eq!((of_carol.role, of_carol.added_by.as_ref()), (Role::Member, Some(&people[1].handle)));
    assert_eq!(belongs(bob).await.role, Role::Admin);
    let members: Vec<Member> = store.members(number).await.unwrap();
    assert_eq!(members.iter().map(|member| member.account).collect::<Vec<_>>(), [alice, bob, carol]);
    assert_eq!(members[2].root, people[2].keys.public().primary());
    let welcome = Welcome { seq: 2, welcome: b"welcome".to_vec(), tree: b"tree".to_vec() };
    assert_eq!(store.welcome(number, leaf(8), NOW_TIME).await.unwrap(), Some(welcome));
    assert_eq!(store.welcome(number, leaf(9), NOW_TIME).await.unwrap(), None);
    assert_eq!(store.welcome(number, leaf(8), LATER).await.unwrap(), None, "it is too old");

    // A member that goes reads up to there, and may come back.
    assert!(belongs(carol).await.leaving && !belongs(bob).await.leaving);
    commit(&store, number, 1, "commit 2", NewEpoch { left: vec![carol], ..next(2) }).await.unwrap();
    let gone = belongs(carol).await;
    assert_eq!((gone.since, gone.until, gone.leaving), (1, Some(4), false));
    assert_eq!(store.members(number).await.unwrap().len(), 2);
    let outside = leave(&store, number, carol, "leave again").await;
    assert!(matches!(outside, Err(StoreError::NoSuchAccount)), "and no item: {outside:?}");
    let back = NewEpoch { joined: vec![member(carol, Role::Member, alice)], ..next(3) };
    commit(&store, number, 2, "commit 3", back).await.unwrap();
    assert_eq!((belongs(carol).await.since, belongs(carol).await.until), (4, None));
    assert!(!leave(&store, number, carol, "leave").await.unwrap().fresh);
    assert!(!belongs(carol).await.leaving, "a repeat from before it was added again");

    // A group to which a blocked account added one is left out, and so is a conversation with it.
    let seen = async |account| {
        let groups = store.groups_of(account).await.unwrap();
        groups.into_iter().map(|group| group.gid).collect::<Vec<_>>()
    };
    assert_eq!((seen(alice).await, seen(carol).await), (vec![gid(1), gid(2)], vec![gid(1)]));
    store.list(carol, List::Blocks, alice).await.unwrap();
    store.list(alice, List::Blocks, bob).await.unwrap();
    assert_eq!((seen(alice).await, seen(carol).await), (vec![gid(1)], vec![]));
    assert_eq!(store.membership(carol, gid(1)).await.unwrap(), None);
    assert_eq!(seen(bob).await, [gid(1), gid(2)], "who is blocked sees nothing of it");

    // All of it survives a restart, in the middle of the tail.
    store.close().await;
    let store = open().await;
    assert!(is_stale(&post(&store, number, 2, "late").await, (3, 5)));
    assert_eq!(post(&store, number, 3, "d").await.unwrap().seq, 6);
    assert_eq!(store.membership(bob, gid(1)).await.unwrap().unwrap().head, 6);

    let store = offers(store, &open, &restored, direct).await;
    full_logs_and_limits(&store, alice, bob).await;
    invites(&store, alice).await;
    sweeps(&store, [alice, bob, carol], [number, direct]).await;
    store.close().await;
}

fn leaf(byte: u8) -> LeafId {
    let root = kez_core::identity::Primary::from_bytes([byte; 32]);
    LeafId { root, device: DeviceId::from_bytes([byte; 16]) }
}

/// From a restore to the next commit, the latest offered state of a group replaces its state. `direct` is in epoch 0.
async fn offers(
    store: Store,
    open: &impl AsyncFn() -> Store,
    restored: &impl AsyncFn(),
    direct: GroupNumber,
) -> Store {
    let offer = async |store: &Store, epoch| {
        let NewEpoch { state, info, tree, .. } = next(epoch);
        store.offer_state(direct, OfferedState { epoch, state, info, tree }).await
    };
    let is_refused = |answer: &Result<(), StoreError>, at: (u64, u64)| matches!(answer, Err(StoreError::StaleEpoch { epoch, head }) if (*epoch, *head) == at);
    assert!(is_refused(&offer(&store, 7).await, (0, 1)), "there was no restore");
    let epoch = store.epoch().to_owned();
    store.close().await;
    restored().await;
    let store = open().await;
    assert_ne!(store.epoch(), epoch);
    let of_direct = async || store.group_state(gid(2)).await.unwrap().unwrap();
    assert!(of_direct().await.ahead);
    assert_eq!(post(&store, direct, 0, "of the former epoch").await.unwrap().seq, 2);
    assert!(is_refused(&offer(&store, 0).await, (0, 2)));
    offer(&store, 7).await.unwrap();
    let state = of_direct().await;
    assert_eq!((state.epoch, state.ahead), (7, true));
    assert_eq!(
        (state.state, state.info, state.tree),
        (b"state 7".to_vec(), b"info 7".to_vec(), b"tree 7".to_vec())
    );
    for late in [5, 7] {
        assert!(is_refused(&offer(&store, late).await, (7, 2)));
    }
    assert!(is_stale(&post(&store, direct, 0, "late").await, (7, 2)));
    assert!(!post(&store, direct, 0, "of the former epoch").await.unwrap().fresh);
    assert_eq!(post(&store, direct, 7, "of the offered epoch").await.unwrap().seq, 3);
    offer(&store, 9).await.unwrap();
    assert!(is_stale(&commit(&store, direct, 7, "late", next(8)).await, (9, 3)));
    assert_eq!(commit(&store, direct, 9, "commit 10", next(10)).await.unwrap().seq, 4);
    assert!(is_refused(&offer(&store, 11).await, (10, 4)), "a commit ends it");
    let state = of_direct().await;
    assert_eq!((state.epoch, state.ahead, state.state), (10, false, b"state 10".to_vec()));
    let unknown = OfferedState { epoch: 1, state: Vec::new(), info: Vec::new(), tree: Vec::new() };
    let refused = store.offer_state(GroupNumber(4711), unknown).await;
    assert!(matches!(refused, Err(StoreError::NoSuchAccount)), "{refused:?}");
    store
}

/// A request uses its invitation up by one, and stands in the log only if the invitation is valid.
async fn invites(store: &Store, alice: AccountId) {
    let of_alice = |id| group(id, Kind::Group, None, vec![member(alice, Role::Admin, alice)]);
    let (number, other) = (created(store, of_alice(30)).await, created(store, of_alice(31)).await);
    let hash = |byte| InviteHash::from(Hash::from_bytes([byte; 32]));
    let invite = |byte, group, uses| GroupInvite { hash: hash(byte), group, expires_at: LATER, uses };
    let ask = async |group: GroupNumber, byte, text: &str| {
        store.append(item(group.log(), text, Some(At::Request(hash(byte))))).await
    };
    let is_refused = |answer: &Result<Appended, StoreError>| matches!(answer, Err(StoreError::InviteRefused));
    assert!(is_refused(&ask(number, 1, "too early").await));
    for (invite, outcome) in [
        (invite(1, number, 1), InviteOutcome::Stored),
        (invite(1, number, 2), InviteOutcome::Stored),
        (invite(1, other, 9), InviteOutcome::Conflict),
        (invite(2, number, 1), InviteOutcome::Stored),
    ] {
        assert_eq!(store.put_group_invite(invite, NOW_TIME).await.unwrap(), outcome, "{invite:?}");
    }
    assert_eq!(ask(number, 1, "ask 1").await.unwrap().seq, 1);
    assert!(!ask(number, 1, "ask 1").await.unwrap().fresh);
    assert!(is_refused(&ask(other, 1, "elsewhere").await));
    assert_eq!(ask(number, 1, "ask 2").await.unwrap().seq, 2);
    assert!(is_refused(&ask(number, 1, "ask 3").await), "used up");
    assert!(!ask(number, 1, "ask 2").await.unwrap().fresh, "and still the same item");
    store.revoke_group_invite(other, hash(2)).await.unwrap();
    let used = |byte, uses, used| InviteUse { hash: hash(byte).into(), expires_at: LATER, uses, used };
    assert_eq!(store.group_invites(number).await.unwrap(), [used(1, 2, 2), used(2, 1, 0)]);
    store.revoke_group_invite(number, hash(2)).await.unwrap();
    assert!(is_refused(&ask(number, 2, "ask 4").await));
    assert_eq!(store.sweep_group_invites(LATER).await.unwrap(), 1);
    assert_eq!(store.last_seq(number.log()).await.unwrap(), 2);
}

/// A refused commit leaves nothing behind.
async fn full_logs_and_limits(store: &Store, alice: AccountId, bob: AccountId) {
    let number = created(store, group(20, Kind::Group, None, vec![member(alice, Role::Admin, alice)])).await;
    let quota = Quota { waiting: 1, bytes: 1000, requests: Held::default() };
    let append = async |text: &str, at| {
        store.append(NewMessage { quota: Some(quota), ..item(number.log(), text, Some(at)) }).await
    };
    assert_eq!(append("one", At::Epoch(0)).await.unwrap().seq, 1);
    assert!(matches!(append("two", At::Epoch(0)).await, Err(StoreError::InboxFull)));
    let change = NewEpoch { joined: vec![member(bob, Role::Member, alice)], ..next(1) };
    let at = At::Commit { epoch: 0, next: Box::new(change.clone()) };
    assert!(matches!(append("three", at).await, Err(StoreError::InboxFull)));
    assert_eq!(store.membership(bob, gid(20)).await.unwrap(), None);

    // Bob belongs to as many groups as he may.
    let mut other = 0;
    while let CreateOutcome::Created(_) = {
        let new = NewGroup {
            gid: GroupId::from_bytes(
                *Hash::of(format!("{other}").as_bytes()).as_bytes().first_chunk().unwrap(),
            ),
            ..group(0, Kind::Group, None, vec![member(bob, Role::Admin, bob)])
        };
        store.create_group(new).await.unwrap()
    } {
        other += 1;
    }
    assert_eq!(other, 1000 - 2, "and the two before");
    let refused = commit(store, number, 0, "three", change).await;
    assert!(matches!(refused, Err(StoreError::TooManyGroups)), "{refused:?}");
    let state = store.group_state(gid(20)).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.state.as_slice()), (0, b"state 0".as_slice()));
    assert_eq!(store.page_after(number.log(), 0, ALL).await.unwrap().len(), 1);
    assert_eq!(commit(store, number, 0, "four", next(1)).await.unwrap().seq, 2, "no number was used up");
}

/// Old items, old Welcomes and groups without members go.
async fn sweeps(store: &Store, [alice, bob, carol]: [AccountId; 3], [number, direct]: [GroupNumber; 2]) {
    let oldest = store.oldest_group_items(GroupNumber(0)).await.unwrap();
    assert_eq!(oldest[..2], [(number, Some(NOW_TIME)), (direct, Some(NOW_TIME))]);
    assert_eq!(store.oldest_group_items(number).await.unwrap()[0].0, direct);
    assert_eq!(store.forget_messages(number.log(), LATER).await.unwrap(), 6);
    assert_eq!(store.oldest_group_items(GroupNumber(0)).await.unwrap()[0], (number, None));
    assert_eq!(post(store, number, 3, "after").await.unwrap().seq, 7, "and no number returns");
    assert_eq!(store.sweep_welcomes(NOW_TIME).await.unwrap(), 0);
    assert_eq!(store.sweep_welcomes(LATER).await.unwrap(), 1);
    assert_eq!(store.sweep_groups().await.unwrap(), 0);
    for account in [alice, bob] {
        assert!(store.delete_account(account, NOW_TIME).await.unwrap());
    }
    while store.sweep_groups().await.unwrap() > 0 {}
    assert_eq!(store.group_state(gid(2)).await.unwrap(), None);
    assert_eq!(store.page_after(direct.log(), 0, ALL).await.unwrap(), []);
    assert!(matches!(post(store, direct, 0, "b").await, Err(StoreError::NoSuchAccount)));
    assert_eq!(store.members(number).await.unwrap().len(), 1);
    assert_eq!(post(store, number, 3, "carol is left").await.unwrap().seq, 8);
    assert!(store.delete_account(carol, NOW_TIME).await.unwrap());
    assert_eq!(store.sweep_groups().await.unwrap(), 1);
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    let restored = async || drop(sqlite::renew_epoch(&file).unwrap());
    story(async || Store::sqlite(&file).await.unwrap(), restored).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    let database = url(&Cluster::shared().await.database().await);
    let restored = async || drop(postgres::renew_epoch(&database).await.unwrap());
    story(async || Store::postgres(&database, 8).await.unwrap(), restored).await;
}

/// Sixteen writers on one log, on several nodes if the database has them: each commits and posts until its items are in.
/// A reader that pages by cursor sees every item, and each in the epoch that it names.
async fn race(nodes: Vec<Store>) {
    const WRITERS: usize = 16;
    const EACH: usize = 30;
    let alice = account(&nodes[0], &Person::new("alice")).await.id;
    let new = group(1, Kind::Group, None, vec![member(alice, Role::Admin, alice)]);
    let number = created(&nodes[0], new).await;
    let writer = async |writer: usize| {
        let (node, mut epoch) = (&nodes[writer % nodes.len()], 0);
        for n in 0..EACH {
            loop {
                // Every third item is a commit.
                let is_commit = n % 3 == 0;
                let text = format!("{epoch} {is_commit} {writer} {n}");
                let answer = if is_commit {
                    commit(node, number, epoch, &text, next(epoch + 1)).await
                } else {
                    post(node, number, epoch, &text).await
                };
                match answer {
                    Ok(_) if is_commit => break epoch += 1,
                    Ok(_) => break,
                    Err(StoreError::StaleEpoch { epoch: now, .. }) => epoch = now,
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    };
    let reader = async {
        let mut seen: Vec<(u64, String)> = Vec::new();
        while seen.len() < WRITERS * EACH {
            let after = seen.last().map_or(0, |(seq, _)| *seq);
            let page =
                nodes[0].page_after(number.log(), after, PageLimit { items: 50, ..ALL }).await.unwrap();
            seen.extend(page.into_iter().map(|item| (item.seq, String::from_utf8(item.envelope).unwrap())));
            tokio::task::yield_now().await;
        }
        seen
    };
    let (seen, _) = tokio::join!(reader, join_all((0..WRITERS).map(writer)));
    assert_eq!(
        seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        (1..=(WRITERS * EACH) as u64).collect::<Vec<_>>(),
        "no gap"
    );
    let mut epoch = 0;
    for (_, text) in &seen {
        let mut words = text.split(' ');
        assert_eq!(words.next().unwrap().parse(), Ok(epoch), "one line");
        epoch += u64::from(words.next() == Some("true"));
    }
    assert_eq!(epoch, (WRITERS * EACH / 3) as u64);
    let different: HashSet<_> =
        seen.iter().map(|(_, text)| text.split(' ').skip(2).collect::<Vec<_>>()).collect();
    assert_eq!(different.len(), WRITERS * EACH);
    let state = nodes[0].group_state(gid(1)).await.unwrap().unwrap();
    assert_eq!((state.epoch, state.state), (epoch, format!("state {epoch}").into_bytes()));
    join_all(nodes.iter().map(Store::close)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_make_one_line_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    race(vec![Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_writers_make_one_line_on_postgres() {
    let address = Cluster::shared().await.database().await;
    race(join_all((0..3).map(async |_| Store::postgres(&url(&address), 6).await.unwrap())).await).await;
}
