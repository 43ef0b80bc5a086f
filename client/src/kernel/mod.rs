//! What every part of a client builds on: events and effects, records, requests, time, and the names of people and
//! conversations. Imports no other part.

pub(crate) mod answer;
pub(crate) mod backoff;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod device;
pub mod effect;
pub mod engine;
pub mod event;
pub(crate) mod lookup;
pub(crate) mod me;
pub(crate) mod place;
pub(crate) mod reason;
pub(crate) mod recipient;
pub mod record;
pub(crate) mod requests;
pub mod secret;
pub(crate) mod seed;
pub(crate) mod signer;
pub mod sorted_map;
pub(crate) mod sync;
pub(crate) mod tabs;
pub mod vault;

#[cfg(test)]
pub(crate) mod chance;
