//! MLS key packages that devices have published, so that others can add them to a group while they are offline.
//!
//! A package is given out once; a last resort may be given out many times. The packages that were given out are
//! remembered until they expire, because a device that lost an answer uploads the same packages again.

use std::collections::HashSet;

use kez_core::sigchain::{DeviceId, Hash};
use kez_core::time::Timestamp;

use super::connection::{Connection, FromColumn, Value, records, values};
use super::{AccountId, Store, StoreError};

/// The most packages of a device, the last resort not counted.
pub const MOST_PACKAGES: usize = 60;
/// A package that is given out is still valid for at least this many seconds, so that it can be used.
const MARGIN_SECONDS: u64 = 60 * 60;
/// The most packages that one sweep deletes, so that other writes do not wait long.
const SWEPT_AT_ONCE: u64 = 500;

/// A package that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPackage {
    /// The hash that names it (RFC 9420, section 5.2).
    pub reference: Hash,
    /// The second from which it is invalid.
    pub expires_at: Timestamp,
    /// Its bytes.
    pub package: Vec<u8>,
}

/// What a device publishes from now on.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The account of the device.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// The stored packages that stay.
    pub keep: HashSet<Hash>,
    /// New packages.
    pub packages: Vec<NewPackage>,
    /// A new last resort; without one, the stored one stays if it is kept.
    pub last_resort: Option<NewPackage>,
}

/// The result of a [`Publication`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The number of unclaimed packages of the device, without the last resort.
    Unclaimed(u64),
    /// There would be more than [`MOST_PACKAGES`]. Nothing was changed.
    TooMany,
}

/// The published packages of a device by their references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unclaimed {
    /// Those that are given out once, oldest first.
    pub packages: Vec<Hash>,
    /// The last resort.
    pub last_resort: Option<Hash>,
}

/// A package for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The account of the device.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// Whether it is the last resort.
    pub last_resort: bool,
    /// The package.
    pub package: Vec<u8>,
}

/// A stored package, as its owner exports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPackage {
    /// The device.
    pub device: DeviceId,
    /// Whether it is the last resort.
    pub last_resort: bool,
    /// Its bytes.
    pub package: Vec<u8>,
}

impl Store {
    /// Replaces the packages of a device: what is neither kept nor new is deleted. A package that was given out before
    /// does not return.
    pub async fn publish_packages(&self, publication: Publication) -> Result<Published, StoreError> {
        self.write(move |connection| publish(connection, &publication)).await
    }

    /// The packages that a device has published and that were not claimed.
    pub async fn unclaimed_packages(
        &self,
        account: AccountId,
        device: DeviceId,
    ) -> Result<Unclaimed, StoreError> {
        self.read(move |connection| unclaimed(connection, account, device)).await
    }

    /// Takes out one package for each of these devices, or else its last resort. Devices without either are left out.
    pub async fn claim_packages(
        &self,
        devices: Vec<(AccountId, DeviceId)>,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.write(move |connection| claim_all(connection, &devices, now)).await
    }

    /// All published packages of an account.
    pub async fn packages_of(&self, account: AccountId) -> Result<Vec<StoredPackage>, StoreError> {
        const SQL: &str =
            "SELECT device, last_resort, package FROM key_packages WHERE account = $1 ORDER BY id";
        self.read(move |connection| connection.rows(SQL, values![account])).await
    }

    /// Deletes packages that have expired, a portion at a time. Returns the number of deleted packages.
    pub async fn sweep_packages(&self, now: Timestamp) -> Result<u64, StoreError> {
        const PUBLISHED: &str = "DELETE FROM key_packages WHERE id IN ( \
            SELECT id FROM key_packages WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        const CLAIMED: &str = "DELETE FROM claimed_key_packages WHERE reference IN ( \
            SELECT reference FROM claimed_key_packages WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        let mut swept = 0;
        for (sql, counts) in [(PUBLISHED, 1), (CLAIMED, 0)] {
            loop {
                let portion = self
                    .write(move |connection| connection.execute(sql, values![now, SWEPT_AT_ONCE]))
                    .await?;
                swept += portion * counts;
                if portion < SWEPT_AT_ONCE {
                    break;
                }
            }
        }
        Ok(swept)
    }
}

fn publish(connection: &mut Connection<'_>, new: &Publication) -> Result<Published, StoreError> {
    const LOCK: &str = "SELECT id FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
    const CLAIMED: &str = "SELECT reference FROM claimed_key_packages WHERE reference = $1";
    const DELETE: &str = "DELETE FROM key_packages WHERE reference = $1";
    // Of two requests of one device, the second sees the result of the first.
    let lock = connection.either("SELECT id FROM accounts WHERE id = $1", LOCK);
    if connection.row::<AccountId>(lock, values![new.account])?.is_none() {
        return Err(StoreError::NoSuchAccount);
    }
    let stored = unclaimed(connection, new.account, new.device)?;
    let given: HashSet<Hash> = new.packages.iter().map(|package| package.reference).collect();
    let (kept, dropped): (Vec<Hash>, Vec<Hash>) = stored
        .packages
        .iter()
        .partition(|reference| new.keep.contains(reference) || given.contains(reference));
    let mut known: HashSet<Hash> = kept.iter().copied().collect();
    let mut fresh = Vec::new();
    for package in &new.packages {
        let is_new = known.insert(package.reference);
        if is_new && connection.row::<Hash>(CLAIMED, values![&package.reference])?.is_none() {
            fresh.push(package);
        }
    }
    let total = kept.len() + fresh.len();
    if total > MOST_PACKAGES {
        return Ok(Published::TooMany);
    }
    for reference in &dropped {
        connection.execute(DELETE, values![reference])?;
    }
    for package in fresh {
        insert(connection, new, package, false)?;
    }
    if let Some(old) = stored.last_resort
        && new.last_resort.as_ref().map_or(!new.keep.contains(&old), |package| package.reference != old)
    {
        connection.execute(DELETE, values![&old])?;
    }
    if let Some(package) = &new.last_resort {
        insert(connection, new, package, true)?;
    }
    Ok(Published::Unclaimed(total as u64))
}

fn insert(
    connection: &mut Connection<'_>,
    new: &Publication,
    package: &NewPackage,
    last_resort: bool,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO key_packages (account, device, reference, last_resort, expires_at, package) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (reference) DO NOTHING";
    let NewPackage { reference, expires_at, package } = package;
    let (last_resort, package) = (i64::from(last_resort), package.as_slice());
    connection
        .execute(SQL, values![new.account, new.device, reference, last_resort, *expires_at, package])
        .map(drop)
}

fn unclaimed(
    connection: &mut Connection<'_>,
    account: AccountId,
    device: DeviceId,
) -> Result<Unclaimed, StoreError> {
    const SQL: &str = "SELECT reference, last_resort FROM key_packages \
        WHERE account = $1 AND device = $2 ORDER BY last_resort, id";
    let rows: Vec<(Hash, bool)> = connection.rows(SQL, values![account, device])?;
    let mut found = Unclaimed::default();
    for (reference, last_resort) in rows {
        if last_resort {
            found.last_resort = Some(reference);
        } else {
            found.packages.push(reference);
        }
    }
    Ok(found)
}

fn claim_all(
    connection: &mut Connection<'_>,
    devices: &[(AccountId, DeviceId)],
    now: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    let mut claimed = Vec::new();
    for (account, device) in devices {
        claimed.extend(claim(connection, *account, *device, now)?);
    }
    Ok(claimed)
}

fn claim(
    connection: &mut Connection<'_>,
    account: AccountId,
    device: DeviceId,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    const SQLITE: &str = "DELETE FROM key_packages WHERE id = ( \
            SELECT id FROM key_packages WHERE account = $1 AND device = $2 AND last_resort = 0 AND expires_at > $3 \
            ORDER BY id LIMIT 1) \
        RETURNING reference, expires_at, package";
    // Concurrent claims take different packages, and none waits for another.
    const POSTGRES: &str = "DELETE FROM key_packages WHERE id = ( \
            SELECT id FROM key_packages WHERE account = $1 AND device = $2 AND last_resort = 0 AND expires_at > $3 \
            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) \
        RETURNING reference, expires_at, package";
    const REMEMBER: &str = "INSERT INTO claimed_key_packages (reference, expires_at) VALUES ($1, $2) \
        ON CONFLICT (reference) DO NOTHING";
    const LAST_RESORT: &str = "SELECT package FROM key_packages \
        WHERE account = $1 AND device = $2 AND last_resort = 1 AND expires_at > $3 ORDER BY id DESC LIMIT 1";
    let until = now.unix() + MARGIN_SECONDS;
    let sql = connection.either(SQLITE, POSTGRES);
    let taken: Option<(Hash, Timestamp, Vec<u8>)> = connection.row(sql, values![account, device, until])?;
    if let Some((reference, expires_at, package)) = taken {
        connection.execute(REMEMBER, values![&reference, expires_at])?;
        return Ok(Some(Claimed { account, device, last_resort: false, package }));
    }
    let package: Option<Vec<u8>> = connection.row(LAST_RESORT, values![account, device, until])?;
    Ok(package.map(|package| Claimed { account, device, last_resort: true, package }))
}

impl From<DeviceId> for Value {
    fn from(device: DeviceId) -> Self {
        device.as_bytes().as_slice().into()
    }
}

impl FromColumn for DeviceId {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        let bytes = Vec::<u8>::from_column(value)?.try_into();
        bytes.map(Self::from_bytes).map_err(|_| StoreError::Corrupt("device"))
    }
}

records! {
    StoredPackage { device, last_resort, package }
}
