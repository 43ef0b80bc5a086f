//! The plaintext of a version 1 envelope: a [`Content`] with its position in the sender's sequence, padded to hide its
//! exact length.
//!
//! ```json
//! {"id": "<ULID>", "kind": "text", "text": "...", "sent_at": "...",
//!  "chain": {"id": "<16 hex>", "n": 17, "prev": "<envelope hash>"},
//!  "heads": {"ed25519:<hex>": {"length": 3, "head": "<hash>"}}, "pad": "   "}
//! ```

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::canonical_json::{self, Numbers};
use crate::content::{Content, MalformedContent, optional};
use crate::envelope::EnvelopeHash;
use crate::sigchain::Heads;

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

/// A received plaintext.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it says.
    pub content: Content,
    /// Its position in the sender's sequence, if given.
    pub chain: Option<Chain>,
    /// The sigchain heads of sender and recipient as last seen by the sender. Empty when malformed: they only help the
    /// reader, and are no reason to hide a message.
    pub heads: Heads,
    /// In a group, the MLS generation with which it was sealed, as its author says.
    pub generation: Option<u64>,
    /// In a group, how many seconds after `sent_at` every client deletes it.
    pub expires: Option<u64>,
}

/// A plaintext whose content is malformed. Its envelope counts in the sender's sequence all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{content}")]
pub struct MalformedMessage {
    /// Its position in the sender's sequence, if given.
    pub chain: Option<Chain>,
    /// What is known of its content.
    pub content: MalformedContent,
}

impl Message {
    /// Parses a plaintext. A malformed `chain` or `heads` counts as absent, because it is no reason to hide a message.
    ///
    /// # Errors
    /// [`MalformedMessage`] when the content is malformed, as in [`Content::parse`].
    pub fn parse(plaintext: &[u8]) -> Result<Self, MalformedMessage> {
        let unreadable = |_| MalformedMessage { chain: None, content: MalformedContent { quiet: false } };
        let value = canonical_json::parse(plaintext, Numbers::Any).map_err(unreadable)?;
        let chain = optional(value.get("chain")).filter(Chain::has_valid_id);
        let heads = optional(value.get("heads")).unwrap_or_default();
        let (generation, expires) = (optional(value.get("gen")), optional(value.get("expires")));
        match Content::from_value(value) {
            Ok(content) => Ok(Self { content, chain, heads, generation, expires }),
            Err(content) => Err(MalformedMessage { chain, content }),
        }
    }
}

impl Chain {
    /// Whether the id of the installation is 16 hexadecimal digits.
    fn has_valid_id(&self) -> bool {
        self.id.len() == 16 && self.id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    content: &'a Content,
    chain: &'a Chain,
    #[serde(skip_serializing_if = "Heads::is_empty")]
    heads: &'a Heads,
    #[serde(rename = "gen", skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    pad: &'a str,
}

/// The plaintext of an envelope with this content: `pad` brings it to the next Padmé size.
pub fn plaintext(content: &Content, chain: &Chain, heads: &Heads) -> Zeroizing<Vec<u8>> {
    padded(content, chain, heads, (None, None))
}

/// The plaintext of a message in a group: as [`plaintext`], with the MLS generation with which it will be sealed and, if
/// messages of the group disappear, the seconds after which they do.
pub fn group_plaintext(
    content: &Content,
    chain: &Chain,
    heads: &Heads,
    generation: u32,
    expires: Option<u64>,
) -> Zeroizing<Vec<u8>> {
    padded(content, chain, heads, (Some(generation.into()), expires))
}

fn padded(
    content: &Content,
    chain: &Chain,
    heads: &Heads,
    (generation, expires): (Option<u64>, Option<u64>),
) -> Zeroizing<Vec<u8>> {
    let write = |pad: &str| {
        let json = serde_json::to_vec(&Written { content, chain, heads, generation, expires, pad });
        debug_assert!(json.is_ok(), "text, numbers and text keys always serialise");
        Zeroizing::new(json.unwrap_or_default())
    };
    let bare = write("").len();
    write(&" ".repeat(padme(bare) - bare))
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
    use crate::content::{FormerKey, Sent, Text, What};
    use crate::identity::Seed;
    use crate::sigchain::{Hash, SeenHead};
    use crate::time::Timestamp;

    #[test]
    fn padme_sizes() {
        // From the definition in the paper: the low E - S bits are zero.
        for (length, padded) in [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (1025, 1088)] {
            assert_eq!(padme(length), padded, "{length}");
        }
    }

    #[test]
    fn a_padded_message_round_trips() {
        let sent_at = Timestamp::from_unix(1_795_374_000);
        let content = Content::text("01JDABCDEFGHJKMNPQRSTVWXYZ".parse().unwrap(), "Grüße 🦀", sent_at);
        let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
        let head = Hash::of_json("{}");
        let heads: Heads = [("ed25519:".to_owned() + &"0b".repeat(32), SeenHead { length: 3, head })]
            .map(|(root, seen)| (root.parse().unwrap(), seen))
            .into();
        let composed = plaintext(&content, &chain, &heads);
        assert_eq!(composed.len(), padme(composed.len()));
        let read = Message::parse(&composed).unwrap();
        assert!(matches!(read.content.what, What::Text(Text { text, .. }) if text == "Grüße 🦀"));
        assert_eq!((read.chain, read.content.sent_at), (Some(chain.clone()), Some(sent_at)));
        assert_eq!(read.heads, heads);

        let to = format!("ed25519:{}", "0a".repeat(32)).parse().unwrap();
        let copy = plaintext(&content.own_copy(to), &chain, &heads);
        assert_eq!(copy.len(), padme(copy.len()));
        let What::Sent(Sent { to: whom, message }) = Message::parse(&copy).unwrap().content.what else {
            panic!("not a copy");
        };
        assert!(whom == to && matches!(message.what, What::Text(Text { text, .. }) if text == "Grüße 🦀"));

        let seed = Seed::from_bytes([7; 32]);
        let what = What::FormerKey(FormerKey { seed: seed.clone() });
        let kept = plaintext(&Content { what, ..content }, &chain, &Heads::new());
        let What::FormerKey(FormerKey { seed: read }) = Message::parse(&kept).unwrap().content.what else {
            panic!("no key")
        };
        assert_eq!((read.as_bytes(), kept.len()), (seed.as_bytes(), padme(kept.len())));
    }

    #[test]
    fn a_message_in_a_group_names_its_generation() {
        let content = Content::text("01JD".parse().unwrap(), "x", Timestamp::from_unix(1_795_374_000));
        let chain = Chain { id: "00112233aabbccdd".into(), n: 1, prev: None };
        let composed = group_plaintext(&content, &chain, &Heads::new(), 7, Some(60));
        assert_eq!(composed.len(), padme(composed.len()));
        let read = Message::parse(&composed).unwrap();
        assert_eq!((read.generation, read.expires), (Some(7), Some(60)));
        let read = Message::parse(&plaintext(&content, &chain, &Heads::new())).unwrap();
        assert_eq!((read.generation, read.expires), (None, None));
    }

    #[test]
    fn invalid_heads_do_not_hide_a_message() {
        for odd in ["7", r#"{"bob":1}"#, r#"{"ed25519:00":{"length":1,"head":""}}"#] {
            let message = format!(r#"{{"id":"a","kind":"text","text":"x","heads":{odd}}}"#);
            let message = Message::parse(message.as_bytes()).unwrap();
            assert!(message.heads.is_empty() && matches!(message.content.what, What::Text(_)), "{odd}");
        }
    }

    #[test]
    fn a_malformed_content_keeps_its_place_in_the_sequence() {
        for (kind, quiet) in [("text", false), ("reaction", true)] {
            let message = format!(
                r#"{{"id":"a","kind":"{kind}","quiet":{quiet},"chain":{{"id":"00112233aabbccdd","n":7,"prev":null}}}}"#
            );
            let MalformedMessage { chain, content } = Message::parse(message.as_bytes()).unwrap_err();
            assert_eq!((chain.map(|chain| chain.n), content.quiet), (Some(7), quiet));
        }
    }

    #[test]
    fn an_invalid_optional_field_is_dropped_alone() {
        let parse = |fields: &str| {
            let message = format!(r#"{{"id":"a","kind":"text","text":"x",{fields}}}"#);
            Message::parse(message.as_bytes()).unwrap()
        };
        for odd in [r#""2026-11-22T19:00:00+01:00""#, r#""yesterday""#, "1795374000", "null", "{}"] {
            let message =
                parse(&format!(r#""sent_at":{odd},"chain":{{"id":"00112233aabbccdd","n":1,"prev":null}}"#));
            assert!(matches!(message.content.what, What::Text(Text { text, .. }) if text == "x"), "{odd}");
            assert!(message.content.sent_at.is_none() && message.chain.is_some(), "{odd}");
        }
        for odd in
            ["7", r#"{"id":"short","n":1,"prev":null}"#, r#"{"id":"00112233aabbccdd","n":-1,"prev":null}"#]
        {
            let message = parse(&format!(r#""sent_at":"2026-11-22T19:00:00Z","chain":{odd}"#));
            assert!(message.chain.is_none(), "{odd}");
            assert!(message.content.sent_at.is_some(), "{odd}");
        }
    }
}
