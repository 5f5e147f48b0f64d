//! Rules about the source itself that the compiler does not check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                // Files of tests only, by their names.
                let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
                if !matches!(name, "tests" | "testing" | "faulty") && !name.ends_with("_tests") {
                    files.push(path);
                }
            }
        }
    }
    files.sort();
    files
}

/// The part of a file before its tests, without comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn siblings_do_not_know_each_other() {
    let allowed: [(&str, &[&str]); 5] = [
        ("evidence", &[]),
        ("ntfs-layout", &["evidence"]),
        ("artifacts", &["evidence", "ntfs-layout"]),
        ("collector", &["evidence", "ntfs-layout"]),
        ("timeline", &["evidence"]),
    ];
    let members: BTreeSet<&str> = allowed.iter().map(|(name, _)| *name).chain(["comtrail"]).collect();
    for (name, may) in allowed {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let crate_name = line.split(['.', ' ', '=']).next().unwrap();
            if members.contains(crate_name) {
                assert!(may.contains(&crate_name), "{name} depends on {crate_name}");
            }
        }
    }
}

#[test]
fn unsafe_code_stands_in_one_module_and_says_why() {
    let sys = root().join("collector/src/source/live/sys");
    assert!(sys.is_dir());
    for folder in ["evidence", "ntfs-layout", "artifacts", "collector", "timeline", "cli"] {
        for file in rust_files(&root().join(folder).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            if !file.starts_with(&sys) {
                assert!(!text.contains("unsafe_code") && !text.contains("unsafe {"), "{}", file.display());
                continue;
            }
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("unsafe {")) {
                let said = lines[at.saturating_sub(6)..at].iter().any(|line| line.contains("SAFETY:"));
                assert!(said, "{}:{} has no SAFETY reason: {line}", file.display(), at + 1);
            }
        }
    }
}

#[test]
fn every_artifact_file_is_registered_and_documented() {
    let folder = root().join("artifacts").join("src");
    let list = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    let mut found = 0;
    for path in rust_files(&folder) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("static ARTIFACT: Artifact") {
            continue;
        }
        found += 1;
        let in_rooms = path.parent().unwrap().strip_prefix(&folder).unwrap().iter();
        let room: Vec<_> = in_rooms.map(|room| format!("{}::", room.to_str().unwrap())).collect();
        let named = format!("&{}{name}::ARTIFACT,", room.concat());
        assert!(list.contains(&named), "{named} is not in ALL");
        for heading in [
            "What Windows records",
            "When it writes",
            "Where",
            "What it supports",
            "What it does not",
            "Versions",
            "Limits",
            "References",
        ] {
            let there = text.lines().any(|line| line.starts_with("//! #") && line.trim_end().ends_with(heading));
            assert!(there, "{name}.rs has no heading «{heading}»");
        }
    }
    assert_eq!(found, artifacts::ALL.len());
}

#[test]
fn every_artifact_says_what_it_is() {
    let mut ids = BTreeSet::new();
    for artifact in artifacts::ALL {
        assert!(ids.insert(artifact.id), "{} stands twice", artifact.id);
        for text in [artifact.title, artifact.supports, artifact.does_not_support, artifact.windows] {
            assert!(text.len() > 3, "{} has an empty text", artifact.id);
        }
        assert!(!artifact.references.is_empty(), "{} has no reference", artifact.id);
        assert!(!artifact.reads.is_empty(), "{} has no location", artifact.id);
        assert!(!artifact.records.is_empty(), "{} has no data type", artifact.id);
    }
}

#[test]
fn the_generated_pages_are_current() {
    for (format, page) in [("markdown", "docs/artifacts.md"), ("records", "docs/records.md")] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_comtrail"))
            .args(["artifacts", "--format", format])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            std::fs::read_to_string(root().join(page)).unwrap_or_default(),
            "run: cargo run -- artifacts --format {format} > {page}"
        );
    }
}

#[test]
fn every_declared_field_says_what_stands_in_it() {
    fn ask(fields: &[evidence::Field], at: &str, missing: &mut Vec<String>) {
        for field in fields {
            if field.says.len() < 3 {
                missing.push(format!("{at}.{}", field.name));
            }
            ask(field.members(), &format!("{at}.{}", field.name), missing);
        }
    }
    let mut missing = Vec::new();
    for of in artifacts::ALL.iter().flat_map(|artifact| artifact.records) {
        ask(of.fields, of.name, &mut missing);
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// An artifact that is only in the list of all is not yet one: each place that knows artifacts must know this one.
#[test]
fn every_artifact_is_in_every_place() {
    let page = std::fs::read_to_string(root().join("docs/artifacts.md")).unwrap();
    let reviewed = |id: &str| {
        let cases = std::fs::read_dir(root().join("fixtures").join(id)).into_iter().flatten().flatten();
        cases.into_iter().any(|case| case.path().join("expected.jsonl").is_file())
    };
    // The fuzz target takes its artifact from the list by number, and has to reach all of them.
    let fuzz = std::fs::read_to_string(root().join("fuzz/fuzz_targets/artifacts.rs")).unwrap();
    let is_fuzzed = fuzz.contains("artifacts::ALL[usize::from(*artifact) % artifacts::ALL.len()]");
    let mut missing = Vec::new();
    for artifact in artifacts::ALL {
        let id = artifact.id;
        for (place, is_there) in [
            (
                "docs/artifacts.md",
                page.lines().any(|line| line.starts_with("## ") && line.ends_with(&format!("(`{id}`)"))),
            ),
            ("fixtures/", reviewed(id)),
            ("fuzz/fuzz_targets/artifacts.rs", is_fuzzed && artifacts::ALL.len() <= 256),
        ] {
            if !is_there {
                missing.push(format!("{id} is missing from {place}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    for folder in ["evidence", "ntfs-layout", "artifacts", "collector", "timeline", "cli"] {
        for file in rust_files(&root().join(folder).join("src")) {
            let lines = code(&file).lines().count();
            assert!(lines <= 800, "{} has {lines} lines of code before its tests", file.display());
        }
    }
}
