//! The computer's clock, which can be wrong, and can be put right at any moment.
//!
//! What waits goes by a clock that is never put back. What is signed for the server goes by the server's clock, as the
//! `Date` of its answers tells it, where the two differ.

/// How far the clocks may differ, in milliseconds, before the server's counts: it allows requests 60 s.
const TOLERATED: u64 = 20_000;
/// How far the server's clock is followed, in milliseconds: one day.
const FOLLOWED: u64 = 24 * 60 * 60 * 1000;

/// What is known of the clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// The latest time that was read.
    last: u64,
    /// By how much the computer's clock was put back in all.
    put_back: u64,
    /// How far the server's clock is ahead of the computer's, in milliseconds, where that matters.
    ahead: i64,
    /// Whether the server's clock is so far off that it is not followed.
    absurd: bool,
    /// Whether the person was told since the clocks agreed last.
    told: bool,
}

impl Clock {
    /// The steady time of an event at this time of day.
    pub(crate) fn steady(&mut self, wall: u64) -> u64 {
        self.put_back += self.last.saturating_sub(wall);
        self.last = wall;
        wall + self.put_back
    }

    /// The time of day at which this steady time comes.
    pub(crate) const fn wall(&self, steady: u64) -> u64 {
        steady.saturating_sub(self.put_back)
    }

    /// The server's time at this time of day.
    pub(crate) const fn at_server(&self, wall: u64) -> u64 {
        wall.saturating_add_signed(self.ahead)
    }

    /// An answer of the server's was dated. Gives what the person is to be told, once.
    pub(crate) fn server_says(&mut self, date: u64, wall: u64) -> Option<String> {
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
        news.then(|| self.sentence(server < wall, apart))
    }

    fn sentence(self, computer_is_ahead: bool, apart: u64) -> String {
        let by = match apart / 1000 {
            seconds @ ..100 => format!("{seconds} seconds"),
            seconds @ ..7_200 => format!("{} minutes", (seconds + 30) / 60),
            seconds @ ..172_800 => format!("{} hours", (seconds + 1_800) / 3_600),
            seconds => format!("{} days", (seconds + 43_200) / 86_400),
        };
        let how = if computer_is_ahead { "ahead of" } else { "behind" };
        let then = if self.absurd {
            "Set it: until then messages can be neither sent nor received."
        } else {
            "KEZ Chat goes by the server's clock until this one is right."
        };
        format!("This computer's clock is {by} {how} the server's. {then}")
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
    fn the_servers_clock_counts_within_limits_and_is_spoken_of_once() {
        let mut clock = Clock::default();
        assert_eq!(clock.server_says(NOW / 1000 + 5, NOW), None);
        assert_eq!(clock.at_server(NOW), NOW);
        let said = clock.server_says(NOW / 1000 + 180, NOW).unwrap();
        assert!(said.contains("3 minutes behind"), "{said}");
        assert_eq!(clock.at_server(NOW), NOW + 180_000);
        assert_eq!(clock.server_says(NOW / 1000 + 181, NOW), None, "once");
        assert_eq!(clock.server_says(NOW / 1000, NOW), None);
        assert!(clock.server_says(NOW / 1000 - 7_200, NOW).unwrap().contains("2 hours ahead"));
        assert_eq!(clock.at_server(NOW), NOW - 7_200_000);
        clock.server_says(NOW / 1000, NOW);
        let said = clock.server_says(NOW / 1000 + 30 * 86_400, NOW).unwrap();
        assert!(said.contains("30 days behind") && said.contains("Set it"), "{said}");
        assert_eq!(clock.at_server(NOW), NOW, "not followed so far");
    }
}
