//! Groups: the store on both databases, and the routes.

mod http;
mod live;
mod mls;
mod restored;
mod store;
mod why;
