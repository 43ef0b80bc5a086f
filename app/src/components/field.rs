//! A labelled line of text.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use crate::reactive::effect;

/// A text input with its label above it. What is typed is read through `node`.
#[component]
pub(crate) fn Field(
    /// The accessible name.
    #[prop(into)]
    label: String,
    /// The element's id, unique on the page.
    #[prop(into)]
    id: String,
    #[prop(optional)] node: NodeRef<html::Input>,
    /// Whether the characters are hidden. By style: a password input is no textbox to assistive technology.
    #[prop(optional)]
    secret: bool,
    #[prop(optional, into)] disabled: Signal<bool>,
    /// Whether the field takes the focus when it appears.
    #[prop(optional)]
    autofocus: bool,
    /// The id of the element that explains the field.
    #[prop(optional)]
    described_by: Option<&'static str>,
    #[prop(optional)] on_input: Option<Callback<String>>,
) -> impl IntoView {
    if autofocus {
        effect(move || {
            if let Some(input) = node.get() {
                let _ = input.focus();
            }
        });
    }
    let on_input = move |event: ev::Event| {
        if let (Some(on_input), Some(text)) = (on_input, input_text(&event)) {
            on_input.run(text);
        }
    };
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input
                node_ref=node
                id=id
                type="text"
                class:masked=secret
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-describedby=described_by
                disabled=move || disabled.get()
                on:input=on_input
            />
        </div>
    }
}

/// What stands in a field now; empty while it is not on the page.
pub(crate) fn text_of(node: NodeRef<html::Input>) -> String {
    node.get_untracked().map(|input| input.value()).unwrap_or_default()
}

fn input_text(event: &ev::Event) -> Option<String> {
    let input = event.target()?.dyn_into::<web_sys::HtmlInputElement>().ok()?;
    Some(input.value())
}

/// What went wrong, read out at once. Nothing when there is nothing to say.
#[component]
pub(crate) fn ErrorText(#[prop(into)] text: Signal<Option<String>>) -> impl IntoView {
    move || text.get().map(|text| view! { <p class="error" role="alert">{text}</p> })
}
