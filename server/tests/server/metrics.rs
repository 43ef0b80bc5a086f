//! What a monitor reads.

use crate::binary::Binary;
use crate::support::{Person, message};

async fn metrics(server: &Binary) -> String {
    let url = format!("http://{}/metrics", server.metrics.unwrap());
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    response.text().await.unwrap()
}

#[track_caller]
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.rsplit_once(' ').is_some_and(|(left, _)| left == name));
    line.unwrap_or_else(|| panic!("{name} in {metrics}")).rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
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
