//! Media that are full, fail, or stop in the middle, after any byte; after each one with `COMTRAIL_KILLS`.

use super::way_out::{Media, need_at_first};
use super::*;
use crate::bundle::{Output, Reserve, verify};
use crate::source::OpenedVolume;
use crate::source::faulty::{Faulty, FaultyTree};
use crate::zip::salvage::Local;
use crate::{BundleReader, RecoverRequest, Silent, recover};
use evidence::{ItemStatus, Locator, Reads};
use parking_lot::Mutex;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::Arc;

/// How a medium behaves once its bytes are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is full; what is cut off can be used again.
    Full,
    /// Whatever is done with it fails.
    Failing,
    /// Nothing reaches it any more and nobody is told, as when the program is killed.
    Frozen,
}

struct State {
    left: u64,
    then: Then,
    dead: bool,
    synced: Vec<(&'static str, u64)>,
}

/// A file on a medium that several share.
#[derive(Clone)]
struct Shared {
    name: &'static str,
    state: Arc<Mutex<State>>,
    file: Arc<Mutex<Cursor<Vec<u8>>>>,
}

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.file.lock().get_ref().clone()
    }
}

impl Write for Shared {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (mut state, mut file) = (self.state.lock(), self.file.lock());
        let end = file.position() + buffer.len() as u64;
        let grows = match state.then {
            Then::Frozen => buffer.len() as u64,
            _ => end.saturating_sub(file.get_ref().len() as u64),
        };
        if state.dead && state.then == Then::Failing {
            return Err(io::Error::other("the device is gone"));
        }
        let room = state.left.min(grows);
        // What fits is written, as a system does.
        let most = buffer.len() - (grows - room) as usize;
        state.left -= room;
        file.write_all(&buffer[..most])?;
        match state.then {
            _ if most == buffer.len() => Ok(most),
            Then::Frozen => Ok(buffer.len()),
            Then::Full if most > 0 => Ok(most),
            Then::Full => Err(io::ErrorKind::StorageFull.into()),
            Then::Failing => {
                state.dead = true;
                Err(io::Error::other("the device is gone"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.lock().seek(to)
    }
}

impl Output for Shared {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        let (mut state, mut file) = (self.state.lock(), self.file.lock());
        match state.then {
            Then::Failing if state.dead => return Err(io::Error::other("the device is gone")),
            Then::Frozen if state.left == 0 => return Ok(()),
            Then::Full => state.left += (file.get_ref().len() as u64).saturating_sub(length),
            _ => {}
        }
        file.cut(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(io::Error::other("the device is gone"));
        }
        let length = self.file.lock().get_ref().len() as u64;
        state.synced.push((self.name, length));
        Ok(())
    }
}

struct Medium {
    state: Arc<Mutex<State>>,
    bundle: Shared,
    journal: Shared,
}

impl Medium {
    fn new(left: u64, then: Then) -> Self {
        let state = Arc::new(Mutex::new(State { left, then, dead: false, synced: Vec::new() }));
        let file = |name| Shared { name, state: state.clone(), file: Arc::default() };
        Medium { bundle: file("bundle"), journal: file("journal"), state: state.clone() }
    }

    /// Collects onto it. An error of `None` says that there was no room to begin.
    fn collect(&self, source: &Source) -> Result<Sealed, Option<io::Error>> {
        self.collect_seen(source, &Silent)
    }

    fn collect_seen(&self, source: &Source, observer: &dyn Observer) -> Result<Sealed, Option<io::Error>> {
        let artifact = everything();
        let (artifacts, tool) = ([&artifact], ToolFacts::default());
        let (never, haste) = (AtomicBool::new(false), AtomicBool::new(false));
        let request = CollectRequest {
            source,
            artifacts: &artifacts,
            // Named when it is in the bundle already.
            leads: &|acquired| match acquired.item.original_path.ends_with(r"\names") {
                true => vec![LeadPath {
                    path: r"D:\good".to_owned(),
                    named_by: "names".to_owned(),
                    kept_for: Some("another"),
                }],
                false => Vec::new(),
            },
            destination: Path::new("b.zip"),
            name: "host",
            host: &[],
            tool: &tool,
            started: Filetime(0),
            now: &|| Filetime(0),
            limits: Limits::default(),
            sha512: false,
            check_image: false,
            threads: 1,
            cancel: &never,
            in_haste: &haste,
            time_is_over: &AtomicBool::new(false),
            resume: None,
            observer,
        };
        let reserve = Shared { name: "reserve", state: self.state.clone(), file: Arc::default() };
        let mut reserve = Reserve::new(Box::new(reserve));
        let need = need_at_first(&request);
        reserve.keep(need).map_err(|_| None)?;
        let media = Media { bundle: Box::new(self.bundle.clone()), journal: Box::new(self.journal.clone()), reserve };
        collect_into(&request, media, need, &Spill::into_folder(&std::env::temp_dir())).map_err(Some)
    }

    /// What it holds, as files of a folder.
    fn files(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.zip.partial"), self.bundle.bytes()).unwrap();
        std::fs::write(folder.path().join("b.zip.partial.log"), self.journal.bytes()).unwrap();
        folder
    }
}

fn everything() -> Artifact {
    Artifact { reads: &[Reads::EveryVolume(r"\*"), Reads::Volatile(r"\*")], ..Artifact::named("everything") }
}

/// Small files, one with an unreadable sector, and one that is too long to be packed in memory; sparse, so that it is quick.
fn source() -> Source {
    let mut long = vec![0; 10 << 20];
    long[..4096].fill(b'a');
    long[9 << 20..(9 << 20) + 4096].fill(b'b');
    let long = Faulty::new(long).ranges(&[0..4096, 9 << 20..(9 << 20) + 4096]).bad(std::slice::from_ref(&(512..1024)));
    FaultyTree::new(vec![
        ("bad", Faulty::new(b"0123".repeat(300)).bad(std::slice::from_ref(&(512..600)))),
        ("gone", Faulty::new(vec![1; 100]).gone_after(0)),
        ("good", Faulty::new(b"good".to_vec())),
        ("long", long),
        ("noise", Faulty::new((0..700u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect())),
    ])
    .source()
}

fn recovered(folder: &Path) -> crate::Recovered {
    let (tool, artifact) = (ToolFacts::default(), everything());
    let request = RecoverRequest {
        artifacts: &[&artifact],
        partial: &folder.join("b.zip.partial"),
        destination: &folder.join("r.zip"),
        tool: &tool,
        now: &|| Filetime(1),
        threads: 1,
        observer: &Silent,
    };
    let recovered = recover(&request).unwrap();
    assert!(recovered.verified.is_right(), "{:?}", recovered.verified);
    recovered
}

/// The objects of a bundle by path, without their numbers.
fn items(bundle: &Path) -> BTreeMap<String, Item> {
    let reader = BundleReader::open(bundle).unwrap();
    let unnumbered = |item: &Item| Item { id: evidence::ItemId(0), ..item.clone() };
    reader.items().to_vec().iter().map(|item| (item.original_path.clone(), unnumbered(item))).collect()
}

/// What was said of the unreadable bytes of each object.
fn ranges(bundle: &Path) -> Vec<(String, Locator)> {
    let reader = BundleReader::open(bundle).unwrap();
    reader.failures().iter().filter_map(|one| Some((one.item.clone(), one.locator.clone()?))).collect()
}

/// The uninterrupted bundle, as a file.
fn whole() -> (tempfile::TempDir, PathBuf) {
    let medium = Medium::new(u64::MAX >> 1, Then::Full);
    let sealed = medium.collect(&source()).unwrap();
    assert!(!sealed.interrupted);
    let folder = medium.files();
    let path = folder.path().join("b.zip.partial");
    (folder, path)
}

/// Room that the reserve takes at first.
const RESERVED: u64 = 128 << 10;

#[test]
fn b1_a_medium_that_is_full_after_any_byte_keeps_what_is_whole() {
    let (_folder, uninterrupted) = whole();
    let expected = items(&uninterrupted);
    assert_eq!(expected.len(), 5);
    for left in (0..RESERVED).step_by(997) {
        let medium = Medium::new(left, Then::Full);
        assert!(matches!(medium.collect(&source()), Err(None)), "{left}: there is no room, and nothing is read");
        assert!(medium.bundle.bytes().is_empty() && medium.journal.bytes().is_empty());
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut before = Vec::new();
    let step = if std::env::var_os("COMTRAIL_KILLS").is_some() { 1 } else { 13 };
    for left in (RESERVED..).step_by(step) {
        let medium = Medium::new(left, Then::Full);
        let sealed = medium.collect(&source());
        let sealed = sealed.unwrap_or_else(|error| panic!("not sealed with {left} bytes: {error:?}"));
        // Most bytes more make no difference, and the same bundle is not looked at again.
        if medium.bundle.bytes() == before {
            continue;
        }
        before = medium.bundle.bytes();
        let folder = medium.files();
        let bundle = folder.path().join("b.zip.partial");
        let report = crate::verify(&bundle, 1, &AtomicBool::new(false), &Silent).unwrap();
        assert!(report.is_right(), "{left}: {:?}", report.wrong);
        let got = items(&bundle);
        assert!(got.iter().all(|(path, item)| expected[path] == *item), "{left}");
        assert!(sealed.interrupted || got.len() == expected.len(), "{left}");
        seen.insert((got.len(), sealed.interrupted));
        if sealed.interrupted {
            let reader = BundleReader::open(&bundle).unwrap();
            let said = |what: &str| reader.failures().iter().any(|one| one.what.contains(what));
            assert!(said("the destination is full"), "{left}: {:?}", reader.failures());
            let missing = expected.keys().filter(|path| !got.contains_key(*path));
            let named: Vec<&str> = reader.failures().iter().map(|one| one.item.as_str()).collect();
            assert!(missing.clone().all(|path| named.contains(&path.as_str())), "{left}: {named:?}");
        } else {
            break;
        }
    }
    let numbers: Vec<usize> = seen.iter().map(|(count, _)| *count).collect();
    assert!(numbers.len() > 3 && seen.contains(&(5, false)), "{seen:?}");
}

#[test]
fn what_still_fits_on_a_full_medium_is_taken() {
    let mut state = 7u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        next.take(length).collect()
    };
    let (long, short) = (noise(10 << 20), noise(6000));
    let mut files = || {
        FaultyTree::new(vec![
            ("a", Faulty::new(short.clone())),
            ("b", Faulty::new(noise(300_000))),
            ("c", Faulty::new(short.clone())),
            ("d", Faulty::new(long.clone())),
            // More than twenty times what there is room for; whoever tries to read it fails.
            ("e", Faulty::new(noise(7 << 20)).gone_after(0)),
            ("f", Faulty::new(noise(200_000))),
            ("g", Faulty::new(short.clone())),
        ])
        .source()
    };
    let medium = Medium::new(RESERVED + 100_000, Then::Full);
    let sealed = medium.collect(&files()).unwrap();
    assert!(sealed.interrupted);
    let folder = medium.files();
    let bundle = folder.path().join("b.zip.partial");
    let report = crate::verify(&bundle, 1, &AtomicBool::new(false), &Silent).unwrap();
    assert!(report.is_right(), "{:?}", report.wrong);
    let names: Vec<String> =
        items(&bundle).into_keys().map(|path| path.rsplit('\\').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["a", "c", "g"]);
    let reader = BundleReader::open(&bundle).unwrap();
    for (name, size) in [("b", 300_000), ("d", 10 << 20), ("e", 7 << 20), ("f", 200_000)] {
        let of_it: Vec<_> = reader.failures().iter().filter(|one| one.item.ends_with(&format!("\\{name}"))).collect();
        let [one] = of_it[..] else { panic!("{name}: {of_it:?}") };
        assert_eq!(one.what, format!("the destination has no room for its {size} bytes"));
        assert_eq!(one.kind, ProblemKind::Interrupted);
    }
    // What the journal has is in the bundle, and nothing else.
    let recovered = recovered(folder.path());
    assert_eq!((recovered.whole, recovered.not_known, recovered.lost), (3, 0, 0));
    // With room for nothing, nothing more is tried.
    let medium = Medium::new(RESERVED + 14_000, Then::Full);
    medium.collect(&files()).unwrap();
    let folder = medium.files();
    let reader = BundleReader::open(&folder.path().join("b.zip.partial")).unwrap();
    let said = |what: &str| reader.failures().iter().filter(|one| one.what.contains(what)).count();
    assert_eq!((said("has no room for its"), said("was interrupted before this was read")), (1, 5));
}

#[test]
fn b2_what_a_kill_at_any_byte_leaves_is_recovered() {
    let (_folder, uninterrupted) = whole();
    let (expected, expected_ranges) = (items(&uninterrupted), ranges(&uninterrupted));
    let written = {
        let medium = Medium::new(u64::MAX >> 1, Then::Frozen);
        medium.collect(&source()).unwrap();
        (u64::MAX >> 1) - medium.state.lock().left
    };
    let (mut whole_seen, mut unknown_seen) = (std::collections::BTreeSet::new(), 0);
    let reserved = written - {
        let medium = Medium::new(u64::MAX >> 1, Then::Full);
        medium.collect(&source()).unwrap();
        (medium.bundle.bytes().len() + medium.journal.bytes().len()) as u64
    };
    let step = if std::env::var_os("COMTRAIL_KILLS").is_some() { 1 } else { 61 };
    for left in (reserved - 200..written).step_by(step) {
        let medium = Medium::new(left, Then::Frozen);
        medium.collect(&source()).unwrap();
        let bundle = medium.bundle.bytes();
        let folder = medium.files();
        if Local::at(&bundle, 0).unwrap().is_none() {
            continue;
        }
        let recovered = recovered(folder.path());
        let got = items(&recovered.path);
        let reader = BundleReader::open(&recovered.path).unwrap();
        for (path, item) in &got {
            assert!(expected.contains_key(path), "{left}: {path} {item:?}");
            let said = |what: &str| reader.failures().iter().any(|one| one.item == *path && one.what.contains(what));
            assert_eq!(item.times, expected[path].times);
            if said("it is not known whether all of it was read") {
                unknown_seen += 1;
            } else if expected[path] != *item {
                assert!(said("nothing of it is there") || said("is not what was read"), "{left}: {path}");
            } else {
                let of =
                    |all: &[(String, Locator)]| all.iter().filter(|(of, _)| of == path).cloned().collect::<Vec<_>>();
                assert_eq!(of(&ranges(&recovered.path)), of(&expected_ranges), "{left}");
            }
        }
        whole_seen.insert(recovered.whole);
        let info = crate::verify(&recovered.path, 1, &AtomicBool::new(false), &Silent).unwrap();
        assert!(info.is_right());
    }
    assert!(whole_seen.len() > 2 && whole_seen.contains(&4), "{whole_seen:?}");
    assert!(unknown_seen > 0);
}

#[test]
fn what_was_learned_of_an_object_later_is_recovered_too() {
    let files = vec![("good", Faulty::new(b"good".to_vec())), ("names", Faulty::new(b"good".to_vec()))];
    let medium = Medium::new(u64::MAX >> 1, Then::Full);
    assert!(!medium.collect(&FaultyTree::new(files).source()).unwrap().interrupted);
    let folder = medium.files();
    let expected = items(&folder.path().join("b.zip.partial"));
    let learned = &expected[r"{volume-at-0}\good"];
    assert_eq!((learned.named_by.as_slice(), learned.wanted_by.len()), (&["names".to_owned()][..], 2));
    let recovered = recovered(folder.path());
    assert_eq!((recovered.whole, recovered.not_known, recovered.lost), (2, 0, 0));
    assert_eq!(items(&recovered.path), expected);
}

#[test]
fn a_medium_that_fails_for_good_leaves_what_can_be_recovered() {
    let (_folder, uninterrupted) = whole();
    let expected = items(&uninterrupted);
    let mut most = 0;
    for left in (RESERVED..).step_by(101) {
        let medium = Medium::new(left, Then::Failing);
        match medium.collect(&source()) {
            Ok(_) => break,
            Err(None) => continue,
            Err(Some(error)) => assert_eq!(error.to_string(), "the device is gone", "{left}"),
        }
        if medium.bundle.bytes().len() < 200 {
            continue;
        }
        let folder = medium.files();
        let recovered = recovered(folder.path());
        most = most.max(recovered.whole);
        let same = items(&recovered.path).iter().filter(|(path, item)| expected[*path] == **item).count() as u64;
        assert!(same >= recovered.whole, "{left}");
    }
    assert_eq!(most, 4);
}

#[test]
fn a_wrong_byte_in_an_action_of_the_journal_leaves_a_valid_bundle() {
    for number in 0..100 {
        let (folder, uninterrupted) = whole();
        let expected = items(&uninterrupted);
        // Without its end record it is none that was sealed.
        let bytes = std::fs::read(&uninterrupted).unwrap();
        std::fs::write(&uninterrupted, &bytes[..bytes.len() - 22]).unwrap();
        let path = folder.path().join("b.zip.partial.log");
        let mut journal = std::fs::read_to_string(&path).unwrap();
        let actions: Vec<usize> = journal.match_indices("{\"action\":{").map(|(at, _)| at).collect();
        let Some(at) = actions.get(number) else {
            assert!(number > 4, "{journal}");
            return;
        };
        // Another time: the line is still JSON, and its hash does not match any more.
        let time = at + journal[*at..].find("\"t_utc\":\"").unwrap() + 9;
        journal.replace_range(time..=time, "9");
        std::fs::write(&path, &journal).unwrap();
        let recovered = recovered(folder.path());
        assert_eq!(items(&recovered.path), expected, "{number}");
        let said = recovered.problems.iter().filter(|one| one.what.contains("do not continue it")).count();
        assert_eq!(said, 1, "{:?}", recovered.problems);
    }
}

#[test]
fn without_its_journal_every_recovered_object_says_that_it_is_not_known() {
    let (folder, uninterrupted) = whole();
    // Without its end record it is none that was sealed.
    let bytes = std::fs::read(&uninterrupted).unwrap();
    std::fs::write(&uninterrupted, &bytes[..bytes.len() - 22]).unwrap();
    std::fs::remove_file(folder.path().join("b.zip.partial.log")).unwrap();
    let recovered = recovered(folder.path());
    assert_eq!((recovered.whole, recovered.not_known, recovered.lost, recovered.journal), (0, 4, 0, false));
    let reader = BundleReader::open(&recovered.path).unwrap();
    for item in reader.items().to_vec() {
        let of_it = reader.failures().iter().find(|one| one.item == item.original_path).unwrap();
        assert!(of_it.what.contains("not known whether all of it was read"), "{of_it:?}");
        assert_eq!((item.status, item.method), (ItemStatus::Partial, evidence::Method::Unknown));
    }
    let paths: Vec<String> = reader.items().to_vec().into_iter().map(|item| item.original_path).collect();
    assert_eq!(paths[0], r"{volume-at-0}\bad");
}

/// Notes what of the medium was written through when something of a volume is acquired.
struct Seen<'a>(&'a Medium, Mutex<Vec<(String, usize)>>);

impl Observer for Seen<'_> {
    fn event(&self, progress: Progress<'_>) {
        if progress.step == Step::Locate || progress.step == Step::Acquire {
            let synced = self.0.state.lock().synced.len();
            self.1.lock().push((format!("{:?} {}", progress.step, progress.path), synced));
        }
    }
}

#[test]
fn volatile_state_is_on_the_medium_before_anything_else_is_read() {
    let mut source = source();
    let bytes: Arc<[u8]> = b"processes".to_vec().into();
    let file = |name| crate::source::live::memory_tree::MemoryFile { name, bytes: bytes.clone(), taken: None };
    let files = vec![file("a.jsonl"), file("b.jsonl")];
    let folder = tempfile::tempdir().unwrap();
    let early = crate::source::Early::keep(&folder.path().join("bundle.zip"), &files).unwrap();
    let place = early.folder().to_owned();
    source.early = Some(early);
    let live: OpenedVolume = crate::source::live::memory_tree::volume(files);
    source.volumes[1] = live;
    let medium = Medium::new(u64::MAX >> 1, Then::Full);
    let seen = Seen(&medium, Mutex::default());
    assert!(place.join("a.jsonl").is_file());
    medium.collect_seen(&source, &seen).unwrap();
    assert!(!place.exists(), "the bundle has what it held");
    let events = seen.1.into_inner();
    let located = events.iter().position(|(what, _)| what.starts_with("Locate")).unwrap();
    let before: Vec<&str> = events[..located].iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(before, [r"Acquire {live}\a.jsonl", r"Acquire {live}\b.jsonl"]);
    assert!(events[..located].iter().all(|(_, synced)| *synced == 0));
    let synced: Vec<&str> = medium.state.lock().synced.iter().map(|(name, _)| *name).collect();
    assert_eq!(synced[..2], ["bundle", "journal"]);
    assert!(events[located].1 == 2, "{events:?}");
    // Room for the volatile state is asked for before it is written; what was written down before stays.
    let early = crate::source::Early::keep(&folder.path().join("bundle.zip"), &[file("a.jsonl")]).unwrap();
    let place = early.folder().to_owned();
    source.early = Some(early);
    let short = Medium::new(RESERVED + 10, Then::Full);
    assert!(matches!(short.collect(&source), Err(None)));
    assert!(place.join("a.jsonl").is_file());
}

/// Interrupts once so many bytes are through.
struct After<'a>(u64, &'a AtomicBool);

impl Observer for After<'_> {
    fn event(&self, progress: Progress<'_>) {
        if progress.step == Step::Acquire && progress.bytes_done >= self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

/// Collects into a file, with what an object called `a` names.
fn collect_part(
    (source, name): (&Source, &str),
    destination: &Path,
    resume: Option<&Resume>,
    interrupted_after: u64,
) -> Result<Collected, Error> {
    let artifact = everything();
    let tool = ToolFacts::default();
    let (cancel, haste) = (AtomicBool::new(false), AtomicBool::new(false));
    let named = |acquired: &AcquiredItem<'_>| {
        let bytes = acquired.bytes.read_all(1 << 20).unwrap().unwrap_or_default();
        let path = std::str::from_utf8(&bytes).ok().filter(|_| acquired.item.original_path.ends_with(r"\a"));
        let lead = |path: &str| LeadPath { path: path.to_owned(), named_by: "a".to_owned(), kept_for: None };
        path.map(lead).into_iter().collect()
    };
    collect(&CollectRequest {
        source,
        artifacts: &[&artifact],
        leads: &named,
        destination,
        name,
        host: &[],
        tool: &tool,
        started: Filetime(0),
        now: &|| Filetime(0),
        limits: Limits::default(),
        sha512: false,
        check_image: false,
        threads: 1,
        cancel: &cancel,
        in_haste: &haste,
        time_is_over: &AtomicBool::new(false),
        resume,
        observer: &After(interrupted_after, &cancel),
    })
}

#[test]
fn a_further_part_reads_nothing_again_that_an_earlier_one_holds_whole() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("x.zip");
    let long = || Faulty::new(vec![5; 12 << 20]);
    let a = || Faulty::new(br"C:\not there.dll".to_vec());
    let source = FaultyTree::new(vec![("a", a()), ("b", long()), ("c", Faulty::new(b"c".to_vec()))]).source();
    let collected = collect_part((&source, "host"), &first, None, 4 << 20).unwrap();
    assert!(collected.interrupted);
    let open = || Resume::open(&first, 1, &AtomicBool::new(false), &Silent);
    // In the source of now `a` cannot be read any more, which nobody may notice.
    let gone = || a().gone_after(0);
    let source = FaultyTree::new(vec![("a", gone()), ("b", long()), ("c", Faulty::new(b"c".to_vec()))]).source();
    let resume = open().unwrap();
    let destination = resume.destination();
    assert_eq!(destination, folder.path().join("x-part2.zip"));
    let second = collect_part((&source, "host"), &destination, Some(&resume), u64::MAX).unwrap();
    assert!(!second.interrupted && second.verified.is_right());
    let states: Vec<(String, ItemStatus)> =
        second.items().unwrap().into_iter().map(|item| (item.original_path, item.status)).collect();
    let complete = |name: &str| (format!(r"{{volume-at-0}}\{name}"), ItemStatus::Complete);
    assert_eq!(states, [complete("b"), complete("c")]);
    // What `a` names was looked for, though it was acquired in the first part.
    let said: Vec<&str> = second.problems.iter().map(|problem| problem.item.as_str()).collect();
    assert!(said.contains(&r"C:\not there.dll"), "{:?}", second.problems);
    assert!(open().err().unwrap().to_string().contains("nothing is left"));
    together(
        folder.path(),
        FaultyTree::new(vec![("a", a()), ("b", long()), ("c", Faulty::new(b"c".to_vec()))]).source(),
    );
}

/// The parts in this folder, read together, are what an uninterrupted collection of the source gives.
fn together(folder: &Path, source: Source) {
    let whole = collect_part((&source, "host"), &folder.join("whole.zip"), None, u64::MAX).unwrap();
    let whole = BundleReader::open(&whole.path).unwrap();
    let spill = Spill::into_folder(folder);
    let part = |name: &str| BundleReader::open(&folder.join(name)).unwrap();
    let (joined, missing) = BundleReader::join(vec![part("x-part2.zip"), part("x.zip")], &spill).unwrap();
    assert!(missing.is_empty(), "{missing:?}");
    let items = joined.items().to_vec();
    assert_eq!(items, whole.items().to_vec());
    assert_eq!(joined.failures(), whole.failures());
    for item in &items {
        let read = |reader: &BundleReader| reader.open_item(item, folder).unwrap().read_all(1 << 30).unwrap().unwrap();
        assert!(read(&joined) == read(&whole), "{}", item.original_path);
    }
    let (_, missing) = BundleReader::join(vec![part("x-part2.zip")], &spill).unwrap();
    assert_eq!(missing, [1]);
    let twice = BundleReader::join(vec![part("x.zip"), part("x.zip")], &spill).err().unwrap();
    assert!(twice.to_string().contains("part 1 is there twice"), "{twice}");
    // Of the same name, yet not the one that was gone on with.
    let verified = |name: &str| verify(&folder.join(name), 1, &AtomicBool::new(false), &crate::Silent).unwrap();
    let second = verified("x-part2.zip");
    assert!(second.goes_on_with(&verified("x.zip")) && !second.goes_on_with(&verified("whole.zip")));
}

#[test]
fn another_source_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("x.zip");
    let files =
        || FaultyTree::new(vec![("a", Faulty::new(b"a".to_vec())), ("b", Faulty::new(vec![5; 12 << 20]))]).source();
    collect_part((&files(), "host"), &first, None, 4 << 20).unwrap();
    let resume = Resume::open(&first, 1, &AtomicBool::new(false), &Silent).unwrap();
    let refused = |source: &Source, name: &str| {
        collect_part((source, name), &resume.destination(), Some(&resume), u64::MAX).unwrap_err().to_string()
    };
    assert!(refused(&files(), "other").contains("of the host host, and this source is of other"));
    let mut other = files();
    other.volumes[0].0.serial = Some(7);
    assert!(refused(&other, "host").contains("the serial number none, here it is 0000000000000007"));
    let mut other = files();
    other.volumes[0].0.size = 7;
    assert!(refused(&other, "host").contains("has 0 bytes, here it has 7"));
    let mut other = files();
    other.volumes[0].0.id = "D".to_owned();
    assert!(refused(&other, "host").contains("a volume volume-at-0, which this source has not"));
    assert!(!resume.destination().exists());
}
