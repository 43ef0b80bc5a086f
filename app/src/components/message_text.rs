//! A message's words, with its addresses as links. No HTML is ever built from what somebody wrote.

use leptos::prelude::*;
use linkify::{LinkFinder, LinkKind};

/// The text, alone in its element.
#[component]
pub(crate) fn MessageText(text: String) -> impl IntoView {
    let parts: Vec<_> = parts(&text).into_iter().map(part_view).collect();
    view! { <p class="message-text" dir="auto">{parts}</p> }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Link { href: String, text: String },
}

fn part_view(part: Part) -> AnyView {
    match part {
        Part::Words(words) => words.into_any(),
        Part::Link { href, text } => {
            view! { <a href=href rel="noopener noreferrer nofollow" target="_blank">{text}</a> }.into_any()
        }
    }
}

/// Splits a text at its links. Only web and mail addresses become links; every other scheme stays words.
fn parts(text: &str) -> Vec<Part> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url, LinkKind::Email]);
    finder
        .spans(text)
        .map(|span| {
            let text = span.as_str().to_owned();
            match span.kind().and_then(|kind| href(kind, &text)) {
                Some(href) => Part::Link { href, text },
                None => Part::Words(text),
            }
        })
        .collect()
}

fn href(kind: &LinkKind, text: &str) -> Option<String> {
    match kind {
        LinkKind::Email => Some(format!("mailto:{text}")),
        LinkKind::Url => {
            let lower = text.to_ascii_lowercase();
            let safe = ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme));
            safe.then(|| text.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::{MessageText, MessageTextProps, Part, parts};

    fn links(text: &str) -> Vec<String> {
        parts(text)
            .into_iter()
            .filter_map(|part| match part {
                Part::Link { href, .. } => Some(href),
                Part::Words(_) => None,
            })
            .collect()
    }

    #[test]
    fn web_and_mail_addresses_become_links() {
        assert_eq!(
            links("see https://kez.lat/a?b=1, or HTTP://x.org."),
            ["https://kez.lat/a?b=1", "HTTP://x.org"]
        );
        assert_eq!(links("write to a@b.org"), ["mailto:a@b.org"]);
    }

    #[test]
    fn other_schemes_stay_words() {
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://x.org",
            "javascript://x.org/%0aalert(1)",
        ] {
            assert!(links(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn markup_is_shown_as_it_was_typed() {
        let html = MessageText(MessageTextProps { text: "<b>hi</b> & \"bye\"".to_owned() }).to_html();
        assert!(html.contains("&lt;b&gt;hi&lt;/b&gt; &amp;"), "{html}");
        assert!(!html.contains("<b>"), "{html}");
    }

    #[test]
    fn a_link_opens_apart_and_tells_nothing() {
        let html = MessageText(MessageTextProps { text: "https://kez.lat".to_owned() }).to_html();
        assert!(html.contains("rel=\"noopener noreferrer nofollow\""), "{html}");
        assert!(html.contains("target=\"_blank\""), "{html}");
    }
}
