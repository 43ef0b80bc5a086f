//! The database in the browser (IndexedDB through rexie): one store for the vault's header and one for sealed records.
//!
//! A transaction ends at the first await that is not its own, so everything is sealed before one is opened. Records
//! are keyed `<kind>/<id>` in a single store, so that further kinds need no new version of the database. The worker's
//! script makes every transaction a strictly durable one.

use js_sys::Uint8Array;
use kez_client::event::StorageFault;
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};

use crate::effects::timer::Timer;

const DATABASE: &str = "kez-chat";
const VAULT: &str = "vault";
const RECORDS: &str = "records";
const HEADER: &str = "header";

/// How long opening may take, in milliseconds, before the storage counts as unusable: another tab may hold an older
/// version open for ever.
const OPEN_TIME_OUT: u64 = 10_000;

/// The open database.
pub(crate) struct Store(Rexie);

/// One write: these bytes under this key; `None` deletes.
pub(crate) type Write = (String, Option<Vec<u8>>);

impl Store {
    pub(crate) async fn open() -> Result<Self, StorageFault> {
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
            futures::future::Either::Left((opened, _)) => opened.map(Self).map_err(fault),
            futures::future::Either::Right(_) => Err(StorageFault::Unavailable),
        }
    }

    /// The vault's header, where there is one.
    pub(crate) async fn header(&self) -> Result<Option<JsValue>, StorageFault> {
        let read = async {
            let transaction = self.0.transaction(&[VAULT], TransactionMode::ReadOnly)?;
            transaction.store(VAULT)?.get(HEADER.into()).await
        };
        read.await.map_err(fault)
    }

    /// Writes the header and the first records.
    pub(crate) async fn create(&self, header: &JsValue, writes: Vec<Write>) -> Result<(), StorageFault> {
        let write = async {
            let transaction = self.0.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
            transaction.store(VAULT)?.put(header, Some(&HEADER.into())).await?;
            put(&transaction.store(RECORDS)?, writes).await?;
            transaction.commit().await
        };
        write.await.map_err(fault)
    }

    /// Writes records in one transaction.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StorageFault> {
        let write = async {
            let transaction = self.0.transaction(&[RECORDS], TransactionMode::ReadWrite)?;
            put(&transaction.store(RECORDS)?, writes).await?;
            transaction.commit().await
        };
        write.await.map_err(fault)
    }

    /// Deletes the header and all records.
    pub(crate) async fn clear(&self) -> Result<(), StorageFault> {
        let clear = async {
            let transaction = self.0.transaction(&[VAULT, RECORDS], TransactionMode::ReadWrite)?;
            transaction.store(VAULT)?.clear().await?;
            transaction.store(RECORDS)?.clear().await?;
            transaction.commit().await
        };
        clear.await.map_err(fault)
    }

    /// All records, as (key, sealed bytes).
    pub(crate) async fn read_all(&self) -> Result<Vec<(String, Vec<u8>)>, StorageFault> {
        let read = async {
            let transaction = self.0.transaction(&[RECORDS], TransactionMode::ReadOnly)?;
            let store = transaction.store(RECORDS)?;
            Ok((store.get_all_keys(None, None).await?, store.get_all(None, None).await?))
        };
        let (keys, values) = read.await.map_err(fault)?;
        Ok(keys.iter().filter_map(JsValue::as_string).zip(values.iter().map(bytes)).collect())
    }
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
        // A full disk shows itself only in that the transaction does not commit.
        rexie::Error::TransactioncommitFailed => true,
        _ => false,
    };
    if full { StorageFault::Full } else { StorageFault::Unavailable }
}
