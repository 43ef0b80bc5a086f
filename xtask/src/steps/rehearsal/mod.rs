//! A walk through the documents as an operator would take it, on a copy of this machine: every block of commands in README.md
//! and deploy/README.md is run as it stands there, but for those that `systemd.rs` names with the reason.
//!
//! The copy is an overlay over `/`: everything is there, and nothing of it changes. Needs Linux and root.

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

/// Walks through all of it. The release binary and the site are built already.
///
/// # Errors
/// When a documented command fails, or what it sets up does not work.
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

/// A copy of this machine in a folder, unmounted when dropped.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(project: &Project, name: &str) -> Result<Self, Failure> {
        let folder = project.tools().join("rehearsal").join(name);
        let machine = Self { folder };
        // An earlier run may have been cut off.
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

    /// A path of the copy.
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
        // It fails where nothing is mounted.
        let _ = Command::new("umount").arg("--lazy").arg("--quiet").arg(self.root()).output();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.unmount();
    }
}
