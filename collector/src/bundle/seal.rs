//! Everything in the bag that is not payload: what it holds, what failed, what was done, on which host, with which
//! program; and the manifests.

use super::actions::ActionLog;
use super::writer::Writer;
use super::{ACTION_LOG_HASH, ACTIONS, FAILURES, HOST, OBJECTS, TOOL, failures};
use crate::digest::{hex, sha256};
use crate::source::Source;
use crate::spill::{Sorter, Spill};
use evidence::{Artifact, Filetime, Problem};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The last action of the log. It carries the digests of the files that the log itself does not have, so that its hash, the
/// head of the log, stands for the whole bundle.
pub(super) const SEAL: &str = "seal";
pub(super) const MANIFEST_SHA256: &str = "manifest_sha256";
pub(super) const OBJECTS_SHA256: &str = "objects_sha256";
pub(super) const FAILURES_SHA256: &str = "failures_sha256";
pub(super) const HOST_SHA256: &str = "host_sha256";
pub(super) const TOOL_SHA256: &str = "tool_sha256";
/// Of `bag-info.txt` without the line that has the head of the log.
pub(super) const BAG_INFO_SHA256: &str = "bag_info_sha256";

/// The program that collects, as the bundle names it.
#[derive(Clone, Debug, Default)]
pub struct ToolFacts {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 of its own file, where it could be read.
    pub sha256: Option<String>,
    /// Features that it was built with.
    pub features: Vec<String>,
    /// How it was called.
    pub command_line: Vec<String>,
}

/// What the objects come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) not_complete: u64,
    pub(crate) payload: u64,
}

/// What is known when the bag is sealed.
pub(crate) struct BagInfo<'a> {
    pub(crate) source: &'a Source,
    /// What the check of the image gave, where there was one.
    pub(crate) checks: &'a [(String, String)],
    /// Name of the host, or of the source where that is not known.
    pub(crate) name: &'a str,
    /// What is known about the host.
    pub(crate) host: &'a [(String, String)],
    pub(crate) tool: &'a ToolFacts,
    pub(crate) artifacts: &'a [&'a Artifact],
    /// The limits by name.
    pub(crate) limits: Value,
    pub(crate) started: Filetime,
    pub(crate) ended: Filetime,
    /// What the objects come to.
    pub(crate) sums: Sums,
    pub(crate) spill: &'a Spill,
    pub(crate) problems: &'a [Problem],
    pub(crate) interrupted: bool,
}

/// A value that cannot break out of its line of `bag-info.txt`.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

fn host(bag: &BagInfo<'_>) -> Value {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect::<serde_json::Map<_, _>>()
    };
    let volumes: Vec<Value> = bag
        .source
        .volumes
        .iter()
        .filter(|(volume, tree)| volume.is_shown(tree.as_deref()))
        .map(|(volume, tree)| {
            json!({
                "id": volume.id,
                "letter": volume.letter,
                "kind": volume.kind.name(),
                "label": volume.label,
                "serial": volume.serial.map(|serial| format!("{serial:016X}")),
                "offset": volume.offset,
                "size": volume.size,
                "cluster_size": volume.cluster_size,
                "is_system": volume.is_system,
                "windows": volume.is_system.then_some(volume.windows.as_str()),
                "searched": tree.is_some(),
            })
        })
        .collect();
    json!({
        "name": bag.name,
        "facts": pairs(bag.host),
        "source": {
            "kind": bag.source.kind,
            "facts": pairs(&[&bag.source.facts[..], bag.checks].concat()),
        },
        "volumes": volumes,
    })
}

fn tool(bag: &BagInfo<'_>) -> Value {
    let tool = bag.tool;
    json!({
        "name": tool.name,
        "version": tool.version,
        "sha256": tool.sha256,
        "features": tool.features,
        "command_line": tool.command_line,
        "source": bag.source.files.iter().map(crate::shown).collect::<Vec<_>>(),
        "started": bag.started.to_string(),
        "artifacts": bag.artifacts.iter().map(|artifact| artifact.id).collect::<Vec<_>>(),
        "limits": bag.limits,
    })
}

fn json_line(sink: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *sink, value)?;
    sink.write_all(b"\n")
}

/// Writes it all and ends the archive: `objects` are the lines of `objects.jsonl` in the order of their ids, `payload` the
/// digests of the payload files by path. Gives the head of the log, whose last action says what is sealed.
pub(crate) fn seal(
    mut writer: Writer,
    bag: &BagInfo<'_>,
    objects: Sorter,
    payload: Sorter,
    log: &mut ActionLog,
) -> io::Result<String> {
    writer.tag(OBJECTS, |sink| {
        objects.finish()?.try_for_each(|row| {
            sink.write_all(&row?.1)?;
            sink.write_all(b"\n")
        })
    })?;
    writer.tag(FAILURES, |sink| {
        bag.problems.iter().try_for_each(|problem| json_line(sink, &failures::to_json(problem)))
    })?;
    for (path, value) in [(HOST, host(bag)), (TOOL, tool(bag))] {
        writer.tag(path, |sink| {
            serde_json::to_writer_pretty(&mut *sink, &value)?;
            sink.write_all(b"\n")
        })?;
    }
    let rows = payload.finish()?.map(|row| {
        let (path, digests) = row?;
        let (sha256, sha512) = serde_json::from_slice(&digests)?;
        Ok((String::from_utf8_lossy(&path).into_owned(), sha256, sha512))
    });
    writer.manifests(bag.spill, rows)?;
    let ended = bag.ended.civil();
    let source = bag.source.files.first().and_then(|file| file.file_name()).unwrap_or_default();
    let said = |name: &str| bag.host.iter().find(|(fact, _)| fact == name).map(|(_, value)| value.clone());
    // The names that BagIt has for them; for clocks it has none.
    let case = [
        ("Source-Organization", said("Organization")),
        ("Contact-Name", said("Examiner")),
        ("External-Identifier", said("CaseId")),
        ("Collector-Reference-Time", said("ReferenceTime")),
        ("Collector-Clock-Difference", said("ClockDifference")),
    ];
    let lines = [
        ("Bagging-Date", format!("{:04}-{:02}-{:02}", ended.year, ended.month, ended.day)),
        ("Bag-Software-Agent", format!("{} {}", bag.tool.name, bag.tool.version)),
        ("External-Description", format!("Evidence collected from {}", bag.name)),
        ("Payload-Oxum", format!("{}.{}", bag.sums.bytes, bag.sums.payload)),
        ("Collector-Started", bag.started.to_string()),
        ("Collector-Source-Kind", bag.source.kind.to_owned()),
        ("Collector-Source-Name", crate::shown(source)),
        ("Collector-Status", if bag.interrupted { "interrupted" } else { "complete" }.to_owned()),
        ("Collector-Objects", bag.sums.objects.to_string()),
        ("Collector-Objects-Not-Complete", bag.sums.not_complete.to_string()),
        ("Collector-Problems", bag.problems.len().to_string()),
    ];
    let case = case.into_iter().filter_map(|(label, value)| Some((label, value?)));
    let info: String = case.chain(lines).map(|(label, value)| format!("{label}: {}\n", one_line(&value))).collect();
    let head = log_sealing(&writer, bag, &info, log)?;
    writer.tag(ACTIONS, |sink| log.write_to(sink))?;
    writer.tag("bag-info.txt", |sink| writeln!(sink, "{info}{ACTION_LOG_HASH}: {head}"))?;
    writer.finish()?;
    Ok(head)
}

/// Adds the last action to the log: what the bundle holds, and the digests of its other files. Gives its hash.
fn log_sealing(writer: &Writer, bag: &BagInfo<'_>, info: &str, log: &mut ActionLog) -> io::Result<String> {
    let digest = |path: &str| Value::from(writer.tag_sha256(path).unwrap_or_default());
    let about = [
        ("objects", bag.sums.objects.into()),
        ("problems", bag.problems.len().into()),
        ("bytes", bag.sums.bytes.into()),
        (BAG_INFO_SHA256, hex(&sha256(info.as_bytes())).into()),
        (FAILURES_SHA256, digest(FAILURES)),
        (HOST_SHA256, digest(HOST)),
        (MANIFEST_SHA256, digest("manifest-sha256.txt")),
        (OBJECTS_SHA256, digest(OBJECTS)),
        (TOOL_SHA256, digest(TOOL)),
    ];
    let result = if bag.interrupted { "interrupted" } else { "complete" };
    log.add(bag.ended, SEAL, writer.root(), result, &about)?;
    Ok(log.head().to_owned())
}
