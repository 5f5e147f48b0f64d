//! Assemblies and COM registrations.

use super::page::{Page, answer_class};
use super::{Limits, more};
use crate::report::examined::why_not_all_registrations;
use crate::report::model::Report;
use crate::words::{capital, count, plural};
use evidence::{
    Answer, AssemblyFile, Facts, IdSource, ProgramKind, Registration, RegistrationState, RegistryView, Role,
    StampReading, Told, ValueRef,
};
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
    for (name, role) in [("SHA-1", Role::Sha1), ("MD5", Role::Md5), ("Authenticode SHA-256", Role::ImageSha256)] {
        page.code_fact(name, facts.text_of(role));
    }
    if let Some(kind) = facts.text_of(Role::Kind) {
        page.fact("Kind").raw(match ProgramKind::named(kind) {
            Some(ProgramKind::Managed) => "a .NET assembly",
            Some(ProgramKind::Native) => "a native program, without .NET metadata",
            _ => "not a program file",
        });
        if let Some(machine) = facts.text_of(Role::Machine) {
            page.raw(", ").text(machine);
        }
        page.raw("</dd>");
    }
    let cli = facts.role(Role::Cli);
    let identity = cli.and_then(|cli| cli.role(Role::Assembly));
    page.code_fact("Identity", identity.and_then(|identity| identity.text_of(Role::DisplayName)));
    for (name, role) in
        [("Module version id", Role::Mvid), ("Type library id", Role::TypeLibId), ("Runtime", Role::RuntimeVersion)]
    {
        page.code_fact(name, cli.and_then(|cli| cli.text_of(role)));
    }
    if let Some(stamp) = facts.role(Role::Timestamp) {
        page.fact("Link time");
        let reading = stamp.text_of(Role::Reading).and_then(StampReading::named);
        match (reading, stamp.role(Role::Time).and_then(Told::time)) {
            (Some(StampReading::Time), Some(at)) => {
                page.time(at).raw(" <span class=\"soft small\">as the file says; anyone can set it</span>")
            }
            (Some(StampReading::Hash), _) => page.raw("none: the field holds a hash of a reproducible build"),
            _ => page.raw("none that is possible"),
        };
        page.raw("</dd>");
    }
    if let Some(ValueRef::Map(strings)) = facts.role(Role::VersionStrings).map(|told| told.value) {
        page.fact("Version resource");
        for (name, value) in strings.iter().take(16) {
            page.raw("<div class=\"small\">").text(name).raw(": ");
            value_text(page, value.view());
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
        page.raw("<p class=\"small\">Alternate stream <code>").text(stream.text_of(Role::Name).unwrap_or_default());
        page.raw("</code>: <code>");
        for (index, line) in stream.text_of(Role::Text).unwrap_or_default().lines().enumerate() {
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
fn value_text(page: &mut Page, value: ValueRef<'_>) {
    match value {
        ValueRef::Text(text) => page.text(text),
        ValueRef::Unsigned(number) => page.show(number),
        ValueRef::Signed(number) => page.show(number),
        ValueRef::Bool(flag) => page.raw(if flag { "yes" } else { "no" }),
        ValueRef::Time(at) => page.time(at),
        ValueRef::List(items) => {
            for (index, item) in items.iter().take(30).enumerate() {
                page.raw(if index > 0 { "; " } else { "" });
                value_text(page, item.view());
            }
            page
        }
        ValueRef::Map(members) => {
            for (index, (name, value)) in members.iter().take(30).enumerate() {
                page.raw(if index > 0 { ", " } else { "" }).text(name).raw(" ");
                value_text(page, value.view());
            }
            page
        }
    };
}

/// Whether something of the assembly runs, for each way of using it.
fn hooks(page: &mut Page, facts: &Facts) {
    page.raw("<h4>What of it would run</h4><dl class=\"facts\">");
    for (name, role) in [
        ("regasm registers", Role::OnRegister),
        ("regasm unregisters", Role::OnUnregister),
        ("regsvcs installs", Role::ForRegsvcs),
        ("regsvcs fails and rolls back", Role::ForRegsvcsRollback),
        ("only loading", Role::OnLoad),
    ] {
        let Some(hook) = facts.role(role) else { continue };
        let answer = hook.text_of(Role::State).and_then(Answer::named).unwrap_or(Answer::Unknown);
        page.fact(name).raw("<span class=\"verdict ").raw(answer_class(answer)).raw("\">");
        page.raw(match answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "not known",
        });
        page.raw("</span>");
        if let Some(because) = hook.role(Role::Because) {
            page.raw(" <span class=\"small\">");
            value_text(page, because.value);
            page.raw("</span>");
        }
        page.raw("</dd>");
    }
    page.raw("</dl>");
}

fn types(page: &mut Page, cli: Told<'_>) {
    let is_registrable = |one: &Told<'_>| one.role(Role::Registrable).and_then(Told::flag) == Some(true);
    let has_hook = |one: &Told<'_>| [Role::Register, Role::Unregister].iter().any(|role| one.role(*role).is_some());
    let (mut shown, others): (Vec<Told<'_>>, Vec<Told<'_>>) =
        cli.role(Role::Types).into_iter().flat_map(Told::items).partition(|one| is_registrable(one) || has_hook(one));
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
        let text = |role| one.text_of(role).unwrap_or_default();
        page.raw("<tr><td><code>").text(text(Role::Name)).raw("</code>");
        match text(Role::ServicedComponent) {
            "" | "no" => {}
            "yes" => {
                page.raw("<br><span class=\"small soft\">a ServicedComponent</span>");
            }
            unknown => {
                page.raw("<br><span class=\"small soft\">a ServicedComponent? ").text(unknown).raw("</span>");
            }
        }
        if !is_registrable(&one) {
            page.raw("<br><span class=\"small\">cannot be registered: ");
            if let Some(because) = one.role(Role::Because) {
                value_text(page, because.value);
            }
            page.raw("</span>");
        }
        page.raw("</td><td data-th=\"Class id\"><code class=\"small\">").text(text(Role::ClassId)).raw("</code>");
        page.raw("<br><span class=\"small soft\">").text(match IdSource::named(text(Role::ClassIdFrom)) {
            Some(IdSource::Attribute) => "given by an attribute",
            Some(IdSource::Derived) => "derived from the names",
            _ => "",
        });
        page.raw("</span></td>");
        for (words, role) in [("Register", Role::Register), ("Unregister", Role::Unregister)] {
            page.raw("<td data-th=\"").raw(words).raw("\">");
            if let Some(method) = one.role(role) {
                page.raw("<code class=\"small\">").text(method.text_of(Role::Method).unwrap_or_default());
                page.raw("</code>");
                if let Some(runs) = method.role(Role::Runs) {
                    page.raw("<br><span class=\"small\">can run: ");
                    value_text(page, runs.value);
                    page.raw("</span>");
                }
                if let Some(because) = method.role(Role::Because) {
                    page.raw("<br><span class=\"small soft\">");
                    value_text(page, because.value);
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

/// The registrations that are shown one by one, those of a run first; the order is kept otherwise.
pub(super) fn one_by_one(report: &Report) -> impl Iterator<Item = &Registration> {
    let of_runs = |of_run: bool| report.registrations.iter().filter(move |one| one.executions.is_empty() != of_run);
    of_runs(true).chain(of_runs(false)).filter(|one| one.is_notable()).take(Limits::REGISTRATIONS)
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
    let notable: Vec<&Registration> = one_by_one(report).collect();
    let others: Vec<&Registration> = report.registrations.iter().filter(|one| !one.is_notable()).collect();
    let all = report.registrations.len() - others.len();
    page.raw("<p>").text(&capital(&plural(report.registrations.len(), "registration", "registrations")));
    page.raw(" of managed classes. Shown one by one are those that belong to a run, name a code base, are in a user's hive, are deleted or known from logs only, or have the category in the tools’ own spelling (<code>45e7</code>).</p>");
    if notable.is_empty() {
        page.raw("<p>None of them is of that kind.</p>");
    } else {
        page.raw("<ul class=\"cards\">");
        for registration in &notable {
            class(page, registration, report.rests_on_changed(&registration.sources));
        }
        page.raw("</ul>");
        more(page, all, Limits::REGISTRATIONS);
    }
    if !others.is_empty() {
        by_assembly(page, report, &others);
    }
    page.raw("</section>");
}

fn class(page: &mut Page, registration: &Registration, on_changed: bool) {
    page.raw("<li").anchor(&registration.id).raw("><strong>").text(&registration.id).raw("</strong> <code>");
    page.text(&registration.clsid).raw("</code> ");
    page.text(registration.class.as_deref().unwrap_or(""));
    page.cite(&registration.sources, 3).rests(on_changed).raw("<dl class=\"facts\">");
    if !registration.executions.is_empty() {
        page.fact("Written by").raw("");
        run_links(page, &registration.executions);
        page.raw("</dd>");
    }
    page.fact("Where").text(match registration.view {
        RegistryView::Bits64 => "64-bit view",
        RegistryView::Bits32 => "32-bit view",
        RegistryView::User => "a user's classes",
    });
    page.raw(", ").text(match registration.state {
        RegistrationState::Current => "present",
        RegistrationState::LogOnly => "only in the transaction logs",
        RegistrationState::BeforeLog => "before the transaction logs were applied",
        RegistrationState::Deleted => "deleted",
        RegistrationState::ShadowCopy => "in a shadow copy",
        RegistrationState::Event => "known from event records",
    });
    page.raw("<br><code class=\"small soft\">").text(&registration.hive).raw("</code></dd>");
    page.code_fact("User", registration.user.as_deref());
    if let Some(at) = registration.last_written {
        page.fact(if registration.state == RegistrationState::Event { "First event" } else { "Last written" })
            .time(at)
            .raw("</dd>");
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
