//! The beginning of an MLS message that stands in a log: enough to place it, without an engine (RFC 9420, section 6).
//!
//! ```text
//! uint16 version = 1; uint16 wire_format;                               // 1 PublicMessage, 2 PrivateMessage
//! private:  opaque group_id<V>; uint64 epoch; uint8 content_type; opaque authenticated_data<V>; ...
//! public:   opaque group_id<V>; uint64 epoch; Sender sender; opaque authenticated_data<V>; uint8 content_type; ...
//! ```
//!
//! A message is a private message with application content; a commit is a public message. Neither has authenticated data.

use super::GroupId;

/// What the beginning of a message says. Nothing of it is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The group.
    pub gid: GroupId,
    /// The epoch in which it was made.
    pub epoch: u64,
    /// What it is.
    pub content: Content,
}

/// What a log may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An encrypted message.
    Message,
    /// A commit by the leaf with this index.
    Commit {
        /// The index of the committer's leaf.
        leaf: u32,
    },
    /// A commit by a device that joins by it (RFC 9420, section 12.4.3.2).
    ExternalCommit,
}

/// The bytes do not begin like a message that a log may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// They end too early, or a length is not in its shortest form.
    #[error("the MLS message is malformed")]
    Malformed,
    /// They are of a protocol version, wire format, sender or content that the profile does not use.
    #[error("a log holds no MLS message of this kind")]
    Unsupported,
    /// The message has authenticated data.
    #[error("the MLS message has authenticated data")]
    AuthenticatedData,
}

const VERSION: u16 = 1;
const PUBLIC: u16 = 1;
const PRIVATE: u16 = 2;
const APPLICATION: u8 = 1;
const COMMIT: u8 = 3;
const SENDER_MEMBER: u8 = 1;
const SENDER_NEW_MEMBER_COMMIT: u8 = 4;

impl Header {
    /// Reads the beginning of an `MLSMessage`.
    ///
    /// # Errors
    /// [`InvalidHeader`] when a log may not hold such a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidHeader> {
        let mut reader = Reader(bytes);
        if u16::from_be_bytes(reader.take()?) != VERSION {
            return Err(InvalidHeader::Unsupported);
        }
        let wire = u16::from_be_bytes(reader.take()?);
        if wire != PUBLIC && wire != PRIVATE {
            return Err(InvalidHeader::Unsupported);
        }
        let gid = reader.vector()?.try_into().map_err(|_| InvalidHeader::Unsupported)?;
        let epoch = u64::from_be_bytes(reader.take()?);
        let content = if wire == PRIVATE {
            reader.expect(APPLICATION)?;
            Content::Message
        } else {
            reader.committer()?
        };
        if !reader.vector()?.is_empty() {
            return Err(InvalidHeader::AuthenticatedData);
        }
        if wire == PUBLIC {
            reader.expect(COMMIT)?;
        }
        Ok(Self { gid: GroupId::from_bytes(gid), epoch, content })
    }

    /// Whether it is a commit.
    pub const fn is_commit(&self) -> bool {
        !matches!(self.content, Content::Message)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], InvalidHeader> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(InvalidHeader::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn vector(&mut self) -> Result<&'a [u8], InvalidHeader> {
        let (length, rest) = read_length(self.0).ok_or(InvalidHeader::Malformed)?;
        let (vector, rest) = rest.split_at_checked(length).ok_or(InvalidHeader::Malformed)?;
        self.0 = rest;
        Ok(vector)
    }

    fn expect(&mut self, content: u8) -> Result<(), InvalidHeader> {
        let [found] = self.take()?;
        if found == content { Ok(()) } else { Err(InvalidHeader::Unsupported) }
    }

    fn committer(&mut self) -> Result<Content, InvalidHeader> {
        match self.take()? {
            [SENDER_MEMBER] => Ok(Content::Commit { leaf: u32::from_be_bytes(self.take()?) }),
            [SENDER_NEW_MEMBER_COMMIT] => Ok(Content::ExternalCommit),
            _ => Err(InvalidHeader::Unsupported),
        }
    }
}

/// Reads the length of a vector in its shortest form, and returns the rest (RFC 9420, section 2.1.2).
pub(super) fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let first = *bytes.first()?;
    let size = 1_usize << (first >> 6);
    let (length, rest) = bytes.split_at_checked(size)?;
    let length =
        length.iter().skip(1).fold(usize::from(first & 0x3f), |sum, byte| sum << 8 | usize::from(*byte));
    let shortest = match size {
        1 => true,
        2 => length >= 1 << 6,
        4 => length >= 1 << 14,
        _ => false,
    };
    shortest.then_some((length, rest))
}

/// Writes the length of a vector below 2^30 in its shortest form.
pub(super) fn write_length(length: usize, to: &mut Vec<u8>) {
    let [.., third, second, first] = (length as u64).to_be_bytes();
    match length {
        0..0x40 => to.push(first),
        0x40..0x4000 => to.extend([0x40 | second, first]),
        _ => to.extend([0x80 | (length >> 24) as u8, third, second, first]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> Vec<u8> {
        [[0, 1, 0, 2, 16].as_slice(), &[7; 16], &[0, 0, 0, 0, 0, 0, 1, 2], &[1, 0], &[9; 5]].concat()
    }

    fn public(sender: &[u8]) -> Vec<u8> {
        [[0, 1, 0, 1, 16].as_slice(), &[7; 16], &[0, 0, 0, 0, 0, 0, 1, 2], sender, &[0, 3], &[9; 5]].concat()
    }

    #[test]
    fn the_beginning_of_a_message_names_group_epoch_and_kind() {
        let gid = GroupId::from_bytes([7; 16]);
        let message = Header { gid, epoch: 258, content: Content::Message };
        assert_eq!(Header::parse(&private()), Ok(message));
        let commit = Header { content: Content::Commit { leaf: 5 }, ..message };
        assert_eq!(Header::parse(&public(&[1, 0, 0, 0, 5])), Ok(commit));
        let external = Header { content: Content::ExternalCommit, ..message };
        assert_eq!(Header::parse(&public(&[4])), Ok(external));
    }

    #[test]
    fn other_messages_are_no_items_of_a_log() {
        use InvalidHeader::{AuthenticatedData, Malformed, Unsupported};
        let change = |mut bytes: Vec<u8>, at: usize, value: u8| {
            bytes[at] = value;
            Header::parse(&bytes)
        };
        let commit = || public(&[1, 0, 0, 0, 5]);
        for (at, value, error) in [
            (1, 2, Unsupported), // another version
            (3, 3, Unsupported), // a Welcome
            (3, 0, Unsupported),
            (4, 15, Unsupported), // a shorter group id
            (29, 2, Unsupported), // an encrypted proposal
            (29, 3, Unsupported), // an encrypted commit
            (30, 1, AuthenticatedData),
            (4, 0x40, Malformed), // its length in two bytes
        ] {
            assert_eq!(change(private(), at, value), Err(error), "{at}: {value}");
        }
        for (at, value, error) in [
            (29, 2, Unsupported), // an external sender
            (29, 3, Unsupported),
            (34, 1, AuthenticatedData),
            (35, 1, Unsupported), // a public application message
            (35, 2, Unsupported), // a proposal
        ] {
            assert_eq!(change(commit(), at, value), Err(error), "{at}: {value}");
        }
        for length in 0..31 {
            assert_eq!(Header::parse(&private()[..length]), Err(Malformed), "{length}");
        }
    }

    #[test]
    fn a_length_has_one_form() {
        for length in [0, 1, 63, 64, 16_383, 16_384, (1 << 30) - 1] {
            let mut bytes = Vec::new();
            write_length(length, &mut bytes);
            assert_eq!(read_length(&bytes), Some((length, [].as_slice())), "{length}");
        }
        for long in
            [[0x40, 63].as_slice(), &[0x80, 0, 0x3f, 0xff], &[0xc0, 0, 0, 0, 0, 0, 0, 0], &[0x40], &[]]
        {
            assert_eq!(read_length(long), None, "{long:?}");
        }
    }
}
