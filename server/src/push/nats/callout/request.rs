//! A broker's question: the client that wants to connect, the nonce that it was sent, and its response.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use kez_core::nkey::{PublicNkey, Role, is_nonce};
use kez_core::time::Timestamp;
use serde::Deserialize;

use crate::push::nats::jwt::{self, InvalidToken};

/// The audience of every request.
const AUDIENCE: &str = "nats-authorization-request";
/// The type of its claims.
const TYPE: &str = "authorization_request";

/// A request that a broker signed, with a valid time.
pub(super) struct Request {
    /// The broker.
    pub(super) server: PublicNkey,
    /// The key that identifies the connection in the answer; the broker generated it for this connection.
    pub(super) connection: PublicNkey,
    nonce: String,
    nkey: String,
    signature: String,
}

/// The text is not a broker's request, so no answer can be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// It is a token of another kind.
    #[error("the JWT is not an authorization request")]
    AnotherKind,
    /// Its issuer is not the broker named in it.
    #[error("the JWT is not issued by the server that it names")]
    NotItsServer,
    /// It has expired.
    #[error("the authorization request has expired")]
    Expired,
    /// An answer cannot be written.
    #[error("the answer cannot be written")]
    Internal,
}

/// Why a client may not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no nkey and signature were given")]
    NoProof,
    #[error("the nonce is malformed")]
    StrangeNonce,
    #[error("the signature over the nonce is invalid")]
    BadSignature,
    #[error("the nkey is not bound to an account")]
    NotBound,
    #[error("the binding of the nkey has expired")]
    Expired,
    #[error("the account cannot be looked up at the moment")]
    Unavailable,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    exp: Option<u64>,
    nats: NatsClaims,
}

#[derive(Deserialize)]
struct NatsClaims {
    r#type: String,
    server_id: ServerId,
    user_nkey: PublicNkey,
    client_info: ClientInfo,
    connect_opts: ConnectOpts,
}

#[derive(Deserialize)]
struct ServerId {
    id: PublicNkey,
}

#[derive(Deserialize)]
struct ClientInfo {
    #[serde(default)]
    nonce: String,
}

#[derive(Deserialize)]
struct ConnectOpts {
    #[serde(default)]
    nkey: String,
    #[serde(default)]
    sig: String,
}

impl Request {
    /// Parses a request and checks that the named broker has signed it.
    pub(super) fn verify(token: &str, now: Timestamp) -> Result<Self, Unanswerable> {
        let (claims, issuer) = jwt::verify::<Claims>(token)?;
        let NatsClaims { r#type, server_id, user_nkey, client_info, connect_opts } = claims.nats;
        if claims.aud != AUDIENCE || r#type != TYPE || user_nkey.role() != Role::User {
            return Err(Unanswerable::AnotherKind);
        }
        if issuer.role() != Role::Server || issuer != server_id.id {
            return Err(Unanswerable::NotItsServer);
        }
        if claims.exp.is_none_or(|exp| exp <= now.unix()) {
            return Err(Unanswerable::Expired);
        }
        let (ConnectOpts { nkey, sig: signature }, ClientInfo { nonce }) = (connect_opts, client_info);
        Ok(Self { server: issuer, connection: user_nkey, nonce, nkey, signature })
    }

    /// The nkey whose holder signed the nonce.
    pub(super) fn proven_nkey(&self) -> Result<PublicNkey, Refusal> {
        let nkey: PublicNkey = self.nkey.parse().map_err(|_| Refusal::NoProof)?;
        if nkey.role() != Role::User || self.signature.is_empty() {
            return Err(Refusal::NoProof);
        }
        if !is_nonce(&self.nonce) {
            return Err(Refusal::StrangeNonce);
        }
        let signature = decode(&self.signature).ok_or(Refusal::BadSignature)?;
        nkey.verify(self.nonce.as_bytes(), &signature).map_err(|_| Refusal::BadSignature)?;
        Ok(nkey)
    }
}

/// Clients encode signatures in either base64 alphabet (RFC 4648, sections 4 and 5), with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let unpadded = text.trim_end_matches('=');
    Base64UrlUnpadded::decode_vec(unpadded)
        .or_else(|_| Base64::decode_vec(text))
        .or_else(|_| base64ct::Base64Unpadded::decode_vec(unpadded))
        .ok()
}
