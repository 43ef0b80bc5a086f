//! Compressed representations (RFC 9110, section 8.4).

use std::io::Write;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::write::GzEncoder;

/// How the bytes of an answer are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// In order of preference.
    pub(super) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// The value of `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The extension of a precompressed file's name.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gz",
        }
    }

    /// Compresses; `None` when that fails or saves nothing.
    pub(super) fn compress(self, plain: &[u8]) -> Option<Bytes> {
        let mut out = Vec::with_capacity(plain.len() / 2);
        match self {
            Self::Brotli => brotli::CompressorWriter::new(&mut out, 4096, 9, 20).write_all(plain).ok()?,
            Self::Gzip => {
                let mut writer = GzEncoder::new(&mut out, flate2::Compression::default());
                writer.write_all(plain).ok()?;
                writer.finish().ok()?;
            }
        }
        (out.len() < plain.len()).then(|| Bytes::from(out))
    }

    /// Whether a request accepts it. Weights are not compared: any encoding not refused with `q=0` is acceptable.
    pub(super) fn is_accepted(self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|offer| self.is_offered_by(offer))
    }

    fn is_offered_by(self, offer: &str) -> bool {
        let mut parts = offer.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(self.name()));
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|weight| weight.parse().is_ok_and(|weight: f32| weight == 0.0))
        });
        named && !refused
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::Encoding;

    fn accepts(value: &'static str) -> Vec<Encoding> {
        let headers: HeaderMap =
            [(axum::http::header::ACCEPT_ENCODING, axum::http::HeaderValue::from_static(value))]
                .into_iter()
                .collect();
        Encoding::ALL.into_iter().filter(|encoding| encoding.is_accepted(&headers)).collect()
    }

    #[test]
    fn an_encoding_is_accepted_if_named_and_not_refused() {
        assert_eq!(accepts("gzip, deflate, br;q=0.9, zstd"), Encoding::ALL);
        assert_eq!(accepts("GZIP"), [Encoding::Gzip]);
        assert_eq!(accepts("br;q=0, gzip; q=0.0"), []);
        assert_eq!(accepts("brother"), []);
        assert_eq!(accepts(""), []);
    }

    #[test]
    fn incompressible_content_is_left_plain() {
        assert!(Encoding::Brotli.compress(&[7; 1000]).is_some());
        assert!(Encoding::Gzip.compress(b"x").is_none());
    }
}
