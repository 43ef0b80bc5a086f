//! Asks the user for three words of a phrase, to check that it was written down.

use leptos::{ev, html, prelude::*};

use crate::components::field::{ErrorText, Field, text_of};

/// The number of words asked for.
const ASKED: usize = 3;

/// A form with three of the words; `on_done` runs once all of them are right.
#[component]
pub(crate) fn WordsCheck(
    /// The phrase.
    words: Vec<String>,
    /// Distinguishes the ids of the fields from those of another form on the page.
    id: &'static str,
    /// The label of the button.
    button: &'static str,
    on_done: Callback<()>,
) -> impl IntoView {
    let asked = asked_positions(random_bytes(), words.len());
    let nodes: Vec<NodeRef<html::Input>> = asked.iter().map(|_| NodeRef::new()).collect();
    let fields: Vec<_> = asked
        .iter()
        .zip(&nodes)
        .enumerate()
        .map(|(index, (position, node))| {
            let (label, id) = (format!("Word {}", position + 1), format!("{id}-{position}"));
            view! { <Field label id node=*node autofocus=index == 0/> }
        })
        .collect();
    let error = RwSignal::new(None::<String>);
    let check = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let typed: Vec<String> = nodes.iter().map(|node| text_of(*node)).collect();
        match first_wrong(&words, &asked, &typed) {
            Some(position) => error.set(Some(format!("Word {} does not match your phrase.", position + 1))),
            None => on_done.run(()),
        }
    };
    view! {
        <form class="stack" on:submit=check>
            {fields}
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary">{button}</button>
            </p>
        </form>
    }
}

/// Distinct positions in ascending order, chosen by random bytes.
fn asked_positions(random: [u8; ASKED], words: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..words).collect();
    let mut asked: Vec<usize> = random
        .iter()
        .filter(|_| words >= ASKED)
        .map(|byte| left.remove(usize::from(*byte) % left.len()))
        .collect();
    asked.sort_unstable();
    asked
}

/// The first position whose typed word differs from the phrase.
fn first_wrong(words: &[String], asked: &[usize], typed: &[String]) -> Option<usize> {
    let is_right = |(position, typed): &(&usize, &String)| {
        words.get(**position).is_some_and(|word| word.eq_ignore_ascii_case(typed.trim()))
    };
    asked.iter().zip(typed).find(|pair| !is_right(pair)).map(|(position, _)| *position)
}

/// The bytes need not be secret, only unpredictable. Without a random source, the first words are asked for.
fn random_bytes() -> [u8; ASKED] {
    let mut random = [0; ASKED];
    if cfg!(target_arch = "wasm32")
        && let Ok(crypto) = window().crypto()
    {
        let _ = crypto.get_random_values_with_u8_array(&mut random);
    }
    random
}

#[cfg(test)]
mod tests {
    use super::{asked_positions, first_wrong};

    #[test]
    fn three_distinct_words_are_asked() {
        assert_eq!(asked_positions([0, 0, 0], 24), [0, 1, 2]);
        assert_eq!(asked_positions([255, 255, 255], 24), [2, 14, 15]);
        for byte in 0..=255 {
            let asked = asked_positions([byte, byte, byte.wrapping_mul(7)], 24);
            assert!(asked.len() == 3 && asked.is_sorted_by(|a, b| a < b) && asked[2] < 24, "{asked:?}");
        }
    }

    #[test]
    fn the_first_wrong_word_is_named() {
        let words = ["zoo", "able", "cat"].map(str::to_owned);
        let typed = |words: [&str; 2]| words.map(str::to_owned);
        assert_eq!(first_wrong(&words, &[0, 2], &typed([" Zoo ", "cat"])), None);
        assert_eq!(first_wrong(&words, &[0, 2], &typed(["zoo", "dog"])), Some(2));
        assert_eq!(first_wrong(&words, &[0, 2], &typed(["", "cat"])), Some(0));
    }
}
