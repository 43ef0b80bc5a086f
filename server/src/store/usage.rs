//! How much an inbox holds, and how much it may.

/// Where a message comes from, as its recipient sees it. The numbers stand in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From somebody whom the recipient has accepted, or from themselves.
    Known = 0,
    /// From anybody else.
    Other = 1,
    /// From somebody whom the recipient has blocked: stored, and never delivered.
    Blocked = 2,
}

/// The most that an inbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages.
    pub messages: u64,
    /// Bytes of envelopes.
    pub bytes: u64,
    /// Messages of other origin than [`Origin::Known`].
    pub from_others: u64,
    /// Bytes of those.
    pub others_bytes: u64,
}

/// What an inbox holds, or what is added to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of envelopes.
    pub bytes: u64,
    /// Messages of other origin than [`Origin::Known`].
    pub from_others: u64,
    /// Bytes of those.
    pub others_bytes: u64,
}

impl Usage {
    /// What a message with an envelope of so many bytes adds.
    pub(super) fn of(origin: Origin, length: usize) -> Self {
        let bytes = length as u64;
        match origin {
            Origin::Known => Self { messages: 1, bytes, from_others: 0, others_bytes: 0 },
            Origin::Other | Origin::Blocked => {
                Self { messages: 1, bytes, from_others: 1, others_bytes: bytes }
            }
        }
    }

    /// Both together.
    #[must_use]
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            bytes: self.bytes.saturating_add(other.bytes),
            from_others: self.from_others.saturating_add(other.from_others),
            others_bytes: self.others_bytes.saturating_add(other.others_bytes),
        }
    }

    /// Whether a message of this origin leaves the inbox within its quota. What others fill up is closed to others alone.
    pub(super) const fn fits(self, origin: Origin, quota: Quota) -> bool {
        let others_fit = self.from_others <= quota.from_others && self.others_bytes <= quota.others_bytes;
        self.messages <= quota.messages
            && self.bytes <= quota.bytes
            && (matches!(origin, Origin::Known) || others_fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_fill_their_share_and_no_more() {
        let quota = Quota { messages: 3, bytes: 100, from_others: 1, others_bytes: 10 };
        let one = Usage::of(Origin::Other, 10);
        assert!(one.fits(Origin::Other, quota));
        assert!(!Usage::of(Origin::Blocked, 11).fits(Origin::Blocked, quota), "bytes");
        assert!(!one.plus(one).fits(Origin::Other, quota), "messages");
        let with_known = one.plus(Usage::of(Origin::Known, 90));
        assert!(with_known.fits(Origin::Known, quota));
        assert!(!with_known.plus(Usage::of(Origin::Known, 1)).fits(Origin::Known, quota), "all bytes");
        let four = [Usage::of(Origin::Known, 0); 4].into_iter().fold(Usage::default(), Usage::plus);
        assert!(!four.fits(Origin::Known, quota), "all messages");
    }
}
