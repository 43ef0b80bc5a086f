//! The recovery phrase: the 32 seed bytes as BIP-39 *entropy*, 24 English words, with nothing else mixed in.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::identity::Seed;

/// How many words a recovery phrase has.
pub const WORDS: usize = 24;

/// Why a text is not a recovery phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum InvalidPhrase {
    /// The number of words is wrong.
    #[error("a recovery phrase has 24 words, this one has {0}")]
    WordCount(usize),
    /// The word at this position (counted from 1) is not in the list.
    #[error("word {0} is not in the list of recovery words")]
    UnknownWord(usize),
    /// The checksum does not match: a word or the order is wrong.
    #[error("these words do not belong together: check their spelling and order")]
    Checksum,
}

/// The English list of BIP-39, one word per line, in alphabetical order. The usual crate stores it as 2,048 pointers
/// and brings a second SHA-256, both of which a browser would have to download. So the list is here, and that crate is
/// the oracle in the tests.
const LIST: &str = include_str!("recovery_words.txt");
/// How many bits a word stands for.
const WORD_BITS: usize = 11;

/// The 24 words of a seed (BIP-39, English list): its 256 bits and the first byte of their SHA-256, 11 bits each.
pub fn words(seed: &Seed) -> Vec<&'static str> {
    let bits = with_checksum(seed.as_bytes());
    let index =
        |word: usize| (word * WORD_BITS..(word + 1) * WORD_BITS).fold(0, |n, at| n * 2 + bit(&bits, at));
    // Eleven bits always select a word, so no position is skipped.
    (0..WORDS).filter_map(|word| LIST.lines().nth(index(word))).collect()
}

/// Normalises a phrase that a user typed or pasted: lower case, one space between words, without numbers, commas,
/// quotes and invisible characters around them.
pub fn as_typed(text: &str) -> Zeroizing<String> {
    let mut words = Zeroizing::new(String::with_capacity(text.len()));
    for character in text.chars().filter(|character| !is_invisible(*character)) {
        if character.is_alphabetic() {
            words.push(character.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    let end = words.trim_end().len();
    words.truncate(end);
    words
}

/// Zero-width characters, which often come with text copied from web pages and documents.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The seed of 24 words, however they were typed: see [`as_typed`].
///
/// # Errors
/// [`InvalidPhrase`] says what is wrong with the words.
pub fn parse(text: &str) -> Result<Seed, InvalidPhrase> {
    let text = as_typed(text);
    let count = text.split_whitespace().count();
    if count != WORDS {
        return Err(InvalidPhrase::WordCount(count));
    }
    let mut bits = Zeroizing::new([0; 33]);
    for (position, word) in text.split_whitespace().enumerate() {
        let index = LIST.lines().position(|listed| listed.eq_ignore_ascii_case(word));
        let index = index.ok_or(InvalidPhrase::UnknownWord(position + 1))?;
        for at in 0..WORD_BITS {
            let set = (index >> (WORD_BITS - 1 - at)) & 1 == 1;
            let at = position * WORD_BITS + at;
            bits[at / 8] |= u8::from(set) << (7 - at % 8);
        }
    }
    let (entropy, _) = bits.split_first_chunk::<32>().ok_or(InvalidPhrase::Checksum)?;
    if *with_checksum(entropy) != *bits {
        return Err(InvalidPhrase::Checksum);
    }
    Ok(Seed::from_bytes(*entropy))
}

/// The entropy followed by its 8-bit checksum.
fn with_checksum(entropy: &[u8; 32]) -> Zeroizing<[u8; 33]> {
    let mut bytes = Zeroizing::new([0; 33]);
    bytes[..32].copy_from_slice(entropy);
    bytes[32] = Sha256::digest(entropy)[0];
    bytes
}

/// The bit at a position, counted from the most significant bit of the first byte.
fn bit(bytes: &[u8; 33], at: usize) -> usize {
    usize::from((bytes[at / 8] >> (7 - at % 8)) & 1)
}

#[cfg(test)]
mod tests {
    use bip39::{Language, Mnemonic};

    use super::*;

    #[test]
    fn says_which_word_is_wrong() {
        let phrase = words(&Seed::from_bytes([1; 32])).join(" ");
        assert_eq!(parse(&phrase).unwrap().as_bytes(), &[1; 32]);
        assert_eq!(
            parse(&format!("  {} ", phrase.to_uppercase().replace(' ', "\n"))).unwrap().as_bytes(),
            &[1; 32]
        );
        assert_eq!(parse("").unwrap_err(), InvalidPhrase::WordCount(0));
        assert_eq!(
            parse(&phrase.replacen("amount", "amuont", 1)).unwrap_err(),
            InvalidPhrase::UnknownWord(2)
        );
        assert_eq!(parse(&phrase.replacen("absurd", "zoo", 1)).unwrap_err(), InvalidPhrase::Checksum);
    }

    #[test]
    fn phrases_parse_as_people_write_and_copy_them() {
        let words = words(&Seed::from_bytes([1; 32]));
        let numbered = |separator: &str| -> String {
            let line = |(n, word): (usize, &&str)| format!("{}. {word}{separator}", n + 1);
            words.iter().enumerate().map(line).collect()
        };
        let phrase = words.join(" ");
        for typed in [
            numbered("\n"),
            numbered(", "),
            numbered("\u{a0}"),
            words.join(", "),
            words.join(","),
            format!("\u{201c}{phrase}\u{201d}."),
            format!("'{}'", words.join("' '")),
            format!("\u{feff}{}", words.join("\u{200b} ")),
            phrase.replace("abs", "abs\u{ad}"),
            format!("1){}", words.join("; 2)")),
        ] {
            assert_eq!(parse(&typed).unwrap().as_bytes(), &[1; 32], "{typed}");
        }
        assert_eq!(*as_typed(" 3) \u{201c}Zoo\u{201d}, "), "zoo");
        assert_eq!(parse(&format!("{phrase} zoo")).unwrap_err(), InvalidPhrase::WordCount(25));
    }

    #[test]
    fn the_bip39_crate_agrees() {
        for first in 0..=255 {
            let mut bytes: [u8; 32] = Sha256::digest([first]).into();
            bytes[0] = first;
            let seed = Seed::from_bytes(bytes);
            let theirs = Mnemonic::from_entropy_in(Language::English, &bytes).unwrap();
            assert_eq!(words(&seed), theirs.words().collect::<Vec<_>>());
            assert_eq!(parse(&theirs.to_string()).unwrap().as_bytes(), &bytes);
        }
        assert_eq!(LIST.lines().collect::<Vec<_>>(), Language::English.word_list());
    }

    #[test]
    fn a_changed_or_moved_word_is_accepted_only_if_the_checksum_matches() {
        let mut phrase = words(&Seed::from_bytes([9; 32]));
        for (at, word) in (0..WORDS).zip(LIST.lines().step_by(85)) {
            let right = std::mem::replace(&mut phrase[at], word);
            let text = phrase.join(" ");
            let theirs = Mnemonic::parse_in_normalized(Language::English, &text);
            assert_eq!(parse(&text).is_ok(), theirs.is_ok(), "{text}");
            phrase[at] = right;
        }
    }
}
