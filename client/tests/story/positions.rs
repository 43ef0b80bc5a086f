//! The position up to which the inbox was read, and a server that gives absurd numbers for it.

use rstest::rstest;

use crate::sim::{World, json};
use crate::two_people::alice_and_bob;

/// The next page has only one item, with this number.
fn lie_once(world: &mut World, seq: u64) {
    let mut told = false;
    world.relay.script = Some(Box::new(move |request, response| {
        if told || !request.target.starts_with("/v1/inbox/alice") {
            return response;
        }
        told = true;
        let mut page: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        page["items"] =
            serde_json::json!([{"seq": seq, "envelope": {"x": 1}, "created_at": "2026-11-22T19:00:00Z"}]);
        json(200, &page)
    }));
}

#[rstest]
#[case::the_largest_number(9_007_199_254_740_991)]
#[case::no_number_of_the_protocol(u64::MAX)]
#[case::a_little_too_large(10_000)]
fn an_honest_server_is_heard_again_after_an_absurd_number(#[case] seq: u64) {
    let mut world = alice_and_bob(1);
    world.send("bob", "alice", "one");
    world.run(2_000);
    lie_once(&mut world, seq);
    world.weather.stream_cut = 100;
    world.cut_streams();
    world.run(8_000);
    world.relay.script = None;
    world.weather.stream_cut = 0;
    world.send("bob", "alice", "two");
    world.run(300_000);
    assert_eq!(world.texts("alice"), ["them: one", "them: two"]);
    world.reload("alice");
    world.send("bob", "alice", "three");
    world.run(10_000);
    assert_eq!(world.texts("alice"), ["them: one", "them: two", "them: three"]);
}
