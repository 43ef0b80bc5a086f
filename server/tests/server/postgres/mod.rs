//! What is true of PostgreSQL alone: several nodes on one database, and a database that comes and goes.

pub(crate) mod cluster;
mod gap;
mod nodes;
pub(crate) mod open;
pub(crate) mod races;
mod restart;
mod standby;
