//! Sizes as flags accept them: `1GiB`, `64MiB`, `500MB`, or a plain number of bytes.

use bytesize::ByteSize;

/// Parses a size into bytes.
///
/// # Errors
/// A sentence that shows the form.
pub(super) fn bytes(text: &str) -> Result<u64, &'static str> {
    let size: Result<ByteSize, _> = text.parse();
    size.map(|size| size.as_u64()).map_err(|_| "a size looks like 1GiB, 64MiB or 500000")
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_parsed_with_or_without_a_unit() {
        assert_eq!(bytes("262144"), Ok(262_144));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("64 MiB"), Ok(64 << 20));
        assert_eq!(bytes("2GB"), Ok(2_000_000_000));
        for bad in ["", "GiB", "-1", "1 apple", "1e9999"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
