//! Coverage: the sources that matter as a picture and a table, the others folded.

use super::page::Page;
use super::{Limits, more, reach};
use crate::report::model::Report;
use crate::words::plural;
use evidence::Coverage;

pub(super) fn coverage(page: &mut Page, report: &Report) {
    page.raw("<section id=\"coverage\"><h2>Coverage</h2><p>What each source could have recorded, and when. Only within these times, and only for what the source records at all, does a missing record say anything.</p>");
    if report.coverage.is_empty() {
        page.raw("<p>No source was found in the evidence.</p></section>");
        return;
    }
    let (mut matter, others): (Vec<&Coverage>, Vec<&Coverage>) =
        report.coverage.iter().partition(|row| report.declared.matters(&row.source));
    // The channels in their order, the most important first, and then the artifacts in theirs.
    matter.sort_by_key(|row| report.declared.rank_of_channel(&row.source).unwrap_or(usize::MAX));
    reach::draw(page, report, &matter);
    table(page, report, &matter);
    if !others.is_empty() {
        page.raw("<details><summary>").text(&plural(others.len(), "other source", "other sources"));
        page.raw(", of which none records runs of the tools</summary>");
        table(page, report, &others);
        page.raw("</details>");
    }
    page.raw("</section>");
}

fn table(page: &mut Page, report: &Report, rows: &[&Coverage]) {
    page.raw("<div class=\"scroll\"><table class=\"stack reaches\"><thead><tr><th>Source</th><th class=\"n\">Records</th><th>First to last</th><th>What a missing record means</th></tr></thead><tbody>");
    for (place, source) in rows.iter().take(Limits::COVERAGE).enumerate() {
        let before = rows.get(..place).unwrap_or_default();
        row(page, report, source, before.iter().any(|one| one.source.eq_ignore_ascii_case(&source.source)));
    }
    page.raw("</tbody></table></div>");
    more(page, rows.len(), Limits::COVERAGE);
}

/// A row; that its log was cleared is said in the first of a channel only.
fn row(page: &mut Page, report: &Report, source: &Coverage, is_further: bool) {
    page.raw("<tr><td><strong>").source(&source.source).raw("</strong>");
    page.rests(report.coverage_rests_on_changed(source));
    if let Some(item) = &source.item {
        page.raw("<br><code class=\"small soft\">").text(item).raw("</code>");
    }
    page.raw("</td><td class=\"n\" data-th=\"Records\">");
    if source.present {
        page.show(source.records);
    } else {
        page.raw("none");
    }
    page.raw("</td><td data-th=\"Times\">");
    match (source.first, source.last) {
        (Some(first), Some(last)) if first == last => page.time(first),
        (Some(first), Some(last)) => page.time(first).raw("<br>to ").time(last),
        (Some(one), None) | (None, Some(one)) => page.time(one),
        (None, None) => page.raw(""),
    };
    page.raw("</td><td data-th=\"Meaning\">").text(&source.meaning);
    for gap in source.gaps.iter().take(8) {
        page.raw("<br><span class=\"small\">Gap: ").text(gap).raw("</span>");
    }
    if source.gaps.len() > 8 {
        page.raw("<br><span class=\"small soft\">and ").show(source.gaps.len() - 8).raw(" more gaps</span>");
    }
    if let Some(why) = source.partly.as_ref().filter(|why| !source.gaps.contains(why)) {
        page.raw("<br><span class=\"small\">Not read whole: ").text(why).raw("</span>");
    }
    if !source.clearings.is_empty() && !is_further {
        page.raw("<br><strong>The log was cleared.</strong> ").raw("<span class=\"small\">");
        for (place, clearing) in source.clearings.iter().take(5).enumerate() {
            page.raw(if place > 0 { "; " } else { "" });
            match clearing.at {
                Some(at) => page.time(at),
                None => page.raw("at a time that is not recorded"),
            };
            page.raw(" by ").text(clearing.by.as_deref().unwrap_or("an account that the record does not name"));
            page.cite(std::slice::from_ref(&clearing.citation), 1);
        }
        if source.clearings.len() > 5 {
            page.raw(" and ").show(source.clearings.len() - 5).raw(" more times");
        }
        page.raw("</span>");
    }
    page.raw("</td></tr>");
}
