//! Counts message requests by client network without storing addresses.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::edge::client_address::ClientNetwork;
use crate::store::InboxId;
use crate::store::usage::NetworkTag;

/// Computes the tags of networks. All nodes of a server compute the same tags.
pub struct NetworkTags {
    keyed: Hmac<Sha256>,
}

impl NetworkTags {
    /// Tags under a key of the server.
    pub fn new(key: [u8; 32]) -> Self {
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(key) {
            *place = byte;
        }
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// The tag of a network in an inbox. It differs per inbox, so two inboxes do not reveal that the same network wrote
    /// to both.
    pub fn of(&self, network: ClientNetwork, inbox: InboxId) -> NetworkTag {
        let mut keyed = self.keyed.clone();
        keyed.update(b"kez-network-tag-v1\n");
        keyed.update(&inbox.0.to_be_bytes());
        keyed.update(network.to_string().as_bytes());
        let [high, low, ..] = <[u8; 32]>::from(keyed.finalize().into_bytes());
        NetworkTag(u16::from_be_bytes([high, low]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_the_key_the_network_and_the_inbox() {
        let network = |address: &str| ClientNetwork::of_address(address.parse().unwrap());
        let tags = NetworkTags::new([1; 32]);
        let tag = tags.of(network("192.0.2.1"), InboxId(1));
        assert_eq!(tag, NetworkTags::new([1; 32]).of(network("192.0.2.1"), InboxId(1)));
        assert_ne!(tag, NetworkTags::new([2; 32]).of(network("192.0.2.1"), InboxId(1)));
        assert_ne!(tag, tags.of(network("192.0.2.2"), InboxId(1)));
        assert_ne!(tag, tags.of(network("192.0.2.1"), InboxId(2)));
    }
}
