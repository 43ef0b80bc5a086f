//! `GET /v1/docs`: the OpenAPI document as a readable page, without a script.

use std::fmt::Write as _;

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use serde_json::Value;

/// The path of the page.
pub const PATH: &str = "/v1/docs";

/// Serves the page for a finished document.
pub fn route<S: Clone + Send + Sync + 'static>(document: &Value) -> MethodRouter<S> {
    let page = render(document);
    get(move || {
        let page = page.clone();
        async move {
            // The default policy of an answer allows nothing, and a page without a script needs no more.
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
        }
    })
}

fn render(document: &Value) -> String {
    let title = escaped(text(&document["info"]["title"]));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{title} API</title></head><body><main>\
         <h1>{title} API</h1><p>{}</p><p>For programs: <a href=\"/v1/openapi.json\">openapi.json</a></p>",
        escaped(text(&document["info"]["description"]))
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let operations = operations(document, name);
        if operations.is_empty() {
            continue;
        }
        // Writing to a `String` cannot fail, here and below.
        let _ = write!(html, "<h2>{}</h2><p>{}</p>", escaped(name), escaped(text(&tag["description"])));
        for (method, path, operation) in operations {
            describe(&mut html, method, path, operation);
        }
    }
    html.push_str("</main></body></html>\n");
    html
}

/// Method, path and description of each operation under a tag.
fn operations<'a>(document: &'a Value, tag: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    });
    all.filter(|(_, _, operation)| operation["tags"].as_array().into_iter().flatten().any(|of| of == tag))
        .collect()
}

fn describe(html: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(html, "<h3><code>{} {}</code></h3>", escaped(&method.to_uppercase()), escaped(path));
    for paragraph in [&operation["summary"], &operation["description"]] {
        if !text(paragraph).is_empty() {
            let _ = write!(html, "<p>{}</p>", escaped(text(paragraph)));
        }
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>");
        for parameter in parameters {
            let cells = [&parameter["name"], &parameter["in"], &parameter["description"]];
            row(html, cells.map(text));
        }
        html.push_str("</table>");
    }
    html.push_str("<table><tr><th>Status</th><th>Answer</th></tr>");
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        row(html, [status, text(&answer["description"])]);
    }
    html.push_str("</table>");
}

fn row<const N: usize>(html: &mut String, cells: [&str; N]) {
    html.push_str("<tr>");
    for cell in cells {
        let _ = write!(html, "<td>{}</td>", escaped(cell));
    }
    html.push_str("</tr>");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_grouped_by_tag_and_escaped() {
        let html = render(&json!({
            "info": { "title": "Chat", "description": "a <b>" },
            "tags": [{ "name": "Relay", "description": "Envelopes" }, { "name": "Empty", "description": "" }],
            "paths": { "/v1/messages": { "post": {
                "tags": ["Relay"], "summary": "Sends",
                "parameters": [{ "name": "limit", "in": "query", "description": "1 to 9 & no more" }],
                "responses": { "201": { "description": "Stored" } },
            } } },
        }));
        assert!(html.contains("<h2>Relay</h2>") && !html.contains("<h2>Empty</h2>"), "{html}");
        assert!(
            html.contains("<code>POST /v1/messages</code>") && html.contains("<td>201</td><td>Stored</td>"),
            "{html}"
        );
        assert!(html.contains("a &lt;b&gt;") && html.contains("1 to 9 &amp; no more"), "{html}");
    }
}
