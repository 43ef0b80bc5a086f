//! The key histories of members who are no contacts: a server that shows them wrongly raises an alarm in the group.

use std::cell::Cell;
use std::rc::Rc;

use kez_client::event::UiEvent;
use kez_client::view::ChainAlarm;
use rstest::rstest;
use serde_json::{Value, json};

use crate::groups::{texts, three};
use crate::sim::World;

const HOURS: u64 = 60 * 60 * 1000;

/// What the server answers about Carol instead of the truth.
type Lie = fn(&mut Value);

/// From here on the server lies about Carol to everybody who looks members up.
fn lie_about_carol(world: &mut World, lie: Lie) {
    world.relay.script = Some(Box::new(move |request, mut response| {
        if request.target == "/v1/people" && response.status == 200 {
            let mut body: Value = serde_json::from_slice(&response.body).unwrap();
            for person in body["people"].as_array_mut().unwrap() {
                if person["handle"] == "carol" {
                    lie(person);
                }
            }
            response.body = serde_json::to_vec(&body).unwrap();
        }
        response
    }));
}

fn shorter(person: &mut Value) {
    (person["length"], person["links"]) = (json!(1), json!([]));
}

fn other_head(person: &mut Value) {
    person["head"] = json!("11".repeat(32));
}

/// The chain as it was before its last link.
fn without_the_last_link(person: &mut Value) {
    let length = person["length"].as_u64().unwrap();
    let links = person["links"].as_array_mut().unwrap();
    if let Some(last) = links.pop() {
        person["head"] = last["payload"]["prev"].clone();
        person["length"] = json!(length - 1);
    }
}

fn no_chain(person: &mut Value) {
    person.as_object_mut().unwrap().remove("head");
}

#[rstest]
#[case(shorter, ChainAlarm::Shorter)]
#[case(other_head, ChainAlarm::Forked)]
fn a_false_chain_of_a_member_raises_an_alarm_in_the_group(#[case] lie: Lie, #[case] alarm: ChainAlarm) {
    let (mut world, at) = three(70);
    assert_eq!(world.alarm("bob"), None);
    lie_about_carol(&mut world, lie);
    world.run(7 * HOURS);
    assert_eq!(world.alarm("bob"), Some(alarm));
    assert_eq!(world.thread("bob").chain_alarm.unwrap().handle, "carol");
    world.reload("bob");
    world.look("bob", &at);
    assert_eq!(world.alarm("bob"), Some(alarm), "it stays until it is read");
    world.relay.script = None;
    world.ui("bob", UiEvent::ChainAlarmDismissed { handle: "carol".into() });
    world.run(7 * HOURS);
    assert_eq!(world.alarm("bob"), None);
}

#[rstest]
#[case(without_the_last_link)]
#[case(no_chain)]
fn a_link_that_the_server_keeps_back_is_claimed_by_its_author(#[case] lie: Lie) {
    let (mut world, at) = three(71);
    lie_about_carol(&mut world, lie);
    world.ui("carol", UiEvent::OldMessagesRefused { on: true });
    world.run(5_000);
    assert_eq!(world.alarm("bob"), None);
    world.send("carol", &at, "I have a new link");
    world.run(5 * HOURS);
    assert_eq!(world.alarm("bob"), Some(ChainAlarm::Withheld));
    assert!(texts(&world, "bob").contains(&"carol: I have a new link".to_owned()));
}

#[test]
fn an_answer_that_is_older_than_a_claim_raises_no_alarm() {
    for chance in 0..10 {
        let (mut world, at) = three(100 + chance);
        let is_asked = Rc::new(Cell::new(false));
        let flag = Rc::clone(&is_asked);
        world.relay.script = Some(Box::new(move |request, response| {
            flag.set(flag.get() || request.target == "/v1/people");
            response
        }));
        world.ui("carol", UiEvent::OldMessagesRefused { on: true });
        world.run(5_000);
        world.weather.delay = 5_000;
        world.send("carol", &at, "one more link");
        while !is_asked.get() {
            world.run(10);
        }
        // Bob's answer is on its way. Before it arrives, Carol adds another link and writes again.
        world.weather.delay = 0;
        world.ui("carol", UiEvent::OldMessagesRefused { on: false });
        world.run(100);
        world.send("carol", &at, "and another");
        world.run(60_000);
        for who in ["alice", "bob"] {
            assert_eq!(world.alarm(who), None, "{who}, {chance}");
            assert!(texts(&world, who).contains(&"carol: and another".to_owned()));
        }
    }
}
