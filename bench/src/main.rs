//! The load generator. It measures the server, and the client's cryptography, next to the limits of the same machine in
//! the same run. It uses the loopback network only, and is bounded in count and time. `docs/PERFORMANCE.md` explains
//! the figures.

mod client;
mod connection;
mod database;
mod failure;
mod flood;
mod groups;
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
    /// Starts a server and puts it under load: store, drain, live, idle, limits.
    Server(server::Options),
    /// Times how fast a client opens the messages of a backlog.
    Client(client::Options),
    /// Starts a server and compares messages and commits in groups with messages from one person to another.
    Groups(groups::Options),
    /// Starts a server and floods it, and checks whether users who know each other are affected.
    Flood(flood::Options),
    /// Starts a server with thousands of live streams, cuts them all at once, and checks that they reconnect.
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
        Command::Groups(options) => groups::run(&options).await,
        Command::Flood(options) => flood::run(&options).await,
        Command::Streams(options) => streams::run(&options).await,
        Command::Yardstick(options) => yardstick::run(&options).await,
    }
}
