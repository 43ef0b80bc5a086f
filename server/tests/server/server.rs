//! `GET /v1/config`, `GET /v1/healthz`, `GET /v1/readyz`

use kez_core::api::{Health, Limits, RegistrationMode, ServerConfig};

use crate::support::TestServer;

#[tokio::test]
async fn the_config_has_what_a_client_needs() {
    let server = TestServer::start_with(&["--server", "chat.example:8443"]).await;
    let config: ServerConfig = serde_json::from_str(&server.get("/v1/config").await.body).unwrap();
    assert_eq!(config.server.as_str(), "chat.example:8443");
    assert_eq!(config.limits, Limits::PROTOCOL);
    assert_eq!(config.registration, RegistrationMode::Open);
    assert_eq!(config.live_url.as_deref(), Some("/v1/inbox/{handle}/live"));
    assert_eq!(config.nats_ws_url, None);
}

#[tokio::test]
async fn reports_liveness_and_readiness() {
    let server = TestServer::start().await;
    for path in ["/v1/healthz", "/v1/readyz"] {
        let health: Health = serde_json::from_str(&server.get(path).await.body).unwrap();
        assert_eq!((health.status.as_str(), health.server.as_str()), ("ok", "kez.lat"));
    }
}

#[tokio::test]
async fn without_a_web_dir_there_is_a_plain_page() {
    let server = TestServer::start().await;
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
}
