//! Rehearses README.md and deploy/README.md up to the containers, in a container that boots systemd.
//!
//! Each block of commands is written to a file. The scripts in `walk/` run these files in order, as a reader of the
//! documents would, and check the results.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Machine;
use super::documents::{Block, DOCUMENTS, blocks};
use crate::command::line;
use crate::failure::Failure;
use crate::project::Project;

/// The log file of the scripts.
const LOG: &str = "/var/log/rehearsal.log";
/// The last line of a successful run.
const DONE: &str = "the walk is done";

/// The scripts in order. Each one starts from the state that the previous one left.
const WALK: [(&str, &str); 9] = [
    ("helpers", include_str!("walk/helpers.sh")),
    ("by_hand", include_str!("walk/by_hand.sh")),
    ("service", include_str!("walk/service.sh")),
    ("backup", include_str!("walk/backup.sh")),
    ("nats", include_str!("walk/nats.sh")),
    ("upgrade", include_str!("walk/upgrade.sh")),
    ("sigchains", include_str!("walk/sigchains.sh")),
    ("postgres", include_str!("walk/postgres.sh")),
    ("end", "echo the walk is done\n"),
];

/// Starts none of this machine's own services, only those that the scripts start.
const TARGET: &str = "[Unit]\nRequires=basic.target rehearsal.service\nAfter=basic.target\n";
/// Runs the scripts, then shuts the container down.
const UNIT: &str = "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash /rehearsal/walk.sh\n\
    ExecStopPost=/bin/systemctl poweroff --no-block\nStandardOutput=file:/var/log/rehearsal.log\n\
    StandardError=file:/var/log/rehearsal.log\n";

/// The host names in the documents.
const HOSTS: &str = "127.0.0.1 localhost chat.example nats.chat.example sig.chat.example db.example\n";

pub(super) fn walk(project: &Project, nats_server: &Path) -> Result<(), Failure> {
    let machine = Machine::new(project, "systemd")?;
    for document in DOCUMENTS {
        for Block { heading, number, text } in blocks(&project.root().join(document))? {
            machine.write(&format!("/rehearsal/{document}/{heading}/{number}.sh"), &text)?;
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let broker = nats_server.parent().unwrap_or(Path::new("/"));
    let mut script = format!(
        "export HOME=/root PATH='{path}:{}'\ntree='{}'\ncd \"$tree\"\n",
        broker.display(),
        project.root().display()
    );
    for (name, text) in WALK {
        let file = format!("/rehearsal/{name}.sh");
        machine.write(&file, text)?;
        script.push_str(&format!("echo '---- {name} ----'\n. {file}\n"));
    }
    machine.write("/rehearsal/walk.sh", &script)?;
    machine.write("/etc/hosts", HOSTS)?;
    machine.write("/etc/systemd/system/rehearsal.service", UNIT)?;
    machine.write("/etc/systemd/system/rehearsal.target", TARGET)?;
    boot(&machine)?;
    let log = machine.at(LOG);
    let text = fs::read_to_string(&log).map_err(Failure::file(&log))?;
    print!("{text}");
    if text.lines().any(|line| line == DONE) {
        Ok(())
    } else {
        Err(Failure::Broken("a command of the documents failed, see above".to_owned()))
    }
}

fn boot(machine: &Machine) -> Result<(), Failure> {
    let mut container = Command::new("timeout");
    container
        .args([
            "600",
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--private-network",
        ])
        .args(["--link-journal=no", "--console=pipe", "--directory"])
        .arg(machine.root())
        .args(["--", "--unit=rehearsal.target"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    println!("$ {}", line(&container));
    // The exit status is not conclusive: the script writes its last line only on success.
    container.status().map(drop).map_err(|source| crate::command::not_started(&container, source))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Blocks of commands that no script runs.
    const NOT_RUN: [(&str, &str, usize, &str); 3] = [
        ("README.md", "Try it", 1, "CI runs cargo xtask run and test itself"),
        ("README.md", "Work on it", 1, "cargo-leptos takes longer to build than everything else"),
        ("deploy/README.md", "In containers", 1, "there is no engine: compose.rs runs the same services"),
    ];

    #[test]
    fn every_documented_block_is_run_or_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let walk: String = WALK.iter().map(|(_, text)| text.replace('"', "")).collect();
        for document in DOCUMENTS {
            for Block { heading, number, .. } in blocks(&root.join(document)).unwrap() {
                let run = walk.contains(&format!(" {document} {heading} {number}"));
                let named = NOT_RUN
                    .iter()
                    .any(|&(file, under, n, _)| (file, under, n) == (document, &heading, number));
                assert!(run != named, "{document}, \"{heading}\", block {number}");
            }
        }
    }
}
