//! A button that opens a menu, by the standard pattern for screen readers: arrow keys move, Esc and Tab close.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::components::icon::{Glyph, Icon};
use crate::reactive::effect;

/// An item of a menu.
#[derive(Clone, Copy)]
pub(crate) struct MenuItem {
    label: &'static str,
    does: Does,
}

#[derive(Clone, Copy)]
enum Does {
    Action(Callback<()>),
    Link(StoredValue<String>),
}

impl MenuItem {
    /// An item that runs an action on this page.
    pub(crate) fn action(label: &'static str, action: impl Fn() + Send + Sync + 'static) -> Self {
        Self { label, does: Does::Action(Callback::new(move |()| action())) }
    }

    /// An item that links to a page of the server.
    pub(crate) fn link(label: &'static str, href: String) -> Self {
        Self { label, does: Does::Link(StoredValue::new(href)) }
    }
}

/// The button and, while it is open, the menu.
#[component]
pub(crate) fn Menu(
    /// The accessible name of the button.
    label: &'static str,
    items: Signal<Vec<MenuItem>>,
    /// The tab index of the button, if it is one control of a row.
    #[prop(default = Signal::derive(|| "0"))]
    tabindex: Signal<&'static str>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let button = NodeRef::<html::Button>::new();
    let close = move || {
        open.set(false);
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    let on_keydown = move |event: ev::KeyboardEvent| match event.key().as_str() {
        "ArrowDown" => move_focus(&event, 1),
        "ArrowUp" => move_focus(&event, -1),
        "Escape" => {
            event.prevent_default();
            close();
        }
        _ => {}
    };
    let on_focusout = move |event: ev::FocusEvent| {
        if !stays_within(&event) {
            open.set(false);
        }
    };
    view! {
        <div class="menu" on:focusout=on_focusout>
            <button
                node_ref=button
                type="button"
                class="button-quiet button-icon"
                aria-label=label
                tabindex=move || tabindex.get()
                aria-haspopup="menu"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <Icon of=Glyph::More/>
            </button>
            <Show when=move || open.get()>
                <MenuList label items close=Callback::new(move |()| close()) on_keydown=Callback::new(on_keydown)/>
            </Show>
        </div>
    }
}

#[component]
fn MenuList(
    label: &'static str,
    items: Signal<Vec<MenuItem>>,
    close: Callback<()>,
    on_keydown: Callback<ev::KeyboardEvent>,
) -> impl IntoView {
    let list = NodeRef::<html::Div>::new();
    effect(move || {
        if let Some(list) = list.get() {
            focus_item(&list, 0);
        }
    });
    view! {
        <div
            node_ref=list
            class="menu-list"
            role="menu"
            aria-label=label
            on:keydown=move |event| on_keydown.run(event)
        >
            {move || items.get().into_iter().map(|item| item_view(item, close)).collect_view()}
        </div>
    }
}

fn item_view(MenuItem { label, does }: MenuItem, close: Callback<()>) -> AnyView {
    match does {
        Does::Action(action) => {
            let choose = move |_| {
                close.run(());
                action.run(());
            };
            view! { <button type="button" role="menuitem" tabindex="-1" on:click=choose>{label}</button> }
                .into_any()
        }
        // A page that only the server can render.
        Does::Link(href) => {
            view! { <a role="menuitem" tabindex="-1" href=href.get_value() rel="external">{label}</a> }
                .into_any()
        }
    }
}

fn move_focus(event: &ev::KeyboardEvent, step: i32) {
    let Some(list) = event.current_target().and_then(|list| list.dyn_into::<HtmlElement>().ok()) else {
        return;
    };
    let Ok(items) = list.query_selector_all("[role=menuitem]") else { return };
    let focused = document().active_element();
    let count = i32::try_from(items.length()).unwrap_or(1).max(1);
    let at =
        (0..count).find(|at| items.get(at.unsigned_abs()).and_then(|item| item.dyn_into().ok()) == focused);
    event.prevent_default();
    focus_item(&list, (at.unwrap_or(0) + step).rem_euclid(count).unsigned_abs());
}

fn focus_item(list: &HtmlElement, at: u32) {
    let item = list.query_selector_all("[role=menuitem]").ok().and_then(|items| items.get(at));
    if let Some(item) = item.and_then(|item| item.dyn_into::<HtmlElement>().ok()) {
        let _ = item.focus();
    }
}

/// Whether the focus stays within this menu.
fn stays_within(event: &ev::FocusEvent) -> bool {
    let menu = event.current_target().and_then(|menu| menu.dyn_into::<web_sys::Node>().ok());
    let next = event.related_target().and_then(|next| next.dyn_into::<web_sys::Node>().ok());
    menu.is_some_and(|menu| menu.contains(next.as_ref()) && next.is_some())
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::{Menu, MenuProps};

    #[test]
    fn a_closed_menu_is_a_collapsed_button() {
        let owner = Owner::new();
        owner.set();
        let html = Menu(MenuProps {
            label: "Conversation menu",
            items: Signal::derive(Vec::new),
            tabindex: Signal::derive(|| "0"),
        })
        .to_html();
        assert!(html.contains("aria-label=\"Conversation menu\""), "{html}");
        assert!(
            html.contains("aria-haspopup=\"menu\"") && html.contains("aria-expanded=\"false\""),
            "{html}"
        );
        assert!(!html.contains("role=\"menu\""), "{html}");
    }
}
