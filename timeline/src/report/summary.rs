//! The answer first: what a reader needs who reads nothing else.

use super::model::Report;
use evidence::{Answer, Execution, Identified, Tool};

/// The answer in a few sentences.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let mut sentences = vec![count(&report.executions, report.attempts.len())];
    let about = |answer: Answer| report.executions.iter().filter(|one| one.method.runs == answer).collect::<Vec<_>>();
    let ids = |list: &[&Execution]| list.iter().map(|one| one.id.clone()).collect::<Vec<_>>().join(", ");
    let (yes, no, unknown) = (about(Answer::Yes), about(Answer::No), about(Answer::Unknown));
    if !yes.is_empty() {
        sentences.push(format!("A method of the assembly is expected to have run in {}.", ids(&yes)));
    }
    if !no.is_empty() {
        sentences.push(format!("No method is expected to have run in {}.", ids(&no)));
    }
    if !unknown.is_empty() {
        sentences.push(format!("Whether a method ran is not known for {}; each says why.", ids(&unknown)));
    }
    if !report.lookalikes.is_empty() {
        sentences.push(format!(
            "{} that bear the name of a tool and are something else ran: not this technique, but masquerading.",
            plural(report.lookalikes.len(), "program", "programs")
        ));
    }
    let absent: Vec<&str> = report.coverage.iter().filter(|one| !one.present).map(|one| one.source.as_str()).collect();
    if !absent.is_empty() {
        sentences.push(format!(
            "Nothing was found of {}. What only they would have recorded is not known, and is not read as absence.",
            absent.join(", ")
        ));
    }
    let cleared: Vec<&str> =
        report.coverage.iter().filter(|one| !one.cleared.is_empty()).map(|one| one.source.as_str()).collect();
    if !cleared.is_empty() {
        sentences.push(format!("A log was cleared: {}.", cleared.join(", ")));
    }
    sentences
}

fn count(executions: &[Execution], attempts: usize) -> String {
    let of = |tool: Tool| executions.iter().filter(|one| one.tool == tool).count();
    let attempts = match attempts {
        0 => "no attempt of another program to start one".to_owned(),
        some => plural(some, "attempt of another program to start one", "attempts of other programs to start one"),
    };
    if executions.is_empty() {
        return format!("No execution of regasm.exe or regsvcs.exe is recorded in what was collected, and {attempts}.");
    }
    let anonymous = executions.iter().filter(|one| one.identified == Identified::Anonymous).count();
    let mut parts = Vec::new();
    for (tool, name) in [(Tool::Regasm, "regasm.exe"), (Tool::Regsvcs, "regsvcs.exe")] {
        if of(tool) > 0 {
            parts.push(format!("{} of {name}", plural(of(tool), "execution", "executions")));
        }
    }
    let anonymous = match anonymous {
        0 => String::new(),
        some => format!(" ({some} known from a trace without a process record)"),
    };
    format!("{}{anonymous} and {attempts}.", parts.join(" and "))
}

/// `1 file`, `3 files`.
pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
