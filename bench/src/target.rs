//! A program under load: the server, or a bare handler that it is compared with. Each runs as a process of its own,
//! so that what it uses is told apart from what the generator uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kez_core::api::live_target;
use kez_core::handle::ServerName;
use kez_core::{caller_auth, inbox_auth};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::database::Database;
use crate::failure::Failure;
use crate::people::{Person, Sealed, now, rng};

const START_LIMIT: Duration = Duration::from_secs(15);

/// What the server is started from, and on.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// Where files go.
    pub(crate) directory: PathBuf,
    /// A database server to use instead of a file.
    pub(crate) postgres: Option<String>,
}

/// A program that runs, with a database of its own that goes when it goes.
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
    /// How to speak to it.
    pub(crate) kind: Kind,
    /// What it keeps everything in, where that is a database server.
    pub(crate) database: Option<Database>,
    _child: Child,
    directory: TempDir,
}

/// How to speak to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server, by the protocol.
    Server,
    /// The bare group-commit writer: the same bodies, but nobody checks anything.
    Writer,
    /// The bare echo: nothing is stored.
    Echo,
}

impl Target {
    /// Starts the server from its binary, with a new database.
    pub(crate) async fn server(place: &Place) -> Result<Self, Failure> {
        let database = match &place.postgres {
            Some(server) => Some(Database::create(server).await?),
            None => None,
        };
        Self::start(Kind::Server, &place.binary, &place.directory, database, &["--limits", "off"]).await
    }

    /// Starts the server as it stands, with its limits, and these flags.
    pub(crate) async fn limited_server(place: &Place, flags: &[&str]) -> Result<Self, Failure> {
        Self::start(Kind::Server, &place.binary, &place.directory, None, flags).await
    }

    /// Starts one of the bare handlers, which are in this program.
    pub(crate) async fn yardstick(kind: Kind, directory: &Path) -> Result<Self, Failure> {
        Self::start(kind, &std::env::current_exe()?, directory, None, &[]).await
    }

    async fn start(
        kind: Kind,
        binary: &Path,
        directory: &Path,
        database: Option<Database>,
        flags: &[&str],
    ) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("kez-bench-").tempdir_in(directory)?;
        let address = free_address()?;
        let mut command = Command::new(binary);
        // Settings of the shell would be settings of one run and not of the next.
        command.env_clear().env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null());
        let bind = address.to_string();
        let file = || directory.path().join("bench.db").into_os_string();
        let db = database.as_ref().map_or_else(file, |database| database.url.clone().into());
        match kind {
            Kind::Server => command.args(["--server", server_name()?.as_str()]).args(flags),
            Kind::Writer | Kind::Echo => command.arg("yardstick"),
        };
        command.args(["--bind", &bind, "--db"]).arg(db).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|source| Failure::NotStarted { program: binary.to_owned(), source })?;
        let pid = child.id().ok_or(Failure::NotReady(kind.name()))?;
        ready(kind, address, &mut child).await?;
        Ok(Self { address, pid, kind, database, _child: child, directory })
    }

    /// Makes the inboxes of these people known, where that is needed.
    pub(crate) async fn register(&self, people: &[Person]) -> Result<(), Failure> {
        if self.kind != Kind::Server {
            return Ok(());
        }
        let server = server_name()?;
        let mut connection = Connection::open(self.address).await?;
        for person in people {
            connection.post("/v1/register", person.registration(&server)?, None).await?;
        }
        Ok(())
    }

    /// Where a message is posted.
    pub(crate) fn message_path(&self, message: &Sealed) -> String {
        match self.kind {
            Kind::Server => "/v1/messages".to_owned(),
            Kind::Writer => format!("/messages/{}", message.inbox),
            Kind::Echo => "/echo".to_owned(),
        }
    }

    /// Where a page of an inbox is read, and the header for it.
    pub(crate) fn page_request(&self, person: &Person, since: u64, limit: u64) -> (String, Option<String>) {
        if self.kind != Kind::Server {
            return (format!("/messages/{}?since={since}&limit={limit}", person.inbox), None);
        }
        let path = format!("/v1/inbox/{}?since={since}&limit={limit}", person.handle);
        (path, Some(inbox_auth::header(&person.identity, &person.handle, since, now())))
    }

    /// Where the live stream of an inbox is.
    pub(crate) fn live_path(&self, person: &Person) -> String {
        match self.kind {
            Kind::Server => format!("/v1/inbox/{}/live", person.handle),
            Kind::Writer | Kind::Echo => format!("/live/{}", person.inbox),
        }
    }

    /// What authenticates a reader in the first frame of the live stream.
    pub(crate) fn live_auth(&self, person: &Person, since: u64) -> Result<String, Failure> {
        signature(person, "GET", &live_target(&person.handle, since), b"")
    }

    /// Bytes of the database's files.
    pub(crate) fn disk_bytes(&self) -> Result<u64, Failure> {
        let mut bytes = 0;
        for file in std::fs::read_dir(self.directory.path())? {
            // The log may go between the two looks.
            bytes += file?.metadata().map_or(0, |file| file.len());
        }
        Ok(bytes)
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Writer => "bare writer",
            Self::Echo => "bare echo",
        }
    }
}

/// The header with which a person signs a request.
pub(crate) fn signature(person: &Person, method: &str, target: &str, body: &[u8]) -> Result<String, Failure> {
    let server = server_name()?;
    let request = caller_auth::CallerRequest { server: &server, method, target, body };
    Ok(caller_auth::header(&person.identity, &person.handle, &request, now(), &mut rng()))
}

/// The name that the server is started under.
pub(crate) fn server_name() -> Result<ServerName, Failure> {
    "bench.example".parse().map_err(Failure::protocol)
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

async fn ready(kind: Kind, address: SocketAddr, child: &mut Child) -> Result<(), Failure> {
    let answers = async {
        while child.try_wait()?.is_none() {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.get("/v1/readyz", None).await.is_ok()
            {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(Failure::NotReady(kind.name()))
    };
    timeout(START_LIMIT, answers).await.unwrap_or(Err(Failure::NotReady(kind.name())))
}
