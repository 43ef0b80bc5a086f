//! "Export my data" and "Delete account".

use kez_core::problem::ProblemCode;
use serde::{Deserialize, Serialize};

use crate::kernel::answer::{Answer, Outcome, no_content, outcome, refusal};
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, Method};
use crate::kernel::event::{NetworkFault, TabId};
use crate::kernel::lookup::says_not_found;
use crate::kernel::me::Me;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;

/// The state of "Export my data" or "Delete account".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingView {
    /// Whether a request is in flight.
    pub busy: bool,
    /// What went wrong.
    pub error: Option<Reason>,
}

/// An export or a deletion.
#[derive(Default)]
pub(crate) struct AccountExit {
    view: LeavingView,
    /// Whether the server has deleted the account.
    gone: bool,
}

impl AccountExit {
    pub(crate) const fn view(&self) -> &LeavingView {
        &self.view
    }

    /// Whether the account has been deleted.
    pub(crate) const fn is_gone(&self) -> bool {
        self.gone
    }

    /// "Export my data".
    pub(crate) fn on_export_pressed(&mut self, tab: &TabId, me: &Me, cx: &mut Context<'_>) {
        if self.begin() {
            let request = me.signed(Method::Get, "/v1/export".to_owned(), None, cx);
            cx.request(request, Purpose::Export(tab.clone()));
        }
    }

    /// The server's export has arrived. `combine` makes one file of it and of what this browser can read.
    pub(crate) fn on_export(
        &mut self,
        tab: TabId,
        (answer, combine): (&Answer, impl FnOnce(&[u8]) -> Option<String>),
        me: &Me,
        cx: &mut Context<'_>,
    ) {
        let error = match answer {
            Ok(response) if response.status == 200 => match combine(&response.body) {
                Some(json) => {
                    let name = format!("kez-chat-{}.json", me.handle);
                    cx.push(Effect::Download { tab, name, bytes: json.into_bytes() });
                    None
                }
                None => Some(Reason::SenselessAnswer),
            },
            Ok(response) => Some(refusal(response)),
            Err(NetworkFault) => Some(Reason::NoAnswer),
        };
        self.end(error);
    }

    /// The dialog's final confirmation.
    pub(crate) fn on_deletion_confirmed(&mut self, me: &Me, cx: &mut Context<'_>) {
        if self.begin() {
            let request = me.signed(Method::Delete, format!("/v1/u/{}", me.handle), None, cx);
            cx.request(request, Purpose::DeleteAccount);
        }
    }

    /// Handles the answer to the deletion. A deleted account rejects the signature. The answer to an earlier attempt
    /// may have been lost, so the client then checks the registry.
    pub(crate) fn on_deletion(&mut self, answer: &Answer, me: &Me, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => self.gone = true,
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                cx.get(format!("/v1/u/{}", me.handle), Purpose::DeletionCheck);
            }
            Outcome::Refused(problem) => self.end(Some(Reason::server(&problem.detail))),
            Outcome::Unknown => self.end(Some(Reason::NoAnswer)),
        }
    }

    /// Checks whether the handle is still registered after a refused deletion.
    pub(crate) fn on_deletion_check(&mut self, answer: &Answer) {
        match answer {
            Ok(response) if says_not_found(response) => self.gone = true,
            Ok(_) => self.end(Some(Reason::SignatureRefused)),
            Err(NetworkFault) => self.end(Some(Reason::NoAnswer)),
        }
    }

    fn begin(&mut self) -> bool {
        let idle = !self.view.busy;
        self.view = LeavingView { busy: true, error: None };
        idle
    }

    fn end(&mut self, error: Option<Reason>) {
        self.view = LeavingView { busy: false, error };
    }
}
