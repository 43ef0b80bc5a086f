//! The file of "Export my data": the server's export, and the messages that this browser can read.

use kez_core::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::place::Place;
use crate::messages::{StoredBody, StoredMessage};
use crate::session::Session;

impl Session {
    /// `{"type","version","stored":<the server's export>,"conversations":[{"with","primary","verified","messages"}],
    /// "groups":[{"gid","name","messages"}]}`
    pub(crate) fn export_file(&self, stored: &[u8]) -> Option<String> {
        let typed: Typed = serde_json::from_slice(stored).ok()?;
        let stored: &RawValue = if typed.r#type == "kez.chat.export" {
            serde_json::from_slice(stored).ok()?
        } else {
            return None;
        };
        let conversations = self.contacts.iter().map(|(id, contact)| {
            let contact = &contact.stored;
            let messages = self.exported(Place::Direct(id));
            format!(
                r#"{{"with":"{}","primary":"{}","verified":{},"messages":[{messages}]}}"#,
                contact.handle, contact.key, contact.verified
            )
        });
        let groups = self.groups.iter().filter(|(gid, _)| self.is_listed(*gid)).map(|(gid, group)| {
            let messages = self.exported(Place::Group(gid));
            format!(r#"{{"gid":"{gid}","name":{},"messages":[{messages}]}}"#, json(group.stored.name()))
        });
        let conversations: Vec<String> = conversations.collect();
        let (conversations, groups) = (conversations.join(","), groups.collect::<Vec<_>>().join(","));
        Some(format!(
            r#"{{"type":"kez.chat.client_export","version":1,"stored":{stored},"conversations":[{conversations}],"groups":[{groups}]}}"#
        ))
    }

    /// The messages of a conversation, separated by commas.
    fn exported(&self, place: Place) -> String {
        let conversation = self.conversations.get(&place);
        let messages = conversation.into_iter().flat_map(|conversation| {
            let orders = conversation.orders(0, conversation.len());
            orders.filter_map(|order| conversation.get(order))
        });
        messages.map(|message| self.exported_message(message)).collect::<Vec<_>>().join(",")
    }

    /// A message in plain text. In a group it names its author.
    fn exported_message(&self, message: &StoredMessage) -> String {
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
        let from = message.from.map(|root| {
            let handle = self.chains.members().handle(&root);
            let name = handle.map_or_else(|| root.to_string(), ToString::to_string);
            format!(r#","from":{}"#, json(&name))
        });
        let re = re.and_then(|re| serde_json::to_string(re).ok()).map(|re| format!(r#","re":{re}"#));
        let (from, re) = (from.unwrap_or_default(), re.unwrap_or_default());
        let (sent_at, text) = (Timestamp::from_unix(message.sent_at), json(text));
        format!(
            r#"{{"mine":{}{from},"sent_at":"{sent_at}","kind":"{kind}","text":{text}{re}}}"#,
            message.mine
        )
    }
}

/// The start of the server's export.
#[derive(Deserialize)]
struct Typed {
    r#type: String,
}

/// A text in JSON. A string is always valid.
fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
