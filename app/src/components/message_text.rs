//! The text of a message, with its addresses as links. Never builds HTML from what users wrote.

use leptos::prelude::*;

use link::{Host, Link};
use parts::{Part, parts};

mod link;
mod parts;

/// The text, in an element of its own.
#[component]
pub(crate) fn MessageText(
    text: String,
    /// The element's id.
    #[prop(into)]
    id: String,
    /// The `tabindex` of the links.
    tabindex: Signal<&'static str>,
) -> impl IntoView {
    let parts: Vec<_> = parts(&text).into_iter().map(|part| part_view(part, tabindex)).collect();
    view! { <p id=id class="message-text" dir="auto" translate="no">{parts}</p> }
}

fn part_view(part: Part, tabindex: Signal<&'static str>) -> AnyView {
    match part {
        Part::Words(words) => words.into_any(),
        Part::Link(link) => link_view(link, tabindex),
    }
}

/// A link has its own text direction, so that no mark in the surrounding text can reverse its address.
fn link_view(link: Link, tabindex: Signal<&'static str>) -> AnyView {
    let Link { href, before, host, after, leads_to } = link;
    // Leptos renders an empty text as a space.
    let [before, after] = [before, after].map(|text| Some(text).filter(|text| !text.is_empty()));
    let host = match host {
        Host::AsWritten(host) => host.into_any(),
        Host::Encoded(host) => view! { <span class="link-host">{host}</span> }.into_any(),
    };
    view! {
        <a href=href dir="ltr" rel="noopener noreferrer nofollow" target="_blank" tabindex=move || tabindex.get()>
            {before}{host}{after}
        </a>
        {leads_to.map(|host| view! { <bdi dir="ltr" class="link-note">{format!(" (leads to {host})")}</bdi> })}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::{MessageText, MessageTextProps};

    fn html(text: &str) -> String {
        let owner = Owner::new();
        owner.set();
        let tabindex = Signal::stored("0");
        MessageText(MessageTextProps { text: text.to_owned(), id: "t".to_owned(), tabindex })
            .to_html()
            .replace("<!>", "")
    }

    #[test]
    fn markup_is_shown_as_it_was_typed() {
        let html = html("<b>hi</b> & \"bye\"");
        assert!(html.contains("&lt;b&gt;hi&lt;/b&gt; &amp;"), "{html}");
        assert!(!html.contains("<b>"), "{html}");
    }

    #[test]
    fn a_link_opens_in_a_new_tab_without_a_referrer() {
        let html = html("https://kez.lat");
        assert!(html.contains("rel=\"noopener noreferrer nofollow\""), "{html}");
        assert!(html.contains("target=\"_blank\""), "{html}");
        assert!(html.contains(">https://kez.lat</a>"), "{html}");
    }

    #[test]
    fn bidi_marks_do_not_change_the_direction_of_a_link() {
        let html = html("Look: \u{202e}https://evil.example/moc.knab//:sptth");
        assert!(
            html.contains("dir=\"ltr\"") && html.contains(">https://evil.example/moc.knab//:sptth</a>"),
            "{html}"
        );
    }

    #[test]
    fn user_info_is_not_a_host() {
        let html = html("https://bank.example@evil.example/");
        assert!(
            html.contains("</a><bdi dir=\"ltr\" class=\"link-note\"> (leads to evil.example)</bdi>"),
            "{html}"
        );
    }

    #[test]
    fn a_host_of_mixed_scripts_is_shown_encoded() {
        let html = html("https://b\u{430}nk.example/");
        assert!(html.contains("https://<span class=\"link-host\">xn--bnk-6cd.example</span>/</a>"), "{html}");
    }
}
