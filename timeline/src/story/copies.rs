//! How far a copy of a tool under another name would be recognised: which programs ran from where one can lie, and of how
//! many of them nothing says what they are.

use super::files::Files;
use super::limit;
use super::log_event::Start;
use crate::event::Event;
use crate::paths::{self, PathKey};
use evidence::technique::lies_elsewhere;
use evidence::{Coverage, CoverageState, Problem, Role, Tells, Told};
use std::collections::{BTreeMap, HashSet};

/// What the row of coverage is called.
const SOURCE: &str = "renamed copies of the tools";
/// Most bytes that the programs take.
const MOST_BYTES: usize = 16 << 20;
/// Programs that are named.
const MOST_NAMED: usize = 5;
/// What every managed program maps.
const RUNTIME: &str = r"\MSCOREE.DLL";

/// A program that ran.
struct Program {
    path: String,
    /// Whether a record has what its version resource said.
    is_told: bool,
}

/// The programs that ran from where a copy of a tool can lie.
#[derive(Default)]
pub(super) struct Copies {
    /// By path without volume, or by name where that is all that is known.
    programs: BTreeMap<String, Program>,
    /// Names of all programs of which the path is known.
    names: HashSet<String>,
    bytes: usize,
    /// Whether any record says of a program that it ran.
    has_records: bool,
    left_out: u64,
}

impl Copies {
    /// A recorded start.
    pub(super) fn start(&mut self, start: &Start) {
        let is_told = start.original_file_name.is_some() || start.description.is_some();
        self.ran(&start.image, lies_elsewhere(&start.image), is_told);
    }

    /// A prefetch file, or another record that shows that a program ran.
    pub(super) fn trace(&mut self, event: &Event) {
        let record = &event.record;
        let is_prefetch = record.of.tells == Tells::Prefetch;
        if !event.is_first() || !is_prefetch && !record.run_time().is_some_and(|time| time.shows_a_run()) {
            return;
        }
        let Some(image) = record.text_of(Role::Image) else { return };
        let files = record.role(Role::Files).into_iter().flat_map(Told::items);
        let mut files = files.filter_map(|file| file.text_of(Role::Path));
        let is_managed = is_prefetch && files.any(|path| path.to_uppercase().ends_with(RUNTIME));
        let is_name = !image.contains('\\');
        self.ran(image, is_managed || is_name || lies_elsewhere(image), false);
    }

    fn ran(&mut self, image: &str, could_be_one: bool, is_told: bool) {
        self.has_records = true;
        let name = paths::fold(paths::file_name(image));
        let is_known = image.contains('\\') && self.names.contains(&name);
        let key = PathKey::new(image).rest;
        if let Some(program) = self.programs.get_mut(&key) {
            program.is_told |= is_told;
            return;
        }
        if is_known && !could_be_one {
            return;
        }
        let size = name.len() + if could_be_one { key.len() + image.len() } else { 0 };
        if self.bytes + size > MOST_BYTES {
            self.left_out += u64::from(could_be_one);
            return;
        }
        self.bytes += size;
        if image.contains('\\') {
            self.names.insert(name);
        }
        if could_be_one {
            self.programs.insert(key, Program { path: image.to_owned(), is_told });
        }
    }

    /// That there was no room for all.
    pub(super) fn limit(&self) -> Option<Problem> {
        let count = Some(self.left_out).filter(|count| *count > 0)?;
        let what = format!("{count} programs that ran from elsewhere were left out");
        Some(limit(what, "whether a renamed copy of a tool is among them is not told"))
    }

    /// How far copies would be recognised.
    pub(super) fn finish(self, files: &Files<'_>) -> Coverage {
        const WHERE: &str = "outside of the folders of Windows and of installed programs";
        if !self.has_records {
            return Coverage {
                state: CoverageState::Absent,
                meaning: "no record in the evidence says which programs ran, so renamed copies of the tools cannot be \
                          recognised"
                    .to_owned(),
                ..Coverage::named(SOURCE)
            };
        }
        let is_named = |path: &str| !path.contains('\\');
        // A mere name says something only where no record has the path of a program that is called so.
        let programs: Vec<&Program> = self
            .programs
            .values()
            .filter(|one| !is_named(&one.path) || !self.names.contains(&paths::fold(&one.path)))
            .collect();
        let is_looked_at = |program: &Program| match is_named(&program.path) {
            true => !files.named(&program.path).is_empty(),
            false => files.facts_at(&PathKey::new(&program.path)).is_some(),
        };
        let gone: Vec<&str> =
            programs.iter().filter(|one| !one.is_told && !is_looked_at(one)).map(|one| one.path.as_str()).collect();
        let count = programs.len();
        let meaning = match (count, gone.len()) {
            (0, _) => format!(
                "no record names a program that ran from {WHERE}; a renamed copy inside of them is recognised where a \
                 prefetch file shows that it loaded the runtime"
            ),
            (_, 0) => format!(
                "{count} programs ran from {WHERE} or loaded the .NET runtime; what each of them is was recorded or \
                 collected, so a renamed copy of a tool among them is recognised"
            ),
            (_, gone) => format!(
                "{count} programs ran from {WHERE} or loaded the .NET runtime; of {gone} of them the file is not in the \
                 evidence and its OriginalFileName was not recorded, so renamed copies of the tools among them cannot be \
                 recognised"
            ),
        };
        let mut shown: Vec<String> = gone.iter().take(MOST_NAMED).map(|path| (*path).to_owned()).collect();
        if let Some(more @ 1..) = gone.len().checked_sub(MOST_NAMED) {
            shown.push(format!("{more} more"));
        }
        Coverage {
            state: CoverageState::Read,
            present: true,
            records: count as u64,
            partly: (!gone.is_empty()).then(|| format!("the file is not in the evidence: {}", shown.join(", "))),
            meaning,
            ..Coverage::named(SOURCE)
        }
    }
}
