//! The server under a flood, and with thousands of live streams: the load generator does it, and judges.

use std::process::Command;

use super::server;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Seconds of a flood, and some hundred streams that are cut once. Times are not judged: a machine that runs checks has
/// other things to do. The server is the release build, which an earlier step made.
///
/// # Errors
/// When the server does not keep what it promises.
pub(crate) fn brief(project: &Project) -> Result<(), Failure> {
    project.cargo(&["build", "-p", "kez-bench"]).run()?;
    for load in [
        "flood --brief --seconds 6 --pairs 4 --networks 20 --stalled 50",
        "streams --brief --streams 300 --rounds 1",
    ] {
        generator(project, "debug", load).run()?;
    }
    Ok(())
}

/// A flood that lasts, and what people who know each other notice of it.
///
/// # Errors
/// When they notice too much, or the disk grows beyond the quotas.
pub(crate) fn flood(project: &Project, seconds: u64) -> Result<(), Failure> {
    build(project)?;
    let mut flood = generator(project, "release", &format!("flood --seconds {seconds}"));
    if project.site().is_dir() {
        flood.arg("--web-dir").arg(project.site());
    }
    flood.run()
}

/// Live streams of so many people, cut so often.
///
/// # Errors
/// When somebody does not come back, a message does not arrive, others are not served, or memory grows.
pub(crate) fn streams(project: &Project, streams: u32, rounds: u32) -> Result<(), Failure> {
    build(project)?;
    generator(project, "release", &format!("streams --streams {streams} --rounds {rounds}")).run()
}

fn build(project: &Project) -> Result<(), Failure> {
    server::build(project)?;
    project.cargo(&["build", "--release", "-p", "kez-bench"]).run()
}

/// The generator, which starts the server by itself.
fn generator(project: &Project, profile: &str, load: &str) -> Command {
    let mut command = Command::new(project.program(profile, "kez-bench"));
    command.args(load.split(' ')).arg("--server-bin").arg(project.server());
    command
}
