//! Copies several messages as names and texts, without times and marks.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, Selection};

/// Replaces the browser's copied text when the selection spans more than one message.
pub(super) fn on_copy(event: &ev::ClipboardEvent) {
    let Some(text) = window().get_selection().ok().flatten().and_then(|selection| text_of(event, &selection))
    else {
        return;
    };
    if let Some(clipboard) = event.clipboard_data()
        && clipboard.set_data("text/plain", &text).is_ok()
    {
        event.prevent_default();
    }
}

/// One line for each selected message; `None` for a selection within one message.
fn text_of(event: &ev::ClipboardEvent, selection: &Selection) -> Option<String> {
    let log: Element = event.current_target()?.dyn_into().ok()?;
    let messages = log.query_selector_all("article").ok()?;
    let lines: Vec<String> = (0..messages.length())
        .filter_map(|at| messages.get(at)?.dyn_into::<Element>().ok())
        .filter(|message| {
            selection.contains_node_with_allow_partial_containment(message, true).unwrap_or(false)
        })
        .filter_map(|message| {
            let part = |of: &str| message.query_selector(of).ok()??.text_content();
            Some(format!("{}{}", part(".sr-only")?, part(".message-text, .message-note")?))
        })
        .collect();
    (lines.len() > 1).then(|| lines.join("\n"))
}
