//! Collections that do not come to their end: told to end, on a full medium, on one that goes away; what they leave is
//! recovered and gone on with.

// Most of these tests need signals and file systems of Unix, and so does what they share.
#![cfg_attr(windows, allow(dead_code, unused_imports))]

use crate::program::{comtrail, text};
use collector::{BundleReader, Resume, Silent};
use evidence::{Item, ItemId};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A triage archive of logs: many short ones, one of `length` bytes that are mostly zeros, and one whose checksum is wrong.
pub(crate) fn archive(folder: &Path, length: u64) -> PathBuf {
    let path = folder.join("triage.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let stored = options.compression_method(zip::CompressionMethod::Stored);
    let log = |name: &str| format!("C/Windows/System32/winevt/Logs/{name}.evtx");
    let mut state = 1u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        b"ElfFile\0".iter().copied().chain(next.take(length)).collect()
    };
    for number in 0..40 {
        zip.start_file(log(&format!("Small{number:02}")), options).unwrap();
        zip.write_all(&noise(3_000 * number)).unwrap();
    }
    // Bytes by which it can be found again.
    let mut bad = noise(200_000);
    bad[100_000..100_016].copy_from_slice(b"HERE IT IS WRONG");
    zip.start_file(log("Small20bad"), stored).unwrap();
    zip.write_all(&bad).unwrap();
    zip.start_file(log("Large"), options).unwrap();
    let part = noise(1 << 16);
    for _ in 0..length >> 20 {
        zip.write_all(&part).unwrap();
        zip.write_all(&vec![0; (1 << 20) - part.len()]).unwrap();
    }
    zip.start_file(log("Zlast"), options).unwrap();
    zip.write_all(&noise(9_000)).unwrap();
    zip.finish().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(16).position(|window| window == b"HERE IT IS WRONG").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The objects of a bundle by path, without their numbers.
fn objects(bundle: &Path) -> BTreeMap<String, Item> {
    let items = BundleReader::open(bundle).unwrap().items().to_vec();
    items.into_iter().map(|item| (item.original_path.clone(), Item { id: ItemId(0), ..item })).collect()
}

pub(crate) fn verifies(bundle: &Path) {
    let report = collector::verify(bundle, 2, &AtomicBool::new(false), &Silent).unwrap();
    assert!(report.is_right(), "{}: {:?}", bundle.display(), report.wrong);
}

pub(crate) fn collect(source: &Path, bundle: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_comtrail"))
        .args(["collect", text(source), "-o", text(bundle), "--quiet"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn member(bundle: &Path, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let is_it = |archive: &mut zip::ZipArchive<_>, index: &usize| {
        archive.by_index(*index).unwrap().name().unwrap().ends_with(&format!("/{name}"))
    };
    let index = (0..archive.len()).find(|index| is_it(&mut archive, index)).unwrap();
    std::io::read_to_string(archive.by_index(index).unwrap()).unwrap()
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until the long log is being read.
#[cfg(unix)]
pub(crate) fn is_reading(partial: &Path, child: &mut Child) {
    let journal = partial.with_extension("partial.log");
    let begun = || std::fs::read_to_string(&journal).is_ok_and(|lines| lines.contains("{\"reading\":"));
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(unix)]
#[test]
fn c3_every_signal_seals_and_says_so_and_a_second_one_says_what_it_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path(), 1 << 30);
    for name in ["-INT", "-TERM", "-HUP"] {
        let bundle = folder.path().join(format!("b{name}.zip"));
        let mut child = collect(&source, &bundle);
        is_reading(&folder.path().join(format!("b{name}.zip.partial")), &mut child);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains("interrupted: sealing what was collected; again to abandon"), "{name}: {said}");
        verifies(&bundle);
        assert!(member(&bundle, "bag-info.txt").contains("Collector-Status: interrupted"));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!left.iter().any(|path| text(path).contains(".partial")), "{left:?}");
    }
    let bundle = folder.path().join("abandoned.zip");
    let partial = folder.path().join("abandoned.zip.partial");
    let mut child = collect(&source, &bundle);
    is_reading(&partial, &mut child);
    // Both come at once, so that the second one is there before the seal is done.
    signal(&child, "-STOP");
    signal(&child, "-TERM");
    signal(&child, "-INT");
    signal(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(1) {
        let command = collector::recover_command(&partial.canonicalize().unwrap());
        assert!(said.contains("abandoned: ") && said.contains(command.split(" -o ").next().unwrap()), "{said}");
        let made = folder.path().join("r.zip");
        assert_eq!(comtrail(&["recover", text(&partial), "-o", text(&made), "--quiet"]).status.code(), Some(2));
        verifies(&made);
    } else {
        panic!("it was not abandoned: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_started_it_with_nohup_wants_it_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path(), 64 << 20);
    let bundle = folder.path().join("b.zip");
    let mut child = Command::new("nohup")
        .args([env!("CARGO_BIN_EXE_comtrail"), "collect", text(&source), "-o", text(&bundle), "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    is_reading(&folder.path().join("b.zip.partial"), &mut child);
    signal(&child, "-HUP");
    child.wait().unwrap();
    verifies(&bundle);
    assert!(member(&bundle, "bag-info.txt").contains("Collector-Status: complete"));
}

/// A small file system in memory, gone with the value.
#[cfg(target_os = "linux")]
struct Small(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Small {
    fn new(kibibytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs", text(folder.path())]).output().unwrap();
        assert!(mount.status.success(), "{}", String::from_utf8_lossy(&mount.stderr));
        Small(folder)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn a_run_that_could_collect_nothing_makes_no_report() {
    let (folder, medium) = (tempfile::tempdir().unwrap(), Small::new(160));
    let source = folder.path().join("triage.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&source).unwrap());
    let name = "C/Windows/System32/winevt/Logs/Security.evtx";
    zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    zip.write_all(&b"ElfFile\0".iter().copied().chain(noise.take(4 << 20)).collect::<Vec<u8>>()).unwrap();
    zip.finish().unwrap();
    let case = medium.0.path().join("case");
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let left: Vec<_> = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [bundle] = left.as_slice() else { panic!("{left:?}") };
    verifies(bundle);
    assert!(said.contains("nothing of the evidence could be collected: the destination took no more"), "{said}");
    assert!(
        said.contains(&format!("Go on with: comtrail collect {} --resume {}", text(&source), text(bundle))),
        "{said}"
    );
}

#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn b1_a_small_file_system_of_any_size_keeps_what_it_had_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path(), 12 << 20);
    let whole = folder.path().join("whole.zip");
    collect(&source, &whole).wait().unwrap();
    let expected = objects(&whole);
    let needed = std::fs::metadata(&whole).unwrap().len() >> 10;
    let (mut seen, mut later_taken) = (Vec::new(), false);
    for step in 0..20 {
        let kibibytes = 64 + (needed + 700) * step / 19;
        let medium = Small::new(kibibytes);
        let bundle = medium.0.path().join("b.zip");
        let output = collect(&source, &bundle).wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.code() == Some(1) {
            assert!(said.contains("there is not enough room") && said.contains("Nothing was read"), "{said}");
            assert_eq!(std::fs::read_dir(medium.0.path()).unwrap().count(), 0);
            seen.push(None);
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{kibibytes}: {said}");
        verifies(&bundle);
        let got = objects(&bundle);
        assert!(got.iter().all(|(path, item)| expected[path] == *item), "{kibibytes}");
        let reader = BundleReader::open(&bundle).unwrap();
        for path in expected.keys().filter(|path| !got.contains_key(*path)) {
            assert!(reader.failures().iter().any(|one| one.item == *path), "{kibibytes}: {path}");
        }
        let last = got.keys().next_back();
        later_taken |= last.is_some_and(|last| expected.keys().any(|path| path < last && !got.contains_key(path)));
        let is_complete = member(&bundle, "bag-info.txt").contains("Collector-Status: complete");
        assert_eq!(is_complete, got.len() == expected.len(), "{kibibytes}");
        seen.push(Some(got.len()));
    }
    assert!(seen[0].is_none() && seen[19] == Some(expected.len()), "{seen:?}");
    assert!(later_taken, "behind an object that did not fit, a shorter one did: {seen:?}");
    assert!(seen.iter().flatten().any(|count| (1..expected.len()).contains(count)), "{seen:?}");
}

#[cfg(unix)]
#[test]
fn a_destination_that_goes_away_loses_nothing_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path(), 128 << 20);
    let (here, gone) = (folder.path().join("here"), folder.path().join("gone"));
    std::fs::create_dir(&here).unwrap();
    let mut child = collect(&source, &here.join("b.zip"));
    is_reading(&here.join("b.zip.partial"), &mut child);
    std::fs::rename(&here, &gone).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let made = folder.path().join("r.zip");
    let output = comtrail(&["recover", text(&gone.join("b.zip.partial")), "-o", text(&made), "--quiet"]);
    // Where it could still be sealed, only the renaming failed, and it is recovered as it is.
    let is_whole = std::fs::read(&made).unwrap() == std::fs::read(gone.join("b.zip.partial")).unwrap();
    let expected = if is_whole { 0 } else { 2 };
    assert_eq!(output.status.code(), Some(expected), "{}", String::from_utf8_lossy(&output.stderr));
    verifies(&made);
    let short = objects(&made).into_iter().filter(|(path, _)| path.contains("Small")).count();
    assert!(said.contains("recover"), "{said}");
    assert!(short == 41 || objects(&made).contains_key(r"C:\Windows\System32\winevt\Logs\Large.evtx"), "{short}");
}

#[test]
fn only_an_interrupted_collection_of_the_same_source_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path(), 1 << 20);
    let bundle = folder.path().join("b.zip");
    collect(&source, &bundle).wait().unwrap();
    let output = comtrail(&["collect", text(&source), "--resume", text(&bundle), "--quiet"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("nothing is left to be collected"), "{said}");
    assert!(!folder.path().join("b-part2.zip").exists());
    assert!(Resume::open(&bundle, 1, &AtomicBool::new(false), &Silent).is_err());
    let usage = comtrail(&["collect", text(&source), "--quiet"]);
    assert_eq!(usage.status.code(), Some(64));
}

#[test]
fn what_a_recovery_left_is_named_with_the_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Killed before anything was written, which is the least that can be recovered.
    std::fs::write(at("x.zip.partial"), "").unwrap();
    std::fs::write(at("r.zip.partial"), "what a full medium left").unwrap();
    let recover = |to: &str| comtrail(&["recover", text(&at("x.zip.partial")), "-o", text(&at(to)), "--quiet"]);
    let output = recover("r.zip");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("which is as it was") && said.contains("r.zip.partial is there"), "{said}");
    assert!(said.contains("remove it or give another name"), "{said}");
    assert_eq!(std::fs::read(at("r.zip.partial")).unwrap(), b"what a full medium left");
    assert_eq!(recover("other.zip").status.code(), Some(2));
}
