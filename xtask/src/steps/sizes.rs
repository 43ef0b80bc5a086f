//! The sizes of everything that the browser loads. The browser tests enforce the budgets
//! (`end2end/tests/app/first_visit.spec.ts`).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::compress::with_ending;
use super::engine;
use super::files::files;
use super::site::NATS_SCRIPT;
use crate::failure::Failure;
use crate::project::Project;

/// The extensions of code and style sheets.
const CODE: [&str; 3] = ["css", "js", "wasm"];

/// The sizes of all files that every browser loads.
pub(crate) struct Sizes(Vec<Size>);

struct Size {
    name: String,
    raw: u64,
    gzip: u64,
    brotli: u64,
}

/// Measures the built site.
///
/// # Errors
/// When a file is missing.
pub(crate) fn measure(project: &Project) -> Result<Sizes, Failure> {
    let site = project.site();
    let counts = |file: &PathBuf| {
        let code = file.extension().is_some_and(|ending| CODE.iter().any(|code| ending == *code));
        code && ![NATS_SCRIPT, engine::LOADER, engine::MODULE].iter().any(|later| file.ends_with(later))
    };
    let mut loaded: Vec<_> = files(&site)?.into_iter().filter(counts).collect();
    loaded.sort();
    loaded.iter().map(|file| Size::of(&site, file)).collect::<Result<_, _>>().map(Sizes)
}

impl Sizes {
    fn brotli(&self) -> u64 {
        self.0.iter().map(|size| size.brotli).sum()
    }
}

impl Size {
    fn of(site: &Path, file: &Path) -> Result<Self, Failure> {
        let bytes = |path: &Path| fs::metadata(path).map(|file| file.len()).map_err(Failure::file(path));
        Ok(Self {
            name: file.strip_prefix(site).unwrap_or(file).display().to_string(),
            raw: bytes(file)?,
            gzip: bytes(&with_ending(file, "gz"))?,
            brotli: bytes(&with_ending(file, "br"))?,
        })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>10} {:>10} {:>10}  bytes", "", "raw", "gzip", "brotli")?;
        for size in &self.0 {
            writeln!(f, "{:<28} {:>10} {:>10} {:>10}", size.name, size.raw, size.gzip, size.brotli)?;
        }
        write!(f, "{:<28} {:>32}", "together", self.brotli())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_total_counts_compressed_bytes() {
        let size = |brotli| Size { name: "a.js".into(), raw: 9, gzip: 9, brotli };
        assert!(Sizes(vec![size(40), size(2)]).to_string().ends_with(" 42"));
    }

    #[test]
    fn a_missing_compressed_file_is_named() {
        let folder = Scratch::new("missing_twin");
        fs::write(folder.path().join("a.js"), "js").unwrap();
        let failure = Size::of(folder.path(), &folder.path().join("a.js")).err().unwrap();
        assert!(failure.to_string().contains("a.js.gz"));
    }
}
