//! The root: what every page shares, and which page stands under which path.

use leptos::prelude::*;

use crate::components::presence::Presence;
use crate::components::toast::Toast;
use crate::navigation::Navigation;
use crate::page::Page;
use crate::pages::home::Home;
use crate::pages::join::Join;
use crate::pages::messages::Messages;
use crate::pages::not_found::NotFound;
use crate::pages::profile::ProfilePage;
use crate::pages::restore::Restore;
use crate::pages::security::Security;
use crate::pages::settings::Settings;
use crate::profile::Profile;
use crate::reactive::{effect, memo};
use crate::session::Session;

/// The whole app. Takes its [`Session`] from the context, and on the server the path; without a session it shows an idle
/// one.
#[component]
pub fn App() -> impl IntoView {
    if use_context::<Session>().is_none() {
        provide_context(Session::idle());
    }
    let navigation = use_context().unwrap_or_else(Navigation::of_window);
    provide_context(navigation);
    effect(mark_hydrated);
    let path = navigation.path();
    let place = memo(move || path.with(|path| Place::at(path)));
    view! {
        {move || match place.get() {
            Place::Profile { handle } => view! { <ProfilePage handle/> }.into_any(),
            Place::Page(page) => page_view(page),
        }}
        <Presence/>
        <Toast/>
    }
}

/// What stands under a path: pages do not start anew while it stays the same.
#[derive(Clone, PartialEq)]
enum Place {
    Profile { handle: String },
    Page(Page),
}

impl Place {
    fn at(path: &str) -> Self {
        match (Page::at(path), Profile::handle_in(path)) {
            (_, Some(handle)) => Self::Profile { handle: handle.to_owned() },
            // One goes from conversation to conversation within the page.
            (Page::Thread, _) => Self::Page(Page::Messages),
            (page, _) => Self::Page(page),
        }
    }
}

fn page_view(page: Page) -> AnyView {
    match page {
        Page::Home => view! { <Home/> }.into_any(),
        Page::Join => view! { <Join/> }.into_any(),
        Page::Restore => view! { <Restore/> }.into_any(),
        Page::Messages | Page::Thread => view! { <Messages/> }.into_any(),
        Page::Settings => view! { <Settings/> }.into_any(),
        Page::Security => view! { <Security/> }.into_any(),
        Page::NotFound => view! { <NotFound/> }.into_any(),
    }
}

/// Says on `<body>` that the page reacts to input now: `data-hydrated="true"`. [`App`] does this by itself once its
/// effects run, which is after all of it is on the page.
pub fn mark_hydrated() {
    if let Some(body) = document().body() {
        // Setting an attribute with a constant, valid name cannot fail.
        let _ = body.set_attribute("data-hydrated", "true");
    }
}
