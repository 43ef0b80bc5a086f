//! Groups: the store on both databases, and the routes.

mod http;
mod invites;
mod live;
mod mls;
mod restored;
mod store;
mod why;
