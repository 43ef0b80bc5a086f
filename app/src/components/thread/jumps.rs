//! Jumps to a message: from a search result, from a link to the message, and from the client to the thread.

use std::time::Duration;

use kez_client::event::{Jump, UiEvent};
use leptos::prelude::*;

use super::scroll::Scroll;
use crate::components::message::element_id;
use crate::components::search::use_search;
use crate::reactive::effect;
use crate::session::use_session;

/// How long the message is highlighted after a jump.
const HIGHLIGHTED: Duration = Duration::from_secs(2);
/// The class of a highlighted message.
const HIGHLIGHT: &str = "message-found";

/// Asks for the message that the user chose or that the page's address names, and goes where the client says, while the
/// calling component is on the page. The conversation with `handle` is on screen.
pub(super) fn use_jumps(scroll: Scroll, handle: String) {
    let session = use_session();
    let jump = session.thread_part_of(&handle, |thread| thread.jump.clone());
    let search = use_search();
    let mut named = true;
    effect(move || {
        let named = std::mem::take(&mut named).then(row_in_address).flatten();
        let chosen = search.and_then(|search| search.take_chosen(&handle));
        if let Some(row) = chosen.or(named) {
            session.send(UiEvent::JumpWanted { handle: handle.clone(), to: Jump::Row(row) });
        }
    });
    effect(move || {
        let Some((row, number)) = jump.get() else { return };
        if !scroll.leave_for_jump(number) {
            return;
        }
        // The rows may come later than the jump.
        if session.messages.with(|messages| messages.iter().any(|message| message.id == row)) {
            request_animation_frame(move || {
                scroll.jump(number, &element_id(&row));
                highlight(&element_id(&row));
            });
        }
    });
}

/// The row named by the page's address, `#m-<row>`.
fn row_in_address() -> Option<String> {
    let hash = window().location().hash().ok()?;
    Some(hash.strip_prefix("#m-")?.to_owned())
}

fn highlight(element: &str) {
    let Some(element) = document().get_element_by_id(element) else { return };
    // Changing a class with a constant, valid name cannot fail.
    let _ = element.class_list().add_1(HIGHLIGHT);
    set_timeout(
        move || {
            let _ = element.class_list().remove_1(HIGHLIGHT);
        },
        HIGHLIGHTED,
    );
}
