//! The sigchain server's binary: reads its flags and serves until a stop signal.

use std::io::{self, Write as _};
use std::process::ExitCode;

use kez_chat_server::config::sig_server::SigConfig;
use kez_chat_server::edge::listener;
use kez_chat_server::lifecycle::sig;
use kez_chat_server::operations::{log, open_files, stop};
use kez_chat_server::{StartError, files};

/// The exit code for invalid settings.
const USAGE: u8 = 2;
/// The exit code for every other failure.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    files::create_for_owner_only();
    let config =
        match SigConfig::from_process().and_then(|config| log::start(config.log_format).map(|()| config)) {
            Ok(config) => config,
            Err(sentence) => return fail(USAGE, &sentence),
        };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StopReason { code, sentence }) => fail(code, &sentence),
    }
}

/// Why the server does not run, and the matching exit code.
struct StopReason {
    code: u8,
    sentence: String,
}

impl From<String> for StopReason {
    fn from(sentence: String) -> Self {
        Self { code: FAILURE, sentence }
    }
}

impl From<StartError> for StopReason {
    fn from(error: StartError) -> Self {
        let code = if error.is_wrong_setting() { USAGE } else { FAILURE };
        Self { code, sentence: error.to_string() }
    }
}

#[tokio::main]
async fn serve(config: SigConfig) -> Result<(), StopReason> {
    open_files::raise();
    let bind = config.bind;
    let listener = listener::bind(bind).map_err(|error| format!("cannot listen on {bind}: {error}"))?;
    let shutdown = stop::stop_signal().map_err(|error| format!("cannot listen to signals: {error}"))?;
    sig::run(listener, config, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The log may not have started, and the person at the terminal reads standard error.
fn fail(code: u8, sentence: &str) -> ExitCode {
    // If standard error is closed, the exit code still reports the failure.
    let _ = writeln!(io::stderr(), "kez-sig-server: {sentence}");
    ExitCode::from(code)
}
