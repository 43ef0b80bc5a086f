//! `/security`: in plain words, what the server can see and what it cannot.

use leptos::prelude::*;

use crate::browser::use_title;
use crate::components::site_header::SiteHeader;
use crate::page::Page;

/// The page that says what KEZ Chat protects and what it does not.
#[component]
pub(crate) fn Security() -> impl IntoView {
    use_title(Page::Security.title());
    view! {
        <div class="page">
            <SiteHeader/>
            <main class="prose" id="main" tabindex="-1">
                <h1>"Security, in plain words"</h1>
                <p class="lead">"What this server can see, what it cannot, and where the limits are."</p>
                <CannotSee/>
                <CanSee/>
                <Verified/>
                <Limits/>
            </main>
        </div>
    }
}

#[component]
fn CannotSee() -> impl IntoView {
    view! {
        <section>
            <h2>"What the server cannot see"</h2>
            <ul>
                <li>"The text of your messages, and the names of groups. They are encrypted in your browser for those you write to."</li>
                <li>"Your secret key and your recovery phrase. They never leave your browser."</li>
                <li>"Your drafts, and whose safety number you have compared."</li>
                <li>"The exact length of a message: messages are padded to a few sizes."</li>
            </ul>
        </section>
    }
}

#[component]
fn CanSee() -> impl IntoView {
    view! {
        <section>
            <h2>"What the server can see"</h2>
            <ul>
                <li>"Your handle, your public key, and when you registered. These are public."</li>
                <li>"Which key wrote to which, when, and roughly how much."</li>
                <li>"Who is in which group, who is an admin of it, and which browsers belong to whom."</li>
                <li>
                    "Who you have accepted and who you have blocked. It keeps both lists to hold back what blocked \
                     people send, and to pass them on to your other browsers."
                </li>
                <li>"The history of your key: when it was made, changed or ended. This is public too."</li>
                <li>"When you are connected, and the network address that you connect from."</li>
            </ul>
            <p>
                "It keeps the encrypted messages, so that they wait for your browsers. You choose for how long in the \
                 settings. A message request that you leave unanswered is deleted after 30 days."
            </p>
            <p>
                "When you report a person, the operator learns who you report, which messages it is about, and what you write. \
                 The messages stay encrypted."
            </p>
        </section>
    }
}

#[component]
fn Verified() -> impl IntoView {
    view! {
        <section>
            <h2>"What is verified"</h2>
            <ul>
                <li>"Every message carries its sender's signature. A changed or forged one is shown as unreadable, with the reason."</li>
                <li>
                    "A handle belongs to a key because that key signed for it. Your browser checks this before the first \
                     message and then remembers the key."
                </li>
                <li>"If the key behind a handle changes, the conversation stops and asks you."</li>
                <li>"Messages are counted. If the server drops one, the next one shows the gap."</li>
            </ul>
            <p>
                "At first contact, your browser has to trust the server about which key belongs to whom. Once you have \
                 compared the safety number, under Verify in a conversation, it no longer has to."
            </p>
        </section>
    }
}

#[component]
fn Limits() -> impl IntoView {
    view! {
        <section>
            <h2>"Limits"</h2>
            <ul>
                <li>
                    "Messages that were sent the old way, before a conversation had keys that change, have no forward secrecy: \
                     anyone who gets your recovery phrase and the encrypted copies can read them."
                </li>
                <li>
                    "Keys that change cannot be restored. Your recovery phrase brings the messages of such conversations back \
                     only if you switch on \"Keep history for my recovery words\" in the settings. Anyone who gets the phrase and \
                     the encrypted copies can then read them. Without it only your browsers have them, so link a second one."
                </li>
                <li>
                    "A web app is loaded from its server each time. A malicious server could send you a modified app. \
                     If that is a risk for you, run your own server or a copy of the app that you have checked."
                </li>
                <li>
                    "Without a passphrase, anyone who can open this browser profile can open your messages. With one, they need \
                     the passphrase as well."
                </li>
                <li>"Nothing protects messages on a device that someone else controls."</li>
            </ul>
        </section>
    }
}
