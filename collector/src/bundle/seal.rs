//! Everything in the bag that is not payload: what it holds, what failed, what was done, on which host, with which
//! program; and the manifests.

use super::about::{About, Status, Sums, ToolFacts};
use super::actions::ActionLog;
use super::writer::Writer;
use super::{ACTION_LOG_HASH, ACTIONS, FAILURES, HOST, OBJECTS, TOOL, failures};
use crate::digest::sha256;
use crate::source::Source;
use crate::spill::{Sorter, Spill};
use evidence::{Artifact, Filetime, Problem, hex};
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

/// What is known when the bag is sealed.
pub(crate) struct BagInfo<'a> {
    pub(crate) about: &'a About,
    pub(crate) ended: Filetime,
    /// What the objects come to.
    pub(crate) sums: Sums,
    pub(crate) spill: &'a Spill,
    pub(crate) problems: &'a [Problem],
    pub(crate) status: Status,
    /// Whether the bundle will be read back before it gets its name.
    pub(crate) read_back: bool,
}

/// A value that cannot break out of its line of `bag-info.txt`.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// `metadata/host.json`: the source, its volumes, what is known about the host, and what the check of the image gave.
pub(crate) fn host(source: &Source, name: &str, facts: &[(String, String)], checks: &[(String, String)]) -> Value {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect::<serde_json::Map<_, _>>()
    };
    let volumes: Vec<Value> = source
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
        "name": name,
        "facts": pairs(facts),
        "source": {
            "kind": source.kind,
            "facts": pairs(&[&source.facts[..], checks].concat()),
        },
        "volumes": volumes,
    })
}

/// `metadata/tool.json`: the program and how it was used.
pub(crate) fn tool(
    tool: &ToolFacts,
    source: &Source,
    started: Filetime,
    artifacts: &[&Artifact],
    limits: &Value,
) -> Value {
    json!({
        "name": tool.name,
        "version": tool.version,
        "sha256": tool.sha256,
        "features": tool.features,
        "command_line": tool.command_line,
        "source": source.files.iter().map(crate::shown).collect::<Vec<_>>(),
        "started": started.to_string(),
        "artifacts": artifacts.iter().map(|artifact| artifact.id).collect::<Vec<_>>(),
        "limits": limits,
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
    let about = bag.about;
    writer.tag(OBJECTS, |sink| {
        objects.finish()?.try_for_each(|row| {
            sink.write_all(&row?.1)?;
            sink.write_all(b"\n")
        })
    })?;
    writer.tag(FAILURES, |sink| {
        bag.problems.iter().try_for_each(|problem| json_line(sink, &failures::to_json(problem)))
    })?;
    for (path, value) in [(HOST, &about.host), (TOOL, &about.tool)] {
        writer.tag(path, |sink| {
            serde_json::to_writer_pretty(&mut *sink, value)?;
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
    let said = |name: &str| about.host["facts"][name].as_str().map(str::to_owned);
    // The names that BagIt has for them; for clocks it has none.
    let case = [
        ("Source-Organization", said("Organization")),
        ("Contact-Name", said("Examiner")),
        ("External-Identifier", said("CaseId")),
        ("Collector-Reference-Time", said("ReferenceTime")),
        ("Collector-Clock-Difference", said("ClockDifference")),
    ];
    let mut lines = vec![
        ("Bagging-Date", format!("{:04}-{:02}-{:02}", ended.year, ended.month, ended.day)),
        ("Bag-Software-Agent", about.agent.clone()),
        ("External-Description", format!("Evidence collected from {}", about.name)),
        ("Payload-Oxum", format!("{}.{}", bag.sums.bytes, bag.sums.payload)),
        ("Collector-Started", about.started.to_string()),
        ("Collector-Source-Kind", about.source_kind.clone()),
        ("Collector-Source-Name", about.source_name.clone()),
        ("Collector-Status", bag.status.name().to_owned()),
        ("Collector-Objects", bag.sums.objects.to_string()),
        ("Collector-Objects-Not-Complete", bag.sums.not_complete.to_string()),
        ("Collector-Problems", bag.problems.len().to_string()),
    ];
    if !bag.read_back {
        lines.push(("Collector-Read-Back", "skipped".to_owned()));
    }
    lines.extend(about.labels.iter().map(|(label, value)| (label.as_str(), value.clone())));
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
    log.add(bag.ended, SEAL, writer.root(), bag.status.name(), &about)?;
    Ok(log.head().to_owned())
}
