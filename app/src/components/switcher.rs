//! The quick switcher: a few letters of a handle, Enter, and one is there.

use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::{Field, text_of};
use crate::navigation::use_navigation;
use crate::reactive::memo;
use crate::session::use_session;

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
    let go = move |handle: &str| {
        on_done.run(());
        navigation.go(&format!("/messages/{handle}"));
    };
    let open_chosen = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if let Some(handle) = matches.with_untracked(|all| all.get(chosen.get_untracked()).cloned()) {
            go(&handle);
        }
    };
    let on_input = Callback::new(move |_| {
        query.set(text_of(node));
        chosen.set(0);
    });
    let on_keydown = move |event: ev::KeyboardEvent| {
        if let Some(next) = moved(&event.key(), chosen.get_untracked(), matches.with_untracked(Vec::len)) {
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
            </ul>
            <p class="hint" role="status">
                {move || matches.with(Vec::is_empty).then_some("No conversation with such a handle")}
            </p>
        </form>
    }
}

/// The handles that hold the query, those that begin with it first, else in the order of the list.
fn matching(mut handles: Vec<String>, query: &str) -> Vec<String> {
    let query = query.trim().trim_start_matches('@').to_ascii_lowercase();
    handles.retain(|handle| handle.contains(&query));
    let (mut first, rest): (Vec<_>, Vec<_>) =
        handles.into_iter().partition(|handle| handle.starts_with(&query));
    first.extend(rest);
    first
}

/// Where an arrow key moves the choice; `None` for every other key and in an empty list.
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
    use super::{matching, moved};

    #[test]
    fn handles_that_begin_with_the_query_come_first() {
        let handles = ["rob", "carol", "bob", "obi"].map(str::to_owned).to_vec();
        assert_eq!(matching(handles.clone(), "@OB"), ["obi", "rob", "bob"]);
        assert_eq!(matching(handles, ""), ["rob", "carol", "bob", "obi"]);
    }

    #[test]
    fn the_choice_goes_round() {
        assert_eq!(moved("ArrowDown", 2, 3), Some(0));
        assert_eq!(moved("ArrowUp", 0, 3), Some(2));
        assert_eq!(moved("ArrowUp", 0, 0), None);
        assert_eq!(moved("Enter", 0, 3), None);
    }
}
