//! The 24 words, and the ways to save them.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// A phrase as a numbered list, with buttons to copy, print or save it.
#[component]
pub(crate) fn WordList(
    words: Vec<String>,
    /// The accessible name.
    #[prop(default = "Recovery phrase")]
    label: &'static str,
) -> impl IntoView {
    let phrase = words.join(" ");
    let items: Vec<_> = words.into_iter().map(|word| view! { <li>{word}</li> }).collect();
    view! {
        <ol class="words" aria-label=label translate="no">{items}</ol>
        <Keeping phrase label/>
    }
}

#[component]
fn Keeping(phrase: String, label: &'static str) -> impl IntoView {
    let said = RwSignal::new("");
    let phrase = StoredValue::new(phrase);
    let copy = move |_| {
        // Whether the browser permits it is known only later. A click asks for it, so the browser does.
        let _ = window().navigator().clipboard().write_text(&phrase.get_value());
        said.set("Copied. The next thing you copy replaces it, so save it somewhere safe now.");
    };
    let save = move |_| {
        let name = format!("kez-chat-{}.txt", label.to_lowercase().replace(' ', "-"));
        said.set(match download(&name, &phrase.get_value()) {
            Ok(()) => "Saved as a file. Anyone who can read it can use the words.",
            Err(_) => "The browser did not save the file.",
        });
    };
    view! {
        <p class="actions words-actions">
            <button type="button" class="button button-small" on:click=copy>"Copy"</button>
            <button type="button" class="button button-small" on:click=|_| drop(window().print())>"Print"</button>
            <button type="button" class="button button-small" on:click=save>"Download"</button>
        </p>
        <p class="hint" role="status">{move || said.get()}</p>
    }
}

/// Saves a text file through a temporary link.
fn download(name: &str, text: &str) -> Result<(), wasm_bindgen::JsValue> {
    let blob = web_sys::Blob::new_with_str_sequence(&js_sys::Array::of1(&text.into()))?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let link = document().create_element("a")?;
    link.set_attribute("href", &url)?;
    link.set_attribute("download", name)?;
    link.unchecked_into::<web_sys::HtmlElement>().click();
    web_sys::Url::revoke_object_url(&url)
}
