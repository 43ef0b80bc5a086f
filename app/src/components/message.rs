//! One message.

use kez_client::event::UiEvent;
use kez_client::view::{DeliveryState, FormerKey, MessageBody, MessageRow};
use leptos::prelude::*;

use crate::browser::{full_label, iso, time_label};
use crate::components::delivery_mark::{DeliveryMark, state_name};
use crate::components::keyboard::focus;
use crate::components::message_text::MessageText;
use crate::components::reactions::Reactions;
use crate::components::roving::Roving;
use crate::components::thread::LOG_ID;
use crate::reactive::memo;
use crate::session::use_session;
use crate::text::sentence;

/// The id of the element of a row; links to a message name it.
pub(crate) fn element_id(row: &str) -> String {
    format!("m-{row}")
}

/// A row of the thread. Its text never changes, except when the user asks for more of it; its mark does.
#[component]
pub(crate) fn Message(
    /// The other user of the conversation.
    handle: String,
    /// The message as it first appeared.
    first: MessageRow,
    /// The message as it is now.
    row: Memo<Option<MessageRow>>,
    /// Whether the message is grouped with the previous one of the same sender.
    continues: Memo<bool>,
    /// The message that is the tab stop of the thread.
    roving: Roving,
) -> impl IntoView {
    let MessageRow { id, mine, author, body, state: first_state, at, former_key, old_way, .. } = first;
    let state = memo(move || row.with(|row| row.as_ref().map_or(first_state, |row| row.state)));
    let error = memo(move || row.with(|row| row.as_ref().and_then(|row| row.error.as_ref().map(sentence))));
    let shown_author = author.clone();
    let author = match mine {
        true => "You: ".to_owned(),
        false => format!("@{}: ", author.as_deref().unwrap_or(&handle)),
    };
    let element_id = element_id(&id);
    let side = if mine { "message message-mine" } else { "message" };
    let tabindex = roving.tabindex(id.clone());
    let stop_key = id.clone();
    let body_id = format!("m-{id}-text");
    let shown = Body { handle: handle.clone(), id: id.clone(), element: body_id.clone(), tabindex };
    let can_react = matches!(body, MessageBody::Text { .. });
    let target = (handle.clone(), id.clone());
    view! {
        <article
            id=element_id.clone()
            class=side
            class:message-continues=move || continues.get()
            data-state=move || state_name(state.get())
            data-stop=stop_key
            tabindex=move || tabindex.get()
            aria-labelledby=format!("{element_id}-by {body_id} {element_id}-meta")
        >
            <span class="sr-only" id=format!("{element_id}-by")>{author}</span>
            {move || shown_author.clone().filter(|_| !continues.get()).map(|author| view! {
                <p class="message-author" aria-hidden="true" translate="no">{format!("@{author}")}</p>
            })}
            {body_view(body, row, shown)}
            {former_key.map(|key| view! { <p class="message-note">{former_key_note(key)}</p> })}
            <p class="message-meta" id=format!("{element_id}-meta")>
                <time datetime=iso(at) title=full_label(at)>{time_label(at)}</time>
                {old_way.then(|| view! { <span class="old-way">"Sent the old way"</span> })}
                <DeliveryMark state/>
            </p>
            {can_react.then(|| view! { <Reactions handle=target.0 id=target.1 row tabindex/> })}
            {move || {
                let (handle, id) = (handle.clone(), id.clone());
                (state.get() == DeliveryState::Failed).then(|| view! { <FailedActions handle id error/> })
            }}
        </article>
    }
}

/// The position of a message's body.
#[derive(Clone)]
struct Body {
    handle: String,
    id: String,
    /// The id of the element with the text.
    element: String,
    tabindex: Signal<&'static str>,
}

fn body_view(body: MessageBody, row: Memo<Option<MessageRow>>, shown: Body) -> AnyView {
    let element = shown.element.clone();
    let note = |text: String| view! { <p class="message-note" id=element>{text}</p> }.into_any();
    match body {
        MessageBody::Text { text } => text_view(text, row, shown),
        MessageBody::Unsupported => {
            note("Unsupported message: a newer version of the app may show it.".to_owned())
        }
        // These are lines of the thread, not messages.
        MessageBody::KeyReplaced | MessageBody::DeviceAdded | MessageBody::Group(_) => ().into_any(),
        MessageBody::Undecryptable { why } => note(format!("This message could not be read: {why}.")),
        MessageBody::Malformed => {
            note("This message could not be read: its content is malformed.".to_owned())
        }
        MessageBody::Damaged => note("This message could not be read from this browser.".to_owned()),
    }
}

/// The text, or its beginning with a button for the rest.
fn text_view(first: String, row: Memo<Option<MessageRow>>, shown: Body) -> AnyView {
    let is_cut = memo(move || row.with(|row| row.as_ref().is_some_and(|row| row.cut)));
    let view = move || {
        let cut = is_cut.get();
        let text = row.with_untracked(|row| match row {
            Some(MessageRow { body: MessageBody::Text { text }, .. }) => text.clone(),
            _ => first.clone(),
        });
        let Body { handle, id, element, tabindex } = shown.clone();
        view! {
            <MessageText text id=element tabindex/>
            {cut.then(|| view! { <ShowAll handle id tabindex/> })}
        }
    };
    view.into_any()
}

#[component]
fn ShowAll(handle: String, id: String, tabindex: Signal<&'static str>) -> impl IntoView {
    let session = use_session();
    let show = move |_| {
        focus(&format!("m-{id}"));
        session.send(UiEvent::WholeTextWanted { handle: handle.clone(), id: id.clone() });
    };
    view! {
        <p class="message-cut">
            <button type="button" class="button-small" tabindex=move || tabindex.get() on:click=show>"Show all"</button>
        </p>
    }
}

const fn former_key_note(key: FormerKey) -> &'static str {
    match key {
        FormerKey::Theirs => "Signed with a key that its sender has replaced: it may be from someone else.",
        FormerKey::Mine => "Sent to a key that you have replaced: someone else may be able to read it.",
    }
}

/// The actions for a message that was not sent.
#[component]
fn FailedActions(handle: String, id: String, error: Memo<Option<String>>) -> impl IntoView {
    let session = use_session();
    let retry = {
        let (handle, id) = (handle.clone(), id.clone());
        move |_| {
            // The button disappears, and the focus would be lost with it.
            focus(&format!("m-{id}"));
            session.send(UiEvent::RetryPressed { handle: handle.clone(), id: id.clone() });
        }
    };
    let delete = move |_| {
        focus(LOG_ID);
        session.send(UiEvent::DeletePressed { handle: handle.clone(), id: id.clone() });
    };
    view! {
        <div class="message-failed">
            <p>{move || error.get().unwrap_or_else(|| "Not sent".to_owned())}</p>
            <button type="button" class="button-small" on:click=retry>"Retry"</button>
            <button type="button" class="button-small" on:click=delete>"Delete"</button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{DeliveryState, MessageBody, MessageRow, Reason};
    use kez_core::envelope::OpenError;
    use leptos::prelude::*;

    use super::{Message, MessageProps};
    use crate::components::roving::Roving;

    fn html(body: MessageBody, mine: bool, state: DeliveryState) -> String {
        let owner = Owner::new();
        owner.set();
        let first = MessageRow {
            id: "01".to_owned(),
            mine,
            author: None,
            body,
            state,
            at: 0,
            missing_before: 0,
            contradicts_chain: false,
            cut: false,
            former_key: None,
            old_way: false,
            reactions: Vec::new(),
            error: Some(Reason::NoAnswer).filter(|_| state == DeliveryState::Failed),
        };
        let held = first.clone();
        let row = Memo::new(move |_| Some(held.clone()));
        let continues = Memo::new(|_| false);
        let roving = Roving::new(|_| true, || Some("01".to_owned()));
        Message(MessageProps { handle: "bob".to_owned(), first, row, continues, roving })
            .to_html()
            .replace("<!>", "")
    }

    #[test]
    fn a_message_is_an_article_with_its_state_and_time() {
        let html = html(MessageBody::Text { text: "hello".to_owned() }, true, DeliveryState::Sent);
        assert!(html.starts_with("<article") && html.contains("data-state=\"sent\""), "{html}");
        assert!(
            html.contains(
                "<p id=\"m-01-text\" dir=\"auto\" translate=\"no\" class=\"message-text\">hello</p>"
            ),
            "the words stand alone: {html}"
        );
        assert!(html.contains("datetime=\"1970-01-01T00:00:00Z\""), "{html}");
        assert!(html.contains("<span class=\"sr-only\">Sent</span>"), "{html}");
        assert!(!html.contains("Retry"), "{html}");
    }

    #[test]
    fn a_message_has_a_name_and_can_take_the_focus() {
        let html = html(MessageBody::Text { text: "hello".to_owned() }, false, DeliveryState::Received);
        assert!(html.contains("aria-labelledby=\"m-01-by m-01-text m-01-meta\""), "{html}");
        assert!(html.contains("tabindex=\"0\"") && html.contains("data-stop=\"01\""), "{html}");
        for id in ["m-01-by", "m-01-text", "m-01-meta"] {
            assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{html}");
        }
        assert!(html.contains("title=\"Thursday, 1 January 1970 at 00:00\""), "{html}");
    }

    #[test]
    fn a_failed_message_says_why_and_can_be_retried_or_deleted() {
        let html = html(MessageBody::Text { text: "hello".to_owned() }, true, DeliveryState::Failed);
        assert!(
            html.contains("data-state=\"failed\"") && html.contains("The server did not answer"),
            "{html}"
        );
        assert!(html.contains(">Retry</button>") && html.contains(">Delete</button>"), "{html}");
    }

    #[test]
    fn an_unreadable_message_says_why() {
        let why = OpenError::NotDecryptable;
        let html = html(MessageBody::Undecryptable { why }, false, DeliveryState::Undecryptable);
        assert!(html.contains("data-state=\"undecryptable\""), "{html}");
        assert!(html.contains("This message could not be read: it could not be decrypted."), "{html}");
    }

    #[test]
    fn nothing_in_a_row_is_inline_style_or_script() {
        let html = html(
            MessageBody::Text { text: "<script>1</script> style=".to_owned() },
            false,
            DeliveryState::Received,
        );
        assert!(!html.contains("<script") && !html.contains(" style=\""), "{html}");
    }
}
