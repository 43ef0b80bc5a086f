//! The MLS engine: RFC 9420 with the profile of docs/SPEC.md, section 15, as a pure function of bytes.
//!
//! [`engine::call`] takes a [`kez_core::mls::call::Call`] and returns a [`kez_core::mls::reply::Reply`]. Time,
//! randomness, the device's key, the certified devices and the group's state are in the call, and the new state is in the
//! reply; nothing else is read or kept. In a browser it is a WASM module of its own (feature `browser`). A server follows
//! groups without their secrets with `observer` and checks key packages with `key_package` (feature `server`).

#[cfg(feature = "browser")]
mod browser;
mod commit;
mod context;
pub mod crypto;
mod devices;
pub mod engine;
mod failure;
#[cfg(feature = "server")]
pub mod key_package;
#[cfg(feature = "server")]
pub mod observer;
mod process;
mod rules;
mod stores;
