//! The memory ceiling of the whole program, on evidence that is far longer than it: a million files, and long hives.

use crate::program::text;
use collector::BundleReader;
use evidence::{Bytes, ItemStatus};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program may take at `--memory` so many MiB: a quarter more, and what it is itself.
fn ceiling_kib(memory: u64) -> u64 {
    (memory + memory / 4 + 32) << 10
}

/// A ceiling well below the default.
const LOW: &[&str] = &["--memory", "64M"];
const LOW_MIB: u64 = 64;
/// The default.
const DEFAULT_MIB: u64 = 128;

/// Writes a hive of so many MiB with so many classes.
fn hive(path: &Path, mib: u64, classes: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let hive = crate::long_hive::LongHive::new(mib << 20, classes);
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    let (mut buffer, mut offset) = (vec![0; 4096], 0);
    while offset < hive.len() {
        let read = hive.read_full_at(offset, &mut buffer).unwrap();
        file.write_all(&buffer[..read]).unwrap();
        offset += read as u64;
    }
    file.flush().unwrap();
}

/// Runs the main job on a source into a folder. Gives the most memory that the program had at once in KiB, and the original
/// path and length of every object in the bundle.
fn run_into(source: &Path, case: &Path, more: &[&str]) -> (u64, Vec<(String, u64)>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comtrail"));
    command.args(["run", text(source), "-o", text(case), "--quiet"]).args(more);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    let code = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = high.and_then(|high| high.parse().ok()).unwrap_or(peak);
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(matches!(code, Some(0 | 2)), "exit {code:?}");
    assert!(peak > 0, "the peak was never seen");
    let bundles = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path());
    let bundles: Vec<PathBuf> = bundles.filter(|path| path.extension().is_some_and(|ending| ending == "zip")).collect();
    let reader = BundleReader::open(&bundles[0]).unwrap();
    let objects = reader.items().to_vec().into_iter().map(|item| {
        assert_eq!(item.status, ItemStatus::Complete, "{}", item.original_path);
        (item.original_path.clone(), item.size)
    });
    (peak, objects.collect())
}

fn run(source: &Path, more: &[&str]) -> (u64, Vec<(String, u64)>) {
    let folder = tempfile::tempdir().unwrap();
    run_into(source, &folder.path().join("case"), more)
}

/// The entries of a zip archive: empty files, and one that is stored.
fn archive(path: &Path, empty: impl Iterator<Item = String>, stored: (&str, &Path)) {
    let mut zip = zip::ZipWriter::new(BufWriter::new(std::fs::File::create(path).unwrap()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for name in empty {
        zip.start_file(name, options).unwrap();
    }
    zip.start_file(stored.0, options).unwrap();
    zip.write_all(&std::fs::read(stored.1).unwrap()).unwrap();
    zip.finish().unwrap();
}

/// Writes the assembly of a fixture with so many MiB between its headers and its sections, which lie behind.
fn padded_assembly(path: &Path, mib: u32) {
    let bytes = include_bytes!("../fixtures/assembly/com-hooks/input");
    let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let half = |at: usize| usize::from(u16::from_le_bytes(*bytes[at..].first_chunk().unwrap()));
    let pe = word(0x3C) as usize;
    let offsets = (0..half(pe + 6)).map(|section| pe + 24 + half(pe + 20) + section * 40 + 20);
    let first = offsets.clone().map(word).min().unwrap() as usize;
    let mut head = bytes[..first].to_vec();
    for at in offsets {
        head[at..at + 4].copy_from_slice(&(word(at) + (mib << 20)).to_le_bytes());
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(&head).unwrap();
    // No hole: what it is in memory is what it is on the disk.
    let padding: Vec<u8> = (0..1u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    (0..mib).for_each(|_| file.write_all(&padding).unwrap());
    file.write_all(&bytes[first..]).unwrap();
    file.flush().unwrap();
}

#[test]
fn a_million_files_that_nobody_wants_stay_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let (software, source) = (folder.path().join("SOFTWARE"), folder.path().join("a.zip"));
    hive(&software, 1, 10);
    // All in one folder, and a thousand in each of a thousand folders.
    let one = (0..500_000).map(|number| format!("C/Users/joe/Documents/some/x{number}.txt"));
    let many = (0..500_000).map(|number| format!("C/Users/joe/Documents/{}/x{number}.txt", number % 500));
    archive(&source, one.chain(many), ("C/Windows/System32/config/SOFTWARE", &software));
    let (peak, objects) = run(&source, LOW);
    let length = std::fs::metadata(&software).unwrap().len();
    assert_eq!(objects, [(r"C:\Windows\System32\config\SOFTWARE".to_owned(), length)]);
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
}

#[test]
fn a_hive_of_900_mib_stays_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let software = folder.path().join("C/Windows/System32/config/SOFTWARE");
    hive(&software, 900, 3_000);
    let (peak, objects) = run(folder.path(), LOW);
    let length = std::fs::metadata(&software).unwrap().len();
    assert_eq!(objects, [(r"C:\Windows\System32\config\SOFTWARE".to_owned(), length)]);
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
}

#[test]
fn eight_hives_on_eight_threads_stay_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("C/Users/u1/NTUSER.DAT");
    hive(&first, 100, 1_000);
    for user in 2..=8 {
        let path = folder.path().join(format!("C/Users/u{user}/NTUSER.DAT"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&first, path).unwrap();
    }
    let (peak, objects) = run(folder.path(), &[LOW, &["--threads", "8"]].concat());
    let length = std::fs::metadata(&first).unwrap().len();
    let expected = (1..=8).map(|user| (format!(r"C:\Users\u{user}\NTUSER.DAT"), length));
    assert_eq!(objects, expected.collect::<Vec<_>>());
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
}

/// 200,000, or as many as `COMTRAIL_WANTED` says; 2,000,000 take some minutes.
#[test]
fn any_number_of_files_that_are_wanted_stays_below_the_ceiling() {
    let count: usize = std::env::var("COMTRAIL_WANTED").map_or(200_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (software, source) = (folder.path().join("SOFTWARE"), folder.path().join("a.zip"));
    hive(&software, 1, 10);
    let logs = (0..count).map(|number| format!("C/Windows/System32/winevt/Logs/x{number}.evtx"));
    archive(&source, logs, ("C/Windows/System32/config/SOFTWARE", &software));
    let case = folder.path().join("case");
    let (peak, objects) = run_into(&source, &case, LOW);
    assert_eq!(objects.len(), count + 1);
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
    // Each is told of: those that have no line of their own in the coverage are counted.
    let report: serde_json::Value =
        serde_json::from_reader(std::fs::File::open(case.join("report.json")).unwrap()).unwrap();
    let coverage = report["coverage"].as_array().unwrap();
    let own = coverage.iter().filter(|row| row["source"].as_str().unwrap().starts_with('x')).count();
    let more = coverage.iter().find(|row| row["source"] == "further event logs").unwrap();
    let meaning = more["meaning"].as_str().unwrap();
    assert!(meaning.starts_with(&format!("{} more logs are empty", count - own)), "{meaning}");
    let html = std::fs::read_to_string(case.join("report.html")).unwrap();
    assert!(html.len() < 1 << 20, "{}", html.len());
}

#[test]
fn a_software_hive_of_150_mib_is_analysed_at_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let software = folder.path().join("host/C/Windows/System32/config/SOFTWARE");
    hive(&software, 150, 3_000);
    let case = folder.path().join("case");
    let (peak, objects) = run_into(&folder.path().join("host"), &case, &[]);
    let length = std::fs::metadata(&software).unwrap().len();
    assert_eq!(objects, [(r"C:\Windows\System32\config\SOFTWARE".to_owned(), length)]);
    assert!(peak <= ceiling_kib(DEFAULT_MIB), "{peak} KiB");
    let classes = std::fs::read_to_string(case.join("timeline.jsonl")).unwrap();
    let classes = classes.lines().filter(|line| line.contains("\"windows:registry:com_class\"")).count();
    assert_eq!(classes, 3_000);
}

#[test]
fn an_assembly_of_250_mib_is_answered_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().join("host");
    // Its classes name the assembly as their code base.
    hive(&host.join("C/Windows/System32/config/SOFTWARE"), 1, 10);
    let assembly = host.join("C/Users/Public/long.dll");
    padded_assembly(&assembly, 250);
    let case = folder.path().join("case");
    let (peak, objects) = run_into(&host, &case, LOW);
    let length = std::fs::metadata(&assembly).unwrap().len();
    assert!(objects.contains(&(r"C:\Users\Public\long.dll".to_owned(), length)), "{objects:?}");
    let records = std::fs::read_to_string(case.join("timeline.jsonl")).unwrap();
    let described = records.lines().find(|line| line.contains("\"windows:pe:file\"")).unwrap();
    let described: serde_json::Value = serde_json::from_str(described).unwrap();
    assert_eq!(described["Kind"], "managed");
    let answer = described["ExecutesOnRegister"].as_str().unwrap();
    assert!(answer.starts_with(r#"{"State":"yes","Because":"Demo.Case.Hook.Reg "#), "{answer}");
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
}

/// Writes a file by one of the programs that make evidence for benchmarks.
fn made(program: &str, path: &Path, mib: u64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/build").join(program);
    let made = Command::new("python3").arg(program).arg(path).arg((mib << 20).to_string()).status().unwrap();
    assert!(made.success());
}

/// Of each of them something is remembered while the timeline is written, and none is about a tool.
#[test]
#[cfg_attr(not(foreign), ignore = "needs COMTRAIL_FOREIGN_REQUIRED and Python")]
fn any_number_of_processes_and_files_of_others_stays_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let (log, mft) = (folder.path().join("host/C/Windows/System32/winevt/Logs/Security.evtx"), r"C:\$MFT");
    made("large_log.py", &log, 100);
    made("large_mft.py", &folder.path().join("host/C/$MFT"), 100);
    let case = folder.path().join("case");
    let (peak, objects) = run_into(&folder.path().join("host"), &case, &[LOW, &["--full-timeline"]].concat());
    assert!(objects.iter().any(|(path, length)| path == mft && *length == 100 << 20), "{objects:?}");
    assert!(peak <= ceiling_kib(LOW_MIB), "{peak} KiB");
    let rows = BufReader::new(std::fs::File::open(case.join("timeline.csv")).unwrap()).lines().count();
    assert!(rows > 300_000, "{rows}");
    let report: serde_json::Value =
        serde_json::from_reader(std::fs::File::open(case.join("report.json")).unwrap()).unwrap();
    let forgotten = |what: &serde_json::Value| what["what"].as_str().unwrap().contains("were forgotten");
    let problems = report["problems"].as_array().unwrap();
    // What is forgotten is said, and of files that nobody asks for nothing has to be.
    assert_eq!(problems.iter().filter(|one| forgotten(one)).count(), 1, "{problems:?}");
    assert!(!problems.iter().any(|one| one["what"].as_str().unwrap().contains("traces of files")), "{problems:?}");
}
