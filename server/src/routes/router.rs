//! Every route of the API in one list, and the layers around each request.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::edge::gate::within_rate;
use crate::edge::limits::Kind;
use crate::edge::not_found;
use crate::edge::request_layer::wrap_monitored;
use crate::routes::{
    api_page, by_primary, config, delete_account, export, groups, healthz, host_meta, inbox, inbox_owner,
    key_packages::{claim, keep},
    links, live, log, lookup, nats_keys, openapi, people, people_lookup, readyz, register, report,
    security_txt, send_message, sigchains, webfinger,
};
use crate::state::AppState;

/// The API, with the pages as its fallback.
///
/// # Errors
/// When the OpenAPI document cannot be written as JSON.
pub fn router(state: AppState, pages: Router) -> Result<Router, serde_json::Error> {
    let gate = state.gate();
    let rate = |kind: Kind| from_fn_with_state((gate.clone(), kind), within_rate);
    let mut routes = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(register::register).layer(rate(Kind::Register)))
        .routes(routes!(lookup::lookup).layer(rate(Kind::Lookup)))
        .routes(routes!(by_primary::by_primary).layer(rate(Kind::Lookup)))
        .routes(routes!(people_lookup::look_up_people).layer(rate(Kind::Lookup)))
        .routes(routes!(webfinger::webfinger).layer(rate(Kind::Lookup)))
        .routes(routes!(host_meta::xrd))
        .routes(routes!(host_meta::json))
        .routes(routes!(send_message::send_message))
        .routes(routes!(inbox::inbox).layer(rate(Kind::Read)))
        .routes(routes!(inbox_owner::acknowledge).layer(rate(Kind::Signed)))
        .routes(routes!(inbox_owner::status).layer(rate(Kind::Signed)))
        .routes(routes!(inbox_owner::keep).layer(rate(Kind::Signed)))
        .routes(routes!(inbox_owner::delete_requests).layer(rate(Kind::Signed)))
        .routes(routes!(groups::list::list, groups::create::create).layer(rate(Kind::Signed)))
        .routes(routes!(groups::show::show).layer(rate(Kind::Signed)))
        .routes(routes!(groups::commit::commit).layer(rate(Kind::Signed)))
        .routes(routes!(groups::state::offer).layer(rate(Kind::Signed)))
        .routes(routes!(groups::log::log).layer(rate(Kind::Read)))
        .routes(routes!(groups::message::post).layer(rate(Kind::Signed)))
        .routes(routes!(groups::news::news).layer(rate(Kind::Read)))
        .routes(routes!(keep::keep, keep::unclaimed).layer(rate(Kind::Signed)))
        .routes(routes!(claim::claim).layer(rate(Kind::Signed)))
        .routes(routes!(links::read).layer(rate(Kind::Read)))
        .routes(routes!(links::offer).layer(rate(Kind::Pairing)))
        .routes(routes!(links::add).layer(rate(Kind::Pairing)))
        .routes(routes!(live::live).layer(rate(Kind::Read)))
        .routes(routes!(delete_account::delete_account).layer(rate(Kind::Read)))
        .routes(routes!(export::export).layer(rate(Kind::Read)))
        .routes(routes!(nats_keys::bind).layer(rate(Kind::Register)))
        .routes(routes!(nats_keys::remove).layer(rate(Kind::Register)))
        .routes(routes!(config::config))
        .routes(routes!(healthz::healthz))
        .routes(routes!(readyz::readyz))
        .routes(routes!(report::report).layer(rate(Kind::Signed)))
        .routes(routes!(security_txt::security_txt));
    for list in people::LISTS {
        let of_list = |handlers| people::of_list(list, handlers).layer(rate(Kind::Signed));
        routes = routes.routes(of_list(routes!(people::list)));
        routes = routes.routes(of_list(routes!(people::add_to, people::remove_from)));
    }
    if let Some(chains) = state.chains.embedded() {
        routes =
            routes.merge(sigchains::router(chains.clone(), &gate)).merge(log::router(chains.clone(), &gate));
    }
    let (api, document) = routes.split_for_parts();
    let document = openapi::finished(&document)?;
    let router = api
        .route(openapi::PATH, openapi::route(&document)?)
        .route(api_page::PATH, api_page::route(&document))
        .method_not_allowed_fallback(not_found::method_not_allowed)
        .route("/v1/", any(not_found::not_found))
        .route("/v1/{*rest}", any(not_found::not_found))
        .route("/.well-known/{*rest}", any(not_found::not_found))
        .with_state(state.clone())
        .fallback_service(pages);
    Ok(wrap_monitored(router, state.trust.clone(), state.monitors()))
}
