//! Limits the concurrent connections of one client network, so that no network takes all connections of the server. A
//! live stream leaves this count when it begins, and is counted separately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client_address::ClientNetwork;

/// The connections of every network that has one.
#[derive(Clone, Debug)]
pub struct Crowding {
    most: usize,
    open: Arc<Mutex<HashMap<ClientNetwork, usize>>>,
}

/// The slot of one connection; dropping it frees the slot.
#[derive(Debug)]
pub struct Place {
    crowding: Crowding,
    network: ClientNetwork,
}

impl Crowding {
    /// Allows at most this many connections per network.
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A slot for one more connection, unless the network has reached its limit.
    pub fn enter(&self, network: ClientNetwork) -> Option<Place> {
        let mut open = self.lock();
        let count = open.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { crowding: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientNetwork, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.crowding.lock();
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_each_networks_own_and_come_back() {
        let network = |address: &str| ClientNetwork::of_address(address.parse().unwrap());
        let crowding = Crowding::new(2);
        let [one, two] = [(); 2].map(|()| crowding.enter(network("192.0.2.1")));
        assert!(one.is_some() && two.is_some());
        assert!(crowding.enter(network("192.0.2.1")).is_none());
        let other = crowding.enter(network("2001:db8::1"));
        assert!(other.is_some());
        drop(one);
        let again = crowding.enter(network("192.0.2.1"));
        assert!(again.is_some());
        drop((two, again, other));
        assert!(crowding.lock().is_empty());
    }
}
