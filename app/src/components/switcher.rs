//! The quick switcher: a few letters of a handle and Enter open a conversation.

use kez_client::event::UiEvent;
use kez_core::handle::Handle;
use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::{Field, text_of};
use crate::components::icon::{Glyph, Icon};
use crate::navigation::use_navigation;
use crate::reactive::{effect, memo};
use crate::session::use_session;
use crate::text::sentence;

/// The dialog "Switch conversation".
#[component]
pub(crate) fn Switcher(open: RwSignal<bool>) -> impl IntoView {
    let on_close = Callback::new(move |()| open.set(false));
    view! {
        <Dialog id="switcher-title" title="Switch conversation" open on_close>
            <SwitcherForm on_done=on_close/>
        </Dialog>
    }
}

#[component]
fn SwitcherForm(on_done: Callback<()>) -> impl IntoView {
    let session = use_session();
    let navigation = use_navigation();
    let node = NodeRef::<html::Input>::new();
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let matches = memo(move || {
        let handles = session.conversations.with(|rows| rows.iter().map(|row| row.handle.clone()).collect());
        matching(handles, &query.get())
    });
    // The user can also search for a handle that is not in the list: the dialog "New conversation" opens the thread
    // once it is found.
    let stranger = memo(move || stranger(&query.get(), &matches.get()));
    let started = memo(move || session.new_conversation.with(|dialog| dialog.started.clone()));
    effect(move || {
        if started.get().is_some() {
            on_done.run(());
        }
    });
    let start = move || {
        if let Some(to) = stranger.get_untracked() {
            session.send(UiEvent::ConversationStarted { to });
        }
    };
    let go = move |handle: &str| {
        on_done.run(());
        navigation.go(&format!("/messages/{handle}"));
    };
    let open_chosen = move |event: ev::SubmitEvent| {
        event.prevent_default();
        match matches.with_untracked(|all| all.get(chosen.get_untracked()).cloned()) {
            Some(handle) => go(&handle),
            None => start(),
        }
    };
    let is_looking_up = memo(move || session.new_conversation.with(|dialog| dialog.busy));
    on_cleanup(move || session.send(UiEvent::ConversationDialogClosed));
    let on_input = Callback::new(move |_| {
        query.set(text_of(node));
        chosen.set(0);
    });
    let on_keydown = move |event: ev::KeyboardEvent| {
        let length = matches.with_untracked(Vec::len) + usize::from(stranger.with_untracked(Option::is_some));
        if let Some(next) = moved(&event.key(), chosen.get_untracked(), length) {
            event.prevent_default();
            chosen.set(next);
        }
    };
    view! {
        <form class="stack" on:submit=open_chosen on:keydown=on_keydown>
            <Field label="Handle" id="switcher-query" node autofocus=true on_input/>
            <ul class="rows switcher-rows">
                {move || {
                    let at = chosen.get();
                    matches.get().into_iter().enumerate().map(|(index, handle)| {
                        let label = format!("@{handle}");
                        view! {
                            <li>
                                <button
                                    type="button"
                                    class="row"
                                    aria-current=(index == at).then_some("true")
                                    on:click=move |_| go(&handle)
                                >
                                    {label}
                                </button>
                            </li>
                        }
                    }).collect_view()
                }}
                {move || stranger.get().map(|handle| {
                    let is_chosen = chosen.get() == matches.with(Vec::len);
                    view! {
                        <li>
                            <button
                                type="button"
                                class="row"
                                aria-current=is_chosen.then_some("true")
                                on:click=move |_| start()
                            >
                                <Icon of=Glyph::Pencil/>
                                {format!("Start a conversation with @{handle}")}
                            </button>
                        </li>
                    }
                })}
            </ul>
            <p class="hint" role="status">
                {move || match (session.new_conversation.with(|dialog| dialog.error.as_ref().map(sentence)), is_looking_up.get()) {
                    (Some(error), _) => error,
                    (None, true) => "Looking up…".to_owned(),
                    (None, false) => String::new(),
                }}
            </p>
        </form>
    }
}

/// The handles that contain the query: first those that begin with it, otherwise in the order of the list.
fn matching(mut handles: Vec<String>, query: &str) -> Vec<String> {
    let query = query.trim().trim_start_matches('@').to_ascii_lowercase();
    handles.retain(|handle| handle.contains(&query));
    let (mut first, rest): (Vec<_>, Vec<_>) =
        handles.into_iter().partition(|handle| handle.starts_with(&query));
    first.extend(rest);
    first
}

/// The handle that the query spells, if it is not in the list.
fn stranger(query: &str, matches: &[String]) -> Option<String> {
    let handle = query.trim().trim_start_matches('@').to_ascii_lowercase();
    let is_handle = handle.parse::<Handle>().is_ok();
    (is_handle && !matches.contains(&handle)).then_some(handle)
}

/// The new position of the selection after an arrow key; `None` for every other key and in an empty list.
fn moved(key: &str, at: usize, length: usize) -> Option<usize> {
    match key {
        _ if length == 0 => None,
        "ArrowDown" => Some((at + 1) % length),
        "ArrowUp" => Some((at + length - 1) % length),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{matching, moved, stranger};

    #[test]
    fn handles_that_begin_with_the_query_come_first() {
        let handles = ["rob", "carol", "bob", "obi"].map(str::to_owned).to_vec();
        assert_eq!(matching(handles.clone(), "@OB"), ["obi", "rob", "bob"]);
        assert_eq!(matching(handles, ""), ["rob", "carol", "bob", "obi"]);
    }

    #[test]
    fn a_conversation_can_be_started_with_an_unlisted_handle() {
        let matches = ["bobby".to_owned()];
        assert_eq!(stranger(" @Bob ", &matches).as_deref(), Some("bob"));
        assert_eq!(stranger("bobby", &matches), None);
        assert_eq!(stranger("bo", &matches), None, "too short for a handle");
        assert_eq!(stranger("no spaces", &matches), None);
    }

    #[test]
    fn the_selection_wraps_around() {
        assert_eq!(moved("ArrowDown", 2, 3), Some(0));
        assert_eq!(moved("ArrowUp", 0, 3), Some(2));
        assert_eq!(moved("ArrowUp", 0, 0), None);
        assert_eq!(moved("Enter", 0, 3), None);
    }
}
