//! Sources with several hosts, and sources in which little or nothing can be examined.

use crate::program::{comtrail, fixture_host, text};
use collector::source::Tree;
use serde_json::Value;
use sha2::Digest;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

const CONFIG: &str = r"\Windows\System32\config";
const LOGS: &str = r"\Windows\System32\winevt\Logs";

/// The system volume of the fixture host.
pub(crate) fn volume() -> Arc<dyn Tree> {
    let folder = tempfile::tempdir().unwrap();
    let spill = collector::Spill::beside(&folder.path().join("case"));
    let mut sources = collector::source::open(&fixture_host(), &spill).unwrap();
    let system = sources.remove(0).volumes.into_iter().find(|(volume, _)| volume.is_system).unwrap();
    system.1.unwrap()
}

/// Copies the files of these folders of the fixture host as a triage program would, below `<to>/C`.
pub(crate) fn copy(tree: &dyn Tree, folders: &[&str], to: &Path) {
    for folder in folders {
        let found = tree.lookup(folder).unwrap().unwrap();
        let target = to.join("C").join(folder.trim_start_matches('\\').replace('\\', "/"));
        std::fs::create_dir_all(&target).unwrap();
        for file in tree.list(&found).unwrap().iter().filter(|file| !file.is_folder && file.stream.is_none()) {
            let bytes = tree.open(file).unwrap().read_all(1 << 30).unwrap().unwrap();
            std::fs::write(target.join(file.path.rsplit('\\').next().unwrap()), bytes).unwrap();
        }
    }
}

/// Two triage trees of one machine: a whole one, and one with its hives only.
fn two_trees(folder: &Path) {
    let tree = volume();
    copy(&*tree, &[CONFIG, LOGS, r"\Windows\Prefetch"], &folder.join("first"));
    copy(&*tree, &[CONFIG], &folder.join("second"));
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// One line that says what to do, and nothing that could be read as an answer.
fn assert_refused(output: &Output, case: &Path) {
    let said = error(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(output.stdout.is_empty() && !said.to_lowercase().contains("no run"), "{said}");
    assert!(!case.exists(), "a folder was made for nothing");
}

#[test]
fn several_hosts_are_answered_each_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("collected");
    two_trees(&source);
    let case = folder.path().join("case");
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    // What the second tree lacks cannot be known, which is a problem of its collection and not of the program.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    let terminal = String::from_utf8(output.stdout).unwrap();
    assert!(terminal.starts_with("Not examined: parts of "), "{terminal}");
    assert!(terminal.lines().filter(|line| !line.contains('/')).all(|line| line.chars().count() <= 80), "{terminal}");

    let index = json(&case.join("index.json"));
    assert_eq!(index["schema"], "comtrail-index/1");
    let hosts = index["hosts"].as_array().unwrap();
    let folders: Vec<&str> = hosts.iter().map(|host| host["folder"].as_str().unwrap()).collect();
    assert_eq!(folders, ["WS-FIN-07", "WS-FIN-07-2"], "one machine twice gives two hosts");
    for host in hosts {
        let own = case.join(host["folder"].as_str().unwrap());
        let bundle = std::fs::read(own.join(host["bundle"].as_str().unwrap())).unwrap();
        assert_eq!(host["bundle_sha256"], Value::from(hash(&bundle)));
        assert!(case.join(host["report"].as_str().unwrap()).is_file());
        let report = json(&own.join("report.json"));
        assert_eq!(host["headline"], report["summary"]["answer"]);
        assert_eq!(host["executions"], Value::from(report["executions"].as_array().unwrap().len()));
        assert_eq!(report["host"]["name"], "WS-FIN-07");
    }
    // The fixture's story has five runs; none of them may appear for the tree that has no log and no prefetch file.
    let executions: Vec<u64> = hosts.iter().map(|host| host["executions"].as_u64().unwrap()).collect();
    assert_eq!(executions, [5, 0]);
    let second = hosts[1]["headline"].as_str().unwrap();
    assert!(second.starts_with("Not examined: event logs that record processes, and prefetch files"), "{second}");
    assert!(!second.to_lowercase().contains("no run"), "{second}");
    let html = std::fs::read_to_string(case.join("index.html")).unwrap();
    assert!(html.contains("href=\"WS-FIN-07-2/report.html\""), "{html}");

    let again = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert_eq!(again.status.code(), Some(1), "an overview that is there is not written over");

    // The overview is tied to the analysis of each host and to its bundle.
    for host in hosts {
        let manifest = std::fs::read(case.join(host["folder"].as_str().unwrap()).join("manifest-sha256.txt")).unwrap();
        assert_eq!(host["analysis_manifest_sha256"], Value::from(hash(&manifest)));
    }
    let verified = comtrail(&["verify", text(&case), "--again"]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    assert_changed_files_are_found(&case);
    assert_forged_overview_is_found(&case);
    #[cfg(unix)]
    assert_link_is_found(&case, &folder.path().join("away"));
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One byte of any file is another one.
fn assert_changed_files_are_found(case: &Path) {
    for name in ["index.json", "index.html", "manifest-sha256.txt", "WS-FIN-07/report.json", "WS-FIN-07-2/timeline.csv"]
    {
        let path = case.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert_eq!(comtrail(&["verify", text(case), "-q"]).status.code(), Some(1), "{name}");
        std::fs::write(&path, whole).unwrap();
    }
}

/// Whoever edits the overview and makes its manifest anew changes no analysis that it is made of.
fn assert_forged_overview_is_found(case: &Path) {
    let manifest = case.join("manifest-sha256.txt");
    for (name, from, to) in
        [("index.json", "\"executions\": 5", "\"executions\": 0"), ("index.html", "Five runs were", "No run was")]
    {
        let path = case.join(name);
        let (whole, listed) = (std::fs::read_to_string(&path).unwrap(), std::fs::read_to_string(&manifest).unwrap());
        let forged = whole.replace(from, to);
        assert_ne!(forged, whole, "{name}");
        std::fs::write(&manifest, listed.replace(&hash(whole.as_bytes()), &hash(forged.as_bytes()))).unwrap();
        std::fs::write(&path, &forged).unwrap();
        assert_eq!(comtrail(&["verify", text(case), "-q"]).status.code(), Some(0), "{name}: the manifest fits");
        let verified = comtrail(&["verify", text(case), "--again"]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert_eq!(verified.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("{name} is not what the analyses give")), "{said}");
        std::fs::write(&path, whole).unwrap();
        std::fs::write(&manifest, listed).unwrap();
    }
}

/// The folder of a host is away, and a link in its place.
#[cfg(unix)]
fn assert_link_is_found(case: &Path, away: &Path) {
    let host = case.join("WS-FIN-07-2");
    std::fs::rename(&host, away).unwrap();
    std::os::unix::fs::symlink(away, &host).unwrap();
    let verified = comtrail(&["verify", text(case)]);
    assert_eq!(verified.status.code(), Some(1));
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(said.contains("WS-FIN-07-2 is a link"), "{said}");
}

#[test]
fn one_of_several_hosts_is_chosen_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("collected");
    two_trees(&source);
    let (case, bundle) = (folder.path().join("case"), folder.path().join("one.zip"));
    for arguments in [
        vec!["run", text(&source), "-o", text(&case), "--host", "elsewhere"],
        vec!["collect", text(&source), "-o", text(&bundle), "--host", "elsewhere"],
        vec!["collect", text(&source), "-o", text(&bundle)],
    ] {
        let output = comtrail(&arguments);
        assert_refused(&output, &case);
        assert!(error(&output).contains("WS-FIN-07, WS-FIN-07-2") && !bundle.exists(), "{}", error(&output));
    }
    let output = comtrail(&["run", text(&source), "-o", text(&case), "--host", "WS-FIN-07", "--quiet"]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    assert_eq!(json(&case.join("report.json"))["executions"].as_array().unwrap().len(), 5);
    let output = comtrail(&["collect", text(&source), "-o", text(&bundle), "--host", "ws-fin-07-2", "--quiet"]);
    assert!(matches!(output.status.code(), Some(0 | 2)) && bundle.is_file(), "{}", error(&output));
}

#[test]
fn a_host_that_cannot_be_written_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("collected");
    two_trees(&source);
    let case = folder.path().join("case");
    std::fs::create_dir(&case).unwrap();
    // A file where the first host's folder would be.
    std::fs::write(case.join("WS-FIN-07"), "in the way").unwrap();
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    assert!(error(&output).contains("WS-FIN-07: cannot create"), "{}", error(&output));
    let index = json(&case.join("index.json"));
    assert!(index["headline"].as_str().unwrap().starts_with("Not examined: WS-FIN-07; "), "{index}");
    assert_eq!(index["hosts"][0]["report"], Value::Null);
    assert!(case.join(index["hosts"][1]["report"].as_str().unwrap()).is_file());
}

#[test]
fn where_nothing_can_be_examined_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let notes = folder.path().join("notes");
    std::fs::create_dir(&notes).unwrap();
    std::fs::write(notes.join("notes.txt"), "nothing of Windows").unwrap();
    let zeros = folder.path().join("zeros.raw");
    std::fs::write(&zeros, vec![0; 3 << 20]).unwrap();
    for source in [&empty, &notes, &zeros, &notes.join("notes.txt")] {
        assert_refused(&comtrail(&["run", text(source), "-o", text(&case)]), &case);
    }
}

#[test]
fn a_hive_alone_is_not_called_a_host_without_runs() {
    let folder = tempfile::tempdir().unwrap();
    let tree = volume();
    let found = tree.lookup(&format!(r"{CONFIG}\SOFTWARE")).unwrap().unwrap();
    let hive = folder.path().join("taken.bin");
    std::fs::write(&hive, tree.open(&found).unwrap().read_all(1 << 30).unwrap().unwrap()).unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&["run", text(&hive), "-o", text(&case)]);
    let terminal = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    assert!(terminal.starts_with("Not examined: event logs that record processes, and prefetch files"), "{terminal}");
    assert!(!terminal.to_lowercase().contains("no run"), "{terminal}");
}

#[test]
fn limits_that_leave_nothing_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    for (option, value, words) in [
        ("--memory", "512", "did you mean 512M? The least is 32M"),
        ("--memory", "64K", "the least is 32M"),
        ("--max-object", "10", "the least is 1M"),
        ("--time", "0s", "the least is 1s"),
    ] {
        let output = comtrail(&["run", text(&fixture_host()), "-o", text(&case), option, value]);
        let said = error(&output);
        assert_eq!(output.status.code(), Some(64), "{option} {value}: {said}");
        assert!(said.to_lowercase().contains(&words.to_lowercase()), "{option} {value}: {said}");
        assert!(!case.exists());
    }
}

#[test]
fn without_leads_an_assembly_is_not_called_absent() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&["run", text(&fixture_host()), "-o", text(&case), "--max-leads", "0", "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    let report = std::fs::read_to_string(case.join("report.json")).unwrap();
    let answer = json(&case.join("report.json"))["summary"]["answer"].as_str().unwrap().to_owned();
    assert!(answer.starts_with("Not examined: the files that records name (leads) were not looked for"), "{answer}");
    assert!(answer.contains("Five runs were found"), "{answer}");
    assert!(!report.contains("not in the evidence, so whether") && !report.contains("content was not recovered"));
}

/// Linux names files with any bytes.
/// The bytes of a file of the fixture host.
fn fixture_file(path: &str) -> Vec<u8> {
    let tree = volume();
    tree.open(&tree.lookup(path).unwrap().unwrap()).unwrap().read_all(1 << 30).unwrap().unwrap()
}

/// The name of the one bundle in a folder.
fn bundle_in(case: &Path) -> String {
    let names = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let [bundle] = &names.filter(|name| name.ends_with(".zip")).collect::<Vec<_>>()[..] else {
        panic!("no one bundle")
    };
    bundle.clone()
}

#[test]
fn loose_logs_are_named_after_the_computer_in_them_and_a_text_is_no_hive() {
    let folder = tempfile::tempdir().unwrap();
    let (source, case) = (folder.path().join("from mail"), folder.path().join("case"));
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("SYSTEM"), "os = windows\r\n").unwrap();
    std::fs::write(source.join("SAM"), "Sam called at noon.\n").unwrap();
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert_refused(&output, &case);
    let said = error(&output);
    assert!(said.contains("none of the 2 files in it is an event log") && !said.contains("named like"), "{said}");

    std::fs::write(source.join("a.evtx"), fixture_file(&format!(r"{LOGS}\Security.evtx"))).unwrap();
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    assert!(bundle_in(&case).starts_with("WS-FIN-07"), "{}", bundle_in(&case));
    let report = json(&case.join("report.json"));
    let headline = report["summary"]["answer"].as_str().unwrap();
    assert!(!headline.contains("SYSTEM (") && !headline.contains("SAM ("), "{headline}");
}

#[test]
fn of_two_copies_of_a_hive_the_readable_one_names_the_host_and_both_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (source, case) = (folder.path().join("uploads"), folder.path().join("case"));
    copy(&*volume(), &[CONFIG, LOGS], &source.join("ntfs"));
    let name = "C/Windows/System32/config/SYSTEM";
    let whole = std::fs::read(source.join("ntfs").join(name)).unwrap();
    // What a program reads that is refused the file and does not notice: longer, and no hive.
    std::fs::create_dir_all(source.join("auto").join(name).parent().unwrap()).unwrap();
    std::fs::write(source.join("auto").join(name), [&whole[..4], &vec![0xAA; whole.len()]].concat()).unwrap();
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    let report = json(&case.join("report.json"));
    assert_eq!(report["host"]["name"], "WS-FIN-07");
    let problems = report["problems"].as_array().unwrap();
    let of_copies = problems.iter().filter(|problem| problem["what"].as_str().unwrap().contains("several copies"));
    assert_eq!(of_copies.count(), 1, "{problems:#?}");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(case.join(bundle_in(&case))).unwrap()).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    let objects = names.iter().find(|name| name.ends_with("metadata/objects.jsonl")).unwrap();
    let objects = std::io::read_to_string(zip.by_name(objects).unwrap()).unwrap();
    let objects: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |path: &str| objects.iter().find(|object| object["original_path"] == path).unwrap();
    assert_eq!(of(r"C:\Windows\System32\config\SYSTEM")["size"], whole.len());
    let other = of(r"{C-auto}\Windows\System32\config\SYSTEM");
    assert_eq!((&other["size"], &other["wanted_by"][0]), (&(whole.len() + 4).into(), &"other-copy".into()));
}

#[test]
fn no_unit_of_a_computer_name_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (source, case) = (folder.path().join("collected"), folder.path().join("case"));
    copy(&*volume(), &[CONFIG, LOGS], &source);
    let name: Vec<u8> = "WS-FIN-07".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for file in std::fs::read_dir(source.join("C/Windows/System32/config")).unwrap() {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let places: Vec<usize> =
            bytes.windows(name.len()).enumerate().filter(|(_, part)| *part == name).map(|(at, _)| at).collect();
        // A first half of a pair in the place of the W.
        places.iter().for_each(|at| bytes[*at..*at + 2].copy_from_slice(&[0x00, 0xD8]));
        std::fs::write(file, bytes).unwrap();
    }
    let output = comtrail(&["run", text(&source), "-o", text(&case)]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    let report = std::fs::read_to_string(case.join("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["host"]["name"], r"\uD800S-FIN-07");
    assert!(!report.contains("\u{fffd}S-FIN-07"));
}

#[test]
#[cfg(unix)]
fn paths_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = |name: &[u8]| folder.path().join(std::ffi::OsStr::from_bytes(name));
    let (source, case) = (odd(b"collected\xff"), odd(b"case\xfe"));
    copy(&*volume(), &[CONFIG, LOGS], &source);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_comtrail"))
        .args([std::ffi::OsStr::new("run"), source.as_os_str(), "-o".as_ref(), case.as_os_str()])
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", error(&output));
    let terminal = String::from_utf8(output.stdout).expect("what is printed is text");
    assert!(terminal.contains(r"case\xFE/report.html"), "{terminal}");
    let report = json(&case.join("report.json"));
    assert!(report["bundle"]["source"][0].as_str().unwrap().ends_with(r"collected\xFF"), "{}", report["bundle"]);
    assert_eq!(report["host"]["name"], "WS-FIN-07");
}

#[test]
#[cfg(unix)]
fn a_changed_bundle_among_several_is_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, other, changed] = ["whole.zip", "other.zip", "changed.zip"].map(|name| folder.path().join(name));
    for bundle in [&whole, &other] {
        let output = comtrail(&["collect", text(&fixture_host()), "-o", text(bundle), "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    }
    let reader = collector::BundleReader::open(&other).unwrap();
    let items = reader.items().to_vec();
    let victim = items.iter().find(|item| item.original_path.ends_with(".evtx") && item.stored_size > 0).unwrap();
    crate::parts::change(&other, &changed, victim.bundle_path.as_deref().unwrap());
    let analyze = |case: &Path, how: &str| {
        let given = ["analyze", text(&whole), text(&changed), "-o", text(case), "--accept-changed", how];
        let output = comtrail(&given);
        assert_eq!(output.status.code(), Some(2), "{}", error(&output));
        output
    };
    let case = folder.path().join("case");
    let terminal = String::from_utf8(analyze(&case, "--verbose").stdout).unwrap();
    assert!(terminal.starts_with("The bundle of WS-FIN-07-2 was changed after it was sealed"), "{terminal}");
    let row = |host: &str| terminal.lines().find(|line| line.starts_with(host)).unwrap().to_owned();
    assert!(row("WS-FIN-07-2 ").contains("CHANGED") && !row("WS-FIN-07 ").contains("CHANGED"), "{terminal}");
    let page = std::fs::read_to_string(case.join("index.html")).unwrap();
    assert!(page.lines().next().unwrap().contains("changed after it was sealed"), "{page}");
    let result: Value = serde_json::from_slice(&analyze(&folder.path().join("json"), "--json").stdout).unwrap();
    for said in [result, json(&case.join("index.json"))] {
        assert_eq!(said.as_object().unwrap().keys().next().unwrap(), "changed_after_sealing");
        assert_eq!(said["changed_after_sealing"]["hosts"], serde_json::json!(["WS-FIN-07-2"]));
    }
}

#[test]
fn c6_bundles_of_several_hosts_are_analysed_each_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, broken] = ["a/b.zip", "c/b.zip", "broken.zip"].map(|name| folder.path().join(name));
    for bundle in [&first, &second] {
        std::fs::create_dir(bundle.parent().unwrap()).unwrap();
        let output = comtrail(&["collect", text(&fixture_host()), "-o", text(bundle), "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    }
    std::fs::write(&broken, "no bundle").unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&["analyze", text(&first), text(&second), text(&broken), "-o", text(&case)]);
    assert_eq!(output.status.code(), Some(1), "{}", error(&output));
    let terminal = String::from_utf8(output.stdout).unwrap();
    let of = |name: &str| terminal.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    assert_eq!((of("WS-FIN-07 ").len(), of("WS-FIN-07-2 ").len()), (1, 1), "{terminal}");
    assert!(of("WS-FIN-07 ")[0].contains("  all was examined") && of("WS-FIN-07 ")[0].contains("  5  "), "{terminal}");
    assert!(of("broken ").iter().any(|line| line.contains("NOT EXAMINED")), "{terminal}");
    assert!(terminal.contains("is not a bundle"), "{terminal}");
    let index = json(&case.join("index.json"));
    let hosts = index["hosts"].as_array().unwrap();
    assert_eq!(hosts.iter().map(|host| host["executions"].as_u64().unwrap()).collect::<Vec<_>>(), [5, 5, 0]);
    let twice =
        "WS-FIN-07-2 has the same MachineGuid and volume serial as WS-FIN-07: it is the same machine, counted twice.";
    assert!(index["headline"].as_str().unwrap().ends_with(twice), "{index}");
    assert_eq!(hosts[1]["same_machine_as"], "WS-FIN-07");
    // Both hashes of each, as they are to be written down.
    let written: Vec<&str> = terminal.split("To be written down").nth(1).unwrap().lines().collect();
    let of = |what: &str| written.iter().filter(|line| line.starts_with(what) && line.len() == 13 + 64).count();
    assert_eq!(["bundle ", "action log ", "analysis "].map(of), [2, 2, 3], "{terminal}");
    assert!(hosts[0]["bundle"].is_null() && hosts[0]["bundle_sha256"].as_str().unwrap().len() == 64, "{index}");
    assert_ne!(hosts[0]["bundle_sha256"], hosts[1]["bundle_sha256"]);
    let broken_only = comtrail(&["analyze", text(&first), text(&broken), "-o", text(&case), "--quiet"]);
    assert_eq!(broken_only.status.code(), Some(1), "an overview is not replaced unasked: {}", error(&broken_only));
    assert!(error(&broken_only).contains("--force"), "{}", error(&broken_only));
    let both = |case: &Path, how: &str| comtrail(&["analyze", text(&first), text(&second), "-o", text(case), how]);
    let replaced = both(&case, "--force");
    assert_eq!(replaced.status.code(), Some(0), "{}", error(&replaced));
    assert_eq!(json(&case.join("index.json"))["hosts"].as_array().unwrap().len(), 2);
    // The analysis of one host is in the way before anything is read.
    let one = folder.path().join("one");
    assert_eq!(comtrail(&["analyze", text(&first), "-o", text(&one), "--quiet"]).status.code(), Some(0));
    let before = std::fs::read(one.join("manifest-sha256.txt")).unwrap();
    for how in ["--quiet", "--force"] {
        let refused = both(&one, how);
        assert_eq!(refused.status.code(), Some(1));
        assert!(error(&refused).contains("the analysis of one host"), "{}", error(&refused));
        assert!(!one.join("WS-FIN-07").exists() && !one.join("index.json").exists());
        assert_eq!(std::fs::read(one.join("manifest-sha256.txt")).unwrap(), before);
    }
}
