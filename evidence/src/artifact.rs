//! What an artifact is: where Windows keeps it, what it supports, and how its bytes become records.

use crate::bytes::Bytes;
use crate::format::Format;
use crate::problem::{Problem, ProblemKind, Stage};
use crate::record::{Integrity, Locator, Record};
use crate::schema::RecordType;
use crate::time::Filetime;

/// A registry hive, which implies its transaction logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hive {
    /// HKLM\SOFTWARE.
    Software,
    /// HKLM\SYSTEM.
    System,
    /// HKLM\SAM.
    Sam,
    /// HKLM\SECURITY.
    Security,
    /// Every user's NTUSER.DAT.
    NtUser,
    /// Every user's UsrClass.dat.
    UsrClass,
}

impl Hive {
    /// Where the hive file lies.
    pub fn globs(self) -> &'static [&'static str] {
        match self {
            Hive::Software => &[r"%SystemRoot%\System32\config\SOFTWARE"],
            Hive::System => &[r"%SystemRoot%\System32\config\SYSTEM"],
            Hive::Sam => &[r"%SystemRoot%\System32\config\SAM"],
            Hive::Security => &[r"%SystemRoot%\System32\config\SECURITY"],
            Hive::NtUser => &[r"%UserProfile%\NTUSER.DAT"],
            Hive::UsrClass => &[r"%UserProfile%\AppData\Local\Microsoft\Windows\UsrClass.dat"],
        }
    }
}

/// Where an artifact is kept: what is collected, and what its parser is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reads {
    /// Files by path pattern on the system volume: `*` within a component, `**` over components,
    /// `%SystemRoot%` and `%UserProfile%` (every profile). A stream is written `path:stream`.
    File(&'static str),
    /// The same on every NTFS volume, without variables: `\$MFT`.
    EveryVolume(&'static str),
    /// Keys of a hive. The hive file and its logs are collected.
    Key {
        /// The hive.
        hive: Hive,
        /// The key inside it, for people.
        key: &'static str,
    },
    /// Files of this format that lie outside of every tree of Windows. A hive of a key is taken without this.
    Loose(Format),
    /// Files that records name: what the leads loop brings.
    Lead,
    /// Volatile state of a live host, by the name of the file that it is written down in. Other sources have none, and
    /// its absence from them says nothing.
    Volatile(&'static str),
}

/// When in an analysis an artifact can be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Needs nothing but its bytes.
    Independent,
    /// Needs to know which files the records of the first phase are about, because it would otherwise
    /// describe every file of the volume.
    Focused,
}

/// A file that a record names and that should therefore be collected.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lead {
    /// A path, verbatim: drive letter, device, volume GUID, `file:///` or UNC form.
    Path(String),
    /// A file of another artifact, which Windows was told to keep there: where it is missing, that artifact lacks it.
    KeptAt {
        /// Id of that artifact, which parses the file.
        artifact: &'static str,
        /// The path, as for [`Lead::Path`].
        path: String,
    },
    /// A command line of some program, to be read with the grammar of the tools.
    CommandLine {
        /// Image path of the process, verbatim, where the record has it.
        image: Option<String>,
        /// The command line, verbatim.
        command_line: String,
        /// Current directory, verbatim, where the record has it.
        current_directory: Option<String>,
    },
}

/// Which files a focused artifact should describe: names in upper case, matched against the last component
/// of a path, and folders (upper case, without drive, `\USERS\PUBLIC`) whose direct children count as well.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// Describe everything, whatever the other members say.
    pub everything: bool,
    /// File names, upper case.
    pub names: std::collections::BTreeSet<String>,
    /// Folders, upper case, leading backslash, no trailing one.
    pub folders: std::collections::BTreeSet<String>,
}

impl Focus {
    /// Whether a file with this full path (leading backslash, no drive) is wanted.
    pub fn wants(&self, path: &str) -> bool {
        if self.everything {
            return true;
        }
        let upper = path.to_uppercase();
        let (folder, name) = upper.rsplit_once('\\').unwrap_or(("", &upper));
        self.names.contains(name) || self.folders.contains(folder) || self.folders.contains(&upper)
    }
}

/// What a parser gets. It sees bytes, never a path of the analysis machine.
pub struct Input<'a> {
    /// Path on the host, verbatim, for artifacts whose place is part of their meaning.
    pub original_path: &'a str,
    /// The bytes.
    pub bytes: &'a dyn Bytes,
    /// Objects that belong to it, by original path: hive logs, `$MFT` for a change journal.
    pub companions: Vec<(&'a str, &'a dyn Bytes)>,
    /// Which files a [`Phase::Focused`] artifact should describe.
    pub focus: &'a Focus,
}

impl<'a> Input<'a> {
    /// The companion whose original path ends so, in any case.
    pub fn companion(&self, suffix: &str) -> Option<&'a dyn Bytes> {
        let suffix = suffix.to_uppercase();
        self.companions.iter().find(|(path, _)| path.to_uppercase().ends_with(&suffix)).map(|(_, bytes)| *bytes)
    }
}

/// Takes what a parser finds, one record at a time, so that memory does not grow with the evidence.
pub struct Sink<'a> {
    item: String,
    stage: Stage,
    records: u64,
    on_record: &'a mut dyn FnMut(Record),
    problems: Vec<Problem>,
    problems_left_out: u64,
    notes_left_out: u64,
    /// Records of runs with a time that no clock showed: of intact records and of others, with the first.
    impossible: [(u64, Option<(Filetime, Locator)>); 2],
}

/// Most problems kept of one item; damaged files could otherwise produce one per byte.
const MAX_PROBLEMS_PER_ITEM: usize = 200;

impl<'a> Sink<'a> {
    /// A sink for one item.
    pub fn new(item: impl Into<String>, on_record: &'a mut dyn FnMut(Record)) -> Self {
        Sink {
            item: item.into(),
            stage: Stage::Parse,
            records: 0,
            on_record,
            problems: Vec::new(),
            problems_left_out: 0,
            notes_left_out: 0,
            impossible: [(0, None), (0, None)],
        }
    }

    /// Hands over a record.
    pub fn record(&mut self, record: Record) {
        self.records += 1;
        let times = record.moments.iter().filter_map(|moment| Some((moment.when.sort_key()?, &moment.locator)));
        let first = times.into_iter().find(|(time, _)| !time.is_possible());
        if let Some((time, locator)) = first.filter(|_| record.run_time().is_some()) {
            let (count, example) = &mut self.impossible[usize::from(record.integrity != Integrity::Intact)];
            *count += 1;
            let place = || locator.as_deref().unwrap_or(&record.locator).clone();
            example.get_or_insert_with(|| (time, place()));
        }
        (self.on_record)(record);
    }

    /// Hands over a problem of the item being parsed.
    pub fn problem(
        &mut self,
        kind: ProblemKind,
        locator: Option<Locator>,
        what: impl Into<String>,
        effect: impl Into<String>,
    ) {
        let problem = Problem::new(self.stage, kind, self.item.clone(), what, effect);
        self.push(Problem { locator, ..problem });
    }

    /// Hands over a note: everything that was meant to be read was read all the same.
    pub fn note(
        &mut self,
        kind: ProblemKind,
        locator: Option<Locator>,
        what: impl Into<String>,
        effect: impl Into<String>,
    ) {
        let note = Problem::new(self.stage, kind, self.item.clone(), what, effect).as_note();
        self.push(Problem { locator, ..note });
    }

    fn push(&mut self, problem: Problem) {
        // Notes have room of their own, so that they leave out no problem.
        let left_out = if problem.is_note { &mut self.notes_left_out } else { &mut self.problems_left_out };
        let alike = self.problems.iter().filter(|one| one.is_note == problem.is_note);
        if *left_out > 0 || alike.count() >= MAX_PROBLEMS_PER_ITEM {
            *left_out += 1;
        } else {
            self.problems.push(problem);
        }
    }

    /// How many records were handed over.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Ends the item: its problems, with one more where some were left out.
    pub fn finish(mut self) -> Vec<Problem> {
        let [intact, others] = std::mem::take(&mut self.impossible);
        for ((count, example), is_note) in [(intact, false), (others, true)] {
            let Some((time, locator)) = example else { continue };
            let what = format!("records of runs with a time that no clock of a host can show: {count}, such as {time}");
            let effect = "such a time is kept as it is stored; it dates nothing, and no run is counted by it";
            let kind = ProblemKind::OutOfRange { raw: time.0.to_string() };
            let problem = Problem::new(self.stage, kind, self.item.clone(), what, effect);
            self.push(Problem { locator: Some(locator), is_note, ..problem });
        }
        if self.problems_left_out > 0 {
            self.problems.push(Problem::new(
                self.stage,
                ProblemKind::LimitReached,
                self.item.clone(),
                format!("{} more problems of this item are not listed", self.problems_left_out),
                "the item is damaged in more places than are shown",
            ));
        }
        if self.notes_left_out > 0 {
            let what = format!("{} more notes of this item are not listed", self.notes_left_out);
            let effect = "everything that was meant to be read was read all the same";
            self.problems.push(Problem::new(self.stage, ProblemKind::LimitReached, self.item, what, effect).as_note());
        }
        self.problems
    }
}

/// One artifact: a static in one file of the crate `artifacts`.
pub struct Artifact {
    /// Short stable id, `prefetch`.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Types of the records it gives.
    pub records: &'static [&'static RecordType],
    /// Where it is kept.
    pub reads: &'static [Reads],
    /// What it proves, in sentences.
    pub supports: &'static str,
    /// What it does not prove, in sentences.
    pub does_not_support: &'static str,
    /// Which Windows versions keep it, and whether by default.
    pub windows: &'static str,
    /// Public descriptions of the format and its meaning.
    pub references: &'static [&'static str],
    /// When it can be parsed.
    pub phase: Phase,
    /// Whether the records of an earlier state of its files are true beside those of the present one: what a log recorded
    /// stays recorded, while a registry value that was is not there any more. Earlier states of other artifacts are
    /// collected from shadow copies and not parsed.
    pub older_states: bool,
    /// Bytes to records.
    pub parse: fn(&Input<'_>, &mut Sink<'_>),
    /// Files that a record of this artifact names and that should be collected; `None` where its records never name any.
    pub leads: Option<fn(&Record) -> Vec<Lead>>,
}

impl Artifact {
    /// What its records may support, each once.
    pub fn claims(&self) -> Vec<&'static str> {
        let mut claims = Vec::new();
        for claim in self.records.iter().flat_map(|of| of.claims) {
            if !claims.contains(&claim.name()) {
                claims.push(claim.name());
            }
        }
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Claim, Meaning, Moment, RunTime};
    use crate::time::Timestamp;
    use crate::value::Fields;

    static RUN: RecordType = RecordType::named("test:run");

    #[test]
    fn a_run_at_an_impossible_time_is_a_problem_and_kept() {
        let mut kept = Vec::new();
        let mut keep = |record| kept.push(record);
        let mut sink = Sink::new("RUN.pf", &mut keep);
        let possible = 134_171_071_530_000_000;
        let record = |ticks: u64, claims: &'static [Claim], integrity| Record {
            artifact: "prefetch",
            of: &RUN,
            subject: "RUN.EXE".to_owned(),
            user: None,
            moments: vec![Moment::at(Meaning::LAST_RUN, Timestamp::filetime(ticks).unwrap())],
            fields: Fields::new(),
            claims,
            locator: Locator::Whole,
            integrity,
        };
        sink.record(record(possible, &[Claim::Executed(RunTime::Start)], Integrity::Intact));
        sink.record(record(1, &[Claim::Opened], Integrity::Intact));
        sink.record(record(1, &[Claim::Executed(RunTime::Start)], Integrity::Intact));
        sink.record(record(u64::MAX / 2, &[Claim::Executed(RunTime::Start)], Integrity::Corrupted));
        let said: Vec<_> = sink.finish().into_iter().map(|problem| (problem.kind, problem.is_note)).collect();
        let out_of_range = |raw: u64| ProblemKind::OutOfRange { raw: raw.to_string() };
        assert_eq!(said, [(out_of_range(1), false), (out_of_range(u64::MAX / 2), true)]);
        assert_eq!(kept.len(), 4);
    }
}
