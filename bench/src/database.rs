//! The PostgreSQL server behind the chat server: a new database for each start, and the resources that its processes
//! use.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::failure::Failure;
use crate::process::{self, Usage};

/// A new database on a PostgreSQL server of this machine.
pub(crate) struct Database {
    /// Its URL, in the form that `--db` accepts.
    pub(crate) url: String,
    /// The parent of all other processes of the database server.
    postmaster: u32,
}

impl Database {
    /// Creates the database, and drops one of the same name from an earlier run.
    ///
    /// `server` is the URL of any other database on the server, with a role that may create databases.
    pub(crate) async fn create(server: &str) -> Result<Self, Failure> {
        const NAME: &str = "kez_bench";
        let mut connection = server.parse::<PgConnectOptions>()?.connect().await?;
        for sql in [
            format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"),
            format!("CREATE DATABASE {NAME}"),
            "CHECKPOINT".to_owned(),
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
        }
        let postmaster = process::parent(backend(&mut connection).await?)?;
        connection.close().await?;
        let (base, _) =
            server.rsplit_once('/').ok_or_else(|| Failure::protocol("no database in --postgres"))?;
        Ok(Self { url: format!("{base}/{NAME}"), postmaster })
    }

    /// The resources used by all processes of the database server.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Usage::of_family(self.postmaster)
    }
}

async fn backend(connection: &mut PgConnection) -> Result<u32, Failure> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?;
    u32::try_from(pid).map_err(Failure::protocol)
}
