//! deploy/README.md, "Under systemd", "NATS" and "Backup", in a container that systemd boots.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Machine;
use super::documents::blocks;
use crate::command::line;
use crate::failure::Failure;
use crate::project::Project;

/// Where the script writes what it does.
const LOG: &str = "/var/log/rehearsal.log";
/// What it writes last.
const DONE: &str = "the walk is done";

/// Runs the script once everything is up, and turns the machine off.
const UNIT: &str = "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=/bin/bash /etc/rehearsal.sh\n\
    ExecStopPost=/bin/systemctl poweroff --no-block\nStandardOutput=file:/var/log/rehearsal.log\n\
    StandardError=file:/var/log/rehearsal.log\n";

/// What stands before the commands: waiting for conditions, never for times.
const HELPERS: &str = r#"set -eux
until_ready() {
    for try in $(seq 100); do
        if kez-chat-server healthcheck --bind 127.0.0.1:6969; then return; fi
        systemctl is-failed kez-chat && break
        sleep 0.1
    done
    systemctl status kez-chat --no-pager || true
    journalctl -u kez-chat --no-pager | tail -n 20
    exit 1
}
status() { curl --silent --show-error http://127.0.0.1:6969/v1/readyz; }
"#;

pub(super) fn walk(project: &Project, nats_server: &Path) -> Result<(), Failure> {
    let machine = Machine::new(project, "systemd")?;
    let guide = project.root().join("deploy/README.md");
    let install = blocks(&guide, "Under systemd")?.concat();
    let nats = blocks(&guide, "NATS")?;
    let [keys, credentials] = nats.as_slice() else {
        return Err(Failure::Broken("deploy/README.md has two blocks under \"NATS\"".to_owned()));
    };
    let keys = keys.replace("&& nats-server -c nats.conf", "&& { nats-server -c nats.conf & }");
    let (root, broker) = (project.root().display(), nats_server.parent().unwrap_or(Path::new("/")).display());
    let script = format!(
        r#"{HELPERS}
export PATH="$PATH:{broker}"
cd "{root}"
{install}
until_ready
status | grep '"status":"ok"'
test "$(stat -c %a /var/lib/kez-chat/kez-chat.db)" = 600

# A backup by the timer's service, a restore as root, and the service opens what root has put there.
systemctl start kez-chat-backup.service
backup=$(ls /var/lib/kez-chat-backups/kez-chat-*.db)
kez-chat-server admin stats --db /var/lib/kez-chat/kez-chat.db
kez-chat-server admin stats --db "$backup"
(cd /var/lib/kez-chat-backups && sha256sum --check ./*.sha256)
systemctl stop kez-chat
kez-chat-server restore --db /var/lib/kez-chat/kez-chat.db --from "$backup" --replace
systemctl start kez-chat
until_ready

# NATS, with the credentials that only root can read.
(cd deploy && {{ {keys} }})
(cd deploy && {{ {credentials} }})
until_ready
for try in $(seq 100); do
    if status | grep '"status":"ok"'; then break; fi
    sleep 0.1
done
status | grep '"status":"ok"'

# A wrong setting stops the start with its sentence.
echo KEZ_CHAT_SERVER=other.example > /etc/kez-chat/environment
if systemctl restart kez-chat; then exit 1; fi
journalctl -u kez-chat --no-pager | grep 'the database belongs to the server chat.example'
echo {DONE}
"#
    );
    machine.write("/etc/rehearsal.sh", &script)?;
    machine.write("/etc/systemd/system/rehearsal.service", UNIT)?;
    boot(&machine)?;
    let log = machine.at(LOG);
    let text = fs::read_to_string(&log).map_err(Failure::file(&log))?;
    print!("{text}");
    if text.lines().any(|line| line == DONE) {
        Ok(())
    } else {
        Err(Failure::Broken("a command of deploy/README.md failed, see above".to_owned()))
    }
}

fn boot(machine: &Machine) -> Result<(), Failure> {
    let wants = machine.at("/etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).map_err(Failure::file(&wants))?;
    let link = wants.join("rehearsal.service");
    std::os::unix::fs::symlink("../rehearsal.service", &link).map_err(Failure::file(&link))?;
    let mut container = Command::new("timeout");
    container
        .args([
            "300",
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--private-network",
        ])
        .args(["--link-journal=no", "--console=pipe", "--directory"])
        .arg(machine.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    println!("$ {}", line(&container));
    // How it ends says nothing: the script writes its last line when all went well.
    container.status().map(drop).map_err(|source| crate::command::not_started(&container, source))
}
