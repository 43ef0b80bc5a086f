//! "Export my data" and "Delete account".

use kez_core::caller_auth::{self, CallerRequest};
use kez_core::problem::ProblemCode;
use kez_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::conversation::{Conversation, StoredBody, StoredMessage};
use crate::kernel::answer::{Answer, Outcome, no_content, outcome, refusal};
use crate::kernel::context::Context;
use crate::kernel::effect::{Effect, HttpRequest, Method};
use crate::kernel::event::{NetworkFault, TabId};
use crate::kernel::lookup::says_nobody;
use crate::kernel::place::Place;
use crate::kernel::reason::Reason;
use crate::kernel::requests::Purpose;
use crate::session::Session;
use crate::view::LeavingView;

/// The state of an export or a deletion.
#[derive(Default)]
pub(crate) struct Leaving {
    pub(crate) view: LeavingView,
    /// Whether the server has deleted the account.
    gone: bool,
}

impl Leaving {
    fn begin(&mut self) -> bool {
        let idle = !self.view.busy;
        self.view = LeavingView { busy: true, error: None };
        idle
    }

    fn end(&mut self, error: Option<Reason>) {
        self.view = LeavingView { busy: false, error };
    }
}

impl Session {
    /// "Export my data".
    pub(crate) fn export(&mut self, tab: &TabId, cx: &mut Context<'_>) {
        if self.leaving.begin() {
            self.ask_signed(Method::Get, "/v1/export".to_owned(), Purpose::Export(tab.clone()), cx);
        }
    }

    /// The server's export has arrived. Combines it into one file with the messages that this browser can read.
    pub(crate) fn export_answered(&mut self, tab: TabId, answer: &Answer, cx: &mut Context<'_>) {
        let error = match answer {
            Ok(response) if response.status == 200 => match self.export_file(&response.body) {
                Some(json) => {
                    let name = format!("kez-chat-{}.json", self.me.handle);
                    cx.push(Effect::Download { tab, name, bytes: json.into_bytes() });
                    None
                }
                None => Some(Reason::SenselessAnswer),
            },
            Ok(response) => Some(refusal(response)),
            Err(NetworkFault) => Some(Reason::NoAnswer),
        };
        self.leaving.end(error);
    }

    /// The dialog's final confirmation.
    pub(crate) fn delete_account(&mut self, cx: &mut Context<'_>) {
        if self.leaving.begin() {
            self.ask_signed(Method::Delete, format!("/v1/u/{}", self.me.handle), Purpose::DeleteAccount, cx);
        }
    }

    /// Handles the answer to the deletion. A deleted account rejects the signature. The answer to an earlier attempt
    /// may have been lost, so the client then checks the registry.
    pub(crate) fn deletion_answered(&mut self, answer: &Answer, cx: &mut Context<'_>) {
        match outcome(answer, no_content) {
            Outcome::Done(()) => self.leaving.gone = true,
            Outcome::Refused(problem) if problem.code == ProblemCode::Unauthorized => {
                cx.get(format!("/v1/u/{}", self.me.handle), Purpose::DeletionCheck);
            }
            Outcome::Refused(problem) => self.leaving.end(Some(Reason::server(&problem.detail))),
            Outcome::Unknown => self.leaving.end(Some(Reason::NoAnswer)),
        }
    }

    /// Checks whether the handle is still registered after a refused deletion.
    pub(crate) fn deletion_checked(&mut self, answer: &Answer) {
        match answer {
            Ok(response) if says_nobody(response) => self.leaving.gone = true,
            Ok(_) => {
                self.leaving.end(Some(Reason::SignatureRefused));
            }
            Err(NetworkFault) => self.leaving.end(Some(Reason::NoAnswer)),
        }
    }

    /// Whether the account has been deleted.
    pub(crate) const fn is_gone(&self) -> bool {
        self.leaving.gone
    }

    fn ask_signed(&self, method: Method, target: String, purpose: Purpose, cx: &mut Context<'_>) {
        let request =
            CallerRequest { server: &self.me.server, method: method.as_str(), target: &target, body: &[] };
        let auth =
            caller_auth::header(&self.me.key, &self.me.handle, &request, cx.server_time(), &mut &mut *cx.rng);
        cx.request(HttpRequest { method, target, auth: Some(auth), invite: None, body: None }, purpose);
    }

    /// `{"type","version","stored":<the server's export>,"conversations":[{"with","primary","verified","messages"}]}`
    fn export_file(&self, stored: &[u8]) -> Option<String> {
        let typed: Typed = serde_json::from_slice(stored).ok()?;
        let stored: &RawValue = if typed.r#type == "kez.chat.export" {
            serde_json::from_slice(stored).ok()?
        } else {
            return None;
        };
        let conversations = self.contacts.iter().map(|(id, contact)| {
            let (contact, place) = (&contact.stored, Place::Direct(id));
            let messages = self.conversations.get(&place).into_iter().flat_map(Conversation::messages);
            format!(
                r#"{{"with":"{}","primary":"{}","verified":{},"messages":[{}]}}"#,
                contact.handle,
                contact.key,
                contact.verified,
                messages.map(exported).collect::<Vec<_>>().join(",")
            )
        });
        Some(format!(
            r#"{{"type":"kez.chat.client_export","version":1,"stored":{stored},"conversations":[{}]}}"#,
            conversations.collect::<Vec<_>>().join(",")
        ))
    }
}

/// The start of the server's export.
#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

/// A message in plain text.
fn exported(message: &StoredMessage) -> String {
    let (kind, text, re) = match &message.body {
        StoredBody::Text { text, re } => ("text", text.as_str(), re.as_ref()),
        StoredBody::KeyReplaced => ("key_replaced", "", None),
        StoredBody::Unsupported => ("unsupported", "", None),
        StoredBody::Undecryptable(_) => ("undecryptable", "", None),
        StoredBody::Malformed => ("malformed", "", None),
        StoredBody::Damaged => ("damaged", "", None),
    };
    // A string is always valid JSON.
    let text = serde_json::to_string(text).unwrap_or_default();
    let re = re.and_then(|re| serde_json::to_string(re).ok()).map(|re| format!(r#","re":{re}"#));
    let (sent_at, re) = (Timestamp::from_unix(message.sent_at), re.unwrap_or_default());
    format!(r#"{{"mine":{},"sent_at":"{sent_at}","kind":"{kind}","text":{text}{re}}}"#, message.mine)
}
