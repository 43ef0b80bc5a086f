//! The schema of the database and its versions. The table `migrations` records which ones a database has run.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};

use super::pool::DURABLE;
use crate::store::OpenError;
use crate::store::migrations::{self, Migration};

/// The application name of the server's connections in `pg_stat_activity`.
pub(super) const APPLICATION: &str = "kez-chat-server";
/// `gen_random_uuid` came with 13.
const OLDEST_POSTGRES: i32 = 130_000;
/// The advisory lock that serialises nodes that start together: "kez" in ASCII.
const TURN: i64 = 0x6b_65_7a;

/// Checks the database server and runs the missing migrations, all or none, on whichever node comes first. Returns the
/// epoch.
pub(super) async fn bring_up_to_date(options: &PgConnectOptions) -> Result<String, OpenError> {
    // A separate connection without the usual time-outs, because a migration may take long.
    let mut connection = connect(options).await?;
    refuse_unfit(&mut connection).await?;
    migrate(&mut connection).await?;
    let epoch =
        sqlx::query_scalar("SELECT epoch FROM meta WHERE only_row = 1").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(epoch)
}

/// The names of the missing migrations.
pub async fn pending_migrations(options: &PgConnectOptions) -> Result<Vec<&'static str>, OpenError> {
    let mut connection = options.connect().await?;
    refuse_unfit(&mut connection).await?;
    let found = if has_migrations(&mut connection).await? { newest_run(&mut connection).await? } else { 0 };
    connection.close().await?;
    Ok(migrations::missing(found)?.map(|migration| migration.name).collect())
}

/// Gives a database that no server uses a new epoch after a restore from a backup, and returns the epoch. Clients may then
/// offer later states of groups.
pub async fn renew_epoch(options: &PgConnectOptions) -> Result<String, OpenError> {
    const RENEW: &str =
        "UPDATE meta SET epoch = left(md5(gen_random_uuid()::text), 16) WHERE only_row = 1 RETURNING epoch";
    let mut connection = connect(options).await?;
    must_be_unused(&mut connection).await?;
    migrate(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("UPDATE groups SET ahead = 1").execute(&mut *transaction).await?;
    let epoch = sqlx::query_scalar(RENEW).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(epoch)
}

/// Creates the schema in a database that no server uses.
pub(in crate::store) async fn create(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await?;
    must_be_unused(&mut connection).await?;
    connection.close().await?;
    bring_up_to_date(options).await.map(drop)
}

/// A connection whose commits are durable.
pub(in crate::store) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(DURABLE).await?;
    Ok(connection)
}

async fn must_be_unused(connection: &mut PgConnection) -> Result<(), OpenError> {
    const SERVERS: &str = "SELECT count(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND application_name = $1";
    let servers: i64 = sqlx::query_scalar(SERVERS).bind(APPLICATION).fetch_one(connection).await?;
    if servers > 0 { Err(OpenError::InUse) } else { Ok(()) }
}

async fn migrate(connection: &mut PgConnection) -> Result<(), OpenError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(TURN).execute(&mut *transaction).await?;
    let found = version(&mut transaction).await?;
    for migration in migrations::missing(found)? {
        run(&mut transaction, migration).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The number of migrations that the database has run.
async fn version(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    // Checked first, so that a role without the right to create tables can serve an up-to-date database.
    if !has_migrations(connection).await? {
        const CREATE: &str = "CREATE TABLE migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, \
                              run_at TIMESTAMPTZ NOT NULL DEFAULT now())";
        sqlx::query(CREATE).execute(connection).await?;
        return Ok(0);
    }
    newest_run(connection).await
}

async fn has_migrations(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass('migrations') IS NOT NULL").fetch_one(connection).await
}

async fn newest_run(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM migrations").fetch_one(connection).await
}

async fn run(connection: &mut PgConnection, migration: &'static Migration) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(migration.postgres).execute(&mut *connection).await?;
    sqlx::query("INSERT INTO migrations (version, name) VALUES ($1, $2)")
        .bind(migration.version)
        .bind(migration.name)
        .execute(connection)
        .await?;
    Ok(())
}

async fn refuse_unfit(connection: &mut PgConnection) -> Result<(), OpenError> {
    const FACTS: &str = "SELECT current_setting('server_version_num')::integer, \
                         current_setting('server_version'), current_setting('fsync')";
    let (number, version, fsync): (i32, String, String) = sqlx::query_as(FACTS).fetch_one(connection).await?;
    if number < OLDEST_POSTGRES {
        return Err(OpenError::OldPostgres(version));
    }
    if fsync == "off" {
        return Err(OpenError::NotDurable);
    }
    Ok(())
}
