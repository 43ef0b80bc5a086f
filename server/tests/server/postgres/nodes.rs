//! Two nodes on one database, without anything else between them: what one did counts on the other at once.

use kez_core::api::CLOSE_UNAUTHORIZED;
use sqlx::Executor;

use super::cluster::{Cluster, connect};
use crate::support::{Person, TestServer};

async fn two_nodes() -> (String, [TestServer; 2]) {
    let database = Cluster::shared().await.database().await;
    let nodes = [TestServer::start_on(&database).await, TestServer::start_on(&database).await];
    (database, nodes)
}

#[tokio::test]
async fn they_share_accounts_inboxes_and_epoch() {
    let (_, [one, two]) = two_nodes().await;
    let [bob] = one.people(["bob"]).await;
    assert_eq!(two.get("/v1/u/bob").await.lookup().primary.to_string(), bob.primary());
    two.register(&Person::new("bob")).await.refused(409, "handle_taken");
    let first = one.send(&bob, r#"{"n":1}"#).await;
    let again = two.send(&bob, r#"{"n":1}"#).await;
    assert_eq!((first.status, again.status, again.seq()), (201, 200, first.seq()), "a retry on another node");
    assert_eq!(two.send(&bob, r#"{"n":2}"#).await.seq(), 2);
    let (here, there) = (one.inbox(&bob, 0).await, two.inbox(&bob, 0).await);
    assert_eq!(here.body, there.body);
    assert_eq!(here.seqs(), [1, 2]);
}

#[tokio::test]
async fn a_signed_request_works_once_on_all_of_them() {
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
async fn a_key_that_lost_its_handle_elsewhere_opens_nothing_here() {
    let (database, [one, two]) = two_nodes().await;
    let [before] = one.people(["bob"]).await;
    for node in [&one, &two] {
        assert_eq!(node.inbox(&before, 0).await.status, 200, "both know the key");
    }
    let after = Person::new("bob");
    let moved = format!("UPDATE accounts SET primary_key = '{}' WHERE handle = 'bob'", after.primary());
    connect(&database).await.execute(sqlx::AssertSqlSafe(moved)).await.unwrap();
    for node in [&one, &two] {
        node.inbox(&before, 0).await.refused(401, "unauthorized");
        assert_eq!(node.inbox(&after, 0).await.status, 200);
    }
}
