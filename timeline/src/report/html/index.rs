//! `index.html`: the overview of several hosts, in the look of the reports that it leads to.

use super::page::Page;
use super::{PAGE_TITLE, start};
use crate::declared::Declared;
use crate::report::index::{Index, IndexedHost};

impl Index {
    /// `index.html`: one page without scripts or outside resources.
    pub fn to_html(&self) -> String {
        let mut page = Page::new(Declared::default(), std::iter::empty());
        if self.changed.is_some() {
            // A comment may stand before everything else, so that the first line of the file says it too.
            page.raw("<!-- A bundle was changed after it was sealed; its host is marked. -->\n");
        }
        start(&mut page);
        page.raw(PAGE_TITLE).show(self.hosts.len()).raw(" hosts</title><style>");
        page.raw(include_str!("style.css"));
        page.raw("</style></head><body><header><h1>Runs of regasm and regsvcs on ");
        page.show(self.hosts.len());
        page.raw(
            " hosts</h1><p class=\"soft\">An overview of reports on MITRE ATT&amp;CK T1218.009</p><dl class=\"facts\">",
        );
        page.code_fact("Collected from", Some(&self.source));
        page.raw("</dl></header><main>");
        if let Some(changed) = &self.changed {
            page.raw("<section class=\"changed\"><p><strong>").text(&changed.statement).raw("</strong></p></section>");
        }
        page.raw("<section class=\"answer\"><p>").text(&self.headline);
        page.raw("</p></section><section><h2>Hosts</h2><p>Each host was collected and analysed by itself; nothing of one explains another.</p>");
        page.raw("<div class=\"scroll\"><table class=\"stack\"><thead><tr><th>Host</th><th class=\"n\">Runs</th><th>Answer</th><th class=\"n\">Problems</th></tr></thead><tbody>");
        for host in &self.hosts {
            row(&mut page, host);
        }
        page.raw("</tbody></table></div></section><section><h2>Hashes</h2><p>The bundles, and of each analysis the list of its files. <code>sha256sum -c manifest-sha256.txt</code> in this folder and in that of each host checks the analyses; no such list has a bundle: compare <code>sha256sum</code> of each with this table. <code>comtrail verify</code> on this folder does all of it.</p><div class=\"scroll\"><table class=\"stack\"><thead><tr><th>File</th><th>SHA-256</th></tr></thead><tbody>");
        for host in &self.hosts {
            let Some(sha256) = &host.bundle_sha256 else { continue };
            page.raw("<tr><td>");
            match &host.bundle {
                Some(bundle) => page.code(&format!("{}/{bundle}", host.folder)),
                None => page.text("the bundle of ").code(&host.folder),
            };
            page.raw("</td><td>").code(sha256).raw("</td></tr>");
            if let Some(sha256) = &host.analysis_manifest_sha256 {
                page.raw("<tr><td>").code(&format!("{}/manifest-sha256.txt", host.folder)).raw("</td><td>");
                page.code(sha256).raw("</td></tr>");
            }
        }
        page.raw("</tbody></table></div></section></main><footer><p>Made by ").text(&self.tool.name).raw(" ");
        page.text(&self.tool.version).raw(". Schema of the data beside it: ").text(self.schema);
        page.raw(".</p></footer></body></html>\n");
        page.finish()
    }
}

fn row(page: &mut Page, host: &IndexedHost) {
    page.raw("<tr><td class=\"n\">");
    match &host.report {
        Some(report) => page.file(report, &host.folder),
        None => page.text(&host.folder),
    };
    if host.name != host.folder {
        page.raw("<br><span class=\"small soft\">").text(&host.name).raw("</span>");
    }
    page.raw("</td><td class=\"n\" data-th=\"Runs\">").show(host.executions);
    page.raw("</td><td>");
    if let Some(changed) = &host.changed {
        page.raw("<strong>changed after sealing</strong>: ").text(&changed.statement).raw("<br>");
    }
    page.text(&host.headline);
    page.raw("</td><td class=\"n\" data-th=\"Problems\">").show(host.problems).raw("</td></tr>");
}
