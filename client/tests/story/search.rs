//! Search over names and the texts of messages, whether or not their pages are in memory.

use kez_client::event::UiEvent;
use kez_client::view::SearchView;

use crate::pages::long;
use crate::sim::World;

fn search(world: &mut World, text: &str, within: Option<&str>) -> SearchView {
    let event = UiEvent::SearchTyped { text: text.into(), within: within.map(str::to_owned) };
    world.ui("bob", event);
    world.run(1);
    world.view("bob").search.unwrap()
}

fn found(view: &SearchView) -> Vec<String> {
    let texts = view.hits.iter().map(|hit| hit.excerpt.iter().map(|(part, _)| part.as_str()).collect());
    texts.collect()
}

#[test]
fn search_covers_all_pages_newest_first() {
    let mut world = long(1, 0, 300);
    world.send("alice", "bob", "Déjà vu: a CAFÉ");
    world.send("bob", "alice", "東京都");
    world.run(1_000);
    world.reload("bob");
    let view = search(&mut world, "message 12", None);
    assert!(view.done && view.searched == view.total && view.total == 303, "{view:?}");
    let numbers = (0..300).rev().map(|n| n.to_string()).filter(|n| n.contains("12"));
    let mut expected: Vec<String> = numbers.map(|n| format!("message {n}")).collect();
    let mut all = found(&view);
    assert!(view.hits.iter().all(|hit| hit.handle == "alice"));
    assert!(view.hits.is_sorted_by(|newer, older| newer.at >= older.at));
    let part = |text: &str, mark| (text.to_owned(), mark);
    assert!(
        view.hits.iter().any(|hit| hit.excerpt
            == [part("message", true), part(" ", false), part("12", true), part("9", false)])
    );
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    for (text, expected) in [("cafe deja", "Déjà vu: a CAFÉ"), ("京", "東京都"), ("É VU", "Déjà vu: a CAFÉ")]
    {
        assert_eq!(found(&search(&mut world, text, None)), [expected], "{text}");
    }
    let nothing = search(&mut world, "no such text", None);
    assert!(nothing.done && nothing.hits.is_empty() && nothing.people.is_empty());
    world.ui("bob", UiEvent::SearchTyped { text: " ".into(), within: None });
    assert_eq!(world.view("bob").search, None);
}

#[test]
fn a_search_finds_people_and_can_be_limited_to_one_conversation() {
    let mut world = long(2, 0, 80);
    world.join("carol", "");
    world.look("carol", "bob");
    world.run(1_000);
    world.send("carol", "bob", "message of Carol");
    world.run(5_000);
    let view = search(&mut world, "@CAR", None);
    assert_eq!((view.people.clone(), view.hits.len()), (vec!["carol".to_owned()], 0));
    let hits = |view: &SearchView, handle: &str| view.hits.iter().filter(|hit| hit.handle == handle).count();
    let view = search(&mut world, "message", None);
    assert_eq!((hits(&view, "carol"), hits(&view, "alice")), (1, 80));
    let view = search(&mut world, "message", Some("carol"));
    assert_eq!((view.hits.len(), hits(&view, "carol"), view.total), (1, 1, 2), "its line is a row too");
    world.ui("bob", UiEvent::BlockPressed { handle: "carol".into() });
    let view = search(&mut world, "message", None);
    assert_eq!((hits(&view, "carol"), view.people.len()), (0, 0));
}

#[test]
fn a_new_message_is_found_by_the_next_search() {
    let mut world = long(3, 0, 70);
    assert!(search(&mut world, "needle", None).hits.is_empty());
    world.send("alice", "bob", "a needle");
    world.run(1_000);
    assert_eq!(found(&search(&mut world, "needle", None)), ["a needle"]);
}

#[test]
fn a_search_ends_at_two_hundred_hits() {
    let mut world = long(4, 0, 260);
    let view = search(&mut world, "m", None);
    assert_eq!((view.hits.len(), view.done), (200, true));
    assert!(view.searched <= view.total);
}
