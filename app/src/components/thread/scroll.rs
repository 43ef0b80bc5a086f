//! The scroll position of the thread. At the end, the thread follows new messages. Anywhere else, the visible rows stay
//! in place while rows are added or removed above and below.

use kez_client::event::UiEvent;
use kez_client::view::{MessageRow, ThreadView};
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::log::NEW_LINE_ID;
use crate::browser::on_resize;
use crate::components::keyboard::focus;
use crate::reactive::effect;
use crate::session::{Session, use_session};

/// The distance from the bottom that still counts as the bottom, in CSS pixels.
const BOTTOM_MARGIN: i32 = 80;
/// The distance from either end of the loaded messages at which more are requested, in CSS pixels.
const EDGE_MARGIN: i32 = 600;
/// A thread opens with fewer rows, so that it opens fast, and then requests more until it has this many: the browser's
/// own search and screen readers find only what is on the page.
const ENOUGH_ROWS: usize = 70;

/// The scroll position of a thread. Browser only, except for its two signals.
#[derive(Clone, Copy)]
pub(super) struct Scroll {
    /// Whether the end of the conversation is on screen, or is being scrolled to.
    pub(super) at_bottom: RwSignal<bool>,
    /// How many messages arrived below while the user was further up.
    pub(super) behind: RwSignal<u64>,
    /// The length of the conversation, in messages, when its end was last on screen.
    seen: StoredValue<u64>,
    /// The scroll position of the log after the last scroll event, in CSS pixels.
    top: StoredValue<i32>,
    /// A row on screen, with its position before the rows changed.
    anchor: StoredValue<Option<Anchor>>,
    /// Whether the first position is set. Until then, `at_bottom` says nothing.
    is_placed: StoredValue<bool>,
    /// Whether other messages were requested and have not arrived yet.
    asked: StoredValue<bool>,
    node: NodeRef<html::Div>,
    handle: StoredValue<String>,
    session: Session,
}

#[derive(Clone)]
struct Anchor {
    element: String,
    top: f64,
}

/// The ends of the thread when they were last on screen.
#[derive(Clone, Default, PartialEq)]
struct Ends {
    first: Option<String>,
    last: Option<String>,
    /// Whether this user sent the last message.
    ends_with_mine: bool,
    /// The length of the whole conversation in messages.
    total: u64,
}

/// Manages the scroll position of the log in `node`, whose rows are in `rows`, while the calling component is on the
/// page.
pub(super) fn use_scroll(node: NodeRef<html::Div>, rows: NodeRef<html::Div>, handle: String) -> Scroll {
    let session = use_session();
    let scroll = Scroll {
        at_bottom: RwSignal::new(true),
        behind: RwSignal::new(0),
        seen: StoredValue::new(0),
        top: StoredValue::new(0),
        anchor: StoredValue::new(None),
        is_placed: StoredValue::new(false),
        asked: StoredValue::new(false),
        node,
        handle: StoredValue::new(handle.clone()),
        session,
    };
    Effect::new(move |ends: Option<Ends>| {
        let total = scroll.thread(|thread| thread.total);
        let now = scroll.session.messages.with(|messages| Ends::of(messages, total));
        if let Some(log) = node.get() {
            scroll.follow(&log, ends, &now);
        }
        now
    });
    let total = scroll.session.thread_part_of(&handle, |thread| thread.total);
    effect(move || scroll.count(total.get(), scroll.at_bottom.get()));
    let has_newer = scroll.session.thread_part_of(&handle, |thread| thread.has_newer);
    effect(move || {
        if has_newer.get() && scroll.at_bottom.get() && scroll.is_placed.get_value() && !scroll.is_jumping() {
            scroll.ask(UiEvent::LatestWanted { handle: handle.clone() });
        }
    });
    effect(move || {
        if let (Some(log), Some(rows)) = (node.get(), rows.get()) {
            on_resize(&log, move || scroll.stick());
            on_resize(&rows, move || scroll.stick());
            scroll.session.before_rows_change(move || scroll.remember());
        }
    });
    scroll
}

impl Scroll {
    /// Handles a scroll event, caused by the user or by us. Only scrolling up leaves the bottom: when we scroll down,
    /// further rows may have moved the bottom before the event arrives.
    pub(super) fn on_scroll(&self) {
        let Some(log) = self.node.get_untracked() else { return };
        let (was_at_bottom, top) = (self.at_bottom.get_untracked(), log.scroll_top());
        let upwards = top < self.top.get_value();
        self.top.set_value(top);
        let at_end = near_bottom(&log) && !self.thread(|thread| thread.has_newer) && !self.is_jumping();
        let at_bottom = at_end || (was_at_bottom && !upwards);
        if at_bottom != was_at_bottom {
            self.at_bottom.set(at_bottom);
        }
        self.want_more(&log);
    }

    /// Scrolls to the newest message. This ends a jump that is still under way.
    pub(super) fn to_latest(self) {
        if let Some(number) = self.thread(last_jump) {
            self.session.jumped.set(number);
        }
        self.at_bottom.set(true);
        if let Some(log) = self.node.get_untracked() {
            log.set_scroll_top(log.scroll_height());
        }
    }

    /// Scrolls to the first message.
    pub(super) fn to_oldest(self) {
        self.at_bottom.set(false);
        if self.thread(|thread| thread.has_older) {
            self.ask(UiEvent::OldestWanted { handle: self.handle.get_value() });
        }
        if let Some(log) = self.node.get_untracked() {
            log.set_scroll_top(0);
        }
    }

    /// Leaves the end for a jump. Returns `false` if this jump was already made. What was made is known for the whole
    /// page: the thread may have left the screen since, and a view from before may show it again.
    pub(super) fn leave_for_jump(self, number: u64) -> bool {
        let is_new = is_to_make(Some(number), self.session.jumped.get_untracked());
        if is_new && self.at_bottom.get_untracked() {
            self.at_bottom.set(false);
        }
        is_new
    }

    /// Whether the client has said where to go, and the log is not there yet.
    fn is_jumping(self) -> bool {
        is_to_make(self.thread(last_jump), self.session.jumped.get_untracked())
    }

    /// Scrolls to an element in the log and gives it the focus. It is centred; an element taller than the log is
    /// shown from its beginning.
    pub(super) fn jump(self, number: u64, element: &str) {
        let Some(log) = self.node.try_get_untracked().flatten() else { return };
        self.session.jumped.set(number);
        let Some(element) = document().get_element_by_id(element) else { return };
        focus(&element.id());
        let (place, frame) = (element.get_bounding_client_rect(), log.get_bounding_client_rect());
        let space_above = ((frame.height() - place.height()) / 2.0).max(0.0);
        log.set_scroll_top(log.scroll_top() + (place.top() - frame.top() - space_above) as i32);
        // The jump itself has moved the rows, so the remembered position no longer counts.
        self.anchor.set_value(None);
        self.top.set_value(log.scroll_top());
        self.at_bottom.set(near_bottom(&log) && !self.thread(|thread| thread.has_newer));
        self.want_more(&log);
    }

    /// Scrolls by almost a screenful.
    pub(super) fn by_page(self, down: bool) {
        if let Some(log) = self.node.get_untracked() {
            let page = log.client_height() * 9 / 10;
            log.set_scroll_top(log.scroll_top() + if down { page } else { -page });
        }
    }

    /// Handles a new size of the log or its rows: the last message stays visible if it was visible before.
    fn stick(&self) {
        if self.at_bottom.try_get_untracked() == Some(true) && !self.is_jumping() {
            self.to_latest();
        }
    }

    /// Handles new rows on the page. Work that depends on their size waits for the layout of this same frame.
    fn follow(self, log: &HtmlElement, before: Option<Ends>, now: &Ends) {
        let log = log.clone();
        let Some(before) = before else {
            return request_animation_frame(move || {
                place_first(&log);
                let _ = self.top.try_set_value(log.scroll_top());
                let at_end = near_bottom(&log) && !self.thread(|thread| thread.has_newer);
                let _ = self.at_bottom.try_set(at_end);
                self.is_placed.try_set_value(true);
                self.want_more(&log);
            });
        };
        if before != *now {
            self.asked.set_value(false);
        }
        if now.total > before.total && now.ends_with_mine && !self.thread(|thread| thread.has_newer) {
            self.at_bottom.set(true);
        }
        request_animation_frame(move || match self.at_bottom.try_get_untracked() {
            Some(true) => {
                log.set_scroll_top(log.scroll_height());
                self.want_more(&log);
            }
            // The jump scrolls, and then asks for what is near it.
            Some(false) if self.is_jumping() => {}
            Some(false) => {
                self.hold_anchor(&log);
                self.want_more(&log);
            }
            None => {}
        });
    }

    /// Counts the messages that arrived since the end was last on screen.
    fn count(&self, total: u64, at_bottom: bool) {
        if at_bottom {
            self.seen.set_value(total);
        }
        let behind = total.saturating_sub(self.seen.get_value());
        if behind != self.behind.get_untracked() {
            self.behind.set(behind);
        }
    }

    /// Requests more messages when an end of the loaded ones is near, or when there are few.
    fn want_more(&self, log: &HtmlElement) {
        let below = log.scroll_height() - log.scroll_top() - log.client_height();
        let (has_older, has_newer) = self.thread(|thread| (thread.has_older, thread.has_newer));
        let few = self.session.messages.with_untracked(Vec::len) < ENOUGH_ROWS;
        let handle = || self.handle.try_get_value().unwrap_or_default();
        if has_older && log.scroll_top() < EDGE_MARGIN {
            self.ask_unless_pending(UiEvent::OlderWanted { handle: handle() });
        } else if has_newer && (few || below < EDGE_MARGIN) {
            self.ask_unless_pending(UiEvent::NewerWanted { handle: handle() });
        } else if has_older && few {
            self.ask_unless_pending(UiEvent::OlderWanted { handle: handle() });
        }
    }

    /// Requests other messages, unless a request is pending.
    fn ask_unless_pending(&self, event: UiEvent) {
        if self.asked.try_get_value() == Some(false) {
            self.ask(event);
        }
    }

    fn ask(&self, event: UiEvent) {
        self.asked.set_value(true);
        self.session.send(event);
    }

    /// Called before the rows change: remembers the position of one of them.
    fn remember(&self) {
        let Some(log) = self.node.try_get_untracked().flatten() else { return };
        self.anchor.try_set_value(first_in_sight(&log));
    }

    /// Called after the rows have changed: scrolls by as much as the remembered row has moved.
    fn hold_anchor(&self, log: &HtmlElement) {
        let anchor = self.anchor.try_update_value(Option::take).flatten();
        if let Some(anchor) = anchor
            && let Some(top) = top_of(&anchor.element)
        {
            log.set_scroll_top(log.scroll_top() + (top - anchor.top).round() as i32);
        }
    }

    /// A part of the thread's view.
    fn thread<T: Default>(&self, part: impl Fn(&ThreadView) -> T) -> T {
        self.session.thread.with_untracked(|thread| thread.as_ref().map(part).unwrap_or_default())
    }
}

impl Ends {
    fn of(messages: &[MessageRow], total: u64) -> Self {
        let id = |row: &MessageRow| row.id.clone();
        Self {
            first: messages.first().map(id),
            last: messages.last().map(id),
            ends_with_mine: messages.last().is_some_and(|last| last.mine),
            total,
        }
    }
}

/// The number of the last jump in a thread.
fn last_jump(thread: &ThreadView) -> Option<u64> {
    thread.jump.as_ref().map(|(_, number)| *number)
}

/// Whether the client's last jump differs from the last one that the page made.
fn is_to_make(last: Option<u64>, made: u64) -> bool {
    last.is_some_and(|number| number != made)
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

/// The first message that is at least partly visible.
fn first_in_sight(log: &HtmlElement) -> Option<Anchor> {
    let edge = log.get_bounding_client_rect().top();
    let messages = log.query_selector_all("article").ok()?;
    (0..messages.length()).find_map(|at| {
        let message: web_sys::Element = messages.get(at)?.dyn_into().ok()?;
        let place = message.get_bounding_client_rect();
        (place.bottom() > edge).then(|| Anchor { element: message.id(), top: place.top() })
    })
}

fn top_of(element: &str) -> Option<f64> {
    Some(document().get_element_by_id(element)?.get_bounding_client_rect().top())
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow};

    use super::{Ends, is_to_make};

    #[test]
    fn a_jump_is_made_once() {
        assert!(is_to_make(Some(1), 0) && is_to_make(Some(9), 8));
        assert!(is_to_make(Some(7), 8), "the clock was set back");
        assert!(!is_to_make(Some(8), 8) && !is_to_make(None, 0));
    }

    #[test]
    fn the_ends_of_a_thread_are_found() {
        let row = |id: &str, mine| MessageRow {
            author: None,
            id: id.to_owned(),
            mine,
            body: MessageBody::Malformed,
            state: DeliveryState::Received,
            at: 0,
            missing_before: 0,
            contradicts_chain: false,
            cut: false,
            former_key: None,
            old_way: false,
            error: None,
            reactions: Vec::new(),
        };
        let ends = Ends::of(&[row("a", false), row("b", false), row("c", true)], 9);
        assert_eq!((ends.first.as_deref(), ends.last.as_deref()), (Some("a"), Some("c")));
        assert!(ends.ends_with_mine && ends.total == 9);
        assert!(Ends::of(&[], 0) == Ends::default());
    }
}
