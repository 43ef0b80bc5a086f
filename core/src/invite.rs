//! Invitations to a server with restricted registration: codes that its operator hands out.
//!
//! A code is 100 random bits in Crockford's base 32, written `K7QXM-2R9VD-WT4HB-N8ZPC`. Users may type it in lower
//! case, without hyphens, and with O, I and L for 0, 1 and 1. A server stores only the SHA-256 of the 20 characters;
//! 100 random bits need no slower hash.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::code::{Code, LENGTH};

/// The header that carries the invitation code of a registration.
pub const HEADER: &str = "X-KEZ-Invite";

/// An invitation code. Anyone who has it can use it.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteCode(Code);

/// The hash by which a server knows an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InviteHash([u8; 32]);

/// The text is not an invitation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invitation is 20 letters and digits, such as K7QXM-2R9VD-WT4HB-N8ZPC")]
pub struct InvalidInvite;

impl InviteCode {
    /// A new code.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self(Code::of_numbers(bytes.iter().copied()))
    }

    /// The hash that a server stores.
    pub fn hash(&self) -> InviteHash {
        InviteHash(Sha256::digest(self.0.characters()).into())
    }
}

impl InviteHash {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for InviteCode {
    type Err = InvalidInvite;

    fn from_str(text: &str) -> Result<Self, InvalidInvite> {
        Code::parse(text).map(Self).ok_or(InvalidInvite)
    }
}

impl fmt::Display for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_parses_in_any_spelling() {
        let code: InviteCode = "K7QXM-2R9VD-WT4HB-N8ZPC".parse().unwrap();
        for typed in ["k7qxm2r9vdwt4hbn8zpc", " K7QXM-2R9VD-WT4HB-N8ZPC\n", "K-7QXM2R9VDWT4HBN8ZPC"] {
            assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
        }
        let zeros: InviteCode = "00000-11111-00000-11111".parse().unwrap();
        assert_eq!("ooooo-iIlL1-OOOOO-11111".parse(), Ok(zeros));
        for bad in
            ["", "K7QXM", "K7QXM-2R9VD-WT4HB-N8ZPCC", "K7QXM-2R9VD-WT4HB-N8ZPU", "K7QXM 2R9VD WT4HB N8ZPC"]
        {
            assert_eq!(bad.parse::<InviteCode>(), Err(InvalidInvite), "{bad}");
        }
    }

    #[test]
    fn an_invitation_is_hidden_in_debug_output_and_round_trips() {
        let code: InviteCode = "K7QXM-2R9VD-WT4HB-N8ZPC".parse().unwrap();
        assert_eq!(format!("{code:?}"), "InviteCode(..)");
        assert_eq!(code.to_string(), "K7QXM-2R9VD-WT4HB-N8ZPC");
    }
}
