//! Three nodes, three brokers in a cluster and one PostgreSQL on loopback, and the failure of any of them: no
//! acknowledged message is lost, streams return, and the order is kept.

pub(crate) mod receiver;

use std::time::{Duration, Instant};

use futures::future::{join_all, select_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::binary::{Binary, Endpoint};
use crate::broker::Broker;
use crate::ledger::{Ledger, RECIPIENTS, SENDERS, people};
use crate::postgres::cluster::Cluster;
use crate::support::{Person, message};
use receiver::Receiver;

/// Well below the 24 s after which a stream rereads by itself.
const AT_ONCE: Duration = Duration::from_secs(5);

/// All parts of a service with three nodes.
struct Service {
    postgres: Cluster,
    database: String,
    brokers: [Broker; 3],
    nodes: Vec<Binary>,
}

impl Service {
    async fn start() -> Self {
        let (postgres, brokers) = tokio::join!(Cluster::start(), Broker::cluster());
        let database = postgres.database().await;
        let mut service = Self { postgres, database, brokers, nodes: Vec::new() };
        for _ in 0..3 {
            let node = service.node("127.0.0.1:0".parse().unwrap()).await;
            service.nodes.push(node);
        }
        service
    }

    /// A node that knows all brokers.
    async fn node(&self, bind: std::net::SocketAddr) -> Binary {
        let urls = self.brokers.each_ref().map(|broker| format!("nats://{}", broker.address)).join(",");
        let keys = self.brokers[0].keys.flags();
        let mut flags = vec!["--limits", "off", "--db-connections", "16", "--nats-url", &urls];
        flags.extend(keys.iter().flat_map(|(flag, file)| [*flag, file.to_str().unwrap()]));
        Binary::start_at(bind, &self.database, &flags).await
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(|node| node.endpoint.clone()).collect()
    }

    /// Kills a node without warning and restarts it on the same address.
    async fn kill_node(&mut self, which: usize) {
        let node = self.nodes.remove(which);
        let address = node.endpoint.address;
        node.kill().await;
        let node = self.node(address).await;
        self.nodes.insert(which, node);
    }

    async fn kill_broker(&mut self, which: usize) {
        self.brokers[which].kill().await;
        self.brokers[which].restart().await;
    }
}

/// A message sent on one node arrives on another at once.
async fn a_message_crosses_nodes(nodes: &[Endpoint]) {
    let person = Person::new("traveller");
    assert_eq!(nodes[1].register(&person).await, 201);
    let receiver = Receiver::new(&person);
    let crossing = async {
        receiver.has_opened(1).await;
        let start = Instant::now();
        let body = message(&person.handle, r#"{"crosses":"nodes"}"#);
        let sent = nodes[0].post("/v1/messages", body).await.unwrap();
        assert_eq!(sent.status, 201);
        receiver.reaches(1).await;
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    };
    tokio::select! {
        () = receiver.follow(nodes, 2) => unreachable!(),
        () = crossing => {}
    }
}

/// Kills a node, a broker and the database in turn, for this many rounds, during constant writes and reads.
async fn everything_fails_in_turn(rounds: usize, between: usize) {
    let mut service = Service::start().await;
    let (nodes, ledger, stop) = (service.endpoints(), Ledger::default(), CancellationToken::new());
    let people = people(&nodes[0]).await;
    a_message_crosses_nodes(&nodes).await;

    let receivers: Vec<_> = people.iter().map(Receiver::new).collect();
    let following = receivers.iter().enumerate();
    let following = following.map(|(which, receiver)| Box::pin(receiver.follow(&nodes, which)));
    let senders = join_all((0..SENDERS).map(|sender| ledger.send_through(&nodes, &people, sender, &stop)));
    let failures = async {
        for round in 0..rounds {
            ledger.reaches(ledger.count() + between).await;
            service.kill_node(round % 3).await;
            ledger.reaches(ledger.count() + between).await;
            service.kill_broker(round % 3).await;
            ledger.reaches(ledger.count() + between).await;
            service.postgres.crash_and_restart().await;
        }
        ledger.reaches(ledger.count() + between).await;
        stop.cancel();
    };
    let all_is_read = async {
        tokio::join!(senders, failures);
        for (receiver, person) in receivers.iter().zip(&people) {
            let stored: Vec<_> = nodes[0].inbox(person).await.into_iter().map(|(seq, _)| seq).collect();
            receiver.reaches(*stored.last().unwrap()).await;
            assert_eq!(
                receiver.seen(),
                stored,
                "each once and in order, over {} streams",
                receiver.streams()
            );
        }
    };
    let limit = Duration::from_secs(60 + 120 * rounds as u64);
    tokio::select! {
        _ = select_all(following) => unreachable!(),
        all = timeout(limit, all_is_read) => all.expect("all messages are read"),
    }
    for node in &nodes {
        ledger.audit(node, &people).await;
    }
    let opened: usize = receivers.iter().map(Receiver::streams).sum();
    assert!(opened > RECIPIENTS, "streams ended and reconnected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_broker_and_database_failures_in_turn_lose_nothing() {
    everything_fails_in_turn(1, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: cargo xtask soak nodes"]
async fn soak() {
    let rounds = std::env::var("KEZ_SOAK_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap());
    everything_fails_in_turn(rounds, 2_000).await;
}
