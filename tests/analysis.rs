//! The analysis as evidence: what it is made of, that every change of it is seen, and that nothing changed is analysed.

use crate::program::{comtrail, fixture_host, text};
use serde_json::Value;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FILES: [&str; 7] = [
    "analysis.json",
    "manifest-sha256.txt",
    "report.html",
    "report.json",
    "timeline.body",
    "timeline.csv",
    "timeline.jsonl",
];

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The fixture host, collected and analysed: the folder, the case in it, and its bundle.
fn case() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&["run", text(&fixture_host()), "-o", text(&case), "--quiet"]);
    assert!(matches!(status(&output), 0 | 2), "{}", said(&output));
    let bundle = bundles(&case).remove(0);
    (folder, case, bundle)
}

fn bundles(case: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "zip")).collect()
}

type Members = Vec<(String, Vec<u8>)>;

fn members(bundle: &Path) -> Members {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut member = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            (member.name().unwrap().into_owned(), content)
        })
        .collect()
}

fn pack(members: &Members, to: &Path) {
    let mut archive = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    for (name, content) in members {
        archive.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
#[cfg_attr(not(foreign), ignore = "needs programs of others: COMTRAIL_FOREIGN_REQUIRED=1")]
fn the_page_itself_says_how_it_is_checked() {
    let (_folder, case, _) = case();
    let page = std::fs::read_to_string(case.join("report.html")).unwrap();
    let (_, last) = page.rsplit_once("<section").unwrap();
    let (_, commands) = last.split_once("<pre id=\"sha256sum\">").unwrap();
    let (commands, _) = commands.split_once("</pre>").unwrap();
    assert_eq!(commands, "sha256sum -c manifest-sha256.txt\nsha256sum manifest-sha256.txt");
    let run = |folder: &Path| Command::new("sh").args(["-ec", commands]).current_dir(folder).output();
    let output = run(&case).unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{lines}");
    let named: Vec<&str> = lines.lines().filter_map(|line| line.strip_suffix(": OK")).collect();
    assert_eq!(named, FILES.iter().copied().filter(|name| *name != "manifest-sha256.txt").collect::<Vec<_>>());
    // The hash that the program gives for the manifest is the one that sha256sum gives.
    let checked = comtrail(&["verify", text(&case), "--json"]);
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let manifest = checked["analysis_manifest_sha256"].as_str().unwrap();
    assert!(lines.lines().last().unwrap().starts_with(manifest), "{lines}");
}

#[test]
fn an_analysis_is_compared_with_its_bundle_wherever_both_lie() {
    let (folder, case, bundle) = case();
    let about = json(&case.join("analysis.json"));
    let hash = |bytes: &[u8]| -> String {
        use sha2::Digest;
        sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(about["bundle"]["archive_sha256"], hash(&std::fs::read(&bundle).unwrap()));
    let tags = members(&bundle).into_iter().find(|(name, _)| name.ends_with("/tagmanifest-sha256.txt")).unwrap();
    assert_eq!(about["bundle"]["tag_manifest_sha256"], hash(&tags.1));
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../timeline/rules/t1218-009.toml");
    assert_eq!(about["rules_sha256"], hash(&std::fs::read(rules).unwrap()));
    // Analysed under another name, from another place, it gives the same bytes.
    let other = folder.path().join("elsewhere/other");
    std::fs::create_dir_all(&other).unwrap();
    let renamed = folder.path().join("elsewhere/renamed.bin");
    std::fs::copy(&bundle, &renamed).unwrap();
    let output = comtrail(&["analyze", text(&renamed), "-o", text(&other), "-q", "--threads", "1"]);
    assert!(matches!(status(&output), 0 | 2), "{}", said(&output));
    for name in FILES {
        assert!(std::fs::read(case.join(name)).unwrap() == std::fs::read(other.join(name)).unwrap(), "{name}");
    }
    for (folder, arguments) in [(&case, vec![]), (&case, vec!["--again"]), (&other, vec!["--again"])] {
        let output = comtrail(&[vec!["verify", text(folder)], arguments].concat());
        assert_eq!(status(&output), 0, "{}", said(&output));
    }
    // Without its bundle, with it given, with another one, and with one that was changed.
    let away = folder.path().join("away/a/b");
    std::fs::create_dir_all(&away).unwrap();
    for name in FILES {
        std::fs::copy(case.join(name), away.join(name)).unwrap();
    }
    let output = comtrail(&["verify", text(&away), "--again"]);
    assert_eq!(status(&output), 2, "{}", said(&output));
    assert!(said(&output).contains("give --bundle"), "{}", said(&output));
    assert_eq!(status(&comtrail(&["verify", text(&away), "--bundle", text(&renamed), "--again"])), 0);
    let mut changed = members(&bundle);
    let last = changed.iter_mut().find(|(name, _)| name.ends_with(".evtx")).unwrap().1.last_mut().unwrap();
    *last ^= 1;
    let forged = away.join("forged.zip");
    pack(&changed, &forged);
    let output = comtrail(&["verify", text(&away)]);
    assert_eq!(status(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("forged.zip is not the bundle that was analysed"), "{}", said(&output));
    // What another version made is not compared.
    std::fs::remove_file(&forged).unwrap();
    let older = std::fs::read_to_string(away.join("analysis.json")).unwrap();
    let older = older.replace(&format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION")), "\"version\": \"0.0.9\"");
    std::fs::write(away.join("analysis.json"), &older).unwrap();
    let manifest = std::fs::read_to_string(away.join("manifest-sha256.txt")).unwrap();
    let (_, rest) = manifest.split_once('\n').unwrap();
    let manifest = format!("{}  analysis.json\n{rest}", hash(older.as_bytes()));
    std::fs::write(away.join("manifest-sha256.txt"), manifest).unwrap();
    let output = comtrail(&["verify", text(&away), "--bundle", text(&renamed), "--again"]);
    assert_eq!(status(&output), 2, "{}", said(&output));
    assert!(said(&output).contains("not comparable"), "{}", said(&output));
}

#[test]
fn a_forged_report_is_seen_when_the_bundle_is_analysed_anew() {
    let (_folder, case, _) = case();
    let path = case.join("report.json");
    let forged = std::fs::read_to_string(&path).unwrap().replace("regasm", "notepad");
    std::fs::write(&path, &forged).unwrap();
    let output = comtrail(&["verify", text(&case)]);
    assert_eq!(status(&output), 1);
    assert!(said(&output).contains("report.json was changed"), "{}", said(&output));
    // The manifest made anew hides it from everything but the hash that was written down and the bundle itself.
    let manifest: String = FILES
        .iter()
        .filter(|name| **name != "manifest-sha256.txt")
        .map(|name| {
            use sha2::Digest;
            let digest = sha2::Sha256::digest(std::fs::read(case.join(name)).unwrap());
            format!("{}  {name}\n", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        })
        .collect();
    std::fs::write(case.join("manifest-sha256.txt"), manifest).unwrap();
    assert_eq!(status(&comtrail(&["verify", text(&case), "-q"])), 0);
    let output = comtrail(&["verify", text(&case), "--again"]);
    assert_eq!(status(&output), 1);
    assert!(said(&output).contains("report.json differs from byte"), "{}", said(&output));
}

#[test]
fn nothing_of_a_changed_bundle_is_analysed() {
    let (folder, _, bundle) = case();
    let whole = members(&bundle);
    let (changed, case) = (folder.path().join("changed.zip"), folder.path().join("changed"));
    let refused = |members: &Members, what: &str| {
        pack(members, &changed);
        let output = comtrail(&["analyze", text(&changed), "-o", text(&case), "-q"]);
        assert_eq!(status(&output), 1, "{what}: {}", said(&output));
        assert!(std::fs::read_dir(&case).map_or(0, Iterator::count) == 0, "{what} left something");
        said(&output)
    };
    // One byte of every member in turn, every member removed, and one added.
    for (index, (name, content)) in whole.iter().enumerate() {
        let mut one = whole.clone();
        match content.len() / 2 {
            0 => one[index].1.push(b'x'),
            middle => one[index].1[middle] ^= 1,
        }
        refused(&one, name);
        one.remove(index);
        refused(&one, name);
    }
    let mut added = whole.clone();
    added.push((whole[0].0.replace("bagit.txt", "data/raw/C/added.evtx"), b"ElfFile".to_vec()));
    assert!(refused(&added, "added").contains("was changed after it was sealed"));
    pack(&whole, &changed);
    assert!(matches!(status(&comtrail(&["analyze", text(&changed), "-o", text(&case), "-q"])), 0 | 2));
}

#[test]
fn what_rests_on_an_accepted_change_is_marked() {
    let (folder, _, bundle) = case();
    let mut members = members(&bundle);
    let log = members.iter_mut().find(|(name, _)| name.ends_with("Sysmon=254Operational.evtx")).unwrap();
    *log.1.last_mut().unwrap() ^= 1;
    let is: String = {
        use sha2::Digest;
        sha2::Sha256::digest(&log.1).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (changed, case) = (folder.path().join("changed.zip"), folder.path().join("changed"));
    pack(&members, &changed);
    let output = comtrail(&["analyze", text(&changed), "-o", text(&case), "--accept-changed"]);
    assert_eq!(status(&output), 2, "{}", said(&output));
    let first = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
    assert!(first(&output.stdout).starts_with("This bundle was changed after it was sealed"), "{}", said(&output));
    let read = |name: &str| std::fs::read(case.join(name)).unwrap();
    assert!(first(&read("report.html")).contains("changed after it was sealed"));
    for name in ["report.json", "analysis.json"] {
        let Value::Object(members) = json(&case.join(name)) else { panic!("{name}") };
        assert_eq!(members.keys().next().unwrap(), "changed_after_sealing", "{name}");
    }
    // The SHA-256 is that of the bytes that were read, and stands on marked rows only.
    let rows: Vec<Value> = read("timeline.jsonl")
        .split(|byte| *byte == b'\n')
        .filter_map(|row| serde_json::from_slice(row).ok())
        .collect();
    let of_the_log = |row: &&Value| row["item"].as_str().unwrap().ends_with("Sysmon%4Operational.evtx");
    assert!(rows.iter().filter(of_the_log).count() > 10);
    for row in &rows {
        assert_eq!(row["object_changed"] == "true", of_the_log(&row), "{row}");
        assert_eq!(row["item_sha256"] == is.as_str(), of_the_log(&row), "{row}");
    }
    assert!(first(&read("timeline.csv")).starts_with("datetime,"));
    assert!(String::from_utf8(read("report.json")).unwrap().contains("\"object_changed\": true"));
    // Its files are right, and what is wrong with its bundle it says itself; the bundle is not valid all the same.
    let output = comtrail(&["verify", text(&case), "--again"]);
    let told = said(&output);
    assert_eq!(status(&output), 1, "{told}");
    assert!(
        told.contains("the analysis is unchanged. Its bundle was changed after it was sealed, as the analysis"),
        "{told}"
    );
    assert!(told.contains("Sysmon=254Operational.evtx") && told.contains("gives the same bytes"), "{told}");
    let page = case.join("report.html");
    std::fs::write(&page, [read("report.html"), b"more".to_vec()].concat()).unwrap();
    assert!(said(&comtrail(&["verify", text(&case)])).contains("NOT the analysis that was made"));
    let output = comtrail(&["analyze", text(&changed), "-o", text(&case), "--accept-changed", "--force", "--json"]);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result.as_object().unwrap().keys().next().unwrap(), "changed_after_sealing");
}

#[test]
fn a_second_run_is_refused_and_an_analysis_can_be_replaced() {
    let (folder, case, bundle) = case();
    let before: Vec<_> = FILES.iter().map(|name| std::fs::read(case.join(name)).unwrap()).collect();
    let again = comtrail(&["run", "no-such-source", "-o", text(&case), "-q"]);
    assert_eq!(status(&again), 1);
    assert!(said(&again).contains("is there already"), "before the source is opened: {}", said(&again));
    // A bundle alone, finished or not, is in the way as well; what is none of ours is not.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    // Its bytes alone: Windows does not remove a file that is read-only, as a copy of it would be.
    std::fs::write(other.join("evidence"), std::fs::read(&bundle).unwrap()).unwrap();
    let refused = comtrail(&["run", text(&fixture_host()), "-o", text(&other), "-q"]);
    assert!(status(&refused) == 1 && said(&refused).contains("bundle of an earlier run"), "{}", said(&refused));
    std::fs::rename(other.join("evidence"), other.join("x.zip.partial")).unwrap();
    assert_eq!(status(&comtrail(&["run", text(&fixture_host()), "-o", text(&other), "-q"])), 1);
    std::fs::remove_file(other.join("x.zip.partial")).unwrap();
    std::fs::write(other.join("notes.txt"), "mine").unwrap();
    assert!(matches!(status(&comtrail(&["run", text(&fixture_host()), "-o", text(&other), "-q"])), 0 | 2));

    assert_eq!(status(&comtrail(&["analyze", text(&bundle), "-o", text(&case), "-q"])), 1);
    std::fs::write(case.join("report.html"), "forged").unwrap();
    let replaced = comtrail(&["analyze", text(&bundle), "-o", text(&case), "-q", "--force"]);
    assert!(matches!(status(&replaced), 0 | 2), "{}", said(&replaced));
    for (name, before) in FILES.iter().zip(&before) {
        assert!(std::fs::read(case.join(name)).unwrap() == *before, "{name}");
    }
    assert_eq!(bundles(&case), std::slice::from_ref(&bundle));
    // --force never replaces what is no analysis of ours: a page of somebody, or the manifest of an unpacked bundle.
    let pages = folder.path().join("pages");
    std::fs::create_dir(&pages).unwrap();
    std::fs::write(pages.join("report.html"), "mine").unwrap();
    assert_eq!(status(&comtrail(&["analyze", text(&bundle), "-o", text(&pages), "-q", "--force"])), 1);
    assert_eq!(std::fs::read(pages.join("report.html")).unwrap(), b"mine");
    for (name, content) in members(&bundle) {
        let path = folder.path().join("unpacked").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let bag = std::fs::read_dir(folder.path().join("unpacked")).unwrap().next().unwrap().unwrap().path();
    for place in [bag.clone(), bag.join("data")] {
        let output = comtrail(&["analyze", text(&bundle), "-o", text(&place), "-q", "--force"]);
        assert!(status(&output) == 1 && said(&output).contains("unpacked bundle"), "{}", said(&output));
    }
}

#[test]
fn only_the_chosen_files_of_the_timeline_are_written() {
    let (folder, whole, bundle) = case();
    let case = folder.path().join("chosen");
    let names = |case: &Path| -> Vec<String> {
        let names = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("timeline.")).collect();
        names.sort();
        names
    };
    let analyze = |more: &[&str]| comtrail(&[&["analyze", text(&bundle), "-o", text(&case), "-q"], more].concat());
    for (chosen, in_json, files) in [
        ("csv,body", &["csv", "body"][..], &["timeline.body", "timeline.csv"][..]),
        // What an earlier analysis had besides does not stay.
        ("jsonl", &["jsonl"], &["timeline.jsonl"]),
        ("none", &[], &[]),
    ] {
        let output = analyze(&["--timeline", chosen, "--force"]);
        assert!(matches!(status(&output), 0 | 2), "{}", said(&output));
        assert_eq!(names(&case), files, "{chosen}");
        assert_eq!(json(&case.join("analysis.json"))["options"]["timeline"], serde_json::json!(in_json));
        for name in files.iter().chain(&["report.json"]) {
            assert!(std::fs::read(case.join(name)).unwrap() == std::fs::read(whole.join(name)).unwrap(), "{name}");
        }
        let manifest = std::fs::read_to_string(case.join("manifest-sha256.txt")).unwrap();
        assert_eq!(manifest.lines().count(), 3 + files.len(), "{manifest}");
        let again = comtrail(&["verify", text(&case), "--again", "--bundle", text(&bundle), "--json"]);
        assert_eq!(status(&again), 0, "{chosen}: {}", said(&again));
    }
    std::fs::write(case.join("timeline.csv"), "added").unwrap();
    let added = comtrail(&["verify", text(&case), "--bundle", text(&bundle)]);
    assert!(status(&added) == 2, "{}", said(&added));
    let unknown = comtrail(&["analyze", text(&bundle), "-o", text(&case), "--timeline", "xml"]);
    assert!(status(&unknown) == 64 && said(&unknown).contains("jsonl, csv, body, or none"), "{}", said(&unknown));
}

#[test]
fn options_of_a_live_host_are_refused_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (case, bundle) = (folder.path().join("case"), folder.path().join("b.zip"));
    for option in [vec!["--io", "5M"], vec!["--shadow-copies"], vec!["--make-shadow-copy"]] {
        for command in [["run", "-o", text(&case)], ["collect", "-o", text(&bundle)]] {
            let output = comtrail(&[&command[..], &[text(&fixture_host()), "-q"], &option].concat());
            assert_eq!(status(&output), 64, "{}", said(&output));
            assert!(said(&output).contains(option[0]) && said(&output).contains("live"), "{}", said(&output));
        }
    }
    assert!(!case.exists() && !bundle.exists());
    let output = comtrail(&["collect", text(&fixture_host()), "-o", text(&bundle), "-q", "--cpu", "90"]);
    assert!(matches!(status(&output), 0 | 2), "{}", said(&output));
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    for arguments in [
        vec!["run", "no-such-source", "-o", "no-such-case", "--json"],
        vec!["verify", "no-such-bundle", "--json"],
        vec!["analyze", "no-such-bundle", "-o", "target/no-such-case", "--json"],
        vec!["collect", "--json"],
        vec!["run", "x", "-o", "y", "--io", "1M", "--json"],
    ] {
        let output = comtrail(&arguments);
        assert!(matches!(status(&output), 1 | 64), "{}", said(&output));
        let last = String::from_utf8(output.stderr).unwrap();
        let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap_or_else(|_| panic!("{last}"));
        assert!(!last["error"].as_str().unwrap().is_empty(), "{last}");
    }
    assert!(!Path::new("target/no-such-case").exists());
}

#[test]
fn what_was_said_about_the_case_is_in_the_report_and_the_bag() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&[
        "run",
        text(&fixture_host()),
        "-o",
        text(&case),
        "--json",
        "--case-id",
        "IR-7 <b>",
        "--examiner",
        "M. M\u{fc}ller",
        "--organization",
        "CERT\nOne: two",
        "--reference-time",
        "2026-03-04T14:12:33Z",
    ]);
    assert!(matches!(status(&output), 0 | 2), "{}", said(&output));
    let facts = &json(&case.join("report.json"))["case"];
    assert_eq!((&facts["id"], &facts["examiner"]), (&Value::from("IR-7 <b>"), &Value::from("M. M\u{fc}ller")));
    assert_eq!(facts["organization"], "CERT\nOne: two");
    assert!(facts["reference_time"].as_str().unwrap().starts_with("2026-03-04T14:12:33"));
    assert!(facts["clock_difference"].as_str().unwrap().contains("ahead of the reference"));
    let page = std::fs::read_to_string(case.join("report.html")).unwrap();
    assert!(page.contains("<dt>Case</dt><dd>IR-7 &lt;b&gt;</dd><dt>Examiner</dt><dd>M. M\u{fc}ller</dd>"));
    let bundle = bundles(&case).remove(0);
    let info = members(&bundle).into_iter().find(|(name, _)| name.ends_with("/bag-info.txt")).unwrap().1;
    let info = String::from_utf8(info).unwrap();
    let lines: Vec<&str> = info.lines().collect();
    for line in [
        "Source-Organization: CERT One: two",
        "Contact-Name: M. M\u{fc}ller",
        "External-Identifier: IR-7 <b>",
        "Collector-Reference-Time: 2026-03-04T14:12:33.0000000Z",
    ] {
        assert!(lines.contains(&line), "{info}");
    }
    // Both hashes to be written down are printed.
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verified =
        comtrail(&["verify", text(&case), "--expect-manifest", result["analysis_manifest_sha256"].as_str().unwrap()]);
    assert_eq!(status(&verified), 0, "{}", said(&verified));
    assert_eq!(status(&comtrail(&["verify", text(&case), "--expect-manifest", &"ab".repeat(32)])), 1);
    assert_eq!(result["archive_sha256"], json(&case.join("analysis.json"))["bundle"]["archive_sha256"]);
    assert!(info.contains(result["action_log_hash"].as_str().unwrap()), "{info}");
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn only_the_owner_reads_what_is_written() {
        let (folder, case, _) = case();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&case), 0o700);
        for entry in std::fs::read_dir(&case).unwrap() {
            let path = entry.unwrap().path();
            let wanted = if path.extension().is_some_and(|extension| extension == "zip") { 0o400 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "{}", path.display());
        }
        let alone = folder.path().join("alone.zip");
        comtrail(&["collect", text(&fixture_host()), "-o", text(&alone), "-q"]);
        assert_eq!(mode(&alone), 0o400);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (folder, _, bundle) = case();
        let case = folder.path().join("linked");
        let victim = folder.path().join("victim");
        for there in [false, true] {
            if there {
                std::fs::write(&victim, "somebody's").unwrap();
            }
            for name in FILES {
                std::fs::create_dir_all(&case).unwrap();
                symlink(&victim, case.join(name)).unwrap();
                for more in [&[][..], &["--force"]] {
                    let output = comtrail(&[&["analyze", text(&bundle), "-o", text(&case), "-q"][..], more].concat());
                    assert_eq!(status(&output), 1, "{name}: {}", said(&output));
                }
                assert_eq!(std::fs::read(&victim).ok(), there.then(|| b"somebody's".to_vec()), "{name}");
                std::fs::remove_dir_all(&case).unwrap();
            }
        }
        let link = folder.path().join("link.zip");
        symlink(folder.path().join("absent"), &link).unwrap();
        for arguments in [["collect", "-o", text(&link)], ["run", "-o", text(&link)]] {
            let output = comtrail(&[&arguments[..], &[text(&fixture_host()), "-q"]].concat());
            assert_eq!(status(&output), 1, "{}", said(&output));
        }
        assert!(!folder.path().join("absent").exists());
    }

    #[test]
    fn pipes_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.dll");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let case = folder.path().join("case");
        for special in [text(&pipe), "/dev/zero"] {
            for arguments in [
                vec!["run", special, "-o", text(&case)],
                vec!["collect", special, "-o", text(&case)],
                vec!["verify", special],
                vec!["analyze", special, "-o", text(&case)],
                vec!["inspect", special],
            ] {
                let (sender, receiver) = std::sync::mpsc::channel();
                let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
                let shown = arguments.join(" ");
                std::thread::spawn(move || {
                    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                    let _ = sender.send(comtrail(&arguments));
                });
                let output = receiver.recv_timeout(std::time::Duration::from_secs(120)).expect(&shown);
                assert!(matches!(status(&output), 1 | 2), "{shown}: {}", said(&output));
                assert!(said(&output).contains(if special == "/dev/zero" { "device" } else { "pipe" }), "{shown}");
                assert!(!case.exists(), "{shown}");
            }
        }
    }
}
