//! One row of the list: a link whose name begins with the handle.

use kez_client::view::{ConversationRow, Preview};
use leptos::prelude::*;

use crate::browser::{iso, short_label};
use crate::components::icon::{Glyph, Icon};
use crate::components::request_actions::RequestActions;
use crate::reactive::memo;

/// The row of one conversation.
#[component]
pub(crate) fn ConversationLink(
    row: ArcRwSignal<ConversationRow>,
    who: Memo<Option<String>>,
) -> impl IntoView {
    let row = RwSignal::from(row);
    let handle = row.with_untracked(|row| row.handle.clone());
    let href = format!("/messages/{handle}");
    let is_open = {
        let handle = handle.clone();
        move || who.with(|who| who.as_deref() == Some(&handle))
    };
    let (of, open) = (handle.clone(), is_open.clone());
    let unread = memo(move || row.with(|row| row.unread));
    view! {
        <li>
            <a class="row" href=href aria-current=move || is_open().then_some("page") class:row-unread=move || { unread.get() > 0 }>
                <span class="row-name">{format!("@{handle} ")}</span>
                {move || row.with(|row| row.verified).then(|| view! {
                    <span class="row-verified"><Icon of=Glyph::ShieldCheck/><span class="sr-only">"Verified "</span></span>
                })}
                {move || row.with(|row| row.at).map(|at| view! {
                    <time class="row-time" datetime=iso(at)>{short_label(at)}" "</time>
                })}
                {move || row.with(|row| preview(&row.preview))}
                {move || (unread.get() > 0).then(|| view! { <UnreadBadge count=unread.get()/> })}
            </a>
            // While it is open, the thread offers the same.
            {move || (row.with(|row| row.request) && !open()).then(|| view! { <RequestActions handle=of.clone()/> })}
        </li>
    }
}

#[component]
fn UnreadBadge(count: u64) -> impl IntoView {
    let short = if count > 99 { "99+".to_owned() } else { count.to_string() };
    view! {
        <span class="badge">
            <span aria-hidden="true">{short}</span>
            <span class="sr-only">{format!("{count} unread")}</span>
        </span>
    }
}

fn preview(preview: &Preview) -> impl IntoView + use<> {
    let (kind, text) = match preview {
        Preview::Nothing => ("quiet", "No messages yet".to_owned()),
        Preview::Theirs(text) => ("plain", text.clone()),
        Preview::Mine(text) => ("plain", format!("You: {text}")),
        Preview::Draft(text) => ("draft", format!("Draft: {text}")),
        Preview::Unreadable => ("quiet", "Unreadable message".to_owned()),
    };
    view! { <span class="row-preview" data-kind=kind dir="auto">{text}" "</span> }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{ConversationRow, Preview};
    use leptos::prelude::*;

    use super::{ConversationLink, ConversationLinkProps};

    fn html(unread: u64, preview: Preview) -> String {
        let owner = Owner::new();
        owner.set();
        let row = ConversationRow {
            handle: "bob".to_owned(),
            preview,
            at: Some(0),
            unread,
            request: false,
            verified: true,
        };
        let who = Memo::new(|_| Some("bob".to_owned()));
        ConversationLink(ConversationLinkProps { row: ArcRwSignal::new(row), who }).to_html()
    }

    #[test]
    fn the_name_of_the_link_begins_with_the_handle() {
        let html = html(0, Preview::Theirs("hello".to_owned()));
        assert!(html.contains("href=\"/messages/bob\""), "{html}");
        let text_before_handle = html.split("@bob").next().unwrap();
        assert!(text_before_handle.ends_with("<span class=\"row-name\">"), "{html}");
        assert!(html.contains("aria-current=\"page\""), "{html}");
        assert!(!html.contains("unread</span>"), "{html}");
    }

    #[test]
    fn the_badge_shows_99_plus_and_says_the_number() {
        let html = html(120, Preview::Draft("on my way".to_owned()));
        assert!(html.contains("99+") && html.contains("120 unread"), "{html}");
        assert!(html.contains("Draft: on my way"), "{html}");
    }
}
