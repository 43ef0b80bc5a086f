//! The displayed form of a link: it shows clearly which host the link leads to.

use crate::browser::{Address, read_address};

/// The displayed text of a link: `before`, host and `after`, concatenated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) before: String,
    pub(super) host: Host,
    pub(super) after: String,
    /// The real host, if the address itself makes another one look like the host.
    pub(super) leads_to: Option<String>,
}

/// The spelling of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// As the sender spelled it.
    AsWritten(String),
    /// In the ASCII form (`xn--...`), because the sender's spelling could be mistaken for another host.
    Encoded(String),
}

impl Link {
    /// A link to a mail address. `None` if its letters could be mistaken for others.
    pub(super) fn mail(address: &str) -> Option<Self> {
        is_one_script(address).then(|| Self {
            href: format!("mailto:{address}"),
            before: String::new(),
            host: Host::AsWritten(address.to_owned()),
            after: String::new(),
            leads_to: None,
        })
    }

    /// A link to `href`, shown as `text`, the sender's spelling. `None` if a browser would not open it.
    pub(super) fn web(href: &str, text: &str) -> Option<Self> {
        let Address { host: ascii, has_user_info } = read_address(href)?;
        let authority_start = text.find("://").map_or(0, |at| at + 3);
        let authority_end = text
            .get(authority_start..)?
            .find(['/', '?', '#', '\\'])
            .map_or(text.len(), |at| authority_start + at);
        let authority = text.get(authority_start..authority_end)?;
        let host_start = authority_start + authority.rfind('@').map_or(0, |at| at + 1);
        let written = text.get(host_start..authority_end)?;
        let host_end =
            host_start + written.rfind(':').filter(|_| !written.ends_with(']')).unwrap_or(written.len());
        let written = text.get(host_start..host_end)?;
        let is_readable = match written.is_ascii() {
            true => written.eq_ignore_ascii_case(&ascii),
            false => is_one_script(written),
        };
        let host = match is_readable {
            true => Host::AsWritten(written.to_owned()),
            false => Host::Encoded(ascii.clone()),
        };
        Some(Self {
            href: href.to_owned(),
            before: text.get(..host_start)?.to_owned(),
            host,
            after: text.get(host_end..)?.to_owned(),
            leads_to: has_user_info.then_some(ascii),
        })
    }
}

/// The script of a letter, distinguished only where letters of two scripts can be confused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    /// Han, Kana, Hangul and Bopomofo, whose letters resemble those of no alphabet.
    EastAsian,
    /// Any other script, by its block of 256 code points.
    Other(u32),
}

/// Whether no letter of a host can be mistaken for a letter of another script.
fn is_one_script(host: &str) -> bool {
    let mut alphabets = host.chars().filter_map(script).filter(|script| *script != Script::EastAsian);
    let first = alphabets.next();
    alphabets.all(|script| Some(script) == first)
}

fn script(letter: char) -> Option<Script> {
    match letter {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Script::Latin),
        '-' | '.' | '@' | '_' | '+' | '0'..='9' => None,
        '\u{1100}'..='\u{11ff}'
        | '\u{3005}'..='\u{318f}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{20000}'..='\u{3ffff}' => Some(Script::EastAsian),
        // Cyrillic spans a block and a quarter.
        '\u{500}'..='\u{52f}' => Some(Script::Other(4)),
        // Greek is in 0x3xx, which it shares with combining marks; no host needs those.
        letter => Some(Script::Other(u32::from(letter) >> 8)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Link};

    fn shown(address: &str) -> (String, Option<String>) {
        let link = Link::web(address, address).unwrap();
        let (Host::AsWritten(host) | Host::Encoded(host)) = link.host;
        (format!("{}{host}{}", link.before, link.after), link.leads_to)
    }

    #[test]
    fn a_plain_address_is_shown_as_written() {
        for address in [
            "https://kez.lat",
            "HTTPS://Kez.Lat:8443/a:b@c?d#e",
            "http://[2001:db8::1]:80/",
            "http://127.0.0.1/",
            "https://bücher.example/",
            "https://пример.испытание/",
            "https://日本語.jp/",
        ] {
            assert_eq!(shown(address), (address.to_owned(), None));
        }
    }

    #[test]
    fn mixed_scripts_are_shown_encoded() {
        // Cyrillic letters among Latin ones, Cyrillic letters alone before a Latin ending, and Greek ones.
        assert_eq!(shown("https://b\u{430}nk.example/x").0, "https://xn--bnk-6cd.example/x");
        assert_eq!(shown("https://\u{430}\u{440}\u{440}\u{4cf}\u{435}.com").0, "https://xn--80ak6aa92e.com");
        assert!(shown("https://g\u{3bf}\u{3bf}gle.example").0.starts_with("https://xn--"));
        assert_eq!(shown("https://%65vil.example/").0, "https://evil.example/");
        assert_eq!(shown("http://0x7f.1/").0, "http://127.0.0.1/");
    }

    #[test]
    fn user_info_is_named_as_such() {
        let (text, leads_to) = shown("https://bank.example@evil.example/");
        assert_eq!(
            (text.as_str(), leads_to.as_deref()),
            ("https://bank.example@evil.example/", Some("evil.example"))
        );
        assert_eq!(shown("https://bank.example:443@evil.example").1.as_deref(), Some("evil.example"));
    }

    #[test]
    fn an_address_that_a_browser_would_reject_is_not_a_link() {
        for address in ["https://", "https://exa mple.org", "http://999.999.999.999/"] {
            assert_eq!(Link::web(address, address), None);
        }
    }
}
