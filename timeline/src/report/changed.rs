//! What rests on an object that was changed after the bundle was sealed, and how that is marked.

use super::model::{ChangedBundle, Report, Statement};
use evidence::{Citation, Coverage, Execution};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is said behind each entry of `report.html` and of the terminal that rests on a changed object.
pub const RESTS_ON_CHANGED: &str = "Rests on an object that was changed after it was sealed.";

/// Lists of `report.json` whose entries are marked, beside the citations in them.
const ENTRIES: [&str; 7] =
    ["statements", "executions", "attempts", "lookalikes", "registrations", "assemblies", "coverage"];

impl ChangedBundle {
    /// Whether any of these places lies in a changed object.
    fn has<'a>(&self, citations: impl IntoIterator<Item = &'a Citation>) -> bool {
        citations.into_iter().any(|citation| self.paths.contains(&citation.item))
    }
}

/// Every place that a run rests on.
fn of_run(run: &Execution) -> impl Iterator<Item = &Citation> {
    let elevated = run.user.iter().flat_map(|user| &user.elevated.citations);
    run.sources.iter().chain(&run.method.citations).chain(elevated).chain(run.related.iter().map(|one| &one.citation))
}

impl Report {
    /// Whether one of these places lies in an object that was changed after it was sealed.
    pub fn rests_on_changed(&self, citations: &[Citation]) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed.has(citations))
    }

    /// Whether anything that is said of a run rests on a changed object.
    pub fn run_rests_on_changed(&self, run: &Execution) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed.has(of_run(run)))
    }

    /// Whether what is said of the reach of a source rests on a changed object.
    pub(super) fn coverage_rests_on_changed(&self, source: &Coverage) -> bool {
        let is_changed = |item: &String| self.changed.as_ref().is_some_and(|changed| changed.paths.contains(item));
        source.item.as_ref().is_some_and(is_changed) || self.rests_on_changed(&source.cleared)
    }

    /// Whether a sentence does: by its own citations, or because the run or attempt that it is about does.
    pub fn statement_rests_on_changed(&self, statement: &Statement) -> bool {
        let is_about = |id: &str| statement.about.as_deref() == Some(id);
        self.rests_on_changed(&statement.citations)
            || self.executions.iter().any(|run| is_about(&run.id) && self.run_rests_on_changed(run))
            || self.attempts.iter().any(|one| is_about(&one.id) && self.rests_on_changed(&one.sources))
    }

    /// Marks every citation of a changed object, and every entry that rests on one.
    pub(super) fn mark(&self, report: &mut Value, paths: &BTreeSet<String>) {
        mark(report, paths);
        let statements = report.pointer_mut("/summary/statements").and_then(Value::as_array_mut);
        for (statement, value) in self.summary.statements.iter().zip(statements.into_iter().flatten()) {
            if self.statement_rests_on_changed(statement)
                && let Some(members) = value.as_object_mut()
            {
                members.insert("rests_on_changed".to_owned(), Value::Bool(true));
            }
        }
    }
}

/// Marks what is in a value, and says whether anything of it rests on a changed object.
fn mark(value: &mut Value, changed: &BTreeSet<String>) -> bool {
    match value {
        Value::Object(members) => {
            let is_changed = members.get("item").and_then(Value::as_str).is_some_and(|item| changed.contains(item));
            if is_changed && (members.contains_key("locator") || members.contains_key("says")) {
                members.insert("object_changed".to_owned(), Value::Bool(true));
            }
            let mut rests = is_changed;
            for (name, value) in members {
                rests |= match value {
                    Value::Array(entries) if ENTRIES.contains(&name.as_str()) => mark_entries(entries, changed),
                    other => mark(other, changed),
                };
            }
            rests
        }
        Value::Array(values) => values.iter_mut().fold(false, |rests, value| mark(value, changed) | rests),
        _ => false,
    }
}

fn mark_entries(entries: &mut [Value], changed: &BTreeSet<String>) -> bool {
    entries.iter_mut().fold(false, |any, entry| {
        let rests = mark(entry, changed);
        if let (true, Some(members)) = (rests, entry.as_object_mut()) {
            members.insert("rests_on_changed".to_owned(), Value::Bool(true));
        }
        any | rests
    })
}
