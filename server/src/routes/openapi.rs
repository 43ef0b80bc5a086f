//! `GET /v1/openapi.json`: the machine-readable description of this API (OpenAPI 3.1).

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use serde_json::{Value, json};
use utoipa::OpenApi;

/// The parts of the document that the routes do not provide.
#[derive(OpenApi)]
#[openapi(
    info(title = "KEZ Chat", description = "A home server of end-to-end encrypted chat. docs/SPEC.md is the specification."),
    tags(
        (name = "Registry", description = "The handles and their holders"),
        (name = "Sigchains", description = "The signed histories of keys, if this server keeps them"),
        (name = "Log", description = "The log that proves that no chain was changed"),
        (name = "Relay", description = "Envelopes, which the server cannot read"),
        (name = "NATS", description = "The nkeys that may subscribe to hints of new messages"),
        (name = "People", description = "Lists of accepted and blocked users"),
        (name = "Groups", description = "Key packages of devices, and groups"),
        (name = "Links", description = "How a new browser and one that belongs to an account find each other"),
        (name = "Server", description = "The server itself"),
    )
)]
pub struct Document;

/// The path of the document, which does not list itself.
pub const PATH: &str = "/v1/openapi.json";

/// The document with the parts common to all operations.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn finished(document: &utoipa::openapi::OpenApi) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(document)?;
    finish(&mut document);
    Ok(document)
}

/// Serves a finished document.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn route<S: Clone + Send + Sync + 'static>(
    document: &Value,
) -> Result<MethodRouter<S>, serde_json::Error> {
    let json: Arc<Bytes> = Arc::new(serde_json::to_vec(document)?.into());
    Ok(get(move || {
        let json = Bytes::clone(&json);
        async move { ([(header::CONTENT_TYPE, "application/json")], json).into_response() }
    }))
}

/// The patterns of parameters by name, for those whose text is the whole rule, or nearly.
const PATTERNS: [(&str, &str); 8] = [
    ("handle", "^[a-z0-9][a-z0-9_-]{2,31}$"),
    ("peer", "^[a-z0-9][a-z0-9_-]{2,31}$"),
    ("primary", "^ed25519:[0-9a-f]{64}$"),
    ("hex", "^[0-9a-f]{64}$"),
    ("id", "^[0-9a-f]{64}$"),
    ("device", "^[0-9a-f]{32}$"),
    ("gid", "^[0-9a-f]{32}$"),
    ("nkey", "^U[A-Z2-7]{55}$"),
];

/// Adds the parts common to all operations, which would otherwise be repeated in every macro: refusals are problem
/// details, and path parameters have their patterns.
fn finish(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(serde_json::Map::values_mut);
    let operations = operations.filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut);
    for operation in operations {
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        responses.into_iter().flat_map(serde_json::Map::values_mut).for_each(name_problem);
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(add_pattern);
    }
}

/// RFC 9457, section 3.
fn name_problem(response: &mut Value) {
    let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { return };
    let is_problem = |body: &Value| body["schema"]["$ref"] == "#/components/schemas/Problem";
    if content.get("application/json").is_some_and(is_problem)
        && let Some(body) = content.remove("application/json")
    {
        content.insert("application/problem+json".to_owned(), body);
    }
}

fn add_pattern(parameter: &mut Value) {
    let pattern = PATTERNS.iter().find(|(name, _)| parameter["in"] == "path" && parameter["name"] == *name);
    if let Some((_, pattern)) = pattern {
        parameter["schema"]["pattern"] = json!(pattern);
    }
}
