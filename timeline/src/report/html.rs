//! `report.html`: one file without scripts or outside resources, the answer first.

use super::escape::push_visible;
use super::model::Report;
use super::style::STYLE;
use super::summary::plural;
use super::svg;
use evidence::{
    Answer, AssemblyFile, Citation, Confidence, Coverage, Execution, Filetime, Mode, Problem, Registration, Value,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most rows of one table; what is beyond stands in report.json, and the page says so.
const MAX_ROWS: usize = 300;

/// Text of the evidence, safe inside HTML: markup is escaped, and characters that deceive the eye are shown as escapes.
pub(crate) fn text(raw: &str) -> String {
    let mut visible = String::new();
    push_visible(raw, &mut visible);
    let mut out = String::with_capacity(visible.len());
    for c in visible.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The page while it is written. Citations get a number each and are listed at the end.
struct Page<'a> {
    out: String,
    numbers: BTreeMap<&'a Citation, usize>,
    citations: Vec<&'a Citation>,
}

impl Report {
    /// The report as one HTML page.
    pub fn to_html(&self) -> String {
        let mut page = Page { out: String::with_capacity(64 << 10), numbers: BTreeMap::new(), citations: Vec::new() };
        page.head(self);
        page.answer(self);
        page.attempts(self);
        for execution in &self.executions {
            page.execution(self, execution);
        }
        page.lookalikes(self);
        page.assemblies(self);
        page.registrations(self);
        page.coverage(&self.coverage);
        page.problems(&self.problems);
        page.how_to_check(self);
        page.appendix();
        page.out.push_str("</main></body></html>\n");
        page.out
    }
}

fn time(at: Option<Filetime>) -> String {
    at.map_or_else(|| "<span class=none>not recorded</span>".to_owned(), |at| format!("<time>{at}</time>"))
}

fn or_none(value: Option<&str>) -> String {
    value.map_or_else(
        || "<span class=none>not recorded</span>".to_owned(),
        |value| format!("<code>{}</code>", text(value)),
    )
}

fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "unknown",
    }
}

fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Register => "register the assembly",
        Mode::Unregister => "unregister the assembly",
        Mode::Regfile => "write a .reg file (nothing of the assembly runs)",
        Mode::Usage => "print the usage text",
        Mode::Invalid => "nothing: the tool refuses this command line",
        Mode::CoplusInstall => "install into a COM+ application",
        Mode::CoplusUninstall => "remove from a COM+ application",
        Mode::Unknown => "not known, since no command line was recorded",
    }
}

/// The fixed phrases of the confidence classes.
fn phrase(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Direct => "recorded (C1)",
        Confidence::Strong => "established by independent traces (C2)",
        Confidence::Circumstantial => "consistent with the traces (C3)",
        Confidence::Presence => "present on the system (C4)",
    }
}

impl<'a> Page<'a> {
    fn put(&mut self, part: &str) {
        self.out.push_str(part);
    }

    /// Links to citations.
    fn cite(&mut self, citations: &'a [Citation]) {
        const SHOWN: usize = 12;
        for citation in citations.iter().take(SHOWN) {
            let next = self.citations.len() + 1;
            let number = *self.numbers.entry(citation).or_insert(next);
            if number == next {
                self.citations.push(citation);
            }
            let _ = write!(self.out, "<a class=cite href=\"#c{number}\">[{number}]</a>");
        }
        if citations.len() > SHOWN {
            let _ = write!(self.out, "<span class=none> and {} more in report.json</span>", citations.len() - SHOWN);
        }
    }

    fn row(&mut self, name: &str, value: &str) {
        let _ = write!(self.out, "<dt>{name}</dt><dd>{value}</dd>");
    }

    fn head(&mut self, report: &Report) {
        let name = report.host.name.as_deref().unwrap_or(&report.bundle.bag);
        let _ = write!(
            self.out,
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\"><title>comtrail: {0}</title>\
             <style>{STYLE}</style></head><body><header><p class=kind>Executions of regasm.exe and regsvcs.exe · \
             MITRE ATT&amp;CK T1218.009</p><h1>{0}</h1>",
            text(name)
        );
        let host = &report.host;
        let mut facts = Vec::new();
        for fact in [host.domain.as_deref(), host.product.as_deref()].into_iter().flatten() {
            facts.push(text(fact));
        }
        if let Some(build) = &host.build {
            facts.push(format!("build {}", text(build)));
        }
        let _ = write!(
            self.out,
            "<p class=facts>{}</p><p class=facts>Bundle <code>{}</code>, {} objects, {} events; comtrail {}</p></header><main>",
            facts.join(" · "),
            text(&report.bundle.bag),
            report.bundle.objects,
            report.bundle.events,
            text(&report.tool.version)
        );
    }

    fn answer(&mut self, report: &'a Report) {
        self.put("<section class=answer><h2>The answer</h2>");
        for sentence in &report.summary {
            let _ = write!(self.out, "<p>{}</p>", text(sentence));
        }
        if !report.executions.is_empty() {
            self.put("<div class=scroll><table><thead><tr><th>Run<th>Tool<th>Started (UTC)<th>Host time<th>Account<th>Asks for<th>Method ran?</tr></thead><tbody>");
            for one in report.executions.iter().take(MAX_ROWS) {
                let account = one.user.as_ref().and_then(|user| user.name.as_deref().or(user.sid.as_deref()));
                let _ = write!(
                    self.out,
                    "<tr><td><a href=\"#{0}\">{0}</a><td>{1}<td>{2}<td>{3}<td>{4}<td>{5}<td class=\"{6}\">{6}</tr>",
                    one.id,
                    text(one.image.rsplit('\\').next().unwrap_or(&one.image)),
                    time(one.started),
                    text(one.started_local.as_deref().unwrap_or("zone not known")),
                    account.map_or_else(|| "not known".to_owned(), text),
                    mode_words(one.mode),
                    answer_word(one.method.runs)
                );
            }
            self.put("</tbody></table></div>");
        }
        self.put("<p class=note>This report states what the traces say. It does not weigh them: whether to escalate is not decided here.</p></section>");
    }

    fn attempts(&mut self, report: &'a Report) {
        if report.attempts.is_empty() {
            return;
        }
        self.put("<section><h2>Attempts</h2><p>Another program whose own command would start a tool. A command that only mentions a tool is not listed.</p>");
        for attempt in report.attempts.iter().take(MAX_ROWS) {
            let led = match &attempt.led_to {
                Some(id) => format!("led to <a href=\"#{id}\">{id}</a>", id = text(id)),
                None => "no execution is recorded after it".to_owned(),
            };
            let _ = write!(
                self.out,
                "<article id={0}><h3>{0} · {1}</h3><dl>",
                attempt.id,
                text(attempt.image.rsplit('\\').next().unwrap_or(&attempt.image))
            );
            self.row("Command line", &format!("<code>{}</code>", text(&attempt.command_line)));
            self.row("Would start", &format!("<code>{}</code>", text(&attempt.command)));
            self.row("Process", &format!("{}, pid {}", or_none(Some(&attempt.image)), number(attempt.pid)));
            self.row("Started", &time(attempt.started));
            self.row("Result", &led);
            self.put("<dt>Sources<dd>");
            self.cite(&attempt.sources);
            self.put("</dl></article>");
        }
        self.put("</section>");
    }

    fn execution(&mut self, report: &'a Report, one: &'a Execution) {
        let _ = write!(
            self.out,
            "<section class=run id={0}><h2>{0} · {1}</h2>",
            one.id,
            text(one.image.rsplit('\\').next().unwrap_or(&one.image))
        );
        let _ = write!(
            self.out,
            "<p class=verdict><b>Did a method of the assembly run? <span class=\"{0}\">{0}</span>.</b> {1} ",
            answer_word(one.method.runs),
            text(&one.method.because)
        );
        self.cite(&one.method.citations);
        self.put("</p>");
        let picture = svg::picture(one);
        self.put("<div class=scroll>");
        self.put(&picture);
        self.put("</div>");
        self.put("<dl>");
        self.row("Command line", &or_none(one.command_line.as_deref()));
        self.row("Asks to", mode_words(one.mode));
        if !one.options.is_empty() {
            self.row("Options", &text(&one.options.join(", ")));
        }
        for warning in &one.warnings {
            self.row("Odd", &text(warning));
        }
        self.row("Image", &format!("<code>{}</code>", text(&one.image)));
        let identity = match one.identity {
            evidence::Identity::Proven => "proven to be the tool by its own description or hash",
            evidence::Identity::ByPath => "the tool by its path in a .NET framework directory",
            evidence::Identity::ByName => "the tool by its name only: its identity is unproven",
        };
        self.row("Identity", &format!("{identity}{}", if one.renamed { "; it runs under another name" } else { "" }));
        self.row("Started", &format!("{}{}", time(one.started), local(one)));
        self.row(
            "Ended",
            &format!(
                "{}{}",
                time(one.ended),
                one.exit_code.map_or(String::new(), |code| format!(", exit {code} ({code:#x})"))
            ),
        );
        self.row("Process id", &number(one.pid));
        if let Some(parent) = &one.parent {
            self.row("Started by", &format!("{}, pid {}", or_none(parent.image.as_deref()), number(parent.pid)));
            self.row("Its command", &or_none(parent.command_line.as_deref()));
        }
        match &one.user {
            Some(user) => {
                let name = user.name.as_deref().map_or_else(String::new, text);
                self.row("Account", &format!("{name} {}", or_none(user.sid.as_deref())));
                let integrity =
                    user.integrity.as_deref().map_or_else(String::new, |level| format!("; integrity {}", text(level)));
                let _ = write!(
                    self.out,
                    "<dt>Elevated</dt><dd>{}: {}{integrity} ",
                    answer_word(user.elevated.state),
                    text(&user.elevated.because)
                );
                self.cite(&user.elevated.citations);
                self.put("</dd>");
            }
            None => self.row("Account", "<span class=none>no trace of this run names one</span>"),
        }
        if let Some(argument) = &one.assembly.argument {
            self.row("Assembly as written", &format!("<code>{}</code>", text(argument)));
        }
        let state = serde_word(&one.assembly.state);
        let hash = one.assembly.sha256.as_deref();
        let link = hash.map_or_else(String::new, |hash| {
            format!(", <a href=\"#f{hash}\">SHA-256 {}…</a>", &hash[..hash.len().min(16)])
        });
        self.row(
            "Assembly",
            &format!(
                "{}: {state}{link}. {}",
                or_none(one.assembly.resolved_path.as_deref()),
                text(&one.assembly.resolution)
            ),
        );
        self.row(
            "Proof",
            &format!("{}: {} For more: {}", one.proof.level, text(&one.proof.statement), text(&one.proof.next_needs)),
        );
        self.row("Confidence", phrase(one.confidence));
        if !one.merge_candidates.is_empty() {
            self.row("May be the same as", &text(&one.merge_candidates.join(", ")));
        }
        self.put("<dt>Sources<dd>");
        self.cite(&one.sources);
        self.put("</dl>");
        let registered: Vec<&Registration> =
            report.registrations.iter().filter(|registration| registration.executions.contains(&one.id)).collect();
        for registration in registered.iter().take(20) {
            let _ = write!(
                self.out,
                "<p>It registered <code>{}</code> ({} view, {}) ",
                text(&registration.clsid),
                text(&registration.view),
                text(&registration.state)
            );
            self.cite(&registration.sources);
            self.put("</p>");
        }
        if !one.related.is_empty() {
            let _ = write!(
                self.out,
                "<details open><summary>{} around it</summary><ol class=events>",
                plural(one.related.len(), "event", "events")
            );
            for related in one.related.iter().take(MAX_ROWS) {
                let _ = write!(
                    self.out,
                    "<li><time>{}</time> <span class=class>{}</span> {} ",
                    related.at,
                    related.class,
                    text(&related.what)
                );
                self.cite(std::slice::from_ref(&related.citation));
                self.put("</li>");
            }
            self.put("</ol></details>");
        }
        self.put("</section>");
    }

    fn lookalikes(&mut self, report: &'a Report) {
        if report.lookalikes.is_empty() {
            return;
        }
        self.put("<section><h2>Look-alikes</h2><p>Programs with the name of a tool that are something else (T1036.005, not this technique).</p>");
        for one in report.lookalikes.iter().take(MAX_ROWS) {
            self.put("<article><dl>");
            self.row("Image", &or_none(Some(&one.image)));
            self.row("Command line", &or_none(one.command_line.as_deref()));
            self.row("Started", &format!("{}, pid {}", time(one.started), number(one.pid)));
            self.row("Why", &text(&one.because));
            self.put("<dt>Sources<dd>");
            self.cite(&one.sources);
            self.put("</dl></article>");
        }
        self.put("</section>");
    }

    fn assemblies(&mut self, report: &'a Report) {
        self.put("<section><h2>Assemblies</h2>");
        if report.assemblies.is_empty() {
            self.put("<p>No program was collected.</p></section>");
            return;
        }
        for one in report.assemblies.iter().take(MAX_ROWS) {
            self.assembly(one);
        }
        if report.assemblies.len() > MAX_ROWS {
            let _ =
                write!(self.out, "<p class=note>{} more stand in report.json.</p>", report.assemblies.len() - MAX_ROWS);
        }
        self.put("</section>");
    }

    fn assembly(&mut self, one: &'a AssemblyFile) {
        let fact = |name: &str| one.facts.get(name).and_then(Value::as_text);
        let _ = write!(
            self.out,
            "<article id=\"f{}\"><h3>{}</h3><dl>",
            text(&one.sha256),
            text(one.path.rsplit('\\').next().unwrap_or(&one.path))
        );
        self.row("Path", &or_none(Some(&one.path)));
        self.row("State", &text(&one.state));
        self.row("Kind", fact("Kind").unwrap_or("not described"));
        for (label, name) in [("SHA-256", "Sha256"), ("SHA-1", "Sha1"), ("MD5", "Md5"), ("Image hash", "ImageSha256")] {
            if let Some(hash) = fact(name) {
                self.row(label, &format!("<code>{}</code>", text(hash)));
            }
        }
        if let Some(cli) = one.facts.get("Cli") {
            let name = cli.get("Assembly").and_then(|assembly| assembly.get("DisplayName")).and_then(Value::as_text);
            self.row("Identity", &or_none(name));
            for (label, key) in [
                ("On register", "ExecutesOnRegister"),
                ("On unregister", "ExecutesOnUnregister"),
                ("For regsvcs", "ExecutesForRegsvcs"),
                ("On its rollback", "ExecutesForRegsvcsRollback"),
                ("On loading", "ExecutesOnLoad"),
            ] {
                if let Some(outlook) = one.facts.get(key) {
                    let part = |name: &str| outlook.get(name).and_then(Value::as_text).unwrap_or("");
                    self.row(
                        label,
                        &format!("<b class=\"{0}\">{0}</b>: {1}", text(part("State")), text(part("Because"))),
                    );
                }
            }
            let types: Vec<String> = cli
                .get("Types")
                .map(Value::items)
                .unwrap_or(&[])
                .iter()
                .filter(|one| one.get("Registrable").and_then(Value::as_bool) == Some(true))
                .take(20)
                .map(|one| {
                    let part = |name: &str| one.get(name).and_then(Value::as_text).map(text).unwrap_or_default();
                    format!("<code>{}</code> {} ({})", part("Clsid"), part("Name"), part("ClsidFrom"))
                })
                .collect();
            if !types.is_empty() {
                self.row("Class ids", &types.join("<br>"));
            }
        }
        for stream in &one.streams {
            let part = |name: &str| stream.get(name).and_then(Value::as_text).map(text).unwrap_or_default();
            self.row("Stream", &format!("{}: <code>{}</code>", part("Name"), part("Text")));
        }
        if !one.executions.is_empty() {
            let links: Vec<String> =
                one.executions.iter().map(|id| format!("<a href=\"#{id}\">{id}</a>", id = text(id))).collect();
            self.row("Named by", &links.join(", "));
        }
        self.put("<dt>Sources<dd>");
        self.cite(&one.sources);
        self.put("</dl></article>");
    }

    fn registrations(&mut self, report: &'a Report) {
        let (notable, ordinary): (Vec<&Registration>, Vec<&Registration>) =
            report.registrations.iter().partition(|one| {
                one.code_base.is_some()
                    || one.view == "user"
                    || one.state != "current"
                    || !one.executions.is_empty()
                    || one.categories.iter().any(|category| category.contains("-45e7-"))
            });
        let _ = write!(
            self.out,
            "<section><h2>COM registrations of managed classes</h2><p>{} with a CodeBase, in a user's hive, not current, in \
             the spelling of the tools, or joined to a run; {} others.</p>",
            plural(notable.len(), "registration", "registrations"),
            ordinary.len()
        );
        self.registration_table(&notable);
        if !ordinary.is_empty() {
            let _ = write!(self.out, "<details><summary>{} others</summary>", ordinary.len());
            self.registration_table(&ordinary);
            self.put("</details>");
        }
        self.put("</section>");
    }

    fn registration_table(&mut self, list: &[&'a Registration]) {
        if list.is_empty() {
            return;
        }
        self.put("<div class=scroll><table><thead><tr><th>Class id<th>View<th>State<th>Class<th>CodeBase<th>Last written<th>Runs<th>Source</tr></thead><tbody>");
        for one in list.iter().take(MAX_ROWS) {
            let _ = write!(
                self.out,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>",
                text(&one.clsid),
                text(&one.view),
                text(&one.state),
                text(one.class.as_deref().unwrap_or("")),
                text(one.code_base.as_deref().unwrap_or("")),
                time(one.last_written),
                text(&one.executions.join(", "))
            );
            self.cite(&one.sources[..one.sources.len().min(2)]);
            self.put("</tr>");
        }
        self.put("</tbody></table></div>");
        if list.len() > MAX_ROWS {
            let _ = write!(self.out, "<p class=note>{} more stand in report.json.</p>", list.len() - MAX_ROWS);
        }
    }

    fn coverage(&mut self, coverage: &'a [Coverage]) {
        self.put("<section><h2>Coverage</h2><p>How far each source reaches. A missing record is never read as “it did not happen”.</p><div class=scroll><table><thead><tr><th>Source<th>There<th>Records<th>First<th>Last<th>Gaps and clearing<th>What a missing record means</tr></thead><tbody>");
        for one in coverage.iter().take(MAX_ROWS) {
            let gaps: Vec<String> = one.gaps.iter().take(5).map(|gap| text(gap)).collect();
            let more = if one.gaps.len() > 5 { format!(" and {} more", one.gaps.len() - 5) } else { String::new() };
            let _ = write!(
                self.out,
                "<tr><td>{}<td class=\"{}\">{}<td>{}<td>{}<td>{}<td>{}{more} ",
                text(&one.source),
                if one.present { "" } else { "unknown" },
                if one.present { "yes" } else { "no" },
                one.records,
                time(one.first),
                time(one.last),
                gaps.join("; ")
            );
            if !one.cleared.is_empty() {
                self.put("<b>cleared</b> ");
                self.cite(&one.cleared);
            }
            let _ = write!(self.out, "<td>{}</tr>", text(&one.meaning));
        }
        self.put("</tbody></table></div></section>");
    }

    fn problems(&mut self, problems: &'a [Problem]) {
        self.put("<section><h2>Problems</h2>");
        if problems.is_empty() {
            self.put("<p>None.</p></section>");
            return;
        }
        let mut groups: BTreeMap<(&str, &str), Vec<&Problem>> = BTreeMap::new();
        for problem in problems {
            groups.entry((problem.kind.name(), &problem.effect)).or_default().push(problem);
        }
        let _ = write!(
            self.out,
            "<p>{} in {}. Each says what it costs.</p>",
            plural(problems.len(), "problem", "problems"),
            plural(groups.len(), "group", "groups")
        );
        for ((kind, effect), group) in groups.iter().take(MAX_ROWS) {
            let _ = write!(
                self.out,
                "<details><summary><b>{}</b> × {}: {}</summary><ul>",
                text(&kind.replace('_', " ")),
                group.len(),
                text(effect)
            );
            for problem in group.iter().take(50) {
                let place = problem
                    .locator
                    .as_ref()
                    .map(|locator| format!(", {}", text(&locator.to_string())))
                    .unwrap_or_default();
                let _ = write!(
                    self.out,
                    "<li><code>{}</code>{place}: {} {}</li>",
                    text(&problem.item),
                    text(&problem.what),
                    text(&problem.kind.particulars())
                );
            }
            if group.len() > 50 {
                let _ = write!(self.out, "<li class=note>{} more stand in report.json</li>", group.len() - 50);
            }
            self.put("</ul></details>");
        }
        self.put("</section>");
    }

    fn how_to_check(&mut self, report: &Report) {
        let _ = write!(
            self.out,
            "<section><h2>How to check this</h2><ol><li>The bundle <code>{}</code> is a BagIt bag in a zip. <code>comtrail \
             verify</code>, any unzip with <code>bagit.py --validate</code>, or <code>sha256sum</code> over \
             <code>manifest-sha256.txt</code> check that nothing is missing, added or changed.</li><li>Each number in \
             brackets leads to a citation below: the file on the host, the SHA-256 of its bytes in the bundle, and the record \
             or offset, where any other reader finds the same.</li><li>Analysing the same bundle again with this version gives \
             the same bytes.</li><li>What was looked for and not found stands under Coverage and Problems.</li></ol></section>",
            text(&report.bundle.bag)
        );
    }

    fn appendix(&mut self) {
        self.put("<section class=citations><h2>Citations</h2><ol>");
        let citations = std::mem::take(&mut self.citations);
        for (index, citation) in citations.iter().enumerate() {
            let rule = match (&citation.rule, citation.confidence) {
                (Some(rule), Some(confidence)) => format!("; joined by {}, {}", text(rule), phrase(confidence)),
                (Some(rule), None) => format!("; joined by {}", text(rule)),
                _ => String::new(),
            };
            let _ = write!(
                self.out,
                "<li id=c{}><code>{}</code>, {} ({}{rule})<br><code class=hash>{}</code></li>",
                index + 1,
                text(&citation.item),
                text(&citation.locator.to_string()),
                text(&citation.artifact),
                text(&citation.sha256)
            );
        }
        self.put("</ol></section>");
    }
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "<span class=none>not recorded</span>".to_owned(), |value| value.to_string())
}

fn local(one: &Execution) -> String {
    one.started_local.as_deref().map(|local| format!(" ({} host time)", text(local))).unwrap_or_default()
}

/// The published word of an enumeration.
fn serde_word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_cannot_become_markup() {
        assert_eq!(text("<script>\"'&"), "&lt;script&gt;&quot;&#39;&amp;");
        assert_eq!(text("a\u{202e}b"), r"a\u{202e}b");
    }
}
