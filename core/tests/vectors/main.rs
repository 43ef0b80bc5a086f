//! The vectors of an independent implementation, natively and in WASM: one scenario a file under `core/vectors`,
//! with the outcome or the kind of failure under `expect`.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::convert::Infallible;

use include_dir::{Dir, include_dir};
use kez_core::api::Base64Url;
use kez_core::caller_auth::{CallerAuth, CallerRequest};
use kez_core::content::{Content, MalformedContent, What};
use kez_core::envelope::{self, Envelope, OpenError};
use kez_core::identity::{Peer, PublicIdentity, SecretIdentity, Seed};
use kez_core::link::{BoxKey, LinkOffer, LinkSecret, Side};
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Chain, Link, LinkRefused};
use kez_core::signature::verify_ed25519_hex;
use kez_core::signed::Signed;
use kez_core::time::Timestamp;
use kez_core::{inbox_auth, recovery_phrase, safety_number};
use serde_json::Value;

static VECTORS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/vectors");

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Runs `outcome` on every file of a topic and compares it with `expect`; at least `count` files must be there.
fn each(topic: &str, count: usize, outcome: impl Fn(&str, &Value) -> &'static str) {
    let files: Vec<_> = VECTORS.get_dir(topic).expect("the topic exists").files().collect();
    assert!(files.len() >= count, "{topic}: {} of {count} files", files.len());
    for file in files {
        let name = file.path().display().to_string();
        let vector: Value = serde_json::from_slice(file.contents()).expect("a vector is JSON");
        let expected = text(&vector, "expect");
        assert_eq!(outcome(&name, &vector), expected, "{name}");
    }
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name} is no text"))
}

fn bytes<const N: usize>(vector: &Value, name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    base16ct::lower::decode(text(vector, name), &mut bytes).expect("hexadecimal digits");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn secret(vector: &Value, name: &str) -> SecretIdentity {
    SecretIdentity::from_seed(Seed::from_bytes(bytes(vector, name)))
}

/// A generator that gives the bytes a vector fixes, once.
struct Fixed(Vec<u8>);

impl rand_core::TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.copy_from_slice(&self.0.drain(..dst.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}

#[test]
fn identity() {
    each("identity", 9, |name, vector| {
        let Some(seed) = vector.get("seed") else {
            return PublicIdentity::parse(text(vector, "primary")).map_or("invalid_key", |_| "ok");
        };
        let me = secret(vector, "seed");
        assert_eq!(me.public().to_string(), text(vector, "primary"), "{name}");
        assert_eq!(PublicIdentity::parse(text(vector, "primary")), Ok(me.public()), "{name}");
        assert_eq!(recovery_phrase::words(me.seed()).join(" "), text(vector, "phrase"), "{name}");
        let restored = recovery_phrase::parse(text(vector, "phrase")).expect("a phrase of 24 words");
        assert_eq!(hex(restored.as_bytes()), seed.as_str().expect("a seed"), "{name}");
        assert_eq!(hex(&me.public().x25519_public()), text(vector, "x25519_public"), "{name}");
        // The X25519 secret is not to be had from outside; that it is the same shows in what it agrees on.
        let theirs = x25519_dalek::x25519(bytes(vector, "x25519_secret"), me.public().x25519_public());
        assert_eq!(me.agree(&me.public()).expect("a secret").as_bytes(), &theirs, "{name}");
        "ok"
    });
}

#[test]
fn content() {
    each("content", 27, |name, vector| {
        let json = vector["content"].to_string();
        let content = match Content::parse(json.as_bytes()) {
            Ok(content) => content,
            Err(MalformedContent { quiet: true }) => return "dropped",
            Err(MalformedContent { quiet: false }) => return "malformed",
        };
        let kind = match &content.what {
            What::Text(_) => "text",
            What::Reaction(_) => "reaction",
            What::Sent(_) => "sent",
            What::FormerKey(_) => "former_key",
            What::Face(_) => "face",
            What::Sync(_) => "sync",
            What::History(_) => "history",
            What::Archive(_) => "archive",
            What::Copy(_) => "copy",
            What::Unknown { quiet: true, .. } => return "dropped",
            What::Unknown { quiet: false, .. } => return "unsupported",
        };
        let again = Content::parse(&content.to_json()).expect("it round-trips");
        assert_eq!(again.to_json(), content.to_json(), "{name}");
        assert_eq!(content.what.kind(), kind, "{name}");
        kind
    });
}

#[test]
fn registration() {
    each("registration", 18, |_, vector| {
        let now: Timestamp = text(vector, "now").parse().expect("a time");
        let Ok(signed) = Signed::<HandleRegistration>::parse(vector["request"].to_string().as_bytes()) else {
            return "malformed";
        };
        let Ok(verified) = signed.verify() else { return "bad_signature" };
        match verified.check(&text(vector, "server").parse().expect("a server"), now) {
            Ok(_) => "ok",
            Err(refused) => code_name(refused.code()),
        }
    });
}

fn code_name(code: kez_core::problem::ProblemCode) -> &'static str {
    serde_json::to_value(code).expect("a code is text").as_str().expect("a code is text").to_owned().leak()
}

#[test]
fn inbox_auth_headers() {
    each("inbox_auth", 17, |name, vector| {
        let handle = text(vector, "handle").parse().expect("a handle");
        let key = PublicIdentity::parse(text(vector, "primary")).expect("a key");
        let now = Timestamp::from_unix(vector["now"].as_u64().expect("a time"));
        let since = vector["since"].as_u64().expect("a cursor");
        if let Some(signed) = vector.get("text") {
            let (_, signature) = text(vector, "header").split_once(':').expect("two parts");
            let signed = signed.as_str().expect("text").as_bytes();
            verify_ed25519_hex(&key.primary().hex(), signed, signature).expect(name);
        }
        inbox_auth::verify(text(vector, "header"), &handle, since, &key, now)
            .map_or("unauthorized", |()| "ok")
    });
}

#[test]
fn caller_auth_headers() {
    each("caller_auth", 11, |name, vector| {
        let server = text(vector, "server").parse().expect("a server");
        let key = PublicIdentity::parse(text(vector, "primary")).expect("a key");
        let now = Timestamp::from_unix(vector["now"].as_u64().expect("a time"));
        let request = CallerRequest {
            server: &server,
            method: text(vector, "method"),
            target: text(vector, "target"),
            body: text(vector, "body").as_bytes(),
        };
        if let Some(signed) = vector.get("text") {
            let signature = text(vector, "header").rsplit(':').next().expect("a signature");
            let signed = signed.as_str().expect("text").as_bytes();
            verify_ed25519_hex(&key.primary().hex(), signed, signature).expect(name);
        }
        let Ok(auth) = CallerAuth::parse(text(vector, "header")) else { return "unauthorized" };
        let Ok(nonce) = auth.verify(&request, &key, now) else { return "unauthorized" };
        let seen = vector["nonces_seen"].as_array().expect("a list");
        let handle_matches = auth.handle().as_str() == text(vector, "handle");
        if handle_matches && !seen.contains(&nonce.to_string().into()) { "ok" } else { "unauthorized" }
    });
}

#[test]
fn safety_numbers() {
    each("safety_number", 1, |name, vector| {
        let (a, b) = (text(vector, "a").parse().expect("a key"), text(vector, "b").parse().expect("a key"));
        assert_eq!(safety_number::safety_number(&a, &b), text(vector, "digits"), "{name}");
        assert_eq!(safety_number::safety_number(&b, &a), text(vector, "digits"), "{name}");
        "ok"
    });
}

#[test]
fn sigchains() {
    each("sigchain", 5, |name, vector| {
        let mut chain = Chain::new(text(vector, "root").parse().expect("a key"));
        let mut last = None;
        for link in vector["links"].as_array().expect("a list") {
            let link = match Link::parse(link.to_string().as_bytes()) {
                Ok(link) => link,
                Err(refused) => return replay_name(&refused),
            };
            last = Some(link.hash().to_string());
            if let Err(refused) = chain.append(&link) {
                assert_eq!(last.as_deref(), Some(text(vector, "head")), "{name}: refused too early");
                return replay_name(&refused);
            }
        }
        assert_eq!(last.as_deref(), Some(text(vector, "head")), "{name}");
        assert_eq!(chain.head().map(|head| head.to_string()), last, "{name}");
        "ok"
    });
}

/// What does not fit is a conflict where a link is appended, and a broken chain where one is read.
const fn replay_name(refused: &LinkRefused) -> &'static str {
    match refused {
        LinkRefused::Malformed(_) | LinkRefused::UnknownKind(_) => "malformed",
        LinkRefused::Conflict => "broken_chain",
        LinkRefused::NotAuthorised(_) => "not_authorised",
        LinkRefused::BadSignature => "bad_signature",
    }
}

#[test]
fn envelopes() {
    each("envelope", 13, |name, vector| {
        let me = secret(vector, "receiver_seed");
        let Some(envelope) = vector.get("envelope") else { return message_key(name, vector) };
        let pinned = PublicIdentity::parse(text(vector, "pinned")).expect("a key");
        let peers = [me.public(), pinned].map(|key| Peer::new(&me, key).expect("a secret"));
        let known = |from: &_| peers.iter().find(|peer| peer.identity().primary() == *from);
        let opened = Envelope::parse(envelope.to_string().as_bytes()).and_then(|e| e.open(&me, known));
        if let Ok(opened) = &opened {
            assert_eq!(opened.plaintext.as_slice(), text(vector, "plaintext").as_bytes(), "{name}");
        }
        if vector.get("sender_seed").is_some() {
            sealed_alike(name, vector);
        }
        opened.map_or_else(error_name, |_| "ok")
    });
}

fn message_key(name: &str, vector: &Value) -> &'static str {
    let shared =
        secret(vector, "sender_seed").agree(&secret(vector, "receiver_seed").public()).expect("a secret");
    assert_eq!(hex(shared.as_bytes()), text(vector, "shared"), "{name}");
    let key = envelope::message_key(&shared, &bytes(vector, "nonce"));
    assert_eq!(hex(key.as_slice()), text(vector, "key"), "{name}");
    "ok"
}

/// Sealing what the vector seals, with its nonce, gives its bytes.
fn sealed_alike(name: &str, vector: &Value) {
    let me = secret(vector, "sender_seed");
    let to = Peer::new(&me, secret(vector, "receiver_seed").public()).expect("a secret");
    let now = text(&vector["envelope"], "created_at").parse().expect("a time");
    let mut nonce = Fixed(bytes::<12>(vector, "nonce").to_vec());
    let sealed =
        envelope::seal(&me, &to, text(vector, "plaintext").as_bytes(), now, &mut nonce).expect("sealed");
    let sealed: Value = serde_json::from_str(&sealed.json).expect("JSON");
    assert_eq!(sealed, vector["envelope"], "{name}");
    let mut unsigned = sealed;
    unsigned.as_object_mut().expect("an object").remove("sig");
    let canonical = kez_core::canonical_json::to_bytes(&unsigned).expect("canonical");
    assert_eq!(canonical, text(vector, "canonical_unsigned").as_bytes(), "{name}");
}

#[test]
fn links() {
    each("link", 3, |name, vector| {
        let Ok(offer) = LinkOffer::parse(vector["offer"].to_string().as_bytes()) else { return "malformed" };
        let old = LinkSecret::from_bytes(bytes(vector, "old_secret"));
        let Ok(at_old) = old.keys(offer.box_key(), &offer) else { return "no_shared_secret" };
        let code = offer.code().expect("canonical");
        assert_eq!(code.to_string(), text(vector, "code"), "{name}");
        assert_eq!(code.id().to_string(), text(vector, "id"), "{name}");
        let new = LinkSecret::from_bytes(bytes(vector, "new_secret"));
        let old_box: BoxKey = serde_json::from_value(vector["old_box"].clone()).expect("a key");
        assert_eq!(old_box, old.public(), "{name}");
        let at_new = new.keys(&old_box, &offer).expect("a secret");
        for message in vector["messages"].as_array().expect("messages") {
            let from: Side = serde_json::from_value(message["from"].clone()).expect("a side");
            let (n, plain) = (message["n"].as_u64().expect("a number"), text(message, "text").as_bytes());
            let Base64Url(sealed) = serde_json::from_value(message["sealed"].clone()).expect("bytes");
            assert_eq!(at_old.seal(from, n, plain).expect("sealed"), sealed, "{name}");
            assert_eq!(at_new.open(from, n, &sealed).expect("opened").as_slice(), plain, "{name}");
        }
        "ok"
    });
}

const fn error_name(error: OpenError) -> &'static str {
    match error {
        OpenError::UnsupportedVersion => "unsupported_version",
        OpenError::Malformed => "malformed",
        OpenError::WrongRecipient => "wrong_recipient",
        OpenError::UnknownSender => "unknown_sender",
        OpenError::BadSignature => "bad_signature",
        OpenError::NotDecryptable => "not_decryptable",
    }
}
