//! The state of a chain, and the rules for which key may say what at which position.

use serde::{Deserialize, Serialize};

use super::MAX_LIVE_DEVICES;
use super::body::Body;
use super::device::{Device, DeviceId};
use super::draft::Draft;
use super::hash::Hash;
use super::link::{Link, Payload};
use super::refused::LinkRefused;
use crate::handle::{Handle, ServerName};
use crate::identity::{Primary, PublicIdentity};
use crate::time::Timestamp;

/// The state that the links of a chain add up to. Every link in it was checked; there is no other way to build one.
///
/// It can be stored as a snapshot and read back, but only from a place that no one else can write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    root: Primary,
    hashes: Vec<Hash>,
    /// All primaries so far; the last is the current one. Only the root when there is no link yet.
    primaries: Vec<Primary>,
    next: Option<Hash>,
    devices: Vec<Certified>,
    claims: Vec<Claim>,
    min_version: u64,
    closed: bool,
    /// The latest time in any link. It stops an expired device from backdating a link.
    latest: Timestamp,
}

/// A device that the chain certifies, or certified once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// The device, as its link describes it.
    pub device: Device,
    /// The seqno of its `add_device` link.
    pub seqno: u64,
    /// When the link was made that revoked it, according to its signer.
    pub revoked_at: Option<Timestamp>,
    /// The seqno of that link.
    pub revoked_by: Option<u64>,
}

/// A handle that the chain claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The handle.
    pub handle: Handle,
    /// The server.
    pub server: ServerName,
    /// The hash of the signed registration.
    pub registration: Hash,
    /// The primary that claimed it.
    pub primary: Primary,
}

impl Certified {
    /// Whether it was revoked.
    pub const fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }

    /// Since when it is no longer live, or from when it no longer will be.
    pub fn ends_at(&self) -> Timestamp {
        self.revoked_at.map_or(self.device.expires_at, |at| at.min(self.device.expires_at))
    }

    /// Whether the device is neither revoked nor expired at a time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.device.expires_at > now
    }
}

impl Chain {
    /// The chain of this root before its first link.
    pub const fn new(root: Primary) -> Self {
        Self {
            root,
            hashes: Vec::new(),
            primaries: Vec::new(),
            next: None,
            devices: Vec::new(),
            claims: Vec::new(),
            min_version: 1,
            closed: false,
            latest: Timestamp::from_unix(0),
        }
    }

    /// Appends a link after all checks in the protocol's order: position, authority, signature. The shape was checked
    /// when the link was parsed.
    ///
    /// # Errors
    /// [`LinkRefused`] names the first check that fails; the chain is then unchanged.
    pub fn append(&mut self, link: &Link) -> Result<(), LinkRefused> {
        self.follows(link)?;
        self.authorises(link, link.created_at())?;
        link.verify().map_err(|_| LinkRefused::BadSignature)?;
        self.apply(link);
        Ok(())
    }

    /// The second check: the link belongs to this chain and directly follows its last link.
    ///
    /// # Errors
    /// [`LinkRefused::Malformed`] for a link of another chain, [`LinkRefused::Conflict`] for another position.
    pub fn follows(&self, link: &Link) -> Result<(), LinkRefused> {
        if link.root() != self.root {
            return Err(LinkRefused::malformed("it is for the chain of another root"));
        }
        if link.seqno() != self.length() + 1 || link.prev() != self.head() {
            return Err(LinkRefused::Conflict);
        }
        Ok(())
    }

    /// The third check: the signer may say this at the end of the chain. Devices expire against `now` and the times in
    /// the links, whichever is latest. `now` is a server's clock, or the link's own time in a replay.
    ///
    /// # Errors
    /// [`LinkRefused::NotAuthorised`] with a sentence.
    pub fn authorises(&self, link: &Link, now: Timestamp) -> Result<(), LinkRefused> {
        if self.closed {
            return Err(LinkRefused::NotAuthorised("the chain is closed"));
        }
        let now = now.max(self.latest).max(link.created_at());
        let signer = link.signer();
        let by_primary = signer.primary() == self.primary();
        let (allowed, or_else) = match link.body() {
            Body::RotatePrimary { primary, .. } | Body::Close { primary } => {
                (signer == primary && self.announced(primary), "only the announced next key may sign this")
            }
            Body::AddDevice(_) | Body::RevokeDevice { .. } => (
                by_primary || self.live(now).any(|device| device.key == *signer),
                "only the primary or a live device may sign this",
            ),
            Body::Init { .. }
            | Body::ClaimHandle { .. }
            | Body::ReleaseHandle { .. }
            | Body::SetCapabilities { .. } => (by_primary, "only the primary may sign this"),
        };
        if !allowed {
            return Err(LinkRefused::NotAuthorised(or_else));
        }
        self.devices_allow(link.body(), now)
    }

    fn announced(&self, primary: &PublicIdentity) -> bool {
        self.next == Some(Hash::of_key(primary)) && !self.primaries.contains(&primary.primary())
    }

    fn devices_allow(&self, body: &Body, now: Timestamp) -> Result<(), LinkRefused> {
        let known = |id: &DeviceId| self.device(id);
        let refused = match body {
            Body::AddDevice(device) if known(&device.device).is_some() => "a device already has this id",
            Body::AddDevice(_) if self.live(now).count() >= MAX_LIVE_DEVICES => "20 devices are already live",
            Body::RevokeDevice { device, .. } if known(device).is_none_or(|known| known.is_revoked()) => {
                "there is no such device to revoke"
            }
            _ => return Ok(()),
        };
        Err(LinkRefused::NotAuthorised(refused))
    }

    fn apply(&mut self, link: &Link) {
        self.hashes.push(link.hash());
        self.latest = self.latest.max(link.created_at());
        match link.body().clone() {
            Body::Init { primary, next } | Body::RotatePrimary { primary, next } => {
                self.primaries.push(primary.primary());
                self.next = Some(next);
            }
            Body::AddDevice(device) => {
                let seqno = link.seqno();
                self.devices.push(Certified { device, seqno, revoked_at: None, revoked_by: None });
            }
            Body::RevokeDevice { device, .. } => {
                for known in self.devices.iter_mut().filter(|known| known.device.device == device) {
                    known.revoked_at = Some(link.created_at());
                    known.revoked_by = Some(link.seqno());
                }
            }
            Body::ClaimHandle { handle, server, registration } => {
                self.forget_claim(&handle, &server);
                self.claims.push(Claim { handle, server, registration, primary: self.primary() });
            }
            Body::ReleaseHandle { handle, server } => self.forget_claim(&handle, &server),
            Body::SetCapabilities { min_version } => self.min_version = min_version,
            Body::Close { primary } => {
                self.primaries.push(primary.primary());
                self.next = None;
                self.closed = true;
            }
        }
    }

    fn forget_claim(&mut self, handle: &Handle, server: &ServerName) {
        self.claims.retain(|claim| claim.handle != *handle || claim.server != *server);
    }

    /// The next link, to be signed. Its time is `now`, or that of the latest link if this clock is behind.
    pub fn draft(&self, body: Body, now: Timestamp) -> Draft {
        Draft(Payload {
            root: self.root,
            seqno: self.length() + 1,
            prev: self.head(),
            created_at: now.max(self.latest),
            body,
        })
    }

    /// The first primary: the chain's name for life.
    pub const fn root(&self) -> Primary {
        self.root
    }

    /// The number of links.
    pub const fn length(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The hash of the last link.
    pub fn head(&self) -> Option<Hash> {
        self.hashes.last().copied()
    }

    /// The hash of the link at a seqno, counted from 1. Two chains that agree on it agree on all earlier links.
    pub fn hash_at(&self, seqno: u64) -> Option<Hash> {
        let index = usize::try_from(seqno.checked_sub(1)?).ok()?;
        self.hashes.get(index).copied()
    }

    /// The current primary: the root until there is a link.
    pub fn primary(&self) -> Primary {
        self.primaries.last().copied().unwrap_or(self.root)
    }

    /// Whether this key was the primary once and no longer is.
    pub fn is_former(&self, primary: &Primary) -> bool {
        *primary != self.primary() && self.primaries.contains(primary)
    }

    /// All primaries so far, oldest first.
    pub fn primaries(&self) -> &[Primary] {
        &self.primaries
    }

    /// The hash that announces the next primary.
    pub const fn next(&self) -> Option<Hash> {
        self.next
    }

    /// The handles claimed and not released.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The claim of one handle.
    pub fn claim(&self, handle: &Handle, server: &ServerName) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.handle == *handle && claim.server == *server)
    }

    /// The devices that are neither revoked nor expired at a time.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(move |known| known.is_live(now)).map(|known| &known.device)
    }

    /// All devices so far, in the order of their links.
    pub fn devices(&self) -> &[Certified] {
        &self.devices
    }

    /// The device with this id, live or not. An id names one device for ever.
    pub fn device(&self, id: &DeviceId) -> Option<&Certified> {
        self.devices.iter().find(|known| known.device.device == *id)
    }

    /// Whether the link at a seqno ended a device of this chain: it revoked the device, or closed the chain.
    pub fn is_ended_by(&self, id: &DeviceId, seqno: u64) -> bool {
        // A closed chain ends with the link that closed it.
        let closes = self.closed && seqno == self.length();
        self.device(id).is_some_and(|known| closes || known.revoked_by == Some(seqno))
    }

    /// The lowest message version that this user still accepts.
    pub const fn min_version(&self) -> u64 {
        self.min_version
    }

    /// Whether the chain is closed to further links.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }
}
