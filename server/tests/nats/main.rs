//! The server together with a real NATS server, which every test starts from `deploy/nats.conf`.

#[allow(dead_code, reason = "shared with the tests of several nodes")]
mod broker;
mod callout;
mod client;
mod hints;
mod internal;
mod outage;
#[allow(dead_code, reason = "shared with the tests that need no broker")]
#[path = "../server/proxy.rs"]
mod proxy;

#[allow(dead_code, reason = "shared with the tests that need no broker")]
#[path = "../server/support.rs"]
mod support;
