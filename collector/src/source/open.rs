//! Opens a source by what it is, never by its name, and finds every host in it.

use super::container::{self, Candidate, Disk, Integrity, Opened, Refusal};
use super::tree::{self, Folder, Installation, LooseFiles, Single, Store};
use super::volume::{self, partitions};
use super::{Found, LOOSE, Media, OpenedVolume, Source, Tree, Volume, VolumeKind};
use crate::file_bytes::{BLOCK_DEVICE, FileBytes, real_path};
use crate::{Error, Spill};
use evidence::{Bytes, FORMAT_HEAD, Format, Problem, ProblemKind, Stage, name};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod member;
#[cfg(test)]
mod tests;
mod unknown;

/// Files that are listed of those whose bytes are not what their names say.
const MAX_MISNAMED: usize = 100;
/// Problems that a refusal names.
const MAX_NAMED: usize = 3;

/// Opens a folder, an archive, a disk image or a single file of Windows. Each host in it is a source of its own.
pub fn open(path: &Path, spill: &Spill) -> Result<Vec<Source>, Error> {
    let cannot = |source| Error::OpenSource { path: path.to_owned(), source };
    let refuse = |why: String| Error::NotASource { path: path.to_owned(), why };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    let mut opening = Opening::new(path, spill);
    if metadata.is_dir() {
        let store: Arc<dyn Store> = Arc::new(Folder::new(path));
        if tree::is_bundle(&*store) {
            return Err(refuse(in_words(&container::of_bundle(&path.display().to_string()))));
        }
        opening.store(&store, &Kind { name: "folder", files: vec![path.to_owned()] }, "", &own_name(path), 0);
        return opening.finish(|opening| opening.nothing_in("folder")).map_err(refuse);
    }
    if let Some(what) = tree::special(metadata.file_type()).filter(|what| *what != BLOCK_DEVICE) {
        return Err(refuse(format!("it is {what}; give a folder, an archive or an image of a disk")));
    }
    let bytes: Arc<dyn Bytes> = Arc::new(FileBytes::open(path).map_err(cannot)?);
    if bytes.is_empty() {
        return Err(refuse("it is empty; give a folder, an archive or an image of a disk".to_owned()));
    }
    opening.file(path, bytes)
}

/// The name of a folder that was given, also when it was given as `.`.
fn own_name(path: &Path) -> String {
    let absolute = real_path(path).unwrap_or_else(|_| path.to_owned());
    absolute.file_name().map(tree::kept).unwrap_or_default()
}

/// What a store is and consists of.
#[derive(Clone)]
struct Kind {
    name: &'static str,
    files: Vec<PathBuf>,
}

/// What the files of a store turned out to be, which is known only when all were looked at.
#[derive(Default)]
struct Seen {
    /// The keys of those that belong to what was opened.
    parts: BTreeSet<String>,
    /// Of these, the keys of parent disks.
    parents: BTreeSet<String>,
    disks: Vec<Seated>,
    /// The keys of those that are named like a container and are none, unless they are a part of one, with what is said.
    no_containers: Vec<(String, Problem)>,
}

/// A disk that was found in a store.
struct Seated {
    key: String,
    /// Its path in the source.
    place: String,
    disk: Disk,
    /// What speaks against all of its bytes.
    doubt: Option<String>,
    /// How many hosts had been found before it.
    before: usize,
}

/// A source that is being opened.
struct Opening<'a> {
    spill: &'a Spill,
    /// The file or folder that was given.
    given: &'a Path,
    sources: Vec<Source>,
    /// Files outside of trees, with what is on the volumes that they lie on.
    loose: Vec<OpenedVolume>,
    /// The disks of images that the files outside of trees lie on.
    loose_media: Vec<Arc<Media>>,
    /// The disks of images that what is being looked at lies on.
    within: Vec<Arc<Media>>,
    /// What speaks against all bytes of what is being looked at.
    doubts: Vec<String>,
    /// How many were recognised of each format.
    formats: BTreeMap<Format, u64>,
    /// What was not understood.
    problems: Vec<Problem>,
    /// Files outside of trees that were looked at.
    files: u64,
    /// Files of this machine that belong to images that were opened.
    used: BTreeSet<PathBuf>,
    containers: u32,
    /// Files whose bytes are not what their names say.
    misnamed: usize,
}

impl<'a> Opening<'a> {
    fn new(given: &'a Path, spill: &'a Spill) -> Self {
        Opening {
            spill,
            given,
            sources: Vec::new(),
            loose: Vec::new(),
            loose_media: Vec::new(),
            within: Vec::new(),
            doubts: Vec::new(),
            formats: BTreeMap::new(),
            problems: Vec::new(),
            files: 0,
            used: BTreeSet::new(),
            containers: 0,
            misnamed: 0,
        }
    }

    /// Opens the one file that was given.
    fn file(mut self, path: &Path, bytes: Arc<dyn Bytes>) -> Result<Vec<Source>, Error> {
        let cannot = |source| Error::OpenSource { path: path.to_owned(), source };
        let refuse = |why: String| Error::NotASource { path: path.to_owned(), why };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
        let kept = kept_name(path);
        let candidate = Candidate::new(&store, "", &kept, Some(path), bytes, self.spill).map_err(cannot)?;
        let by_chunks = || {
            let head = |length| {
                let mut head = vec![0; length];
                let read = candidate.bytes.read_full_at(0, &mut head)?;
                head.truncate(read);
                Ok(head)
            };
            tree::named::has_chunks(&kept, head).then_some(Format::EventLog)
        };
        if let Some(format) = Format::of(&candidate.head, &kept).or_else(by_chunks) {
            self.files = 1;
            let place = format!("\\{}", name::component(&kept));
            self.take_loose(&store, "", BTreeMap::from([(place.clone(), format)]));
            if format == Format::Assembly {
                self.behind_program(&candidate, &place, &stem(path));
            }
            return self.finish(|opening| opening.nothing_in("file")).map_err(refuse);
        }
        let opened = container::open(&candidate).map_err(|refusal| refuse(in_words(&refusal)))?;
        match opened {
            Some(Opened::Files(store, problems)) => {
                let kind = container::ALL.iter().find(|container| (container.probe)(&candidate));
                let kind = Kind { name: kind.map_or("archive", |kind| kind.name), files: vec![path.to_owned()] };
                self.problems.extend(problems);
                self.store(&store, &kind, "", &stem(path), 0);
                self.finish(|opening| opening.nothing_in(kind.name)).map_err(refuse)
            }
            Some(Opened::One(bytes, name, problems)) => {
                let doubt = member::of_packed(&problems);
                self.problems.extend(problems);
                self.doubting(doubt, |opening| opening.one(bytes, name, "", 1));
                self.finish(|opening| opening.nothing_in("compressed file")).map_err(refuse)
            }
            Some(Opened::Disk(disk)) => {
                let bytes = disk.bytes.clone();
                self.disk(disk, "", 0);
                self.finish(|opening| opening.no_volume(&describe(&*bytes))).map_err(refuse)
            }
            None => {
                let bytes = candidate.bytes.clone();
                let disk = Disk {
                    kind: "raw image",
                    bytes: bytes.clone(),
                    facts: Vec::new(),
                    problems: Vec::new(),
                    files: vec![path.to_owned()],
                    integrity: Integrity::default(),
                };
                self.disk(disk, "", 0);
                self.finish(|opening| opening.no_volume(&describe(&*bytes))).map_err(refuse)
            }
        }
    }

    /// Looks into the archive that a program which was given carries behind its own bytes.
    fn behind_program(&mut self, program: &Candidate<'_>, place: &str, name: &str) {
        match container::behind_program(program) {
            Ok(Some(Opened::Files(store, problems))) => {
                self.problems.extend(problems);
                self.store(&store, &Kind { name: "zip archive", files: Vec::new() }, place, name, 1);
            }
            Ok(_) => {}
            Err(refusal) => self.problems.push(refused(place, &refusal)),
        }
    }

    /// Looks through a store for hosts and loose files, and into the archives and images in it. `at` is its path in the
    /// source.
    fn store(&mut self, store: &Arc<dyn Store>, kind: &Kind, at: &str, name: &str, depth: u32) {
        let mut seen = Seen::default();
        let mut survey = tree::survey(store, name, &mut |unknown| self.unknown(store, unknown, at, depth, &mut seen));
        for (key, problem) in std::mem::take(&mut seen.no_containers) {
            let is_used = store.local_path(&key).is_some_and(|path| self.used.contains(&path));
            if is_used || seen.parts.contains(&key) || seen.parents.contains(&key) {
                continue;
            }
            self.misnamed += 1;
            if self.misnamed <= MAX_MISNAMED {
                self.problems.push(problem);
            }
        }
        self.disks(seen, depth + 1);
        let loose = survey.loose();
        let hosts = tree::hosts(store, &mut survey);
        self.files += survey.files;
        for mut problem in survey.problems {
            problem.item = name::shown(&format!("{at}{}", problem.item)).into_owned();
            self.problems.push(problem);
        }
        for mut host in hosts {
            self.doubt(&mut host.volumes);
            let place = format!("{}{}", name::shown(at).replace('\\', "/"), host.place);
            let facts = if place.is_empty() { Vec::new() } else { vec![("place in the source".to_owned(), place)] };
            self.sources.push(Source {
                kind: kind.name,
                facts,
                volumes: host.volumes,
                problems: Vec::new(),
                files: self.files_of(&kind.files),
                is_older: host.is_older,
                made: None,
                early: None,
                media: self.within.clone(),
            });
        }
        self.take_loose(store, at, loose);
    }

    /// Looks into the disks of a store, but for those that are parents of others: these are read through them. Their hosts
    /// come where their files came.
    fn disks(&mut self, seen: Seen, depth: u32) {
        let mut later = 0;
        for found in seen.disks.into_iter().filter(|found| !seen.parents.contains(&found.key)) {
            let (before, position) = (self.sources.len(), found.before + later);
            self.doubting(found.doubt, |opening| opening.disk(found.disk, &found.place, depth));
            let hosts = self.sources.split_off(before);
            later += hosts.len();
            self.sources.splice(position..position, hosts);
        }
    }

    /// The given path with further files that belong to a host.
    fn files_of(&self, more: &[PathBuf]) -> Vec<PathBuf> {
        let mut files = more.to_vec();
        if !files.iter().any(|file| file == self.given) {
            files.insert(0, self.given.to_owned());
        }
        files
    }

    fn take_loose(&mut self, store: &Arc<dyn Store>, at: &str, files: BTreeMap<String, Format>) {
        if files.is_empty() {
            return;
        }
        for (path, format) in &files {
            *self.formats.entry(*format).or_default() += 1;
            if *format == Format::OldEventLog {
                self.problems.push(not_understood(
                    &format!("{at}{path}"),
                    "it is an event log of Windows XP or Server 2003 (.Evt), which is not read",
                    "nothing of what it recorded is in the answer",
                ));
            }
        }
        let id = match self.loose.iter().filter(|(volume, _)| volume.kind == VolumeKind::Loose).count() {
            0 => LOOSE.to_owned(),
            before => format!("{LOOSE}-{}", before + 1),
        };
        let tree: Arc<dyn Tree> = Arc::new(LooseFiles::new(store.clone(), at, files));
        let mut volumes = [(Volume::new(id, VolumeKind::Loose), Some(tree))];
        self.doubt(&mut volumes);
        self.loose.extend(volumes);
        for media in &self.within {
            if !self.loose_media.iter().any(|known| Arc::ptr_eq(known, media)) {
                self.loose_media.push(media.clone());
            }
        }
    }

    /// Looks at what a compressor packed.
    fn one(&mut self, bytes: Arc<dyn Bytes>, name: String, at: &str, depth: u32) {
        let store: Arc<dyn Store> = Arc::new(Single { name, bytes });
        let kind = Kind { name: "compressed file", files: Vec::new() };
        self.store(&store, &kind, at, "", depth);
    }

    /// Opens the volumes of a disk; each Windows on them is a host.
    fn disk(&mut self, mut disk: Disk, at: &str, depth: u32) {
        let called = if at.is_empty() { self.given.display().to_string() } else { name::shown(at).into_owned() };
        let media = Arc::new(Media::new(called, &mut disk));
        let mut problems = disk.problems;
        let mut facts = disk.facts;
        facts.push(("length in bytes".to_owned(), disk.bytes.len().to_string()));
        let found = partitions::find(&disk.bytes);
        facts.push(("partition scheme".to_owned(), found.scheme));
        problems.extend(found.problems);
        let mut opened: Vec<OpenedVolume> = Vec::new();
        for partition in found.partitions {
            opened.push(volume::open_partition(&disk.bytes, partition, &mut problems));
        }
        self.doubt(&mut opened);
        if !at.is_empty() {
            facts.push(("place in the source".to_owned(), name::shown(at).replace('\\', "/")));
            problems.iter_mut().for_each(|problem| problem.item = format!("{}: {}", name::shown(at), problem.item));
        }
        let files = self.files_of(&disk.files);
        let mut within = self.within.clone();
        within.push(media.clone());
        let source = |volumes: Vec<OpenedVolume>, is_older: bool, problems: Vec<Problem>| Source {
            kind: disk.kind,
            facts: facts.clone(),
            volumes,
            problems,
            files: files.clone(),
            is_older,
            made: None,
            early: None,
            media: within.clone(),
        };
        let installed = installed_on(&opened);
        for (index, one) in &installed {
            let mut volumes = opened.clone();
            volumes[*index].0.is_system = true;
            volumes[*index].0.windows.clone_from(&one.windows);
            name_volumes(&mut volumes);
            self.sources.push(source(volumes, one.is_older, problems.clone()));
        }
        if !installed.is_empty() {
            return;
        }
        if opened.iter().all(|(_, tree)| tree.is_none()) {
            self.problems.extend(problems);
            // Nothing of it is collected, so what was wrong with the image is all that can be said.
            self.problems.extend(media.problems());
            return;
        }
        // A disk of data: what lies on it can be a copy of a host, or what somebody collected from one.
        name_volumes(&mut opened);
        let before = (self.sources.len(), self.loose.len());
        self.within.push(media);
        for (volume, tree) in &opened {
            let Some(tree) = tree else { continue };
            let store: Arc<dyn Store> = Arc::new(OnVolume(tree.clone()));
            let at = if at.is_empty() { String::new() } else { format!("{at}\\{}", volume.id) };
            self.store(&store, &Kind { name: disk.kind, files: disk.files.clone() }, &at, "", depth);
        }
        self.within.pop();
        if before == (self.sources.len(), self.loose.len()) {
            self.sources.push(source(opened, false, problems));
        } else {
            self.problems.extend(problems);
        }
    }

    /// Every host that was found; the error says why there is none.
    fn finish(mut self, nothing: impl FnOnce(&Self) -> String) -> Result<Vec<Source>, String> {
        let examined = |format: &Format| !matches!(format, Format::Assembly | Format::OldEventLog);
        let is_host = self.formats.keys().any(examined)
            || self.sources.is_empty() && self.formats.contains_key(&Format::Assembly);
        if is_host {
            self.sources.push(Source {
                kind: "files outside of a Windows folder",
                facts: self.formats.iter().map(|(format, count)| (format!("{format:?}"), count.to_string())).collect(),
                volumes: std::mem::take(&mut self.loose),
                problems: Vec::new(),
                files: self.files_of(&[]),
                is_older: false,
                made: None,
                early: None,
                media: std::mem::take(&mut self.loose_media),
            });
        }
        if self.sources.is_empty() {
            return Err(nothing(&self));
        }
        // The order of the walk is that of the names; an older installation comes after the one that replaced it.
        if let Some(more @ 1..) = self.misnamed.checked_sub(MAX_MISNAMED) {
            let what = format!("{more} more files are not what their names say");
            self.problems.push(not_understood("", &what, "nothing of them is in the answer"));
        }
        // What was not understood may be of any of the hosts, or of one that is not seen, so each of them tells it.
        for source in &mut self.sources {
            let own = std::mem::replace(&mut source.problems, self.problems.clone());
            source.problems.extend(own);
        }
        Ok(self.sources)
    }

    /// Why there is no host in a folder or an archive, and what to give.
    fn nothing_in(&self, what: &str) -> String {
        let mut why: Vec<String> = self.named_problems(|_| true);
        if self.files == 0 && why.is_empty() {
            why.push(format!("the {what} is empty: no files are in it"));
        } else if why.is_empty() {
            let files =
                if self.files == 1 { "the one file".to_owned() } else { format!("none of the {} files", self.files) };
            let no = if self.files == 1 { " in it is no event log" } else { " in it is an event log" };
            why.push(format!(
                "{files}{no}, prefetch file, registry hive or .NET program, and no Windows folder is there"
            ));
        }
        format!("{}; give the folder that has the Windows folder in it, or the image or archive", why.join("; "))
    }

    /// Why no volume of an image can be read, and what to give.
    fn no_volume(&self, otherwise: &str) -> String {
        // That nothing was recognised is said better by what its bytes are.
        let unknown = VolumeKind::Unknown.name();
        let why = self.named_problems(|problem| {
            !(problem.item == "volume at byte 0"
                && matches!(&problem.kind, ProblemKind::UnsupportedVersion { found } if found == unknown))
        });
        match why.is_empty() {
            true => otherwise.to_owned(),
            false => format!("{}; give an image of a volume that can be read, or the files themselves", why.join("; ")),
        }
    }

    /// The first problems in words.
    fn named_problems(&self, wanted: impl Fn(&Problem) -> bool) -> Vec<String> {
        let mut problems: Vec<(&Problem, usize)> = Vec::new();
        for problem in self.problems.iter().filter(|p| p.kind != ProblemKind::NotFound && wanted(p)) {
            match problems.iter_mut().find(|(known, _)| known.what == problem.what) {
                Some((_, more)) => *more += 1,
                None => problems.push((problem, 0)),
            }
        }
        let words = |(problem, more): &(&Problem, usize)| {
            let item = match (problem.item.as_str(), more) {
                ("", _) => String::new(),
                (item, 0) => format!("{item}: "),
                (item, more) => format!("{item} and {more} more: "),
            };
            format!("{item}{}; {}", problem.what, problem.effect)
        };
        let mut named: Vec<String> = problems.iter().take(MAX_NAMED).map(words).collect();
        if problems.len() > MAX_NAMED {
            named.push(format!("and {} other problems", problems.len() - MAX_NAMED));
        }
        named
    }
}

fn not_understood(place: &str, what: &str, effect: &str) -> Problem {
    Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(place), what, effect)
}

fn refused(place: &str, refusal: &Refusal) -> Problem {
    not_understood(place, &refusal.why, &format!("nothing in it is examined; {}", refusal.advice))
}

fn in_words(refusal: &Refusal) -> String {
    format!("{}; {}", refusal.why, refusal.advice)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(tree::kept).unwrap_or_default()
}

/// The name of a file as the store of its folder keeps it.
fn kept_name(path: &Path) -> String {
    tree::kept(path.file_name().unwrap_or_default())
}

/// What a file is of which nothing is recognised.
fn describe(bytes: &dyn Bytes) -> String {
    const LOOKED_AT: u64 = 64 << 20;
    let mut head = vec![0; FORMAT_HEAD];
    let read = bytes.read_full_at(0, &mut head).unwrap_or(0);
    head.truncate(read);
    let advice = "give a folder, an archive, an image of a disk, or an event log, prefetch file or hive";
    if head.is_empty() {
        return match bytes.is_empty() {
            true => format!("it is empty; {advice}"),
            false => format!("its first bytes cannot be read; {advice}"),
        };
    }
    if head.iter().all(|byte| *byte == 0) {
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        while at < bytes.len().min(LOOKED_AT) {
            match bytes.read_full_at(at, &mut buffer) {
                Ok(read) if read > 0 && buffer[..read].iter().all(|byte| *byte == 0) => at += read as u64,
                _ => break,
            }
        }
        let which = if at >= bytes.len() { "it holds".to_owned() } else { format!("its first {at} bytes hold") };
        return format!(
            "{which} zeros only; no partition table and no volume is in it; check how it was made, and give the image that has the disk's bytes"
        );
    }
    if tree::named::is_text(&head) {
        return format!("it is text and no image of a disk; {advice}");
    }
    let first: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!(
        "its first bytes, {}, are those of no image, archive or file of Windows that is known here, and no partition table \
         and no volume is in it; {advice}",
        first.join(" ")
    )
}

/// The files of a volume as a store.
struct OnVolume(Arc<dyn Tree>);

impl OnVolume {
    fn child(&self, full: String, found: &Found) -> tree::Child {
        tree::Child {
            name: full.rsplit('\\').next().unwrap_or_default().to_owned(),
            is_folder: found.is_folder && found.stream.is_none(),
            is_link: self.0.link(&full).is_some(),
            size: found.size,
            times: found.times.si,
            key: full,
        }
    }

    fn found(&self, key: &str) -> io::Result<Found> {
        let found = self.0.lookup(key).map_err(|problem| io::Error::other(problem.what))?;
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not there"))
    }
}

impl Store for OnVolume {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Ntfs
    }

    fn method(&self) -> evidence::Method {
        evidence::Method::RawNtfs
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(tree::Child) -> io::Result<()>) -> io::Result<()> {
        let own = |found: &Found| folder.is_empty() && found.path.starts_with(r"\$");
        let mut taken = Ok(());
        let listed = self.0.each(&self.found(folder)?, &mut |found| {
            if own(&found) || taken.is_err() {
                return;
            }
            let full = found.full_path();
            taken = take(self.child(full, &found));
        });
        listed.map_err(|problem| io::Error::other(problem.what)).and(taken)
    }

    fn named(&self, folder: &str, name: &str) -> io::Result<Vec<tree::Child>> {
        let found = self.0.lookup(&format!("{folder}\\{name}")).map_err(|problem| io::Error::other(problem.what))?;
        let child = found.map(|found| self.child(found.full_path(), &found));
        // A volume finds its short names too, which are no names of the listing.
        Ok(child.into_iter().filter(|child| name::same(&child.name, name)).collect())
    }

    fn link(&self, child: &str) -> Option<String> {
        self.0.link(child)
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        let content = self.0.open(&self.found(file)?).map_err(|problem| io::Error::other(problem.what))?;
        let content: Arc<dyn super::Content> = Arc::from(content);
        Ok(content)
    }
}

/// Every Windows on these volumes, with the index of its volume; where there is none, the profiles of users.
fn installed_on(volumes: &[OpenedVolume]) -> Vec<(usize, Installation)> {
    let trees = || volumes.iter().enumerate().filter_map(|(index, (_, tree))| Some((index, tree.as_deref()?)));
    let installed: Vec<(usize, Installation)> =
        trees().flat_map(|(index, tree)| tree::installations(tree).into_iter().map(move |one| (index, one))).collect();
    if !installed.is_empty() {
        return installed;
    }
    let profiles = || Installation { is_older: false, windows: r"\Windows".to_owned() };
    trees().filter(|(_, tree)| tree::has_profiles(*tree)).map(|(index, _)| (index, profiles())).collect()
}

/// Calls the system volume `C`, and gives every other one an id that does not change from run to run.
fn name_volumes(volumes: &mut [OpenedVolume]) {
    let mut ids = BTreeSet::new();
    for (volume, _) in volumes.iter_mut() {
        if volume.is_system {
            volume.letter = Some('C');
            volume.id = "C".to_owned();
        } else {
            let by_serial = volume.serial.map(|serial| format!("volume-{:08X}", serial & 0xFFFF_FFFF));
            // Two copies of one volume share their serial number; the offset tells them apart.
            volume.id =
                by_serial.filter(|id| !ids.contains(id)).unwrap_or_else(|| format!("volume-at-{}", volume.offset));
        }
        ids.insert(volume.id.clone());
    }
}
