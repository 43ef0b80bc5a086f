//! `GET /v1/openapi.json`

use serde_json::Value;

use crate::support::{Reply, TestServer};

/// The documented routes. The document is generated from the router's own list, so both must match this one.
const ROUTES: [(&str, &str); 50] = [
    ("delete", "/v1/inbox/{handle}/requests/{sender}"),
    ("delete", "/v1/u/{handle}"),
    ("delete", "/v1/u/{handle}/blocks/{peer}"),
    ("delete", "/v1/u/{handle}/contacts/{peer}"),
    ("delete", "/v1/u/{handle}/nats-keys/{nkey}"),
    ("get", "/.well-known/host-meta"),
    ("get", "/.well-known/host-meta.json"),
    ("get", "/.well-known/security.txt"),
    ("get", "/.well-known/webfinger"),
    ("get", "/v1/by-primary/{primary}"),
    ("get", "/v1/config"),
    ("get", "/v1/export"),
    ("get", "/v1/groups"),
    ("get", "/v1/groups/{gid}"),
    ("get", "/v1/groups/{gid}/log"),
    ("get", "/v1/healthz"),
    ("get", "/v1/inbox/{handle}"),
    ("get", "/v1/inbox/{handle}/live"),
    ("get", "/v1/inbox/{handle}/status"),
    ("get", "/v1/links/{id}"),
    ("get", "/v1/log/checkpoint"),
    ("get", "/v1/log/inclusion/{hex}"),
    ("get", "/v1/log/key"),
    ("get", "/v1/log/tile/entries/{index}"),
    ("get", "/v1/log/tile/{level}/{index}"),
    ("get", "/v1/readyz"),
    ("get", "/v1/sigchains/ed25519/{hex}"),
    ("get", "/v1/u/{handle}"),
    ("get", "/v1/u/{handle}/blocks"),
    ("get", "/v1/u/{handle}/contacts"),
    ("get", "/v1/u/{handle}/devices/{device}/key-packages"),
    ("post", "/v1/groups"),
    ("post", "/v1/groups/{gid}/commits"),
    ("post", "/v1/groups/{gid}/messages"),
    ("post", "/v1/inbox/{handle}/ack"),
    ("post", "/v1/key-packages/claim"),
    ("post", "/v1/links/{id}/messages"),
    ("post", "/v1/messages"),
    ("post", "/v1/people"),
    ("post", "/v1/register"),
    ("post", "/v1/reports"),
    ("post", "/v1/sigchains/ed25519/{hex}"),
    ("post", "/v1/u/{handle}/news"),
    ("put", "/v1/groups/{gid}/state"),
    ("put", "/v1/inbox/{handle}/keep"),
    ("put", "/v1/links/{id}"),
    ("put", "/v1/u/{handle}/blocks/{peer}"),
    ("put", "/v1/u/{handle}/contacts/{peer}"),
    ("put", "/v1/u/{handle}/devices/{device}/key-packages"),
    ("put", "/v1/u/{handle}/nats-keys"),
];

#[tokio::test]
async fn describes_every_route_and_no_other() {
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", "embedded"]).await;
    let document = server.get("/v1/openapi.json").await.json();
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
    }
    described.sort();
    assert_eq!(described, ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned())));
}

#[tokio::test]
async fn every_described_route_exists_and_answers_as_described() {
    let server = TestServer::start_with(&["--limits", "off", "--contact", "mailto:admin@kez.lat"]).await;
    let document = server.get("/v1/openapi.json").await.json();
    for (method, path) in ROUTES {
        let url = server.url(&filled(path));
        let reply = Reply::of(server.http.request(method.to_uppercase().parse().unwrap(), url)).await;
        let responses = &document["paths"][path][method]["responses"];
        assert!(responses[reply.status.to_string()].is_object(), "{method} {path} answered {}", reply.status);
        if reply.status >= 400 {
            assert!(reply.refusal().1 != "not_found" || path.contains("/tile/"), "{method} {path}");
        }
    }
}

/// The path with each parameter replaced by a value that is in none of the databases.
fn filled(path: &str) -> String {
    const VALUES: [(&str, &str); 9] = [
        ("{device}", "00000000000000000000000000000000"),
        ("{gid}", "00000000000000000000000000000000"),
        ("{handle}", "nobody2"),
        ("{id}", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("{peer}", "nobody3"),
        ("{primary}", "nothing"),
        ("{hex}", "nothing"),
        ("{level}", "0"),
        ("{index}", "000"),
    ];
    VALUES.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test]
async fn every_reference_resolves() {
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", "embedded"]).await;
    let document = server.get("/v1/openapi.json").await.json();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
