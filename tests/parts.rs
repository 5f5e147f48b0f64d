//! The parts of a collection that was interrupted and gone on with, analysed as one.

use crate::program::{comtrail, fixture_host, text};
use collector::BundleReader;
use evidence::Items;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const LARGE: &str = "C/Windows/System32/winevt/Logs/Large.evtx";

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs the program, which has to end with this status; gives what it said.
fn ends(status: i32, arguments: &[&str]) -> String {
    let output = comtrail(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn paths(bundle: &Path) -> BTreeSet<String> {
    BundleReader::open(bundle).unwrap().items().to_vec().into_iter().map(|item| item.original_path).collect()
}

pub(crate) fn sha256(path: &Path) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(std::fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fixture host as a triage archive, with a log that takes long to read.
fn archive(folder: &Path) -> PathBuf {
    let bundle = folder.join("fixture.zip");
    comtrail(&["collect", text(&fixture_host()), "-o", text(&bundle), "--quiet"]);
    let reader = BundleReader::open(&bundle).unwrap();
    let path = folder.join("triage.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    reader.items().each(&mut |item| {
        let plain = item.original_path.strip_prefix(r"C:\").filter(|rest| !rest.contains(':'));
        let (Some(plain), true) = (plain, item.bundle_path.is_some() && item.recovery.is_none()) else { return };
        let bytes = reader.open_item(item, folder).unwrap().read_all(1 << 30).unwrap().unwrap();
        zip.start_file(format!("C/{}", plain.replace('\\', "/")), options).unwrap();
        zip.write_all(&bytes).unwrap();
    });
    zip.start_file(LARGE, options).unwrap();
    zip.write_all(b"ElfFile\0").unwrap();
    std::io::copy(&mut std::io::repeat(0).take(512 << 20), &mut zip).unwrap();
    zip.finish().unwrap();
    path
}

/// Collects until the long log is being read, is then ended by this signal, and goes on: both parts.
fn in_parts(source: &Path, folder: &Path, signal: &str) -> [PathBuf; 2] {
    // Bundles of one host that are begun in one second have one name.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let [begins, mut first, mut second] = ["x.zip", "x.zip", "x-part2.zip"].map(|name| folder.join(name));
    let mut child = Command::new(env!("CARGO_BIN_EXE_comtrail"))
        .args(["collect", text(source), "-o", text(&begins), "--quiet"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.join("x.zip.partial.log");
    let begun = || std::fs::read_to_string(&journal).is_ok_and(|lines| lines.contains("{\"reading\":"));
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    if signal == "-KILL" {
        [first, second] = ["recovered.zip", "recovered-part2.zip"].map(|name| folder.join(name));
        ends(2, &["recover", text(&folder.join("x.zip.partial")), "-o", text(&first), "--quiet"]);
    } else {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    }
    let resumed = comtrail(&["collect", text(source), "--resume", text(&first), "--quiet"]);
    assert!(matches!(resumed.status.code(), Some(0 | 2)), "{}", said(&resumed));
    [first, second]
}

/// A report without what names its bundle.
pub(crate) fn without_names(case: &Path) -> Value {
    let mut report = json(&case.join("report.json"));
    let bundle = report["bundle"].as_object_mut().unwrap();
    for name in ["file", "bag", "archive_sha256", "sha256", "collected", "parts"] {
        bundle.remove(name);
    }
    report
}

/// Copies a bundle, with one byte of a payload file changed, packed anew.
pub(crate) fn change(bundle: &Path, to: &Path, bundle_path: &str) {
    let mut from = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(to).unwrap());
    let mut changed = 0;
    for index in 0..from.len() {
        let mut member = from.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).unwrap();
        if name.ends_with(&format!("/{bundle_path}")) {
            let last = content.len() - 1;
            content[last] ^= 1;
            changed += 1;
        }
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap();
    assert_eq!(changed, 1, "{bundle_path}");
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Unpacks a bundle; gives the folder of the bag.
fn unpack(bundle: &Path, to: &Path) -> PathBuf {
    zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap().extract(to).unwrap();
    to.join(BundleReader::open(bundle).unwrap().bag())
}

#[test]
fn c10_an_unpacked_bundle_is_analysed_like_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let bundle = place("b.zip");
    comtrail(&["collect", text(&fixture_host()), "-o", text(&bundle), "--quiet"]);
    let bag = unpack(&bundle, folder.path());
    let status = comtrail(&["analyze", text(&bundle), "-o", text(&place("packed")), "--quiet"]).status.code();
    ends(status.unwrap(), &["analyze", text(&bag), "-o", text(&place("unpacked")), "--quiet"]);
    let [packed, unpacked] = ["packed", "unpacked"].map(|name| json(&place(name).join("report.json")));
    assert!(!packed["executions"].as_array().unwrap().is_empty());
    assert_eq!(unpacked["bundle"].get("archive_sha256"), None);
    assert_eq!(unpacked["bundle"]["sha256"], packed["bundle"]["sha256"]);
    assert_eq!(without_names(&place("packed")), without_names(&place("unpacked")));
    for name in ["timeline.jsonl", "timeline.csv", "timeline.body"] {
        let read = |case: &str| std::fs::read_to_string(place(case).join(name)).unwrap();
        assert!(read("packed") == read("unpacked"), "{name}");
    }
    // Both forms lie beside the analysis; the one that was analysed is found.
    assert!(ends(0, &["verify", text(&place("unpacked")), "--again"]).contains("the same bytes"));
    ends(1, &["verify", text(&place("unpacked")), "--bundle", text(&bundle)]);

    // The parent of the bag is taken for the bag where nothing else is in it; a changed one is refused, and marked.
    let alone = place("alone");
    let again = unpack(&bundle, &alone);
    let reader = BundleReader::open(&again).unwrap();
    let items = reader.items().to_vec();
    let victim = items.iter().find(|item| item.original_path.ends_with("Security.evtx")).unwrap();
    let file = again.join(victim.bundle_path.as_deref().unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let out = place("changed");
    let refused = ends(1, &["analyze", text(&alone), "-o", text(&out), "--quiet"]);
    assert!(refused.contains("was changed after it was sealed"), "{refused}");
    ends(2, &["analyze", text(&alone), "-o", text(&out), "--quiet", "--accept-changed"]);
    assert_eq!(json(&out.join("report.json"))["changed_after_sealing"]["objects"], 1);
    // A link leads nowhere, whatever was accepted.
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(again.parent().unwrap().join("../b.zip"), &file).unwrap();
    let out = place("link");
    ends(2, &["analyze", text(&alone), "-o", text(&out), "--quiet", "--accept-changed"]);
    let problems = json(&out.join("report.json"))["problems"].to_string();
    assert!(problems.contains("it is not a file"), "{problems}");
    // A folder without a bag is none.
    ends(1, &["analyze", text(&place("packed")), "-o", text(&place("none")), "--quiet"]);
}

#[test]
fn the_parts_give_the_report_of_the_uninterrupted_collection() {
    let folder = tempfile::tempdir().unwrap();
    let source = archive(folder.path());
    let [whole, of_whole, of_parts] = ["whole.zip", "of-whole", "of-parts"].map(|name| folder.path().join(name));
    comtrail(&["collect", text(&source), "-o", text(&whole), "--quiet"]);
    comtrail(&["analyze", text(&whole), "-o", text(&of_whole), "--quiet"]);
    // Killed, nothing is sealed; what was recovered gives the same.
    let killed = folder.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    let [first, second] = in_parts(&source, &killed, "-KILL");
    let of_killed = folder.path().join("of-killed");
    ends(2, &["analyze", text(&first), text(&second), "-o", text(&of_killed), "--quiet"]);
    assert_eq!(without_names(&of_killed), without_names(&of_whole));

    let [first, second] = in_parts(&source, folder.path(), "-TERM");
    let [held, more] = [paths(&first), paths(&second)];
    assert!(held.len() > 1 && more.len() > 1, "each part has its share: {held:?} {more:?}");
    // In any order.
    ends(2, &["analyze", text(&second), text(&first), "-o", text(&of_parts), "--quiet"]);

    let expected = without_names(&of_whole);
    assert!(!expected["executions"].as_array().unwrap().is_empty());
    let got = without_names(&of_parts);
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(got[name], *value, "{name}");
    }
    assert_eq!(got, expected);
    for name in ["timeline.jsonl", "timeline.csv", "timeline.body"] {
        let read = |case: &Path| std::fs::read_to_string(case.join(name)).unwrap();
        assert!(read(&of_whole) == read(&of_parts), "{name}");
    }

    // Each part can be unpacked, the first one as well.
    let unpacked = [&first, &second].map(|part| unpack(part, &folder.path().join("unpacked").join(stem(part))));
    let together = comtrail(&["verify", text(&first), text(&second), "--quiet"]).status.code().unwrap();
    for (number, parts) in
        [[&unpacked[0], &second], [&first, &unpacked[1]], [&unpacked[0], &unpacked[1]]].iter().enumerate()
    {
        let [one, other] = parts.map(|part| text(part));
        ends(together, &["verify", one, other, "--quiet"]);
        let out = folder.path().join(format!("of-unpacked-{number}"));
        ends(2, &["analyze", other, one, "-o", text(&out), "--quiet"]);
        assert_eq!(without_names(&out), expected, "{parts:?}");
        ends(0, &["verify", text(&out), "--again", "--bundle", one, "--bundle", other, "--quiet"]);
    }

    // Every part stands in what says of what the analysis is.
    let about = json(&of_parts.join("analysis.json"));
    let parts = about["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    for (part, bundle) in parts.iter().zip([&first, &second]) {
        assert_eq!(part["archive_sha256"], sha256(bundle));
        let page = std::fs::read_to_string(of_parts.join("report.html")).unwrap();
        assert!(page.contains(&sha256(bundle)) && page.contains(part["bag"].as_str().unwrap()));
    }
    assert_eq!((&parts[0]["part"], &parts[1]["part"]), (&1.into(), &2.into()));
    assert_eq!(about["bundle"]["archive_sha256"], sha256(&first));

    // Found beside the folder, given, and missing.
    let again = ends(0, &["verify", text(&of_parts), "--again"]);
    assert!(again.contains("x.zip is the bundle") && again.contains("x-part2.zip is the bundle"), "{again}");
    assert!(again.contains("the same bytes"), "{again}");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let [away, away2] = ["first.bin", "second.bin"].map(|name| elsewhere.join(name));
    std::fs::rename(&first, &away).unwrap();
    std::fs::rename(&second, &away2).unwrap();
    let both = ["verify", text(&of_parts), "--again", "--bundle", text(&away2), "--bundle", text(&away)];
    assert!(ends(0, &both).contains("the same bytes"));
    let one = ends(2, &["verify", text(&of_parts), "--again", "--bundle", text(&away)]);
    assert!(one.contains("part 2, the bundle ") && one.contains("is not among those that were given"), "{one}");
}

#[test]
fn a_part_that_is_missing_or_of_another_collection_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = in_parts(&archive(folder.path()), folder.path(), "-TERM");
    let case = |name: &str| folder.path().join(name);

    // Without the first part.
    let alone = case("alone");
    ends(2, &["analyze", text(&second), "-o", text(&alone), "--quiet"]);
    let report = json(&alone.join("report.json"));
    let bag = BundleReader::open(&first).unwrap().bag().to_owned();
    let phrase = format!("part 1 of the collection {bag} (not among the bundles that were given)");
    let not_examined = report["summary"]["not_examined"].as_array().unwrap();
    assert!(not_examined.contains(&phrase.as_str().into()), "{not_examined:?}");
    assert!(report["summary"]["answer"].as_str().unwrap().contains(&phrase));
    assert_eq!(json(&alone.join("analysis.json"))["parts"][0]["part"], 2);
    let checked = ends(2, &["verify", text(&alone), "--again"]);
    assert!(checked.contains("a part of the collection was not there") && checked.contains("same bytes"), "{checked}");

    // Without the second part, the interruption is said.
    ends(2, &["analyze", text(&first), "-o", text(&case("first")), "--quiet"]);
    let report = json(&case("first").join("report.json")).to_string();
    assert!(report.contains("interrupted") && !report.contains("\"parts\""));

    // Twice the same is once.
    let copy = case("copy.zip");
    std::fs::copy(&second, &copy).unwrap();
    let given = [text(&first), text(&second), text(&first), text(&copy)];
    let twice = ends(2, &[&["analyze"][..], &given[..], &["-o", text(&case("twice")), "--quiet"]].concat());
    assert!(twice.contains(&format!("{} was given twice\n", collector::shown(&first))), "{twice}");
    assert!(twice.contains("copy.zip is the same bundle"), "{twice}");
    assert_eq!(json(&case("twice").join("analysis.json"))["parts"].as_array().unwrap().len(), 2);

    // One of another collection.
    let other = case("fixture.zip");
    let unpacked = unpack(&other, &case("unpacked"));
    for (out, other) in [("beside", &other), ("beside-unpacked", &unpacked)] {
        let out = case(out);
        ends(2, &["analyze", text(other), text(&second), "-o", text(&out), "--quiet"]);
        let index = json(&out.join("index.json"));
        let hosts = index["hosts"].as_array().unwrap();
        assert!(hosts.len() == 2 && hosts.iter().all(|host| host["report"].is_string()), "{index}");
        let said = |host: usize| hosts[host]["headline"].as_str().unwrap().contains(&phrase);
        assert!(!said(0) && said(1), "{index}");
    }
    // The right name, and another collection's content: its log has another end.
    let renamed = unpacked.with_file_name(BundleReader::open(&first).unwrap().bag());
    std::fs::rename(&unpacked, &renamed).unwrap();
    let refused = ends(1, &["analyze", text(&renamed), text(&second), "-o", text(&case("other")), "--quiet"]);
    assert!(refused.contains("goes on with another first part"), "{refused}");
    let said = ends(1, &["verify", text(&renamed), text(&second)]);
    assert!(said.contains("it goes on from another first part than the one that is given"), "{said}");
}

#[test]
fn a_part_that_was_changed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = in_parts(&archive(folder.path()), folder.path(), "-TERM");
    let case = |name: &str| folder.path().join(name);

    // A damaged part belongs to its collection, and nothing of that is analysed.
    let (broken, out) = (unpack(&second, &case("broken")), case("with-broken"));
    std::fs::write(broken.join("metadata/failures.jsonl"), "{\n").unwrap();
    let refused = ends(1, &["analyze", text(&first), text(&broken), "-o", text(&out), "--quiet"]);
    assert!(refused.contains("was changed after it was sealed") && !out.join("index.json").exists(), "{refused}");

    // What was changed in one part marks nothing of the other.
    let reader = BundleReader::open(&second).unwrap();
    let items = reader.items().to_vec();
    let victim = items.iter().find(|item| !item.original_path.contains("Large") && item.stored_size > 0).unwrap();
    let changed = case("changed.zip");
    change(&second, &changed, victim.bundle_path.as_deref().unwrap());
    let out = case("accepted");
    ends(1, &["analyze", text(&first), text(&changed), "-o", text(&out), "--quiet"]);
    ends(2, &["analyze", text(&first), text(&changed), "-o", text(&out), "--quiet", "--accept-changed"]);
    let said = &json(&out.join("report.json"))["changed_after_sealing"];
    assert_eq!(said["objects"], 1, "{said}");
    let statement = format!("Of this collection part 2 ({}) was changed", BundleReader::open(&second).unwrap().bag());
    assert!(said["statement"].as_str().unwrap().starts_with(&statement), "{said}");
    let wrong = said["wrong"].as_array().unwrap();
    assert!(wrong.iter().all(|one| one.as_str().unwrap().starts_with("part 2: ")), "{wrong:?}");
    assert!(wrong.iter().any(|one| one.as_str().unwrap().contains(victim.bundle_path.as_deref().unwrap())));
    // Without what says that it is a part, it is read as it is, and nothing is joined with it.
    let nameless = unpack(&second, &case("nameless"));
    std::fs::remove_file(nameless.join("bag-info.txt")).unwrap();
    let out = case("accepted-nameless");
    ends(2, &["analyze", text(&nameless), "-o", text(&out), "--quiet", "--accept-changed"]);
    assert!(json(&out.join("report.json"))["changed_after_sealing"].to_string().contains("bag-info.txt"));
    let out = case("joined-nameless");
    let both = ["analyze", text(&first), text(&nameless), "-o", text(&out), "--quiet", "--accept-changed"];
    let said = ends(2, &both);
    assert!(said.contains(" was changed after it was sealed"), "{said}");
    let index = json(&out.join("index.json"));
    let hosts = index["hosts"].as_array().unwrap();
    let reports = hosts
        .iter()
        .map(|host| std::fs::read_to_string(out.join(host["folder"].as_str().unwrap()).join("report.json")));
    let changed: Vec<bool> = reports.map(|report| report.unwrap().contains("changed_after_sealing")).collect();
    assert_eq!(changed, [false, true], "{index}");
    // The first part changed: the second one names another, which is no reason to refuse what was accepted.
    let reader = BundleReader::open(&first).unwrap();
    let items = reader.items().to_vec();
    let victim = items.iter().find(|item| !item.original_path.contains("Large") && item.stored_size > 0).unwrap();
    let changed = case("changed-first.zip");
    change(&first, &changed, victim.bundle_path.as_deref().unwrap());
    let out = case("accepted-first");
    ends(2, &["analyze", text(&changed), text(&second), "-o", text(&out), "--quiet", "--accept-changed"]);
    let said = &json(&out.join("report.json"))["changed_after_sealing"];
    assert_eq!(said["objects"], 1, "{said}");
}
