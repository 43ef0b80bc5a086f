//! The commands beside `serve`, as an operator runs them.

use std::path::Path;

use serde_json::Value;

use crate::binary::{Binary, command, run};
use crate::support::{Person, message};

/// Runs a command with `--json` and returns its exit code and its output from either stream.
pub(crate) async fn json(arguments: &[&str]) -> (i32, Value) {
    let output = run(command(arguments).arg("--json")).await;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8(text).unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}")),
    )
}

/// A server with one message for Bob.
async fn server_with_a_message(db: &Path, bob: &Person) -> Binary {
    let server = Binary::start(db, &["--limits", "off"]).await;
    assert_eq!(server.register(bob).await, 201);
    send(&server, bob, 1).await;
    server
}

async fn send(server: &Binary, bob: &Person, n: u64) {
    let stored = server.post("/v1/messages", message(&bob.handle, &format!(r#"{{"n":{n}}}"#))).await.unwrap();
    assert_eq!(stored.status, 201);
}

#[tokio::test]
async fn serve_is_the_default_command_and_takes_the_same_flags() {
    let directory = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = address.local_addr().unwrap().to_string();
    let db = directory.path().join("kez-chat.db");
    for arguments in [vec!["serve"], vec![]] {
        let flags = [arguments, vec!["--bind", &taken, "--db", db.to_str().unwrap()]].concat();
        let output = run(&mut command(&flags)).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on"), "{output:?}");
    }
    let output = run(&mut command(&["backup"])).await;
    assert_eq!(output.status.code(), Some(2), "--to is missing: {output:?}");
}

#[tokio::test]
async fn the_version_is_printed() {
    let output = run(&mut command(&["--version"])).await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, format!("kez-chat-server {}\n", kez_chat_server::version::version_with_commit()));
    assert!(printed.starts_with(concat!("kez-chat-server ", env!("CARGO_PKG_VERSION"))), "{printed}");
}

#[tokio::test]
async fn a_backup_needs_no_downtime_and_a_restore_does() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (db, backup) = (file("kez-chat.db"), file("backup.db"));
    let bob = Person::new("bob");
    let server = server_with_a_message(Path::new(&db), &bob).await;

    let (code, made) = json(&["backup", "--db", &db, "--to", &backup]).await;
    assert_eq!((code, made["bytes"].as_u64().unwrap()), (0, std::fs::metadata(&backup).unwrap().len()));
    let sums = std::fs::read_to_string(file("backup.db.sha256")).unwrap();
    assert_eq!(sums, format!("{}  backup.db\n", made["sha256"].as_str().unwrap()));
    assert_eq!(json(&["backup", "--db", &db, "--to", &backup]).await.0, 2, "nothing is overwritten");
    send(&server, &bob, 2).await;

    // Neither in place nor from a file while another process uses the database.
    for how in [&["--from", &backup, "--replace"][..], &["--in-place"]] {
        let (code, refused) = json(&[&["restore", "--db", &db], how].concat()).await;
        assert_eq!(code, 2);
        assert!(refused["error"].as_str().unwrap().contains("a server is running"), "{refused}");
    }
    send(&server, &bob, 3).await;
    server.kill().await;

    let (code, refused) = json(&["restore", "--db", &db, "--from", &backup]).await;
    assert!(code == 2 && refused["error"].as_str().unwrap().contains("--replace"), "{refused}");
    let (code, restored) = json(&["restore", "--db", &db, "--from", &backup, "--replace"]).await;
    assert_eq!(code, 0, "{restored}");
    let server = Binary::start(Path::new(&db), &["--limits", "off"]).await;
    assert_eq!(server.inbox(&bob).await, [(1, r#"{"n":1}"#.to_owned())]);
    assert!(server.terminate().await.success());

    // The former database has been moved aside, complete, with the log of the killed server merged in. A second restore
    // leaves it there.
    let aside = file("kez-chat.db.replaced");
    let (code, refused) = json(&["restore", "--db", &db, "--from", &backup, "--replace"]).await;
    assert_eq!(
        (code, refused["error"].as_str()),
        (2, Some(format!("{aside} is there already; move it away first").as_str()))
    );
    let server = Binary::start(Path::new(&aside), &["--limits", "off"]).await;
    assert_eq!(server.inbox(&bob).await.len(), 3);
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_restored_database_has_a_new_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (db, backup) = (file("kez-chat.db"), file("backup.db"));
    assert_eq!(json(&["migrate", "--db", &db]).await.0, 0);
    let first = json(&["restore", "--db", &db, "--in-place"]).await.1["epoch"].clone();
    assert_eq!(json(&["backup", "--db", &db, "--to", &backup]).await.0, 0);
    let second = json(&["restore", "--db", &file("other.db"), "--from", &backup]).await.1["epoch"].clone();
    assert_eq!(second.as_str().unwrap().len(), 16);
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_modified_backup_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (db, backup) = (file("kez-chat.db"), file("backup.db"));
    assert_eq!(json(&["migrate", "--db", &db]).await.0, 0);
    assert_eq!(json(&["backup", "--db", &db, "--to", &backup]).await.0, 0);
    let mut bytes = std::fs::read(&backup).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&backup, bytes).unwrap();
    let (code, refused) = json(&["restore", "--db", &file("other.db"), "--from", &backup]).await;
    assert!(code == 3 && refused["error"].as_str().unwrap().contains("SHA-256"), "{code} {refused}");
    assert!(!Path::new(&file("other.db")).exists());
}

#[tokio::test]
async fn a_dry_run_names_the_migrations_and_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let name = db.to_str().unwrap();
    let (code, pending) = json(&["migrate", "--db", name, "--dry-run"]).await;
    assert_eq!((code, &pending["migrations"][0]), (0, &"0.1.0".into()));
    assert!(!db.exists());
    assert_eq!(json(&["migrate", "--db", name]).await.1["migrations"], pending["migrations"]);
    assert_eq!(json(&["migrate", "--db", name, "--dry-run"]).await.1["migrations"], Value::Array(vec![]));
}

#[tokio::test]
async fn the_configuration_is_checked_without_starting() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let (code, checked) =
        json(&["check-config", "--db", db.to_str().unwrap(), "--server", "chat.example"]).await;
    assert_eq!((code, &checked["problems"]), (0, &Value::Array(vec![])));
    assert_eq!(checked["settings"]["server"], "chat.example");
    assert_eq!(checked["settings"]["bind"], "0.0.0.0:6969");
    assert!(!db.exists());

    let output =
        run(command(&["check-config", "--json", "--web-dir", "/nowhere", "--db", "/nowhere/kez.db"])
            .env("KEZ_CHAT_SERVRE", "x")
            .env("KEZ_CHAT_BIND", "127.0.0.1:1"))
        .await;
    assert_eq!(output.status.code(), Some(3));
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = checked["problems"].to_string();
    for word in ["KEZ_CHAT_SERVRE", "--web-dir", "--db"] {
        assert!(problems.contains(word), "{word} in {problems}");
    }
    assert_eq!(checked["problems"].as_array().unwrap().len(), 3);
    assert_eq!(checked["settings"]["bind"], "127.0.0.1:1");
    assert_eq!(json(&["check-config", "--limits", "off"]).await.0, 2);
}

#[tokio::test]
async fn a_health_check_says_whether_the_server_is_ready() {
    let directory = tempfile::tempdir().unwrap();
    let server = Binary::start(&directory.path().join("kez-chat.db"), &[]).await;
    let bind = server.address.to_string();
    assert_eq!(json(&["healthcheck", "--bind", &bind]).await.0, 0);
    assert!(server.terminate().await.success());
    let (code, refused) = json(&["healthcheck", "--bind", &bind]).await;
    assert!(code == 1 && refused["error"].as_str().unwrap().contains(&bind), "{refused}");
}

#[tokio::test]
async fn stats_count_while_the_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let server = server_with_a_message(&db, &Person::new("bob")).await;
    let (code, stats) = json(&["admin", "stats", "--db", db.to_str().unwrap()]).await;
    assert_eq!(code, 0);
    assert_eq!(
        [&stats["handles"], &stats["groups"], &stats["messages"], &stats["bytes"]].map(Value::as_u64),
        [Some(1), Some(0), Some(1), Some(7)]
    );
    assert!(server.terminate().await.success());
    let nowhere = directory.path().join("nowhere.db");
    assert_eq!(json(&["admin", "stats", "--db", nowhere.to_str().unwrap()]).await.0, 2);
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn secrets_can_be_read_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let (db, file) = (directory.path().join("kez-chat.db"), directory.path().join("db"));
    std::fs::write(&file, format!("{}\n", db.display())).unwrap();
    let of_file = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("KEZ_CHAT_DB_FILE", &file);
        command
    };
    assert!(run(&mut of_file(&["migrate"])).await.status.success());
    assert!(db.exists(), "the value came from the file");
    let checked = run(&mut of_file(&["check-config", "--json"])).await;
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(
        (&checked["problems"], &checked["settings"]["db"]),
        (&Value::Array(vec![]), &"(not shown)".into())
    );
    let nowhere = directory.path().join("nowhere.db");
    let output = run(&mut of_file(&["admin", "stats", "--db", nowhere.to_str().unwrap()])).await;
    assert_eq!(output.status.code(), Some(2), "the flag takes precedence: {output:?}");
    std::fs::remove_file(&file).unwrap();
    let output = run(&mut of_file(&["migrate"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("KEZ_CHAT_DB_FILE"), "{output:?}");
}

#[tokio::test]
async fn invitations_are_created_listed_and_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db").to_str().unwrap().to_owned();
    let server = Binary::start(Path::new(&db), &["--limits", "off", "--registration", "invite"]).await;
    assert_eq!(server.register(&Person::new("alice")).await, 403);

    let create = ["admin", "invite", "create", "--db", &db, "--label", "friends", "--uses", "2"];
    let (code, made) = json(&create).await;
    assert_eq!((code, made["uses"].as_u64(), made["open"].as_bool()), (0, Some(2), Some(true)));
    assert_eq!(made["code"].as_str().unwrap().len(), "K7QXM-2R9VD-WT4HB-N8ZPC".len());
    assert_eq!(
        made["link"].as_str(),
        Some(format!("/join#invite={}", made["code"].as_str().unwrap()).as_str())
    );
    let (_, elsewhere) = json(&[&create[..], &["--server", "chat.example"]].concat()).await;
    assert!(elsewhere["link"].as_str().unwrap().starts_with("https://chat.example/join#invite="));
    let (code, shown) = json(&["admin", "invite", "list", "--db", &db]).await;
    assert_eq!((code, shown["invites"][0]["label"].as_str()), (0, Some("friends")));
    assert!(!shown.to_string().contains(made["code"].as_str().unwrap()), "the code is not stored");

    let id = elsewhere["id"].to_string();
    assert_eq!(json(&["admin", "invite", "revoke", &id, "--db", &db]).await.0, 0);
    assert_eq!(json(&["admin", "invite", "revoke", "4711", "--db", &db]).await.0, 3);
    let (_, shown) = json(&["admin", "invite", "list", "--db", &db]).await;
    assert_eq!(shown["invites"][0]["open"], false);
    let output = run(&mut command(&["admin", "invite", "create", "--db", &db, "--uses", "0"])).await;
    assert_eq!(output.status.code(), Some(2));
}
