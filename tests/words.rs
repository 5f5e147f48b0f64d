//! What the report, the timeline and the terminal say, and the exit status: each test is named after what it guards.

use crate::hosts::{copy, volume};
use crate::program::{comtrail, fixture_host, list, run, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The analysis of the fixture host.
struct Analysis {
    report: Value,
    page: String,
    csv: String,
    jsonl: Vec<Value>,
    terminal: String,
    status: Option<i32>,
}

fn analysis(source: &Path, more: &[&str]) -> Analysis {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case");
    let output = comtrail(&[&["run", text(source), "-o", text(&case)], more].concat());
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap();
    Analysis {
        report: serde_json::from_str(&read("report.json")).unwrap(),
        page: read("report.html"),
        csv: read("timeline.csv"),
        jsonl: read("timeline.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        terminal: String::from_utf8(output.stdout).unwrap(),
        status: output.status.code(),
    }
}

static HOST: LazyLock<Analysis> = LazyLock::new(|| analysis(&fixture_host(), &[]));

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

/// A triage tree of these fixtures, each at its place below `C`.
fn tree(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let source = folder.join("triage");
    for (from, to) in files {
        let to = source.join("C").join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture(from), to).unwrap();
    }
    source
}

const LOGS: &str = "Windows/System32/winevt/Logs/";
const SYSTEM: &str = "Windows/System32/config/SYSTEM";

fn statements(report: &Value) -> Vec<&str> {
    report["summary"]["statements"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect()
}

/// The page without the section of this id.
fn without(page: &str, section: &str) -> String {
    let (before, rest) = page.split_once(&format!("<section id=\"{section}\"")).unwrap();
    format!("{before}{}", rest.split_once("</section>").unwrap().1)
}

fn section<'p>(page: &'p str, id: &str) -> &'p str {
    page.split_once(&format!(" id=\"{id}\"")).unwrap().1.split_once("</section>").unwrap().0
}

fn each<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v serde_json::Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            visit(members);
            members.values().for_each(|value| each(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| each(value, visit)),
        _ => {}
    }
}

/// SECURITY and SAM are not there and nothing of the host is lost by that; Security and System are there, and the place of the
/// logs of XP is not.
#[test]
fn r_1_absence_is_of_a_source_and_not_of_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("triage");
    copy(&*volume(), &[r"\Windows\System32\config", r"\Windows\System32\winevt\Logs"], &source);
    let (report, _case) = run(&source, &[]);
    let all = statements(&report).join("\n");
    let missing = all.lines().find(|line| line.starts_with("Nothing was there of ")).unwrap();
    for there in ["Security", "System,", "Sysmon", "Application", "the host", "event logs", "COM registrations"] {
        assert!(!missing.contains(there), "{missing}");
    }
    assert!(missing.contains("prefetch files") && missing.contains("NTFS master file table"), "{missing}");
    let absent = list(&report, "problems").iter().filter(|one| one["kind"] == "not_found");
    let noted: Vec<&str> = absent.map(|one| one["item"].as_str().unwrap()).collect();
    for place in [r"config\SECURITY", r"config\SAM", r"config\*.evt", r"config\SYSTEM", r"config\SOFTWARE"] {
        assert!(!noted.iter().any(|item| item.contains(place)), "{noted:?}");
    }
    for source in ["Security", "System", "com-registration", "host"] {
        let row = list(&report, "coverage").iter().find(|row| row["source"] == source).unwrap();
        assert_eq!((&row["state"], &row["present"]), (&Value::from("read"), &Value::from(true)), "{row}");
    }
}

/// A hive whose logs were applied, places that need not be there, and what is left in free space cost no conclusion.
#[test]
fn r_2_what_windows_always_leaves_is_a_note_and_no_failure() {
    let problems = list(&HOST.report, "problems");
    assert!(problems.iter().any(|one| one["kind"] == "dirty"), "SOFTWARE was not closed");
    assert!(problems.iter().all(|one| one["note"] == true), "{problems:#?}");
    assert_eq!(HOST.status, Some(0), "{}", HOST.terminal);
    // The same hive without its logs may lack what they hold.
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("triage");
    copy(&*volume(), &[r"\Windows\System32\config", r"\Windows\System32\winevt\Logs"], &source);
    for log in ["SOFTWARE.LOG1", "SOFTWARE.LOG2"] {
        std::fs::remove_file(source.join("C/Windows/System32/config").join(log)).unwrap();
    }
    assert_eq!(analysis(&source, &[]).status, Some(2));
    // A record that cannot be read, and that the log does hold, can be the one of a run.
    let name = format!("{LOGS}Security.evtx");
    let source =
        tree(&folder.path().join("damaged"), &[("event-log/security/input", &name), ("host/system/input", SYSTEM)]);
    let path = source.join("C").join(name);
    let mut log = std::fs::read(&path).unwrap();
    log[4096 + 512 + 24..4096 + 512 + 60].fill(0xEE);
    std::fs::write(&path, log).unwrap();
    assert_eq!(analysis(&source, &[]).status, Some(2));
}

#[test]
fn r_3_each_clearing_of_a_log_is_told_once_with_its_time_and_account() {
    let told = analysis(&fixture("cases/r_3_each_clearing_of_a_log_is_told_once.zip"), &[]);
    let coverage = list(&told.report, "coverage").iter().filter(|row| row["source"] == "Security").count();
    assert_eq!(coverage, 2, "the log and its archive");
    let clearings: Vec<String> = statements(&told.report)
        .into_iter()
        .filter_map(|text| text.split_once("; what it held before").map(|(told, _)| told.to_owned()))
        .collect();
    let right = [
        r"CORP\adm-lk cleared the event log Security on 2026-05-04 08:10:00.250 UTC",
        r"CORP\jdoe cleared the event log Security on 2026-05-04 08:40:30.500 UTC",
        r"CORP\adm-lk cleared the event log Security on 2026-05-04 09:05:00.000 UTC",
        r"CORP\adm-lk cleared the event log System on 2026-05-04 09:06:00.750 UTC",
    ];
    assert_eq!(clearings, right);
    assert_eq!(section(&told.page, "coverage").matches("The log was cleared.").count(), 2, "once for each log");
    let cleared: Vec<&str> = told.terminal.lines().filter(|line| line.starts_with("cleared ")).collect();
    assert_eq!(cleared.len(), 2, "{}", told.terminal);
    let words = told.terminal.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains(r"Security: 2026-05-04 08:10:00Z by CORP\adm-lk, 2026-05-04 08:40:30Z by CORP\jdoe,"),
        "{words}"
    );
    // In the picture a line for each, which leads to its record.
    let picture = section(&told.page, "coverage").split_once("</svg>").unwrap().0;
    assert_eq!(picture.matches("class=\"clearing\"").count(), 4);
}

#[test]
fn r_4_an_offset_in_a_compressed_prefetch_file_says_that_it_counts_in_the_decompressed_data() {
    let folder = tempfile::tempdir().unwrap();
    let name = "Windows/Prefetch/REGASM.EXE-3D24EFBB.pf";
    let told = |case: &str| {
        let source = tree(
            &folder.path().join(case),
            &[(&format!("prefetch/{case}/input"), name), ("host/system/input", SYSTEM)],
        );
        let told = analysis(&source, &[]);
        let is_range = |one: &&Value| one["place"].as_str().unwrap().starts_with("offset 0x80,");
        let record = list(&told.report, "records").iter().find(is_range).expect("the last run stands at 0x80").clone();
        (record, told.page)
    };
    let (record, page) = told("regasm-30-compressed");
    assert_eq!(record["decompressed"], true, "{record}");
    let citations = section(&page, "citations");
    let place = citations.split("<li id=\"c").find(|one| one.contains("offset 0x80, 8 bytes")).unwrap();
    assert!(place.contains("in the decompressed data, <a href=\"#decompressed\">"), "{place}");
    let how = page.split_once("id=\"decompressed\"").unwrap().1.split_once("</li>").unwrap().0;
    assert!(["4D 41 4D", "LZXPRESS Huffman", "RtlDecompressBufferEx"].iter().all(|word| how.contains(word)), "{how}");
    let (record, page) = told("regasm-30-variant-1");
    assert!(record.get("decompressed").is_none(), "that file is not compressed: {record}");
    assert!(!section(&page, "citations").contains("in the decompressed data"));
}

#[test]
fn r_5_citations_lead_to_their_rows_and_rows_to_their_runs() {
    let rows: BTreeMap<&str, &Value> = HOST.jsonl.iter().map(|row| (row["event_id"].as_str().unwrap(), row)).collect();
    let (mut rules, mut cited) = (Vec::new(), 0);
    for list in ["executions", "attempts", "registrations", "summary", "host", "coverage", "assemblies"] {
        each(&HOST.report[list], &mut |members| {
            if !(members.contains_key("locator") && members.contains_key("artifact")) {
                return;
            }
            let row = rows[members["event_id"].as_str().unwrap_or_else(|| panic!("{members:?}"))];
            assert_eq!((&row["item"], &row["item_sha256"]), (&members["item"], &members["sha256"]));
            rules.extend(members.get("rule").and_then(Value::as_str));
            cited += 1;
        });
    }
    assert!(cited > 100, "{cited}");
    // The start of the first run, by both logs: what it says, when, and the fields that were used.
    let start = list(&HOST.report, "records")
        .iter()
        .find(|one| one["event"] == "4688 of Microsoft-Windows-Security-Auditing" && one["belongs_to"][0] == "E1")
        .unwrap();
    assert_eq!(start["at"], "2026-03-04T14:12:33.1200000Z");
    assert_eq!(
        start["fields"]["CommandLine"],
        r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\regasm.exe /U T1218.009.dll"
    );
    assert_eq!(start["fields"]["NewProcessId"], "0x1e4c", "fields are verbatim");
    assert!(start["says"].as_str().unwrap().starts_with(r"Process 7756 C:\Windows\"), "{start}");
    let citations = section(&HOST.page, "citations");
    let id = start["event_id"].as_str().unwrap();
    let place = citations.split("<li id=\"c").find(|one| one.contains(id)).unwrap();
    for part in
        ["2026-03-04T14:12:33.1200000Z", "event 4688 of", "Process 7756", "<dt>NewProcessId</dt>", "href=\"#E1\""]
    {
        assert!(place.contains(part), "{part}: {place}");
    }
    // Rows of the run, of the attempt and of a registration, in both formats.
    assert_eq!(rows[id]["belongs_to"], Value::from(vec!["E1"]));
    let by_id = |id: &str| HOST.csv.lines().find(|line| line.contains(id)).unwrap().rsplit_once(',').unwrap().1;
    assert_eq!(by_id("event_id"), "belongs_to");
    for (id, row) in &rows {
        let of: Vec<&str> = row["belongs_to"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(by_id(id), of.join("; "), "{row}");
    }
    let owners = |data_type: &str, pid: &str| {
        let found = HOST.jsonl.iter().find(|row| row["data_type"] == data_type && row["NewProcessId"] == pid).unwrap();
        found["belongs_to"].clone()
    };
    let data_type = rows[id]["data_type"].as_str().unwrap();
    assert_eq!(owners(data_type, "0x1e7c"), Value::from(vec!["A1"]), "cmd.exe of the attempt");
    assert_eq!(owners(data_type, "0x1e8c"), Value::Null, "findstr only mentions the tool");
    let key = HOST
        .jsonl
        .iter()
        .find(|row| {
            row["artifact"] == "com-registration"
                && row["CodeBase"].as_str().is_some_and(|path| path.contains("WinSync"))
        })
        .unwrap();
    let winsync = list(&HOST.report, "registrations")
        .iter()
        .find(|one| one["class"] == "Contoso.Sync.Agent" && one["state"] == "current")
        .unwrap();
    assert!(key["belongs_to"].as_array().unwrap().contains(&winsync["id"]), "{key}");
    // Each rule that is cited is explained, and the words lead there.
    let legend = HOST.page.split_once("id=\"rules\"").unwrap().1.split_once("</dl>").unwrap().0;
    for rule in rules {
        assert!(legend.contains(&format!("<dt id=\"rule-{rule}\">{rule}</dt><dd>")), "{rule}");
        assert!(rule == "anchor" || HOST.page.contains(&format!("href=\"#rule-{rule}\"")), "{rule}");
    }
}

/// E1 and E5 ran a method, of E4 it is not known, E2 and E3 did nothing of the kind. E5 counts less, as E1 lay in a folder for
/// temporary files.
#[test]
fn r_6_the_worst_run_comes_first_and_sources_that_do_not_matter_are_folded() {
    let order = |text: &str, start: &str| {
        let found = text.split(start).skip(1).map(|rest| rest.chars().take(2).collect::<String>());
        found.filter(|id| id.starts_with('E')).collect::<Vec<_>>()
    };
    let page = order(&HOST.page, "<article class=\"run\" id=\"");
    assert_eq!(page[2..], ["E4", "E2", "E3"], "{page:?}");
    assert!(page[..2].contains(&"E1".to_owned()) && page[..2].contains(&"E5".to_owned()), "{page:?}");
    assert_eq!(order(&HOST.terminal, "\n"), page);
    let mut told: Vec<&str> = HOST.report["summary"]["statements"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["about"].as_str())
        .collect();
    told.dedup();
    told.retain(|id| id.starts_with('E'));
    assert_eq!(told, page);
    let ids: Vec<&str> = list(&HOST.report, "executions").iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["E1", "E2", "E3", "E4", "E5"], "the data keeps the order of time");
    // Of runs in which nothing of an assembly ran the particulars are folded, as are the sources that record no runs.
    let article = |id: &str| {
        HOST.page
            .split_once(&format!("<article class=\"run\" id=\"{id}\""))
            .unwrap()
            .1
            .split_once("</article>")
            .unwrap()
            .0
    };
    assert!(article("E2").contains("<details><summary>Particulars of E2") && !article("E1").contains("Particulars of"));
    let coverage = section(&HOST.page, "coverage");
    let (shown, folded) = coverage.split_once("<details>").unwrap();
    for (source, is_folded) in [("Security.evtx", false), ("Prefetch files", false), ("Suspicious assemblies", true)] {
        assert_eq!((shown.contains(source), folded.contains(source)), (!is_folded, is_folded), "{source}");
    }
}

#[test]
fn r_7_what_was_said_of_the_case_stands_on_the_cover_in_the_data_and_in_the_bag() {
    let folder = tempfile::tempdir().unwrap();
    let source = tree(folder.path(), &[("host/system/input", SYSTEM)]);
    let case = ["--case-id", "IR-7731", "--examiner", "R. Okafor", "--organization", "Harbour CERT"];
    let clock = ["--reference-time", "2026-05-04T10:00:00Z"];
    let (report, out) = run(&source, &[&case[..], &clock].concat());
    assert_eq!(
        (&report["case"]["id"], &report["case"]["examiner"]),
        (&Value::from("IR-7731"), &Value::from("R. Okafor"))
    );
    assert_eq!(report["case"]["organization"], "Harbour CERT");
    assert_eq!(report["case"]["reference_time"], "2026-05-04T10:00:00.0000000Z");
    assert!(report["case"]["clock_difference"].is_string(), "{}", report["case"]);
    let page = std::fs::read_to_string(out.path().join("case/report.html")).unwrap();
    let cover = page.split_once("<header>").unwrap().1.split_once("</header>").unwrap().0;
    for (name, value) in [("Case", "IR-7731"), ("Examiner", "R. Okafor"), ("Organisation", "Harbour CERT")] {
        assert!(cover.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{cover}");
    }
    assert!(cover.contains("<dt>Reference clock</dt><dd>2026-05-04 10:00:00.000 UTC</dd>"), "{cover}");
    let bundle = std::fs::read_dir(out.path().join("case")).unwrap().map(|entry| entry.unwrap().path());
    let bundle = bundle.into_iter().find(|path| path.extension().is_some_and(|end| end == "zip")).unwrap();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    let name = archive.file_names().flatten().find(|name| name.ends_with("/bag-info.txt")).unwrap().into_owned();
    let info = std::io::read_to_string(archive.by_name(&name).unwrap()).unwrap();
    for line in ["External-Identifier: IR-7731", "Contact-Name: R. Okafor", "Source-Organization: Harbour CERT"] {
        assert!(info.lines().any(|there| there == line), "{info}");
    }
}

/// Where `text` has a date with `T`, or digits of a second beyond the third.
fn other_formats(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let digits =
        |from: usize, count: usize| (from..from + count).all(|at| bytes.get(at).is_some_and(u8::is_ascii_digit));
    let is_date = |at: usize| {
        digits(at, 4)
            && bytes.get(at + 4) == Some(&b'-')
            && digits(at + 5, 2)
            && bytes.get(at + 7) == Some(&b'-')
            && digits(at + 8, 2)
    };
    let is_other = |at: &usize| {
        is_date(*at)
            && (bytes.get(at + 10) == Some(&b'T')
                || digits(at + 11, 2) && bytes.get(at + 19) == Some(&b'.') && digits(at + 20, 4))
    };
    (0..bytes.len()).filter(is_other).map(|at| &text[at..(at + 30).min(text.len())]).collect()
}

#[test]
fn r_8_people_are_shown_one_format_of_time_and_citations_the_exact_value() {
    assert_eq!(other_formats("2026-03-04T14:12 2026-03-04 14:12:33.1200000 2026-03-04 14:12:33.120 UTC").len(), 2);
    assert_eq!(other_formats(&without(&HOST.page, "citations")), Vec::<&str>::new());
    for text in statements(&HOST.report) {
        assert_eq!(other_formats(text), Vec::<&str>::new(), "{text}");
    }
    for row in list(&HOST.report, "coverage") {
        assert_eq!(other_formats(row["meaning"].as_str().unwrap()), Vec::<&str>::new(), "{row}");
    }
    // Prefetch has 100 ns, of which a person sees milliseconds.
    let citations = section(&HOST.page, "citations");
    assert!(citations.contains("2026-03-11T02:14:07.8800000Z") && citations.contains("2026-03-11T02:14:07.9000000Z"));
    assert!(HOST.page.contains("2026-03-11 02:14:07.900 UTC") && HOST.page.contains("2026-03-10 22:14:07.900 UTC-4"));
}

#[test]
fn r_9_rows_have_one_spelling_of_meanings_processes_volumes_and_no_time_that_is_none() {
    for row in &HOST.jsonl {
        let meanings: Vec<&str> = row["timestamp_desc"].as_str().unwrap().split("; ").collect();
        let mut once = meanings.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), meanings.len(), "{row}");
        let is_undated = row["timestamp_desc"] == "Not a time";
        assert_eq!((row.get("datetime").is_none(), row.get("timestamp").is_none()), (is_undated, is_undated), "{row}");
        for name in ["message", "subject"] {
            assert!(!row[name].as_str().unwrap().to_uppercase().contains(r"\VOLUME{"), "{row}");
        }
    }
    assert!(HOST.jsonl.iter().any(|row| row["timestamp_desc"] == "Not a time"));
    assert!(!HOST.csv.contains("1970-") && !HOST.csv.to_uppercase().contains(r"\VOLUME{"));
    // 4688 has 0x1e4c, Sysmon 7756, and people read one number. The field stays as it is.
    let of_both =
        HOST.jsonl.iter().filter(|row| row["message"].as_str().unwrap().starts_with(r"Process 7756 C:\Windows\"));
    let logs: Vec<&str> = of_both.map(|row| row["item"].as_str().unwrap()).collect();
    assert!(
        logs.iter().any(|log| log.ends_with("Security.evtx")) && logs.iter().any(|log| log.contains("Sysmon")),
        "{logs:?}"
    );
    assert!(HOST.jsonl.iter().any(|row| row["NewProcessId"] == "0x1e4c"));
    // The serial number of the collected volume says which it is; of another volume nothing does.
    let prefetch = HOST.jsonl.iter().find(|row| row["artifact"] == "prefetch").unwrap();
    assert!(prefetch["message"].as_str().unwrap().contains(r"from C:\WINDOWS\MICROSOFT.NET\"), "{prefetch}");
    assert!(prefetch["Path"].as_str().unwrap().starts_with(r"\VOLUME{"), "{prefetch}");
    let folder = tempfile::tempdir().unwrap();
    let name = "Windows/Prefetch/REGASM.EXE-3D24EFBB.pf";
    let other = analysis(&tree(folder.path(), &[("prefetch/regasm-30-compressed/input", name)]), &[]);
    assert!(other.jsonl.iter().any(|row| row["subject"].as_str().unwrap().starts_with(r"\VOLUME{")), "it is not known");
}

#[test]
fn r_10_a_host_is_called_by_its_records_and_other_names_in_its_logs_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = ("event-log/security/input", format!("{LOGS}Security.evtx"));
    let alone = analysis(&tree(&folder.path().join("alone"), &[(log.0, &log.1)]), &[]);
    assert_eq!(
        (&alone.report["host"]["name"], &alone.report["host"]["name_by_records"]),
        (&Value::from("WS-HR-02"), &Value::from(true))
    );
    assert!(
        alone.page.contains("<h1>Runs of regasm and regsvcs on WS-HR-02 <span class=\"small soft\">(by its records")
    );
    assert!(!alone.page.contains("a host without a name"));
    // The hive is that of another host.
    let both = analysis(&tree(&folder.path().join("both"), &[(log.0, &log.1), ("host/system/input", SYSTEM)]), &[]);
    assert_eq!(
        (&both.report["host"]["name"], both.report["host"].get("name_by_records")),
        (&Value::from("WS-FIN-07"), None)
    );
    assert_eq!(both.report["host"]["other_computers"], Value::from(vec!["WS-HR-02"]));
    let said = "This host is called WS-FIN-07, and records in its own logs name WS-HR-02; none names WS-FIN-07.";
    assert!(statements(&both.report).iter().any(|text| text.starts_with(said)), "{:#?}", statements(&both.report));
    assert!(HOST.report["host"].get("other_computers").is_none());
    assert!(!statements(&HOST.report).iter().any(|text| text.contains("in its own logs")));
}

#[test]
fn r_11_records_in_free_space_that_cannot_be_decoded_are_counted() {
    let told = analysis(&fixture("cases/r_11_what_is_left_of_records_in_free_space_is_counted.zip"), &[]);
    let of_log = |row: &&Value| row["data_type"] == "windows:evtx:channel";
    let row = told.jsonl.iter().find(of_log).unwrap();
    assert_eq!((&row["UndecodableRecovered"], &row["Records"]), (&Value::from("2"), &Value::from("2")), "{row}");
    let note = list(&told.report, "problems")
        .iter()
        .find(|one| one["what"].as_str().unwrap().contains("in free space"))
        .unwrap();
    assert_eq!(note["note"], true, "{note}");
    assert!(section(&told.page, "problems").contains("2 records in free space could not be decoded"));
    assert!(HOST.jsonl.iter().filter(of_log).all(|row| row.get("UndecodableRecovered").is_none()));
}

/// E2 names no assembly. E3 has a prefetch file, which does not list the assembly, and `/regfile` writes no keys, so that neither
/// would be of use.
#[test]
fn r_12_what_is_missing_is_what_is_not_there() {
    let needs = |id: &str| {
        let run = list(&HOST.report, "executions").iter().find(|run| run["id"] == id).unwrap();
        run["proof"]["next_needs"].as_str().unwrap().to_owned()
    };
    assert_eq!(needs("E2"), "nothing: this command line names no assembly");
    assert_eq!(needs("E3"), "a record that the assembly was loaded: image loads in Sysmon");
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("triage");
    copy(&*volume(), &[r"\Windows\System32\config", r"\Windows\System32\winevt\Logs"], &source);
    let (report, _case) = run(&source, &[]);
    let without_prefetch = |mode: &str| {
        let run = list(&report, "executions").iter().find(|run| run["mode"] == mode).unwrap();
        run["proof"]["next_needs"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        without_prefetch("regfile"),
        "a record that the assembly was loaded: image loads in Sysmon, the prefetch list"
    );
}

/// The DLL of E1 was opened by the tool (prefetch), and nothing that its method did was recorded.
#[test]
fn v_4_what_is_shown_and_what_is_expected_have_marks_of_their_own() {
    let article =
        HOST.page.split_once("<article class=\"run\" id=\"E1\"").unwrap().1.split_once("</article>").unwrap().0;
    let ladder = article.split_once("<ol class=\"ladder\">").unwrap().1.split_once("</ol>").unwrap().0;
    let steps: Vec<&str> = ladder.split("</li>").collect();
    assert!(steps[3].starts_with("<li class=\"shown\">L3 ") && steps[3].contains(">shown<"), "{ladder}");
    assert!(
        steps[4].starts_with("<li class=\"expected\">L4 ")
            && steps[4].contains(">expected by the rules of the tool, not shown<")
    );
    assert!(steps[5].starts_with("<li>L5 ") && steps[5].contains(">not reached<"), "{ladder}");
}
