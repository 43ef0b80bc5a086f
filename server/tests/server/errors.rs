//! The properties common to all answers.

use crate::support::{Reply, TestServer};

#[tokio::test]
async fn unknown_routes_are_answered_with_a_problem() {
    let server = TestServer::start().await;
    for path in ["/v1/", "/v1/nothing", "/v1/u/alice/more", "/v1/inbox/alice/live/more", "/.well-known/other"]
    {
        server.get(path).await.refused(404, "not_found");
    }
    for path in ["/v1/register", "/v1/messages"] {
        let reply = server.get(path).await;
        reply.refused(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "POST");
    }
    server.post("/v1/healthz", "{}").await.refused(405, "method_not_allowed");
    let patch = Reply::of(server.http.patch(server.url("/v1/u/alice"))).await;
    patch.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = TestServer::start().await;
    server.people(["alice"]).await;
    for path in ["/", "/v1/healthz", "/v1/u/alice", "/v1/u/nobody2", "/v1/nothing", "/.well-known/webfinger"]
    {
        let reply = server.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(reply.header("strict-transport-security"), "max-age=63072000", "{path}");
        assert_eq!(reply.header("x-request-id").len(), 16, "{path}");
        assert_eq!(reply.header("set-cookie"), "", "{path}");
        if path.starts_with("/v1") {
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
            assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin", "{path}");
        }
    }
}

#[tokio::test]
async fn cors_covers_refusals_of_public_routes_only() {
    // The disk is full, so the server itself rejects every write before it reaches a route.
    let full = ["--disk-ample-bytes", "18446744073709551615", "--disk-writes-percent", "0"];
    let flags = [&full[..], &["--lookups-per-minute", "1", "--sig-server-url", "embedded"]].concat();
    let server = TestServer::start_with(&flags).await;
    let opened = |reply: &Reply| {
        let origins = reply.headers.get_all("access-control-allow-origin").iter();
        let policies = reply.headers.get_all("cross-origin-resource-policy").iter();
        [origins, policies]
            .map(|values| values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let webfinger = "/.well-known/webfinger?resource=acct:nobody2@kez.lat";
    for _ in 0..2 {
        server.get(webfinger).await.refused(404, "unknown_handle");
    }
    let limited = server.get(webfinger).await;
    limited.refused(429, "rate_limited");
    let full = server.post("/v1/sigchains/ed25519/00", "{}").await;
    full.refused(507, "storage_full");
    let delete = Reply::of(server.http.delete(server.url("/v1/log/checkpoint"))).await;
    delete.refused(405, "method_not_allowed");
    let link = server.http.request(reqwest::Method::OPTIONS, server.url("/v1/sigchains/ed25519/00"));
    let preflight = Reply::of(link).await;
    assert_eq!(preflight.status, 204);
    let public =
        ["/.well-known/webfinger", "/v1/sigchains/ed25519/00", "/v1/log/checkpoint", "/v1/log/tile/0/000"];
    for path in public {
        assert_eq!(opened(&server.get(path).await), [["*"], ["cross-origin"]], "{path}");
    }
    for reply in [limited, full, delete, preflight] {
        assert_eq!(opened(&reply), [["*"], ["cross-origin"]], "{reply:?}");
    }
    for path in ["/v1/u/nobody2", "/v1/config", "/v1/inbox/nobody2", "/v1/nothing", "/v1/sigchain", "/"] {
        assert_eq!(opened(&server.get(path).await)[0], [""; 0], "{path}");
    }
    assert_eq!(opened(&server.post("/v1/register", "{}").await)[0], [""; 0]);
}

#[tokio::test]
async fn a_server_reached_over_http_does_not_ask_for_https() {
    let server = TestServer::start_with(&["--public-url", "http://localhost:6969"]).await;
    assert_eq!(server.get("/v1/healthz").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_request_id_comes_from_trusted_proxies_only() {
    let direct = TestServer::start().await;
    let proxied = TestServer::start_with(&["--trusted-proxies", "127.0.0.1"]).await;
    let id = async |server: &TestServer, given: &str| {
        let request = server.http.get(server.url("/v1/healthz")).header("x-request-id", given);
        Reply::of(request).await.header("x-request-id").to_owned()
    };
    assert_ne!(id(&direct, "from-the-proxy").await, "from-the-proxy");
    assert_eq!(id(&proxied, "from-the-proxy").await, "from-the-proxy");
    assert_ne!(id(&proxied, "two words").await, "two words");
    assert_ne!(id(&proxied, &"x".repeat(65)).await, "x".repeat(65));
}

#[tokio::test]
async fn rates_are_counted_by_the_client_behind_the_proxy() {
    let server = TestServer::start_with(&["--trusted-proxies", "127.0.0.1"]).await;
    let look = async |client: &str| {
        let request = server.http.get(server.url("/v1/u/nobody2")).header("x-forwarded-for", client);
        Reply::of(request).await
    };
    for _ in 0..120 {
        look("192.0.2.1").await.refused(404, "unknown_handle");
    }
    let mut limited = look("192.0.2.1").await;
    if limited.status == 404 {
        // A token may have been added in the meantime.
        limited = look("192.0.2.1").await;
    }
    limited.refused(429, "rate_limited");
    look("192.0.2.2").await.refused(404, "unknown_handle");
    look("evil, 192.0.2.1").await.refused(429, "rate_limited");
}
