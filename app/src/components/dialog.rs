//! A modal dialog based on the browser's own `<dialog>`: Esc closes only the topmost one, and the focus returns to
//! where it was.

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use crate::components::icon::{Glyph, Icon};
use crate::reactive::effect;

/// A dialog that exists while `open` is true. `on_close` must make it false.
#[component]
pub(crate) fn Dialog(
    /// The id of the heading that names the dialog.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    #[prop(into)] open: Signal<bool>,
    on_close: Callback<()>,
    /// Whether it asks for a decision before something is done that cannot be undone.
    #[prop(optional)]
    asks: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let children = StoredValue::new(children);
    view! {
        <Show when=move || open.get()>
            <OpenDialog id title on_close asks>
                {children.read_value()()}
            </OpenDialog>
        </Show>
    }
}

#[component]
fn OpenDialog(
    id: &'static str,
    title: Signal<String>,
    on_close: Callback<()>,
    asks: bool,
    children: Children,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    effect(move || {
        if let Some(dialog) = node.get().filter(|dialog| !dialog.open()) {
            // The dialog is in the document and closed, so this cannot fail.
            let _ = dialog.show_modal();
        }
    });
    // A dialog that is removed without being closed does not give the focus back.
    on_cleanup(move || {
        if let Some(dialog) = node.try_get_untracked().flatten() {
            dialog.close();
        }
    });
    let close = move || {
        if let Some(dialog) = node.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <dialog
            node_ref=node
            class="dialog"
            role=asks.then_some("alertdialog")
            aria-labelledby=id
            on:close=move |_| on_close.run(())
            on:click=move |event| {
                if is_backdrop(&event) {
                    close();
                }
            }
        >
            <div class="dialog-body">
                <header class="dialog-header">
                    <h2 id=id>{move || title.get()}</h2>
                    <button type="button" class="button-quiet button-icon" aria-label="Close" on:click=move |_| close()>
                        <Icon of=Glyph::Close/>
                    </button>
                </header>
                {children()}
            </div>
        </dialog>
    }
}

/// A click whose target is the dialog itself missed all of its content, so it hit the backdrop.
fn is_backdrop(event: &ev::MouseEvent) -> bool {
    event.target().is_some_and(|target| target.dyn_ref::<web_sys::HtmlDialogElement>().is_some())
}
