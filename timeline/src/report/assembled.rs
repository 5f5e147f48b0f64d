//! How a report is put together.

use super::answer;
use super::examined::{self, Missing};
use super::model::{BundleName, CaseFacts, Judged, Report, SCHEMA, Summary, ToolName};
use crate::assess::Assessed;
use crate::declared::Declared;
use crate::story::Story;
use evidence::{Coverage, CoverageState, Problem};

/// Says of a source what the problems say of it.
fn tell_what_failed(source: &mut Coverage, declared: Declared, problems: &[Problem]) {
    if source.state == CoverageState::Read && source.partly.is_none() {
        source.partly = examined::partly(declared, source, problems);
    }
    if source.present || source.state == CoverageState::NotSearched {
        return;
    }
    let (why, state) = match examined::missing(declared, &source.source, problems) {
        Missing::Unread => ("in the evidence and not read", CoverageState::NotRead),
        Missing::NotCollected => ("on the host and not collected", CoverageState::NotRead),
        Missing::Unlisted => ("where it would lie could not be looked at", CoverageState::NotSearched),
        Missing::Incomplete => ("not collected, and whether the host has it is not known", CoverageState::NotSearched),
        Missing::Absent => return,
    };
    if let Some(rest) = source.meaning.strip_prefix("not in the evidence") {
        source.meaning = format!("{why}, see Problems{rest}");
        source.state = state;
    }
}

impl Report {
    /// Puts the report together. `problems` are those of collecting, reading and parsing; those of `story`
    /// are added, and all are ordered and stand once, so that the same findings give the same report.
    pub fn new(
        tool: ToolName,
        bundle: BundleName,
        story: Story,
        assessed: Assessed,
        mut problems: Vec<Problem>,
    ) -> Report {
        let mut of_runs = assessed.executions.into_iter();
        let judged = |subject| Judged { subject, findings: of_runs.next().unwrap_or_default() };
        let executions = story.executions.into_iter().map(judged).collect();
        let mut registrations = story.registrations;
        for (one, loads) in registrations.iter_mut().zip(assessed.registrations) {
            one.loads = loads;
        }
        for (number, one) in registrations.iter_mut().enumerate() {
            one.id = format!("R{}", number + 1);
        }
        problems.extend(story.problems);
        problems.sort();
        problems.dedup();
        let mut report = Report {
            declared: story.declared,
            changed: None,
            schema: SCHEMA,
            tool,
            case: CaseFacts::default(),
            bundle,
            host: story.host,
            summary: Summary::default(),
            rules: assessed.rules,
            executions,
            attempts: story.attempts,
            lookalikes: story.lookalikes,
            registrations,
            assemblies: story.assemblies,
            coverage: story.coverage,
            problems,
            records: Vec::new(),
        };
        for source in &mut report.coverage {
            tell_what_failed(source, report.declared, &report.problems);
        }
        report.summary = answer::summarize(&report);
        let Report { problems, coverage, declared, .. } = &mut report;
        problems.retain(|problem| !examined::is_known_otherwise(*declared, problem, coverage));
        report
    }
}
