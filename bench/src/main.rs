//! The load generator: measures the server, and the client's cryptography, beside the limits of the same machine in
//! the same run. Loopback only, bounded in count and time. `docs/PERFORMANCE.md` says what the figures mean.

mod client;
mod connection;
mod database;
mod failure;
mod flood;
mod latency;
mod live_stream;
mod origin;
mod party;
mod people;
mod phases;
mod process;
mod report;
mod server;
mod streams;
mod target;
mod yardstick;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Load generator of KEZ Chat.
#[derive(Debug, Parser)]
#[command(name = "kez-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Puts a server that it starts itself under load: store, drain, live, idle, limits.
    Server(server::Options),
    /// Times how fast a client opens the messages that it catches up with.
    Client(client::Options),
    /// Floods a server that it starts itself, and sees whether people who know each other notice.
    Flood(flood::Options),
    /// Holds thousands of live streams of a server that it starts itself, cuts them all at once, and sees them come back.
    Streams(streams::Options),
    /// The bare handlers that the server is compared with.
    #[command(hide = true)]
    Yardstick(yardstick::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("kez-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Server(options) => server::run(&options).await,
        Command::Client(options) => client::run(&options),
        Command::Flood(options) => flood::run(&options).await,
        Command::Streams(options) => streams::run(&options).await,
        Command::Yardstick(options) => yardstick::run(&options).await,
    }
}
