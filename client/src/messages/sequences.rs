//! Which envelopes of a conversation have arrived, as ranges of their senders' chain numbers. Every envelope counts,
//! whether or not it makes a row.

use kez_core::envelope::EnvelopeHash;
use kez_core::message::Chain;
use serde::{Deserialize, Serialize};

/// The most installations that are remembered for a conversation; the one that was silent longest is forgotten first.
const MOST_INSTALLATIONS: usize = 64;
/// The most ranges that are remembered for an installation; the oldest gap is forgotten first.
const MOST_RANGES: usize = 256;

/// The received numbers of each installation of the other side, the installation that wrote last at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sequences(Vec<Sequence>);

/// The received numbers of one installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sequence {
    installation: String,
    /// In ascending order. Two ranges that touch contradict each other: the later one names another predecessor.
    ranges: Vec<Range>,
}

/// Numbers that arrived without a gap or a contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Range {
    from: u64,
    to: u64,
    /// The predecessor that the first envelope names.
    before: Option<EnvelopeHash>,
    /// The last envelope.
    last: EnvelopeHash,
    /// The first envelope that makes a row, if any does. The gap before the range is shown there.
    row: Option<u64>,
}

impl Sequences {
    /// Records an envelope. Returns whether its number is taken by another envelope, or whether it names a predecessor
    /// although it is the first.
    pub(crate) fn record(&mut self, chain: &Chain, envelope: EnvelopeHash) -> bool {
        let sequence = self.latest(&chain.id);
        let ranges = &mut sequence.ranges;
        let at = ranges.partition_point(|range| range.to < chain.n);
        if let Some(range) = ranges.get(at).filter(|range| range.from <= chain.n) {
            return !(range.to == chain.n && range.last == envelope);
        }
        ranges
            .insert(at, Range { from: chain.n, to: chain.n, before: chain.prev, last: envelope, row: None });
        join(ranges, at + 1);
        if let Some(before) = at.checked_sub(1) {
            join(ranges, before + 1);
        }
        if ranges.len() > MOST_RANGES {
            let oldest = ranges.remove(0);
            if let Some(next) = ranges.first_mut() {
                (next.from, next.before) = (oldest.from, oldest.before);
                next.row = oldest.row.or(next.row);
            }
        }
        chain.n <= 1 && chain.prev.is_some()
    }

    /// Whether nothing of this installation was recorded.
    pub(crate) fn is_new(&self, installation: &str) -> bool {
        self.ranges(installation).is_empty()
    }

    /// Records the first envelope of an installation as if all before it had arrived.
    pub(crate) fn begin(&mut self, chain: &Chain, envelope: EnvelopeHash) {
        let range = Range { from: 1, to: chain.n.max(1), before: None, last: envelope, row: None };
        self.latest(&chain.id).ranges.push(range);
    }

    /// An envelope that was recorded makes a row.
    pub(crate) fn made_row(&mut self, installation: &str, n: u64) {
        let sequence = self.0.iter_mut().find(|sequence| sequence.installation == installation);
        let ranges = sequence.map(|sequence| &mut sequence.ranges).into_iter().flatten();
        for range in ranges.filter(|range| (range.from..=range.to).contains(&n)) {
            range.row = Some(range.row.map_or(n, |row| row.min(n)));
        }
    }

    /// How many envelopes are missing between the row with this number and the row before it. Late arrivals reduce the
    /// number.
    pub(crate) fn missing_before(&self, installation: &str, n: u64) -> u64 {
        let gaps = self.boundaries_before(installation, n);
        let first = |before: Option<&Range>| before.map_or(0, |before| before.to).saturating_add(1);
        gaps.map(|(before, range)| range.from.saturating_sub(first(before))).sum()
    }

    /// Whether an envelope after the row before this one, up to the row itself, names another predecessor than the one
    /// that arrived.
    pub(crate) fn is_contradicted_before(&self, installation: &str, n: u64) -> bool {
        self.boundaries_before(installation, n)
            .any(|(before, range)| before.is_some_and(|before| before.to.checked_add(1) == Some(range.from)))
    }

    /// The boundaries between the row with this number and the row before it: each range with the one before it, if
    /// there is one.
    fn boundaries_before(
        &self,
        installation: &str,
        n: u64,
    ) -> impl Iterator<Item = (Option<&Range>, &Range)> {
        let ranges = self.ranges(installation);
        let at = ranges.iter().position(|range| range.row == Some(n)).map_or(0, |at| at + 1);
        let until_a_row = ranges.get(..at).unwrap_or_default().iter().rev();
        let previous = |at: usize| at.checked_sub(1).and_then(|before| ranges.get(before));
        let boundaries = until_a_row.enumerate().map(move |(back, range)| (previous(at - 1 - back), range));
        let mut is_open = true;
        boundaries.take_while(move |(before, _)| {
            std::mem::replace(&mut is_open, before.is_some_and(|before| before.row.is_none()))
        })
    }

    /// The received numbers of an installation.
    fn ranges(&self, installation: &str) -> &[Range] {
        let sequence = self.0.iter().find(|sequence| sequence.installation == installation);
        sequence.map_or(&[], |sequence| &sequence.ranges)
    }

    /// The sequence of an installation, which is now the one that wrote last.
    fn latest(&mut self, installation: &str) -> &mut Sequence {
        let known = self.0.iter().position(|sequence| sequence.installation == installation);
        let sequence = match known {
            Some(at) => self.0.remove(at),
            None => Sequence { installation: installation.to_owned(), ranges: Vec::new() },
        };
        if self.0.len() >= MOST_INSTALLATIONS {
            self.0.remove(0);
        }
        self.0.push_mut(sequence)
    }
}

/// Joins the range at this index with the one before it, if it continues that one.
fn join(ranges: &mut Vec<Range>, at: usize) {
    let Some(&[before, after]) = at.checked_sub(1).and_then(|before| ranges.get(before..=at)) else { return };
    let touches = before.to.checked_add(1) == Some(after.from);
    if touches && after.before.is_none_or(|named| named == before.last) {
        ranges.remove(at);
        if let Some(range) = ranges.get_mut(at - 1) {
            (range.to, range.last) = (after.to, after.last);
            range.row = range.row.or(after.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u64) -> EnvelopeHash {
        format!("{byte:064x}").parse().unwrap()
    }

    /// Records envelopes as (number, hash, predecessor); returns the sequences and what was wrong at arrival.
    fn after(envelopes: &[(u64, u64, Option<u64>)]) -> (Sequences, Vec<bool>) {
        let mut sequences = Sequences::default();
        let wrong = envelopes.iter().map(|(n, envelope, prev)| {
            let chain = Chain { id: "00".into(), n: *n, prev: prev.map(hash) };
            let wrong = sequences.record(&chain, hash(*envelope));
            sequences.made_row("00", *n);
            wrong
        });
        let wrong = wrong.collect();
        (sequences, wrong)
    }

    /// Whether each envelope contradicts the others, once all have arrived.
    fn contradictions(envelopes: &[(u64, u64, Option<u64>)]) -> Vec<bool> {
        let (sequences, wrong) = after(envelopes);
        let numbers = envelopes.iter().map(|(n, ..)| *n);
        numbers.zip(wrong).map(|(n, wrong)| wrong || sequences.is_contradicted_before("00", n)).collect()
    }

    #[test]
    fn a_content_that_does_not_fit_the_chain_is_detected() {
        assert_eq!(contradictions(&[(1, 1, None), (2, 2, Some(1)), (3, 3, Some(2))]), [false; 3]);
        assert_eq!(contradictions(&[(3, 3, Some(2)), (1, 1, None)]), [false; 2], "2 is missing");
        assert_eq!(contradictions(&[(3, 3, Some(2)), (1, 1, None), (2, 2, Some(1))]), [false; 3]);
        assert_eq!(contradictions(&[(1, 1, None), (2, 2, Some(9))]), [false, true]);
        assert_eq!(contradictions(&[(2, 2, Some(9)), (1, 1, None)]), [true, false]);
        assert_eq!(contradictions(&[(1, 1, None), (2, 2, Some(9)), (3, 3, Some(2))]), [false, true, false]);
        assert_eq!(contradictions(&[(1, 1, None), (1, 2, None)]), [false, true]);
        assert_eq!(contradictions(&[(1, 1, Some(9))]), [true], "nothing comes before the first");
        assert_eq!(contradictions(&[(1, 1, None), (2, 2, None)]), [false; 2], "no predecessor is named");
        assert_eq!(after(&[(1, 1, None), (1, 1, None)]).1, [false; 2], "the same envelope again");
    }

    #[test]
    fn a_gap_shrinks_when_late_messages_come() {
        let missing = |numbers: &[u64]| -> Vec<u64> {
            let envelopes: Vec<_> = numbers.iter().map(|n| (*n, *n, None)).collect();
            let (sequences, _) = after(&envelopes);
            numbers.iter().map(|n| sequences.missing_before("00", *n)).collect()
        };
        assert_eq!(missing(&[2, 6]), [1, 3]);
        assert_eq!(missing(&[2, 6, 4]), [1, 1, 1]);
        assert_eq!(missing(&[2, 6, 4, 1, 3, 5]), [0; 6]);
        assert_eq!(missing(&[0, u64::MAX]), [0, u64::MAX - 1], "absurd numbers are only numbers");
    }

    #[test]
    fn a_gap_is_shown_at_the_next_row_even_after_a_content_without_a_row() {
        let with_rows = |envelopes: &[(u64, Option<u64>, bool)]| {
            let mut sequences = Sequences::default();
            for (n, prev, row) in envelopes {
                sequences.record(&Chain { id: "00".into(), n: *n, prev: prev.map(hash) }, hash(*n));
                if *row {
                    sequences.made_row("00", *n);
                }
            }
            sequences
        };
        let withheld =
            with_rows(&[(1, None, true), (3, None, false), (4, Some(3), true), (5, Some(4), true)]);
        assert_eq!([4, 5].map(|n| withheld.missing_before("00", n)), [1, 0], "2 is withheld");
        let apart = with_rows(&[(1, None, true), (3, None, false), (5, None, false), (7, None, true)]);
        assert_eq!(apart.missing_before("00", 7), 3);
        let first = with_rows(&[(2, None, false), (3, Some(2), true)]);
        assert_eq!(first.missing_before("00", 3), 1, "nothing came before the first");
        let replaced = with_rows(&[(1, None, true), (2, Some(9), false), (3, Some(2), true)]);
        assert!(replaced.is_contradicted_before("00", 3), "2 makes no row");
        assert!(!replaced.is_contradicted_before("00", 1));
    }

    #[test]
    fn the_record_stays_small() {
        let odd: Vec<_> = (0..1_000).map(|n| (2 * n + 1, n, None)).collect();
        let (mut sequences, _) = after(&odd);
        assert_eq!(sequences.0[0].ranges.len(), MOST_RANGES);
        assert_eq!([3, 1_999].map(|n| sequences.missing_before("00", n)), [0, 1]);
        for n in 0..100 {
            sequences.record(&Chain { id: format!("{n}"), n: 1, prev: None }, hash(n));
        }
        assert_eq!(sequences.0.len(), MOST_INSTALLATIONS);
        assert_eq!(sequences.missing_before("00", 1_999), 0, "this installation was silent longest");
    }
}
