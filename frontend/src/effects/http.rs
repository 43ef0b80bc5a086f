//! Requests to the home server, which is the origin that this app came from.

use js_sys::Uint8Array;
use kez_client::effect::{HttpRequest, RequestId};
use kez_client::event::{Event, HttpResponse, NetworkFault};
use kez_core::{inbox_auth, invite};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortSignal, Headers, RequestCache, RequestCredentials, RequestInit, Response};

use crate::effects::timer::scope;
use crate::worker::{Input, Inputs};

/// The time limit of a request, from sending it to the end of the answer, in milliseconds.
const TIME_OUT: f64 = 20_000.0;

/// Sends a request; the answer becomes [`Event::Http`].
pub(crate) fn send(id: RequestId, request: HttpRequest, inputs: Inputs) {
    spawn_local(async move {
        let answer = fetch(&request).await.map_err(|_| NetworkFault);
        inputs.send(Input::Client(Event::Http(id, answer)));
    });
}

async fn fetch(request: &HttpRequest) -> Result<HttpResponse, JsValue> {
    let response = JsFuture::from(scope().fetch_with_str_and_init(&request.target, &init(request)?)).await?;
    let response: Response = response.unchecked_into();
    let retry_after = response.headers().get("Retry-After")?.and_then(|seconds| seconds.parse().ok());
    let date = response.headers().get("Date")?.and_then(|date| unix_seconds(&date));
    let body = JsFuture::from(response.array_buffer()?).await?;
    Ok(HttpResponse { status: response.status(), retry_after, date, body: Uint8Array::new(&body).to_vec() })
}

/// Parses an HTTP date into Unix seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and positive"
)]
fn unix_seconds(date: &str) -> Option<u64> {
    let milliseconds = js_sys::Date::parse(date);
    if milliseconds > 0.0 { Some(milliseconds as u64 / 1000) } else { None }
}

fn init(request: &HttpRequest) -> Result<RequestInit, JsValue> {
    let headers = Headers::new()?;
    if let Some(auth) = &request.auth {
        headers.set(inbox_auth::HEADER, auth)?;
    }
    if let Some(code) = &request.invite {
        headers.set(invite::HEADER, code)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method.as_str());
    if let Some(body) = &request.body {
        headers.set("Content-Type", "application/json")?;
        init.set_body(&body.into());
    }
    init.set_headers(&headers);
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_signal(Some(&AbortSignal::timeout_with_f64(TIME_OUT)));
    Ok(init)
}
