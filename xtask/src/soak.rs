//! `cargo xtask soak`: the tests that take minutes. Their short forms are part of `cargo xtask test`.

use clap::ValueEnum;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;
use crate::steps::tools;

/// What `cargo xtask soak` takes.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which test.
    name: Name,
    /// How often it goes round: 20 times for nodes and 200 for power-loss, unless said otherwise.
    #[arg(long)]
    rounds: Option<u32>,
}

/// The tests by name.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Three nodes, three brokers and a PostgreSQL, killed one after the other under load.
    Nodes,
    /// The power goes at so many moments of a run of 20,000 messages.
    PowerLoss,
}

impl Name {
    /// The path of the test in the server's test binary; ignored there unless asked for.
    const fn test(self) -> &'static str {
        match self {
            Self::Nodes => "nodes::soak",
            Self::PowerLoss => "power::soak",
        }
    }
}

/// Runs one of them, with what it prints.
///
/// # Errors
/// When it fails, or a tool is missing and cannot be installed.
pub(crate) fn soak(project: &Project, options: &Options) -> Result<(), Failure> {
    let (postgres, nats_server) = (tools::postgres()?, tools::nats_server(project)?);
    tools::strace()?;
    let mut cargo = project.cargo(&["test", "-p", "kez-chat-server", "--test", "server", "--"]);
    cargo.args([options.name.test(), "--exact", "--ignored", "--nocapture"]);
    cargo.env("POSTGRES_BIN", postgres).env("NATS_SERVER", nats_server);
    if let Some(rounds) = options.rounds {
        cargo.env("KEZ_SOAK_ROUNDS", rounds.to_string());
    }
    cargo.run()
}
