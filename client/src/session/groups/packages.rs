//! Publishing the key packages of this device.

use kez_core::api::{PackagesKept, key_packages_target};
use kez_core::mls::call::Op;
use kez_core::mls::reply::Outcome as EngineOutcome;
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;

use crate::groups::PACKAGE_LIFETIME;
use crate::kernel::answer::{Answer, Outcome, body, outcome, retry_after};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::requests::Purpose;
use crate::session::Session;

impl Session {
    /// Makes the packages that are missing, and tells the server which there are, if that is due.
    pub(super) fn keep_packages(&mut self, cx: &mut Context<'_>) {
        if self.packages.due_at.is_some_and(|at| at > cx.now) {
            return;
        }
        if cx.shared.requests.awaits(&Purpose::KeepPackages) {
            // The answer sets the time of the next request.
            self.packages.due_at = None;
            return;
        }
        let now = cx.wall() / 1000;
        self.packages.due_at = None;
        self.packages.expire(now, cx);
        if let Some((count, last_resort)) = self.packages.wanted(now) {
            let until = now + PACKAGE_LIFETIME;
            let op = Op::Packages { count, last_resort, until: Timestamp::from_unix(until) };
            match self.engine(op, cx).map(|reply| reply.outcome) {
                Ok(EngineOutcome::Packages(made)) => self.packages.add(made, until, cx),
                _ => return self.packages.on_failure(None, cx),
            }
        }
        let Some(device) = self.me.device.as_ref().map(crate::kernel::device::OwnDevice::id) else { return };
        let Ok(body) = serde_json::to_string(&self.packages.body(now)) else { return };
        let target = key_packages_target(&self.me.handle, device);
        if let Some(request) = self.me.signed_by_device(Method::Put, target, Some(body), cx) {
            // The answer sets the time of the next request.
            self.packages.due_at = None;
            cx.request(request, Purpose::KeepPackages);
        }
    }

    /// Handles the answer to the packages.
    pub(crate) fn on_packages_kept(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, |response| body::<PackagesKept>(response, &[200])) {
            Outcome::Done(PackagesKept { unclaimed }) => self.packages.on_kept(unclaimed, cx),
            Outcome::Refused(problem) => {
                if problem.code == ProblemCode::Unauthorized {
                    // Another browser may have removed this device.
                    self.check_own_chain(cx);
                }
                self.packages.on_failure(retry_after(answer), cx);
            }
            Outcome::Unknown => self.packages.on_failure(retry_after(answer), cx),
        }
    }

    /// The server does not accept this device: the user's own chain will show why.
    pub(super) fn check_own_chain(&mut self, cx: &mut Context<'_>) {
        let (chains, facts) = self.chains_with_facts();
        chains.own_mut().suspect_replaced_key(facts, cx);
    }
}
