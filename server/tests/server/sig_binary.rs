//! `kez-sig-server` as a process: its flags, its exit codes, and what it serves.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::binary::{Binary, ends_though_its_database_is_silent};
use crate::sig_server::{Host, Owner, SigServer};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kez-sig-server"));
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(arguments: &[&str]) -> Output {
    tokio::time::timeout(Duration::from_secs(20), command(arguments).output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn help_names_every_flag_and_its_variable() {
    let help = String::from_utf8(run(&["--help"]).await.stdout).unwrap();
    for name in [
        "--bind",
        "KEZ_SIG_BIND",
        "127.0.0.1:7878",
        "--db",
        "KEZ_SIG_DB",
        "kez-sig.db",
        "KEZ_SIG_DB_CONNECTIONS",
        "KEZ_SIG_PUBLIC_URL",
        "KEZ_SIG_TRUSTED_PROXIES",
        "KEZ_SIG_LIMITS",
        "KEZ_SIG_LOG_SEED_FILE",
        "KEZ_SIG_LOG_FORMAT",
        "KEZ_SIG_METRICS_BIND",
    ] {
        assert!(help.contains(name), "{name} in {help}");
    }
}

#[tokio::test]
async fn bad_settings_are_refused_with_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-sig.db");
    for (arguments, code, part) in [
        (["--bind", "nowhere"].as_slice(), 2, "--bind"),
        (&["--unknown"], 2, "--unknown"),
        (&["--limits", "off", "--bind", "0.0.0.0:0"], 2, "loopback"),
        (&["--bind", "127.0.0.1:0", "--db", "/nowhere/kez-sig.db"], 2, "database"),
        (
            &["--bind", "127.0.0.1:0", "--db", db.to_str().unwrap(), "--log-seed-file", "/nowhere"],
            2,
            "--log-seed-file",
        ),
    ] {
        let output = run(arguments).await;
        let text = String::from_utf8_lossy(&output.stderr);
        let sentence = text.lines().last().unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(sentence.starts_with("kez-sig-server: ") && sentence.contains(part), "{text}");
    }
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop_and_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-sig.db");
    let mut alice = Owner::new();
    for link in [alice.init(), alice.rotate()] {
        let mut child =
            command(&["--bind", "127.0.0.1:0", "--log-format", "json", "--db", db.to_str().unwrap()])
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let host = Host { url: format!("http://{address}"), http: reqwest::Client::new() };
        assert_eq!(host.get("/v1/healthz").await.json()["status"], "ok");
        assert_eq!(host.get("/v1/readyz").await.status, 200);
        assert_eq!(host.append(&link).await.status, 201);
        Binary::signal(child.id().unwrap(), "-TERM").await;
        assert!(
            tokio::time::timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap().success()
        );
    }
}

#[tokio::test]
async fn it_can_be_stopped_while_it_waits_for_its_database() {
    ends_though_its_database_is_silent(&mut command(&[])).await;
}

#[tokio::test]
async fn its_document_describes_every_route_and_no_other() {
    let server = SigServer::start().await;
    let document = server.host.get("/v1/openapi.json").await.json();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    described.sort();
    assert_eq!(
        described,
        [
            "get /v1/healthz",
            "get /v1/log/checkpoint",
            "get /v1/log/inclusion/{hex}",
            "get /v1/log/key",
            "get /v1/log/tile/entries/{index}",
            "get /v1/log/tile/{level}/{index}",
            "get /v1/readyz",
            "get /v1/sigchains/ed25519/{hex}",
            "post /v1/sigchains/ed25519/{hex}",
        ]
    );
    server.host.get("/v1/u/alice").await.refused(404, "not_found");
    server.host.get("/").await.refused(404, "not_found");
}

#[tokio::test]
async fn monitors_see_the_process_and_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-sig.db");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let monitors = held.local_addr().unwrap().to_string();
    drop(held);
    let flags = ["--bind", "127.0.0.1:0", "--metrics-bind", &monitors, "--db", db.to_str().unwrap()];
    let mut server = command(&flags).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("listening for monitors") {
            break;
        }
    }
    let told = reqwest::get(format!("http://{monitors}/metrics")).await.unwrap().text().await.unwrap();
    for line in ["kez_sig_ready 1", "kez_sig_log_entries 0", "kez_chat_build_info"] {
        assert!(told.contains(line), "{line} in {told}");
    }
    server.kill().await.unwrap();
}
