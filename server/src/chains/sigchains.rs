//! A server's sigchains: replayed with the rules of the core, cached as far as replayed, appended by compare-and-swap.
//! The chat server embeds this module, and `kez-sig-server` consists of little else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use futures::future::BoxFuture;
use kez_core::identity::Primary;
use kez_core::sigchain::{Chain, Link, LinkRefused, MAX_LINKS, MAX_LINKS_PER_DAY};

use crate::chains::log::TransparencyLog;
use crate::clock::Clock;
use crate::store::chains::{ChainHead, LinkOutcome, NewLink};
use crate::store::{Store, StoreError};

/// The largest number of cached chains; beyond it the cache starts over. A long chain takes some 70 KiB.
const MAX_CACHED: usize = 1024;
/// How many links are read at once, if they are of few chains.
const READ_AT_ONCE: u64 = 512;
/// How many links of each chain are read at once, however many chains there are: most chains have no more.
const READ_OF_EACH: u64 = 8;
/// The amount of a chain in one answer.
pub const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// The state of the routes for sigchains and their log.
pub struct Sigchains {
    /// The store of the links.
    pub store: Arc<Store>,
    /// The log of chain heads.
    pub log: TransparencyLog,
    clock: Arc<dyn Clock>,
    per_day: Option<u64>,
    replayed: Mutex<HashMap<Primary, Arc<Chain>>>,
    observer: OnceLock<Weak<dyn ChainObserver>>,
}

/// Learns of the links that this process appends.
pub trait ChainObserver: Send + Sync {
    /// The chain of this root has a new link, which is durable, and now this many.
    fn grown(&self, root: Primary, length: u64) -> BoxFuture<'_, ()>;
}

/// The link is part of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It was appended now.
    Now,
    /// It was already there.
    Before,
}

/// Why a link was not appended.
#[derive(Debug, thiserror::Error)]
pub enum NotAppended {
    /// The chain ends elsewhere; `None` when there is no chain yet.
    #[error("the link does not follow the last one of the chain")]
    Conflict(Option<ChainHead>),
    /// The rules of chains refuse it.
    #[error(transparent)]
    Refused(#[from] LinkRefused),
    /// The chain has the maximum number of links.
    #[error("a chain has at most {MAX_LINKS} links")]
    Full,
    /// The chain has reached its daily limit of links; after this many seconds it may gain one again.
    #[error("a chain gains at most {MAX_LINKS_PER_DAY} links within 24 hours")]
    TooMany(u64),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sigchains {
    /// The chains in a store; `limited` says whether the daily limit of links applies.
    pub fn new(store: Arc<Store>, log: TransparencyLog, clock: Arc<dyn Clock>, limited: bool) -> Self {
        let per_day = limited.then_some(MAX_LINKS_PER_DAY);
        Self { store, log, clock, per_day, replayed: Mutex::default(), observer: OnceLock::new() }
    }

    /// Tells `observer` of every link that is appended from now on. Only the first observer counts.
    pub fn observe(&self, observer: Weak<dyn ChainObserver>) {
        // Fails when there is one already.
        let _ = self.observer.set(observer);
    }

    /// Appends a link after every check, in the protocol's order: position, authority, signature.
    ///
    /// # Errors
    /// [`NotAppended`] names the first check that fails.
    pub async fn append(&self, link: &Link) -> Result<Appended, NotAppended> {
        let chain = self.chain(&link.root()).await?;
        if chain.hash_at(link.seqno()) == Some(link.hash()) {
            return Ok(Appended::Before);
        }
        if let Err(refused) = chain.follows(link) {
            return Err(match refused {
                LinkRefused::Conflict => NotAppended::Conflict(self.store.chain_head(&link.root()).await?),
                refused => refused.into(),
            });
        }
        let now = self.clock.now();
        chain.authorises(link, now)?;
        link.verify().map_err(|_| LinkRefused::BadSignature)?;
        if chain.length() >= MAX_LINKS {
            return Err(NotAppended::Full);
        }
        let new = NewLink {
            root: link.root(),
            seqno: link.seqno(),
            prev: link.prev(),
            hash: link.hash(),
            json: link.json().to_owned(),
            now,
            per_day: self.per_day,
        };
        // A separate task, because a caller that disconnects ends the request, and the observer must learn of the link.
        let stored = tokio::spawn(store_and_tell(Arc::clone(&self.store), new, self.observer.get().cloned()));
        match stored.await.unwrap_or(Err(StoreError::Closed))? {
            LinkOutcome::Appended => Ok(Appended::Now),
            LinkOutcome::Stands => Ok(Appended::Before),
            LinkOutcome::Conflict(head) => Err(NotAppended::Conflict(head)),
            LinkOutcome::TooMany(seconds) => Err(NotAppended::TooMany(seconds)),
        }
    }

    /// A chain, replayed to its current end in the store; empty when there is none.
    ///
    /// # Errors
    /// When the store does not answer, or holds a link that the rules forbid.
    pub async fn chain(&self, root: &Primary) -> Result<Arc<Chain>, StoreError> {
        let mut chain = [self.known(root)];
        self.replay(&mut chain).await?;
        let [chain] = chain;
        Ok(chain)
    }

    /// The chains of these roots, each of them once, in the same order. The number of queries does not depend on the
    /// number of chains.
    ///
    /// # Errors
    /// As of [`Sigchains::chain`].
    pub async fn chains(&self, roots: &[Primary]) -> Result<Vec<Arc<Chain>>, StoreError> {
        let mut chains: Vec<_> = roots.iter().map(|root| self.known(root)).collect();
        self.replay(&mut chains).await?;
        Ok(chains)
    }

    /// A chain as far as it is cached. It stays valid, because chains only grow.
    fn known(&self, root: &Primary) -> Arc<Chain> {
        self.replayed().get(root).cloned().unwrap_or_else(|| Arc::new(Chain::new(*root)))
    }

    /// Brings these chains to their current end in the store.
    async fn replay(&self, chains: &mut [Arc<Chain>]) -> Result<(), StoreError> {
        let mut behind: HashMap<Primary, &mut Arc<Chain>> =
            chains.iter_mut().map(|chain| (chain.root(), chain)).collect();
        while !behind.is_empty() {
            let each = (READ_AT_ONCE / behind.len() as u64).max(READ_OF_EACH);
            let lengths: Vec<_> = behind.values().map(|chain| (chain.root(), chain.length())).collect();
            for (root, link) in self.store.links_after_each(&lengths, each).await? {
                let chain = behind.get_mut(&root).ok_or(StoreError::Corrupt("sigchain link"))?;
                let link = Link::parse(link.as_bytes()).map_err(|_| StoreError::Corrupt("sigchain link"))?;
                Arc::make_mut(chain).append(&link).map_err(|_| StoreError::Corrupt("sigchain"))?;
            }
            for (root, length) in lengths {
                let Some(chain) = behind.get(&root) else { continue };
                if chain.length() > length {
                    self.cache(chain);
                }
                if chain.length() < length + each {
                    behind.remove(&root);
                }
            }
        }
        Ok(())
    }

    fn cache(&self, chain: &Arc<Chain>) {
        let mut replayed = self.replayed();
        if replayed.len() >= MAX_CACHED {
            replayed.clear();
        }
        replayed.insert(chain.root(), Arc::clone(chain));
    }

    fn replayed(&self) -> std::sync::MutexGuard<'_, HashMap<Primary, Arc<Chain>>> {
        self.replayed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn store_and_tell(
    store: Arc<Store>,
    link: NewLink,
    observer: Option<Weak<dyn ChainObserver>>,
) -> Result<LinkOutcome, StoreError> {
    let (root, length) = (link.root, link.seqno);
    let outcome = store.append_link(link).await?;
    if outcome == LinkOutcome::Appended
        && let Some(observer) = observer.and_then(|observer| observer.upgrade())
    {
        observer.grown(root, length).await;
    }
    Ok(outcome)
}
