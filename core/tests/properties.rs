//! What holds for all inputs: canonical JSON is stable and agrees with another implementation, a changed bit is
//! refused, a header is good for one request only, and no two kinds of signed text can be confused.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::unwrap_used,
    reason = "tests"
)]
#![cfg(not(target_arch = "wasm32"))]

use std::convert::Infallible;

use kez_core::caller_auth::{self, CallerAuth, CallerName, CallerRequest, NONCE_LIFETIME_SECONDS};
use kez_core::canonical_json::{self, MAX_INTEGER, Numbers};
use kez_core::envelope::{self, Envelope, OpenError, SealError};
use kez_core::group_item::GroupItem;
use kez_core::group_statements::{GroupLeave, GroupRequest};
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Peer, Primary, PublicIdentity, SecretIdentity, Seed};
use kez_core::inbox_auth::{self, MAX_SKEW_SECONDS};
use kez_core::message::{Message, padme};
use kez_core::mls::call::Call;
use kez_core::mls::credential::Credential;
use kez_core::mls::header::Header;
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::Reply;
use kez_core::mls::signature::NotMlsText;
use kez_core::mls::{self, GroupId};
use kez_core::nats_binding::NatsBinding;
use kez_core::nkey::{PublicNkey, Role, SecretNkey};
use kez_core::recovery_phrase;
use kez_core::registration::HandleRegistration;
use kez_core::safety_number::safety_number;
use kez_core::sigchain::{Body, Chain, DeviceId, Hash, Link};
use kez_core::signed::Signed;
use kez_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

/// A generator that repeats what the test drew.
struct Drawn([u8; 32]);

impl rand_core::TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        for (byte, drawn) in dst.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *drawn;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Drawn {}

fn person() -> impl Strategy<Value = SecretIdentity> {
    any::<[u8; 32]>().prop_map(|seed| SecretIdentity::from_seed(Seed::from_bytes(seed)))
}

fn handle() -> impl Strategy<Value = Handle> {
    "[a-z0-9][a-z0-9_-]{2,31}".prop_map(|text| text.parse().expect("a handle"))
}

fn caller() -> impl Strategy<Value = CallerName> {
    (handle(), proptest::option::of(any::<[u8; 16]>()))
        .prop_map(|(handle, device)| CallerName { handle, device: device.map(DeviceId::from_bytes) })
}

/// A chain that each key hands on to the next, with a claim by each.
fn rotated_through(keys: &[SecretIdentity]) -> Result<Vec<Link>, TestCaseError> {
    let now = Timestamp::from_unix(1_790_000_000);
    let mut chain = Chain::new(keys[0].public().primary());
    let mut links = Vec::new();
    for (i, me) in keys.iter().enumerate() {
        let (primary, next) = (me.public(), keys.get(i + 1).unwrap_or(me).public());
        let next = Hash::of_key(&next);
        let begin = if i == 0 { Body::Init { primary, next } } else { Body::RotatePrimary { primary, next } };
        let (handle, server) = ("alice".parse().unwrap(), "kez.lat".parse().unwrap());
        for body in [begin, Body::ClaimHandle { handle, server, registration: next }] {
            let link =
                chain.draft(body, now).sign(me).map_err(|error| TestCaseError::fail(error.to_string()))?;
            chain.append(&link).map_err(|error| TestCaseError::fail(error.to_string()))?;
            links.push(link);
        }
    }
    Ok(links)
}

/// JSON without floats, as signed objects are.
fn json() -> impl Strategy<Value = Value> {
    let integer = (-(MAX_INTEGER as i64)..=MAX_INTEGER as i64).prop_map(Value::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        integer,
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_json_is_stable_and_agrees_with_another_implementation(value in json()) {
        let canonical = canonical_json::to_bytes(&value).unwrap();
        prop_assert_eq!(&canonical, &serde_json_canonicalizer::to_vec(&value).unwrap());
        let read = canonical_json::parse(&canonical, Numbers::IntegersOnly).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(canonical_json::to_bytes(&read).unwrap(), canonical);
    }

    #[test]
    fn floats_are_canonical(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let canonical = canonical_json::to_bytes(&number).unwrap();
        prop_assert_eq!(canonical, serde_json_canonicalizer::to_vec(&number).unwrap());
    }

    /// Sixteen and a half digits: half of these numbers lie between two texts of sixteen digits.
    #[test]
    fn floats_halfway_between_two_texts_are_canonical(eighths in (1_u64 << 52)..(1_u64 << 53)) {
        let number = f64::from_bits((1_023 + 49) << 52 | eighths & ((1 << 52) - 1));
        let canonical = canonical_json::to_bytes(&number).unwrap();
        prop_assert_eq!(canonical, serde_json_canonicalizer::to_vec(&number).unwrap());
    }

    #[test]
    fn every_decoder_takes_every_input(bytes in prop::collection::vec(any::<u8>(), 0..400), text in any::<String>()) {
        let _ = canonical_json::parse(&bytes, Numbers::Any);
        let _ = Envelope::parse(&bytes);
        let _ = Message::parse(&bytes);
        let _ = Signed::<HandleRegistration>::parse(&bytes);
        let _ = Link::parse(&bytes);
        let _ = GroupItem::parse(bytes.clone());
        let _ = Signed::<GroupLeave>::parse(&bytes);
        let _ = Credential::parse(&bytes);
        let _ = Policy::parse(&bytes);
        let _ = Header::parse(&bytes);
        let _ = postcard::from_bytes::<Call>(&bytes);
        let _ = postcard::from_bytes::<Reply>(&bytes);
        let _ = CallerAuth::parse(&text);
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Handle>();
        let _ = text.parse::<ServerName>();
        let _ = text.parse::<Primary>();
        let _ = recovery_phrase::parse(&text);
        let _ = text.parse::<kez_core::webfinger::Resource>();
    }

    #[test]
    fn a_sealed_envelope_opens_and_a_changed_byte_is_detected(
        (alice, bob) in (person(), person()),
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
        random in any::<[u8; 32]>(),
        (place, flip) in (any::<prop::sample::Index>(), 0_u8..8),
    ) {
        let to_bob = Peer::new(&alice, bob.public()).unwrap();
        let from_alice = Peer::new(&bob, alice.public()).unwrap();
        let sealed = envelope::seal(&alice, &to_bob, &plaintext, Timestamp::from_unix(0), &mut Drawn(random)).unwrap();
        let opened = Envelope::parse(sealed.json.as_bytes()).unwrap().open(&bob, |_| Some(&from_alice)).unwrap();
        prop_assert_eq!(opened.plaintext.as_slice(), &plaintext[..]);
        prop_assert_eq!(opened.hash, sealed.hash);

        let mut changed = sealed.json.into_bytes();
        let index = place.index(changed.len());
        changed[index] ^= 1 << flip;
        let outcome = Envelope::parse(&changed).and_then(|envelope| envelope.open(&bob, |_| Some(&from_alice)));
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn a_registration_with_a_changed_byte_is_refused(
        me in person(),
        handle in handle(),
        (place, flip) in (any::<prop::sample::Index>(), 0_u8..8),
    ) {
        let server = "kez.lat".parse().unwrap();
        let signed = HandleRegistration::sign(&me, &handle, &server, Timestamp::from_unix(1_790_000_000)).unwrap();
        let mut json = signed.to_json().unwrap().into_bytes();
        Signed::<HandleRegistration>::parse(&json).unwrap().verify().unwrap();
        let index = place.index(json.len());
        json[index] ^= 1 << flip;
        let outcome = Signed::<HandleRegistration>::parse(&json).map(Signed::verify);
        prop_assert!(!matches!(outcome, Ok(Ok(_))));
    }

    #[test]
    fn every_prefix_of_a_chain_is_valid_and_a_changed_byte_is_not(
        seeds in prop::collection::vec(any::<[u8; 32]>(), 2..6),
        (link, place, flip) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8),
    ) {
        let keys: Vec<_> = seeds.iter().map(|seed| SecretIdentity::from_seed(Seed::from_bytes(*seed))).collect();
        let links = rotated_through(&keys)?;
        let root = keys[0].public().primary();
        let replay = |links: &[Link]| {
            let mut chain = Chain::new(root);
            links.iter().try_for_each(|link| chain.append(link)).map(|()| chain)
        };
        for length in 0..=links.len() {
            prop_assert_eq!(replay(&links[..length]).unwrap().length(), length as u64);
        }
        let index = link.index(links.len());
        let mut without = links.clone();
        without.remove(index);
        prop_assert!(index + 1 == links.len() || replay(&without).is_err());
        let mut changed = links[index].json().as_bytes().to_vec();
        let place = place.index(changed.len());
        changed[place] ^= 1 << flip;
        if let Ok(link) = Link::parse(&changed) {
            let mut links = links.clone();
            links[index] = link;
            prop_assert!(replay(&links).is_err());
        }
    }

    #[test]
    fn an_inbox_header_is_valid_for_one_handle_cursor_and_time(
        me in person(),
        (ours, other) in (handle(), handle()),
        (since, elsewhere) in (0..=MAX_INTEGER, 0..=MAX_INTEGER),
        ts in 0_u64..4_000_000_000,
        skew in 0_u64..200,
    ) {
        let now = Timestamp::from_unix(ts);
        let value = inbox_auth::header(&me, &ours, since, now);
        let verify = |handle, since, now| inbox_auth::verify(&value, handle, since, &me.public(), now).is_ok();
        prop_assert!(verify(&ours, since, now));
        prop_assert_eq!(verify(&other, since, now), other == ours);
        prop_assert_eq!(verify(&ours, elsewhere, now), elsewhere == since);
        prop_assert_eq!(verify(&ours, since, Timestamp::from_unix(ts + skew)), skew <= 60);
        let moved = value.replacen(&ts.to_string(), &(ts + 1).to_string(), 1);
        prop_assert!(inbox_auth::verify(&moved, &ours, since, &me.public(), now).is_err());
    }

    #[test]
    fn a_caller_header_is_valid_for_one_request(
        me in person(),
        name in caller(),
        (body, other_body) in (any::<Vec<u8>>(), any::<Vec<u8>>()),
        (target, other_target) in ("/[a-z/]{0,20}", "/[a-z/]{0,20}"),
        random in any::<[u8; 32]>(),
    ) {
        let (here, elsewhere): (ServerName, ServerName) = ("kez.lat".parse().unwrap(), "kez.example".parse().unwrap());
        let now = Timestamp::from_unix(1_790_000_000);
        let request = CallerRequest { server: &here, method: "POST", target: &target, body: &body };
        let auth = CallerAuth::parse(&caller_auth::header(&me, &name, &request, now, &mut Drawn(random))).unwrap();
        let verify = |request: CallerRequest<'_>| auth.verify(&request, &me.public(), now).is_ok();
        prop_assert_eq!((auth.handle(), auth.device()), (&name.handle, name.device));
        prop_assert!(verify(request));
        prop_assert_eq!(verify(CallerRequest { server: &elsewhere, ..request }), false);
        prop_assert_eq!(verify(CallerRequest { method: "PUT", ..request }), false);
        prop_assert_eq!(verify(CallerRequest { target: &other_target, ..request }), target == other_target);
        prop_assert_eq!(verify(CallerRequest { body: &other_body, ..request }), body == other_body);
    }

    #[test]
    fn a_caller_header_and_its_nonce_live_for_two_minutes(me in person(), name in caller(), skew in 55_u64..65) {
        let server: ServerName = "kez.lat".parse().unwrap();
        let ts = 1_790_000_000;
        let request = CallerRequest { server: &server, method: "GET", target: "/", body: b"" };
        let value = caller_auth::header(&me, &name, &request, Timestamp::from_unix(ts), &mut Drawn([7; 32]));
        let auth = CallerAuth::parse(&value).unwrap();
        let holds_at = |now| auth.verify(&request, &me.public(), Timestamp::from_unix(now)).is_ok();
        prop_assert_eq!(holds_at(ts + skew), skew <= 60);
        prop_assert_eq!(holds_at(ts - skew), skew <= 60);
        // Used as early as it holds, its nonce is remembered up to the last moment at which it does.
        let remembered_until = ts - MAX_SKEW_SECONDS + NONCE_LIFETIME_SECONDS;
        prop_assert!(holds_at(remembered_until) && !holds_at(remembered_until + 1));
    }

    #[test]
    fn agreement_is_symmetric_and_words_are_the_seed(seed in any::<[u8; 32]>(), other in person()) {
        let me = SecretIdentity::from_seed(Seed::from_bytes(seed));
        let (ours, theirs) = (me.agree(&other.public()).unwrap(), other.agree(&me.public()).unwrap());
        prop_assert_eq!(ours.as_bytes(), theirs.as_bytes());
        let (mine, your) = (me.public().primary(), other.public().primary());
        prop_assert_eq!(safety_number(&mine, &your), safety_number(&your, &mine));
        let words = recovery_phrase::words(me.seed()).join(" ");
        let restored = recovery_phrase::parse(&words).unwrap();
        prop_assert_eq!(restored.as_bytes(), &seed);
    }

    #[test]
    fn an_nkey_has_one_spelling(random in any::<[u8; 32]>(), place in 0_usize..58, other in "[A-Z2-7a-z=018]") {
        for (role, letter) in [(Role::User, 'U'), (Role::Account, 'A'), (Role::Server, 'N')] {
            let ours = SecretNkey::random(role, &mut Drawn(random));
            let (public, seed) = (ours.public().to_string(), ours.seed_text());
            prop_assert!(public.starts_with(letter) && seed.strip_prefix('S').is_some_and(|rest| rest.starts_with(letter)));
            // As the library of NATS itself spells them.
            let theirs = nkeys::KeyPair::from_seed(&seed).unwrap();
            prop_assert_eq!(&theirs.public_key(), &public);
            prop_assert_eq!(&theirs.seed().unwrap(), &*seed);
            prop_assert_eq!(theirs.sign(b"text").unwrap(), ours.sign(b"text"));
            prop_assert_eq!(SecretNkey::from_seed_text(&seed).unwrap().public(), ours.public());
            prop_assert_eq!(public.parse::<PublicNkey>().unwrap(), ours.public());
            // Any other letter anywhere, and it is no nkey.
            let mut changed = seed.to_string();
            changed.replace_range(place..=place, &other);
            prop_assert_eq!(SecretNkey::from_seed_text(&changed).is_ok(), changed == *seed);
            let (place, mut changed) = (place % 56, public.clone());
            changed.replace_range(place..=place, &other);
            prop_assert_eq!(changed.parse::<PublicNkey>().is_ok(), changed == public);
        }
    }

    #[test]
    fn padme_costs_at_most_an_eighth(length in 0_usize..1 << 20) {
        let padded = padme(length);
        prop_assert!(padded >= length && padded <= length + length / 8 + 1);
        prop_assert_eq!(padme(padded), padded);
    }
}

/// Every text that an identity or device key signs, by how it begins. A new one goes here.
#[test]
fn no_two_kinds_of_signed_text_can_be_confused() {
    // Messages and signed objects are JSON, told apart by the `type` inside what is signed; requests are lines.
    // Inside MLS, a device signs a label after its length (RFC 9420, section 5.1.2).
    let lines = [
        "GET\n/v1/inbox/",
        "kez-chat-auth-v1\n",
        "\u{13}MLS 1.0 LeafNodeTBS",
        "\u{14}MLS 1.0 GroupInfoTBS",
        "\u{15}MLS 1.0 KeyPackageTBS",
        "\u{18}MLS 1.0 FramedContentTBS",
    ];
    let types = [
        r#""type":"kez.chat.message""#,
        r#""type":"kez.chat.handle_registration""#,
        r#""type":"kez.chat.nats_binding""#,
        r#""type":"kez.sigchain.link""#,
        r#""type":"kez.group.leave""#,
        r#""type":"kez.group.request""#,
    ];
    for (i, one) in lines.iter().enumerate() {
        assert!(!one.starts_with('{'), "{one:?} could be JSON");
        for other in &lines[i + 1..] {
            assert!(!one.starts_with(other) && !other.starts_with(one), "{one:?} and {other:?}");
        }
    }

    let me = SecretIdentity::from_seed(Seed::from_bytes([1; 32]));
    let now = Timestamp::from_unix(1_790_000_000);
    let registration =
        HandleRegistration::sign(&me, &"alice".parse().unwrap(), &"kez.lat".parse().unwrap(), now).unwrap();
    let to_self = Peer::new(&me, me.public()).unwrap();
    let sealed = envelope::seal(&me, &to_self, b"{}", now, &mut Drawn([9; 32])).unwrap().json;
    let registration: Value = serde_json::from_str(&registration.to_json().unwrap()).unwrap();
    let nkey = SecretNkey::random(Role::User, &mut Drawn([3; 32])).public();
    let later = Timestamp::from_unix(now.unix() + 60);
    let binding = NatsBinding::sign(&me, nkey, &"kez.lat".parse().unwrap(), now, later).unwrap();
    let binding: Value = serde_json::from_str(&binding.to_json().unwrap()).unwrap();
    let init = Body::Init { primary: me.public(), next: Hash::of_key(&me.public()) };
    let link = Chain::new(me.public().primary()).draft(init, now).sign(&me).unwrap();
    let link: Value = serde_json::from_str(link.json()).unwrap();
    let (root, gid) = (me.public().primary(), GroupId::from_bytes([4; 16]));
    let leave = GroupLeave::sign(&me, root, gid, now).unwrap();
    let leave: Value = serde_json::from_str(&leave.to_json().unwrap()).unwrap();
    let request = GroupRequest::sign(&me, root, gid, Hash::from_bytes([5; 32]), now).unwrap();
    let request: Value = serde_json::from_str(&request.to_json().unwrap()).unwrap();
    let payload = |object: &Value| object["payload"].to_string();
    let texts = [
        sealed,
        payload(&registration),
        payload(&binding),
        payload(&link),
        payload(&leave),
        payload(&request),
    ];
    assert_eq!(texts.len(), types.len());
    for text in &texts {
        assert_eq!(mls::signature::sign(&me, text.as_bytes()), Err(NotMlsText), "{text}");
    }
    for (text, expected) in texts.iter().zip(types) {
        assert_eq!(text.matches(r#""type":"#).count(), 1, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    // A registration's payload with a message's signature in it is no envelope, and an envelope no registration.
    assert!(Envelope::parse(texts[1].as_bytes()).is_err());
    assert!(Signed::<HandleRegistration>::parse(texts[0].as_bytes()).is_err());
    // Nor is one signed object another under the other's tag.
    for (object, tag) in [
        (&registration, "nats_binding"),
        (&binding, "handle_registration"),
        (&leave, "group_request"),
        (&request, "group_leave"),
    ] {
        let mut object = object.clone();
        object["kez"] = tag.into();
        assert!(Signed::<HandleRegistration>::parse(object.to_string().as_bytes()).is_err());
        assert!(Signed::<NatsBinding>::parse(object.to_string().as_bytes()).is_err());
        assert!(Signed::<GroupLeave>::parse(object.to_string().as_bytes()).is_err());
        assert!(Signed::<GroupRequest>::parse(object.to_string().as_bytes()).is_err());
    }
    assert!(Link::parse(texts[0].as_bytes()).is_err());
}

/// The eight points of small order, in every encoding, are no keys.
#[test]
fn small_order_points_are_not_keys() {
    for hex in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        assert!(PublicIdentity::parse(&format!("ed25519:{hex}")).is_err(), "{hex}");
    }
}

#[test]
fn the_largest_envelope_is_accepted_and_a_larger_one_is_not() {
    let [me, other] = [1, 2].map(|byte| SecretIdentity::from_seed(Seed::from_bytes([byte; 32])));
    let (peer, now) = (Peer::new(&me, other.public()).unwrap(), Timestamp::from_unix(1_790_000_000));
    let seal = |length| envelope::seal(&me, &peer, &vec![b'x'; length], now, &mut Drawn([7; 32]));
    // A tag of 16 bytes, and four letters for three bytes.
    let around = seal(0).unwrap().json.len() - 22;
    let longest = (262_144 - around) * 3 / 4 - 16;
    // No bytes give a base64 text that is longer by one letter.
    assert_eq!(seal(longest).unwrap().json.len(), 262_143);
    assert_eq!(seal(longest + 1).unwrap_err(), SealError::TooLarge);
    assert_eq!(seal(longest + 2).unwrap_err(), SealError::TooLarge);
}

#[test]
fn another_version_is_distinguished_from_a_malformed_envelope() {
    let why = |json: &str| Envelope::parse(json.as_bytes()).unwrap_err();
    // The last is no JSON of this version, which has no fractions; a later one may have them.
    for later in [r#"{"v":2}"#, r#"{"v":"1"}"#, r#"{"v":null}"#, r#"{"size":0.5,"v":2}"#] {
        assert_eq!(why(later), OpenError::UnsupportedVersion, "{later}");
    }
    for none in ["", "[]", "1", "{}", r#"{"v":1}"#, r#"{"size":0.5}"#, r#"{"size":0.5,"v":1}"#] {
        assert_eq!(why(none), OpenError::Malformed, "{none}");
    }
}
