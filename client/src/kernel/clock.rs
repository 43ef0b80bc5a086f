//! The computer's clock, which can be wrong and can be changed at any moment.
//!
//! Timers use a steady clock that is never set back. Requests are signed with the server's time, taken from the `Date`
//! header of its answers, where the two clocks differ.

use crate::kernel::reason::Reason;

/// The difference between the clocks, in milliseconds, above which the server's clock is used. The server tolerates 60 s.
const TOLERATED: u64 = 20_000;
/// The largest difference, in milliseconds, up to which the server's clock is trusted: one day.
const FOLLOWED: u64 = 24 * 60 * 60 * 1000;

/// The state of the clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The latest time read.
    last: u64,
    /// By how much the computer's clock has been set back in total.
    put_back: u64,
    /// How far the server's clock is ahead of the computer's, in milliseconds, when the difference matters.
    ahead: i64,
    /// Whether the server's clock is too far off to be trusted.
    absurd: bool,
    /// Whether the user has been told since the clocks last agreed.
    told: bool,
}

impl Clock {
    /// The steady time of an event at this wall-clock time.
    pub(crate) fn steady(&mut self, wall: u64) -> u64 {
        self.put_back += self.last.saturating_sub(wall);
        self.last = wall;
        wall + self.put_back
    }

    /// The wall-clock time that corresponds to this steady time.
    pub(crate) const fn wall(&self, steady: u64) -> u64 {
        steady.saturating_sub(self.put_back)
    }

    /// The server's time at this wall-clock time.
    pub(crate) const fn at_server(&self, wall: u64) -> u64 {
        wall.saturating_add_signed(self.ahead)
    }

    /// Processes the date of a server answer. Returns what to tell the user, once.
    pub(crate) fn server_says(&mut self, date: u64, wall: u64) -> Option<Reason> {
        let (server, apart) = (date.saturating_mul(1000), wall.abs_diff(date.saturating_mul(1000)));
        self.absurd = apart > FOLLOWED;
        if apart <= TOLERATED || self.absurd {
            self.ahead = 0;
        } else {
            let apart = i64::try_from(apart).unwrap_or(0);
            self.ahead = if server > wall { apart } else { -apart };
        }
        let wrong = apart > TOLERATED;
        let news = wrong && !std::mem::replace(&mut self.told, wrong);
        self.told = wrong;
        let (seconds, ahead, followed) = (apart / 1000, server < wall, !self.absurd);
        news.then_some(Reason::ClockApart { seconds, ahead, followed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_374_000_000;

    #[test]
    fn steady_time_never_goes_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.steady(NOW), NOW);
        assert_eq!(clock.steady(NOW - 5_000), NOW);
        assert_eq!(clock.steady(NOW - 4_000), NOW + 1_000);
        assert_eq!(clock.wall(NOW + 1_000), NOW - 4_000);
        assert_eq!(clock.steady(NOW + 9_000), NOW + 14_000);
    }

    #[test]
    fn the_servers_clock_is_used_within_limits_and_reported_once() {
        let mut clock = Clock::default();
        assert_eq!(clock.server_says(NOW / 1000 + 5, NOW), None);
        assert_eq!(clock.at_server(NOW), NOW);
        let apart = |seconds, ahead, followed| Some(Reason::ClockApart { seconds, ahead, followed });
        assert_eq!(clock.server_says(NOW / 1000 + 180, NOW), apart(180, false, true));
        assert_eq!(clock.at_server(NOW), NOW + 180_000);
        assert_eq!(clock.server_says(NOW / 1000 + 181, NOW), None, "once");
        assert_eq!(clock.server_says(NOW / 1000, NOW), None);
        assert_eq!(clock.server_says(NOW / 1000 - 7_200, NOW), apart(7_200, true, true));
        assert_eq!(clock.at_server(NOW), NOW - 7_200_000);
        clock.server_says(NOW / 1000, NOW);
        assert_eq!(clock.server_says(NOW / 1000 + 30 * 86_400, NOW), apart(30 * 86_400, false, false));
        assert_eq!(clock.at_server(NOW), NOW, "not followed so far");
    }
}
