//! The part of a long conversation that a tab shows. The number of messages is bounded, so the cost of a thread does
//! not depend on its length.

use crate::kernel::tabs::Window;
use crate::messages::Conversation;

/// How many messages a thread shows when it is opened at its end. A tall screen requests more at once.
const FIRST: usize = 24;
/// The number of messages by which a window grows, and then moves.
const STEP: usize = 50;
/// The most messages that a thread shows.
const MOST: usize = 200;
/// How many messages before the first unread one, or before the target of a jump, a thread shows.
const CONTEXT: usize = 20;

/// The extent of a window in a conversation, as numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Messages before the window.
    pub(crate) older: usize,
    /// Messages in the window.
    pub(crate) shown: usize,
    /// Messages after the window.
    pub(crate) newer: usize,
}

impl Window {
    /// The first messages of a conversation.
    pub(crate) const OLDEST: Self = Self::From { order: 0, most: STEP };

    /// The window with which a conversation opens: at the first unread message, or at the end.
    pub(crate) fn opening(conversation: &Conversation) -> Self {
        conversation.first_unread().map_or(Self::Latest, |order| Self::around(order, conversation))
    }

    /// A window with the message of this order, and a few before it.
    pub(crate) fn around(order: u64, conversation: &Conversation) -> Self {
        let older = conversation.count_before(order).saturating_sub(CONTEXT);
        Self::starting_at(older, CONTEXT + FIRST, conversation)
    }

    /// The next window towards older messages.
    pub(crate) fn older(self, conversation: &Conversation) -> Self {
        let Extent { older, shown, .. } = self.extent(conversation);
        let step = older.min(STEP);
        Self::starting_at(older - step, shown + step, conversation)
    }

    /// The next window towards newer messages.
    pub(crate) fn newer(self, conversation: &Conversation) -> Self {
        match self.extent(conversation) {
            Extent { newer: 0, .. } => self,
            Extent { older, shown, newer } => {
                let shown = shown + newer.min(STEP);
                Self::starting_at(older + shown.saturating_sub(MOST), shown, conversation)
            }
        }
    }

    /// The extent of this window.
    pub(crate) fn extent(self, conversation: &Conversation) -> Extent {
        let all = conversation.len();
        let latest = all.saturating_sub(FIRST);
        let (older, most) = match self {
            Self::Latest => (latest, FIRST),
            Self::From { order, most } => (conversation.count_before(order).min(latest), most),
        };
        let shown = (all - older).min(most);
        Extent { older, shown, newer: all - older - shown }
    }

    /// A window with `shown` messages after the first `older` ones. If it reaches the end, it grows with the
    /// conversation.
    fn starting_at(older: usize, shown: usize, conversation: &Conversation) -> Self {
        let all = conversation.len();
        if older + FIRST >= all {
            return Self::Latest;
        }
        let most = if older + shown >= all { MOST } else { shown.min(MOST) };
        conversation.order_at(older).map_or(Self::Latest, |order| Self::From { order, most })
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, Window};
    use crate::kernel::place::Slot;
    use crate::messages::{Conversation, StoredBody, StoredMessage};

    fn of(length: u64) -> Conversation {
        let mut conversation = Conversation::new(Slot(1));
        for order in 1..=length {
            conversation.insert(order, StoredMessage::note(StoredBody::Malformed, 0));
        }
        conversation
    }

    fn extent_of(window: Window, conversation: &Conversation) -> (usize, usize, usize) {
        let Extent { older, shown, newer } = window.extent(conversation);
        (older, shown, newer)
    }

    #[test]
    fn a_short_conversation_is_shown_whole() {
        let short = of(24);
        for window in
            [Window::Latest, Window::OLDEST, Window::around(20, &short), Window::Latest.older(&short)]
        {
            assert_eq!(extent_of(window, &short), (0, 24, 0));
        }
        assert_eq!(extent_of(Window::Latest, &of(0)), (0, 0, 0));
    }

    #[test]
    fn a_window_grows_and_then_moves_through_a_long_one() {
        let long = of(1_000);
        let mut window = Window::Latest;
        let mut places = vec![extent_of(window, &long)];
        for _ in 0..20 {
            window = window.older(&long);
            places.push(extent_of(window, &long));
        }
        assert_eq!(places[..3], [(976, 24, 0), (926, 74, 0), (876, 124, 0)]);
        assert_eq!(places[3..6], [(826, 174, 0), (776, 200, 24), (726, 200, 74)]);
        assert_eq!(places[20], (0, 200, 800));
        for _ in 0..20 {
            window = window.newer(&long);
        }
        assert_eq!(extent_of(window, &long), (800, 200, 0));
    }

    #[test]
    fn a_window_at_the_end_grows_with_the_conversation() {
        let mut long = of(500);
        let window = Window::Latest.older(&long);
        assert_eq!(extent_of(window, &long), (426, 74, 0));
        for order in 501..=640 {
            long.insert(order, StoredMessage::note(StoredBody::Malformed, 0));
        }
        assert_eq!(extent_of(window, &long), (426, 200, 14));
    }

    #[test]
    fn new_messages_do_not_move_a_window_that_is_not_at_the_end() {
        let mut long = of(500);
        let window = Window::OLDEST.newer(&long);
        assert_eq!(extent_of(window, &long), (0, 100, 400));
        long.insert(501, StoredMessage::note(StoredBody::Malformed, 0));
        assert_eq!(extent_of(window, &long), (0, 100, 401));
    }

    #[test]
    fn the_first_unread_message_is_shown_whatever_follows_it() {
        let long = of(10_000);
        assert_eq!(extent_of(Window::around(5_001, &long), &long), (4_980, 44, 4_976));
        assert_eq!(extent_of(Window::around(9_990, &long), &long), (9_969, 31, 0));
        assert_eq!(extent_of(Window::around(9_980, &long), &long), (9_959, 41, 0));
        assert_eq!(extent_of(Window::around(1, &long), &long), (0, 44, 9_956));
    }
}
