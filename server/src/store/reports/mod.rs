//! Reports from users about other users, for the operator: keys and hashes, never content.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::{AccountId, Answer};

/// How many open reports one account may have.
pub const MOST_OPEN: u64 = 20;

/// The part of a store that keeps reports.
pub trait Reports {
    /// Files a report; `false` when its reporter has [`MOST_OPEN`] open ones.
    fn file_report(&self, report: NewReport) -> Answer<'_, bool>;

    /// The open reports, the oldest first.
    fn open_reports(&self) -> Answer<'_, Vec<Report>>;

    /// Deletes a report; `false` when there is none with this number.
    fn close_report(&self, id: i64) -> Answer<'_, bool>;
}

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
