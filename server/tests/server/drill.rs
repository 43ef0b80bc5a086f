//! The backup drill: a backup under load, restored in place of the database, and its effect on senders and readers.

use std::collections::BTreeSet;
use std::path::Path;

use futures::future::join_all;

use crate::binary::Binary;
use crate::commands::json;
use crate::support::{Person, message};

const SENDERS: usize = 8;

/// Posts messages one by one until the server is gone; returns the acknowledged ones.
async fn send(server: &Binary, bob: &Person, sender: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    loop {
        let envelope = format!(r#"{{"number":{},"sender":{sender}}}"#, acknowledged.len());
        match server.post("/v1/messages", message(&bob.handle, &envelope)).await {
            Ok(reply) if reply.status == 201 => acknowledged.push(envelope),
            _ => return acknowledged,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_contains_all_earlier_acknowledged_messages() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (db, backup) = (file("kez-chat.db"), file("backup.db"));
    let bob = Person::new("bob");
    let server = Binary::start(Path::new(&db), &["--limits", "off"]).await;
    assert_eq!(server.register(&bob).await, 201);
    let first = server.post("/v1/messages", message(&bob.handle, r#"{"first":1}"#)).await.unwrap();
    assert_eq!(first.status, 201);

    let pid = server.pid();
    let senders = join_all((0..SENDERS).map(|sender| send(&server, &bob, sender)));
    let operator = async {
        while server.inbox(&bob).await.len() < 200 {}
        let before = server.inbox(&bob).await;
        let (code, made) = json(&["backup", "--db", &db, "--to", &backup]).await;
        assert_eq!(code, 0, "{made}");
        let after = server.inbox(&bob).await;
        Binary::signal(pid, "-KILL").await;
        (before, after)
    };
    let (acknowledged, (before, after)) = tokio::join!(senders, operator);
    let acknowledged: BTreeSet<_> = acknowledged.into_iter().flatten().collect();
    assert!(after.len() > before.len(), "the load continued");
    drop(server);

    assert_eq!(json(&["restore", "--db", &db, "--from", &backup, "--replace"]).await.0, 0);
    let server = Binary::start(Path::new(&db), &["--limits", "off"]).await;
    let restored = server.inbox(&bob).await;
    assert!(restored.starts_with(&before), "everything from before the backup is present, in order");
    assert!(after.starts_with(&restored), "and only a prefix of the messages");
    // A reader that saw the rest keeps it, reads from the start because of the new epoch, and finds no message twice or
    // changed; sequence numbers assigned since the backup are assigned again under that epoch. At most one message of
    // each sender was stored without an acknowledgement reaching the sender.
    let unheard = restored[1..].iter().filter(|(_, envelope)| !acknowledged.contains(envelope)).count();
    assert!(unheard <= SENDERS, "{unheard}");
    let next = server.post("/v1/messages", message(&bob.handle, r#"{"next":1}"#)).await.unwrap();
    assert_eq!(next.status, 201);
    assert_eq!(server.inbox(&bob).await.last().unwrap().0, restored.last().unwrap().0 + 1);
    assert!(server.terminate().await.success());
}
