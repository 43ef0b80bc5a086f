//! How the owner of an inbox manages it on the relay.

use std::collections::BTreeMap;

use kez_client::effect::{HttpRequest, Method};
use kez_client::event::HttpResponse;
use kez_core::api::{
    AckInbox, InboxItem, InboxLimits, InboxStatus, KeepMessages, RequestsHeld, ack_target, keep_target,
    status_target,
};
use kez_core::handle::Handle;
use kez_core::problem::ProblemCode;

use super::relay::{json, problem};

/// The owners' settings and acknowledgements.
#[derive(Default)]
pub(crate) struct Keeping {
    /// The highest acknowledged number of each owner.
    pub(crate) acknowledged: BTreeMap<Handle, u64>,
    /// The number of acknowledgements.
    pub(crate) acknowledgements: u64,
    keep: BTreeMap<Handle, KeepMessages>,
    pub(crate) limits: Option<InboxLimits>,
}

impl Keeping {
    /// Answers a request about an inbox; `None` for any other request.
    pub(crate) fn answer(
        &mut self,
        owner: &Handle,
        request: &HttpRequest,
        epoch: &str,
        inbox: &mut Vec<InboxItem>,
    ) -> Option<HttpResponse> {
        let (target, body) = (request.target.as_str(), request.body.as_deref().unwrap_or_default());
        if request.method == Method::Post && target == ack_target(owner) {
            let AckInbox { epoch: named, seq } = serde_json::from_str(body).unwrap();
            if named != epoch {
                return Some(problem(ProblemCode::EpochChanged));
            }
            if seq > last(inbox) {
                return Some(problem(ProblemCode::Malformed));
            }
            self.acknowledgements += 1;
            let acknowledged = self.acknowledged.entry(owner.clone()).or_default();
            *acknowledged = seq.max(*acknowledged);
            return Some(json(200, &self.status(owner, epoch, inbox)));
        }
        if request.method == Method::Get && target == status_target(owner) {
            return Some(json(200, &self.status(owner, epoch, inbox)));
        }
        if request.method == Method::Put && target == keep_target(owner) {
            self.keep.insert(owner.clone(), serde_json::from_str(body).unwrap());
            return Some(HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() });
        }
        let key = target.strip_prefix(&format!("/v1/inbox/{owner}/requests/"))?;
        assert_eq!(request.method, Method::Delete);
        let from = format!(r#""from":"{key}""#);
        inbox.retain(|item| !item.envelope.get().contains(&from));
        Some(HttpResponse { status: 204, retry_after: None, date: None, body: Vec::new() })
    }

    fn status(&self, owner: &Handle, epoch: &str, inbox: &[InboxItem]) -> InboxStatus {
        let acknowledged = self.acknowledged.get(owner).copied().unwrap_or_default();
        InboxStatus {
            epoch: epoch.to_owned(),
            last: last(inbox),
            acknowledged,
            keep_days: self.keep.get(owner).and_then(|keep| keep.days),
            messages: inbox.len() as u64,
            bytes: inbox.iter().map(|item| item.envelope.get().len() as u64).sum(),
            waiting: inbox.iter().filter(|item| item.seq > acknowledged).count() as u64,
            requests: RequestsHeld::default(),
            limits: self.limits,
        }
    }
}

fn last(inbox: &[InboxItem]) -> u64 {
    inbox.last().map_or(0, |item| item.seq)
}
