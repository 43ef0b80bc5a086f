//! The database server fails and its standby takes over (`R9`).

use futures::future::join_all;
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, connect};
use crate::binary::Binary;
use crate::broker::until;
use crate::ledger::{Ledger, SENDERS, people};
use crate::proxy::{Proxy, Weather};
use crate::support::{Person, message};

impl Cluster {
    /// A standby that replicates this cluster through a connection of the test. From now on no transaction is committed
    /// without it.
    async fn standby(&self, link: &Proxy) -> Self {
        let source = format!(
            "host=127.0.0.1 port={} user=kez password=secret application_name=standby",
            link.address.port()
        );
        let copy = format!(
            r#""$BIN/pg_basebackup" --pgdata="$DIR/data" --dbname="{source}" --write-recovery-conf \
               --wal-method=stream --checkpoint=fast --no-sync"#
        );
        let standby = Self::made_by(copy).await;
        let mut primary = connect(&self.url("postgres")).await;
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'").await.unwrap();
        primary.execute("SELECT pg_reload_conf()").await.unwrap();
        until(async || {
            let states = "SELECT sync_state FROM pg_stat_replication";
            let states: Vec<String> = sqlx::query_scalar(states).fetch_all(&mut primary).await.unwrap();
            states == ["sync"]
        })
        .await;
        standby
    }

    /// Stops as in a crash, and stays down.
    async fn dies(&self) {
        self.control(&["--mode=immediate", "stop"]).await;
    }

    /// Becomes the primary. Returns once it is.
    async fn takes_over(&self) {
        self.control(&["promote"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_takes_over_and_nothing_is_lost() {
    let primary = Cluster::start().await;
    let database = primary.database().await;
    let link = Proxy::start(primary.address(), Weather::Fair, 0).await;
    let standby = primary.standby(&link).await;
    // The address that nodes know; it follows the failover.
    let switch = Proxy::start(primary.address(), Weather::Fair, 0).await;
    let database = database.replace(&primary.address().to_string(), &switch.address.to_string());
    let nodes = [
        Binary::start(&database, &["--limits", "off"]).await,
        Binary::start(&database, &["--limits", "off"]).await,
    ];
    let (ledger, people, stop) = (Ledger::default(), people(&nodes[0]).await, CancellationToken::new());

    // A message that the standby does not have is not acknowledged.
    let carol = Person::new("carol");
    assert_eq!(nodes[0].register(&carol).await, 201);
    link.stall();
    let body = || message(&carol.handle, r#"{"waits":"for the standby"}"#);
    nodes[0].post("/v1/messages", body()).await.unwrap().refused(503, "unavailable");
    link.resume();
    assert!(nodes[0].post("/v1/messages", body()).await.unwrap().status < 300);

    let endpoints = nodes.each_ref().map(|node| node.endpoint.clone());
    let senders =
        join_all((0..SENDERS).map(|sender| ledger.send_through(&endpoints, &people, sender, &stop)));
    let failover = async {
        ledger.reaches(1_000).await;
        primary.dies().await;
        standby.takes_over().await;
        switch.point_at(standby.address());
        ledger.reaches(ledger.count() + 500).await;
        stop.cancel();
    };
    tokio::join!(senders, failover);
    for node in &endpoints {
        ledger.audit(node, &people).await;
        assert_eq!(node.inbox(&carol).await.len(), 1);
    }
    for node in nodes {
        assert!(node.terminate().await.success());
    }
}
