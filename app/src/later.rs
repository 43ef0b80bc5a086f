//! Pages that the first visit of /messages does not load. Their routes wait until the later part of the module is there;
//! meanwhile the browser shows the page before.

use leptos::prelude::*;
use leptos_router::LazyRoute;

use crate::pages::home::Home;
use crate::pages::join::Join;
use crate::pages::profile::ProfilePage;
use crate::pages::restore::Restore;
use crate::pages::security::Security;
use crate::pages::settings::Settings;

macro_rules! later {
    ($($route:ident is $page:ident,)+) => {$(
        #[doc = concat!("Waits for [`", stringify!($page), "`].")]
        pub(crate) struct $route;

        impl $route {
            // Inlined, it would be in the first part, with all of the page.
            #[inline(never)]
            fn page() -> AnyView {
                $page().into_any()
            }
        }

        impl LazyRoute for $route {
            fn data() -> Self {
                Self
            }

            async fn view(_: Self) -> AnyView {
                if bring().await { Self::page() } else { missing() }
            }
        }
    )+};
}

later! {
    HomeRoute is Home,
    JoinRoute is Join,
    ProfileRoute is ProfilePage,
    RestoreRoute is Restore,
    SecurityRoute is Security,
    SettingsRoute is Settings,
}

/// Says that a page did not come, because the network is gone or the server has another version by now.
fn missing() -> AnyView {
    view! { <p class="boot-failed" role="alert">"This page could not be loaded. Reload it once you are online."</p> }.into_any()
}

/// Whether the later part is there, after waiting for it. The server has it at once.
#[cfg(not(target_arch = "wasm32"))]
async fn bring() -> bool {
    true
}

#[cfg(target_arch = "wasm32")]
async fn bring() -> bool {
    browser::is_there() || browser::bring().await.is_ok()
}

/// `public/later.js`.
#[cfg(target_arch = "wasm32")]
mod browser {
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = later, js_name = isThere)]
        pub(super) fn is_there() -> bool;

        #[wasm_bindgen(js_namespace = later, catch)]
        pub(super) async fn bring() -> Result<JsValue, JsValue>;
    }
}
