//! JSON Web Tokens in the NATS format: algorithm `ed25519-nkey`, issued by an nkey
//! (<https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt>; RFC 7519 for the frame).

use base64ct::{Base64UrlUnpadded, Encoding};
use kez_core::nkey::{PublicNkey, SecretNkey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const HEADER: Header<'static> = Header { typ: "JWT", alg: "ed25519-nkey" };

/// The header: there is only one kind of token, so nothing is negotiated.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
}

/// The text is not a token of this kind, or its issuer did not sign it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not three parts of base64url, another algorithm, or claims with the wrong fields.
    #[error("not a JWT of NATS with the claims expected here")]
    Malformed,
    /// The issuer named in the claims did not sign them.
    #[error("the JWT is not signed by the issuer that it names")]
    BadSignature,
}

/// The claim common to every token.
#[derive(Deserialize)]
struct Issued {
    iss: PublicNkey,
}

/// A token with these claims. Their `iss` is the issuer's public key.
///
/// # Errors
/// When the claims cannot be written as JSON.
pub(super) fn sign(claims: &impl Serialize, issuer: &SecretNkey) -> Result<String, serde_json::Error> {
    let part = |json: Vec<u8>| Base64UrlUnpadded::encode_string(&json);
    let text = format!("{}.{}", part(serde_json::to_vec(&HEADER)?), part(serde_json::to_vec(claims)?));
    let signature = Base64UrlUnpadded::encode_string(&issuer.sign(text.as_bytes()));
    Ok(format!("{text}.{signature}"))
}

/// The claims of a token, and its issuer. The caller must decide whether that issuer is authorised.
///
/// # Errors
/// [`InvalidToken`] says which.
pub(super) fn verify<C: DeserializeOwned>(token: &str) -> Result<(C, PublicNkey), InvalidToken> {
    let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(InvalidToken::Malformed)?;
    let decode = |part| Base64UrlUnpadded::decode_vec(part).map_err(|_| InvalidToken::Malformed);
    let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
    if !matches!(serde_json::from_slice(&header), Ok(HEADER)) {
        return Err(InvalidToken::Malformed);
    }
    let Issued { iss } = parse(&claims)?;
    iss.verify(signed.as_bytes(), &signature).map_err(|_| InvalidToken::BadSignature)?;
    Ok((parse(&claims)?, iss))
}

fn parse<C: DeserializeOwned>(claims: &[u8]) -> Result<C, InvalidToken> {
    serde_json::from_slice(claims).map_err(|_| InvalidToken::Malformed)
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use getrandom::rand_core::UnwrapErr;
    use kez_core::nkey::Role;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_token_verifies_until_any_part_changes() {
        let issuer = SecretNkey::random(Role::Account, &mut UnwrapErr(SysRng));
        let other = SecretNkey::random(Role::Account, &mut UnwrapErr(SysRng));
        let claims = json!({"iss": issuer.public(), "sub": "a client"});
        let token = sign(&claims, &issuer).unwrap();
        assert_eq!(verify::<Value>(&token), Ok((claims.clone(), issuer.public())));

        assert_eq!(verify::<Value>(&sign(&claims, &other).unwrap()), Err(InvalidToken::BadSignature));
        let [header, payload, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let none = Base64UrlUnpadded::encode_string(br#"{"typ":"JWT","alg":"none"}"#);
        let changed = Base64UrlUnpadded::encode_string(
            json!({"iss": issuer.public(), "sub": "another client"}).to_string().as_bytes(),
        );
        for (forged, reason) in [
            (format!("{none}.{payload}."), InvalidToken::Malformed),
            (format!("{none}.{payload}.{signature}"), InvalidToken::Malformed),
            (format!("{header}.{changed}.{signature}"), InvalidToken::BadSignature),
            (format!("{header}.{payload}."), InvalidToken::BadSignature),
            (format!("{header}.{payload}"), InvalidToken::Malformed),
            (format!("{header}.{payload}.{signature}.x"), InvalidToken::Malformed),
            (String::new(), InvalidToken::Malformed),
        ] {
            assert_eq!(verify::<Value>(&forged), Err(reason), "{forged}");
        }
    }
}
