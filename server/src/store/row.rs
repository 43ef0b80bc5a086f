//! Conversions of columns, for every engine: both store numbers as signed 64-bit integers.

use kez_core::time::Timestamp;

use super::{Account, AccountId, StoreError};

/// The columns of an account in the order of [`Account`].
pub(super) type AccountRow = (i64, String, String, String, i64, Option<String>);

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(
        (id, handle, primary, registration, registered_at, root): AccountRow,
    ) -> Result<Self, StoreError> {
        let key = |text: String| text.parse().map_err(|_| StoreError::Corrupt("key"));
        let primary = key(primary)?;
        Ok(Self {
            id: AccountId(id),
            handle: handle.parse().map_err(|_| StoreError::Corrupt("handle"))?,
            primary,
            root: root.map(key).transpose()?.unwrap_or(primary),
            registration,
            registered_at: time(registered_at)?,
        })
    }
}

/// A stored time, in seconds since 1970.
pub(super) fn time(seconds: i64) -> Result<Timestamp, StoreError> {
    seconds.try_into().map(Timestamp::from_unix).map_err(|_| StoreError::Corrupt("time"))
}

/// A stored sequence number.
pub(super) fn unsigned(seq: i64) -> Result<u64, StoreError> {
    seq.try_into().map_err(|_| StoreError::Corrupt("sequence number"))
}

/// A number for comparison with stored ones. A value beyond the range of a column is beyond every row.
pub(super) fn signed(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
