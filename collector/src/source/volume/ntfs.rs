//! The files of an NTFS volume, read from its own structures.
//!
//! Lookups go through the crate `ntfs`; everything that it does not read is our own: an $MFT that is spread over
//! extension records, torn and deleted records, compressed content (LZNT1 and the Windows Overlay Filter), holes, and
//! damaged folders. Whatever cannot be read becomes a problem, and the rest is given.

mod aligned;
mod compressed;
mod deleted;
mod file;
mod folder;
mod library;
mod lost;
mod lzx;
mod parents;
mod placed;
#[cfg(test)]
mod testing;
#[cfg(test)]
pub(crate) mod tests;
mod upcase;
mod volume;
mod wof;

pub use aligned::Aligned;

use self::deleted::DeletedNames;
use self::file::{Body, File, FileNameOwned, Value, WOF_STREAM};
use self::folder::{Entry, Folder};
use self::library::Library;
use self::parents::Parents;
use self::upcase::Upcase;
use self::volume::Volume;
use self::wof::Wof;
use crate::source::{Content, Found, Tree};
use evidence::{Bytes, FileTimes, Method, Problem, ProblemKind, Stage, guarded};
use ntfs_layout::{FileReference, Namespace, ORPHAN, Paths, RecordFault, ReparsePoint, ReparseTarget, kind};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// Names of folders kept in memory; when it is full the cache starts anew.
const MAX_CACHED_NAMES: usize = 300_000;
/// File record number of $Volume.
const VOLUME_FILE: u64 = 3;
/// File record number of $UpCase.
const UPCASE_FILE: u64 = 10;

/// Folders read already, with the sum of their names.
#[derive(Default)]
struct KnownFolders {
    folders: HashMap<FileReference, Arc<Vec<Entry>>>,
    names: usize,
}

/// An NTFS volume as a tree of files.
pub struct NtfsTree {
    volume: Volume,
    upcase: Upcase,
    library: Option<Library>,
    deleted: OnceLock<DeletedNames>,
    folders: Mutex<KnownFolders>,
    parents: Mutex<Parents>,
    label: Option<String>,
    method: Method,
}

impl NtfsTree {
    /// The same volume at an earlier moment.
    #[cfg_attr(not(windows), allow(dead_code))]
    pub(crate) fn of_shadow_copy(mut self) -> Self {
        self.method = Method::ShadowCopy;
        self
    }

    /// Opens the volume that `bytes` is: its boot sector at offset 0, or the backup in its last sector. Fails only
    /// where not even the first file record can be found.
    pub fn open(bytes: Arc<dyn Bytes>) -> Result<Self, Problem> {
        let volume = Volume::open(bytes)?;
        let table = volume.system_file(UPCASE_FILE, 1 << 20).and_then(|content| Upcase::new(&content));
        if table.is_none() {
            volume.problem(
                ProblemKind::ReadFailed,
                r"\$UpCase",
                "the volume's table of upper-case letters is damaged; the usual one was used",
                "names that differ only in rare letters may be taken for each other",
            );
        }
        let mut tree = NtfsTree {
            library: guarded(|| Library::open(&volume)).flatten(),
            upcase: table.unwrap_or_else(Upcase::of_windows),
            volume,
            deleted: OnceLock::new(),
            folders: Mutex::default(),
            parents: Mutex::default(),
            label: None,
            method: Method::RawNtfs,
        };
        tree.read_volume_file();
        Ok(tree)
    }

    fn read_volume_file(&mut self) {
        let Ok(file) = self.volume.file(VOLUME_FILE) else { return };
        let resident = |kind| match file.value(kind, "").map(|value| &value.body) {
            Some(Body::Resident(bytes)) => Some(bytes),
            _ => None,
        };
        self.label = resident(kind::VOLUME_NAME)
            .map(|name| ntfs_layout::Name::new(name).to_string())
            .filter(|name| !name.is_empty());
        let dirty =
            resident(kind::VOLUME_INFORMATION).and_then(|bytes| bytes.get(10)).is_some_and(|flags| flags & 1 != 0);
        if dirty {
            self.volume.problem(
                ProblemKind::Dirty,
                r"\$Volume",
                "the volume was not cleanly closed; its journal $LogFile was not applied",
                "the newest changes may be only in $LogFile, and structures changed last may contradict each other",
            );
        }
    }

    /// The volume's label.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The serial number, all 64 bits.
    pub fn serial(&self) -> u64 {
        self.volume.boot.serial
    }

    /// Bytes per cluster.
    pub fn cluster_size(&self) -> u32 {
        self.volume.boot.cluster_size
    }

    /// Length of the file system in bytes.
    pub fn size(&self) -> u64 {
        self.volume.boot.size()
    }

    /// The file that a found object is, if its record still says so.
    fn file_of(&self, found: &Found) -> Result<File, Problem> {
        let gone = |kind, what: String| {
            Problem::new(Stage::Acquire, kind, found.full_path(), what, "the object could not be read")
        };
        let Some((entry, sequence)) = found.mft else {
            return Err(gone(ProblemKind::ReadFailed, "it does not name a file record".into()));
        };
        let file = self.volume.file(entry).map_err(|fault| gone(fault_kind(&fault), fault.to_string()))?;
        if file.reference.sequence != sequence {
            let kind = ProblemKind::Inconsistent {
                a: format!("the object is file {entry}-{sequence}"),
                b: format!("the record belongs to {}", file.reference),
            };
            return Err(gone(kind, "the file record was given to another file meanwhile".into()));
        }
        Ok(file)
    }

    /// The names in a folder, 8.3 names included, ordered as the volume orders them.
    fn names_in(&self, path: &str, folder: &File) -> Arc<Vec<Entry>> {
        let mut known_folders = self.folders.lock();
        if let Some(known) = known_folders.folders.get(&folder.reference) {
            return known.clone();
        }
        let Folder { mut entries, faults } = Folder::read(&self.volume, folder);
        if !faults.is_empty() {
            self.add_by_parents(path, folder, &mut entries, &faults);
        }
        entries.sort_by_cached_key(|entry| (self.upcase.name(&entry.name), entry.name.clone(), entry.file));
        entries.dedup_by(|a, b| a.name == b.name && a.file == b.file);
        let entries = Arc::new(entries);
        if known_folders.names + entries.len() > MAX_CACHED_NAMES {
            *known_folders = KnownFolders::default();
        }
        if entries.len() <= MAX_CACHED_NAMES {
            known_folders.names += entries.len();
            known_folders.folders.insert(folder.reference, entries.clone());
        }
        entries
    }

    /// One step down: the file of this name in a folder, and its long name.
    fn child(&self, path: &str, folder: &File, name: &str) -> Option<(File, String)> {
        // The library panics on some damaged indexes.
        let find = |library: &Library| guarded(|| library.find(&self.volume, folder, name).ok().flatten()).flatten();
        let by_tree = self.library.as_ref().and_then(find);
        let found = by_tree.and_then(|(reference, spelling, namespace)| {
            let file = self.file_or_lost_folder(reference)?;
            Some((file, spelling, namespace))
        });
        // In a folder that minds case, the tree leads to one of several names; the exact one is meant.
        let exact = match &found {
            Some((_, spelling, Namespace::Posix)) if spelling != name => {
                let entries = self.names_in(path, folder);
                let same = entries.iter().find(|entry| entry.name == name);
                same.and_then(|entry| {
                    Some((self.file_or_lost_folder(entry.file)?, entry.name.clone(), entry.namespace))
                })
            }
            _ => None,
        };
        let (file, spelling, namespace) = match exact.or(found) {
            Some(found) => found,
            // What the tree does not lead to may still be there; absence is only said after reading all of it.
            None => {
                let entries = self.names_in(path, folder);
                let exact = entries.iter().filter(|entry| entry.name == name);
                exact.chain(entries.iter().filter(|entry| self.upcase.equal(&entry.name, name))).find_map(|entry| {
                    let file = self.file_or_lost_folder(entry.file)?;
                    Some((file, entry.name.clone(), entry.namespace))
                })?
            }
        };
        let spelling = match namespace {
            Namespace::Dos => long_name(&file, Some(folder.reference.entry)).map_or(spelling, |name| name.name),
            _ => spelling,
        };
        Some((file, spelling))
    }

    /// `folder` is the file record number of the folder whose name for the file gives the times.
    fn found(&self, path: String, file: &File, stream: Option<&Value>, folder: Option<u64>) -> Found {
        let unnamed = file.stream("");
        let damage = file.faults.join("; ");
        if !damage.is_empty() {
            self.volume.problem(
                ProblemKind::ReadFailed,
                &path,
                format!("file record {} is damaged: {damage}", file.reference),
                "the file's content, times or streams may be incomplete or wrong",
            );
        }
        Found {
            stream: stream.map(|value| value.name.clone()),
            is_folder: file.is_folder && stream.is_none(),
            size: match stream.or(unnamed) {
                Some(value) => value.size(),
                None => 0,
            },
            times: FileTimes {
                si: file.standard_information().map(|information| information.times),
                file_name: long_name(file, folder).map(|name| name.times),
                container: None,
            },
            mft: Some((file.reference.entry, file.reference.sequence)),
            recovery: (!file.in_use).then(|| {
                stream.or(unnamed).map_or(evidence::Recovery::Resident, |value| deleted::recovery(&self.volume, value))
            }),
            method: self.method,
            path,
        }
    }

    /// The alternate stream of this name, without regard to case.
    fn stream_of<'f>(&self, file: &'f File, name: &str) -> Option<&'f Value> {
        file.stream(name).or_else(|| {
            file.values.iter().find(|value| value.kind == kind::DATA && self.upcase.equal(&value.name, name))
        })
    }

    fn content(&self, found: &Found, file: &File) -> Result<Box<dyn Content>, Problem> {
        let item = found.full_path();
        let refuse = |kind, what: String, effect| Problem::new(Stage::Acquire, kind, &item, what, effect);
        let stream = found.stream.as_deref().unwrap_or("");
        let Some(value) = self.stream_of(file, stream) else {
            return Err(refuse(
                ProblemKind::ReadFailed,
                "its file record has no such content".into(),
                "it is not collected",
            ));
        };
        if let (None, Some(wof)) = (&found.stream, file.wof()) {
            let kind = || ProblemKind::UnsupportedVersion { found: format!("WOF {}/{}", wof.provider, wof.algorithm) };
            let effect = "the content could not be read";
            let Some(packed) = file.stream(WOF_STREAM) else {
                return Err(refuse(kind(), format!("it is compressed, but has no stream {WOF_STREAM}"), effect));
            };
            let packed = packed.plain(&self.volume).map_err(|what| refuse(kind(), what, effect))?;
            let content = Wof::new(packed, value.size(), wof).map_err(|what| refuse(kind(), what, effect))?;
            return Ok(Box::new(content));
        }
        if let Body::Clusters { extents, .. } = &value.body {
            let claimed = extents.as_slice().iter().filter(|extent| extent.lcn.is_some());
            let claimed = claimed.fold(0u64, |sum, extent| sum.saturating_add(extent.clusters));
            if claimed > self.volume.boot.clusters() {
                let kind = ProblemKind::OutOfRange { raw: format!("{claimed} clusters") };
                return Err(refuse(kind, "it claims more clusters than the volume has".into(), "it could not be read"));
            }
        }
        if value.flags.encrypted() {
            self.volume.push(refuse(
                ProblemKind::UnsupportedVersion { found: "EFS".into() },
                "it is encrypted by EFS".into(),
                "the bytes are given as they are stored; they mean nothing without a key of the user",
            ));
            return Ok(value.stored(&self.volume));
        }
        // A filter driver that keeps the content elsewhere (deduplication, cloud files, archives) leaves a hole.
        let elsewhere = match (&value.body, file.reparse().and_then(ReparsePoint::parse)) {
            (Body::Clusters { extents, size, .. }, Some(point)) if found.stream.is_none() => {
                let hole = extents.as_slice().iter().all(|extent| extent.lcn.is_none());
                (hole && *size > 0).then_some(point.tag)
            }
            _ => None,
        };
        if let Some(tag) = elsewhere {
            return Err(refuse(
                ProblemKind::UnsupportedVersion { found: format!("reparse tag {tag:#010x}") },
                "its content is kept elsewhere by a filter driver (deduplication, cloud storage, archive)".into(),
                "the file exists, its content is not on this volume in readable form",
            ));
        }
        value.plain(&self.volume).map_err(|what| {
            let kind = ProblemKind::UnsupportedVersion { found: format!("{:#06x}", value.flags.0) };
            refuse(kind, what, "the content could not be read")
        })
    }

    /// The folders in which a deleted file bore this name, each with its record number and the long name there.
    fn former_names(&self, file: &File, name: &str) -> Vec<(String, u64, String)> {
        let records = self.volume.records();
        let mut paths = Paths::new(&records);
        let names = file.names();
        let same = names.iter().filter(|own| self.upcase.equal(&own.name, name));
        same.map(|own| {
            let folder = paths.folder(own.parent);
            let long = names
                .iter()
                .find(|long| {
                    own.namespace == Namespace::Dos && long.parent == own.parent && long.namespace == Namespace::Win32
                })
                .unwrap_or(own);
            (folder.path.to_string(), own.parent.entry, long.name.clone())
        })
        .collect()
    }
}

/// The name that people see, of several the one in this folder.
fn long_name(file: &File, folder: Option<u64>) -> Option<FileNameOwned> {
    let mut names = file.names();
    names.sort_by_key(|name| {
        (folder.is_some_and(|folder| name.parent.entry != folder), name.namespace == Namespace::Dos)
    });
    names.into_iter().next()
}

fn fault_kind(fault: &RecordFault) -> ProblemKind {
    match fault {
        RecordFault::BadSignature(found) => {
            ProblemKind::BadSignature { offset: 0, expected: "FILE".into(), actual: found.escape_ascii().to_string() }
        }
        _ => ProblemKind::ReadFailed,
    }
}

/// Path components and stream name of `\a\b.dll:stream`. The type `$DATA` may stand after the stream.
fn split(path: &str) -> (Vec<&str>, Option<&str>) {
    let mut components: Vec<&str> = path.split('\\').filter(|component| !component.is_empty()).collect();
    let mut stream = None;
    if let Some(last) = components.last_mut() {
        if let Some((name, rest)) = last.split_once(':') {
            *last = name;
            stream = rest.split(':').next().filter(|stream| !stream.is_empty());
        }
        // The stream of the root folder itself.
        if last.is_empty() {
            components.pop();
        }
    }
    (components, stream)
}

impl Tree for NtfsTree {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        let (components, stream) = split(path);
        let mut file = self.root().map_err(|fault| {
            let what = format!("the root folder: {fault}");
            Problem::new(Stage::Locate, fault_kind(&fault), path, what, "no file of this volume can be looked up")
        })?;
        let (mut at, mut folder) = (String::new(), None);
        for component in components {
            if !file.is_folder {
                return Ok(None);
            }
            let Some((child, spelling)) = self.child(&at, &file, component) else { return Ok(None) };
            at.push('\\');
            at.push_str(&spelling);
            folder = Some(file.reference.entry);
            file = child;
        }
        if at.is_empty() {
            at.push('\\');
        }
        Ok(match stream {
            None => Some(self.found(at, &file, None, folder)),
            Some(name) => self.stream_of(&file, name).map(|value| self.found(at, &file, Some(value), folder)),
        })
    }

    fn link(&self, path: &str) -> Option<String> {
        let (components, _) = split(path);
        let mut file = self.root().ok()?;
        let mut at = String::new();
        for component in components {
            let (child, spelling) = self.child(&at, &file, component).filter(|_| file.is_folder)?;
            let target = match child.reparse().and_then(ReparsePoint::parse).map(|point| point.target) {
                Some(ReparseTarget::Junction { substitute, .. }) => Some(substitute.to_string()),
                Some(ReparseTarget::Symlink { substitute, relative: false, .. }) => Some(substitute.to_string()),
                Some(ReparseTarget::Symlink { substitute, relative: true, .. }) => Some(format!("{at}\\{substitute}")),
                _ => None,
            };
            at = format!("{at}\\{spelling}");
            if let Some(target) = target {
                // What stands behind the link on the path is meant below its target.
                let depth = at.matches('\\').count();
                let rest: Vec<&str> = path.split('\\').filter(|part| !part.is_empty()).skip(depth).collect();
                let target = target.strip_prefix(r"\??\").unwrap_or(&target).trim_end_matches('\\').to_owned();
                return Some(rest.iter().fold(target, |path, part| path + "\\" + part));
            }
            file = child;
        }
        None
    }

    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        let file = self.folder_of(folder)?;
        let base = folder.path.trim_end_matches('\\');
        let parent = Some(file.reference.entry);
        let mut seen = BTreeSet::new();
        for entry in self.names_in(base, &file).iter() {
            // The root folder lists itself under the name of a dot.
            let itself = entry.file.entry == file.reference.entry;
            if entry.namespace == Namespace::Dos || itself || !seen.insert((entry.name.clone(), entry.file)) {
                continue;
            }
            let path = format!("{base}\\{}", entry.name);
            let child = match self.volume.file(entry.file.entry) {
                Ok(child)
                    if child.in_use
                        && (entry.file.sequence == 0 || child.reference.sequence == entry.file.sequence) =>
                {
                    child
                }
                Ok(child) => {
                    let kind = ProblemKind::Inconsistent {
                        a: format!("the folder names file {}", entry.file),
                        b: format!("its record is {}{}", child.reference, if child.in_use { "" } else { ", deleted" }),
                    };
                    self.volume.problem(
                        kind,
                        &path,
                        "the name leads to another file's record",
                        "the file is not listed",
                    );
                    continue;
                }
                Err(fault) => {
                    if let Some(lost) = self.lost_folder(entry.file, &fault) {
                        take(self.found(path, &lost, None, parent));
                        continue;
                    }
                    let what = format!("its file record {}: {fault}", entry.file);
                    self.volume.problem(
                        fault_kind(&fault),
                        &path,
                        what,
                        "the file exists, but nothing of it can be read",
                    );
                    continue;
                }
            };
            take(self.found(path.clone(), &child, None, parent));
            let mut streams: Vec<&Value> = child.alternate_streams().collect();
            streams.sort_by(|a, b| a.name.cmp(&b.name));
            streams.into_iter().for_each(|value| take(self.found(path.clone(), &child, Some(value), parent)));
        }
        Ok(())
    }

    fn streams(&self, found: &Found) -> Result<Vec<Found>, Problem> {
        let file = self.file_of(found)?;
        let mut streams: Vec<&Value> = file.alternate_streams().collect();
        streams.sort_by(|a, b| a.name.cmp(&b.name));
        let stream = |value| Found { times: found.times, ..self.found(found.path.clone(), &file, Some(value), None) };
        Ok(streams.into_iter().map(stream).collect())
    }

    fn lookup_deleted(&self, path: &str) -> Vec<Found> {
        let (components, stream) = split(path);
        let Some((name, folders)) = components.split_last() else { return Vec::new() };
        let wanted = folders.iter().fold(String::new(), |path, folder| path + "\\" + folder);
        // A bare name asks for it in any folder.
        let anywhere = !path.starts_with('\\') && folders.is_empty();
        let deleted = self.deleted.get_or_init(|| DeletedNames::read(&self.volume, &self.upcase));
        let mut all = Vec::new();
        for entry in deleted.candidates(name, &self.upcase) {
            let Ok(file) = self.volume.file(entry) else { continue };
            if file.in_use {
                continue;
            }
            let mut former = self.former_names(&file, name);
            former.retain(|(folder, ..)| anywhere || folder.starts_with(ORPHAN) || self.upcase.equal(folder, &wanted));
            former.dedup();
            for (folder, parent, name) in former {
                let path = format!("{folder}\\{name}");
                let value = stream.map(|stream| self.stream_of(&file, stream));
                if !matches!(value, Some(None)) {
                    all.push(self.found(path, &file, value.flatten(), Some(parent)));
                }
            }
        }
        all
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let file = self.file_of(found)?;
        self.content(found, &file)
    }

    fn take_problems(&self) -> Vec<Problem> {
        self.volume.take_problems()
    }
}
