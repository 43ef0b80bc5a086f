//! The stored form of envelopes: hexadecimal and base64url text is stored as the bytes that it encodes.
//!
//! Most of an envelope is such text, which wastes a quarter or a half of its size. When packed, twice as many messages
//! share a page, and so share what a transaction writes. The packer looks only for runs of text, not for fields: the
//! relay learns no more of an envelope than before, and all other text stays as it is. Every run is a whole number of
//! units, so its encoding is unique and unpacking restores every byte.
//!
//! A packed envelope is a sequence of pieces. Each begins with a number in LEB128 (DWARF 5, section 7.6). Its three
//! lowest bits are the kind of the piece; the other bits depend on the kind:
//!
//! | kind | the other bits | what follows |
//! |---|---|---|
//! | 0, text as it is | n | n bytes |
//! | 1, lower-case hexadecimal | n | the n decoded bytes |
//! | 2, base64url without padding (RFC 4648, section 5) | n | the 3 n decoded bytes |
//! | 3, a word of [`WORDS`] | its index there | |
//! | 4, a time (RFC 3339, in UTC, to the second) | its Unix time | |

use axum::body::Bytes;
use data_encoding::{BASE64URL_NOPAD, Encoding, HEXLOWER};
use kez_core::envelope;
use kez_core::time::Timestamp;

/// Text that envelopes have in common. Files refer to this table by index, so a word keeps its place, and new ones are
/// added at the end.
const WORDS: [&[u8]; 12] = [
    br#"{"ciphertext":""#,
    br#"","ciphertext":""#,
    br#"","created_at":""#,
    br#"","from":"ed25519:"#,
    br#"","nonce":""#,
    br#"","sig":""#,
    br#"","to":"ed25519:"#,
    br#"","type":"kez.chat.message","v":1}"#,
    br#"","type":"kez.chat.message"#,
    br#"{"v":1,"type":"kez.chat.message"#,
    br#"","v":1}"#,
    br#""}"#,
];

const KIND_BITS: u32 = 3;
const TEXT: u64 = 0;
const HEX: u64 = 1;
const BASE64: u64 = 2;
const WORD: u64 = 3;
const TIME: u64 = 4;

/// The longest header of a piece.
const HEAD_BYTES: usize = 8;

/// The shortest run that is worth a piece of its own.
const LEAST: usize = 12;

/// The length of a time.
const TIME_LENGTH: usize = "2026-11-22T19:00:00Z".len();

/// An envelope as it is stored.
#[derive(Debug)]
pub(super) struct Packed {
    /// The bytes in the file.
    pub(super) bytes: Bytes,
    /// The length of the envelope, unless `bytes` is the envelope itself.
    pub(super) unpacked_length: Option<i64>,
}

impl Packed {
    /// Packs an envelope, if that makes it shorter.
    pub(super) fn new(envelope: Bytes) -> Self {
        let packed = Packer::pack(&envelope);
        if packed.len() < envelope.len() {
            Self { bytes: packed.into(), unpacked_length: Some(envelope.len() as i64) }
        } else {
            Self { bytes: envelope, unpacked_length: None }
        }
    }
}

/// The envelope that was stored as these bytes with this length; `None` when damaged bytes do not unpack.
pub(super) fn unpack(bytes: &[u8], unpacked_length: Option<i64>) -> Option<Vec<u8>> {
    let Some(length) = unpacked_length else { return Some(bytes.to_owned()) };
    let length = usize::try_from(length).ok().filter(|length| *length <= envelope::MAX_BYTES)?;
    let (mut rest, mut unpacked) = (bytes, Vec::with_capacity(length));
    while !rest.is_empty() {
        rest = take_piece(rest, &mut unpacked)?;
        if unpacked.len() > length {
            return None;
        }
    }
    (unpacked.len() == length).then_some(unpacked)
}

struct Packer<'a> {
    envelope: &'a [u8],
    packed: Vec<u8>,
    /// Everything before this position is packed.
    done: usize,
}

impl<'a> Packer<'a> {
    fn pack(envelope: &'a [u8]) -> Vec<u8> {
        let mut packer = Self { envelope, packed: Vec::with_capacity(envelope.len()), done: 0 };
        let mut at = 0;
        while at < envelope.len() {
            at += packer.look(at);
        }
        packer.text_until(at);
        packer.packed
    }

    /// Packs the text that starts here, if possible, and returns how far to advance.
    fn look(&mut self, at: usize) -> usize {
        let rest = &self.envelope[at..];
        if let Some((place, word)) = find_word(rest) {
            self.text_until(at);
            self.head(WORD, place as u64);
            self.done = at + word.len();
            word.len()
        } else if let Some(time) = find_time(rest) {
            self.text_until(at);
            self.head(TIME, time.unix());
            self.done = at + TIME_LENGTH;
            TIME_LENGTH
        } else {
            let end = rest.iter().position(|byte| !IN_RUNS[usize::from(*byte)]).unwrap_or(rest.len());
            if end >= LEAST {
                self.run(at, &rest[..end]);
            }
            end.max(1)
        }
    }

    /// Packs a run of letters, digits, `-` and `_`, except for an incomplete unit at its end.
    fn run(&mut self, at: usize, run: &[u8]) {
        self.text_until(at);
        let looks_like_hex = run.len().is_multiple_of(2) && run[..LEAST].iter().all(|byte| is_hex(*byte));
        let bytes = run.len() / 2;
        if looks_like_hex && self.decoded((HEX, bytes), &HEXLOWER, run, bytes) {
            self.done = at + run.len();
            return;
        }
        let units = run.len() / 4;
        let whole = &run[..4 * units];
        if self.decoded((BASE64, units), &BASE64URL_NOPAD, whole, 3 * units) {
            self.done = at + whole.len();
        }
    }

    /// Appends a piece with the given number of decoded bytes; nothing when the text is not valid.
    fn decoded(&mut self, (kind, n): (u64, usize), encoding: &Encoding, text: &[u8], bytes: usize) -> bool {
        let start = self.packed.len();
        self.head(kind, n as u64);
        let decoded = encoding.decode_mut(text, room(&mut self.packed, bytes)).is_ok();
        if !decoded {
            self.packed.truncate(start);
        }
        decoded
    }

    /// Appends the text before this position that is not packed yet, unchanged.
    fn text_until(&mut self, end: usize) {
        if self.done < end {
            self.head(TEXT, (end - self.done) as u64);
            self.packed.extend_from_slice(&self.envelope[self.done..end]);
            self.done = end;
        }
    }

    fn head(&mut self, kind: u64, n: u64) {
        let mut rest = n << KIND_BITS | kind;
        while rest >= 0x80 {
            self.packed.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.packed.push(rest.to_le_bytes()[0]);
    }
}

/// Unpacks the first piece, and returns the rest.
fn take_piece<'a>(packed: &'a [u8], unpacked: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (head, rest) = take_head(packed)?;
    let (kind, n) = (head % (1 << KIND_BITS), head >> KIND_BITS);
    let size = usize::try_from(n).ok()?;
    match kind {
        TEXT => {
            let (text, rest) = rest.split_at_checked(size)?;
            unpacked.extend_from_slice(text);
            Some(rest)
        }
        HEX => {
            let (bytes, rest) = rest.split_at_checked(size)?;
            HEXLOWER.encode_mut(bytes, room(unpacked, 2 * size));
            Some(rest)
        }
        BASE64 => {
            let (bytes, rest) = rest.split_at_checked(size.checked_mul(3)?)?;
            BASE64URL_NOPAD.encode_mut(bytes, room(unpacked, 4 * size));
            Some(rest)
        }
        WORD => {
            unpacked.extend_from_slice(WORDS.get(size)?);
            Some(rest)
        }
        TIME => {
            unpacked.extend_from_slice(Timestamp::from_unix(n).to_string().as_bytes());
            Some(rest)
        }
        _ => None,
    }
}

fn take_head(packed: &[u8]) -> Option<(u64, &[u8])> {
    let mut head = 0;
    for (place, byte) in packed.iter().enumerate().take(HEAD_BYTES) {
        head |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Some((head, &packed[place + 1..]));
        }
    }
    None
}

/// Extends the buffer by this many bytes.
fn room(bytes: &mut Vec<u8>, length: usize) -> &mut [u8] {
    let start = bytes.len();
    bytes.resize(start + length, 0);
    &mut bytes[start..]
}

fn find_word(text: &[u8]) -> Option<(usize, &'static [u8])> {
    if !matches!(text.first(), Some(b'"' | b'{')) {
        return None;
    }
    WORDS.into_iter().enumerate().find(|(_, word)| text.starts_with(word))
}

fn find_time(text: &[u8]) -> Option<Timestamp> {
    let text = text.get(..TIME_LENGTH).filter(|text| text[4] == b'-' && text[10] == b'T')?;
    str::from_utf8(text).ok()?.parse().ok()
}

/// Whether a byte is a digit of base64url. A table, because the next byte is unpredictable and a mispredicted branch
/// costs more than a lookup.
const IN_RUNS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break table,
        }
    }
};

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The stored bytes of an envelope, and the length that is stored with them.
    fn packed(envelope: &[u8]) -> (Vec<u8>, Option<i64>) {
        let Packed { bytes, unpacked_length } = Packed::new(Bytes::copy_from_slice(envelope));
        assert_eq!(unpack(&bytes, unpacked_length).as_deref(), Some(envelope));
        (bytes.to_vec(), unpacked_length)
    }

    /// An envelope as clients send it, with a ciphertext of this many bytes.
    fn envelope(ciphertext: usize) -> String {
        let ciphertext = BASE64URL_NOPAD.encode(&vec![0xa7; ciphertext]);
        let (from, to, nonce, sig) = ("3b".repeat(32), "c0".repeat(32), "9e".repeat(12), "f1".repeat(64));
        format!(
            r#"{{"ciphertext":"{ciphertext}","created_at":"2026-11-22T19:00:00Z","from":"ed25519:{from}","nonce":"{nonce}","sig":"{sig}","to":"ed25519:{to}","type":"kez.chat.message","v":1}}"#
        )
    }

    #[test]
    fn an_envelope_takes_little_more_than_what_its_text_stands_for() {
        // Keys, nonce, signature, time and ciphertext are 32 + 32 + 12 + 64 + 4 + 450 bytes.
        let envelope = envelope(450);
        let (packed, length) = packed(envelope.as_bytes());
        assert_eq!((envelope.len(), packed.len()), (1019, 611));
        assert_eq!(length, Some(1019));
    }

    /// Existing files hold the output of earlier versions.
    #[test]
    fn packed_envelopes_of_earlier_versions_are_unpacked() {
        let stored = [
            "0322",
            "a7a7a7a7a7a7a7a7a7a7a7a7",
            "1384bbe7c0351b8102",
            &"3b".repeat(32),
            "2361",
            &"9e".repeat(12),
            "2b8104",
            &"f1".repeat(64),
            "338102",
            &"c0".repeat(32),
            "3b",
        ];
        let stored = HEXLOWER.decode(stored.concat().as_bytes()).unwrap();
        assert_eq!(unpack(&stored, Some(435)), Some(envelope(12).into_bytes()));
    }

    #[test]
    fn what_is_not_shorter_stays_as_it_is() {
        for text in
            ["{}", r#"{"a":1}"#, r#"{"a":"deadbeef"}"#, r#"{"text":"plain words, and no air in them"}"#]
        {
            assert_eq!(packed(text.as_bytes()), (text.as_bytes().to_vec(), None), "{text}");
        }
    }

    #[test]
    fn text_that_only_resembles_is_stored_as_it_is() {
        for (text, shorter) in [
            (r#"{"upper":"DEADBEEFDEADBEEFDEADBEEFDEADBEEF"}"#, true),
            (r#"{"odd":"deadbeefdeadbeefdeadbeefdeadbee"}"#, true),
            (r#"{"nearly":"deadbeefdeadbeefdeadbeefdeadbeeg"}"#, true),
            (r#"{"no time":"2026-02-30T19:00:00Z"}"#, true),
            (r#"{"late":"9999-12-31T23:59:59Z","cut":"2026-11-22T19:00:0"#, true),
            (r#"{"padded":"AAAAAAAAAAAAAAAAAAAAAAAAAA=="}"#, true),
            (r#"{"not url":"AAAA+AAAA/AAAA+AAAA/AAAA+AAA"}"#, false),
        ] {
            assert_eq!(packed(text.as_bytes()).1.is_some(), shorter, "{text}");
        }
    }

    #[test]
    fn what_the_disk_has_changed_is_nothing_or_something_else() {
        let (whole, length) = packed(envelope(90).as_bytes());
        for cut in 0..whole.len() {
            assert_eq!(unpack(&whole[..cut], length), None);
        }
        for (changed, length) in [
            (&whole[..], Some(-1)),
            (&whole, Some(i64::MAX)),
            (&whole, length.map(|length| length - 1)),
            // An unknown kind, an unknown word, a number without an end, and a piece without its content.
            (&[5], Some(1)),
            (&[0x80 | 3, 1], Some(1)),
            (&[0xff; 12], Some(1)),
            (&[0xfa, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Some(1)),
        ] {
            assert_eq!(unpack(changed, length), None, "{changed:?}");
        }
    }

    /// Pieces of every kind of text that the packer looks for, complete and broken, in any order.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            "[0-9a-f]{0,80}".prop_map(String::into_bytes),
            "[A-Za-z0-9_-]{0,80}".prop_map(String::into_bytes),
            "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]Z".prop_map(String::into_bytes),
            (0..WORDS.len()).prop_map(|place| WORDS[place].to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn everything_comes_back_as_it_came(envelope in texts()) {
            packed(&envelope);
        }

        #[test]
        fn garbage_is_no_reason_to_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), length in 0_i64..4096) {
            if let Some(envelope) = unpack(&bytes, Some(length)) {
                prop_assert_eq!(envelope.len(), usize::try_from(length).unwrap());
            }
        }
    }
}
