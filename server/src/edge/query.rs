//! Strict parsing of queries: two parsers must never understand the same URL differently.

use kez_core::api::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS};
use kez_core::inbox_auth::canonical_number;

use crate::edge::error::ApiError;

/// Parses numbers from a raw query. Each name occurs at most once, no other name is allowed, and every number is in its
/// canonical spelling.
///
/// # Errors
/// 400 `malformed` with the reason.
pub fn numbers<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<u64>; N], ApiError> {
    let mut found = [None; N];
    for pair in query.unwrap_or_default().split('&').filter(|_| query.is_some_and(|query| !query.is_empty()))
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = names.iter().position(|known| *known == name);
        let slot = place.and_then(|place| found.get_mut(place));
        let slot = slot.ok_or_else(|| ApiError::malformed("the query has an unknown parameter"))?;
        let number = canonical_number(value).ok_or_else(|| {
            ApiError::malformed(
                "a parameter is not a number from 0 to 2^53 - 1 without sign and leading zeros",
            )
        })?;
        if slot.replace(number).is_some() {
            return Err(ApiError::malformed("the query has a parameter twice"));
        }
    }
    Ok(found)
}

/// The `since` and `limit` of a request for a page: the cursor, 0 when absent, and the most items, 100 when absent.
///
/// # Errors
/// 400 `malformed` with the reason.
pub fn cursor_and_limit(query: Option<&str>) -> Result<(u64, u64), ApiError> {
    let [since, limit] = numbers(query, ["since", "limit"])?;
    let limit = limit.unwrap_or(DEFAULT_PAGE_ITEMS);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::malformed("limit must be from 1 to 1000"));
    }
    Ok((since.unwrap_or(0), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_accepted() {
        let read = |query| numbers(Some(query), ["since", "limit"]).ok();
        assert_eq!(numbers(None, ["since", "limit"]).ok(), Some([None, None]));
        assert_eq!(read(""), Some([None, None]));
        assert_eq!(read("limit=5&since=0"), Some([Some(0), Some(5)]));
        for refused in [
            "since=1&since=1",
            "since=01",
            "since=+1",
            "since=%31",
            "since=-1",
            "since=",
            "since",
            "Since=1",
            "x=1",
            "since=1&",
            "since=9007199254740992",
            "since=1;limit=1",
            "since=1e3",
            "since=1#",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
