//! A real PostgreSQL for the test, on a free port of the loopback interface.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::support::free_address;

/// PostgreSQL refuses to run as root; then it runs as this user.
const NOBODY: &str = "nobody";

/// Creates a cluster.
const NEW: &str = r#"
"$BIN/initdb" --pgdata="$DIR/data" --username=kez --pwfile="$DIR/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C --no-sync
"#;

/// Runs the commands that create a cluster, starts it, and removes both when its standard input ends, which happens
/// however the test ends.
const SUPERVISOR: &str = r#"
set -e
trap '' INT
eval "$MAKE" >"$DIR/log" 2>&1 || { cat "$DIR/log"; exit 1; }
"$BIN/pg_ctl" --pgdata="$DIR/data" --log="$DIR/log" --wait --silent start \
    --options="-c port=$PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200 -c max_wal_size=4GB" \
    || { cat "$DIR/log"; exit 1; }
echo ready
read -r end || true
"$BIN/pg_ctl" --pgdata="$DIR/data" --mode=immediate --silent stop >>"$DIR/log" 2>&1 || true
rm -rf "$DIR"
"#;

pub(crate) struct Cluster {
    port: u16,
    directory: PathBuf,
    programs: PathBuf,
    databases: AtomicUsize,
    supervisor: Child,
    lifeline: Option<ChildStdin>,
}

impl Cluster {
    /// The cluster shared by all tests that do not stop it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A separate cluster for the test.
    pub(crate) async fn start() -> Self {
        Self::made_by(NEW.to_owned()).await
    }

    /// Starts the cluster that these commands create in `$DIR/data`, with the programs in `$BIN`.
    pub(super) async fn made_by(make: String) -> Self {
        tokio::task::spawn_blocking(move || Self::start_blocking(&make)).await.unwrap()
    }

    fn start_blocking(make: &str) -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("kez-postgres-").tempdir().unwrap().keep();
        std::fs::write(directory.join("password"), "secret").unwrap();
        let port = free_address().port();
        let mut command = as_user(&directory, "sh");
        command.args(["-c", SUPERVISOR]).env("BIN", &programs).env("DIR", &directory);
        command.env("MAKE", make);
        command.env("PORT", port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisor = command.spawn().unwrap();
        let mut output = BufReader::new(supervisor.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        if said != "ready\n" {
            output.read_to_string(&mut said).unwrap();
            panic!("PostgreSQL does not start: {said}");
        }
        let lifeline = supervisor.stdin.take();
        Self { port, directory, programs, databases: AtomicUsize::new(0), supervisor, lifeline }
    }

    /// The address of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        let name = format!("kez{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connect(&self.url("postgres")).await.execute(create).await.unwrap();
        self.url(&name)
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://kez:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// Stops it as in a crash, and restarts it. Returns once it accepts connections.
    pub(crate) async fn crash_and_restart(&self) {
        self.control(&["--mode=immediate", "restart"]).await;
    }

    /// Stops it as in an orderly shutdown: all clients are disconnected.
    pub(crate) async fn stop(&self) {
        self.control(&["--mode=fast", "stop"]).await;
    }

    /// Restarts it after [`Self::stop`].
    pub(crate) async fn start_again(&self) {
        let port = format!(
            "--options=-c port={} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            self.port
        );
        self.control(&[&port, "start"]).await;
    }

    pub(super) async fn control(&self, arguments: &[&str]) {
        let mut command = as_user(&self.directory, self.programs.join("pg_ctl"));
        command.arg("--pgdata").arg(self.directory.join("data")).args(["--wait", "--silent"]);
        command.arg("--log").arg(self.directory.join("log")).args(arguments);
        let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(self.directory.join("log")).unwrap());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.supervisor.wait();
    }
}

/// A connection for the test itself.
pub(crate) async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// A command run as the user that owns the directory from now on: not root.
fn as_user(directory: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    if id(&["-u"]) != 0 {
        return Command::new(program);
    }
    let (user, group) = (id(&["-u", NOBODY]), id(&["-g", NOBODY]));
    chown(directory, Some(user), Some(group)).unwrap();
    chown(directory.join("password"), Some(user), Some(group)).unwrap();
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
    command.current_dir(directory);
    command
}

/// The folder of PostgreSQL's programs; the newest version if there are several.
fn programs() -> PathBuf {
    if let Some(given) = std::env::var_os("POSTGRES_BIN") {
        return given.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        versions.max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    newest.map(|version| version.path().join("bin")).expect(
        "these tests start a PostgreSQL of their own: `apt-get install postgresql`, or name the folder of initdb in \
         POSTGRES_BIN; `cargo xtask test` does that by itself",
    )
}
