//! `/u/{handle}`: who somebody is, for everybody to see.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::browser::use_title;
use crate::components::key_history::KeyHistory;
use crate::components::key_text::{DigitGroups, KeyText};
use crate::components::site_header::SiteHeader;
use crate::pages::not_found::NotFound;
use crate::profile::{Profile, ProfileState, fingerprint, profile_of};

/// The public profile of the handle in the address.
#[component]
pub(crate) fn ProfilePage() -> impl IntoView {
    let params = use_params_map();
    let handle = Memo::new(move |_| params.with(|params| params.get("handle")).unwrap_or_default());
    let state = profile_of(&handle.get_untracked());
    match state {
        ProfileState::Found(profile) => view! { <Card profile/> }.into_any(),
        ProfileState::Unknown => NotFound().into_any(),
        ProfileState::NotLoaded => {
            // Only the server knows people; the document has to be its answer.
            Effect::new(|_| {
                let _ = window().location().reload();
            });
            ().into_any()
        }
    }
}

#[component]
fn Card(profile: Profile) -> impl IntoView {
    use_title(profile.title());
    let Profile { handle, fqhn, primary, history } = profile;
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose profile">
                <h1>{format!("@{handle}")}</h1>
                <p class="lead">{fqhn}</p>
                <p class="actions">
                    <a class="button button-primary" href=format!("/messages/{handle}")>"Message"</a>
                </p>
                <h2>"Safety fingerprint"</h2>
                {fingerprint(&primary).map(|digits| view! { <DigitGroups digits/> })}
                <p class="hint">
                    {format!("@{handle} finds the same digits in the settings. Compare them before you trust this page: the server shows it.")}
                </p>
                <h2>"Public key"</h2>
                <KeyText key=primary/>
                {(!history.is_empty()).then(|| view! {
                    <h2>"Key history"</h2>
                    <KeyHistory entries=history/>
                    <p class="hint">"Signed by the key itself. The apps of friends replay it, and notice when it is changed."</p>
                })}
            </main>
        </div>
    }
}
