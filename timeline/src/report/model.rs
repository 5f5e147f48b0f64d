//! The model of a report: everything that `report.json` holds and `report.html` shows.

use crate::cited::CitedRecord;
use crate::declared::Declared;
use crate::host::Host;
use crate::words::{list, plural};
use evidence::{
    AssemblyFile, Attempt, Citation, Coverage, Execution, Filetime, Finding, Lookalike, Problem, Registration,
    RulesUsed,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

/// Name and version of the published shape, `docs/report.schema.json`. The version changes when a reader of the old
/// shape could go wrong, not when fields are added.
pub const SCHEMA: &str = "comtrail-report/1";

/// The program that made the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolName {
    /// `comtrail`.
    pub name: String,
    /// Version of the program.
    pub version: String,
}

/// The bundle that was analysed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BundleName {
    /// Name of the bag with `.zip`, as `run` calls the bundle. What the file is called on the analysing machine is not in
    /// the report, since the same bundle gives the same bytes.
    pub file: String,
    /// Name of the bag, which is the top folder in the bundle.
    pub bag: String,
    /// SHA-256 of the bundle's file; none of a bundle that was unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_sha256: Option<String>,
    /// SHA-256 of the bundle's `tagmanifest-sha256.txt`, which stands for every file in it.
    pub sha256: String,
    /// What it was collected from, as the bundle itself says.
    pub source: Vec<String>,
    /// What a check of the image by its stored digests gave, where there was one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
    /// When the collection began, UTC, by the clock of the collecting machine.
    pub collected: Option<Filetime>,
    /// Collected objects.
    pub objects: u64,
    /// Events in the timeline.
    pub events: u64,
    /// Whether the timeline describes every file of the volume, or only those around the findings.
    pub full_timeline: bool,
    /// The parts that were analysed together, in the order of their numbers, the one that is named above among them. Empty
    /// where the bundle is a whole collection, or the first part of one and alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartName>,
}

/// A part of a collection that was interrupted and gone on with: a bundle of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartName {
    /// Its number, from 1 on.
    pub part: u64,
    /// Name of its bag.
    pub bag: String,
    /// SHA-256 of its file; none of a bundle that was unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_sha256: Option<String>,
    /// SHA-256 of its `tagmanifest-sha256.txt`.
    pub tag_manifest_sha256: String,
}

/// What was said about the case when the evidence was collected. Nothing of it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CaseFacts {
    /// Case number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examiner: Option<String>,
    /// Organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What a trusted clock showed when the collection began, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_time: Option<String>,
    /// How far the collecting machine's clock was from it, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_difference: Option<String>,
}

impl CaseFacts {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == CaseFacts::default()
    }
}

/// That a bundle was changed after it was sealed, and was analysed all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangedBundle {
    /// It, in a sentence.
    pub statement: String,
    /// What verification found wrong.
    pub wrong: Vec<String>,
    /// Objects whose bytes, or whose description, are not those that were sealed; what rests on them is marked.
    pub objects: u64,
    /// Their original paths.
    #[serde(skip)]
    pub paths: BTreeSet<String>,
}

impl ChangedBundle {
    /// The change in one sentence. `parts` are number and bag of the parts of a collection that something is wrong with, none
    /// where one bundle is all; `wrong` are the findings of the verification, `paths` the original paths of the objects that
    /// are concerned.
    pub fn new(parts: &[(u64, String)], wrong: Vec<String>, objects: u64, paths: BTreeSet<String>) -> Self {
        let named: Vec<String> = parts.iter().map(|(number, bag)| format!("part {number} ({bag})")).collect();
        let wrong_with = |it: &str| format!("{} with {it}", plural(wrong.len(), "thing is wrong", "things are wrong"));
        let all = list(&named.iter().map(String::as_str).collect::<Vec<_>>());
        let changed = match named.len() {
            0 => format!("This bundle was changed after it was sealed ({}), and was", wrong_with("it")),
            1 => format!("Of this collection {all} was changed after it was sealed ({}), and was", wrong_with("it")),
            _ => format!(
                "Of this collection {all} were changed after they were sealed ({}), and were",
                wrong_with("them")
            ),
        };
        let accepted = "analysed because that was accepted. What rests on a changed object is marked.";
        let statement = format!("{changed} {accepted}");
        ChangedBundle { statement, wrong, objects, paths }
    }
}

/// The plain answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many runs of which tool, in a sentence.
    pub answer: String,
    /// What was not examined, as phrases, the most important first; the answer begins with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_examined: Vec<String>,
    /// Whether something was read, and read whole, in which a run would show.
    #[serde(skip)]
    pub runs_would_show: bool,
    /// The same of a process of another program.
    #[serde(skip)]
    pub processes_would_show: bool,
    /// What is known, what stands against it and what is not known, most important first.
    pub statements: Vec<Statement>,
}

/// One sentence of the summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statement {
    /// What kind of sentence.
    pub kind: StatementKind,
    /// The run or attempt that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The sentence.
    pub text: String,
    /// What supports it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
}

/// What a sentence of the summary is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// What the evidence says.
    Finding,
    /// Whether a method ran.
    Method,
    /// What speaks against a finding or weakens it.
    Against,
    /// What limits every answer.
    Limit,
    /// What is not known, and why.
    Unknown,
}

/// A thing that is judged, with the findings about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged<T> {
    /// The thing.
    #[serde(flatten)]
    pub subject: T,
    /// What the rules ask of it, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl<T> Deref for Judged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.subject
    }
}

impl<T> DerefMut for Judged<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.subject
    }
}

/// Everything that an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What was declared of the sources.
    #[serde(skip)]
    pub(crate) declared: Declared,
    /// Only where the bundle was changed after it was sealed; it stands before everything else.
    #[serde(rename = "changed_after_sealing", skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedBundle>,
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program.
    pub tool: ToolName,
    /// What was said about the case.
    #[serde(skip_serializing_if = "CaseFacts::is_empty")]
    pub case: CaseFacts,
    /// The bundle.
    pub bundle: BundleName,
    /// The host that the evidence describes.
    pub host: Host,
    /// The plain answer.
    pub summary: Summary,
    /// The rules by which the findings were decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<RulesUsed>,
    /// Runs of the tools with their findings, in the order of time.
    pub executions: Vec<Judged<Execution>>,
    /// Processes of other programs whose command would start a tool, in the order of time.
    pub attempts: Vec<Attempt>,
    /// Programs that bear a tool's name and are something else.
    pub lookalikes: Vec<Lookalike>,
    /// COM registrations of managed classes.
    pub registrations: Vec<Registration>,
    /// Collected programs.
    pub assemblies: Vec<AssemblyFile>,
    /// How far every source reaches.
    pub coverage: Vec<Coverage>,
    /// Everything that went wrong, with what it costs, and the notes, which cost nothing.
    pub problems: Vec<Problem>,
    /// What the cited records say, in the order of the timeline.
    pub records: Vec<CitedRecord>,
}

impl Report {
    /// How many problems there are that count for the exit status, and how many notes.
    pub fn problems_and_notes(&self) -> (usize, usize) {
        let notes = self.problems.iter().filter(|problem| problem.is_note).count();
        (self.problems.len() - notes, notes)
    }

    /// `report.json`: the same bytes for the same report. Text of the evidence stays as it is, apart from what JSON
    /// escapes.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = match self.changed.as_ref().filter(|changed| !changed.paths.is_empty()) {
            Some(changed) => {
                let mut value = serde_json::to_value(self)?;
                self.mark(&mut value, &changed.paths);
                serde_json::to_vec_pretty(&value)?
            }
            None => serde_json::to_vec_pretty(self)?,
        };
        out.push(b'\n');
        Ok(out)
    }
}
