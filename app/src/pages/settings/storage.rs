//! The section "Storage".

use kez_client::event::UiEvent;
use kez_client::view::AccountView;
use leptos::prelude::*;

use crate::reactive::memo;
use crate::session::use_session;

#[component]
pub(super) fn Storage() -> impl IntoView {
    let session = use_session();
    let persisted = memo(move || session.storage.with(|storage| storage.persisted));
    let used = memo(move || session.storage.with(|storage| storage.used));
    let unreadable = memo(move || {
        session.account.with(|account| match account {
            AccountView::Open(me) => me.unreadable,
            _ => 0,
        })
    });
    view! {
        <section>
            <h2>"Storage"</h2>
            <p role="status">{move || promise(persisted.get())}</p>
            <Show when=move || persisted.get() != Some(true)>
                <button type="button" class="button" on:click=move |_| session.send(UiEvent::PersistPressed)>
                    "Ask to keep the storage"
                </button>
            </Show>
            {move || used.get().map(|bytes| view! { <p>{format!("{} in use.", size(bytes))}</p> })}
            {move || (unreadable.get() > 0).then(|| view! {
                <p>{format!("{} received envelopes could not be read and belong to no conversation.", unreadable.get())}</p>
            })}
        </section>
    }
}

fn promise(persisted: Option<bool>) -> &'static str {
    match persisted {
        Some(true) => "This browser has promised not to delete your keys and messages by itself.",
        Some(false) => {
            "This browser may delete your keys and messages when space runs low. Keep your recovery phrase safe."
        }
        None => "Your keys and messages are stored in this browser, encrypted.",
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(12_345), "12 KB");
        assert_eq!(size(1_550_000), "1.5 MB");
    }
}
