//! The pages of KEZ Chat. They show a [`View`](kez_client::view::View) and report user actions as
//! [`UiEvent`](kez_client::event::UiEvent)s. They know nothing about the network, the storage or the keys.
//!
//! The same [`App`] is rendered on the server (feature `ssr`, see `document`) and hydrated in the browser (feature
//! `hydrate`). Both start from an idle [`Session`](session::Session), so both render the same first screen.

// The type of a view nests as deeply as its markup.
#![recursion_limit = "256"]
// The component macro makes the properties of every component `pub`, whatever the visibility of the component.
#![allow(unreachable_pub)]

mod app;
mod browser;
mod components;
#[cfg(feature = "ssr")]
mod document;
mod fidelity;
mod idle_lock;
mod keyed;
mod navigation;
mod operator;
mod page;
mod pages;
mod profile;
mod reactive;
pub mod session;
#[cfg(all(test, feature = "ssr"))]
mod tests;
mod text;
mod theme;
mod ulid;
mod wanted_page;

pub use app::{App, mark_hydrated};
pub use browser::prepare_labels;
#[cfg(feature = "ssr")]
pub use document::{Assets, Module, WATCH_ENV, render};
pub use fidelity::root;
pub use operator::Operator;
pub use page::Page;
pub use profile::{History, Profile};
