//! The API, one file per route.

pub mod api_page;
pub mod by_primary;
pub mod config;
pub mod delete_account;
pub mod export;
pub mod healthz;
pub mod host_meta;
pub mod inbox;
pub mod inbox_owner;
pub mod live;
pub mod log;
pub mod lookup;
pub mod metrics;
pub mod nats_keys;
pub mod openapi;
pub mod path;
pub mod people;
pub mod people_lookup;
pub mod readyz;
pub mod register;
pub mod report;
pub mod router;
pub mod security_txt;
pub mod send_message;
pub mod sigchains;
pub mod webfinger;
