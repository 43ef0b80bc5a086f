//! The section "Appearance".

use leptos::prelude::*;

use crate::reactive::effect;
use crate::theme::Theme;

#[component]
pub(super) fn Appearance() -> impl IntoView {
    let chosen = RwSignal::new(Theme::default());
    effect(move || chosen.set(Theme::load()));
    let choice = move |theme: Theme| {
        let choose = move |_| {
            theme.choose();
            chosen.set(theme);
        };
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="theme"
                    value=theme.name()
                    prop:checked=move || chosen.get() == theme
                    on:change=choose
                />
                {label(theme)}
            </label>
        }
    };
    view! {
        <section>
            <h2>"Appearance"</h2>
            <fieldset>
                <legend>"Theme"</legend>
                {Theme::ALL.map(choice).into_iter().collect_view()}
            </fieldset>
        </section>
    }
}

fn label(theme: Theme) -> &'static str {
    match theme {
        Theme::Auto => "Same as system",
        Theme::Light => "Light",
        Theme::Dark => "Dark",
    }
}
