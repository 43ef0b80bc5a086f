//! [`Store`] on PostgreSQL, for several nodes at once. Messages and nonces use group commits, everything else has
//! transactions of its own, all on a bounded number of connections that reconnect automatically.

mod accounts;
mod append;
mod batch;
mod bindings;
#[path = "../chains/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod chains;
mod dialect;
mod failure;
#[path = "../inboxes/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod inboxes;
mod invites;
mod lanes;
mod moderation;
mod nonces;
mod operations;
mod page;
mod people;
mod pool;
#[path = "../reports/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod reports;
#[path = "../rotation/sql.rs"]
#[allow(clippy::duplicate_mod, reason = "one text, compiled for each engine")]
mod rotation;
mod schema;
mod shares;

use futures::FutureExt;
use futures::future::BoxFuture;
use kez_core::api::KeepDays;
use kez_core::caller_auth::Nonce;
use kez_core::handle::Handle;
use kez_core::identity::{Primary, Seed};
use kez_core::log::entry::LogEntry;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use sqlx::postgres::PgConnection;

use super::chains::{ChainHead, Chains, LinkOutcome, Links, NewLink};
use super::inboxes::{Acknowledged, Inboxes, Status};
use super::reports::{NewReport, Report, Reports};
use super::rotation::{Rotation, RotationOutcome, Rotations};
use super::{
    Account, AccountId, Answer, Appended, CallerKey, Claim, ClaimOutcome, NewMessage, OpenError, PageLimit,
    Store, StoreError, StoredMessage,
};
use crate::store::database::PostgresUrl;
use lanes::Lanes;
use pool::Pool;

pub(super) use failure::meaning;
pub use schema::{pending_migrations, renew_epoch};

/// The application name of the server's connections in `pg_stat_activity`.
const APPLICATION: &str = "kez-chat-server";
/// The largest useful number of lanes: concurrent commits share the database's `fsync` anyway.
const LANES: u32 = 8;

/// A store in one PostgreSQL database.
pub struct PostgresStore {
    epoch: String,
    pool: Pool,
    lanes: Lanes,
    /// Counts envelopes that were read and left out, because they were damaged on disk.
    damaged: Counter,
}

impl PostgresStore {
    /// Connects and brings the schema up to date. At most `connections` are open at any time, a quarter of them for the
    /// lanes.
    ///
    /// # Errors
    /// [`OpenError`] when the database cannot be used, or was written by a newer version of this server.
    pub async fn open(url: &PostgresUrl, connections: u32) -> Result<Self, OpenError> {
        let options = url.options()?.application_name(APPLICATION);
        let epoch = schema::bring_up_to_date(&options).await?;
        let pool = Pool::open(options, connections).await?;
        let lanes = Lanes::start(&pool, (connections / 4).clamp(1, LANES) as usize);
        Ok(Self { epoch, pool, lanes, damaged: Counter::default() })
    }
}

impl Store for PostgresStore {
    fn claim_handle(&self, claim: Claim) -> Answer<'_, ClaimOutcome> {
        accounts::claim(&self.pool, claim).boxed()
    }

    fn lookup<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Account>> {
        accounts::lookup(&self.pool, handle).boxed()
    }

    fn lookup_primary<'a>(&'a self, primary: &'a Primary) -> Answer<'a, Option<Account>> {
        accounts::lookup_primary(&self.pool, primary).boxed()
    }

    fn append(&self, message: NewMessage) -> Answer<'_, Appended> {
        self.lanes.append(message).boxed()
    }

    fn page_after(&self, inbox: AccountId, since: u64, limit: PageLimit) -> Answer<'_, Vec<StoredMessage>> {
        page::page_after(&self.pool, inbox, since, limit, &self.damaged).boxed()
    }

    fn use_nonce(&self, caller: CallerKey, nonce: Nonce, now: Timestamp) -> Answer<'_, bool> {
        self.lanes.use_nonce(caller, nonce, now).boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn work_key(&self) -> Answer<'_, [u8; 32]> {
        self.pool.read(|connection| work_key(connection).boxed()).boxed()
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn check(&self) -> Answer<'_, ()> {
        async {
            self.lanes.check()?;
            self.pool
                .read(|connection| {
                    async move {
                        sqlx::query("SELECT epoch FROM meta WHERE only_row = 1")
                            .fetch_one(connection)
                            .await?;
                        Ok(())
                    }
                    .boxed()
                })
                .await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.lanes.close().await;
            self.pool.close().await;
        }
        .boxed()
    }
}

impl Inboxes for PostgresStore {
    fn last_seq(&self, inbox: AccountId) -> Answer<'_, u64> {
        page::last_seq(&self.pool, inbox).boxed()
    }

    fn inbox_status(&self, inbox: AccountId) -> Answer<'_, Status> {
        self.pool.read(move |connection| inboxes::status(connection, inbox).boxed()).boxed()
    }

    fn acknowledge(&self, inbox: AccountId, seq: u64) -> Answer<'_, Acknowledged> {
        async move {
            let status = self.inbox_status(inbox).await?;
            if seq > status.last {
                return Ok(Acknowledged::NotGivenOut);
            }
            if seq <= status.acknowledged {
                return Ok(Acknowledged::Stands(status));
            }
            let write =
                self.pool.write(move |connection| inboxes::acknowledge(connection, inbox, seq).boxed());
            write.await.map(Acknowledged::Stands)
        }
        .boxed()
    }

    fn keep_for(&self, inbox: AccountId, days: Option<KeepDays>) -> Answer<'_, ()> {
        self.pool.write(move |connection| inboxes::keep_for(connection, inbox, days).boxed()).boxed()
    }

    fn delete_requests(&self, inbox: AccountId, sender: Primary) -> Answer<'_, u64> {
        self.pool.write(move |connection| inboxes::delete_requests(connection, inbox, sender).boxed()).boxed()
    }

    fn forget_acknowledged(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.pool
            .write(move |connection| inboxes::forget_acknowledged(connection, inbox, before).boxed())
            .boxed()
    }

    fn forget_requests(&self, inbox: AccountId, before: Timestamp) -> Answer<'_, u64> {
        self.pool.write(move |connection| inboxes::forget_requests(connection, inbox, before).boxed()).boxed()
    }

    fn limited_inboxes(&self, after: AccountId, limit: u64) -> Answer<'_, Vec<(AccountId, KeepDays)>> {
        self.pool.read(move |connection| inboxes::limited_inboxes(connection, after, limit).boxed()).boxed()
    }

    fn inboxes_with_requests(
        &self,
        before: Timestamp,
        after: AccountId,
        limit: u64,
    ) -> Answer<'_, Vec<AccountId>> {
        self.pool
            .read(move |connection| inboxes::inboxes_with_requests(connection, before, after, limit).boxed())
            .boxed()
    }
}

impl Reports for PostgresStore {
    fn file_report(&self, report: NewReport) -> Answer<'_, bool> {
        self.pool.write(|connection| reports::file_report(connection, report).boxed()).boxed()
    }

    fn open_reports(&self) -> Answer<'_, Vec<Report>> {
        self.pool.read(|connection| reports::open_reports(connection).boxed()).boxed()
    }

    fn close_report(&self, id: i64) -> Answer<'_, bool> {
        self.pool.write(move |connection| reports::close_report(connection, id).boxed()).boxed()
    }
}

impl Rotations for PostgresStore {
    fn rotate(&self, rotation: Rotation) -> Answer<'_, RotationOutcome> {
        self.pool.write(|connection| rotation::rotate(connection, rotation).boxed()).boxed()
    }
}

impl Chains for PostgresStore {
    fn append_link(&self, link: NewLink) -> Answer<'_, LinkOutcome> {
        self.pool.write(|connection| chains::append_link(connection, link).boxed()).boxed()
    }

    fn links_after<'a>(&'a self, root: &'a Primary, since: u64, bytes: usize) -> Answer<'a, Option<Links>> {
        self.pool.read(move |connection| chains::links_after(connection, *root, since, bytes).boxed()).boxed()
    }

    fn chain_head<'a>(&'a self, root: &'a Primary) -> Answer<'a, Option<ChainHead>> {
        self.pool.read(|connection| chains::chain_head(connection, *root).boxed()).boxed()
    }

    fn log_size(&self) -> Answer<'_, u64> {
        self.pool.read(|connection| chains::log_size(connection).boxed()).boxed()
    }

    fn log_hashes(&self, positions: Vec<u64>) -> Answer<'_, Vec<Hash>> {
        self.pool.read(|connection| chains::log_hashes(connection, positions).boxed()).boxed()
    }

    fn log_entries(&self, first: u64, count: u64) -> Answer<'_, Vec<LogEntry>> {
        self.pool.read(move |connection| chains::log_entries(connection, first, count).boxed()).boxed()
    }

    fn log_seed(&self, fresh: Seed) -> Answer<'_, Seed> {
        self.pool.write(|connection| chains::log_seed(connection, fresh).boxed()).boxed()
    }
}

async fn work_key(connection: &mut PgConnection) -> Result<[u8; 32], StoreError> {
    const SQL: &str = "SELECT key FROM work_key WHERE only_row = 1";
    let key: Vec<u8> = sqlx::query_scalar(SQL).fetch_one(connection).await?;
    key.try_into().map_err(|_| StoreError::Corrupt("key for proofs of work"))
}
