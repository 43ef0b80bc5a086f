//! The dialog "New group".

use kez_client::event::UiEvent;
use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::{ErrorText, Field, text_of};
use crate::navigation::use_navigation;
use crate::reactive::{effect, memo};
use crate::session::use_session;
use crate::text::sentence;

/// Asks for a name and the members. Once the group exists, the dialog closes and the group opens.
#[component]
pub(crate) fn NewGroupDialog(open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let navigation = use_navigation();
    let started = memo(move || session.new_group.with(|dialog| dialog.started.clone()));
    effect(move || {
        if let Some(gid) = started.get() {
            open.set(false);
            session.send(UiEvent::GroupDialogClosed);
            navigation.go(&format!("/messages/g/{gid}"));
        }
    });
    let on_close = Callback::new(move |()| {
        if open.get_untracked() {
            open.set(false);
            session.send(UiEvent::GroupDialogClosed);
        }
    });
    view! {
        <Dialog id="new-group-title" title="New group" open on_close>
            <NewGroupForm/>
        </Dialog>
    }
}

#[component]
fn NewGroupForm() -> impl IntoView {
    let session = use_session();
    let (name, members) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let busy = Signal::derive(move || session.new_group.with(|dialog| dialog.busy));
    let error = Signal::derive(move || session.new_group.with(|dialog| dialog.error.as_ref().map(sentence)));
    let create = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let (name, members) = (text_of(name).trim().to_owned(), handles(&text_of(members)));
        if !name.is_empty() && !members.is_empty() && !busy.get_untracked() {
            session.send(UiEvent::GroupCreated { name, members });
        }
    };
    view! {
        <form class="stack" on:submit=create>
            <Field label="Group name" id="new-group-name" node=name autofocus=true/>
            <Field label="Members" id="new-group-members" node=members described_by="new-group-hint"/>
            <p id="new-group-hint" class="hint">"Handles, like @bob, @carol"</p>
            <p class="hint">"New members see nothing from before. Your server knows who is in the group, but not its name."</p>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || if busy.get() { "Creating…" } else { "Create group" }}
                </button>
            </p>
        </form>
    }
}

/// The handles in a text, separated by spaces or commas.
fn handles(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::handles;

    #[test]
    fn members_are_separated_by_spaces_or_commas() {
        assert_eq!(handles(" @bob, carol\t dave,,"), ["@bob", "carol", "dave"]);
        assert!(handles(" , ").is_empty());
    }
}
