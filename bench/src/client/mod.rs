//! `kez-bench client`: measures the client, natively and in a headless browser.

mod browser;
mod native;

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// The settings of the run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many messages the native client opens.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    messages: u32,
    /// The longest history in the browser, in messages.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(200..=200_000))]
    history: u32,
    /// Skips the browser.
    #[arg(long)]
    native_only: bool,
    /// The server's release binary [default: beside this program]
    #[arg(long, value_name = "FILE")]
    server_bin: Option<PathBuf>,
    /// The built web app [default: site, beside the folder of this program]
    #[arg(long, value_name = "DIRECTORY")]
    web_dir: Option<PathBuf>,
    /// The folder of the browser tests, with its packages installed.
    #[arg(long, value_name = "DIRECTORY", default_value = "end2end")]
    end2end: PathBuf,
}

/// Runs both parts.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    native::run(options.messages)?;
    if options.native_only { Ok(()) } else { browser::run(options) }
}
