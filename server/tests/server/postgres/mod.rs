//! Behaviour specific to PostgreSQL: several nodes on one database, and a database that goes down and comes back.

pub(crate) mod cluster;
mod gap;
mod nodes;
pub(crate) mod open;
pub(crate) mod races;
mod restart;
mod standby;
mod transfer;
