//! What an inbox holds and its limits: docs/SPEC.md, section 14.

use kez_core::identity::Primary;

/// The smallest tenth of the requests' share, unless the share is smaller still.
const LEAST_TENTH: Held = Held { messages: 10, bytes: 256 * 1024 };

/// The origin of a message, as its recipient sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From an account that the recipient has accepted, or from the recipient.
    Known,
    /// From any other sender: a message request.
    Request(Source),
    /// From a sender whom the recipient has blocked: stored, and never delivered.
    Blocked(Source),
}

/// The sender of a message request, as far as the server can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The key that the envelope names as its sender, if it names one.
    pub key: Option<Primary>,
    /// Whether the account of that key signed the request.
    pub signed: bool,
    /// The client network of the request.
    pub network: NetworkTag,
}

/// Sixteen bits of a keyed hash of a client network and an inbox: enough for counting, too little to identify an
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkTag(pub u16);

impl Origin {
    /// The number in the database.
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Known => 0,
            Self::Request(_) => 1,
            Self::Blocked(_) => 2,
        }
    }

    /// The source of a request, delivered or not.
    pub(super) const fn source(self) -> Option<Source> {
        match self {
            Self::Known => None,
            Self::Request(source) | Self::Blocked(source) => Some(source),
        }
    }

    /// Whether it is delivered to readers of the inbox.
    pub const fn is_delivered(self) -> bool {
        !matches!(self, Self::Blocked(_))
    }
}

/// A part of the requests' share that has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    /// All requests.
    All,
    /// The unsigned ones.
    Unsigned,
    /// Those of one network; signed ones count separately.
    Network {
        /// Whether they are signed.
        signed: bool,
        /// The network.
        tag: NetworkTag,
    },
    /// Those whose envelopes name the same key as their sender, or none.
    Key(Option<Primary>),
}

impl Source {
    /// The parts of the share that a request from this source belongs to.
    pub(super) fn parts(self) -> impl Iterator<Item = Part> {
        let unsigned = (!self.signed).then_some(Part::Unsigned);
        // The narrow ones first, so that a flood is refused before it displaces other senders' messages.
        [self.key_part(), self.network_part()].into_iter().chain(unsigned).chain([Part::All])
    }

    /// The part of its key.
    pub(super) const fn key_part(self) -> Part {
        Part::Key(self.key)
    }

    /// The part of its network.
    pub(super) const fn network_part(self) -> Part {
        Part::Network { signed: self.signed, tag: self.network }
    }

    /// The source with these two parts, if they are valid.
    pub(super) fn from_parts(key: &[u8], network: &[u8]) -> Option<Self> {
        match (Part::from_name(key)?, Part::from_name(network)?) {
            (Part::Key(key), Part::Network { signed, tag }) => Some(Self { key, signed, network: tag }),
            _ => None,
        }
    }
}

impl Part {
    /// Its name in the database.
    pub(super) fn name(self) -> Vec<u8> {
        match self {
            Self::All => Vec::new(),
            Self::Unsigned => vec![0],
            Self::Network { signed, tag: NetworkTag(tag) } => {
                let [high, low] = tag.to_be_bytes();
                vec![if signed { 2 } else { 1 }, high, low]
            }
            Self::Key(None) => vec![3],
            Self::Key(Some(key)) => key.as_bytes().to_vec(),
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        match *name {
            [] => Some(Self::All),
            [0] => Some(Self::Unsigned),
            [signed @ (1 | 2), high, low] => {
                let tag = NetworkTag(u16::from_be_bytes([high, low]));
                Some(Self::Network { signed: signed == 2, tag })
            }
            [3] => Some(Self::Key(None)),
            _ => Some(Self::Key(Some(Primary::from_bytes(name.try_into().ok()?)))),
        }
    }
}

/// The limits of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages that are not acknowledged.
    pub waiting: u64,
    /// Bytes of all envelopes.
    pub bytes: u64,
    /// Message requests.
    pub requests: Held,
}

impl Quota {
    /// The limit of a part of the requests' share.
    pub(super) fn of(self, part: Part) -> Held {
        let Held { messages, bytes } = self.requests;
        match part {
            Part::All => self.requests,
            Part::Unsigned => Held { messages: messages.div_ceil(2), bytes: bytes.div_ceil(2) },
            Part::Network { .. } | Part::Key(_) => Held {
                messages: (messages / 10).max(LEAST_TENTH.messages).min(messages),
                bytes: (bytes / 10).max(LEAST_TENTH.bytes).min(bytes),
            },
        }
    }
}

/// A number of messages, and the bytes of their envelopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Held {
    /// Plus one message of this many bytes.
    #[must_use]
    pub(super) const fn with(self, bytes: u64) -> Self {
        Self { messages: self.messages.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    /// Minus one message of this many bytes.
    #[must_use]
    pub(super) const fn without(self, bytes: u64) -> Self {
        Self { messages: self.messages.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }

    /// Whether neither number exceeds the limit.
    pub(super) const fn is_within(self, limit: Self) -> bool {
        self.messages <= limit.messages && self.bytes <= limit.bytes
    }
}

/// What an inbox holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All messages.
    pub held: Held,
    /// The number of unacknowledged messages.
    pub waiting: u64,
}

impl Usage {
    /// Plus one unacknowledged message of this many bytes.
    #[must_use]
    pub(super) const fn with(self, bytes: u64) -> Self {
        Self { held: self.held.with(bytes), waiting: self.waiting.saturating_add(1) }
    }

    /// Minus one acknowledged message of this many bytes.
    #[must_use]
    pub(super) const fn without(self, bytes: u64) -> Self {
        Self { held: self.held.without(bytes), ..self }
    }

    /// Whether an inbox may hold this much. Acknowledged messages count only toward the bytes.
    pub(super) const fn fits(self, quota: Quota) -> bool {
        self.waiting <= quota.waiting && self.held.bytes <= quota.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source { key: None, signed: false, network: NetworkTag(7) };

    fn quota(messages: u64, bytes: u64) -> Quota {
        Quota { waiting: 3, bytes: 100, requests: Held { messages, bytes } }
    }

    #[test]
    fn only_unacknowledged_items_count_as_messages() {
        let three = Usage::default().with(10).with(10).with(10);
        assert!(three.fits(quota(1, 1)));
        assert!(!three.with(0).fits(quota(1, 1)), "four wait");
        let acknowledged = Usage { waiting: 0, ..three };
        assert!(acknowledged.with(70).fits(quota(1, 1)));
        assert!(!acknowledged.with(71).fits(quota(1, 1)), "bytes count for ever");
        assert!(acknowledged.with(71).without(10).fits(quota(1, 1)));
    }

    #[test]
    fn every_part_of_the_share_has_its_limit() {
        let of = |part| quota(1000, 64 << 20).of(part);
        assert_eq!(of(Part::All), Held { messages: 1000, bytes: 64 << 20 });
        assert_eq!(of(Part::Unsigned), Held { messages: 500, bytes: 32 << 20 });
        assert_eq!(of(SOURCE.network_part()).messages, 100);
        assert_eq!(of(SOURCE.key_part()).messages, 100);
        let small = |part| quota(12, 300_000).of(part);
        assert_eq!(small(SOURCE.key_part()), Held { messages: 10, bytes: 256 * 1024 }, "a whole envelope");
        assert_eq!(quota(3, 50).of(SOURCE.key_part()), Held { messages: 3, bytes: 50 });
    }

    #[test]
    fn a_source_round_trips_through_its_parts() {
        let key = Some(Primary::from_bytes([9; 32]));
        for source in [SOURCE, Source { key, signed: true, network: NetworkTag(65_535) }] {
            let parts = [source.key_part(), source.network_part()].map(Part::name);
            assert_eq!(Source::from_parts(&parts[0], &parts[1]), Some(source));
        }
        assert_eq!(Source::from_parts(&[1, 0, 7], &[3]), None);
        assert_eq!(SOURCE.parts().count(), 4);
        assert_eq!(Source { signed: true, ..SOURCE }.parts().count(), 3);
    }
}
