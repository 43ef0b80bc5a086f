//! Sigchains: the store of this server or a sigchain server, and the log of chain heads.

pub mod key_history;
pub mod log;
pub mod sigchains;
pub mod source;
