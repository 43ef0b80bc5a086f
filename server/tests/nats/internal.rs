//! `POST /internal/nats/auth`

use std::net::SocketAddr;

use base64ct::{Base64UrlUnpadded, Encoding};
use kez_core::nkey::{Role, SecretNkey};
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::support::{Reply, TestServer, free_address, nkey, rng};

const HOUR: u64 = 60 * 60;
const NONCE: &str = "bV8Eb-nZ_a3Qq0s";

/// A JWT in the broker's format.
fn jwt(claims: &Value, issuer: &SecretNkey) -> String {
    let part = |text: &[u8]| Base64UrlUnpadded::encode_string(text);
    let signed =
        format!("{}.{}", part(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#), part(claims.to_string().as_bytes()));
    format!("{signed}.{}", part(&issuer.sign(signed.as_bytes())))
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}

/// A request of `server` about a client that holds `holder` and signed `nonce`.
fn request(server: &SecretNkey, holder: &SecretNkey, nonce: &str, now: u64) -> Value {
    let signature = Base64UrlUnpadded::encode_string(&holder.sign(nonce.as_bytes()));
    json!({
        "aud": "nats-authorization-request",
        "exp": now + 3,
        "iat": now,
        "iss": server.public(),
        "sub": server.public(),
        "nats": {
            "type": "authorization_request",
            "version": 2,
            "server_id": {"id": server.public(), "name": "one", "host": "127.0.0.1"},
            "user_nkey": nkey().public(),
            "client_info": {"id": 7, "kind": "Client", "nonce": nonce},
            "connect_opts": {"nkey": holder.public(), "sig": signature, "protocol": 1},
        },
    })
}

async fn ask(server: &TestServer, address: SocketAddr, media_type: &str, body: String) -> Reply {
    let url = format!("http://{address}/internal/nats/auth");
    Reply::of(server.http.post(url).header("content-type", media_type).body(body)).await
}

/// A chat server with a second listener, and the address of that listener.
async fn server(broker: &Broker) -> (TestServer, SocketAddr) {
    let free = free_address();
    (broker.server_with(&["--internal-bind", &free.to_string()]).await, free)
}

#[tokio::test]
async fn the_http_endpoint_answers_like_the_service() {
    let broker = Broker::start().await;
    let (server, internal) = server(&broker).await;
    let [bob] = server.people(["bob"]).await;
    let (server_key, nkey, now) = (SecretNkey::random(Role::Server, &mut rng()), nkey(), server.now().unix());
    let decide = async |request: &Value| {
        let reply = ask(&server, internal, "application/jwt", jwt(request, &server_key)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/jwt"), "{reply:?}");
        let answer = claims(&reply.body);
        assert_eq!(answer["iss"], broker.keys.issuer.to_string());
        assert_eq!(answer["aud"], request["nats"]["server_id"]["id"]);
        assert_eq!(answer["sub"], request["nats"]["user_nkey"]);
        assert_eq!(answer["nats"]["type"], "authorization_response");
        answer["nats"].clone()
    };
    let asked = request(&server_key, &nkey, NONCE, now);
    let refused = decide(&asked).await;
    assert!(refused["jwt"].is_null() && refused["error"].as_str().unwrap().contains("not bound"));

    for (seconds, until) in [(HOUR, now + 900), (60, now + 60)] {
        assert_eq!(server.bind(&bob, nkey.public(), seconds).await.status, 204);
        let user = claims(decide(&asked).await["jwt"].as_str().unwrap());
        assert_eq!(user["exp"], until, "the sooner of 15 minutes and the binding's end");
        assert_eq!((&user["aud"], &user["sub"]), (&json!("CHAT"), &asked["nats"]["user_nkey"]));
        let own = format!("kez.inbox.{}.>", bob.keys.public().primary().hex());
        assert_eq!(user["nats"]["sub"], json!({"allow": [own]}));
        assert_eq!(user["nats"]["pub"], json!({"deny": [">"]}));
    }

    // An expired binding, and proofs for something else.
    server.clock.set(now + 60);
    let refused = decide(&request(&server_key, &nkey, NONCE, now + 60)).await;
    assert!(refused["error"].as_str().unwrap().contains("expired"), "{refused}");
    server.clock.set(now);
    let mut other_nonce = asked.clone();
    other_nonce["nats"]["client_info"]["nonce"] = "AAAAAAAAAAAAAAA".into();
    let mut no_signature = asked.clone();
    no_signature["nats"]["connect_opts"]["sig"] = "".into();
    let mut no_nonce = asked.clone();
    no_nonce["nats"]["client_info"] = json!({});
    let strange = request(&server_key, &nkey, "GET\n/v1/inbox/bob\nsince=0\n1", now);
    let as_account = request(&server_key, &SecretNkey::random(Role::Account, &mut rng()), NONCE, now);
    for forged in [other_nonce, no_signature, no_nonce, strange, as_account] {
        let refused = decide(&forged).await;
        assert!(refused["jwt"].is_null() && refused["error"].is_string(), "{refused}");
    }
}

#[tokio::test]
async fn a_request_that_no_broker_signed_is_not_answered() {
    let broker = Broker::start().await;
    let (server, internal) = server(&broker).await;
    let [bob] = server.people(["bob"]).await;
    let (server_key, nkey, now) = (SecretNkey::random(Role::Server, &mut rng()), nkey(), server.now().unix());
    assert_eq!(server.bind(&bob, nkey.public(), HOUR).await.status, 204);
    let asked = request(&server_key, &nkey, NONCE, now);
    let good = jwt(&asked, &server_key);
    assert_eq!(ask(&server, internal, "application/jwt", good.clone()).await.status, 200);

    let changed = |change: &dyn Fn(&mut Value)| {
        let mut asked = asked.clone();
        change(&mut asked);
        asked
    };
    let other = SecretNkey::random(Role::Server, &mut rng());
    let own = |change: &dyn Fn(&mut Value)| jwt(&changed(change), &server_key);
    let user_issued = changed(&|asked| {
        asked["iss"] = nkey.public().to_string().into();
        asked["nats"]["server_id"]["id"] = nkey.public().to_string().into();
    });
    for (forged, status, code) in [
        (jwt(&asked, &other), 401, "bad_signature"),
        (
            jwt(&asked, &other)
                .rsplit_once('.')
                .map(|(_, other)| format!("{}.{other}", good.rsplit_once('.').unwrap().0))
                .unwrap(),
            401,
            "bad_signature",
        ),
        (
            jwt(&changed(&|asked| asked["iss"] = other.public().to_string().into()), &other),
            401,
            "bad_signature",
        ),
        (jwt(&user_issued, &nkey), 401, "bad_signature"),
        (own(&|asked| asked["aud"] = "somebody".into()), 400, "malformed"),
        (own(&|asked| asked["nats"]["type"] = "user".into()), 400, "malformed"),
        (own(&|asked| asked["nats"]["user_nkey"] = "U".into()), 400, "malformed"),
        (own(&|asked| asked["exp"] = now.into()), 400, "stale"),
        (own(&|asked| drop(asked.as_object_mut().unwrap().remove("exp"))), 400, "stale"),
        (good.rsplit_once('.').unwrap().0.to_owned(), 400, "malformed"),
        ("a.b.c".to_owned(), 400, "malformed"),
        (String::new(), 400, "malformed"),
    ] {
        ask(&server, internal, "application/jwt", forged).await.refused(status, code);
    }
    ask(&server, internal, "application/json", good.clone()).await.refused(400, "malformed");
    ask(&server, internal, "application/jwt", "x".repeat(600 * 1024)).await.refused(413, "body_too_large");
    // The public listener does not have this route, and this listener does not have any other.
    let public = ask(&server, server.address, "application/jwt", good).await;
    assert!(matches!(public.status, 404 | 405), "{public:?}");
    let elsewhere = format!("http://{internal}/v1/healthz");
    Reply::of(server.http.get(elsewhere)).await.refused(404, "not_found");
}
