//! A program under load: the server, or a bare handler that it is compared with. Each runs in its own process, so that
//! its resources are counted apart from the generator's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::future::try_join_all;
use kez_core::api::live_target;
use kez_core::caller_auth::{CallerName, CallerRequest};
use kez_core::handle::ServerName;
use kez_core::identity::SecretIdentity;
use kez_core::{caller_auth, inbox_auth};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::database::Database;
use crate::failure::Failure;
use crate::people::{Person, Sealed, now, rng};

/// The path of messages from one person to another.
pub(crate) const MESSAGES_PATH: &str = "/v1/messages";
/// The file of the database in its directory.
const DATABASE_FILE: &str = "bench.db";
const START_LIMIT: Duration = Duration::from_secs(15);
/// How many users register at once.
const REGISTER_AT_ONCE: usize = 64;

/// The binary and the storage of the server.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// The directory for files.
    pub(crate) directory: PathBuf,
    /// A database server to use instead of a file.
    pub(crate) postgres: Option<String>,
}

impl Place {
    /// This binary and this directory; by default, those beside this program.
    pub(crate) fn given(binary: Option<&Path>, directory: Option<&Path>) -> Result<Self, Failure> {
        let beside = std::env::current_exe()?.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            binary: binary.map_or_else(|| beside.join("kez-chat-server"), Path::to_owned),
            directory: directory.map_or(beside, Path::to_owned),
            postgres: None,
        })
    }
}

/// A running program with its own database, which is removed together with it.
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its process id.
    pub(crate) pid: u32,
    /// Its protocol.
    pub(crate) kind: Kind,
    /// Its database, if it uses a database server.
    pub(crate) database: Option<Database>,
    _child: Child,
    directory: TempDir,
}

/// The protocol of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server: the real protocol.
    Server,
    /// The bare group-commit writer: the same bodies without any checks.
    Writer,
    /// The bare echo: stores nothing.
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

    /// Starts the server with its limits on, and with these flags.
    pub(crate) async fn limited_server(place: &Place, flags: &[&str]) -> Result<Self, Failure> {
        Self::start(Kind::Server, &place.binary, &place.directory, None, flags).await
    }

    /// Starts one of the bare handlers, which are part of this program.
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
        // Environment variables of the shell would affect one run and not the next.
        command.env_clear().env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null());
        let bind = address.to_string();
        let file = || directory.path().join(DATABASE_FILE).into_os_string();
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

    /// Registers these users, if the target needs it.
    pub(crate) async fn register(&self, people: &[Person]) -> Result<(), Failure> {
        if self.kind != Kind::Server {
            return Ok(());
        }
        let share = people.len().div_ceil(REGISTER_AT_ONCE).max(1);
        try_join_all(people.chunks(share).map(|people| self.register_in_turn(people))).await.map(drop)
    }

    async fn register_in_turn(&self, people: &[Person]) -> Result<(), Failure> {
        let server = server_name()?;
        let mut connection = Connection::open(self.address).await?;
        for person in people {
            connection.post("/v1/register", person.registration(&server)?, None).await?;
        }
        Ok(())
    }

    /// The path to post a message to.
    pub(crate) fn message_path(&self, message: &Sealed) -> String {
        match self.kind {
            Kind::Server => message.log_path.clone().unwrap_or_else(|| MESSAGES_PATH.to_owned()),
            Kind::Writer => format!("/messages/{}", message.inbox),
            Kind::Echo => "/echo".to_owned(),
        }
    }

    /// The path to read a page of an inbox, and its header.
    pub(crate) fn page_request(&self, person: &Person, since: u64, limit: u64) -> (String, Option<String>) {
        if self.kind != Kind::Server {
            return (format!("/messages/{}?since={since}&limit={limit}", person.inbox), None);
        }
        let path = format!("/v1/inbox/{}?since={since}&limit={limit}", person.handle);
        (path, Some(inbox_auth::header(&person.identity, &person.handle, since, now())))
    }

    /// The path of an inbox's live stream.
    pub(crate) fn live_path(&self, person: &Person) -> String {
        match self.kind {
            Kind::Server => format!("/v1/inbox/{}/live", person.handle),
            Kind::Writer | Kind::Echo => format!("/live/{}", person.inbox),
        }
    }

    /// The reader's authentication in the first frame of the live stream.
    pub(crate) fn live_auth(&self, person: &Person, since: u64) -> Result<String, Failure> {
        signature(person, "GET", &live_target(&person.handle, since), b"")
    }

    /// Waits until the server has emptied SQLite's log, which it does after two seconds without a write unless a reader
    /// delays it.
    pub(crate) async fn log_emptied(&self) -> Result<(), Failure> {
        let log = self.directory.path().join(format!("{DATABASE_FILE}-wal"));
        while std::fs::metadata(&log)?.len() > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// The size of the database's files in bytes.
    pub(crate) fn disk_bytes(&self) -> Result<u64, Failure> {
        let mut bytes = 0;
        for file in std::fs::read_dir(self.directory.path())? {
            // The log may be removed between the two calls.
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

/// The header with which a user signs a request.
pub(crate) fn signature(person: &Person, method: &str, target: &str, body: &[u8]) -> Result<String, Failure> {
    signature_by(&person.identity, &person.handle.clone().into(), method, target, body)
}

/// The header with which a user, or a device of a user, signs a request.
pub(crate) fn signature_by(
    key: &SecretIdentity,
    caller: &CallerName,
    method: &str,
    target: &str,
    body: &[u8],
) -> Result<String, Failure> {
    let server = server_name()?;
    let request = CallerRequest { server: &server, method, target, body };
    Ok(caller_auth::header(key, caller, &request, now(), &mut rng()))
}

/// The server name of the server under test.
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
