//! The vault: records sealed under a data key, and the wrapped data key.
//!
//! With a passphrase, a key derived from it (Argon2id) wraps the data key. Without one, an AES-GCM key wraps it that
//! the browser generated, stores in the database and never exports (WebCrypto, non-extractable). This protects against
//! a copy of the records, but not against an attacker with the whole browser profile.

use getrandom::SysRng;
use js_sys::{Array, JsString, Uint8Array};
use kez_client::event::{Startup, StorageFault, VaultEvent};
use kez_client::record::{Kind, Record, decode, encode};
use kez_client::secret::Secret;
use kez_client::vault::{self, DataKey, PassphraseParams, VaultError, WrappingKey};
use rand_core::{CryptoRng, UnwrapErr};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};
use zeroize::Zeroizing;

use crate::effects::store::{Store, Write, lease_in};
use crate::effects::timer::scope;
use crate::js::{get, object};

/// The header's `mode` when a passphrase wraps the data key.
const PASSPHRASE: &str = "passphrase";

/// The account's storage, open or locked.
pub(crate) struct Vault {
    store: Option<Store>,
    key: Option<DataKey>,
    /// Whether a passphrase wraps the data key.
    by_passphrase: bool,
}

impl Vault {
    /// Opens the stored account. An account with a passphrase starts locked: a key unlocked by another tab's worker
    /// stays in that worker.
    pub(crate) async fn open(remembered: Option<String>) -> (Self, Startup) {
        let mut vault = Self { store: None, key: None, by_passphrase: false };
        let startup = vault.start(remembered).await.unwrap_or_else(Startup::Unusable);
        (vault, startup)
    }

    async fn start(&mut self, remembered: Option<String>) -> Result<Startup, StorageFault> {
        let store = self.store.insert(Store::open().await?);
        let Some(header) = store.header().await? else { return Ok(Startup::Empty { remembered }) };
        lease_in(&header)?;
        self.by_passphrase = get(&header, "mode").as_string().as_deref() == Some(PASSPHRASE);
        if self.by_passphrase {
            return Ok(Startup::Locked);
        }
        self.key = Some(unwrap_by_device(&header).await?);
        store.take_lease().await?;
        Ok(Startup::Open { records: self.records().await?, has_passphrase: false })
    }

    /// Whether there is an account that needs its passphrase.
    pub(crate) const fn is_locked(&self) -> bool {
        self.by_passphrase && self.key.is_none()
    }

    /// Generates a data key, wraps it, and writes the first records under it.
    pub(crate) async fn create(
        &mut self,
        passphrase: Option<&Secret>,
        records: &[Record],
    ) -> Result<(), StorageFault> {
        let key = DataKey::random(&mut rng());
        let header = match passphrase {
            Some(passphrase) => wrap_by_passphrase(&key, passphrase)?,
            None => wrap_by_device(&key).await?,
        };
        let store = self.store.as_ref().ok_or(StorageFault::Unavailable)?;
        store.create(&header, sealed(&key, records)?).await?;
        self.by_passphrase = passphrase.is_some();
        self.key = Some(key);
        Ok(())
    }

    /// Unwraps the data key with the typed passphrase and reads all records except pages.
    pub(crate) async fn unlock(&mut self, passphrase: &Secret) -> VaultEvent {
        let Some(store) = &self.store else { return VaultEvent::Failed(StorageFault::Unavailable) };
        match store.header().await {
            Ok(Some(header)) => match unwrap_by_passphrase(&header, passphrase) {
                Some(key) => self.key = Some(key),
                None => return VaultEvent::WrongPassphrase,
            },
            Ok(None) => return VaultEvent::Failed(StorageFault::Damaged),
            Err(fault) => return VaultEvent::Failed(fault),
        }
        if let Err(fault) = store.take_lease().await {
            return VaultEvent::Failed(fault);
        }
        self.records().await.map_or_else(VaultEvent::Failed, VaultEvent::Opened)
    }

    /// Wraps the data key with another passphrase, or without one. The records do not change.
    pub(crate) async fn rewrap(&mut self, current: Option<&Secret>, new: Option<&Secret>) -> VaultEvent {
        self.try_rewrap(current, new).await.unwrap_or_else(VaultEvent::Failed)
    }

    async fn try_rewrap(
        &mut self,
        current: Option<&Secret>,
        new: Option<&Secret>,
    ) -> Result<VaultEvent, StorageFault> {
        let (Some(store), Some(key)) = (&self.store, &self.key) else {
            return Err(StorageFault::Unavailable);
        };
        let header = store.header().await?.ok_or(StorageFault::Damaged)?;
        let is_allowed = !self.by_passphrase
            || current.is_some_and(|passphrase| unwrap_by_passphrase(&header, passphrase).is_some());
        if !is_allowed {
            return Ok(VaultEvent::WrongPassphrase);
        }
        let header = match new {
            Some(passphrase) => wrap_by_passphrase(key, passphrase)?,
            None => wrap_by_device(key).await?,
        };
        store.replace_header(&header).await?;
        self.by_passphrase = new.is_some();
        Ok(VaultEvent::Rewrapped)
    }

    /// Forgets the data key, and gives up the lease: what is stored may change until the account is unlocked.
    pub(crate) fn lock(&mut self) {
        self.key = None;
        if let Some(store) = &self.store {
            store.give_up_lease();
        }
    }

    /// Deletes everything.
    pub(crate) async fn destroy(&mut self) -> Result<(), StorageFault> {
        self.key = None;
        self.by_passphrase = false;
        self.store.as_ref().ok_or(StorageFault::Unavailable)?.clear().await
    }

    /// Writes records in one durable transaction.
    pub(crate) async fn save(&self, records: &[Record]) -> Result<(), StorageFault> {
        let (Some(store), Some(key)) = (&self.store, &self.key) else {
            return Err(StorageFault::Unavailable);
        };
        store.write(sealed(key, records)?).await
    }

    /// Reads records.
    pub(crate) async fn load(&self, keys: Vec<(Kind, String)>) -> Result<Vec<Record>, StorageFault> {
        let (Some(store), Some(key)) = (&self.store, &self.key) else {
            return Err(StorageFault::Unavailable);
        };
        let names: Vec<String> = keys.iter().map(|(kind, id)| name(*kind, id)).collect();
        let stored = store.read_some(&names).await?;
        let opened = keys.into_iter().zip(stored).map(|((kind, id), bytes)| {
            let value = bytes.and_then(|bytes| vault::open_record(key, kind, &id, &bytes).ok());
            Record { kind, id, value }
        });
        Ok(opened.collect())
    }

    /// All records except pages.
    async fn records(&self) -> Result<Vec<Record>, StorageFault> {
        let (Some(store), Some(key)) = (&self.store, &self.key) else {
            return Err(StorageFault::Unavailable);
        };
        let stored = store.read_all_but(Kind::Page.as_str()).await?;
        stored.into_iter().map(|(name, bytes)| opened(key, &name, &bytes)).collect()
    }
}

fn rng() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

fn sealed(key: &DataKey, records: &[Record]) -> Result<Vec<Write>, StorageFault> {
    let write = |record: &Record| {
        let seal = |value: &Zeroizing<Vec<u8>>| {
            vault::seal_record(key, record.kind, &record.id, value, &mut rng())
                .map_err(|_| StorageFault::Full)
        };
        Ok((name(record.kind, &record.id), record.value.as_ref().map(seal).transpose()?))
    };
    records.iter().map(write).collect()
}

/// A record's key in the database.
fn name(kind: Kind, id: &str) -> String {
    format!("{}/{id}", kind.as_str())
}

/// A record from the database. One that cannot be opened has no value: the client decides what that costs.
fn opened(key: &DataKey, name: &str, bytes: &[u8]) -> Result<Record, StorageFault> {
    let (kind, id) = name.split_once('/').ok_or(StorageFault::Damaged)?;
    let kind = Kind::parse(kind).ok_or(StorageFault::Newer)?;
    let value = vault::open_record(key, kind, id, bytes).ok();
    Ok(Record { kind, id: id.to_owned(), value })
}

fn wrap_by_passphrase(key: &DataKey, passphrase: &Secret) -> Result<JsValue, StorageFault> {
    let params = PassphraseParams::random(&mut rng());
    let wrap = || {
        let wrapping = stretched(passphrase, &params).ok()?;
        let wrapped = vault::wrap(&wrapping, key, &mut rng()).ok()?;
        let header = [
            ("mode", PASSPHRASE.into()),
            ("params", js_bytes(&encode(&params))),
            ("wrapped", js_bytes(&wrapped)),
        ];
        Some(object(&header).into())
    };
    wrap().ok_or(StorageFault::Unavailable)
}

fn unwrap_by_passphrase(header: &JsValue, passphrase: &Secret) -> Option<DataKey> {
    let params: PassphraseParams = decode(&rust_bytes(&get(header, "params"))).ok()?;
    let wrapping = stretched(passphrase, &params).ok()?;
    vault::unwrap(&wrapping, &rust_bytes(&get(header, "wrapped"))).ok()
}

/// Derives the wrapping key. The passphrase is normalised first, so that it does not depend on how the keyboard
/// composes accents.
fn stretched(passphrase: &Secret, params: &PassphraseParams) -> Result<WrappingKey, VaultError> {
    let composed: JsString = JsString::from(passphrase.expose()).normalize("NFC");
    let composed = Zeroizing::new(String::from(composed));
    vault::passphrase_key(&composed, params)
}

async fn wrap_by_device(key: &DataKey) -> Result<JsValue, StorageFault> {
    let wrap = async {
        let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
        let algorithm = object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
        let made = subtle()?.generate_key_with_object(&algorithm, false, &usages)?;
        let device: CryptoKey = JsFuture::from(made).await?.unchecked_into();
        let mut iv = [0; 12];
        getrandom::fill(&mut iv).map_err(|error| JsValue::from(error.to_string()))?;
        let cipher = aes_gcm(&iv);
        let encrypted = subtle()?.encrypt_with_object_and_u8_array(&cipher, &device, key.as_bytes())?;
        let wrapped = Uint8Array::new(&JsFuture::from(encrypted).await?);
        let header = [
            ("mode", "device".into()),
            ("key", device.into()),
            ("iv", js_bytes(&iv)),
            ("wrapped", wrapped.into()),
        ];
        Ok::<_, JsValue>(object(&header).into())
    };
    wrap.await.map_err(|_| StorageFault::Unavailable)
}

async fn unwrap_by_device(header: &JsValue) -> Result<DataKey, StorageFault> {
    let unwrap = async {
        let device: CryptoKey = get(header, "key").dyn_into()?;
        let cipher = aes_gcm(&rust_bytes(&get(header, "iv")));
        let wrapped = rust_bytes(&get(header, "wrapped"));
        let decrypted = subtle()?.decrypt_with_object_and_u8_array(&cipher, &device, &wrapped)?;
        Ok::<_, JsValue>(Uint8Array::new(&JsFuture::from(decrypted).await?).to_vec())
    };
    let bytes = unwrap.await.map_err(|_| StorageFault::Damaged)?;
    DataKey::from_bytes(&bytes).ok_or(StorageFault::Damaged)
}

fn aes_gcm(iv: &[u8]) -> js_sys::Object {
    let purpose = js_bytes(b"kez-chat-data-key-v1");
    object(&[("name", "AES-GCM".into()), ("iv", js_bytes(iv)), ("additionalData", purpose)])
}

fn subtle() -> Result<SubtleCrypto, JsValue> {
    scope().crypto().map(|crypto| crypto.subtle())
}

fn js_bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn rust_bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}
