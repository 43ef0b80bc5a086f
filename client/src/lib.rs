//! What a KEZ Chat client decides: `Client::handle(event, now)` changes the state and says which effects follow.
//!
//! Synchronous, without I/O: time and chance are arguments, the network and the storage are [`effect::Effect`]s that a
//! driver performs and answers with [`event::Event`]s. What the screen shows is [`view::View`], derived and never stored.

pub mod effect;
pub mod event;
pub mod record;
pub mod secret;
pub mod view;
