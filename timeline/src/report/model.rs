//! `report.json`: the published answer. Its schema is docs/report.schema.json.

use crate::correlate::Correlation;
use crate::host::Host;
use evidence::{AssemblyFile, Attempt, Coverage, Execution, Lookalike, Problem, Registration};
use serde::Serialize;

/// Name and version of the schema.
pub const SCHEMA: &str = "comtrail-report/1";

/// The program that wrote the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolName {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// The bundle that was analysed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleName {
    /// Name of the bag, which is the top folder in the bundle.
    pub bag: String,
    /// Collected objects.
    pub objects: u64,
    /// Events in the timeline.
    pub events: u64,
    /// Whether the timeline describes every file of the volume, or only those around the findings.
    pub full_timeline: bool,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name and version of the schema.
    pub schema: &'static str,
    /// The program.
    pub tool: ToolName,
    /// The bundle.
    pub bundle: BundleName,
    /// The answer in a few sentences.
    pub summary: Vec<String>,
    /// The host, as the evidence describes it.
    pub host: Host,
    /// Runs of the tools.
    pub executions: Vec<Execution>,
    /// Commands of other programs that would start a tool.
    pub attempts: Vec<Attempt>,
    /// Programs that bear a tool's name and are something else.
    pub lookalikes: Vec<Lookalike>,
    /// COM registrations of managed classes.
    pub registrations: Vec<Registration>,
    /// Collected programs.
    pub assemblies: Vec<AssemblyFile>,
    /// How far every source reaches.
    pub coverage: Vec<Coverage>,
    /// What went wrong and what it costs.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Puts the report together. `problems` are those of collection and parsing; they are sorted and each stands once.
    pub fn new(
        tool: ToolName,
        bundle: BundleName,
        mut host: Host,
        correlation: Correlation,
        mut problems: Vec<Problem>,
    ) -> Self {
        host.boots = correlation.boots;
        problems.extend(correlation.problems);
        problems.sort();
        problems.dedup();
        let mut report = Report {
            schema: SCHEMA,
            tool,
            bundle,
            summary: Vec::new(),
            host,
            executions: correlation.executions,
            attempts: correlation.attempts,
            lookalikes: correlation.lookalikes,
            registrations: correlation.registrations,
            assemblies: correlation.assemblies,
            coverage: correlation.coverage,
            problems,
        };
        report.summary = super::summary::sentences(&report);
        report
    }

    /// `report.json`, with the same bytes for the same report.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = serde_json::to_vec_pretty(self)?;
        out.push(b'\n');
        Ok(out)
    }
}
