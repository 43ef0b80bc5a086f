//! Measurements and their medians.

use std::time::Instant;

/// Runs a step, and returns its result and its time in milliseconds.
pub(crate) fn timed<T>(step: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = step();
    (result, start.elapsed().as_secs_f64() * 1e3)
}

/// The median; the upper one of an even number. `None` without values.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A row with a median for each of two columns, and the ratio of the second to the first.
pub(crate) fn row(name: &str, [first, second]: [Option<f64>; 2]) {
    let number = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    };
    let ratio =
        first.zip(second).map_or_else(String::new, |(first, second)| format!("{:.2}", second / first));
    println!("{name:<44} {:>10} {:>10} {ratio:>7}", number(first), number(second));
}

/// The line above the rows.
pub(crate) fn head(title: &str, [first, second]: [&str; 2]) {
    println!("{title:<44} {first:>10} {second:>10} {:>7}", "ratio");
}
