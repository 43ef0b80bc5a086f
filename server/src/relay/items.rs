//! Inbox items as JSON, with the bytes of every envelope as posted. The JSON is written by hand, because parsing and
//! serialising could change the bytes.

use std::io::Write as _;

use crate::store::StoredMessage;

/// The approximate size of an item without its envelope.
const AROUND: usize = 80;

/// Appends `[{"seq":..,"envelope":..,"created_at":".."},...]` to `json`.
pub fn write(json: &mut Vec<u8>, items: &[StoredMessage]) {
    json.push(b'[');
    write_list(json, items);
    json.push(b']');
}

/// The same without the brackets, as a part of a longer list.
pub fn write_list(json: &mut Vec<u8>, items: &[StoredMessage]) {
    json.reserve(items.iter().map(|item| item.envelope.len() + AROUND).sum());
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        // Writing to a `Vec` cannot fail.
        let _ = write!(json, r#"{{"seq":{},"envelope":"#, item.seq);
        json.extend_from_slice(&item.envelope);
        let _ = write!(json, r#","created_at":"{}"}}"#, item.created_at);
    }
}
