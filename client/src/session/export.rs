//! The file of "Export my data": the server's export, and the messages that this browser can read.

use kez_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::place::Place;
use crate::messages::{StoredBody, StoredMessage};
use crate::session::Session;

impl Session {
    /// `{"type","version","stored":<the server's export>,"conversations":[{"with","primary","verified","messages"}]}`
    pub(crate) fn export_file(&self, stored: &[u8]) -> Option<String> {
        let typed: Typed = serde_json::from_slice(stored).ok()?;
        let stored: &RawValue = if typed.r#type == "kez.chat.export" {
            serde_json::from_slice(stored).ok()?
        } else {
            return None;
        };
        let conversations = self.contacts.iter().map(|(id, contact)| {
            let (contact, place) = (&contact.stored, Place::Direct(id));
            let conversation = self.conversations.get(&place);
            let messages = conversation.into_iter().flat_map(|conversation| {
                let orders = conversation.orders(0, conversation.len());
                orders.filter_map(|order| conversation.get(order))
            });
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
        StoredBody::DeviceAdded => ("device_added", "", None),
        StoredBody::Group(_) => ("group", "", None),
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
