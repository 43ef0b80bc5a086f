//! Groups: the store on both databases.

mod store;
