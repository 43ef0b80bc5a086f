//! The messages of a thread.

use leptos::{html, prelude::*};

use super::LOG_ID;
use super::announcer::Announcer;
use super::copying::on_copy;
use super::items::{Event, Item, items};
use super::jumps::use_jumps;
use super::scroll::use_scroll;
use super::scroll_keys::use_scroll_keys;
use crate::browser::{day_label, day_of, iso};
use crate::components::icon::{Glyph, Icon};
use crate::components::keyboard::focus;
use crate::components::message::{Message, element_id};
use crate::components::roving::{self, Roving};
use crate::keyed::{Keyed, keyed};
use crate::reactive::memo;
use crate::session::{Session, use_session};

/// Shown when the sender's message count contradicts what arrived here.
const CONTRADICTION: &str = "This does not fit the messages before it: one may have been replaced on the way";
/// The id of the line above the messages that were unread when the thread was opened.
pub(super) const NEW_LINE_ID: &str = "new-messages";

/// The log "Messages with @handle", and a button to the end when the user has scrolled up.
///
/// Older rows load and marks change inside the log, so the log itself is not a live region; the [`Announcer`] reads out
/// new messages.
#[component]
pub(super) fn MessageLog(handle: String) -> impl IntoView {
    let session = use_session();
    let (node, rows) = (NodeRef::<html::Div>::new(), NodeRef::<html::Div>::new());
    let scroll = use_scroll(node, rows, handle.clone());
    use_scroll_keys(scroll);
    use_jumps(scroll, handle.clone());
    let first_unread = session.thread_part(|thread| thread.first_unread.clone());
    let has_older = session.thread_part(|thread| thread.has_older);
    let list = keyed(move || {
        session.messages.with(|messages| first_unread.with(|first| items(messages, first.as_deref(), day_of)))
    });
    let is_empty = memo(move || session.messages.with(Vec::is_empty));
    let label = format!("Messages with @{handle}");
    let roving = tab_stop(session);
    let row_handle = StoredValue::new(handle.clone());
    let jump = move |_| {
        scroll.to_latest();
        focus(LOG_ID);
    };
    view! {
        <div class="log-frame">
            <div
                node_ref=node
                id=LOG_ID
                class="log"
                role="log"
                aria-live="off"
                aria-label=label
                tabindex="-1"
                on:scroll=move |_| scroll.on_scroll()
                on:focusin=move |event| roving.on_focusin(&event)
                on:keydown=move |event| roving::on_keydown(&event)
                on:copy=move |event| on_copy(&event)
            >
                <div node_ref=rows class="log-rows">
                    {move || has_older.get().then(|| view! { <p class="line">"Loading earlier messages…"</p> })}
                    {move || is_empty.get().then(|| view! {
                        <p class="empty">"No messages yet. Only the two of you can read what you write here."</p>
                    })}
                    <For each=move || list.get() key=|item| item.key.clone() let:item>
                        {piece(item, row_handle, roving)}
                    </For>
                </div>
            </div>
            <Show when=move || !scroll.at_bottom.get()>
                <button type="button" class="jump" on:click=jump>
                    <Icon of=Glyph::Down/>
                    "Jump to latest"
                    {move || match scroll.behind.get() {
                        0 => None,
                        count => Some(view! { <span class="badge">{count}<span class="sr-only">" new"</span></span> }),
                    }}
                </button>
            </Show>
            <Announcer handle/>
        </div>
    }
}

/// The tab stop of the thread: the message focused last, or the newest.
fn tab_stop(session: Session) -> Roving {
    let contains =
        move |id: &str| session.messages.with(|messages| messages.iter().any(|message| message.id == id));
    let newest = move || session.messages.with(|messages| messages.last().map(|message| message.id.clone()));
    Roving::new(contains, newest)
}

/// Renders an item. Its kind never changes, only its content.
fn piece(item: Keyed<Item>, handle: StoredValue<String>, roving: Roving) -> AnyView {
    let value = RwSignal::from(item.value);
    match value.get_untracked() {
        Item::Day(at) => {
            view! { <p class="line line-day"><time datetime=iso(at)>{move || day_label(at)}</time></p> }
                .into_any()
        }
        Item::New => view! { <p class="line line-new" id=NEW_LINE_ID>"New messages"</p> }.into_any(),
        Item::Missing(_) => {
            view! { <p class="line line-missing">{move || missing(&value.get())}</p> }.into_any()
        }
        Item::Event(event) => {
            let (kind, text) = match event {
                Event::KeyReplaced => ("key", "has changed their key. The key history proves it."),
                Event::DeviceAdded => ("device", "added a device"),
            };
            let text = format!("@{} {text}", handle.get_value());
            view! { <p class="line" data-line=kind id=element_id(&item.key)>{text}</p> }.into_any()
        }
        Item::Contradiction => view! { <p class="line line-missing">{CONTRADICTION}</p> }.into_any(),
        Item::Message { .. } => {
            let row = Memo::new(move |old| match value.get() {
                Item::Message { row, .. } => Some(row),
                _ => old.cloned().flatten(),
            });
            let continues = memo(move || matches!(value.get(), Item::Message { continues: true, .. }));
            row.get_untracked()
                .map(|first| view! { <Message handle=handle.get_value() first row continues roving/> })
                .into_any()
        }
    }
}

fn missing(item: &Item) -> String {
    match item {
        Item::Missing(1) => "1 message missing".to_owned(),
        Item::Missing(count) => format!("{count} messages missing"),
        _ => String::new(),
    }
}
