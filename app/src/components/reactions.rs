//! The reactions below a message, and the dialog in which the user chooses one.

use kez_client::event::UiEvent;
use kez_client::view::{MessageRow, ReactionRow};
use leptos::prelude::*;

use crate::components::dialog::Dialog;
use crate::components::keyboard::focus;
use crate::components::menu::{Menu, MenuItem};
use crate::reactive::memo;
use crate::session::{Session, use_session};

/// The emojis that the dialog offers.
const OFFERED: [&str; 6] = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
/// The most reactions of the user on one message.
const MOST: usize = 8;

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
    let target = StoredValue::new((handle, id));
    let choosing = RwSignal::new(false);
    let may_react = memo(move || {
        let mine = reactions.with(|reactions| reactions.iter().filter(|reaction| reaction.mine).count());
        let request = session.thread.with(|thread| thread.as_ref().is_some_and(|thread| thread.request));
        mine < MOST && !request
    });
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
                        {reactions.into_iter().map(|reaction| badge(session, target, reaction, tabindex)).collect_view()}
                    </ul>
                })
            }}
            {move || may_react.get().then(|| view! { <Menu label="Message actions" items tabindex/> })}
        </div>
        <ReactDialog target reactions open=choosing/>
    }
}

/// A reaction that is set, as a button that sets or withdraws the user's own.
fn badge(
    session: Session,
    target: StoredValue<(String, String)>,
    reaction: ReactionRow,
    tabindex: Signal<&'static str>,
) -> impl IntoView {
    let ReactionRow { emoji, mine, count } = reaction;
    let (handle, id) = target.get_value();
    let people = match (mine, count) {
        (true, 1) => "You".to_owned(),
        (true, _) => format!("You, @{handle}"),
        (false, _) => format!("@{handle}"),
    };
    let label = format!("{emoji}, {count}: {people}");
    let shown = if count > 1 { format!("{emoji} {count}") } else { emoji.clone() };
    let set = move |_| {
        // The button may disappear, and the focus would be lost with it.
        focus(&format!("m-{id}"));
        let (handle, id, emoji) = (handle.clone(), id.clone(), emoji.clone());
        session.send(UiEvent::ReactionSet { handle, id, emoji, on: !mine });
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

/// The dialog "React".
#[component]
fn ReactDialog(
    target: StoredValue<(String, String)>,
    reactions: Memo<Vec<ReactionRow>>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let session = use_session();
    let choose = move |emoji: &'static str| {
        let (handle, id) = target.get_value();
        let set = reactions.with_untracked(|all| all.iter().any(|one| one.mine && one.emoji == emoji));
        session.send(UiEvent::ReactionSet { handle, id, emoji: emoji.to_owned(), on: !set });
        open.set(false);
    };
    let buttons = move || {
        let button = |emoji: &'static str| {
            let set = move || reactions.with(|all| all.iter().any(|one| one.mine && one.emoji == emoji));
            view! {
                <button
                    type="button"
                    class="button-quiet"
                    aria-pressed=move || set().to_string()
                    on:click=move |_| choose(emoji)
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
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow, ReactionRow};
    use leptos::prelude::*;

    use super::{Reactions, ReactionsProps};

    fn html(reactions: Vec<ReactionRow>) -> String {
        let owner = Owner::new();
        owner.set();
        let row = MessageRow {
            id: "in-1".to_owned(),
            mine: false,
            body: MessageBody::Text { text: "hello".to_owned() },
            state: DeliveryState::Received,
            at: 0,
            missing_before: 0,
            contradicts_chain: false,
            cut: false,
            former_key: None,
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
        let row = |emoji: &str, mine, count| ReactionRow { emoji: emoji.to_owned(), mine, count };
        let html = html(vec![row("❤️", false, 1), row("👍", true, 2)]);
        assert!(html.contains("<ul aria-label=\"Reactions\">"), "{html}");
        assert!(html.contains("aria-label=\"❤️, 1: @bob\" aria-pressed=\"false\""), "{html}");
        assert!(html.contains("aria-label=\"👍, 2: You, @bob\" aria-pressed=\"true\""), "{html}");
        assert!(html.contains("aria-label=\"Message actions\""), "{html}");
    }

    #[test]
    fn without_reactions_there_is_no_list() {
        let html = html(Vec::new());
        assert!(!html.contains("<ul") && html.contains("Message actions"), "{html}");
    }

    #[test]
    fn the_eighth_reaction_is_the_last() {
        let row = |n: usize| ReactionRow { emoji: format!("e{n}"), mine: true, count: 1 };
        assert!(!html((0..8).map(row).collect()).contains("Message actions"));
    }
}
