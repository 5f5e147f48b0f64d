//! The assessment: what the story of a host means for the question whether a run was hostile.
//!
//! A finding is one function in the file of its group, and one table in `rules/t1218-009.toml`, which says what it weighs.
//! Findings read the [`Story`] and change nothing in it.

mod benign;
mod command;
mod image;
mod registered;
mod rules;

use crate::story::Story;
use evidence::{Citation, Confidence, Execution, Finding, Loads, Presence, UnknownKind};
pub use rules::{Rules, RulesError, Weighed};

/// Every finding, in the order in which people see them.
static FINDINGS: &[Asked] = &[image::PATH, command::WRITABLE, benign::NOEXEC];

/// A finding, as it is asked for.
pub(crate) struct Asked {
    /// Its id, as in the rules.
    pub(crate) id: &'static str,
    /// What it asks of a run.
    pub(crate) decide: fn(&Case<'_>, &Execution) -> Found,
}

/// What findings are decided by.
pub(crate) struct Case<'a> {
    /// What happened.
    pub(crate) story: &'a Story,
    /// The tables.
    pub(crate) rules: &'a Rules,
}

/// What the evidence says to a finding.
pub(crate) struct Found {
    state: Presence,
    unknown: Option<UnknownKind>,
    because: String,
    class: Confidence,
    citations: Vec<Citation>,
}

impl Found {
    /// It is so.
    pub(crate) fn present(class: Confidence, because: impl Into<String>, citations: Vec<Citation>) -> Found {
        Found { state: Presence::Present, unknown: None, because: because.into(), class, citations }
    }

    /// It is not so.
    pub(crate) fn absent(class: Confidence, because: impl Into<String>, citations: Vec<Citation>) -> Found {
        Found { state: Presence::Absent, ..Found::present(class, because, citations) }
    }

    /// It is not known.
    pub(crate) fn unknown(kind: UnknownKind, because: impl Into<String>) -> Found {
        let state = Presence::Unknown;
        Found { state, unknown: Some(kind), ..Found::present(Confidence::Presence, because, Vec::new()) }
    }
}

/// The records that a run was identified by.
pub(crate) fn anchors(execution: &Execution) -> Vec<Citation> {
    const MOST: usize = 3;
    execution.sources.iter().take(MOST).cloned().collect()
}

/// The findings of each run, in the order of the runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessed {
    /// Version and SHA-256 of the rules.
    pub rules: Option<evidence::RulesUsed>,
    pub(crate) executions: Vec<Vec<Finding>>,
    /// Where each registration leads to.
    pub(crate) registrations: Vec<Option<Loads>>,
}

/// Assesses a host by the rules.
pub fn assess(story: &Story, rules: &Rules) -> Assessed {
    let case = Case { story, rules };
    let of = |execution| FINDINGS.iter().map(|asked| weigh(asked, &case, execution)).collect();
    Assessed {
        rules: Some(evidence::RulesUsed { version: rules.version.clone(), sha256: rules.sha256.clone() }),
        executions: story.executions.iter().map(of).collect(),
        registrations: story.registrations.iter().map(|one| registered::loads(&case, one)).collect(),
    }
}

/// A finding with what it counts: in full where it is recorded or established, half where the evidence is consistent with
/// it, nothing where something is merely there.
fn weigh(asked: &Asked, case: &Case<'_>, execution: &Execution) -> Finding {
    let Found { state, unknown, because, class, citations } = (asked.decide)(case, execution);
    let weight = case.rules.weighed(asked.id).map_or(0, |weighed| weighed.weight);
    let counts = match (state, class) {
        (Presence::Present, Confidence::Direct | Confidence::Strong) => weight,
        (Presence::Present, Confidence::Circumstantial) => weight / 2,
        _ => 0,
    };
    let title = case.rules.weighed(asked.id).map_or_else(String::new, |weighed| weighed.title.clone());
    Finding { id: asked.id, title, state, unknown, because, class, counts, citations }
}

#[cfg(test)]
mod tests;
