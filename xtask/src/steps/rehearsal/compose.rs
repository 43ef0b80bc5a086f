//! deploy/docker-compose.yml without an engine: the services that need no other image run as their users, with their
//! environment, volumes and commands, on a copy of this machine in a network of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use super::Machine;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// In this order; the programs of the first two are in the image of the chat server.
const SERVICES: [&str; 3] = ["keys", "nats", "chat-server"];

pub(super) fn walk(project: &Project, nats_server: &Path) -> Result<(), Failure> {
    let deploy = project.root().join("deploy");
    let file = deploy.join("docker-compose.yml");
    let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
    let broken = |reason: String| Failure::Broken(format!("docker-compose.yml: {reason}"));
    let mut compose: Value = serde_yaml::from_str(&text).map_err(|error| broken(error.to_string()))?;
    compose.apply_merge().map_err(|error| broken(error.to_string()))?;
    let env_file = read_env(&deploy.join(".env.example"))?;

    let machine = Machine::new(project, "compose")?;
    machine.write("/etc/hosts", "127.0.0.1 localhost nats chat-server\n")?;
    let mut script = String::from("set -eu\nip link set lo up\n");
    for name in SERVICES {
        let service =
            Service { name, spec: &compose["services"][name], deploy: &deploy, env_file: &env_file };
        script.push_str(&service.prepare(&machine)?);
        script.push_str(&service.command(&machine, nats_server)?);
    }
    script.push_str(CHECKS);
    Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", &script])
        .env("image", project.server())
        .env("site", project.site())
        .env("root", machine.root())
        .run()
}

/// The server is ready with its broker, restarts on its volumes, and the keys stay as they are.
const CHECKS: &str = r#"
ready() {
    for try in $(seq 100); do
        if curl --silent http://127.0.0.1:6969/v1/readyz | grep '"status":"ok"'; then return; fi
        kill -0 "$chat_server" || break
        sleep 0.1
    done
    cat "$root/tmp/chat-server.log" "$root/tmp/nats.log"
    exit 1
}
ready
grep '"registration":"open"' <(curl --silent http://127.0.0.1:6969/v1/config)
test "$(stat -c '%u %a' "$root/data/kez-chat.db")" = "65532 600"
before=$(sha256sum "$root/keys/nats-server.nk")
run_keys
test "$before" = "$(sha256sum "$root/keys/nats-server.nk")"
kill -TERM "$chat_server"; wait "$chat_server"
kill -TERM "$nats"
echo "every service ran as docker-compose.yml says"
"#;

struct Service<'a> {
    name: &'a str,
    spec: &'a Value,
    deploy: &'a Path,
    env_file: &'a BTreeMap<String, String>,
}

impl Service<'_> {
    /// The volumes, in place: named ones belong to whom the image's folder belongs, files of the folder are copied.
    fn prepare(&self, machine: &Machine) -> Result<String, Failure> {
        let mut script = String::new();
        for volume in strings(&self.spec["volumes"]) {
            let mut parts = volume.split(':');
            let (Some(from), Some(to)) = (parts.next(), parts.next()) else {
                return Err(Failure::Broken(format!("{}: volume {volume}", self.name)));
            };
            if let Some(file) = from.strip_prefix("./") {
                let text =
                    fs::read_to_string(self.deploy.join(file)).map_err(Failure::file(Path::new(file)))?;
                machine.write(to, &text)?;
            } else if from == "keys" && to != "/keys" {
                // The volume of another service.
                script.push_str(&format!(
                    "mkdir -p \"$root{to}\"; mount --bind \"$root/keys\" \"$root{to}\"\n"
                ));
            } else {
                script.push_str(&format!("mkdir -p \"$root{to}\"; chown 65532:65532 \"$root{to}\"\n"));
            }
        }
        Ok(script)
    }

    /// A shell function that runs the service, and its first run: `keys` to its end, the others beside the script.
    fn command(&self, machine: &Machine, nats_server: &Path) -> Result<String, Failure> {
        let user = self.spec["user"].as_str().unwrap_or("0:0");
        let (uid, gid) = user.split_once(':').unwrap_or((user, user));
        let words = strings(&self.spec["command"]);
        let program = if self.name == "nats" {
            nats_server.display().to_string()
        } else {
            machine.write("/usr/share/kez-chat/placeholder", "")?;
            "/usr/bin/kez-chat-server".to_owned()
        };
        let folder = if self.name == "nats" { "/" } else { "/data" };
        let environment: Vec<String> =
            self.environment().iter().map(|(name, value)| format!("'{name}={value}'")).collect();
        let variable = self.name.replace('-', "_");
        let run = format!(
            "run_{variable}() {{ exec env -i PATH=/usr/bin {} setpriv --no-new-privs --clear-groups unshare --setgid={gid} \
             --setuid={uid} --root=\"$root\" --wd={folder} {program} {}; }}\n",
            environment.join(" "),
            words.join(" ")
        );
        let install = "cp \"$image\" \"$root/usr/bin/kez-chat-server\"; cp -r \"$site\" \"$root/usr/share/kez-chat/\"; \
                       mkdir -p \"$root/data\"\n";
        Ok(match self.name {
            "keys" => {
                let run = run.replace("{ exec ", "{ ");
                format!("{install}{run}run_{variable}\n")
            }
            name => format!("{run}run_{variable} > \"$root/tmp/{name}.log\" 2>&1 & {variable}=$!\n"),
        })
    }

    /// What the image sets, then the environment file, then the service's own, as an engine does it.
    fn environment(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        if self.name == "chat-server" {
            all.insert("KEZ_CHAT_BIND".to_owned(), "0.0.0.0:6969".to_owned());
            all.insert("KEZ_CHAT_WEB_DIR".to_owned(), "/usr/share/kez-chat/site".to_owned());
        }
        if !self.spec["env_file"].is_null() {
            all.extend(self.env_file.clone());
        }
        for (name, value) in self.spec["environment"].as_mapping().into_iter().flatten() {
            if let (Some(name), Some(value)) = (name.as_str(), value.as_str()) {
                all.insert(name.to_owned(), self.interpolate(value));
            }
        }
        all
    }

    /// `${NAME:-default}`, where the file has no other form.
    fn interpolate(&self, value: &str) -> String {
        let Some(inside) = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
            return value.to_owned();
        };
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        self.env_file.get(name).cloned().unwrap_or_else(|| default.to_owned())
    }
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_sequence().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The lines of an environment file that set something.
fn read_env(file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let text = fs::read_to_string(file).map_err(Failure::file(file))?;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}
