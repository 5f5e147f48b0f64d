//! The collector as a whole: sources, the leads loop, the bundle, and what foreign programs say of it.

use collector::{AcquiredItem, BundleReader, CollectRequest, Collected, LeadPath, Limits, Silent, ToolFacts, source};
use evidence::{Artifact, Filetime, Hive, Item, ItemStatus, ProblemKind, Reads};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) mod containers;
mod foreign;
pub(crate) mod images;
mod leads;
mod tampering;

/// An artifact that is only its locations.
const fn artifact(id: &'static str, locations: &'static [Reads]) -> Artifact {
    Artifact { reads: locations, ..Artifact::named(id) }
}

static EVENT_LOGS: Artifact = artifact("event-log", &[Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx")]);
static REGISTRY: Artifact = artifact(
    "registry",
    &[
        Reads::Key { hive: Hive::System, key: "Select" },
        Reads::Key { hive: Hive::NtUser, key: r"Software\Classes" },
        Reads::Key { hive: Hive::Software, key: "Classes" },
    ],
);
static MFT: Artifact = artifact("mft", &[Reads::EveryVolume(r"\$MFT"), Reads::EveryVolume(r"\$Extend\$UsnJrnl:$J")]);
static EVERYTHING: Artifact = artifact("everything", &[Reads::EveryVolume(r"\**\*")]);
static ALL: [&Artifact; 3] = [&EVENT_LOGS, &REGISTRY, &MFT];

/// Writes a small host as files: path below the root, content.
fn host(root: &Path, files: &[(&str, &[u8])]) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

const HOST: &[(&str, &[u8])] = &[
    ("Windows/System32/config/SYSTEM", b"system hive"),
    ("Windows/System32/config/SYSTEM.LOG1", b"log one"),
    ("Windows/System32/config/system.log2", b""),
    ("Windows/System32/winevt/Logs/Security.evtx", b"security"),
    ("Windows/System32/winevt/Logs/Microsoft-Windows-Sysmon%4Operational.evtx", b"sysmon"),
    ("Users/jdoe/ntuser.dat", b"jdoe"),
    ("Users/jdoe/Desktop/annex\u{202e}txt.dll", b"MZ annex"),
    ("Windows/ServiceProfiles/LocalService/NTUSER.DAT", b"service"),
    ("Temp/x.dll", b"MZ program"),
    ("Temp/x.tlb", b"type library"),
    ("Temp/x.dll.config", b"<configuration/>"),
    ("$MFT", b"FILE0"),
];

/// How a test collects, with what every test has in common.
struct Collection<'a> {
    artifacts: &'a [&'a Artifact],
    limits: Limits,
    cancel: &'a AtomicBool,
    started: u64,
    threads: usize,
    sha512: bool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl Default for Collection<'_> {
    fn default() -> Self {
        Collection {
            artifacts: &ALL,
            limits: Limits::default(),
            cancel: &NEVER,
            started: 134_171_071_530_000_000,
            threads: 2,
            sha512: false,
        }
    }
}

impl Collection<'_> {
    fn run(
        &self,
        evidence: &Path,
        destination: &Path,
        leads: &(dyn Fn(&AcquiredItem<'_>) -> Vec<LeadPath> + Sync),
    ) -> Result<Collected, collector::Error> {
        let source = source::open(evidence, &collector::Spill::into_folder(&std::env::temp_dir()))?.remove(0);
        let clock = AtomicU64::new(self.started);
        collector::collect(&CollectRequest {
            source: &source,
            artifacts: self.artifacts,
            leads,
            destination,
            name: "WS-FIN-07",
            host: &[("time zone".to_owned(), "Eastern Standard Time".to_owned())],
            tool: &ToolFacts { name: "comtrail".to_owned(), version: "0.0.0".to_owned(), ..ToolFacts::default() },
            started: Filetime(self.started),
            now: &|| Filetime(clock.fetch_add(10_000, Ordering::Relaxed)),
            limits: self.limits.clone(),
            check_image: false,
            sha512: self.sha512,
            threads: self.threads,
            cancel: self.cancel,
            in_haste: &NEVER,
            time_is_over: &NEVER,
            resume: None,
            observer: &Silent,
        })
    }
}

fn nothing_named(_: &AcquiredItem<'_>) -> Vec<LeadPath> {
    Vec::new()
}

/// What the source of a bundle should have no say in: path, content and state of each object.
fn objects(bundle: &Path) -> BTreeMap<String, (String, u64, ItemStatus)> {
    let reader = BundleReader::open(bundle).unwrap();
    let of = |item: &Item| (item.original_path.clone(), (item.sha256.clone(), item.size, item.status));
    reader.items().to_vec().iter().map(of).collect()
}

fn content(bundle: &Path, original_path: &str) -> Vec<u8> {
    let reader = BundleReader::open(bundle).unwrap();
    let item = reader.items().to_vec().into_iter().find(|item| item.original_path == original_path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    reader.open_item(&item, folder.path()).unwrap().read_all(1 << 30).unwrap().unwrap()
}

#[cfg(unix)]
fn verify(bundle: &Path) -> collector::VerifyReport {
    collector::verify(bundle, 2, &NEVER, &Silent).unwrap()
}

/// A folder with the small host, and where its bundle goes.
fn small_host() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    host(&evidence, HOST);
    let bundle = folder.path().join("bundle.zip");
    (folder, evidence, bundle)
}

#[test]
fn a_folder_becomes_a_bundle_that_holds_it() {
    let (_folder, evidence, bundle) = small_host();
    let collected = Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
    assert_eq!(collected.path, bundle.canonicalize().unwrap());
    assert!(collected.verified.is_right(), "{:?}", collected.verified);
    let items = collected.items().unwrap();
    let paths: Vec<&str> = items.iter().map(|item| item.original_path.as_str()).collect();
    assert_eq!(
        paths,
        [
            r"C:\$MFT",
            r"C:\Users\jdoe\ntuser.dat",
            r"C:\Windows\ServiceProfiles\LocalService\NTUSER.DAT",
            r"C:\Windows\System32\config\SYSTEM",
            r"C:\Windows\System32\config\SYSTEM.LOG1",
            r"C:\Windows\System32\config\system.log2",
            r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx",
            r"C:\Windows\System32\winevt\Logs\Security.evtx",
        ]
    );
    for (path, expected) in HOST.iter().filter(|(path, _)| path.contains("System32")) {
        assert_eq!(content(&bundle, &format!("C:\\{}", path.replace('/', "\\"))), *expected, "{path}");
    }
    let items = collected.items().unwrap();
    let system = items.iter().find(|item| item.original_path.ends_with(r"\SYSTEM")).unwrap();
    assert_eq!(
        system.companions,
        [r"C:\Windows\System32\config\SYSTEM.LOG1", r"C:\Windows\System32\config\system.log2"]
    );
    assert_eq!(system.bundle_path.as_deref(), Some("data/raw/C/Windows/System32/config/SYSTEM"));
    // printf 'system hive' | sha256sum
    assert_eq!(system.sha256, "fd54e9030ef5ef3afd3a92b92ae8bf7360871e0282e60a907a906c04bcc88265");
    // What is not there is said: no SOFTWARE hive, no change journal.
    let absent: Vec<&str> = collected
        .problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::NotFound)
        .map(|problem| problem.item.as_str())
        .collect();
    assert_eq!(absent, [r"%SystemRoot%\System32\config\SOFTWARE", r"\$Extend\$UsnJrnl:$J on every volume"]);
    // Other places of the same artifacts were read, so no artifact is said to be silent.
    for note in collected.problems.iter().filter(|problem| problem.kind == ProblemKind::NotFound) {
        assert_eq!(note.what, "nothing is at this place");
        assert!(note.effect.starts_with("what only this place would tell is not known"), "{}", note.effect);
    }
    let reader = BundleReader::open(&bundle).unwrap();
    assert_eq!(reader.items().to_vec(), collected.items().unwrap());
    assert_eq!(reader.failures(), collected.problems);
    assert_eq!(reader.host()["facts"]["time zone"], "Eastern Standard Time");
    assert!(std::fs::metadata(&bundle).unwrap().permissions().readonly());
}

#[test]
fn triage_trees_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let expected = {
        let evidence = folder.path().join("plain");
        host(&evidence, HOST);
        let bundle = folder.path().join("plain.zip");
        Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
        objects(&bundle)
    };
    let encode = |path: &str| path.replace('%', "%25").replace(':', "%3A");
    let kape: Vec<(String, &[u8])> = HOST.iter().map(|(path, content)| (format!("case/C/{path}"), *content)).collect();
    let velociraptor: Vec<(String, &[u8])> = HOST
        .iter()
        .map(|(path, content)| match path.starts_with('$') {
            true => (format!("uploads/ntfs/%5C%5C.%5CC%3A/{}", encode(path)), *content),
            false => (format!("uploads/auto/C%3A/{}", encode(path)), *content),
        })
        .collect();
    let acquire: Vec<(String, &[u8])> =
        HOST.iter().map(|(path, content)| (format!("fs/C:/{path}"), *content)).collect();
    let mut trees = vec![("kape", kape), ("velociraptor", velociraptor)];
    // A folder C: can be made everywhere but on Windows.
    if cfg!(unix) {
        trees.push(("acquire", acquire));
    }
    for (name, files) in trees {
        let evidence = folder.path().join(name);
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
        host(&evidence, &files);
        let bundle = folder.path().join(format!("{name}.zip"));
        Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
        assert_eq!(objects(&bundle), expected, "{name}");
        let archive = folder.path().join(format!("{name}-triage"));
        images::zip_of(&evidence, &archive);
        let bundle = folder.path().join(format!("{name}-of-zip.zip"));
        Collection::default().run(&archive, &bundle, &nothing_named).unwrap();
        assert_eq!(objects(&bundle), expected, "zip of {name}");
    }
}

#[test]
fn shadow_copies_in_a_triage_tree_are_named_as_not_searched() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    let copy = "uploads/ntfs/%5C%5C%3F%5CGLOBALROOT%5CDevice%5CHarddiskVolumeShadowCopy1/Windows/x";
    host(&evidence, &[("uploads/auto/C%3A/Windows/Prefetch/x.pf", b""), (copy, b"")]);
    let collected = Collection::default().run(&evidence, &folder.path().join("b.zip"), &nothing_named).unwrap();
    let said = |problem: &&evidence::Problem| problem.item.contains("HarddiskVolumeShadowCopy1");
    let problem = collected.problems.iter().find(said).unwrap();
    assert!(problem.what.contains("not searched"), "{problem:?}");
}

#[test]
fn the_change_journal_is_found_under_each_of_its_names() {
    for name in ["$Extend/$J", "$Extend/$UsnJrnl:$J"] {
        let folder = tempfile::tempdir().unwrap();
        let evidence = folder.path().join("evidence");
        host(&evidence, &[("C/Windows/x", b""), (&format!("C/{name}"), b"journal")]);
        let bundle = folder.path().join("b.zip");
        Collection::default().run(&evidence, &bundle, &nothing_named).unwrap();
        assert_eq!(content(&bundle, r"C:\$Extend\$UsnJrnl:$J"), b"journal", "{name}");
    }
}

#[test]
fn the_same_evidence_gives_the_same_bundle() {
    let (folder, evidence, first) = small_host();
    let second = folder.path().join("second.zip");
    Collection::default().run(&evidence, &first, &nothing_named).unwrap();
    Collection { started: 134_171_071_530_000_000 + 864_000_000_000, threads: 1, ..Collection::default() }
        .run(&evidence, &second, &nothing_named)
        .unwrap();
    let files = |bundle: &Path| -> BTreeMap<String, Vec<u8>> {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
        (0..archive.len())
            .map(|index| {
                let mut file = archive.by_index(index).unwrap();
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
                (file.name().unwrap().split_once('/').unwrap().1.to_owned(), bytes)
            })
            .collect()
    };
    let (first, second) = (files(&first), files(&second));
    let differing: Vec<&str> =
        first.iter().filter(|(path, bytes)| second.get(*path) != Some(bytes)).map(|(path, _)| path.as_str()).collect();
    assert_eq!(differing, ["bag-info.txt", "metadata/actions.jsonl", "metadata/tool.json", "tagmanifest-sha256.txt"]);
    assert_eq!(first.len(), second.len());
}

#[test]
fn nothing_is_overwritten_and_nothing_is_written_onto_the_evidence() {
    let (folder, evidence, bundle) = small_host();
    std::fs::write(&bundle, "mine").unwrap();
    let error = Collection::default().run(&evidence, &bundle, &nothing_named).unwrap_err();
    assert!(matches!(error, collector::Error::DestinationExists { .. }), "{error}");
    assert_eq!(std::fs::read(&bundle).unwrap(), b"mine");
    let error = Collection::default().run(&evidence, &evidence.join("Users/b.zip"), &nothing_named).unwrap_err();
    assert!(matches!(error, collector::Error::DestinationOnEvidence { .. }), "{error}");
    let log = folder.path().join("Security.evtx");
    std::fs::write(&log, b"ElfFile\0").unwrap();
    let error = Collection::default().run(&log, &log, &nothing_named).unwrap_err();
    assert!(matches!(error, collector::Error::DestinationOnEvidence { .. }), "{error}");
    let error = Collection::default().run(&evidence, &folder.path().join("no/b.zip"), &nothing_named).unwrap_err();
    assert!(error.to_string().contains("Create the folder first"), "{error}");
    assert!(Collection::default().run(&folder.path().join("none"), &bundle, &nothing_named).is_err());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn an_interrupted_collection_is_sealed_and_says_so() {
    let (_folder, evidence, bundle) = small_host();
    let cancel = AtomicBool::new(true);
    let collected =
        Collection { cancel: &cancel, ..Collection::default() }.run(&evidence, &bundle, &nothing_named).unwrap();
    assert!(collected.interrupted && collected.verified.is_right());
    assert!(collected.items().unwrap().is_empty());
    let interrupted: Vec<_> =
        collected.problems.iter().filter(|problem| problem.kind == ProblemKind::Interrupted).collect();
    assert_eq!(interrupted.len(), 9, "one for the run and one for each object: {interrupted:?}");
    assert!(foreign::member(&bundle, "bag-info.txt").contains("Collector-Status: interrupted"));
}

#[test]
fn limits_leave_out_and_say_so() {
    let (folder, evidence, bundle) = small_host();
    let limited = |name: &str, limits: Limits| {
        let bundle = folder.path().join(name);
        let collected = Collection { limits, ..Collection::default() }.run(&evidence, &bundle, &nothing_named).unwrap();
        let said = collected.problems.iter().filter(|problem| problem.kind == ProblemKind::LimitReached).count();
        let got = collected.items().unwrap().iter().filter(|item| item.status == ItemStatus::Complete).count();
        assert!(collected.verified.is_right());
        (got, said)
    };
    assert_eq!(limited("a.zip", Limits { max_object: 7, ..Limits::default() }), (6, 2));
    assert_eq!(limited("b.zip", Limits { max_total: 20, ..Limits::default() }), (4, 4));
    assert_eq!(limited("c.zip", Limits { max_items: 3, ..Limits::default() }), (3, 1));
    drop(bundle);
}

// Windows has no files of such names.
#[cfg(unix)]
#[test]
fn hostile_names_and_empty_files_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    let names = [
        "a.dll",
        "A.DLL",
        "A.dll.",
        "con",
        "x%2Fy",
        "x=2Fy",
        "line\nfeed",
        "\u{202e}gpj.exe",
        "e\u{301}",
        "\u{e9}",
        "trailing ",
        "*?\"<>|",
        "-rf",
        "~",
        "$HOME",
        "#x",
    ];
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    host(&evidence, &files);
    host(&evidence, &[("Windows/System32/config/SYSTEM", b"hive")]);
    std::fs::write(evidence.join("empty"), b"").unwrap();
    let deep: String = std::iter::repeat_n("d".repeat(100), 20).collect::<Vec<_>>().join("/");
    host(&evidence, &[(&format!("{deep}/{}", "\u{4e00}".repeat(80)), b"deep")]);
    let bundle = folder.path().join("b.zip");
    let collected = Collection { artifacts: &[&EVERYTHING], ..Collection::default() }
        .run(&evidence, &bundle, &nothing_named)
        .unwrap();
    assert_eq!(collected.items().unwrap().len(), names.len() + 3);
    assert!(
        collected.items().unwrap().iter().all(|item| item.status == ItemStatus::Complete),
        "{:?}",
        collected.problems
    );
    for name in names {
        // Windows does not tell it from the one in capitals.
        let volume = if name == "a.dll" { "{C-copy}" } else { "C:" };
        assert_eq!(content(&bundle, &format!("{volume}\\{name}")), name.as_bytes());
    }
    assert_eq!(content(&bundle, r"C:\empty"), b"");
    assert!(verify(&bundle).is_right());
    foreign::accepts(&bundle);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence");
    host(&evidence, &[("C/real", b"real"), ("C/$MFT", b"FILE")]);
    host(folder.path(), &[("secret", b"secret")]);
    std::os::unix::fs::symlink("../../secret", evidence.join("C/link")).unwrap();
    std::os::unix::fs::symlink(".", evidence.join("C/loop")).unwrap();
    let bundle = folder.path().join("b.zip");
    let collected = Collection { artifacts: &[&EVERYTHING], ..Collection::default() }
        .run(&evidence, &bundle, &nothing_named)
        .unwrap();
    let items = collected.items().unwrap();
    let states: Vec<_> = items.iter().map(|item| (item.original_path.as_str(), item.status)).collect();
    assert_eq!(
        states,
        [
            (r"C:\$MFT", ItemStatus::Complete),
            (r"C:\link", ItemStatus::Failed),
            (r"C:\loop", ItemStatus::Failed),
            (r"C:\real", ItemStatus::Complete)
        ]
    );
}

/// Peak memory of this process in KiB.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_files_stay_within_bounds() {
    // Memory is counted per process, so this runs in one of its own, without the other tests.
    if std::env::var_os("COMTRAIL_TEST_ALONE").is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "bundle::a_hundred_thousand_files_stay_within_bounds"]).env("COMTRAIL_TEST_ALONE", "1");
        assert!(alone.status().unwrap().success());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let evidence = folder.path().join("evidence/many");
    std::fs::create_dir_all(&evidence).unwrap();
    for number in 0..100_000u32 {
        std::fs::write(evidence.join(format!("file-{number:06}.log")), number.to_le_bytes()).unwrap();
    }
    let bundle = folder.path().join("b.zip");
    host(&folder.path().join("evidence"), &[("Windows/System32/config/SYSTEM", b"hive")]);
    let collected = Collection { artifacts: &[&EVERYTHING], ..Collection::default() }
        .run(&folder.path().join("evidence"), &bundle, &nothing_named)
        .unwrap();
    let peak = peak_memory();
    assert_eq!(collected.objects, 100_001);
    assert!(peak < 256 * 1024, "{peak} KiB");
}
