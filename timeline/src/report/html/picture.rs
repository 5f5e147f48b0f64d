//! The timeline picture of a run: the process as a bar, what happened around it in a lane for each class.
//!
//! Stretches of time in which nothing happened are cut out and marked, so that a file made hours before and
//! a registry key written a second after the start can stand in one picture. Between two cuts the scale is
//! even.

use super::page::Page;
use crate::report::answer::file_name;
use evidence::{Execution, Filetime, Related};

/// Lanes in the order in which they stand, with the words for people.
const LANES: [(&str, &str); 8] = [
    ("process", "Processes"),
    ("image", "Loaded images"),
    ("file", "Files"),
    ("registry", "Registry"),
    ("network", "Network"),
    ("dns", "Name lookups"),
    ("logon", "Logons"),
    ("other", "Other"),
];

/// What a picture is drawn for.
pub(super) struct Frame {
    /// Classes of the picture, and what its ids end with.
    pub(super) class: &'static str,
    suffix: &'static str,
    pub(super) width: f64,
    /// Room for the words of the lanes; none where they stand above.
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) lane: f64,
    most_cuts: usize,
}

/// For paper and wide windows.
pub(super) const WIDE: Frame =
    Frame { class: "picture wide", suffix: "w", width: 900.0, left: 112.0, right: 24.0, lane: 34.0, most_cuts: 4 };
/// For windows of a hand's width: nothing of it has to be scrolled to.
pub(super) const NARROW: Frame =
    Frame { class: "picture narrow", suffix: "n", width: 430.0, left: 2.0, right: 4.0, lane: 46.0, most_cuts: 2 };

impl Frame {
    /// Whether the words of a lane stand above it.
    pub(super) fn is_narrow(&self) -> bool {
        self.left < LABEL
    }

    /// Where the middle of a lane is.
    pub(super) fn middle(&self, top: f64, row: usize) -> f64 {
        let words = if self.is_narrow() { 8.0 } else { 0.0 };
        top + self.lane * (row as f64 + 0.5) + words
    }

    /// Writes the words of a lane beside it or above it.
    pub(super) fn words(&self, page: &mut Page, middle: f64, words: &str) {
        text(page, 0.0, if self.is_narrow() { middle - 13.0 } else { middle + 4.0 }, "", words);
    }
}

const TOP: f64 = 36.0;
/// Width of a cut.
const CUT: f64 = 54.0;
/// Shortest silence that may be cut out, in ticks: 20 seconds.
const LEAST_CUT: u64 = 200_000_000;
/// Room for a time of day.
const LABEL: f64 = 90.0;
/// Marks closer than this become one.
const MARK: f64 = 46.0;

/// An even stretch of the scale.
struct Stretch {
    from: u64,
    to: u64,
    left: f64,
    right: f64,
}

struct Scale {
    stretches: Vec<Stretch>,
    left: f64,
}

impl Scale {
    /// `times` are sorted.
    fn new(times: &[u64], frame: &Frame) -> Scale {
        let mut gaps: Vec<(u64, usize)> = times
            .windows(2)
            .enumerate()
            .map(|(index, pair)| (pair[1] - pair[0], index))
            .filter(|(gap, _)| *gap >= LEAST_CUT)
            .collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        let mut cuts: Vec<usize> = gaps.into_iter().take(frame.most_cuts).map(|(_, index)| index).collect();
        cuts.sort_unstable();
        let mut stretches = Vec::new();
        let mut first = 0;
        for end in cuts.into_iter().chain(times.len().checked_sub(1)) {
            stretches.push((times[first], times[end], end - first + 1));
            first = end + 1;
        }
        let room = frame.width - frame.left - frame.right - CUT * stretches.len().saturating_sub(1) as f64;
        // A stretch gets room for what happens in it; a single moment needs little.
        let weight = |count: usize| 1.0 + (count as f64).sqrt();
        let total: f64 = stretches.iter().map(|(_, _, count)| weight(*count)).sum();
        let mut left = frame.left;
        let placed = stretches.into_iter().map(|(from, to, count)| {
            let right = left + room * weight(count) / total;
            let stretch = Stretch { from, to, left, right };
            left = right + CUT;
            stretch
        });
        Scale { stretches: placed.collect(), left: frame.left }
    }

    fn x(&self, at: u64) -> f64 {
        let stretch = self.stretches.iter().rev().find(|stretch| stretch.from <= at).or(self.stretches.first());
        let Some(stretch) = stretch else { return self.left };
        let span = stretch.to.saturating_sub(stretch.from);
        // Marks at both ends stay inside.
        let (left, right) = (stretch.left + 14.0, stretch.right - 14.0);
        if span == 0 {
            return (left + right) / 2.0;
        }
        let part = at.clamp(stretch.from, stretch.to) - stretch.from;
        left + (right - left) * (part as f64 / span as f64)
    }
}

/// `3 h 12 min`, in the two largest units.
fn span(ticks: u64) -> String {
    let seconds = ticks / 10_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} min")
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

/// `14:45:55.699`.
fn clock(at: u64) -> String {
    Filetime(at).in_words().get(11..23).unwrap_or_default().to_owned()
}

fn lane_of(related: &Related) -> usize {
    LANES.iter().position(|(class, _)| *class == related.class).unwrap_or(LANES.len() - 1)
}

/// Draws the picture; `related` are numbered from 1 in their order. Nothing where no time is known.
pub(super) fn draw(page: &mut Page, execution: &Execution, related: &[Related]) {
    for frame in [WIDE, NARROW] {
        draw_in(page, &frame, execution, related);
    }
}

fn draw_in(page: &mut Page, frame: &Frame, execution: &Execution, related: &[Related]) {
    let Some(started) = execution.started.or(related.first().map(|first| first.at)) else { return };
    let mut times: Vec<u64> = related.iter().map(|one| one.at.0).chain([started.0]).collect();
    times.extend(execution.ended.map(|at| at.0));
    times.sort_unstable();
    times.dedup();
    let scale = Scale::new(&times, frame);
    let lanes: Vec<usize> = (0..LANES.len()).filter(|lane| related.iter().any(|one| lane_of(one) == *lane)).collect();
    let bottom = TOP + frame.lane * (lanes.len() + 1) as f64;
    let about = format!(
        "{} started {}{}. {} related events are marked by their numbers in the list below the picture. Long silences are cut out.",
        file_name(&execution.image),
        started.in_words(),
        execution.ended.map(|at| format!(" and ended {}", at.in_words())).unwrap_or_default(),
        related.len()
    );
    begin(page, frame, &execution.id, bottom + 44.0, &format!("What happened around {}", execution.id), &about);
    cuts(page, &scale, bottom);
    run(page, frame, &scale, execution, (started, related), &about);
    for (row, lane) in lanes.iter().enumerate() {
        let y = frame.middle(TOP, row + 1);
        let (class, words) = LANES[*lane];
        frame.words(page, y, words);
        line(page, (frame.left, frame.width - frame.right), (y, y), "lane");
        let mut marks: Vec<(f64, usize, usize)> = Vec::new();
        for (index, one) in related.iter().enumerate().filter(|(_, one)| lane_of(one) == *lane) {
            let x = scale.x(one.at.0);
            match marks.last_mut() {
                Some((at, _, last)) if x - *at < MARK => *last = index,
                _ => marks.push((x, index, index)),
            }
        }
        for (x, first, last) in marks {
            mark(page, &execution.id, (x, y), class, &related[first..=last], first);
        }
    }
    axis(page, frame, &scale, bottom);
    page.raw("</svg></div>");
}

/// The beginning of a picture of this height, with what it is called and what it shows in words.
pub(super) fn begin(page: &mut Page, frame: &Frame, id: &str, height: f64, title: &str, about: &str) {
    let id = format!("{id}{}", frame.suffix);
    page.raw("<div class=\"scroll ").raw(frame.suffix).raw("\"><svg class=\"").raw(frame.class);
    page.raw("\" role=\"img\" viewBox=\"0 0 ").number(frame.width).raw(" ");
    page.number(height).raw("\" aria-labelledby=\"t").plain(&id).raw(" d").plain(&id);
    page.raw("\"><title id=\"t").plain(&id).raw("\">").plain(title);
    page.raw("</title><desc id=\"d").plain(&id).raw("\">").plain(about).raw("</desc>");
}

/// The run itself stands in the first lane.
fn run(
    page: &mut Page,
    frame: &Frame,
    scale: &Scale,
    execution: &Execution,
    (started, related): (Filetime, &[Related]),
    about: &str,
) {
    let y = frame.middle(TOP, 0);
    let from = scale.x(started.0);
    let (to, class) = match execution.ended {
        Some(ended) => (scale.x(ended.0).max(from + 3.0), "bar"),
        None => {
            let last = related.iter().map(|one| scale.x(one.at.0)).fold(from, f64::max);
            (last.max(from + 30.0).min(frame.width - frame.right), "open")
        }
    };
    page.raw("<rect class=\"").raw(class).raw("\" x=\"").number(from).raw("\" y=\"").number(y - 9.0);
    page.raw("\" width=\"").number(to - from).raw("\" height=\"18\" rx=\"2\"><title>").plain(about);
    page.raw("</title></rect>");
    let mut label = execution.id.clone();
    if let Some(pid) = execution.pid {
        label.push_str(&format!(", process {pid}"));
    }
    if execution.ended.is_none() {
        label.push_str(", end not recorded");
    }
    if frame.is_narrow() {
        return frame.words(page, y, &label);
    }
    frame.words(page, y, "The run");
    let right = from > frame.width - 220.0;
    page.raw("<text class=\"minor\" text-anchor=\"").raw(if right { "end" } else { "start" }).raw("\" x=\"");
    page.number(if right { from - 6.0 } else { from + 6.0 }).raw("\" y=\"").number(y - 13.0).raw("\">");
    page.plain(&label).raw("</text>");
}

pub(super) fn text(page: &mut Page, x: f64, y: f64, class: &'static str, words: &str) {
    page.raw("<text class=\"").raw(class).raw("\" x=\"").number(x).raw("\" y=\"").number(y).raw("\">");
    page.plain(words).raw("</text>");
}

pub(super) fn line(page: &mut Page, (x1, x2): (f64, f64), (y1, y2): (f64, f64), class: &'static str) {
    page.raw("<line class=\"").raw(class).raw("\" x1=\"").number(x1).raw("\" x2=\"").number(x2);
    page.raw("\" y1=\"").number(y1).raw("\" y2=\"").number(y2).raw("\"/>");
}

/// One event, or several that are too close to stand apart; it leads to the first in the list. Other lanes can have numbers
/// in between, so a mark of several says the first and how many more.
fn mark(page: &mut Page, run: &str, (x, y): (f64, f64), class: &'static str, events: &[Related], first: usize) {
    let Some(lane) = events.first().map(lane_of) else { return };
    let in_lane = events.iter().filter(|one| lane_of(one) == lane);
    let count = in_lane.clone().count();
    let words = match count {
        1 => (first + 1).to_string(),
        _ if count == events.len() => format!("{}–{}", first + 1, first + events.len()),
        _ => format!("{} +{}", first + 1, count - 1),
    };
    let width = 13.0 + 6.2 * words.chars().count() as f64;
    page.raw("<a href=\"#").plain(run).raw("-").show(first + 1).raw("\"><title>");
    for (index, one) in in_lane.take(12).enumerate() {
        if index > 0 {
            page.raw("; ");
        }
        page.plain(&clock(one.at.0)).raw(" ").plain(&one.what);
    }
    page.raw("</title><rect class=\"").raw(class).raw("\" x=\"").number(x - 9.5).raw("\" y=\"").number(y - 9.0);
    page.raw("\" width=\"").number(width).raw("\" height=\"18\" rx=\"9\"/>");
    page.raw("<text class=\"num\" x=\"").number(x - 9.5 + width / 2.0).raw("\" y=\"").number(y + 3.8).raw("\">");
    page.plain(&words).raw("</text></a>");
}

fn cuts(page: &mut Page, scale: &Scale, bottom: f64) {
    for pair in scale.stretches.windows(2) {
        let (left, right) = (pair[0].right, pair[1].left);
        page.raw("<rect class=\"gap\" x=\"").number(left).raw("\" y=\"").number(TOP - 8.0).raw("\" width=\"");
        page.number(right - left).raw("\" height=\"").number(bottom - TOP + 12.0).raw("\"/>");
        page.raw("<text class=\"minor\" text-anchor=\"middle\" x=\"").number((left + right) / 2.0).raw("\" y=\"");
        page.number(TOP - 12.0).raw("\">").plain(&span(pair[1].from - pair[0].to)).raw("</text>");
    }
}

fn axis(page: &mut Page, frame: &Frame, scale: &Scale, bottom: f64) {
    if !frame.is_narrow() {
        text(page, 0.0, bottom + 18.0, "minor", "Time, UTC");
    }
    let (mut free, mut day) = (0.0, String::new());
    for stretch in &scale.stretches {
        line(page, (stretch.left, stretch.right), (bottom + 2.0, bottom + 2.0), "lane");
        for at in [stretch.from, stretch.to] {
            let left = (scale.x(at) - 36.0).clamp((frame.left - 20.0).max(0.0), frame.width - LABEL);
            if left >= free {
                text(page, left, bottom + 18.0, "minor", &clock(at));
                free = left + LABEL;
                let date = Filetime(at).in_words().get(..10).unwrap_or_default().to_owned();
                if date != day {
                    text(page, left, bottom + 34.0, "minor", &date);
                    day = date;
                }
            }
            if stretch.from == stretch.to {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_long_silences_are_cut() {
        let second = 10_000_000;
        let times = [0, 1, 2, 3, 5000, 5001, 90_000].map(|seconds| seconds * second);
        for frame in [WIDE, NARROW] {
            let scale = Scale::new(&times, &frame);
            assert_eq!(scale.stretches.len(), 3);
            let places: Vec<f64> = times.iter().map(|at| scale.x(*at)).collect();
            assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
            assert!(places[0] >= frame.left && places[6] <= frame.width - frame.right);
            assert_eq!(Scale::new(&[7], &frame).stretches.len(), 1);
        }
    }

    #[test]
    fn spans_in_words() {
        let second = 10_000_000;
        for (seconds, words) in [(59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(span(seconds * second), words);
        }
    }
}
