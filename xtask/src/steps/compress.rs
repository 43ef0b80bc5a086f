//! Compressed copies beside every compressible file: brotli at its highest quality (RFC 7932) and gzip (RFC 1952).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::failure::Failure;

/// The extensions of text and code files. Images and fonts are already compressed by their formats.
const COMPRESSIBLE: [&str; 10] =
    ["css", "html", "ico", "js", "json", "map", "svg", "txt", "wasm", "webmanifest"];

/// Writes `<file>.br` and `<file>.gz`, unless the file is of an incompressible type.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn precompress(file: &Path) -> Result<(), Failure> {
    if !file.extension().is_some_and(|ending| COMPRESSIBLE.iter().any(|known| ending == *known)) {
        return Ok(());
    }
    let content = fs::read(file).map_err(Failure::file(file))?;
    write(&with_ending(file, "br"), brotli(&content))?;
    write(&with_ending(file, "gz"), gzip(&content))
}

/// The name of a file's compressed copy.
pub(crate) fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn write(path: &Path, content: io::Result<Vec<u8>>) -> Result<(), Failure> {
    content.and_then(|content| fs::write(path, content)).map_err(Failure::file(path))
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let best = BrotliEncoderParams { quality: 11, lgwin: 24, size_hint: content.len(), ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &best)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn compressed_files_decompress_to_the_same_bytes() {
        let folder = Scratch::new("twins");
        let file = folder.path().join("main.css");
        let content = "p { color: red }\n".repeat(100);
        fs::write(&file, &content).unwrap();
        precompress(&file).unwrap();

        let mut from_gzip = String::new();
        let gz = fs::read(folder.path().join("main.css.gz")).unwrap();
        flate2::read::GzDecoder::new(&gz[..]).read_to_string(&mut from_gzip).unwrap();
        assert_eq!(from_gzip, content);

        let mut from_brotli = Vec::new();
        let br = fs::read(folder.path().join("main.css.br")).unwrap();
        brotli::BrotliDecompress(&mut &br[..], &mut from_brotli).unwrap();
        assert_eq!(from_brotli, content.as_bytes());
        assert!(br.len() < content.len());
    }

    #[test]
    fn images_are_not_precompressed() {
        let folder = Scratch::new("image");
        let file = folder.path().join("shot.png");
        fs::write(&file, "png").unwrap();
        precompress(&file).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
