//! The binary itself: its flags, its exit codes, and the process as the other tests run it.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use kez_chat_server::clock::{Clock, SystemClock};
use kez_core::inbox_auth;
use sqlx::{Connection, Executor};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::devices::Device;
use crate::support::{Person, Reply, second_connection};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kez-chat-server");

/// The server as a process. Dropping it kills the process.
pub(crate) struct Binary {
    child: Child,
    pub(crate) endpoint: Endpoint,
    /// The address for monitoring.
    pub(crate) metrics: Option<SocketAddr>,
    log: UnboundedReceiver<String>,
}

/// The address of a server, whether it is running or not.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    /// The time limit for an answer.
    patience: Duration,
}

impl Deref for Binary {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Binary {
    pub(crate) async fn start(db: impl AsRef<OsStr>, flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), db, flags).await
    }

    /// Starts on the address of an earlier one.
    pub(crate) async fn start_at(bind: SocketAddr, db: impl AsRef<OsStr>, flags: &[&str]) -> Self {
        Self::spawn(command(&[]), bind, db.as_ref(), flags).await.expect("it starts")
    }

    /// Starts, unless the server refuses to.
    pub(crate) async fn try_start(db: &Path, flags: &[&str]) -> Option<Self> {
        Self::spawn(command(&[]), "127.0.0.1:0".parse().unwrap(), db.as_ref(), flags).await
    }

    /// Starts under `strace`, which writes these calls to a file, with processes, times, paths and every byte. Both
    /// programs end together.
    pub(crate) async fn start_traced(db: &Path, flags: &[&str], calls: &str, trace: &Path) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ttt", "-y", "-xx", "-s", "1000000", "-e", "signal=none", "-e"]);
        strace.arg(format!("trace={calls}")).arg("-o").arg(trace);
        strace.args(["setpriv", "--pdeathsig", "KILL", PROGRAM]).stdin(Stdio::null()).stdout(Stdio::null());
        Self::spawn(strace, "127.0.0.1:0".parse().unwrap(), db.as_ref(), flags).await.expect("it starts")
    }

    async fn spawn(mut command: Command, bind: SocketAddr, db: &OsStr, flags: &[&str]) -> Option<Self> {
        let mut child = command
            .args(["--bind", &bind.to_string(), "--log-format", "json", "--db"])
            .arg(db)
            .args(flags)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect(
                "the program starts; `strace` comes from the distribution, `cargo xtask test` installs it",
            );
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut metrics = None;
        let address = loop {
            let line = lines.next_line().await.unwrap()?;
            // The reason for a failed start is plain text.
            let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"] == "listening for monitors" {
                metrics = Some(line["address"].as_str().unwrap().parse().unwrap());
            }
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Read the log even if the test does not, so that the pipe does not fill up.
        let (sender, log) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = sender.send(line);
            }
        });
        Some(Self { child, metrics, log, endpoint: Endpoint::at(address, Duration::from_secs(20)) })
    }

    /// The next line of the log with this message.
    pub(crate) async fn logged(&mut self, message: &str) -> serde_json::Value {
        loop {
            let line: serde_json::Value = serde_json::from_str(&self.log.recv().await.unwrap()).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Kills the server.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Kills a server that runs under `strace`, after which the trace is complete.
    pub(crate) async fn kill_traced(mut self, trace: &Path) {
        let trace = std::fs::read_to_string(trace).unwrap();
        let pid = trace.split_once(' ').unwrap().0.parse().unwrap();
        Self::signal(pid, "-KILL").await;
        self.child.wait().await.unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) async fn signal(pid: u32, signal: &str) {
        assert!(Command::new("kill").args([signal, &pid.to_string()]).status().await.unwrap().success());
    }

    /// The exit status of the process.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.unwrap().unwrap()
    }

    /// Asks the process to stop, as a service manager does.
    pub(crate) async fn terminate(self) -> ExitStatus {
        Self::signal(self.pid(), "-TERM").await;
        self.ended().await
    }
}

impl Endpoint {
    pub(crate) fn at(address: SocketAddr, patience: Duration) -> Self {
        Self { address, http: reqwest::Client::new(), patience }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> reqwest::Result<Reply> {
        let request = self.http.post(self.url(path)).header("content-type", "application/json");
        Reply::try_of(request.body(body).timeout(self.patience)).await
    }

    /// A request that its caller signs.
    pub(crate) async fn signed(&self, caller: &Person, method: &str, target: &str, body: String) -> Reply {
        let header = caller.signs(method, target, body.as_bytes(), SystemClock.now());
        let request = self.http.request(method.parse().unwrap(), self.url(target));
        Reply::of(request.header(inbox_auth::HEADER, header).body(body)).await
    }

    /// A request that a device signs. There may be no answer.
    pub(crate) async fn signed_by(
        &self,
        device: &Device,
        method: &str,
        target: &str,
        body: String,
    ) -> reqwest::Result<Reply> {
        let header = device.signs(method, target, body.as_bytes(), SystemClock.now());
        let request = self.http.request(method.parse().unwrap(), self.url(target));
        Reply::try_of(request.header(inbox_auth::HEADER, header).body(body)).await
    }

    pub(crate) async fn register(&self, person: &Person) -> u16 {
        self.post("/v1/register", person.registration(SystemClock.now())).await.unwrap().status
    }

    /// The items after a cursor.
    pub(crate) async fn page(&self, person: &Person, since: u64) -> Reply {
        let url = self.url(&format!("/v1/inbox/{}?since={since}&limit=1000", person.handle));
        let header = person.inbox_header(since, SystemClock.now());
        Reply::of(self.http.get(url).header(inbox_auth::HEADER, header)).await
    }

    /// Everything in an inbox: sequence numbers and envelopes.
    pub(crate) async fn inbox(&self, person: &Person) -> Vec<(u64, String)> {
        let (mut items, mut since) = (Vec::new(), 0);
        loop {
            let page = self.page(person, since).await.json();
            let next = page["next"].as_u64().unwrap();
            if next == since {
                return items;
            }
            since = next;
            let page = page["items"].as_array().unwrap().iter();
            items.extend(page.map(|item| (item["seq"].as_u64().unwrap(), item["envelope"].to_string())));
        }
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

pub(crate) async fn run(command: &mut Command) -> Output {
    tokio::time::timeout(Duration::from_secs(20), command.output()).await.unwrap().unwrap()
}

/// Runs a command that must reject its settings, and returns the sentence.
async fn refusal(command: &mut Command) -> String {
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    text
}

/// Runs a server whose database accepts the connection but never answers, and tells it to stop.
pub(crate) async fn ends_though_its_database_is_silent(command: &mut Command) {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://kez:secret@{}/kez", database.local_addr().unwrap());
    command.args(["--bind", "127.0.0.1:0", "--db", &url]).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let patience = Duration::from_secs(10);
    let _connection = tokio::time::timeout(patience, database.accept()).await.unwrap().unwrap();
    Binary::signal(child.id().unwrap(), "-TERM").await;
    let ended = tokio::time::timeout(patience, child.wait()).await.expect("it does not wait for an answer");
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_server_that_waits_for_its_database_can_be_stopped() {
    ends_though_its_database_is_silent(&mut command(&[])).await;
}

/// As in a small image, or on a fresh system.
#[tokio::test]
async fn works_without_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let mut bare = command(&[]);
    bare.env("SSL_CERT_FILE", directory.path().join("none")).env("SSL_CERT_DIR", directory.path());
    let db = directory.path().join("kez-chat.db");
    let server = Binary::spawn(bare, "127.0.0.1:0".parse().unwrap(), db.as_os_str(), &[]).await;
    let server = server.expect("it starts");
    let ready = reqwest::get(format!("http://{}/v1/readyz", server.address)).await.unwrap();
    assert_eq!(ready.status(), 200);
}

#[tokio::test]
async fn bad_values_are_refused_with_one_sentence() {
    for (flag, value) in [
        ("--bind", "nowhere"),
        ("--bind", "127.0.0.1:99999"),
        ("--server", "Kez Lat"),
        ("--server", ""),
        ("--sig-server-url", "ftp://sig"),
        ("--public-url", "kez.lat"),
        ("--public-url", "https://kez.lat/?x=1"),
        ("--log-format", "xml"),
        ("--trusted-proxies", "10.0.0.0/33"),
        ("--limits", "maybe"),
        ("--db", "mysql://db.example/chat"),
        ("--db", "postgres://db.example:port/chat"),
        ("--db-connections", "3"),
    ] {
        let sentence = refusal(&mut command(&[flag, value])).await;
        assert!(sentence.contains(flag) && sentence.starts_with("kez-chat-server: "), "{sentence}");
    }
    let sentence = refusal(&mut command(&["--unknown"])).await;
    assert!(sentence.contains("--unknown"), "{sentence}");
    let sentence = refusal(command(&[]).env("KEZ_CHAT_SERVER", "Kez Lat")).await;
    assert!(sentence.contains("--server"), "{sentence}");
    let sentence = refusal(command(&[]).env("RUST_LOG", "kez=nonsense")).await;
    assert!(sentence.contains("RUST_LOG"), "{sentence}");
    let secret =
        refusal(command(&[]).env("KEZ_CHAT_DB", "postgres://kez:hunter2@db.example:port/chat")).await;
    assert!(secret.contains("--db") && !secret.contains("hunter2"), "{secret}");
}

#[tokio::test]
async fn limits_cannot_be_disabled_on_a_public_address() {
    let sentence = refusal(&mut command(&["--limits", "off"])).await;
    assert!(sentence.contains("--limits off") && sentence.contains("loopback"), "{sentence}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("kez-chat.db");
    let mut connection = {
        std::fs::File::create(&db).unwrap();
        second_connection(&db).await
    };
    connection.execute("PRAGMA user_version = 1000").await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&db).unwrap();
    let sentence = refusal(&mut command(&["--bind", "127.0.0.1:0", "--db", db.to_str().unwrap()])).await;
    let sentence = sentence.as_str();
    assert!(sentence.contains("newer version") && sentence.contains("1000"), "{sentence}");
    // The newer version's data is unchanged.
    assert_eq!(std::fs::read(&db).unwrap().len(), before.len());
}

#[tokio::test]
async fn startup_failures_are_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&mut command(&["--bind", &address])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on"));
    let output = run(&mut command(&["--bind", "127.0.0.1:0", "--db", "/nowhere/kez-chat.db"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("database"));
}

#[tokio::test]
async fn help_names_every_flag_and_its_variable() {
    let help = String::from_utf8(run(&mut command(&["--help"])).await.stdout).unwrap();
    for name in [
        "--bind",
        "KEZ_CHAT_BIND",
        "0.0.0.0:6969",
        "--db",
        "KEZ_CHAT_DB",
        "kez-chat.db",
        "--server",
        "KEZ_CHAT_SERVER",
        "kez.lat",
        "--sig-server-url",
        "KEZ_CHAT_SIG_SERVER_URL",
        "embedded",
        "--web-dir",
        "KEZ_CHAT_WEB_DIR",
        "--log-format",
        "--trusted-proxies",
        "--public-url",
        "--limits",
    ] {
        assert!(help.contains(name), "{name} in {help}");
    }
}
