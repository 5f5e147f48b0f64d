use super::*;
use crate::source::faulty::{Faulty, FaultyTree};
use crate::source::volume::ntfs::tests::volume_with_links;
use crate::source::{OpenedVolume, Volume, VolumeKind};
use crate::{BundleReader, Silent};
use evidence::{ItemStatus, Locator, Reads};
use std::sync::atomic::AtomicU64;

#[test]
fn named_files_are_found_through_junctions_and_links_of_their_volume() {
    let tree = crate::source::volume::ntfs::NtfsTree::open(std::sync::Arc::new(volume_with_links())).unwrap();
    let volume = Volume { letter: Some('C'), is_system: true, ..Volume::new("C", VolumeKind::Ntfs) };
    let first: OpenedVolume = (volume, Some(std::sync::Arc::new(tree)));
    let mut source = FaultyTree::new(vec![("a", Faulty::new(vec![7; 100]))]).source();
    source.volumes.push(first);
    let named = [
        r"C:\Old\A LONG NAME.dll",
        r"c:\Data\Again\Again\a long name.dll",
        r"\??\C:\Rel\a long name.dll",
        r"C:\Data\a long name.dll",
        r"C:\Away\a.dll",
        r"C:\One\a.dll",
    ];
    let leads = |acquired: &AcquiredItem<'_>| match acquired.item.round {
        0 => {
            named.map(|path| LeadPath { path: path.to_owned(), named_by: "a test".to_owned(), kept_for: None }).to_vec()
        }
        _ => Vec::new(),
    };
    let (_folder, collected) = collect_named(&source, &leads, &AtomicBool::new(false), &Silent);
    let items = collected.items().unwrap();
    let found: Vec<_> = items.iter().filter(|item| item.round == 1).collect();
    let [item] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((item.original_path.as_str(), item.size), (r"C:\Data\a long name.dll", 10));
    let mut expected = named[..3].to_vec();
    expected.sort_unstable();
    assert_eq!(item.named_as, expected);
    let said: Vec<&str> = collected.problems.iter().map(|problem| problem.what.as_str()).collect();
    let about = |words: &str| said.iter().any(|what| what.contains(words));
    assert!(about(r"leads off the volume, to D:\Data\a.dll") && about("lead in a circle"), "{said:#?}");
}

/// Stands for a shadow copy; counts how often it is removed.
struct Thing {
    removed: std::sync::Arc<AtomicU64>,
    refuses: bool,
}

impl crate::source::Made for Thing {
    fn name(&self) -> String {
        "shadow copy {1} of C:".to_owned()
    }

    fn remove(&self) -> std::io::Result<()> {
        self.removed.fetch_add(1, Ordering::SeqCst);
        if self.refuses { Err(std::io::Error::other("no")) } else { Ok(()) }
    }
}

#[test]
fn what_a_live_collection_made_is_removed_before_the_seal_and_both_are_recorded() {
    for refuses in [false, true] {
        let removed = std::sync::Arc::new(AtomicU64::new(0));
        let mut source = FaultyTree::new(vec![("a", Faulty::new(vec![7; 100]))]).source();
        source.made = Some(Box::new(Thing { removed: removed.clone(), refuses }));
        let cancel = AtomicBool::new(false);
        let (_folder, collected) = collect_source(&source, &cancel, &Silent);
        assert_eq!(removed.load(Ordering::SeqCst), 1);
        let said = collected.problems.iter().any(|problem| problem.what.contains("could not be removed: no"));
        assert_eq!(said, refuses);
        let mut bundle = zip::ZipArchive::new(std::fs::File::open(&collected.path).unwrap()).unwrap();
        let names: Vec<String> =
            (0..bundle.len()).map(|at| bundle.by_index(at).unwrap().name().unwrap().to_string()).collect();
        let log = names.iter().position(|name| name.ends_with("metadata/actions.jsonl")).unwrap();
        let actions = std::io::read_to_string(bundle.by_index(log).unwrap()).unwrap();
        let lines = actions.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let done: Vec<String> = lines
            .filter(|line| line["object"] == "shadow copy {1} of C:" || line["action"] == "seal")
            .map(|line| format!("{} {}", line["action"].as_str().unwrap(), line["result"].as_str().unwrap()))
            .collect();
        let outcome = if refuses { "remove failed" } else { "remove ok" };
        assert_eq!(done, ["make ok", outcome, "seal complete"]);
    }
}

fn collect_from(tree: FaultyTree, cancel: &AtomicBool, observer: &dyn Observer) -> (tempfile::TempDir, Collected) {
    collect_source(&tree.source(), cancel, observer)
}

fn collect_source(source: &Source, cancel: &AtomicBool, observer: &dyn Observer) -> (tempfile::TempDir, Collected) {
    collect_named(source, &|_| Vec::new(), cancel, observer)
}

pub(crate) fn collect_named(
    source: &Source,
    leads: &(dyn Fn(&AcquiredItem<'_>) -> Vec<LeadPath> + Sync),
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> (tempfile::TempDir, Collected) {
    collect_on((2, false), source, leads, cancel, observer)
}

/// On so many threads, with SHA-512 or without.
fn collect_on(
    (threads, sha512): (usize, bool),
    source: &Source,
    leads: &(dyn Fn(&AcquiredItem<'_>) -> Vec<LeadPath> + Sync),
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> (tempfile::TempDir, Collected) {
    let artifact = Artifact { reads: &[Reads::EveryVolume(r"\*")], ..Artifact::named("everything") };
    let folder = tempfile::tempdir().unwrap();
    let collected = collect(&CollectRequest {
        source,
        artifacts: &[&artifact],
        leads,
        destination: &folder.path().join("b.zip"),
        name: "host",
        host: &[],
        tool: &ToolFacts::default(),
        started: Filetime(0),
        now: &|| Filetime(0),
        limits: Limits::default(),
        check_image: false,
        sha512,
        threads,
        cancel,
        in_haste: &AtomicBool::new(false),
        time_is_over: &AtomicBool::new(false),
        resume: None,
        observer,
    })
    .unwrap();
    assert!(collected.verified.is_right(), "{:?}", collected.verified);
    (folder, collected)
}

const LONG: usize = 12 << 20;

#[test]
fn long_files_give_the_same_bundle_on_any_number_of_threads() {
    let text: Vec<u8> =
        (0..900_000u32).flat_map(|n| format!("{:08x} {n}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..9 << 20).map(|_| next()).collect();
    let mut holes = vec![0; 16 << 20];
    holes[..5 << 20].copy_from_slice(&text[..5 << 20]);
    holes[10 << 20..15 << 20].copy_from_slice(&text[5 << 20..10 << 20]);
    let of_holes = [0..5 << 20, 10 << 20..15 << 20];
    let collected = |threads, sha512| {
        let source = FaultyTree::new(vec![
            ("holes", Faulty::new(holes.clone()).ranges(&of_holes)),
            ("noise", Faulty::new(noise.clone())),
            ("text", Faulty::new(text.clone()).bad(std::slice::from_ref(&(3 << 20..(3 << 20) + 1)))),
        ])
        .source();
        // Whoever looks at it reads the beginning of each, and of one the end.
        let leads = |acquired: &AcquiredItem<'_>| {
            let mut byte = [0];
            let end = acquired.bytes.len() - 1;
            assert!(acquired.bytes.read_full_at(0, &mut byte).is_ok());
            assert!(
                !acquired.item.original_path.ends_with("noise") || acquired.bytes.read_full_at(end, &mut byte).is_ok()
            );
            Vec::new()
        };
        collect_on((threads, sha512), &source, &leads, &AtomicBool::new(false), &Silent)
    };
    let mut zeroed = text.clone();
    zeroed[3 << 20..(3 << 20) + 512].fill(0);
    let stored = [[&holes[..5 << 20], &holes[10 << 20..15 << 20]].concat(), noise.clone(), zeroed];
    for sha512 in [false, true] {
        let (_folder, first) = collected(1, sha512);
        let one = std::fs::read(&first.path).unwrap();
        for threads in [2, 5] {
            let (_folder, other) = collected(threads, sha512);
            assert!(std::fs::read(&other.path).unwrap() == one, "{threads}");
        }
        let items = first.items().unwrap();
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&one)).unwrap();
        for (item, stored) in items.iter().zip(&stored) {
            use sha2::Digest;
            let name = format!("{}/{}", first.bag, item.bundle_path.as_deref().unwrap());
            let mut read = Vec::new();
            std::io::Read::read_to_end(&mut zip.by_name(&name).unwrap(), &mut read).unwrap();
            assert!(read == *stored, "{name}");
            assert_eq!(item.sha256, evidence::hex(&sha2::Sha256::digest(stored)));
            let of_all = evidence::hex(&sha2::Sha512::digest(stored));
            assert_eq!(item.sha512, if sha512 { of_all } else { String::new() });
        }
        assert_eq!(items[0].file_sha256, Some(evidence::hex(&<sha2::Sha256 as sha2::Digest>::digest(&holes))));
        let report = crate::verify(&first.path, 2, &AtomicBool::new(false), &Silent).unwrap();
        assert!(report.is_valid(), "{:?}", report.wrong);
    }
}

#[test]
fn unreadable_parts_are_told_and_the_rest_is_kept() {
    let long: Vec<u8> = (0..LONG).map(|at| (at / 1000) as u8).collect();
    let tree = FaultyTree::new(vec![
        ("bad", Faulty::new(b"0123".repeat(1000)).bad(std::slice::from_ref(&(512..600)))),
        ("gone", Faulty::new(vec![1; 100]).gone_after(0)),
        ("good", Faulty::new(b"good".to_vec())),
        ("long", Faulty::new(long.clone()).bad(std::slice::from_ref(&((5 << 20)..(5 << 20) + 1)))),
        ("short", Faulty::new(vec![2; 100]).ends_at(60)),
    ]);
    let (folder, collected) = collect_from(tree, &AtomicBool::new(false), &Silent);
    let states: Vec<(ItemStatus, u64)> =
        collected.items().unwrap().iter().map(|item| (item.status, item.stored_size)).collect();
    assert_eq!(
        states,
        [
            (ItemStatus::Partial, 4000),
            (ItemStatus::Failed, 0),
            (ItemStatus::Complete, 4),
            (ItemStatus::Partial, LONG as u64),
            (ItemStatus::Partial, 60),
        ]
    );
    let where_and_what: Vec<(&str, Option<Locator>)> = collected
        .problems
        .iter()
        .map(|problem| (&problem.item[problem.item.len() - 4..], problem.locator.clone()))
        .collect();
    let range = |offset, length| Some(Locator::ByteRange { offset, length });
    assert_eq!(where_and_what.len(), 4, "{:?}", collected.problems);
    assert!(where_and_what.contains(&(r"\bad", range(512, 512))), "{where_and_what:?}");
    assert!(where_and_what.contains(&("long", range(5 << 20, 512))));
    assert!(where_and_what.contains(&("gone", None)) && where_and_what.contains(&("hort", None)));
    let reader = BundleReader::open(&collected.path).unwrap();
    let read =
        reader.open_item(&collected.items().unwrap()[3], folder.path()).unwrap().read_all(1 << 30).unwrap().unwrap();
    let mut expected = long;
    expected[5 << 20..(5 << 20) + 512].fill(0);
    assert!(read == expected);
    assert_eq!(reader.failures(), collected.problems);
}

#[test]
fn what_could_be_read_of_a_damaged_file_is_asked_what_it_names() {
    let source = FaultyTree::new(vec![
        ("bad", Faulty::new(b"0123".repeat(1000)).bad(&[512..600, 2048..2049])),
        ("gone", Faulty::new(vec![1; 100]).gone_after(0)),
    ])
    .source();
    let mut expected = b"0123".repeat(1000);
    expected[512..1024].fill(0);
    expected[2048..2560].fill(0);
    let asked = AtomicU64::new(0);
    let leads = |acquired: &AcquiredItem<'_>| {
        assert!(acquired.bytes.read_all(1 << 20).unwrap().unwrap() == expected, "{}", acquired.item.original_path);
        assert!(acquired.bytes.as_slice().is_none());
        asked.fetch_add(1, Ordering::Relaxed);
        Vec::new()
    };
    let (_folder, collected) = collect_named(&source, &leads, &AtomicBool::new(false), &Silent);
    assert_eq!(asked.into_inner(), 1);
    let unread = collected.problems.iter().filter(|problem| problem.what.contains(evidence::LEADS_UNREAD)).count();
    assert_eq!(unread, 0, "{:?}", collected.problems);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_once_more_and_told() {
    let said = |changes| {
        let tree = FaultyTree::new(vec![("a", Faulty::new(b"a".to_vec()))]).changing(changes);
        let (_folder, collected) = collect_from(tree, &AtomicBool::new(false), &Silent);
        assert_eq!(collected.items().unwrap()[0].status, ItemStatus::Complete);
        collected.problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(0), Vec::<String>::new());
    assert_eq!(said(1), ["it changed before it was read, or meanwhile; read again, it did not"]);
    assert_eq!(said(9), ["it changed while it was read"]);
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

#[test]
fn an_interruption_in_the_middle_of_a_file_keeps_what_was_read() {
    let tree = FaultyTree::new(vec![
        ("a", Faulty::new(b"a".to_vec())),
        ("b", Faulty::new(vec![5; LONG])),
        ("c", Faulty::new(b"c".to_vec())),
    ]);
    let cancel = AtomicBool::new(false);
    let (folder, collected) = collect_from(tree, &cancel, &After(4 << 20, &cancel));
    assert!(collected.interrupted);
    let states: Vec<ItemStatus> = collected.items().unwrap().iter().map(|item| item.status).collect();
    assert_eq!(states, [ItemStatus::Complete, ItemStatus::Partial]);
    let part = collected.items().unwrap()[1].stored_size;
    assert!(part >= 4 << 20 && part < LONG as u64, "{part}");
    let said = collected.problems.iter().filter(|problem| problem.kind == ProblemKind::Interrupted).count();
    assert_eq!(said, 3, "the run, the file in the middle, the file behind it: {:?}", collected.problems);
    let why: Vec<&str> =
        collected.problems.iter().map(|one| one.what.as_str()).filter(|what| what.contains("ended early")).collect();
    assert_eq!(why, ["the collection was ended early, because the program was told to end"]);
    assert!(why_early(true, false).ends_with("the time that was allowed for it was over"));
    assert!(why_early(false, true).ends_with("the system was ending"));
    let reader = BundleReader::open(&collected.path).unwrap();
    assert_eq!(reader.open_item(&collected.items().unwrap()[1], folder.path()).unwrap().len(), part);
}
