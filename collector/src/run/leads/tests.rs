//! Leads that cannot be followed, and files that Windows was told to keep elsewhere.

use super::*;
use crate::run::tests::collect_named;
use crate::source::faulty::{Faulty, FaultyTree};
use crate::source::volume::ntfs::NtfsTree;
use crate::source::volume::ntfs::tests::volume_with_links;
use crate::source::{Found, VolumeKind};
use crate::{Collected, Silent};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

fn lead(path: &str, kept_for: Option<&'static str>) -> LeadPath {
    LeadPath { path: path.to_owned(), named_by: "a test".to_owned(), kept_for }
}

/// Collects a file `a`, whose records name these paths, beside a volume `C` with links and a file. Its records are looked
/// for in these places, one after the other.
fn collected_at(a: Faulty, named: &[LeadPath], places: &[u64]) -> (tempfile::TempDir, Collected) {
    let volume = Volume { letter: Some('C'), is_system: true, ..Volume::new("C", VolumeKind::Ntfs) };
    let tree = NtfsTree::open(Arc::new(volume_with_links())).unwrap();
    let mut source = FaultyTree::new(vec![("a", a)]).source();
    source.volumes.push((volume, Some(Arc::new(tree))));
    let leads = |acquired: &AcquiredItem<'_>| {
        let mut byte = [0];
        match acquired.item.round {
            0 if places.iter().all(|at| acquired.bytes.read_full_at(*at, &mut byte).is_ok()) => named.to_vec(),
            _ => Vec::new(),
        }
    };
    collect_named(&source, &leads, &AtomicBool::new(false), &Silent)
}

fn collected(a: Faulty, named: &[LeadPath]) -> (tempfile::TempDir, Collected) {
    collected_at(a, named, &[0])
}

fn about<'a>(collected: &'a Collected, item: &str) -> Vec<&'a Problem> {
    collected.problems.iter().filter(|problem| problem.item == item).collect()
}

#[test]
fn v9_an_object_that_cannot_be_read_again_for_its_leads_is_a_problem() {
    const LONG: usize = 20 << 20;
    let of_long =
        |device: Faulty, places: &[u64]| collected_at(device, &[lead(r"C:\Data\a long name.dll", None)], places);
    // Of a device that is gone once all of it was read, what was read is known; what is too long to be kept is not.
    let end = LONG as u64 - 1;
    for places in [&[0, end][..], &[end - 100, end]] {
        let (_whole, whole) = of_long(Faulty::new(vec![7; LONG]).gone_after(LONG as u64), places);
        assert_eq!(whole.items().unwrap().iter().filter(|item| item.round == 1).count(), 1);
        let name = whole.items().unwrap().iter().find(|item| item.size == LONG as u64).unwrap().original_path.clone();
        assert_eq!(about(&whole, &name).len(), 0);
    }
    let (_there, there) = of_long(Faulty::new(vec![7; LONG]), &[end, 0]);
    assert_eq!(there.items().unwrap().iter().filter(|item| item.round == 1).count(), 1);

    let (_gone, gone) = of_long(Faulty::new(vec![7; LONG]).gone_after(LONG as u64), &[end, 0]);
    let items = gone.items().unwrap();
    let item = items.iter().find(|item| item.size == LONG as u64).unwrap();
    assert_eq!(item.status, ItemStatus::Complete, "it was acquired whole");
    assert!(items.iter().all(|item| item.round == 0));
    let [problem] = about(&gone, &item.original_path)[..] else { panic!("{:#?}", gone.problems) };
    assert_eq!((problem.stage, &problem.kind), (Stage::Acquire, &ProblemKind::ReadFailed));
    assert!(problem.what.starts_with(LEADS_UNREAD) && problem.what.ends_with("the device is gone"), "{}", problem.what);
}

/// Reads an object that is being acquired, as one that names nothing.
fn acquired(content: Faulty, look: &(dyn Fn(&dyn Bytes) + Sync)) -> (Vec<u8>, u64) {
    let source = FaultyTree::new(vec![("a", content)]).source();
    let leads = |acquired: &AcquiredItem<'_>| {
        look(acquired.bytes);
        Vec::new()
    };
    let (folder, collected) = collect_named(&source, &leads, &AtomicBool::new(false), &Silent);
    let reader = crate::BundleReader::open(&collected.path).unwrap();
    let item = &collected.items().unwrap()[0];
    let bytes = reader.open_item(item, folder.path()).unwrap().read_all(1 << 30).unwrap().unwrap();
    (bytes, item.size)
}

#[test]
fn whoever_looks_at_an_object_sees_what_the_bundle_gets() {
    let long: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    for length in [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20, long.len()] {
        let data = &long[..length];
        let look = |bytes: &dyn Bytes| {
            assert_eq!(bytes.len(), length as u64);
            for at in [length, 0, length / 2, length.saturating_sub(1), 7.min(length), length + 9] {
                let mut buffer = vec![0; 100_000];
                let read = bytes.read_full_at(at as u64, &mut buffer).unwrap();
                let rest = data.get(at..).unwrap_or_default();
                assert!(buffer[..read] == rest[..rest.len().min(buffer.len())], "{length}: {at}");
            }
        };
        let (stored, size) = acquired(Faulty::new(data.to_vec()), &look);
        assert!(stored == data && size == length as u64, "{length}");
        let (stored, _) = acquired(Faulty::new(data.to_vec()), &|_| ());
        assert!(stored == data, "{length}");
    }
    // Holes are zeros, and are not acquired.
    let mut holes = vec![0; 12 << 20];
    holes[..100].fill(1);
    holes[9 << 20..][..100].fill(2);
    let ranges = [0..100, 9 << 20..(9 << 20) + 100];
    let look = |bytes: &dyn Bytes| {
        assert_eq!((bytes.next_data(200), bytes.next_data(11 << 20)), (9 << 20, 12 << 20));
        assert!(bytes.read_all(u64::MAX).unwrap().unwrap() == holes);
    };
    let (stored, _) = acquired(Faulty::new(holes.clone()).ranges(&ranges), &look);
    assert!(stored == holes);
}

/// A tree that cannot be looked up in.
struct Unreadable;

impl Tree for Unreadable {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        Err(Problem::new(Stage::Locate, ProblemKind::ReadFailed, path, "bad sector", ""))
    }

    fn each(&self, folder: &Found, _: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        Err(Problem::new(Stage::Locate, ProblemKind::ReadFailed, &folder.path, "bad sector", ""))
    }

    fn streams(&self, _: &Found) -> Result<Vec<Found>, Problem> {
        Ok(Vec::new())
    }

    fn lookup_deleted(&self, _: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        Err(Problem::new(Stage::Acquire, ProblemKind::ReadFailed, &found.path, "bad sector", ""))
    }

    fn take_problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

#[test]
fn v9_a_lookup_that_fails_is_not_an_absence() {
    let mut source = FaultyTree::new(vec![("a", Faulty::new(vec![7; 100]))]).source();
    let volume = Volume { letter: Some('E'), ..Volume::new("E", VolumeKind::Ntfs) };
    source.volumes.push((volume, Some(Arc::new(Unreadable))));
    let leads = |acquired: &AcquiredItem<'_>| match acquired.item.round {
        0 => vec![lead(r"E:\b.dll", None)],
        _ => Vec::new(),
    };
    let (_folder, collected) = collect_named(&source, &leads, &AtomicBool::new(false), &Silent);
    let [problem] = about(&collected, r"E:\b.dll")[..] else { panic!("{:#?}", collected.problems) };
    assert_eq!((problem.stage, &problem.kind), (Stage::Acquire, &ProblemKind::ReadFailed));
    assert!(problem.what.contains("bad sector"), "{}", problem.what);
}

#[test]
fn a_place_that_cannot_be_looked_at_is_not_said_to_be_empty() {
    let mut source = FaultyTree::new(Vec::new()).source();
    source.volumes[0].1 = Some(Arc::new(Unreadable));
    let (_folder, collected) = collect_named(&source, &|_| Vec::new(), &AtomicBool::new(false), &Silent);
    let said: Vec<&Problem> = collected.problems.iter().filter(|problem| problem.stage == Stage::Locate).collect();
    assert!(!said.is_empty(), "{:#?}", collected.problems);
    for problem in said {
        assert_eq!(problem.kind, ProblemKind::ReadFailed, "{problem:?}");
        assert!(problem.item.starts_with(r"{volume-at-0}\"), "{problem:?}");
    }
}

#[test]
fn s11_a_file_that_windows_keeps_elsewhere_is_of_its_artifact_and_its_absence_a_loss() {
    let named = [
        lead(r"C:\Data\a long name.dll", Some("everything")),
        lead(r"C:\Data\missing.evtx", Some("everything")),
        lead(r"X:\Logs\missing.evtx", Some("everything")),
        lead(r"C:\Data\missing.dll", None),
    ];
    let (_folder, collected) = collected(Faulty::new(vec![7; 100]), &named);
    let items = collected.items().unwrap();
    let [found] = &items.iter().filter(|item| item.round == 1).collect::<Vec<_>>()[..] else {
        panic!("{:#?}", collected.items().unwrap())
    };
    assert_eq!(found.wanted_by, ["everything"], "no lead, hence no program");
    assert_eq!((found.named_by.as_slice(), &found.sha1), (&["a test".to_owned()][..], &None));
    for (path, kind) in [
        (r"C:\Data\missing.evtx", "inconsistent"),
        (r"X:\Logs\missing.evtx", "inconsistent"),
        (r"C:\Data\missing.dll", "not_found"),
    ] {
        let [problem] = about(&collected, path)[..] else { panic!("{path}: {:#?}", collected.problems) };
        assert_eq!(problem.kind.name(), kind, "{path}");
    }
}

#[test]
fn s11_a_junction_to_another_volume_is_followed_where_that_was_given() {
    let volume = |letter: char| {
        let tree = NtfsTree::open(Arc::new(volume_with_links())).unwrap();
        let volume = Volume { letter: Some(letter), ..Volume::new(letter, VolumeKind::Ntfs) };
        (volume, Some(Arc::new(tree) as Arc<dyn Tree>))
    };
    // `\Away` leads to `D:\Data\`.
    let named = [
        lead(r"C:\Away\a long name.dll", None),
        lead(r"C:\Away\missing.dll", None),
        lead(r"\Device\HarddiskVolume3\Away\a long name.dll", None),
    ];
    let leads = |acquired: &AcquiredItem<'_>| match acquired.item.round {
        0 => named.to_vec(),
        _ => Vec::new(),
    };
    let collected = |letters: &[char]| {
        let mut source = FaultyTree::new(vec![("a", Faulty::new(vec![7; 100]))]).source();
        source.volumes.extend(letters.iter().map(|letter| volume(*letter)));
        source.volumes.iter_mut().for_each(|(volume, _)| volume.is_system = volume.letter == Some('C'));
        collect_named(&source, &leads, &AtomicBool::new(false), &Silent)
    };
    let (_both, both) = collected(&['C', 'D']);
    let items = both.items().unwrap();
    let [found] = &items.iter().filter(|item| item.round == 1).collect::<Vec<_>>()[..] else { panic!("{items:#?}") };
    assert_eq!(found.original_path, r"D:\Data\a long name.dll");
    assert!(found.named_as.iter().any(|name| name == r"C:\Away\a long name.dll"), "{:?}", found.named_as);
    let [problem] = about(&both, r"D:\Data\missing.dll")[..] else { panic!("{:#?}", both.problems) };
    assert_eq!(problem.kind, ProblemKind::NotFound, "its folder is there, and it is not in it");

    let (_one, one) = collected(&['C']);
    assert!(one.items().unwrap().iter().all(|item| item.round == 0));
    for path in [r"C:\Away\a long name.dll", r"C:\Away\missing.dll"] {
        let [problem] = about(&one, path)[..] else { panic!("{path}: {:#?}", one.problems) };
        assert_eq!(problem.kind, ProblemKind::NotUnderstood, "{problem:?}");
        assert!(problem.what.contains(r"to D:\Data\"), "{problem:?}");
        assert!(problem.effect.contains("not known"), "{problem:?}");
    }
}
