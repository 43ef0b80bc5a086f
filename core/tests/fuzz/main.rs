//! Everything that reads what strangers wrote, under mutated input: it answers, it never panics, and what it accepts
//! it accepts for good reasons.
//!
//! Each target runs for `KEZ_FUZZ_SECONDS` (1 when unset) from a fresh random state; `KEZ_FUZZ_STATE` repeats a run.
//! `cargo xtask fuzz SECONDS` is the long form. A failure prints state and input.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]
#![cfg(not(target_arch = "wasm32"))]

mod mutate;
mod seeds;

use kez_core::api::{AckInbox, KeepMessages, LiveFrame, LiveHello, Lookup, MAX_KEEP_DAYS};
use kez_core::caller_auth::CallerAuth;
use kez_core::canonical_json::{self, Numbers};
use kez_core::envelope::{Envelope, OpenError};
use kez_core::handle::Handle;
use kez_core::identity::{Peer, PublicIdentity};
use kez_core::inbox_auth::{self, canonical_number};
use kez_core::log::entry::LogEntry;
use kez_core::message::Message;
use kez_core::nats_binding::NatsBinding;
use kez_core::nkey::{PublicNkey, SecretNkey};
use kez_core::recovery_phrase;
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Chain, Link};
use kez_core::signed::Signed;
use kez_core::time::Timestamp;
use kez_core::webfinger::Resource;

use mutate::fuzz;
use seeds::{NOW, alice, bob, chain_links, envelope, handle, server};

/// What is text at all is given to readers of text.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[test]
fn auth_header() {
    let (me, request) = (alice(), seeds::request());
    fuzz(&[seeds::caller_header(), seeds::inbox_header()], |input| {
        let Some(value) = text(input) else { return };
        if let Ok(auth) = CallerAuth::parse(value)
            && *auth.handle() == handle()
            && auth.verify(&request, &me.public(), NOW).is_ok()
        {
            assert_eq!(value.as_bytes(), seeds::caller_header(), "only the header that was signed");
        }
        if inbox_auth::verify(value, &handle(), 7, &me.public(), NOW).is_ok() {
            assert_eq!(value.as_bytes(), seeds::inbox_header(), "only the header that was signed");
        }
    });
}

#[test]
fn envelope_json() {
    let (me, peer) = (bob(), Peer::new(&bob(), alice().public()).unwrap());
    fuzz(&[envelope()], |input| {
        let Ok(parsed) = Envelope::parse(input) else { return };
        match parsed.open(&me, |_| Some(&peer)) {
            // Other spellings of the same values are the same signed bytes; other values are not.
            Ok(opened) => assert_eq!(opened.plaintext.as_slice(), seeds::PLAINTEXT),
            Err(error) => assert_ne!(error, OpenError::NotDecryptable, "a signed envelope decrypts"),
        }
    });
}

#[test]
fn message_plaintext() {
    fuzz(&[seeds::PLAINTEXT.to_vec()], |input| {
        let _ = Message::parse(input);
    });
}

#[test]
fn jcs_roundtrip() {
    fuzz(&seeds::json(), |input| {
        for numbers in [Numbers::IntegersOnly, Numbers::Any] {
            let Ok(value) = canonical_json::parse(input, numbers) else { continue };
            let Ok(canonical) = canonical_json::to_bytes(&value) else { continue };
            let oracle = serde_json_canonicalizer::to_vec(&value).unwrap();
            assert_eq!(canonical, oracle, "another implementation writes the same");
            let again = canonical_json::parse(&canonical, numbers).unwrap();
            assert_eq!(canonical_json::to_bytes(&again).unwrap(), canonical, "canonical stays canonical");
        }
    });
}

#[test]
fn identity_parse() {
    let seeds = [alice().public().to_string().into_bytes(), b"ed25519:".repeat(9)];
    fuzz(&seeds, |input| {
        let Some(value) = text(input) else { return };
        if let Ok(key) = PublicIdentity::parse(value) {
            assert_eq!(key.to_string(), value, "one spelling");
            // A key that is accepted can be written to.
            assert!(bob().agree(&key).is_ok());
        }
    });
}

#[test]
fn sigchain_replay() {
    let links = chain_links();
    fuzz(&links, |input| {
        let Ok(link) = Link::parse(input) else { return };
        let again =
            Link::parse(link.json().as_bytes()).expect("what was read is written so that it reads back");
        assert_eq!(again, link);
        let mut chain = Chain::new(alice().public().primary());
        for before in &links {
            // The mutated link at every place of the chain: it fits where it stood, or nowhere.
            let mut other = chain.clone();
            if other.append(&link).is_ok() {
                assert_eq!(link.json().as_bytes(), before.as_slice(), "only the link that was signed");
            }
            chain.append(&Link::parse(before).unwrap()).unwrap();
        }
    });
}

#[test]
fn signed_objects() {
    fuzz(&[seeds::registration(), seeds::binding()], |input| {
        if let Ok(signed) = Signed::<HandleRegistration>::parse(input)
            && let Ok(json) = signed.to_json()
            && let Ok(verified) = signed.verify()
        {
            assert_eq!(json.as_bytes(), seeds::registration(), "only what was signed");
            assert!(verified.check(&server(), NOW).is_ok());
        }
        if let Ok(signed) = Signed::<NatsBinding>::parse(input)
            && let Ok(json) = signed.to_json()
            && signed.verify().is_ok()
        {
            assert_eq!(json.as_bytes(), seeds::binding(), "only what was signed");
        }
    });
}

#[test]
fn api_bodies() {
    let lookup = seeds::lookup();
    let keep = br#"{"days":30}"#.to_vec();
    let ack = br#"{"epoch":"00112233aabbccdd","seq":7}"#.to_vec();
    fuzz(&[seeds::live_frame(), seeds::live_hello(), lookup.clone(), keep, ack], |input| {
        let _ = serde_json::from_slice::<AckInbox>(input);
        if let Ok(KeepMessages { days: Some(days) }) = serde_json::from_slice(input) {
            assert!((1..=MAX_KEEP_DAYS).contains(&days.days()));
        }
        let _ = serde_json::from_slice::<LiveFrame>(input);
        let _ = serde_json::from_slice::<LiveHello>(input);
        let _ = LogEntry::parse(input);
        if let Ok(found) = serde_json::from_slice::<Lookup>(input)
            && let Ok((proven, key)) = found.verify(&server())
        {
            assert_eq!((proven, key), (handle(), alice().public()), "nothing else is proven");
        }
    });
}

#[test]
fn words_and_numbers() {
    let phrase = recovery_phrase::words(alice().seed()).join(" ").into_bytes();
    let nkey = seeds::nkey();
    let seeds = [
        phrase,
        nkey.public().to_string().into_bytes(),
        nkey.seed_text().as_bytes().to_vec(),
        b"9007199254740991".to_vec(),
        b"2026-11-22T19:00:00Z".to_vec(),
        b"acct:alice@kez.lat".to_vec(),
    ];
    fuzz(&seeds, |input| {
        let Some(value) = text(input) else { return };
        let _ = recovery_phrase::parse(value);
        let _ = SecretNkey::from_seed_text(value);
        let _ = value.parse::<Resource>();
        if let Ok(key) = value.parse::<PublicNkey>() {
            assert_eq!(key.to_string(), value, "one spelling");
        }
        if let Some(number) = canonical_number(value) {
            assert_eq!(number.to_string(), value, "one spelling");
        }
        if let Ok(time) = value.parse::<Timestamp>() {
            assert_eq!(time.to_string(), value, "one spelling");
        }
        if let Ok(handle) = value.parse::<Handle>() {
            assert_eq!(handle.as_str(), value);
        }
    });
}
