//! Canonical JSON (RFC 8785, JCS), the bytes that are signed and hashed, and the matching strict parser.
//!
//! Existing crates write every number as a double with lookup tables of their own, which a browser would have to
//! download. So this is our own implementation; one of those crates is the oracle in the tests.

use std::fmt;

use serde::Serialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

mod write;

/// The deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 16;

/// The largest integer that every JSON parser keeps exact (RFC 8785, appendix D): 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The value has no canonical form: a map key that is not a string, or a number that JSON cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value has no canonical JSON form")]
pub struct NotCanonical;

/// The text is not JSON as this protocol accepts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON: {0}")]
pub struct MalformedJson(String);

/// The numbers that the parser accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Integers of magnitude up to 2^53 - 1: the only numbers allowed in a signed object.
    IntegersOnly,
    /// Any JSON number: for plaintexts of kinds that this version does not know.
    Any,
}

/// The canonical bytes of a value (RFC 8785).
///
/// # Errors
/// [`NotCanonical`] when serde cannot express the value as JSON.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    Ok(text(&serde_json::to_value(value).map_err(|_| NotCanonical)?).into_bytes())
}

/// The canonical text of a value (RFC 8785).
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write::value(value, &mut text);
    text
}

/// The canonical text of an object (RFC 8785).
pub fn object_text(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    write::object(fields, &mut text);
    text
}

/// Parses one JSON value strictly: no trailing data, no duplicate key at any depth, at most [`MAX_DEPTH`] levels.
///
/// # Errors
/// [`MalformedJson`] with a sentence for the sender's developer.
pub fn parse(bytes: &[u8], numbers: Numbers) -> Result<Value, MalformedJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0, numbers }.deserialize(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(value)
}

fn malformed(error: serde_json::Error) -> MalformedJson {
    MalformedJson(error.to_string())
}

impl MalformedJson {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
    numbers: Numbers,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested more than 16 levels deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn integer<E: de::Error>(self, magnitude: u64, number: Number) -> Result<Value, E> {
        if self.numbers == Numbers::IntegersOnly && magnitude > MAX_INTEGER {
            return Err(E::custom("an integer beyond 2^53 - 1"));
        }
        Ok(Value::Number(number))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.integer(value, value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.integer(value.unsigned_abs(), value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match (self.numbers, Number::from_f64(value)) {
            (Numbers::Any, Some(number)) => Ok(Value::Number(number)),
            _ => Err(E::custom("a number that is no integer")),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom("a key stands twice in one object"));
            }
            let value = entries.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_json_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"b":{"a":1,"\u0061":2}}"#,
            "1.5",
            "1e3",
            "-0",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551616",
            "{} {}",
            "[1,]",
            "\u{feff}{}",
            r#""\ud800""#,
            "NaN",
            "",
        ] {
            assert!(parse(text.as_bytes(), Numbers::IntegersOnly).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"", Numbers::IntegersOnly).is_err());
        assert!(parse(b"9007199254740991", Numbers::IntegersOnly).is_ok());
        assert!(parse(b"1.5", Numbers::Any).is_ok());
    }

    #[test]
    fn nesting_is_limited_to_sixteen_levels() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(16).as_bytes(), Numbers::IntegersOnly).is_ok());
        assert!(parse(nested(17).as_bytes(), Numbers::IntegersOnly).is_err());
        assert!(parse(nested(100_000).as_bytes(), Numbers::IntegersOnly).is_err());
    }
}
