//! The HTML document around the app. The server renders it without any inline script or style.

use leptos::config::get_configuration;
use leptos::hydration::AutoReload;
use leptos::prelude::*;
use leptos_router::location::RequestUrl;

use crate::app::App;
use crate::fidelity::{ROOT_ID, with_node_count};
use crate::operator::{META_NAME as OPERATOR_META, Operator};
use crate::page::Page;
use crate::profile::{META_NAME, Profile, ProfileState};
use crate::session::Session;

/// The values that every document needs: the URLs of the built files, from the root, and the operator of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    /// The style sheet.
    pub css: String,
    /// The module of the page.
    pub page: Module,
    /// The module of the worker: the same files as the page's if both are one module.
    pub worker: Module,
    /// The WASM module of the MLS engine. `cargo leptos` does not build it.
    pub engine: Option<String>,
    /// The operator of the server.
    pub operator: Operator,
}

/// A WASM module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The JavaScript that loads it.
    pub js: String,
    /// The module itself.
    pub wasm: String,
}

/// Set by `cargo leptos watch`.
pub const WATCH_ENV: &str = "LEPTOS_WATCH";

/// The content of a document besides the app.
struct Head {
    title: String,
    description: String,
    /// On profile pages: the profile as JSON, `null` for a handle without an account.
    profile: Option<String>,
    /// Whether the page is readable before the app runs. Then the app's scripts come after all content.
    reads_alone: bool,
}

/// The HTML of a page that is the same for every user.
pub fn render(page: Page, assets: &Assets) -> String {
    let head = Head {
        title: page.title().to_owned(),
        description: page.description().to_owned(),
        profile: None,
        reads_alone: matches!(page, Page::Home | Page::Security),
    };
    render_at(page.path(), None, head, assets)
}

impl Profile {
    /// The HTML of the profile page of a handle; `None` means that no account has it.
    pub fn render(profile: Option<Self>, assets: &Assets) -> String {
        let json = serde_json::to_string(&profile).unwrap_or_else(|_| "null".to_owned());
        let (title, description) = match &profile {
            Some(profile) => (profile.title(), profile.description()),
            None => (Page::NotFound.title().to_owned(), Page::NotFound.description().to_owned()),
        };
        let state = profile.map_or(ProfileState::Unknown, ProfileState::Found);
        // The handle in the path does not matter: the state in the context decides.
        let head = Head { title, description, profile: Some(json), reads_alone: true };
        render_at("/u/-", Some(state), head, assets)
    }
}

fn render_at(path: &str, profile: Option<ProfileState>, head: Head, assets: &Assets) -> String {
    let owner = Owner::new_root(None);
    owner.with(|| {
        provide_context(RequestUrl::new(path));
        provide_context(Session::idle());
        provide_context(assets.operator.clone());
        if let Some(profile) = profile {
            provide_context(profile);
        }
        well_formed(&shell(head, assets).to_html())
    })
}

/// Leptos writes markers as `<!>`, which browsers read as an empty comment and validators reject; this writes them out.
/// The head is never hydrated and needs no markers, and in the title they would be text. User text cannot contain these
/// characters, because it is escaped.
fn well_formed(html: &str) -> String {
    let (head, body) = html.split_at(html.find("<body").unwrap_or(0));
    with_node_count(&(head.replace("<!>", "") + &body.replace("<!>", "<!---->")))
}

fn shell(head: Head, assets: &Assets) -> impl IntoView + use<> {
    let Assets { css, page, worker, engine, operator } = assets.clone();
    let operator = serde_json::to_string(&operator).unwrap_or_default();
    let preload = (!head.reads_alone).then(|| page.js.clone());
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
                <meta name=OPERATOR_META content=operator/>
                <meta name="color-scheme" content="light dark"/>
                <meta name="theme-color" media="(prefers-color-scheme: light)" content="#fcfcf9"/>
                <meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0e1214"/>
                <script src="/theme.js"></script>
                <link rel="stylesheet" href=css/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                {preload.map(|js| view! { <link rel="modulepreload" href=js/> })}
                <script
                    type="module"
                    src="/boot.js"
                    data-page-js=page.js
                    data-page-wasm=page.wasm
                    data-worker-js=worker.js
                    data-worker-wasm=worker.wasm
                    data-engine-wasm=engine
                    data-after-load=head.reads_alone.then_some("")
                ></script>
                {reload_on_change()}
            </head>
            <body>
                <div id=ROOT_ID><App/></div>
            </body>
        </html>
    }
}

/// Under `cargo leptos watch`, the script that reloads the page after a rebuild; otherwise nothing.
fn reload_on_change() -> Option<impl IntoView> {
    std::env::var_os(WATCH_ENV)?;
    let options = get_configuration(None).ok()?.leptos_options;
    Some(view! { <AutoReload options/> })
}

#[cfg(test)]
mod tests {
    use super::{Assets, Module, Operator, render};
    use crate::page::Page;
    use crate::profile::{History, Profile};
    use crate::theme::{THEME_DARK, THEME_LIGHT};

    fn assets() -> Assets {
        let module = |name: &str| Module { js: format!("/pkg/{name}.js"), wasm: format!("/pkg/{name}.wasm") };
        Assets {
            css: "/pkg/a.css".to_owned(),
            page: module("page"),
            worker: module("worker"),
            engine: Some("/pkg/engine.wasm".to_owned()),
            operator: Operator::default(),
        }
    }

    #[test]
    fn every_page_is_a_document_of_its_own_without_anything_inline() {
        for page in Page::ALL {
            let html = render(page, &assets());
            assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
            assert!(html.contains(&format!("<title>{}</title>", page.title())), "{html}");
            assert!(html.contains("data-engine-wasm=\"/pkg/engine.wasm\""), "{html}");
            for module in ["page", "worker"] {
                for kind in ["js", "wasm"] {
                    let attribute = format!("data-{module}-{kind}=\"/pkg/{module}.{kind}\"");
                    assert!(html.contains(&attribute), "{attribute} in {html}");
                }
            }
            assert_eq!(html.matches("<h1").count(), 1, "one first heading: {html}");
            let scripts = html.split("<script").skip(1);
            assert!(
                scripts.clone().count() == 2 && scripts.clone().all(|script| script.contains("src=\"/")),
                "{html}"
            );
            assert!(!html.contains("<style") && !html.contains(" style="), "{html}");
        }
    }

    #[test]
    fn the_home_page_names_the_operator() {
        assert!(!render(Page::Home, &assets()).contains("Contact"));
        let operator = Operator {
            contact: Some("mailto:admin@kez.lat".to_owned()),
            terms_url: Some("https://kez.lat/terms".to_owned()),
        };
        let html = render(Page::Home, &Assets { operator, ..assets() });
        assert!(
            html.contains("href=\"mailto:admin@kez.lat\"") && html.contains("href=\"https://kez.lat/terms\""),
            "{html}"
        );
    }

    #[test]
    fn the_theme_colours_reach_the_browser_bars() {
        let html = render(Page::Messages, &assets());
        for (scheme, colour) in [("light", THEME_LIGHT), ("dark", THEME_DARK)] {
            let meta = format!(
                "<meta name=\"theme-color\" media=\"(prefers-color-scheme: {scheme})\" content=\"{colour}\">"
            );
            assert!(html.contains(&meta), "{meta} is not in {html}");
        }
    }

    #[test]
    fn static_pages_start_the_app_last() {
        for page in Page::ALL {
            let html = render(page, &assets());
            let alone = matches!(page, Page::Home | Page::Security);
            assert_eq!(html.contains("data-after-load"), alone, "{page:?}");
            assert_eq!(html.contains("rel=\"modulepreload\""), !alone, "{page:?}");
        }
    }

    #[test]
    fn the_document_carries_the_node_count_of_the_app() {
        for page in Page::ALL {
            let html = render(page, &assets());
            let nodes =
                html.split("<div id=\"app\" data-nodes=\"").nth(1).and_then(|rest| rest.split('"').next());
            assert!(nodes.unwrap().parse::<usize>().unwrap() > 10, "{html}");
        }
    }

    #[test]
    fn the_composer_waits_for_the_app() {
        let html = render(Page::Thread, &assets());
        let composer = html.split("<textarea").nth(1).unwrap().split('>').next().unwrap();
        assert!(composer.contains("disabled") && composer.contains("aria-busy=\"true\""), "{composer}");
        assert!(composer.contains("aria-label=\"Message\""), "{composer}");
    }

    #[test]
    fn a_profile_carries_itself_to_the_browser() {
        let profile = Profile {
            handle: "alice".to_owned(),
            fqhn: "alice@kez.lat".to_owned(),
            primary: format!("ed25519:{}", "ab".repeat(32)),
            history: History::Told(vec![(1_795_374_000, "Claimed the handle @alice on kez.lat.".to_owned())]),
        };
        let html = Profile::render(Some(profile), &assets());
        assert!(html.contains("<title>@alice · KEZ Chat</title>"), "{html}");
        assert!(html.contains("name=\"kez-profile\"") && html.contains("alice@kez.lat"), "{html}");
        assert!(html.contains("href=\"/messages/alice\""), "{html}");
        assert!(html.contains("</time> <bdi>Claimed the handle @alice on kez.lat."), "{html}");
    }

    #[test]
    fn an_unknown_handle_renders_the_not_found_page() {
        let html = Profile::render(None, &assets());
        assert!(html.contains("content=\"null\"") && html.contains("Nothing here"), "{html}");
    }
}
