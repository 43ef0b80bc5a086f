//! What a browser must load before it can chat, and the budget for it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::compress::with_ending;
use super::files::files;
use super::site::{LATER, NATS_SCRIPT};
use crate::failure::Failure;
use crate::project::Project;

/// What module, scripts and style may have together at most, brotli-compressed.
const BUDGET: u64 = 350_000;
/// The endings of what is loaded first.
const FIRST_LOAD: [&str; 3] = ["css", "js", "wasm"];

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
    let site = project.site();
    let first = |file: &PathBuf| {
        let later = [NATS_SCRIPT, LATER].iter().any(|later| file.to_string_lossy().ends_with(later));
        !later && file.extension().is_some_and(|ending| FIRST_LOAD.iter().any(|first| ending == *first))
    };
    let mut loaded: Vec<_> = files(&site)?.into_iter().filter(first).collect();
    loaded.sort();
    loaded.iter().map(|file| Size::of(&site, file)).collect::<Result<_, _>>().map(Sizes)
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
        writeln!(f, "{:<20} {:>10} {:>10} {:>10}  bytes", "", "raw", "gzip", "brotli")?;
        for size in &self.0 {
            writeln!(f, "{:<20} {:>10} {:>10} {:>10}", size.name, size.raw, size.gzip, size.brotli)?;
        }
        let (total, verdict) = (self.brotli(), if self.brotli() > BUDGET { "OVER" } else { "within" });
        write!(f, "{:<20} {:>32}  {verdict} the budget of {BUDGET}", "together", total)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_total_counts_compressed_bytes_and_says_when_it_is_over() {
        let size = |brotli| Size { name: "a.js".into(), raw: 9, gzip: 9, brotli };
        assert!(Sizes(vec![size(BUDGET - 1), size(1)]).to_string().contains("within the budget"));
        assert!(Sizes(vec![size(BUDGET), size(1)]).to_string().contains("OVER the budget"));
    }

    #[test]
    fn a_missing_twin_is_named() {
        let folder = Scratch::new("missing_twin");
        fs::write(folder.path().join("a.js"), "js").unwrap();
        let failure = Size::of(folder.path(), &folder.path().join("a.js")).err().unwrap();
        assert!(failure.to_string().contains("a.js.gz"));
    }
}
