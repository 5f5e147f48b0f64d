//! Tools under other names: what the records of a program name is followed once its bytes say that it is a tool.
//!
//! A record of a start comes before anybody has looked at the program, so what it names waits for that.

use crate::focus;
use evidence::{Artifact, Item, ItemId, Lead, Record, Role};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes of names that wait.
const MOST_BYTES: usize = 32 << 20;

/// A path that a record names, and what it is kept for; see [`collector::LeadPath::kept_for`].
pub(crate) type Named = (String, Option<&'static str>);

/// What waits for programs to be looked at.
#[derive(Default)]
pub(crate) struct Renamed {
    state: Mutex<State>,
    /// Names for which there was no room.
    left_out: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Keys of the programs that are tools, and their objects.
    tools: HashSet<String>,
    objects: BTreeSet<ItemId>,
    /// What the records of a program name, by its key, each with the first that names it.
    waiting: BTreeMap<String, BTreeMap<Named, String>>,
    bytes: usize,
}

impl Renamed {
    /// What a record of an object names, each with what names it: what waited for this object is there if it is a tool, and
    /// of any other program that merely ran nothing is.
    pub(crate) fn leads(&self, artifact: &Artifact, item: &Item, record: &Record) -> Vec<(Named, String)> {
        let is_tool = timeline::tool_of(record).is_some();
        let mut named = if is_tool { self.is_a_tool(item) } else { Vec::new() };
        if item.is_suspect() && !is_tool {
            return named;
        }
        let by = format!("{}, {}", item.original_path, record.locator);
        for lead in artifact.leads.into_iter().flat_map(|leads| leads(record)) {
            let kept_for = focus::kept_for(&lead);
            let paths = timeline::lead_paths(&lead, record.text_of(Role::Computer)).into_iter();
            let paths = paths.filter(|path| !path.is_empty()).map(|path| (path, kept_for));
            match lead {
                Lead::IfTool { program, .. } => self.wait(&program, paths, &by, &mut named),
                _ => named.extend(paths.map(|path| (path, by.clone()))),
            }
        }
        named
    }

    /// Learns that an object is a tool, and gives what its records name.
    fn is_a_tool(&self, item: &Item) -> Vec<(Named, String)> {
        let mut state = self.state.lock();
        state.objects.insert(item.id);
        let mut named = Vec::new();
        for path in item.named_as.iter().chain([&item.original_path]) {
            let key = timeline::program_key(path);
            named.extend(state.waiting.remove(&key).into_iter().flatten());
            state.tools.insert(key);
        }
        named
    }

    /// Keeps what a record of a program names, or gives it where the program is known to be a tool.
    fn wait(&self, program: &str, paths: impl Iterator<Item = Named>, by: &str, named: &mut Vec<(Named, String)>) {
        let key = timeline::program_key(program);
        let mut state = self.state.lock();
        if state.tools.contains(&key) {
            return named.extend(paths.map(|path| (path, by.to_owned())));
        }
        for path in paths {
            let State { waiting, bytes, .. } = &mut *state;
            let of_program = waiting.entry(key.clone()).or_default();
            if let Some(first) = of_program.get_mut(&path) {
                if by < first.as_str() {
                    by.clone_into(first);
                }
                continue;
            }
            let size = path.0.len() + by.len() + key.len();
            if *bytes + size > MOST_BYTES {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            *bytes += size;
            of_program.insert(path, by.to_owned());
        }
    }

    /// The objects that are tools by what they say of themselves, and how many names there was no room for.
    pub(crate) fn finish(self) -> (BTreeSet<ItemId>, u64) {
        (self.state.into_inner().objects, self.left_out.into_inner())
    }
}
