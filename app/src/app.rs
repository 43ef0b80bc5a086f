//! The root component: the state that every page shares, and the route of each page.

use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use crate::browser::{provide_first_page, provide_today};
use crate::components::presence::Presence;
use crate::components::toast::Toast;
use crate::components::window_guard::WindowGuard;
use crate::idle_lock::IdleLock;
use crate::pages::home::Home;
use crate::pages::join::Join;
use crate::pages::join_group::JoinGroup;
use crate::pages::link::Link;
use crate::pages::messages::Messages;
use crate::pages::not_found::NotFound;
use crate::pages::profile::ProfilePage;
use crate::pages::restore::Restore;
use crate::pages::security::Security;
use crate::pages::settings::Settings;
use crate::reactive::effect;
use crate::session::Session;
use crate::theme::Theme;

/// The whole app. Takes its [`Session`] from the context; without one (on the server) it uses an idle session.
#[component]
pub fn App() -> impl IntoView {
    if use_context::<Session>().is_none() {
        provide_context(Session::idle());
    }
    provide_today();
    provide_first_page();
    effect(|| Theme::load().colour_bars());
    effect(mark_hydrated);
    view! {
        <Router>
            <FlatRoutes fallback=NotFound>
                <Route path=path!("/") view=Home/>
                <Route path=path!("/join") view=Join/>
                <Route path=path!("/restore") view=Restore/>
                <Route path=path!("/link") view=Link/>
                <Route path=path!("/messages/:who?") view=Messages/>
                <Route path=path!("/messages/g/:gid") view=Messages/>
                <Route path=path!("/g") view=JoinGroup/>
                <Route path=path!("/u/:handle") view=ProfilePage/>
                <Route path=path!("/settings") view=Settings/>
                <Route path=path!("/security") view=Security/>
            </FlatRoutes>
            <Presence/>
            <WindowGuard/>
            <IdleLock/>
            <Toast/>
        </Router>
    }
}

/// Sets `data-hydrated="true"` on `<body>`: the page now reacts to input. [`App`] calls this itself once its effects
/// run, which is after hydration.
pub fn mark_hydrated() {
    if let Some(body) = document().body() {
        // Setting an attribute with a constant, valid name cannot fail.
        let _ = body.set_attribute("data-hydrated", "true");
    }
}
