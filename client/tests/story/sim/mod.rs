//! A world in memory: browsers with their storage, a relay, a network with weather, and one clock. Time passes only in
//! [`World::run`], and all randomness comes from one seed.

mod broker;
mod browser;
mod engine;
mod groups;
mod invites;
mod keeping;
mod links;
mod relay;
mod sigchains;
mod world;

#[path = "../../../src/kernel/chance.rs"]
mod chance;

pub(crate) use browser::Out;
pub(crate) use chance::Chance;
pub(crate) use engine::SealedAt;
pub(crate) use groups::Log;
pub(crate) use relay::{json, problem};
pub(crate) use sigchains::{BASE, shown};
pub(crate) use world::{Superseded, Weather, World, text};
