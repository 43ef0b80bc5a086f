//! Fixed-length lower-case hexadecimal, the only spelling that this protocol accepts.

/// `bytes` in lower-case hexadecimal.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Decodes exactly `2 N` lower-case hexadecimal digits to `N` bytes. `None` for any other text.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    base16ct::lower::decode(text, &mut bytes).ok()?;
    Some(bytes)
}
