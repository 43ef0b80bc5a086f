//! `/v1/sigchains/ed25519/{hex}`, on a separate server and on the chat server.

use std::sync::Arc;

use futures::future::join_all;
use include_dir::{Dir, include_dir};
use kez_chat_server::chains::log::TransparencyLog;
use kez_chat_server::chains::sigchains::{Appended, Sigchains};
use kez_chat_server::store::Store;
use kez_core::sigchain::{Body, Chain, Hash, Link, Links, MAX_LINK_BYTES};
use serde_json::Value;

use crate::sig_server::{Host, Owner, SigServer, fresh_keys};
use crate::support::{NOW, Reply, TestClock, TestServer};

static VECTORS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../core/vectors/sigchain");

const EMBEDDED: &[&str] = &["--limits", "off", "--sig-server-url", "embedded"];

fn capabilities(min_version: u64) -> Body {
    Body::SetCapabilities { min_version }
}

fn links(reply: &Reply) -> Links {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

#[tokio::test]
async fn every_vector_gets_the_expected_answer() {
    assert!(VECTORS.files().count() >= 5);
    for file in VECTORS.files() {
        let vector: Value = serde_json::from_slice(file.contents()).unwrap();
        let server = SigServer::start().await;
        let hex = vector["root"].as_str().unwrap().strip_prefix("ed25519:").unwrap();
        let (last, before) = vector["links"].as_array().unwrap().split_last().unwrap();
        for link in before {
            // As stored in the file: the sender may choose the order of fields and the white space.
            let reply = server.host.post_to(hex, serde_json::to_string_pretty(link).unwrap()).await;
            assert_eq!(reply.status, 201, "{file:?} {reply:?}");
        }
        let reply = server.host.post_to(hex, last.to_string()).await;
        match vector["expect"].as_str().unwrap() {
            "ok" => {
                assert_eq!((reply.status, &reply.json()["head"]), (201, &vector["head"]), "{file:?}");
                let chain = server.host.get(&format!("/v1/sigchains/ed25519/{hex}")).await.json();
                assert_eq!((&chain["head"], &chain["links"]), (&vector["head"], &vector["links"]));
                assert_eq!((&chain["primary"], &chain["length"]), (&vector["root"], &Value::from(3)));
            }
            "bad_signature" => reply.refused(401, "bad_signature"),
            "not_authorised" => reply.refused(403, "not_authorised"),
            "broken_chain" => reply.refused(409, "conflict"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_chain_reads_back_from_both_kinds_of_server() {
    let (chat, sig) = (TestServer::start_with(EMBEDDED).await, SigServer::start().await);
    for host in [&Host::of(&chat), &sig.host] {
        let mut alice = Owner::new();
        let path = format!("/v1/sigchains/ed25519/{}", alice.hex());
        host.get(&path).await.refused(404, "unknown_chain");
        let written = [alice.init(), alice.say(capabilities(1)), alice.rotate()];
        for link in &written {
            let reply = host.append(link).await;
            assert_eq!(
                (reply.status, reply.json()["seqno"].as_u64()),
                (201, Some(link.seqno())),
                "{reply:?}"
            );
        }
        let all = links(&host.get(&path).await);
        assert_eq!((all.primary, all.length, Some(all.head)), (alice.chain.root(), 3, alice.chain.head()));
        for (link, wanted) in all.links.iter().zip(&written) {
            assert_eq!(link.get(), wanted.json(), "canonical bytes");
        }
        let later = links(&host.get(&format!("{path}?since=2")).await);
        assert_eq!((later.length, later.links.len()), (3, 1));
        assert!(links(&host.get(&format!("{path}?since=9")).await).links.is_empty());
        for wrong in ["?since=x", "?since=01", "?after=1", "?since=1&since=1"] {
            host.get(&format!("{path}{wrong}")).await.refused(400, "malformed");
        }
    }
}

#[tokio::test]
async fn a_repeated_link_is_accepted_and_a_different_one_conflicts() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    let init = alice.init();
    let other = alice.draft(capabilities(2));
    let second = alice.say(capabilities(1));
    let nothing = server.host.append(&second).await;
    nothing.refused(409, "conflict");
    assert_eq!((&nothing.json()["length"], &nothing.json()["head"]), (&Value::from(0), &Value::Null));

    assert_eq!(server.host.append(&init).await.status, 201);
    assert_eq!(server.host.append(&second).await.status, 201);
    for link in [&init, &second] {
        let again = server.host.append(link).await;
        assert_eq!(
            (again.status, again.json()["head"].as_str()),
            (200, Some(link.hash().to_string().as_str()))
        );
    }
    let refused = server.host.append(&other).await;
    refused.refused(409, "conflict");
    assert_eq!(refused.json()["length"], 2);
    assert_eq!(refused.json()["head"].as_str(), Some(second.hash().to_string().as_str()));
}

#[tokio::test]
async fn the_checks_follow_the_order_of_the_protocol() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    let mallory = Owner::new();
    assert_eq!(server.host.append(&alice.init()).await.status, 201);
    let good = alice.draft(capabilities(1));
    let bad_signature = |link: &Link| {
        let (text, sig) = (link.json(), link.json().split(r#""sig":""#).nth(1).unwrap());
        text.replace(&sig[..8], if sig.starts_with("00000000") { "11111111" } else { "00000000" })
    };

    // 400 comes first: the shape, and the path.
    server.host.post_to(&alice.hex(), "{").await.refused(400, "malformed");
    server.host.post_to(&mallory.hex(), good.json().to_owned()).await.refused(400, "malformed");
    server.host.post_to("00", good.json().to_owned()).await.refused(400, "malformed");
    let small_order = "01".to_owned() + &"00".repeat(31);
    server.host.post_to(&small_order, good.json().to_owned()).await.refused(400, "malformed");
    let unknown_kind = good.json().replace("set_capabilities", "set_nonsense");
    server.host.post_to(&alice.hex(), unknown_kind).await.refused(400, "malformed");

    // 409 before 403: a stranger's link in the wrong position.
    let at = |seqno: u64, by: &Owner| {
        let mut chain = alice.chain.clone();
        for version in 1..seqno - 1 {
            chain
                .append(&chain.draft(capabilities(version), good.created_at()).sign(&alice.keys).unwrap())
                .unwrap();
        }
        chain.draft(capabilities(9), good.created_at()).sign(&by.keys).unwrap()
    };
    server.host.append(&at(3, &mallory)).await.refused(409, "conflict");
    // 403 before 401: a stranger's link with an invalid signature.
    server.host.post_to(&alice.hex(), bad_signature(&at(2, &mallory))).await.refused(403, "not_authorised");
    server.host.post_to(&alice.hex(), bad_signature(&good)).await.refused(401, "bad_signature");
    assert_eq!(server.host.append(&good).await.status, 201, "none of these was stored");
}

#[tokio::test]
async fn concurrent_appends_add_one_link() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let links: Vec<Link> = (1..=12).map(|version| alice.draft(capabilities(version))).collect();
    let mut statuses: Vec<u16> = join_all(links.iter().map(|link| server.host.append(link)))
        .await
        .iter()
        .map(|reply| reply.status)
        .collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [409; 11].as_slice()));
    assert_eq!(server.host.checkpoint().await.size, 2, "a link that was refused has no leaf");
}

#[tokio::test]
async fn links_are_limited_in_size_and_to_twenty_a_day() {
    let server = SigServer::start_with(&[]).await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let large = format!("{}{}", " ".repeat(MAX_LINK_BYTES), alice.draft(capabilities(1)).json());
    server.host.post_to(&alice.hex(), large).await.refused(413, "body_too_large");
    for version in 2..=20 {
        assert_eq!(server.host.append(&alice.say(capabilities(version))).await.status, 201);
    }
    let (one_more, kept) = (alice.say(capabilities(21)), alice.chain.length());
    let refused = server.host.append(&one_more).await;
    refused.refused(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "86400");
    server.clock.set(NOW + 86_399);
    assert_eq!(server.host.append(&one_more).await.header("retry-after"), "1");
    server.clock.set(NOW + 86_400);
    assert_eq!(server.host.append(&one_more).await.status, 201);
    assert_eq!(kept, 21);
}

#[tokio::test]
async fn a_reader_with_the_current_head_gets_304() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let url = format!("{}/v1/sigchains/ed25519/{}", server.host.url, alice.hex());
    let read = async |tag: &str| Reply::of(server.host.http.get(&url).header("if-none-match", tag)).await;
    let first = server.host.get(&format!("/v1/sigchains/ed25519/{}", alice.hex())).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", alice.chain.head().unwrap()));
    assert_eq!(first.header("cache-control"), "no-cache");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = read(&known).await;
        assert_eq!(
            (again.status, again.body.as_str(), again.header("etag")),
            (304, "", tag.as_str()),
            "{known}"
        );
    }
    server.host.append(&alice.say(capabilities(1))).await;
    assert_eq!(read(&tag).await.status, 200);
}

#[tokio::test]
async fn cors_allows_every_origin() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    let url = format!("{}/v1/sigchains/ed25519/{}", server.host.url, alice.hex());
    let preflight = server
        .host
        .http
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let preflight = Reply::of(preflight).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, "GET, POST"));
    assert!(preflight.header("access-control-allow-headers").contains("content-type"));
    let appended = server.host.append(&alice.init()).await;
    let missing = server.host.get(&format!("/v1/sigchains/ed25519/{}", Owner::new().hex())).await;
    for reply in [preflight, appended, missing] {
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply:?}");
    }
}

#[tokio::test]
async fn chains_survive_a_restart() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let (key, before) = (server.host.log_key().await, server.host.checkpoint().await);
    let server = server.restart().await;
    assert_eq!((server.host.log_key().await, server.host.checkpoint().await), (key, before));
    assert_eq!(server.host.append(&alice.rotate()).await.status, 201);
    // A rotated key can no longer sign links.
    let stolen = Owner { keys: fresh_keys(), ..alice };
    server.host.append(&stolen.draft(capabilities(1))).await.refused(403, "not_authorised");
}

#[tokio::test]
async fn the_chains_of_many_are_read_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::sqlite(&folder.path().join("db")).await.unwrap());
    let open = async || {
        let log = TransparencyLog::open(Arc::clone(&store), "kez.lat/log", None).await.unwrap();
        Sigchains::new(Arc::clone(&store), log, Arc::new(TestClock::new()), false)
    };
    let mut owners: Vec<Owner> = (0..70).map(|_| Owner::new()).collect();
    let writer = open().await;
    // All but one have links. Two have more than are read of each at once when there are so many.
    for owner in owners.iter_mut().skip(1) {
        assert_eq!(writer.append(&owner.init()).await.unwrap(), Appended::Now);
    }
    for (place, more) in [(5, 7), (69, 20)] {
        for _ in 0..more {
            writer.append(&owners[place].say(capabilities(1))).await.unwrap();
        }
    }
    let roots: Vec<_> = owners.iter().map(|owner| owner.chain.root()).collect();
    let reader = open().await;
    let read = |chains: Vec<Arc<Chain>>| chains.iter().map(|chain| Chain::clone(chain)).collect::<Vec<_>>();
    let expected = |owners: &[Owner]| owners.iter().map(|owner| owner.chain.clone()).collect::<Vec<_>>();
    assert_eq!(read(reader.chains(&roots).await.unwrap()), expected(&owners));
    // What another process appends is read after what is cached.
    writer.append(&owners[5].rotate()).await.unwrap();
    writer.append(&owners[0].init()).await.unwrap();
    assert_eq!(read(reader.chains(&roots).await.unwrap()), expected(&owners));
    assert!(reader.chains(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_chain_that_is_closed_stays_closed() {
    let server = SigServer::start().await;
    let mut alice = Owner::new();
    server.host.append(&alice.init()).await;
    let close = alice
        .chain
        .draft(Body::Close { primary: alice.next.public() }, kez_core::time::Timestamp::from_unix(NOW));
    let close = close.sign(&alice.next).unwrap();
    assert_eq!(server.host.append(&close).await.status, 201);
    alice.chain.append(&close).unwrap();
    let more = alice.draft(Body::RotatePrimary { primary: alice.next.public(), next: Hash::of(b"x") });
    server.host.append(&more).await.refused(403, "not_authorised");
}

#[tokio::test]
async fn a_chat_server_with_an_external_sigchain_server_serves_no_chains() {
    let server = TestServer::start_with(&["--limits", "off", "--sig-server-url", "http://127.0.0.1:9"]).await;
    let path = format!("/v1/sigchains/ed25519/{}", Owner::new().hex());
    server.get(&path).await.refused(404, "not_found");
    server.get("/v1/log/checkpoint").await.refused(404, "not_found");
}
