//! `cargo xtask soak`: the tests that take minutes. Their short forms are part of `cargo xtask test`.

use clap::ValueEnum;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;
use crate::steps::{api, images, load, rehearsal, server, site, tools};

/// What `cargo xtask soak` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which test.
    name: Name,
    /// How often it goes round: 20 times for nodes, 200 for power-loss and 3 for streams, unless said otherwise.
    #[arg(long)]
    rounds: Option<u32>,
    /// How long the flood lasts.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// How many live streams there are.
    #[arg(long, default_value_t = 10_000)]
    streams: u32,
}

/// The tests by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Three nodes, three brokers and a PostgreSQL, killed one after the other under load.
    Nodes,
    /// The power goes at so many moments of a run of 20,000 messages.
    PowerLoss,
    /// A flood from many networks, while people who know each other write.
    Flood,
    /// Thousands of live streams, cut all at once and coming back.
    Streams,
    /// Requests made up from the OpenAPI document.
    Api,
    /// The commands of README.md and deploy/README.md, run as they stand there: systemd, Compose, NATS, backup, restore.
    Docs,
    /// Both Dockerfiles, carried out step by step in a bare folder, and what they make started.
    Images,
}

/// Runs one of them, with what it prints.
///
/// # Errors
/// When it fails, or a tool is missing and cannot be installed.
pub(crate) fn soak(project: &Project, options: &Options) -> Result<(), Failure> {
    match options.name {
        Name::Nodes => of_the_server(project, "nodes::soak", options.rounds.unwrap_or(20)),
        Name::PowerLoss => of_the_server(project, "power::soak", options.rounds.unwrap_or(200)),
        Name::Flood => load::flood(project, options.seconds),
        Name::Streams => load::streams(project, options.streams, options.rounds.unwrap_or(3)),
        Name::Api => api::thoroughly(project),
        Name::Docs => {
            site::build(project)?;
            server::build(project)?;
            server::build_sigchains(project)?;
            rehearsal::walk(project)
        }
        Name::Images => images::build_and_start(project),
    }
}

/// One of the server's own tests, by its path in the test binary; ignored there unless asked for.
fn of_the_server(project: &Project, test: &str, rounds: u32) -> Result<(), Failure> {
    let (postgres, nats_server) = (tools::postgres()?, tools::nats_server(project)?);
    tools::strace()?;
    let mut cargo = project.cargo(&["test", "-p", "kez-chat-server", "--test", "server", "--"]);
    cargo.args([test, "--exact", "--ignored", "--nocapture"]);
    cargo.env("POSTGRES_BIN", postgres).env("NATS_SERVER", nats_server);
    cargo.env("KEZ_SOAK_ROUNDS", rounds.to_string()).run()
}
