//! Concurrent changes of two nodes to one row. A connection plays the other node, and stops half-way until the store
//! waits for it.

use kez_chat_server::store::accounts::{Claim, ClaimOutcome};
use kez_chat_server::store::invites::NewInvite;
use kez_chat_server::store::people::List;
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{AccountId, CallerKey, NewMessage, Store, StoreError};
use kez_core::caller_auth::Nonce;
use kez_core::invite::InviteCode;
use kez_core::time::Timestamp;
use sqlx::{Executor, PgConnection};

use super::cluster::{Cluster, connect};
use super::open::url;
use crate::store::claim;
use crate::support::{NOW, Person, rng};

const NOW_TIME: Timestamp = Timestamp::from_unix(NOW);

/// A store with one lane, the other node's connection, and an observing connection.
struct Race {
    store: Store,
    other: PgConnection,
    observer: PgConnection,
}

impl Race {
    async fn new() -> Self {
        let database = Cluster::shared().await.database().await;
        Self {
            store: Store::postgres(&url(&database), 4).await.unwrap(),
            other: connect(&database).await,
            observer: connect(&database).await,
        }
    }

    async fn account(&self, person: &Person) -> AccountId {
        match self.store.claim_handle(claim(person)).await.unwrap() {
            ClaimOutcome::Stands(account) => account.id,
            taken => panic!("{taken:?}"),
        }
    }

    /// The other node does the first half, the store runs into it, and the other node does the second half.
    async fn run<T>(&mut self, halves: [&str; 2], write: impl AsyncFnOnce(&Store) -> T) -> T {
        let Self { store, other, observer } = self;
        let [first, second] = halves.map(|half| sqlx::raw_sql(sqlx::AssertSqlSafe(half.to_owned())));
        other.execute(first).await.unwrap();
        let goes_on = async {
            waits(observer).await;
            other.execute(second).await.unwrap();
        };
        tokio::join!(write(store), goes_on).0
    }

    async fn count(&mut self, of: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {of}"));
        sqlx::query_scalar(sql).fetch_one(&mut self.observer).await.unwrap()
    }

    async fn execute(&mut self, sql: String) {
        self.other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
    }
}

/// Returns once a connection waits for a lock in this database.
pub(crate) async fn waits(observer: &mut PgConnection) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(&mut *observer).await.unwrap() == 0 {}
}

fn message(of: AccountId, envelope: &'static str) -> NewMessage {
    NewMessage {
        at: None,
        inbox: of.inbox(),
        envelope: envelope.into(),
        origin: Origin::Known,
        quota: None,
        now: NOW_TIME,
    }
}

#[tokio::test]
async fn a_key_being_replaced_cannot_claim_another_handle() {
    let mut race = Race::new().await;
    let (before, after) = (Person::new("carol"), Person::new("carol"));
    let carol = race.account(&before).await;
    let (code, expires_at) = (InviteCode::random(&mut rng()), Timestamp::from_unix(NOW + 60));
    let invite = NewInvite { hash: code.hash(), label: String::new(), uses: 1, now: NOW_TIME, expires_at };
    race.store.create_invite(invite).await.unwrap();

    let rotation = format!(
        "BEGIN; UPDATE accounts SET primary_key = '{}' WHERE id = {id}; \
         INSERT INTO former_keys (primary_key, account, replaced_at) VALUES ('{}', {id}, 0)",
        after.primary(),
        before.primary(),
        id = carol.0,
    );
    let elsewhere = Claim { handle: "mallory".parse().unwrap(), invite: Some(code.hash()), ..claim(&before) };
    let claimed = race.run([&rotation, "COMMIT"], async |store| store.claim_handle(elsewhere).await).await;
    assert_eq!(claimed.unwrap(), ClaimOutcome::PrimaryTaken);
    assert_eq!(race.count("accounts").await, 1);
    assert_eq!(race.count("invites WHERE used > 0").await, 0, "the claim is rolled back");
    race.store.close().await;
}

#[tokio::test]
async fn deletions_lock_in_one_order() {
    let mut race = Race::new().await;
    let bob = race.account(&Person::new("bob")).await;
    let lock = format!("BEGIN; SELECT FROM inboxes WHERE account = {} FOR UPDATE", bob.0);
    let delete = format!("DELETE FROM messages WHERE inbox = {}; COMMIT", bob.0);

    race.store.append(message(bob, "old")).await.unwrap();
    let later = Timestamp::from_unix(NOW + 1);
    let forgotten =
        race.run([&lock, &delete], async |store| store.forget_messages(bob.inbox(), later).await).await;
    assert_eq!(forgotten.unwrap(), 0, "the other node deleted it first");

    race.store.append(message(bob, "new")).await.unwrap();
    let deleted = race.run([&lock, &delete], async |store| store.delete_account(bob, NOW_TIME).await).await;
    assert!(deleted.unwrap());
    race.store.close().await;
}

#[tokio::test]
async fn a_damaged_counter_affects_only_its_inbox() {
    let mut race = Race::new().await;
    let (alice, bob) = (race.account(&Person::new("alice")).await, race.account(&Person::new("bob")).await);
    race.execute(format!("UPDATE inboxes SET last_seq = -7 WHERE account = {}", alice.0)).await;
    let (damaged, stored) =
        tokio::join!(race.store.append(message(alice, "a")), race.store.append(message(bob, "b")));
    assert!(matches!(damaged, Err(StoreError::Corrupt(_))), "{damaged:?}");
    assert_eq!(stored.unwrap().seq, 1);
    race.store.close().await;
}

/// The account was deleted, and its handle released, while the claim waited for the handle.
#[tokio::test]
async fn a_new_claim_continues_the_numbers_of_the_handle() {
    let mut race = Race::new().await;
    let id = race.account(&Person::new("bob")).await.0;
    let delete = format!(
        "BEGIN; DELETE FROM inboxes WHERE account = {id}; DELETE FROM accounts WHERE id = {id}; \
         INSERT INTO reserved_handles (handle, reserved_at, reserved_until, last_seq) VALUES ('bob', 0, 0, 5)"
    );
    let new = Person::new("bob");
    let claimed = race.run([&delete, "COMMIT"], async |store| store.claim_handle(claim(&new)).await).await;
    assert!(matches!(claimed, Err(StoreError::Busy)), "{claimed:?}");
    let bob = race.account(&new).await;
    assert_eq!(race.store.last_seq(bob.inbox()).await.unwrap(), 5);
    race.store.close().await;
}

#[tokio::test]
async fn two_accounts_that_list_each_other_can_be_deleted_at_once() {
    let mut race = Race::new().await;
    let (alice, bob) = (race.account(&Person::new("alice")).await, race.account(&Person::new("bob")).await);
    for (owner, peer) in [(alice, bob), (bob, alice)] {
        assert!(race.store.list(owner, List::Contacts, peer).await.unwrap());
    }
    // As PostgreSQL deletes the rows of an account: those of its own lists first.
    let own = format!("BEGIN; DELETE FROM listed WHERE owner = {}", alice.0);
    let others = format!("DELETE FROM listed WHERE peer = {}; COMMIT", alice.0);
    let deleted = race.run([&own, &others], async |store| store.delete_account(bob, NOW_TIME).await).await;
    assert!(deleted.unwrap());
    race.store.close().await;
}

/// More than a minute's portion arrived at once.
#[tokio::test]
async fn old_nonces_are_deleted_in_batches() {
    let mut race = Race::new().await;
    let bob = CallerKey::of(&Person::new("bob").keys.public().primary());
    race.execute(
        "INSERT INTO nonces SELECT '\\x0102030405060708', int4send(n), 0 FROM generate_series(1, 25000) AS n"
            .to_owned(),
    )
    .await;
    for (second, left) in [(0, 15_000), (1, 5_000), (2, 0)] {
        let now = Timestamp::from_unix(NOW + second);
        let nonce = Nonce::from_bytes([second as u8; 16]);
        assert!(race.store.use_nonce(bob, nonce, now).await.unwrap());
        assert_eq!(race.count("nonces WHERE used_at = 0").await, left);
    }
    race.store.close().await;
}
