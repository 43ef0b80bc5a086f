//! The dialog that lists the shortcuts.

use leptos::prelude::*;

use crate::components::dialog::Dialog;

const SHORTCUTS: [(&str, &str); 12] = [
    ("Enter", "Send the message"),
    ("Shift + Enter", "New line"),
    ("Ctrl + K or ⌘ K", "Switch conversation"),
    ("Ctrl + Shift + F or ⌘ Shift F", "Search"),
    ("Alt + ↓", "Next conversation"),
    ("Alt + ↑", "Previous conversation"),
    ("Alt + Shift + ↓ or ↑", "Next or previous unread conversation"),
    ("Page Up or Page Down", "Scroll the messages"),
    ("Ctrl + Home or End", "First or latest message"),
    ("↑ or ↓ in the messages", "Previous or next message"),
    ("Esc", "Close the top layer, or go to the latest message"),
    ("Ctrl + / or ?", "Show this list"),
];

/// The list of shortcuts.
#[component]
pub(crate) fn ShortcutSheet(open: RwSignal<bool>) -> impl IntoView {
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <Dialog id="shortcuts-title" title="Keyboard shortcuts" open on_close>
            <dl class="shortcuts">
                {SHORTCUTS
                    .map(|(keys, what)| view! { <div><dt><kbd>{keys}</kbd></dt><dd>{what}</dd></div> })
                    .into_iter()
                    .collect_view()}
            </dl>
        </Dialog>
    }
}
