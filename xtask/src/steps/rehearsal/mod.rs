//! A rehearsal of the documents on a copy of this machine: every block of commands in README.md and deploy/README.md is
//! run exactly as documented, except those that `systemd.rs` lists with a reason.
//!
//! The copy is an overlay over `/`: it contains everything, and changes nothing on this machine. Needs Linux and root.

mod compose;
mod documents;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::empty;
use super::tools;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// Runs the whole rehearsal. The release binary and the site must already be built.
///
/// # Errors
/// When a documented command fails, or its result does not work.
pub(crate) fn walk(project: &Project) -> Result<(), Failure> {
    tools::rehearsal()?;
    tools::postgres()?;
    let (nats_server, litestream) = (tools::nats_server(project)?, tools::litestream(project)?);
    println!("\n---- alert rules ----");
    Command::new("promtool").args(["check", "rules"]).arg(project.root().join("deploy/alerts.yml")).run()?;
    println!("\n---- Caddy ----");
    Command::new("caddy")
        .args(["validate", "--adapter", "caddyfile", "--config"])
        .arg(project.root().join("deploy/Caddyfile"))
        .run()?;
    println!("\n---- systemd ----");
    systemd::walk(project, &nats_server)?;
    println!("\n---- Compose ----");
    compose::walk(project, &nats_server, &litestream)
}

/// A copy of this machine in a folder, unmounted on drop.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(project: &Project, name: &str) -> Result<Self, Failure> {
        let folder = project.tools().join("rehearsal").join(name);
        let machine = Self { folder };
        // An earlier run may have been interrupted.
        machine.unmount();
        empty(&machine.folder)?;
        for part in ["upper", "work", "root"] {
            empty(&machine.folder.join(part))?;
        }
        let [upper, work] = ["upper", "work"].map(|part| machine.folder.join(part).display().to_string());
        Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o"])
            .arg(format!("lowerdir=/,upperdir={upper},workdir={work}"))
            .arg(machine.root())
            .run()?;
        Ok(machine)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The path of a file in the copy.
    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let file = self.at(path);
        let folder = file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        std::fs::write(&file, text).map_err(Failure::file(&file))
    }

    fn unmount(&self) {
        // Fails if nothing is mounted.
        let _ = Command::new("umount").arg("--lazy").arg("--quiet").arg(self.root()).output();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.unmount();
    }
}
