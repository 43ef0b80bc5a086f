//! Proof of work: lets an unaccepted sender keep sending once its network's allowance is used up.
//!
//! The refusal (429 `rate_limited`) offers a [`WorkOffer`]. The sender looks for a number `counter` such that
//!
//! ```text
//! SHA-256("kez-work-v1\n" challenge "\n" to "\n" hex(SHA-256(envelope's bytes)) "\n" counter)
//! ```
//!
//! begins with `bits` zero bits, and sends the message again with the header `X-KEZ-Work: <challenge>:<counter>`. The
//! work is bound to the recipient and to the exact bytes of the envelope, which an inbox stores only once. So a
//! solution cannot be spent twice, and the server need not remember spent solutions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::handle::Handle;
use crate::hex;
use crate::inbox_auth::canonical_number;
use crate::time::Timestamp;

/// The header's name.
pub const HEADER: &str = "X-KEZ-Work";

/// The only algorithm in this version: [`WorkOffer::algorithm`].
pub const ALGORITHM: &str = "kez-work-v1-sha256";

/// The longest challenge, in characters.
const MAX_CHALLENGE: usize = 128;

/// The work that a server asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkOffer {
    /// [`ALGORITHM`]; a client that does not know the algorithm waits for `Retry-After`.
    pub algorithm: String,
    /// The challenge, to be returned unchanged: letters, digits and full stops.
    pub challenge: String,
    /// The number of leading zero bits that the hash must have. Each bit doubles the work.
    pub bits: u8,
    /// When the challenge expires.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
}

/// The message that the work is bound to.
#[derive(Clone, Copy, Debug)]
pub struct WorkFor<'a> {
    /// The recipient.
    pub to: &'a Handle,
    /// The envelope's bytes as posted.
    pub envelope: &'a [u8],
}

/// The parsed value of the header `X-KEZ-Work`; [`Work::bits`] says what it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    challenge: String,
    counter: u64,
}

/// The text is not `<challenge>:<counter>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the X-KEZ-Work header looks like <challenge>:<counter>")]
pub struct MalformedWork;

impl WorkOffer {
    /// Does the work: 2^`bits` hashes on average.
    pub fn solve(&self, work_for: WorkFor<'_>) -> Work {
        let mut work = Work { challenge: self.challenge.clone(), counter: 0 };
        let start = work.start(work_for);
        while leading_zeros(&start, work.counter) < u32::from(self.bits) {
            work.counter += 1;
        }
        work
    }
}

impl Work {
    /// The returned challenge.
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// The number of leading zero bits of the hash.
    pub fn bits(&self, work_for: WorkFor<'_>) -> u32 {
        leading_zeros(&self.start(work_for), self.counter)
    }

    /// The hash state before the counter.
    fn start(&self, work_for: WorkFor<'_>) -> Sha256 {
        let envelope = hex::encode(&Sha256::digest(work_for.envelope));
        let text = format!("kez-work-v1\n{}\n{}\n{envelope}\n", self.challenge, work_for.to);
        Sha256::new_with_prefix(text)
    }
}

fn leading_zeros(start: &Sha256, counter: u64) -> u32 {
    let hash = start.clone().chain_update(counter.to_string()).finalize();
    let first_set = hash.iter().position(|byte| *byte != 0);
    let bits = first_set.and_then(|at| Some(at * 8 + hash.get(at)?.leading_zeros() as usize));
    u32::try_from(bits.unwrap_or(hash.len() * 8)).unwrap_or(u32::MAX)
}

impl FromStr for Work {
    type Err = MalformedWork;

    fn from_str(text: &str) -> Result<Self, MalformedWork> {
        let (challenge, counter) = text.split_once(':').ok_or(MalformedWork)?;
        let fits = (1..=MAX_CHALLENGE).contains(&challenge.len())
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !fits {
            return Err(MalformedWork);
        }
        let counter = canonical_number(counter).ok_or(MalformedWork)?;
        Ok(Self { challenge: challenge.to_owned(), counter })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.challenge, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> WorkOffer {
        WorkOffer {
            algorithm: ALGORITHM.to_owned(),
            challenge: "1795374600.00ff".to_owned(),
            bits: 10,
            expires_at: Timestamp::from_unix(1_795_374_600),
        }
    }

    /// The example in docs/SPEC.md.
    #[test]
    fn the_example_of_the_specification_verifies() {
        let to: Handle = "bob".parse().unwrap();
        let work_for = WorkFor { to: &to, envelope: b"{}" };
        let work = offer().solve(work_for);
        assert_eq!(work.to_string(), "1795374600.00ff:1306");
        let text = format!(
            "kez-work-v1\n1795374600.00ff\nbob\n{}\n{}",
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", work.counter
        );
        let hash = hex::encode(&Sha256::digest(text));
        assert!(hash.starts_with("00") && work.bits(work_for) >= 10, "{hash}");
    }

    #[test]
    fn work_is_bound_to_its_message() {
        let (bob, eve): (Handle, Handle) = ("bob".parse().unwrap(), "eve".parse().unwrap());
        let work = WorkOffer { bits: 16, ..offer() }.solve(WorkFor { to: &bob, envelope: b"{}" });
        assert!(work.bits(WorkFor { to: &bob, envelope: b"{}" }) >= 16);
        assert!(work.bits(WorkFor { to: &eve, envelope: b"{}" }) < 16);
        assert!(work.bits(WorkFor { to: &bob, envelope: b"{ }" }) < 16);
    }

    #[test]
    fn the_header_has_one_spelling() {
        let parse = |text: &str| text.parse::<Work>().map(|work| work.to_string());
        assert_eq!(parse("a1.b:17").as_deref(), Ok("a1.b:17"));
        for bad in ["", ":", "a", "a:", "a:01", "a:-1", "a b:1", "a:1:2", ":1", "a:9007199254740992"] {
            assert_eq!(parse(bad), Err(MalformedWork), "{bad}");
        }
        assert_eq!(parse(&format!("{}:1", "a".repeat(129))), Err(MalformedWork));
    }
}
