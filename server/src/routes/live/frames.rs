//! Limits the number of frames from a client that the server does not send on as messages: each may cause an answer,
//! which waits in memory until the client reads it.

use std::time::Duration;

use axum::extract::ws::close_code;
use tokio::time::Instant;

use super::end::End;

/// The number of frames that a client may send at once. A browser sends its hello, and a pong for each ping.
const BURST: u32 = 30;
/// The time after which the client may send one more.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts a client's frames.
pub(super) struct FrameMeter {
    /// The number of frames allowed until one period after `since`, when one more is added.
    left: u32,
    since: Instant,
}

impl FrameMeter {
    pub(super) fn new() -> Self {
        Self { left: BURST, since: Instant::now() }
    }

    /// Counts a frame.
    ///
    /// # Errors
    /// When there were too many frames.
    pub(super) fn take(&mut self) -> Result<(), End> {
        let periods = self.since.elapsed().as_secs() / PERIOD.as_secs();
        self.since += PERIOD * u32::try_from(periods).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(u32::try_from(periods).unwrap_or(u32::MAX)).min(BURST);
        self.left = self.left.checked_sub(1).ok_or(End::Close(close_code::POLICY, "too many frames"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn frames_are_limited_to_a_burst_and_then_one_a_second() {
        let mut meter = FrameMeter::new();
        for _ in 0..BURST {
            assert!(meter.take().is_ok());
        }
        assert!(meter.take().is_err());
        tokio::time::advance(Duration::from_millis(2_500)).await;
        assert!(meter.take().is_ok() && meter.take().is_ok());
        assert!(meter.take().is_err());
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        for _ in 0..BURST {
            assert!(meter.take().is_ok());
        }
        assert!(meter.take().is_err());
    }
}
