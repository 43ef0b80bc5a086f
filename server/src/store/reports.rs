//! Reports from users about other users, for the operator: keys and hashes, never content.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::connection::{FromRow, Value, values};
use super::{AccountId, Store, StoreError};

/// How many open reports one account may have.
pub const MOST_OPEN: u64 = 20;

/// A report that passed every check except whether its reporter has too many open ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReport {
    /// The reporter's account.
    pub reporter: AccountId,
    /// The key that sent the messages.
    pub about: Primary,
    /// Hashes of envelopes, in hex.
    pub messages: Vec<String>,
    /// The reporter's comment.
    pub note: String,
    /// The server's time.
    pub now: Timestamp,
}

/// A report as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its number.
    pub id: i64,
    /// The reporter's handle.
    pub reporter: Handle,
    /// The key that sent the messages.
    pub about: Primary,
    /// The handle of that key on this server, if it has one.
    pub about_handle: Option<Handle>,
    /// Hashes of envelopes, in hex.
    pub messages: Vec<String>,
    /// The reporter's comment.
    pub note: String,
    /// When it was filed.
    pub at: Timestamp,
}

impl Store {
    /// Files a report; `false` when its reporter has [`MOST_OPEN`] open ones.
    pub async fn file_report(&self, report: NewReport) -> Result<bool, StoreError> {
        const SQL: &str = "INSERT INTO reports (reporter, about, messages, note, reported_at) \
            SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM reports WHERE reporter = $1) < $6";
        let NewReport { reporter, about, messages, note, now } = report;
        let messages = messages.join(" ");
        let values =
            [reporter.into(), (&about).into(), messages.into(), note.into(), now.into(), MOST_OPEN.into()];
        Ok(self.write(move |connection| connection.execute(SQL, &values)).await? > 0)
    }

    /// The open reports, the oldest first.
    pub async fn open_reports(&self) -> Result<Vec<Report>, StoreError> {
        const SQL: &str = "SELECT reports.id, reporters.handle, about, reported.handle, messages, note, reported_at \
            FROM reports JOIN accounts reporters ON reporters.id = reporter \
            LEFT JOIN accounts reported ON reported.primary_key = about ORDER BY reports.id";
        self.read(|connection| connection.rows(SQL, &[])).await
    }

    /// Deletes a report; `false` when there is none with this number.
    pub async fn close_report(&self, id: i64) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM reports WHERE id = $1";
        Ok(self.write(move |connection| connection.execute(SQL, values![id])).await? > 0)
    }
}

impl FromRow for Report {
    fn from_row(row: Vec<Value>) -> Result<Self, StoreError> {
        let (id, reporter, about, about_handle, messages, note, at) = FromRow::from_row(row)?;
        let messages: String = messages;
        let messages = messages.split_whitespace().map(str::to_owned).collect();
        Ok(Self { id, reporter, about, about_handle, messages, note, at })
    }
}
