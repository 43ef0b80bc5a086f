//! Groups: the store on both databases, and the routes.

mod http;
mod invites;
mod killed;
mod live;
mod mls;
mod races;
mod restored;
mod stolen;
mod store;
mod why;
