//! The processes of the evidence, one entry for each, whatever records tell of it.
//!
//! Process ids are reused quickly and mean something only until the machine restarts, so an entry is found
//! by its id only while it is the newest one with that id on that computer in that boot.

use super::clock::Stamp;
use super::log_event::{Activity, ActivityKind, Actor, Logon, Recorder, Start, start_in_guid};
use super::own::{Maker, OwnActs};
use super::source::{Cited, Source};
use crate::command::{self, Started};
use crate::paths::{self, PathKey};
use evidence::{Confidence, Filetime, JoinRule, Tool};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Most bytes that entries take which are kept at once, some 25,000 of ordinary length. Processes of interest are kept beyond
/// it.
const MOST_BYTES: usize = 32 << 20;
/// Most entries of which the order of arrival is known, those that were forgotten in passing included.
const MOST_QUEUED: usize = 200_000;
/// Most processes of interest.
const MOST_PINNED: usize = 20_000;
/// Most activities kept of one process.
const MOST_ACTIVITIES: usize = 200;
/// Sysmon's record and the audit's of one start are at most this far apart.
const SAME_START: i64 = 2 * SECOND;
const SECOND: i64 = 10_000_000;

/// Number of an entry.
pub(super) type ProcessId = u64;

/// Why an entry is kept to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is not.
    Ordinary,
    /// Its name or its version resource is that of the tool.
    Tool,
    /// A collected program lies at its path, which may turn out to be the tool under another name.
    Suspect,
    /// Its command line would start the tool.
    Attempt(Started),
}

/// Something that a process did.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) at: Filetime,
    pub(super) what: String,
    pub(super) class: &'static str,
    pub(super) cited: Cited,
}

/// An image that a process loaded.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) image: PathKey,
    pub(super) sha256: Option<String>,
    pub(super) cited: Cited,
}

/// What is known about one process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) computer: String,
    pub(super) pid: Option<u64>,
    pub(super) start: Start,
    pub(super) key: PathKey,
    pub(super) started: Option<Stamp>,
    pub(super) ended: Option<Stamp>,
    pub(super) exit: Option<u64>,
    pub(super) parent: Option<ProcessId>,
    pub(super) parent_cited: Option<Cited>,
    /// Directory of the parent, for relative names when the process itself has no record of its own.
    pub(super) parent_directory: Option<String>,
    pub(super) has_sysmon: bool,
    pub(super) has_audit: bool,
    /// Whether it ran when a live host was looked at.
    pub(super) has_live: bool,
    /// Time of the audit's record, to know it again in a copy of the log.
    audit_at: Option<Filetime>,
    pub(super) role: Role,
    pub(super) sources: Vec<Cited>,
    pub(super) notes: Vec<Note>,
    pub(super) notes_left_out: u64,
    /// Images that it loaded.
    pub(super) loaded: Vec<Loaded>,
    /// The first child that neither the tool nor Windows starts of itself.
    pub(super) child: Option<Box<Note>>,
    /// The first connection that neither of them opens of itself.
    pub(super) connection: Option<Box<Note>>,
    /// The first child or connection of which that is not known, and why.
    pub(super) unclear: Option<Box<(Note, &'static str)>>,
    /// The first sign that another process wrote into it.
    pub(super) injected: Option<Box<Note>>,
    /// Bytes that it took when it was kept.
    bytes: usize,
}

impl Process {
    /// Bytes that it takes, and its place in the tables.
    fn weigh(&self) -> usize {
        const TABLES: usize = 200;
        let start = &self.start;
        let texts = [
            &start.guid,
            &start.command_line,
            &start.current_directory,
            &start.parent_guid,
            &start.parent_image,
            &start.parent_command_line,
            &start.sid,
            &start.user,
            &start.logon_id,
            &start.elevation,
            &start.original_file_name,
            &start.description,
            &start.company,
            &start.sha256,
            &self.parent_directory,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let names = self.computer.len() + start.image.len() + self.key.rest.len() + self.key.volume.len();
        size_of::<Process>() + TABLES + texts + names + self.sources.len() * size_of::<Cited>()
    }

    /// Start for joins: recorded, or the whole second in the GUID.
    pub(super) fn start_for_joins(&self) -> Option<Filetime> {
        self.started_as_recorded().or_else(|| start_in_guid(self.start.guid.as_deref()?))
    }

    /// Its start, as the clock showed it.
    pub(super) fn started_as_recorded(&self) -> Option<Filetime> {
        self.started.map(|at| at.recorded)
    }

    /// Its end, as the clock showed it.
    pub(super) fn ended_as_recorded(&self) -> Option<Filetime> {
        self.ended.map(|at| at.recorded)
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MOST_ACTIVITIES {
            self.notes.push(note);
        } else {
            self.notes_left_out += 1;
        }
    }

    /// Whether nothing tells of it but records that were recovered.
    pub(super) fn is_recovered(&self) -> bool {
        self.sources.iter().all(|cited| cited.source.recovered)
    }

    fn is_of_interest(&self) -> bool {
        matches!(self.role, Role::Tool | Role::Suspect)
    }
}

/// All processes.
pub(super) struct Processes {
    entries: BTreeMap<ProcessId, Box<Process>>,
    next: ProcessId,
    by_guid: HashMap<String, ProcessId>,
    /// By computer and process id.
    by_pid: HashMap<String, HashMap<u64, ProcessId, RandomState>, RandomState>,
    sessions: HashMap<(String, String), (Logon, Cited, Filetime)>,
    /// Ordinary entries in the order of their arrival, to forget the oldest first.
    ordinary: VecDeque<ProcessId>,
    /// Bytes that they take.
    ordinary_bytes: usize,
    pinned: usize,
    /// Paths (without volume) at which programs were collected.
    pub(super) suspects: HashSet<String>,
    /// What the tools do of themselves.
    own: Arc<OwnActs>,
    /// Entries that were forgotten because there were too many.
    pub(super) forgotten: u64,
    /// Processes of interest that could not be kept.
    pub(super) not_kept: u64,
}

impl Processes {
    pub(super) fn new(suspects: HashSet<String>, own: Arc<OwnActs>) -> Self {
        Processes {
            entries: BTreeMap::new(),
            next: 0,
            by_guid: HashMap::new(),
            by_pid: HashMap::default(),
            sessions: HashMap::new(),
            ordinary: VecDeque::new(),
            ordinary_bytes: 0,
            pinned: 0,
            suspects,
            own,
            forgotten: 0,
            not_kept: 0,
        }
    }

    pub(super) fn own(&self) -> Arc<OwnActs> {
        Arc::clone(&self.own)
    }

    pub(super) fn get(&self, id: ProcessId) -> Option<&Process> {
        self.entries.get(&id).map(Box::as_ref)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        self.entries.iter().map(|(id, process)| (*id, process.as_ref()))
    }

    /// Nothing is joined by process or logon id across a start of the machine.
    pub(super) fn boot(&mut self, is_of_it: &dyn Fn(&str) -> bool) {
        self.by_pid.retain(|name, _| !is_of_it(name));
        self.sessions.retain(|(name, _), _| !is_of_it(name));
    }

    /// A logon.
    pub(super) fn logon(&mut self, computer: &str, logon: Logon, at: Filetime, source: Source) {
        const MOST_SESSIONS: usize = 50_000;
        if self.sessions.len() < MOST_SESSIONS {
            let cited = source.by(JoinRule::J5, Confidence::Direct);
            self.sessions.insert((computer.to_owned(), logon.logon_id.clone()), (logon, cited, at));
        }
    }

    /// A logon that the system still knew. A record of the log says more, so that one is kept.
    pub(super) fn live_logon(&mut self, computer: &str, logon: Logon, at: Filetime, source: Source) {
        if !self.sessions.contains_key(&(computer.to_owned(), logon.logon_id.clone())) {
            self.logon(computer, logon, at, source);
        }
    }

    /// A process start; `key` is that of its image.
    pub(super) fn start(
        &mut self,
        computer: String,
        mut start: Start,
        key: PathKey,
        at: Option<Stamp>,
        sources: Vec<Source>,
    ) {
        if let Some(id) = self.same_start(&computer, &start, &key, at) {
            self.merge(id, start, at, sources);
            return;
        }
        let parent = self.parent_of(&computer, &start, at);
        let parent_entry = parent.as_ref().and_then(|(id, ..)| self.entries.get(id));
        let parent_directory = parent_entry.and_then(|parent| parent.start.current_directory.clone());
        if let Some(parent) = parent_entry {
            if start.parent_image.is_none() {
                start.parent_image = Some(parent.start.image.clone());
            }
            if start.parent_command_line.is_none() {
                start.parent_command_line.clone_from(&parent.start.command_line);
            }
        }
        let parent_cited = parent.as_ref().and_then(|(id, rule, confidence)| {
            let source = self.entries.get(id)?.sources.first()?.source.clone();
            Some(source.by(*rule, *confidence))
        });
        let by = start.by;
        let mut process = Process {
            computer,
            pid: start.pid,
            key,
            started: at,
            ended: None,
            exit: None,
            parent: parent.map(|(id, ..)| id),
            parent_cited,
            parent_directory,
            has_sysmon: by == Recorder::Sysmon,
            has_audit: by == Recorder::Audit,
            has_live: by == Recorder::Live,
            audit_at: at.map(|at| at.recorded).filter(|_| by == Recorder::Audit),
            role: Role::Ordinary,
            sources: cited(sources, JoinRule::Anchor, JoinRule::J1),
            notes: Vec::new(),
            notes_left_out: 0,
            loaded: Vec::new(),
            child: None,
            connection: None,
            unclear: None,
            injected: None,
            bytes: 0,
            start,
        };
        process.role = self.role_of(&process);
        self.note_child(&process, at);
        self.note_logon(&mut process, at);
        self.insert(process);
    }

    /// The newest entry with this process id since the computer started.
    fn with_pid(&self, computer: &str, pid: u64) -> Option<ProcessId> {
        self.by_pid.get(computer)?.get(&pid).copied()
    }

    /// The entry that the same start already made.
    fn same_start(&self, computer: &str, start: &Start, key: &PathKey, at: Option<Stamp>) -> Option<ProcessId> {
        if let Some(id) = start.guid.as_ref().and_then(|guid| self.by_guid.get(guid)) {
            return Some(*id);
        }
        let id = self.with_pid(computer, start.pid?)?;
        let entry = self.entries.get(&id)?;
        if !entry.key.same_file(key) {
            return None;
        }
        let apart = at?.ticks_since(entry.started?).abs();
        let other_kind = match start.by {
            Recorder::Sysmon => !entry.has_sysmon,
            Recorder::Audit => !entry.has_audit,
            Recorder::Live => !entry.has_live,
        };
        // The same record may also stand in another copy of the log.
        let same_record = start.by == Recorder::Audit && entry.has_audit && entry.audit_at == at.map(|at| at.recorded);
        ((other_kind && apart <= SAME_START) || same_record).then_some(id)
    }

    fn merge(&mut self, id: ProcessId, start: Start, at: Option<Stamp>, sources: Vec<Source>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let is_trace = !entry.has_sysmon && !entry.has_audit && !entry.has_live;
        let by = start.by;
        let from_sysmon = by == Recorder::Sysmon;
        if from_sysmon && !entry.has_sysmon {
            // Sysmon's GUID is the strongest identity, so its record becomes the anchor.
            for old in &mut entry.sources {
                if old.rule == JoinRule::Anchor {
                    old.rule = if is_trace { JoinRule::J1 } else { JoinRule::J2 };
                }
            }
            let old = std::mem::replace(&mut entry.start, start);
            fill(&mut entry.start, old);
            entry.started = at;
            entry.sources.splice(0..0, cited(sources, JoinRule::Anchor, JoinRule::J1));
            if let Some(guid) = entry.start.guid.clone() {
                self.by_guid.insert(guid, id);
            }
        } else {
            let rule = if from_sysmon { JoinRule::J1 } else { JoinRule::J2 };
            for source in sources {
                if !entry.sources.iter().any(|old| old.source == source) {
                    entry.sources.push(source.by(rule, Confidence::Direct));
                }
            }
            if entry.started.is_none() {
                entry.started = at;
            }
            fill(&mut entry.start, start);
        }
        entry.has_sysmon |= from_sysmon;
        entry.has_live |= by == Recorder::Live;
        if by == Recorder::Audit {
            entry.has_audit = true;
            entry.audit_at = entry.audit_at.or(at.map(|at| at.recorded));
        }
        let Some(entry) = self.entries.get(&id).filter(|entry| entry.role == Role::Ordinary) else { return };
        let (role, bytes) = (self.role_of(entry), entry.weigh());
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.ordinary_bytes = self.ordinary_bytes.saturating_sub(entry.bytes);
        (entry.role, entry.bytes) = (role, bytes);
        match entry.role {
            Role::Ordinary => self.ordinary_bytes += bytes,
            _ => self.pinned += 1,
        }
    }

    /// What makes a process worth keeping.
    fn role_of(&self, process: &Process) -> Role {
        let start = &process.start;
        let named = command::tool_named(&start.image).is_some()
            || start.original_file_name.as_deref().and_then(command::tool_named).is_some()
            || start.description.as_deref().is_some_and(|text| Tool::described(text).is_some());

        if named {
            Role::Tool
        } else if self.suspects.contains(&process.key.rest) {
            Role::Suspect
        } else {
            let line = start.command_line.as_deref().filter(|line| may_start_tool(line));
            match line
                .map(|line| command::started_tools(Some(&start.image), line))
                .and_then(|mut starts| if starts.is_empty() { None } else { Some(starts.remove(0)) })
            {
                Some(start) => Role::Attempt(start),
                None => Role::Ordinary,
            }
        }
    }

    fn insert(&mut self, mut process: Process) -> ProcessId {
        if process.role != Role::Ordinary {
            if self.pinned >= MOST_PINNED {
                self.not_kept += 1;
                process.role = Role::Ordinary;
            } else {
                self.pinned += 1;
            }
        }
        let id = self.next;
        self.next += 1;
        if let Some(guid) = process.start.guid.clone() {
            self.by_guid.insert(guid, id);
        }
        if let Some(pid) = process.pid {
            let of_computer = match self.by_pid.get_mut(&process.computer) {
                Some(known) => known,
                None => self.by_pid.entry(process.computer.clone()).or_default(),
            };
            if let Some(replaced) = of_computer.insert(pid, id) {
                self.forget(replaced);
            }
        }
        process.bytes = process.weigh();
        let (ordinary, bytes) = (process.role == Role::Ordinary, process.bytes);
        self.entries.insert(id, Box::new(process));
        if ordinary {
            self.ordinary.push_back(id);
            self.ordinary_bytes += bytes;
            // Ids of entries that were forgotten in passing are in the queue until they come up.
            while self.ordinary_bytes > MOST_BYTES || self.ordinary.len() > MOST_QUEUED {
                let Some(oldest) = self.ordinary.pop_front() else { break };
                if self.forget(oldest) {
                    self.forgotten += 1;
                }
            }
        }
        id
    }

    /// Forgets an entry that nothing needs any more.
    fn forget(&mut self, id: ProcessId) -> bool {
        if self.entries.get(&id).is_none_or(|entry| entry.role != Role::Ordinary) {
            return false;
        }
        let Some(entry) = self.entries.remove(&id) else { return false };
        self.ordinary_bytes = self.ordinary_bytes.saturating_sub(entry.bytes);
        if let Some(guid) = &entry.start.guid
            && self.by_guid.get(guid) == Some(&id)
        {
            self.by_guid.remove(guid);
        }
        if let Some(pid) = entry.pid
            && let Some(of_computer) = self.by_pid.get_mut(&entry.computer)
            && of_computer.get(&pid) == Some(&id)
        {
            of_computer.remove(&pid);
            if of_computer.is_empty() {
                self.by_pid.remove(&entry.computer);
            }
        }
        true
    }

    /// The entry of the parent, the rule and how sure it is.
    fn parent_of(&self, computer: &str, start: &Start, at: Option<Stamp>) -> Option<(ProcessId, JoinRule, Confidence)> {
        if let Some(id) = start.parent_guid.as_ref().and_then(|guid| self.by_guid.get(guid)) {
            return Some((*id, JoinRule::J1, Confidence::Direct));
        }
        let id = self.with_pid(computer, start.parent_pid?)?;
        let parent = self.entries.get(&id)?;
        // Where the clock was changed and it is not certain which of the two was before that, a restart may lie between them.
        if [at, parent.started].iter().flatten().any(|at| !at.is_placed) {
            return None;
        }
        let covers = parent.ended.is_none_or(|ended| at.is_none_or(|at| ended.ordered >= at.ordered));
        let same_name = start
            .parent_image
            .as_deref()
            .is_none_or(|image| paths::file_name(image).eq_ignore_ascii_case(paths::file_name(&parent.start.image)));
        (covers && same_name).then_some((id, JoinRule::J4, Confidence::Direct))
    }

    fn note_child(&mut self, child: &Process, at: Option<Stamp>) {
        let (Some(parent), Some(at)) = (child.parent, at) else { return };
        let Some(cited) = child.sources.first().cloned() else { return };
        let rule = child.parent_cited.as_ref().map_or(JoinRule::J4, |cited| cited.rule);
        let Some(entry) = self.entries.get_mut(&parent) else { return };
        if !entry.is_of_interest() {
            return;
        }
        let line = child.start.command_line.as_deref().map(|line| format!(": {line}")).unwrap_or_default();
        let note = Note {
            at: at.recorded,
            what: format!("started {}{line}", child.start.image),
            class: "process",
            cited: cited.source.by(rule, Confidence::Direct),
        };
        match self.own.of_child(&child.start.image, &entry.key) {
            Maker::Other if entry.child.is_none() => entry.child = Some(Box::new(note.clone())),
            Maker::NotKnown(why) if entry.unclear.is_none() => entry.unclear = Some(Box::new((note.clone(), why))),
            _ => {}
        }
        entry.note(note);
    }

    fn note_logon(&self, process: &mut Process, at: Option<Stamp>) {
        if process.role == Role::Ordinary || at.is_none() {
            return;
        }
        let Some(logon_id) = process.start.logon_id.clone() else { return };
        let Some((logon, cited, since)) = self.sessions.get(&(process.computer.clone(), logon_id)) else { return };
        let from = logon.address.as_deref().map(|address| format!(" from {address}")).unwrap_or_default();
        let who = logon.user.as_deref().map(|user| format!("{user} ")).unwrap_or_default();
        let kind = super::log_event::logon_kind(logon.kind);
        process.note(Note {
            at: *since,
            what: format!("its session: {who}logged on {kind} (type {}){from}", logon.kind),
            class: "logon",
            cited: cited.clone(),
        });
    }

    /// The entry of a process that a record names, and the rule by which it was found. A record of the tool
    /// whose start was not recorded makes an entry of its own.
    pub(super) fn find(
        &mut self,
        computer: &str,
        actor: &Actor,
        at: Option<Stamp>,
        source: &Source,
    ) -> Option<(ProcessId, bool)> {
        if let Some(id) = actor.guid.as_ref().and_then(|guid| self.by_guid.get(guid)) {
            return Some((*id, true));
        }
        let key = actor.image.as_deref().map(PathKey::new);
        if let Some(id) = actor.pid.and_then(|pid| self.with_pid(computer, pid))
            && let Some(entry) = self.entries.get(&id)
        {
            let same_image = key.as_ref().is_none_or(|key| key.same_file(&entry.key));
            let alive = entry.ended.is_none_or(|ended| at.is_none_or(|at| at.ticks_since(ended) <= SAME_START));
            let other_guid = actor.guid.is_some() && entry.start.guid.is_some();
            if same_image && alive && !other_guid {
                return Some((id, false));
            }
        }
        // A trace of the tool without a start record is a run all the same.
        let is_one =
            |image: &str| command::tool_named(image).is_some() || self.suspects.contains(&PathKey::new(image).rest);
        let image = actor.image.clone().filter(|image| is_one(image))?;
        if actor.pid.is_none() && actor.guid.is_none() {
            return None;
        }
        let process = Process {
            computer: computer.to_owned(),
            pid: actor.pid,
            key: PathKey::new(&image),
            start: Start { pid: actor.pid, guid: actor.guid.clone(), image, ..Start::default() },
            started: None,
            ended: None,
            exit: None,
            parent: None,
            parent_cited: None,
            parent_directory: None,
            has_sysmon: false,
            has_audit: false,
            has_live: false,
            audit_at: None,
            role: Role::Tool,
            sources: vec![source.clone().by(JoinRule::Anchor, Confidence::Direct)],
            notes: Vec::new(),
            notes_left_out: 0,
            loaded: Vec::new(),
            child: None,
            connection: None,
            unclear: None,
            injected: None,
            bytes: 0,
        };
        Some((self.insert(process), actor.guid.is_some()))
    }

    /// A process end.
    pub(super) fn end(
        &mut self,
        computer: &str,
        actor: &Actor,
        exit: Option<u64>,
        at: Option<Stamp>,
        sources: Vec<Source>,
    ) {
        let Some(source) = sources.first() else { return };
        let Some((id, by_guid)) = self.find(computer, actor, at, source) else { return };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.ended.is_none() {
            entry.ended = at;
        }
        if entry.exit.is_none() {
            entry.exit = exit;
        }
        if entry.role != Role::Ordinary {
            let rule = if by_guid { JoinRule::J1 } else { JoinRule::J3 };
            for source in sources {
                if !entry.sources.iter().any(|old| old.source == source) {
                    entry.sources.push(source.by(rule, Confidence::Direct));
                }
            }
        }
    }

    /// Something that a process did. Returns the entry for processes of interest.
    pub(super) fn act(
        &mut self,
        computer: &str,
        activity: &Activity,
        at: Option<Stamp>,
        source: &Source,
    ) -> Option<ProcessId> {
        let (id, by_guid) = self.find(computer, &activity.actor, at, source)?;
        let entry = self.entries.get_mut(&id)?;
        if !entry.is_of_interest() {
            return None;
        }
        let rule = match activity.rule {
            JoinRule::J1 if !by_guid => JoinRule::J2,
            rule => rule,
        };
        let cited = source.clone().by(rule, Confidence::Direct);
        if let ActivityKind::Loaded(image) = &activity.kind
            && entry.loaded.len() < MOST_ACTIVITIES
        {
            let (image, sha256) = (PathKey::new(image), activity.sha256.clone());
            entry.loaded.push(Loaded { image, sha256, cited: cited.clone() });
        }
        let at = at?.recorded;
        let note = Note { at, what: activity.what.clone(), class: activity.class, cited };
        match &activity.kind {
            ActivityKind::Connected { name, port } => match self.own.of_connection(name.as_deref(), *port) {
                Maker::Other if entry.connection.is_none() => entry.connection = Some(Box::new(note.clone())),
                Maker::NotKnown(why) if entry.unclear.is_none() => entry.unclear = Some(Box::new((note.clone(), why))),
                _ => {}
            },
            ActivityKind::Injected if entry.injected.is_none() => entry.injected = Some(Box::new(note.clone())),
            _ => {}
        }
        entry.note(note);
        Some(id)
    }

    /// The task scheduler started a process.
    pub(super) fn task(&mut self, computer: &str, actor: &Actor, task: &str, at: Option<Stamp>, source: &Source) {
        let Some((id, _)) = self.find(computer, actor, at, source) else { return };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let apart = at.zip(entry.started).map_or(0, |(at, started)| at.ticks_since(started).abs());
        if !entry.is_of_interest() || apart > 3 * SECOND {
            return;
        }
        if let Some(at) = at {
            entry.note(Note {
                at: at.recorded,
                what: format!("started by the scheduled task {task}"),
                class: "process",
                cited: source.clone().by(JoinRule::J16, Confidence::Direct),
            });
        }
    }
}

/// The first source by one rule, copies of the record by another.
fn cited(sources: Vec<Source>, first: JoinRule, copies: JoinRule) -> Vec<Cited> {
    sources
        .into_iter()
        .enumerate()
        .map(|(at, source)| source.by(if at == 0 { first } else { copies }, Confidence::Direct))
        .collect()
}

/// Takes over what one record has and the other lacks.
fn fill(into: &mut Start, from: Start) {
    fn take<T>(slot: &mut Option<T>, value: Option<T>) {
        if slot.is_none() {
            *slot = value;
        }
    }
    take(&mut into.pid, from.pid);
    take(&mut into.guid, from.guid);
    take(&mut into.command_line, from.command_line);
    take(&mut into.current_directory, from.current_directory);
    take(&mut into.parent_pid, from.parent_pid);
    take(&mut into.parent_guid, from.parent_guid);
    take(&mut into.parent_image, from.parent_image);
    take(&mut into.parent_command_line, from.parent_command_line);
    take(&mut into.sid, from.sid);
    take(&mut into.user, from.user);
    take(&mut into.logon_id, from.logon_id);
    take(&mut into.integrity, from.integrity);
    take(&mut into.elevation, from.elevation);
    take(&mut into.original_file_name, from.original_file_name);
    take(&mut into.description, from.description);
    take(&mut into.company, from.company);
    take(&mut into.sha256, from.sha256);
}

/// A cheap look before the wrappers are taken apart: the tool's name must stand in the text once the
/// characters that shells drop are left out, or the text may be encoded.
fn may_start_tool(line: &str) -> bool {
    let [regasm, regsvcs] = Tool::ALL.map(Tool::name);
    let names = [regasm, regsvcs, "powershell", "pwsh"];
    let line = line.as_bytes();
    let is_at = |at: usize, name: &str| {
        let kept = line[at..].iter().filter(|byte| !matches!(byte, b'^' | b'`' | b'"' | b'\''));
        kept.map(u8::to_ascii_lowercase).take(name.len()).eq(name.bytes())
    };
    (0..line.len()).any(|at| {
        let first = line[at].to_ascii_lowercase();
        names.iter().any(|name| name.as_bytes()[0] == first && is_at(at, name))
    })
}
