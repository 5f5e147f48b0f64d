//! What became of the files: which were collected, what their readers found, and what the file system and
//! Sysmon tell about their creation and deletion.

use super::file_history::{FileHistory, on_volume_of};
use super::source::{Places, Source};
use super::word;
use crate::declared::Declared;
use crate::event::{Event, Happening};
use crate::paths::{self, PathKey};
use evidence::{
    AssemblyFile, Confidence, Facts, Filetime, Focus, Item, ItemId, ItemStatus, Items, JoinRule, KeyIndex, Meaning,
    Method, Recovery, Related, Role, Tells, Told, Tool,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Most bytes that traces of files take which are kept, some 50,000 with paths of ordinary length.
const MOST_TRACE_BYTES: usize = 32 << 20;
/// Most collected programs whose facts are kept.
const MOST_FACTS: usize = 10_000;

/// One trace of one file.
#[derive(Clone, Debug)]
struct Trace {
    at: Option<Filetime>,
    /// `None` where only the name is known.
    key: Option<PathKey>,
    what: String,
    source: Source,
}

/// A small alternate stream.
struct Stream {
    /// The file that it belongs to.
    file: PathKey,
    name: Option<String>,
    facts: Facts,
    source: Source,
}

struct Program {
    sha256: String,
    facts: Facts,
    sources: Vec<Source>,
}

/// The files of the evidence.
pub(super) struct Files<'a> {
    items: &'a dyn Items,
    /// Volumes of which the evidence has the file system, so that a file that was not found was not there.
    listed_volumes: BTreeSet<String>,
    /// Collected objects by their paths without the volume, also those by which records name them.
    by_rest: KeyIndex,
    /// Paths of collected leads and programs by file name.
    leads: HashMap<String, Vec<String>>,
    facts: BTreeMap<ItemId, Program>,
    by_hash: HashMap<String, ItemId>,
    /// The host's own copies of the tools, in its framework directories, by hash.
    own_tools: BTreeMap<String, (ItemId, Tool)>,
    /// Streams by the path of their file.
    streams: HashMap<String, Vec<Stream>>,
    stream_count: usize,
    /// Collected leads and programs by volume and file record.
    by_record: KeyIndex,
    history: FileHistory,
    /// Collected programs that $MFT has a record of, and whether it lists a Zone.Identifier, by path without volume.
    listed: HashMap<String, Vec<(PathKey, bool, Source)>>,
    /// By file name, in the order of time, undated ones last.
    traces: HashMap<String, Vec<Trace>>,
    /// Paths of which a trace tells, by volume, and whether one tells of the deletion.
    known: HashMap<String, BTreeMap<String, bool>>,
    trace_bytes: usize,
    pub(super) traces_left_out: u64,
    pub(super) facts_left_out: u64,
}

/// What is known of the mark that Windows puts on files from elsewhere: a stream called Zone.Identifier.
pub(super) enum Mark {
    /// The file has it, with this zone.
    Zone(u32, Source),
    /// The file table lists the stream, and what is in it was not collected.
    Listed(Source),
    /// The file has none: it was read with its streams, or the file table lists none.
    None,
    /// Nothing that was read shows the file's streams.
    Unseen,
}

/// A collected file at a path.
pub(super) struct Found {
    pub(super) item: ItemId,
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) status: ItemStatus,
    pub(super) recovery: Option<Recovery>,
    /// How it was read.
    method: Method,
    /// Every time by which the file system says that it was made or changed.
    times: Vec<Filetime>,
}

impl Found {
    /// Whether everything that the file system says about its making is later than `at`.
    pub(super) fn is_newer_than(&self, at: Filetime) -> bool {
        /// Rounding of container times.
        const SLACK: i64 = 2 * 10_000_000;
        !self.times.is_empty() && self.times.iter().all(|time| time.ticks_since(at) > SLACK)
    }
}

/// Whether a stream of this name is the mark of a file from elsewhere.
fn is_mark(name: &str) -> bool {
    name.eq_ignore_ascii_case("Zone.Identifier")
}

/// The attribute that says by such a time that a file was made.
fn made(meaning: Meaning) -> Option<&'static str> {
    match meaning {
        Meaning::SI_CREATED => Some("$STANDARD_INFORMATION"),
        Meaning::FN_CREATED => Some("$FILE_NAME"),
        _ => None,
    }
}

/// Whether a file record is of a file that is there.
fn is_in_use(event: &Event) -> Option<bool> {
    event.record.role(Role::InUse).and_then(Told::flag)
}

impl<'a> Files<'a> {
    pub(super) fn new(items: &'a dyn Items, declared: Declared) -> Self {
        let is_program = declared.is_program();
        let (mut by_rest, mut by_record) = (KeyIndex::default(), KeyIndex::default());
        let mut leads: HashMap<String, Vec<String>> = HashMap::new();
        let mut listed_volumes = BTreeSet::new();
        let of_records = declared.id_telling(Tells::File);
        items.each(&mut |item| {
            // What was read from a file system was looked up in it, and its table of files tells of all.
            if matches!(item.method, Method::RawNtfs | Method::ShadowCopy)
                || of_records.and_then(|id| declared.keeps(id, &item.original_path)) == Some(true)
            {
                listed_volumes.insert(PathKey::new(&item.original_path).volume);
            }
            by_rest.add(&PathKey::new(&item.original_path).rest, item.id.0);
            for path in &item.named_as {
                by_rest.add(&PathKey::new(path).rest, item.id.0);
            }
            if is_program(item) {
                let name = paths::fold(paths::file_name(&item.original_path));
                leads.entry(name).or_default().push(item.original_path.clone());
                if let Some(entry) = item.mft_entry {
                    by_record.add(&(item.volume.as_str(), entry), item.id.0);
                }
            }
        });
        by_rest.sort();
        by_record.sort();
        Files {
            items,
            listed_volumes,
            by_rest,
            leads,
            facts: BTreeMap::new(),
            by_hash: HashMap::new(),
            own_tools: BTreeMap::new(),
            streams: HashMap::new(),
            stream_count: 0,
            by_record,
            history: FileHistory::default(),
            listed: HashMap::new(),
            traces: HashMap::new(),
            known: HashMap::new(),
            trace_bytes: 0,
            traces_left_out: 0,
            facts_left_out: 0,
        }
    }

    /// Paths (without volume) of these collected files, and their names alone, which may be the tool under another name.
    pub(super) fn suspects(items: &dyn Items, is_one: &dyn Fn(&Item) -> bool) -> HashSet<String> {
        let mut suspects = HashSet::new();
        items.each(&mut |item| {
            if is_one(item) {
                for path in item.named_as.iter().chain([&item.original_path]) {
                    suspects.insert(PathKey::new(path).rest);
                    suspects.insert(PathKey::new(paths::file_name(path)).rest);
                }
            }
        });
        suspects
    }

    /// The facts of a collected program. Every record is taken once.
    pub(super) fn add_facts(&mut self, event: &Event) {
        let source = Source::of(event);
        if let Some(known) = self.facts.get_mut(&event.item) {
            if !known.sources.contains(&source) {
                known.sources.push(source);
            }
            return;
        }
        if self.facts.len() >= MOST_FACTS {
            self.facts_left_out += 1;
            return;
        }
        let own = event.record.text_of(Role::Sha256).map(str::to_lowercase);
        let sha256 =
            own.or_else(|| self.items.by_id(event.item).map(|one| one.cited_sha256().to_owned())).unwrap_or_default();
        self.by_hash.entry(sha256.clone()).or_insert(event.item);
        let facts = Facts::of(&event.record);
        let is_own = |item: &Item| {
            item.status == ItemStatus::Complete
                && item.recovery.is_none()
                && word::in_framework(&PathKey::new(&item.original_path))
        };
        if self.items.by_id(event.item).as_deref().is_some_and(is_own)
            && let Some(tool) = word::tool_of(&facts)
        {
            self.own_tools.entry(sha256.clone()).or_insert((event.item, tool));
        }
        self.facts.insert(event.item, Program { sha256, facts, sources: vec![source] });
    }

    /// The path and the facts of the host's own copy of a tool with these bytes.
    pub(super) fn framework_copy(&self, sha256: &str) -> Option<(String, &Facts)> {
        let (id, _) = self.own_tools.get(sha256)?;
        let path = self.items.by_id(*id).map(|item| item.original_path.clone()).unwrap_or_default();
        self.facts.get(id).map(|program| (path, &program.facts))
    }

    /// Whether the host has a copy of that tool which a program with these facts could be: of the same generation and for
    /// the same processor.
    pub(super) fn has_framework_copy_like(&self, tool: Tool, facts: &Facts) -> bool {
        let mut own = self.own_tools.values().filter(|(_, one)| *one == tool);
        own.any(|(id, _)| {
            self.facts.get(id).is_some_and(|program| word::build_of(&program.facts) == word::build_of(facts))
        })
    }

    /// The collected program at a path, with its facts.
    pub(super) fn program_at(&self, key: &PathKey) -> Option<(Found, &Facts)> {
        let found = self.find_key(key)?;
        let facts = &self.facts.get(&found.item)?.facts;
        Some((found, facts))
    }

    /// A collected copy of a tool that is called so, with its path: of several the first.
    pub(super) fn copy_named(&self, name: &str) -> Option<(String, Tool)> {
        let paths = self.leads.get(&paths::fold(name))?;
        let copy = |path: &String| Some((path.clone(), word::tool_of(self.program_at(&PathKey::new(path))?.1)?));
        paths.iter().filter_map(copy).min()
    }

    /// The content of a small alternate stream.
    pub(super) fn add_stream(&mut self, event: &Event) {
        if !event.is_first() {
            return;
        }
        if self.stream_count >= MOST_FACTS {
            self.facts_left_out += 1;
            return;
        }
        self.stream_count += 1;
        let collected = self.items.by_id(event.item);
        let path = collected.as_ref().map_or(event.record.subject.as_str(), |one| one.original_path.as_str());
        let (file, name) = paths::split_stream(path);
        let file = PathKey::new(file);
        let name = name.or_else(|| event.record.text_of(Role::Name)).map(str::to_owned);
        let facts = Facts::of(&event.record);
        self.streams.entry(file.rest.clone()).or_default().push(Stream {
            file,
            name,
            facts,
            source: Source::of(event),
        });
    }

    /// A change journal record.
    pub(super) fn add_journal(&mut self, event: &Event) {
        let Some(name) = event.text_of(Role::Name) else { return };
        if !self.has_room() {
            return;
        }
        let reasons: Vec<&str> = event.record.role(Role::Reasons).into_iter().flat_map(Told::texts).collect();
        let deleted = reasons.contains(&"FILE_DELETE");
        let path = event.text_of(Role::Path);
        let what = format!("change journal: {} {}", path.unwrap_or(name), reasons.join(", "));
        self.add_trace(name, path, event.happened(), what, deleted, Source::of(event));
        if let Some(journal) = self.items.by_id(event.item) {
            self.trace_bytes += self.history.add_change(event, &journal);
        }
    }

    /// What one change journal holds.
    pub(super) fn add_reach(&mut self, event: &Event) {
        if let Some(journal) = self.items.by_id(event.item) {
            self.history.add_reach(event, &journal);
        }
    }

    /// Ends the input.
    pub(super) fn settle(&mut self) {
        self.history.settle();
    }

    pub(super) fn history(&self) -> &FileHistory {
        &self.history
    }

    pub(super) fn items(&self) -> &dyn Items {
        self.items
    }

    pub(super) fn by_record(&self) -> &KeyIndex {
        &self.by_record
    }

    /// Whether an event of a file record is more than one row of the timeline.
    pub(super) fn asks_for_file_record(event: &impl Happening) -> bool {
        event.is_first() || event.meanings().any(|meaning| made(meaning).is_some())
    }

    /// Whether the focus names the file of an event, or there is none.
    pub(super) fn is_meant(event: &impl Happening, focus: Option<&Focus>) -> bool {
        let path = || event.text_of(Role::Path).or_else(|| event.text_of(Role::Name));
        focus.is_none_or(|focus| path().is_some_and(|path| focus.wants(path)))
    }

    /// A record of $MFT: the creation, and once whether the file is gone.
    pub(super) fn add_file_record(&mut self, event: &Event) {
        let path = event.text_of(Role::Path);
        let Some(name) = event.text_of(Role::Name).or_else(|| path.map(paths::file_name)) else { return };
        let shown = path.unwrap_or(name);
        if event.is_first() {
            self.add_listed(event, name, path);
            if let Some(table) = self.items.by_id(event.item).filter(|_| self.has_room()) {
                self.trace_bytes += self.history.add_record(event, &table);
            }
        }
        if event.is_first() && is_in_use(event) == Some(false) && self.has_room() {
            let what = format!("$MFT: {shown} is deleted");
            self.add_trace(name, path, None, what, true, Source::of(event));
        }
        let made: Vec<&str> = event.meanings().filter_map(made).collect();
        if !made.is_empty() && self.has_room() {
            let what = format!("$MFT: {shown} created ({})", made.join(", "));
            self.add_trace(name, path, event.happened(), what, false, Source::of(event));
        }
    }

    /// Which streams $MFT lists of a collected program.
    fn add_listed(&mut self, event: &Event, name: &str, path: Option<&str>) {
        let is_there = is_in_use(event) == Some(true);
        let Some(path) = path.filter(|_| is_there && self.leads.contains_key(&paths::fold(name))) else { return };
        // The path in a file record has no volume; that of the file table itself has.
        let table = self.items.by_id(event.item);
        let key = PathKey::new(&table.map_or_else(|| path.to_owned(), |table| on_volume_of(&table, path)));
        let has_mark = event.record.role(Role::Streams).into_iter().flat_map(Told::texts).any(is_mark);
        let listed = self.listed.entry(key.rest.clone()).or_default();
        if listed.len() < MOST_FACTS {
            listed.push((key, has_mark, Source::of(event)));
        }
    }

    /// A file that a process created, changed or deleted.
    pub(super) fn add_activity(
        &mut self,
        path: &str,
        (at, computer): (Option<Filetime>, &str),
        what: String,
        (deleted, sha256): (bool, Option<&str>),
        source: Source,
    ) {
        if self.has_room() {
            if let Some(at) = at {
                let (what, source, sha256) = (what.clone(), source.clone(), sha256.map(str::to_owned));
                self.trace_bytes += self.history.add_act(path, (at, computer), what, (deleted, sha256), source);
            }
            self.add_trace(paths::file_name(path), Some(path), at, what, deleted, source);
        }
    }

    /// Whether a trace more is kept; one that is not is counted.
    fn has_room(&mut self) -> bool {
        let has_room = self.trace_bytes < MOST_TRACE_BYTES;
        self.traces_left_out += u64::from(!has_room);
        has_room
    }

    /// Keeps a trace for which there is room.
    fn add_trace(
        &mut self,
        name: &str,
        path: Option<&str>,
        at: Option<Filetime>,
        what: String,
        deleted: bool,
        source: Source,
    ) {
        /// The trace, and its places in the tables.
        const TABLES: usize = size_of::<Trace>() + 200;
        // Its path is in the key of the trace and in that of the table.
        self.trace_bytes += TABLES + name.len() + what.len() + 2 * path.map_or(0, str::len);
        let key = path.map(PathKey::new);
        if let Some(key) = &key {
            *self.known.entry(key.rest.clone()).or_default().entry(key.volume.clone()).or_default() |= deleted;
        }
        let trace = Trace { at, key, what, source };
        self.traces.entry(paths::fold(name)).or_default().push(trace);
    }

    /// Whether the evidence has the file system that a path is on, which says what was not there.
    pub(super) fn lists(&self, path: &str) -> bool {
        let key = PathKey::new(path);
        let on = |volume: &String| PathKey { volume: volume.clone(), rest: key.rest.clone() }.same_file(&key);
        self.listed_volumes.iter().any(on)
    }

    /// The collected file at a path; of several the one whose volume is spelled alike and that is whole.
    pub(super) fn find(&self, path: &str) -> Option<Found> {
        self.find_key(&PathKey::new(path))
    }

    /// The collected files at a path, and whether the volume is spelled otherwise.
    fn all_at<'f>(&'f self, key: &'f PathKey) -> impl Iterator<Item = (bool, Cow<'f, Item>)> {
        let candidates = self.by_rest.candidates(&key.rest).filter_map(|id| self.items.by_id(ItemId(id)));
        candidates.filter_map(|item| {
            let own = PathKey::new(&item.original_path);
            let named = || item.named_as.iter().any(|path| PathKey::new(path).same_file(key));
            (own.same_file(key) || named()).then_some((own.volume != key.volume, item))
        })
    }

    /// The deleted files of a path that were recovered.
    pub(super) fn deleted_at(&self, key: &PathKey) -> Vec<Cow<'_, Item>> {
        let all = self.by_rest.candidates(&key.rest).filter_map(|id| self.items.by_id(ItemId(id)));
        all.filter(|item| item.recovery.is_some() && PathKey::new(&item.original_path).same_file(key)).collect()
    }

    fn find_key(&self, key: &PathKey) -> Option<Found> {
        let (_, item) = self.all_at(key).min_by_key(|(elsewhere, item)| {
            (*elsewhere, item.status != ItemStatus::Complete, item.recovery.is_some(), item.id)
        })?;
        let times = [item.times.si, item.times.file_name];
        Some(Found {
            item: item.id,
            path: item.original_path.clone(),
            sha256: item.cited_sha256().to_owned(),
            status: item.status,
            recovery: item.recovery,
            method: item.method,
            times: times
                .iter()
                .flatten()
                .flat_map(|macb| [macb.born, macb.modified])
                .flatten()
                .filter(|time| time.is_possible())
                .collect(),
        })
    }

    /// Collected leads with this file name, wherever they lie.
    pub(super) fn named(&self, name: &str) -> Vec<String> {
        let mut found = self.leads.get(&paths::fold(name)).cloned().unwrap_or_default();
        found.sort();
        found.truncate(20);
        found
    }

    /// Whether a trace tells of a file at this path; `Some(true)` when one tells of its deletion.
    pub(super) fn traced(&self, path: &str) -> Option<bool> {
        let key = PathKey::new(paths::split_stream(path).0);
        let known = self.known.get(&key.rest)?.iter();
        let here =
            known.filter(|(volume, _)| PathKey { volume: (*volume).clone(), rest: key.rest.clone() }.same_file(&key));
        here.map(|(_, deleted)| *deleted).max()
    }

    /// What happened to a file and to those beside it with the same name and another extension, within a
    /// window around a run.
    pub(super) fn around(&self, path: &str, from: Filetime, to: Filetime, places: &Places) -> Vec<Related> {
        const DAY: i64 = 24 * 3600 * 10_000_000;
        const MOST_AROUND: usize = 300;
        let path = paths::split_stream(path).0;
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        let siblings = ["tlb", "reg", "config", "pdb"].iter().map(|extension| format!("{stem}.{extension}"));
        let mut found: Vec<Related> = Vec::new();
        for path in std::iter::once(path.to_owned()).chain(siblings).chain([format!("{path}.config")]) {
            let key = PathKey::new(&path);
            let Some(traces) = self.traces.get(&paths::fold(paths::file_name(&path))) else { continue };
            let first = traces.partition_point(|trace| trace.at.is_some_and(|at| from.ticks_since(at) > DAY));
            for trace in &traces[first..] {
                let Some(at) = trace.at.filter(|at| at.ticks_since(to) <= DAY) else { break };
                if found.len() >= MOST_AROUND {
                    break;
                }
                let confidence = match &trace.key {
                    Some(one) if one.same_file(&key) => Confidence::Strong,
                    Some(_) => continue,
                    // The same name somewhere: weak.
                    None => Confidence::Circumstantial,
                };
                found.push(Related {
                    at,
                    what: trace.what.clone(),
                    class: "file",
                    citation: places.cite(&trace.source.clone().by(JoinRule::J10, confidence)),
                });
            }
        }
        found
    }

    /// The facts of the collected file at a path.
    pub(super) fn facts_at(&self, key: &PathKey) -> Option<&Facts> {
        let found = self.find_key(key)?;
        self.facts.get(&found.item).map(|program| &program.facts)
    }

    /// The facts of an object.
    pub(super) fn facts_of(&self, item: ItemId) -> Option<(&Facts, Option<Source>)> {
        self.facts.get(&item).map(|program| (&program.facts, program.sources.first().cloned()))
    }

    /// The path and the facts of any collected file with this hash.
    pub(super) fn facts_by_hash(&self, sha256: &str) -> Option<(String, &Facts)> {
        let id = *self.by_hash.get(sha256)?;
        let path = self.items.by_id(id).map(|item| item.original_path.clone()).unwrap_or_default();
        self.facts.get(&id).map(|program| (path, &program.facts))
    }

    /// The streams of the file at a path.
    fn streams_of(&self, key: &PathKey) -> impl Iterator<Item = &Stream> {
        self.streams.get(&key.rest).into_iter().flatten().filter(move |stream| stream.file.same_file(key))
    }

    /// The mark of the file at a path.
    pub(super) fn mark_of(&self, path: &str) -> Mark {
        let key = PathKey::new(path);
        let zone = self.streams_of(&key).find_map(|stream| {
            stream.name.as_deref().filter(|name| is_mark(name))?;
            let text = stream.facts.text_of(Role::Text)?;
            let zone = text.lines().find_map(|line| paths::strip_prefix_any_case(line.trim(), "ZoneId="))?;
            Some((zone.trim().parse().ok()?, stream.source.clone()))
        });
        if let Some((zone, source)) = zone {
            return Mark::Zone(zone, source);
        }
        let listed: Vec<_> =
            self.listed.get(&key.rest).into_iter().flatten().filter(|(own, ..)| own.same_file(&key)).collect();
        if let Some((.., source)) = listed.iter().find(|(_, has_mark, _)| *has_mark) {
            return Mark::Listed(source.clone());
        }
        let is_read_with_streams = |found: &Found| matches!(found.method, Method::RawNtfs | Method::ShadowCopy);
        match !listed.is_empty() || self.find_key(&key).as_ref().is_some_and(is_read_with_streams) {
            true => Mark::None,
            false => Mark::Unseen,
        }
    }

    /// Hashes of collected assemblies by the class ids of their types, upper case.
    pub(super) fn by_clsid(&self) -> HashMap<String, BTreeSet<String>> {
        let mut found: HashMap<String, BTreeSet<String>> = HashMap::new();
        for program in self.facts.values() {
            for clsid in clsids(&program.facts) {
                found.entry(clsid.to_uppercase()).or_default().insert(program.sha256.clone());
            }
        }
        found
    }

    /// Every collected program, for the report.
    pub(super) fn report(&self, places: &Places, executions: &dyn Fn(&str, &str) -> Vec<String>) -> Vec<AssemblyFile> {
        let mut found: Vec<AssemblyFile> = self
            .facts
            .iter()
            .filter(|(item, program)| {
                // A program that merely ran and is no tool is none of the files that this is about.
                let is_suspect = self.items.by_id(**item).is_some_and(|item| item.is_suspect());
                !is_suspect || word::tool_of(&program.facts).is_some()
            })
            .map(|(item, program)| {
                let path = places.path(*item);
                let key = PathKey::new(&path);
                AssemblyFile {
                    sha256: program.sha256.clone(),
                    state: self.items.by_id(*item).map_or("complete", |one| state_name(&one)).to_owned(),
                    facts: program.facts.clone(),
                    executions: executions(&path, &program.sha256),
                    path,
                    streams: self.streams_of(&key).map(|stream| stream.facts.clone()).collect(),
                    sources: program.sources.iter().map(|source| places.plain(source)).collect(),
                }
            })
            .collect();
        found.sort_by(|a, b| (&a.path, &a.sha256).cmp(&(&b.path, &b.sha256)));
        found
    }
}

fn state_name(one: &Item) -> &'static str {
    match (one.recovery, one.status) {
        (Some(Recovery::Resident), _) => "recovered from the deleted file record",
        (Some(Recovery::ClustersFree), _) => "recovered, every cluster still free",
        (Some(Recovery::ClustersReused), _) => "recovered, some clusters belong to other files now",
        (None, ItemStatus::Complete) => "complete",
        (None, ItemStatus::Partial) => "partial",
        (None, ItemStatus::Failed) => "failed",
    }
}

/// The class ids of an assembly's registrable types.
pub(super) fn clsids(facts: &Facts) -> impl Iterator<Item = &str> {
    let types = facts.role(Role::Cli).and_then(|cli| cli.role(Role::Types));
    types.into_iter().flat_map(Told::items).filter_map(|one| one.text_of(Role::ClassId))
}

/// Name of the assembly that the metadata gives.
pub(super) fn assembly_name(facts: &Facts) -> Option<&str> {
    facts.role(Role::Cli)?.role(Role::Assembly)?.text_of(Role::Name)
}
