//! The web app in headless Chromium, driven by `end2end/measure/client.measure.ts`, which prints the figures.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Options;
use crate::failure::Failure;

/// A line of output of the measuring script.
struct Figure<'a> {
    name: &'a str,
    value: &'a str,
    unit: &'a str,
}

/// Has Playwright start the server and the browser, and prints a row for each figure as it arrives.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let beside = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
    let default = |file: &Option<PathBuf>, other: &str| file.clone().unwrap_or_else(|| beside.join(other));
    let mut playwright = Command::new("npx")
        .current_dir(&options.end2end)
        .args(["playwright", "test", "--project", "measure", "--workers", "1"])
        .env("KEZ_CHAT_SERVER_BINARY", default(&options.server_bin, "kez-chat-server").canonicalize()?)
        .env("KEZ_CHAT_WEB_DIR", default(&options.web_dir, "../site").canonicalize()?)
        .env("KEZ_MEASURE_HISTORY", options.history.to_string())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut log = String::new();
    if let Some(output) = playwright.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            match figure(&line) {
                Some(Figure { name, value, unit }) => println!("{name:<60} {value:>10} {unit}"),
                None => log.extend([line.as_str(), "\n"]),
            }
        }
    }
    if playwright.wait()?.success() {
        Ok(())
    } else {
        Err(Failure::protocol(format!("the browser's run failed:\n{log}")))
    }
}

fn figure(line: &str) -> Option<Figure<'_>> {
    let mut parts = line.strip_prefix("figure\t")?.split('\t');
    Some(Figure { name: parts.next()?, value: parts.next()?, unit: parts.next()? })
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_figure_parses_as_name_value_and_unit() {
        let found = figure("figure\tbytes\t12\tKiB").map(|figure| (figure.name, figure.value, figure.unit));
        assert_eq!(found, Some(("bytes", "12", "KiB")));
        assert!(figure("  ok 1 [measure] a test").is_none());
        assert!(figure("figure\tbytes").is_none());
    }
}
