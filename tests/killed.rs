//! Collections of a damaged disk image that are killed at random moments: what they leave is recovered, compared with the
//! uninterrupted collection, and gone on with.
//!
//! `COMTRAIL_KILLS=200` kills so often while 1 GiB and more is collected; every tenth of these is gone on with and its
//! parts are analysed. Otherwise it is ten times and 64 MiB, and two of them.

mod image;

use crate::parts::{sha256, without_names};
use crate::program::{comtrail, fixture_host, text};
use crate::way_out::{collect, member, verifies};
use collector::BundleReader;
use evidence::{Item, ItemId, ItemStatus, Locator, Problem};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// An object without its number, and what was said of it.
struct Object {
    item: Item,
    problems: Vec<Problem>,
}

/// The objects of a bundle by path.
type Objects = BTreeMap<String, Object>;

fn objects(bundle: &Path) -> Objects {
    let reader = BundleReader::open(bundle).unwrap();
    let with_problems = |item: Item| {
        let problems = reader.failures().iter().filter(|one| one.item == item.original_path).cloned().collect();
        (item.original_path.clone(), Object { item: Item { id: ItemId(0), ..item }, problems })
    };
    let items = reader.items().to_vec();
    let count = items.len();
    let objects: Objects = items.into_iter().map(with_problems).collect();
    assert_eq!(objects.len(), count, "each path is there once");
    objects
}

impl Object {
    fn says(&self, words: &str) -> bool {
        self.problems.iter().any(|problem| problem.what.contains(words))
    }

    /// Whether it says that it is not known whether it is what was on the host, or that it is lost.
    fn says_not_known(&self) -> bool {
        let is_failed = self.item.status == ItemStatus::Failed && self.item.bundle_path.is_none();
        let partly = self.item.status == ItemStatus::Partial && self.says("not known whether all of it was read");
        partly || is_failed && (self.says("is not what was read") || self.says("nothing of it is there"))
    }

    /// What could not be read of it.
    fn unreadable(&self) -> Vec<(Locator, String)> {
        let range = |problem: &'_ Problem| problem.locator.clone().map(|range| (range, problem.what.clone()));
        self.problems.iter().filter_map(range).collect()
    }

    /// Whether it is the object of the uninterrupted collection, which may have learned later who else names it.
    fn is(&self, whole: &Object) -> bool {
        let plain = |item: &Item| Item {
            wanted_by: Vec::new(),
            named_by: Vec::new(),
            named_as: Vec::new(),
            companions: Vec::new(),
            ..item.clone()
        };
        let is_part = |some: &[String], all: &[String]| some.iter().all(|one| all.contains(one));
        plain(&self.item) == plain(&whole.item)
            && self.unreadable() == whole.unreadable()
            && is_part(&self.item.wanted_by, &whole.item.wanted_by)
            && is_part(&self.item.named_by, &whole.item.named_by)
            && is_part(&self.item.named_as, &whole.item.named_as)
            && is_part(&self.item.companions, &whole.item.companions)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The report of an analysis without what names its bundle, and without what is said of the image as a whole: of that
/// each part says how many of the chunks that it read are damaged, so that the parts have more problems by number.
fn report(case: &Path) -> Value {
    let mut report = without_names(case);
    let problems = report["problems"].as_array_mut().unwrap();
    let all = problems.len();
    problems.retain(|problem| !(problem["stage"] == "source" && problem["kind"] == "bad_checksum"));
    assert!(problems.len() < all, "that the image is damaged is said");
    let statements = report["summary"]["statements"].as_array_mut().unwrap();
    statements.retain(|statement| !statement.to_string().contains("problems arose while the evidence was read"));
    report
}

/// The uninterrupted collection.
struct Whole {
    source: PathBuf,
    objects: Objects,
    report: Value,
    took: Duration,
}

impl Whole {
    fn new(folder: &Path, mib: usize) -> Self {
        let source = image::damaged(folder, mib);
        let bundle = folder.join("whole.zip");
        let began = Instant::now();
        assert_eq!(collect(&source, &bundle).wait().unwrap().code(), Some(2), "some of it cannot be read");
        let took = began.elapsed();
        let case = folder.join("whole");
        comtrail(&["analyze", text(&bundle), "-o", text(&case), "--quiet"]);
        let whole = Whole { source, objects: objects(&bundle), report: report(&case), took };
        let bytes: u64 = whole.objects.values().map(|object| object.item.stored_size).sum();
        let damaged: Vec<_> =
            whole.objects.values().filter(|object| object.item.status == ItemStatus::Partial).collect();
        assert!(damaged.len() >= 5 && damaged.iter().all(|object| !object.unreadable().is_empty()));
        println!("{} objects, {bytes} bytes, {} with unreadable bytes, {took:?}", whole.objects.len(), damaged.len());
        assert!(bytes >= (mib as u64) << 20);
        assert!(!whole.report["executions"].as_array().unwrap().is_empty());
        whole
    }

    /// Compares what was recovered with what it should be; gives how many objects are whole.
    fn compare(&self, got: &Objects, when: Duration) -> usize {
        for (path, object) in got {
            let expected = self.objects.get(path).unwrap_or_else(|| panic!("{when:?}: {path} is not on the host"));
            assert_eq!(object.item.times, expected.item.times, "{when:?}: {path}");
            assert!(
                object.says_not_known() || object.is(expected),
                "{when:?}: {path}: {:?}\n{:?}\n{:?}",
                object.problems,
                object.item,
                expected.item
            );
        }
        got.values().filter(|object| !object.says_not_known()).count()
    }

    /// Goes on with a recovered bundle: nothing that it holds whole is read again, nothing is missing then, and the parts
    /// give the report of the uninterrupted collection.
    fn goes_on(&self, first: &Path, got: &Objects) {
        let output = comtrail(&["collect", text(&self.source), "--resume", text(first), "--quiet"]);
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", said(&output));
        let name = format!("{}-part2.zip", first.file_stem().unwrap().to_str().unwrap());
        let second = first.with_file_name(name);
        verifies(&second);
        let more = objects(&second);
        for (path, expected) in &self.objects {
            let kept = got.get(path).filter(|object| !object.says_not_known());
            assert_ne!(kept.is_some(), more.contains_key(path), "{path} is in one of the parts");
            let is = kept.unwrap_or_else(|| &more[path]);
            assert!(is.is(expected), "{path}: {:?}\n{:?}\n{:?}", is.problems, is.item, expected.item);
        }
        let first_line = member(&second, "metadata/actions.jsonl").lines().next().unwrap().to_owned();
        let action: Value = serde_json::from_str(&first_line).unwrap();
        assert_eq!(action["first_part_archive_sha256"], sha256(first).as_str());
        let info = member(first, "bag-info.txt");
        let head = info.lines().find_map(|line| line.strip_prefix("Collector-Action-Log-SHA256: ")).unwrap();
        assert_eq!(action["first_part_log_sha256"], head);
        assert!(member(&second, "bag-info.txt").contains("Bag-Group-Identifier: "));
        let case = first.with_extension("case");
        let output = comtrail(&["analyze", text(first), text(&second), "-o", text(&case), "--quiet"]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let report = report(&case);
        for (name, value) in self.report.as_object().unwrap() {
            let lacks = |some: &Value, all: &Value| -> Vec<Value> {
                let (some, all) = (some.as_array(), all.as_array());
                some.into_iter().flatten().filter(|one| !all.is_some_and(|all| all.contains(one))).cloned().collect()
            };
            let lists = (lacks(value, &report[name]), lacks(&report[name], value));
            assert!(report[name] == *value, "{name}: missing and too much: {lists:#?}");
        }
        assert!(report == self.report);
        std::fs::remove_dir_all(case).unwrap();
        std::fs::remove_file(second).unwrap();
    }
}

/// What lies in a folder beside what lay there before.
fn new_in(folder: &Path, before: &[PathBuf]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| !before.contains(path));
    all.sort();
    all
}

#[test]
fn b2_what_a_kill_at_a_random_moment_leaves_is_recovered_and_gone_on_with() {
    let long = std::env::var("COMTRAIL_KILLS").ok().map(|text| text.parse::<u32>().unwrap());
    let (kills, mib, sample) = long.map_or((10, 64, 5usize), |kills| (kills, 1030, 10));
    let folder = tempfile::tempdir().unwrap();
    let whole = Whole::new(folder.path(), mib);
    let before = new_in(folder.path(), &[]);
    let began = Instant::now();
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let (mut nothing, mut sealed, mut kept, mut gone_on) = (0, 0, Vec::new(), 0);
    for number in 1..=kills {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = whole.took.mul_f64((state >> 40) as f64 / f64::from(1u32 << 24));
        let bundle = folder.path().join("b.zip");
        let partial = folder.path().join("b.zip.partial");
        let mut child = collect(&whole.source, &bundle);
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = new_in(folder.path(), &before);
        let journal = folder.path().join("b.zip.partial.log");
        assert!(left.iter().all(|path| [&bundle, &partial, &journal].contains(&path)), "{after:?}: {left:?}");
        if bundle.exists() {
            // It came to its end before.
            verifies(&bundle);
            sealed += 1;
        } else if !partial.exists() {
            assert!(left.is_empty(), "{after:?}: {left:?}");
            nothing += 1;
        } else {
            let made = folder.path().join("r.zip");
            let output = comtrail(&["recover", text(&partial), "-o", text(&made), "--quiet"]);
            assert!(partial.exists(), "the unfinished bundle stays");
            verifies(&made);
            if output.status.code() == Some(0) {
                // It was sealed, and only not renamed.
                assert_eq!(std::fs::read(&made).unwrap(), std::fs::read(&partial).unwrap(), "{after:?}");
                sealed += 1;
            } else {
                assert_eq!(output.status.code(), Some(2), "{after:?}: {}", said(&output));
                let got = objects(&made);
                kept.push(whole.compare(&got, after));
                if kept.len() % sample == 0 {
                    whole.goes_on(&made, &got);
                    gone_on += 1;
                }
            }
        }
        for path in new_in(folder.path(), &before) {
            std::fs::remove_file(path).unwrap();
        }
        if number % 10 == 0 {
            println!("{number} kills in {:?}, {gone_on} gone on with", began.elapsed());
        }
    }
    kept.sort_unstable();
    println!(
        "{kills} kills in {:?}: {nothing} left nothing, {sealed} came too late, {} were recovered with {kept:?} whole \
         objects of {}, {gone_on} were gone on with and analysed",
        began.elapsed(),
        kept.len(),
        whole.objects.len()
    );
    // Some moments are before the first byte, and some behind the seal.
    assert!(kept.len() as u32 > kills / 5 && kept.iter().any(|count| *count > 0));
}

#[test]
fn without_a_journal_it_is_computed_which_artifact_an_object_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, partial, made] = ["whole.zip", "lost.zip.partial", "made.zip"].map(|name| folder.path().join(name));
    collect(&fixture_host(), &whole).wait().unwrap();
    // Without its end record it is none that was sealed.
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&partial, &bytes[..bytes.len() - 22]).unwrap();
    let output = comtrail(&["recover", text(&partial), "-o", text(&made), "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    verifies(&made);
    let (expected, got) = (objects(&whole), objects(&made));
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let mut by = std::collections::BTreeSet::new();
    for (path, object) in &got {
        assert!(object.says_not_known(), "{path}");
        let (marks, ids): (Vec<String>, Vec<String>) =
            object.item.wanted_by.iter().cloned().partition(|id| id.starts_with("recovered:"));
        assert_eq!(marks.len(), 1, "{path}: {marks:?}");
        by.extend(marks.clone());
        match expected[path].item.wanted_by.as_slice() {
            // What a record named is known by being a .NET program, or by being nothing else.
            [lead] if lead == "lead" => match marks[0].as_str() {
                "recovered:content" => assert_eq!(ids, ["assembly"], "{path}"),
                _ => assert_eq!((ids, marks[0].as_str()), (vec!["lead".to_owned()], "recovered:rest"), "{path}"),
            },
            wanted_by => assert_eq!((ids.as_slice(), marks[0].as_str()), (wanted_by, "recovered:path"), "{path}"),
        }
        if marks[0] == "recovered:path" {
            assert_eq!(object.item.companions, expected[path].item.companions, "{path}");
        }
    }
    assert_eq!(by.len(), 3, "{by:?}");
    let [of_whole, of_made] = ["of-whole", "of-made"].map(|name| folder.path().join(name));
    comtrail(&["analyze", text(&whole), "-o", text(&of_whole), "--quiet"]);
    assert_eq!(comtrail(&["analyze", text(&made), "-o", text(&of_made), "--quiet"]).status.code(), Some(2));
    let [of_whole, of_made] = [of_whole, of_made].map(|case| without_names(&case));
    for list in ["executions", "attempts", "registrations"] {
        let [expected, got] = [&of_whole, &of_made].map(|report| report[list].as_array().unwrap());
        assert!(!expected.is_empty() || list == "attempts");
        let what = |list: &[Value]| -> Vec<(Value, Value)> {
            list.iter().map(|one| (one["started"].clone(), one["clsid"].clone())).collect()
        };
        assert_eq!(what(got), what(expected), "{list}");
    }
}
