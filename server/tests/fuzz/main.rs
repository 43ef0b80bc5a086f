//! Mutated input for the parsers that only the server has. The core's fuzz targets describe the mutation, the duration,
//! and how to reproduce a failure.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]

mod callout;
#[path = "../../../core/tests/fuzz/mutate.rs"]
mod mutate;

use kez_chat_server::edge::query;

use mutate::fuzz;

#[test]
fn inbox_query() {
    let seeds = ["since=7&limit=100", "limit=1&since=9007199254740991", "since=0", ""];
    fuzz(&seeds.map(|seed| seed.as_bytes().to_vec()), |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok([since, limit]) = query::numbers(Some(text), ["since", "limit"]) else { return };
        let part = |name: &str, number: Option<u64>| number.map(|number| format!("{name}={number}"));
        let (since, limit) = (part("since", since), part("limit", limit));
        let spelled = |parts: [&Option<String>; 2]| {
            parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("&")
        };
        let one = [spelled([&since, &limit]), spelled([&limit, &since])];
        assert!(one.iter().any(|spelled| spelled == text), "one spelling for each query");
    });
}
