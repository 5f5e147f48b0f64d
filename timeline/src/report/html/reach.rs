//! The picture of coverage: when each source that matters could have recorded a run, and when logs were cleared.

use super::page::Page;
use super::picture::{Frame, NARROW, WIDE, begin, line, text};
use crate::report::model::Report;
use evidence::{Coverage, Filetime};

const TOP: f64 = 30.0;
/// Most lanes and most marks of a lane.
const MOST_LANES: usize = 24;
const MOST_MARKS: usize = 60;
/// Runs closer than this share their words.
const APART: f64 = 40.0;
/// Characters of a name that have room beside its lane.
const NAME: usize = 19;

/// A lane of the picture.
struct Lane<'a> {
    name: &'a str,
    /// Its rows of coverage; a log that was also archived has several.
    rows: Vec<&'a Coverage>,
}

/// From when to when, and where.
struct Scale {
    from: f64,
    to: f64,
    left: f64,
    right: f64,
}

impl Scale {
    fn x(&self, at: Filetime) -> f64 {
        let span = (self.to - self.from).max(1.0);
        let part = ((at.0 as f64 - self.from) / span).clamp(0.0, 1.0);
        self.left + (self.right - self.left) * part
    }
}

/// Draws the picture of these rows; nothing where none of them has a time.
pub(super) fn draw(page: &mut Page, report: &Report, rows: &[&Coverage]) {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for row in rows {
        match lanes.iter_mut().find(|lane| lane.name.eq_ignore_ascii_case(&row.source)) {
            Some(lane) => lane.rows.push(row),
            None => lanes.push(Lane { name: &row.source, rows: vec![row] }),
        }
    }
    lanes.truncate(MOST_LANES);
    // Files and keys can be years older than any log; they begin at the edge.
    let of_logs = rows.iter().filter(|row| report.declared.channel(&row.source).is_some());
    let mut times: Vec<Filetime> = of_logs.flat_map(|row| [row.first, row.last]).flatten().collect();
    times.extend(report.executions.iter().filter_map(|run| run.started.or(run.not_after)));
    if times.is_empty() {
        times.extend(rows.iter().flat_map(|row| [row.first, row.last]).flatten());
    }
    times.retain(|at| at.is_possible());
    let (Some(from), Some(to)) = (times.iter().min(), times.iter().max()) else { return };
    for frame in [WIDE, NARROW] {
        draw_in(page, report, &frame, &lanes, (*from, *to));
    }
    page.raw("<p class=\"small soft\">A bar reaches from the first record of a source to the last; a broken one was not read whole, or has records missing. A red line: the log was cleared. A dashed line across: the clock was changed. The grey bars above: when the machine is known to have run. Bars that begin at the left edge are older. Marks lead to the runs and to the records.</p>");
}

fn draw_in(page: &mut Page, report: &Report, frame: &Frame, lanes: &[Lane<'_>], (from, to): (Filetime, Filetime)) {
    let left = if frame.is_narrow() { frame.left + 2.0 } else { frame.left + 58.0 };
    let scale = Scale { from: from.0 as f64, to: to.0 as f64, left, right: frame.width - frame.right - 10.0 };
    let bottom = TOP + frame.lane * (lanes.len() + 2) as f64;
    let about = format!(
        "From {} to {}: {} sources, {} runs of the tools.",
        from.in_words(),
        to.in_words(),
        lanes.len(),
        report.executions.len()
    );
    begin(page, frame, "reach", bottom + 40.0, "When each source could have recorded a run", &about);
    runs(page, report, frame, &scale);
    machine(page, report, frame, &scale);
    clock(page, report, &scale, bottom);
    for (row, lane) in lanes.iter().enumerate() {
        let y = frame.middle(TOP, row + 2);
        let name = report.declared.title(lane.name);
        frame.words(page, y, &shortened(name, frame));
        source(page, &scale, y, lane, name);
    }
    for (at, anchor) in [(from, "start"), (to, "end")] {
        let x = if anchor == "start" { scale.left } else { scale.right };
        if !frame.is_narrow() {
            line(page, (x, x), (TOP - 6.0, bottom + 4.0), "lane");
        }
        page.raw("<text class=\"minor\" text-anchor=\"").raw(anchor).raw("\" x=\"").number(x).raw("\" y=\"");
        page.number(bottom + 20.0).raw("\">").plain(at.in_words().get(..16).unwrap_or_default()).raw("</text>");
    }
    page.raw("</svg></div>");
}

/// A name that fits beside its lane: of a channel the part that tells it from others.
fn shortened(name: &str, frame: &Frame) -> String {
    let name = name.strip_prefix("Microsoft-Windows-").unwrap_or(name);
    let name = name.strip_suffix("/Operational").unwrap_or(name);
    let most = if frame.is_narrow() { 60 } else { NAME };
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let first: String = name.chars().take(most - 1).collect();
    format!("{}…", first.trim_end())
}

/// The runs of the tools, each a mark that leads to it.
fn runs(page: &mut Page, report: &Report, frame: &Frame, scale: &Scale) {
    let y = frame.middle(TOP, 0);
    frame.words(page, y, "Runs");
    // Those that would lie on each other share their words.
    let mut groups: Vec<(f64, Vec<&str>)> = Vec::new();
    for run in report.executions.iter().take(MOST_MARKS) {
        let Some(at) = run.started.or(run.not_after) else { continue };
        let x = scale.x(at);
        let is_link = page.begin_svg_link(&run.id);
        page.raw("<title>").plain(&run.id).raw(", ").plain(run.tool.name()).raw(", ").plain(&at.in_words());
        page.raw("</title><circle class=\"process\" cx=\"").number(x).raw("\" cy=\"").number(y).raw("\" r=\"5\"/>");
        page.raw(if is_link { "</a>" } else { "</g>" });
        match groups.iter_mut().find(|(there, _)| (x - there).abs() < APART) {
            Some((_, ids)) => ids.push(&run.id),
            None => groups.push((x, vec![&run.id])),
        }
    }
    for (x, ids) in groups {
        let words = match ids.as_slice() {
            [first, _, _, ..] => format!("{first} +{}", ids.len() - 1),
            few => few.join(", "),
        };
        page.raw("<text class=\"minor\" text-anchor=\"middle\" x=\"").number(x).raw("\" y=\"").number(y - 9.0);
        page.raw("\">").plain(&words).raw("</text>");
    }
}

/// When the machine is known to have run.
fn machine(page: &mut Page, report: &Report, frame: &Frame, scale: &Scale) {
    let y = frame.middle(TOP, 1);
    frame.words(page, y, "Machine on");
    for boot in report.host.boots.iter().take(200) {
        let Some(from) = boot.started.filter(|at| at.is_possible()) else { continue };
        let (left, right) = (scale.x(from), boot.ended.map_or(scale.right, |at| scale.x(at)));
        page.raw("<rect class=\"boot\" x=\"").number(left).raw("\" y=\"").number(y - 4.0).raw("\" width=\"");
        page.number((right - left).max(1.0)).raw("\" height=\"8\"><title>").plain(&from.in_words());
        match boot.ended {
            Some(at) => page.raw(" to ").plain(&at.in_words()),
            None => page.raw(", its end is not recorded"),
        };
        page.raw("</title></rect>");
    }
}

/// When the clock was changed, across all lanes.
fn clock(page: &mut Page, report: &Report, scale: &Scale, bottom: f64) {
    for change in report.host.clock_changes.iter().filter(|one| one.after.is_possible()).take(MOST_MARKS) {
        let (x, cited) = (scale.x(change.after), change.sources.first());
        match cited.map(|source| page.cited_number(source)) {
            Some(number) => page.raw("<a href=\"#c").show(number).raw("\">"),
            None => page.raw("<g>"),
        };
        page.raw("<title>The clock of ").plain(&change.computer).raw(" went from ");
        page.plain(&change.before.in_words()).raw(" to ").plain(&change.after.in_words());
        page.raw(if change.is_recorded { "" } else { ", as the order of the records shows" }).raw("</title>");
        line(page, (x, x), (TOP - 6.0, bottom + 4.0), "clock");
        page.raw(if cited.is_some() { "</a>" } else { "</g>" });
    }
}

/// The bars of a source, and where its log was cleared.
fn source(page: &mut Page, scale: &Scale, y: f64, lane: &Lane<'_>, name: &str) {
    let mut is_drawn = false;
    for row in lane.rows.iter().take(MOST_MARKS) {
        let (Some(first), Some(last)) = (row.first, row.last) else { continue };
        let (left, right) = (scale.x(first), scale.x(last));
        let is_whole = row.gaps.is_empty() && row.partly.is_none();
        page.raw("<rect class=\"").raw(if is_whole { "reach" } else { "reach broken" }).raw("\" x=\"").number(left);
        page.raw("\" y=\"").number(y - 6.0).raw("\" width=\"").number((right - left).max(2.0));
        page.raw("\" height=\"12\" rx=\"2\"><title>").plain(name).raw(": ").show(row.records).raw(" records, ");
        page.plain(&first.in_words()).raw(" to ").plain(&last.in_words());
        for gap in row.gaps.iter().chain(&row.partly).take(8) {
            page.raw("; ").plain(gap);
        }
        page.raw("</title></rect>");
        is_drawn = true;
    }
    if !is_drawn {
        let words = match lane.rows.iter().any(|row| row.present) {
            true => "there, without times",
            false => "nothing was read",
        };
        text(page, scale.left, y + 4.0, "minor", words);
    }
    let mut clearings: Vec<_> = lane.rows.iter().flat_map(|row| &row.clearings).collect();
    clearings.sort();
    clearings.dedup_by(|a, b| (a.at, &a.by) == (b.at, &b.by));
    for clearing in clearings.into_iter().take(MOST_MARKS) {
        let Some(at) = clearing.at else { continue };
        let (x, number) = (scale.x(at), page.cited_number(&clearing.citation));
        page.raw("<a href=\"#c").show(number).raw("\"><title>").plain(name).raw(" was cleared on ");
        page.plain(&at.in_words()).raw(" by ").plain(clearing.by.as_deref().unwrap_or("an account that is not named"));
        page.raw("</title>");
        line(page, (x, x), (y - 11.0, y + 11.0), "clearing");
        page.raw("</a>");
    }
}
