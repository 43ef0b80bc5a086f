//! "Report": reports a person to the server's operator, by key and envelope hashes, never by content.

use kez_core::api::ReportRequest;

use crate::context::Context;
use crate::effect::Method;
use crate::event::TabId;
use crate::place::Place;
use crate::requests::{Answer, Outcome, Purpose, no_content, outcome, sentence};
use crate::session::Session;
use crate::view::ReportView;

impl Session {
    /// "Send report".
    pub(crate) fn report(&self, tab: &TabId, handle: &str, note: String, cx: &mut Context<'_>) {
        if cx.shared.tabs.entry(tab).report == ReportView::Sending {
            return;
        }
        cx.shared.tabs.entry(tab).report = match self.report_about(handle, note) {
            Ok(body) => {
                let request = self.signed(Method::Post, "/v1/reports".to_owned(), Some(body), cx);
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
            Outcome::Refused(problem) => ReportView::Failed(sentence(&problem.detail)),
            Outcome::Unknown => ReportView::Failed("The server did not answer. Try again.".to_owned()),
        };
    }

    fn report_about(&self, handle: &str, note: String) -> Result<String, String> {
        if note.len() > ReportRequest::MOST_NOTE_BYTES {
            return Err("That is too long. Shorten it.".to_owned());
        }
        let unknown = || "There is no conversation with this person any more.".to_owned();
        let contact = self.contact_at(handle).ok_or_else(unknown)?;
        let about = self.contacts.get(contact).ok_or_else(unknown)?.stored.shown_key();
        let theirs: Vec<_> =
            self.conversations.get(&Place::Direct(contact)).map_or_else(Vec::new, |conversation| {
                let theirs = conversation.messages().filter(|message| !message.mine);
                theirs.filter_map(|message| message.envelope).collect()
            });
        let newest = theirs.iter().rev().take(ReportRequest::MOST_MESSAGES);
        let request = ReportRequest { about, messages: newest.map(ToString::to_string).collect(), note };
        serde_json::to_string(&request).map_err(|error| error.to_string())
    }
}
