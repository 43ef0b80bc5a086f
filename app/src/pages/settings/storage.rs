//! The section "Storage".

use kez_client::event::UiEvent;
use kez_client::view::{AccountView, InboxView, Room, WaitingRow};
use leptos::prelude::*;

use crate::reactive::memo;
use crate::session::use_session;
use crate::text::sentence;

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
                    "Ask to keep this data"
                </button>
            </Show>
            {move || used.get().map(|bytes| view! { <p>{format!("{} in use.", size(bytes))}</p> })}
            <Keep/>
            <Waiting/>
            {move || (unreadable.get() > 0).then(|| view! {
                <p>{format!("{} received envelopes could not be read and do not belong to a conversation.", unreadable.get())}</p>
            })}
        </section>
    }
}

/// How much the server stores, and how long it keeps messages that are also stored here.
#[component]
fn Keep() -> impl IntoView {
    let session = use_session();
    let inbox = session.inbox;
    let choose = move |event: leptos::ev::Event| {
        let days = event_target_value(&event).parse().ok();
        session.send(UiEvent::KeepChosen { days });
    };
    move || {
        inbox.get().map(|InboxView { room, messages, bytes, most_bytes, keep_days, busy, error }| {
            let most = most_bytes.map(|most| format!(" of {}", size(most))).unwrap_or_default();
            let choice = move |days: Option<u16>, name: String| {
                let value = days.map(|days| days.to_string()).unwrap_or_default();
                let selected = days == keep_days;
                view! { <option value=value selected=selected>{name}</option> }
            };
            let other = keep_days.filter(|days| ![365, 90, 30].contains(days));
            view! {
                <h3>"On the server"</h3>
                <p>{format!("Your server keeps {messages} encrypted messages for you: {}{most}.", size(bytes))}</p>
                {full(room).map(|text| view! { <p role="status">{text}</p> })}
                <div class="field">
                    <label for="keep-on-server">"Keep on the server"</label>
                    <select id="keep-on-server" disabled=busy on:change=choose aria-describedby="keep-on-server-hint">
                        {choice(None, "For ever".to_owned())}
                        {choice(Some(365), "1 year".to_owned())}
                        {choice(Some(90), "90 days".to_owned())}
                        {choice(Some(30), "30 days".to_owned())}
                        {other.map(|days| choice(Some(days), format!("{days} days")))}
                    </select>
                    <p class="hint" id="keep-on-server-hint">
                        "This applies to messages that one of your browsers has already stored. After that time the \
                         server deletes them, and they will be missing in a new browser or a restored account."
                    </p>
                    {error.map(|error| view! { <p class="error" role="alert">{sentence(&error)}</p> })}
                </div>
            }
        })
    }
}

/// Messages from keys that no look-up has resolved yet.
#[component]
fn Waiting() -> impl IntoView {
    let session = use_session();
    let waiting = session.waiting;
    move || {
        let rows = waiting.get();
        (!rows.is_empty()).then(|| {
            let rows = rows.into_iter().map(|WaitingRow { key, messages, .. }| {
                let beginning: String = key.chars().take(24).collect();
                let count = if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") };
                let name = format!("Discard what {beginning}\u{2026} has sent");
                let discard =
                    move |_| session.send(UiEvent::WaitingDiscarded { key: Some(key.clone()) });
                view! {
                    <li>
                        <span>{format!("{count} from the key {beginning}\u{2026}")}</span>
                        <button type="button" class="button" aria-label=name on:click=discard>"Discard"</button>
                    </li>
                }
            });
            view! {
                <h3 id="waiting-title">"Waiting for a name"</h3>
                <p>
                    "The server has not confirmed yet whose keys these are, or you have not accepted their new key. \
                     Their messages are kept apart and delay nothing else."
                </p>
                <ul class="blocked" aria-labelledby="waiting-title">{rows.collect_view()}</ul>
            }
        })
    }
}

fn full(room: Room) -> Option<&'static str> {
    match room {
        Room::Enough => None,
        Room::RequestsFull => Some("Your message requests are full, so new people cannot write to you."),
        Room::NearlyFull => Some("Your inbox on the server is nearly full. Choose a shorter time."),
        Room::Full => {
            Some("Your inbox on the server is full and refuses new messages. Choose a shorter time.")
        }
    }
}

fn promise(persisted: Option<bool>) -> &'static str {
    match persisted {
        Some(true) => "This browser will not delete your keys and messages on its own.",
        Some(false) => {
            "This browser may delete your keys and messages when space runs low. Keep your recovery phrase safe."
        }
        None => "Your keys and messages are stored in this browser, encrypted.",
    }
}

/// Formats a number of bytes for display.
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
    fn sizes_use_a_fitting_unit() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(12_345), "12 KB");
        assert_eq!(size(1_550_000), "1.5 MB");
    }
}
