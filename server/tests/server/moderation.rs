//! The operator's actions on accounts while the server runs.

use kez_chat_server::store::accounts::{Account, Claim, ClaimOutcome};
use kez_chat_server::store::moderation::{Ban, HandleState, PORTION, TOMBSTONE_SECONDS};
use kez_chat_server::store::usage::Origin;
use kez_chat_server::store::{InboxId, NewMessage, PageLimit, Store};
use kez_core::time::Timestamp;
use serde_json::Value;

use crate::binary::Binary;
use crate::commands::json;
use crate::postgres::cluster::Cluster;
use crate::postgres::open::url;
use crate::support::{NOW, Person, TestServer};

const AT: Timestamp = Timestamp::from_unix(NOW);

/// Runs `admin handle VERB HANDLE` on a server's database.
async fn admin(server: &TestServer, verb: &str, handle: &str, more: &[&str]) -> (i32, Value) {
    let db = server.db();
    json(&[&["admin", "handle", verb, handle, "--db", db.to_str().unwrap()], more].concat()).await
}

#[tokio::test]
async fn a_ban_hides_an_account_and_keeps_everything() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    assert_eq!(server.send(&bob, r#"{"n":1}"#).await.status, 201);
    let mut live = server.live_as(&bob, 1).await;
    live.next().await;
    let mut other = server.live_as(&alice, 0).await;
    other.next().await;
    let registration = server.get("/v1/u/bob").await.json()["registration"].to_string();

    let (code, banned) = admin(&server, "ban", "bob", &["--reason", "spam"]).await;
    assert_eq!((code, &banned["state"]), (0, &"banned".into()));
    assert_eq!(live.closed().await, 4401, "within a second");
    server.get("/v1/u/bob").await.refused(404, "unknown_handle");
    server.get(&format!("/v1/by-primary/{}", bob.primary())).await.refused(404, "unknown_handle");
    server.send(&bob, "{}").await.refused(404, "unknown_handle");
    server.inbox(&bob, 0).await.refused(401, "unauthorized");
    server.signed(&bob, "GET", "/v1/export", String::new()).await.refused(401, "unauthorized");
    server.register(&Person::new("bob")).await.refused(409, "handle_taken");
    server.post("/v1/register", registration).await.refused(409, "handle_taken");
    let (code, shown) = admin(&server, "show", "bob", &[]).await;
    assert_eq!((code, &shown["state"], &shown["ban_reason"]), (0, &"banned".into(), &"spam".into()));

    assert_eq!(admin(&server, "unban", "bob", &[]).await.0, 0);
    assert_eq!(admin(&server, "unban", "bob", &[]).await.0, 3, "he is no longer banned");
    assert_eq!(server.get("/v1/u/bob").await.status, 200);
    assert_eq!(server.inbox(&bob, 0).await.seqs(), [1]);
    assert_eq!(server.place_of(&bob, r#"{"n":2}"#).await, 2);

    // No one else is affected.
    assert_eq!(server.send(&alice, "{}").await.status, 201);
    assert_eq!(other.next().await["items"][0]["seq"], 1);
    assert_eq!(admin(&server, "ban", "carol", &[]).await.0, 3, "no such account");
}

#[tokio::test]
async fn an_operator_lists_exports_and_deletes() {
    let server = TestServer::start().await;
    let [alice, bob] = server.people(["alice", "bob"]).await;
    assert_eq!(server.send(&bob, r#"{"n":1}"#).await.status, 201);
    let db = server.db();
    let (code, list) = json(&["admin", "handle", "list", "--db", db.to_str().unwrap()]).await;
    let handles: Vec<_> = list["accounts"].as_array().unwrap().iter().map(|a| a["handle"].clone()).collect();
    assert_eq!((code, handles), (0, vec!["alice".into(), "bob".into()]));
    assert_eq!(list["accounts"][0]["primary"], alice.primary());

    assert_eq!(admin(&server, "ban", "bob", &[]).await.0, 0);
    let file = db.with_file_name("bob.json");
    let to = ["--to", file.to_str().unwrap()];
    assert_eq!(admin(&server, "export", "bob", &to).await.0, 0);
    let export: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(export["inbox"]["items"][0]["envelope"]["n"], 1);
    assert_eq!(admin(&server, "export", "bob", &to).await.0, 1, "nothing is overwritten");

    let mut live = server.live_as(&alice, 0).await;
    live.next().await;
    assert_eq!(admin(&server, "delete", "alice", &["--yes"]).await.0, 0);
    assert_eq!(live.closed().await, 4401);
    assert_eq!(admin(&server, "delete", "bob", &["--yes"]).await.0, 0);
    assert_eq!(admin(&server, "delete", "bob", &["--yes"]).await.0, 3);
    assert_eq!(admin(&server, "show", "bob", &[]).await.1["state"], "reserved");
    assert_eq!(admin(&server, "release", "bob", &[]).await.0, 0);
}

#[tokio::test]
async fn handles_can_be_reserved_while_the_server_runs() {
    let server = TestServer::start().await;
    // The database exists once the server answers.
    assert_eq!(server.get("/v1/readyz").await.status, 200);
    assert_eq!(admin(&server, "show", "ceo", &[]).await.0, 3);
    assert_eq!(admin(&server, "reserve", "ceo", &[]).await.0, 0);
    let person = Person::new("ceo");
    server.register(&person).await.refused(400, "reserved_handle");
    assert_eq!(admin(&server, "release", "ceo", &[]).await.0, 0);
    assert_eq!(admin(&server, "release", "ceo", &[]).await.0, 3);
    assert_eq!(server.register(&person).await.status, 201);
    assert_eq!(admin(&server, "reserve", "ceo", &[]).await.0, 3, "an account holds it");
}

#[tokio::test]
async fn sighup_reloads_the_reserved_handles() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("reserved.txt");
    std::fs::write(&file, "# ours\nceo\n\nhelpdesk # theirs\n").unwrap();
    let flags = ["--limits", "off", "--reserved-handles-file", file.to_str().unwrap()];
    let server = Binary::start(&directory.path().join("kez-chat.db"), &flags).await;
    for name in ["ceo", "helpdesk"] {
        assert_eq!(server.register(&Person::new(name)).await, 400);
    }
    // An invalid file changes nothing, and stops nothing.
    std::fs::write(&file, "Not A Handle\n").unwrap();
    Binary::signal(server.pid(), "-HUP").await;
    assert_eq!(server.register(&Person::new("ceo")).await, 400);
    std::fs::write(&file, "ceo\n").unwrap();
    Binary::signal(server.pid(), "-HUP").await;
    let helpdesk = Person::new("helpdesk");
    while server.register(&helpdesk).await != 201 {}
    assert_eq!(server.register(&Person::new("ceo")).await, 400);
    assert!(server.terminate().await.success());
}

/// The life cycle of accounts, the same for every store.
async fn story(store: &Store) {
    let account = async |name: &str| {
        let person = Person::new(name);
        let claim = Claim {
            handle: person.handle.clone(),
            primary: person.keys.public().primary(),
            registration: person.registration(AT),
            invite: None,
            now: AT,
        };
        store.claim_handle(claim).await.unwrap()
    };
    let ClaimOutcome::Stands(alice) = account("alice").await else { panic!("alice is free") };
    let ClaimOutcome::Stands(bob) = account("bob").await else { panic!("bob is free") };
    let send = async |to: &Account, text: String, now| {
        store
            .append(NewMessage {
                at: None,
                inbox: to.id.inbox(),
                envelope: text.into(),
                origin: Origin::Known,
                quota: None,
                now,
            })
            .await
            .unwrap()
            .seq
    };
    let seqs = async |of: &Account| {
        let limit = PageLimit { items: 5000, bytes: usize::MAX };
        let page = store.page_after(of.id.inbox(), 0, limit).await.unwrap();
        page.iter().map(|item| item.seq).collect::<Vec<_>>()
    };

    // Bans hide, and nothing else.
    let reason = "spam".to_owned();
    assert!(store.ban(bob.handle.clone(), Ban { at: AT, reason }).await.unwrap());
    assert_eq!(store.lookup(&bob.handle).await.unwrap(), None);
    assert_eq!(store.lookup_primary(&bob.primary).await.unwrap(), None);
    assert_eq!(store.lookup(&alice.handle).await.unwrap(), Some(alice.clone()));
    let listed = store.accounts_after(None, 10).await.unwrap();
    let banned: Vec<_> = listed.iter().map(|listed| listed.ban.is_some()).collect();
    assert_eq!(banned, [false, true]);
    assert_eq!(store.accounts_after(Some(alice.handle.clone()), 1).await.unwrap(), listed[1..]);
    assert_eq!(account("bob").await, ClaimOutcome::HandleTaken);
    assert!(store.unban(bob.handle.clone(), AT).await.unwrap());
    assert_eq!(store.lookup(&bob.handle).await.unwrap(), Some(bob.clone()));

    // Old messages are deleted, and no number is reused.
    let later = Timestamp::from_unix(AT.unix() + 10);
    for n in 0..700 {
        send(&bob, format!("old {n}"), AT).await;
    }
    assert_eq!(send(&bob, "new".to_owned(), later).await, 701);
    let oldest = store.oldest_messages(InboxId::FIRST, 10).await.unwrap();
    assert_eq!(oldest, [(alice.id.inbox(), None), (bob.id.inbox(), Some(AT))]);
    assert_eq!(store.forget_messages(bob.id.inbox(), AT).await.unwrap(), 0);
    assert_eq!(store.forget_messages(bob.id.inbox(), later).await.unwrap(), PORTION);
    assert_eq!(store.forget_messages(bob.id.inbox(), later).await.unwrap(), 200);
    assert_eq!(seqs(&bob).await, [701]);
    assert_eq!(send(&bob, "old 0".to_owned(), later).await, 702, "deleted bytes may be posted again");

    // A deleted account leaves a tombstone, after which its numbers continue.
    for n in 0..600 {
        send(&bob, format!("more {n}"), later).await;
    }
    assert!(store.delete_account(bob.id, AT).await.unwrap());
    assert!(!store.delete_account(bob.id, AT).await.unwrap());
    assert_eq!(seqs(&bob).await, [0; 0]);
    assert_eq!(account("bob").await, ClaimOutcome::HandleReserved);
    let until = Timestamp::from_unix(AT.unix() + TOMBSTONE_SECONDS);
    let state = store.handle_state(bob.handle.clone()).await.unwrap();
    assert_eq!(state, HandleState::Reserved { at: AT, until: Some(until) });
    assert!(store.release(bob.handle.clone(), AT).await.unwrap());
    assert!(!store.release(bob.handle.clone(), AT).await.unwrap());
    let ClaimOutcome::Stands(other) = account("bob").await else { panic!("bob is free again") };
    assert_ne!(other.id, bob.id);
    assert_eq!(send(&other, "first".to_owned(), AT).await, 1303);
    assert!(!store.handle_state(bob.handle.clone()).await.unwrap().is_reserved(AT));

    // Reserved for ever, and released.
    let ceo: kez_core::handle::Handle = "ceo".parse().unwrap();
    assert!(store.reserve(ceo.clone(), None, AT).await.unwrap());
    assert_eq!(account("ceo").await, ClaimOutcome::HandleReserved);
    assert!(!store.reserve(alice.handle.clone(), None, AT).await.unwrap(), "an account holds it");
    assert!(store.release(ceo, AT).await.unwrap());
    assert!(matches!(account("ceo").await, ClaimOutcome::Stands(_)));

    // Processes that cache holders see all changes, in order.
    let changes = store.account_changes(0).await.unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.revision, change.account)).collect();
    assert_eq!(told, [(1, bob.id), (2, bob.id), (3, bob.id)]);
    assert_eq!(store.account_revision().await.unwrap(), 3);
    assert_eq!(store.account_changes(2).await.unwrap(), changes[2..]);
    store.forget_changes(later).await.unwrap();
    assert!(store.account_changes(0).await.unwrap().is_empty());
    assert_eq!(store.account_revision().await.unwrap(), 3);
    store.close().await;
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    story(&Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap()).await;
}

#[tokio::test]
async fn the_story_on_postgres() {
    let database = url(&Cluster::shared().await.database().await);
    story(&Store::postgres(&database, 8).await.unwrap()).await;
}

#[tokio::test]
async fn every_table_without_a_cascade_is_deleted_explicitly() {
    // Tables with references whose rows are not deleted with their account by a cascade; a deletion names each of them.
    // It names the tables of messages and inboxes too, which have no references.
    const NAMED: [&str; 2] = ["former_keys", "nats_bindings"];
    const SQL: &str = "SELECT DISTINCT m.name FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f \
        WHERE m.type = 'table' AND f.\"table\" = 'accounts' AND f.on_delete <> 'CASCADE' ORDER BY m.name";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kez-chat.db");
    Store::sqlite(&file).await.unwrap().close().await;
    let mut connection = crate::support::second_connection(&file).await;
    let tables: Vec<String> = sqlx::query_scalar(SQL).fetch_all(&mut connection).await.unwrap();
    assert!(tables.iter().all(|table| NAMED.contains(&table.as_str())), "{tables:?}");
    assert!(!tables.is_empty());
}
