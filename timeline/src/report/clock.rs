//! Changes of the clock, in words.

use crate::host::{ClockChange, Host};
use crate::words::plural;
use evidence::Citation;

/// Most changes that get a sentence of their own, the largest first.
const MOST: usize = 5;

/// What the summary says of them.
pub(super) fn sentences(host: &Host) -> Vec<(String, &[Citation])> {
    let mut changes: Vec<&ClockChange> = host.clock_changes.iter().collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.after.ticks_since(change.before).abs()));
    let told = changes.iter().take(MOST);
    let mut all: Vec<(String, &[Citation])> = told.map(|change| (sentence(change), &*change.sources)).collect();
    if let Some(more @ 1..) = changes.len().checked_sub(MOST) {
        all.push((format!("The clock was changed {} more, by less.", plural(more, "time", "times")), &[]));
    }
    all
}

/// A sentence about one change.
pub(super) fn sentence(change: &ClockChange) -> String {
    let ClockChange { before, after, computer, .. } = change;
    let (from, to) = (before.in_words(), after.in_words());
    let of = if computer.is_empty() { String::new() } else { format!(" of {computer}") };
    if !change.is_recorded {
        return format!(
            "The times of records{of} go back from {from} to {to}, and no record that was read says that the clock was \
             changed; the numbers of the records say what came first, and how much time passed there is not known."
        );
    }
    let by = change.by.as_deref().map(|by| format!("{by} set the clock{of}"));
    let whose = by.unwrap_or_else(|| format!("The clock{of} was set"));
    let (direction, ticks) = match after.ticks_since(*before) {
        ticks if ticks < 0 => ("back", ticks.saturating_neg()),
        ticks => ("forward", ticks),
    };
    format!(
        "{whose} {direction} by {}, from {from} to {to}. All times are told as recorded; those of event logs are \
         corrected for it where they are compared with one another.",
        length(ticks)
    )
}

/// Ticks in the two largest units that they have.
fn length(ticks: i64) -> String {
    const UNITS: [(i64, &str, &str); 4] =
        [(86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"), (1, "second", "seconds")];
    let mut seconds = (ticks + 5_000_000) / 10_000_000;
    let mut parts = Vec::new();
    for (size, one, many) in UNITS {
        let number = seconds / size;
        seconds %= size;
        if number > 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "less than a second".to_owned() } else { parts.join(" ") }
}
