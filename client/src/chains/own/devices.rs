//! The devices of the user's own chain: this browser's certificate, and the removal of others.

use kez_core::sigchain::{Body, DeviceId, Link, MAX_LIVE_DEVICES};

use super::OwnChain;
use crate::chains::facts::Facts;
use crate::kernel::context::Context;
use crate::kernel::device::{Standing, certificate};
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;

impl OwnChain {
    /// "Remove" beside a device.
    pub(crate) fn remove_device(&mut self, device: DeviceId, facts: Facts<'_>, cx: &mut Context<'_>) {
        if self.stored.pending.is_some() {
            self.device_error = Some(Reason::ChainPending);
            return;
        }
        (self.removing, self.device_error) = (Some(device), None);
        self.try_at = None;
        self.advance(facts, cx);
    }

    /// Revokes this browser's device. The account is about to leave this browser, so nothing is stored.
    pub(crate) fn remove_own_device(&self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let (chain, now) = (self.chain(), cx.timestamp());
        let may_append = self.stored.pending.is_none() && chain.primary() == facts.me.key.public().primary();
        let device = facts.me.device.as_ref().filter(|device| device.standing(chain, now) == Standing::Live);
        let (Some(device), true, Some(target)) = (device, may_append, self.base.target(&chain.root())) else {
            return;
        };
        let revoke = Body::RevokeDevice { device: device.id(), since: now };
        if let Some(Ok(link)) = facts.me.link_signer().map(|signer| chain.draft(revoke, now).sign(signer)) {
            cx.post(&target, link.json().to_owned(), Purpose::AppendLink);
        }
    }

    /// The MLS engine is loaded, so this browser's device can be certified.
    pub(crate) fn on_engine(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) {
        let device = facts.me.device.as_ref();
        if device.is_some_and(|device| device.standing(self.chain(), cx.timestamp()) == Standing::New) {
            self.try_at = None;
            self.advance(facts, cx);
        }
    }

    /// Why the last change of devices failed.
    pub(crate) const fn device_error(&self) -> Option<&Reason> {
        self.device_error.as_ref()
    }

    /// The device that is being removed.
    pub(crate) fn removing(&self) -> Option<DeviceId> {
        let revoked = self.pending().and_then(|link| match link.body() {
            Body::RevokeDevice { device, .. } => Some(*device),
            _ => None,
        });
        revoked.or(self.removing)
    }

    /// The link that revokes the device that the user removes, if it is not revoked yet.
    pub(super) fn remove_wanted(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) -> Option<String> {
        let device = self.removing.take()?;
        let known = self.chain().device(&device)?;
        if known.is_revoked() {
            return None;
        }
        self.draft(Body::RevokeDevice { device, since: cx.timestamp() }, facts, cx)
    }

    /// The link that certifies this browser's device, if the chain lacks it and has room for it.
    pub(super) fn certify(&mut self, facts: Facts<'_>, cx: &mut Context<'_>) -> Option<String> {
        let (device, now) = (facts.me.device.as_ref()?, cx.timestamp());
        let is_full = self.chain().live(now).count() >= MAX_LIVE_DEVICES;
        // Contacts send to a certified device what only the engine can read.
        let can_read = cx.shared.engine.is_ready;
        if device.standing(self.chain(), now) != Standing::New || is_full || !can_read {
            return None;
        }
        let added = certificate(device.id(), device.key().public(), now)?;
        let draft = self.chain().draft(Body::AddDevice(added), now);
        self.keep_pending(&draft.sign_with_device(facts.me.key.secret()?, device.key()).ok()?, cx)
    }

    /// Appends the link of a device that was linked here. `false` when it no longer follows the chain.
    pub(crate) fn add_device(&mut self, link: &Link, facts: Facts<'_>, cx: &mut Context<'_>) -> bool {
        let fits = self.stored.pending.is_none() && self.chain().clone().append(link).is_ok();
        if fits {
            self.keep_pending(link, cx);
            self.try_at = None;
            self.advance(facts, cx);
        }
        fits
    }

    /// The server has refused the pending link for this reason.
    pub(super) fn on_refusal(&mut self, why: Reason) {
        let is_about_device = self
            .pending()
            .is_some_and(|link| matches!(link.body(), Body::AddDevice(_) | Body::RevokeDevice { .. }));
        *(if is_about_device { &mut self.device_error } else { &mut self.error }) = Some(why);
    }
}
