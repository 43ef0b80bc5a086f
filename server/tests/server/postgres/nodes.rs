//! Two nodes on one database, without any other connection: a change on one takes effect on the other at once.

use kez_chat_server::store::Store;
use kez_chat_server::store::accounts::ClaimOutcome;
use kez_core::api::CLOSE_UNAUTHORIZED;
use kez_core::time::Timestamp;
use sqlx::Executor;

use super::cluster::{Cluster, connect};
use super::open::url;
use super::races::waits;
use crate::store::claim;
use crate::support::{NOW, Person, TestServer};

async fn two_nodes() -> (String, [TestServer; 2]) {
    let database = Cluster::shared().await.database().await;
    let nodes = [TestServer::start_on(&database).await, TestServer::start_on(&database).await];
    (database, nodes)
}

#[tokio::test]
async fn nodes_share_accounts_inboxes_and_epoch() {
    let (_, [one, two]) = two_nodes().await;
    let [bob] = one.people(["bob"]).await;
    assert_eq!(two.get("/v1/u/bob").await.lookup().primary.to_string(), bob.primary());
    two.register(&Person::new("bob")).await.refused(409, "handle_taken");
    let first = one.send(&bob, r#"{"n":1}"#).await;
    let again = two.send(&bob, r#"{"n":1}"#).await;
    assert_eq!(
        (first.status, again.status, again.json()),
        (201, 200, first.json()),
        "a retry on another node"
    );
    assert_eq!(two.place_of(&bob, r#"{"n":2}"#).await, 2);
    let (here, there) = (one.inbox(&bob, 0).await, two.inbox(&bob, 0).await);
    assert_eq!(here.body, there.body);
    assert_eq!(here.seqs(), [1, 2]);
}

#[tokio::test]
async fn a_signed_request_is_accepted_by_only_one_node() {
    let (_, [one, two]) = two_nodes().await;
    let [bob] = one.people(["bob"]).await;
    let hello = bob.hello(0, one.now());
    let mut live = one.live(&bob.handle).await;
    live.send(&hello).await;
    assert_eq!(live.next().await["caught_up"], 0);
    let mut replayed = two.live(&bob.handle).await;
    replayed.send(&hello).await;
    assert_eq!(replayed.closed().await, CLOSE_UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_replaced_on_another_node_is_refused_here() {
    let (database, [one, two]) = two_nodes().await;
    let [before] = one.people(["bob"]).await;
    for node in [&one, &two] {
        assert_eq!(node.inbox(&before, 0).await.status, 200, "both nodes know the key");
    }
    let after = Person::new("bob");
    let moved = format!("UPDATE accounts SET primary_key = '{}' WHERE handle = 'bob'", after.primary());
    connect(&database).await.execute(sqlx::AssertSqlSafe(moved)).await.unwrap();
    for node in [&one, &two] {
        node.inbox(&before, 0).await.refused(401, "unauthorized");
        assert_eq!(node.inbox(&after, 0).await.status, 200);
    }
}

#[tokio::test]
async fn deleting_an_account_also_deletes_messages_that_another_node_is_storing() {
    let database = Cluster::shared().await.database().await;
    let store = Store::postgres(&url(&database), 4).await.unwrap();
    let bob = match store.claim_handle(claim(&Person::new("bob"))).await.unwrap() {
        ClaimOutcome::Stands(account) => account.id,
        taken => panic!("{taken:?}"),
    };
    let (mut other, mut observer) = (connect(&database).await, connect(&database).await);
    let storing = format!(
        "BEGIN; UPDATE inboxes SET last_seq = 7 WHERE account = {id}; \
         INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope) VALUES ({id}, 7, 0, 0, '', '{{}}')",
        id = bob.0
    );
    other.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(storing))).await.unwrap();
    let deletion = store.delete_account(bob, Timestamp::from_unix(NOW));
    let commit = async {
        waits(&mut observer).await;
        other.execute("COMMIT").await.unwrap();
    };
    assert!(tokio::join!(deletion, commit).0.unwrap());
    let left: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM messages), (SELECT last_seq FROM reserved_handles)")
            .fetch_one(&mut observer)
            .await
            .unwrap();
    assert_eq!(left, (0, 7), "no message remains, and no number is reused");
    store.close().await;
}
