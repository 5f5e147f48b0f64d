//! Attempts, runs and programs that only bear a tool's name.

use super::objects::target;
use super::page::{Page, answer_class};
use super::{Limits, more, picture};
use crate::report::answer::{host_moment, if_same_file, method_line, mode_words, phrase};
use crate::report::model::Report;
use crate::words::plural;
use evidence::{
    Answer, AssemblyState, Citation, Confidence, Execution, Finding, Identified, Identity, JoinRule, Presence, Related,
    Step, User,
};

pub(super) fn attempts(page: &mut Page, report: &Report) {
    page.raw("<section id=\"attempts\"><h2>Attempts</h2>");
    if report.attempts.is_empty() {
        page.raw(if report.summary.processes_would_show {
            "<p>No process of another program was found whose command would start one of the tools.</p></section>"
        } else {
            "<p>Whether another program was told to start one of the tools is not known: logs that record processes were not read, or not whole. In what was read there is no such process.</p></section>"
        });
        return;
    }
    page.raw("<p>Processes of other programs that were told to start a tool. An attempt is not a run.</p><ul class=\"cards\">");
    for attempt in report.attempts.iter().take(Limits::ATTEMPTS) {
        page.raw("<li").anchor(&attempt.id).raw("><strong>").text(&attempt.id).raw("</strong> ");
        if let Some(at) = attempt.started {
            page.time(at);
        }
        page.raw("<dl class=\"facts\">");
        page.code_fact("Program", Some(&attempt.image));
        if let Some(pid) = attempt.pid {
            page.fact("Process").show(pid).raw("</dd>");
        }
        page.code_fact("Command line", Some(&attempt.command_line));
        page.code_fact("What it would start", Some(&attempt.command));
        page.fact("Led to");
        match &attempt.led_to {
            Some(run) => page.link(run, run),
            None => page.raw("no run that is recorded"),
        };
        page.raw("</dd>").fact("Recorded in").cite(&attempt.sources, Limits::SOURCES);
        page.rests(report.rests_on_changed(&attempt.sources)).raw("</dd></dl></li>");
    }
    page.raw("</ul>");
    more(page, report.attempts.len(), Limits::ATTEMPTS);
    page.raw("</section>");
}

pub(super) fn lookalikes(page: &mut Page, report: &Report) {
    if report.lookalikes.is_empty() {
        return;
    }
    page.raw("<section id=\"lookalikes\"><h2>Programs that only have the name</h2><p>They ran under the name of a tool and are something else. They are no runs of the tools, and deserve a look of their own.</p><ul class=\"cards\">");
    for lookalike in report.lookalikes.iter().take(Limits::LOOKALIKES) {
        page.raw("<li><code>").text(&lookalike.image).raw("</code><dl class=\"facts\">");
        if let Some(at) = lookalike.started {
            page.fact("Started").time(at).raw("</dd>");
        }
        if let Some(pid) = lookalike.pid {
            page.fact("Process").show(pid).raw("</dd>");
        }
        page.code_fact("Command line", lookalike.command_line.as_deref());
        for run in lookalike.runs.iter().skip(1).take(Limits::SOURCES) {
            page.fact("Also started");
            match run.started {
                Some(at) => page.time(at),
                None => page.raw("at a time that is not recorded"),
            };
            if let Some(pid) = run.pid {
                page.raw(", process ").show(pid);
            }
            page.raw("</dd>");
        }
        page.fact("Not the tool").text(&lookalike.because).raw("</dd>");
        page.fact("Recorded in").cite(&lookalike.sources, Limits::SOURCES);
        page.rests(report.rests_on_changed(&lookalike.sources)).raw("</dd></dl></li>");
    }
    page.raw("</ul>");
    more(page, report.lookalikes.len(), Limits::LOOKALIKES);
    page.raw("</section>");
}

pub(super) fn executions(page: &mut Page, report: &Report) {
    page.raw("<section id=\"runs\"><h2>Runs</h2>");
    if report.executions.is_empty() {
        page.raw("<p>").raw(if report.summary.runs_would_show {
            "No run of regasm or regsvcs was found."
        } else {
            "Whether regasm or regsvcs ran is not known: what was examined does not show it."
        });
        page.raw(" What could have recorded one is under <a href=\"#coverage\">Coverage</a>; what could not be read, under <a href=\"#problems\">Problems</a>.</p>");
    }
    if report.executions.len() > 1 {
        page.raw("<p class=\"small soft\">The worst first; E1, E2 and so on are their order in time.</p>");
    }
    for execution in report.worst_first().into_iter().take(Limits::RUNS) {
        run(page, execution, &execution.findings, report.run_rests_on_changed(execution));
    }
    more(page, report.executions.len(), Limits::RUNS);
    page.raw("</section>");
}

fn run(page: &mut Page, execution: &Execution, asked: &[Finding], on_changed: bool) {
    page.raw("<article class=\"run\"").anchor(&execution.id).raw("><h3>").text(&execution.id).raw(" · ");
    page.text(execution.tool.name());
    if let Some(at) = execution.started {
        page.raw(" · ").text(&at.in_words());
    }
    let phrase = phrase(page.declared, execution.confidence, &execution.sources);
    page.raw("</h3><p>").text(&phrase).raw(match execution.confidence {
        Confidence::Circumstantial => " a run.",
        _ => ".",
    });
    page.cite(&execution.sources, 4);
    page.raw(" <span class=\"verdict ").raw(answer_class(execution.method.runs)).raw("\">");
    page.text(method_line(execution)).raw(".</span>").rests(on_changed).raw("</p>");
    // Of a run in which nothing of an assembly is expected to have run, the particulars are folded.
    let is_folded = execution.method.runs == Answer::No;
    if is_folded {
        page.raw("<details><summary>Particulars of ").text(&execution.id).raw("</summary>");
    }
    facts(page, execution);
    method(page, execution);
    ladder(page, execution);
    findings(page, asked);

    let mut related: Vec<Related> = execution.related.clone();
    related.sort_by_key(|one| one.at);
    related.truncate(Limits::RELATED);
    page.raw("<h4>What happened around it</h4>");
    picture::draw(page, execution, &related);
    if related.is_empty() {
        page.raw("<p>No other event is tied to this run.</p>");
    } else {
        page.raw(
            "<table class=\"stack\"><thead><tr><th class=\"n\">No.</th><th>Time</th><th>What</th><th>Tie</th></tr></thead><tbody>",
        );
        for (index, one) in related.iter().enumerate() {
            page.raw("<tr id=\"").plain(&execution.id).raw("-").show(index + 1).raw("\"><td class=\"n\">");
            page.show(index + 1).raw("</td><td class=\"n\">").time(one.at).raw("</td><td>");
            page.text(&one.what).cite(std::slice::from_ref(&one.citation), 1).raw("</td><td data-th=\"Tie\">");
            tie(page, &one.citation);
            page.raw("</td></tr>");
        }
        page.raw("</tbody></table>");
        more(page, execution.related.len(), Limits::RELATED);
    }

    page.raw("<details><summary>Its ").text(&plural(execution.sources.len(), "record", "records"));
    page.raw(", and how each was joined</summary><ul class=\"small\">");
    for source in execution.sources.iter().take(Limits::SOURCES) {
        page.raw("<li>").source(&source.artifact).raw(", <code>").text(&source.item).raw("</code>, ");
        page.show(&source.locator).cite(std::slice::from_ref(source), 1).raw(" <span class=\"soft\">");
        tie(page, source);
        page.raw("</span></li>");
    }
    page.raw("</ul>");
    more(page, execution.sources.len(), Limits::SOURCES);
    page.raw("</details>");
    if is_folded {
        page.raw("</details>");
    }
    page.raw("</article>");
}

fn answer_words(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "not known",
    }
}

/// The rule by which something was tied to the run, and how sure that is.
fn tie(page: &mut Page, citation: &Citation) {
    match citation.rule {
        Some(JoinRule::Anchor) => {
            page.raw("the record that identified it");
            return;
        }
        Some(rule) => page.raw("<a href=\"#rule-").raw(rule.id()).raw("\">rule ").raw(rule.id()).raw("</a>"),
        None => page.raw(""),
    };
    if let Some(confidence) = citation.confidence {
        page.raw(", ").raw(confidence_words(confidence));
    }
}

/// The words of a confidence class, as the answer and the documentation have them.
fn confidence_words(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Direct => "recorded",
        Confidence::Strong => "established",
        Confidence::Circumstantial => "consistent with it",
        Confidence::Presence => "present on the system",
    }
}

fn facts(page: &mut Page, execution: &Execution) {
    page.raw("<dl class=\"facts\">");
    program(page, execution);
    command(page, execution);
    times(page, execution);
    process(page, execution);
    assembly(page, execution);
    if !execution.merge_candidates.is_empty() {
        page.fact("May be the same as");
        for other in &execution.merge_candidates {
            page.link(other, other).raw(" ");
        }
        page.raw("</dd>");
    }
    page.raw("</dl>");
}

fn program(page: &mut Page, execution: &Execution) {
    page.fact("Program").code(&execution.image).raw("<br><span class=\"small soft\">");
    page.raw(match execution.identity {
        Identity::Proven => "it is the tool: ",
        Identity::ByPath => "the tool by its folder and name, not proven: ",
        Identity::ByName => "the tool by a name that anybody can give it, not proven: ",
    });
    page.text(&execution.identity_because);
    if execution.renamed {
        page.raw(", under another name");
    }
    page.raw("</span></dd>");
}

/// The command line, and what the tool makes of it.
fn command(page: &mut Page, execution: &Execution) {
    page.fact("Command line");
    match &execution.command_line {
        Some(line) if line.is_empty() => page.raw("recorded as empty"),
        Some(line) => page.code(line),
        None => page.raw("not recorded"),
    };
    page.raw("</dd>");
    page.code_fact("Working folder", execution.current_directory.as_deref());
    page.fact("Asked to").text(mode_words(execution.mode));
    if !execution.options.is_empty() {
        page.raw("<br><span class=\"small\">");
        for (index, option) in execution.options.iter().take(40).enumerate() {
            page.raw(if index > 0 { "; " } else { "" }).text(option);
        }
        page.raw("</span>");
    }
    for warning in execution.warnings.iter().take(40) {
        page.raw("<br><span class=\"small\">Odd: ").text(warning).raw("</span>");
    }
    page.raw("</dd>");
}

/// The process, who started it and as whom.
fn process(page: &mut Page, execution: &Execution) {
    page.fact("Process");
    match (execution.pid, execution.identified) {
        (Some(pid), _) => page.show(pid),
        (None, Identified::Anonymous) => page.raw("not recorded: the trace names none"),
        (None, Identified::Full) => page.raw("not recorded"),
    };
    if let Some(guid) = &execution.process_guid {
        page.raw(" <code class=\"small soft\">").text(guid).raw("</code>");
    }
    if let Some(computer) = &execution.computer {
        page.raw(" on ").text(computer);
    }
    page.raw("</dd>").fact("Started by");
    match &execution.parent {
        None => {
            page.raw("not recorded");
        }
        Some(parent) => {
            match &parent.image {
                Some(image) => page.code(image),
                None => page.raw("a process whose name is not recorded"),
            };
            if let Some(pid) = parent.pid {
                page.raw(", process ").show(pid);
            }
            if let Some(line) = &parent.command_line {
                page.raw("<br>").code(line);
            }
        }
    }
    page.raw("</dd>").fact("Account");
    match &execution.user {
        Some(account) => user(page, account),
        None => {
            page.raw("no record names it");
        }
    }
    page.raw("</dd>");
}

fn times(page: &mut Page, execution: &Execution) {
    page.fact("Started");
    match (execution.started, execution.not_after) {
        (Some(at), _) => page.time(at),
        (None, Some(at)) => page.raw("not recorded; not after ").time(at),
        (None, None) => page.raw("not recorded"),
    };
    if let Some(local) = &execution.started_local {
        page.raw("<br><span class=\"mono\">").text(&host_moment(local));
        page.raw("</span> <span class=\"soft small\">host time</span>");
    }
    if let Some(at) = execution.started_corrected {
        page.raw("<br>").time(at).raw(" <span class=\"soft small\">corrected for changes of the clock</span>");
    }
    page.raw("</dd>").fact("Ended");
    match execution.ended {
        Some(at) => page.time(at),
        None => page.raw("not recorded"),
    };
    if let Some(code) = execution.exit_code {
        page.raw(", exit status ").show(code);
    }
    page.raw("</dd>");
}

fn user(page: &mut Page, user: &User) {
    page.text(user.name.as_deref().unwrap_or("without a name"));
    if let Some(sid) = &user.sid {
        page.raw(" <code class=\"small soft\">").text(sid).raw("</code>");
    }
    if let Some(integrity) = &user.integrity {
        page.raw("<br>Integrity ").text(&integrity.replace('_', " "));
    }
    page.raw("<br>Administrator rights: ").raw(answer_words(user.elevated.state)).raw(", because ");
    page.text(user.elevated.because.trim_end_matches('.')).cite(&user.elevated.citations, 3);
    if let Some(logon) = &user.logon_id {
        page.raw("<br><span class=\"small soft\">Logon session ").text(logon).raw("</span>");
    }
    if let Some(artifact) = &user.named_by {
        let title = page.declared.in_sentence(artifact);
        page.raw("<br><span class=\"small soft\">Named by ").text(&title).raw("</span>");
    }
}

fn assembly(page: &mut Page, execution: &Execution) {
    let assembly = &execution.assembly;
    page.fact("Assembly");
    match &assembly.argument {
        Some(argument) => page.code(argument),
        None => page.raw("not known"),
    };
    if let Some(path) = &assembly.resolved_path {
        page.raw("<br>").code(path);
    }
    page.raw("<br><span class=\"small soft\">").text(&assembly.resolution).raw(match assembly.state {
        AssemblyState::Present => "; collected as it was",
        AssemblyState::Deleted => "; deleted, content not obtained",
        AssemblyState::Recovered => "; deleted and recovered",
        AssemblyState::Absent => "; not where the command line points",
        AssemblyState::Remote => "; on another machine, not collected",
        AssemblyState::Unresolved => "; which file is meant is not certain",
        // Why is said before.
        AssemblyState::Unknown => "",
    });
    page.raw("</span>");
    if let Some(sha256) = &assembly.sha256 {
        page.raw("<br><span class=\"mono small\">SHA-256 ").link(&target(sha256), sha256).raw("</span>");
    }
    for candidate in assembly.candidates.iter().take(20) {
        page.raw("<br><span class=\"small\">Could be </span><code class=\"small\">").text(candidate).raw("</code>");
    }
    page.raw("</dd>");
}

fn method(page: &mut Page, execution: &Execution) {
    page.raw("<h4>Did a method of the assembly run?</h4><p><span class=\"verdict ");
    page.raw(answer_class(execution.method.runs)).raw("\">").text(method_line(execution)).raw(".</span> ");
    page.text(&execution.method.because).cite(&execution.method.citations, 6);
    page.text(&if_same_file(execution).unwrap_or_default()).raw("</p>");
}

/// What is shown on a step of the proof ladder.
fn step_words(step: Step) -> &'static str {
    match step {
        Step::L0 => "L0 The tool is present",
        Step::L1 => "L1 The tool ran",
        Step::L2 => "L2 It ran with this assembly",
        Step::L3 => "L3 The tool opened or loaded the assembly",
        Step::L4 => "L4 A method of the assembly ran",
        Step::L5 => "L5 An effect of it was observed",
    }
}

/// What the rules ask of a run: what is so first, then what is not known.
fn findings(page: &mut Page, asked: &[Finding]) {
    if asked.is_empty() {
        return;
    }
    page.raw("<h4>What the rules ask</h4><table class=\"stack\"><thead><tr><th>Finding</th><th class=\"n\">Is it so</th><th>Why</th><th class=\"n\">Counts</th></tr></thead><tbody>");
    let mut sorted: Vec<&Finding> = asked.iter().collect();
    sorted.sort_by_key(|finding| match finding.state {
        Presence::Present => 0,
        Presence::Unknown => 1,
        Presence::Absent => 2,
    });
    for finding in sorted {
        page.raw("<tr><td><strong>").text(finding.id).raw("</strong><br>").text(&finding.title);
        page.raw("</td><td class=\"n\" data-th=\"Is it so\">").raw(match finding.state {
            Presence::Present => "yes, ",
            Presence::Absent => "no",
            Presence::Unknown => "not known",
        });
        if finding.state == Presence::Present {
            page.raw(confidence_words(finding.class));
        }
        page.raw("</td><td data-th=\"Why\">").text(&finding.because).cite(&finding.citations, 3);
        page.raw("</td><td class=\"n\" data-th=\"Counts\">")
            .show(format_args!("{:+} dB", finding.counts))
            .raw("</td></tr>");
    }
    page.raw("</tbody></table>");
}

/// The steps of the proof: those that are shown, and beside them what is only expected by the rules of the tool.
fn ladder(page: &mut Page, execution: &Execution) {
    let proof = &execution.proof;
    page.raw("<h4>How far the proof reaches</h4><ol class=\"ladder\">");
    for step in Step::ALL {
        let is_inferred = proof.inferred.contains(&step);
        let (item, note) = match step {
            _ if step <= proof.shown && !is_inferred => ("<li class=\"shown\">", "shown"),
            _ if step <= proof.shown => ("<li class=\"concluded\">", "concluded from what is shown"),
            _ if step <= proof.expected => ("<li class=\"expected\">", "expected by the rules of the tool, not shown"),
            _ => ("<li>", "not reached"),
        };
        page.raw(item).raw(step_words(step)).raw(" <span class=\"note\">").raw(note).raw("</span></li>");
    }
    page.raw("</ol><p>").text(&proof.statement);
    if !proof.next_needs.is_empty() {
        page.raw(" <span class=\"soft\">The next step needs: ").text(&proof.next_needs).raw("</span>");
    }
    page.raw("</p>");
}
