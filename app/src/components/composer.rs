//! The composer: writes a message, and keeps the draft.

use std::time::Duration;

use kez_client::event::UiEvent;
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::{ev, html, prelude::*};

use crate::browser::has_real_keyboard;
use crate::components::field::ErrorText;
use crate::components::group::use_name;
use crate::components::icon::{Glyph, Icon};
use crate::components::keyboard::{COMPOSER_ID, is_composing};
use crate::reactive::effect;
use crate::session::{Session, use_session};
use crate::text::sentence;
use crate::ulid::new_ulid;

/// How long after the last keystroke the draft is reported.
const DRAFT_PAUSE: Duration = Duration::from_millis(400);
/// The maximum height of the field in lines.
const MAX_LINES: usize = 8;

/// Writes to `handle`. Enter sends, Shift+Enter starts a new line. Nothing is sent while an input method composes.
#[component]
pub(crate) fn Composer(handle: String) -> impl IntoView {
    let draft = Draft::new(handle.clone());
    let name = use_name(handle);
    draft.keep();
    let key_changed = draft.session.thread_part(|thread| thread.key_changed);
    let refused = Signal::derive(move || draft.refused.get().filter(|_| !draft.emptied.get()));
    let on_keydown = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() && !is_composing(&event) {
            event.prevent_default();
            draft.send();
        }
    };
    let on_submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        draft.send();
    };
    view! {
        <form class="composer" on:submit=on_submit>
            <ErrorText text=refused/>
            <div class="composer-line">
                <textarea
                    node_ref=draft.node
                    id=COMPOSER_ID
                    aria-label="Message"
                    placeholder=move || format!("Message {}", name.get())
                    rows=move || draft.lines.get().to_string()
                    dir="auto"
                    enterkeyhint="send"
                    disabled=move || key_changed.get()
                    on:input=move |_| draft.on_input()
                    on:blur=move |_| draft.report()
                    on:keydown=on_keydown
                ></textarea>
                <button type="submit" class="button-primary button-icon send" aria-label="Send" disabled=move || key_changed.get()>
                    <Icon of=Glyph::Send/>
                </button>
            </div>
        </form>
    }
}

/// The composer before the page reacts to input.
#[component]
pub(crate) fn ComposerSkeleton() -> impl IntoView {
    view! {
        <div class="composer">
            <div class="composer-line">
                <textarea aria-label="Message" aria-busy="true" rows="1" disabled=true></textarea>
                <button type="button" class="button-primary button-icon send" aria-label="Send" disabled=true>
                    <Icon of=Glyph::Send/>
                </button>
            </div>
        </div>
    }
}

/// The text in the composer. The field itself holds the text; this type reports it and clears it.
#[derive(Clone, Copy)]
struct Draft {
    session: Session,
    handle: StoredValue<String>,
    node: NodeRef<html::Textarea>,
    /// The text typed and not yet reported.
    unreported: StoredValue<Option<String>>,
    /// The text sent last. It is restored when the message is refused.
    sent: StoredValue<String>,
    /// Why the last message was refused; cleared once a message is accepted.
    refused: Memo<Option<String>>,
    timer: StoredValue<Option<TimeoutHandle>>,
    lines: RwSignal<usize>,
    /// Whether the text that was refused has been cleared.
    emptied: RwSignal<bool>,
}

impl Draft {
    fn new(handle: String) -> Self {
        let session = use_session();
        Self {
            session,
            refused: session.thread_part(|thread| thread.refused.as_ref().map(sentence)),
            handle: StoredValue::new(handle),
            node: NodeRef::new(),
            unreported: StoredValue::new(None),
            sent: StoredValue::new(String::new()),
            timer: StoredValue::new(None),
            lines: RwSignal::new(1),
            emptied: RwSignal::new(false),
        }
    }

    /// Loads the stored draft when the field appears, and reports the latest text when the field or the page goes away.
    fn keep(self) {
        effect(move || {
            if let Some(field) = self.node.get() {
                let kept = self
                    .session
                    .thread
                    .with_untracked(|thread| thread.as_ref().map(|thread| thread.draft.clone()));
                self.write(&kept.unwrap_or_default());
                if has_real_keyboard() {
                    let _ = field.focus();
                }
            }
        });
        let version = self.session.thread_part(|thread| thread.draft_version);
        let mut seen = None;
        effect(move || {
            let version = version.get();
            // A worker that has just become the leader counts from 0; that is not a change of the draft.
            if seen.replace(version).is_some_and(|seen| version > seen) {
                self.take_over();
            }
        });
        effect(move || {
            let listener = window_event_listener(ev::pagehide, move |_| self.report());
            on_cleanup(move || listener.remove());
        });
        effect(move || match self.refused.with(Option::is_some) {
            true => self.restore(),
            false => self.empty_if_sent(),
        });
        on_cleanup(move || self.report());
    }

    /// Another tab has changed or sent the draft. Takes over the new text, unless this tab has unreported input.
    fn take_over(self) {
        if self.unreported.with_value(Option::is_some) {
            return;
        }
        let kept =
            self.session.thread.with_untracked(|thread| thread.as_ref().map(|thread| thread.draft.clone()));
        self.write(&kept.unwrap_or_default());
    }

    fn text(&self) -> String {
        self.node.get_untracked().map(|field| field.value()).unwrap_or_default()
    }

    fn write(&self, text: &str) {
        if let Some(field) = self.node.get_untracked() {
            field.set_value(text);
        }
        self.lines.set(lines(text));
    }

    fn on_input(self) {
        let text = self.text();
        let lines = lines(&text);
        if lines != self.lines.get_untracked() {
            self.lines.set(lines);
        }
        self.emptied.set(text.is_empty());
        self.unreported.set_value(Some(text));
        self.stop_timer();
        self.timer.set_value(set_timeout_with_handle(move || self.report(), DRAFT_PAUSE).ok());
    }

    /// Reports the text typed since the last report, if any.
    fn report(&self) {
        self.stop_timer();
        if let (Some(Some(text)), Some(handle)) =
            (self.unreported.try_update_value(Option::take), self.handle.try_get_value())
        {
            self.session.send(UiEvent::DraftChanged { handle, text });
        }
    }

    fn stop_timer(&self) {
        if let Some(Some(timer)) = self.timer.try_update_value(Option::take) {
            timer.clear();
        }
    }

    /// Sends the text and clears the field at once. If the last message was refused, this one may be refused too; then
    /// the text stays until the message is accepted. The client clears the stored draft itself.
    fn send(&self) {
        let text = self.text();
        let Some(id) = new_ulid().filter(|_| !text.trim().is_empty()) else { return };
        self.stop_timer();
        self.unreported.set_value(None);
        if self.refused.with_untracked(Option::is_none) {
            self.write("");
        }
        self.emptied.set(false);
        self.sent.set_value(text.clone());
        self.session.send(UiEvent::SendPressed { handle: self.handle.get_value(), id, text });
    }

    /// The message was refused: restores its text, unless the user has begun another one.
    fn restore(self) {
        let sent = self.sent.try_update_value(std::mem::take).unwrap_or_default();
        if !sent.is_empty() && self.text().is_empty() {
            self.write(&sent);
            self.unreported.set_value(Some(sent));
        }
    }

    /// Clears the field when the message was accepted after an earlier refusal.
    fn empty_if_sent(self) {
        let sent = self.sent.try_update_value(std::mem::take).unwrap_or_default();
        if !sent.is_empty() && self.text() == sent {
            self.write("");
        }
    }
}

fn lines(text: &str) -> usize {
    (text.matches('\n').count() + 1).min(MAX_LINES)
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn the_field_grows_to_eight_lines() {
        assert_eq!(lines(""), 1);
        assert_eq!(lines("a\nb"), 2);
        assert_eq!(lines(&"\n".repeat(20)), 8);
    }
}
