//! The database in the browser (IndexedDB through rexie): one store for the vault's header and one for sealed records.
//!
//! An IndexedDB transaction ends at the first await on anything else, so all records are sealed before a transaction is
//! opened. Records are keyed `<kind>/<id>` in a single store, so a new kind needs no new database version. The worker's
//! script makes every transaction strictly durable.
//!
//! Web Locks let one worker lead at a time, but a write of the worker before may still be on its way to the database. So
//! each transaction that writes first compares the lease that this worker holds with that in the header.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use getrandom::SysRng;
use js_sys::{Reflect, Uint8Array};
use kez_client::event::StorageFault;
use kez_client::vault::Lease;
use rand_core::UnwrapErr;
use rexie::{KeyRange, ObjectStore, Rexie, Transaction, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};

use crate::effects::timer::Timer;
use crate::js::get;

const DATABASE: &str = "kez-chat";
const VAULT: &str = "vault";
const RECORDS: &str = "records";
const HEADER: &str = "header";
/// The header's property for the lease.
const LEASE: &str = "lease";
/// The key of an empty entry beside the records of a vault with a lease. Version 0.1.0 knows of no leases. It finds a record
/// of an unknown kind, and refuses the storage as that of a newer version.
const MARK: &str = "lease/mark";

/// The time limit for opening the database, in milliseconds. After it the storage counts as unusable: another tab may
/// hold an older version open forever.
const OPEN_TIME_OUT: u64 = 10_000;

/// The open database. A browser may close the connection at any time; the database is then opened again.
pub(crate) struct Store {
    database: RefCell<Rc<Rexie>>,
    /// The lease that this worker holds, or why it may not write.
    lease: Cell<Held>,
}

/// A lease, or why there is none.
type Held = Result<Lease, StorageFault>;

/// One write: the bytes to store under a key; `None` deletes the record.
pub(crate) type Write = (String, Option<Vec<u8>>);

impl Store {
    pub(crate) async fn open() -> Result<Self, StorageFault> {
        let database = RefCell::new(Rc::new(Self::connect().await?));
        Ok(Self { database, lease: Cell::new(Err(StorageFault::Unavailable)) })
    }

    async fn connect() -> Result<Rexie, StorageFault> {
        let opening = Rexie::builder(DATABASE)
            .version(1)
            .add_object_store(ObjectStore::new(VAULT))
            .add_object_store(ObjectStore::new(RECORDS))
            .build();
        let (late, time_out) = futures::channel::oneshot::channel::<()>();
        let mut late = Some(late);
        let _timer = Timer::after(OPEN_TIME_OUT, move || drop(late.take()));
        futures::pin_mut!(opening);
        match futures::future::select(opening, time_out).await {
            futures::future::Either::Left((opened, _)) => opened.map_err(fault),
            futures::future::Either::Right(_) => Err(StorageFault::Unavailable),
        }
    }

    /// The vault's header, if there is one.
    pub(crate) async fn header(&self) -> Result<Option<JsValue>, StorageFault> {
        self.attempt(header).await
    }

    /// Runs a database operation. If the connection was closed, reconnects and runs the operation once more. An
    /// uncommitted transaction has written nothing, and repeating a committed write is harmless.
    async fn attempt<T, F>(&self, run: impl Fn(Rc<Rexie>) -> F) -> Result<T, StorageFault>
    where
        F: Future<Output = rexie::Result<T>>,
    {
        let database = Rc::clone(&self.database.borrow());
        match run(database).await.map_err(fault) {
            Err(StorageFault::Unavailable) => {}
            outcome => return outcome,
        }
        let database = Rc::new(Self::connect().await?);
        self.database.replace(Rc::clone(&database));
        run(database).await.map_err(fault)
    }

    /// Takes the next lease: from now on, no other worker can write. The account can be read without one, so full storage
    /// is reported only when something has to be written.
    pub(crate) async fn take_lease(&self) -> Result<(), StorageFault> {
        let taken = self.attempt(take_lease).await.and_then(|held| held);
        self.lease.set(taken);
        match taken {
            Ok(_) | Err(StorageFault::Full) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Gives up the lease. Nothing can be written until it is taken again.
    pub(crate) fn give_up_lease(&self) {
        self.lease.set(Err(StorageFault::Unavailable));
    }

    /// Writes the header and the first records, with the first lease, unless another worker has created a vault.
    pub(crate) async fn create(&self, header: &JsValue, writes: Vec<Write>) -> Result<(), StorageFault> {
        let lease = Lease::first(&mut UnwrapErr(SysRng));
        let run = |database: Rc<Rexie>| {
            let writes = writes.clone();
            async move {
                let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
                // An earlier attempt may have been committed.
                if let Some(other) = transaction.store(VAULT)?.get(HEADER.into()).await?
                    && let Err(fault) = check(Ok(lease), &other)
                {
                    return Ok(Err(fault));
                }
                put_header(&transaction, header, lease).await?;
                put(&transaction.store(RECORDS)?, writes).await?;
                transaction.commit().await.map(|()| Ok(lease))
            }
        };
        let held = self.attempt(run).await.and_then(|held| held);
        self.lease.set(held);
        held.map(drop)
    }

    /// Writes another header.
    pub(crate) async fn replace_header(&self, header: &JsValue) -> Result<(), StorageFault> {
        let lease = self.lease.get()?;
        self.change(move |transaction| async move {
            put_header(&transaction, header, lease).await.map(|()| transaction)
        })
        .await
    }

    /// Writes records in one transaction.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StorageFault> {
        self.change(|transaction| {
            let writes = writes.clone();
            async move { put(&transaction.store(RECORDS)?, writes).await.map(|()| transaction) }
        })
        .await
    }

    /// Runs writes in one transaction, unless another worker has taken over, or the vault is gone: the user may have cleared
    /// the site's data.
    async fn change<F>(&self, writes: impl Fn(Transaction) -> F) -> Result<(), StorageFault>
    where
        F: Future<Output = rexie::Result<Transaction>>,
    {
        let (held, writes) = (self.lease.get(), &writes);
        let run = |database: Rc<Rexie>| async move {
            let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
            let header = transaction.store(VAULT)?.get(HEADER.into()).await?;
            match header.ok_or(StorageFault::Unavailable).and_then(|header| check(held, &header)) {
                Ok(()) => writes(transaction).await?.commit().await.map(Ok),
                Err(fault) => Ok(Err(fault)),
            }
        };
        self.attempt(run).await.and_then(|outcome| outcome)
    }

    /// Deletes the header and all records, unless another worker has taken over.
    pub(crate) async fn clear(&self) -> Result<(), StorageFault> {
        let held = self.lease.get();
        self.attempt(|database| clear(database, held)).await.and_then(|outcome| outcome)?;
        self.give_up_lease();
        Ok(())
    }

    /// All records except those of one kind, as (key, sealed bytes).
    pub(crate) async fn read_all_but(
        &self,
        kind: &'static str,
    ) -> Result<Vec<(String, Vec<u8>)>, StorageFault> {
        let (keys, values) = self.attempt(|database| read_all_but(database, kind)).await?;
        let all = keys.iter().filter_map(JsValue::as_string).zip(values.iter().map(bytes));
        Ok(all.filter(|(key, _)| key != MARK).collect())
    }

    /// The records with these keys, in their order.
    pub(crate) async fn read_some(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StorageFault> {
        let values = self.attempt(|database| read_some(database, keys.to_vec())).await?;
        Ok(values.iter().map(|value| value.as_ref().map(bytes)).collect())
    }
}

async fn header(database: Rc<Rexie>) -> rexie::Result<Option<JsValue>> {
    let transaction = database.transaction(&[VAULT], TransactionMode::ReadOnly)?;
    transaction.store(VAULT)?.get(HEADER.into()).await
}

async fn take_lease(database: Rc<Rexie>) -> rexie::Result<Held> {
    let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
    let Some(header) = transaction.store(VAULT)?.get(HEADER.into()).await? else {
        return Ok(Err(StorageFault::Damaged));
    };
    let lease = match lease_in(&header) {
        Ok(Some(last)) => last.next(),
        Ok(None) => Lease::first(&mut UnwrapErr(SysRng)),
        Err(fault) => return Ok(Err(fault)),
    };
    put_header(&transaction, &header, lease).await?;
    transaction.commit().await.map(|()| Ok(lease))
}

async fn clear(database: Rc<Rexie>, held: Held) -> rexie::Result<Result<(), StorageFault>> {
    let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
    // A worker that could take no lease, because the storage is full, may still delete.
    if let (Ok(_), Some(header)) = (held, transaction.store(VAULT)?.get(HEADER.into()).await?)
        && let Err(fault) = check(held, &header)
    {
        return Ok(Err(fault));
    }
    transaction.store(VAULT)?.clear().await?;
    transaction.store(RECORDS)?.clear().await?;
    transaction.commit().await.map(Ok)
}

/// Writes a header with this lease.
async fn put_header(transaction: &Transaction, header: &JsValue, lease: Lease) -> rexie::Result<()> {
    // A header is a plain object, which takes any property.
    let _ = Reflect::set(header, &LEASE.into(), &Uint8Array::from(lease.to_bytes().as_slice()));
    transaction.store(VAULT)?.put(header, Some(&HEADER.into())).await?;
    transaction.store(RECORDS)?.put(&Uint8Array::new_with_length(0), Some(&MARK.into())).await.map(drop)
}

/// The lease in a header. Version 0.1.0 has written none.
pub(crate) fn lease_in(header: &JsValue) -> Result<Option<Lease>, StorageFault> {
    let lease = get(header, LEASE);
    if lease.is_undefined() { Ok(None) } else { Lease::from_bytes(&bytes(&lease)).map(Some) }
}

/// Checks that the header still names the lease of this worker. Without a lease, version 0.1.0 has written the header.
fn check(held: Held, header: &JsValue) -> Result<(), StorageFault> {
    held?.check(lease_in(header)?.ok_or(StorageFault::Superseded)?)
}

async fn read_all_but(
    database: Rc<Rexie>,
    kind: &'static str,
) -> rexie::Result<(Vec<JsValue>, Vec<JsValue>)> {
    // `/` is followed by `0`, so these are the keys before and after those of the kind.
    let before = KeyRange::upper_bound(&format!("{kind}/").into(), Some(true))?;
    let after = KeyRange::lower_bound(&format!("{kind}0").into(), None)?;
    let transaction = database.transaction(&[RECORDS], TransactionMode::ReadOnly)?;
    let store = transaction.store(RECORDS)?;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for range in [before, after] {
        keys.extend(store.get_all_keys(Some(range.clone()), None).await?);
        values.extend(store.get_all(Some(range), None).await?);
    }
    Ok((keys, values))
}

async fn read_some(database: Rc<Rexie>, keys: Vec<String>) -> rexie::Result<Vec<Option<JsValue>>> {
    let transaction = database.transaction(&[RECORDS], TransactionMode::ReadOnly)?;
    let store = transaction.store(RECORDS)?;
    // All requests are made before the first answer is awaited.
    futures::future::try_join_all(keys.into_iter().map(|key| store.get(key.into()))).await
}

async fn put(store: &rexie::Store, writes: Vec<Write>) -> rexie::Result<()> {
    let (puts, deletes): (Vec<_>, Vec<_>) = writes.into_iter().partition(|(_, value)| value.is_some());
    for (key, _) in deletes {
        store.delete(key.into()).await?;
    }
    let value = |value: Option<Vec<u8>>| Uint8Array::from(value.unwrap_or_default().as_slice()).into();
    store.put_all(puts.into_iter().map(|(key, bytes)| (value(bytes), Some(key.into())))).await
}

fn bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn fault(error: rexie::Error) -> StorageFault {
    let full = match &error {
        rexie::Error::IdbError(inner) => inner.to_string().contains("QuotaExceeded"),
        // A full disk is visible only as a transaction that does not commit.
        rexie::Error::TransactioncommitFailed => true,
        _ => false,
    };
    if full { StorageFault::Full } else { StorageFault::Unavailable }
}
