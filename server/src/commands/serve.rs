//! `kez-chat-server [serve]`: serves until a stop signal.

use std::process::ExitCode;

use clap::CommandFactory;

use super::CommandLine;
use super::report::{Failure, Output};
use crate::config::Config;
use crate::config::environment::unknown_variables;
use crate::edge::listener;
use crate::lifecycle::chat::run;
use crate::operations::stop::stop_signal;
use crate::operations::{log, open_files};

/// Runs the server. It writes nothing to standard output.
pub(super) fn serve(config: Config) -> ExitCode {
    let started = config
        .check()
        .map_err(Failure::usage)
        .and_then(|()| {
            log::start_with(config.log_format, config.operations.log_filter_file.as_deref(), "info")
                .map_err(Failure::usage)
        })
        .and_then(|()| tokio::runtime::Runtime::new().map_err(Failure::failed));
    match started.and_then(|runtime| runtime.block_on(until_stop_signal(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.print(Output { json: false }),
    }
}

async fn until_stop_signal(config: Config) -> Result<(), Failure> {
    for name in unknown_variables("KEZ_CHAT_", &CommandLine::command()) {
        tracing::warn!(name, "a variable is set, but there is no such setting");
    }
    open_files::raise();
    let bind = config.bind;
    let listener =
        listener::bind(bind).map_err(|error| Failure::failed(format!("cannot listen on {bind}: {error}")))?;
    let shutdown =
        stop_signal().map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
    run(listener, config, shutdown).await.map_err(|error| match error {
        error if error.is_wrong_setting() => Failure::usage(error),
        error => Failure::failed(error),
    })?;
    tracing::info!("stopped");
    Ok(())
}
