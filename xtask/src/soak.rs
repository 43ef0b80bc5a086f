//! `cargo xtask soak`: the tests that take minutes. Their short forms are part of `cargo xtask test`.

use clap::ValueEnum;

use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;
use crate::steps::{api, load, rehearsal, server, site, tests, tools};

/// The options of `cargo xtask soak`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The test to run.
    name: Name,
    /// The number of rounds. By default 20 for nodes, 200 for power-loss and mls-interop, 1,000 for groups, and 3 for
    /// streams.
    #[arg(long)]
    rounds: Option<u32>,
    /// The duration of the flood.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// The number of live streams.
    #[arg(long, default_value_t = 10_000)]
    streams: u32,
}

/// The tests by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Three nodes, three brokers and a PostgreSQL, killed in turn under load.
    Nodes,
    /// Power loss at that many moments of a run of 20,000 messages.
    PowerLoss,
    /// A flood from many networks, while users who know each other write.
    Flood,
    /// Thousands of live streams that are all cut at once and reconnect.
    Streams,
    /// Requests generated from the OpenAPI document.
    Api,
    /// Eight members of a group that commit at once, round after round; then 50 members with 200 commits.
    Groups,
    /// Our MLS engine and openmls in the same groups, for that many random steps.
    MlsInterop,
    /// The commands of README.md and deploy/README.md, exactly as documented: systemd, Compose, NATS, backup, restore.
    Docs,
}

/// Runs the test and shows its output.
///
/// # Errors
/// When the test fails, or a tool is missing and cannot be installed.
pub(crate) fn soak(project: &Project, options: &Options) -> Result<(), Failure> {
    match options.name {
        Name::Nodes => of_the_server(project, "nodes::soak", options.rounds.unwrap_or(20)),
        Name::PowerLoss => of_the_server(project, "power::soak", options.rounds.unwrap_or(200)),
        Name::Groups => of_the_server(project, "groups::races::soak", options.rounds.unwrap_or(1_000)),
        Name::Flood => load::flood(project, options.seconds),
        Name::Streams => load::streams(project, options.streams, options.rounds.unwrap_or(3)),
        Name::Api => api::thoroughly(project),
        Name::MlsInterop => tests::mls_interop(project, options.rounds.unwrap_or(200)),
        Name::Docs => {
            site::build(project)?;
            server::build(project)?;
            server::build_sigchains(project)?;
            rehearsal::walk(project)
        }
    }
}

/// One of the server's own tests, by its path in the test binary. It is ignored there by default.
fn of_the_server(project: &Project, test: &str, rounds: u32) -> Result<(), Failure> {
    let (postgres, nats_server) = (tools::postgres()?, tools::nats_server(project)?);
    tools::strace()?;
    let mut cargo = project.cargo(&["test", "-p", "kez-chat-server", "--test", "server", "--"]);
    cargo.args([test, "--exact", "--ignored", "--nocapture"]);
    cargo.env("POSTGRES_BIN", postgres).env("NATS_SERVER", nats_server);
    cargo.env("KEZ_SOAK_ROUNDS", rounds.to_string()).run()
}
