//! Nothing but tests: see `tests/passive_client.rs`.
