//! The key packages of this device: with them others can add it to a group while it is offline. 40 and one of last resort
//! are kept up on the server.

use kez_core::api::{Base64Url, KeepPackages};
use kez_core::mls::Bytes;
use kez_core::mls::call::PackageSecret;
use kez_core::mls::reply::Package;
use kez_core::sigchain::Hash;
use serde::{Deserialize, Serialize};

use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::sorted_map::SortedMap;

/// How many packages for one use the server is to have.
const WANTED: u64 = 40;
/// Below how many they are refilled.
const FEW: u64 = 15;
const DAY: u64 = 24 * 60 * 60;
/// How long a package is valid, in seconds.
pub(crate) const LIFETIME: u64 = 60 * DAY;
/// After how many seconds the package of last resort is renewed.
const RENEWED_AFTER: u64 = 30 * DAY;
/// How long a secret is kept after its package has expired, in seconds.
const KEPT_AFTER: u64 = 7 * DAY;
/// How often the server is asked how many are left, in milliseconds.
const CHECK_INTERVAL: u64 = DAY * 1000;

/// The record of kind [`Kind::Package`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredPackage {
    secret: PackageSecret,
    /// When it expires, Unix seconds.
    until: u64,
    last_resort: bool,
    /// The package, until the server has it.
    unsent: Option<Bytes>,
}

/// All packages of this device.
pub(crate) struct Packages {
    all: SortedMap<u64, StoredPackage>,
    last: u64,
    /// How many packages for one use the server has; `None` before it has said so.
    unclaimed: Option<u64>,
    /// When the server is asked again.
    pub(crate) due_at: Option<u64>,
    backoff: Backoff,
}

impl Default for Packages {
    fn default() -> Self {
        let (all, backoff) = (SortedMap::default(), Backoff::new(1_000, 3_600_000));
        Self { all, last: 0, unclaimed: None, due_at: None, backoff }
    }
}

impl Packages {
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        let number = record.id.parse().map_err(|_| StorageFault::Damaged)?;
        self.all.insert(number, record.read()?);
        self.last = self.last.max(number);
        Ok(())
    }

    /// How many packages for one use, and whether one of last resort, are to be made now.
    pub(crate) fn wanted(&self, now: u64) -> Option<(u8, bool)> {
        if self.all.values().any(|package| package.unsent.is_some()) {
            return None;
        }
        let newest =
            self.all.values().filter(|package| package.last_resort).map(|package| package.until).max();
        let renew = newest.is_none_or(|until| until < now + LIFETIME - RENEWED_AFTER);
        let count = match self.unclaimed {
            None if self.all.values().any(|package| !package.last_resort && package.until > now) => 0,
            unclaimed => {
                Some(unclaimed.unwrap_or(0)).filter(|left| *left < FEW).map_or(0, |left| WANTED - left)
            }
        };
        (count > 0 || renew).then_some((u8::try_from(count).unwrap_or_default(), renew))
    }

    /// Stores packages that were made.
    pub(crate) fn add(&mut self, made: Vec<Package>, until: u64, cx: &mut Context<'_>) {
        for Package { mls, secret, last_resort } in made {
            self.last += 1;
            let package = StoredPackage { secret, until, last_resort, unsent: Some(mls) };
            cx.put(Kind::Package, self.last.to_string(), &package);
            self.all.insert(self.last, package);
        }
        self.due_at = Some(cx.now);
    }

    /// What the server is to have.
    pub(crate) fn body(&self, now: u64) -> KeepPackages {
        let mut body = KeepPackages::default();
        for package in self.all.values().filter(|package| package.until > now) {
            match &package.unsent {
                None => body.keep.push(package.secret.reference),
                Some(mls) if package.last_resort => body.last_resort = Some(Base64Url(mls.to_vec())),
                Some(mls) => body.packages.push(Base64Url(mls.to_vec())),
            }
        }
        body
    }

    /// The server has them, and this many for one use.
    pub(crate) fn on_kept(&mut self, unclaimed: u64, cx: &mut Context<'_>) {
        for (number, package) in self.all.iter_mut() {
            if package.unsent.take().is_some() {
                cx.put(Kind::Package, number.to_string(), &*package);
            }
        }
        self.unclaimed = Some(unclaimed);
        self.backoff.reset();
        let again = self.wanted(cx.wall() / 1000).is_some();
        self.due_at = Some(if again { cx.now } else { cx.now.saturating_add(CHECK_INTERVAL) });
    }

    /// The server did not take them.
    pub(crate) fn on_failure(&mut self, retry_after: Option<u64>, cx: &mut Context<'_>) {
        let wait = self.backoff.next_after(retry_after, cx.rng);
        self.due_at = Some(cx.now.saturating_add(wait.max(1_000)));
    }

    /// The connection is back: what failed is tried again.
    pub(crate) fn on_reconnect(&mut self, now: u64) {
        if self.backoff.attempts() > 0 {
            self.backoff.reset();
            self.due_at = Some(now);
        }
    }

    /// A Welcome has used a package. Its secret goes.
    pub(crate) fn on_used(&mut self, reference: Option<Hash>, cx: &mut Context<'_>) {
        let used = self.all.iter().find(|(_, package)| Some(package.secret.reference) == reference);
        if let Some(number) = used.map(|(number, _)| *number) {
            self.all.remove(&number);
            cx.delete(Kind::Package, number.to_string());
        }
        self.unclaimed = self.unclaimed.map(|left| left.saturating_sub(1));
        self.due_at = Some(cx.now);
    }

    /// The secrets of all packages, for a Welcome.
    pub(crate) fn secrets(&self) -> Vec<PackageSecret> {
        self.all.values().map(|package| package.secret.clone()).collect()
    }

    /// Deletes the secrets of packages that expired long ago.
    pub(crate) fn expire(&mut self, now: u64, cx: &mut Context<'_>) {
        let old = self.all.iter().filter(|(_, package)| package.until.saturating_add(KEPT_AFTER) < now);
        for number in old.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.all.remove(&number);
            cx.delete(Kind::Package, number.to_string());
        }
    }

    /// Another device begins in this browser: the packages of the former one are of no use.
    pub(crate) fn forget_all(&mut self, cx: &mut Context<'_>) {
        for number in self.all.keys() {
            cx.delete(Kind::Package, number.to_string());
        }
        *self = Self::default();
    }
}
