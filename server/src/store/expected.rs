//! Messages that are on their way: the signatures that they came with are being checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are expected.
#[derive(Clone, Debug, Default)]
pub(super) struct Expectations(Arc<AtomicUsize>);

/// One message that is expected, as long as this is not dropped. Nobody relies on it.
#[derive(Debug)]
#[must_use]
pub struct Expected(Option<Expectations>);

impl Expectations {
    pub(super) fn add(&self) -> Expected {
        self.0.fetch_add(1, Ordering::Relaxed);
        Expected(Some(self.clone()))
    }

    /// Whether there is one.
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Expected {
    /// Where it makes no difference.
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
