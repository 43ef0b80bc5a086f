//! Mutated input: bytes flipped, numbers, braces and escapes put in, pieces cut out, doubled and exchanged.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// What readers of text and JSON are sensitive to.
const TOKENS: [&[u8]; 26] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b":",
    b",",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e9",
    b"0.5",
    b"9007199254740992",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\\n",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b" ",
    b"ed25519:",
    b"\"v\":2,",
    b"\"from\":\"\",",
];

/// Runs a target on mutations of the seeds until the time is over, and on the seeds themselves first.
pub(crate) fn fuzz(seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    let time = Duration::from_secs_f64(number("KEZ_FUZZ_SECONDS").unwrap_or(1.0));
    let state = number("KEZ_FUZZ_STATE").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    });
    let (mut random, end, mut runs) = (Random(state | 1), Instant::now() + time, 0_u64);
    for seed in seeds {
        run(&target, seed, state);
    }
    while Instant::now() < end {
        let mut input = random.pick(seeds).clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut input, seeds);
        }
        run(&target, &input, state);
        runs += 1;
    }
    assert!(runs > 0, "the time limit allows no run");
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn run(target: &impl Fn(&[u8]), input: &[u8], state: u64) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("KEZ_FUZZ_STATE={state}, input: {}", input.escape_ascii());
        resume_unwind(panic);
    }
}

/// Xorshift64: good enough to choose places, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..(start + self.below(24)).min(length)
    }

    fn mutate(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let place = self.below(input.len() + 1);
        match self.below(8) {
            0 => input.get_mut(place).into_iter().for_each(|byte| *byte ^= 1 << self.below(8)),
            1 => input.get_mut(place).into_iter().for_each(|byte| *byte = self.next() as u8),
            2 => {
                input.splice(place..place, self.pick(&TOKENS).iter().copied());
            }
            3 => {
                let range = self.range(input.len());
                input.splice(range, self.pick(&TOKENS).iter().copied());
            }
            4 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            5 => {
                let range = self.range(input.len());
                let piece = input[range].to_vec();
                input.splice(place..place, piece);
            }
            6 => {
                let other = self.pick(seeds).clone();
                let (from, to) = (self.range(other.len()), self.range(input.len()));
                input.splice(to, other[from].iter().copied());
            }
            _ => input.truncate(place),
        }
    }
}
