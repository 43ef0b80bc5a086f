//! "Report": reports a person to the server's operator, by key and envelope hashes, never by content.

use kez_core::api::ReportRequest;

use crate::kernel::answer::{Answer, Outcome, no_content, outcome};
use crate::kernel::context::Context;
use crate::kernel::effect::Method;
use crate::kernel::event::TabId;
use crate::kernel::place::Place;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::kernel::tabs::ReportView;
use crate::session::Session;

impl Session {
    /// "Send report".
    pub(crate) fn report(&self, tab: &TabId, handle: &str, note: String, cx: &mut Context<'_>) {
        if cx.shared.tabs.entry(tab).report == ReportView::Sending {
            return;
        }
        cx.shared.tabs.entry(tab).report = match self.report_about(handle, note) {
            Ok(body) => {
                let request = self.me.signed(Method::Post, "/v1/reports".to_owned(), Some(body), cx);
                cx.request(request, Purpose::Report(tab.clone()));
                ReportView::Sending
            }
            Err(why) => ReportView::Failed(why),
        };
    }

    /// Handles the server's answer to the report.
    pub(crate) fn report_answered(tab: &TabId, answer: &Answer, cx: &mut Context<'_>) {
        let report = &mut cx.shared.tabs.entry(tab).report;
        // Closed by now: the next report begins with an empty dialog.
        if *report != ReportView::Sending {
            return;
        }
        *report = match outcome(answer, no_content) {
            Outcome::Done(()) => ReportView::Sent,
            Outcome::Refused(problem) => ReportView::Failed(Reason::server(&problem.detail)),
            Outcome::Unknown => ReportView::Failed(Reason::NoAnswer),
        };
    }

    fn report_about(&self, handle: &str, note: String) -> Result<String, Reason> {
        if note.len() > ReportRequest::MOST_NOTE_BYTES {
            return Err(Reason::NoteTooLong);
        }
        let contact = self.contact_at(handle).ok_or(Reason::NoConversation)?;
        let about = self.contacts.get(contact).ok_or(Reason::NoConversation)?.stored.shown_key();
        let theirs: Vec<_> =
            self.conversations.get(&Place::Direct(contact)).map_or_else(Vec::new, |conversation| {
                let newest = conversation.newest_received(ReportRequest::MOST_MESSAGES);
                newest.filter_map(|order| conversation.get(order)?.envelope).collect()
            });
        let messages = theirs.iter().map(ToString::to_string).collect();
        let request = ReportRequest { about, messages, note };
        serde_json::to_string(&request).map_err(|_| Reason::SenselessAnswer)
    }
}
