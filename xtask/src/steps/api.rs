//! Checks the server against its own OpenAPI document: schemathesis generates valid and invalid requests from the
//! document, and compares every answer with it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{server, tools};
use crate::command::{Beside, Run};
use crate::failure::Failure;
use crate::project::Project;

/// A fixed seed, so that each run sends the same requests.
const SEED: &str = "1";
/// The time limit for the server to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// A request that matches the document need not be accepted: no schema can express that a signature is valid or that a
/// point lies on the curve. This one check would therefore report correct refusals. All others are enabled.
const NOT_PROMISED: &str = "positive_data_acceptance";

/// A few requests for each operation, to the release server that an earlier step built.
///
/// # Errors
/// When an answer does not match the document, or the server fails.
pub(crate) fn briefly(project: &Project) -> Result<(), Failure> {
    check(project, 5)
}

/// Many requests for each operation.
///
/// # Errors
/// When an answer does not match the document, or the server fails.
pub(crate) fn thoroughly(project: &Project) -> Result<(), Failure> {
    server::build(project)?;
    check(project, 500)
}

fn check(project: &Project, examples: u32) -> Result<(), Failure> {
    let folder = project.tools().join("api");
    // Leftovers of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    let address = free_address().map_err(Failure::file(&folder))?;
    let mut command = Command::new(project.server());
    command
        .args(["--limits", "off", "--sig-server-url", "embedded", "--bind", &address.to_string()])
        .arg("--public-url")
        .arg(format!("http://{address}"))
        .arg("--db")
        .arg(folder.join("api.db"))
        .env("RUST_LOG", "warn");
    let mut running = Beside::start(&mut command)?;
    wait_for(project.server().as_path(), address, &mut running)?;
    tools::schemathesis(project)?
        .current_dir(&folder)
        .arg("run")
        .arg(format!("http://{address}/v1/openapi.json"))
        .args(["--seed", SEED, "--max-examples", &examples.to_string(), "--exclude-checks", NOT_PROMISED])
        // With two workers, both parse Python at the same time, and Python 3.11 occasionally counts their recursion
        // together: "AST constructor recursion depth mismatch" (https://github.com/python/cpython/issues/106905).
        .args(["--phases", "examples,coverage,fuzzing", "--workers", "1", "--request-timeout", "30"])
        // The speed of data generation on this machine says nothing about the server.
        .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color", "--continue-on-failure"])
        .run()?;
    if running.runs() { Ok(()) } else { Err(Failure::Broken("the server ended".to_owned())) }
}

/// An address that was free just now.
pub(super) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Runs the server's own health check until the server is ready.
fn wait_for(binary: &Path, address: SocketAddr, running: &mut Beside) -> Result<(), Failure> {
    let start = Instant::now();
    while start.elapsed() < START_LIMIT && running.runs() {
        let mut check = Command::new(binary);
        check.args(["healthcheck", "--bind", &address.to_string()]);
        if check.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    Err(Failure::Broken("the server did not come up".to_owned()))
}
