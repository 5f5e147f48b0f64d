//! What is kept in registry hives.
//!
//! A hive is opened once for all artifacts in it: its logs are applied, it is told what it is by its keys, and each
//! artifact gets its part as a [`Hive`]. An artifact is a function of that, [`InHive`], which asks for the keys that it
//! declares and makes records of them.

pub(crate) mod bam;
pub(crate) mod com_registration;
pub(crate) mod event_log_file;
pub(crate) mod host;
#[cfg(test)]
mod tests;

use crate::formats::hive::{HiveFile, Key, Note, Reader, Recovered};
use evidence::name::is_like;
use evidence::{
    Artifact, Container, Fields, Hive as Kind, Input, Integrity, Locator, Meaning, Memory, Moment, Output, Parse,
    Reads, Record, RecordType, Sink, Timestamp,
};
use std::any::Any;

/// Memory that a hive takes.
pub(crate) const MEMORY: Memory = Memory::Twice { most: crate::formats::hive::MEMORY };

/// What an artifact reads of a hive.
pub(crate) struct InHive(pub(crate) fn(&Hive<'_>, &mut Sink<'_>));

/// A registry hive with its transaction logs.
pub(crate) static HIVE: Container = Container { parse };

fn parse(artifacts: &[&'static Artifact], input: &Input<'_>, output: &mut Output<'_>) {
    let mut notes = Vec::new();
    if let Some(opened) = Opened::open(input, &mut notes) {
        for artifact in artifacts.iter().filter(|artifact| opened.is_of(artifact)) {
            let Some(Parse::In(_, part)) = artifact.parse else { continue };
            let part: &dyn Any = part;
            let Some(InHive(read)) = part.downcast_ref() else { continue };
            output.part(artifact, |sink| opened.give(*read, sink));
        }
        notes.extend(opened.file.take_failures());
    }
    output.of_the_container(|sink| notes.into_iter().for_each(|note| note.report(sink)));
}

/// A hive with its logs, and what it is.
struct Opened<'i> {
    file: HiveFile<'i>,
    path: &'i str,
    kind: Option<Kind>,
}

impl<'i> Opened<'i> {
    fn open(input: &Input<'i>, notes: &mut Vec<Note>) -> Option<Opened<'i>> {
        let mut file = HiveFile::load(input.bytes, &input.hive_logs(), notes)?;
        file.apply_logs(notes);
        let kind = {
            let reader = file.reader();
            let kind = told_by_keys(&reader);
            notes.extend(reader.take_notes());
            kind.or_else(|| told_by_keys(&file.reader_before_logs()?))
        };
        Some(Opened { file, path: input.original_path, kind })
    }

    /// Whether an artifact is kept in such hives.
    fn is_of(&self, artifact: &Artifact) -> bool {
        declared(artifact, self.kind).next().is_some()
    }

    /// Lets an artifact read. It has a reader of its own, so that what others met before decides nothing.
    fn give(&self, read: fn(&Hive<'_>, &mut Sink<'_>), sink: &mut Sink<'_>) {
        let hive = Hive { file: &self.file, path: self.path, kind: self.kind, reader: self.file.reader() };
        read(&hive, sink);
        hive.reader.take_notes().into_iter().for_each(|note| note.report(sink));
    }
}

/// What a hive is, by the keys below its root: neither its name nor its place decides it.
fn told_by_keys(reader: &Reader<'_>) -> Option<Kind> {
    let has = |path: &str| reader.key(path).is_some();
    let has_set = || {
        let mut sets = reader.root().into_iter().flat_map(|root| root.subkeys());
        sets.any(|key| starts_with(&key.name().to_string(), "ControlSet"))
    };
    let is_system = has("Select");
    if is_system && (has("MountedDevices") || has("Setup")) {
        Some(Kind::System)
    } else if has(r"Microsoft\Windows NT\CurrentVersion") || has("Classes") && !is_system {
        Some(Kind::Software)
    } else if has(r"SAM\Domains") {
        Some(Kind::Sam)
    } else if has(r"Policy\PolAdtEv") || has(r"Policy\Secrets") {
        Some(Kind::Security)
    } else if has("Software") && !is_system {
        Some(Kind::NtUser)
    } else if ["CLSID", "Wow6432Node", "VirtualStore", "Local Settings"].into_iter().any(has) {
        Some(Kind::UsrClass)
    } else if is_system || has_set() {
        // What is left of a damaged one.
        Some(Kind::System)
    } else if has(r"Microsoft\Windows") || has(r"Policies\Microsoft") {
        Some(Kind::Software)
    } else {
        None
    }
}

/// The keys that an artifact declares in hives of this kind.
fn declared(artifact: &Artifact, kind: Option<Kind>) -> impl Iterator<Item = &'static str> {
    artifact.reads.iter().filter_map(move |reads| match reads {
        Reads::Key { hive, key } if Some(*hive) == kind => Some(*key),
        _ => None,
    })
}

fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
}

/// An artifact's part of an opened hive.
pub(crate) struct Hive<'h> {
    file: &'h HiveFile<'h>,
    /// Where the file lay on the host.
    pub(crate) path: &'h str,
    /// What it is, where its keys tell.
    pub(crate) kind: Option<Kind>,
    /// The present state, after the transaction logs. Damage that it meets is reported without any doing.
    pub(crate) reader: Reader<'h>,
}

impl<'h> Hive<'h> {
    /// Visits the keys that an artifact declares and that are there, in the declared order.
    pub(crate) fn for_each_key(&self, artifact: &'static Artifact, visit: &mut dyn FnMut(&Found<'_>)) {
        for_each_key(&self.reader, self.kind, artifact, visit);
    }

    /// The key at this path.
    pub(crate) fn key(&self, path: &str) -> Option<Found<'_>> {
        Found::at(&self.reader, path)
    }

    /// The security identifier of the user whose hive it is, where the name of its root tells.
    pub(crate) fn user(&self) -> Option<String> {
        let root = self.reader.root()?.name().to_string();
        let sid = root.strip_suffix("_Classes").or_else(|| root.strip_suffix("_CLASSES")).unwrap_or(&root);
        sid.starts_with("S-1-").then(|| sid.to_owned())
    }

    /// Another reader of the present state, for what must not count as damage of what is being read.
    pub(crate) fn another_reader(&self) -> Reader<'h> {
        self.file.reader()
    }

    /// A reader of the hive as stored, where logs were applied to it.
    pub(crate) fn reader_before_logs(&self) -> Option<Reader<'h>> {
        self.file.reader_before_logs()
    }

    /// Deleted keys and values of the present state.
    pub(crate) fn recovered(&self) -> Recovered<'h> {
        self.file.recovered()
    }
}

/// The keys of one state of a hive that an artifact declares and that are there, in the declared order.
pub(crate) fn for_each_key<'r>(
    reader: &'r Reader<'r>,
    kind: Option<Kind>,
    artifact: &'static Artifact,
    visit: &mut dyn FnMut(&Found<'r>),
) {
    let Some(root) = reader.root() else { return };
    let root = Found { key: root, path: String::new() };
    for pattern in declared(artifact, kind) {
        match pattern.strip_prefix("CurrentControlSet") {
            Some(below) => match current_control_set(reader) {
                Some(set) => set.each_below(below, visit),
                // Which set was in use is lost; the records say of which one they are.
                None => root.each_below(&format!("ControlSet*{below}"), visit),
            },
            None => root.each_below(pattern, visit),
        }
    }
}

/// The control set that was in use.
pub(crate) fn current_control_set<'r>(reader: &'r Reader<'r>) -> Option<Found<'r>> {
    let number = Found::at(reader, "Select")?.number("Current")?;
    Found::at(reader, &format!("ControlSet{number:03}"))
}

/// A key with its path in the hive.
pub(crate) struct Found<'r> {
    pub(crate) key: Key<'r>,
    pub(crate) path: String,
}

impl<'r> Found<'r> {
    pub(crate) fn at(reader: &'r Reader<'r>, path: &str) -> Option<Found<'r>> {
        Some(Found { key: reader.key(path)?, path: path.to_owned() })
    }

    pub(crate) fn below(&self, path: &str) -> Option<Found<'r>> {
        let key = self.key.descend(path)?;
        Some(Found { key, path: if path.is_empty() { self.path.clone() } else { self.joined(path) } })
    }

    pub(crate) fn subkeys(&self) -> impl Iterator<Item = Found<'r>> + '_ {
        self.key.subkeys().map(|key| Found { path: self.joined(&key.name().to_string()), key })
    }

    fn joined(&self, path: &str) -> String {
        if self.path.is_empty() { path.to_owned() } else { format!("{}\\{path}", self.path) }
    }

    /// Visits the keys below that a declared path stands for.
    fn each_below(&self, pattern: &str, visit: &mut dyn FnMut(&Found<'r>)) {
        let pattern = pattern.trim_start_matches('\\');
        let Some(star) = pattern.find('*') else {
            self.below(pattern).iter().for_each(visit);
            return;
        };
        let (to_name, from_star) = pattern.split_at(star);
        let above = to_name.rfind('\\').map_or("", |end| &to_name[..end]);
        let name = &pattern[above.len()..star + from_star.find('\\').unwrap_or(from_star.len())];
        let below = &pattern[above.len() + name.len()..];
        let name = name.trim_start_matches('\\');
        let Some(above) = self.below(above) else { return };
        for found in above.subkeys().filter(|found| is_like(name, &found.name())) {
            found.each_below(below, visit);
        }
    }

    pub(crate) fn name(&self) -> String {
        self.key.name().to_string()
    }

    /// A value with some text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.key.value(name)?.text().filter(|text| !text.is_empty())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.key.value(name)?.number()
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.key.value(name)?.bytes().into_owned())
    }

    /// Where the key is, or one of its values.
    pub(crate) fn locator(&self, value: Option<&str>) -> Locator {
        let found = value.and_then(|name| self.key.value(name));
        let offset = found.map_or(self.key.offset(), |value| value.offset);
        Locator::RegistryKey { key: self.path.clone(), value: value.map(str::to_owned), offset }
    }

    /// A record of this key, with the time of its last change.
    pub(crate) fn record(
        &self,
        artifact: &Artifact,
        of: &'static RecordType,
        subject: impl Into<String>,
        fields: Fields,
    ) -> Record {
        let moment = Timestamp::filetime(self.key.last_written()).map(|at| Moment::at(Meaning::KEY_WRITTEN, at));
        Record {
            artifact: artifact.id,
            of,
            subject: subject.into(),
            user: None,
            moments: moment.into_iter().collect(),
            fields,
            claims: of.claims,
            locator: self.locator(None),
            integrity: Integrity::Intact,
        }
    }
}
