//! The excerpt of a long text that a row shows until the user asks for the full text.

use kez_core::display;

/// How many bytes of a text a row shows at first.
const FIRST_BYTES: usize = 4_096;
/// How many lines of a text a row shows at first.
const FIRST_LINES: usize = 60;

/// The start of a text, and whether the text is longer.
pub(super) fn excerpt(text: &str) -> (String, bool) {
    let mut start = String::with_capacity(text.len().min(FIRST_BYTES));
    let mut lines = 1;
    for c in display::limited(text) {
        lines += usize::from(c == '\n');
        if start.len() + c.len_utf8() > FIRST_BYTES || lines > FIRST_LINES {
            return (start, true);
        }
        start.push(c);
    }
    (start, false)
}

#[cfg(test)]
mod tests {
    use super::{FIRST_BYTES, FIRST_LINES, excerpt};

    #[test]
    fn a_short_text_is_shown_in_full() {
        let long = "x".repeat(FIRST_BYTES);
        for text in ["", "hello\nthere", "שלום", long.as_str()] {
            assert_eq!(excerpt(text), (text.to_owned(), false));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let (start, cut) = excerpt(&"é€".repeat(10_000));
        assert!(cut && start.len() <= FIRST_BYTES && start.len() > FIRST_BYTES - 4);
        let (start, cut) = excerpt(&"\n".repeat(1_000));
        assert_eq!((start.len(), cut), (FIRST_LINES - 1, true));
    }

    #[test]
    fn stacked_marks_are_dropped() {
        let (start, cut) = excerpt(&format!("a{}b", "\u{301}".repeat(40_000)));
        assert_eq!((start.chars().count(), cut), (10, false));
    }
}
