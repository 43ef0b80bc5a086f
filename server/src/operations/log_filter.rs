//! The log filter: `RUST_LOG`, or a file in the same syntax that can be read again while the server runs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

/// Libraries that log headers or frames at their lowest levels. These directives always apply, whatever the filter
/// says.
const HUSHED: [&str; 5] =
    ["async_nats=warn", "hyper=info", "hyper_util=info", "tungstenite=info", "sqlx=warn"];

/// The source of the filter, and the handle to replace it. A process has one log.
static STARTED: OnceLock<Started> = OnceLock::new();

type Replace = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

struct Started {
    file: Option<PathBuf>,
    replace: Replace,
}

/// The filter at startup: from the file if there is one, else from `RUST_LOG`, else `level`.
///
/// # Errors
/// A sentence that names the invalid part.
pub(crate) fn initial(file: Option<&Path>, level: &str) -> Result<EnvFilter, String> {
    match file {
        Some(file) => of_file(file),
        None => {
            let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| level.to_owned());
            parse(EnvFilter::DEFAULT_ENV, &wanted)
        }
    }
}

/// Stores what [`reload`] needs. Only the first log of a process counts.
pub(crate) fn keep(file: Option<&Path>, replace: Replace) {
    let _ = STARTED.set(Started { file: file.map(Path::to_owned), replace });
}

/// Reads the file again, if there is one. An invalid file changes nothing.
///
/// # Errors
/// A sentence that names the invalid part.
pub fn reload() -> Result<(), String> {
    match STARTED.get() {
        Some(Started { file: Some(file), replace }) => replace(of_file(file)?),
        _ => Ok(()),
    }
}

fn of_file(file: &Path) -> Result<EnvFilter, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("--log-filter-file {}: {error}", file.display()))?;
    parse("--log-filter-file", text.trim())
}

fn parse(source: &str, wanted: &str) -> Result<EnvFilter, String> {
    // A directive for a module of such a library would take precedence over the one for the library.
    let is_about_a_part = |directive: &str| {
        let libraries = HUSHED.iter().filter_map(|hushed| hushed.split_once('='));
        let mut parts = libraries.filter_map(|(library, _)| directive.trim().strip_prefix(library));
        parts.any(|part| part.starts_with("::"))
    };
    let kept: Vec<&str> = wanted.split(',').filter(|directive| !is_about_a_part(directive)).collect();
    let mut filter =
        EnvFilter::try_new(kept.join(",")).map_err(|error| format!("{source} cannot be read: {error}"))?;
    for directive in HUSHED {
        filter = filter.add_directive(directive.parse().map_err(|error| format!("{directive}: {error}"))?);
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_file_is_parsed_and_errors_are_reported() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("filter");
        std::fs::write(&file, "warn\n").unwrap();
        assert!(initial(Some(&file), "info").unwrap().to_string().contains("warn"));
        std::fs::write(&file, "kez=nonsense").unwrap();
        assert!(initial(Some(&file), "info").unwrap_err().contains("--log-filter-file"));
        std::fs::write(&file, "info, tungstenite::protocol=trace,hyper=trace,kez_chat_server::x=debug")
            .unwrap();
        let filter = initial(Some(&file), "info").unwrap().to_string();
        assert!(
            filter.contains("tungstenite=info") && filter.contains("kez_chat_server::x=debug"),
            "{filter}"
        );
        assert!(!filter.contains("protocol") && !filter.contains("hyper=trace"), "{filter}");
        assert!(initial(Some(Path::new("/nowhere")), "info").unwrap_err().contains("/nowhere"));
    }
}
