//! The storage that mls-rs asks for. It lives for one call: a state comes in with the call and goes out with the reply.
//!
//! No past epoch is kept. A message of one is refused before it gets here, and epochs that a former state left behind would
//! make a rejoin fail.

use std::sync::{Arc, Mutex, PoisonError};

use kez_core::mls::call::PackageSecret;
use kez_core::mls::reply::Fault;
use kez_core::sigchain::Hash;
use mls_rs::GroupStateStorage;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::group::{EpochRecord, GroupState};
use mls_rs_core::key_package::{KeyPackageData, KeyPackageStorage};
use zeroize::Zeroizing;

/// The version of a state, its first byte.
const FORMAT: u8 = 1;

/// The storage cannot do this.
#[derive(Debug)]
pub(crate) struct Unstorable;

impl IntoAnyError for Unstorable {}

/// The state of one group.
#[derive(Clone, Default)]
pub(crate) struct States(Arc<Mutex<Option<Zeroizing<Vec<u8>>>>>);

impl States {
    /// The storage with the state of a call.
    pub(crate) fn load(state: &[u8]) -> Result<Self, Fault> {
        match state.split_first() {
            Some((&FORMAT, state)) => Ok(Self(Arc::new(Mutex::new(Some(Zeroizing::new(state.to_vec())))))),
            _ => Err(Fault::DamagedState),
        }
    }

    /// The state for the reply; `None` when nothing was written.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut bytes = Vec::with_capacity(state.len() + 1);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&state);
        Some(bytes)
    }
}

impl GroupStateStorage for States {
    type Error = Unstorable;

    fn state(&self, _: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Unstorable> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn epoch(&self, _: &[u8], _: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Unstorable> {
        Ok(None)
    }

    fn write(
        &mut self,
        state: GroupState,
        _: Vec<EpochRecord>,
        _: Vec<EpochRecord>,
    ) -> Result<(), Unstorable> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.data);
        Ok(())
    }

    fn max_epoch_id(&self, _: &[u8]) -> Result<Option<u64>, Unstorable> {
        Ok(None)
    }
}

/// The secrets of key packages: those of the call, and new ones.
#[derive(Clone, Default)]
pub(crate) struct Packages(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    secrets: Vec<PackageSecret>,
    used: Option<Hash>,
}

impl Packages {
    /// The storage with the secrets of a call.
    pub(crate) fn load(secrets: Vec<PackageSecret>) -> Self {
        Self(Arc::new(Mutex::new(Kept { secrets, used: None })))
    }

    /// The secret that was added last.
    pub(crate) fn last(&self) -> Option<PackageSecret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).secrets.last().cloned()
    }

    /// The package that was used to join, unless it is one of last resort.
    pub(crate) fn used(&self) -> Option<Hash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used
    }
}

impl KeyPackageStorage for Packages {
    type Error = Unstorable;

    fn delete(&mut self, id: &[u8]) -> Result<(), Unstorable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).used = Some(reference(id)?);
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, package: KeyPackageData) -> Result<(), Unstorable> {
        let secret = package.mls_encode_to_vec().map_err(|_| Unstorable)?.into();
        let kept = PackageSecret { reference: reference(&id)?, secret };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).secrets.push(kept);
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, Unstorable> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.secrets.iter().find(|kept| kept.reference.as_bytes().as_slice() == id);
        found.map(|kept| KeyPackageData::mls_decode(&mut &*kept.secret).map_err(|_| Unstorable)).transpose()
    }
}

fn reference(id: &[u8]) -> Result<Hash, Unstorable> {
    id.try_into().map(Hash::from_bytes).map_err(|_| Unstorable)
}
