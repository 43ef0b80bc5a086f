//! The files in `deploy/` match the current programs: files, flags, variables, ports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory, Parser};
use compose_spec::{Compose, Service};
use kez_chat_server::commands::CommandLine;
use kez_chat_server::config::sig_server::SigConfig;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// An instruction of a Dockerfile and its arguments, across line continuations.
fn instructions(file: &str) -> Vec<(String, String)> {
    let lines = read(file);
    let lines: Vec<_> = lines.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let instruction = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap();
        (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    joined.lines().filter(|line| !line.is_empty()).map(instruction).collect()
}

/// The arguments of an instruction, from the last stage on.
fn last<'a>(instructions: &'a [(String, String)], name: &str) -> &'a str {
    let found = instructions.iter().rev().find(|(other, _)| other == name);
    &found.unwrap_or_else(|| panic!("{name}")).1
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap()
}

/// Every variable of any command of a program.
fn variables(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|flag| Some(flag.get_env()?.to_str()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

#[track_caller]
fn check_variables<'a>(names: impl IntoIterator<Item = &'a str>) {
    let mut known = variables(&CommandLine::command());
    known.extend(variables(&SigConfig::command()));
    for name in names {
        let ours = name.starts_with("KEZ_CHAT_") || name.starts_with("KEZ_SIG_");
        assert!(!ours || known.contains(name), "{name} is no setting");
    }
}

#[test]
fn the_images_contain_what_they_run() {
    for (file, binary, port) in
        [("Dockerfile.chat", "kez-chat-server", "6969"), ("Dockerfile.sig", "kez-sig-server", "7878")]
    {
        let all = instructions(file);
        let copies: Vec<_> =
            all.iter().filter(|(name, _)| name == "COPY").map(|(_, rest)| rest.as_str()).collect();
        let built = format!("--from=build /src/target/release/{binary} /usr/bin/{binary}");
        assert!(copies.contains(&built.as_str()), "{file} copies {binary}");
        assert!(
            !env!("CARGO_BIN_EXE_kez-chat-server").is_empty()
                && !env!("CARGO_BIN_EXE_kez-sig-server").is_empty()
        );

        assert_eq!(words(last(&all, "ENTRYPOINT")), [format!("/usr/bin/{binary}")]);
        assert_eq!(last(&all, "EXPOSE"), port);
        assert_ne!(last(&all, "USER").split(':').next(), Some("0"), "{file} does not run as root");
        assert!(last(&all, "FROM").contains("distroless"), "no shell in the last stage");
        let variables: Vec<_> =
            last(&all, "ENV").split(' ').map(|pair| pair.split('=').next().unwrap()).collect();
        check_variables(variables);

        let (_, check) = last(&all, "HEALTHCHECK").split_once("CMD ").unwrap();
        let check = words(check);
        assert!(copies.iter().any(|copy| copy.ends_with(&check[0])), "{check:?} is in the image");
        assert!(CommandLine::try_parse_from(&check).is_ok(), "{check:?}");
    }
    let chat = instructions("Dockerfile.chat");
    let build = chat.iter().find(|(name, rest)| name == "RUN" && rest.starts_with("cargo xtask"));
    assert_eq!(build.unwrap().1, "cargo xtask build");
    let site = last(&chat, "ENV").split(' ').find_map(|pair| pair.strip_prefix("KEZ_CHAT_WEB_DIR=")).unwrap();
    assert!(chat.iter().any(|(_, rest)| rest == &format!("--from=build /src/target/site {site}")));
}

/// The libraries of `gcr.io/distroless/cc-debian12`. A binary that needs others does not start there.
const LIBRARIES: [&str; 8] = [
    "linux-vdso.so",
    "ld-linux-",
    "libc.so",
    "libm.so",
    "libgcc_s.so",
    "libstdc++.so",
    "libdl.so",
    "libpthread.so",
];

#[test]
fn the_images_contain_every_library_that_the_programs_need() {
    for program in [env!("CARGO_BIN_EXE_kez-chat-server"), env!("CARGO_BIN_EXE_kez-sig-server")] {
        let listed = Command::new("ldd").arg(program).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains("libc.so"), "{program}: {listed}");
        for line in listed.lines() {
            let library = line.split_whitespace().next().unwrap().rsplit('/').next().unwrap();
            assert!(LIBRARIES.iter().any(|known| library.starts_with(known)), "{program} needs {line}");
        }
    }
}

fn compose() -> (Compose, serde_yaml::Value) {
    let text = read("docker-compose.yml");
    let compose = Compose::options().apply_merge(true).from_yaml_str(&text);
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    value.apply_merge().unwrap();
    (compose.unwrap_or_else(|error| panic!("docker-compose.yml is no Compose file: {error}")), value)
}

fn strings(value: &serde_yaml::Value) -> Vec<&str> {
    value.as_sequence().into_iter().flatten().filter_map(serde_yaml::Value::as_str).collect()
}

#[test]
fn the_compose_file_is_valid_and_names_existing_files() {
    let (compose, value) = compose();
    compose.validate_all().unwrap();
    let services = value["services"].as_mapping().unwrap();
    for (name, service) in services {
        let environment = service["environment"].as_mapping().into_iter().flatten();
        check_variables(environment.map(|(name, _)| name.as_str().unwrap()));
        for volume in strings(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let there = !source.starts_with('.') || root().join("deploy").join(source).exists();
            assert!(there, "{name:?}: {source}");
        }
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            assert!(root().join(file).exists(), "{file}");
        }
        let tag = service["image"].as_str().unwrap().rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{name:?} has a pinned tag");
    }
    let version = env!("CARGO_PKG_VERSION");
    let image = value["services"]["chat-server"]["image"].as_str().unwrap();
    assert_eq!(image, format!("kez-chat:{version}"));
}

#[test]
fn only_public_ports_are_published_and_containers_are_locked_down() {
    let (compose, value) = compose();
    let ports = |service: &str| strings(&value["services"][service]["ports"]).join(" ");
    assert_eq!(ports("chat-server"), "127.0.0.1:6969:6969");
    assert_eq!(ports("sig-server"), "127.0.0.1:7878:7878");
    assert_eq!(ports("nats"), "127.0.0.1:4222:4222 8443:8443 127.0.0.1:8222:8222");
    assert_eq!(ports("caddy"), "80:80 443:443");
    for service in ["postgres", "litestream"] {
        assert_eq!(ports(service), "");
    }
    for service in ["keys", "chat-server", "sig-server", "nats", "caddy", "litestream"] {
        let Service { read_only, cap_drop, security_opt, .. } = &compose.services[service];
        assert!(*read_only && cap_drop.contains("ALL"), "{service} can change nothing");
        assert!(security_opt.contains("no-new-privileges:true"), "{service}");
    }
}

#[test]
fn the_example_environment_holds_settings_only() {
    let example = read(".env.example");
    let lines = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let names: Vec<_> = lines.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
    assert!(names.len() > 5);
    check_variables(names);
}

#[test]
fn every_setting_of_the_env_file_reaches_the_servers() {
    let (_, value) = compose();
    for (service, prefix) in [("chat-server", "KEZ_CHAT_"), ("sig-server", "KEZ_SIG_")] {
        let service = &value["services"][service];
        assert_eq!(service["env_file"][0]["path"].as_str(), Some(".env"));
        // A value set here overrides the environment file, so it must be the same as in that file, or a path in the
        // image.
        for (name, set) in service["environment"].as_mapping().unwrap() {
            let (name, set) = (name.as_str().unwrap(), set.as_str().unwrap());
            let passed = set.starts_with(&format!("${{{name}:-")) || set.starts_with("/keys/");
            assert!(
                passed || !name.starts_with(prefix) || name == "KEZ_SIG_TRUSTED_PROXIES",
                "{name}: {set}"
            );
        }
    }
}

#[test]
fn every_secret_setting_of_images_and_units_has_a_file_form() {
    for file in ["Dockerfile.chat", "Dockerfile.sig", "kez-chat.service", "kez-sig.service"] {
        let text = read(file);
        for secret in ["KEZ_CHAT_DB=", "KEZ_SIG_DB="] {
            assert!(!text.contains(secret), "{file} sets {secret}, which would forbid its _FILE");
        }
    }
}

#[test]
fn secrets_of_a_deployment_are_ignored_by_git_and_docker() {
    for file in [".gitignore", ".dockerignore"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        for secret in ["deploy/.env", "deploy/keys", "deploy/litestream.env"] {
            let ignored = text.lines().any(|line| line.trim_start_matches('/') == secret);
            assert!(ignored, "{file} ignores {secret}");
        }
    }
}

#[test]
fn the_units_start_existing_programs() {
    for file in ["kez-chat.service", "kez-sig.service"] {
        let unit = read(file);
        let settings = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
        check_variables(settings.map(|(name, _)| name));
        assert!(unit.contains("DynamicUser=yes") && unit.contains("NoNewPrivileges=yes"));
    }
    for line in read("kez-chat.service").lines().filter(|line| line.starts_with("ExecStart")) {
        let words = line.split_once('=').unwrap().1.split(' ');
        assert!(CommandLine::try_parse_from(words).is_ok(), "{line}");
    }
    let backup = read("kez-chat-backup.service");
    let command = backup.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(CommandLine::try_parse_from(command.split(' ')).is_ok(), "{command}");
    assert!(command.contains(" --keep "), "old backups go: {command}");
}
