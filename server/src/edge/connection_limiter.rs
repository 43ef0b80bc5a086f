//! Limits the concurrent connections of one client network, so that no network takes all connections of the server. A
//! live stream leaves this count when it begins, and is counted separately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::edge::client_address::ClientNetwork;

/// Counts the open connections of each network.
#[derive(Clone, Debug)]
pub struct ConnectionLimiter {
    most: usize,
    open: Arc<Mutex<HashMap<ClientNetwork, usize>>>,
}

/// Permission for one connection, returned when dropped.
#[derive(Debug)]
pub struct Permit {
    limiter: ConnectionLimiter,
    network: ClientNetwork,
}

impl ConnectionLimiter {
    /// Allows at most this many connections per network.
    pub fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Permits one more connection, unless the network has reached its limit.
    pub fn admit(&self, network: ClientNetwork) -> Option<Permit> {
        let mut open = self.lock();
        let count = open.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Permit { limiter: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientNetwork, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limiter.lock();
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
    fn permits_are_counted_per_network_and_returned() {
        let network = |address: &str| ClientNetwork::of_address(address.parse().unwrap());
        let limiter = ConnectionLimiter::new(2);
        let [one, two] = [(); 2].map(|()| limiter.admit(network("192.0.2.1")));
        assert!(one.is_some() && two.is_some());
        assert!(limiter.admit(network("192.0.2.1")).is_none());
        let other = limiter.admit(network("2001:db8::1"));
        assert!(other.is_some());
        drop(one);
        let again = limiter.admit(network("192.0.2.1"));
        assert!(again.is_some());
        drop((two, again, other));
        assert!(limiter.lock().is_empty());
    }
}
