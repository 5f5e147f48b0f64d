//! The memory ceiling of the whole program, on evidence that is far longer than it: a million files, and long hives.

use crate::program::text;
use collector::BundleReader;
use evidence::{Bytes, ItemStatus};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program may take at `--memory 64M`: a quarter more, and what it is itself.
const CEILING_KIB: u64 = (64 + 16 + 32) << 10;

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

/// Runs the main job on a source. Gives the most memory that the program had at once in KiB, and the original path and
/// length of every object in the bundle.
fn run(source: &Path, more: &[&str]) -> (u64, Vec<(String, u64)>) {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let mut command = Command::new(env!("CARGO_BIN_EXE_comtrail"));
    command.args(["run", text(source), "-o", text(&case), "--quiet", "--memory", "64M"]).args(more);
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
    let bundles = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
    let bundles: Vec<PathBuf> = bundles.filter(|path| path.extension().is_some_and(|ending| ending == "zip")).collect();
    let reader = BundleReader::open(&bundles[0]).unwrap();
    let objects = reader.items().to_vec().into_iter().map(|item| {
        assert_eq!(item.status, ItemStatus::Complete, "{}", item.original_path);
        (item.original_path.clone(), item.size)
    });
    (peak, objects.collect())
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

#[test]
fn a_million_files_that_nobody_wants_stay_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let (software, source) = (folder.path().join("SOFTWARE"), folder.path().join("a.zip"));
    hive(&software, 1, 10);
    // All in one folder, and a thousand in each of a thousand folders.
    let one = (0..500_000).map(|number| format!("C/Users/joe/Documents/some/x{number}.txt"));
    let many = (0..500_000).map(|number| format!("C/Users/joe/Documents/{}/x{number}.txt", number % 500));
    archive(&source, one.chain(many), ("C/Windows/System32/config/SOFTWARE", &software));
    let (peak, objects) = run(&source, &[]);
    let length = std::fs::metadata(&software).unwrap().len();
    assert_eq!(objects, [(r"C:\Windows\System32\config\SOFTWARE".to_owned(), length)]);
    assert!(peak <= CEILING_KIB, "{peak} KiB");
}

#[test]
fn a_hive_of_900_mib_stays_below_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let software = folder.path().join("C/Windows/System32/config/SOFTWARE");
    hive(&software, 900, 3_000);
    let (peak, objects) = run(folder.path(), &[]);
    let length = std::fs::metadata(&software).unwrap().len();
    assert_eq!(objects, [(r"C:\Windows\System32\config\SOFTWARE".to_owned(), length)]);
    assert!(peak <= CEILING_KIB, "{peak} KiB");
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
    let (peak, objects) = run(folder.path(), &["--threads", "8"]);
    let length = std::fs::metadata(&first).unwrap().len();
    let expected = (1..=8).map(|user| (format!(r"C:\Users\u{user}\NTUSER.DAT"), length));
    assert_eq!(objects, expected.collect::<Vec<_>>());
    assert!(peak <= CEILING_KIB, "{peak} KiB");
}
