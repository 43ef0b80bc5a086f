//! Who may say what where in a sigchain: every kind, every signer, every way of being refused.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "tests"
)]

use kez_core::identity::{SecretIdentity, Seed};
use kez_core::sigchain::{Body, Chain, Device, DeviceId, Hash, Link, LinkRefused, MAX_LINK_BYTES};
use kez_core::time::Timestamp;
use serde_json::{Value, json};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: Timestamp = Timestamp::from_unix(1_795_374_000);
const DAY: u64 = 86_400;

fn key(byte: u8) -> SecretIdentity {
    SecretIdentity::from_seed(Seed::from_bytes([byte; 32]))
}

fn later(seconds: u64) -> Timestamp {
    Timestamp::from_unix(NOW.unix() + seconds)
}

/// Key 1 is primary, key 2 announced.
fn begun() -> Chain {
    let mut chain = Chain::new(key(1).public().primary());
    let init = Body::Init { primary: key(1).public(), next: Hash::of_key(&key(2).public()) };
    say(&mut chain, init, &key(1)).unwrap();
    chain
}

fn say(chain: &mut Chain, body: Body, signer: &SecretIdentity) -> Result<(), LinkRefused> {
    let link = chain.draft(body, NOW).sign(signer)?;
    assert_eq!(Link::parse(link.json().as_bytes()).as_ref(), Ok(&link), "it round-trips");
    chain.append(&link)
}

fn claim() -> Body {
    Body::ClaimHandle {
        handle: "alice".parse().unwrap(),
        server: "kez.lat".parse().unwrap(),
        registration: Hash::of_json("{}"),
    }
}

fn release() -> Body {
    Body::ReleaseHandle { handle: "alice".parse().unwrap(), server: "kez.lat".parse().unwrap() }
}

fn rotate(to: u8, next: u8) -> Body {
    Body::RotatePrimary { primary: key(to).public(), next: Hash::of_key(&key(next).public()) }
}

fn device(byte: u8) -> Device {
    Device {
        device: DeviceId::from_bytes([byte; 16]),
        key: key(byte).public(),
        name: "a laptop".parse().unwrap(),
        expires_at: later(DAY),
    }
}

fn add(chain: &mut Chain, byte: u8, signer: &SecretIdentity, now: Timestamp) -> Result<(), LinkRefused> {
    let link = chain.draft(Body::AddDevice(device(byte)), now).sign_with_device(signer, &key(byte))?;
    assert_eq!(Link::parse(link.json().as_bytes()).as_ref(), Ok(&link));
    chain.append(&link)
}

fn revoke(byte: u8) -> Body {
    Body::RevokeDevice { device: DeviceId::from_bytes([byte; 16]), since: NOW }
}

fn not_authorised(outcome: Result<(), LinkRefused>) -> bool {
    matches!(outcome, Err(LinkRefused::NotAuthorised(_)))
}

#[test]
fn only_the_primary_claims_and_releases() {
    let mut chain = begun();
    for (body, stranger) in [(claim(), 2), (release(), 3), (Body::SetCapabilities { min_version: 2 }, 2)] {
        assert!(not_authorised(say(&mut chain, body, &key(stranger))));
    }
    say(&mut chain, claim(), &key(1)).unwrap();
    let claimed = chain.claim(&"alice".parse().unwrap(), &"kez.lat".parse().unwrap()).unwrap();
    assert_eq!((claimed.registration, claimed.primary), (Hash::of_json("{}"), key(1).public().primary()));
    say(&mut chain, Body::SetCapabilities { min_version: 2 }, &key(1)).unwrap();
    say(&mut chain, release(), &key(1)).unwrap();
    assert_eq!((chain.length(), chain.min_version(), chain.claims().len()), (4, 2, 0));
}

#[test]
fn only_the_announced_key_rotates_and_the_former_key_loses_its_authority() {
    let mut chain = begun();
    assert!(not_authorised(say(&mut chain, rotate(2, 3), &key(1))), "signed by the thief of the first key");
    assert!(not_authorised(say(&mut chain, rotate(3, 4), &key(3))), "not announced");
    say(&mut chain, rotate(2, 3), &key(2)).unwrap();
    assert_eq!(chain.primary(), key(2).public().primary());
    assert!(chain.is_former(&key(1).public().primary()) && !chain.is_former(&key(2).public().primary()));
    assert_eq!(chain.root(), key(1).public().primary());
    assert!(not_authorised(say(&mut chain, claim(), &key(1))));
    say(&mut chain, claim(), &key(2)).unwrap();
    say(&mut chain, rotate(3, 1), &key(3)).unwrap();
    assert!(not_authorised(say(&mut chain, rotate(1, 4), &key(1))), "a former key never comes back");
}

#[test]
fn the_announced_key_closes_the_chain() {
    let mut chain = begun();
    assert!(not_authorised(say(&mut chain, Body::Close { primary: key(1).public() }, &key(1))));
    add(&mut chain, 10, &key(1), NOW).unwrap();
    say(&mut chain, Body::Close { primary: key(2).public() }, &key(2)).unwrap();
    assert!(chain.is_closed());
    let ended_by = |byte, seqno| chain.is_ended_by(&DeviceId::from_bytes([byte; 16]), seqno);
    assert!(ended_by(10, 3) && !ended_by(10, 2) && !ended_by(11, 3));
    for signer in [1, 2] {
        assert!(not_authorised(say(&mut chain, claim(), &key(signer))));
    }
}

#[test]
fn only_live_devices_add_and_revoke_devices() {
    let mut chain = begun();
    assert!(not_authorised(add(&mut chain, 10, &key(9), NOW)));
    add(&mut chain, 10, &key(1), NOW).unwrap();
    add(&mut chain, 11, &key(10), NOW).unwrap();
    assert!(not_authorised(add(&mut chain, 11, &key(1), NOW)), "an id is used once");
    assert!(not_authorised(say(&mut chain, claim(), &key(10))), "a device is not a primary");
    say(&mut chain, revoke(10), &key(11)).unwrap();
    let ended_by = |byte, seqno| chain.is_ended_by(&DeviceId::from_bytes([byte; 16]), seqno);
    assert!(
        ended_by(10, chain.length()) && !ended_by(10, chain.length() - 1) && !ended_by(11, chain.length())
    );
    assert!(not_authorised(add(&mut chain, 12, &key(10), NOW)), "revoked");
    assert!(not_authorised(say(&mut chain, revoke(10), &key(1))), "gone already");
    assert!(not_authorised(say(&mut chain, revoke(13), &key(1))), "never there");
    assert!(not_authorised(add(&mut chain, 12, &key(11), later(DAY))), "expired");
    assert_eq!((chain.live(NOW).count(), chain.live(later(DAY)).count()), (1, 0));
}

#[test]
fn an_expired_device_cannot_backdate() {
    let mut chain = begun();
    add(&mut chain, 10, &key(1), NOW).unwrap();
    let dated_back = chain.draft(revoke(10), NOW).sign(&key(10)).unwrap();
    assert!(chain.authorises(&dated_back, NOW).is_ok());
    assert!(not_authorised(chain.authorises(&dated_back, later(DAY))), "the server's clock");
    let capabilities =
        chain.draft(Body::SetCapabilities { min_version: 1 }, later(DAY)).sign(&key(1)).unwrap();
    chain.append(&capabilities).unwrap();
    assert!(not_authorised(say(&mut chain, revoke(10), &key(10))), "the chain's own time");
}

#[test]
fn at_most_twenty_devices_are_live() {
    let mut chain = begun();
    for byte in 10..30 {
        add(&mut chain, byte, &key(1), NOW).unwrap();
    }
    assert!(not_authorised(add(&mut chain, 30, &key(1), NOW)));
    say(&mut chain, revoke(10), &key(1)).unwrap();
    add(&mut chain, 30, &key(1), NOW).unwrap();
}

#[test]
fn a_device_signs_for_itself() {
    let chain = begun();
    let draft = || chain.draft(Body::AddDevice(device(10)), NOW);
    assert!(matches!(draft().sign(&key(1)), Err(LinkRefused::Malformed(_))), "no countersignature");
    assert!(matches!(draft().sign_with_device(&key(1), &key(11)), Err(LinkRefused::Malformed(_))));
    let claimed = chain.draft(claim(), NOW).sign_with_device(&key(1), &key(10));
    assert!(matches!(claimed, Err(LinkRefused::Malformed(_))), "a claim has one signature");

    let good = draft().sign_with_device(&key(1), &key(10)).unwrap();
    let mut forged: Value = serde_json::from_str(good.json()).unwrap();
    forged["countersignature"]["sig"] = forged["signature"]["sig"].clone();
    let forged = Link::parse(forged.to_string().as_bytes()).unwrap();
    assert_eq!(chain.clone().append(&forged), Err(LinkRefused::BadSignature));
}

#[test]
fn the_place_is_checked_before_authority_and_authority_before_the_signature() {
    let mut chain = begun();
    let early = chain.draft(claim(), NOW).sign(&key(9)).unwrap();
    let mut spoilt: Value = serde_json::from_str(early.json()).unwrap();
    spoilt["signature"]["sig"] = "00".repeat(64).into();
    let spoilt = Link::parse(spoilt.to_string().as_bytes()).unwrap();
    assert!(not_authorised(chain.append(&spoilt)), "a stranger's bad signature is a stranger's");
    say(&mut chain, claim(), &key(1)).unwrap();
    assert_eq!(chain.append(&spoilt), Err(LinkRefused::Conflict));
    assert_eq!(chain.append(&early), Err(LinkRefused::Conflict));
    let elsewhere = Chain::new(key(7).public().primary());
    assert!(matches!(elsewhere.follows(&early), Err(LinkRefused::Malformed(_))));
}

#[test]
fn only_the_exact_shape_of_a_link_is_accepted() {
    let good = begun().draft(claim(), NOW).sign(&key(1)).unwrap();
    let good: Value = serde_json::from_str(good.json()).unwrap();
    assert!(
        Link::parse(serde_json::to_string_pretty(&good).unwrap().as_bytes()).is_ok(),
        "white space is free"
    );
    let at = |path: &str, value: Value| {
        let mut changed = good.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[name] = value;
        Link::parse(changed.to_string().as_bytes())
    };
    for (path, value) in [
        ("/kez", json!("handle_registration")),
        ("/more", json!(1)),
        ("/payload/type", json!("kez.chat.message")),
        ("/payload/version", json!(2)),
        ("/payload/root", json!("ed25519:00")),
        ("/payload/root", json!(format!("ed25519:{}", "00".repeat(32)))),
        ("/payload/seqno", json!(0)),
        ("/payload/seqno", json!(1)),
        ("/payload/seqno", json!("2")),
        ("/payload/prev", json!("00")),
        ("/payload/prev", json!(1)),
        ("/payload/created_at", json!("2026-11-22T19:00:00.0Z")),
        ("/payload/more", json!(1)),
        ("/payload/body", json!({})),
        ("/payload/body", json!({"kind": "init", "primary": key(1).public(), "next": "00".repeat(32)})),
        ("/payload/body/more", json!(1)),
        ("/payload/body/handle", json!("Alice")),
        ("/payload/body/server", json!("kez lat")),
        ("/payload/body/registration", json!("AB".repeat(32))),
        ("/signature/alg", json!("ed25519")),
        ("/signature/key", json!("ed25519:00")),
        ("/signature/sig", json!("AB".repeat(64))),
        ("/signature/more", json!(1)),
    ] {
        assert!(matches!(at(path, value), Err(LinkRefused::Malformed(_))), "{path}");
    }
    assert_eq!(at("/payload/body/kind", json!("follow")), Err(LinkRefused::UnknownKind("follow".into())));
    for missing in ["prev", "seqno", "body"] {
        let mut changed = good.clone();
        changed["payload"].as_object_mut().unwrap().remove(missing);
        assert!(
            matches!(Link::parse(changed.to_string().as_bytes()), Err(LinkRefused::Malformed(_))),
            "{missing}"
        );
    }
    let padded = format!("{good}{}", " ".repeat(MAX_LINK_BYTES));
    assert!(matches!(Link::parse(padded.as_bytes()), Err(LinkRefused::Malformed(_))), "over 8 KiB");
    let twice = good.to_string().replacen("\"seqno\":2", "\"seqno\":2,\"seqno\":2", 1);
    assert!(matches!(Link::parse(twice.as_bytes()), Err(LinkRefused::Malformed(_))), "a key twice");
}

#[test]
fn a_snapshot_reads_back() {
    let mut chain = begun();
    say(&mut chain, claim(), &key(1)).unwrap();
    add(&mut chain, 10, &key(1), NOW).unwrap();
    let snapshot = serde_json::to_string(&chain).unwrap();
    assert_eq!(serde_json::from_str::<Chain>(&snapshot).unwrap(), chain);
}
