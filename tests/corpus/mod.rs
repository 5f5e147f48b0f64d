//! Every file of the real corpus against what other people's tools say about it.
//!
//! The corpus is not part of the project. `COMTRAIL_CORPUS` names its unpacked folder; without it these tests are
//! ignored, and with `COMTRAIL_CORPUS_REQUIRED=1` a missing corpus is a failure. Any corpus of the layout will do: no test
//! knows what is in it, a file that the ground truth describes may be missing, and so may any member of a description.

mod assembly;
mod event_log;
mod ntfs;
mod prefetch;
mod registry;
mod signature;
mod volumes;

use artifacts::formats::pe::Pe;
use serde_json::Value as Json;
use sha2::Digest;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The corpus folder.
pub(crate) fn folder() -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("COMTRAIL_CORPUS").expect("COMTRAIL_CORPUS names the unpacked corpus"));
    assert!(folder.is_dir(), "{} is no folder", folder.display());
    folder
}

/// Every regular file of the corpus in the order of their paths, without its ground truth.
pub(crate) fn files(corpus: &Path) -> Vec<PathBuf> {
    files_below(corpus).into_iter().filter(|path| !path.starts_with(corpus.join("ground_truth"))).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Every file of the corpus that begins with these bytes.
pub(crate) fn beginning_with(corpus: &Path, magic: &[u8]) -> Vec<PathBuf> {
    let begins = |path: &PathBuf| {
        let mut head = vec![0; magic.len()];
        std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok()) && head == magic
    };
    files(corpus).into_iter().filter(begins).collect()
}

/// The digest of a program's image as Authenticode takes it.
pub(crate) fn image_digest<D: Digest>(pe: &Pe<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut digest = D::new();
    for range in pe.image_ranges().unwrap() {
        digest.update(&bytes[range.start as usize..range.end as usize]);
    }
    digest.finalize().to_vec()
}

/// Every line of every ground truth file of this name, wherever it lies below `ground_truth/`.
pub(crate) fn ground_truth(corpus: &Path, name: &str) -> Vec<Json> {
    let mut lines = Vec::new();
    for path in files_below(&corpus.join("ground_truth")) {
        if path.file_name().is_some_and(|file| file == name) {
            let text = std::fs::read_to_string(&path).unwrap();
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let line = serde_json::from_str(line);
                lines.push(line.unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), number + 1)));
            }
        }
    }
    lines
}

/// The evidence file that a ground truth line names. `archive.7z!member` was unpacked to `archive.7z.d/member`, and what
/// upstream keeps as `x.xz` to `x`.
pub(crate) fn evidence_file(corpus: &Path, line: &Json) -> PathBuf {
    let name = line["file"].as_str().unwrap();
    match name.split_once(".xz!") {
        Some((unpacked, _)) => corpus.join(unpacked),
        None => corpus.join(name.replace('!', ".d/")),
    }
}

/// What one test compares: all that disagrees is gathered and told at its end.
pub(crate) struct Comparison {
    /// What is compared, in the plural.
    what: &'static str,
    corpus: PathBuf,
    /// The file that is compared now.
    place: String,
    compared: usize,
    passed_over: Vec<String>,
    differences: Vec<String>,
}

impl Comparison {
    pub(crate) fn of(what: &'static str, corpus: &Path) -> Comparison {
        let (place, passed_over, differences) = Default::default();
        Comparison { what, corpus: corpus.to_owned(), place, compared: 0, passed_over, differences }
    }

    /// Compares one file. A panic in it is a difference like any other, and the next file is compared all the same.
    pub(crate) fn one(&mut self, place: impl ToString, compare: impl FnOnce(&mut Comparison)) {
        self.place = place.to_string();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| compare(self))) {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            self.differ(format!("panicked: {}", text.unwrap_or("without a text")));
        }
    }

    /// Compares every file that the ground truth of this name describes and the corpus has.
    pub(crate) fn each(&mut self, name: &str, mut compare: impl FnMut(&mut Comparison, &Json, &Path)) {
        let corpus = self.corpus.clone();
        for line in ground_truth(&corpus, name) {
            let path = evidence_file(&corpus, &line);
            self.one(line["file"].as_str().unwrap_or_default(), |comparison| {
                if path.is_file() {
                    compare(comparison, &line, &path);
                } else {
                    comparison.pass_over("not in this corpus");
                }
            });
        }
    }

    /// Counts something that was compared.
    pub(crate) fn count(&mut self) {
        self.compared += 1;
    }

    /// Says that the present file is not compared, or not with everything, and why.
    pub(crate) fn pass_over(&mut self, why: impl ToString) {
        self.passed_over.push(format!("{}: {}", self.place, why.to_string()));
    }

    pub(crate) fn differ(&mut self, difference: impl ToString) {
        self.differences.push(format!("{}: {}", self.place, difference.to_string()));
    }

    pub(crate) fn check(&mut self, is_right: bool, difference: impl ToString) {
        if !is_right {
            self.differ(difference);
        }
    }

    pub(crate) fn same<T: PartialEq + Debug + ?Sized>(&mut self, what: &str, theirs: &T, ours: &T) {
        self.check(theirs == ours, format!("{what}: theirs {theirs:?}, ours {ours:?}"));
    }

    /// A number that the ground truth may give.
    pub(crate) fn same_number(&mut self, what: &str, theirs: &Json, ours: u64) {
        self.check(theirs.is_null() || *theirs == ours, format!("{what}: theirs {theirs}, ours {ours}"));
    }

    /// Ends the test. What was not compared goes to the terminal itself, so that a test that compared nothing is seen where
    /// it passes; a corpus in which there is nothing at all is a failure of each.
    pub(crate) fn finish(self) {
        let (not_compared, failure) = self.told();
        std::io::stderr().write_all(not_compared.as_bytes()).unwrap();
        assert!(failure.is_none(), "{}", failure.unwrap());
    }

    /// What was not compared, and why the test fails.
    fn told(self) -> (String, Option<String>) {
        let Comparison { what, corpus, compared, passed_over, differences, .. } = self;
        let mut text = String::new();
        if compared == 0 || !passed_over.is_empty() {
            let count = if compared == 0 { "compared NOTHING".to_owned() } else { format!("{compared} compared") };
            text = format!("corpus: {what}: {count}, {} passed over\n", passed_over.len());
            for one in passed_over.iter().take(10) {
                text.push_str(&format!("corpus:   {one}\n"));
            }
        }
        println!("{what}: {compared} compared");
        let mut failure = None;
        if !differences.is_empty() {
            let all = differences.join("\n");
            failure = Some(format!("{what}: {} differences in {compared} compared:\n{all}", differences.len()));
        } else if compared == 0 && files(&corpus).is_empty() {
            failure = Some(format!("{}: the corpus is empty", corpus.display()));
        }
        (text, failure)
    }
}

#[test]
fn all_differences_are_told_and_a_panic_ends_one_file_only() {
    let corpus = tempfile::tempdir().unwrap();
    let told = |compare: &dyn Fn(&mut Comparison)| {
        let mut comparison = Comparison::of("files", corpus.path());
        compare(&mut comparison);
        comparison.told()
    };
    assert!(told(&|_| ()).1.unwrap().contains("the corpus is empty"));
    std::fs::create_dir_all(corpus.path().join("ground_truth/any")).unwrap();
    let lines = ["a", "b.7z!c", "d", "e.xz!e"].map(|name| format!("{{\"file\":\"{name}\"}}\n"));
    std::fs::write(corpus.path().join("ground_truth/any/x.jsonl"), lines.concat()).unwrap();
    assert!(told(&|_| ()).1.unwrap().contains("the corpus is empty"), "ground truth alone is no corpus");
    std::fs::create_dir(corpus.path().join("b.7z.d")).unwrap();
    for name in ["a", "b.7z.d/c", "e"] {
        std::fs::write(corpus.path().join(name), name).unwrap();
    }
    let nothing = ("corpus: files: compared NOTHING, 0 passed over\n".to_owned(), None);
    assert_eq!(told(&|_| ()), nothing, "nothing of this kind is no failure");
    let compare = |comparison: &mut Comparison| {
        comparison.each("x.jsonl", |comparison, line, path| {
            comparison.count();
            assert!(!path.ends_with("b.7z.d/c"), "the second");
            comparison.same("name", line["file"].as_str().unwrap(), "z");
        });
    };
    let (not_compared, failure) = told(&compare);
    assert!(not_compared.contains("3 compared, 1 passed over\ncorpus:   d: not in this corpus\n"), "{not_compared}");
    let told = failure.unwrap();
    for part in ["3 differences in 3 compared", "\na: name: ", "\nb.7z!c: panicked: the second", "\ne.xz!e: name: "] {
        assert!(told.contains(part), "{told}");
    }
}
