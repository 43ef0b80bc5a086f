//! A text input with a label.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use crate::components::icon::{Glyph, Icon};
use crate::reactive::effect;

/// A text input with its label above it. Read the value through `node`.
#[component]
pub(crate) fn Field(
    /// The accessible name.
    #[prop(into)]
    label: String,
    /// The element's id, unique on the page.
    #[prop(into)]
    id: String,
    #[prop(optional)] node: NodeRef<html::Input>,
    /// Whether the characters are hidden, with a button that reveals them.
    #[prop(optional)]
    secret: bool,
    /// The `autocomplete` value for password managers.
    #[prop(default = "off")]
    autocomplete: &'static str,
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
    let shown = RwSignal::new(false);
    let input_type = move || if secret && !shown.get() { "password" } else { "text" };
    // HTML does not allow the attribute on password fields.
    let autocapitalize = move || (input_type() == "text").then_some("none");
    let show_label = format!("Show {}", label.to_lowercase());
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <div class="field-line">
                <input
                    node_ref=node
                    id=id
                    type=input_type
                    autocomplete=autocomplete
                    autocapitalize=autocapitalize
                    spellcheck="false"
                    translate="no"
                    aria-describedby=described_by
                    disabled=move || disabled.get()
                    on:input=on_input
                />
                {secret.then(|| view! { <ShowButton label=show_label shown/> })}
            </div>
        </div>
    }
}

#[component]
fn ShowButton(label: String, shown: RwSignal<bool>) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button-quiet button-icon"
            aria-label=label
            aria-pressed=move || shown.get().to_string()
            on:click=move |_| shown.update(|shown| *shown = !*shown)
        >
            {move || view! { <Icon of=if shown.get() { Glyph::EyeOff } else { Glyph::Eye }/> }}
        </button>
    }
}

/// The current text of a field; empty while the field is not on the page.
pub(crate) fn text_of(node: NodeRef<html::Input>) -> String {
    node.get_untracked().map(|input| input.value()).unwrap_or_default()
}

fn input_text(event: &ev::Event) -> Option<String> {
    let input = event.target()?.dyn_into::<web_sys::HtmlInputElement>().ok()?;
    Some(input.value())
}

/// An error message, read out at once. Empty when there is none.
#[component]
pub(crate) fn ErrorText(#[prop(into)] text: Signal<Option<String>>) -> impl IntoView {
    move || text.get().map(|text| view! { <p class="error" role="alert">{text}</p> })
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::{Field, FieldProps};

    fn html(secret: bool) -> String {
        let owner = Owner::new();
        owner.set();
        Field(FieldProps::builder().label("Passphrase").id("p").secret(secret).build()).to_html()
    }

    #[test]
    fn a_secret_field_is_a_password_with_a_show_button() {
        let html = html(true);
        assert!(
            html.contains("type=\"password\"") && html.contains("aria-label=\"Show passphrase\""),
            "{html}"
        );
    }

    #[test]
    fn a_password_field_has_only_attributes_that_html_allows() {
        assert!(!html(true).contains("autocapitalize") && html(false).contains("autocapitalize"));
    }

    #[test]
    fn other_fields_are_text_inputs() {
        let html = html(false);
        assert!(html.contains("type=\"text\"") && !html.contains("<button"), "{html}");
    }
}
