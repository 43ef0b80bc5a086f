//! The only page of a server without the web app.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::get;
use kez_core::handle::ServerName;

use super::document::{Document, REVALIDATE};

/// Says at `/` that the API works, and how to get the app.
pub(super) fn router(server: &ServerName) -> Router {
    let page = Arc::new(Document::page(html(server)));
    Router::new().route(
        "/",
        get(|method: Method, headers: HeaderMap| async move {
            page.answer(&method, &headers, StatusCode::OK, REVALIDATE)
        }),
    )
}

fn html(server: &ServerName) -> String {
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>KEZ Chat server</title>\n\
         </head>\n\
         <body>\n\
         <main>\n\
         <h1>The KEZ Chat server of {server}</h1>\n\
         <p>The API works; its description is at <a href=\"/v1/openapi.json\">/v1/openapi.json</a>. The web app is not \
         served here: build it with <code>cargo xtask run</code>, or start the server with <code>--web-dir</code> and the \
         directory of a built site.</p>\n\
         </main>\n\
         </body>\n\
         </html>\n"
    )
}
