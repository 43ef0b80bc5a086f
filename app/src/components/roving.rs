//! A single tab stop for a whole list: Tab enters at one row and then leaves the list, and the arrow keys move between
//! rows.

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::reactive::memo;

/// The attribute on the focusable element of each row; its value is the key of the row.
pub(crate) const STOP: &str = "data-stop";

/// The row that is the tab stop of a list.
#[derive(Clone, Copy)]
pub(crate) struct Roving {
    focused: RwSignal<Option<String>>,
    stop: Memo<Option<String>>,
}

impl Roving {
    /// The tab stop is the last focused row while it is in the list, and `default` otherwise.
    pub(crate) fn new(
        contains: impl Fn(&str) -> bool + Send + Sync + 'static,
        default: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let focused = RwSignal::new(None::<String>);
        let stop = memo(move || focused.get().filter(|key| contains(key)).or_else(&default));
        Self { focused, stop }
    }

    /// The `tabindex` of the row with this key.
    pub(crate) fn tabindex(self, key: String) -> Signal<&'static str> {
        let is_stop = memo(move || self.stop.with(|stop| stop.as_ref() == Some(&key)));
        Signal::derive(move || if is_stop.get() { "0" } else { "-1" })
    }

    /// Handles a focus event in the list.
    pub(crate) fn on_focusin(self, event: &ev::FocusEvent) {
        if let Some(key) = row_of(event).and_then(|row| row.get_attribute(STOP)) {
            self.focused.set(Some(key));
        }
    }
}

/// Moves the focus within the list: up and down between rows, left and right between the controls in a row.
pub(crate) fn on_keydown(event: &ev::KeyboardEvent) {
    let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key() || event.shift_key();
    let Some(list) = event.current_target().and_then(|list| list.dyn_into::<HtmlElement>().ok()) else {
        return;
    };
    let Some(row) = row_of(event).filter(|_| !has_modifier && !event.default_prevented()) else { return };
    let target = match event.key().as_str() {
        "ArrowDown" => neighbour(&all(&list, &format!("[{STOP}]")), &row, 1),
        "ArrowUp" => neighbour(&all(&list, &format!("[{STOP}]")), &row, -1),
        "ArrowRight" => within(&row, event, 1),
        "ArrowLeft" => within(&row, event, -1),
        _ => None,
    };
    if let Some(target) = target {
        event.prevent_default();
        let _ = target.focus();
    }
}

/// The focusable element of the row in which an event happened.
fn row_of(event: &web_sys::Event) -> Option<HtmlElement> {
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    let row = target.closest(&format!("[{STOP}]")).ok().flatten();
    let row = match row {
        Some(row) => row,
        None => target.closest("li").ok()??.query_selector(&format!("[{STOP}]")).ok()??,
    };
    row.dyn_into().ok()
}

/// The next control in a row.
fn within(row: &HtmlElement, event: &ev::KeyboardEvent, step: isize) -> Option<HtmlElement> {
    let item = row.closest("li").ok().flatten().and_then(|item| item.dyn_into::<HtmlElement>().ok());
    let from = event.target()?.dyn_into::<HtmlElement>().ok()?;
    let mut stops = all(item.as_ref().unwrap_or(row), "a, button:not(:disabled)");
    if !stops.contains(row) {
        stops.insert(0, row.clone());
    }
    neighbour(&stops, &from, step)
}

fn neighbour(all: &[HtmlElement], from: &HtmlElement, step: isize) -> Option<HtmlElement> {
    let at = all.iter().position(|element| element == from)?;
    all.get(at.checked_add_signed(step)?).cloned()
}

fn all(within: &HtmlElement, selector: &str) -> Vec<HtmlElement> {
    let Ok(found) = within.query_selector_all(selector) else { return Vec::new() };
    (0..found.length()).filter_map(|at| found.get(at)?.dyn_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::Roving;

    #[test]
    fn exactly_one_row_is_the_tab_stop() {
        let owner = Owner::new();
        owner.set();
        let rows = RwSignal::new(vec!["a", "b", "c"]);
        let roving = Roving::new(
            move |key| rows.with(|rows| rows.contains(&key)),
            move || rows.with(|rows| rows.last().map(|&row| row.to_owned())),
        );
        let stops = || ["a", "b", "c"].map(|key| roving.tabindex(key.to_owned()).get_untracked());
        assert_eq!(stops(), ["-1", "-1", "0"]);
        roving.focused.set(Some("b".to_owned()));
        assert_eq!(stops(), ["-1", "0", "-1"]);
        rows.set(vec!["a"]);
        assert_eq!(stops(), ["0", "-1", "-1"]);
    }
}
