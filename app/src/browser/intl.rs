//! Times in the browser's own language and zone.

use js_sys::{Array, Date, Function, Intl, Object, Reflect};
use wasm_bindgen::JsValue;

/// The current time in Unix seconds.
pub(crate) fn now() -> u64 {
    (Date::now() / 1000.0) as u64
}

/// The number of the local day that contains this time, for comparing days.
pub(crate) fn day_of(unix: u64) -> i64 {
    let offset_minutes = date(unix).get_timezone_offset();
    ((unix as f64 - offset_minutes * 60.0) / 86_400.0).floor() as i64
}

/// "14:03", or "2:03 PM".
pub(crate) fn time_label(unix: u64) -> String {
    thread_local!(static FORMAT: Function = formatter(&[("timeStyle", "short")]));
    FORMAT.with(|format| label(format, unix))
}

/// "3 November 2026".
pub(crate) fn date_label(unix: u64) -> String {
    thread_local!(static FORMAT: Function = formatter(&[("dateStyle", "long")]));
    FORMAT.with(|format| label(format, unix))
}

/// "3 Nov", or "Nov 3".
pub(crate) fn day_and_month_label(unix: u64) -> String {
    thread_local!(static FORMAT: Function = formatter(&[("day", "numeric"), ("month", "short")]));
    FORMAT.with(|format| label(format, unix))
}

/// The first moment of a local day, given as "2026-11-03".
pub(crate) fn local_midnight(day: &str) -> Option<u64> {
    let milliseconds = Date::parse(&format!("{day}T00:00"));
    milliseconds.is_finite().then(|| (milliseconds / 1000.0).max(0.0) as u64)
}

/// "Tuesday, 3 November 2026 at 14:03".
pub(crate) fn full_label(unix: u64) -> String {
    thread_local!(static FORMAT: Function = formatter(&[("dateStyle", "full"), ("timeStyle", "short")]));
    FORMAT.with(|format| label(format, unix))
}

/// "Monday".
pub(crate) fn weekday_label(unix: u64) -> String {
    thread_local!(static FORMAT: Function = formatter(&[("weekday", "long")]));
    FORMAT.with(|format| label(format, unix))
}

/// Returns a cached formatter: creating one costs much more than using it.
fn formatter(options: &[(&str, &str)]) -> Function {
    let object = Object::new();
    for (name, value) in options {
        // Setting a property of a plain object cannot fail.
        let _ = Reflect::set(&object, &JsValue::from(*name), &JsValue::from(*value));
    }
    Intl::DateTimeFormat::new(&Array::new(), &object).format()
}

fn label(format: &Function, unix: u64) -> String {
    format.call1(&JsValue::UNDEFINED, &date(unix)).ok().and_then(|text| text.as_string()).unwrap_or_default()
}

fn date(unix: u64) -> Date {
    Date::new(&JsValue::from_f64(unix as f64 * 1000.0))
}
