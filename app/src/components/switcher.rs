//! The quick switcher: a few letters of a handle and Enter open a conversation.

use kez_client::event::UiEvent;
use kez_client::view::ConversationRow;
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
        let rows = session.conversations.with(|rows| rows.iter().map(named).collect());
        matching(rows, &query.get())
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
            Some(found) => go(&found.handle),
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
                    matches.get().into_iter().enumerate().map(|(index, found)| {
                        let Named { handle, name } = found;
                        view! {
                            <li>
                                <button
                                    type="button"
                                    class="row"
                                    aria-current=(index == at).then_some("true")
                                    on:click=move |_| go(&handle)
                                >
                                    {name}
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

/// A conversation and what the user calls it: `@bob`, or the name of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    handle: String,
    name: String,
}

fn named(row: &ConversationRow) -> Named {
    let name = row.group.as_ref().map_or_else(|| format!("@{}", row.handle), |group| group.name.clone());
    Named { handle: row.handle.clone(), name }
}

impl Named {
    /// The name in the form in which it is searched.
    fn folded(&self) -> String {
        self.name.trim_start_matches('@').to_lowercase()
    }
}

/// The conversations whose name contains the query: first those that begin with it, otherwise in the order of the list.
fn matching(mut rows: Vec<Named>, query: &str) -> Vec<Named> {
    let query = query.trim().trim_start_matches('@').to_lowercase();
    rows.retain(|row| row.folded().contains(&query));
    let (mut first, rest): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.folded().starts_with(&query));
    first.extend(rest);
    first
}

/// The handle that the query spells, if it is not in the list.
fn stranger(query: &str, matches: &[Named]) -> Option<String> {
    let handle = query.trim().trim_start_matches('@').to_ascii_lowercase();
    let is_handle = handle.parse::<Handle>().is_ok();
    (is_handle && !matches.iter().any(|row| row.handle == handle)).then_some(handle)
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
    use super::{Named, matching, moved, stranger};

    fn rows(names: &[&str]) -> Vec<Named> {
        let row =
            |name: &&str| Named { handle: name.trim_start_matches('@').to_owned(), name: (*name).to_owned() };
        names.iter().map(row).collect()
    }

    #[test]
    fn handles_that_begin_with_the_query_come_first() {
        let all = rows(&["@rob", "@carol", "@bob", "Old Obi"]);
        assert_eq!(matching(all.clone(), "@OB"), rows(&["@rob", "@bob", "Old Obi"]));
        assert_eq!(matching(all.clone(), "old"), rows(&["Old Obi"]));
        assert_eq!(matching(all.clone(), ""), all);
        assert_eq!(matching(rows(&["@rob", "@obi"]), "ob"), rows(&["@obi", "@rob"]));
    }

    #[test]
    fn a_conversation_can_be_started_with_an_unlisted_handle() {
        let matches = rows(&["@bobby"]);
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
