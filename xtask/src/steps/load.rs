//! The server under a flood, and with thousands of live streams. The load generator produces the load and judges the results.

use std::process::Command;

use super::{server, tests};
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// A flood of seconds, and some hundred streams that are cut once. Times are not judged, since a machine that runs
/// checks is busy with other work. The server is the release build of an earlier step.
///
/// # Errors
/// When the server breaks one of its promises.
pub(crate) fn brief(project: &Project) -> Result<(), Failure> {
    // With the packages of the step `tests`: features are per build, so another set of packages would compile most
    // dependencies again.
    let same = [&["build", "--bin", "kez-bench", "--tests"], &tests::NATIVE[..]].concat();
    project.cargo(&same).run()?;
    for load in [
        "flood --brief --seconds 6 --pairs 4 --networks 20 --stalled 50",
        "streams --brief --streams 300 --rounds 1",
    ] {
        generator(project, "debug", load).run()?;
    }
    Ok(())
}

/// A long flood, and its effect on users who know each other.
///
/// # Errors
/// When the effect is too large, or the disk grows beyond the quotas.
pub(crate) fn flood(project: &Project, seconds: u64) -> Result<(), Failure> {
    build(project)?;
    let mut flood = generator(project, "release", &format!("flood --seconds {seconds}"));
    if project.site().is_dir() {
        flood.arg("--web-dir").arg(project.site());
    }
    flood.run()
}

/// The given number of live streams, cut the given number of times.
///
/// # Errors
/// When a stream does not reconnect, a message does not arrive, other clients are not served, or memory grows.
pub(crate) fn streams(project: &Project, streams: u32, rounds: u32) -> Result<(), Failure> {
    build(project)?;
    generator(project, "release", &format!("streams --streams {streams} --rounds {rounds}")).run()
}

fn build(project: &Project) -> Result<(), Failure> {
    server::build(project)?;
    project.cargo(&["build", "--release", "-p", "kez-bench"]).run()
}

/// The load generator, which starts the server itself.
fn generator(project: &Project, profile: &str, load: &str) -> Command {
    let mut command = Command::new(project.program(profile, "kez-bench"));
    command.args(load.split(' ')).arg("--server-bin").arg(project.server());
    command
}
