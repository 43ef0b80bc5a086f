//! Pages and files, requested like a browser: the same bytes for every user, nothing inline, and no path outside the
//! table.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use futures::future::BoxFuture;
use kez_app::{History, Operator};
use kez_chat_server::edge::gate::Gate;
use kez_chat_server::edge::limits::{Limits, Rates};
use kez_chat_server::web::{ProfileLookup, ProfileUnavailable, WebDirError, WebSettings, router};
use kez_core::api::Lookup;
use kez_core::handle::Handle;
use tempfile::TempDir;
use tower::ServiceExt;

/// A registry with one user, and one handle whose lookup fails.
struct OnlyAlice;

impl ProfileLookup for OnlyAlice {
    fn profile<'a>(
        &'a self,
        handle: &'a Handle,
    ) -> BoxFuture<'a, Result<Option<Lookup>, ProfileUnavailable>> {
        Box::pin(async move {
            match handle.as_str() {
                "alice" => Ok(Some(alice())),
                "broken" => Err(ProfileUnavailable),
                _ => Ok(None),
            }
        })
    }

    fn history<'a>(&'a self, _: &'a Lookup) -> BoxFuture<'a, Result<History, ProfileUnavailable>> {
        let told = (1_795_374_000, "Claimed the handle @alice on kez.lat.".to_owned());
        Box::pin(async { Ok(History::Told(vec![told])) })
    }
}

fn alice() -> Lookup {
    let primary = "ab".repeat(32);
    serde_json::from_str(&format!(
        r#"{{"handle":"alice","fqhn":"alice@kez.lat","primary":"ed25519:{primary}","sigchain_url":"http://localhost",
            "registered_at":"2026-01-01T00:00:00Z","registration":{{}}}}"#
    ))
    .unwrap()
}

/// A built site in miniature, beside a file that must stay out of reach.
fn site() -> TempDir {
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("site");
    fs::create_dir_all(dir.join("pkg/snippets/x")).unwrap();
    for (path, contents) in [
        ("pkg/kez-chat.css", "body{}"),
        ("pkg/kez-chat-page.js", "export default 1;"),
        ("pkg/kez-chat-page.wasm", "\0asm"),
        ("pkg/kez-chat-page.wasm.br", "compressed by br"),
        ("pkg/kez-chat-page.wasm.gz", "compressed by gz"),
        ("pkg/kez-chat-worker.js", "export default 2;"),
        ("pkg/kez-chat-worker.wasm", "\0asm worker"),
        ("pkg/snippets/x/inline0.js", "export const x = 1;"),
        ("boot.js", "boot();"),
        ("favicon.svg", "<svg/>"),
        ("../secret.txt", "secret"),
    ] {
        fs::write(dir.join(path), contents).unwrap();
    }
    outside
}

fn pages(web_dir: Option<&Path>) -> Router {
    pages_within(web_dir, None)
}

fn pages_within(web_dir: Option<&Path>, limits: Option<Limits>) -> Router {
    try_pages(web_dir, limits).unwrap()
}

fn try_pages(web_dir: Option<&Path>, limits: Option<Limits>) -> Result<Router, WebDirError> {
    router(WebSettings {
        operator: Operator::default(),
        gate: Gate { limits: limits.map(Arc::new), trust: Arc::default() },
        connect_to: Vec::new(),
        web_dir: web_dir.map(Path::to_owned),
        server: "kez.lat".parse().unwrap(),
        public_url: "https://kez.lat".to_owned(),
        profiles: Arc::new(OnlyAlice),
    })
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(path), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, usize::MAX).await.unwrap() }
}

async fn get(path: &str) -> Answer {
    let outside = site();
    ask(&pages(Some(&outside.path().join("site"))), "GET", path, &[]).await
}

const PAGES: [&str; 8] =
    ["/", "/join", "/restore", "/messages", "/messages/bob", "/g", "/settings", "/security"];

#[tokio::test]
async fn every_page_is_identical_for_every_visitor() {
    let outside = site();
    let router = pages(Some(&outside.path().join("site")));
    for path in PAGES {
        let one = ask(&router, "GET", path, &[]).await;
        let other = [("cookie", "session=1"), ("user-agent", "Other"), ("authorization", "Bearer x")];
        let other = ask(&router, "GET", path, &other).await;
        assert_eq!(one.status, StatusCode::OK, "{path}");
        assert_eq!(one.body, other.body, "{path}");
        assert_eq!(one.headers, other.headers, "{path}");
        assert!(!one.headers.contains_key(header::SET_COOKIE), "{path}");
    }
    let (bob, carol) = (
        ask(&router, "GET", "/messages/bob", &[]).await,
        ask(&router, "GET", "/messages/carol@x.org", &[]).await,
    );
    assert_eq!(bob.body, carol.body, "a conversation's page does not name the conversation");
}

#[tokio::test]
async fn pages_have_nothing_inline_and_link_hashed_files() {
    for path in PAGES {
        let page = get(path).await;
        let html = page.text();
        assert!(html.starts_with("<!DOCTYPE html>"), "{path}");
        assert!(!html.contains("<style") && !html.contains(" style="), "{path}: {html}");
        for script in html.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src=\"/") && rest.starts_with("</script>"), "{path}: {script}");
        }
        for name in
            ["/pkg/kez-chat.", "/pkg/kez-chat-page.", "/pkg/kez-chat-worker.", "/boot.js", "/theme.js"]
        {
            assert!(html.contains(name), "{path} names {name}");
        }
        assert!(!html.contains("/pkg/kez-chat-page.js\""), "{path}: the name holds the hash");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/", "/messages", "/boot.js", "/u/alice", "/nowhere"] {
        let answer = get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
    }
}

#[tokio::test]
async fn a_cached_page_is_answered_with_304() {
    let outside = site();
    let router = pages(Some(&outside.path().join("site")));
    let first = ask(&router, "GET", "/messages", &[("accept-encoding", "br")]).await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let again = ask(&router, "GET", "/messages", &[("if-none-match", first.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let changed = ask(&router, "GET", "/messages", &[("if-none-match", "\"0000000000000000\"")]).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_are_compressed_with_an_accepted_encoding() {
    let outside = site();
    let router = pages(Some(&outside.path().join("site")));
    let plain = ask(&router, "GET", "/security", &[]).await;
    assert_eq!(plain.header("vary"), "Accept-Encoding");
    assert_eq!(plain.header("content-encoding"), "");

    let brotli = ask(&router, "GET", "/security", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(brotli.header("content-encoding"), "br");
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut brotli.body.as_ref(), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);

    let gzip = ask(&router, "GET", "/security", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_ne!(gzip.header("etag"), brotli.header("etag"));
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let outside = site();
    let router = pages(Some(&outside.path().join("site")));
    for path in ["/messages", "/boot.js", "/u/alice", "/nowhere"] {
        let (get, head) = (ask(&router, "GET", path, &[]).await, ask(&router, "HEAD", path, &[]).await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
    }
    assert_eq!(ask(&router, "POST", "/messages", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_single_module_serves_page_and_worker_if_present() {
    let outside = site();
    let pkg = outside.path().join("site/pkg");
    for (name, contents) in [("kez-chat.js", "export default 3;"), ("kez-chat.wasm", "\0asm whole")] {
        fs::write(pkg.join(name), contents).unwrap();
    }
    let router = pages(Some(&outside.path().join("site")));
    let html = ask(&router, "GET", "/", &[]).await;
    let named = |attribute: &str| {
        let value = html.text().split(attribute).nth(1).unwrap();
        value.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(named("data-page-wasm="), named("data-worker-wasm="));
    assert_eq!(named("data-page-js="), named("data-worker-js="));
    assert_eq!(ask(&router, "GET", &named("data-worker-wasm="), &[]).await.text(), "\0asm whole");
}

#[tokio::test]
async fn hashed_files_are_immutable() {
    let outside = site();
    let router = pages(Some(&outside.path().join("site")));
    let html = ask(&router, "GET", "/", &[]).await;
    let name = html.text().split("data-page-wasm=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();

    let wasm = ask(&router, "GET", name, &[]).await;
    assert_eq!(wasm.header("content-type"), "application/wasm");
    assert_eq!(wasm.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(wasm.text(), "\0asm");

    let plain = ask(&router, "GET", "/pkg/kez-chat-page.wasm", &[]).await;
    assert_eq!(plain.header("cache-control"), "no-cache");
    assert_eq!(plain.body, wasm.body);

    let brotli = ask(&router, "GET", name, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((brotli.header("content-encoding"), brotli.text()), ("br", "compressed by br"));
    let gzip = ask(&router, "GET", name, &[("accept-encoding", "gzip")]).await;
    assert_eq!((gzip.header("content-encoding"), gzip.text()), ("gzip", "compressed by gz"));
}

#[tokio::test]
async fn other_files_have_plain_names_and_are_revalidated() {
    for (path, media_type) in [
        ("/boot.js", "text/javascript; charset=utf-8"),
        ("/pkg/snippets/x/inline0.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), media_type, "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
    }
    assert_eq!(get("/pkg/kez-chat-page.wasm.br").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn no_path_escapes_the_site() {
    for path in [
        "/../secret.txt",
        "/pkg/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "//secret.txt",
        "/pkg/",
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.text().contains("secret"), "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn symlinks_out_of_the_site_are_not_followed() {
    let outside = site();
    let dir = outside.path().join("site");
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), dir.join("link.txt")).unwrap();
    assert_eq!(ask(&pages(Some(&dir)), "GET", "/link.txt", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_profile_pages_count_as_lookups() {
    let outside = site();
    let limits = Limits::new(Rates { lookups: 1, ..Rates::default() });
    let router = pages_within(Some(&outside.path().join("site")), Some(limits));
    for (path, status) in [("/u/alice", 200), ("/u/nobody", 404), ("/u/alice", 429), ("/messages", 200)] {
        assert_eq!(ask(&router, "GET", path, &[]).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_profile_is_rendered_with_its_title_and_description() {
    let page = get("/u/alice").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "<title>@alice · KEZ Chat</title>",
        "alice@kez.lat",
        "name=\"description\"",
        "href=\"/messages/alice\"",
        "ed25519:abab",
        "Key history",
        "Claimed the handle @alice on kez.lat.",
    ] {
        assert!(page.text().contains(part), "{part} is not in {}", page.text());
    }
}

#[tokio::test]
async fn an_unknown_handle_has_no_profile_page() {
    for path in ["/u/nobody", "/u/Not%20a%20handle", "/u/%3Cscript%3E", "/nowhere", "/u/", "/u/a/b"] {
        let answer = get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().contains("Nothing here"), "{path}: {}", answer.text());
    }
    assert_eq!(get("/u/broken").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn without_a_web_dir_a_plain_page_explains_how_to_get_the_app() {
    let page = ask(&pages(None), "GET", "/", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("The API works") && page.text().contains("--web-dir"), "{}", page.text());
    assert!(!page.text().contains("<script"), "{}", page.text());
}

#[test]
fn a_web_dir_without_the_app_is_refused_and_named() {
    let empty = tempfile::tempdir().unwrap();
    for dir in [empty.path(), Path::new("/nonexistent")] {
        let refused = try_pages(Some(dir), None).err().unwrap().to_string();
        assert!(refused.starts_with("--web-dir: ") && refused.contains(dir.to_str().unwrap()), "{refused}");
    }
}
