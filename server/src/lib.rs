//! The KEZ Chat home server: registers handles, answers `WebFinger`, relays envelopes it cannot read.

pub mod web;
