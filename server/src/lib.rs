//! The KEZ Chat home server: registers handles, answers WebFinger, relays envelopes it cannot read.
//!
//! [`run`] is the whole server. A request arrives at [`edge::listener`], finds its route in [`routes::router`], and is
//! answered by one file of [`routes`]. Durable data is kept in a [`store::Store`].
//!
//! Modules import downward only. From the bottom: [`clock`], [`files`], [`histogram`], [`version`] and [`http_client`];
//! [`store`]; [`operations`]; [`edge`]; [`config`]; [`push`] and [`chains`]; [`accounts`]; [`relay`]; [`web`] and [`state`];
//! [`routes`]; [`lifecycle`]; [`commands`].

pub mod accounts;
pub mod audit;
pub mod chains;
pub mod clock;
pub mod commands;
pub mod config;
pub mod edge;
pub mod files;
pub mod histogram;
pub mod http_client;
pub mod lifecycle;
pub mod operations;
pub mod push;
pub mod relay;
pub mod routes;
pub mod state;
pub mod store;
pub mod transparency;
pub mod version;
pub mod web;

pub use lifecycle::chat::{run, run_with_clock};
pub use lifecycle::start_error::StartError;
