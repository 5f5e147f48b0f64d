//! Runs that prefetch files record, and how they merge with process records (rule J7).
//!
//! A slot is the start of a process at a path. It has no process id, no arguments and no account, so a run
//! that only a slot tells of is anonymous.

use super::file_history::Reference;
use super::files::Files;
use super::identity::{self, Basis, Verdict};
use super::source::{Cited, Source};
use crate::command;
use crate::event::Event;
use crate::paths::{self, PathKey};
use evidence::{Confidence, Filetime, JoinRule, Meaning, Role, Told, Tool};
use std::collections::{BTreeMap, HashMap, HashSet};

const SECOND: i64 = 10_000_000;
/// A slot belongs to a process that started at most so long after it …
const BEFORE: i64 = SECOND;
/// … or before it.
const AFTER: i64 = 12 * SECOND;
/// Most prefetch files of the tools.
const MOST_FILES: usize = 1_000;

/// Most runs that one slot is compared with.
const MOST_IN_WINDOW: usize = 64;

/// A prefetch file that may be the tool's.
#[derive(Clone, Debug)]
pub(super) struct PrefetchFile {
    pub(super) path: String,
    pub(super) run_count: Option<u64>,
    /// Files in the list, verbatim.
    pub(super) files: Vec<String>,
    /// The same by path without volume: the volume, and the file as NTFS numbers it.
    keys: HashMap<String, Vec<(String, Option<Reference>)>>,
    pub(super) source: Source,
    slots: Vec<(Filetime, Source)>,
}

impl PrefetchFile {
    /// Whether a file stands in its list.
    pub(super) fn lists(&self, path: &str) -> bool {
        let key = PathKey::new(paths::split_stream(path).0);
        self.listed(&key).next().is_some()
    }

    /// The files in its list that have this path.
    pub(super) fn references(&self, key: &PathKey) -> Vec<Reference> {
        self.listed(key).flatten().collect()
    }

    fn listed(&self, key: &PathKey) -> impl Iterator<Item = Option<Reference>> {
        let listed = self.keys.get(&key.rest).into_iter().flatten();
        listed.filter_map(|(volume, reference)| {
            PathKey { volume: volume.clone(), rest: key.rest.clone() }.same_file(key).then_some(*reference)
        })
    }

    /// Programs in the list that do not belong to Windows: what the tool may have been given.
    pub(super) fn foreign_programs(&self) -> Vec<&str> {
        let own = PathKey::new(&self.path);
        let mut found: Vec<&str> = self
            .files
            .iter()
            .filter(|file| {
                let key = PathKey::new(file);
                let program = [".DLL", ".EXE", ".OCX"].iter().any(|extension| key.rest.ends_with(extension));
                program && !key.rest.starts_with(r"\WINDOWS\") && !key.same_file(&own)
            })
            .map(String::as_str)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The prefetch files of the tools.
#[derive(Default)]
pub(super) struct Prefetch {
    files: BTreeMap<Source, PrefetchFile>,
    suspects: HashSet<String>,
    pub(super) left_out: u64,
}

/// A run that a slot records.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) at: Filetime,
    pub(super) tool: Tool,
    pub(super) basis: Basis,
    pub(super) key: PathKey,
    /// Which of the files, by position.
    pub(super) file: usize,
    pub(super) sources: Vec<Cited>,
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It is the run at this position.
    To(usize),
    /// It is a run of its own, which may be the same as these.
    Alone(Vec<usize>),
}

impl Prefetch {
    pub(super) fn new(suspects: HashSet<String>) -> Self {
        Prefetch { suspects, ..Prefetch::default() }
    }

    /// Takes one moment of a prefetch file.
    pub(super) fn add(&mut self, event: &Event) {
        let record = &event.record;
        let name = record.text_of(Role::Name).unwrap_or_default();
        let path = record.text_of(Role::Image).unwrap_or(name);
        let of_interest = command::tool_named(name).is_some()
            || command::tool_named(path).is_some()
            || self.suspects.contains(&PathKey::new(path).rest);
        if !of_interest {
            return;
        }
        let whole = Source::whole(event);
        if !self.files.contains_key(&whole) && self.files.len() >= MOST_FILES {
            self.left_out += 1;
            return;
        }
        let file = self.files.entry(whole.clone()).or_insert_with(|| {
            let listed = record.role(Role::Files).into_iter().flat_map(Told::items);
            let mut files: Vec<String> = Vec::new();
            let mut keys: HashMap<String, Vec<(String, Option<Reference>)>> = HashMap::new();
            for file in listed {
                let Some(path) = file.text_of(Role::Path) else { continue };
                let number = |role| file.role(role).and_then(Told::number);
                let reference = number(Role::FileEntry).zip(number(Role::FileSequence));
                let key = PathKey::new(path);
                let reference = reference.map(|(entry, sequence)| Reference::new(entry, sequence));
                keys.entry(key.rest).or_default().push((key.volume, reference));
                files.push(path.to_owned());
            }
            PrefetchFile {
                path: path.to_owned(),
                run_count: record.role(Role::RunCount).and_then(Told::number),
                files,
                keys,
                source: whole,
                slots: Vec::new(),
            }
        });
        let is_run = event.meanings().any(|meaning| [Meaning::LAST_RUN, Meaning::PREVIOUS_RUN].contains(&meaning));
        if let Some(at) = event.happened().filter(|_| is_run) {
            file.slots.extend(Source::all_of(event).into_iter().map(|source| (at, source)));
        }
    }

    /// The files and, in the order of time, the runs that they record. The same run in two copies of one
    /// prefetch file counts once.
    pub(super) fn finish(self, files: &Files) -> (Vec<PrefetchFile>, Vec<Slot>, Vec<(PrefetchFile, String)>) {
        let all: Vec<PrefetchFile> = self.files.into_values().collect();
        let mut slots: Vec<Slot> = Vec::new();
        let mut lookalikes = Vec::new();
        for (at_file, file) in all.iter().enumerate() {
            let (tool, basis) =
                match identity::decide_path(&file.path, &PathKey::new(&file.path), file.last_run(), files) {
                    Verdict::Tool(tool, basis) => (tool, basis),
                    Verdict::Lookalike(because) => {
                        lookalikes.push((file.clone(), because));
                        continue;
                    }
                    Verdict::Other => continue,
                };
            let key = PathKey::new(&file.path);
            for (at, source) in &file.slots {
                let cited = source.clone().by(JoinRule::Anchor, Confidence::Strong);
                match slots.iter_mut().find(|slot| slot.at == *at && slot.key.same_file(&key)) {
                    Some(slot) => {
                        if !slot.sources.contains(&cited) {
                            slot.sources.push(cited);
                        }
                    }
                    None => slots.push(Slot {
                        at: *at,
                        tool,
                        basis: basis.clone(),
                        key: key.clone(),
                        file: at_file,
                        sources: vec![cited],
                    }),
                }
            }
        }
        slots.sort_by(|a, b| (a.at, &a.key, &a.sources[0].source).cmp(&(b.at, &b.key, &b.sources[0].source)));
        (all, slots, lookalikes)
    }
}

impl PrefetchFile {
    /// The runs that it records, each with the place that does.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Filetime, &Source)> {
        self.slots.iter().map(|(at, source)| (*at, source))
    }

    /// Start of the newest run.
    pub(super) fn last_run(&self) -> Option<Filetime> {
        self.slots.iter().map(|(at, _)| *at).max()
    }
}

/// Decides for each slot which of the runs (start and image path) it is.
///
/// A slot with exactly one run in its window is that run, unless another slot is nearer to it. Where several
/// runs and slots stand close together they are paired in order if their numbers agree; else a slot is the
/// run whose start it meets within a second, if neither has a better partner; else it stays alone and names
/// the runs that it could be.
pub(super) fn join(slots: &[Slot], runs: &[(Filetime, PathKey)]) -> Vec<Joined> {
    join_times(&slots.iter().map(|slot| (slot.at, &slot.key)).collect::<Vec<_>>(), runs)
}

/// The same of the times and paths of slots.
pub(super) fn join_times(slots: &[(Filetime, &PathKey)], runs: &[(Filetime, PathKey)]) -> Vec<Joined> {
    let fits = |slot: &(Filetime, &PathKey), run: &(Filetime, PathKey)| {
        let after = slot.0.ticks_since(run.0);
        (-BEFORE..=AFTER).contains(&after) && run.1.same_file(slot.1)
    };
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|at| runs[*at].0);
    // Runs in the window of each slot, by position, in the order of time.
    let windows: Vec<Vec<usize>> = slots
        .iter()
        .map(|slot| {
            let from = order.partition_point(|at| slot.0.ticks_since(runs[*at].0) > AFTER);
            order[from..]
                .iter()
                .take_while(|at| slot.0.ticks_since(runs[**at].0) >= -BEFORE)
                .copied()
                .filter(|at| fits(slot, &runs[*at]))
                .take(MOST_IN_WINDOW)
                .collect()
        })
        .collect();
    let mut joined: Vec<Option<Joined>> = vec![None; slots.len()];
    for (members, cluster_runs) in clusters(&windows) {
        if members.len() == cluster_runs.len() {
            let mut by_time = cluster_runs.clone();
            by_time.sort_by_key(|at| (runs[*at].0, *at));
            if members.iter().zip(&by_time).all(|(slot, run)| fits(&slots[*slot], &runs[*run])) {
                for (slot, run) in members.iter().zip(by_time) {
                    joined[*slot] = Some(Joined::To(run));
                }
                continue;
            }
        }
        let distance = |slot: usize, run: usize| slots[slot].0.ticks_since(runs[run].0).abs();
        let nearest_run = |slot: usize| windows[slot].iter().copied().min_by_key(|run| (distance(slot, *run), *run));
        for slot in &members {
            let Some(run) = nearest_run(*slot) else { continue };
            let nearest_slot = members
                .iter()
                .copied()
                .filter(|other| windows[*other].contains(&run))
                .min_by_key(|other| (distance(*other, run), *other));
            let certain = windows[*slot].len() == 1 || distance(*slot, run) <= SECOND;
            if nearest_slot == Some(*slot) && certain {
                joined[*slot] = Some(Joined::To(run));
            }
        }
    }
    joined
        .into_iter()
        .enumerate()
        .map(|(slot, joined)| joined.unwrap_or_else(|| Joined::Alone(windows[slot].clone())))
        .collect()
}

/// Slots and runs that hang together through their windows.
fn clusters(windows: &[Vec<usize>]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut found: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    for (slot, window) in windows.iter().enumerate().filter(|(_, window)| !window.is_empty()) {
        // Slots come in the order of time, so a shared run is in one of the last clusters; several clusters
        // can touch one slot.
        let (touching, mut apart): (Vec<_>, Vec<_>) =
            found.drain(..).partition(|(_, runs)| runs.iter().any(|run| window.contains(run)));
        let mut merged = (vec![slot], window.clone());
        for (slots, runs) in touching {
            merged.0.extend(slots);
            merged.1.extend(runs);
        }
        merged.0.sort_unstable();
        merged.1.sort_unstable();
        merged.1.dedup();
        apart.push(merged);
        found = apart;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Identity, ItemId, Locator};

    const IMAGE: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe";

    fn slots(milliseconds: &[u64]) -> Vec<Slot> {
        let source = Source { artifact: "prefetch", item: ItemId(0), locator: Locator::Whole, recovered: false };
        let slot = |at: &u64| Slot {
            at: Filetime(1_000_000_000_000 + at * 10_000),
            tool: Tool::Regasm,
            basis: Basis { identity: Identity::ByPath, is_patched: false, because: String::new() },
            key: PathKey::new(r"\VOLUME{01da2f77-9a3c11f2}\WINDOWS\MICROSOFT.NET\FRAMEWORK64\V4.0.30319\REGASM.EXE"),
            file: 0,
            sources: vec![source.clone().by(JoinRule::Anchor, Confidence::Strong)],
        };
        milliseconds.iter().map(slot).collect()
    }

    fn runs(milliseconds: &[u64]) -> Vec<(Filetime, PathKey)> {
        milliseconds.iter().map(|at| (Filetime(1_000_000_000_000 + at * 10_000), PathKey::new(IMAGE))).collect()
    }

    #[test]
    fn one_slot_and_one_run() {
        for (slot, wanted) in [
            (10_000, Joined::To(0)),
            (9_000, Joined::To(0)),
            (22_000, Joined::To(0)),
            (8_900, Joined::Alone(vec![])),
            (22_100, Joined::Alone(vec![])),
        ] {
            assert_eq!(join(&slots(&[slot]), &runs(&[10_000])), [wanted], "{slot}");
        }
        let other = vec![(
            Filetime(1_000_000_000_000),
            PathKey::new(r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe"),
        )];
        assert_eq!(join(&slots(&[0]), &other), [Joined::Alone(vec![])], "the 32-bit tool is another file");
    }

    #[test]
    fn two_slots_and_one_run_stay_two() {
        assert_eq!(join(&slots(&[10_000, 10_400]), &runs(&[10_000])), [Joined::To(0), Joined::Alone(vec![0])]);
    }

    #[test]
    fn as_many_slots_as_runs_pair_in_order() {
        assert_eq!(
            join(&slots(&[10_100, 13_100, 16_100]), &runs(&[16_000, 10_000, 13_000])),
            [Joined::To(1), Joined::To(2), Joined::To(0)]
        );
    }

    #[test]
    fn one_slot_between_two_runs() {
        assert_eq!(join(&slots(&[10_500]), &runs(&[10_450, 5_000])), [Joined::To(0)], "it meets one of them exactly");
        assert_eq!(join(&slots(&[10_500]), &runs(&[5_000, 7_000])), [Joined::Alone(vec![0, 1])]);
    }
}
