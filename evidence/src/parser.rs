//! How the bytes of an artifact become records: what a parser gets, and where what it finds goes.

use crate::artifact::{Artifact, Beside};
use crate::bytes::Bytes;
use crate::guard::guarded;
use crate::hive::Hive;
use crate::item::FileTimes;
use crate::problem::{Problem, ProblemKind, Stage};
use crate::record::{Integrity, Locator, Record};
use crate::time::Filetime;
use std::any::Any;
use std::collections::BTreeSet;

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
    pub names: BTreeSet<String>,
    /// Folders, upper case, leading backslash, no trailing one.
    pub folders: BTreeSet<String>,
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
#[derive(Clone)]
pub struct Input<'a> {
    /// Path on the host, verbatim, for artifacts whose place is part of their meaning.
    pub original_path: &'a str,
    /// The bytes.
    pub bytes: &'a dyn Bytes,
    /// The file's own times, for artifacts that are told by them; absent where the file is only a copy.
    pub times: FileTimes,
    /// Objects that are read with it, by original path, as [`Artifact::beside`] says.
    pub companions: Vec<(&'a str, &'a dyn Bytes)>,
    /// Which files an artifact of [`crate::Phase::Focused`] should describe.
    pub focus: &'a Focus,
}

impl<'a> Input<'a> {
    /// Bytes with this path on the host, of which nothing else is known.
    pub fn new(original_path: &'a str, bytes: &'a dyn Bytes) -> Self {
        static NOTHING: Focus = Focus { everything: false, names: BTreeSet::new(), folders: BTreeSet::new() };
        Input { original_path, bytes, times: FileTimes::default(), companions: Vec::new(), focus: &NOTHING }
    }

    /// The companion whose original path ends so, in any case.
    pub fn companion(&self, suffix: &str) -> Option<&'a dyn Bytes> {
        let suffix = suffix.to_uppercase();
        self.companions.iter().find(|(path, _)| path.to_uppercase().ends_with(&suffix)).map(|(_, bytes)| *bytes)
    }

    /// The companions that are transaction logs.
    pub fn hive_logs(&self) -> Vec<&'a dyn Bytes> {
        self.companions.iter().filter(|(path, _)| Hive::is_log(path)).map(|(_, bytes)| *bytes).collect()
    }
}

/// How an artifact's bytes become records.
#[derive(Clone, Copy)]
pub enum Parse {
    /// Its objects are its own.
    Alone(fn(&Input<'_>, &mut Sink<'_>)),
    /// Its objects are such containers, which give the artifact its part; what that is given to is the container's to know.
    In(&'static Container, &'static (dyn Any + Sync)),
}

impl Parse {
    fn container(self) -> Option<&'static Container> {
        match self {
            Parse::Alone(_) => None,
            Parse::In(container, _) => Some(container),
        }
    }
}

/// A kind of file in which several artifacts are kept, as keys are in a hive.
pub struct Container {
    /// Opens an object once and gives each of the artifacts its part, by [`Output::part`].
    pub parse: fn(&[&'static Artifact], &Input<'_>, &mut Output<'_>),
}

/// Artifacts that are read from an object together: those in one container, or one by itself. It has at least one.
pub struct Group(Vec<&'static Artifact>);

impl Group {
    /// Puts together what is read together. What is only collected is left out.
    pub fn all_of(artifacts: impl IntoIterator<Item = &'static Artifact>) -> Vec<Group> {
        let container = |artifact: &Artifact| artifact.parse.and_then(Parse::container);
        let mut groups: Vec<Group> = Vec::new();
        for artifact in artifacts.into_iter().filter(|artifact| artifact.parse.is_some()) {
            let of_the_same = container(artifact).and_then(|one| {
                groups.iter_mut().find(|group| container(group.0[0]).is_some_and(|other| std::ptr::eq(one, other)))
            });
            match of_the_same {
                Some(group) => group.0.push(artifact),
                None => groups.push(Group(vec![artifact])),
            }
        }
        groups
    }

    /// Id of the first.
    pub fn id(&self) -> &'static str {
        self.0[0].id
    }

    /// Which other objects they are read with. Those in one container have the same beside it.
    pub fn beside(&self) -> Beside {
        self.0[0].beside
    }

    /// Memory for an object of this size with so many bytes beside it.
    pub fn memory(&self, size: u64, beside: u64) -> u64 {
        self.0.iter().map(|artifact| artifact.memory.of(size, beside)).max().unwrap_or_default()
    }

    /// Parses one object. Records go to `on_record` as they come, each with its artifact; a panic becomes a problem and
    /// costs the records that would have followed.
    pub fn parse(&self, input: &Input<'_>, on_record: &mut dyn FnMut(&'static Artifact, Record)) -> Vec<Problem> {
        let mut output = Output { item: input.original_path, on_record, problems: Vec::new() };
        match self.0[0].parse {
            Some(Parse::Alone(parse)) => output.part(self.0[0], |sink| parse(input, sink)),
            Some(Parse::In(container, _)) if guarded(|| (container.parse)(&self.0, input, &mut output)).is_none() => {
                self.0.iter().for_each(|artifact| output.part(artifact, |sink| sink.gave_up(artifact)));
            }
            Some(Parse::In(..)) | None => {}
        }
        output.problems
    }
}

/// Takes what the artifacts of a container find.
pub struct Output<'a> {
    item: &'a str,
    on_record: &'a mut dyn FnMut(&'static Artifact, Record),
    problems: Vec<Problem>,
}

impl Output<'_> {
    /// Lets one artifact read its part. A panic becomes a problem and costs the other parts nothing.
    pub fn part(&mut self, artifact: &'static Artifact, read: impl FnOnce(&mut Sink<'_>)) {
        let mut on_record = |record| (self.on_record)(artifact, record);
        let mut sink = Sink::new(self.item, &mut on_record);
        if guarded(|| read(&mut sink)).is_none() {
            sink.gave_up(artifact);
        }
        let problems = sink.finish();
        self.take(problems);
    }

    /// Takes what is wrong with the container itself.
    pub fn of_the_container(&mut self, tell: impl FnOnce(&mut Sink<'_>)) {
        let mut no_record = |_| ();
        let mut sink = Sink::new(self.item, &mut no_record);
        tell(&mut sink);
        let problems = sink.finish();
        self.take(problems);
    }

    /// Several parts meet the same damage, which is told once.
    fn take(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
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

    /// Says that a parser panicked.
    fn gave_up(&mut self, artifact: &Artifact) {
        self.problem(
            ProblemKind::ParserPanicked,
            None,
            format!("the parser of {} gave up on this object", artifact.title),
            "records that are behind the place where it stopped are missing",
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Claim, RunTime};
    use crate::record::{Meaning, Moment};
    use crate::schema::RecordType;
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
