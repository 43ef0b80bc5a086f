//! Users with real keys, and their messages. The messages are sealed before any clock runs: a generator that seals
//! while it measures would measure itself.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use hyper::body::Bytes;
use kez_core::api::SendMessage;
use kez_core::content::Content;
use kez_core::envelope;
use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{Peer, SecretIdentity, Seed};
use kez_core::message::{Chain, plaintext};
use kez_core::registration::HandleRegistration;
use kez_core::sigchain::Heads;
use kez_core::time::Timestamp;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// The length of a text whose sealed envelope has 1 KiB, give or take the padding.
pub(crate) const TEXT_BYTES: usize = 276;

/// A user with a key and an inbox.
pub(crate) struct Person {
    /// The number of the inbox, by which the bare writer identifies it.
    pub(crate) inbox: usize,
    /// The handle, by which the server identifies it.
    pub(crate) handle: Handle,
    /// The keys.
    pub(crate) identity: SecretIdentity,
}

/// A sealed message, ready to be posted.
pub(crate) struct Sealed {
    /// The recipient's inbox.
    pub(crate) inbox: usize,
    /// The path on the server, if it goes to the log of a group instead.
    pub(crate) log_path: Option<String>,
    /// The body of the request.
    pub(crate) body: Bytes,
    /// The header with which the sender signs the request, if it does.
    pub(crate) auth: Option<String>,
}

/// The system's random generator.
pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The system's time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// `count` users whose inboxes are numbered from `first`.
pub(crate) fn people(first: usize, count: usize) -> Result<Vec<Person>, Failure> {
    (first..first + count)
        .map(|inbox| {
            Ok(Person {
                inbox,
                handle: format!("inbox-{inbox}").parse().map_err(Failure::protocol)?,
                identity: SecretIdentity::from_seed(Seed::random(&mut rng())),
            })
        })
        .collect()
}

impl Person {
    /// The body of the request that registers this user.
    pub(crate) fn registration(&self, server: &ServerName) -> Result<Bytes, Failure> {
        let signed = HandleRegistration::sign(&self.identity, &self.handle, server, now());
        Ok(serde_json::to_vec(&signed.map_err(Failure::protocol)?)?.into())
    }

    fn seal(&self, to: &Person, peer: &Peer, chain: &Chain) -> Result<Sealed, Failure> {
        let plaintext = plaintext(&text_message(TEXT_BYTES, chain.n)?, chain, &Heads::new());
        let sealed = envelope::seal(&self.identity, peer, &plaintext, now(), &mut rng());
        let envelope = RawValue::from_string(sealed.map_err(Failure::protocol)?.json)?;
        let body = serde_json::to_vec(&SendMessage { to: to.handle.to_string(), envelope })?;
        Ok(Sealed { inbox: to.inbox, log_path: None, body: body.into(), auth: None })
    }
}

/// A message with a text of `bytes` bytes.
pub(crate) fn text_message(bytes: usize, n: u64) -> Result<Content, Failure> {
    let id = format!("{n:026}").parse().map_err(Failure::protocol)?;
    Ok(Content::text(id, "lorem ipsum ".repeat(bytes / 12), now()))
}

/// The position of message `n` in its sender's chain, without the hashes of earlier messages.
pub(crate) fn chain(n: u64) -> Chain {
    Chain { id: "00112233aabbccdd".to_owned(), n, prev: None }
}

/// Seals `each` messages for each sender; `recipient` gives the recipient of the k-th message of sender i. Uses all
/// cores.
pub(crate) fn seal_all<P: Borrow<Person> + Sync>(
    senders: &[P],
    recipients: &[P],
    each: usize,
    recipient: impl Fn(usize, usize) -> usize + Sync,
) -> Result<Vec<Vec<Sealed>>, Failure> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let per_thread = senders.len().div_ceil(threads).max(1);
    let recipient = &recipient;
    thread::scope(|scope| {
        let workers: Vec<_> = senders
            .chunks(per_thread)
            .enumerate()
            .map(|(chunk, senders)| {
                scope.spawn(move || -> Result<Vec<Vec<Sealed>>, Failure> {
                    let numbered = senders.iter().enumerate().map(|(i, me)| (chunk * per_thread + i, me));
                    numbered
                        .map(|(i, me)| seal_row(me.borrow(), recipients, each, |k| recipient(i, k)))
                        .collect()
                })
            })
            .collect();
        let mut rows = Vec::with_capacity(senders.len());
        for worker in workers {
            rows.extend(worker.join().map_err(|_| Failure::protocol("sealing was interrupted"))??);
        }
        Ok(rows)
    })
}

fn seal_row<P: Borrow<Person>>(
    me: &Person,
    recipients: &[P],
    each: usize,
    recipient: impl Fn(usize) -> usize,
) -> Result<Vec<Sealed>, Failure> {
    // One sender writes to a few of thousands of recipients, and each secret takes a while to compute.
    let mut peers = HashMap::new();
    (1..)
        .zip(0..each)
        .map(|(n, k)| {
            let them: &Person = recipients[recipient(k)].borrow();
            let peer = match peers.entry(them.inbox) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let peer = Peer::new(&me.identity, them.identity.public());
                    new.insert(peer.map_err(Failure::protocol)?)
                }
            };
            me.seal(them, peer, &chain(n))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_test_message_has_one_kibibyte_and_opens() {
        let (senders, recipients) = (people(0, 3).unwrap(), people(10, 3).unwrap());
        let rows = seal_all(&senders, &recipients, 4, |i, k| (i + k) % 3).unwrap();
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4]);
        let sealed: SendMessage = serde_json::from_slice(&rows[2][2].body).unwrap();
        assert_eq!((sealed.to.as_str(), rows[2][2].inbox), ("inbox-11", 11));
        let length = sealed.envelope.get().len();
        assert!((1000..=1048).contains(&length), "{length}");
        let peer = Peer::new(&recipients[1].identity, senders[2].identity.public()).unwrap();
        let envelope = envelope::Envelope::parse(sealed.envelope.get().as_bytes()).unwrap();
        assert!(envelope.open(&recipients[1].identity, |_| Some(&peer)).is_ok());
    }
}
