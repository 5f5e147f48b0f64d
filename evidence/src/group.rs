//! Artifacts that are read together: from an object to the records of each.

use crate::artifact::{Artifact, Beside, Output, Parse};
use crate::guard::guarded;
use crate::input::Input;
use crate::problem::Problem;
use crate::record::Record;
use crate::sink::Crew;

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
        self.parse_into(input, Output::new(input.original_path, on_record, None))
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
        self.parse_into(input, Output::new(input.original_path, &mut alone, Some((crew, on_record))))
    }

    fn parse_into(&self, input: &Input<'_>, mut output: Output<'_>) -> Vec<Problem> {
        match self.0[0].parse {
            Some(Parse::Alone(parse) | Parse::InParts(parse)) => output.part(self.0[0], |sink| parse(input, sink)),
            Some(Parse::In(container, _)) if guarded(|| (container.parse)(&self.0, input, &mut output)).is_none() => {
                self.0.iter().for_each(|artifact| output.part(artifact, |sink| sink.gave_up(artifact.title)));
            }
            Some(Parse::In(..)) | None => {}
        }
        output.finish()
    }
}

impl Artifact {
    /// Parses one object for this artifact by itself, as [`Group::parse`] does.
    pub fn parse_alone(&'static self, input: &Input<'_>, on_record: &mut dyn FnMut(Record)) -> Vec<Problem> {
        let groups = Group::all_of([self]);
        groups.iter().flat_map(|group| group.parse(input, &mut |_, record| on_record(record))).collect()
    }
}
