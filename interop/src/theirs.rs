//! A member with openmls.

use kez_core::mls::policy::{EXTENSION, Policy};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use crate::{Commit, Device, GID, Member};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// A device with openmls.
pub struct Theirs {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
    group: Option<MlsGroup>,
}

impl Theirs {
    /// A device that is in no group.
    pub fn new(device: &Device) -> Self {
        let (secret, public) = (device.secret.as_bytes().to_vec(), device.key().as_bytes().to_vec());
        let signer = SignatureKeyPair::from_raw(SignatureScheme::ED25519, secret, public.clone());
        let credential = BasicCredential::new(device.credential.to_bytes().to_vec());
        let credential = CredentialWithKey { credential: credential.into(), signature_key: public.into() };
        Self { provider: OpenMlsRustCrypto::default(), signer, credential, group: None }
    }

    fn config() -> MlsGroupJoinConfig {
        MlsGroupJoinConfig::builder()
            .use_ratchet_tree_extension(false)
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .build()
    }

    fn group(&self) -> &MlsGroup {
        self.group.as_ref().unwrap()
    }
}

impl Member for Theirs {
    fn create(&mut self, policy: &Policy) {
        let policy = Extension::Unknown(EXTENSION, UnknownExtension(policy.to_bytes()));
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .use_ratchet_tree_extension(false)
            .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .with_group_context_extensions(Extensions::single(policy).unwrap())
            .build();
        let gid = openmls::group::GroupId::from_slice(GID.as_bytes());
        let group =
            MlsGroup::new_with_group_id(&self.provider, &self.signer, &config, gid, self.credential.clone());
        self.group = Some(group.unwrap());
    }

    fn package(&mut self) -> Vec<u8> {
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .build(SUITE, &self.provider, &self.signer, self.credential.clone())
            .unwrap();
        MlsMessageOut::from(bundle.into_key_package()).tls_serialize_detached().unwrap()
    }

    fn join(&mut self, welcome: &[u8], tree: &[u8]) {
        let MlsMessageBodyIn::Welcome(welcome) = message(welcome).extract() else { panic!("no Welcome") };
        let tree = RatchetTreeIn::tls_deserialize_exact(tree).unwrap();
        let staged = StagedWelcome::new_from_welcome(&self.provider, &Self::config(), welcome, Some(tree));
        self.group = Some(staged.unwrap().into_group(&self.provider).unwrap());
    }

    fn rejoin(&mut self, info: &[u8], tree: &[u8]) -> Vec<u8> {
        let MlsMessageBodyIn::GroupInfo(info) = message(info).extract() else { panic!("no GroupInfo") };
        let leaf = LeafNodeParameters::builder().with_capabilities(capabilities()).build();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(RatchetTreeIn::tls_deserialize_exact(tree).unwrap())
            .with_config(Self::config())
            .build_group(&self.provider, info, self.credential.clone())
            .unwrap()
            .leaf_node_parameters(leaf)
            .load_psks(self.provider.storage())
            .unwrap()
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .unwrap()
            .finalize(&self.provider)
            .unwrap();
        self.group = Some(group);
        bundle.into_commit().tls_serialize_detached().unwrap()
    }

    fn commit(&mut self, add: &[Vec<u8>], remove: Option<&Device>) -> Commit {
        let (provider, signer, group) = (&self.provider, &self.signer, self.group.as_mut().unwrap());
        let (commit, welcome) = match remove {
            _ if !add.is_empty() => {
                let package = |package: &Vec<u8>| {
                    let MlsMessageBodyIn::KeyPackage(package) = message(package).extract() else {
                        panic!("no key package");
                    };
                    package.validate(provider.crypto(), ProtocolVersion::Mls10).unwrap()
                };
                let packages: Vec<_> = add.iter().map(package).collect();
                let (commit, welcome, _) = group.add_members(provider, signer, &packages).unwrap();
                (commit, Some(welcome))
            }
            Some(device) => {
                let bytes = device.credential.to_bytes().to_vec();
                let leaf = group.member_leaf_index(&BasicCredential::new(bytes).into()).unwrap();
                let (commit, welcome, _) = group.remove_members(provider, signer, &[leaf]).unwrap();
                (commit, welcome)
            }
            None => {
                let bundle = group.self_update(provider, signer, LeafNodeParameters::default()).unwrap();
                (bundle.into_commit(), None)
            }
        };
        let bytes = |message: MlsMessageOut| message.tls_serialize_detached().unwrap();
        Commit { mls: bytes(commit), welcome: welcome.map(bytes) }
    }

    fn apply(&mut self, mls: &[u8], own: bool) {
        let group = self.group.as_mut().unwrap();
        if own {
            return group.merge_pending_commit(&self.provider).unwrap();
        }
        let received = group.process_message(&self.provider, protocol(mls)).unwrap();
        let ProcessedMessageContent::StagedCommitMessage(staged) = received.into_content() else {
            panic!("no commit");
        };
        group.merge_staged_commit(&self.provider, *staged).unwrap();
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        group.create_message(&self.provider, &self.signer, text).unwrap().tls_serialize_detached().unwrap()
    }

    fn open(&mut self, mls: &[u8]) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        let received = group.process_message(&self.provider, protocol(mls)).unwrap();
        let ProcessedMessageContent::ApplicationMessage(text) = received.into_content() else {
            panic!("no message");
        };
        text.into_bytes()
    }

    fn agreed(&self) -> (u64, Vec<u8>) {
        (self.group().epoch().as_u64(), self.group().epoch_authenticator().as_slice().to_vec())
    }

    fn export(&mut self) -> (Vec<u8>, Vec<u8>) {
        let info = self.group().export_group_info(self.provider.crypto(), &self.signer, false).unwrap();
        let tree = self.group().export_ratchet_tree().tls_serialize_detached().unwrap();
        (info.tls_serialize_detached().unwrap(), tree)
    }

    fn stored(&self) -> usize {
        let values = self.provider.storage().values.read().unwrap();
        values.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(EXTENSION)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

fn message(bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact(bytes).unwrap()
}

fn protocol(bytes: &[u8]) -> ProtocolMessage {
    message(bytes).try_into_protocol_message().unwrap()
}
