//! NATS as a client sees it. It accepts any client that signs its nonce with an nkey that the relay has bound.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use kez_client::Signer;
use kez_client::event::NatsEvent;
use kez_core::handle::Handle;
use kez_core::nkey::PublicNkey;

use super::relay::Relay;

pub(crate) struct Broker {
    pub(crate) up: bool,
    /// The nonce that it asks clients to sign.
    pub(crate) nonce: String,
    /// Drops all hints.
    pub(crate) mute: bool,
    /// The number of connection attempts.
    pub(crate) attempts: u64,
    connections: BTreeMap<&'static str, Connection>,
}

/// The last number in an inbox, and the number of items in the groups of its owner.
type Ends = (u64, u64);

struct Connection {
    number: u64,
    handle: Handle,
    /// The ends of the inbox and of the logs of groups that a hint was sent for.
    hinted: Ends,
}

impl Broker {
    pub(crate) fn new() -> Self {
        let nonce = "bV8Eb-nZ_a3Qq0s".to_owned();
        Self { up: true, nonce, mute: false, attempts: 0, connections: BTreeMap::new() }
    }

    pub(crate) fn open(
        &mut self,
        relay: &Relay,
        who: &'static str,
        number: u64,
        subject: &str,
        signer: &Signer,
        now: u64,
    ) -> NatsEvent {
        self.attempts += 1;
        if !self.up {
            return NatsEvent::Closed;
        }
        let Some(signature) = signer.answer(&self.nonce) else { return NatsEvent::StrangeNonce };
        let nkey: PublicNkey = signer.nkey().parse().unwrap();
        let signature = Base64UrlUnpadded::decode_vec(&signature).unwrap();
        nkey.verify(self.nonce.as_bytes(), &signature).expect("a signature of the nonce");
        match relay.bound.get(&signer.nkey()) {
            Some((handle, until)) if *until > now => {
                let (hinted, (_, hex)) = (ends(relay, handle), relay.end_of(handle));
                assert_eq!(subject, format!("kez.inbox.{hex}.>"));
                self.connections.insert(who, Connection { number, handle: handle.clone(), hinted });
                NatsEvent::Up
            }
            _ => NatsEvent::Closed,
        }
    }

    pub(crate) fn leave(&mut self, who: &'static str) {
        self.connections.remove(who);
    }

    pub(crate) fn drop_all(&mut self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut self.connections).into_iter().map(|(who, it)| (who, it.number)).collect()
    }

    pub(crate) fn has(&self, who: &'static str) -> bool {
        self.connections.contains_key(who)
    }

    /// The clients whose inbox or groups have new items since the last call.
    pub(crate) fn hints(&mut self, relay: &Relay) -> Vec<(&'static str, u64)> {
        let mut hinted = Vec::new();
        for (who, connection) in &mut self.connections {
            let ends = ends(relay, &connection.handle);
            if std::mem::replace(&mut connection.hinted, ends) != ends && !self.mute {
                hinted.push((*who, connection.number));
            }
        }
        hinted
    }
}

fn ends(relay: &Relay, handle: &Handle) -> Ends {
    let groups = relay.groups.groups_of(handle);
    let items = groups.iter().map(|gid| relay.groups.logs[gid].items.len() as u64);
    (relay.end_of(handle).0, items.sum())
}
