//! A database server that crashes, or is down for a while (`R9`).

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use crate::binary::Binary;
use crate::broker::until;
use crate::ledger::{Ledger, SENDERS, people};
use crate::support::{Reply, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_crashes_three_times_under_load() {
    let cluster = Cluster::start().await;
    let database = cluster.database().await;
    let nodes = [
        Binary::start(&database, &["--limits", "off"]).await,
        Binary::start(&database, &["--limits", "off"]).await,
    ];
    let endpoints = nodes.each_ref().map(|node| node.endpoint.clone());
    let (ledger, people, stop) = (Ledger::default(), people(&nodes[0]).await, CancellationToken::new());
    let senders =
        join_all((0..SENDERS).map(|sender| ledger.send_through(&endpoints, &people, sender, &stop)));
    let crashes = async {
        for _ in 0..3 {
            ledger.reaches(ledger.count() + 500).await;
            cluster.crash_and_restart().await;
        }
        ledger.reaches(ledger.count() + 500).await;
        stop.cancel();
    };
    tokio::join!(senders, crashes);
    for node in &endpoints {
        ledger.audit(node, &people).await;
    }
    for node in nodes {
        assert!(node.terminate().await.success());
    }
}

#[tokio::test]
async fn an_unreachable_database_is_503_until_it_returns() {
    let cluster = Cluster::start().await;
    let server = TestServer::start_on(&cluster.database().await).await;
    let [bob] = server.people(["bob"]).await;
    assert_eq!(server.place_of(&bob, r#"{"n":0}"#).await, 1);
    cluster.stop().await;

    let start = Instant::now();
    let (send, page, ready) =
        tokio::join!(server.send(&bob, r#"{"n":1}"#), server.inbox(&bob, 0), server.get("/v1/readyz"));
    for reply in [send, page, ready] {
        reply.refused(503, "unavailable");
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    assert_eq!(server.get("/v1/healthz").await.status, 200);
    assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());

    cluster.start_again().await;
    assert_eq!(server.place_of(&bob, r#"{"n":1}"#).await, 2);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1, 2]);
    assert_eq!(server.get("/v1/readyz").await.status, 200);
}

#[tokio::test]
async fn the_server_waits_at_startup_for_an_unreachable_database() {
    let cluster = Cluster::start().await;
    let database = cluster.database().await;
    cluster.stop().await;
    let server = TestServer::start_on(&database).await;
    let ready = server.get("/v1/readyz").await;
    ready.refused(503, "unavailable");
    assert!(ready.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(server.get("/v1/healthz").await.status, 200, "the process runs");
    server.get("/v1/u/bob").await.refused(503, "unavailable");

    cluster.start_again().await;
    let is_ready = async || {
        let asked = Reply::try_of(server.http.get(server.url("/v1/readyz"))).await;
        asked.is_ok_and(|answer| answer.status == 200)
    };
    until(is_ready).await;
    let [bob] = server.people(["bob"]).await;
    assert_eq!(server.place_of(&bob, "{}").await, 1);
}
