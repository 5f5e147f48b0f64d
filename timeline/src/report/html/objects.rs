//! Assemblies and COM registrations.

use super::page::Page;
use super::runs::answer_class;
use super::{Limits, more};
use crate::report::answer::{capital, count, plural};
use crate::report::examined::why_not_all_registrations;
use crate::report::model::Report;
use evidence::{Answer, AssemblyFile, Registration, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn assemblies(page: &mut Page, report: &Report) {
    page.raw("<section id=\"assemblies\"><h2>Assemblies</h2>");
    if report.assemblies.is_empty() {
        page.raw("<p>No program file that a run or a registration is about was collected.</p></section>");
        return;
    }
    page.raw("<p>Collected files that a run or a registration is about.</p>");
    let mut seen = BTreeSet::new();
    for assembly in shown(report) {
        let on_changed = report.rests_on_changed(&assembly.sources);
        file(page, assembly, seen.insert(&assembly.sha256), on_changed);
    }
    more(page, report.assemblies.len(), Limits::ASSEMBLIES);
    page.raw("</section>");
}

/// The files that have room, those that a run names first.
pub(super) fn shown(report: &Report) -> impl Iterator<Item = &AssemblyFile> {
    let of_runs = |named: bool| report.assemblies.iter().filter(move |one| one.executions.is_empty() != named);
    of_runs(true).chain(of_runs(false)).take(Limits::ASSEMBLIES)
}

/// Where a file stands on the page.
pub(super) fn target(sha256: &str) -> String {
    format!("a{sha256}")
}

/// The same content can lie under two paths; links lead to the first.
fn file(page: &mut Page, assembly: &AssemblyFile, is_first: bool, on_changed: bool) {
    page.raw("<h3");
    if is_first {
        page.raw(" id=\"a").plain(&assembly.sha256).raw("\"");
    }
    page.raw("><code>").text(&assembly.path).raw("</code></h3><dl class=\"facts\">");
    page.fact("Obtained")
        .text(&assembly.state.replace('_', " "))
        .cite(&assembly.sources, 6)
        .rests(on_changed)
        .raw("</dd>");
    if !assembly.executions.is_empty() {
        page.fact("Named by").raw("");
        run_links(page, &assembly.executions);
        page.raw("</dd>");
    }
    page.code_fact("SHA-256", Some(&assembly.sha256));
    let facts = &assembly.facts;
    for (name, key) in [("SHA-1", "Sha1"), ("MD5", "Md5"), ("Authenticode SHA-256", "ImageSha256")] {
        page.code_fact(name, facts.get(key).and_then(Value::as_text));
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_text).map(str::to_owned);
    if let Some(kind) = text(facts.get("Kind")) {
        page.fact("Kind").raw(match kind.as_str() {
            "managed" => "a .NET assembly",
            "native" => "a native program, without .NET metadata",
            _ => "not a program file",
        });
        if let Some(machine) = text(facts.get("Machine")) {
            page.raw(", ").text(&machine);
        }
        page.raw("</dd>");
    }
    let cli = facts.get("Cli");
    let identity = cli.and_then(|cli| cli.get("Assembly"));
    page.code_fact("Identity", identity.and_then(|identity| identity.get("DisplayName")).and_then(Value::as_text));
    for (name, key) in [("Module version id", "Mvid"), ("Type library id", "TypeLibId"), ("Runtime", "RuntimeVersion")]
    {
        page.code_fact(name, cli.and_then(|cli| cli.get(key)).and_then(Value::as_text));
    }
    if let Some(stamp) = facts.get("Timestamp") {
        page.fact("Link time");
        match (text(stamp.get("Reading")).as_deref(), stamp.get("Time").and_then(Value::as_time)) {
            (Some("time"), Some(at)) => {
                page.time(at).raw(" <span class=\"soft small\">as the file says; anyone can set it</span>")
            }
            (Some("hash"), _) => page.raw("none: the field holds a hash of a reproducible build"),
            _ => page.raw("none that is possible"),
        };
        page.raw("</dd>");
    }
    if let Some(Value::Map(strings)) = facts.get("Version") {
        page.fact("Version resource");
        for (name, value) in strings.iter().take(16) {
            page.raw("<div class=\"small\">").text(name).raw(": ");
            value_text(page, value);
            page.raw("</div>");
        }
        page.raw("</dd>");
    }
    page.raw("</dl>");
    if let Some(cli) = cli {
        hooks(page, facts);
        types(page, cli);
    }
    for stream in &assembly.streams {
        page.raw("<p class=\"small\">Alternate stream <code>").text(&text(stream.get("Name")).unwrap_or_default());
        page.raw("</code>: <code>");
        for (index, line) in text(stream.get("Text")).unwrap_or_default().lines().enumerate() {
            page.raw(if index > 0 { "<br>" } else { "" }).text(line);
        }
        page.raw("</code></p>");
    }
}

pub(super) fn run_links(page: &mut Page, runs: &[String]) {
    for (index, run) in runs.iter().take(20).enumerate() {
        page.raw(if index > 0 { ", " } else { "" });
        page.link(run, run);
    }
    if runs.len() > 20 {
        page.raw(" and ").show(runs.len() - 20).raw(" more");
    }
}

/// A value on one line.
fn value_text(page: &mut Page, value: &Value) {
    match value {
        Value::Text(text) => page.text(text),
        Value::Unsigned(number) => page.show(number),
        Value::Signed(number) => page.show(number),
        Value::Bool(flag) => page.raw(if *flag { "yes" } else { "no" }),
        Value::Time(at) => page.time(*at),
        Value::List(items) => {
            for (index, item) in items.iter().take(30).enumerate() {
                page.raw(if index > 0 { "; " } else { "" });
                value_text(page, item);
            }
            page
        }
        Value::Map(members) => {
            for (index, (name, value)) in members.iter().take(30).enumerate() {
                page.raw(if index > 0 { ", " } else { "" }).text(name).raw(" ");
                value_text(page, value);
            }
            page
        }
    };
}

/// Whether something of the assembly runs, for each way of using it.
fn hooks(page: &mut Page, facts: &Value) {
    page.raw("<h4>What of it would run</h4><dl class=\"facts\">");
    for (name, key) in [
        ("regasm registers", "ExecutesOnRegister"),
        ("regasm unregisters", "ExecutesOnUnregister"),
        ("regsvcs installs", "ExecutesForRegsvcs"),
        ("regsvcs fails and rolls back", "ExecutesForRegsvcsRollback"),
        ("only loading", "ExecutesOnLoad"),
    ] {
        let Some(hook) = facts.get(key) else { continue };
        let answer = match hook.get("State").and_then(Value::as_text) {
            Some("yes") => Answer::Yes,
            Some("no") => Answer::No,
            _ => Answer::Unknown,
        };
        page.fact(name).raw("<span class=\"verdict ").raw(answer_class(answer)).raw("\">");
        page.raw(match answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "not known",
        });
        page.raw("</span>");
        if let Some(because) = hook.get("Because") {
            page.raw(" <span class=\"small\">");
            value_text(page, because);
            page.raw("</span>");
        }
        page.raw("</dd>");
    }
    page.raw("</dl>");
}

fn types(page: &mut Page, cli: &Value) {
    let types = cli.get("Types").map(Value::items).unwrap_or_default();
    let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool) == Some(true);
    let (mut shown, others): (Vec<&Value>, Vec<&Value>) = types
        .iter()
        .partition(|one| flag(one, "Registrable") || one.get("Register").is_some() || one.get("Unregister").is_some());
    if shown.is_empty() {
        if !others.is_empty() {
            page.raw("<p class=\"small\">None of its ")
                .text(&count(others.len()))
                .raw(" types can be registered or has a method for it.</p>");
        }
        return;
    }
    let all = shown.len();
    shown.truncate(Limits::TYPES);
    page.raw("<table class=\"stack\"><thead><tr><th>Type</th><th>Class id</th><th>Register method</th><th>Unregister method</th></tr></thead><tbody>");
    for one in shown {
        let text = |key: &str| one.get(key).and_then(Value::as_text).unwrap_or_default();
        page.raw("<tr><td><code>").text(text("Name")).raw("</code>");
        match text("ServicedComponent") {
            "" | "no" => {}
            "yes" => {
                page.raw("<br><span class=\"small soft\">a ServicedComponent</span>");
            }
            unknown => {
                page.raw("<br><span class=\"small soft\">a ServicedComponent? ").text(unknown).raw("</span>");
            }
        }
        if !flag(one, "Registrable") {
            page.raw("<br><span class=\"small\">cannot be registered: ");
            if let Some(because) = one.get("Because") {
                value_text(page, because);
            }
            page.raw("</span>");
        }
        page.raw("</td><td data-th=\"Class id\"><code class=\"small\">").text(text("Clsid")).raw("</code>");
        page.raw("<br><span class=\"small soft\">").text(match text("ClsidFrom") {
            "attribute" => "given by an attribute",
            "derived" => "derived from the names",
            _ => "",
        });
        page.raw("</span></td>");
        for (words, key) in [("Register", "Register"), ("Unregister", "Unregister")] {
            page.raw("<td data-th=\"").raw(words).raw("\">");
            if let Some(method) = one.get(key) {
                page.raw("<code class=\"small\">")
                    .text(method.get("Method").and_then(Value::as_text).unwrap_or_default());
                page.raw("</code>");
                if let Some(runs) = method.get("Runs") {
                    page.raw("<br><span class=\"small\">can run: ");
                    value_text(page, runs);
                    page.raw("</span>");
                }
                if let Some(because) = method.get("Because") {
                    page.raw("<br><span class=\"small soft\">");
                    value_text(page, because);
                    page.raw("</span>");
                }
            }
            page.raw("</td>");
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table>");
    more(page, all, Limits::TYPES);
}

/// The managed category as the two tools spell it; installers and Windows itself write `45E7`.
const TOOL_SPELLING: &str = "-45e7-";

/// Whether a registration is worth a look of its own.
fn is_notable(registration: &Registration) -> bool {
    registration.code_base.is_some()
        || !registration.executions.is_empty()
        || !registration.assemblies.is_empty()
        || registration.view == "user"
        || registration.state != "current"
        || registration.categories.iter().any(|category| category.contains(TOOL_SPELLING))
}

pub(super) fn registrations(page: &mut Page, report: &Report) {
    page.raw("<section id=\"registrations\"><h2>COM registrations</h2>");
    if report.registrations.is_empty() {
        match why_not_all_registrations(report.declared, &report.coverage, &report.problems) {
            None => page.raw("<p>No registration of a managed class was found.</p></section>"),
            Some(why) => page
                .raw("<p>Whether a managed class is registered is not known: ")
                .text(&why)
                .raw(". In what was read there is none.</p></section>"),
        };
        return;
    }
    let (mut notable, others): (Vec<&Registration>, Vec<&Registration>) =
        report.registrations.iter().partition(|registration| is_notable(registration));
    // Those of a run first; the order is kept otherwise.
    notable.sort_by_key(|registration| registration.executions.is_empty());
    page.raw("<p>").text(&capital(&plural(report.registrations.len(), "registration", "registrations")));
    page.raw(" of managed classes. Shown one by one are those that belong to a run, name a code base, stand in a user's hive, are deleted or known from logs only, or bear the category in the tools’ own spelling (<code>45e7</code>).</p>");
    if notable.is_empty() {
        page.raw("<p>None of them is of that kind.</p>");
    } else {
        page.raw("<ul class=\"cards\">");
        for registration in notable.iter().take(Limits::REGISTRATIONS) {
            class(page, registration, report.rests_on_changed(&registration.sources));
        }
        page.raw("</ul>");
        more(page, notable.len(), Limits::REGISTRATIONS);
    }
    if !others.is_empty() {
        by_assembly(page, report, &others);
    }
    page.raw("</section>");
}

fn class(page: &mut Page, registration: &Registration, on_changed: bool) {
    page.raw("<li><code>").text(&registration.clsid).raw("</code> ");
    page.text(registration.class.as_deref().unwrap_or(""));
    page.cite(&registration.sources, 3).rests(on_changed).raw("<dl class=\"facts\">");
    if !registration.executions.is_empty() {
        page.fact("Written by").raw("");
        run_links(page, &registration.executions);
        page.raw("</dd>");
    }
    page.fact("Where").text(match registration.view.as_str() {
        "64" => "64-bit view",
        "32" => "32-bit view",
        "user" => "a user's classes",
        other => other,
    });
    page.raw(", ").text(match registration.state.as_str() {
        "current" => "present",
        "log_only" => "only in the transaction logs",
        "before_log" => "before the transaction logs were applied",
        "deleted" => "deleted",
        "shadow_copy" => "in a shadow copy",
        "event" => "known from event records",
        other => other,
    });
    page.raw("<br><code class=\"small soft\">").text(&registration.hive).raw("</code></dd>");
    page.code_fact("User", registration.user.as_deref());
    if let Some(at) = registration.last_written {
        page.fact(if registration.state == "event" { "First event" } else { "Last written" }).time(at).raw("</dd>");
    }
    page.code_fact("Server", registration.server.as_deref());
    page.code_fact("Assembly", registration.assembly.as_deref());
    page.code_fact("Code base", registration.code_base.as_deref());
    page.code_fact("Runtime", registration.runtime_version.as_deref());
    page.code_fact("ProgId", registration.prog_id.as_deref());
    if !registration.categories.is_empty() {
        page.fact("Categories");
        for category in registration.categories.iter().take(12) {
            page.raw("<code class=\"small\">").text(category).raw("</code> ");
        }
        page.raw("</dd>");
    }
    for sha256 in registration.assemblies.iter().take(8) {
        page.fact("Class id of").raw("<span class=\"mono small\">").link(&target(sha256), sha256).raw("</span></dd>");
    }
    page.raw("</dl></li>");
}

/// The many classes that Windows and its frameworks register, counted.
fn by_assembly(page: &mut Page, report: &Report, registrations: &[&Registration]) {
    let mut groups: BTreeMap<(&str, &str), (usize, bool)> = BTreeMap::new();
    for registration in registrations {
        let assembly = registration.assembly.as_deref().unwrap_or("no assembly named");
        let server = registration.server.as_deref().unwrap_or("no server named");
        let (count, on_changed) = groups.entry((assembly, server)).or_default();
        *count += 1;
        *on_changed |= report.rests_on_changed(&registration.sources);
    }
    page.raw("<details><summary>").show(registrations.len()).raw(" others, of ");
    page.text(&plural(groups.len(), "assembly", "assemblies")).raw(", counted</summary><table><thead><tr><th>Assembly</th><th>Server</th><th class=\"n\">Classes</th></tr></thead><tbody>");
    for ((assembly, server), (number, on_changed)) in groups.iter().take(Limits::REGISTRATION_GROUPS) {
        page.raw("<tr><td>").text(assembly).rests(*on_changed).raw("</td><td><code class=\"small\">").text(server);
        page.raw("</code></td><td class=\"n\">").show(number).raw("</td></tr>");
    }
    page.raw("</tbody></table>");
    more(page, groups.len(), Limits::REGISTRATION_GROUPS);
    page.raw("</details>");
}
