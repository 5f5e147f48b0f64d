//! What became of the files: which were collected, what their readers found, and what the file system and
//! Sysmon tell about their creation and deletion.

use super::source::{Places, Source};
use crate::event::Event;
use crate::paths::{self, PathKey};
use evidence::{AssemblyFile, Confidence, Filetime, Item, ItemId, ItemStatus, Meaning, Recovery, Related, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most traces of files kept.
const MOST_TRACES: usize = 200_000;
/// Most collected programs whose facts are kept.
const MOST_FACTS: usize = 10_000;

/// One trace of one file.
#[derive(Clone, Debug)]
struct Trace {
    at: Option<Filetime>,
    /// `None` where only the name is known.
    key: Option<PathKey>,
    what: String,
    deleted: bool,
    source: Source,
}

/// A collected object, as far as correlation needs it.
struct Collected {
    id: ItemId,
    path: String,
    key: PathKey,
    sha256: String,
    status: ItemStatus,
    recovery: Option<Recovery>,
    /// Every time by which the file system says that it was made or changed.
    times: Vec<Filetime>,
    wanted_by_lead: bool,
}

struct Facts {
    sha256: String,
    value: Value,
    sources: Vec<Source>,
}

/// The files of the evidence.
pub(super) struct Files {
    collected: Vec<Collected>,
    by_rest: HashMap<String, Vec<usize>>,
    by_id: HashMap<ItemId, usize>,
    facts: BTreeMap<ItemId, Facts>,
    streams: BTreeMap<ItemId, (String, Value, Source)>,
    traces: HashMap<String, Vec<Trace>>,
    trace_count: usize,
    pub(super) traces_left_out: u64,
    pub(super) facts_left_out: u64,
}

/// A collected file at a path.
pub(super) struct Found<'a> {
    pub(super) item: ItemId,
    pub(super) path: &'a str,
    pub(super) sha256: &'a str,
    pub(super) status: ItemStatus,
    pub(super) recovery: Option<Recovery>,
    times: &'a [Filetime],
}

impl Found<'_> {
    /// Whether everything that the file system says about its making is later than `at`.
    pub(super) fn is_newer_than(&self, at: Filetime) -> bool {
        /// Rounding of container times.
        const SLACK: i64 = 2 * 10_000_000;
        !self.times.is_empty() && self.times.iter().all(|time| time.ticks_since(at) > SLACK)
    }
}

impl Files {
    pub(super) fn new(items: &[Item]) -> Self {
        let mut files = Files {
            collected: Vec::new(),
            by_rest: HashMap::new(),
            by_id: HashMap::new(),
            facts: BTreeMap::new(),
            streams: BTreeMap::new(),
            traces: HashMap::new(),
            trace_count: 0,
            traces_left_out: 0,
            facts_left_out: 0,
        };
        for item in items {
            let times = [item.times.si, item.times.file_name];
            let times = times.iter().flatten().flat_map(|macb| [macb.born, macb.modified]).flatten().collect();
            let key = PathKey::new(&item.original_path);
            files.by_rest.entry(key.rest.clone()).or_default().push(files.collected.len());
            files.by_id.insert(item.id, files.collected.len());
            files.collected.push(Collected {
                id: item.id,
                path: item.original_path.clone(),
                key,
                sha256: item.sha256.clone(),
                status: item.status,
                recovery: item.recovery,
                times,
                wanted_by_lead: item.wanted_by.iter().any(|id| id == "lead" || id == "assembly"),
            });
        }
        files
    }

    /// Paths (without volume) of collected files that may be a renamed tool.
    pub(super) fn suspects(items: &[Item]) -> HashSet<String> {
        items
            .iter()
            .filter(|item| item.wanted_by.iter().any(|id| id == "lead" || id == "assembly"))
            .map(|item| PathKey::new(&item.original_path).rest)
            .collect()
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
        let members = event.record.fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let own = event.record.fields.text("Sha256").map(str::to_lowercase);
        let sha256 = own.or_else(|| self.collected_by_id(event.item).map(|one| one.sha256.clone())).unwrap_or_default();
        self.facts.insert(event.item, Facts { sha256, value: Value::Map(members), sources: vec![source] });
    }

    /// The content of a small alternate stream.
    pub(super) fn add_stream(&mut self, event: &Event) {
        if self.streams.len() >= MOST_FACTS {
            self.facts_left_out += 1;
            return;
        }
        let path =
            self.collected_by_id(event.item).map_or(event.record.subject.as_str(), |one| one.path.as_str()).to_owned();
        let members: Vec<(String, Value)> =
            event.record.fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        self.streams.insert(event.item, (path, Value::Map(members), Source::of(event)));
    }

    /// A change journal record.
    pub(super) fn add_journal(&mut self, event: &Event) {
        let fields = &event.record.fields;
        let Some(name) = fields.text("Name") else { return };
        let reasons: Vec<&str> =
            fields.get("Reasons").map(Value::items).unwrap_or_default().iter().filter_map(Value::as_text).collect();
        let deleted = reasons.contains(&"FILE_DELETE");
        let path = fields.text("Path");
        let what = format!("change journal: {} {}", path.unwrap_or(name), reasons.join(", "));
        self.add_trace(name, path, event.time, what, deleted, Source::of(event));
    }

    /// A record of $MFT: the creation, and once whether the file is gone.
    pub(super) fn add_file_record(&mut self, event: &Event) {
        let fields = &event.record.fields;
        let path = fields.text("Path");
        let Some(name) = fields.text("Name").or_else(|| path.map(paths::file_name)) else { return };
        let shown = path.unwrap_or(name);
        if event.is_first() && fields.get("InUse").and_then(Value::as_bool) == Some(false) {
            let what = format!("$MFT: {shown} is deleted");
            self.add_trace(name, path, None, what, true, Source::of(event));
        }
        let made: Vec<&str> = event
            .meanings()
            .filter(|meaning| [Meaning::SI_CREATED, Meaning::FN_CREATED].contains(meaning))
            .map(|meaning| if meaning == Meaning::SI_CREATED { "$STANDARD_INFORMATION" } else { "$FILE_NAME" })
            .collect();
        if !made.is_empty() {
            let what = format!("$MFT: {shown} created ({})", made.join(", "));
            self.add_trace(name, path, event.time, what, false, Source::of(event));
        }
    }

    /// A file that a process created, changed or deleted.
    pub(super) fn add_activity(
        &mut self,
        path: &str,
        at: Option<Filetime>,
        what: String,
        deleted: bool,
        source: Source,
    ) {
        self.add_trace(paths::file_name(path), Some(path), at, what, deleted, source);
    }

    fn add_trace(
        &mut self,
        name: &str,
        path: Option<&str>,
        at: Option<Filetime>,
        what: String,
        deleted: bool,
        source: Source,
    ) {
        if self.trace_count >= MOST_TRACES {
            self.traces_left_out += 1;
            return;
        }
        self.trace_count += 1;
        let trace = Trace { at, key: path.map(PathKey::new), what, deleted, source };
        self.traces.entry(paths::fold(name)).or_default().push(trace);
    }

    fn collected_by_id(&self, id: ItemId) -> Option<&Collected> {
        self.by_id.get(&id).and_then(|at| self.collected.get(*at))
    }

    /// The collected file at a path; of several the one whose volume is spelled alike and that is whole.
    pub(super) fn find(&self, path: &str) -> Option<Found<'_>> {
        self.find_key(&PathKey::new(path))
    }

    fn find_key(&self, key: &PathKey) -> Option<Found<'_>> {
        let candidates = self.by_rest.get(&key.rest)?.iter().filter_map(|at| self.collected.get(*at));
        candidates
            .filter(|one| one.key.same_file(key))
            .min_by_key(|one| {
                (one.key.volume != key.volume, one.status != ItemStatus::Complete, one.recovery.is_some(), one.id)
            })
            .map(|one| Found {
                item: one.id,
                path: &one.path,
                sha256: &one.sha256,
                status: one.status,
                recovery: one.recovery,
                times: &one.times,
            })
    }

    /// Collected leads with this file name, wherever they lie.
    pub(super) fn named(&self, name: &str) -> Vec<String> {
        let name = paths::fold(name);
        let mut found: Vec<String> = self
            .collected
            .iter()
            .filter(|one| one.wanted_by_lead && paths::fold(paths::file_name(&one.path)) == name)
            .map(|one| one.path.clone())
            .collect();
        found.sort();
        found.truncate(20);
        found
    }

    /// Whether a trace tells of a file at this path; `Some(true)` when one tells of its deletion.
    pub(super) fn traced(&self, path: &str) -> Option<bool> {
        let key = PathKey::new(paths::split_stream(path).0);
        let traces = self.traces.get(&paths::fold(paths::file_name(path)))?;
        let mut here =
            traces.iter().filter(|trace| trace.key.as_ref().is_some_and(|one| one.same_file(&key))).peekable();
        here.peek()?;
        Some(here.any(|trace| trace.deleted))
    }

    /// What happened to a file and to those beside it with the same name and another extension, within a
    /// window around a run.
    pub(super) fn around(&self, path: &str, from: Filetime, to: Filetime, places: &Places) -> Vec<Related> {
        const DAY: i64 = 24 * 3600 * 10_000_000;
        let path = paths::split_stream(path).0;
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        let siblings = ["tlb", "reg", "config", "pdb"].iter().map(|extension| format!("{stem}.{extension}"));
        let mut found: Vec<Related> = Vec::new();
        for path in std::iter::once(path.to_owned()).chain(siblings).chain([format!("{path}.config")]) {
            let key = PathKey::new(&path);
            let Some(traces) = self.traces.get(&paths::fold(paths::file_name(&path))) else { continue };
            for trace in traces {
                let Some(at) = trace.at else { continue };
                if from.ticks_since(at) > DAY || at.ticks_since(to) > DAY {
                    continue;
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
                    citation: places.cite(&trace.source.clone().by("J10", confidence)),
                });
            }
        }
        found
    }

    /// The facts of the collected file at a path.
    pub(super) fn facts_at(&self, key: &PathKey) -> Option<&Value> {
        let found = self.find_key(key)?;
        self.facts.get(&found.item).map(|facts| &facts.value)
    }

    /// The facts of an object.
    pub(super) fn facts_of(&self, item: ItemId) -> Option<(&Value, Option<Source>)> {
        self.facts.get(&item).map(|facts| (&facts.value, facts.sources.first().cloned()))
    }

    /// The facts of any collected file with this hash.
    pub(super) fn facts_by_hash(&self, sha256: &str) -> Option<&Value> {
        self.facts.values().find(|facts| facts.sha256 == sha256).map(|facts| &facts.value)
    }

    /// The zone that a Zone.Identifier stream gives the file at a path.
    pub(super) fn zone_of(&self, path: &str) -> Option<(u32, Source)> {
        let key = PathKey::new(path);
        self.streams.values().find_map(|(stream, value, source)| {
            let (file, name) = paths::split_stream(stream);
            let name = name.or_else(|| value.get("Name").and_then(Value::as_text))?;
            if !name.eq_ignore_ascii_case("Zone.Identifier") || !PathKey::new(file).same_file(&key) {
                return None;
            }
            let text = value.get("Text").and_then(Value::as_text)?;
            let zone = text.lines().find_map(|line| paths::strip_prefix_any_case(line.trim(), "ZoneId="))?;
            Some((zone.trim().parse().ok()?, source.clone()))
        })
    }

    /// Hashes of collected assemblies that have a type with this class id.
    pub(super) fn with_clsid(&self, clsid: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .facts
            .values()
            .filter(|facts| clsids(&facts.value).any(|own| own.eq_ignore_ascii_case(clsid)))
            .map(|facts| facts.sha256.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Every collected program, for the report.
    pub(super) fn report(&self, places: &Places, executions: &dyn Fn(&str, &str) -> Vec<String>) -> Vec<AssemblyFile> {
        let mut found: Vec<AssemblyFile> = self
            .facts
            .iter()
            .map(|(item, facts)| {
                let collected = self.collected_by_id(*item);
                let path = collected.map_or(places.path(*item), |one| one.path.as_str());
                let key = PathKey::new(path);
                let streams = self.streams.values().filter(|(stream, ..)| {
                    let file = paths::split_stream(stream).0;
                    PathKey::new(file).same_file(&key)
                });
                AssemblyFile {
                    path: path.to_owned(),
                    sha256: facts.sha256.clone(),
                    state: collected.map_or("complete", state_name).to_owned(),
                    facts: facts.value.clone(),
                    executions: executions(path, &facts.sha256),
                    streams: streams.map(|(_, value, _)| value.clone()).collect(),
                    sources: facts.sources.iter().map(|source| places.plain(source)).collect(),
                }
            })
            .collect();
        found.sort_by(|a, b| (&a.path, &a.sha256).cmp(&(&b.path, &b.sha256)));
        found
    }
}

fn state_name(one: &Collected) -> &'static str {
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
pub(super) fn clsids(facts: &Value) -> impl Iterator<Item = &str> {
    let types = facts.get("Cli").and_then(|cli| cli.get("Types")).map(Value::items).unwrap_or_default();
    types.iter().filter_map(|one| one.get("Clsid").and_then(Value::as_text))
}

/// Name of the assembly that the metadata gives.
pub(super) fn assembly_name(facts: &Value) -> Option<&str> {
    facts.get("Cli")?.get("Assembly")?.get("Name")?.as_text()
}
