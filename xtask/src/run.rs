//! `cargo xtask run` and `cargo xtask build`: from a clone to a running server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::{line, not_started};
use crate::failure::Failure;
use crate::project::Project;
use crate::steps::{server, site};

/// The options of `cargo xtask run`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The address to listen on.
    #[arg(long, env = "KEZ_CHAT_BIND", default_value = "127.0.0.1:6969", value_name = "ADDRESS:PORT")]
    bind: SocketAddr,
    /// An SQLite file, created if missing, or postgres://... [default: kez-chat.db at the root of the work tree].
    #[arg(long, env = "KEZ_CHAT_DB", hide_env_values = true, value_name = "FILE|URL")]
    db: Option<OsString>,
    /// The name that handles end with, as in alice@localhost.
    #[arg(long, env = "KEZ_CHAT_SERVER", default_value = "localhost", value_name = "NAME")]
    server: String,
}

/// Builds, then replaces this process with the server, so that Ctrl-C and every other signal reach only the server.
/// Returns only on failure.
pub(crate) fn run(project: &Project, options: &Options) -> Failure {
    if let Err(failure) = build(project) {
        return failure;
    }
    let mut command = server_command(project, options);
    println!("$ {}", line(&command));
    println!("KEZ Chat: http://{} (Ctrl-C stops it)", options.bind);
    let source = command.exec();
    not_started(&command, source)
}

/// Builds the site and the server, and installs the tools for that.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a build fails.
pub(crate) fn build(project: &Project) -> Result<(), Failure> {
    println!("[1/2] The site (the first time takes some minutes)");
    let sizes = site::build(project)?;
    println!("{sizes}");
    println!("[2/2] The server");
    server::build(project)
}

fn server_command(project: &Project, options: &Options) -> Command {
    let db = options.db.clone().unwrap_or_else(|| project.root().join("kez-chat.db").into());
    let mut command = Command::new(project.server());
    command
        .arg("--bind")
        .arg(options.bind.to_string())
        // Not as a flag: a URL may contain a password, and flags are visible here and in `ps`.
        .env("KEZ_CHAT_DB", db)
        .arg("--web-dir")
        .arg(project.site())
        .args(["--server", &options.server, "--sig-server-url", "embedded", "--public-url"])
        .arg(format!("http://{}", options.bind));
    command
}
