//! The section "Devices": the browsers that belong to the account.

use kez_client::event::UiEvent;
use kez_client::view::{DeviceRow, DevicesView};
use leptos::prelude::*;

use super::keys::me;
use crate::browser::{date_label, iso, past_day_label};
use crate::components::dialog::Dialog;
use crate::reactive::memo;
use crate::session::{Session, use_session};
use crate::text::sentence;
use keep_history::KeepHistory;
use linking::LinkDevice;
use rename::RenameDialog;

mod keep_history;
mod linking;
mod rename;

#[component]
pub(super) fn Devices() -> impl IntoView {
    let session = use_session();
    let rows = memo(move || part(session, |devices| devices.rows.clone()));
    let busy = memo(move || part(session, |devices| devices.busy));
    let full = memo(move || part(session, |devices| devices.full));
    let error = memo(move || part(session, |devices| devices.error.as_ref().map(sentence)));
    let history = memo(move || part(session, |devices| devices.history));
    let chosen = RwSignal::new(None::<DeviceRow>);
    let renamed = RwSignal::new(None::<DeviceRow>);
    view! {
        <section>
            <h2 id="devices">"Devices"</h2>
            <p>
                "Every browser that you use has a key of its own. Your contacts see when you add one. A browser that you \
                 remove can neither send nor receive any more."
            </p>
            {move || full.get().then(|| view! {
                <p role="status">
                    "An account can have 20 browsers, and this one is not among them. Remove one to make room."
                </p>
            })}
            {move || rows.with(Vec::is_empty).then(|| view! {
                <p class="hint">"This browser has not been added to your key history yet."</p>
            })}
            <ul class="blocked" aria-label="Devices">
                {move || rows.get().into_iter().map(|row| view! { <Row row busy chosen renamed/> }).collect_view()}
            </ul>
            <p role="alert">{move || error.get()}</p>
            {move || history.get().map(|(done, of)| view! {
                <p role="status">{format!("Earlier messages: part {done} of {of}")}</p>
            })}
            <LinkDevice/>
            <KeepHistory/>
            <RenameDialog chosen=renamed/>
            <RemoveDialog chosen/>
        </section>
    }
}

#[component]
fn Row(
    row: DeviceRow,
    busy: Memo<bool>,
    chosen: RwSignal<Option<DeviceRow>>,
    renamed: RwSignal<Option<DeviceRow>>,
) -> impl IntoView {
    let name = name(&row);
    let (added, last_seen) = (row.added, row.last_seen);
    let rename_label = format!("Rename {name}");
    let rename = {
        let row = row.clone();
        move |_| renamed.set(Some(row.clone()))
    };
    let end = if row.here {
        view! { <strong>"This browser"</strong> }.into_any()
    } else {
        let label = format!("Remove {name}");
        let remove = move |_| chosen.set(Some(row.clone()));
        view! {
            <button type="button" class="button" aria-label=label disabled=move || busy.get() on:click=remove>
                "Remove"
            </button>
        }
        .into_any()
    };
    view! {
        <li>
            <span>
                {name}
                <span class="hint">
                    ", added "<time datetime=iso(added)>{move || date_label(added)}</time>
                    {last_seen.map(|at| view! {
                        ". Last seen "<time datetime=iso(at)>{move || past_day_label(at)}</time>
                    })}
                </span>
            </span>
            <span class="actions">
                <button type="button" class="button" aria-label=rename_label on:click=rename>"Rename"</button>
                {end}
            </span>
        </li>
    }
}

#[component]
fn RemoveDialog(chosen: RwSignal<Option<DeviceRow>>) -> impl IntoView {
    let session = use_session();
    let open = memo(move || chosen.with(Option::is_some));
    let title = memo(move || {
        chosen.with(|row| row.as_ref().map(|row| format!("Remove {}?", name(row))).unwrap_or_default())
    });
    let on_close = Callback::new(move |()| chosen.set(None));
    let confirm = move || {
        if let Some(row) = chosen.try_update(Option::take).flatten() {
            session.send(UiEvent::DeviceRemoved { device: row.id });
        }
    };
    view! {
        <Dialog id="remove-device-title" title open on_close asks=true>
            <div class="stack">
                <p>
                    "That browser can neither send nor receive from now on. It keeps the messages that it has. It may \
                     also hold your recovery phrase: if someone else could have it, change your key as well."
                </p>
                <p class="actions">
                    <button type="button" class="button button-primary" on:click=move |_| confirm()>"Remove"</button>
                    <button type="button" class="button" on:click=move |_| chosen.set(None)>"Cancel"</button>
                </p>
            </div>
        </Dialog>
    }
}

fn name(row: &DeviceRow) -> String {
    match row.name.as_str() {
        "" => format!("Browser {}", row.number),
        name => kez_core::display::limit_marks(name),
    }
}

fn part<T: Default>(session: Session, part: impl Fn(&DevicesView) -> T) -> T {
    me(session, |me| part(&me.devices)).unwrap_or_default()
}
