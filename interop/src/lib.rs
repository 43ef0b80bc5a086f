//! Nothing but tests: see `tests/openmls.rs`.
