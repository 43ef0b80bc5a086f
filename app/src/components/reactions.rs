//! The reactions below a message, and the dialog in which the user chooses one.

use kez_client::event::UiEvent;
use kez_client::view::{GroupStage, MessageRow, ReactionRow, ThreadView};
use kez_core::content::Emoji;
use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::{ErrorText, Field, text_of};
use crate::components::keyboard::focus;
use crate::components::menu::{Menu, MenuItem};
use crate::reactive::memo;
use crate::session::{Session, use_session};

/// The emojis that the dialog offers.
const OFFERED: [&str; 6] = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
/// The most reactions of the user on one message.
const MOST: usize = 8;
/// Shown when the user tries to set one more.
const FULL: &str = "You have reacted eight times already.";
/// Shown when the text in "Emoji" cannot be a reaction.
const NOT_AN_EMOJI: &str = "Enter one emoji, without spaces and at most 32 bytes long.";

/// The reactions of a message as buttons, and the menu with "React".
#[component]
pub(crate) fn Reactions(
    /// The other user of the conversation.
    handle: String,
    /// The row of the message.
    id: String,
    row: Memo<Option<MessageRow>>,
    /// The tab index of the controls of the row.
    tabindex: Signal<&'static str>,
) -> impl IntoView {
    let session = use_session();
    let reactions =
        memo(move || row.with(|row| row.as_ref().map(|row| row.reactions.clone()).unwrap_or_default()));
    let choice = Choice { session, target: StoredValue::new((handle, id)), reactions };
    let choosing = RwSignal::new(false);
    let may_react = memo(move || session.thread.with(|thread| thread.as_ref().is_none_or(may_react)));
    let items = Signal::derive(move || match may_react.get() {
        true => vec![MenuItem::action("React", move || choosing.set(true))],
        false => Vec::new(),
    });
    view! {
        <div class="message-reactions">
            {move || {
                let reactions = reactions.get();
                (!reactions.is_empty()).then(|| view! {
                    <ul aria-label="Reactions">
                        {reactions.into_iter().map(|reaction| badge(choice, reaction, tabindex)).collect_view()}
                    </ul>
                })
            }}
            {move || may_react.get().then(|| view! { <Menu label="Message actions" items tabindex/> })}
        </div>
        <ReactDialog choice open=choosing/>
    }
}

/// Whether the user may react in a conversation: it is no request, and a group is one in which the user takes part.
fn may_react(thread: &ThreadView) -> bool {
    !thread.request && thread.group.as_ref().is_none_or(|group| group.stage == GroupStage::In)
}

/// The user's reactions to one message.
#[derive(Clone, Copy)]
struct Choice {
    session: Session,
    /// The handle of the other user, and the row of the message.
    target: StoredValue<(String, String)>,
    reactions: Memo<Vec<ReactionRow>>,
}

impl Choice {
    /// Whether the user has set this reaction.
    fn is_set(self, emoji: &str) -> bool {
        self.reactions.with(|all| all.iter().any(|one| one.mine && one.emoji == emoji))
    }

    /// Sets or withdraws a reaction. Says so if the user has as many as are possible.
    fn set(self, emoji: String, on: bool) {
        let mine = self.reactions.with_untracked(|all| all.iter().filter(|one| one.mine).count());
        let full = on && mine >= MOST;
        self.session.remark.set(full.then_some(FULL));
        if !full {
            let (handle, id) = self.target.get_value();
            self.session.send(UiEvent::ReactionSet { handle, id, emoji, on });
        }
    }
}

/// A reaction that is set, as a button that sets or withdraws the user's own.
fn badge(choice: Choice, reaction: ReactionRow, tabindex: Signal<&'static str>) -> impl IntoView {
    let id = choice.target.with_value(|(_, id)| id.clone());
    let label = label(&reaction);
    let ReactionRow { emoji, mine, count, .. } = reaction;
    let shown = if count > 1 { format!("{emoji} {count}") } else { emoji.clone() };
    let set = move |_| {
        // The button may disappear, and the focus would be lost with it.
        focus(&format!("m-{id}"));
        choice.set(emoji.clone(), !mine);
    };
    view! {
        <li>
            <button
                type="button"
                class="reaction"
                aria-label=label
                aria-pressed=mine.to_string()
                tabindex=move || tabindex.get()
                on:click=set
            >
                {shown}
            </button>
        </li>
    }
}

/// Names the button of a reaction: `👍, 5: You, @bob, @carol, @dave and 1 other`.
fn label(reaction: &ReactionRow) -> String {
    let ReactionRow { emoji, mine, count, others } = reaction;
    let named = others.iter().map(|handle| format!("@{handle}"));
    let people: Vec<String> = mine.then(|| "You".to_owned()).into_iter().chain(named).collect();
    let rest = usize::try_from(*count).unwrap_or(usize::MAX).saturating_sub(people.len());
    let rest = match rest {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        rest => format!(" and {rest} others"),
    };
    format!("{emoji}, {count}: {}{rest}", people.join(", "))
}

/// The dialog "React": some emojis, and a field for every other one.
#[component]
fn ReactDialog(choice: Choice, open: RwSignal<bool>) -> impl IntoView {
    let choose = move |emoji: &str, on| {
        open.set(false);
        choice.set(emoji.to_owned(), on);
    };
    let buttons = move || {
        let button = |emoji: &'static str| {
            view! {
                <button
                    type="button"
                    class="button-quiet"
                    aria-pressed=move || choice.is_set(emoji).to_string()
                    on:click=move |_| choose(emoji, !untrack(|| choice.is_set(emoji)))
                >
                    {emoji}
                </button>
            }
        };
        OFFERED.map(button).collect_view()
    };
    view! {
        <Dialog id="react-title" title="React" open on_close=Callback::new(move |()| open.set(false))>
            <div class="reaction-choice">{buttons()}</div>
            <EmojiForm on_emoji=Callback::new(move |emoji: Emoji| {
                let is_set = untrack(|| choice.is_set(emoji.as_str()));
                if is_set {
                    open.set(false);
                } else {
                    choose(emoji.as_str(), true);
                }
            })/>
        </Dialog>
    }
}

/// Asks for an emoji.
#[component]
fn EmojiForm(on_emoji: Callback<Emoji>) -> impl IntoView {
    let node = NodeRef::<html::Input>::new();
    let error = RwSignal::new(None::<String>);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        match text_of(node).trim().parse() {
            Ok(emoji) => on_emoji.run(emoji),
            Err(_) => error.set(Some(NOT_AN_EMOJI.to_owned())),
        }
    };
    view! {
        <form class="stack" on:submit=submit>
            <Field label="Emoji" id="react-emoji" node on_input=Callback::new(move |_| error.set(None))/>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary">"React"</button>
            </p>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow, ReactionRow};
    use leptos::prelude::*;

    use super::{Choice, FULL, Reactions, ReactionsProps, label};
    use crate::session::Session;

    fn html(reactions: Vec<ReactionRow>) -> String {
        let owner = Owner::new();
        owner.set();
        let row = MessageRow {
            author: None,
            id: "in-1".to_owned(),
            mine: false,
            body: MessageBody::Text { text: "hello".to_owned() },
            state: DeliveryState::Received,
            at: 0,
            missing_before: 0,
            contradicts_chain: false,
            cut: false,
            former_key: None,
            old_way: false,
            error: None,
            reactions,
        };
        let row = Memo::new(move |_| Some(row.clone()));
        let (handle, id) = ("bob".to_owned(), "in-1".to_owned());
        let tabindex = Signal::derive(|| "-1");
        Reactions(ReactionsProps { handle, id, row, tabindex }).to_html()
    }

    #[test]
    fn each_reaction_is_a_button_that_says_who_set_it() {
        let row = |emoji: &str, mine, count| ReactionRow {
            emoji: emoji.to_owned(),
            mine,
            count,
            others: vec!["bob".to_owned()],
        };
        let html = html(vec![row("❤️", false, 1), row("👍", true, 2)]);
        assert!(html.contains("<ul aria-label=\"Reactions\">"), "{html}");
        assert!(html.contains("aria-label=\"❤️, 1: @bob\" aria-pressed=\"false\""), "{html}");
        assert!(html.contains("aria-label=\"👍, 2: You, @bob\" aria-pressed=\"true\""), "{html}");
        assert!(html.contains("aria-label=\"Message actions\""), "{html}");
    }

    #[test]
    fn of_many_people_some_are_named() {
        let named = |mine, count, others: &[&str]| {
            let others = others.iter().map(|one| (*one).to_owned()).collect();
            label(&ReactionRow { emoji: "👍".to_owned(), mine, count, others })
        };
        assert_eq!(named(true, 1, &[]), "👍, 1: You");
        assert_eq!(named(false, 2, &["bob", "carol"]), "👍, 2: @bob, @carol");
        assert_eq!(named(true, 5, &["bob", "carol", "dave"]), "👍, 5: You, @bob, @carol, @dave and 1 other");
        assert_eq!(named(false, 250, &["a", "b", "c"]), "👍, 250: @a, @b, @c and 247 others");
    }

    #[test]
    fn without_reactions_there_is_no_list() {
        let html = html(Vec::new());
        assert!(!html.contains("<ul") && html.contains("Message actions"), "{html}");
    }

    #[test]
    fn the_ninth_reaction_is_refused_with_a_sentence() {
        let owner = Owner::new();
        owner.set();
        let row = |n: usize| ReactionRow { emoji: format!("e{n}"), mine: true, count: 1, others: Vec::new() };
        for (set, says) in [(7, None), (8, Some(FULL))] {
            let target = StoredValue::new(("bob".to_owned(), "in-1".to_owned()));
            let reactions = Memo::new(move |_| (0..set).map(row).collect());
            let choice = Choice { session: Session::idle(), target, reactions };
            choice.set("new".to_owned(), true);
            assert_eq!(choice.session.remark.get_untracked(), says);
            choice.set("e1".to_owned(), false);
            assert_eq!(choice.session.remark.get_untracked(), None, "one may be withdrawn");
        }
    }
}
