//! Stories of users, browsers and a relay, simulated in memory with a clock that moves only on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod acknowledging;
mod chain_lies;
mod clocks;
mod crashes;
mod devices;
mod direct;
mod engine;
mod group_faults;
mod groups;
mod hidden_chains;
mod invitations;
mod joining;
mod leases;
mod leaving;
mod live_send;
mod made_up_answers;
mod malice;
mod nats;
mod outbox;
mod pages;
mod positions;
mod reactions;
mod reading;
mod requests;
mod restore;
mod rotation;
mod schedules;
mod search;
mod sigchains;
mod sim;
mod stolen_key;
mod storage;
mod strangers;
mod two_people;
