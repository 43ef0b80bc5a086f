//! Progress through a long backlog in the inbox.

use serde::{Deserialize, Serialize};

/// The number of positions from which progress is shown. A shorter backlog is read before the user notices.
const LONG: u64 = 500;

/// Progress through the inbox since the account was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchingUp {
    /// The number of messages received so far.
    pub done: u64,
    /// The total number of messages.
    pub total: u64,
}

/// The progress towards the end of the inbox.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CatchUp {
    /// Whether every item on the relay has been read.
    at_end: bool,
    /// The cursor at the start.
    from: Option<u64>,
    /// The last position that the relay has assigned, as far as we know. Blocked messages have positions too but are
    /// never delivered, so reading may end before it.
    to: u64,
}

impl CatchUp {
    /// Records that items after this cursor have arrived.
    pub(crate) fn reads_from(&mut self, cursor: u64) {
        if !self.at_end {
            self.from.get_or_insert(cursor);
        }
    }

    /// Records that the relay has assigned positions up to `last`.
    pub(crate) fn heard(&mut self, last: u64) {
        self.to = last.max(self.to);
    }

    /// Records that the end of the inbox was reached.
    pub(crate) const fn ended(&mut self) {
        (self.at_end, self.from) = (true, None);
    }

    /// Records that the connection was lost: more items may be waiting when it returns.
    pub(crate) const fn interrupted(&mut self) {
        self.at_end = false;
    }

    /// Records that the inbox is being read from its start, perhaps another inbox.
    pub(crate) fn begins_anew(&mut self) {
        *self = Self::default();
    }

    /// The progress to show on screen.
    pub(crate) fn view(&self, cursor: u64) -> Option<CatchingUp> {
        let from = self.from?;
        let total = self.to.saturating_sub(from);
        (total >= LONG).then(|| CatchingUp { done: cursor.saturating_sub(from).min(total), total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(catch_up: &CatchUp, cursor: u64) -> Option<(u64, u64)> {
        catch_up.view(cursor).map(|view| (view.done, view.total))
    }

    #[test]
    fn progress_counts_from_where_the_reading_began() {
        let mut catch_up = CatchUp::default();
        catch_up.reads_from(2_000);
        catch_up.reads_from(2_200);
        assert_eq!(shown(&catch_up, 2_400), None, "the end is not known yet");
        catch_up.heard(2_499);
        assert_eq!(shown(&catch_up, 2_400), None, "that is short");
        catch_up.heard(12_000);
        assert_eq!(shown(&catch_up, 3_200), Some((1_200, 10_000)));
        catch_up.heard(12_500);
        catch_up.heard(100);
        assert_eq!(shown(&catch_up, 3_200), Some((1_200, 10_500)), "further messages have arrived");
        assert_eq!(shown(&catch_up, u64::MAX), Some((10_500, 10_500)));
        catch_up.ended();
        assert_eq!(shown(&catch_up, 12_500), None);
    }

    #[test]
    fn positions_that_are_never_delivered_are_not_waited_for() {
        let mut catch_up = CatchUp::default();
        catch_up.ended();
        catch_up.heard(10_000);
        catch_up.reads_from(10);
        assert_eq!(shown(&catch_up, 10), None);
    }

    #[test]
    fn the_bar_does_not_go_back_when_the_connection_does() {
        let mut catch_up = CatchUp::default();
        catch_up.heard(10_000);
        catch_up.reads_from(0);
        catch_up.interrupted();
        catch_up.reads_from(1_000);
        assert_eq!(shown(&catch_up, 1_000), Some((1_000, 10_000)));
        catch_up.begins_anew();
        catch_up.reads_from(0);
        assert_eq!(shown(&catch_up, 0), None);
    }
}
