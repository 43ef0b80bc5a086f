//! The recovery phrase: the 32 seed bytes as BIP-39 *entropy*, 24 English words, and nothing else mixed in.

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use crate::identity::Seed;

/// How many words a recovery phrase has.
pub const WORDS: usize = 24;

/// Why a text is not a recovery phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhrase {
    /// It has another number of words.
    #[error("a recovery phrase has 24 words, this one has {0}")]
    WordCount(usize),
    /// The word at this position (counted from 1) is not in the list.
    #[error("word {0} is not in the list of recovery words")]
    UnknownWord(usize),
    /// The checksum does not match: a word is wrong, or the order is.
    #[error("these words do not belong together: check their spelling and order")]
    Checksum,
}

/// The 24 words of a seed (BIP-39, English list).
pub fn words(seed: &Seed) -> Vec<&'static str> {
    // 32 bytes are a length that BIP-39 knows, so the error does not occur; an empty list would show at once.
    Mnemonic::from_entropy_in(Language::English, seed.as_bytes())
        .map(|m| m.words().collect())
        .unwrap_or_default()
}

/// The seed that 24 words spell. Case and extra white space do not matter.
///
/// # Errors
/// [`InvalidPhrase`] says what is wrong with the words.
pub fn parse(text: &str) -> Result<Seed, InvalidPhrase> {
    let count = text.split_whitespace().count();
    if count != WORDS {
        return Err(InvalidPhrase::WordCount(count));
    }
    let mut normalized = Zeroizing::new(String::with_capacity(text.len()));
    for word in text.split_whitespace() {
        if !normalized.is_empty() {
            normalized.push(' ');
        }
        let lower = Zeroizing::new(word.to_ascii_lowercase());
        normalized.push_str(&lower);
    }
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &normalized).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => InvalidPhrase::UnknownWord(index + 1),
            _ => InvalidPhrase::Checksum,
        })?;
    let (mut entropy, length) = mnemonic.to_entropy_array();
    let seed = entropy.get(..length).and_then(|bytes| bytes.try_into().ok()).map(Seed::from_bytes);
    entropy.zeroize();
    seed.ok_or(InvalidPhrase::Checksum)
}

#[cfg(test)]
mod tests {
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
}
