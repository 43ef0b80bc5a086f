//! The database in the browser (IndexedDB through rexie): one store for the vault's header and one for sealed records.
//!
//! An IndexedDB transaction ends at the first await on anything else, so all records are sealed before a transaction is
//! opened. Records are keyed `<kind>/<id>` in a single store, so a new kind needs no new database version. The worker's
//! script makes every transaction strictly durable.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Uint8Array;
use kez_client::event::StorageFault;
use rexie::{KeyRange, ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};

use crate::effects::timer::Timer;

const DATABASE: &str = "kez-chat";
const VAULT: &str = "vault";
const RECORDS: &str = "records";
const HEADER: &str = "header";

/// The time limit for opening the database, in milliseconds. After it the storage counts as unusable: another tab may
/// hold an older version open forever.
const OPEN_TIME_OUT: u64 = 10_000;

/// The open database. A browser may close the connection at any time; the database is then opened again.
pub(crate) struct Store(RefCell<Rc<Rexie>>);

/// One write: the bytes to store under a key; `None` deletes the record.
pub(crate) type Write = (String, Option<Vec<u8>>);

impl Store {
    pub(crate) async fn open() -> Result<Self, StorageFault> {
        Ok(Self(RefCell::new(Rc::new(Self::connect().await?))))
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
        let database = Rc::clone(&self.0.borrow());
        match run(database).await.map_err(fault) {
            Err(StorageFault::Unavailable) => {}
            outcome => return outcome,
        }
        let database = Rc::new(Self::connect().await?);
        self.0.replace(Rc::clone(&database));
        run(database).await.map_err(fault)
    }

    /// Writes the header and the first records.
    pub(crate) async fn create(&self, header: &JsValue, writes: Vec<Write>) -> Result<(), StorageFault> {
        let run = |database: Rc<Rexie>| {
            let writes = writes.clone();
            async move {
                let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
                transaction.store(VAULT)?.put(header, Some(&HEADER.into())).await?;
                put(&transaction.store(RECORDS)?, writes).await?;
                transaction.commit().await
            }
        };
        self.attempt(run).await
    }

    /// Writes records in one transaction, unless their vault is gone: the user may have cleared the site's data.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StorageFault> {
        let run = |database: Rc<Rexie>| {
            let writes = writes.clone();
            async move {
                let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
                if transaction.store(VAULT)?.get(HEADER.into()).await?.is_none() {
                    return Ok(false);
                }
                put(&transaction.store(RECORDS)?, writes).await?;
                transaction.commit().await.map(|()| true)
            }
        };
        if self.attempt(run).await? { Ok(()) } else { Err(StorageFault::Unavailable) }
    }

    /// Deletes the header and all records.
    pub(crate) async fn clear(&self) -> Result<(), StorageFault> {
        self.attempt(clear).await
    }

    /// All records except those of one kind, as (key, sealed bytes).
    pub(crate) async fn read_all_but(
        &self,
        kind: &'static str,
    ) -> Result<Vec<(String, Vec<u8>)>, StorageFault> {
        let (keys, values) = self.attempt(|database| read_all_but(database, kind)).await?;
        Ok(keys.iter().filter_map(JsValue::as_string).zip(values.iter().map(bytes)).collect())
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

async fn clear(database: Rc<Rexie>) -> rexie::Result<()> {
    let transaction = database.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
    transaction.store(VAULT)?.clear().await?;
    transaction.store(RECORDS)?.clear().await?;
    transaction.commit().await.map(drop)
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
