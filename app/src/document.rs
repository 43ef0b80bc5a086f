//! The HTML document around the app, rendered on the server without a single inline script or style.

use leptos::prelude::*;
use leptos_router::location::RequestUrl;

use crate::app::App;
use crate::page::Page;
use crate::profile::{META_NAME, Profile, ProfileState};
use crate::session::Session;

/// Where the built files are: URLs from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The style sheet.
    pub css: String,
    /// The JavaScript glue of the WASM module.
    pub js: String,
    /// The WASM module.
    pub wasm: String,
}

/// What a document holds beside the app.
struct Head {
    title: String,
    description: String,
    /// On profile pages: the profile as JSON, `null` for a handle that nobody has.
    profile: Option<String>,
}

/// The HTML of a page that is the same for everybody.
pub fn render(page: Page, assets: &Assets) -> String {
    let head =
        Head { title: page.title().to_owned(), description: page.description().to_owned(), profile: None };
    render_at(page.path(), None, head, assets)
}

impl Profile {
    /// The HTML of the profile page of a handle; `None` says that nobody has it.
    pub fn render(profile: Option<Self>, assets: &Assets) -> String {
        let json = serde_json::to_string(&profile).unwrap_or_else(|_| "null".to_owned());
        let (title, description) = match &profile {
            Some(profile) => (profile.title(), profile.description()),
            None => (Page::NotFound.title().to_owned(), Page::NotFound.description().to_owned()),
        };
        let state = profile.map_or(ProfileState::Unknown, ProfileState::Found);
        // Which handle the path names does not matter: the state in the context decides.
        render_at("/u/-", Some(state), Head { title, description, profile: Some(json) }, assets)
    }
}

fn render_at(path: &str, profile: Option<ProfileState>, head: Head, assets: &Assets) -> String {
    let owner = Owner::new_root(None);
    owner.with(|| {
        provide_context(RequestUrl::new(path));
        provide_context(Session::idle());
        if let Some(profile) = profile {
            provide_context(profile);
        }
        shell(head, assets).to_html()
    })
}

fn shell(head: Head, assets: &Assets) -> impl IntoView + use<> {
    let Assets { css, js, wasm } = assets.clone();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta
                    name="viewport"
                    content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content"
                />
                <title>{head.title}</title>
                <meta name="description" content=head.description/>
                {head.profile.map(|json| view! { <meta name=META_NAME content=json/> })}
                <meta name="color-scheme" content="light dark"/>
                <script src="/theme.js"></script>
                <link rel="stylesheet" href=css/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="modulepreload" href=js.clone()/>
                <script type="module" src="/boot.js" data-module=js data-wasm=wasm></script>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}
