//! Who belongs to a group: the group context extension 0xF0CE (docs/SPEC.md, section 15.2).
//!
//! ```text
//! struct { uint8 version = 1; uint8 kind /* 1 group, 2 direct, 3 self */; Member members<V>; } Policy;
//! struct { opaque root[32]; uint8 role /* 1 member, 2 admin */; } Member;     // ascending by root, each once
//! ```
//!
//! `<V>` is a vector with a variable-size length in bytes (RFC 9420, section 2.1.2). A policy has one encoding, so equal
//! policies are equal bytes.

use serde::{Deserialize, Serialize};

use super::header::{read_length, write_length};
use super::raw;
use crate::identity::Primary;

/// The extension's number, from the range for private use (RFC 9420, section 17.3).
pub const EXTENSION: u16 = 0xF0CE;
/// The most accounts of a group.
pub const MAX_ACCOUNTS: usize = 250;

const VERSION: u8 = 1;
const MEMBER_LENGTH: usize = 33;

/// What a group is for. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A group of people.
    Group,
    /// A conversation of two people.
    Direct,
    /// The devices of one account.
    Own,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// May write, and may add and remove its own devices.
    Member,
    /// May also change the policy, and add and remove devices of every account.
    Admin,
}

/// An account of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The root of its sigchain.
    #[serde(with = "raw")]
    pub root: Primary,
    /// Its role.
    pub role: Role,
}

/// A policy that keeps the rules of its kind. There is no other way to build one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Policy(Parts);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    kind: Kind,
    accounts: Vec<Account>,
}

/// Why a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// The bytes do not have the shape of a policy, or not its only encoding.
    #[error("the policy is malformed")]
    Malformed,
    /// Version, kind or a role is unknown.
    #[error("the policy is of a version, kind or role that this version does not know")]
    Unknown,
    /// The roots do not ascend, or one stands twice.
    #[error("the accounts of a policy ascend, each once")]
    Order,
    /// No account, or more than 250.
    #[error("a group has 1 to 250 accounts")]
    Count,
    /// A direct group is two admins, an own group one.
    #[error("the accounts do not fit the kind of group")]
    Kind,
}

impl Policy {
    /// A policy of these accounts, in any order.
    ///
    /// # Errors
    /// [`InvalidPolicy`] when an account stands twice, or count or roles do not fit the kind.
    pub fn new(kind: Kind, mut accounts: Vec<Account>) -> Result<Self, InvalidPolicy> {
        accounts.sort_unstable_by_key(|account| account.root);
        Self::try_from(Parts { kind, accounts })
    }

    /// Parses the extension's data.
    ///
    /// # Errors
    /// [`InvalidPolicy`] for anything but the one encoding of a valid policy.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPolicy> {
        let (&[version, kind], rest) = bytes.split_first_chunk().ok_or(InvalidPolicy::Malformed)?;
        if version != VERSION {
            return Err(InvalidPolicy::Unknown);
        }
        let kind = match kind {
            1 => Kind::Group,
            2 => Kind::Direct,
            3 => Kind::Own,
            _ => return Err(InvalidPolicy::Unknown),
        };
        let (length, members) = read_length(rest).ok_or(InvalidPolicy::Malformed)?;
        if members.len() != length || length % MEMBER_LENGTH != 0 {
            return Err(InvalidPolicy::Malformed);
        }
        let accounts = members.chunks_exact(MEMBER_LENGTH).map(Account::parse);
        Self::try_from(Parts { kind, accounts: accounts.collect::<Result<_, _>>()? })
    }

    /// The extension's data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.kind() {
            Kind::Group => 1,
            Kind::Direct => 2,
            Kind::Own => 3,
        };
        let mut bytes = vec![VERSION, kind];
        write_length(self.accounts().len() * MEMBER_LENGTH, &mut bytes);
        for account in self.accounts() {
            bytes.extend_from_slice(account.root.as_bytes());
            bytes.push(match account.role {
                Role::Member => 1,
                Role::Admin => 2,
            });
        }
        bytes
    }

    /// What the group is for.
    pub const fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The accounts, ascending by root.
    pub fn accounts(&self) -> &[Account] {
        &self.0.accounts
    }

    /// The role that the policy gives an account; `None` when it does not belong to the group.
    pub fn role(&self, root: &Primary) -> Option<Role> {
        let at = self.accounts().binary_search_by_key(root, |account| account.root).ok()?;
        self.accounts().get(at).map(|account| account.role)
    }

    /// Whether an account may act as an admin. Where the policy names no admin, every account may.
    pub fn is_admin(&self, root: &Primary) -> bool {
        match self.role(root) {
            Some(Role::Admin) => true,
            Some(Role::Member) => self.accounts().iter().all(|account| account.role == Role::Member),
            None => false,
        }
    }
}

impl Account {
    fn parse(bytes: &[u8]) -> Result<Self, InvalidPolicy> {
        let (root, role) = bytes.split_first_chunk().ok_or(InvalidPolicy::Malformed)?;
        let role = match role {
            [1] => Role::Member,
            [2] => Role::Admin,
            _ => return Err(InvalidPolicy::Unknown),
        };
        Ok(Self { root: Primary::from_bytes(*root), role })
    }
}

impl TryFrom<Parts> for Policy {
    type Error = InvalidPolicy;

    fn try_from(parts: Parts) -> Result<Self, InvalidPolicy> {
        let ascends = |pair: &[Account]| matches!(pair, [one, next] if one.root < next.root);
        if !parts.accounts.windows(2).all(ascends) {
            return Err(InvalidPolicy::Order);
        }
        if parts.accounts.is_empty() || parts.accounts.len() > MAX_ACCOUNTS {
            return Err(InvalidPolicy::Count);
        }
        let admins =
            |count| parts.accounts.len() == count && parts.accounts.iter().all(|one| one.role == Role::Admin);
        match parts.kind {
            Kind::Direct if !admins(2) => Err(InvalidPolicy::Kind),
            Kind::Own if !admins(1) => Err(InvalidPolicy::Kind),
            _ => Ok(Self(parts)),
        }
    }
}

impl From<Policy> for Parts {
    fn from(policy: Policy) -> Self {
        policy.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8, role: Role) -> Account {
        Account { root: Primary::from_bytes([byte; 32]), role }
    }

    #[test]
    fn a_policy_has_one_encoding() {
        let accounts = vec![account(9, Role::Member), account(4, Role::Admin)];
        let policy = Policy::new(Kind::Group, accounts).unwrap();
        let bytes = [[1, 1, 0x40, 66].as_slice(), &[4; 32], &[2], &[9; 32], &[1]].concat();
        assert_eq!(policy.to_bytes(), bytes);
        assert_eq!(Policy::parse(&bytes), Ok(policy.clone()));
        let posted = postcard::to_allocvec(&policy).unwrap();
        assert_eq!(postcard::from_bytes(&posted), Ok(policy));

        // The same length in four bytes, in the other order, with a byte more, and with one account twice.
        let long = [[1, 1, 0x80, 0, 0, 66].as_slice(), &bytes[4..]].concat();
        assert_eq!(Policy::parse(&long), Err(InvalidPolicy::Malformed));
        let turned = [&bytes[..4], &bytes[37..], &bytes[4..37]].concat();
        assert_eq!(Policy::parse(&turned), Err(InvalidPolicy::Order));
        assert_eq!(Policy::parse(&[&bytes[..], &[0]].concat()), Err(InvalidPolicy::Malformed));
        let twice = [&bytes[..4], &bytes[4..37], &bytes[4..37]].concat();
        assert_eq!(Policy::parse(&twice), Err(InvalidPolicy::Order));
    }

    #[test]
    fn unknown_versions_kinds_and_roles_are_refused() {
        let bytes = Policy::new(Kind::Own, vec![account(4, Role::Admin)]).unwrap().to_bytes();
        assert_eq!(bytes.len(), 36);
        for (at, value) in [(0, 0), (0, 2), (1, 0), (1, 4), (35, 0), (35, 3)] {
            let mut other = bytes.clone();
            other[at] = value;
            assert_eq!(Policy::parse(&other), Err(InvalidPolicy::Unknown), "{at}: {value}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Policy::parse(&bytes[..length]), Err(InvalidPolicy::Malformed), "{length}");
        }
    }

    #[test]
    fn a_kind_limits_the_accounts() {
        let accounts = |count: u8, role| (0..count).map(|byte| account(byte, role)).collect::<Vec<_>>();
        assert!(Policy::new(Kind::Group, accounts(250, Role::Member)).is_ok());
        assert_eq!(Policy::new(Kind::Group, accounts(251, Role::Member)), Err(InvalidPolicy::Count));
        assert_eq!(Policy::new(Kind::Group, vec![]), Err(InvalidPolicy::Count));
        assert!(Policy::new(Kind::Direct, accounts(2, Role::Admin)).is_ok());
        for other in [accounts(2, Role::Member), accounts(1, Role::Admin), accounts(3, Role::Admin)] {
            assert_eq!(Policy::new(Kind::Direct, other), Err(InvalidPolicy::Kind));
        }
        assert!(Policy::new(Kind::Own, accounts(1, Role::Admin)).is_ok());
        assert_eq!(Policy::new(Kind::Own, accounts(1, Role::Member)), Err(InvalidPolicy::Kind));
        assert_eq!(Policy::new(Kind::Own, accounts(2, Role::Admin)), Err(InvalidPolicy::Kind));
    }

    #[test]
    fn everyone_is_an_admin_where_none_is_left() {
        let [one, two, other] = [1, 2, 3].map(|byte| Primary::from_bytes([byte; 32]));
        let with = Policy::new(Kind::Group, vec![account(1, Role::Admin), account(2, Role::Member)]).unwrap();
        assert!(with.is_admin(&one) && !with.is_admin(&two) && !with.is_admin(&other));
        let none =
            Policy::new(Kind::Group, vec![account(1, Role::Member), account(2, Role::Member)]).unwrap();
        assert!(none.is_admin(&one) && none.is_admin(&two) && !none.is_admin(&other));
    }
}
