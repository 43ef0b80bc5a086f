//! Mistakes of an operator: wrong settings, files of other owners, two servers on one database.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::binary::{Binary, command, run};
use crate::commands::json;
use crate::support::Person;

/// A folder for a database.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn db(&self) -> String {
        self.file("kez-chat.db")
    }
}

/// The result of a server that does not start: its exit code and its message.
async fn refused(arguments: &[&str]) -> (i32, String) {
    let bind = ["--bind", "127.0.0.1:0"];
    let output = run(&mut command(&[arguments, &bind].concat())).await;
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn mode(file: &str) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_second_server_on_one_file_is_refused() {
    let home = Home::new();
    let server = Binary::start(home.db(), &[]).await;
    let (code, said) = refused(&["--db", &home.db()]).await;
    assert_eq!((code, said.lines().count()), (2, 1), "{said}");
    assert!(said.contains("another server is running on") && said.contains(&home.db()), "{said}");
    // Administration works while the server runs.
    assert_eq!(json(&["admin", "stats", "--db", &home.db()]).await.0, 0);
    server.kill().await;
    assert!(
        Binary::start(home.db(), &[]).await.terminate().await.success(),
        "a killed server leaves no lock"
    );
}

#[tokio::test]
async fn a_database_keeps_the_name_of_its_server_and_the_key_of_its_log() {
    let home = Home::new();
    let chains = ["--sig-server-url", "embedded"];
    let first = Binary::start(home.db(), &[&["--server", "chat.example"], &chains[..]].concat()).await;
    assert!(first.terminate().await.success());

    let (code, said) = refused(&["--db", &home.db(), "--server", "other.example"]).await;
    assert!(code == 2 && said.contains("belongs to the server chat.example"), "{code} {said}");
    let (code, checked) = json(&["check-config", "--db", &home.db(), "--server", "other.example"]).await;
    assert!(code == 3 && checked["problems"].to_string().contains("chat.example"), "{checked}");

    let seed = home.file("seed");
    fs::write(&seed, "ab".repeat(32)).unwrap();
    let flags = ["--db", &home.db(), "--server", "chat.example", "--log-seed-file", &seed];
    let (code, said) = refused(&flags).await;
    assert!(code == 2 && said.contains("--log-seed-file"), "{code} {said}");
    let again = Binary::start(home.db(), &[&["--server", "chat.example"], &chains[..]].concat()).await;
    assert!(again.terminate().await.success());
}

#[tokio::test]
async fn read_only_commands_change_nothing() {
    let home = Home::new();
    let server = Binary::start(home.db(), &["--limits", "off"]).await;
    let bob = Person::new("bob");
    assert_eq!(server.register(&bob).await, 201);
    let backup = home.file("backup.db");
    assert_eq!(json(&["backup", "--db", &home.db(), "--to", &backup]).await.0, 0);
    let hash = |file: &str| Sha256::digest(fs::read(file).unwrap()).to_vec();
    let before = hash(&backup);
    for reading in [
        &["admin", "stats"][..],
        &["admin", "usage"],
        &["admin", "handle", "list"],
        &["admin", "handle", "show", "bob"],
        &["admin", "invite", "list"],
    ] {
        let (code, answer) = json(&[reading, &["--db", &backup]].concat()).await;
        assert_eq!(code, 0, "{reading:?}: {answer}");
        assert_eq!(hash(&backup), before, "{reading:?}");
    }
    let to = home.file("bob.json");
    assert_eq!(json(&["admin", "handle", "export", "bob", "--db", &backup, "--to", &to]).await.0, 0);
    assert_eq!(hash(&backup), before);
    server.kill().await;
}

#[tokio::test]
async fn read_only_commands_refuse_an_older_schema() {
    let home = Home::new();
    // Without a schema.
    fs::write(home.db(), "").unwrap();
    let before = fs::read(home.db()).unwrap();
    for reading in [&["admin", "stats"][..], &["admin", "handle", "list"]] {
        let (code, answer) = json(&[reading, &["--db", &home.db()]].concat()).await;
        assert_eq!(code, 2, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains("kez-chat-server migrate"), "{answer}");
        assert_eq!(fs::read(home.db()).unwrap(), before, "{reading:?}");
    }
}

#[tokio::test]
async fn created_files_are_private_to_their_owner() {
    let home = Home::new();
    let server = Binary::start(home.db(), &[]).await;
    assert_eq!(server.register(&Person::new("bob")).await, 201);
    for suffix in ["", "-wal", "-shm", ".lock", ".reserve"] {
        assert_eq!(mode(&format!("{}{suffix}", home.db())), 0o600, "{suffix}");
    }
    let backup = home.file("backup.db");
    assert_eq!(json(&["backup", "--db", &home.db(), "--to", &backup]).await.0, 0);
    server.kill().await;
    assert_eq!(json(&["restore", "--db", &home.db(), "--from", &backup, "--replace"]).await.0, 0);
    for file in [home.db(), backup, home.file("backup.db.sha256")] {
        assert_eq!(mode(&file), 0o600, "{file}");
    }
    assert_eq!(json(&["gen-keys", "--to", &home.file("keys")]).await.0, 0);
    assert_eq!(mode(&home.file("keys/nats-server.nk")), 0o600);
    assert_eq!(
        mode(&home.file("keys/nats-keys.conf")),
        0o644,
        "it holds public keys, and the broker reads it"
    );
}

#[tokio::test]
async fn as_root_files_that_a_command_writes_belong_to_the_server_account() {
    const SERVICE: u32 = 61_234;
    let home = Home::new();
    chown(home.0.path(), Some(SERVICE), Some(SERVICE)).unwrap();
    assert_eq!(json(&["migrate", "--db", &home.db()]).await.0, 0);
    chown(home.db(), Some(SERVICE), Some(SERVICE)).unwrap();
    let backup = home.file("backup.db");
    assert_eq!(json(&["backup", "--db", &home.db(), "--to", &backup]).await.0, 0);
    assert_eq!(json(&["restore", "--db", &home.db(), "--from", &backup, "--replace"]).await.0, 0);
    assert_eq!(json(&["restore", "--db", &home.file("new.db"), "--from", &backup]).await.0, 0);
    assert_eq!(json(&["gen-keys", "--to", &home.file(".")]).await.0, 0);
    for name in ["kez-chat.db", "new.db", "backup.db", "backup.db.sha256", "nats-server.nk"] {
        let metadata = fs::metadata(home.file(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (SERVICE, SERVICE), "{name}");
    }
}

#[tokio::test]
async fn an_invalid_setting_stops_the_start_with_one_sentence() {
    let home = Home::new();
    let unreadable = home.file("nowhere/kez-chat.db");
    // A separate folder: in a shared one, files of other tests come and go.
    let no_site = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (vec!["--db", &unreadable], "nowhere"),
        (vec!["--db", "/tmp"], "/tmp"),
        (vec!["--db", &home.db(), "--web-dir", "/nonexistent"], "--web-dir: /nonexistent"),
        (vec!["--db", &home.db(), "--web-dir", no_site.path().to_str().unwrap()], "holds no built web app"),
        (
            vec!["--db", &home.db(), "--nats-url", "nats://127.0.0.1:1", "--nats-creds", "/nowhere"],
            "/nowhere",
        ),
        (vec!["--db", &home.db(), "--reserved-handles-file", "/nowhere"], "/nowhere"),
        (vec!["--db", &home.db(), "--log-seed-file", "/nowhere"], "/nowhere"),
        (vec!["--inbox-bytes", "much"], "1GiB"),
        (vec!["--public-url", "https://host/chat/"], "must have no path"),
    ] {
        let (code, said) = refused(&arguments).await;
        assert_eq!((code, said.trim().lines().count()), (2, 1), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_secret_and_its_file_are_mutually_exclusive() {
    let home = Home::new();
    let file = home.file("address");
    fs::write(&file, home.db()).unwrap();
    let mut both = command(&["migrate"]);
    both.env("KEZ_CHAT_DB", home.file("other.db")).env("KEZ_CHAT_DB_FILE", &file);
    let output = run(&mut both).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("KEZ_CHAT_DB and KEZ_CHAT_DB_FILE are both set"), "{said}");
    let mut one = command(&["migrate"]);
    assert!(run(one.env("KEZ_CHAT_DB_FILE", &file)).await.status.success());
    assert!(Path::new(&home.db()).exists() && !Path::new(&home.file("other.db")).exists());
}

#[tokio::test]
async fn check_config_reads_every_file_that_a_setting_names() {
    let home = Home::new();
    let checked = [
        ("--nats-creds", vec!["--nats-url", "nats://127.0.0.1:1", "--nats-creds", "/nowhere"]),
        ("--nats-issuer-seed-file", vec!["--nats-issuer-seed-file", "/nowhere"]),
        ("--log-seed-file", vec!["--log-seed-file", "/nowhere"]),
        ("--reserved-handles-file", vec!["--reserved-handles-file", "/nowhere"]),
        ("--log-filter-file", vec!["--log-filter-file", "/nowhere"]),
        ("--metrics-bind", vec!["--metrics-bind", "192.0.2.1:1"]),
    ];
    let db = home.db();
    for (flag, arguments) in checked {
        let all = [&["check-config", "--bind", "127.0.0.1:0", "--db", &db], &arguments[..]].concat();
        let (code, checked) = json(&all).await;
        let problems = checked["problems"].to_string();
        assert!(code == 3 && problems.contains(flag), "{flag}: {checked}");
    }
}

#[tokio::test]
async fn an_unresponsive_sigchain_server_is_reported_everywhere() {
    let home = Home::new();
    let url = "http://127.0.0.1:9";
    let (code, checked) =
        json(&["check-config", "--bind", "127.0.0.1:0", "--db", &home.db(), "--sig-server-url", url]).await;
    assert_eq!(code, 0, "the server starts nevertheless: {checked}");
    let warnings = checked["warnings"].to_string();
    assert!(warnings.contains("does not answer") && warnings.contains("browsers cannot reach"), "{checked}");

    let mut server = Binary::start(home.db(), &["--sig-server-url", url]).await;
    server
        .logged("the sigchain server does not answer, so key histories and key changes are unavailable")
        .await;
    let ready = reqwest::get(server.endpoint.url("/v1/readyz")).await.unwrap();
    assert!(ready.text().await.unwrap().contains("degraded"));
    server.kill().await;
}

#[tokio::test]
async fn pages_and_security_txt_name_the_operator() {
    let home = Home::new();
    let get = async |server: &Binary, path: &str| {
        let answer = reqwest::get(server.endpoint.url(path)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let silent = Binary::start(home.db(), &[]).await;
    assert_eq!(get(&silent, "/.well-known/security.txt").await.0, 404);
    silent.kill().await;

    let flags = ["--contact", "mailto:admin@kez.lat", "--terms-url", "https://kez.lat/terms"];
    let server = Binary::start(home.db(), &flags).await;
    let (status, text) = get(&server, "/.well-known/security.txt").await;
    assert_eq!(status, 200);
    assert!(text.starts_with("Contact: mailto:admin@kez.lat\nExpires: 20"), "{text}");
    let (_, config) = get(&server, "/v1/config").await;
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["contact"], "mailto:admin@kez.lat");
    assert_eq!(config["terms_url"], "https://kez.lat/terms");
    let (status, page) = get(&server, "/v1/docs").await;
    assert!(status == 200 && page.contains("POST /v1/messages"), "{page}");
    server.kill().await;
}

#[tokio::test]
async fn timer_backups_are_kept_up_to_a_number() {
    let home = Home::new();
    assert_eq!(json(&["migrate", "--db", &home.db()]).await.0, 0);
    let folder = home.file("backups");
    fs::create_dir(&folder).unwrap();
    for hour in 0..3 {
        let name = format!("{folder}/kez-chat-20200101T0{hour}0000Z.db");
        fs::write(&name, "").unwrap();
        fs::write(format!("{name}.sha256"), "").unwrap();
    }
    let (code, made) = json(&["backup", "--db", &home.db(), "--into", &folder, "--keep", "2"]).await;
    assert_eq!((code, made["deleted"].as_array().unwrap().len()), (0, 2), "{made}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "two copies with their hashes");
    assert_eq!(json(&["backup", "--db", &home.db(), "--to", &home.file("a"), "--keep", "2"]).await.0, 2);
}
