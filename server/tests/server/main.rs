//! The server from outside: every test speaks HTTP to a real listener, or runs the real binary.

mod account;
mod attacks;
mod binary;
mod commands;
mod crash;
mod errors;
mod inbox;
mod ledger;
mod live;
mod log;
mod lookup;
mod messages;
mod metrics;
mod moderation;
mod openapi;
mod postgres;
mod register;
mod server;
mod sig_server;
mod sigchains;
mod stalled;
mod storage;
mod store;
mod support;
mod upgrade;
mod webfinger;
