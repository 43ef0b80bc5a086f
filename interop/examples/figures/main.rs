//! What groups cost natively: our engine beside openmls, and a message in a group beside one in a version 1
//! envelope. Prints medians; `docs/PERFORMANCE.md` explains them.

mod engines;
mod envelopes;
mod table;

use std::fs;

/// The sizes of the groups, in leaves.
const SIZES: [u16; 3] = [2, 50, 200];
/// The length of a message's plaintext.
const TEXT_BYTES: usize = 1024;

fn main() {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, load {}\n", load.split_whitespace().take(3).collect::<Vec<_>>().join(" "));
    envelopes::run();
    for leaves in SIZES {
        engines::run(leaves);
    }
}
