//! The server side of a proof of work ([`kez_core::work`]): challenges that it can verify without storing them.
//!
//! A challenge is `<expiry>.<code>`: the expiry in Unix seconds, and an HMAC-SHA256 (RFC 2104) of expiry and
//! difficulty, cut to 16 bytes, under a key that all nodes of a server share. With special hardware, SHA-256 is cheaper
//! for a sender than a memory-hard function would be, but so is the check: one hash. With Argon2id, each forged answer
//! would cost the server 30 ms, which would enable a denial of service.

use hmac::{Hmac, KeyInit, Mac};
use kez_core::inbox_auth::canonical_number;
use kez_core::time::Timestamp;
use kez_core::work::{ALGORITHM, Work, WorkFor, WorkOffer};
use sha2::Sha256;

/// How long a challenge is valid, in seconds.
const LIFETIME: u64 = 600;
/// The number of bytes of the HMAC in a challenge.
const CODE_BYTES: usize = 16;

/// Issues challenges and checks the work.
pub struct WorkChallenges {
    keyed: Hmac<Sha256>,
    bits: u8,
}

impl WorkChallenges {
    /// Requires `bits` zero bits.
    pub fn new(key: [u8; 32], bits: u8) -> Self {
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(key) {
            *place = byte;
        }
        Self { keyed: Hmac::new(&block.into()), bits }
    }

    /// The challenge for a sender.
    pub fn offer(&self, now: Timestamp) -> WorkOffer {
        let expiry = now.unix() + LIFETIME;
        let code = self.code(expiry).finalize().into_bytes();
        let code: String = code.iter().take(CODE_BYTES).map(|byte| format!("{byte:02x}")).collect();
        WorkOffer {
            algorithm: ALGORITHM.to_owned(),
            challenge: format!("{expiry}.{code}"),
            bits: self.bits,
            expires_at: Timestamp::from_unix(expiry),
        }
    }

    /// Whether the work answers an unexpired challenge of this server with enough zero bits.
    pub fn accepts(&self, work: &Work, work_for: WorkFor<'_>, now: Timestamp) -> bool {
        self.is_own(work.challenge(), now) && work.bits(work_for) >= u32::from(self.bits)
    }

    fn is_own(&self, challenge: &str, now: Timestamp) -> bool {
        let Some((expiry, code)) = challenge.split_once('.') else { return false };
        let Some(expiry) = canonical_number(expiry).filter(|expiry| *expiry >= now.unix()) else {
            return false;
        };
        let Some(code) = unhex(code) else { return false };
        self.code(expiry).verify_truncated_left(&code).is_ok()
    }

    fn code(&self, expiry: u64) -> Hmac<Sha256> {
        self.keyed.clone().chain_update(format!("kez-work-v1\n{}\n{expiry}", self.bits))
    }
}

fn unhex(text: &str) -> Option<[u8; CODE_BYTES]> {
    let lower = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * CODE_BYTES || !text.bytes().all(lower) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use kez_core::handle::Handle;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_374_000);

    #[test]
    fn only_own_unexpired_challenges_are_accepted() {
        let challenges = WorkChallenges::new([7; 32], 4);
        let to: Handle = "bob".parse().unwrap();
        let work_for = WorkFor { to: &to, envelope: b"{}" };
        let offer = challenges.offer(NOW);
        let work = offer.solve(work_for);
        assert!(challenges.accepts(&work, work_for, NOW));
        assert!(challenges.accepts(&work, work_for, Timestamp::from_unix(NOW.unix() + 600)));
        assert!(!challenges.accepts(&work, work_for, Timestamp::from_unix(NOW.unix() + 601)));
        assert!(!WorkChallenges::new([8; 32], 4).accepts(&work, work_for, NOW), "another server's key");
        assert!(!WorkChallenges::new([7; 32], 3).accepts(&work, work_for, NOW), "another difficulty");
        let longer = offer.challenge.replace("17953", "27953");
        for challenge in
            [longer.as_str(), "1795374600", "1795374600.", ".00", "x.00", &format!("{}0", offer.challenge)]
        {
            let forged = WorkOffer { challenge: challenge.to_owned(), ..offer.clone() }.solve(work_for);
            assert!(!challenges.accepts(&forged, work_for, NOW), "{challenge}");
        }
    }

    #[test]
    fn insufficient_work_is_refused() {
        let challenges = WorkChallenges::new([7; 32], 24);
        let to: Handle = "bob".parse().unwrap();
        let work = WorkOffer { bits: 1, ..challenges.offer(NOW) }.solve(WorkFor { to: &to, envelope: b"{}" });
        assert!(!challenges.accepts(&work, WorkFor { to: &to, envelope: b"{}" }, NOW));
    }
}
