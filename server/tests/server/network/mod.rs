//! A network that loses, delays, stalls and cuts data, between real clients and the real binary (`R16`).

mod app;

use std::time::Duration;

use futures::future::{join_all, select_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::binary::{Binary, Endpoint};
use crate::ledger::{Ledger, SENDERS, people};
use crate::nodes::receiver::Receiver;
use crate::proxy::{Chance, Fault, Proxy, Weather};
use app::App;

/// How long a client waits for an answer: shorter than a stall.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time limit of a whole test on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Asserts that every kind of fault happened to some connection.
fn met_every_fault(proxy: &Proxy) {
    use Fault::{AnswerCut, AnswerStalled, Delayed, None, Refused, RequestCut, RequestStalled};
    let met = proxy.met();
    for fault in [None, Refused, RequestCut, AnswerCut, RequestStalled, AnswerStalled, Delayed] {
        assert!(met.contains_key(&fault), "{fault:?} did not happen: {met:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_messages_are_stored_once_and_arrive_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let server = Binary::start(&directory.path().join("kez-chat.db"), &["--limits", "off"]).await;
    let proxy = Proxy::start(server.address, Weather::Foul, Chance::seed()).await;
    let way = [Endpoint::at(proxy.address, PATIENCE)];
    let (ledger, people, stop) = (Ledger::default(), people(&server).await, CancellationToken::new());

    let receivers: Vec<_> = people.iter().map(Receiver::new).collect();
    let following = receivers.iter().map(|receiver| Box::pin(receiver.follow(&way, 0)));
    let senders = join_all((0..SENDERS).map(|sender| ledger.send_through(&way, &people, sender, &stop)));
    let enough = async {
        ledger.reaches(2_000).await;
        stop.cancel();
    };
    let all = async {
        tokio::join!(senders, enough);
        ledger.audit(&server, &people).await;
        for (receiver, person) in receivers.iter().zip(&people) {
            let stored: Vec<_> = server.inbox(person).await.into_iter().map(|(seq, _)| seq).collect();
            receiver.reaches(*stored.last().unwrap()).await;
            assert_eq!(receiver.seen(), stored, "each once and in order");
        }
    };
    tokio::select! {
        _ = select_all(following) => unreachable!(),
        all = timeout(LIMIT, all) => all.expect("all messages are read"),
    }
    met_every_fault(&proxy);
    assert!(ledger.repeated() > 0, "no answer was lost, so no retry was recognised");
    assert!(server.terminate().await.success());
}

/// Two users with the app's own state machine. Each message of one is on the other's screen, once and in order, and
/// marked as sent on the sender's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_apps_chat_through_it() {
    const EACH: usize = 25;
    let directory = tempfile::tempdir().unwrap();
    // Requests for sigchains come through the bad network too.
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap(), Weather::Foul, Chance::seed()).await;
    let public_url = format!("http://{}", proxy.address);
    let flags = ["--limits", "off", "--sig-server-url", "embedded", "--public-url", &public_url];
    let server = Binary::start(&directory.path().join("kez-chat.db"), &flags).await;
    proxy.point_at(server.address);
    let chat = async {
        let (mut alice, mut bob) = tokio::join!(
            App::join("alice", proxy.address, PATIENCE),
            App::join("bob", proxy.address, PATIENCE)
        );
        tokio::join!(alice.start_conversation("bob"), bob.start_conversation("alice"));
        let said = |who: &str| -> Vec<String> { (0..EACH).map(|n| format!("{who} says {n}")).collect() };
        let (alice_says, bob_says) = (said("alice"), said("bob"));
        tokio::join!(alice.chat(&alice_says, &bob_says), bob.chat(&bob_says, &alice_says));
    };
    timeout(LIMIT, chat).await.expect("everything arrives");
    let faults: usize = proxy.met().iter().filter(|(fault, _)| **fault != Fault::None).map(|(_, n)| n).sum();
    // The number depends on chance: the fewer faults there are, the fewer connections are opened.
    assert!(faults > 0, "the network was too good: {:?}", proxy.met());
    assert!(server.terminate().await.success());
}
