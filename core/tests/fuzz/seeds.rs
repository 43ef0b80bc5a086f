//! Good input, which the mutations start from. The same in every run, so that what was signed can be compared.

use std::convert::Infallible;

use kez_core::api::{Lookup, live_target};
use kez_core::caller_auth::{self, CallerRequest};
use kez_core::envelope;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::inbox_auth;
use kez_core::nats_binding::NatsBinding;
use kez_core::nkey::{Role, SecretNkey};
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::{Body, Chain, Device, DeviceId, Hash, Link};
use kez_core::time::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_795_374_000);
pub(crate) const PLAINTEXT: &[u8] =
    br#"{"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","kind":"text","text":"hello","sent_at":"2026-11-22T19:00:00Z",
    "chain":{"id":"0123456789abcdef","n":2,"prev":null},"heads":{},"pad":"   "}"#;

/// No generator at all: nonces are sevens.
struct Sevens;

impl rand_core::TryRng for Sevens {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0x0707_0707)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0x0707_0707_0707_0707)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(7);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Sevens {}

fn person(byte: u8) -> SecretIdentity {
    SecretIdentity::from_seed(Seed::from_bytes([byte; 32]))
}

pub(crate) fn alice() -> SecretIdentity {
    person(1)
}

pub(crate) fn bob() -> SecretIdentity {
    person(2)
}

pub(crate) fn handle() -> Handle {
    "alice".parse().unwrap()
}

pub(crate) fn server() -> ServerName {
    "kez.lat".parse().unwrap()
}

pub(crate) fn request() -> CallerRequest<'static> {
    static SERVER: std::sync::OnceLock<ServerName> = std::sync::OnceLock::new();
    CallerRequest {
        server: SERVER.get_or_init(server),
        method: "GET",
        target: "/v1/inbox/alice/live?since=7",
        body: b"",
    }
}

pub(crate) fn caller_header() -> Vec<u8> {
    assert_eq!(live_target(&handle(), 7), request().target);
    caller_auth::header(&alice(), &handle().into(), &request(), NOW, &mut Sevens).into_bytes()
}

pub(crate) fn inbox_header() -> Vec<u8> {
    inbox_auth::header(&alice(), &handle(), 7, NOW).into_bytes()
}

/// From Alice to Bob.
pub(crate) fn envelope() -> Vec<u8> {
    let peer = Peer::new(&alice(), bob().public()).unwrap();
    envelope::seal(&alice(), &peer, PLAINTEXT, NOW, &mut Sevens).unwrap().json.into_bytes()
}

pub(crate) fn registration() -> Vec<u8> {
    let signed = HandleRegistration::sign(&alice(), &handle(), &server(), NOW).unwrap();
    signed.to_json().unwrap().into_bytes()
}

pub(crate) fn nkey() -> SecretNkey {
    SecretNkey::random(Role::User, &mut Sevens)
}

pub(crate) fn binding() -> Vec<u8> {
    let expires_at = Timestamp::from_unix(NOW.unix() + 86_400);
    let signed = NatsBinding::sign(&alice(), nkey().public(), &server(), NOW, expires_at).unwrap();
    signed.to_json().unwrap().into_bytes()
}

/// A chain with a link of most kinds.
pub(crate) fn chain_links() -> Vec<Vec<u8>> {
    let (me, next) = (alice(), person(3));
    let mut chain = Chain::new(me.public().primary());
    let device = Device {
        device: DeviceId::from_bytes([4; 16]),
        key: person(4).public(),
        name: "a laptop".parse().unwrap(),
        expires_at: Timestamp::from_unix(NOW.unix() + 86_400),
    };
    let claim = Body::ClaimHandle { handle: handle(), server: server(), registration: Hash::of_json("{}") };
    let rotate = Body::RotatePrimary { primary: next.public(), next: Hash::of_key(&person(5).public()) };
    let init = Body::Init { primary: me.public(), next: Hash::of_key(&next.public()) };
    let mut links = Vec::new();
    let mut say = |sign: &dyn Fn(&Chain) -> Link| {
        let link = sign(&chain);
        chain.append(&link).unwrap();
        links.push(link.json().as_bytes().to_vec());
    };
    say(&|chain| chain.draft(init.clone(), NOW).sign(&me).unwrap());
    say(&|chain| chain.draft(claim.clone(), NOW).sign(&me).unwrap());
    say(&|chain| {
        let draft = chain.draft(Body::AddDevice(device.clone()), NOW);
        draft.sign_with_device(&me, &person(4)).unwrap()
    });
    say(&|chain| chain.draft(rotate.clone(), NOW).sign(&next).unwrap());
    links
}

pub(crate) fn lookup() -> Vec<u8> {
    let lookup = serde_json::json!({
        "handle": "alice", "fqhn": "alice@kez.lat", "primary": alice().public().to_string(),
        "sigchain_url": "https://kez.lat/v1/sigchains", "registered_at": "2026-11-22T19:00:00Z",
        "registration": serde_json::from_slice::<serde_json::Value>(&registration()).unwrap(),
    });
    let text = lookup.to_string();
    assert!(serde_json::from_str::<Lookup>(&text).unwrap().verify(&server()).is_ok());
    text.into_bytes()
}

pub(crate) fn live_frame() -> Vec<u8> {
    let envelope = String::from_utf8(envelope()).unwrap();
    format!(r#"{{"epoch":"0123456789abcdef","items":[{{"seq":1,"created_at":"2026-11-22T19:00:00Z","envelope":{envelope}}}]}}"#)
        .into_bytes()
}

pub(crate) fn live_hello() -> Vec<u8> {
    let auth = String::from_utf8(caller_header()).unwrap();
    format!(r#"{{"since":7,"auth":"{auth}"}}"#).into_bytes()
}

pub(crate) fn json() -> Vec<Vec<u8>> {
    let mut all = vec![
        envelope(),
        registration(),
        br#"{"a":[1,2.5e-7,-0.0,1e21],"b":{"c":"\u00e9\ud83d\ude00\n"},"":null}"#.to_vec(),
        br#"[9007199254740991,-1,0,true,false,"\u0000\u001f\"\\/"]"#.to_vec(),
    ];
    all.extend(chain_links());
    all
}
