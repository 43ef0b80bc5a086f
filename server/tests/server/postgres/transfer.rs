//! `kez-chat-server migrate --from FILE --to URL`: a server moves from SQLite to PostgreSQL.

use std::path::Path;

use kez_chat_server::store::Store;
use kez_chat_server::store::accounts::{ClaimOutcome, Rotation, RotationOutcome};
use sqlx::Executor;

use super::cluster::{Cluster, connect};
use super::open::url;
use crate::binary::Binary;
use crate::commands::json;
use crate::store::claim;
use crate::support::{Person, TestServer, message};

async fn send(server: &Binary, to: &Person, n: u32) -> (u16, String) {
    let reply = server.post("/v1/messages", message(&to.handle, &format!(r#"{{"n":{n}}}"#))).await.unwrap();
    (reply.status, reply.body)
}

/// An inbox with gaps, an account that was deleted, a chain and a nonce.
async fn fill(db: &Path, bob: &Person, mallory: &Person) -> Vec<(u16, String)> {
    let server = Binary::start(db, &["--limits", "off"]).await;
    assert_eq!(server.register(bob).await, 201);
    assert_eq!(server.register(mallory).await, 201);
    let mut sent = Vec::new();
    for n in 0..600 {
        sent.push(send(&server, bob, n).await);
    }
    send(&server, mallory, 1).await;
    assert!(server.terminate().await.success());
    let db = db.to_str().unwrap();
    assert_eq!(json(&["admin", "handle", "delete", "mallory", "--yes", "--db", db]).await.0, 0);
    assert_eq!(json(&["admin", "handle", "reserve", "root", "--db", db]).await.0, 0);
    sent
}

#[tokio::test]
async fn a_server_moves_with_its_numbers_its_epoch_and_its_tombstones() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let [bob, mallory] = ["bob", "mallory"].map(Person::new);
    let sent = fill(&db, &bob, &mallory).await;
    let address = Cluster::shared().await.database().await;
    let arguments = ["migrate", "--from", db.to_str().unwrap(), "--to", &address];
    let (code, report) = json(&arguments).await;
    assert_eq!((code, &report["messages"]), (0, &600.into()), "{report}");

    let (before, after) =
        (Store::sqlite(&db).await.unwrap(), Store::postgres(&url(&address), 4).await.unwrap());
    assert_eq!(after.epoch(), before.epoch());
    let account = before.lookup(&bob.handle).await.unwrap().unwrap();
    assert_eq!(after.lookup(&bob.handle).await.unwrap().as_ref(), Some(&account));
    let status = before.inbox_status(account.id.inbox()).await.unwrap();
    assert_eq!(after.inbox_status(account.id.inbox()).await.unwrap(), status);
    for handle in [&mallory.handle, &"root".parse().unwrap()] {
        let state = before.handle_state(handle.clone()).await.unwrap();
        assert_eq!(after.handle_state(handle.clone()).await.unwrap(), state);
    }
    before.close().await;
    after.close().await;

    // The server goes on: retries are recognised, numbers and ids continue.
    let server = TestServer::start_on_with(&address, &["--limits", "off"]).await;
    for n in [0, 599] {
        let again = server.send(&bob, &format!(r#"{{"n":{n}}}"#)).await;
        assert_eq!((again.status, &again.body), (200, &sent[n].1), "a retry");
    }
    assert_eq!(server.place_of(&bob, r#"{"n":"next"}"#).await, 601);
    let [carol] = server.people(["carol"]).await;
    assert_eq!(server.place_of(&carol, "{}").await, 1);

    // A database that is in use, or holds data, is left alone.
    assert_ne!(json(&arguments).await.0, 0);
}

#[tokio::test]
async fn a_transfer_refuses_a_database_with_data() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let bob = Person::new("bob");
    let server = Binary::start(&db, &[]).await;
    assert_eq!(server.register(&bob).await, 201);
    let address = Cluster::shared().await.database().await;
    let arguments = ["migrate", "--from", db.to_str().unwrap(), "--to", &address];
    let (code, refused) = json(&arguments).await;
    assert_eq!(code, 1, "the server is running: {refused}");
    assert!(server.terminate().await.success());

    Store::postgres(&url(&address), 4).await.unwrap().close().await;
    let other = "INSERT INTO accounts (handle, primary_key, registration, registered_at) VALUES ('eve', 'x', '{}', 0)";
    connect(&address).await.execute(other).await.unwrap();
    let (code, refused) = json(&arguments).await;
    assert_eq!(code, 1, "{refused}");
    assert!(refused.to_string().contains("not empty"), "{refused}");
    let (code, refused) = json(&["migrate", "--from", db.to_str().unwrap(), "--to", "other.db"]).await;
    assert_eq!(code, 2, "{refused}");
}

/// An account with a rotated key behind one without, and a log whose seed is in a file.
#[tokio::test]
async fn null_columns_are_copied() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let store = Store::sqlite(&db).await.unwrap();
    let [carol, dave, next] = ["carol", "dave", "dave"].map(Person::new);
    assert!(matches!(store.claim_handle(claim(&carol)).await.unwrap(), ClaimOutcome::Stands(_)));
    let ClaimOutcome::Stands(account) = store.claim_handle(claim(&dave)).await.unwrap() else {
        panic!("the handle is free")
    };
    let rotation = Rotation {
        account: account.id,
        handle: account.handle,
        from: account.primary,
        to: next.keys.public().primary(),
        root: account.root,
        registration: account.registration,
        now: account.registered_at,
    };
    assert_eq!(store.rotate(rotation).await.unwrap(), RotationOutcome::Rotated);
    store.close().await;
    let address = Cluster::shared().await.database().await;
    let (code, report) = json(&["migrate", "--from", db.to_str().unwrap(), "--to", &address]).await;
    assert_eq!(code, 0, "{report}");
    let after = Store::postgres(&url(&address), 4).await.unwrap();
    let moved = after.lookup_primary(&account.primary).await.unwrap().unwrap();
    assert_eq!((moved.primary, moved.root), (next.keys.public().primary(), account.root));
    after.close().await;
}
