//! The timeline picture of a run: the process as a bar, what happened around it in a lane for each class.
//!
//! Stretches of time in which nothing happened are cut out and marked, so that a file made hours before and
//! a registry key written a second after the start can stand in one picture. Between two cuts the scale is
//! even.

use super::page::Page;
use crate::report::answer::{file_name, moment};
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

const WIDTH: f64 = 900.0;
const LEFT: f64 = 112.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 36.0;
const LANE: f64 = 34.0;
/// Width of a cut.
const CUT: f64 = 54.0;
/// Shortest silence that may be cut out, in ticks: 20 seconds.
const LEAST_CUT: u64 = 200_000_000;
const MOST_CUTS: usize = 4;
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

struct Scale(Vec<Stretch>);

impl Scale {
    /// `times` are sorted.
    fn new(times: &[u64]) -> Scale {
        let mut gaps: Vec<(u64, usize)> = times
            .windows(2)
            .enumerate()
            .map(|(index, pair)| (pair[1] - pair[0], index))
            .filter(|(gap, _)| *gap >= LEAST_CUT)
            .collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        let mut cuts: Vec<usize> = gaps.into_iter().take(MOST_CUTS).map(|(_, index)| index).collect();
        cuts.sort_unstable();
        let mut stretches = Vec::new();
        let mut first = 0;
        for end in cuts.into_iter().chain(times.len().checked_sub(1)) {
            stretches.push((times[first], times[end], end - first + 1));
            first = end + 1;
        }
        let room = WIDTH - LEFT - RIGHT - CUT * stretches.len().saturating_sub(1) as f64;
        // A stretch gets room for what happens in it; a single moment needs little.
        let weight = |count: usize| 1.0 + (count as f64).sqrt();
        let total: f64 = stretches.iter().map(|(_, _, count)| weight(*count)).sum();
        let mut left = LEFT;
        Scale(
            stretches
                .into_iter()
                .map(|(from, to, count)| {
                    let right = left + room * weight(count) / total;
                    let stretch = Stretch { from, to, left, right };
                    left = right + CUT;
                    stretch
                })
                .collect(),
        )
    }

    fn x(&self, at: u64) -> f64 {
        let stretch = self.0.iter().rev().find(|stretch| stretch.from <= at).or(self.0.first());
        let Some(stretch) = stretch else { return LEFT };
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
    moment(Filetime(at)).get(11..23).unwrap_or_default().to_owned()
}

fn lane_of(related: &Related) -> usize {
    LANES.iter().position(|(class, _)| *class == related.class).unwrap_or(LANES.len() - 1)
}

/// Draws the picture; `related` are numbered from 1 in their order. Nothing where no time is known.
pub(super) fn draw(page: &mut Page, execution: &Execution, related: &[Related]) {
    let Some(started) = execution.started.or(related.first().map(|first| first.at)) else { return };
    let mut times: Vec<u64> = related.iter().map(|one| one.at.0).chain([started.0]).collect();
    times.extend(execution.ended.map(|at| at.0));
    times.sort_unstable();
    times.dedup();
    let scale = Scale::new(&times);
    let lanes: Vec<usize> = (0..LANES.len()).filter(|lane| related.iter().any(|one| lane_of(one) == *lane)).collect();
    let bottom = TOP + LANE * (lanes.len() + 1) as f64;
    let height = bottom + 44.0;

    page.raw("<div class=\"scroll\"><svg class=\"picture\" role=\"img\" viewBox=\"0 0 ").number(WIDTH).raw(" ");
    page.number(height).raw("\" aria-labelledby=\"t").plain(&execution.id).raw(" d").plain(&execution.id);
    page.raw("\"><title id=\"t").plain(&execution.id).raw("\">What happened around ").plain(&execution.id);
    page.raw("</title><desc id=\"d").plain(&execution.id).raw("\">");
    let times = format!(
        "{} started {}{}. {} related events are marked by their numbers in the list below the picture. Long silences are cut out.",
        file_name(&execution.image),
        moment(started),
        execution.ended.map(|at| format!(" and ended {}", moment(at))).unwrap_or_default(),
        related.len()
    );
    page.plain(&times).raw("</desc>");
    cuts(page, &scale, bottom);

    // The run itself stands in the first lane.
    let y = TOP + LANE / 2.0;
    text(page, 0.0, y + 4.0, "", "The run");
    let from = scale.x(started.0);
    let (to, class) = match execution.ended {
        Some(ended) => (scale.x(ended.0).max(from + 3.0), "bar"),
        None => {
            let last = related.iter().map(|one| scale.x(one.at.0)).fold(from, f64::max);
            (last.max(from + 30.0).min(WIDTH - RIGHT), "open")
        }
    };
    page.raw("<rect class=\"").raw(class).raw("\" x=\"").number(from).raw("\" y=\"").number(y - 9.0);
    page.raw("\" width=\"").number(to - from).raw("\" height=\"18\" rx=\"2\"><title>").plain(&times);
    page.raw("</title></rect>");
    let mut label = execution.id.clone();
    if let Some(pid) = execution.pid {
        label.push_str(&format!(", process {pid}"));
    }
    if execution.ended.is_none() {
        label.push_str(", end not recorded");
    }
    let right = from > WIDTH - 220.0;
    page.raw("<text class=\"minor\" text-anchor=\"").raw(if right { "end" } else { "start" }).raw("\" x=\"");
    page.number(if right { from - 6.0 } else { from + 6.0 }).raw("\" y=\"").number(y - 13.0).raw("\">");
    page.plain(&label).raw("</text>");

    for (row, lane) in lanes.iter().enumerate() {
        let y = TOP + LANE * (row as f64 + 1.5);
        let (class, words) = LANES[*lane];
        text(page, 0.0, y + 4.0, "", words);
        page.raw("<line class=\"lane\" x1=\"").number(LEFT).raw("\" x2=\"").number(WIDTH - RIGHT);
        page.raw("\" y1=\"").number(y).raw("\" y2=\"").number(y).raw("\"/>");
        let mut marks: Vec<(f64, usize, usize)> = Vec::new();
        for (index, one) in related.iter().enumerate().filter(|(_, one)| lane_of(one) == *lane) {
            let x = scale.x(one.at.0);
            match marks.last_mut() {
                Some((at, _, last)) if x - *at < MARK => *last = index,
                _ => marks.push((x, index, index)),
            }
        }
        for (x, first, last) in marks {
            mark(page, x, y, class, first, last, related);
        }
    }
    axis(page, &scale, bottom);
    page.raw("</svg></div>");
}

fn text(page: &mut Page, x: f64, y: f64, class: &'static str, words: &str) {
    page.raw("<text class=\"").raw(class).raw("\" x=\"").number(x).raw("\" y=\"").number(y).raw("\">");
    page.plain(words).raw("</text>");
}

/// One event, or several that are too close to stand apart. Other lanes can have numbers in between, so a
/// mark of several says the first and how many more.
fn mark(page: &mut Page, x: f64, y: f64, class: &'static str, first: usize, last: usize, related: &[Related]) {
    let in_lane = related[first..=last].iter().filter(|one| lane_of(one) == lane_of(&related[first]));
    let count = in_lane.clone().count();
    let words = match count {
        1 => (first + 1).to_string(),
        _ if count == last - first + 1 => format!("{}–{}", first + 1, last + 1),
        _ => format!("{} +{}", first + 1, count - 1),
    };
    let width = 13.0 + 6.2 * words.chars().count() as f64;
    page.raw("<g><title>");
    for (index, one) in in_lane.take(12).enumerate() {
        if index > 0 {
            page.raw("; ");
        }
        page.plain(&clock(one.at.0)).raw(" ").plain(&one.what);
    }
    page.raw("</title><rect class=\"").raw(class).raw("\" x=\"").number(x - 9.5).raw("\" y=\"").number(y - 9.0);
    page.raw("\" width=\"").number(width).raw("\" height=\"18\" rx=\"9\"/>");
    page.raw("<text class=\"num\" x=\"").number(x - 9.5 + width / 2.0).raw("\" y=\"").number(y + 3.8).raw("\">");
    page.plain(&words).raw("</text></g>");
}

fn cuts(page: &mut Page, scale: &Scale, bottom: f64) {
    for pair in scale.0.windows(2) {
        let (left, right) = (pair[0].right, pair[1].left);
        page.raw("<rect class=\"gap\" x=\"").number(left).raw("\" y=\"").number(TOP - 8.0).raw("\" width=\"");
        page.number(right - left).raw("\" height=\"").number(bottom - TOP + 12.0).raw("\"/>");
        page.raw("<text class=\"minor\" text-anchor=\"middle\" x=\"").number((left + right) / 2.0).raw("\" y=\"");
        page.number(TOP - 12.0).raw("\">").plain(&span(pair[1].from - pair[0].to)).raw("</text>");
    }
}

fn axis(page: &mut Page, scale: &Scale, bottom: f64) {
    text(page, 0.0, bottom + 18.0, "minor", "Time, UTC");
    let (mut free, mut day) = (0.0, String::new());
    for stretch in &scale.0 {
        page.raw("<line class=\"lane\" x1=\"").number(stretch.left).raw("\" x2=\"").number(stretch.right);
        page.raw("\" y1=\"").number(bottom + 2.0).raw("\" y2=\"").number(bottom + 2.0).raw("\"/>");
        for at in [stretch.from, stretch.to] {
            let left = (scale.x(at) - 36.0).clamp(LEFT - 20.0, WIDTH - LABEL);
            if left >= free {
                text(page, left, bottom + 18.0, "minor", &clock(at));
                free = left + LABEL;
                let date = moment(Filetime(at)).get(..10).unwrap_or_default().to_owned();
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
        let scale = Scale::new(&times);
        assert_eq!(scale.0.len(), 3);
        let places: Vec<f64> = times.iter().map(|at| scale.x(*at)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        assert!(places[0] >= LEFT && places[6] <= WIDTH - RIGHT);
        assert_eq!(Scale::new(&[7]).0.len(), 1);
    }

    #[test]
    fn spans_in_words() {
        let second = 10_000_000;
        for (seconds, words) in [(59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(span(seconds * second), words);
        }
    }
}
