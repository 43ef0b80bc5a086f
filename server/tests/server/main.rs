//! The server from outside: every test sends HTTP to a real listener, or runs the real binary.

mod account;
mod admission;
mod attacks;
mod audit;
mod binary;
mod bindings;
#[allow(dead_code, reason = "shared with the tests of NATS alone")]
#[path = "../nats/broker.rs"]
mod broker;
mod commands;
mod crash;
mod damage;
mod deploy;
mod devices;
mod drill;
mod errors;
mod inbox;
mod inbox_owner;
mod ledger;
mod live;
mod live_send;
mod live_timings;
mod log;
mod lookup;
mod lost_log;
mod messages;
mod metrics;
mod moderation;
mod nats_keys;
mod network;
mod nodes;
mod openapi;
mod operator;
mod people;
mod people_lookup;
mod portions;
mod postgres;
mod power;
mod profile;
#[allow(dead_code, reason = "shared with the tests of NATS alone")]
mod proxy;
mod rates;
mod register;
mod report;
mod restore;
mod rotation;
mod server;
mod sig_binary;
mod sig_server;
mod sigchains;
mod stalled;
mod storage;
mod store;
mod support;
mod upgrade;
mod webfinger;
