//! The handle that a typed or pasted text names.

use kez_core::handle::Handle;

use crate::kernel::reason::Reason;

/// Parses `bob`, `@bob`, `bob@kez.lat`, `acct:bob@kez.lat` or a profile URL, in upper or lower case.
///
/// # Errors
/// [`Reason::OtherServer`] or [`Reason::InvalidHandle`].
pub(crate) fn parse_recipient(text: &str, server: &str) -> Result<Handle, Reason> {
    let text = as_meant(text);
    let (handle, at) = profile_address(&text)
        .or_else(|| text.split_once('@').map(|(handle, at)| (handle, Some(at))))
        .unwrap_or((text.as_str(), None));
    if at.is_some_and(|at| at != server) {
        return Err(Reason::OtherServer(server.to_owned()));
    }
    handle.parse().map_err(Reason::InvalidHandle)
}

/// Normalises a typed or pasted handle: removes surrounding characters and converts to lower case.
pub(crate) fn as_meant(text: &str) -> String {
    let invisible = |character: char| matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let visible: String = text.chars().filter(|character| !invisible(*character)).collect();
    let text = visible.trim().to_lowercase();
    let text = text.strip_prefix("acct:").unwrap_or(&text);
    text.trim_start_matches('@').to_owned()
}

/// The handle and the server of `https://kez.lat/u/bob` or `kez.lat/messages/bob`.
fn profile_address(text: &str) -> Option<(&str, Option<&str>)> {
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let (server, path) = address.split_once('/')?;
    let handle = path.strip_prefix("u/").or_else(|| path.strip_prefix("messages/"))?;
    let end = handle.find(['/', '?', '#']).unwrap_or(handle.len());
    Some((handle.get(..end)?.trim_start_matches('@'), Some(server)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_read_in_every_notation() {
        for text in [
            "bob",
            "@bob",
            "bob@kez.lat",
            "@bob@kez.lat",
            "  bob ",
            "Bob",
            "@Bob ",
            "BOB@Kez.Lat",
            "acct:bob@kez.lat",
            "https://kez.lat/u/bob",
            "http://kez.lat/u/bob/",
            "https://kez.lat/u/Bob?from=mail#top",
            "kez.lat/u/@bob",
            "https://kez.lat/messages/bob",
            "\u{200b}bob\u{feff}",
            "\u{2068}@bob\u{2069}",
        ] {
            assert_eq!(parse_recipient(text, "kez.lat").unwrap().as_str(), "bob", "{text:?}");
        }
        let elsewhere = Err(Reason::OtherServer("kez.lat".to_owned()));
        assert_eq!(parse_recipient("https://evil.example/u/bob", "kez.lat"), elsewhere);
        assert!(parse_recipient("https://kez.lat/join", "kez.lat").is_err());
        assert!(parse_recipient("bo b", "kez.lat").is_err());
        assert_eq!(parse_recipient("bob@other.example", "kez.lat"), elsewhere);
        assert_eq!(
            parse_recipient("b", "kez.lat"),
            Err(Reason::InvalidHandle(kez_core::handle::InvalidHandle::TooShort))
        );
        assert!(parse_recipient("bob@", "kez.lat").is_err());
    }
}
