//! The steps of the commands, one topic per file.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod checks;
pub(crate) mod compose;
pub(crate) mod compress;
pub(crate) mod deny;
pub(crate) mod engine;
pub(crate) mod files;
pub(crate) mod imports;
pub(crate) mod load;
pub(crate) mod minify;
pub(crate) mod purity;
pub(crate) mod rehearsal;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod sizes;
mod stamp;
pub(crate) mod tests;
pub(crate) mod tools;
