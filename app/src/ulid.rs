//! Message ids made in the page: ULIDs (48 bits of Unix milliseconds, 80 random bits, Crockford base 32). With the id
//! made here, a press that is reported twice is still one message.

use leptos::prelude::window;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new id, or `None` in a browser without a random source. Browser only.
pub(crate) fn new_ulid() -> Option<String> {
    let mut random = [0; 10];
    window().crypto().ok()?.get_random_values_with_u8_array(&mut random).ok()?;
    Some(ulid(js_sys::Date::now() as u64, random))
}

/// The 26 characters of a ULID: the first ten hold the milliseconds, sixteen the random bytes.
fn ulid(unix_ms: u64, random: [u8; 10]) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    let number = u128::from_be_bytes(bytes);
    (0..26).rev().map(|place| char::from(ALPHABET[(number >> (place * 5)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::ulid;

    #[test]
    fn ulids_cover_the_whole_range() {
        assert_eq!(ulid(0, [0; 10]), "00000000000000000000000000");
        assert_eq!(ulid((1 << 48) - 1, [0xff; 10]), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    }

    #[test]
    fn a_ulid_starts_with_the_time() {
        // The example time of the ULID specification.
        assert_eq!(&ulid(1_469_918_176_385, [0; 10])[..10], "01ARYZ6S41");
    }
}
