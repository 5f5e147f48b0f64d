//! Sources in the layouts that triage programs leave behind, made small.

use super::*;
use crate::source::Content;
use evidence::Reads;
use std::io::Write;

mod copies;
mod damaged;
mod twins;

type Files<'a> = &'a [(&'a str, &'a [u8])];

const LOG: &[u8] = b"ElfFile\0";
const HIVE: &[u8] = b"regf";

fn make(files: Files<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn zip_of(files: Files<'_>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn opened(path: &Path) -> Vec<Source> {
    open(path, &Spill::into_folder(&std::env::temp_dir())).unwrap()
}

fn refusal(path: &Path) -> String {
    let error = open(path, &Spill::into_folder(&std::env::temp_dir())).err().unwrap().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// The files of a source at a location, by original path.
fn at(source: &Source, location: &Reads) -> Vec<String> {
    let (located, problems) = crate::run::locate(source, location);
    assert!(problems.is_empty(), "{problems:?}");
    located.iter().map(|located| located.original_path(&source.volumes[located.volume].0)).collect()
}

/// Event logs, in trees and outside of them.
fn logs(source: &Source) -> Vec<String> {
    let mut logs = at(source, &Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx"));
    logs.extend(at(source, &Reads::Loose(Format::EventLog)));
    logs
}

fn read(source: &Source, path: &str) -> Vec<u8> {
    let (volume, path) = path.split_at(2);
    let tree = source.volumes.iter().find(|(own, _)| own.letter == volume.chars().next()).unwrap().1.as_ref().unwrap();
    let content: Box<dyn Content> = tree.open(&tree.lookup(path).unwrap().unwrap()).unwrap();
    content.read_all(1 << 20).unwrap().unwrap()
}

const SECURITY: &str = r"C:\Windows\System32\winevt\Logs\Security.evtx";

#[test]
fn a_tree_is_found_in_every_layout_and_at_every_level() {
    let layouts = [
        "Windows",
        "C/Windows",
        "c/windows",
        "host/C/Windows",
        "C_/Windows",
        "C$/Windows",
        "C%3A/Windows",
        "uploads/auto/C%3A/Windows",
        "uploads/ntfs/%5C%5C.%5CC%3A/Windows",
        "uploads/lazy_ntfs/%5C%5C.%5CC%3A/Windows",
        "clients/C.0a/collections/F.1/uploads/mft/C%3A/Windows",
        "image.E01/Partition 2/NONAME [NTFS]/[root]/Windows",
        "fs/$fs$/fs0/Windows",
        "[root]/WINNT",
        "a/b/c/d/e/f/g/h/i/j/k/C/Windows",
    ];
    for layout in layouts {
        let path = format!("{layout}/System32/winevt/Logs/Security.evtx");
        let path = if layout == "c/windows" { path.to_lowercase() } else { path };
        let folder = make(&[(&path, LOG)]);
        let found = opened(folder.path());
        let paths: Vec<Vec<String>> = found.iter().map(logs).collect();
        let expected =
            if layout.ends_with("WINNT") { SECURITY.replace("Windows", "WINNT") } else { SECURITY.to_owned() };
        assert_eq!(paths.len(), 1, "{layout}: {paths:?}");
        assert!(paths[0].len() == 1 && paths[0][0].eq_ignore_ascii_case(&expected), "{layout}: {paths:?}");
        assert!(found[0].volumes[0].0.is_system && found[0].problems.is_empty(), "{layout}");
    }
}

// A folder can be called so everywhere but on Windows.
#[cfg(unix)]
#[test]
fn drive_folders_with_characters_that_windows_has_not() {
    for layout in ["fs/C:", r"ntfs/\\.\C:"] {
        let folder = make(&[(&format!("{layout}/Windows/System32/winevt/Logs/Security.evtx"), LOG)]);
        assert_eq!(logs(&opened(folder.path())[0]), [SECURITY], "{layout}");
    }
}

#[test]
fn what_lies_beside_a_part_of_a_volume_is_outside_of_what_was_given() {
    let folder = make(&[("C/Windows/System32/winevt/Logs/Security.evtx", LOG)]);
    for (given, outside) in [("C", false), ("C/Windows", true), ("C/Windows/System32", true)] {
        let found = opened(&folder.path().join(given));
        let tree = found[0].volumes[0].1.as_ref().unwrap();
        assert_eq!(tree.lies_outside(r"\EvtStore\Security.evtx"), outside, "{given}");
        assert!(!tree.lies_outside(r"\windows\System32\a.evtx") && !tree.lies_outside(r"\Windows"), "{given}");
    }
    let deep = opened(&folder.path().join("C/Windows/System32"));
    assert!(deep[0].volumes[0].1.as_ref().unwrap().lies_outside(r"\Windows\Logs\a.evtx"));
}

#[test]
fn a_path_that_is_too_low_gives_the_same_paths() {
    let folder = make(&[
        ("C/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("C/Windows/System32/config/SYSTEM", HIVE),
        ("C/Windows/System32/config/SYSTEM.LOG1", b"log"),
    ]);
    for below in ["C/Windows", "C/Windows/System32"] {
        assert_eq!(logs(&opened(&folder.path().join(below))[0]), [SECURITY], "{below}");
    }
    let logs_alone = &opened(&folder.path().join("C/Windows/System32/winevt/Logs"))[0];
    assert_eq!(logs(logs_alone), [r"{files}\Security.evtx"]);
    let config = &opened(&folder.path().join("C/Windows/System32/config"))[0];
    let hive = Reads::Key { hive: evidence::Hive::System, key: "" };
    assert_eq!(at(config, &hive), [r"{files}\SYSTEM"]);
    let (located, _) = crate::run::locate(config, &hive);
    let its_logs: Vec<String> =
        crate::hive_logs(config, &located[0]).iter().map(|log| log.found.path.clone()).collect();
    assert_eq!(its_logs, [r"\SYSTEM.LOG1"]);
    assert!(at(config, &Reads::Key { hive: evidence::Hive::Sam, key: "" }).is_empty());
}

#[test]
fn hosts_are_kept_apart_and_drives_of_one_belong_together() {
    let folder = make(&[
        ("A/C/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0A"),
        ("B/C/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0B"),
        ("B/D/data/x.dll", b"MZ"),
        ("E/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0E"),
    ]);
    let found = opened(folder.path());
    let letters = |source: &Source| {
        let own = source.volumes.iter().filter(|(volume, _)| volume.kind != VolumeKind::OtherCopy);
        own.map(|(volume, _)| volume.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found.iter().map(letters).collect::<Vec<_>>(), [vec!["E"], vec!["C"], vec!["C", "D"]]);
    assert_eq!(read(&found[1], SECURITY), b"ElfFile\0A");
    assert_eq!(read(&found[2], SECURITY), b"ElfFile\0B");
    assert_eq!(read(&found[2], r"D:\data\x.dll"), b"MZ");
    // Two folders with a Windows of their own are two hosts, whatever they are called.
    let folder = make(&[
        ("C/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("D/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("more/Security.evtx", LOG),
    ]);
    let found = opened(folder.path());
    let paths: Vec<Vec<String>> = found.iter().map(logs).collect();
    assert_eq!(paths, [vec![SECURITY], vec![&SECURITY.replace("C:", "D:")], vec![r"{files}\more\Security.evtx"]]);
}

#[test]
fn windows_old_is_a_host_with_its_own_profiles() {
    let folder = make(&[
        ("C/Windows/System32/config/SOFTWARE", HIVE),
        ("C/Users/new/NTUSER.DAT", HIVE),
        ("C/Windows.old/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("C/Windows.old/Users/old/NTUSER.DAT", HIVE),
        ("C/Windows.old.000/Windows/System32/config/SYSTEM", b"no hive"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.iter().map(|source| source.is_older).collect::<Vec<_>>(), [false, true]);
    let users = Reads::Key { hive: evidence::Hive::NtUser, key: "" };
    assert_eq!(at(&found[0], &users), [r"C:\Users\new\NTUSER.DAT"]);
    assert_eq!(at(&found[1], &users), [r"C:\Windows.old\Users\old\NTUSER.DAT"]);
    assert_eq!(logs(&found[1]), [r"C:\Windows.old\Windows\System32\winevt\Logs\Security.evtx"]);
}

#[test]
fn of_two_copies_the_whole_one_is_used_and_both_are_kept() {
    let folder = make(&[
        ("uploads/auto/C%3A/Windows/System32/winevt/Logs/Security.evtx", b""),
        ("uploads/auto/C%3A/Windows/System32/winevt/Logs/Same.evtx", LOG),
        ("uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/winevt/Logs/security.evtx", LOG),
        ("uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/winevt/Logs/Same.evtx", LOG),
        ("uploads/ntfs/%5C%5C.%5CC%3A/$MFT", b"FILE"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(read(&found[0], SECURITY), LOG);
    let paths = logs(&found[0]);
    let expected = [
        r"C:\Windows\System32\winevt\Logs\Same.evtx",
        r"C:\Windows\System32\winevt\Logs\security.evtx",
        r"{C-auto}\Windows\System32\winevt\Logs\Security.evtx",
    ];
    assert_eq!(paths, expected);
    let problems: Vec<Problem> =
        found[0].volumes.iter().flat_map(|(_, tree)| tree.as_ref().unwrap().take_problems()).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].kind.particulars().contains("0 bytes in /uploads/auto/C%3A"), "{problems:?}");
}

#[test]
fn files_are_recognised_wherever_they_lie() {
    let prefetch = [&[30, 0, 0, 0][..], b"SCCA"].concat();
    let folder = make(&[
        ("case/logs/a.bin", LOG),
        ("case/b.pf", &prefetch),
        ("case/hives/whatever", HIVE),
        ("case/notes.txt", b"notes"),
        ("case/old.evt", b"\x30\0\0\0LfLe"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(logs(&found[0]), [r"{files}\case\logs\a.bin"]);
    assert_eq!(at(&found[0], &Reads::Loose(Format::Prefetch)), [r"{files}\case\b.pf"]);
    // A hive that does not say which it is may be any.
    for hive in [evidence::Hive::Software, evidence::Hive::NtUser] {
        assert_eq!(at(&found[0], &Reads::Key { hive, key: "" }), [r"{files}\case\hives\whatever"]);
    }
    let problem = &found[0].problems[0];
    assert!(found[0].problems.len() == 1 && problem.item == r"\case\old.evt", "{:?}", found[0].problems);
    assert_eq!(problem.kind, ProblemKind::NotUnderstood);
    let single = opened(&folder.path().join("case/logs/a.bin"));
    assert_eq!(logs(&single[0]), [r"{files}\a.bin"]);
}

#[test]
fn a_damaged_file_outside_of_trees_is_read_by_its_chunks_or_said() {
    let mut log = vec![0; 4096 + 65_536];
    log[4096..4104].copy_from_slice(b"ElfChnk\0");
    let mut cut = vec![0; 70_000];
    cut[65_536..65_544].copy_from_slice(b"ElfChnk\0");
    let folder = make(&[
        ("a/Security.evtx", &log),
        ("a/cut.evtx", &cut),
        ("a/System.evtx", b""),
        ("a/junk.evtx", &[0xA5; 9000]),
        ("a/X.EXE-00000001.pf", &[1; 100]),
        ("a/NTUSER.DAT", &[0; 8192]),
        ("a/notes", &log),
        ("a/empty", b""),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!(logs(&found[0]), [r"{files}\a\Security.evtx", r"{files}\a\cut.evtx"]);
    let mut said: Vec<&str> = found[0].problems.iter().map(|problem| problem.item.as_str()).collect();
    said.sort_unstable();
    assert_eq!(said, [r"\a\NTUSER.DAT", r"\a\System.evtx", r"\a\X.EXE-00000001.pf", r"\a\junk.evtx"]);
    assert!(found[0].problems.iter().all(|problem| problem.kind == ProblemKind::NotUnderstood));
    assert_eq!(logs(&opened(&folder.path().join("a/Security.evtx"))[0]), [r"{files}\Security.evtx"]);
}

#[test]
fn what_was_not_understood_is_told_by_every_host_of_the_source() {
    let folder = make(&[
        ("A/C/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("B/C/Windows/System32/winevt/Logs/Security.evtx", LOG),
        ("third.7z", b"7z\xBC\xAF\x27\x1C\0\x04 and more"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 2);
    for host in &found {
        let said: Vec<&str> = host.problems.iter().map(|problem| problem.item.as_str()).collect();
        assert_eq!(said, [r"\third.7z"]);
    }
}

#[cfg(unix)]
#[test]
fn a_file_table_that_cannot_be_read_makes_no_host() {
    use std::os::unix::fs::PermissionsExt;
    let folder = make(&[("C/$MFT", b"FILE0")]);
    let table = folder.path().join("C/$MFT");
    std::fs::set_permissions(&table, std::fs::Permissions::from_mode(0o0)).unwrap();
    // Who may do everything reads it all the same.
    if std::fs::File::open(&table).is_err() {
        assert!(refusal(folder.path()).contains("cannot be read"));
    }
    // A zip with the one member `C/$MFT`, packed in a way (97) that is not unpacked here.
    let mut zip = zip_of(&[("C/$MFT", b"FILE0")]);
    for (magic, at) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let header = zip.windows(4).position(|four| four == magic).unwrap();
        zip[header + at..header + at + 2].copy_from_slice(&97u16.to_le_bytes());
    }
    let path = folder.path().join("a.zip");
    std::fs::write(&path, zip).unwrap();
    let error = refusal(&path);
    assert!(error.contains("$MFT") && error.contains("97"), "{error}");
}

#[test]
fn archives_inside_archives_are_opened() {
    let host = |name: &[u8]| {
        let log = [LOG, name].concat();
        zip_of(&[("C/Windows/System32/winevt/Logs/Security.evtx", &log)])
    };
    let inner = zip_of(&[("one.zip", &host(b"one")), ("ConsoleLog.txt", b"done")]);
    let folder = make(&[
        ("deep.zip", &zip_of(&[("x/inner.zip", &inner), ("loose.evtx", LOG)])),
        ("two.zip", &host(b"two")),
        ("broken.zip", b"PK\x03\x04 and no more"),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 3);
    assert_eq!(read(&found[0], SECURITY), b"ElfFile\0one");
    assert_eq!(read(&found[1], SECURITY), b"ElfFile\0two");
    assert_eq!(logs(&found[2]), [r"{files}\deep.zip\loose.evtx"]);
    let problems = &found[0].problems;
    assert!(problems.len() == 1 && problems[0].item == r"\broken.zip", "{problems:?}");
    assert_eq!(problems[0].kind, ProblemKind::NotUnderstood);
    let mut nested = host(b"deepest");
    for _ in 0..=unknown::MAX_NESTED {
        nested = zip_of(&[("a.zip", &nested)]);
    }
    let folder = make(&[("nested.zip", &nested)]);
    assert!(refusal(&folder.path().join("nested.zip")).contains("archives inside each other"));
}

#[test]
fn an_upload_without_its_holes_is_put_together_again() {
    let index = br#"{"ranges":[{"file_length":4,"length":4},{"file_offset":4,"original_offset":4,"length":6},
        {"file_offset":4,"original_offset":10,"file_length":5,"length":5}]}"#;
    let at_log = "uploads/ntfs/%5C%5C.%5CC%3A/Windows/System32/winevt/Logs";
    let folder = make(&[
        (&format!("{at_log}/Security.evtx"), b"ElfFile\0x"),
        (&format!("{at_log}/Security.evtx.idx"), index),
        (&format!("{at_log}/Other.evtx"), LOG),
        (&format!("{at_log}/Other.evtx.idx"), br#"{"ranges":[{"file_length":99,"length":99}]}"#),
    ]);
    let found = opened(folder.path());
    assert_eq!(read(&found[0], SECURITY), b"ElfF\0\0\0\0\0\0ile\0x");
    let tree = found[0].volumes[0].1.as_ref().unwrap();
    let log = tree.lookup(&SECURITY[2..]).unwrap().unwrap();
    let missing = tree.open(&log).unwrap().missing();
    assert_eq!((log.size, missing.len(), missing[0].clone()), (15, 1, 4..10));
    assert!(tree.lookup(&format!("{}.idx", &SECURITY[2..])).unwrap().is_none(), "it is no file of the host");
    let problems = tree.take_problems();
    assert!(problems.len() == 1 && problems[0].item == "Other.evtx", "{problems:?}");
    let other = tree.lookup(r"\Windows\System32\winevt\Logs\Other.evtx").unwrap().unwrap();
    assert!(tree.open(&other).unwrap().flaw().unwrap().contains("99 bytes at offset 0"));
}

/// Lengths beyond the file, overlaps, a wrong order and no JSON at all: the upload is kept as it is and is not called whole.
#[test]
fn an_index_that_does_not_fit_its_upload_makes_it_partial() {
    let wrong: [(&str, &[u8]); 5] = [
        ("beyond", br#"{"ranges":[{"file_length":4,"length":4},{"file_offset":4,"original_offset":9,"file_length":40,"length":40}]}"#),
        ("overlap", br#"{"ranges":[{"file_length":4,"length":4},{"file_offset":4,"original_offset":2,"file_length":4,"length":4}]}"#),
        ("shared", br#"{"ranges":[{"file_length":4,"length":4},{"file_offset":0,"original_offset":9,"file_length":4,"length":4}]}"#),
        ("order", br#"{"ranges":[{"file_offset":4,"original_offset":9,"file_length":4,"length":4},{"file_length":4,"length":4}]}"#),
        ("garbage", b"\x01\x02 no JSON"),
    ];
    for (layout, with_garbage) in [("uploads/ntfs/%5C%5C.%5CC%3A", true), ("host/C", false)] {
        for (what, index) in wrong {
            let at_log = format!("{layout}/Windows/System32/winevt/Logs");
            let (log, its) = (format!("{at_log}/Security.evtx"), format!("{at_log}/Security.evtx.idx"));
            let folder = make(&[(&log, LOG), (&its, index)]);
            let found = opened(folder.path());
            assert_eq!(read(&found[0], SECURITY), LOG, "{what}");
            let tree = found[0].volumes[0].1.as_ref().unwrap();
            let content = tree.open(&tree.lookup(&SECURITY[2..]).unwrap().unwrap()).unwrap();
            // Where nothing else is of Velociraptor, a file of this name can be anything.
            assert_eq!(content.flaw().is_some(), with_garbage || what != "garbage", "{layout} {what}");
        }
    }
}

/// A program of .NET by the fields that say so, and an archive behind it: both are evidence.
#[test]
fn an_archive_behind_a_program_is_opened_and_the_program_is_one() {
    let mut program = vec![0; 1024];
    program[..2].copy_from_slice(b"MZ");
    program[0x3C] = 0x80;
    program[0x80..0x84].copy_from_slice(b"PE\0\0");
    program[0x98..0x9A].copy_from_slice(&0x10Bu16.to_le_bytes());
    program[0x98 + 92] = 16;
    program[0x98 + 96 + 14 * 8] = 1;
    let archive = zip_of(&[("C/Windows/System32/winevt/Logs/Security.evtx", LOG), ("loose.evtx", LOG)]);
    let managed = [&program[..], &archive].concat();
    let native = [b"MZ, a program that unpacks", &archive[..]].concat();
    let folder = make(&[("managed.exe", &managed), ("native.exe", &native), ("plain.exe", &program)]);
    let found = opened(&folder.path().join("native.exe"));
    assert_eq!(read(&found[0], SECURITY), LOG);
    let found = opened(&folder.path().join("managed.exe"));
    assert_eq!(read(&found[0], SECURITY), LOG);
    let facts = &found.last().unwrap().facts;
    assert!(facts.contains(&("Assembly".to_owned(), "1".to_owned())), "{facts:?}");
    let found = opened(folder.path());
    assert_eq!(found.iter().filter(|source| source.kind == "archive in the source").count(), 2);
    let facts = &found.last().unwrap().facts;
    assert!(facts.contains(&("Assembly".to_owned(), "2".to_owned())), "{facts:?}");
    assert!(found[0].problems.is_empty(), "{:?}", found[0].problems);
}

/// A zip archive that lost its first bytes, and a tar archive with a wrong bit in its first header, given and found.
#[test]
fn archives_whose_beginning_is_damaged_are_recognised() {
    let zip = zip_of(&[("lost.txt", &[7; 3_000]), ("C/Windows/System32/winevt/Logs/Security.evtx", LOG)]);
    let folder = make(&[("zip/a.zip", &zip[20..]), ("zip/b.bin", &zip[20..])]);
    for path in ["zip/a.zip", "zip/b.bin", "zip"] {
        let found = opened(&folder.path().join(path));
        assert_eq!(read(&found[0], SECURITY), LOG);
        assert!(found[0].problems.iter().any(|problem| problem.what.contains("lost.txt")), "{:?}", found[0].problems);
    }
}

#[test]
fn what_has_nothing_of_windows_is_refused_by_what_it_is() {
    let folder = make(&[
        ("none/x/notes.txt", b"notes"),
        ("text.E01", b"no image\n"),
        ("zeros", &[0; 8192]),
        ("noise", &[0xA5; 8192]),
        ("shell/C/Windows/notepad.txt", b"text"),
    ]);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(describe(&Vec::new()).starts_with("it is empty"), "nothing of it can be zeros");
    for (name, expected) in [
        ("empty", "is empty"),
        ("none", "the one file in it is no event log"),
        ("text.E01", "it is text"),
        ("zeros", "it holds zeros only"),
        ("noise", "a5 a5 a5 a5"),
        ("shell", "no Windows folder is there"),
    ] {
        let error = refusal(&folder.path().join(name));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_never_opened() {
    let folder = make(&[("C/Windows/System32/winevt/Logs/Security.evtx", LOG)]);
    let socket = folder.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(refusal(&socket).contains("a socket"));
    assert!(refusal(Path::new("/dev/zero")).contains("a character device"));
    let found = opened(folder.path());
    assert!(found[0].problems[0].what.contains("a socket"), "{:?}", found[0].problems);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_stay_two_names() {
    use std::os::unix::ffi::OsStrExt;
    let folder = make(&[("C/Windows/System32/config/SYSTEM", HIVE)]);
    let logs_folder = folder.path().join("C/Windows/System32/winevt/Logs");
    std::fs::create_dir_all(&logs_folder).unwrap();
    for name in [&b"old\x80.evtx"[..], b"old\x81.evtx"] {
        std::fs::write(logs_folder.join(std::ffi::OsStr::from_bytes(name)), LOG).unwrap();
    }
    let given = folder.path().join(std::ffi::OsStr::from_bytes(b"case\xff"));
    std::fs::create_dir(&given).unwrap();
    std::fs::rename(folder.path().join("C"), given.join("C")).unwrap();
    let found = opened(&given);
    let paths = logs(&found[0]);
    assert_eq!(paths, [r"old\x80.evtx", r"old\x81.evtx"].map(|name| SECURITY.replace("Security.evtx", name)));
}

/// A disk with these volumes behind an MBR, each at a whole MiB.
fn disk_of(volumes: &[&[u8]]) -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    for (index, volume) in volumes.iter().enumerate() {
        let entry = 446 + index * 16;
        let (first, sectors) = (disk.len() / 512, volume.len() / 512);
        disk[entry + 4] = 7;
        disk[entry + 8..entry + 12].copy_from_slice(&u32::try_from(first).unwrap().to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&u32::try_from(sectors).unwrap().to_le_bytes());
        disk.extend_from_slice(volume);
        disk.resize(disk.len().next_multiple_of(1 << 20), 0);
    }
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk
}

#[test]
fn two_windows_on_one_disk_are_two_hosts() {
    let volume = crate::source::volume::ntfs::tests::fixture_volume();
    let folder = make(&[("disk.raw", &disk_of(&[&volume, &volume])), ("note.txt", b"a disk")]);
    for path in [folder.path().join("disk.raw"), folder.path().to_owned()] {
        let found = opened(&path);
        let systems: Vec<Vec<(Option<char>, bool)>> = found
            .iter()
            .map(|source| source.volumes.iter().map(|(volume, _)| (volume.letter, volume.is_system)).collect())
            .collect();
        let (system, data) = ((Some('C'), true), (None, false));
        assert_eq!(systems, [vec![system, data], vec![data, system]], "{}", path.display());
        assert!(!logs(&found[1]).is_empty() && logs(&found[1]) == logs(&found[0]));
    }
}

#[test]
fn what_lies_on_a_volume_of_data_is_recognised_too() {
    let folder = make(&[
        ("$MFT", b"FILE"),
        ("logs/Security.evtx", LOG),
        ("case/host.zip", &zip_of(&[("C/Windows/System32/winevt/Logs/Security.evtx", LOG)])),
        ("mine/C/Windows/System32/config/SYSTEM", HIVE),
    ]);
    let spill = Spill::into_folder(&std::env::temp_dir());
    let mut opening = Opening::new(folder.path(), &spill);
    let volume: Arc<dyn Store> = Arc::new(OnVolume(tree::of_volume(Folder::new(folder.path()))));
    opening.store(&volume, &Kind { name: "raw image", files: Vec::new() }, "", "", 0);
    let found = opening.finish(|_| String::new()).unwrap();
    let paths: Vec<Vec<String>> = found.iter().map(logs).collect();
    assert_eq!(paths, [vec![SECURITY.to_owned()], vec![], vec![r"{files}\logs\Security.evtx".to_owned()]]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_of_a_tree_and_named_where_they_lead_out() {
    use std::os::unix::fs::symlink;
    let folder = make(&[
        ("C/Windows/System32/config/SYSTEM", HIVE),
        ("C/EvtLogs/Security.evtx", LOG),
        ("C/Profiles/ann/NTUSER.DAT", HIVE),
        ("C/Users/bob/NTUSER.DAT", HIVE),
        ("other/A.pf", b"MAM\x04"),
    ]);
    let tree = folder.path().join("C");
    std::fs::create_dir(tree.join("Windows/System32/winevt")).unwrap();
    let logs_link = tree.join("Windows/System32/winevt/Logs");
    symlink("/Profiles/ann", tree.join("Users/ann")).unwrap();
    symlink("..", tree.join("Users/bob/up")).unwrap();
    symlink("bob", tree.join("Users/Default User")).unwrap();
    let users = Reads::Key { hive: evidence::Hive::NtUser, key: "" };
    for target in [PathBuf::from("/EvtLogs"), "../../../EvtLogs".into(), tree.join("EvtLogs")] {
        symlink(&target, &logs_link).unwrap();
        let found = opened(folder.path());
        assert_eq!(logs(&found[0]), [r"C:\EvtLogs\Security.evtx"], "{}", target.display());
        assert_eq!(read(&found[0], SECURITY), LOG);
        assert_eq!(at(&found[0], &users), [r"C:\Profiles\ann\NTUSER.DAT", r"C:\Users\bob\NTUSER.DAT"]);
        std::fs::remove_file(&logs_link).unwrap();
    }
    symlink("Prefetch", tree.join("Windows/Circle")).unwrap();
    for (target, expected) in
        [("../../other", "outside of this volume"), ("/nowhere", "no folder of the source"), ("Circle", "in a circle")]
    {
        let link = tree.join("Windows/Prefetch");
        symlink(target, &link).unwrap();
        let found = opened(folder.path());
        let (located, problems) = crate::run::locate(&found[0], &Reads::File(r"%SystemRoot%\Prefetch\*.pf"));
        assert!(located.is_empty() && problems.len() == 1, "{target}: {problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::AccessDenied);
        assert!(
            problems[0].item.ends_with(r"\Windows\Prefetch") && problems[0].what.contains(expected),
            "{problems:?}"
        );
        let files = found[0].volumes[0].1.as_ref().unwrap();
        assert!(files.lookup(r"\Windows\Prefetch").is_err() && files.lookup(r"\Windows\Prefetch\A.pf").is_err());
        std::fs::remove_file(&link).unwrap();
    }
    // One that only a wildcard comes by is named too.
    symlink("/outside", tree.join("Users/eve")).unwrap();
    let found = opened(folder.path());
    let _ = crate::run::locate(&found[0], &users);
    let problems = found[0].volumes[0].1.as_ref().unwrap().take_problems();
    assert!(problems.len() == 1 && problems[0].item == r"\Users\eve", "{problems:?}");
    assert!(problems[0].what.contains("/outside"), "{problems:?}");
}

#[test]
fn links_in_archives_are_followed_and_named_too() {
    let packed = |target: &str| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (name, content) in [("C/Windows/System32/config/SYSTEM", HIVE), ("C/EvtLogs/Security.evtx", LOG)] {
            zip.start_file(name, options).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.add_symlink("C/Windows/System32/winevt/Logs", target, options).unwrap();
        make(&[("a.zip", &zip.finish().unwrap().into_inner())])
    };
    assert_eq!(logs(&opened(packed("/EvtLogs").path())[0]), [r"C:\EvtLogs\Security.evtx"]);
    let found = opened(packed("../../../../elsewhere").path());
    let (located, problems) = crate::run::locate(&found[0], &Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx"));
    assert!(located.is_empty() && problems.len() == 1, "{problems:?}");
    assert!(problems[0].what.contains("../../../../elsewhere"), "{problems:?}");
}

#[test]
fn a_folder_that_cannot_be_listed_is_named() {
    struct Locked(Folder);
    impl Store for Locked {
        fn kind(&self) -> VolumeKind {
            self.0.kind()
        }
        fn method(&self) -> evidence::Method {
            self.0.method()
        }
        fn each(&self, folder: &str, take: &mut dyn FnMut(tree::Child) -> io::Result<()>) -> io::Result<()> {
            if folder.ends_with("Prefetch") {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.0.each(folder, take)
        }
        fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
            self.0.open(file)
        }
    }
    let folder = make(&[("Windows/Prefetch/A.pf", b"MAM\x04")]);
    let files = tree::of_volume(Locked(Folder::new(folder.path())));
    let problem = files.lookup(r"\Windows\Prefetch\A.pf").unwrap_err();
    assert_eq!((problem.kind, problem.item.as_str()), (ProblemKind::AccessDenied, r"\Windows\Prefetch"));
    let problem = files.lookup(r"\Windows\Prefetch\more\A.pf").unwrap_err();
    assert_eq!(problem.item, r"\Windows\Prefetch");
}

#[test]
fn files_in_a_folder_with_a_letter_beside_a_drive_are_recognised() {
    for other in ["E", "uploads/ntfs/%5C%5C.%5CE%3A"] {
        let drive = if other == "E" { "C" } else { "uploads/ntfs/%5C%5C.%5CC%3A" };
        let folder = make(&[
            (&format!("{drive}/Windows/System32/winevt/Logs/System.evtx"), LOG),
            (&format!("{other}/my logs/Security.bin"), LOG),
            (&format!("{other}/hives/SYSTEM"), HIVE),
            (&format!("{other}/case.zip"), &zip_of(&[("C/Windows/System32/winevt/Logs/Security.evtx", LOG)])),
        ]);
        let found = opened(folder.path());
        let paths: Vec<Vec<String>> = found.iter().map(logs).collect();
        let own = [r"C:\Windows\System32\winevt\Logs\System.evtx", r"E:\my logs\Security.bin"];
        assert_eq!(paths[1], own, "{other}: {paths:?}");
        assert_eq!((paths.len(), paths[0].as_slice()), (3, [SECURITY.to_owned()].as_slice()), "the archive is a host");
        // Whose hive it is is not known.
        let hives = Reads::Key { hive: evidence::Hive::System, key: "" };
        assert!(at(&found[1], &hives).is_empty() && at(&found[2], &hives).len() == 1);
    }
}

#[test]
fn profiles_on_a_drive_beside_windows_are_of_its_users() {
    let log = ("x/C/Windows/System32/winevt/Logs/Security.evtx", LOG);
    let hive = ("x/D/Users/ann/NTUSER.DAT", HIVE);
    let users = Reads::Key { hive: evidence::Hive::NtUser, key: "" };
    let found = opened(make(&[log, hive]).path());
    assert_eq!(found.len(), 1);
    assert_eq!(logs(&found[0]), [SECURITY]);
    let folder = make(&[log, hive]);
    assert_eq!(at(&opened(folder.path())[0], &users), [r"D:\Users\ann\NTUSER.DAT"]);
    let folder = make(&[hive]);
    assert_eq!(at(&opened(folder.path())[0], &users), [r"D:\Users\ann\NTUSER.DAT"]);
}

#[test]
fn trees_in_the_tree_of_a_host_are_found_and_archives_there_are_files_of_the_host() {
    let folder = make(&[
        ("C/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0own"),
        ("C/HOST2/C/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0two"),
        ("C/HOST2/D/logs/Security.evtx", b"ElfFile\0d"),
        ("C/a/b/Backup/Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0three"),
        ("C/Temp/t.zip", b"PK"),
        ("C/disk.vhdx", b"vhdx"),
        ("C/Temp/notes.txt", b"text"),
    ]);
    let found = opened(folder.path());
    let mut contents: Vec<Vec<u8>> = found.iter().map(|source| read(source, SECURITY)).collect();
    contents.sort();
    assert_eq!(contents, [&b"ElfFile\0own"[..], b"ElfFile\0three", b"ElfFile\0two"]);
    assert!(found.iter().all(|source| source.problems.is_empty()), "{:?}", found[0].problems);
}

#[cfg(target_os = "linux")]
#[test]
fn folders_whose_names_differ_in_case_only_are_one() {
    let folder = make(&[
        ("C/Windows/System32/config/SYSTEM", HIVE),
        ("C/Windows/System32/winevt/Logs/System.evtx", LOG),
        ("C/Windows/System32/WINEVT/Logs/Security.evtx", LOG),
        ("C/WINDOWS/system32/winevt/logs/System.evtx", b"ElfFile\0longer"),
        ("C/WINDOWS/system32/winevt/logs/Security.evtx", LOG),
    ]);
    let found = opened(folder.path());
    assert_eq!(found.len(), 1, "one host");
    let tree = found[0].volumes[0].1.as_ref().unwrap();
    for path in [SECURITY.to_owned(), SECURITY.replace("Security", "System")] {
        let log = tree.lookup(&path[2..]).unwrap().unwrap();
        assert!(tree.open(&log).is_ok());
    }
    let problems = tree.take_problems();
    assert!(problems.len() == 1 && problems[0].item.to_uppercase().ends_with("SYSTEM.EVTX"), "{problems:?}");
    assert!(matches!(problems[0].kind, ProblemKind::Inconsistent { .. }));
}
