//! Numbers of many rows as one parameter: a statement a row costs more than all the rest of a message.

use std::fmt::Write as _;

/// A JSON array of arrays of integers, as it is written.
#[derive(Default)]
pub(super) struct JsonRows(String);

impl JsonRows {
    pub(super) fn push(&mut self, numbers: &[i64]) {
        for (place, number) in numbers.iter().enumerate() {
            self.0.push_str(match (place, self.0.is_empty()) {
                (0, true) => "[[",
                (0, false) => ",[",
                _ => ",",
            });
            // Writing to a String does not fail.
            let _ = write!(self.0, "{number}");
        }
        self.0.push(']');
    }

    /// A row of one number without an array of its own.
    pub(super) fn push_one(&mut self, number: i64) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        let _ = write!(self.0, "{number}");
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "[]" } else { "]" });
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_is_an_array() {
        assert_eq!(JsonRows::default().finish(), "[]");
        let mut rows = JsonRows::default();
        rows.push(&[1, -2]);
        assert_eq!(rows.0, "[[1,-2]");
        rows.push(&[3]);
        assert_eq!(rows.finish(), "[[1,-2],[3]]");
        let mut ones = JsonRows::default();
        ones.push_one(4);
        ones.push_one(5);
        assert_eq!(ones.finish(), "[4,5]");
    }
}
