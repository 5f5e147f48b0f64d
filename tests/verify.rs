//! `comtrail verify` as a whole, and the procedure of docs/bundle.md.

use crate::program::{comtrail, fixture_host, text};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a bundle of the fixture host in it, and what `collect --json` said.
fn collected() -> (tempfile::TempDir, PathBuf, Value) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    let output = comtrail(&["collect", text(&fixture_host()), "-o", text(&bundle), "--json"]);
    assert!(output.status.success(), "{output:?}");
    (folder, bundle, serde_json::from_slice(&output.stdout).unwrap())
}

fn verify(arguments: &[&str]) -> (Option<i32>, String) {
    let output = comtrail(&[&["verify"], arguments].concat());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn sha256_of(path: &Path) -> Option<String> {
    let output = Command::new("sha256sum").arg(path).output().ok()?;
    Some(String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned())
}

/// Writes the archive anew with one byte more in this member.
fn changed(bundle: &Path, member: &str, to: &Path) {
    let mut from = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let mut archive = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    for index in 0..from.len() {
        let mut file = from.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).unwrap();
        if name.ends_with(member) {
            content.push(b'!');
        }
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn both_hashes_are_printed_and_can_be_expected() {
    let (_folder, bundle, collected) = collected();
    let (status, json) = verify(&[text(&bundle), "--json"]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!((&report["valid"], &report["complete"], &report["signed"]), (&true.into(), &true.into(), &false.into()));
    let [archive, log] = ["archive_sha256", "action_log_hash"].map(|name| report[name].as_str().unwrap().to_owned());
    assert_eq!(
        (collected["archive_sha256"].as_str(), collected["action_log_hash"].as_str()),
        (Some(&*archive), Some(&*log))
    );
    if let Some(other) = sha256_of(&bundle) {
        assert_eq!(archive, other);
    }
    let (status, said) = verify(&[text(&bundle)]);
    assert_eq!(status, Some(0));
    assert!(said.contains("complete and valid, unsigned") && said.contains(&archive) && said.contains(&log), "{said}");
    let expected = ["--expect-archive", &archive, "--expect-log", &log];
    assert_eq!(verify(&[&[text(&bundle)], &expected[..]].concat()).0, Some(0));
    for (option, hash) in [("--expect-archive", &log), ("--expect-log", &archive)] {
        let (status, said) = verify(&[text(&bundle), option, hash]);
        assert!(status == Some(1) && said.contains("was expected"), "{said}");
    }
    assert_eq!(comtrail(&["verify", text(&bundle), "--expect-log", "abc"]).status.code(), Some(64));
}

#[test]
fn many_bundles_are_a_line_each() {
    let (folder, bundle, _) = collected();
    let other = folder.path().join("other.zip");
    changed(&bundle, "metadata/host.json", &other);
    let missing = folder.path().join("missing.zip");
    let (status, said) = verify(&[text(&bundle), text(&other), text(&bundle)]);
    assert_eq!(status, Some(1));
    let (details, table) = said.split_once("\nin ").unwrap();
    let lines: Vec<&str> = table.lines().filter(|line| !line.starts_with("elapsed ")).collect();
    assert_eq!(lines.len(), 9, "{said}");
    assert_eq!(lines[8], "2 of 3 are complete and valid; none is signed.");
    // Each hash stands as a whole below its bundle.
    let hashes: Vec<&str> = [3, 5, 7].iter().map(|line| lines[*line].trim()).collect();
    assert!(hashes.iter().all(|hash| hash.len() == 64) && hashes[0] == hashes[2] && hashes[0] != hashes[1], "{said}");
    assert!(lines[1].starts_with("bundle ") && lines[1].contains("  state "), "{said}");
    let at = lines[1].find("state").unwrap();
    let states = [2, 4, 6].iter().map(|line| lines[*line][at..].split("  ").next().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["complete and valid", "NOT VALID", "complete and valid"], "{said}");
    assert!(lines[2].starts_with("b.zip ") && lines.iter().all(|line| line.len() <= 80), "{said}");
    assert!(!details.contains("b.zip: complete"), "{said}");
    let (status, quiet) = verify(&[text(&bundle), text(&other), "--quiet"]);
    assert!(status == Some(1) && !quiet.contains("state") && quiet.starts_with(text(&other)), "{quiet}");
    assert!(said.contains("other.zip: NOT complete and valid") && said.contains("metadata/host.json: "), "{said}");
    let (status, json) = verify(&[text(&bundle), text(&missing), text(&other), "--json"]);
    let list: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, Some(1));
    assert_eq!(list[0]["valid"], true);
    assert!(list[1]["error"].is_string() && list[1]["valid"] == false, "{list}");
    assert!(list[2]["wrong"].as_array().unwrap().iter().any(|wrong| wrong["path"] == "metadata/host.json"), "{list}");
    assert_eq!(list[2]["wrong"][0]["kind"].as_str().map(str::is_empty), Some(false));
}

/// What docs/bundle.md has for those who have only common programs: the same hashes come out.
#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn the_procedure_of_the_documentation_gives_the_same_hashes() {
    let (folder, bundle, collected) = collected();
    let unpack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    let to = folder.path().join("unpacked");
    assert!(Command::new("python3").args(["-c", unpack, text(&bundle), text(&to)]).status().unwrap().success());
    let bag = std::fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
    let documentation =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bundle.md")).unwrap();
    let script = documentation.split("```python\n").find(|part| part.starts_with("import hashlib, json")).unwrap();
    let script = script.split("```").next().unwrap();
    let head = || {
        let output = Command::new("python3").args(["-c", script]).current_dir(&bag).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    assert_eq!(head(), (true, collected["action_log_hash"].as_str().unwrap().to_owned()));
    let sums = ["--check", "--strict", "--quiet", "manifest-sha256.txt", "tagmanifest-sha256.txt"];
    assert!(Command::new("sha256sum").args(sums).current_dir(&bag).status().unwrap().success());
    let (status, said) = verify(&[text(&bag)]);
    assert!(status == Some(0) && said.contains("unpacked"), "{said}");

    // Every digest made to fit: only the hashes that were written down differ.
    let forge = r#"
import hashlib, json, os
def digest(path): return hashlib.sha256(open(path, "rb").read()).hexdigest()
host = open("metadata/host.json").read().replace("corp.example", "evil.example")
open("metadata/host.json", "w").write(host)
lines = [json.loads(line) for line in open("metadata/actions.jsonl", encoding="utf-8")]
lines[-1]["host_sha256"] = digest("metadata/host.json")
last = "0" * 64
with open("metadata/actions.jsonl", "w", encoding="utf-8") as out:
    for line in lines:
        line.pop("hash"); line["prev_hash"] = last
        canonical = lambda: json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        last = hashlib.sha256((last + canonical()).encode()).hexdigest()
        line["hash"] = last
        out.write(canonical() + "\n")
info = open("bag-info.txt").read().splitlines()
info = [f"Collector-Action-Log-SHA256: {last}" if line.startswith("Collector-Action-Log") else line for line in info]
open("bag-info.txt", "w").write("\n".join(info) + "\n")
tags = [line[66:] for line in open("tagmanifest-sha256.txt").read().splitlines()]
open("tagmanifest-sha256.txt", "w").write("".join(f"{digest(tag)}  {tag}\n" for tag in tags))
"#;
    assert!(Command::new("python3").args(["-c", forge]).current_dir(&bag).status().unwrap().success());
    assert!(Command::new("sha256sum").args(sums).current_dir(&bag).status().unwrap().success());
    let (status, said) = verify(&[text(&bag)]);
    assert_eq!(status, Some(0), "{said}");
    let (is_whole, forged) = head();
    assert!(is_whole && Some(&*forged) != collected["action_log_hash"].as_str());
    let log = collected["action_log_hash"].as_str().unwrap();
    assert_eq!(verify(&[text(&bag), "--expect-log", log]).0, Some(1));
}

#[test]
fn sha512_is_computed_where_it_is_asked_for() {
    let (folder, bundle, _) = collected();
    let names = |bundle: &Path| {
        let archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
        archive.file_names().map(|name| name.unwrap().into_owned()).collect::<Vec<String>>()
    };
    let has = |bundle: &Path| names(bundle).iter().filter(|name| name.contains("manifest-sha512")).count();
    assert_eq!(has(&bundle), 0);
    let other = folder.path().join("other.zip");
    let output = comtrail(&["collect", text(&fixture_host()), "-o", text(&other), "--sha512", "-q"]);
    assert!(output.status.success() && has(&other) == 2);
    assert_eq!(verify(&[text(&other)]).0, Some(0));
    changed(&other, "tagmanifest-sha512.txt", &bundle.with_file_name("c.zip"));
    assert_eq!(verify(&[text(&bundle.with_file_name("c.zip"))]).0, Some(1));
}
