//! The addresses of the log's pieces (<https://c2sp.org/tlog-tiles>): 256 hashes or entries each, fewer at the end.

/// Each tile stands for a subtree of this height: 256 hashes.
pub const HEIGHT: u8 = 8;
/// The number of hashes, or entries, in a full tile.
pub const FULL_WIDTH: u32 = 1 << HEIGHT;
/// A tree of 2^64 leaves has eight levels of tiles.
const LEVELS: u8 = 8;

/// A tile that exists in a tree of some size. It can only be made with [`TileId::parse`] and [`TileId::parse_entries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u32,
}

impl TileId {
    /// Parses `<L>` and `<N>[.p/<W>]`. `None` for another spelling, and for a tile that does not exist in a tree of
    /// `size` leaves.
    pub fn parse(level: &str, index: &str, size: u64) -> Option<Self> {
        let number: u8 = level.parse().ok()?;
        (number.to_string() == level && number < LEVELS).then_some(())?;
        Self::at(number, index, size)
    }

    /// Parses `<N>[.p/<W>]`, a bundle of entries.
    pub fn parse_entries(path: &str, size: u64) -> Option<Self> {
        Self::at(0, path, size)
    }

    fn at(level: u8, path: &str, size: u64) -> Option<Self> {
        let (index_text, width) = match path.split_once(".p/") {
            Some((index, width)) => (index, Some(width)),
            None => (path, None),
        };
        let index = index_of(index_text)?;
        let width = match width {
            Some(text) => text
                .parse()
                .ok()
                .filter(|width: &u32| width.to_string() == text && (1..FULL_WIDTH).contains(width))?,
            None => FULL_WIDTH,
        };
        // The number of hashes on the level at this size.
        let there = size.checked_shr(u32::from(level) * u32::from(HEIGHT)).unwrap_or(0);
        let end = index.checked_mul(u64::from(FULL_WIDTH))?.checked_add(u64::from(width))?;
        (end <= there).then_some(Self { level, index, width })
    }

    /// The level of the tile; the hashes of level 0 are leaves.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The index of the tile within its level.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// The number of hashes in the tile.
    pub const fn width(self) -> u32 {
        self.width
    }
}

/// `x001/x234/067` is 1234067: groups of three digits, all but the last with a leading x.
fn index_of(text: &str) -> Option<u64> {
    let mut index: u64 = 0;
    let mut parts = text.split('/').peekable();
    while let Some(part) = parts.next() {
        let digits = if parts.peek().is_some() { part.strip_prefix('x')? } else { part };
        let fits = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| fits)?;
        index = index.checked_mul(1000)?.checked_add(number)?;
    }
    (index_text(index) == text).then_some(index)
}

/// The spelling of an index in a path.
pub fn index_text(index: u64) -> String {
    let (mut text, mut rest) = (format!("{:03}", index % 1000), index / 1000);
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, size: u64) -> Option<TileId> {
        let (level, index) = path.split_once('/').unwrap_or((path, ""));
        TileId::parse(level, index, size)
    }

    #[test]
    fn exactly_the_tiles_of_the_specification_example_exist() {
        // "A tree of size 70,000 will be represented by ..."
        for there in ["0/000", "0/272", "0/273.p/112", "0/273.p/1", "1/000", "1/001.p/17", "2/000.p/1"] {
            assert!(parse(there, 70_000).is_some(), "{there}");
        }
        for not_there in
            ["0/273", "0/273.p/113", "0/274.p/1", "1/001", "1/001.p/18", "2/000", "2/000.p/2", "3/000.p/1"]
        {
            assert_eq!(parse(not_there, 70_000), None, "{not_there}");
        }
        assert!(TileId::parse_entries("273.p/112", 70_000).is_some());
    }

    #[test]
    fn only_one_spelling_is_accepted() {
        let parse = |path| parse(path, u64::MAX);
        assert_eq!(parse("0/x001/x234/067").map(TileId::index), Some(1_234_067));
        assert_eq!(index_text(1_234_067), "x001/x234/067");
        for other in [
            "",
            "0",
            "0/",
            "/000",
            "00/000",
            "+0/000",
            "0/0",
            "0/0000",
            "0/x000/000",
            "0/001/002",
            "0/x001",
            "0/000/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p/1/",
            "8/000",
            "64/000",
            "256/000",
            "-1/000",
            "0/x999/x999/x999/x999/x999/x999/999",
            "0/1x2",
            "0/٠٠٠",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
