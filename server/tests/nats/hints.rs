//! The hints between nodes.

use kez_core::nats_binding::subject;
use sha2::{Digest, Sha256};

use crate::broker::{Broker, until};
use crate::client::Client;
use crate::support::second_connection;

/// Another node, simulated by this test: it stores a row in the shared database, and announces it.
#[tokio::test]
async fn a_message_stored_on_another_node_reaches_a_stream_here() {
    let broker = Broker::start().await;
    let server = broker.server().await;
    let [bob] = server.people(["bob"]).await;
    let mut live = server.live_as(&bob, 0).await;
    assert_eq!(live.next().await["caught_up"], 0);

    let nkey = broker.node_key();
    until(async || Client::connect(broker.address, &nkey).await.is_ok()).await;
    let mut other_node = Client::connect(broker.address, &nkey).await.unwrap();
    let subject = subject(&bob.keys.public().primary());
    let mut database = second_connection(&server.db()).await;
    for seq in 1..=3 {
        let envelope = format!(r#"{{"n":{seq}}}"#);
        let row = "INSERT INTO messages (inbox, seq, created_at, origin, hash, envelope) \
                   VALUES (1, ?1, 0, 0, ?2, ?3)";
        let row = sqlx::query(row).bind(seq).bind(Sha256::digest(&envelope).to_vec());
        row.bind(envelope.into_bytes()).execute(&mut database).await.unwrap();
        let place = "INSERT INTO message_places SELECT inbox, seq, id FROM messages WHERE seq = ?1";
        sqlx::query(place).bind(seq).execute(&mut database).await.unwrap();
        assert_eq!(other_node.publish(&subject, &format!(r#"{{"seq":{seq}}}"#)).await, None);
        let frame = live.next().await;
        assert_eq!(frame["items"][0]["envelope"]["n"], seq, "{frame}");
    }
    // A node may not publish or subscribe to anything else.
    for elsewhere in ["kez.other", "$SYS.REQ.USER.AUTH", ">"] {
        assert!(other_node.publish(elsewhere, "x").await.is_some(), "{elsewhere}");
        assert!(other_node.subscribe(elsewhere).await.is_some(), "{elsewhere}");
    }
}
