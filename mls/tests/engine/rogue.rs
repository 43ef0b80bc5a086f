//! A member whose client enforces no rule of ours: mls-rs with its own default rules, and a look into states.

use kez_core::mls::Bytes;
use kez_core::mls::policy::{EXTENSION, Policy};
use kez_mls::crypto::{SUITE, Suite};
use mls_rs::client_builder::{BaseConfig, WithCryptoProvider, WithIdentityProvider, WithMlsRules};
use mls_rs::extension::ExtensionType;
use mls_rs::group::{CommitBuilder, ExportedTree};
use mls_rs::identity::basic::BasicIdentityProvider;
use mls_rs::mls_rs_codec::MlsDecode;
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules};
use mls_rs::time::MlsTime;
use mls_rs::{Client, Extension, ExtensionList, Group, GroupStateStorage, MlsMessage};
use mls_rs_core::identity::{BasicCredential, SigningIdentity};

use crate::world::{Device, now};

type Config = WithCryptoProvider<
    Suite,
    WithIdentityProvider<BasicIdentityProvider, WithMlsRules<DefaultMlsRules, BaseConfig>>,
>;

pub struct Rogue {
    pub client: Client<Config>,
    pub group: Option<Group<Config>>,
}

impl Rogue {
    pub fn new(device: &Device) -> Self {
        Self::with_path(device, true)
    }

    pub fn with_path(device: &Device, path: bool) -> Self {
        let options = CommitOptions::new()
            .with_path_required(path)
            .with_ratchet_tree_extension(false)
            .with_allow_external_commit(true);
        let credential = BasicCredential::new(device.credential.to_bytes().to_vec()).into_credential();
        let key = device.keys().public().primary().as_bytes().to_vec();
        let client = Client::builder()
            .mls_rules(DefaultMlsRules::new().with_commit_options(options))
            .identity_provider(BasicIdentityProvider::new())
            .crypto_provider(Suite::unbound(*crate::world::fresh_seed().as_bytes()))
            .extension_type(ExtensionType::new(EXTENSION))
            .signing_identity(
                SigningIdentity::new(credential, key.into()),
                device.secret.as_bytes().to_vec().into(),
                SUITE,
            )
            .build();
        Self { client, group: None }
    }

    pub fn package(&self) -> Bytes {
        let begin = MlsTime::from(now().unix() - 10);
        let made =
            self.client.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), Some(begin));
        made.unwrap().to_bytes().unwrap().into()
    }

    pub fn join(&mut self, welcome: &Bytes, tree: &Bytes) {
        let tree = ExportedTree::mls_decode(&mut &**tree).unwrap();
        let welcome = MlsMessage::from_bytes(welcome).unwrap();
        self.group = Some(self.client.join_group(Some(tree), &welcome, None).unwrap().0);
    }

    pub fn group(&mut self) -> &mut Group<Config> {
        self.group.as_mut().unwrap()
    }

    /// A commit without a check of ours, and the `GroupInfo` of its epoch.
    pub fn commit(
        &mut self,
        build: impl FnOnce(CommitBuilder<'_, Config>) -> CommitBuilder<'_, Config>,
    ) -> (Bytes, Bytes) {
        let group = self.group();
        group.clear_pending_commit();
        let output = build(group.commit_builder().commit_time(MlsTime::from(now().unix()))).build().unwrap();
        let info = output.external_commit_group_info.unwrap().to_bytes().unwrap();
        (output.commit_message.to_bytes().unwrap().into(), info.into())
    }

    /// The index of a device's leaf.
    pub fn index(&mut self, device: &Device) -> u32 {
        let credential = device.credential.to_bytes();
        let members = self.group().roster().members();
        let is =
            |identity: &SigningIdentity| identity.credential.as_basic().unwrap().identifier() == credential;
        members.iter().find(|member| is(member.signing_identity())).unwrap().index()
    }
}

/// The extensions of a group with this policy.
pub fn extensions(policy: &Policy) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(EXTENSION), policy.to_bytes()));
    list
}

pub fn message(bytes: &Bytes) -> MlsMessage {
    MlsMessage::from_bytes(bytes).unwrap()
}

/// The ratchet tree inside a device's state.
pub fn tree_of(device: &Device) -> Bytes {
    let client = Rogue::new(device).client;
    let state = device.state()[1..].to_vec();
    let state = mls_rs_core::group::GroupState { id: vec![], data: state.into() };
    client.group_state_storage().write(state, vec![], vec![]).unwrap();
    client.load_group(&[]).unwrap().export_tree().to_bytes().unwrap().into()
}

#[cfg(feature = "server")]
impl Rogue {
    /// Takes over the state of a device.
    pub fn adopt(&mut self, device: &Device) {
        *self = Self::new(device);
        let state = mls_rs_core::group::GroupState { id: vec![], data: device.state()[1..].to_vec().into() };
        self.client.group_state_storage().write(state, vec![], vec![]).unwrap();
        self.group = Some(self.client.load_group(&[]).unwrap());
    }
}
