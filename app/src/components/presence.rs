//! Tells the client what this tab shows, so that messages on screen count as read.

use kez_client::event::UiEvent;
use leptos::{ev, prelude::*};

use crate::browser::is_looked_at;
use crate::navigation::use_navigation;
use crate::reactive::{effect, memo};
use crate::session::use_session;

/// Reports which conversation is on screen and whether the tab is visible and focused, now and on every change.
#[component]
pub(crate) fn Presence() -> impl IntoView {
    let session = use_session();
    let who = use_who();
    let looked_at = RwSignal::new(false);
    effect(move || {
        looked_at.set(is_looked_at());
        let update = move || looked_at.set(is_looked_at());
        let listeners = [
            window_event_listener(ev::focus, move |_| update()),
            window_event_listener(ev::blur, move |_| update()),
            window_event_listener(ev::visibilitychange, move |_| update()),
            window_event_listener(ev::pageshow, move |_| update()),
        ];
        on_cleanup(move || listeners.into_iter().for_each(|listener| listener.remove()));
    });
    let looking = memo(move || (who.get(), looked_at.get()));
    effect(move || {
        let (at, visible) = looking.get();
        session.send(UiEvent::Looking { at, visible });
    });
}

/// The conversation in the URL: the part after `/messages/`.
pub(crate) fn use_who() -> Memo<Option<String>> {
    let path = use_navigation().path();
    memo(move || path.with(|path| who_in(path)))
}

fn who_in(path: &str) -> Option<String> {
    let who = path.strip_prefix("/messages/")?.trim_end_matches('/');
    // A handle contains nothing that needs escaping, except the `@` before a server name. Some programs that share
    // links escape it.
    (!who.is_empty()).then(|| who.replace("%40", "@"))
}

#[cfg(test)]
mod tests {
    use super::who_in;

    #[test]
    fn the_address_names_the_conversation() {
        assert_eq!(who_in("/messages/bob").as_deref(), Some("bob"));
        assert_eq!(who_in("/messages/bob%40kez.lat").as_deref(), Some("bob@kez.lat"));
        assert_eq!(who_in("/messages/"), None);
        assert_eq!(who_in("/messages"), None);
        assert_eq!(who_in("/settings"), None);
    }
}
