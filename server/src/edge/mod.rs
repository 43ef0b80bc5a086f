//! HTTP as every route needs it: connections, the processing around a request, limits per network, and errors.

pub mod body;
pub mod client_address;
pub mod connection_limiter;
pub mod cors;
pub mod error;
pub mod gate;
pub mod headers;
pub mod json;
pub mod limits;
pub mod listener;
pub mod not_found;
pub mod proxy_trust;
pub mod query;
pub mod request_layer;
pub mod request_line;
pub mod write_timeout;
