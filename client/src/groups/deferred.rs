//! Something that is to be done from some time on, as soon as the group allows it.

/// A time, until it has come; then the fact that it has. So a time that has come wakes the client once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deferred {
    at: Option<u64>,
    is_due: bool,
}

impl Deferred {
    /// It is to be done from this time on.
    pub(crate) const fn set(&mut self, at: u64) {
        *self = Self { at: Some(at), is_due: false };
    }

    /// It was done, or is not needed.
    pub(crate) const fn clear(&mut self) {
        *self = Self { at: None, is_due: false };
    }

    /// Takes notice of the time.
    pub(crate) fn advance(&mut self, now: u64) {
        self.is_due |= self.at.take_if(|at| *at <= now).is_some();
    }

    /// Whether its time has come.
    pub(crate) const fn is_due(&self) -> bool {
        self.is_due
    }

    /// Whether it is neither due nor planned.
    pub(crate) const fn is_unset(&self) -> bool {
        self.at.is_none() && !self.is_due
    }

    /// When the client must look again.
    pub(crate) const fn wake(&self) -> Option<u64> {
        self.at
    }
}
