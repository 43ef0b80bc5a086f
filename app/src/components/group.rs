//! Groups: what their threads and dialogs have beside those of two people.

mod header;
mod invite;
mod line;
mod members;
mod new_group;
mod standing;

use leptos::prelude::*;

use crate::reactive::memo;
use crate::session::use_session;
pub(crate) use header::GroupHeader;
pub(crate) use line::line;
pub(crate) use new_group::NewGroupDialog;
pub(crate) use standing::{GroupBanner, GroupRequestActions};

/// The name of a group whose own name is not known yet.
const UNNAMED: &str = "Group";

/// Whether a conversation, as the address names it, is a group.
pub(crate) fn is_group(who: &str) -> bool {
    who.starts_with("g/")
}

/// What the user calls a conversation: `@bob`, or the name of a group.
pub(crate) fn use_name(who: String) -> Memo<String> {
    let session = use_session();
    memo(move || {
        if !is_group(&who) {
            return format!("@{who}");
        }
        let of_thread = session.thread.with(|thread| {
            let thread = thread.as_ref().filter(|thread| thread.handle == who);
            thread.and_then(|thread| thread.group.as_ref()).map(|group| group.name.clone())
        });
        let of_row = || {
            session.conversations.with(|rows| {
                let row = rows.iter().find(|row| row.handle == who);
                row.and_then(|row| row.group.as_ref()).map(|group| group.name.clone())
            })
        };
        let name = of_thread.or_else(of_row).unwrap_or_default();
        if name.is_empty() { UNNAMED.to_owned() } else { name }
    })
}
