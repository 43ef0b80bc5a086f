//! Where the thread is scrolled to: it sticks to the bottom only when it is there, and stays where it is when older
//! messages come in above.

use kez_client::event::UiEvent;
use kez_client::view::MessageRow;
use leptos::{html, prelude::*};
use web_sys::HtmlElement;

use super::log::NEW_LINE_ID;
use crate::browser::on_resize;
use crate::reactive::effect;
use crate::session::{Session, use_session};

/// So close to the bottom counts as at the bottom, in CSS pixels.
const BOTTOM_MARGIN: i32 = 80;
/// So close to the top older messages are asked for, in CSS pixels.
const TOP_MARGIN: i32 = 600;

/// The scroll position of a thread. Browser only, but for its two signals.
#[derive(Clone, Copy)]
pub(super) struct Scroll {
    pub(super) at_bottom: RwSignal<bool>,
    /// How many messages came in below while one was further up.
    pub(super) behind: RwSignal<usize>,
    /// Where the log stood when it was last scrolled, in CSS pixels.
    top: StoredValue<i32>,
    /// Older messages were asked for: the first row then, and where it stood.
    anchor: StoredValue<Option<Anchor>>,
    node: NodeRef<html::Div>,
    handle: StoredValue<String>,
    session: Session,
}

#[derive(Clone)]
struct Anchor {
    row: String,
    top: f64,
}

/// The ends of the thread as they were last on screen.
#[derive(Clone, Default)]
struct Ends {
    first: Option<String>,
    last: Option<String>,
}

/// Keeps the scroll position of the log in `node` while the calling component is on the page.
pub(super) fn use_scroll(node: NodeRef<html::Div>, handle: String) -> Scroll {
    let scroll = Scroll {
        at_bottom: RwSignal::new(true),
        behind: RwSignal::new(0),
        top: StoredValue::new(0),
        anchor: StoredValue::new(None),
        node,
        handle: StoredValue::new(handle),
        session: use_session(),
    };
    Effect::new(move |ends: Option<Ends>| {
        let now = scroll.session.messages.with(|messages| Ends::of(messages));
        if let Some(log) = node.get() {
            scroll.follow(&log, ends, &now);
        }
        now
    });
    effect(move || {
        if let Some(log) = node.get() {
            on_resize(&log, move || scroll.stick());
        }
    });
    scroll
}

impl Scroll {
    /// The log was scrolled, by a person or by us. Only upwards leads away from the bottom: by the time that the event
    /// of our own way down comes, further rows may have moved the bottom on.
    pub(super) fn on_scroll(&self) {
        let Some(log) = self.node.get_untracked() else { return };
        let (was_at_bottom, top) = (self.at_bottom.get_untracked(), log.scroll_top());
        let upwards = top < self.top.get_value();
        self.top.set_value(top);
        let at_bottom = near_bottom(&log) || (was_at_bottom && !upwards);
        if at_bottom != was_at_bottom {
            self.at_bottom.set(at_bottom);
        }
        if at_bottom && self.behind.get_untracked() > 0 {
            self.behind.set(0);
        }
        self.want_older(&log);
    }

    /// "Jump to latest".
    pub(super) fn to_bottom(self) {
        if let Some(log) = self.node.get_untracked() {
            log.set_scroll_top(log.scroll_height());
        }
    }

    /// The room for the log has changed: the last message stays in sight if it was.
    fn stick(&self) {
        if self.at_bottom.try_get_untracked() == Some(true) {
            self.to_bottom();
        }
    }

    /// New rows are on the page. What depends on their size waits for the layout of this same frame.
    fn follow(self, log: &HtmlElement, before: Option<Ends>, now: &Ends) {
        let log = log.clone();
        let Some(before) = before else {
            return request_animation_frame(move || {
                place_first(&log);
                let _ = self.top.try_set_value(log.scroll_top());
                let _ = self.at_bottom.try_set(near_bottom(&log));
                self.want_older(&log);
            });
        };
        if before.first != now.first {
            request_animation_frame(move || self.hold_anchor());
        }
        if before.last != now.last && now.last.is_some() {
            let mine = self
                .session
                .messages
                .with_untracked(|messages| messages.last().is_some_and(|last| last.mine));
            if mine || self.at_bottom.get_untracked() {
                request_animation_frame(move || log.set_scroll_top(log.scroll_height()));
            } else {
                let arrived = self
                    .session
                    .messages
                    .with_untracked(|messages| arrived(messages, before.last.as_deref()));
                self.behind.update(|behind| *behind += arrived);
            }
        }
    }

    /// Asks for older messages when the top is near; afterwards keeps in mind where the first row stands.
    fn want_older(&self, log: &HtmlElement) {
        let pending =
            self.anchor.try_with_value(|anchor| anchor.as_ref().map(|anchor| anchor.row.clone())).flatten();
        let wanted = pending.is_none()
            && log.scroll_top() < TOP_MARGIN
            && self
                .session
                .thread
                .with_untracked(|thread| thread.as_ref().is_some_and(|thread| thread.has_older));
        let first =
            || self.session.messages.with_untracked(|messages| messages.first().map(|row| row.id.clone()));
        let Some(row) = pending.or_else(|| wanted.then(first).flatten()) else { return };
        self.anchor.try_set_value(top_of(&row).map(|top| Anchor { row, top }));
        if wanted {
            self.session.send(UiEvent::OlderWanted { handle: self.handle.get_value() });
        }
    }

    /// Older rows stand above the anchor now: scrolls by as much as they pushed it down.
    fn hold_anchor(&self) {
        let anchor = self.anchor.try_update_value(Option::take).flatten();
        if let (Some(anchor), Some(log)) = (anchor, self.node.try_get_untracked().flatten())
            && let Some(top) = top_of(&anchor.row)
        {
            log.set_scroll_top(log.scroll_top() + (top - anchor.top).round() as i32);
        }
    }
}

impl Ends {
    fn of(messages: &[MessageRow]) -> Self {
        let id = |row: &MessageRow| row.id.clone();
        Self { first: messages.first().map(id), last: messages.last().map(id) }
    }
}

/// How many messages stand below the one that was last.
fn arrived(messages: &[MessageRow], last: Option<&str>) -> usize {
    messages.iter().rev().take_while(|row| Some(row.id.as_str()) != last).count()
}

fn near_bottom(log: &HtmlElement) -> bool {
    log.scroll_height() - log.scroll_top() - log.client_height() <= BOTTOM_MARGIN
}

/// A thread opens at its end, or with the line "New messages" near the top.
fn place_first(log: &HtmlElement) {
    let top = document()
        .get_element_by_id(NEW_LINE_ID)
        .map(|line| line.get_bounding_client_rect().top() - log.get_bounding_client_rect().top());
    match top {
        Some(top) => log.set_scroll_top(log.scroll_top() + top as i32 - BOTTOM_MARGIN),
        None => log.set_scroll_top(log.scroll_height()),
    }
}

fn top_of(row: &str) -> Option<f64> {
    let element = document().get_element_by_id(&format!("m-{row}"))?;
    Some(element.get_bounding_client_rect().top())
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow};

    use super::{Ends, arrived};

    fn rows(ids: &[&str]) -> Vec<MessageRow> {
        let row = |id: &&str| MessageRow {
            id: (*id).to_owned(),
            mine: false,
            body: MessageBody::Malformed,
            state: DeliveryState::Received,
            at: 0,
            missing_before: 0,
            contradicts_chain: false,
            former_key: None,
            error: None,
        };
        ids.iter().map(row).collect()
    }

    #[test]
    fn what_arrived_stands_below_the_former_last() {
        assert_eq!(arrived(&rows(&["a", "b", "c"]), Some("a")), 2);
        assert_eq!(arrived(&rows(&["a"]), Some("a")), 0);
        assert_eq!(arrived(&rows(&["a", "b"]), None), 2);
    }

    #[test]
    fn the_ends_of_a_thread() {
        let ends = Ends::of(&rows(&["a", "b", "c"]));
        assert_eq!((ends.first.as_deref(), ends.last.as_deref()), (Some("a"), Some("c")));
    }
}
