//! Limits how much text written by other users can cost to render.

/// How many marks may follow one character. Unicode's own limit for streamed text is 30 (UAX #15); written languages
/// need at most six.
pub const MAX_MARKS: usize = 8;

/// Returns the text with at most [`MAX_MARKS`] marks after each character, and drops further marks.
///
/// Marks (accents, vowel points, joiners) have no width of their own. Thousands of them on one letter paint over the
/// neighbouring lines, and browsers take minutes to lay them out.
pub fn limit_marks(text: &str) -> String {
    limited(text).collect()
}

/// The characters of [`limit_marks`].
pub fn limited(text: &str) -> impl Iterator<Item = char> {
    let mut marks = 0;
    text.chars().filter(move |c| {
        marks = if is_mark(*c) { marks + 1 } else { 0 };
        marks <= MAX_MARKS
    })
}

/// Whether a character extends the one before it, or is invisible.
///
/// The standard library does not expose the Unicode table of extending characters. But `escape_debug` escapes exactly
/// these characters and the unprintable ones. Private-use characters are exempt: the fonts that define them can show
/// them.
fn is_mark(c: char) -> bool {
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    !c.is_ascii() && !is_private && c.escape_debug().next() == Some('\\')
}

#[cfg(test)]
mod tests {
    use super::{MAX_MARKS, limit_marks};

    #[test]
    fn written_languages_are_unchanged() {
        for text in [
            "plain \"text\"\r\n\twith 'quotes' and \\",
            "Việt, e\u{301}\u{302}, קָ֫מֶץ, हिन्दी, བསྒྲུབས",
            "👩\u{200d}👩\u{200d}👧 🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} \u{e000}",
        ] {
            assert_eq!(limit_marks(text), text);
        }
        assert_eq!(limit_marks(&"\u{e000}".repeat(100)), "\u{e000}".repeat(100), "icons of a private font");
    }

    #[test]
    fn stacked_marks_are_cut() {
        for mark in ['\u{301}', '\u{489}', '\u{200b}', '\u{202e}', '\u{e0041}'] {
            let pile = mark.to_string().repeat(80_000);
            let kept = mark.to_string().repeat(MAX_MARKS);
            assert_eq!(limit_marks(&format!("a{pile}b{pile}")), format!("a{kept}b{kept}"));
        }
        assert_eq!(limit_marks(&"\u{301}\u{302}".repeat(9)).chars().count(), MAX_MARKS);
    }
}
