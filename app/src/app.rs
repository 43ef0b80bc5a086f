//! The root: what every page shares, and which page stands under which path.

use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::{Lazy, path};

use crate::components::presence::Presence;
use crate::components::toast::Toast;
use crate::later::{HomeRoute, JoinRoute, ProfileRoute, RestoreRoute, SecurityRoute, SettingsRoute};
use crate::pages::messages::Messages;
use crate::pages::not_found::NotFound;
use crate::reactive::effect;
use crate::session::Session;

/// The whole app. Takes its [`Session`] from the context; without one (on the server) it shows an idle one.
#[component]
pub fn App() -> impl IntoView {
    if use_context::<Session>().is_none() {
        provide_context(Session::idle());
    }
    effect(mark_hydrated);
    view! {
        <Router>
            <FlatRoutes fallback=NotFound>
                <Route path=path!("/") view={Lazy::<HomeRoute>::new()}/>
                <Route path=path!("/join") view={Lazy::<JoinRoute>::new()}/>
                <Route path=path!("/restore") view={Lazy::<RestoreRoute>::new()}/>
                <Route path=path!("/messages/:who?") view=Messages/>
                <Route path=path!("/u/:handle") view={Lazy::<ProfileRoute>::new()}/>
                <Route path=path!("/settings") view={Lazy::<SettingsRoute>::new()}/>
                <Route path=path!("/security") view={Lazy::<SecurityRoute>::new()}/>
            </FlatRoutes>
            <Presence/>
            <Toast/>
        </Router>
    }
}

/// Says on `<body>` that the page reacts to input now: `data-hydrated="true"`. [`App`] does this by itself once its
/// effects run, which is after hydration.
pub fn mark_hydrated() {
    if let Some(body) = document().body() {
        // Setting an attribute with a constant, valid name cannot fail.
        let _ = body.set_attribute("data-hydrated", "true");
    }
}
