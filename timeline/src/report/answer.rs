//! The plain answer: what ran, by whom, when, whether a method ran, what stands against it, what is unknown.

use super::clock;
use super::examined::{Examined, Missing, examined, missing};
use super::model::{Report, Statement, StatementKind, Summary};
use crate::command::tool_named;
use crate::declared::Declared;
use crate::words::{capital, count, list, plural};
use evidence::{
    Answer, AssemblyState, Attempt, Citation, Clearing, Confidence, Coverage, Execution, Filetime, Identified,
    Identity, Loads, Lookalike, Mode, Problem, ProblemKind, Registration, RegistrationState, Stage, Tool,
};
use std::collections::BTreeSet;

/// Most runs that are described one by one; the others are counted.
const MOST_DESCRIBED: usize = 25;

/// The fixed phrase of a confidence class, so that the same words always mean the same strength.
pub(super) fn phrase(declared: Declared, confidence: Confidence, sources: &[Citation]) -> String {
    let titles: BTreeSet<String> = sources.iter().map(|source| declared.in_sentence(&source.artifact)).collect();
    match confidence {
        Confidence::Direct => "Recorded".to_owned(),
        Confidence::Strong if titles.is_empty() => "Established".to_owned(),
        Confidence::Strong => {
            format!("Established by {}", list(&titles.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        Confidence::Circumstantial => "Consistent with".to_owned(),
        Confidence::Presence => "Present on the system".to_owned(),
    }
}

/// Whether a statement rests on recovered records only.
fn is_recovered(citations: &[Citation]) -> bool {
    !citations.is_empty() && citations.iter().all(|citation| citation.recovered)
}

/// Sources in words. Of more than a sentence can hold, those that tell of the tools are named and the rest is counted.
fn sources(declared: Declared, all: &[&str]) -> String {
    const MOST: usize = 10;
    let (mut named, mut others): (Vec<&str>, Vec<&str>) = (all.to_vec(), Vec::new());
    if all.len() > MOST {
        (named, others) = all.iter().partition(|source| declared.matters(source));
    }
    named.append(&mut others);
    let mut shown: Vec<String> = named.iter().take(MOST).map(|source| declared.in_sentence(source)).collect();
    if let Some(more @ 1..) = named.len().checked_sub(MOST) {
        shown.push(plural(more, "more source", "more sources"));
    }
    list(&shown.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What a command line asks for.
pub(super) fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Register => "register",
        Mode::Unregister => "unregister",
        Mode::Regfile => "write a .reg file for",
        Mode::Usage => "print its usage text",
        Mode::Invalid => "do something that it refuses",
        Mode::CoplusInstall => "install into COM+",
        Mode::CoplusUninstall => "remove from COM+",
        Mode::Unknown => "do something that is not known",
    }
}

/// A reading of the host's clock, as the story writes it: its date, its time of day, and `UTC-5`.
fn reading(local: &str) -> (&str, &str, Option<String>) {
    let (date, rest) = local.split_once('T').unwrap_or(("", local));
    let time = rest.split(' ').next().unwrap_or(rest);
    let offset = time.rfind(['+', '-']).and_then(|at| time.get(at..)).map(|offset| {
        let (sign, offset) = offset.split_at(1);
        let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
        let minutes = if minutes == "00" { String::new() } else { format!(":{minutes}") };
        format!("UTC{sign}{}{minutes}", hours.strip_prefix('0').unwrap_or(hours))
    });
    (date, rest, offset)
}

/// ` (09:12:33 host time, UTC-5)` behind a time in UTC, with the date where that is another one on the host.
fn host_time(local: &str, utc: &str) -> String {
    let (date, rest, offset) = reading(local);
    let date = if utc.starts_with(date) { String::new() } else { format!("{date} ") };
    let offset = offset.map_or_else(String::new, |offset| format!(", {offset}"));
    format!(" ({date}{} host time{offset})", rest.get(..8).unwrap_or(rest))
}

/// `2026-03-04 09:12:33.120 UTC-5`, and what else is said of it.
pub(super) fn host_moment(local: &str) -> String {
    let (date, rest, offset) = reading(local);
    let more = rest.split_once(' ').map_or_else(String::new, |(_, more)| format!(" {more}"));
    let offset = offset.map_or_else(String::new, |offset| format!(" {offset}"));
    format!("{date} {}{offset}{more}", rest.get(..12).unwrap_or(rest))
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

pub(super) fn summarize(report: &Report) -> Summary {
    let mut statements = Vec::new();
    for execution in report.worst_first().into_iter().take(MOST_DESCRIBED) {
        describe(report.declared, execution, &mut statements);
    }
    if let Some(more @ 1..) = report.executions.len().checked_sub(MOST_DESCRIBED) {
        let text = format!("{} are described below.", plural(more, "more run", "more runs"));
        statements.push(statement(StatementKind::Finding, None, capital(&text), &[]));
    }
    for attempt in report.attempts.iter().take(MOST_DESCRIBED) {
        statements.push(describe_attempt(attempt));
    }
    for lookalike in report.lookalikes.iter().take(MOST_DESCRIBED) {
        statements.push(describe_lookalike(lookalike));
    }
    statements.extend(registered(report));
    statements.extend(names_that_differ(report));
    statements.extend(tools_that_are_not_there(report));
    statements.extend(clearings(&report.coverage));
    let clock = clock::sentences(&report.host).into_iter();
    statements.extend(clock.map(|(text, sources)| statement(StatementKind::Limit, None, text, sources)));
    if report.problems.iter().any(|problem| problem.kind == ProblemKind::Interrupted) {
        let text = "The collection was interrupted: objects are missing that could hold further traces.";
        statements.push(statement(StatementKind::Unknown, None, text.to_owned(), &[]));
    }
    let is_missing = |source: &&Coverage| !source.present && !report.declared.is_quiet(&source.source);
    let missing_sources = report.coverage.iter().filter(is_missing).map(|source| source.source.as_str());
    let mut by_reason: Vec<(Missing, Vec<&str>)> =
        [Missing::Unread, Missing::NotCollected, Missing::Unlisted, Missing::Incomplete, Missing::Absent]
            .map(|why| (why, Vec::new()))
            .into();
    for source in missing_sources {
        let why = missing(report.declared, source, &report.problems);
        by_reason.iter_mut().filter(|(reason, _)| *reason == why).for_each(|(_, all)| all.push(source));
    }
    for (why, missing) in by_reason.into_iter().filter(|(_, missing)| !missing.is_empty()) {
        statements.push(statement(StatementKind::Unknown, None, not_there(report.declared, why, &missing), &[]));
    }
    if let (problems @ 1.., _) = report.problems_and_notes() {
        let text = format!(
            "{} while the evidence was read; what each costs stands under Problems.",
            plural(problems, "problem arose", "problems arose")
        );
        statements.push(statement(StatementKind::Unknown, None, capital(&text), &[]));
    }
    let examined = examined(report.declared, &report.coverage, &report.problems, report.bundle.objects);
    let answer = answer(report, &examined);
    let Examined { parts: not_examined, runs_would_show, processes_would_show } = examined;
    Summary { answer, not_examined, runs_would_show, processes_would_show, statements }
}

/// What it means that nothing of these sources was read.
fn not_there(declared: Declared, why: Missing, missing: &[&str]) -> String {
    let (it, is) = if missing.len() == 1 { ("it", "is") } else { ("they", "are") };
    let them = if missing.len() == 1 { "it" } else { "them" };
    let all = sources(declared, missing);
    let lost = format!("so what only {it} would record is not known");
    match why {
        Missing::Unread => {
            format!("{} could not be read although the evidence has {them}, {lost}.", capital(&all))
        }
        Missing::NotCollected => {
            format!(
                "{} {is} on the host and {} not collected, {lost}.",
                capital(&all),
                if is == "is" { "was" } else { "were" }
            )
        }
        Missing::Unlisted => {
            format!("Whether there is anything of {all} is not known: where {it} would lie could not be looked at.")
        }
        Missing::Incomplete => format!(
            "Nothing was collected of {all}, and whether the host has {them} is not known: the collection is not complete."
        ),
        Missing::Absent => format!("Nothing was there of {all}, {lost}."),
    }
}

fn answer(report: &Report, examined: &Examined) -> String {
    let mut text = String::new();
    if !examined.parts.is_empty() {
        text.push_str(&format!("Not examined: {}. ", examined.parts.join("; ")));
    }
    text.push_str(&found(report, examined));
    text
}

/// How many runs and attempts were found. That none was is said only where what shows runs was read.
fn found(report: &Report, examined: &Examined) -> String {
    let runs = report.executions.len();
    let none_is_known = runs == 0 && examined.runs_would_show;
    let mut text = if none_is_known && examined.parts.is_empty() {
        "No run of regasm or regsvcs was found in the evidence.".to_owned()
    } else if none_is_known {
        "In what was examined, no run of regasm or regsvcs was found.".to_owned()
    } else if runs == 0 {
        "Whether regasm or regsvcs ran is not known: what was examined does not show it.".to_owned()
    } else {
        let of = |tool| report.executions.iter().filter(|execution| execution.tool == tool).count();
        let parts: Vec<String> = [Tool::Regasm, Tool::Regsvcs]
            .into_iter()
            .filter(|tool| of(*tool) > 0)
            .map(|tool| format!("{} of {}", count(of(tool)), tool.name()))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        capital(&format!("{} found: {}.", plural(runs, "run was", "runs were"), list(&parts)))
    };
    let led = report.attempts.iter().filter(|attempt| attempt.led_to.is_some()).count();
    match report.attempts.len() {
        0 => {}
        1 if led == 1 => text.push_str(" One process of another program asked to start one, and a run followed."),
        1 => {
            text.push_str(" One process of another program asked to start one; that a run followed is not established.")
        }
        attempts => text.push_str(&format!(
            " {} processes of other programs asked to start one; runs that followed are recorded for {}.",
            capital(&count(attempts)),
            if led == 0 { "none".to_owned() } else { count(led) }
        )),
    }
    if none_is_known {
        text.push_str(
            " That is no proof that none took place: the section Coverage says what each source could have \
             recorded, and when.",
        );
    }
    text
}

fn statement(kind: StatementKind, about: Option<&str>, text: String, citations: &[Citation]) -> Statement {
    let text = match is_recovered(citations) {
        true => format!("{text} Every record of it was recovered from where nothing counts it any more."),
        false => text,
    };
    Statement { kind, about: about.map(str::to_owned), text, citations: citations.to_vec() }
}

/// That the records of the host's logs name other computers than it.
fn names_that_differ(report: &Report) -> Option<Statement> {
    const MOST: usize = 5;
    let host = &report.host;
    let mut others: Vec<String> = host.other_computers.iter().take(MOST).cloned().collect();
    if let Some(more @ 1..) = host.other_computers.len().checked_sub(MOST) {
        others.push(plural(more, "more computer", "more computers"));
    }
    let others = list(&others.iter().map(String::as_str).collect::<Vec<_>>());
    let text = match (&host.name, others.is_empty()) {
        (_, true) => return None,
        (None, false) => format!("The records of its logs are of {others}; which of them this host is, nothing says."),
        (Some(name), false) => {
            let own = if host.named_in_logs { "" } else { &format!("; none names {name}") };
            format!(
                "This host is called {name}, and records in its own logs name {others}{own}. What such a record says is told \
                 as of the computer that it names; no file, prefetch file or time zone of this host is taken for that one's."
            )
        }
    };
    Some(statement(StatementKind::Limit, None, text, &[]))
}

/// The tools that ran and that nobody could look at, because they were not where they were looked for.
fn tools_that_are_not_there(report: &Report) -> Vec<Statement> {
    let mut found = Vec::new();
    for tool in [Tool::Regasm, Tool::Regsvcs] {
        // What ran on another computer is not looked for here.
        let is_here = |run: &Execution| !run.warnings.iter().any(|warning| warning.starts_with("other_computer"));
        let runs = report.executions.iter().filter(|run| run.tool == tool && !run.renamed && is_here(run));
        let Some(run) = runs.clone().next() else { continue };
        // The place is a pattern for every framework directory; a file that a record names has a path of its own.
        let is_of_it = |problem: &&Problem| {
            problem.stage == Stage::Locate
                && problem.kind == ProblemKind::NotFound
                && problem.item.contains('*')
                && tool_named(file_name(&problem.item)) == Some(tool)
        };
        if report.problems.iter().any(|problem| is_of_it(&problem)) {
            let text = format!(
                "{} ran, and no file of that name was found in a .NET framework directory of the evidence, so the program \
                 itself was not examined.",
                file_name(&run.image)
            );
            found.push(statement(StatementKind::Unknown, None, text, &[]));
        }
    }
    found
}

/// Each clearing of a log: who did it and when. A log that was also archived, or that was collected twice, tells of it in several
/// files.
fn clearings(coverage: &[Coverage]) -> Vec<Statement> {
    const MOST: usize = 25;
    let mut told: Vec<Statement> = Vec::new();
    for (channel, clearings) in each_clearing(coverage) {
        for clearing in clearings.iter().take(MOST) {
            let by = clearing.by.as_deref().unwrap_or("An account that the record does not name");
            let at = clearing
                .at
                .map_or_else(|| "at a time that is not recorded".to_owned(), |at| format!("on {}", at.in_words()));
            let text = format!(
                "{by} cleared the event log {channel} {at}; what it held before is gone, so runs before that can be missing."
            );
            told.push(statement(StatementKind::Limit, None, text, std::slice::from_ref(&clearing.citation)));
        }
        if let Some(more @ [_, ..]) = clearings.get(MOST..) {
            let text = format!("The event log {channel} was cleared {} more.", plural(more.len(), "time", "times"));
            let cited: Vec<Citation> = more.iter().map(|one| one.citation.clone()).collect();
            told.push(statement(StatementKind::Limit, None, text, &cited));
        }
    }
    told
}

/// The clearings of each log, in the order of coverage, each once and in the order of time.
pub(super) fn each_clearing(coverage: &[Coverage]) -> Vec<(&str, Vec<&Clearing>)> {
    let mut logs: Vec<(&str, Vec<&Clearing>)> = Vec::new();
    for source in coverage.iter().filter(|source| !source.clearings.is_empty()) {
        match logs.iter_mut().find(|(channel, _)| channel.eq_ignore_ascii_case(&source.source)) {
            Some((_, clearings)) => clearings.extend(&source.clearings),
            None => logs.push((&source.source, source.clearings.iter().collect())),
        }
    }
    for (_, clearings) in &mut logs {
        clearings.sort();
        clearings.dedup_by(|one, other| (one.at, &one.by) == (other.at, &other.by));
    }
    logs
}

fn describe(declared: Declared, execution: &Execution, out: &mut Vec<Statement>) {
    let id = Some(execution.id.as_str());
    out.push(statement(StatementKind::Finding, id, finding(declared, execution), &execution.sources));
    out.push(statement(StatementKind::Method, id, method(execution), &execution.method.citations));
    let mut against = Vec::new();
    match execution.identity {
        Identity::Proven => {}
        Identity::ByPath => {
            against.push("That the program is the tool rests on its folder and name alone.".to_owned());
        }
        Identity::ByName => {
            let because = &execution.identity_because;
            against.push(format!("That the program is the tool is not proven: {because}."));
        }
    }
    if !execution.merge_candidates.is_empty() {
        let others: Vec<&str> = execution.merge_candidates.iter().map(String::as_str).collect();
        against.push(format!("It may be the same run as {}.", list(&others)));
    }
    if execution.confidence >= Confidence::Circumstantial {
        against.push("The traces allow other explanations than a run of the tool.".to_owned());
    }
    if !against.is_empty() {
        out.push(statement(StatementKind::Against, id, against.join(" "), &[]));
    }
    let unknown = unknowns(execution);
    if !unknown.is_empty() {
        out.push(statement(StatementKind::Unknown, id, unknown.join(" "), &[]));
    }
}

fn finding(declared: Declared, execution: &Execution) -> String {
    let mut text = format!(
        "{}: {}",
        phrase(declared, execution.confidence, &execution.sources),
        if execution.confidence == Confidence::Circumstantial { "a run of " } else { "" }
    );
    text.push_str(execution.tool.name());
    if execution.renamed {
        text.push_str(&format!(" under the name {}", file_name(&execution.image)));
    }
    if execution.confidence != Confidence::Circumstantial {
        text.push_str(" ran");
    }
    if let Some(pid) = execution.pid {
        text.push_str(&format!(" as process {pid}"));
    }
    match execution.started {
        Some(at) => text.push_str(&format!(" on {}", at.in_words())),
        None => match execution.not_after {
            Some(at) => text.push_str(&format!(" on or before {}", at.in_words())),
            None => text.push_str(" at a time that is not recorded"),
        },
    }
    let at_date = execution.started.map(Filetime::in_words).unwrap_or_default();
    if let Some(local) = &execution.started_local {
        text.push_str(&host_time(local, &at_date));
    }
    if let Some(at) = execution.started_corrected {
        text.push_str(&format!(" ({} corrected for changes of the clock)", at.in_words()));
    }
    if let Some(computer) = &execution.computer {
        text.push_str(&format!(", on {computer}"));
    }
    if let Some(user) = &execution.user
        && let Some(name) = user.name.as_ref().or(user.sid.as_ref())
    {
        text.push_str(&format!(", as {name}"));
        match (&user.integrity, user.elevated.state) {
            (_, Answer::Yes) => text.push_str(" with administrator rights"),
            (_, Answer::No) => text.push_str(" without administrator rights"),
            (Some(integrity), Answer::Unknown) => text.push_str(&format!(" with {integrity} integrity")),
            (None, Answer::Unknown) => {}
        }
    }
    if let Some(parent) = &execution.parent
        && let Some(image) = &parent.image
    {
        text.push_str(&format!(", started by {}", file_name(image)));
    }
    match (&execution.assembly.argument, execution.mode) {
        (_, Mode::Unknown) => text.push_str("; its command line is not known"),
        (Some(argument), mode @ (Mode::Register | Mode::Unregister | Mode::Regfile)) => {
            text.push_str(&format!(", to {} {argument}", mode_words(mode)));
        }
        (Some(argument), Mode::CoplusInstall) => text.push_str(&format!(", to install {argument} into COM+")),
        (Some(argument), Mode::CoplusUninstall) => text.push_str(&format!(", to remove {argument} from COM+")),
        (_, mode) => text.push_str(&format!(", to {}", mode_words(mode))),
    }
    text.push('.');
    text
}

/// The verdict on a method in one line.
pub(super) fn method_line(execution: &Execution) -> &'static str {
    line_of(execution.method.runs, execution.method.which)
}

/// What would follow if the file now there were the one that ran.
pub(super) fn if_same_file(execution: &Execution) -> Option<String> {
    let same = execution.method.if_same_file.as_ref()?;
    Some(format!(
        " If the file that is judged is the one that ran: {}. {}",
        line_of(same.runs, same.which),
        same.because
    ))
}

fn line_of(runs: Answer, which: Option<&str>) -> &'static str {
    match (runs, which) {
        (Answer::Yes, Some("unregister")) => "An unregister method of the assembly is expected to have run",
        (Answer::Yes, Some(_)) => "A register method of the assembly is expected to have run",
        (Answer::Yes, None) => "A method of the assembly is expected to have run",
        (Answer::No, _) => "No method of the assembly is expected to have run",
        (Answer::Unknown, _) => "Whether a method of the assembly ran is not known",
    }
}

fn method(execution: &Execution) -> String {
    let because = execution.method.because.trim();
    if because.is_empty() {
        format!("{}.", method_line(execution))
    } else {
        format!("{}. {because}{}", method_line(execution), if_same_file(execution).unwrap_or_default())
    }
}

fn unknowns(execution: &Execution) -> Vec<String> {
    let mut unknown = Vec::new();
    if execution.identified == Identified::Anonymous {
        unknown
            .push("No process record belongs to it, so its process, parent and command line are not known.".to_owned());
    } else if execution.command_line.is_none() {
        unknown.push("Its command line was not recorded.".to_owned());
    }
    if execution.user.is_none() {
        unknown.push("No record names its account.".to_owned());
    }
    let state = match execution.assembly.state {
        AssemblyState::Present | AssemblyState::Recovered => None,
        AssemblyState::Deleted => Some("The assembly was deleted and its content was not obtained."),
        AssemblyState::Absent => Some("The assembly was not where the command line points."),
        AssemblyState::Remote => Some("The assembly is on another machine and was not collected."),
        AssemblyState::Unresolved => Some("Which file the command line means is not certain."),
        AssemblyState::Unknown if execution.assembly.resolved_path.is_some() => {
            Some("The assembly was not examined, so what it holds, and whether it was there, is not known.")
        }
        AssemblyState::Unknown if execution.command_line.is_some() => Some("Which assembly it was is not known."),
        AssemblyState::Unknown => None,
    };
    unknown.extend(state.map(str::to_owned));
    if execution.ended.is_none() {
        unknown.push("When it ended was not recorded.".to_owned());
    }
    unknown
}

fn describe_attempt(attempt: &Attempt) -> Statement {
    let how = if is_recovered(&attempt.sources) { "Established" } else { "Recorded" };
    let mut text = format!("{how}: {}", file_name(&attempt.image));
    if let Some(pid) = attempt.pid {
        text.push_str(&format!(", process {pid},"));
    }
    text.push_str(&format!(" was told to run {}", attempt.command));
    if let Some(at) = attempt.started {
        text.push_str(&format!(" on {}", at.in_words()));
    }
    text.push_str(&match &attempt.led_to {
        Some(run) => format!(". The run {run} followed."),
        None => ". That a run followed is not established. It is an attempt, not a run.".to_owned(),
    });
    statement(StatementKind::Finding, Some(&attempt.id), text, &attempt.sources)
}

fn describe_lookalike(lookalike: &Lookalike) -> Statement {
    let mut text = format!("{} ran and is not the tool: {}", lookalike.image, lookalike.because.trim_end_matches('.'));
    text.push('.');
    statement(StatementKind::Finding, None, text, &lookalike.sources)
}

/// The classes that COM would load, as the hives are in the evidence, from where ordinary users can write. What remains of an act is told although nothing
/// shows the act itself.
fn registered(report: &Report) -> Vec<Statement> {
    let standing = report.registrations.iter().filter_map(|one| Some((one, one.of_users()?)));
    let standing: Vec<_> = standing.collect();
    let told = standing.iter().take(MOST_DESCRIBED).map(|(one, loads)| describe_registration(one, loads));
    let mut told: Vec<Statement> = told.collect();
    if let Some(more @ 1..) = standing.len().checked_sub(MOST_DESCRIBED) {
        let text = format!(
            "{} that load such a file are described below.",
            plural(more, "more registration", "more registrations")
        );
        told.push(statement(StatementKind::Finding, None, capital(&text), &[]));
    }
    told
}

fn describe_registration(registration: &Registration, loads: &Loads) -> Statement {
    let class = [registration.prog_id.as_deref(), registration.class.as_deref()].into_iter().flatten().next();
    let class = class.map_or_else(String::new, |name| format!("{name} "));
    let Loads { path, place, user_writable } = loads;
    let place = match user_writable {
        Some(_) => format!("{place}, where Windows lets ordinary users write unless somebody changes it"),
        None => place.clone(),
    };
    let hive = match registration.state {
        RegistrationState::LogOnly => format!("the transaction log of {}", registration.hive),
        _ => registration.hive.clone(),
    };
    let written =
        registration.last_written.map_or_else(String::new, |at| format!(", last written on {}", at.in_words()));
    let runs = match registration.executions.as_slice() {
        [] => "No run that was found belongs to it.".to_owned(),
        runs => format!("It belongs to {}.", runs.join(", ")),
    };
    let class = format!("{class}{}", registration.clsid);
    let what = match registration.code_base {
        Some(_) => format!("COM would load {path} for the class {class}"),
        None => format!("the class {class} names no file of its own, and {path} has this class"),
    };
    let text = format!(
        "Registered in the evidence: {what}. That path is in {place}. The registration is in {hive}{written}. {runs}"
    );
    statement(StatementKind::Finding, None, text, &registration.sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_time_has_its_date_only_where_it_is_another() {
        let utc = "2026-03-04 14:12:33.120 UTC";
        assert_eq!(host_time("2026-03-04T09:12:33.1200000-05:00", utc), " (09:12:33 host time, UTC-5)");
        assert_eq!(host_time("2026-03-05T00:12:33.1200000+10:00", utc), " (2026-03-05 00:12:33 host time, UTC+10)");
        assert_eq!(host_time("2026-03-04T19:42:33.1200000+05:30", utc), " (19:42:33 host time, UTC+5:30)");
        let twice = "2026-03-04T01:30:00.0000000-04:00 (this reading occurs twice; the offset tells which)";
        assert_eq!(host_time(twice, utc), " (01:30:00 host time, UTC-4)");
    }
}
