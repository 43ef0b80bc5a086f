//! Inbox items as JSON, with every envelope's bytes as they were posted: written, not serialised, because parsing and
//! printing could change them.

use std::io::Write as _;

use crate::store::StoredMessage;

/// What an item has besides its envelope, roughly.
const AROUND: usize = 80;

/// Writes `[{"seq":..,"envelope":..,"created_at":".."},...]` behind what `json` holds.
pub(super) fn write(json: &mut Vec<u8>, items: &[StoredMessage]) {
    json.push(b'[');
    write_list(json, items);
    json.push(b']');
}

/// The same without the brackets, as a part of a longer list.
pub(crate) fn write_list(json: &mut Vec<u8>, items: &[StoredMessage]) {
    json.reserve(items.iter().map(|item| item.envelope.len() + AROUND).sum());
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        // Writing to a Vec does not fail.
        let _ = write!(json, r#"{{"seq":{},"envelope":"#, item.seq);
        json.extend_from_slice(&item.envelope);
        let _ = write!(json, r#","created_at":"{}"}}"#, item.created_at);
    }
}
