//! The check of a new group and of a commit, off the writer: MLS as far as a server sees it, and the chains of the
//! accounts concerned.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use kez_core::group_item::{Reason, Revoked};
use kez_core::identity::Primary;
use kez_core::mls::LeafId;
use kez_core::mls::call::{Certified, May};
use kez_core::mls::credential::Credential;
use kez_core::mls::reply::{Rule, Stop, Why};
use kez_core::problem::ProblemCode;
use kez_core::sigchain::Chain;
use kez_core::time::Timestamp;
use kez_mls::observer::{self, Applied, Observed, Posted};
use tokio::task::spawn_blocking;

use crate::chains::source::{ChainSource, ChainUnavailable};
use crate::edge::error::ApiError;
use crate::store::StoreError;

/// A commit names unknown devices at most so often: those of its tree, and those that it adds.
const ROUNDS: usize = 4;

/// A commit to check.
pub struct Proposed {
    /// The state in which it was made.
    pub state: Vec<u8>,
    /// Its `MLSMessage`.
    pub mls: Vec<u8>,
    /// The `GroupInfo` of the epoch that it begins.
    pub info: Vec<u8>,
    /// Its Welcome.
    pub welcome: Option<Vec<u8>>,
    /// What allows it what its author could not do alone.
    pub why: Vec<Reason>,
    /// The accounts that belong to the group.
    pub roots: Vec<Primary>,
    /// Those of them that have said that they leave, and were not added again since.
    pub leaving: Vec<Primary>,
    /// The server's time.
    pub now: Timestamp,
}

/// The chains that a check has read.
struct Chains<'a> {
    source: &'a ChainSource,
    read: Vec<Arc<Chain>>,
}

impl<'a> Chains<'a> {
    /// Reads the chains of these accounts.
    async fn of_all(source: &'a ChainSource, roots: &[Primary]) -> Result<Self, ApiError> {
        let mut chains = Self { source, read: Vec::new() };
        chains.add(roots.iter().copied().collect()).await?;
        Ok(chains)
    }

    /// Reads the chains of these accounts, except those that were read before.
    async fn add(&mut self, mut roots: BTreeSet<Primary>) -> Result<(), ApiError> {
        for chain in &self.read {
            roots.remove(&chain.root());
        }
        let roots: Vec<Primary> = roots.into_iter().collect();
        self.read.extend(self.source.chains(&roots).await.map_err(unreadable)?);
        Ok(())
    }

    async fn of(&mut self, root: &Primary) -> Result<Arc<Chain>, ApiError> {
        if let Some(chain) = self.read.iter().find(|chain| chain.root() == *root) {
            return Ok(Arc::clone(chain));
        }
        let chain = self.source.chain(root).await.map_err(unreadable)?;
        self.read.push(Arc::clone(&chain));
        Ok(chain)
    }

    /// Reads the chains of unknown devices that stopped a check, so that it can be tried again.
    ///
    /// # Errors
    /// The refusal, when these chains were read for this check before or something else stopped it.
    async fn more(&mut self, stop: &Stop, asked: &mut HashSet<Primary>) -> Result<(), ApiError> {
        match stop {
            Stop::Unknown(leaves) if leaves.iter().any(|leaf| asked.insert(leaf.root)) => {
                self.add(leaves.iter().map(|leaf| leaf.root).collect()).await
            }
            stop => Err(refusal(stop)),
        }
    }

    /// Whether a device is live at a time.
    async fn is_live(&mut self, leaf: &LeafId, now: Timestamp) -> Result<bool, ApiError> {
        let chain = self.of(&leaf.root).await?;
        Ok(!chain.is_closed() && chain.device(&leaf.device).is_some_and(|known| known.is_live(now)))
    }

    /// All devices that these chains certify, or once certified.
    fn certified(&self) -> Vec<Certified> {
        let of = |chain: &Arc<Chain>| certified_by(chain);
        self.read.iter().flat_map(of).collect()
    }
}

/// The devices of a chain, also those that are no longer live.
pub fn certified_by(chain: &Chain) -> Vec<Certified> {
    let devices = chain.devices().iter().filter_map(|known| {
        let link = chain.hash_at(known.seqno)?;
        let (root, device) = (chain.root(), known.device.device);
        let credential = Credential { root, device, seqno: known.seqno, link };
        Some(Certified { credential, key: known.device.key.primary(), ended: Some(known.ends_at()) })
    });
    devices.collect()
}

/// Opens a group in epoch 0.
///
/// # Errors
/// `invalid_commit`, `not_authorised` or `group_full`, with the reason; `unavailable` when a chain cannot be read.
pub async fn open(
    chains: &ChainSource,
    creator: &Primary,
    info: Vec<u8>,
    tree: Vec<u8>,
) -> Result<Observed, ApiError> {
    let read = Chains::of_all(chains, &[*creator]).await?;
    let certified = read.certified();
    let opened = spawn_blocking(move || observer::open(&info, &tree, &certified)).await;
    opened.map_err(|_| ApiError::from(StoreError::Closed))?.map_err(|stop| refusal(&stop))
}

/// Opens a group in the state of a later epoch, which a client offers after a restore. `roots` are the accounts that
/// belonged to it before. The device that signed the `GroupInfo` must be live.
///
/// # Errors
/// `invalid_commit`, `not_authorised` or `group_full`, with the reason; `unavailable` when a chain cannot be read.
pub async fn reopen(
    chains: &ChainSource,
    roots: &[Primary],
    info: Vec<u8>,
    tree: Vec<u8>,
    now: Timestamp,
) -> Result<Observed, ApiError> {
    let mut read = Chains::of_all(chains, roots).await?;
    let (offered, mut asked) = (Arc::new((info, tree)), HashSet::new());
    for _ in 0..ROUNDS {
        let (certified, offered) = (read.certified(), Arc::clone(&offered));
        let opened = spawn_blocking(move || observer::open(&offered.0, &offered.1, &certified)).await;
        match opened.map_err(|_| ApiError::from(StoreError::Closed))? {
            Ok(observed) => {
                if !read.is_live(&observed.by, now).await? {
                    let detail = "the state is refused: a device that is no longer live has signed info";
                    return Err(ApiError::new(ProblemCode::InvalidCommit, detail));
                }
                return Ok(observed);
            }
            Err(stop) => read.more(&stop, &mut asked).await?,
        }
    }
    let detail = "the state is refused: it names devices that no chain certifies";
    Err(ApiError::new(ProblemCode::InvalidCommit, detail))
}

/// Checks a commit.
///
/// # Errors
/// `invalid_commit`, `not_authorised` or `group_full`, with the reason; `unavailable` when a chain cannot be read.
pub async fn apply(chains: &ChainSource, proposed: Proposed) -> Result<Applied, ApiError> {
    let mut read = Chains::of_all(chains, &proposed.roots).await?;
    let may = proven(&mut read, &proposed).await?;
    let (proposed, may) = (Arc::new(proposed), Arc::new(may));
    let mut asked = HashSet::new();
    for _ in 0..ROUNDS {
        let (certified, proposed, may) = (read.certified(), Arc::clone(&proposed), Arc::clone(&may));
        let now = proposed.now;
        let applied = spawn_blocking(move || {
            let Proposed { state, mls, info, welcome, now, .. } = &*proposed;
            let posted = Posted { mls, info, welcome: welcome.as_deref(), may: &may, stored_at: *now };
            observer::apply(state, &posted, &certified)
        });
        match applied.await.map_err(|_| ApiError::from(StoreError::Closed))? {
            Ok(applied) => {
                must_be_live(&mut read, &applied, now).await?;
                return Ok(applied);
            }
            Err(stop) => read.more(&stop, &mut asked).await?,
        }
    }
    Err(invalid("it names devices that no chain certifies"))
}

fn unreadable(error: ChainUnavailable) -> ApiError {
    match error {
        ChainUnavailable::Store(error) => error.into(),
        error => {
            tracing::warn!(%error, "a commit cannot be checked");
            ApiError::unavailable("the sigchain of a member cannot be read at the moment", 10)
        }
    }
}

/// A device that is added, or that joins by itself, must be live.
async fn must_be_live(read: &mut Chains<'_>, applied: &Applied, now: Timestamp) -> Result<(), ApiError> {
    let joining = applied.change.external.then_some(applied.change.by);
    for leaf in applied.change.added.iter().copied().chain(joining) {
        if !read.is_live(&leaf, now).await? {
            return Err(invalid("it adds a device that is no longer live"));
        }
    }
    Ok(())
}

/// What the statements beside a commit prove.
async fn proven(read: &mut Chains<'_>, proposed: &Proposed) -> Result<May, ApiError> {
    let mut may = May::default();
    for reason in &proposed.why {
        match reason {
            Reason::Leave(leave) => {
                let root = leave.payload().root();
                let chain = read.of(&root).await?;
                let device = chain.devices().iter().find(|known| known.device.key == *leave.key());
                let signed =
                    device.is_some_and(|known| (**leave).clone().verify_by(&known.device.key).is_ok());
                if !signed || !proposed.leaving.contains(&root) {
                    return Err(invalid("an account is said to leave, and has not said so in this group"));
                }
                may.left.push(root);
            }
            Reason::Revoked(Revoked { root, device, seqno, link }) => {
                let chain = read.of(root).await?;
                if chain.hash_at(*seqno) != Some(*link) || !chain.is_ended_by(device, *seqno) {
                    return Err(invalid(
                        "a device is said to be revoked, and the link named does not say so",
                    ));
                }
                may.revoked.push(LeafId { root: *root, device: *device });
            }
        }
    }
    Ok(may)
}

fn invalid(detail: &str) -> ApiError {
    ApiError::new(ProblemCode::InvalidCommit, format!("the commit is refused: {detail}"))
}

/// The refusal of what an observer does not accept: `group_full`, `not_authorised` for what the author may not do,
/// `invalid_commit` for everything else.
fn refusal(stop: &Stop) -> ApiError {
    let code = match stop {
        Stop::Refused { why: Why::Rule(Rule::TooManyLeaves), .. } => ProblemCode::GroupFull,
        Stop::Refused {
            why:
                Why::Rule(
                    Rule::PolicyByAdmin
                    | Rule::AddedByMember
                    | Rule::RemovedByMember
                    | Rule::External
                    | Rule::Fixed,
                ),
            ..
        } => ProblemCode::NotAuthorised,
        _ => ProblemCode::InvalidCommit,
    };
    let detail = match stop {
        Stop::Refused { why, .. } => why.to_string(),
        Stop::Unknown(_) => "it names a device that no chain certifies".to_owned(),
        Stop::Own => "it was made by this very device".to_owned(),
    };
    ApiError::new(code, detail)
}
