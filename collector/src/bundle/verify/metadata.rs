//! What the files that describe the bag say: whether it is of their form, and whether they agree.

use super::expected::{Expected, Whole};
use super::rows::{Described, Row};
use super::{BAG_INFO, Check, FAILURES, HOST, OBJECTS, Part, TOOL, WrongKind, exact, said};
use crate::bundle::{ACTION_LOG_HASH, failures, labels};
use crate::digest::{of_hex, sha256};
use crate::spill::Sorter;
use evidence::{Item, ItemStatus, hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// `metadata/host.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct HostFile {
    pub(super) name: String,
    facts: BTreeMap<String, String>,
    pub(super) source: SourceFacts,
    pub(super) volumes: Vec<VolumeFacts>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SourceFacts {
    pub(super) kind: String,
    pub(super) facts: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VolumeFacts {
    pub(super) id: String,
    letter: Option<String>,
    pub(super) kind: String,
    label: Option<String>,
    serial: Option<String>,
    pub(super) offset: u64,
    size: u64,
    cluster_size: Option<u64>,
    is_system: bool,
    windows: Option<String>,
    pub(super) searched: bool,
}

/// `metadata/tool.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ToolFile {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: Option<String>,
    features: Vec<String>,
    pub(super) command_line: Vec<String>,
    source: Vec<String>,
    started: String,
    artifacts: Vec<String>,
    limits: BTreeMap<String, u64>,
}

/// What `bag-info.txt` says.
#[derive(Default)]
pub(super) struct BagInfo {
    values: BTreeMap<String, String>,
    /// SHA-256 of it without the line that has the head of the log, which the log has.
    pub(super) sha256: String,
}

impl BagInfo {
    pub(super) fn get(&self, label: &str) -> Option<&str> {
        self.values.get(label).map(String::as_str)
    }

    fn number(&self, label: &str) -> Option<u64> {
        self.get(label)?.parse().ok()
    }
}

/// Labels that a bag has always had.
const LABELS: [&str; 12] = [
    "Bagging-Date",
    "Bag-Software-Agent",
    "External-Description",
    "Payload-Oxum",
    "Collector-Started",
    "Collector-Source-Kind",
    "Collector-Source-Name",
    STATUS,
    "Collector-Objects",
    "Collector-Objects-Not-Complete",
    "Collector-Problems",
    ACTION_LOG_HASH,
];
pub(super) const STATUS: &str = "Collector-Status";

impl Check<'_> {
    /// Reads what objects there are, for their files (`rows`) and for the action log (`said`).
    pub(super) fn objects(&mut self, rows: &mut Sorter, said: &mut Sorter) -> io::Result<()> {
        let mut pushed = Ok(());
        self.each_line(OBJECTS, |check, number, line| {
            let item = match exact::read::<Item>(line) {
                Ok(item) => item,
                Err(why) => {
                    check.wrong(WrongKind::Metadata, OBJECTS, format!("line {number} describes no object: {why}"));
                    return;
                }
            };
            if u64::from(item.id.0) != number - 1 {
                check.wrong(WrongKind::Metadata, OBJECTS, format!("line {number} has another id than its place"));
            }
            check.sums.objects += 1;
            check.sums.not_complete += u64::from(item.status != ItemStatus::Complete);
            // What a recovered bundle lost or does not know is not as the log has it, and says so.
            let is_as_acquired = !check.is_recovered || item.status == ItemStatus::Complete;
            if is_as_acquired && pushed.is_ok() {
                pushed = said::of_object(&item).push(said);
            }
            if item.bundle_path.is_some() == (item.status == ItemStatus::Failed) {
                let what = format!("line {number} says that the object is there and that it is not");
                check.wrong(WrongKind::Metadata, OBJECTS, what);
            }
            if let (Some(path), true) = (&item.bundle_path, pushed.is_ok()) {
                let described = check.described(&item, path);
                pushed = rows.push(path.as_bytes(), &Row::Object(described).to_bytes());
            }
        });
        pushed
    }

    fn described(&mut self, item: &Item, path: &str) -> Described {
        let (whole, expected) = (Whole::of(item), Expected::of(item));
        let mut at = 0u64;
        let in_order = item.stored_ranges.iter().all(|range| {
            let is_next = range.stored_at == at;
            at = at.saturating_add(range.length);
            is_next
        });
        let has_holes = !item.stored_ranges.is_empty();
        if has_holes && (whole.holes().is_none() || !in_order || at != item.stored_size) {
            self.wrong(WrongKind::Described, path, "its stored ranges, in objects.jsonl, are impossible");
        }
        let is_digest = item.file_sha256.as_deref().and_then(of_hex::<32>).is_some();
        if item.file_sha256.is_some() && (!is_digest || !has_holes || item.file_sha256_absent.is_some()) {
            self.wrong(WrongKind::Described, path, "its file_sha256 in objects.jsonl is none that it can have");
        }
        Described { number: item.id.0, stored_size: item.stored_size, expected }
    }

    /// Reads what went wrong.
    pub(super) fn failures(&mut self, said: &mut Sorter) -> io::Result<()> {
        let mut pushed = Ok(());
        self.each_line(FAILURES, |check, number, line| {
            let problem = exact::value(line).and_then(|value| {
                let problem = failures::from_json(&value).ok_or("it is not of its form")?;
                exact::same(&value, &failures::to_json(&problem), "").map_or(Ok(problem), Err)
            });
            check.sums.failures += 1;
            match problem {
                Ok(problem) => {
                    check.sums.counted |= said::is_counted(&problem);
                    if pushed.is_ok() {
                        pushed = said::of_failure(&problem).push(said);
                    }
                }
                Err(why) => {
                    check.wrong(WrongKind::Metadata, FAILURES, format!("line {number} describes no problem: {why}"));
                }
            }
        });
        pushed
    }

    fn document<T: serde::de::DeserializeOwned + Serialize>(&mut self, path: &'static str) -> Option<T> {
        let text = self.text(path)?;
        match exact::read(&text) {
            Ok(document) => Some(document),
            Err(why) => {
                self.wrong(WrongKind::Metadata, path, format!("is not of its form: {why}"));
                None
            }
        }
    }

    pub(super) fn bag_info(&mut self) -> BagInfo {
        let mut info = BagInfo::default();
        let mut others = String::new();
        self.each_line(BAG_INFO, |check, number, line| {
            let pair =
                line.split_once(": ").filter(|(label, _)| !label.is_empty() && !label.contains(char::is_whitespace));
            let Some((label, value)) = pair else {
                check.wrong(WrongKind::Metadata, BAG_INFO, format!("line {number} is not `label: value`"));
                return;
            };
            if label != ACTION_LOG_HASH {
                others.push_str(line);
                others.push('\n');
            }
            if info.values.insert(label.to_owned(), value.to_owned()).is_some() {
                check.wrong(WrongKind::Metadata, BAG_INFO, format!("has {label} twice"));
            }
        });
        info.sha256 = hex(&sha256(others.as_bytes()));
        for label in LABELS {
            if !info.values.contains_key(label) && self.tags.contains_key(BAG_INFO) {
                self.wrong(WrongKind::Metadata, BAG_INFO, format!("does not say {label}"));
            }
        }
        info
    }

    /// Compares what the metadata says with itself, the files and the action log.
    pub(super) fn metadata(&mut self, info: &BagInfo, said: Sorter) -> io::Result<()> {
        self.report.status = info.get(STATUS).map(str::to_owned);
        self.report.part = Part {
            of: info.get(labels::GROUP).unwrap_or(&self.root).to_owned(),
            number: info.get(labels::COUNT).and_then(|count| count.split(' ').next()?.parse().ok()).unwrap_or(1),
            first_sha256: info.get(labels::FIRST_PART).map(str::to_owned),
            first_log: None,
        };
        if info.get("Collector-Read-Back") == Some("skipped") {
            self.report.notes.push("it was not read back when it was sealed, because the system was ending".to_owned());
        }
        if self.text("bagit.txt").is_some_and(|text| text != "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        {
            let what = "does not say that this is a bag of version 1.0 in UTF-8, and nothing else";
            self.wrong(WrongKind::Metadata, "bagit.txt", what);
        }
        let host: Option<HostFile> = self.document(HOST);
        let tool: Option<ToolFile> = self.document(TOOL);
        let (files, bytes) = self.sums.payload;
        let oxum = format!("{bytes}.{files}");
        let mut differ = Vec::new();
        let mut compare = |label: &str, actual: &str, what: &str| {
            if info.get(label).is_some_and(|stated| stated != actual) {
                differ.push(format!("its {label} is not {actual}, as {what}"));
            }
        };
        compare("Payload-Oxum", &oxum, "the payload has it");
        compare("Collector-Objects", &self.sums.objects.to_string(), "objects.jsonl has it");
        compare("Collector-Objects-Not-Complete", &self.sums.not_complete.to_string(), "objects.jsonl has it");
        compare("Collector-Problems", &self.sums.failures.to_string(), "failures.jsonl has it");
        if let Some(host) = &host {
            compare("Collector-Source-Kind", &one_line(&host.source.kind), "host.json has it");
            let description = one_line(&format!("Evidence collected from {}", host.name));
            compare("External-Description", &description, "host.json has it");
        }
        if let Some(tool) = &tool {
            compare("Collector-Started", &tool.started, "tool.json has it");
            compare("Bag-Software-Agent", &one_line(&format!("{} {}", tool.name, tool.version)), "tool.json has it");
        }
        differ.into_iter().for_each(|what| self.wrong(WrongKind::Metadata, BAG_INFO, what));
        let status = info.get(STATUS).unwrap_or_default();
        if !matches!(status, "complete" | "interrupted" | "recovered") && self.tags.contains_key(BAG_INFO) {
            self.wrong(WrongKind::Metadata, BAG_INFO, format!("its {STATUS} is none that a bundle can have"));
        }
        if status == "complete" && info.number("Collector-Objects") == Some(0) {
            self.report.notes.push("it says that it is complete, and holds no object".to_owned());
            self.report.status = Some("empty".to_owned());
        }
        self.log(info, host.as_ref(), tool.as_ref(), said)
    }
}

/// As the sealing writes a value into its line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
