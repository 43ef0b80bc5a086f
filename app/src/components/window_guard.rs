//! Guards the whole window against losing the page by accident.

use leptos::{ev, prelude::*};

use kez_client::view::{AccountView, JoinStep};

use crate::reactive::effect;
use crate::session::{Session, use_session};

/// Stops a dropped file from replacing the page, and asks before a reload that would lose the words of a new account.
#[component]
pub(crate) fn WindowGuard() -> impl IntoView {
    let session = use_session();
    effect(move || {
        let listeners = [
            window_event_listener(ev::dragover, |event| ignore_files(&event)),
            window_event_listener(ev::drop, |event| ignore_files(&event)),
        ];
        on_cleanup(move || listeners.into_iter().for_each(|listener| listener.remove()));
    });
    effect(move || {
        let listener = window_event_listener(ev::beforeunload, move |event| {
            if has_words_to_lose(session) {
                event.prevent_default();
            }
        });
        on_cleanup(move || listener.remove());
    });
}

/// Without a drop target, the browser would open a dropped file in place of the page.
fn ignore_files(event: &ev::DragEvent) {
    let has_files = event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0));
    if has_files {
        event.prevent_default();
    }
}

/// Whether the words of an account that does not exist yet were shown. Reloading the page would generate new ones.
fn has_words_to_lose(session: Session) -> bool {
    session.account.with_untracked(|account| match account {
        AccountView::None { join, .. } => join.step != JoinStep::Handle && !join.busy,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use kez_client::view::{AccountView, JoinStep, JoinView, LinkView, RestoreView};
    use leptos::prelude::*;

    use super::has_words_to_lose;
    use crate::session::Session;

    #[test]
    fn a_phrase_can_be_lost_once_it_is_shown() {
        let owner = Owner::new();
        owner.set();
        let session = Session::idle();
        assert!(!has_words_to_lose(session));
        for (step, lost) in [
            (JoinStep::Handle, false),
            (JoinStep::Phrase { words: Vec::new() }, true),
            (JoinStep::Confirm { positions: vec![1] }, true),
            (JoinStep::Passphrase, true),
        ] {
            let (join, restore) = (JoinView { step, ..JoinView::default() }, RestoreView::default());
            let link = LinkView::default();
            session.account.set(AccountView::None { join, restore, link, lost: None });
            assert_eq!(has_words_to_lose(session), lost);
        }
    }
}
