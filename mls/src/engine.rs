//! The one entry: a call comes in, a reply goes out.

use std::sync::Arc;

use kez_core::identity::{SecretIdentity, Seed};
use kez_core::mls::call::{Call, Certified, MAX_ITEM_BYTES, MAX_PACKAGES, Op, PackageSecret};
use kez_core::mls::credential::Credential;
use kez_core::mls::policy::Policy;
use kez_core::mls::reply::{
    Fault, Group, Outcome, Package, PackageReference, Reply, Rule, Sealed, Stop, Why,
};
use kez_core::mls::{Bytes, GroupId, LeafId, MAX_PACKAGE_SECONDS};
use kez_core::time::Timestamp;
use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithKeyPackageRepo,
    WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::group::ExportedTree;
use mls_rs::mls_rs_codec::MlsDecode;
use mls_rs::time::MlsTime;
use mls_rs::{Client, Extension, ExtensionList, MlsMessage};
use mls_rs_core::identity::{BasicCredential, SigningIdentity};

use crate::context::Context;
use crate::crypto::{SUITE, Suite};
use crate::devices::{self, Devices};
use crate::failure::Failure;
use crate::rules::{self, POLICY, Rules};
use crate::stores::{Packages, States};

/// How far before the present a key package becomes valid: clocks differ.
const SKEW_SECONDS: u64 = 60 * 60;

/// mls-rs with the parts of this crate.
pub(crate) type Config = WithCryptoProvider<
    Suite,
    WithMlsRules<
        Rules,
        WithIdentityProvider<
            Devices,
            WithGroupStateStorage<States, WithKeyPackageRepo<Packages, BaseConfig>>,
        >,
    >,
>;
/// A group of mls-rs.
pub(crate) type MlsGroup = mls_rs::Group<Config>;

/// Performs a call. The same call gives the same reply.
///
/// # Errors
/// [`Fault`] when the call itself is wrong. What is wrong with an item, commit or Welcome stands in the reply.
pub fn call(call: &Call) -> Result<Reply, Fault> {
    let engine = Engine::new(call)?;
    let outcome = match &call.op {
        Op::Packages { count, last_resort, until } => {
            return engine.packages(*count, *last_resort, *until);
        }
        Op::Create { gid, policy } => engine.create(*gid, policy),
        Op::Seal { state, texts } => engine.seal(state, texts),
        Op::Commit { state, add, remove, policy, may } => {
            engine.commit(state, add, remove, policy.as_ref(), may)
        }
        Op::Welcome { welcome, tree, packages } => engine.welcome(welcome, tree, packages),
        Op::Rejoin { info, tree } => engine.rejoin(info, tree),
        Op::Export { state, beside } => engine.export(state, beside),
        Op::Process { state, items } => return engine.process(state, items),
    };
    match outcome {
        Ok(reply) => Ok(reply),
        Err(Halt::Stop(stop)) => Ok(Reply { group: None, outcome: Outcome::Stopped(stop) }),
        Err(Halt::Fault(fault)) => Err(fault),
    }
}

/// The parts of one call.
pub(crate) struct Engine {
    pub(crate) context: Arc<Context>,
    pub(crate) now: Timestamp,
    me: Credential,
    signer: Seed,
    identity: SigningIdentity,
}

/// Why an operation goes no further.
pub(crate) enum Halt {
    Stop(Stop),
    Fault(Fault),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Rule> for Halt {
    fn from(rule: Rule) -> Self {
        Self::Stop(Stop::Refused { why: Why::Rule(rule), by: None })
    }
}

/// An error that no input explains.
pub(crate) fn unexplained<E>(_: E) -> Fault {
    Fault::Engine
}

impl Engine {
    fn new(call: &Call) -> Result<Self, Fault> {
        if call.now.unix() < SKEW_SECONDS {
            return Err(Fault::Malformed);
        }
        let keys = SecretIdentity::from_seed(call.me.secret.clone());
        let key = keys.public().primary();
        let me = call.me.credential;
        let live = |ended: Option<Timestamp>| ended.is_none_or(|ended| call.now < ended);
        let mine = |one: &Certified| one.credential == me && one.key == key && live(one.ended);
        if !call.certified.iter().any(mine) {
            return Err(Fault::NotCertified);
        }
        let credential = BasicCredential::new(me.to_bytes().to_vec()).into_credential();
        let identity = SigningIdentity::new(credential, key.as_bytes().to_vec().into());
        // Applying a log needs no randomness, so none can be drawn there.
        let seed = (!matches!(call.op, Op::Process { .. })).then(|| call.seed.clone());
        let context = Arc::new(Context::new(Some(keys), &call.certified, seed));
        Ok(Self { context, now: call.now, me, signer: call.me.secret.clone(), identity })
    }

    pub(crate) fn me(&self) -> LeafId {
        self.me.leaf()
    }

    fn client(&self, states: States, packages: Packages, until: Option<Timestamp>) -> Client<Config> {
        let builder = Client::builder()
            .key_package_repo(packages)
            .group_state_storage(states)
            .identity_provider(Devices(self.context.clone()))
            .mls_rules(Rules(self.context.clone()))
            .crypto_provider(Suite::new(self.context.clone()))
            .extension_type(POLICY)
            .signing_identity(self.identity.clone(), self.signer.as_bytes().to_vec().into(), SUITE);
        let seconds = until.map_or(MAX_PACKAGE_SECONDS, |until| until.unix().saturating_sub(self.begin()));
        builder.key_package_lifetime(std::time::Duration::from_secs(seconds)).build()
    }

    /// When what is made now becomes valid.
    fn begin(&self) -> u64 {
        self.now.unix().saturating_sub(SKEW_SECONDS)
    }

    pub(crate) fn time(&self) -> MlsTime {
        MlsTime::from(self.now.unix())
    }

    /// Loads the group of a state. The state must be this device's.
    pub(crate) fn load(&self, state: &[u8]) -> Result<(MlsGroup, States), Fault> {
        let states = States::load(state)?;
        let client = self.client(states.clone(), Packages::default(), None);
        let group = client.load_group(&[]).map_err(|_| Fault::DamagedState)?;
        let identity = group.current_member_signing_identity().map_err(|_| Fault::DamagedState)?;
        if *identity != self.identity {
            return Err(Fault::NotCertified);
        }
        Ok((group, states))
    }

    fn packages(&self, count: u8, last_resort: bool, until: Timestamp) -> Result<Reply, Fault> {
        let lifetime = until.unix().saturating_sub(self.begin());
        if count > MAX_PACKAGES || lifetime > MAX_PACKAGE_SECONDS || until <= self.now {
            return Err(Fault::TooLarge);
        }
        let made = (0..count).map(|_| false).chain(last_resort.then_some(true));
        let made = made.map(|last_resort| self.package(last_resort, until)).collect::<Result<_, _>>()?;
        Ok(Reply { group: None, outcome: Outcome::Packages(made) })
    }

    fn package(&self, last_resort: bool, until: Timestamp) -> Result<Package, Fault> {
        let packages = Packages::default();
        let client = self.client(States::default(), packages.clone(), Some(until));
        let mut extensions = ExtensionList::new();
        if last_resort {
            extensions.set(Extension::new(ExtensionType::LAST_RESORT_KEY_PACKAGE, Vec::new()));
        }
        let begin = Some(MlsTime::from(self.begin()));
        let message = client
            .generate_key_package_message(extensions, ExtensionList::new(), begin)
            .map_err(unexplained)?;
        let secret = packages.last().ok_or(Fault::Engine)?;
        Ok(Package { mls: bytes(&message)?, secret, last_resort })
    }

    fn create(&self, gid: GroupId, policy: &Policy) -> Result<Reply, Halt> {
        let states = States::default();
        let client = self.client(states.clone(), Packages::default(), None);
        let made = client.create_group_with_id(
            gid.as_bytes().to_vec(),
            rules::extensions_of(policy),
            ExtensionList::new(),
            Some(self.time()),
        );
        let mut group = self.settle(made)?;
        let kept = self.keep(&mut group, &states)?;
        let info = group.group_info_message_allowing_ext_commit(false).map_err(unexplained)?;
        let tree = group.export_tree().to_bytes().map_err(unexplained)?.into();
        Ok(Reply { group: Some(kept), outcome: Outcome::Created { info: bytes(&info)?, tree } })
    }

    fn export(&self, state: &[u8], beside: &[u8]) -> Result<Reply, Halt> {
        let (group, _) = self.load(state)?;
        let beside = self.settle(MlsMessage::from_bytes(beside))?;
        let is_same = beside.as_group_info().is_some_and(|info| info.group_context() == group.context());
        let info = group.group_info_message_allowing_ext_commit(false).map_err(unexplained)?;
        let tree = group.export_tree().to_bytes().map_err(unexplained)?.into();
        Ok(Reply { group: None, outcome: Outcome::Exported { info: bytes(&info)?, tree, is_same } })
    }

    fn seal(&self, state: &[u8], texts: &[Bytes]) -> Result<Reply, Halt> {
        if texts.iter().map(|text| text.len()).sum::<usize>() > MAX_ITEM_BYTES {
            return Err(Fault::TooLarge.into());
        }
        let (mut group, states) = self.load(state)?;
        let seal = |text: &Bytes| -> Result<Sealed, Fault> {
            let generation = group.peek_next_key_generation().map_err(unexplained)?;
            let message = group.encrypt_application_message(text, Vec::new()).map_err(unexplained)?;
            Ok(Sealed { mls: bytes(&message)?, generation })
        };
        let sealed = texts.iter().map(seal).collect::<Result<_, _>>()?;
        Ok(Reply { group: Some(self.keep(&mut group, &states)?), outcome: Outcome::Sealed(sealed) })
    }

    fn welcome(&self, welcome: &[u8], tree: &[u8], secrets: &[PackageSecret]) -> Result<Reply, Halt> {
        let (states, packages) = (States::default(), Packages::load(secrets.to_vec()));
        let client = self.client(states.clone(), packages.clone(), None);
        let message = self.settle(MlsMessage::from_bytes(welcome))?;
        let tree = self.tree(tree)?;
        // No time: a leaf that expired after it was added does not keep newcomers out.
        let (mut group, info) = self.settle(client.join_group(Some(tree), &message, None))?;
        let by = group.member_at_index(info.sender).and_then(|by| devices::leaf(by.signing_identity()));
        let by = by.ok_or(Rule::Shape)?;
        let kept = self.keep(&mut group, &states)?;
        Ok(Reply {
            group: Some(kept),
            outcome: Outcome::Joined { by, used: packages.used().map(PackageReference) },
        })
    }

    fn rejoin(&self, info: &[u8], tree: &[u8]) -> Result<Reply, Halt> {
        let states = States::default();
        let client = self.client(states.clone(), Packages::default(), None);
        let info = self.settle(MlsMessage::from_bytes(info))?;
        let tree = self.tree(tree)?;
        let own =
            tree.roster().members_iter().find(|one| devices::leaf(one.signing_identity()) == Some(self.me()));
        let mut builder =
            client.external_commit_builder().map_err(unexplained)?.with_tree_data(tree.into_owned());
        if let Some(own) = own {
            builder = builder.with_removal(own.index());
        }
        let (mut group, commit) = self.settle(builder.build(info))?;
        let kept = self.keep(&mut group, &states)?;
        let info = group.group_info_message_allowing_ext_commit(false).map_err(unexplained)?;
        let outcome = Outcome::Rejoined { mls: bytes(&commit)?, info: bytes(&info)? };
        Ok(Reply { group: Some(kept), outcome })
    }

    /// Decides about a result of mls-rs, when no author is to be named.
    pub(crate) fn settle<T>(&self, result: Result<T, MlsError>) -> Result<T, Stop> {
        self.context.settle(result.map_err(Failure), None)
    }

    fn tree(&self, tree: &[u8]) -> Result<ExportedTree<'static>, Stop> {
        let mut rest = tree;
        match ExportedTree::mls_decode(&mut rest) {
            Ok(tree) if rest.is_empty() => Ok(tree),
            _ => Err(Stop::Refused { why: Why::Malformed, by: None }),
        }
    }

    /// Writes the group into a reply, after a check of the whole.
    pub(crate) fn keep(&self, group: &mut MlsGroup, states: &States) -> Result<Group, Halt> {
        let leaves: Option<Vec<_>> = group.roster().member_identities_iter().map(devices::leaf).collect();
        let leaves = leaves.ok_or(Rule::Shape)?;
        let policy = rules::check(&group.context().extensions, &leaves)?;
        let identity = group.current_member_signing_identity().map_err(unexplained)?;
        if *identity != self.identity {
            return Err(Fault::NotCertified.into());
        }
        group.write_to_storage().map_err(unexplained)?;
        let authenticator = group.epoch_authenticator().map_err(unexplained)?;
        Ok(Group {
            state: states.take().ok_or(Fault::Engine)?.into(),
            gid: gid(group)?,
            epoch: group.context().epoch,
            generation: group.peek_next_key_generation().map_err(unexplained)?,
            authenticator: authenticator.as_bytes().try_into().map_err(unexplained)?,
            policy,
            leaves,
            pending: group.has_pending_commit(),
        })
    }
}

/// The id of a group; groups with another length of it are outside the profile.
pub(crate) fn gid(group: &MlsGroup) -> Result<GroupId, Rule> {
    group.group_id().try_into().map(GroupId::from_bytes).map_err(|_| Rule::Shape)
}

/// The bytes of a message.
pub(crate) fn bytes(message: &MlsMessage) -> Result<Bytes, Fault> {
    message.to_bytes().map(Bytes::from).map_err(unexplained)
}
