//! Stories of people, browsers and a relay, told in memory with a clock that only moves when it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod acknowledging;
mod chain_lies;
mod clocks;
mod crashes;
mod hidden_chains;
mod invitations;
mod joining;
mod leaving;
mod made_up_answers;
mod malice;
mod nats;
mod outbox;
mod positions;
mod reading;
mod requests;
mod restore;
mod rotation;
mod schedules;
mod sigchains;
mod sim;
mod stolen_key;
mod strangers;
mod two_people;
