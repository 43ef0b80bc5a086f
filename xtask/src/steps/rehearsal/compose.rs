//! deploy/docker-compose.yml without a container engine: its services run as their users, with the confinement,
//! environment, volumes and commands from the file, on a copy of this machine with its own network.
//!
//! PostgreSQL is left out, because its image has its own initialisation. Limits on memory, processes and files are not applied.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use super::Machine;
use crate::command::Run;
use crate::failure::Failure;
use crate::project::Project;

/// The services, in start order.
const SERVICES: [&str; 6] = ["keys", "nats", "chat-server", "sig-server", "caddy", "litestream"];
/// The settings for `.env` that the guide asks for. Caddy issues its own certificates for `.localhost` names.
const SET: [(&str, &str); 4] = [
    ("KEZ_CHAT_SERVER", "chat.localhost"),
    ("KEZ_CHAT_PUBLIC_URL", "https://chat.localhost"),
    ("KEZ_CHAT_NATS_WS_URL", "wss://nats.chat.localhost"),
    ("LITESTREAM_URL", "file:///data/replica"),
];
const HOSTS: &str = "127.0.0.1 localhost nats chat-server sig-server chat.localhost nats.chat.localhost\n";
const HELPERS: &str = include_str!("walk/services.sh");
const CHECKS: &str = include_str!("walk/compose.sh");

pub(super) fn walk(project: &Project, nats_server: &Path, litestream: &Path) -> Result<(), Failure> {
    let deploy = project.root().join("deploy");
    let file = deploy.join("docker-compose.yml");
    let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
    let broken = |reason: String| Failure::Broken(format!("docker-compose.yml: {reason}"));
    let mut compose: Value = serde_yaml::from_str(&text).map_err(|error| broken(error.to_string()))?;
    compose.apply_merge().map_err(|error| broken(error.to_string()))?;

    let machine = Machine::new(project, "compose")?;
    machine.write("/etc/hosts", HOSTS)?;
    let mut script = HELPERS.to_owned();
    for name in SERVICES {
        let service = Service {
            name,
            spec: &compose["services"][name],
            deploy: &deploy,
            image: Image::of(name, &deploy, nats_server, litestream)?,
        };
        script.push_str(&service.volumes(&machine)?);
        script.push_str(&service.function()?);
    }
    script.push_str(CHECKS);
    Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", &script])
        .env("chat_server", project.server())
        .env("sig_server", project.program("release", "kez-sig-server"))
        .env("litestream_program", litestream)
        .env("site", project.site())
        .env("root", machine.root())
        .env("volumes", machine.folder.join("volumes"))
        .run()
}

/// The settings of a service's image. Third-party images are replaced by this machine's programs.
struct Image {
    command: String,
    folder: String,
    environment: BTreeMap<String, String>,
}

impl Image {
    fn of(service: &str, deploy: &Path, nats_server: &Path, litestream: &Path) -> Result<Self, Failure> {
        let ours = |file: &str| {
            let file = deploy.join(file);
            let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
            let command = last_instruction(&text, "ENTRYPOINT")?.trim_matches(['[', ']', '"']).to_owned();
            let variables = last_instruction(&text, "ENV")?;
            let pairs = variables.split_whitespace().filter_map(|pair| pair.split_once('='));
            let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Ok(Self { command, folder: last_instruction(&text, "WORKDIR")?, environment })
        };
        let theirs = |command: String, environment: &[(&str, &str)]| {
            let pairs = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
            Ok(Self { command, folder: "/".to_owned(), environment: pairs.collect() })
        };
        match service {
            "keys" | "chat-server" => ours("Dockerfile.chat"),
            "sig-server" => ours("Dockerfile.sig"),
            "nats" => theirs(nats_server.display().to_string(), &[]),
            "litestream" => theirs(litestream.display().to_string(), &[]),
            "caddy" => theirs(
                "caddy run --config /etc/caddy/Caddyfile --adapter caddyfile".to_owned(),
                &[("XDG_CONFIG_HOME", "/config"), ("XDG_DATA_HOME", "/data")],
            ),
            other => Err(Failure::Broken(format!("nothing is known of the image of {other}"))),
        }
    }
}

/// The text of the last instruction of a kind in a Dockerfile.
fn last_instruction(dockerfile: &str, kind: &str) -> Result<String, Failure> {
    let text = dockerfile.replace("\\\n", " ");
    let found = text.lines().rev().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    found.map(str::to_owned).ok_or_else(|| Failure::Broken(format!("a Dockerfile has no {kind}")))
}

struct Service<'a> {
    name: &'a str,
    spec: &'a Value,
    deploy: &'a Path,
    image: Image,
}

impl Service<'_> {
    /// Creates the volumes: named ones belong to the service's user, like the folder in its image; files are copied.
    fn volumes(&self, machine: &Machine) -> Result<String, Failure> {
        let mut script = String::new();
        for (from, to, _) in self.mounts()? {
            if let Some(file) = from.strip_prefix("./") {
                let file = self.deploy.join(file);
                machine.write(to, &fs::read_to_string(&file).map_err(Failure::file(&file))?)?;
            } else {
                let _ = writeln!(script, "volume {from} {to} {}", self.user());
            }
        }
        Ok(script)
    }

    /// Source, target, and whether the mount is read-only.
    fn mounts(&self) -> Result<Vec<(&str, &str, bool)>, Failure> {
        let parse = |volume| {
            let mut parts = str::split(volume, ':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(from), Some(to), how) => Ok((from, to, how == Some("ro"))),
                _ => Err(Failure::Broken(format!("{}: volume {volume}", self.name))),
            }
        };
        strings(&self.spec["volumes"]).into_iter().map(parse).collect()
    }

    fn user(&self) -> &str {
        self.spec["user"].as_str().unwrap_or("0:0")
    }

    /// A shell function that runs the service.
    fn function(&self) -> Result<String, Failure> {
        if self.spec["read_only"] != true || strings(&self.spec["cap_drop"]) != ["ALL"] {
            return Err(Failure::Broken(format!("{} is not confined", self.name)));
        }
        let mounts: Vec<_> = self
            .mounts()?
            .iter()
            .filter(|(from, ..)| !from.starts_with("./"))
            .map(|(from, to, read_only)| format!("{from}:{to}:{}", if *read_only { "ro" } else { "rw" }))
            .collect();
        let capabilities: Vec<_> = strings(&self.spec["cap_add"]);
        let bounding = capabilities
            .iter()
            .fold("-all".to_owned(), |set, one| format!("{set},+{}", one.to_ascii_lowercase()));
        let variables: Vec<_> =
            self.environment()?.iter().map(|(name, value)| format!("'{name}={value}'")).collect();
        Ok(format!(
            "run_{}() {{ confined '{}' {} '{bounding}' {} {} -- {} {}; }}\n",
            self.name.replace('-', "_"),
            mounts.join(" "),
            self.user(),
            self.image.folder,
            variables.join(" "),
            self.image.command,
            strings(&self.spec["command"]).join(" ")
        ))
    }

    /// The image's variables, overridden by the environment file, then by the service's own, as in an engine.
    fn environment(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut all = self.image.environment.clone();
        let env_file = self.env_file(".env")?;
        match &self.spec["env_file"][0] {
            Value::Null => {}
            Value::String(file) => all.extend(self.env_file(file)?),
            _ => all.extend(env_file.clone()),
        }
        for (name, value) in self.spec["environment"].as_mapping().into_iter().flatten() {
            if let (Some(name), Some(value)) = (name.as_str(), value.as_str()) {
                all.insert(name.to_owned(), interpolate(value, &env_file));
            }
        }
        Ok(all)
    }

    /// The example environment file, with the required settings filled in.
    fn env_file(&self, name: &str) -> Result<BTreeMap<String, String>, Failure> {
        let file = self.deploy.join(format!("{name}.example"));
        let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let value = |name: &str, example: &str| {
            let set = SET.iter().find(|(other, _)| *other == name);
            set.map_or(example, |(_, value)| value).to_owned()
        };
        Ok(pairs
            .map(|(name, example)| (name.trim().to_owned(), value(name.trim(), example.trim())))
            .collect())
    }
}

/// Expands `${NAME:-default}`, the only form in the file.
fn interpolate(value: &str, env_file: &BTreeMap<String, String>) -> String {
    let Some(inside) = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) else {
        return value.to_owned();
    };
    let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
    env_file.get(name).cloned().unwrap_or_else(|| default.to_owned())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_sequence().into_iter().flatten().filter_map(Value::as_str).collect()
}
