//! The engine from outside: groups as clients and a server see them, rules broken at every place that enforces them, and
//! what failures leave behind.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod faults;
mod groups;
#[cfg(feature = "server")]
mod observer;
mod packages;
mod purity;
mod rogue;
mod rules;
mod world;
