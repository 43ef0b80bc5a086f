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
    /// How often it goes round.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
}

/// The tests by name.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Three nodes, three brokers and a PostgreSQL, killed one after the other under load.
    Nodes,
}

impl Name {
    /// The path of the test in the server's test binary; ignored there unless asked for.
    const fn test(self) -> &'static str {
        match self {
            Self::Nodes => "nodes::soak",
        }
    }
}

/// Runs one of them, with what it prints.
///
/// # Errors
/// When it fails, or a tool is missing and cannot be installed.
pub(crate) fn soak(project: &Project, options: &Options) -> Result<(), Failure> {
    let (postgres, nats_server) = (tools::postgres()?, tools::nats_server(project)?);
    let test = options.name.test();
    project
        .cargo(&[
            "test",
            "-p",
            "kez-chat-server",
            "--test",
            "server",
            "--",
            test,
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("POSTGRES_BIN", postgres)
        .env("NATS_SERVER", nats_server)
        .env("KEZ_SOAK_ROUNDS", options.rounds.to_string())
        .run()
}
