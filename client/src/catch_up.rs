//! How far the inbox was read, while there is much to read.

use crate::view::CatchingUp;

/// From how many positions on progress is shown. Fewer are read before anyone looks.
const LONG: u64 = 500;

/// Reading towards the end of the inbox.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CatchUp {
    /// Everything that the relay had was read. Positions may lie behind it all the same: those of blocked messages.
    at_end: bool,
    /// Where the reading began and where it ends, when that is far apart.
    range: Option<(u64, u64)>,
}

impl CatchUp {
    /// The relay has given out positions up to `last`, and everything up to `cursor` was read.
    pub(crate) fn heard(&mut self, cursor: u64, last: u64) {
        if let Some((_, to)) = &mut self.range {
            *to = last.max(*to);
        } else if !self.at_end && last.saturating_sub(cursor) >= LONG {
            self.range = Some((cursor, last));
        }
    }

    /// There is nothing more to read.
    pub(crate) const fn ended(&mut self) {
        *self = Self { at_end: true, range: None };
    }

    /// The connection was lost: more may have come when it is back.
    pub(crate) const fn interrupted(&mut self) {
        self.at_end = false;
    }

    /// The inbox is read from its start.
    pub(crate) const fn begins_anew(&mut self) {
        *self = Self { at_end: false, range: None };
    }

    /// What the screen shows.
    pub(crate) fn view(&self, cursor: u64) -> Option<CatchingUp> {
        let (from, to) = self.range?;
        Some(CatchingUp { done: cursor.clamp(from, to) - from, total: to - from })
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
        catch_up.heard(2_000, 2_499);
        assert_eq!(shown(&catch_up, 2_000), None, "that is short");
        catch_up.heard(2_000, 12_000);
        assert_eq!(shown(&catch_up, 2_000), Some((0, 10_000)));
        assert_eq!(shown(&catch_up, 3_200), Some((1_200, 10_000)));
        catch_up.heard(3_200, 12_500);
        assert_eq!(shown(&catch_up, 3_200), Some((1_200, 10_500)), "more has come meanwhile");
        catch_up.heard(3_200, 100);
        assert_eq!(shown(&catch_up, u64::MAX), Some((10_500, 10_500)));
        catch_up.ended();
        assert_eq!(shown(&catch_up, 12_500), None);
    }

    #[test]
    fn positions_that_are_never_delivered_are_not_waited_for() {
        let mut catch_up = CatchUp::default();
        catch_up.ended();
        catch_up.heard(10, 10_000);
        assert_eq!(shown(&catch_up, 10), None);
        catch_up.interrupted();
        catch_up.heard(10, 10_000);
        assert_eq!(shown(&catch_up, 1_010), Some((1_000, 9_990)));
        catch_up.interrupted();
        catch_up.heard(1_010, 10_000);
        assert_eq!(shown(&catch_up, 1_010), Some((1_000, 9_990)), "the bar does not go back");
    }
}
