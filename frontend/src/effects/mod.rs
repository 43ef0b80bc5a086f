//! Performs the client's effects with the browser's APIs.

pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod live;
pub(crate) mod nats;
pub(crate) mod store;
pub(crate) mod timer;
pub(crate) mod vault;
