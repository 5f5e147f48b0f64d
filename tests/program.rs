//! The real program on the fixture host, and on the composite host where `COMTRAIL_COMPOSITE` names it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the program. Whatever analysis it made, each of its citations is opened.
pub(crate) fn comtrail(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_comtrail")).args(arguments).output().unwrap();
    if matches!(output.status.code(), Some(0 | 2)) && matches!(arguments, ["run" | "analyze", ..]) {
        crate::citations::check_run(arguments);
    }
    output
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn fixture_host() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hosts/ws-fin-07.E01")
}

/// The composite disk, which `COMTRAIL_COMPOSITE` names.
pub(crate) fn composite_host() -> PathBuf {
    std::env::var_os("COMTRAIL_COMPOSITE").expect("COMTRAIL_COMPOSITE names the composite disk").into()
}

/// Runs the main job; returns the report and the folder.
pub(crate) fn run(source: &Path, more: &[&str]) -> (Value, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let mut arguments = vec!["run", text(source), "-o", text(&case), "--quiet"];
    arguments.extend(more);
    let output = comtrail(&arguments);
    let status = output.status.code();
    assert!(matches!(status, Some(0 | 2)), "exit {status:?}: {}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&std::fs::read(case.join("report.json")).unwrap()).unwrap();
    (report, folder)
}

fn bundle_of(folder: &Path) -> PathBuf {
    let mut bundles: Vec<PathBuf> = std::fs::read_dir(folder.join("case"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zip"))
        .collect();
    assert_eq!(bundles.len(), 1, "{bundles:?}");
    bundles.remove(0)
}

pub(crate) fn list<'a>(report: &'a Value, name: &str) -> &'a Vec<Value> {
    report[name].as_array().unwrap_or_else(|| panic!("report.json has no list {name}"))
}

#[test]
fn the_fixture_host_gives_what_its_story_says() {
    let expected: Value = serde_json::from_str(
        &std::fs::read_to_string(fixture_host().with_file_name("ws-fin-07.expected.json")).unwrap(),
    )
    .unwrap();
    let (report, folder) = run(&fixture_host(), &[]);

    // Its only peculiarity is a dirty hive with its logs, as every running Windows has one.
    let problems: Vec<(&str, &Value)> =
        list(&report, "problems").iter().map(|one| (one["kind"].as_str().unwrap(), &one["note"])).collect();
    assert!(problems.iter().all(|(_, note)| **note == true), "{problems:?}");
    assert_eq!(problems.iter().filter(|(kind, _)| *kind == "dirty").count(), 1);
    let again = folder.path().join("again");
    let output = comtrail(&["analyze", text(&bundle_of(folder.path())), "-o", text(&again)]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\nproblems     none, and "), "{said}");

    let executions = list(&report, "executions");
    let wanted = expected["executions"].as_array().unwrap();
    let pids = |list: &Vec<Value>| list.iter().map(|one| one["pid"].clone()).collect::<Vec<_>>();
    assert_eq!(pids(executions), pids(wanted));
    for (is, wanted) in executions.iter().zip(wanted) {
        let pid = &wanted["pid"];
        for field in ["tool", "started", "ended", "mode", "exit_code"] {
            assert_eq!(is[field], wanted[field], "{field} of {pid}");
        }
        assert_eq!(is["user"]["sid"], wanted["sid"], "account of {pid}");
        assert_eq!(is["method"]["runs"], wanted["runs"], "method of {pid}: {}", is["method"]["because"]);
        assert_eq!(is["method"]["which"], wanted["which"], "which method of {pid}");
        assert_eq!(is["assembly"]["resolved_path"], wanted["assembly"], "assembly of {pid}");
        if let Some(state) = wanted.get("assembly_state") {
            assert_eq!(&is["assembly"]["state"], state, "assembly state of {pid}");
        }
        let artifacts: Vec<&str> =
            is["sources"].as_array().unwrap().iter().map(|source| source["artifact"].as_str().unwrap()).collect();
        assert!(artifacts.contains(&"event-log") && artifacts.contains(&"prefetch"), "{pid}: {artifacts:?}");
    }
    let last = executions.last().unwrap()["started_local"].as_str().unwrap();
    assert!(last.contains(expected["local_start_of_last"].as_str().unwrap()), "{last}");

    let attempts = list(&report, "attempts");
    assert_eq!(attempts.len(), 1, "{attempts:#?}");
    for field in ["pid", "image", "led_to"] {
        assert_eq!(attempts[0][field], expected["attempts"][0][field], "{field}");
    }

    let key = |one: &Value| format!("{} {} {}", one["clsid"], one["view"], one["state"]);
    let mut registrations: Vec<String> = list(&report, "registrations").iter().map(key).collect();
    let mut wanted: Vec<String> = expected["registrations"].as_array().unwrap().iter().map(key).collect();
    registrations.sort();
    wanted.sort();
    assert_eq!(registrations, wanted);

    for field in ["name", "domain", "build"] {
        assert_eq!(report["host"][field], expected["host"][field], "host {field}");
    }
    assert!(report["host"]["time_zone"].to_string().contains("Eastern Standard Time"));
}

#[test]
fn every_citation_leads_to_bytes_of_the_bundle() {
    let (_, folder) = run(&fixture_host(), &["--full-timeline"]);
    let counts = crate::citations::check(&folder.path().join("case"), &[bundle_of(folder.path())]);
    for kind in ["evtx_record", "registry_key", "mft_entry", "usn_record", "byte_range", "whole"] {
        assert!(counts.get(kind).is_some_and(|count| *count > 0), "no citation of the kind {kind}: {counts:?}");
    }
}

/// What a report says that does not count rows of the timeline.
fn apart_from_rows(report: &Path) -> Value {
    let mut report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let bundle = report["bundle"].as_object_mut().unwrap();
    assert!(bundle.remove("events").is_some() && bundle.remove("full_timeline").is_some());
    for source in report["coverage"].as_array_mut().unwrap() {
        for counted in ["records", "first", "last"] {
            source.as_object_mut().unwrap().remove(counted);
        }
    }
    report
}

/// Lists every file, by one thread and by three: the same bytes, and the answer is that of the short timeline.
fn every_file_is_listed(host: &Path) {
    let (_, folder) = run(host, &[]);
    let bundle = bundle_of(folder.path());
    let analyzed = ["1", "3"].map(|threads| {
        let to = folder.path().join(threads);
        let output =
            comtrail(&["analyze", text(&bundle), "-o", text(&to), "--quiet", "--full-timeline", "--threads", threads]);
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", String::from_utf8_lossy(&output.stderr));
        to
    });
    for name in ["report.json", "timeline.jsonl", "timeline.csv", "timeline.body"] {
        let [one, three] = analyzed.each_ref().map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(one == three, "{name} differs with the number of threads");
    }
    let short = apart_from_rows(&folder.path().join("case/report.json"));
    assert_eq!(short, apart_from_rows(&analyzed[0].join("report.json")));
}

#[test]
fn what_the_timeline_lists_changes_nothing_of_the_answer() {
    every_file_is_listed(&fixture_host());
}

/// Its $MFT, its journal and its logs are long enough to be parsed by several threads.
#[test]
#[cfg_attr(not(composite), ignore = "needs COMTRAIL_COMPOSITE")]
fn what_the_timeline_of_the_composite_host_lists_changes_nothing_of_the_answer() {
    every_file_is_listed(&composite_host());
}

#[test]
fn two_runs_and_any_number_of_threads_say_the_same() {
    let (one, first) = run(&fixture_host(), &["--threads", "1"]);
    let bundle = bundle_of(first.path());
    let again = first.path().join("again");
    let output = comtrail(&["analyze", text(&bundle), "-o", text(&again), "--quiet", "--threads", "3"]);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["report.json", "report.html", "timeline.jsonl", "timeline.csv", "timeline.body"] {
        let left = std::fs::read(first.path().join("case").join(name)).unwrap();
        let right = std::fs::read(again.join(name)).unwrap();
        assert!(left == right, "{name} differs between two analyses of one bundle");
    }
    let (two, _second) = run(&fixture_host(), &["--threads", "2"]);
    for name in ["executions", "attempts", "registrations", "assemblies", "coverage"] {
        assert_eq!(one[name], two[name], "{name} differs between two collections");
    }
}

/// Name and content of every member, as a reader that is not ours sees them; `None` when it refuses the archive.
fn members(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        let name = member.name().ok()?.into_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut content).ok()?;
        members.push((name, content));
    }
    Some(members)
}

#[test]
fn a_changed_bundle_is_found_out() {
    let (_, folder) = run(&fixture_host(), &[]);
    let bundle = bundle_of(folder.path());
    assert_eq!(comtrail(&["verify", text(&bundle)]).status.code(), Some(0));
    let bytes = std::fs::read(&bundle).unwrap();
    let whole = members(&bytes).unwrap();
    let changed = folder.path().join("changed.zip");
    let (mut refused, mut flips) = (0, 0);
    // Some bits of an archive say nothing about its members: padding, or another spelling of the same bytes. What
    // counts is that nothing with other members is ever accepted.
    for at in (0..bytes.len()).step_by(997).chain([bytes.len() / 2]) {
        flips += 1;
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        std::fs::write(&changed, &bytes).unwrap();
        let output = comtrail(&["verify", text(&changed)]);
        if output.status.code() == Some(1) {
            refused += 1;
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "byte {at}: refused without a word");
        } else {
            assert_eq!(output.status.code(), Some(0), "byte {at}");
            assert!(members(&bytes).as_ref() == Some(&whole), "byte {at} changed a member and was accepted");
        }
    }
    assert!(refused * 10 > flips * 8, "{refused} of {flips} changes refused");

    // One byte of each member in turn, in an archive that is sound by itself; and none, which is accepted.
    for changed_member in 0..=whole.len() {
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&changed).unwrap());
        for (index, (name, content)) in whole.iter().enumerate() {
            archive.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            let mut content = content.clone();
            if index == changed_member {
                match content.last_mut() {
                    Some(byte) => *byte ^= 1,
                    None => content.push(0),
                }
            }
            std::io::Write::write_all(&mut archive, &content).unwrap();
        }
        archive.finish().unwrap();
        let expected = i32::from(changed_member < whole.len());
        let output = comtrail(&["verify", text(&changed)]);
        assert_eq!(output.status.code(), Some(expected), "member {changed_member}: {:?}", output);
    }
}

#[test]
fn usage_errors_and_impossible_sources_have_their_own_status() {
    assert_eq!(comtrail(&[]).status.code(), Some(64));
    assert_eq!(comtrail(&["run"]).status.code(), Some(64));
    assert_eq!(comtrail(&["--help"]).status.code(), Some(0));
    assert_eq!(comtrail(&["--version"]).status.code(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let missing = folder.path().join("missing.raw");
    let output = comtrail(&["run", text(&missing), "-o", text(&case)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.raw"));
    assert_eq!(comtrail(&["verify", text(&missing)]).status.code(), Some(1));
}

#[test]
fn damaged_sources_end_in_an_error_or_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture_host()).unwrap();
    let inputs: [(&str, Vec<u8>); 4] = [
        ("empty", Vec::new()),
        ("zeros", vec![0; 1 << 20]),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("text", b"this is not a disk".repeat(100)),
    ];
    for (name, bytes) in inputs {
        let source = folder.path().join(name);
        std::fs::write(&source, bytes).unwrap();
        let case = folder.path().join(format!("case-{name}"));
        let output = comtrail(&["run", text(&source), "-o", text(&case), "--quiet"]);
        let status = output.status.code();
        assert!(matches!(status, Some(1 | 2)), "{name}: {status:?}");
        if status == Some(1) {
            assert!(!output.stderr.is_empty(), "{name} ends without a word");
        } else {
            assert!(case.join("report.html").exists(), "{name}");
        }
    }
}

/// Adler-32, as RFC 1950 defines it.
fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[test]
fn an_image_is_checked_by_its_stored_digests() {
    let (report, folder) = run(&fixture_host(), &["--check-image"]);
    assert_eq!(report["bundle"]["checks"], serde_json::json!(["check of the stored MD5: matches"]));
    let page = std::fs::read_to_string(folder.path().join("case/report.html")).unwrap();
    assert!(page.contains("check of the stored MD5: matches"));

    // Another digest than the disk's, which its own checksum confirms.
    let mut image = std::fs::read(fixture_host()).unwrap();
    let section = image.windows(5).rposition(|bytes| bytes == b"hash\0").unwrap() + 76;
    image[section] ^= 1;
    let sum = adler32(&image[section..section + 32]);
    image[section + 32..section + 36].copy_from_slice(&sum.to_le_bytes());
    let path = folder.path().join("changed.E01");
    std::fs::write(&path, &image).unwrap();
    let output =
        comtrail(&["collect", text(&path), "-o", text(&folder.path().join("b.zip")), "--check-image", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut problems = list(&result, "problems").iter();
    let wrong = problems.find(|problem| problem["kind"] == "bad_checksum").unwrap();
    assert!(wrong["what"].as_str().unwrap().contains("does not match: computed "), "{wrong}");

    // Without a stored digest it says that it compared nothing.
    let raw = folder.path().join("raw");
    let mut disk = ewf::EwfReader::open(fixture_host()).unwrap();
    std::io::copy(&mut disk, &mut std::fs::File::create(&raw).unwrap()).unwrap();
    let output =
        comtrail(&["collect", text(&raw), "-o", text(&folder.path().join("c.zip")), "--check-image", "--quiet"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the raw image stores no digest"), "{said}");
}

#[test]
fn an_existing_bundle_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.zip");
    std::fs::write(&bundle, b"somebody's").unwrap();
    let output = comtrail(&["collect", text(&fixture_host()), "-o", text(&bundle), "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(&bundle).unwrap(), b"somebody's");
}

#[test]
#[cfg_attr(not(composite), ignore = "needs COMTRAIL_COMPOSITE")]
fn the_composite_host_has_two_executions_one_attempt_and_no_trap() {
    let image = composite_host();
    let (report, folder) = run(&image, &[]);
    let executions = list(&report, "executions");
    let seen: Vec<(&str, u64)> =
        executions.iter().map(|one| (one["tool"].as_str().unwrap(), one["pid"].as_u64().unwrap_or(0))).collect();
    assert_eq!(seen, [("regasm", 6176), ("regsvcs", 1060)]);
    assert_eq!(
        executions[0]["command_line"], r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\regasm.exe  /U T1121.dll",
        "both spaces are kept"
    );
    // UtcTime of Sysmon's record, as libevtx reads it; the service wrote the record 5 ms later.
    assert_eq!(executions[0]["started"], "2019-07-19T14:45:55.6940000Z");
    assert_eq!(executions[0]["mode"], "unregister");
    assert_eq!(executions[0]["assembly"]["resolved_path"], r"C:\AtomicRedTeam\T1121.dll");
    assert_eq!(executions[0]["parent"]["pid"], 5800);
    assert_eq!(executions[1]["mode"], "coplus-install");
    let attempts = list(&report, "attempts");
    assert_eq!(attempts.len(), 1, "{attempts:#?}");
    assert_eq!(attempts[0]["pid"], 5800);
    assert_eq!(attempts[0]["led_to"], executions[0]["id"]);
    let registration = list(&report, "registrations")
        .iter()
        .find(|one| one["clsid"] == "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}")
        .expect("the registration of regsvcs");
    assert_eq!(registration["state"], "event");
    assert_eq!(registration["view"], "32");
    assert_eq!(registration["class"], "regsvcser.Bypass");
    assert_eq!(registration["server"], "mscoree.dll");
    assert_eq!(registration["runtime_version"], "v4.0.30319");
    assert_eq!(registration["code_base"], "file:///C:/AtomicRedTeam/T1121.DLL");
    assert_eq!(registration["executions"][0], executions[1]["id"]);
    assert_eq!(comtrail(&["verify", text(&bundle_of(folder.path()))]).status.code(), Some(0));
}

/// A triage folder: a prefetch file of regasm that lists `invoice.dll`, and that file with or without the assembly
/// that holds its base classes.
fn triage_with_bases(folder: &Path, with_base: bool) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let source = folder.join("triage");
    for (from, to) in [
        ("prefetch/regasm-30-compressed/input", "C/Windows/Prefetch/REGASM.EXE-13EF66F9.pf"),
        ("assembly/base-beside/input", "C/Users/Bob/Downloads/invoice.dll"),
        ("assembly/base-beside/shared", "C/Users/Bob/Downloads/Shared.dll"),
    ] {
        if with_base || !to.ends_with("Shared.dll") {
            let to = source.join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(fixtures.join(from), to).unwrap();
        }
    }
    source
}

#[test]
fn a_hook_in_a_base_class_of_a_neighbouring_file_is_found() {
    let hook = |with_base: bool| {
        let folder = tempfile::tempdir().unwrap();
        let (report, _folder) = run(&triage_with_bases(folder.path(), with_base), &[]);
        let assembly = list(&report, "assemblies")
            .iter()
            .find(|one| one["path"].as_str().unwrap().to_lowercase().ends_with("invoice.dll"))
            .expect("the file that the prefetch file lists")
            .clone();
        let types = assembly["facts"]["Cli"]["Types"].as_array().unwrap().clone();
        types.into_iter().find(|one| one["Name"] == "Demo.Bases.Addin").expect("the type with its base elsewhere")
    };
    assert_eq!(hook(true)["Unregister"]["DeclaredBy"], "Shared.Base");
    assert_eq!(hook(false)["Unregister"]["Runs"], "unknown", "a base that was not collected is never a no");
}

#[test]
fn a_hive_longer_than_the_memory_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("tree/C/Windows/System32/config");
    std::fs::create_dir_all(&config).unwrap();
    let hive = crate::long_hive::LongHive::new(70 << 20, 40);
    let bytes = evidence::Bytes::read_all(&hive, 1 << 30).unwrap().unwrap();
    assert!(bytes.len() > 69 << 20);
    std::fs::write(config.join("SOFTWARE"), &bytes).unwrap();
    let case = folder.path().join("case");
    let tree = folder.path().join("tree");
    let output = comtrail(&["run", text(&tree), "-o", text(&case), "--quiet", "--memory", "32M"]);
    let report: Value = serde_json::from_slice(&std::fs::read(case.join("report.json")).unwrap()).unwrap();
    let problems = list(&report, "problems");
    assert!(!problems.iter().any(|one| one["what"].as_str().unwrap().contains("memory")), "{problems:#?}");
    let registrations = list(&report, "registrations");
    let found: Vec<&str> = registrations.iter().filter_map(|one| one["clsid"].as_str()).collect();
    assert_eq!(found.len(), 40, "{} {registrations:#?}", output.status);
}

#[cfg(unix)]
#[test]
fn an_interrupt_seals_what_was_collected() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("tree/C/Windows/System32/winevt/Logs");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("A.evtx"), b"ElfFile\0").unwrap();
    // Long enough that the signal comes while it is read.
    let long = std::fs::File::create(logs.join("B.evtx")).unwrap();
    long.set_len(3 << 30).unwrap();
    let bundle = folder.path().join("b.zip");
    let partial = folder.path().join("b.zip.partial");
    let mut child = Command::new(env!("CARGO_BIN_EXE_comtrail"))
        .args(["collect", text(&folder.path().join("tree")), "-o", text(&bundle), "--quiet"])
        .spawn()
        .unwrap();
    while !partial.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(!partial.exists());
    let verified = comtrail(&["verify", text(&bundle)]);
    assert_eq!(verified.status.code(), Some(2), "{}", String::from_utf8_lossy(&verified.stdout));
    let case = folder.path().join("case");
    comtrail(&["analyze", text(&bundle), "-o", text(&case), "--quiet"]);
    let report = std::fs::read_to_string(case.join("report.json")).unwrap();
    assert!(report.contains("interrupted"), "the report does not say so");
}

#[cfg(unix)]
#[test]
fn a_full_destination_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    // The system refuses files beyond so many KiB, as a full disk does.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" collect \"$1\" -o \"$2\" --quiet";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_comtrail"), text(&fixture_host()), text(&bundle)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("b.zip") && said.contains("File too large"), "{said}");
    assert!(!bundle.exists(), "half a bundle looks like a whole one");
}

#[test]
fn nothing_is_written_onto_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("C/Windows/System32/config")).unwrap();
    std::fs::write(tree.join("C/Windows/System32/config/SYSTEM"), b"regf").unwrap();
    let inside = tree.join("case");
    let output = comtrail(&["run", text(&tree), "-o", text(&inside), "--quiet"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!inside.exists());
    let output = comtrail(&["collect", text(&tree), "-o", text(&tree.join("C/b.zip")), "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("evidence"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(std::fs::read_dir(tree.join("C")).unwrap().count(), 1);
}

#[test]
fn the_difference_to_a_trusted_clock_goes_into_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("b.zip");
    let source = fixture_host();
    let collect = |time: &str| {
        comtrail(&["collect", text(&source), "-o", text(&bundle), "--quiet", "--reference-time", time]).status.code()
    };
    assert_eq!(collect("tomorrow"), Some(64));
    assert_eq!(collect("2020-01-01T00:00:00Z"), Some(0));
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&bundle).unwrap()).unwrap();
    let index = (0..archive.len())
        .find(|index| archive.by_index(*index).unwrap().name().unwrap().ends_with("metadata/host.json"))
        .unwrap();
    let host: Value = serde_json::from_reader(archive.by_index(index).unwrap()).unwrap();
    assert_eq!(host["facts"]["ReferenceTime"], "2020-01-01T00:00:00.0000000Z");
    let said = host["facts"]["ClockDifference"].as_str().unwrap();
    let seconds: f64 = said.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!(seconds > 1e8 && said.contains("ahead of"), "{said}");
}
