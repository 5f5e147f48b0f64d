//! How the bytes of an artifact become records: what a parser gets, and where what it finds goes.

use crate::artifact::{Artifact, Beside};
use crate::bytes::Bytes;
use crate::guard::guarded;
use crate::hive::Hive;
use crate::item::FileTimes;
use crate::problem::Problem;
use crate::record::Record;
use crate::sink::{Crew, Shared, Sink};
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
    /// Its objects are its own as well, and it cuts them into parts by [`Sink::in_parts`].
    InParts(fn(&Input<'_>, &mut Sink<'_>)),
    /// Its objects are such containers, which give the artifact its part; what that is given to is the container's to know.
    In(&'static Container, &'static (dyn Any + Sync)),
}

impl Parse {
    fn container(self) -> Option<&'static Container> {
        match self {
            Parse::Alone(_) | Parse::InParts(_) => None,
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
        self.parse_into(input, Output { item: input.original_path, on_record, shared: None, problems: Vec::new() })
    }

    /// Whether the threads of a crew can parse one object together.
    pub fn is_in_parts(&self) -> bool {
        matches!(self.0[0].parse, Some(Parse::InParts(_)))
    }

    /// Parses one object as [`Group::parse`] does, by the threads of a crew where it can be cut into parts. Only the order of
    /// the records is another one.
    pub fn parse_by(
        &self,
        crew: &Crew<'_>,
        input: &Input<'_>,
        on_record: &(dyn Fn(&'static Artifact, Record) + Sync),
    ) -> Vec<Problem> {
        let mut alone = |artifact, record| on_record(artifact, record);
        let shared = Some((crew, on_record));
        let output = Output { item: input.original_path, on_record: &mut alone, shared, problems: Vec::new() };
        self.parse_into(input, output)
    }

    fn parse_into(&self, input: &Input<'_>, mut output: Output<'_>) -> Vec<Problem> {
        match self.0[0].parse {
            Some(Parse::Alone(parse) | Parse::InParts(parse)) => output.part(self.0[0], |sink| parse(input, sink)),
            Some(Parse::In(container, _)) if guarded(|| (container.parse)(&self.0, input, &mut output)).is_none() => {
                self.0.iter().for_each(|artifact| output.part(artifact, |sink| sink.gave_up(artifact.title)));
            }
            Some(Parse::In(..)) | None => {}
        }
        output.problems
    }
}

/// Takes records of artifacts from any thread.
type Take<'t> = dyn Fn(&'static Artifact, Record) + Sync + 't;

/// Takes what the artifacts of a container find.
pub struct Output<'a> {
    item: &'a str,
    on_record: &'a mut dyn FnMut(&'static Artifact, Record),
    shared: Option<(&'a Crew<'a>, &'a Take<'a>)>,
    problems: Vec<Problem>,
}

impl Output<'_> {
    /// Lets one artifact read its part. A panic becomes a problem and costs the other parts nothing.
    pub fn part(&mut self, artifact: &'static Artifact, read: impl FnOnce(&mut Sink<'_>)) {
        let mut on_record = |record| (self.on_record)(artifact, record);
        let shared = self.shared.map(|(crew, on_record)| (crew, move |record| on_record(artifact, record)));
        let mut sink = Sink::new(self.item, &mut on_record);
        sink.share(shared.as_ref().map(|(crew, on_record)| Shared { crew, on_record }));
        if guarded(|| read(&mut sink)).is_none() {
            sink.gave_up(artifact.title);
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
