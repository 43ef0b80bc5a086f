//! Messages that will arrive soon: their signatures are being checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of expected messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Expectations(Arc<AtomicUsize>);

/// One expected message, until this is dropped. It is only a hint.
#[derive(Debug)]
#[must_use]
pub struct Expected(Option<Expectations>);

impl Expectations {
    pub(super) fn add(&self) -> Expected {
        self.0.fetch_add(1, Ordering::Relaxed);
        Expected(Some(self.clone()))
    }

    /// Whether any message is expected.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Expected {
    /// For stores where the hint makes no difference.
    pub(super) const NOBODY_WAITS: Self = Self(None);
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Some(Expectations(count)) = &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_expected_until_it_is_dropped() {
        let expectations = Expectations::default();
        let (first, second) = (expectations.add(), expectations.clone().add());
        drop(first);
        assert!(expectations.any());
        drop((second, Expected::NOBODY_WAITS));
        assert!(!expectations.any());
    }
}
