//! Times outside a browser, in UTC and English. The server renders no times; the tests do.

use std::time::{SystemTime, UNIX_EPOCH};

use kez_core::time::Timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The current time in Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The number of the day that contains this time, for comparing days.
pub(crate) fn day_of(unix: u64) -> i64 {
    (unix / 86_400).cast_signed()
}

/// "14:03".
pub(crate) fn time_label(unix: u64) -> String {
    format!("{:02}:{:02}", unix / 3600 % 24, unix / 60 % 60)
}

/// "3 November 2026".
pub(crate) fn date_label(unix: u64) -> String {
    let iso = Timestamp::from_unix(unix).to_string();
    let mut parts = iso.split(['-', 'T']);
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(1);
    format!("{} {} {}", number(day), MONTHS[(number(month) - 1) % 12], year.unwrap_or_default())
}

/// "3 Nov".
pub(crate) fn day_and_month_label(unix: u64) -> String {
    let date = date_label(unix);
    let mut parts = date.split(' ');
    let (day, month) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{day} {}", &month[..3])
}

/// The first moment of a day, given as "2026-11-03".
pub(crate) fn local_midnight(day: &str) -> Option<u64> {
    Some(format!("{day}T00:00:00Z").parse::<Timestamp>().ok()?.unix())
}

/// "Tuesday, 3 November 2026 at 14:03".
pub(crate) fn full_label(unix: u64) -> String {
    format!("{}, {} at {}", weekday_label(unix), date_label(unix), time_label(unix))
}

/// "Monday".
pub(crate) fn weekday_label(unix: u64) -> String {
    WEEKDAYS[(unix / 86_400 % 7) as usize].to_owned()
}
