//! `report.html`: one file without scripts or outside resources, for people and for paper.

mod citations;
mod coverage;
mod index;
mod objects;
mod page;
mod picture;
mod reach;
mod runs;

use super::clock;
use super::model::{CaseFacts, ChangedBundle, PartName, Report, StatementKind};
use crate::words::{capital, plural};
use evidence::{Filetime, JoinRule, Problem};
use page::Page;
use std::collections::BTreeMap;

/// How the title of every page begins.
pub const PAGE_TITLE: &str = "regasm and regsvcs on ";

/// Most entries of a list that are shown; the file says how many more there are and that `report.json`
/// has them all, so that a page of a host with much damage can still be opened.
struct Limits;

impl Limits {
    const RUNS: usize = 200;
    const ATTEMPTS: usize = 200;
    const LOOKALIKES: usize = 100;
    const RELATED: usize = 150;
    const SOURCES: usize = 60;
    const ASSEMBLIES: usize = 100;
    const TYPES: usize = 60;
    const REGISTRATIONS: usize = 300;
    const REGISTRATION_GROUPS: usize = 300;
    const COVERAGE: usize = 500;
    const PROBLEM_GROUPS: usize = 150;
    const PROBLEMS_OF_A_GROUP: usize = 20;
}

impl Report {
    /// `report.html`: one page without scripts or outside resources.
    pub fn to_html(&self) -> String {
        html(self)
    }
}

fn html(report: &Report) -> String {
    let runs = report.worst_first().into_iter().take(Limits::RUNS).map(|one| one.id.clone());
    let attempts = report.attempts.iter().take(Limits::ATTEMPTS).map(|one| one.id.clone());
    let classes = objects::one_by_one(report).map(|one| one.id.clone());
    let files = objects::shown(report).map(|one| objects::target(&one.sha256));
    let mut page = Page::new(report.declared, runs.chain(attempts).chain(classes).chain(files));
    if let Some(changed) = &report.changed {
        page.mark_changed(&changed.paths);
        // A comment may stand before everything else, so that the first line of the file says it too.
        page.raw("<!-- The bundle was changed after it was sealed; what rests on a changed object is marked. -->\n");
    }
    head(&mut page, report);
    page.raw("<main>");
    answer(&mut page, report);
    runs::attempts(&mut page, report);
    runs::executions(&mut page, report);
    runs::lookalikes(&mut page, report);
    objects::assemblies(&mut page, report);
    objects::registrations(&mut page, report);
    coverage::coverage(&mut page, report);
    problems(&mut page, report);
    host(&mut page, report);
    check(&mut page, report);
    citations::citations(&mut page, report);
    seal(&mut page, report);
    page.raw("</main><footer><p>Made by ").text(&report.tool.name).raw(" ").text(&report.tool.version);
    page.raw(" from ").code(&report.bundle.file).raw(". Schema of the data beside it: ").text(report.schema);
    page.raw(".</p></footer></body></html>\n");
    page.finish()
}

fn host_name(report: &Report) -> &str {
    report.host.name.as_deref().unwrap_or("a host without a name")
}

/// Everything up to the words of the title.
fn start(page: &mut Page) {
    page.raw(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"referrer\" content=\"no-referrer\"><title>",
    );
}

fn head(page: &mut Page, report: &Report) {
    start(page);
    page.raw(PAGE_TITLE).plain(host_name(report)).raw("</title><style>").raw(include_str!("style.css"));
    page.raw("</style></head><body>");
    if let Some(changed) = &report.changed {
        changed_banner(page, changed);
    }
    page.raw("<header><h1>Runs of regasm and regsvcs on ").text(host_name(report));
    if report.host.name_by_records {
        page.raw(" <span class=\"small soft\">(by its records; no hive names it)</span>");
    }
    page.raw("</h1><p class=\"soft\">A report on MITRE ATT&amp;CK T1218.009, drawn from collected evidence</p>");
    page.raw("<dl class=\"facts\">");
    case(page, &report.case);
    page.fact("Evidence").code(&report.bundle.file);
    if let Some(first) = report.bundle.parts.first() {
        page.raw(" (part ").show(first.part).raw(" of a collection)");
    }
    page.raw("<br><span class=\"small soft\">");
    page.show(report.bundle.objects).raw(" objects; SHA-256 of its tag manifest</span> <code class=\"small\">");
    page.text(&report.bundle.sha256).raw("</code>");
    if let Some(archive) = &report.bundle.archive_sha256 {
        page.raw("<br><span class=\"small soft\">SHA-256 of the bundle</span> <code class=\"small\">");
        page.text(archive).raw("</code>");
    }
    page.raw("</dd>");
    for part in further_parts(report) {
        page.fact("Part").show(part.part).raw(" of the collection: ").code(&part.bag);
        page.raw("<br><span class=\"small soft\">SHA-256 of its tag manifest</span> <code class=\"small\">");
        page.text(&part.tag_manifest_sha256).raw("</code>");
        if let Some(archive) = &part.archive_sha256 {
            page.raw("<br><span class=\"small soft\">SHA-256 of the bundle</span> <code class=\"small\">");
            page.text(archive).raw("</code>");
        }
        page.raw("</dd>");
    }
    for source in report.bundle.source.iter().take(20) {
        page.code_fact("Collected from", Some(source));
    }
    for check in report.bundle.checks.iter().take(20) {
        page.fact("Image").text(check).raw("</dd>");
    }
    if let Some(at) = report.bundle.collected {
        page.fact("Collected")
            .time(at)
            .raw(" <span class=\"soft small\">by the collecting machine's clock</span></dd>");
    }
    page.fact("System");
    let host = &report.host;
    page.text(host.product.as_deref().unwrap_or("not recorded"));
    if let Some(build) = &host.build {
        page.raw(", build ").text(build);
    }
    if let Some(domain) = &host.domain {
        page.raw(", domain ").text(domain);
    }
    page.raw("</dd>").fact("Time zone");
    match host.time_zone.as_ref().and_then(|zone| zone.name.as_deref()) {
        Some(name) => page.text(name).raw("; times are UTC unless said otherwise"),
        None => page.raw("not known, so times are given in UTC only"),
    };
    page.raw("</dd>").fact("Made by").text(&report.tool.name).raw(" ").text(&report.tool.version);
    page.raw("</dd></dl></header>");
    contents(page, report);
}

/// What the page holds: a column beside it where there is room, otherwise a paragraph at its head.
fn contents(page: &mut Page, report: &Report) {
    const MOST: usize = 40;
    page.raw("<nav aria-label=\"Sections\"><a href=\"#answer\">Answer</a><a href=\"#attempts\">Attempts</a><a href=\"#runs\">Runs</a>");
    if !report.executions.is_empty() {
        page.raw("<span class=\"runs\">");
        for run in report.worst_first().into_iter().take(MOST) {
            page.raw("<span class=\"").raw(page::answer_class(run.method.runs)).raw("\">").link(&run.id, &run.id);
            page.raw("</span>");
        }
        page.raw("</span>");
    }
    if !report.lookalikes.is_empty() {
        page.raw("<a href=\"#lookalikes\">Only the name</a>");
    }
    page.raw("<a href=\"#assemblies\">Assemblies</a><a href=\"#registrations\">Registrations</a><a href=\"#coverage\">Coverage</a><a href=\"#problems\">Problems</a><a href=\"#host\">Host</a><a href=\"#check\">How to check</a><a href=\"#citations\">Citations</a><a href=\"#seal\">Hashes</a></nav>");
}

/// The parts beside the bundle that is named first.
fn further_parts(report: &Report) -> impl Iterator<Item = &PartName> {
    report.bundle.parts.iter().skip(1)
}

/// What was said about the case.
fn case(page: &mut Page, case: &CaseFacts) {
    let facts = [
        ("Case", &case.id),
        ("Examiner", &case.examiner),
        ("Organisation", &case.organization),
        ("Reference clock", &case.reference_time),
        ("Collecting clock", &case.clock_difference),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            // A clock's time is shown as every other.
            let at = value.strip_suffix('Z').and_then(Filetime::parse_utc);
            page.fact(name).text(&at.map_or_else(|| value.clone(), Filetime::in_words)).raw("</dd>");
        }
    }
}

/// What nobody may overlook.
fn changed_banner(page: &mut Page, changed: &ChangedBundle) {
    const MOST: usize = 50;
    page.raw("<section class=\"changed\"><p><strong>")
        .text(&changed.statement)
        .raw("</strong></p><ul class=\"small\">");
    for wrong in changed.wrong.iter().take(MOST) {
        page.raw("<li>").text(wrong).raw("</li>");
    }
    page.raw("</ul>");
    more(page, changed.wrong.len(), MOST);
    page.raw("</section>");
}

/// The last page: how anybody checks the hashes.
fn seal(page: &mut Page, report: &Report) {
    page.raw("<section id=\"seal\" class=\"last\"><h2>How to check that nothing was changed</h2><p>The file <code>manifest-sha256.txt</code> beside this page has the SHA-256 of this page, of <code>report.json</code>, of the timeline's files and of <code>analysis.json</code>, which says of which bundle, by which version and with which options they were made. In their folder, with nothing but <code>sha256sum</code>:</p>");
    page.raw("<pre id=\"sha256sum\">sha256sum -c manifest-sha256.txt\nsha256sum manifest-sha256.txt</pre>");
    page.raw("<p>The first line has to say <code>OK</code> for six files. The second prints the one hash that covers all of them. The program printed it when the analysis was made; whoever wrote it down then knows that neither a file nor the manifest was changed since.</p><p>");
    match &report.bundle.archive_sha256 {
        Some(archive) => {
            page.raw("<code>sha256sum</code> of the bundle has to give <code>").text(archive).raw("</code>. ");
        }
        None => {
            page.raw("The bundle was analysed unpacked; <code>sha256sum tagmanifest-sha256.txt</code> in its folder has to give <code>");
            page.text(&report.bundle.sha256).raw("</code>. ");
        }
    }
    for part in further_parts(report) {
        if let Some(archive) = &part.archive_sha256 {
            page.raw("That of part ").show(part.part).raw(", <code>").text(&part.bag);
            page.raw("</code>, has to give <code>").text(archive).raw("</code>. ");
        }
    }
    page.raw("<code>comtrail verify</code> on the folder checks all of this and the bundle; with <code>--again</code> the same version analyses the bundle again and compares every byte.</p></section>");
}

fn answer(page: &mut Page, report: &Report) {
    page.raw("<section class=\"answer\" id=\"answer\"><p>").text(&report.summary.answer).raw("</p>");
    page.raw("<ul class=\"statements\">");
    for statement in &report.summary.statements {
        page.raw("<li><span class=\"kind\">");
        page.raw(match statement.kind {
            StatementKind::Finding => "",
            StatementKind::Method => "Method",
            StatementKind::Against => "Against",
            StatementKind::Limit => "Limits",
            StatementKind::Unknown => "Not known",
        });
        if let (StatementKind::Finding, Some(about)) = (statement.kind, &statement.about) {
            page.link(about, about);
        }
        page.raw("</span>").text(&statement.text).cite(&statement.citations, 4);
        page.rests(report.statement_rests_on_changed(statement)).raw("</li>");
    }
    page.raw("</ul><p class=\"small soft\">The words are fixed. “Recorded”: a record of the system says so. “Established by … and …”: independent traces agree. “Consistent with”: it fits, and other explanations are possible. “Present on the system”: it was there, and no more is known. Numbers in brackets lead to the place in the evidence.</p></section>");
}

/// Says how many entries a limit left out.
fn more(page: &mut Page, all: usize, shown: usize) {
    if all > shown {
        page.raw("<p class=\"soft\">").show(all - shown);
        page.raw(" more are not shown here; report.json has every one.</p>");
    }
}

fn problems(page: &mut Page, report: &Report) {
    page.raw("<section id=\"problems\"><h2>Problems</h2>");
    let (notes, problems): (Vec<&Problem>, Vec<&Problem>) = report.problems.iter().partition(|one| one.is_note);
    if problems.is_empty() {
        page.raw("<p>No problem arose while the evidence was collected and read.</p>");
    } else {
        let costs = "Each says what it costs the conclusions.";
        listed(page, &problems, ("problem", "problems"), costs);
    }
    if !notes.is_empty() {
        page.raw("<h3>Notes</h3>");
        let costs = "They tell of what was looked for and is not there, and of what Windows always leaves. None of them says that \
                     something was left unread.";
        listed(page, &notes, ("note", "notes"), costs);
    }
    page.raw("</section>");
}

/// Problems by what they cost.
fn listed(page: &mut Page, problems: &[&Problem], (one, many): (&str, &str), costs: &str) {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&Problem>> = BTreeMap::new();
    for problem in problems.iter().copied() {
        groups.entry((problem.effect.as_str(), problem.kind.name(), problem.stage.name())).or_default().push(problem);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // Those of which there are few are the ones that a long list would hide.
    groups.sort_by_key(|(_, problems)| problems.len());
    page.raw("<p>").text(&capital(&plural(problems.len(), one, many))).raw(" of ");
    page.text(&plural(groups.len(), "kind", "kinds")).raw(". ").text(costs).raw("</p><ul class=\"cards\">");
    for ((effect, kind, stage), problems) in groups.iter().take(Limits::PROBLEM_GROUPS) {
        page.raw("<li><strong>")
            .text(effect)
            .raw("</strong> <span class=\"soft small\">(")
            .text(&kind.replace('_', " "));
        page.raw(", step ").text(stage).raw(", ");
        page.text(&plural(problems.len(), one, many)).raw(")</span>");
        let few = problems.len() <= 3;
        if !few {
            page.raw("<details><summary>The objects</summary>");
        }
        page.raw("<ul class=\"small\">");
        for problem in problems.iter().take(Limits::PROBLEMS_OF_A_GROUP) {
            page.raw("<li>");
            if !problem.item.is_empty() {
                page.code(&problem.item).raw(": ");
            }
            page.text(&problem.what);
            let particulars = problem.kind.particulars();
            if !particulars.is_empty() {
                page.raw(" (").text(&particulars).raw(")");
            }
            if let Some(locator) = &problem.locator {
                page.raw(", ").show(locator);
            }
            page.raw("</li>");
        }
        page.raw("</ul>");
        more(page, problems.len(), Limits::PROBLEMS_OF_A_GROUP);
        if !few {
            page.raw("</details>");
        }
        page.raw("</li>");
    }
    page.raw("</ul>");
    more(page, groups.len(), Limits::PROBLEM_GROUPS);
}

fn host(page: &mut Page, report: &Report) {
    let host = &report.host;
    page.raw("<section id=\"host\"><h2>Host</h2><dl class=\"facts\">");
    page.code_fact("Name", host.name.as_deref());
    page.code_fact("Domain", host.domain.as_deref());
    if let Some(zone) = &host.time_zone {
        page.fact("Time zone").text(zone.name.as_deref().unwrap_or("not named"));
        page.raw(" <span class=\"soft small\">").text(&zone.rules_from).raw("</span></dd>");
    }
    if let Some(number) = host.control_set {
        page.fact("Control set").show(number).raw("</dd>");
    }
    if !host.users.is_empty() {
        page.fact("Accounts");
        for user in host.users.iter().take(100) {
            page.raw("<div>").text(user.name.as_deref().unwrap_or("without a name")).raw(" ");
            page.raw("<code class=\"small soft\">").text(&user.sid).raw("</code></div>");
        }
        more(page, host.users.len(), 100);
        page.raw("</dd>");
    }
    if !host.volumes.is_empty() {
        page.fact("Volumes");
        for volume in host.volumes.iter().take(60) {
            page.raw("<div>").text(volume.letter.as_deref().unwrap_or("without a letter")).raw(" ");
            page.raw("<code class=\"small soft\">").text(&volume.identity).raw("</code></div>");
        }
        more(page, host.volumes.len(), 60);
        page.raw("</dd>");
    }
    page.raw("</dl>");
    if !host.boots.is_empty() {
        page.raw("<details><summary>When the machine ran (")
            .show(host.boots.len())
            .raw(")</summary><ul class=\"small\">");
        for boot in host.boots.iter().take(200) {
            page.raw("<li>");
            match boot.started {
                Some(at) => page.time(at),
                None => page.raw("start not recorded"),
            };
            page.raw(" to ");
            match boot.ended {
                Some(at) => page.time(at),
                None => page.raw("an end that is not recorded"),
            };
            page.raw(", ").text(&boot.because);
            if boot.inferred {
                page.raw(" (inferred)");
            }
            page.cite(&boot.sources, 2).raw("</li>");
        }
        page.raw("</ul>");
        more(page, host.boots.len(), 200);
        page.raw("</details>");
    }
    if !host.clock_changes.is_empty() {
        page.raw("<details open><summary>When the clock was changed (")
            .show(host.clock_changes.len())
            .raw(")</summary><ul class=\"small\">");
        for change in host.clock_changes.iter().take(100) {
            page.raw("<li>").text(&clock::sentence(change)).cite(&change.sources, 3).raw("</li>");
        }
        page.raw("</ul>");
        more(page, host.clock_changes.len(), 100);
        page.raw("</details>");
    }
    if !host.settings.is_empty() {
        page.raw("<details><summary>Settings that decide what is recorded</summary><ul class=\"small\">");
        for setting in host.settings.iter().take(100) {
            page.raw("<li><code>")
                .text(&setting.name)
                .raw("</code> is <code>")
                .text(&setting.value)
                .raw("</code></li>");
        }
        page.raw("</ul></details>");
    }
    page.raw("</section>");
}

fn check(page: &mut Page, report: &Report) {
    page.raw("<section id=\"check\"><h2>How to check this report</h2><ol>");
    page.raw("<li><strong>The evidence.</strong> ");
    if report.changed.is_some() {
        page.raw(
            "<strong>It was changed after it was sealed</strong>; what is wrong with it is at the head of this page. ",
        );
    }
    page.raw("<code>comtrail verify ").text(&report.bundle.file);
    page.raw("</code> recomputes every hash and says what was changed, is missing or was added. The bundle is a BagIt bag in a zip file, so any BagIt program can do the same. The SHA-256 of <code>tagmanifest-sha256.txt</code> has to be <code>").text(&report.bundle.sha256).raw("</code>");
    page.raw(if report.changed.is_some() {
        ", which is that of the bundle as it was analysed.</li>"
    } else {
        ".</li>"
    });
    page.raw("<li><strong>Each statement.</strong> Follow its number to the citation. Take the object out of the bundle (the file <code>metadata/objects.jsonl</code> says where it lies), compare its SHA-256, and open the place with another program: an event log reader shows records by their number, a hex editor any offset. Offsets of a registry key count in the hive after its transaction logs were applied. <span id=\"decompressed\">Offsets in a prefetch file of Windows 10 and later count in its decompressed data</span>: such a file begins with the bytes <code>4D 41 4D</code> (MAM) and one byte for the kind, then four bytes with the length of the data, and the rest is the data, compressed with LZXPRESS Huffman ([MS-XCA] 2.2); Windows decompresses it with <code>RtlDecompressBufferEx</code>, and other programs with a library for this format.</li>");
    page.raw("<li><strong>What belongs to a run.</strong> Each record was joined to it by a rule:<dl class=\"facts small\" id=\"rules\">");
    for rule in JoinRule::ALL {
        page.raw("<dt id=\"rule-").raw(rule.id()).raw("\">").raw(rule.id()).raw("</dt><dd>");
        page.text(rule.meaning()).raw("</dd>");
    }
    page.raw("</dl></li>");
    page.raw("<li><strong>The analysis.</strong> The same version of the program gives the same bytes for the same bundle, on any machine and with any number of threads.</li>");
    page.raw("<li><strong>The times.</strong> UTC as recorded, shown in milliseconds, rounded down; Citations and <code>report.json</code> have the exact value. The clock of the host may have been wrong, and changes of it are in the timeline. Host time is computed by the rule of its time zone that was valid at that date.</li>");
    page.raw("<li><strong>Completeness.</strong> <a href=\"#coverage\">Coverage</a> says what could have been recorded, <a href=\"#problems\">Problems</a> what could not be read. A source that Coverage does not list was not searched for runs; <code>metadata/objects.jsonl</code> in the bundle lists all that was collected.</li>");
    page.raw("<li><strong>The conclusions.</strong> Each run has a proof ladder that says how far the evidence reaches and what the next step would need. Whether a method ran is a conclusion from the command line, the rights of the process and the program's own metadata, unless an effect was recorded.</li>");
    page.raw("<li><strong>The context.</strong> The merged timeline beside this file (<code>timeline.jsonl</code>, <code>timeline.csv</code>, <code>timeline.body</code>) has ");
    page.show(report.bundle.events).raw(" rows");
    page.raw(if report.bundle.full_timeline {
        ", with every file of the volumes"
    } else {
        "; of the file system it describes only the files around the findings"
    });
    page.raw(".</li></ol></section>");
}
