//! One row of the list: a link whose name begins with the handle.

use kez_client::view::{ConversationRow, Preview};
use leptos::prelude::*;

use crate::browser::{full_label, iso, short_label};
use crate::components::avatar::Avatar;
use crate::components::icon::{Glyph, Icon};
use crate::components::keyboard::focus;
use crate::components::request_actions::RequestActions;
use crate::components::roving::Roving;
use crate::reactive::{effect, memo};
use crate::session::use_session;

/// The id of the row of a conversation.
pub(crate) fn row_id(handle: &str) -> String {
    format!("row-{handle}")
}

/// The row of one conversation.
#[component]
pub(crate) fn ConversationLink(
    row: ArcRwSignal<ConversationRow>,
    who: Memo<Option<String>>,
    /// The row that is the tab stop of the list.
    roving: Roving,
) -> impl IntoView {
    let row = RwSignal::from(row);
    let handle = row.with_untracked(|row| row.handle.clone());
    let primary = memo(move || row.with(|row| row.primary.clone()));
    use_focus_when_wanted(handle.clone());
    let tabindex = roving.tabindex(handle.clone());
    let id = row_id(&handle);
    let initial_of = handle.clone();
    let href = format!("/messages/{handle}");
    let is_open = {
        let handle = handle.clone();
        move || who.with(|who| who.as_deref() == Some(&handle))
    };
    let (of, open) = (handle.clone(), is_open.clone());
    let unread = memo(move || row.with(|row| row.unread));
    view! {
        <li>
            <a
                id=id.clone()
                class="row"
                href=href
                data-stop=handle.clone()
                tabindex=move || tabindex.get()
                aria-current=move || is_open().then_some("page") class:row-unread=move || { unread.get() > 0 }
            >
                {move || view! { <Avatar primary=Some(primary.get()) handle=initial_of.clone()/> }}
                <span class="row-name" translate="no">{format!("@{handle} ")}</span>
                {move || row.with(|row| row.verified).then(|| view! {
                    <span class="row-verified"><Icon of=Glyph::ShieldCheck/><span class="sr-only">"Verified "</span></span>
                })}
                {move || row.with(|row| row.at).map(|at| view! {
                    <time class="row-time" datetime=iso(at) title=full_label(at)>{short_label(at)}" "</time>
                })}
                {move || row.with(|row| preview(&row.preview))}
                {move || (unread.get() > 0).then(|| view! { <UnreadBadge count=unread.get()/> })}
            </a>
            // While the conversation is open, the thread offers the same buttons.
            {move || (row.with(|row| row.request) && !open()).then(|| view! {
                <RequestActions handle=of.clone() tabindex="-1"/>
            })}
        </li>
    }
}

/// Takes the focus when the row appears, if the session asks for it.
fn use_focus_when_wanted(handle: String) {
    let wanted = use_session().row_to_focus;
    effect(move || {
        if wanted.with_untracked(|wanted| wanted.as_ref() == Some(&handle)) {
            let id = row_id(&handle);
            request_animation_frame(move || focus(&id));
            wanted.set(None);
        }
    });
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
        Preview::KeyReplaced => ("plain", "Changed their key".to_owned()),
        Preview::DeviceAdded => ("plain", "Added a device".to_owned()),
        Preview::Unreadable => ("quiet", "Unreadable message".to_owned()),
    };
    view! { <span class="row-preview" data-kind=kind dir="auto" translate="no">{text}" "</span> }
}

#[cfg(test)]
mod tests {
    use kez_client::view::{ConversationRow, Preview};
    use leptos::prelude::*;

    use super::{ConversationLink, ConversationLinkProps};
    use crate::components::roving::Roving;

    fn html(unread: u64, preview: Preview) -> String {
        let owner = Owner::new();
        owner.set();
        let row = ConversationRow {
            handle: "bob".to_owned(),
            primary: "ed25519:0d".to_owned(),
            preview,
            at: Some(0),
            unread,
            request: false,
            verified: true,
        };
        let who = Memo::new(|_| Some("bob".to_owned()));
        let roving = Roving::new(|_| true, || None);
        ConversationLink(ConversationLinkProps { row: ArcRwSignal::new(row), who, roving }).to_html()
    }

    #[test]
    fn the_name_of_the_link_begins_with_the_handle() {
        let html = html(0, Preview::Theirs("hello".to_owned()));
        assert!(html.contains("href=\"/messages/bob\""), "{html}");
        let text_before_handle = html.split("@bob").next().unwrap();
        assert!(text_before_handle.ends_with("<span translate=\"no\" class=\"row-name\">"), "{html}");
        assert!(html.contains("aria-current=\"page\""), "{html}");
        assert!(!html.contains("unread</span>"), "{html}");
    }

    #[test]
    fn the_badge_shows_99_plus_with_an_exact_label() {
        let html = html(120, Preview::Draft("on my way".to_owned()));
        assert!(html.contains("99+") && html.contains("120 unread"), "{html}");
        assert!(html.contains("Draft: on my way"), "{html}");
    }
}
