//! The keys that scroll the thread, even while the composer has the focus.

use leptos::{ev, prelude::*};

use super::scroll::Scroll;
use crate::components::keyboard::{a_dialog_is_open, composer_or_nothing_is_focused, is_composing, typing};
use crate::reactive::effect;

/// The scroll command of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Page { down: bool },
    Oldest,
    Latest,
}

/// Handles the keys while the calling component is on the page.
pub(super) fn use_scroll_keys(scroll: Scroll) {
    effect(move || {
        let listener = window_event_listener(ev::keydown, move |event| {
            if event.default_prevented() || is_composing(&event) || a_dialog_is_open() {
                return;
            }
            let control = event.ctrl_key() || event.meta_key();
            let other = event.alt_key() || event.shift_key();
            match way(&event.key(), control, other) {
                Some(way) if composer_or_nothing_is_focused() => go(scroll, way),
                Some(way) if event.key() == "Escape" && !typing() => go(scroll, way),
                _ => return,
            }
            event.prevent_default();
        });
        on_cleanup(move || listener.remove());
    });
}

fn go(scroll: Scroll, way: Way) {
    match way {
        Way::Page { down } => scroll.by_page(down),
        Way::Oldest => scroll.to_oldest(),
        Way::Latest => scroll.to_latest(),
    }
}

fn way(key: &str, control: bool, other_modifier: bool) -> Option<Way> {
    match (key, control) {
        _ if other_modifier => None,
        ("PageUp", false) => Some(Way::Page { down: false }),
        ("PageDown", false) => Some(Way::Page { down: true }),
        ("Home", true) => Some(Way::Oldest),
        ("End", true) | ("Escape", false) => Some(Way::Latest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Way, way};

    #[test]
    fn keys_scroll_the_thread() {
        assert_eq!(way("PageUp", false, false), Some(Way::Page { down: false }));
        assert_eq!(way("PageDown", false, false), Some(Way::Page { down: true }));
        assert_eq!(way("Home", true, false), Some(Way::Oldest));
        assert_eq!(way("End", true, false), Some(Way::Latest));
        assert_eq!(way("Escape", false, false), Some(Way::Latest));
    }

    #[test]
    fn keys_that_edit_text_do_not_scroll() {
        for (key, control, other) in
            [("Home", false, false), ("End", false, false), ("End", true, true), ("a", false, false)]
        {
            assert_eq!(way(key, control, other), None);
        }
    }
}
