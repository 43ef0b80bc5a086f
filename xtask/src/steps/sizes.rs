//! What a browser must load before it can chat, and the budget for it.

use std::fmt;
use std::fs;
use std::path::Path;

use super::compress::with_ending;
use crate::failure::Failure;
use crate::project::{OUTPUT_NAME, Project};

/// The most bytes that module, glue code and style may have together, brotli-compressed.
const BUDGET: u64 = 350_000;
/// What is loaded first, by ending.
const FIRST_LOAD: [&str; 3] = ["wasm", "js", "css"];

/// The sizes of everything that the first visit loads.
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
    let pkg = project.site().join("pkg");
    FIRST_LOAD
        .iter()
        .map(|ending| Size::of(&pkg, &format!("{OUTPUT_NAME}.{ending}")))
        .collect::<Result<_, _>>()
        .map(Sizes)
}

/// Holds the built site to its budget.
///
/// # Errors
/// When it is over, or not built.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let sizes = measure(project)?;
    println!("{sizes}");
    if sizes.brotli() > BUDGET {
        Err(Failure::Broken(format!("the site is over its {BUDGET} bytes")))
    } else {
        Ok(())
    }
}

impl Sizes {
    fn brotli(&self) -> u64 {
        self.0.iter().map(|size| size.brotli).sum()
    }
}

impl Size {
    fn of(pkg: &Path, name: &str) -> Result<Self, Failure> {
        let file = pkg.join(name);
        let bytes = |path: &Path| fs::metadata(path).map(|file| file.len()).map_err(Failure::file(path));
        Ok(Self {
            name: name.to_owned(),
            raw: bytes(&file)?,
            gzip: bytes(&with_ending(&file, "gz"))?,
            brotli: bytes(&with_ending(&file, "br"))?,
        })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16} {:>10} {:>10} {:>10}  bytes", "", "raw", "gzip", "brotli")?;
        for size in &self.0 {
            writeln!(f, "{:<16} {:>10} {:>10} {:>10}", size.name, size.raw, size.gzip, size.brotli)?;
        }
        let (total, verdict) = (self.brotli(), if self.brotli() > BUDGET { "OVER" } else { "within" });
        write!(f, "{:<16} {:>32}  {verdict} the budget of {BUDGET}", "together", total)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_total_counts_compressed_bytes_and_says_when_it_is_over() {
        let size = |brotli| Size { name: "a.js".into(), raw: 9, gzip: 9, brotli };
        assert!(Sizes(vec![size(BUDGET - 1), size(1)]).to_string().contains("within the budget"));
        assert!(Sizes(vec![size(BUDGET), size(1)]).to_string().contains("OVER the budget"));
    }

    #[test]
    fn a_missing_twin_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.js"), "js").unwrap();
        let failure = Size::of(folder.path(), "a.js").err().unwrap();
        assert!(failure.to_string().contains("a.js.gz"));
    }
}
