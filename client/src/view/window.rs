//! The part of a long conversation that a tab shows. The number of messages is bounded, so the cost of a thread does
//! not depend on its length.

use crate::kernel::tabs::Window;
use crate::messages::Conversation;

/// How many messages a thread shows at first, and the step by which the window moves.
const STEP: usize = 100;
/// The most messages that a thread shows.
const MOST: usize = 2 * STEP;
/// How many messages before the first unread one a thread shows.
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
    pub(crate) const OLDEST: Self = Self::From(0);

    /// A window with the message of this order, and a few before it.
    pub(crate) fn around(order: u64, conversation: &Conversation) -> Self {
        Self::starting_at(conversation.count_before(order).saturating_sub(CONTEXT), conversation)
    }

    /// The next window towards older messages.
    pub(crate) fn older(self, conversation: &Conversation) -> Self {
        Self::starting_at(self.extent(conversation).older.saturating_sub(STEP), conversation)
    }

    /// The next window towards newer messages.
    pub(crate) fn newer(self, conversation: &Conversation) -> Self {
        match self.extent(conversation) {
            Extent { newer: 0, .. } => self,
            extent => Self::starting_at(extent.older + STEP, conversation),
        }
    }

    /// The extent of this window.
    pub(crate) fn extent(self, conversation: &Conversation) -> Extent {
        let all = conversation.len();
        let latest = all.saturating_sub(STEP);
        let older = match self {
            Self::Latest => latest,
            Self::From(order) => conversation.count_before(order).min(latest),
        };
        let shown = (all - older).min(MOST);
        Extent { older, shown, newer: all - older - shown }
    }

    fn starting_at(older: usize, conversation: &Conversation) -> Self {
        if older + STEP >= conversation.len() {
            return Self::Latest;
        }
        conversation.order_at(older).map_or(Self::Latest, Self::From)
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

    fn lies(window: Window, conversation: &Conversation) -> (usize, usize, usize) {
        let Extent { older, shown, newer } = window.extent(conversation);
        (older, shown, newer)
    }

    #[test]
    fn a_short_conversation_is_shown_whole() {
        let short = of(80);
        for window in
            [Window::Latest, Window::OLDEST, Window::around(40, &short), Window::Latest.older(&short)]
        {
            assert_eq!(lies(window, &short), (0, 80, 0));
        }
        assert_eq!(lies(Window::Latest, &of(0)), (0, 0, 0));
    }

    #[test]
    fn a_window_moves_through_a_long_one_without_growing() {
        let long = of(1_000);
        let mut window = Window::Latest;
        let mut places = vec![lies(window, &long)];
        for _ in 0..10 {
            window = window.older(&long);
            places.push(lies(window, &long));
        }
        assert_eq!(places[..3], [(900, 100, 0), (800, 200, 0), (700, 200, 100)]);
        assert_eq!(places[9..], [(0, 200, 800), (0, 200, 800)]);
        for _ in 0..10 {
            window = window.newer(&long);
        }
        assert_eq!(lies(window, &long), (800, 200, 0));
    }

    #[test]
    fn what_comes_in_does_not_move_a_window_that_is_not_at_the_end() {
        let mut long = of(500);
        let window = Window::Latest.older(&long).older(&long);
        assert_eq!(lies(window, &long), (200, 200, 100));
        long.insert(501, StoredMessage::note(StoredBody::Malformed, 0));
        assert_eq!(lies(window, &long), (200, 200, 101));
    }

    #[test]
    fn the_first_unread_message_is_shown_whatever_follows_it() {
        let long = of(10_000);
        assert_eq!(lies(Window::around(5_001, &long), &long), (4_980, 200, 4_820));
        assert_eq!(lies(Window::around(9_990, &long), &long), (9_900, 100, 0));
        assert_eq!(lies(Window::around(1, &long), &long), (0, 200, 9_800));
    }
}
