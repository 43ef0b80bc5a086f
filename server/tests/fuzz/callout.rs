//! Requests to the auth callout, from a broker or from an attacker who poses as one.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use kez_chat_server::clock::Clock;
use kez_chat_server::push::nats::callout::Callout;
use kez_chat_server::store::accounts::{Claim, ClaimOutcome};
use kez_chat_server::store::{BindOutcome, NewBinding, Store};
use kez_core::identity::{SecretIdentity, Seed};
use kez_core::nkey::{Role, SecretNkey};
use kez_core::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::mutate::fuzz;

const NOW: Timestamp = Timestamp::from_unix(1_795_374_000);
const NONCE: &str = "bV8Eb-nZ_a3Qq0s";

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn ticks(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// A callout with a bound nkey, and a broker.
struct Scene {
    callout: Callout,
    broker: SecretNkey,
    /// The broker's question about the holder of the nkey.
    asked: Value,
    /// What the holder may subscribe to.
    allowed: Value,
    runtime: Runtime,
    _directory: TempDir,
}

fn nkey(role: Role) -> SecretNkey {
    SecretNkey::random(role, &mut getrandom::rand_core::UnwrapErr(getrandom::SysRng))
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (broker, holder, issuer) =
            (nkey(Role::Server), nkey(Role::User), directory.path().join("issuer"));
        std::fs::write(&issuer, nkey(Role::Account).seed_text().as_bytes()).unwrap();
        let primary = SecretIdentity::from_seed(Seed::from_bytes([1; 32])).public().primary();
        let store = runtime.block_on(async {
            let store = Store::sqlite(&directory.path().join("kez-chat.db")).await.unwrap();
            let handle = "alice".parse().unwrap();
            let claim = Claim { handle, primary, registration: "{}".to_owned(), invite: None, now: NOW };
            let ClaimOutcome::Stands(account) = store.claim_handle(claim).await.unwrap() else {
                panic!("taken")
            };
            let bound = NewBinding {
                account: account.id,
                primary,
                nkey: holder.public(),
                binding: "{}".to_owned(),
                expires_at: Timestamp::from_unix(NOW.unix() + 3600),
                now: NOW,
            };
            assert_eq!(store.bind_nkey(bound).await.unwrap(), BindOutcome::Bound);
            store
        });
        let signature = Base64UrlUnpadded::encode_string(&holder.sign(NONCE.as_bytes()));
        let asked = json!({
            "aud": "nats-authorization-request", "exp": NOW.unix() + 3, "iss": broker.public(),
            "nats": {
                "type": "authorization_request",
                "server_id": {"id": broker.public()},
                "user_nkey": nkey(Role::User).public(),
                "client_info": {"nonce": NONCE},
                "connect_opts": {"nkey": holder.public(), "sig": signature},
            },
        });
        let allowed = json!({"allow": [kez_core::nats_binding::subscription(&primary)]});
        let callout = Callout::new(&issuer, "CHAT".to_owned(), Arc::new(store), Arc::new(Standing)).unwrap();
        Self { callout, broker, asked, allowed, runtime, _directory: directory }
    }

    /// A token with these claims, signed by the broker.
    fn token(&self, claims: &[u8]) -> String {
        let part = Base64UrlUnpadded::encode_string;
        let text = format!("{}.{}", part(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#), part(claims));
        format!("{text}.{}", part(&self.broker.sign(text.as_bytes())))
    }

    /// The permissions of an admitted client; `None` when it is refused.
    fn grants(&self, token: &str) -> Option<Value> {
        let answer = self.runtime.block_on(self.callout.answer(token)).ok()?;
        let user = claims(&answer)["nats"]["jwt"].as_str().map(claims)?;
        Some(user["nats"].clone())
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}

/// From strangers: only a genuine request of the broker admits a client.
#[test]
fn nats_callout_jwt() {
    let scene = Scene::new();
    let good = scene.token(scene.asked.to_string().as_bytes());
    assert!(scene.grants(&good).is_some(), "the holder of the seed is admitted");
    fuzz(&[good.clone().into_bytes()], |input| {
        let Ok(token) = std::str::from_utf8(input) else { return };
        if scene.grants(token).is_some() {
            assert_eq!(token, good, "only the token that was signed");
        }
    });
}

/// From a lying broker: whatever it signs, it gets one inbox at most, and only with a signature over the nonce.
#[test]
fn nats_callout_claims() {
    let scene = Scene::new();
    let proof = |claims: &Value| {
        let nats = &claims["nats"];
        let (opts, nonce) = (&nats["connect_opts"], &nats["client_info"]["nonce"]);
        (opts["nkey"].clone(), nonce.clone())
    };
    let seed = scene.asked.to_string().into_bytes();
    assert!(scene.grants(&scene.token(&seed)).is_some(), "the holder of the seed is admitted");
    fuzz(&[seed], |input| {
        let Some(granted) = scene.grants(&scene.token(input)) else { return };
        let claims: Value = serde_json::from_slice(input).expect("what was read is JSON");
        assert_eq!(proof(&claims), proof(&scene.asked), "the nkey that signed this nonce");
        assert_eq!(granted["sub"], scene.allowed);
        assert_eq!(granted["pub"], json!({"deny": [">"]}));
    });
}
