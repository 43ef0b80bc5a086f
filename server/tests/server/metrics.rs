//! The metrics for monitoring.

use std::net::SocketAddr;

use crate::binary::Binary;
use crate::broker::until;
use crate::postgres::cluster::Cluster;
use crate::support::{NOW, Person, TestServer, free_address, message};

async fn metrics(server: &Binary) -> String {
    metrics_at(server.metrics.unwrap()).await
}

pub(crate) async fn metrics_at(monitors: SocketAddr) -> String {
    let url = format!("http://{monitors}/metrics");
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    response.text().await.unwrap()
}

#[track_caller]
pub(crate) fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.rsplit_once(' ').is_some_and(|(left, _)| left == name));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn metrics_count_events_without_identifying_accounts() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--limits", "off", "--metrics-bind", "127.0.0.1:0"];
    let server = Binary::start(&directory.path().join("kez-chat.db"), &flags).await;
    let bob = Person::new("bobby-tables");
    assert_eq!(server.register(&bob).await, 201);
    assert_eq!(server.register(&Person::new("bobby-tables")).await, 409);
    for n in [1, 2, 2] {
        let body = message(&bob.handle, &format!(r#"{{"n":{n}}}"#));
        assert!(server.post("/v1/messages", body).await.unwrap().status < 300);
    }
    assert_eq!(server.inbox(&bob).await.len(), 2);

    let text = metrics(&server).await;
    let of = |name: &str| value(&text, &format!("kez_chat_{name}"));
    assert_eq!(of("handles"), 1.0);
    assert_eq!(of(r#"requests_total{route="/v1/messages",method="POST",status="201"}"#), 2.0);
    assert_eq!(of(r#"requests_total{route="/v1/messages",method="POST",status="200"}"#), 1.0);
    assert_eq!(of(r#"refusals_total{code="handle_taken"}"#), 1.0);
    assert_eq!(of(r#"delivered_items_total{by="page"}"#), 2.0);
    assert_eq!(of(r#"delivered_items_total{by="live"}"#), 0.0);
    assert_eq!((of("live_streams"), of("queued_writes"), of("ready")), (0.0, 0.0, 1.0));
    assert!(of("commit_seconds_count") >= 3.0 && of("database_bytes") > 0.0);
    assert!(of(r#"request_seconds_count{route="/v1/inbox/{handle}"}"#) >= 1.0);
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("nats"), "there is none");
    assert!(!text.contains("bobby") && !text.contains("ed25519") && !text.contains("127.0.0.1"));
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn without_the_flag_there_are_no_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let server = Binary::start(&directory.path().join("kez-chat.db"), &[]).await;
    assert_eq!(server.metrics, None);
    assert_eq!(reqwest::get(server.url("/metrics")).await.unwrap().status(), 404);
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn unknown_methods_are_counted_and_logged_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--metrics-bind", "127.0.0.1:0"];
    let mut server = Binary::start(&directory.path().join("kez-chat.db"), &flags).await;
    let http = reqwest::Client::new();
    for method in ["BREW", "WHEN", "get"] {
        let request = http.request(method.parse().unwrap(), server.url("/v1/healthz"));
        assert_eq!(request.send().await.unwrap().status(), 405, "{method}");
        let line = server.logged("request").await;
        assert_eq!((&line["method"], &line["status"]), (&"other".into(), &405.into()), "{line}");
    }
    let text = metrics(&server).await;
    let name = r#"kez_chat_requests_total{route="/v1/healthz",method="other",status="405"}"#;
    assert_eq!(value(&text, name), 3.0);
    assert!(!text.contains("BREW") && !text.contains("WHEN") && !text.contains(r#""get""#), "{text}");
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn metrics_are_served_while_the_database_is_down() {
    let cluster = Cluster::start().await;
    let monitors = free_address();
    let flags = ["--limits", "off", "--metrics-bind", &monitors.to_string()];
    let server = TestServer::start_on_with(&cluster.database().await, &flags).await;
    server.people(["alice", "bob"]).await;
    let seen = async || {
        let text = metrics_at(monitors).await;
        ["kez_chat_ready", "kez_chat_handles"].map(|name| value(&text, name))
    };
    assert_eq!(seen().await, [1.0, 2.0]);
    cluster.stop().await;
    server.clock.set(NOW + 1);
    assert_eq!(seen().await, [0.0, 2.0], "as many handles as there were");
    cluster.start_again().await;
    until(async || seen().await == [1.0, 2.0]).await;
}

/// The names of metrics in a text: those of this server, and those of every process.
fn named(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("kez_chat_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn alerts_and_dashboard_use_existing_metrics() {
    let directory = tempfile::tempdir().unwrap();
    let backups = directory.path().to_str().unwrap();
    let flags = ["--metrics-bind", "127.0.0.1:0", "--backup-dir", backups];
    let server = Binary::start(&directory.path().join("kez-chat.db"), &flags).await;
    assert_eq!(server.register(&Person::new("bob")).await, 201);
    assert_eq!(server.register(&Person::new("bob")).await, 409);
    let told = metrics(&server).await;
    let there = named(&told);
    for file in ["../deploy/alerts.yml", "../deploy/grafana-dashboard.json"] {
        let asked = named(&std::fs::read_to_string(file).unwrap());
        assert!(asked.len() > 5, "{file}");
        for name in asked {
            assert!(there.contains(&name), "{file} asks for {name}, which is not in {told}");
        }
    }
    assert!(told.contains("kez_chat_build_info{version=\"0.1.0\"} 1"), "{told}");
    assert!(
        value(&told, "kez_chat_disk_free_bytes") > 0.0 && value(&told, "process_open_fds") > 3.0,
        "{told}"
    );
    assert!(value(&told, "process_resident_memory_bytes") > 1e6, "{told}");
    assert!(value(&told, "process_start_time_seconds") > 1.7e9, "{told}");
    server.kill().await;
}
