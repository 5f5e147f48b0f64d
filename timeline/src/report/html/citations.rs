//! The cited places of the evidence, each with what its record says.

use super::page::Page;
use crate::cited::CitedRecord;
use crate::report::model::Report;
use evidence::Citation;
use std::collections::HashMap;

/// Most rows of one place that are shown.
const MOST_ROWS: usize = 8;

pub(super) fn citations(page: &mut Page, report: &Report) {
    page.raw("<section id=\"citations\"><h2>Citations</h2>");
    let objects: Vec<Object> = page
        .cited()
        .into_iter()
        .map(|(object, places)| Object {
            first: object.clone(),
            places: places.into_iter().map(|(number, place)| (number, place.locator.to_string())).collect(),
        })
        .collect();
    if objects.is_empty() {
        page.raw("<p>No place in the evidence is cited.</p></section>");
        return;
    }
    let mut records: HashMap<(&str, &str, &str), Vec<&CitedRecord>> = HashMap::new();
    for record in &report.records {
        records.entry((&record.item, &record.sha256, &record.place)).or_default().push(record);
    }
    page.raw("<p>Objects of the bundle by their path on the host, with the SHA-256 of the whole file, as any program computes it, and the places in them that are cited, with what stands there. Times are exact here. <code>event_id</code> finds the row in <code>timeline.jsonl</code> and <code>timeline.csv</code>, with every field of the record.</p><ul class=\"cards\">");
    for object in objects {
        let Citation { artifact, item, sha256, .. } = &object.first;
        page.raw("<li><code>").text(item).raw("</code> <span class=\"soft small\">").source(artifact);
        page.raw("</span>");
        if report.changed.as_ref().is_some_and(|changed| changed.paths.contains(item)) {
            page.raw(" <strong>changed after the bundle was sealed</strong>");
        }
        page.raw("<br><code class=\"small soft\">SHA-256 ").text(sha256).raw("</code><ul class=\"small cited\">");
        for (number, place) in &object.places {
            page.raw("<li id=\"c").show(number).raw("\">[").show(number).raw("] ").text(place);
            let rows = records.get(&(item.as_str(), sha256.as_str(), place.as_str()));
            for record in rows.into_iter().flatten().take(MOST_ROWS) {
                said(page, record);
            }
            page.raw("</li>");
        }
        page.raw("</ul></li>");
    }
    page.raw("</ul></section>");
}

/// What a record says.
fn said(page: &mut Page, record: &CitedRecord) {
    if record.decompressed {
        page.raw(
            " <span class=\"soft\">in the decompressed data, <a href=\"#decompressed\">see how to get there</a></span>",
        );
    }
    page.raw("<br>");
    if let Some(at) = record.at {
        page.raw("<span class=\"mono\">").show(at).raw("</span> <span class=\"soft\">").text(&record.meaning);
        page.raw("</span> ");
    }
    if let Some(event) = &record.event {
        page.raw("<span class=\"soft\">event ").text(event).raw("</span> ");
    }
    page.text(&record.says)
        .raw("<br><span class=\"soft\">event_id</span> <code>")
        .text(&record.event_id)
        .raw("</code>");
    if !record.belongs_to.is_empty() {
        page.raw(" <span class=\"soft\">of</span>");
        for owner in record.belongs_to.iter().take(12) {
            page.raw(" ").link(owner, owner);
        }
    }
    if !record.fields.0.is_empty() {
        page.raw("<details><summary>Fields</summary><dl class=\"facts\">");
        for (name, value) in &record.fields.0 {
            page.raw("<dt>").text(name).raw("</dt><dd><code>").text(value).raw("</code></dd>");
        }
        page.raw("</dl></details>");
    }
}

/// A cited object, apart from the page that is written to.
struct Object {
    first: Citation,
    places: Vec<(usize, String)>,
}
