//! The home server's binary: reads its flags, serves until it is told to stop.

use std::process::ExitCode;

use kez_chat_server::config::Config;
use kez_chat_server::store::sqlite::OpenError;
use kez_chat_server::{StartError, listener, log, run};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code for settings that cannot be.
const USAGE: u8 = 2;
/// The exit code for everything else that keeps the server from running.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    let config =
        match Config::from_process().and_then(|config| log::start(config.log_format).map(|()| config)) {
            Ok(config) => config,
            Err(sentence) => return fail(USAGE, &sentence),
        };
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => fail(code, &sentence),
    }
}

#[tokio::main]
async fn serve(config: Config) -> Result<(), (u8, String)> {
    let bind = config.bind;
    let failure = |what: String| (FAILURE, what);
    let listener =
        listener::bind(bind).map_err(|error| failure(format!("cannot listen on {bind}: {error}")))?;
    let shutdown = told_to_stop().map_err(|error| failure(format!("cannot listen to signals: {error}")))?;
    run(listener, config, shutdown).await.map_err(|error| match error {
        StartError::Database(OpenError::NewerSchema { .. }) => (USAGE, error.to_string()),
        _ => failure(error.to_string()),
    })?;
    tracing::info!("stopped");
    Ok(())
}

/// Returns on SIGTERM (the service manager) or SIGINT (the person at the terminal).
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// The log may not have started, and the person at the terminal reads standard error.
#[expect(clippy::print_stderr, reason = "the last words of a program that cannot run")]
fn fail(code: u8, sentence: &str) -> ExitCode {
    eprintln!("kez-chat-server: {sentence}");
    ExitCode::from(code)
}
