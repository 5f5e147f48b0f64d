//! Which artifacts would have asked for an object of which nothing is known but its name in the bag and its bytes.
//!
//! The names are put together to volumes, and the declared locations are looked for on these as on those of a source. What
//! lies at none of them is recognised by its content. Whatever is left can be in a bundle only because a record named it.

use super::locate::{self, Wanted};
use crate::bundle::journal::Later;
use crate::run::Limits;
use crate::source::tree::install::installations;
use crate::source::{Content, Found, LOOSE, OpenedVolume, Source, Tree, Volume, VolumeKind, live};
use crate::spill::Spill;
use evidence::{Artifact, Bytes, FileTimes, Format, Item, Method, Problem, name};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// In `wanted_by`, beside the ids of artifacts that were not recorded when the object was collected: they follow from its
/// path, from its content, or from nothing but that every other reason is ruled out.
const BY_PATH: &str = "recovered:path";
const BY_CONTENT: &str = "recovered:content";
const BY_NOTHING_ELSE: &str = "recovered:rest";

/// Bytes of each object that are kept: enough to know a hive, a log or a prefetch file again.
const HEAD: usize = 128;

/// The objects that nobody described.
#[derive(Default)]
pub(super) struct Undescribed {
    /// By volume and path from its root.
    files: BTreeMap<String, Files>,
}

type Files = BTreeMap<String, File>;

struct File {
    /// From the root of the volume, with the stream.
    path: String,
    size: u64,
    head: Vec<u8>,
    format: Option<Format>,
}

impl Undescribed {
    /// Takes an object: its volume, its path from the root of the volume, and how it begins.
    pub(super) fn add(&mut self, volume: &str, path: &str, size: u64, head: &[u8]) {
        let name = path.rsplit('\\').next().unwrap_or_default();
        let format = Format::of(head, name);
        let head = head[..head.len().min(HEAD)].to_vec();
        let files = self.files.entry(volume.to_owned()).or_default();
        files.insert(name::folded(path), File { path: path.to_owned(), size, head, format });
    }

    /// Says for each what it is wanted for: the exact path, and what is to be added to the object. `host` is what is known of
    /// the host and its volumes.
    pub(super) fn recognised(
        self,
        artifacts: &[&Artifact],
        host: Option<&Value>,
        spill: &Spill,
        take: &mut dyn FnMut(String, Later),
    ) -> io::Result<()> {
        let trees = self.files.into_iter().map(|(id, files)| (id, Arc::new(files))).collect::<Vec<_>>();
        let volumes = volumes(&trees, host);
        let all = trees.iter().enumerate();
        let all = all.flat_map(|(index, (_, files))| files.values().map(move |file| (index, file.path.clone())));
        let mut left: HashSet<(usize, String)> = all.collect();
        for (by_content, mark) in [(false, BY_PATH), (true, BY_CONTENT)] {
            let source = source(&volumes, &trees, by_content);
            for volatile in [true, false] {
                let bounds = (8 << 20, Limits::default().max_object);
                let (mut declared, _) = locate::declared(&source, artifacts, spill, bounds, volatile)?;
                for wanted in declared.each(&source)? {
                    let wanted = wanted?;
                    let (volume, path, _) = wanted.key();
                    if left.remove(&(volume, path)) {
                        take(exact_path(&wanted), later(wanted, mark));
                    }
                }
            }
        }
        for (volume, path) in left {
            let path = volumes[volume].original_path(&path);
            let exact = evidence::name::raw(&path).unwrap_or(path);
            let wanted_by = [Item::LEAD, BY_NOTHING_ELSE].map(str::to_owned).into();
            take(exact, Later { wanted_by, ..Later::default() });
        }
        Ok(())
    }
}

fn exact_path(wanted: &Wanted) -> String {
    wanted.original_path_raw.clone().unwrap_or_else(|| wanted.original_path.clone())
}

fn later(wanted: Wanted, mark: &str) -> Later {
    let wanted_by = wanted.wanted_by.into_iter().chain([mark]).map(str::to_owned).collect();
    Later { wanted_by, companions: wanted.companions, ..Later::default() }
}

/// The volumes that these objects lie on: as the host's description has them, else as their names in the bag say.
fn volumes(trees: &[(String, Arc<Files>)], host: Option<&Value>) -> Vec<Volume> {
    let known = |id: &str| {
        let volumes = host?["volumes"].as_array()?;
        volumes.iter().find(|volume| volume["id"].as_str() == Some(id))
    };
    let mut volumes: Vec<Volume> = Vec::new();
    for (id, files) in trees {
        let mut volume = Volume { kind: kind_of(id), ..volume_called(id) };
        match known(id) {
            Some(known) => {
                volume.is_system = known["is_system"].as_bool().unwrap_or(false);
                volume.windows = known["windows"].as_str().unwrap_or(&volume.windows).to_owned();
            }
            None if volume.kind == VolumeKind::Folder => {
                let tree = Names { files: files.clone(), by_content: false };
                let windows = installations(&tree).into_iter().next().map(|installed| installed.windows);
                volume.is_system = windows.is_some();
                volume.windows = windows.unwrap_or(volume.windows);
            }
            None if volume.kind == VolumeKind::OtherCopy => {
                let own = volumes.iter().rfind(|own| id.starts_with(&format!("{}-", own.id)));
                if let Some(own) = own {
                    (volume.is_system, volume.windows) = (own.is_system, own.windows.clone());
                }
            }
            None => {}
        }
        volumes.push(volume);
    }
    volumes
}

/// What a volume is by its name in a bag.
fn kind_of(id: &str) -> VolumeKind {
    if id == live::NAME || id == live::SERVICE {
        return VolumeKind::Live;
    }
    if id.starts_with(live::SHADOW_COPY) {
        return VolumeKind::ShadowCopy;
    }
    if id.strip_prefix(LOOSE).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
        return VolumeKind::Loose;
    }
    // `C`, `volume-9A3C11F2`, `volume-at-1048576`; anything else behind that is the name of a copy.
    let (first, rest) = id.split_once('-').unwrap_or((id, ""));
    let is_plain = first.len() == 1 || first == "volume";
    let rest = rest.strip_prefix("at-").unwrap_or(rest);
    match is_plain && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => VolumeKind::Folder,
        false => VolumeKind::OtherCopy,
    }
}

fn source(volumes: &[Volume], trees: &[(String, Arc<Files>)], by_content: bool) -> Source {
    let opened = |(volume, (_, files)): (&Volume, &(String, Arc<Files>))| -> OpenedVolume {
        (volume.clone(), Some(Arc::new(Names { files: files.clone(), by_content })))
    };
    Source {
        kind: "not known",
        facts: Vec::new(),
        volumes: volumes.iter().zip(trees).map(opened).collect(),
        problems: Vec::new(),
        files: Vec::new(),
        is_older: false,
        made: None,
        early: None,
        media: Vec::new(),
    }
}

/// The files of a volume by their names; found by content as well, or not.
struct Names {
    files: Arc<Files>,
    by_content: bool,
}

fn found(path: &str, is_folder: bool, size: u64) -> Found {
    let at = path.rfind('\\').unwrap_or(0);
    let stream = path[at..].find(':').map(|colon| at + colon);
    Found {
        path: path[..stream.unwrap_or(path.len())].to_owned(),
        stream: stream.map(|colon| path[colon + 1..].to_owned()),
        is_folder,
        size,
        times: FileTimes::default(),
        mft: None,
        recovery: None,
        method: Method::Unknown,
    }
}

impl File {
    fn found(&self) -> Found {
        found(&self.path, false, self.size)
    }
}

impl Names {
    /// The folder of this path, as its first file spells it.
    fn folder(&self, path: &str) -> Option<Found> {
        let inside = format!("{}\\", name::folded(path.trim_end_matches('\\')));
        let (name, file) = self.files.range(inside.clone()..).next()?;
        let depth = inside.matches('\\').count();
        let spelled: Vec<&str> = file.path.split('\\').take(depth).collect();
        name.starts_with(&inside).then(|| found(&spelled.join("\\"), true, 0))
    }
}

impl Tree for Names {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        let file = self.files.get(&name::folded(path)).map(File::found);
        Ok(file.or_else(|| self.folder(path)))
    }

    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        let inside = format!("{}\\", name::folded(folder.path.trim_end_matches('\\')));
        let mut from = inside.clone();
        while let Some((name, file)) = self.files.range(from.clone()..).next() {
            let Some(rest) = name.strip_prefix(&inside) else { break };
            from = match rest.split_once('\\') {
                Some((child, _)) => {
                    let child = format!("{inside}{child}");
                    self.folder(&child).into_iter().for_each(&mut *take);
                    // The character behind the separator: what is in the folder is passed over.
                    format!("{child}]")
                }
                None => {
                    take(file.found());
                    format!("{name}\0")
                }
            };
        }
        Ok(())
    }

    fn streams(&self, _: &Found) -> Result<Vec<Found>, Problem> {
        Ok(Vec::new())
    }

    fn lookup_deleted(&self, _: &str) -> Vec<Found> {
        Vec::new()
    }

    /// Of other copies and of older states it is not known.
    fn is_whole(&self, _: &Found) -> bool {
        false
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let head = self.files.get(&name::folded(&found.full_path())).map(|file| file.head.clone());
        Ok(Box::new(Head(head.unwrap_or_default())))
    }

    fn of_format(&self, wanted: &dyn Fn(Format) -> bool) -> Vec<Result<Found, Problem>> {
        let of_it = |file: &&File| self.by_content && file.format.is_some_and(wanted);
        self.files.values().filter(of_it).map(|file| Ok(file.found())).collect()
    }

    fn take_problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// How a file begins.
struct Head(Vec<u8>);

impl Bytes for Head {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

impl Content for Head {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.len()).collect()
    }
}

/// A volume of which only its id is known.
pub(super) fn volume_called(id: &str) -> Volume {
    let letter = id.chars().next().filter(|letter| id.len() == 1 && letter.is_ascii_alphabetic());
    Volume { letter, ..Volume::new(id, VolumeKind::Unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Hive, Reads};

    #[test]
    fn volumes_are_known_by_their_names() {
        use VolumeKind::{Folder, Live, Loose, OtherCopy, ShadowCopy};
        for (id, kind) in [
            ("C", Folder),
            ("volume", Folder),
            ("volume-2", Folder),
            ("volume-9A3C11F2", Folder),
            ("volume-at-1048576", Folder),
            ("C-auto", OtherCopy),
            ("C-copy", OtherCopy),
            ("volume-copy", OtherCopy),
            ("volume-9A3C11F2-auto", OtherCopy),
            ("files", Loose),
            ("files-2", Loose),
            ("live", Live),
            ("service", Live),
            ("shadow-copy-1", ShadowCopy),
        ] {
            assert_eq!(kind_of(id), kind, "{id}");
        }
    }

    #[test]
    fn the_folders_of_names_are_listed_and_looked_up_in_any_case() {
        let mut undescribed = Undescribed::default();
        let paths = [r"\a\b\c.txt", r"\A\b]\d", r"\a\B\e:s", r"\a\b.x", r"\a\B [", r"\z"];
        paths.iter().for_each(|path| undescribed.add("C", path, 1, b""));
        let files = undescribed.files.remove("C").unwrap();
        let tree = Names { files: Arc::new(files), by_content: false };
        let listed = |path: &str| {
            let folder = tree.lookup(path).unwrap().unwrap();
            assert!(folder.is_folder, "{path}");
            tree.list(&folder).unwrap().iter().map(Found::full_path).collect::<Vec<_>>()
        };
        assert_eq!(listed(""), [r"\a", r"\z"]);
        assert_eq!(listed(r"\A"), [r"\a\B [", r"\a\b.x", r"\a\b", r"\A\b]"]);
        assert_eq!(listed(r"\a\B"), [r"\a\b\c.txt", r"\a\B\e:s"]);
        let stream = tree.lookup(r"\A\B\E:S").unwrap().unwrap();
        assert_eq!((stream.path.as_str(), stream.stream.as_deref()), (r"\a\B\e", Some("s")));
        assert!(tree.lookup(r"\a\x").unwrap().is_none() && tree.lookup("\\a\\").unwrap().is_some());
    }

    #[test]
    fn a_windows_that_was_put_aside_and_other_copies_are_recognised() {
        let artifact = Artifact {
            reads: &[Reads::Key { hive: Hive::System, key: "Select" }, Reads::File(r"%SystemRoot%\a.log")],
            ..Artifact::named("hives")
        };
        let mut undescribed = Undescribed::default();
        let mut hive = vec![0; 4096];
        hive[..4].copy_from_slice(b"regf");
        let config = r"\Windows.old\Windows\System32\config";
        undescribed.add("C", &format!(r"{config}\SYSTEM"), 4096, &hive);
        undescribed.add("C", &format!(r"{config}\SYSTEM.LOG1"), 512, b"");
        undescribed.add("C", r"\Windows.old\Windows\a.log", 1, b"a");
        undescribed.add("C", r"\Windows\a.log", 1, b"a");
        undescribed.add("C-auto", &format!(r"{config}\SYSTEM"), 4096, &hive);
        let mut got = BTreeMap::new();
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::into_folder(folder.path());
        let mut take = |path: String, later: Later| {
            let companions: Vec<String> = later.companions.into_iter().collect();
            let before = got.insert(path, (later.wanted_by.into_iter().collect::<Vec<_>>().join(" "), companions));
            assert!(before.is_none());
        };
        undescribed.recognised(&[&artifact], None, &spill, &mut take).unwrap();
        let log = format!(r"C:{config}\SYSTEM.LOG1");
        let own = |wanted: &str, logs: &[&String]| (wanted.to_owned(), logs.iter().map(|log| (*log).clone()).collect());
        let expected: [(String, (String, Vec<String>)); 5] = [
            (format!(r"C:{config}\SYSTEM"), own("hives recovered:path", &[&log])),
            (log.clone(), own("hives recovered:path", &[])),
            (r"C:\Windows.old\Windows\a.log".to_owned(), own("hives recovered:path", &[])),
            (r"C:\Windows\a.log".to_owned(), own("lead recovered:rest", &[])),
            (format!(r"{{C-auto}}{config}\SYSTEM"), own("other-copy recovered:path", &[])),
        ];
        assert_eq!(got, expected.into());
    }
}
