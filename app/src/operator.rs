//! The operator of the server, passed to the browser in a `<meta>` element so that server and browser render the same
//! page.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// The name of the `<meta>` element.
pub(crate) const META_NAME: &str = "kez-operator";

/// The operator's details.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// A `mailto:` or `https:` address.
    pub contact: Option<String>,
    /// The URL of the terms of service.
    pub terms_url: Option<String>,
}

impl Operator {
    /// The operator in the document. On the server it comes from the context.
    pub(crate) fn of_document() -> Self {
        use_context::<Self>().or_else(carried_by_document).unwrap_or_default()
    }
}

fn carried_by_document() -> Option<Operator> {
    if cfg!(not(target_arch = "wasm32")) {
        return None;
    }
    let meta = document().query_selector(&format!("meta[name={META_NAME}]")).ok().flatten()?;
    serde_json::from_slice(meta.get_attribute("content")?.as_bytes()).ok()
}
