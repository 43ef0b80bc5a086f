//! Timestamps in the protocol's format: RFC 3339 in UTC with `Z`, to the second.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The last second of the year 9999, the latest that RFC 3339 can express.
const LAST: u64 = 253_402_300_799;

/// Seconds since 1970-01-01T00:00:00Z. `2026-11-22T19:00:00Z` is the only valid spelling (RFC 3339, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The text is not a time in the protocol's only spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written like 2026-11-22T19:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The time `seconds` after the Unix epoch. Times after the year 9999 are clamped to its last second.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(if seconds > LAST { LAST } else { seconds })
    }

    /// Seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The absolute difference of two times in seconds.
    pub const fn abs_diff(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.0)).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed = humantime::parse_rfc3339(text).map_err(|_| InvalidTimestamp)?;
        let since = parsed.duration_since(UNIX_EPOCH).map_err(|_| InvalidTimestamp)?;
        let timestamp = Self(since.as_secs());
        // Only one spelling is valid: a text with a fraction or an offset does not round-trip.
        if timestamp.0 <= LAST && timestamp.to_string() == text {
            Ok(timestamp)
        } else {
            Err(InvalidTimestamp)
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_accepted() {
        let time: Timestamp = "2026-11-22T19:00:00Z".parse().unwrap();
        assert_eq!(time.unix(), 1_795_374_000);
        assert_eq!(time.to_string(), "2026-11-22T19:00:00Z");
        for other in [
            "2026-11-22T19:00:00.0Z",
            "2026-11-22 19:00:00Z",
            "2026-11-22T19:00:00+00:00",
            "2026-11-22T19:00:00z",
            "2026-11-22T19:00:00",
            "2026-11-22T19:00:60Z",
            "2026-02-30T19:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(other.parse::<Timestamp>(), Err(InvalidTimestamp), "{other:?}");
        }
    }

    #[test]
    fn times_in_the_far_future_are_printable() {
        assert_eq!(Timestamp::from_unix(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
