//! Codes that people read and type: 100 bits as 20 characters of Crockford's base 32, in groups of five.

use std::fmt;

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The number of characters.
pub(crate) const LENGTH: usize = 20;
const GROUP: usize = 5;

/// The 20 characters. They may be secret: they are wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(Zeroizing<String>);

impl Code {
    /// A code from the lower five bits of each number; there must be [`LENGTH`] numbers.
    pub(crate) fn of_numbers(numbers: impl Iterator<Item = u8>) -> Self {
        let characters = numbers.filter_map(|number| ALPHABET.get(usize::from(number % 32)));
        Self(Zeroizing::new(characters.map(|character| char::from(*character)).collect()))
    }

    /// Parses a code in lower or upper case, with or without hyphens, with O, I and L for 0, 1 and 1. `None` for any
    /// other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut code = Zeroizing::new(String::with_capacity(LENGTH));
        for typed in text.trim().chars().filter(|character| *character != '-') {
            let character = match typed.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = u8::try_from(character).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !known || code.len() == LENGTH {
                return None;
            }
            code.push(character);
        }
        (code.len() == LENGTH).then_some(Self(code))
    }

    /// The 20 characters, without hyphens.
    pub(crate) fn characters(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, character) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}
