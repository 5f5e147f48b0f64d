//! The picture of a run: the life of the process as a bar, and what happened around it in lanes.

use super::html::text;
use evidence::{Execution, Filetime};
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 20.0;
const LANE: f64 = 24.0;
/// Most marks of one lane.
const MAX_MARKS: usize = 200;
/// Events further away than this (in 100 ns ticks) are in the list, not in the picture: they would squeeze the run into a dot.
const REACH: i64 = 600 * 10_000_000;

/// An inline SVG, empty where the run has no time.
pub(super) fn picture(run: &Execution) -> String {
    let Some(started) = run.started else { return String::new() };
    let ended = run.ended.filter(|ended| *ended >= started).unwrap_or(started);
    let near: Vec<_> = run
        .related
        .iter()
        .filter(|one| one.at.ticks_since(started) > -REACH && one.at.ticks_since(ended) < REACH)
        .collect();
    let first = near.iter().map(|one| one.at).chain([started]).min().unwrap_or(started);
    let last = near.iter().map(|one| one.at).chain([ended]).max().unwrap_or(ended);
    // A run that is one moment still gets an axis of a second.
    let span = last.ticks_since(first).max(10_000_000) as f64;
    let x = |at: Filetime| LEFT + (at.ticks_since(first) as f64 / span).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    let mut classes: Vec<&str> = near.iter().map(|one| one.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let height = 50.0 + LANE * (classes.len() as f64 + 1.0);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-labelledby=\"t{0} d{0}\"><title id=t{0}>Timeline of {0}</title>\
         <desc id=d{0}>The process ran from {started} to {ended}; {1} events of {2} kinds lie within ten minutes.</desc>",
        run.id,
        near.len(),
        classes.len()
    );
    let (from, to) = (x(started), x(ended).max(x(started) + 3.0));
    let _ = write!(
        out,
        "<text x=8 y=30>{}</text><rect class=bar x={from:.1} y=18 width={:.1} height=14 rx=2><title>{started} to {ended}</title></rect>",
        text(run.id.as_str()),
        to - from
    );
    for (lane, class) in classes.iter().enumerate() {
        let y = 30.0 + LANE * (lane as f64 + 1.0);
        let _ = write!(
            out,
            "<text class=soft x=8 y={y:.1}>{class}</text><line class=axis x1={LEFT} x2={0:.1} y1={1:.1} y2={1:.1} />",
            WIDTH - RIGHT,
            y - 4.0
        );
        for one in near.iter().filter(|one| one.class == *class).take(MAX_MARKS) {
            let _ = write!(
                out,
                "<circle class=mark cx={:.1} cy={:.1} r=4><title>{}: {}</title></circle>",
                x(one.at),
                y - 4.0,
                one.at,
                text(&one.what)
            );
        }
    }
    let y = height - 8.0;
    let _ = write!(
        out,
        "<text class=soft x={LEFT} y={y:.1}>{}</text><text class=soft x={:.1} y={y:.1} text-anchor=end>{} (UTC, {} shown)</text></svg>",
        clock(first),
        WIDTH - RIGHT,
        clock(last),
        duration(span)
    );
    out
}

/// Time of day with milliseconds.
fn clock(at: Filetime) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}

fn duration(ticks: f64) -> String {
    let seconds = ticks / 1e7;
    if seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}
