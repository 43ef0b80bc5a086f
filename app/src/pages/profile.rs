//! `/u/{handle}`: the public profile of a user.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::key_history::KeyHistory;
use crate::components::key_text::{Fingerprint, KeyText};
use crate::components::site_header::SiteHeader;
use crate::navigation::use_navigation;
use crate::pages::not_found::NotFound;
use crate::profile::{History, Profile, ProfileState, fingerprint, profile_of};
use crate::reactive::effect;

/// The public profile of the handle in the URL.
#[component]
pub(crate) fn ProfilePage() -> impl IntoView {
    let path = use_navigation().path();
    let state = path.with_untracked(|path| profile_of(Profile::handle_in(path).unwrap_or_default()));
    match state {
        ProfileState::Found(profile) => view! { <Card profile/> }.into_any(),
        ProfileState::Unknown => NotFound().into_any(),
        ProfileState::NotLoaded => {
            // Only the server can look up a user, so the document has to come from the server.
            effect(|| {
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
            <main class="prose profile" id="main" tabindex="-1">
                <h1 translate="no">{format!("@{handle}")}</h1>
                <p class="lead">{fqhn}</p>
                <p class="actions">
                    <a class="button button-primary" href=format!("/messages/{handle}")>"Message"</a>
                </p>
                <h2>"Key fingerprint"</h2>
                {fingerprint(&primary).map(|digits| view! { <Fingerprint digits/> })}
                <p class="hint">
                    {format!(
                        "A short form of the public key below, the same for everyone. This page comes from the server: \
                         @{handle} finds the true fingerprint in Settings. It is not the safety number, which the two of you compare under \
                         Verify in your conversation.",
                    )}
                </p>
                <h2>"Public key"</h2>
                <KeyText key=primary/>
                {told(history)}
            </main>
        </div>
    }
}

/// The section about the key history; `None` if there is none.
fn told(history: History) -> Option<AnyView> {
    const SILENT: &str = "The server that keeps it is not responding at the moment. Reload this page later.";
    const BROKEN: &str = "The server that keeps it returned an invalid one, so it is not shown here. Compare the \
                          fingerprint some other way before you trust this key.";
    let body = match history {
        History::Told(entries) if entries.is_empty() => return None,
        History::Told(entries) => view! {
            <KeyHistory entries/>
            <p class="hint">"Signed by the key itself. Your friends' apps replay it, and notice when it is altered."</p>
        }
        .into_any(),
        History::Unreachable => view! { <p class="hint">{SILENT}</p> }.into_any(),
        History::Broken => view! { <p class="error">{BROKEN}</p> }.into_any(),
    };
    Some(view! { <h2>"Key history"</h2>{body} }.into_any())
}
