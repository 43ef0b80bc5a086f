//! What the client wants done, done with the browser's means.

pub(crate) mod http;
pub(crate) mod live;
pub(crate) mod nats;
pub(crate) mod store;
pub(crate) mod timer;
pub(crate) mod vault;
