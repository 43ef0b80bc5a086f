//! The safety number: sixty digits that two users compare to detect a swapped key.

use sha2::{Digest, Sha512};

use crate::identity::Primary;

/// Twelve groups of five digits, separated by spaces, the same on both sides.
///
/// h = SHA-512("kez-safety-number-v1\n" A "\n" B "\n") with the two primaries sorted as text; group i is bytes 5i..5i+5
/// of h as a big-endian number, modulo 100,000.
pub fn safety_number(one: &Primary, other: &Primary) -> String {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    let hash = Sha512::digest(format!("kez-safety-number-v1\n{first}\n{second}\n"));
    let groups: Vec<String> =
        hash.chunks_exact(5).take(12).map(|bytes| format!("{:05}", group(bytes))).collect();
    groups.join(" ")
}

fn group(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) % 100_000
}
