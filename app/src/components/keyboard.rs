//! The keyboard shortcuts of the chat.

use kez_client::view::ConversationRow;
use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;

use crate::components::presence::use_who;
use crate::components::search::Search;
use crate::navigation::use_navigation;
use crate::reactive::effect;
use crate::session::use_session;

/// The id of the composer's text field, which receives keystrokes that no other element uses.
pub(crate) const COMPOSER_ID: &str = "composer-text";

/// The command of a key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Switch,
    Search,
    ListShortcuts,
    Go { down: bool, unread_only: bool },
    FocusComposer,
}

/// Handles the shortcuts while the calling component is on the page.
pub(crate) fn use_shortcuts(switcher: RwSignal<bool>, sheet: RwSignal<bool>, search: Search) {
    let session = use_session();
    let who = use_who();
    let navigation = use_navigation();
    effect(move || {
        let listener = window_event_listener(ev::keydown, move |event| {
            let Some(command) = command_of(&event) else { return };
            match command {
                Command::Switch => switcher.set(true),
                Command::Search => search.open(),
                Command::ListShortcuts => sheet.set(true),
                Command::FocusComposer => return focus(COMPOSER_ID),
                Command::Go { down, unread_only } => {
                    let target = session.conversations.with_untracked(|rows| {
                        neighbour(rows, who.get_untracked().as_deref(), down, unread_only)
                    });
                    if let Some(handle) = target {
                        navigation.go(&format!("/messages/{handle}"));
                    }
                }
            }
            event.prevent_default();
        });
        on_cleanup(move || listener.remove());
    });
}

/// Focuses the element with this id, if it exists.
pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(field) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = field.focus();
    }
}

/// Whether the key belongs to an input method. Safari ends the composition before it reports the key that ended it;
/// that key then has code 229 (WebKit bug 165004).
pub(crate) fn is_composing(event: &ev::KeyboardEvent) -> bool {
    event.is_composing() || event.key_code() == 229
}

fn command_of(event: &ev::KeyboardEvent) -> Option<Command> {
    if event.default_prevented() || is_composing(event) || a_dialog_is_open() {
        return None;
    }
    let key = event.key();
    let control = (event.ctrl_key() || event.meta_key()) && !event.alt_key();
    match key.as_str() {
        "k" | "K" if control => Some(Command::Switch),
        "f" | "F" if control && event.shift_key() => Some(Command::Search),
        "ArrowUp" | "ArrowDown" if event.alt_key() && !event.ctrl_key() && !event.meta_key() => {
            Some(Command::Go { down: key == "ArrowDown", unread_only: event.shift_key() })
        }
        "/" if event.ctrl_key() && !event.alt_key() => Some(Command::ListShortcuts),
        // The browser pastes into the element that has the focus by then.
        "v" | "V" if control && !typing() => Some(Command::FocusComposer),
        _ if event.ctrl_key() || event.meta_key() || event.alt_key() => None,
        "?" if !typing() => Some(Command::ListShortcuts),
        _ if is_printable(&key) && !typing() => Some(Command::FocusComposer),
        _ => None,
    }
}

/// The rows in the order on screen: requests come last.
fn on_screen(rows: &[ConversationRow]) -> impl Iterator<Item = &ConversationRow> {
    rows.iter().filter(|row| !row.request).chain(rows.iter().filter(|row| row.request))
}

/// The conversation above or below the open one, or the nearest unread one in that direction.
fn neighbour(rows: &[ConversationRow], open: Option<&str>, down: bool, unread_only: bool) -> Option<String> {
    let rows: Vec<&ConversationRow> = on_screen(rows).collect();
    let at = open.and_then(|open| rows.iter().position(|row| row.handle == open));
    let wanted = |row: &&&ConversationRow| !unread_only || row.unread > 0;
    let row = match (at, down) {
        (Some(at), true) => rows.iter().skip(at + 1).find(wanted),
        (Some(at), false) => rows[..at].iter().rev().find(wanted),
        (None, true) => rows.iter().find(wanted),
        (None, false) => rows.iter().rev().find(wanted),
    };
    row.map(|row| row.handle.clone())
}

/// Whether the key writes a character. The space bar is excluded, because it scrolls.
fn is_printable(key: &str) -> bool {
    key != " " && key.chars().count() == 1
}

pub(crate) fn a_dialog_is_open() -> bool {
    document().query_selector("dialog[open]").is_ok_and(|dialog| dialog.is_some())
}

/// Whether a text field has the focus.
pub(crate) fn typing() -> bool {
    focused_matches("input, textarea, select, [contenteditable]")
}

/// Whether no element on the page uses the keyboard.
pub(crate) fn nothing_is_focused() -> bool {
    focused_matches("body")
}

/// Whether keys may scroll the thread: the focus is in the composer, on the messages, or nowhere.
pub(crate) fn composer_or_nothing_is_focused() -> bool {
    focused_matches("body, [role=log], article, .thread-header h2, #composer-text")
}

fn focused_matches(selector: &str) -> bool {
    document().active_element().is_some_and(|element| element.matches(selector).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use kez_client::view::{ConversationRow, Preview};

    use super::{is_printable, neighbour};

    fn rows() -> Vec<ConversationRow> {
        [("a", 0), ("b", 0), ("c", 2), ("d", 1)]
            .map(|(handle, unread)| ConversationRow {
                handle: handle.to_owned(),
                primary: "ed25519:0d".to_owned(),
                group: None,
                preview: Preview::Nothing,
                at: None,
                unread,
                request: false,
                verified: false,
            })
            .to_vec()
    }

    #[test]
    fn the_neighbours_of_the_open_conversation() {
        let rows = rows();
        assert_eq!(neighbour(&rows, Some("b"), true, false).as_deref(), Some("c"));
        assert_eq!(neighbour(&rows, Some("b"), false, false).as_deref(), Some("a"));
        assert_eq!(neighbour(&rows, Some("a"), false, false), None);
        assert_eq!(neighbour(&rows, None, true, false).as_deref(), Some("a"));
    }

    #[test]
    fn requests_come_last_as_in_the_list() {
        let mut rows = rows();
        rows[1].request = true;
        assert_eq!(neighbour(&rows, Some("a"), true, false).as_deref(), Some("c"));
        assert_eq!(neighbour(&rows, Some("d"), true, false).as_deref(), Some("b"));
        assert_eq!(neighbour(&rows, Some("b"), false, false).as_deref(), Some("d"));
    }

    #[test]
    fn with_shift_only_unread_ones_count() {
        let rows = rows();
        assert_eq!(neighbour(&rows, Some("a"), true, true).as_deref(), Some("c"));
        assert_eq!(neighbour(&rows, Some("d"), false, true).as_deref(), Some("c"));
        assert_eq!(neighbour(&rows, Some("c"), false, true), None);
    }

    #[test]
    fn printable_keys_are_single_characters() {
        assert!(is_printable("x") && is_printable("é") && is_printable("漢"));
        assert!(!is_printable("Enter") && !is_printable("F5") && !is_printable(" "));
    }
}
