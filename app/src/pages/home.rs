//! `/`: KEZ Chat on one screen.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::account_gate::{Stage, stage_of};
use crate::components::site_header::SiteHeader;
use crate::operator::Operator;
use crate::page::Page;
use crate::reactive::memo;
use crate::session::use_session;

/// The landing page. Readable without JavaScript; with an account in this browser it links to the messages.
#[component]
pub(crate) fn Home() -> impl IntoView {
    use_title(Page::Home.title());
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="home" id="main" tabindex="-1">
                <h1>"Messages only the two of you can read"</h1>
                <p class="lead">
                    "KEZ Chat encrypts every message in your browser before it leaves. The server passes on what it cannot \
                     open, and it never holds your secret keys."
                </p>
                <Ways/>
                <Screenshot/>
                <ul class="points">
                    <li>
                        <h2>"Your key is your account"</h2>
                        <p>"No phone number, no e-mail address. A key made in your browser, and 24 words that bring it back."</p>
                    </li>
                    <li>
                        <h2>"What the server cannot do"</h2>
                        <p>"Read your messages, write in your name, or quietly replace the key of someone you already talk to."</p>
                    </li>
                    <li>
                        <h2>"What it does see"</h2>
                        <p>
                            "Who writes to whom, when, and roughly how much. "
                            <a href="/security">"All of it in plain words"</a>
                            "."
                        </p>
                    </li>
                </ul>
            </main>
            <RunBy/>
        </div>
    }
}

/// The operator of this server, if it names one.
#[component]
fn RunBy() -> impl IntoView {
    let Operator { contact, terms_url } = Operator::of_document();
    (contact.is_some() || terms_url.is_some()).then(|| {
        view! {
            <footer class="run-by">
                {contact.map(|contact| view! { <a href=contact rel="noreferrer">"Contact the operator of this server"</a> })}
                {terms_url.map(|terms| view! { <a href=terms rel="noreferrer">"Terms"</a> })}
            </footer>
        }
    })
}

/// A screenshot of the app.
#[component]
fn Screenshot() -> impl IntoView {
    view! {
        <picture class="screenshot">
            <source
                srcset="/screenshot-phone-dark.webp"
                media="(max-width: 40rem) and (prefers-color-scheme: dark)"
                attr:width="390"
                attr:height="420"
            />
            <source srcset="/screenshot-phone-light.webp" media="(max-width: 40rem)" attr:width="390" attr:height="420"/>
            <source srcset="/screenshot-dark.webp" media="(prefers-color-scheme: dark)"/>
            <img
                src="/screenshot-light.webp"
                fetchpriority="high"
                width="1280"
                height="800"
                alt="A conversation in KEZ Chat: the list of people on the left, messages on the right."
            />
        </picture>
    }
}

/// The links into the app: to the messages if this browser has an account, otherwise to the ways to get one.
#[component]
fn Ways() -> impl IntoView {
    let stage = stage_of(use_session());
    let has_account = memo(move || matches!(stage.get(), Stage::Open | Stage::Locked));
    view! {
        <p class="actions">
            {move || if has_account.get() {
                view! { <a class="button button-primary" href="/messages">"Open messages"</a> }.into_any()
            } else {
                view! {
                    <a class="button button-primary" href="/join">"Create account"</a>
                    <a class="button" href="/restore">"Restore account"</a>
                    <a class="button" href="/link">"Link to another browser"</a>
                }.into_any()
            }}
        </p>
    }
}
