//! A passive client joins a group by a Welcome and follows its commits. At each epoch its authenticator must be that of the
//! implementation that made the vectors.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use kez_mls::crypto::{SUITE, Suite};
use mls_rs::client_builder::ClientBuilder;
use mls_rs::group::ExportedTree;
use mls_rs::identity::basic::BasicIdentityProvider;
use mls_rs::mls_rs_codec::{MlsDecode, MlsEncode};
use mls_rs::psk::{ExternalPskId, PreSharedKey};
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::time::MlsTime;
use mls_rs::{KeyPackageStorage, MlsMessage};
use mls_rs_core::key_package::KeyPackageData;
use serde::{Deserialize, Deserializer};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Deserialize)]
struct Case {
    cipher_suite: u16,
    external_psks: Vec<Psk>,
    key_package: Hex,
    signature_priv: Hex,
    encryption_priv: Hex,
    init_priv: Hex,
    welcome: Hex,
    ratchet_tree: Option<Hex>,
    initial_epoch_authenticator: Hex,
    epochs: Vec<Epoch>,
}

#[derive(Deserialize)]
struct Psk {
    psk_id: Hex,
    psk: Hex,
}

#[derive(Deserialize)]
struct Epoch {
    proposals: Vec<Hex>,
    commit: Hex,
    epoch_authenticator: Hex,
}

struct Hex(Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base16ct::lower::decode_vec(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Case {
    /// Follows the case, and returns the number of commits.
    fn run(&self) -> usize {
        assert_eq!(self.cipher_suite, *SUITE);
        let suite = Suite::unbound([0; 32]);
        let key_package = MlsMessage::from_bytes(&self.key_package.0).unwrap().into_key_package().unwrap();
        let identity = key_package.signing_identity().clone();
        let reference = key_package.to_reference(&suite).unwrap();
        let mut packages = InMemoryKeyPackageStorage::new();
        let data = KeyPackageData::new(
            key_package.mls_encode_to_vec().unwrap(),
            self.init_priv.0.clone().into(),
            self.encryption_priv.0.clone().into(),
            u64::MAX,
        );
        KeyPackageStorage::insert(&mut packages, reference.to_vec(), data).unwrap();
        let mut builder = ClientBuilder::new()
            .crypto_provider(suite)
            .identity_provider(BasicIdentityProvider::new())
            .key_package_repo(packages);
        for Psk { psk_id, psk } in &self.external_psks {
            builder = builder.psk(ExternalPskId::new(psk_id.0.clone()), PreSharedKey::new(psk.0.clone()));
        }
        let client = builder.signing_identity(identity, self.signature_priv.0.clone().into(), SUITE).build();
        let tree = self.ratchet_tree.as_ref().map(|tree| ExportedTree::mls_decode(&mut &*tree.0).unwrap());
        let welcome = MlsMessage::from_bytes(&self.welcome.0).unwrap();
        let (mut group, _) = client.join_group(tree, &welcome, None).unwrap();
        assert_eq!(group.epoch_authenticator().unwrap().to_vec(), self.initial_epoch_authenticator.0);
        for Epoch { proposals, commit, epoch_authenticator } in &self.epochs {
            for message in proposals.iter().chain([commit]) {
                let message = MlsMessage::from_bytes(&message.0).unwrap();
                group.process_incoming_message_with_time(message, MlsTime::from(1_790_000_000)).unwrap();
            }
            assert_eq!(group.epoch_authenticator().unwrap().to_vec(), epoch_authenticator.0);
        }
        self.epochs.len()
    }
}

fn run(json: &str) -> (usize, usize) {
    let cases: Vec<Case> = serde_json::from_str(json).unwrap();
    (cases.len(), cases.iter().map(Case::run).sum())
}

#[test]
fn welcomes() {
    assert_eq!(run(include_str!("../passive_client/welcome.json")), (8, 0));
}

#[test]
fn commits_of_every_kind() {
    assert_eq!(run(include_str!("../passive_client/handling_commit.json")), (13, 26));
}

#[test]
fn a_random_history() {
    assert_eq!(run(include_str!("../passive_client/random.json")), (1, 60));
}
