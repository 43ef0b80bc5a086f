//! The dialog "Rename".

use kez_client::event::UiEvent;
use kez_client::view::DeviceRow;
use leptos::{ev, html, prelude::*};

use super::name;
use crate::components::dialog::Dialog;
use crate::components::field::{Field, text_of};
use crate::reactive::memo;
use crate::session::use_session;

#[component]
pub(super) fn RenameDialog(chosen: RwSignal<Option<DeviceRow>>) -> impl IntoView {
    let session = use_session();
    let field = NodeRef::<html::Input>::new();
    let open = memo(move || chosen.with(Option::is_some));
    let title = memo(move || {
        chosen.with(|row| row.as_ref().map(|row| format!("Rename {}", name(row))).unwrap_or_default())
    });
    let on_close = Callback::new(move |()| chosen.set(None));
    let save = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let name = text_of(field);
        if let Some(row) = chosen.try_update(Option::take).flatten() {
            session.send(UiEvent::DeviceRenamed { device: row.id, name });
        }
    };
    view! {
        <Dialog id="rename-device-title" title open on_close>
            <form class="stack" on:submit=save>
                <p>"Only your own browsers see the name."</p>
                <Field label="Name" id="device-name" node=field autofocus=true/>
                <p class="actions">
                    <button type="submit" class="button button-primary">"Save"</button>
                </p>
            </form>
        </Dialog>
    }
}
