//! Splits a text at its links.

use linkify::{LinkFinder, LinkKind, Span};

use super::link::Link;

/// The most links in a text; further addresses stay plain text. Each link costs the browser as much as a line of text.
const MOST_LINKS: usize = 100;
/// Two-letter endings that are file extensions more often than country codes.
const FILE_ENDINGS: [&str; 16] =
    ["cc", "cs", "db", "gz", "hs", "js", "md", "mk", "pl", "ps", "py", "rb", "rs", "sh", "so", "ts"];
/// The endings of more than two letters that turn a bare domain into a link.
const GENERIC_ENDINGS: [&str; 16] = [
    "app", "biz", "blog", "cloud", "com", "dev", "edu", "gov", "info", "int", "lat", "mil", "net", "online",
    "org", "site",
];

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Words(String),
    Link(Link),
}

/// Splits a text at its links. Only web and mail addresses become links; all other schemes stay plain text.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url, LinkKind::Email]).url_must_have_scheme(false);
    let mut parts = Parts::default();
    for span in finder.spans(text) {
        // A direction mark ends an address: the text after it would be unreadable.
        let (address, rest) =
            span.as_str().split_at(span.as_str().find(is_direction_mark).unwrap_or(span.as_str().len()));
        match link(&span, address).filter(|_| parts.links < MOST_LINKS) {
            Some(link) => {
                parts.add_link(link);
                parts.add_words(rest);
            }
            None => parts.add_words(span.as_str()),
        }
    }
    parts.all
}

#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    links: usize,
}

impl Parts {
    fn add_link(&mut self, link: Link) {
        self.links += 1;
        self.all.push(Part::Link(link));
    }

    fn add_words(&mut self, words: &str) {
        match self.all.last_mut() {
            _ if words.is_empty() => {}
            Some(Part::Words(before)) => before.push_str(words),
            _ => self.all.push(Part::Words(words.to_owned())),
        }
    }
}

fn link(span: &Span<'_>, address: &str) -> Option<Link> {
    match span.kind()? {
        LinkKind::Email => Link::mail(address),
        LinkKind::Url if has_web_scheme(address) => Link::web(address, address),
        LinkKind::Url if is_bare_domain(address) => Link::web(&format!("https://{address}"), address),
        _ => None,
    }
}

fn has_web_scheme(address: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Whether text without a scheme is meant as an address, unlike "main.rs" or "e.g".
fn is_bare_domain(address: &str) -> bool {
    let host = address.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let ending = ending.to_ascii_lowercase();
    let is_country = ending.len() == 2 && !FILE_ENDINGS.contains(&ending.as_str());
    host.is_ascii()
        && !address.contains(['@', ':'])
        && name.len() > 1
        && ending.bytes().all(|byte| byte.is_ascii_lowercase())
        && (is_country || GENERIC_ENDINGS.contains(&ending.as_str()) || name.starts_with("www."))
}

/// Whether the character changes the direction of the text around it (Unicode's bidirectional algorithm).
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINKS, Part, parts};

    fn links(text: &str) -> Vec<String> {
        let href = |part: Part| match part {
            Part::Link(link) => Some(link.href),
            Part::Words(_) => None,
        };
        parts(text).into_iter().filter_map(href).collect()
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
    fn bare_domains_become_links() {
        assert_eq!(
            links("kez.lat, www.x.museum or en.wikipedia.org/wiki/Key_(lock)?"),
            ["https://kez.lat", "https://www.x.museum", "https://en.wikipedia.org/wiki/Key_(lock)"]
        );
    }

    #[test]
    fn text_that_only_resembles_a_domain_is_not_linked() {
        for text in ["main.rs", "e.g. this", "a.b", "1.25", "node.js", "README.md", "x.unknown", "so...well"]
        {
            assert!(links(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_not_linked() {
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
    fn a_bidi_mark_ends_a_link() {
        assert_eq!(links("https://evil.example/\u{202e}moc.knab"), ["https://evil.example/"]);
        assert_eq!(links("https://evil.example\u{2067}.bank.example"), ["https://evil.example"]);
    }

    #[test]
    fn the_number_of_links_is_limited() {
        let text = "http://aa.bc ".repeat(14_000);
        assert_eq!(links(&text).len(), MOST_LINKS);
        let whole: usize = parts(&text)
            .iter()
            .map(|part| match part {
                Part::Words(words) => words.len(),
                Part::Link(_) => "http://aa.bc".len(),
            })
            .sum();
        assert_eq!(whole, text.len(), "the other addresses stay words");
    }
}
