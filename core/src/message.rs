//! The plaintext of an envelope: one JSON object, padded to hide its exact length.
//!
//! ```json
//! {"id": "<ULID>", "kind": "text", "text": "...", "sent_at": "...",
//!  "chain": {"id": "<16 hex>", "n": 17, "prev": "<envelope hash>"},
//!  "heads": {"ed25519:<hex>": {"length": 3, "head": "<hash>"}}, "pad": "   "}
//! ```
//!
//! A client also seals a copy of each sent message to its own key, for the user's other browsers. The copy has kind
//! `sent`, with the recipient under `to` and the message as it was sent under `message`. A replaced key of the user is
//! kept in the same way: kind `former_key`, with its seed under `seed`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::canonical_json::{self, Numbers};
use crate::envelope::EnvelopeHash;
use crate::hex;
use crate::identity::{Primary, Seed};
use crate::sigchain::Heads;
use crate::time::Timestamp;

/// The position of a message in the sequence of all messages from one installation to one recipient. It lets the
/// receiver detect dropped, reordered or replayed messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The installation, 16 hexadecimal digits chosen at random.
    pub id: String,
    /// 1 for the first message to this recipient, then increasing by one.
    pub n: u64,
    /// The hash of the previous envelope; none for the first message.
    pub prev: Option<EnvelopeHash>,
}

/// The padded plaintext that keeps a former key for the user's other and restored browsers. It is sealed to the user's
/// own key.
pub fn former_key_to_plaintext(id: &str, seed: &Seed, chain: &Chain) -> Zeroizing<Vec<u8>> {
    let seed = Zeroizing::new(hex::encode(seed.as_bytes()));
    Zeroizing::new(padded(|pad| to_json(&Outgoing::FormerKey { id, seed: &seed, chain, pad })))
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMessage {
    /// A ULID, the same in the user's own copy and in every retry.
    pub id: String,
    /// The text of the message.
    pub text: String,
    /// When the user pressed Send.
    pub sent_at: Timestamp,
}

/// The content of a plaintext.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text from the sender.
    Text(String),
    /// A copy of a message that the user sent.
    Sent {
        /// The recipient of the message.
        to: Primary,
        /// The message.
        message: Box<Message>,
    },
    /// A replaced key of this user: it opens messages that were sealed to it. Ignored from any other sender.
    FormerKey {
        /// Its seed.
        seed: Seed,
    },
    /// A kind that this version does not know. The message is kept, and shown as unsupported.
    Unsupported {
        /// The name of the kind.
        kind: String,
    },
}

/// A received plaintext.
#[derive(Clone, Debug)]
pub struct Message {
    /// The sender's id for this message, unique per sender: any text up to 64 bytes.
    pub id: String,
    /// When the sender says that it was sent.
    pub sent_at: Option<Timestamp>,
    /// Its position in the sender's sequence, if given.
    pub chain: Option<Chain>,
    /// The sigchain heads of sender and recipient as last seen by the sender. Empty when malformed: they only help the
    /// reader, and are no reason to hide a message.
    pub heads: Heads,
    /// The content.
    pub content: Content,
}

/// The plaintext does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plaintext is malformed")]
pub struct MalformedMessage;

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Outgoing<'a> {
    Text {
        #[serde(flatten)]
        message: &'a TextMessage,
        chain: &'a Chain,
        #[serde(skip_serializing_if = "Heads::is_empty")]
        heads: &'a Heads,
        pad: &'a str,
    },
    #[serde(rename = "former_key")]
    FormerKey { id: &'a str, seed: &'a str, chain: &'a Chain, pad: &'a str },
    Sent {
        id: &'a str,
        sent_at: Timestamp,
        to: Primary,
        message: Inner<'a>,
        chain: &'a Chain,
        #[serde(skip_serializing_if = "Heads::is_empty")]
        heads: &'a Heads,
        pad: &'a str,
    },
}

#[derive(Serialize)]
struct Inner<'a> {
    kind: &'static str,
    #[serde(flatten)]
    message: &'a TextMessage,
}

impl TextMessage {
    /// The padded plaintext for the recipient.
    pub fn to_plaintext(&self, chain: &Chain, heads: &Heads) -> Vec<u8> {
        padded(|pad| to_json(&Outgoing::Text { message: self, chain, heads, pad }))
    }

    /// The padded plaintext of the user's own copy, numbered in the user's chain to themselves.
    pub fn to_own_copy(&self, to: Primary, chain: &Chain, heads: &Heads) -> Vec<u8> {
        let message = || Inner { kind: "text", message: self };
        padded(|pad| {
            to_json(&Outgoing::Sent {
                id: &self.id,
                sent_at: self.sent_at,
                to,
                message: message(),
                chain,
                heads,
                pad,
            })
        })
    }
}

impl Message {
    /// Parses a plaintext. Only `id`, `kind` and the fields of that kind are required; unknown fields are ignored. A
    /// malformed optional field counts as absent, because it is no reason to hide a message.
    ///
    /// # Errors
    /// [`MalformedMessage`] when the text is not a JSON object with the required fields.
    pub fn parse(plaintext: &[u8]) -> Result<Self, MalformedMessage> {
        let value = canonical_json::parse(plaintext, Numbers::Any).map_err(|_| MalformedMessage)?;
        Self::from_value(value)
    }

    fn from_value(value: Value) -> Result<Self, MalformedMessage> {
        let fields: Fields = serde_json::from_value(value).map_err(|_| MalformedMessage)?;
        if fields.id.is_empty() || fields.id.len() > 64 {
            return Err(MalformedMessage);
        }
        let content = match (fields.kind.as_str(), fields.text, fields.to, fields.message) {
            ("text", Some(text), ..) => Content::Text(text),
            ("sent", _, Some(to), Some(message)) => {
                Content::Sent { to, message: Box::new(Self::from_value(message)?) }
            }
            ("former_key", ..) => Content::FormerKey { seed: former_seed(fields.seed)? },
            ("text" | "sent", ..) => return Err(MalformedMessage),
            _ => Content::Unsupported { kind: fields.kind },
        };
        let (sent_at, chain) = (optional(fields.sent_at), optional(fields.chain));
        let heads = optional(fields.heads).unwrap_or_default();
        Ok(Self { id: fields.id, sent_at, chain, heads, content })
    }
}

fn optional<T: DeserializeOwned>(value: Option<Value>) -> Option<T> {
    serde_json::from_value(value?).ok()
}

#[derive(Deserialize)]
struct Fields {
    id: String,
    kind: String,
    text: Option<String>,
    to: Option<Primary>,
    message: Option<Value>,
    sent_at: Option<Value>,
    chain: Option<Value>,
    heads: Option<Value>,
    seed: Option<String>,
}

fn former_seed(hex: Option<String>) -> Result<Seed, MalformedMessage> {
    hex.map(Zeroizing::new).and_then(|hex| hex::decode(&hex)).map(Seed::from_bytes).ok_or(MalformedMessage)
}

fn to_json(message: &Outgoing<'_>) -> Vec<u8> {
    let json = serde_json::to_vec(message);
    debug_assert!(json.is_ok(), "text, numbers and text keys always serialise");
    json.unwrap_or_default()
}

/// Pads `pad` with spaces up to the next Padmé size.
fn padded(json: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let bare = json("").len();
    json(&" ".repeat(padme(bare) - bare))
}

/// The Padmé size of a length: lengths in between leak at most O(log log n) bits and cost at most 12 % more
/// (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019, section 4).
pub fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let mantissa = exponent.ilog2() + 1;
    let last_bits = exponent.saturating_sub(mantissa);
    let mask = (1 << last_bits) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigchain::{Hash, SeenHead};

    #[test]
    fn padme_sizes() {
        // From the definition in the paper: the low E - S bits are zero.
        for (length, padded) in [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (1025, 1088)] {
            assert_eq!(padme(length), padded, "{length}");
        }
    }

    #[test]
    fn what_is_composed_reads_back_padded() {
        let message = TextMessage {
            id: "01JDABCDEFGHJKMNPQRSTVWXYZ".into(),
            text: "Grüße 🦀".into(),
            sent_at: Timestamp::from_unix(1_795_374_000),
        };
        let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
        let head = Hash::of_json("{}");
        let heads: Heads = [("ed25519:".to_owned() + &"0b".repeat(32), SeenHead { length: 3, head })]
            .map(|(root, seen)| (root.parse().unwrap(), seen))
            .into();
        let plaintext = message.to_plaintext(&chain, &heads);
        assert_eq!(plaintext.len(), padme(plaintext.len()));
        let read = Message::parse(&plaintext).unwrap();
        assert!(matches!(read.content, Content::Text(text) if text == "Grüße 🦀"));
        assert_eq!((read.chain, read.sent_at), (Some(chain.clone()), Some(message.sent_at)));
        assert_eq!(read.heads, heads);

        let to = format!("ed25519:{}", "0a".repeat(32)).parse().unwrap();
        let copy = message.to_own_copy(to, &chain, &heads);
        assert_eq!(copy.len(), padme(copy.len()));
        let Content::Sent { to: whom, message: inner } = Message::parse(&copy).unwrap().content else {
            panic!("not a copy");
        };
        assert!(whom == to && matches!(inner.content, Content::Text(text) if text == "Grüße 🦀"));

        let seed = Seed::from_bytes([7; 32]);
        let kept = former_key_to_plaintext("a", &seed, &chain);
        let Content::FormerKey { seed: read } = Message::parse(&kept).unwrap().content else {
            panic!("no key")
        };
        assert_eq!((read.as_bytes(), kept.len()), (seed.as_bytes(), padme(kept.len())));
    }

    #[test]
    fn odd_heads_hide_no_message() {
        for odd in ["7", r#"{"bob":1}"#, r#"{"ed25519:00":{"length":1,"head":""}}"#] {
            let message = format!(r#"{{"id":"a","kind":"text","text":"x","heads":{odd}}}"#);
            let message = Message::parse(message.as_bytes()).unwrap();
            assert!(message.heads.is_empty() && matches!(message.content, Content::Text(_)), "{odd}");
        }
    }

    #[test]
    fn a_wrong_optional_field_costs_that_field_only() {
        let parse = |fields: &str| {
            let message = format!(r#"{{"id":"a","kind":"text","text":"x",{fields}}}"#);
            Message::parse(message.as_bytes()).unwrap()
        };
        for odd in [r#""2026-11-22T19:00:00+01:00""#, r#""yesterday""#, "1795374000", "null", "{}"] {
            let message =
                parse(&format!(r#""sent_at":{odd},"chain":{{"id":"00112233aabbccdd","n":1,"prev":null}}"#));
            assert!(matches!(message.content, Content::Text(text) if text == "x"), "{odd}");
            assert!(message.sent_at.is_none() && message.chain.is_some(), "{odd}");
        }
        for odd in
            ["7", r#"{"id":"short","n":1,"prev":null}"#, r#"{"id":"00112233aabbccdd","n":-1,"prev":null}"#]
        {
            let message = parse(&format!(r#""sent_at":"2026-11-22T19:00:00Z","chain":{odd}"#));
            assert!(message.chain.is_none() || odd.contains("short"), "{odd}");
            assert!(message.sent_at.is_some(), "{odd}");
        }
    }

    #[test]
    fn unknown_kinds_are_kept_and_odd_ones_refused() {
        let unknown = Message::parse(br#"{"id":"a","kind":"poll","question":1.5}"#).unwrap();
        assert!(matches!(unknown.content, Content::Unsupported { kind } if kind == "poll"));
        for odd in [
            &br#"{"id":"a"}"#[..],
            br#"{"kind":"text","text":"x"}"#,
            br#"{"id":"a","kind":"text"}"#,
            br#"{"id":"","kind":"text","text":"x"}"#,
            br#"{"id":"a","kind":"text","text":"x","text":"y"}"#,
            br#"{"id":"a","kind":"sent"}"#,
            br#"{"id":"a","kind":"former_key","seed":"00"}"#,
            b"hello",
            b"\xff",
        ] {
            assert!(Message::parse(odd).is_err());
        }
    }
}
