//! `GET /.well-known/webfinger`

use kez_core::webfinger::{Jrd, PROPERTY_PRIMARY, REL_MESSAGES, REL_PROFILE, REL_SIGCHAIN};

use crate::support::TestServer;

const PATH: &str = "/.well-known/webfinger";

#[tokio::test]
async fn describes_an_account() {
    let server = TestServer::start().await;
    let [alice] = server.people(["alice"]).await;
    let reply = server.get(&format!("{PATH}?resource=acct%3Aalice%40kez.lat")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/jrd+json");
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let jrd: Jrd = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(jrd.subject, "acct:alice@kez.lat");
    assert_eq!(jrd.properties[PROPERTY_PRIMARY], alice.primary());
    let link = |rel: &str| jrd.links.iter().find(|link| link.rel == rel).unwrap().href.clone();
    assert_eq!(link(REL_PROFILE), "https://kez.lat/u/alice");
    assert_eq!(link(REL_MESSAGES), "https://kez.lat/v1/messages");
    assert!(link(REL_SIGCHAIN).ends_with(&alice.keys.public().primary().hex()));
}

#[tokio::test]
async fn rel_keeps_only_the_links_asked_for() {
    let server = TestServer::start().await;
    server.people(["alice"]).await;
    let rels = async |query: &str| {
        let reply = server.get(&format!("{PATH}?resource=acct:alice@kez.lat{query}")).await;
        let jrd: Jrd = serde_json::from_str(&reply.body).unwrap();
        jrd.links.into_iter().map(|link| link.rel).collect::<Vec<_>>()
    };
    assert_eq!(rels("").await.len(), 3);
    assert_eq!(rels(&format!("&rel={REL_PROFILE}")).await, [REL_PROFILE]);
    assert_eq!(rels(&format!("&rel={REL_SIGCHAIN}&rel={REL_MESSAGES}")).await, [REL_SIGCHAIN, REL_MESSAGES]);
    assert!(rels("&rel=urn:else").await.is_empty());
}

#[tokio::test]
async fn an_account_is_found_in_every_spelling() {
    let flags = ["--limits", "off", "--public-url", "https://chat.kez.lat"];
    let server = TestServer::start_with(&flags).await;
    server.people(["alice"]).await;
    for resource in [
        "acct:Alice@KEZ.LAT",
        "ACCT:alice@kez.lat",
        "%20acct:alice@kez.lat%20",
        "alice@kez.lat",
        "@alice@kez.lat",
        "https://chat.kez.lat/u/alice",
        "https://chat.kez.lat/u/Alice/",
        "https://kez.lat/u/alice",
    ] {
        let reply = server.get(&format!("{PATH}?resource={resource}")).await;
        assert_eq!(reply.status, 200, "{resource}: {reply:?}");
        let jrd: Jrd = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(jrd.subject, "acct:alice@kez.lat", "{resource}");
    }
    let elsewhere = server.get(&format!("{PATH}?resource=https://evil.example/u/alice")).await;
    elsewhere.refused(404, "unknown_handle");
}

#[tokio::test]
async fn host_meta_has_the_webfinger_template() {
    let server = TestServer::start().await;
    server.people(["alice"]).await;
    let xrd = server.get("/.well-known/host-meta").await;
    assert_eq!((xrd.status, xrd.header("content-type")), (200, "application/xrd+xml"));
    let template = "https://kez.lat/.well-known/webfinger?resource={uri}";
    assert!(
        xrd.body
            .contains(&format!("<Link rel=\"lrdd\" type=\"application/jrd+json\" template=\"{template}\"/>"))
    );
    let json = server.get("/.well-known/host-meta.json").await;
    assert_eq!(json.json()["links"][0]["template"], template);
    for reply in [xrd, json] {
        assert_eq!(reply.header("access-control-allow-origin"), "*");
    }
}

#[tokio::test]
async fn refuses_invalid_resources() {
    let server = TestServer::start().await;
    server.people(["alice"]).await;
    for query in [
        "",
        "?resource=",
        "?resource=alice",
        "?resource=mailto:alice@kez.lat",
        "?resource=acct:alice@kez.lat&resource=acct:alice@kez.lat",
        "?resource=%FF",
    ] {
        server.get(&format!("{PATH}{query}")).await.refused(400, "malformed");
    }
    for resource in ["acct:nobody2@kez.lat", "acct:alice@other.example"] {
        let reply = server.get(&format!("{PATH}?resource={resource}")).await;
        reply.refused(404, "unknown_handle");
        assert_eq!(reply.header("access-control-allow-origin"), "*");
    }
}
