use super::*;

/// An analysis of a bundle that is not there, with its files and digests made by hand, in a folder of its own.
struct Analysis {
    _above: tempfile::TempDir,
    folder: PathBuf,
}

impl Analysis {
    fn path(&self) -> &Path {
        &self.folder
    }
}

fn analysis() -> Analysis {
    let above = tempfile::tempdir().unwrap();
    let folder = Analysis { folder: above.path().join("case"), _above: above };
    std::fs::create_dir(folder.path()).unwrap();
    let about = format!(
        "{{\"schema\": \"comtrail-analysis/1\", \"tool\": {{\"name\": \"comtrail\", \"version\": \"{}\"}},\n\
         \"bundle\": {{\"bag\": \"WS-1\", \"archive_sha256\": \"{}\", \"tag_manifest_sha256\": \"{}\"}},\n\
         \"options\": {{\"full_timeline\": false, \"accept_changed\": false}}, \"rules_sha256\": \"none\"}}\n",
        env!("CARGO_PKG_VERSION"),
        "ab".repeat(32),
        "cd".repeat(32)
    );
    let mut files = vec![(ANALYSIS, about)];
    for name in ["report.html", "report.json", "timeline.body", "timeline.csv", "timeline.jsonl"] {
        files.push((name, format!("the content of {name}\n").repeat(9)));
    }
    let mut manifest = String::new();
    for (name, content) in &files {
        std::fs::write(folder.path().join(name), content).unwrap();
        manifest.push_str(&format!("{}  {name}\n", place::hash_of(content.as_bytes())));
    }
    std::fs::write(folder.path().join(MANIFEST), manifest).unwrap();
    folder
}

fn common() -> Common {
    Common { threads: 1, memory: 64 << 20, json: false, quiet: true, verbose: false }
}

fn checked(folder: &Path) -> Checked {
    check(folder, &CheckOptions::default(), &common()).unwrap()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Changes the folder in one way; says how.
fn mutate(folder: &Path, dice: &mut Dice) -> String {
    let names: Vec<&str> = place::hashed_files(&Formats::default()).into_iter().chain([MANIFEST]).collect();
    let name = names[dice.below(names.len())];
    let path = folder.join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = dice.below(bytes.len());
    let what = match dice.below(12) {
        0..=5 => {
            bytes[at] ^= 1 << dice.below(8);
            "a bit"
        }
        6 => {
            bytes.truncate(at);
            "cut off"
        }
        7 => {
            bytes.insert(at, b" \n\r\t0a"[dice.below(6)]);
            "a byte more"
        }
        8 => {
            bytes.remove(at);
            "a byte less"
        }
        9 => {
            std::fs::remove_file(&path).unwrap();
            return format!("{name} removed");
        }
        10 => {
            let lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            bytes.extend_from_slice(&lines[dice.below(lines.len())]);
            "a line twice"
        }
        _ => {
            let other = names[dice.below(names.len())];
            bytes = std::fs::read(folder.join(other)).unwrap();
            if other == name {
                bytes.make_ascii_uppercase();
            }
            "another's content"
        }
    };
    std::fs::write(&path, bytes).unwrap();
    format!("{name}: {what} at {at}")
}

#[test]
fn every_one_of_5000_changes_is_noticed() {
    let folder = analysis();
    let whole: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    let right = checked(folder.path());
    assert_eq!((right.wrong.len(), right.open.len()), (0, 1), "{right:?}");
    assert!(right.open[0].contains("the bundle WS-1 is neither"), "{right:?}");
    let mut dice = Dice(1218);
    for round in 0..5000 {
        let how = mutate(folder.path(), &mut dice);
        let changed = checked(folder.path());
        assert!(!changed.wrong.is_empty(), "round {round}, {how}: not noticed");
        // What was changed stands first in what is said of it.
        let (path, bytes) = whole.iter().find(|(path, _)| how.starts_with(&shown(path.file_name().unwrap()))).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(checked(folder.path()), right);
}

/// What stands on the terminal.
fn said(checked: &Checked, quiet: bool) -> String {
    let mut out = Vec::new();
    checked.write(Path::new("case"), quiet, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_added_is_said_and_the_folder_is_not_called_whole() {
    let folder = analysis();
    let at = |name: &str| folder.path().join(name);
    // What the program itself puts there.
    for name in [FOOTPRINT, "WS-1.zip.partial", "WS-1.zip.partial.log"] {
        std::fs::write(at(name), "ours").unwrap();
    }
    assert_eq!(checked(folder.path()).added, [] as [&str; 0]);
    // What others do: the overview of several hosts is none of one host's analysis, and a folder can hold anything.
    std::fs::write(at("report2.html"), "another").unwrap();
    std::fs::create_dir_all(at("WS-1")).unwrap();
    std::fs::write(at("index.html"), "another").unwrap();
    let mut found = checked(folder.path());
    assert_eq!((&found.wrong, found.open.len()), (&Vec::new(), 1));
    assert_eq!(found.added, ["WS-1", "index.html", "report2.html"]);
    // Nothing else is open, and nothing more could be found out.
    found.open.clear();
    assert_eq!(found.outcome(), Outcome::WithProblems);
    for quiet in [false, true] {
        let said = said(&found, quiet);
        let first =
            "case: the analysis is valid, but 3 files or folders lie there that manifest-sha256.txt does not list\n";
        assert!(said.starts_with(first) && said.contains("  not listed: report2.html\n"), "{said}");
    }
    let json = found.to_json(Path::new("case"));
    assert_eq!((&json["valid"], &json["complete"]), (&true.into(), &false.into()));
    assert_eq!(json["not_listed"][2], "report2.html");
    found.added = (0..30).map(|number| format!("n{number}")).collect();
    assert!(said(&found, false).contains("  and 10 more; --json lists them\n"));
}

#[test]
fn an_analysis_made_anew_is_seen_by_the_hash_that_was_written_down() {
    let folder = analysis();
    let before = checked(folder.path()).manifest_sha256.unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, "forged").unwrap();
    let manifest = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
    let forged: String = manifest
        .lines()
        .map(|line| match line.ends_with("report.html") {
            true => format!("{}  report.html\n", place::hash_of(b"forged")),
            false => format!("{line}\n"),
        })
        .collect();
    std::fs::write(folder.path().join(MANIFEST), forged).unwrap();
    assert_eq!(checked(folder.path()).wrong, [] as [&str; 0]);
    let options = CheckOptions { expect_manifest: Some(before), ..CheckOptions::default() };
    let found = check(folder.path(), &options, &common()).unwrap();
    assert!(found.wrong[0].contains("was expected"), "{found:?}");
}

#[test]
#[cfg(unix)]
fn a_link_is_no_file_of_an_analysis() {
    let folder = analysis();
    let path = folder.path().join("report.html");
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert_eq!(checked(folder.path()).wrong, ["report.html is a link"]);
}
