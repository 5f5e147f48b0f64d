//! Whether the action log is whole, and whether the bundle holds what the log says that was done: no more and no less.

use super::metadata::{BagInfo, HostFile, ToolFile, one_line};
use super::said::{OF_ERROR, OF_OBJECT, error, object};
use super::{ACTIONS, BAG_INFO, Check, FAILURES, HOST, MANIFESTS, OBJECTS, Store, TOOL, WrongKind, exact};
use crate::bundle::{ACTION_LOG_HASH, actions, labels, seal};
use crate::spill::Sorter;
use evidence::hex;
use serde_json::Value;
use std::io::{self, BufReader};

/// Volumes that are compared; no host has as many.
const MOST_VOLUMES: usize = 10_000;

/// What the log says.
#[derive(Default)]
struct Log {
    begin: Option<Value>,
    last: Option<Value>,
    /// Id, kind, offset, and whether it was searched.
    volumes: Vec<(String, String, u64, bool)>,
    /// What the check of the image gave.
    checks: Vec<(String, String)>,
    was_interrupted: bool,
    /// Objects that were found at the declared places.
    located: u64,
    acquired: u64,
    bytes: u64,
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The action of a line, if it is written as this program writes one: members by name, without spaces.
fn action(line: &str) -> Result<Value, String> {
    let value = exact::value(line)?;
    let members = value.as_object().ok_or("it is no JSON object")?;
    if !members.keys().is_sorted() || serde_json::to_string(&value).ok().as_deref() != Some(line) {
        return Err("it is not in the canonical form".to_owned());
    }
    for name in ["t_utc", "action", "object", "result"] {
        if !members.get(name).is_some_and(Value::is_string) {
            return Err(format!("it has no text as its member {name}"));
        }
    }
    Ok(value)
}

impl Log {
    fn take(&mut self, value: Value, said: &mut Sorter) -> io::Result<()> {
        match text(&value, "action") {
            "begin" if self.begin.is_none() => self.begin = Some(value.clone()),
            "open volume" if self.volumes.len() < MOST_VOLUMES => {
                let [id, kind] = ["object", "volume_kind"].map(|name| text(&value, name).to_owned());
                self.volumes.push((id, kind, number(&value, "offset"), text(&value, "result") == "searched"));
            }
            "check image" if self.checks.len() < MOST_VOLUMES => {
                let [name, result] = ["object", "result"].map(|name| text(&value, name).to_owned());
                self.checks.push((name, result));
            }
            "locate" => self.located = self.located.saturating_add(number(&value, "objects")),
            "interrupt" => self.was_interrupted = true,
            "acquire" => {
                self.acquired += 1;
                let bytes = number(&value, "bytes");
                self.bytes = self.bytes.saturating_add(bytes);
                let (path, result) = (text(&value, "object"), text(&value, "result"));
                object(path, number(&value, "round"), bytes, result, text(&value, "sha256"), true).push(said)?;
                if let Some(what) = value.get("error").and_then(Value::as_str) {
                    error(what, true).push(said)?;
                }
            }
            _ => {}
        }
        self.last = Some(value);
        Ok(())
    }
}

impl Check<'_> {
    /// Compares the action log with everything else.
    pub(super) fn log(
        &mut self,
        info: &BagInfo,
        host: Option<&HostFile>,
        tool: Option<&ToolFile>,
        mut said: Sorter,
    ) -> io::Result<()> {
        let Some(member) = self.tags.get(ACTIONS).copied() else { return Ok(()) };
        // What cannot be read is said where its digest is computed.
        let Ok(reader) = self.store.open(ACTIONS, member) else { return Ok(()) };
        match actions::check(BufReader::new(reader)) {
            Err((line, why)) => {
                self.wrong(WrongKind::ActionLog, ACTIONS, format!("the chain breaks at line {line}: {why}"));
                return Ok(());
            }
            Ok(head) => {
                if info.get(ACTION_LOG_HASH) != Some(&head) {
                    self.wrong(WrongKind::ActionLog, ACTIONS, "its last hash is not the one that bag-info.txt has");
                }
                self.report.log_head = Some(head);
            }
        }
        let mut log = Log::default();
        let mut taken = Ok(());
        self.each_line(ACTIONS, |check, line, text| match action(text) {
            Ok(value) if taken.is_ok() => taken = log.take(value, &mut said),
            Ok(_) => {}
            Err(why) => check.wrong(WrongKind::ActionLog, ACTIONS, format!("line {line}: {why}")),
        });
        taken?;
        let first_log = log.begin.as_ref().and_then(|begin| begin.get(labels::FIRST_PART_LOG)?.as_str());
        self.report.part.first_log = first_log.map(str::to_owned);
        self.both_say(said)?;
        self.sealing(&log, info);
        // Of a collection that came to no end the log can be lost; the bundle says so by its status.
        if !self.is_recovered {
            self.beginning(&log, host, tool);
        }
        Ok(())
    }

    fn log_wrong(&mut self, path: &str, what: impl Into<String>) {
        self.wrong(WrongKind::ActionLog, path, what);
    }

    /// Every object was acquired, every object that was acquired is there, and every error of one is among the failures.
    fn both_say(&mut self, said: Sorter) -> io::Result<()> {
        let mut before: (Vec<u8>, [u64; 2]) = Default::default();
        for row in said.finish()? {
            let (key, value) = row?;
            if *key != *before.0 {
                self.one_says(&before.0, before.1);
                before = (key.into(), [0; 2]);
            }
            before.1[usize::from(value.first() == Some(&1))] += 1;
        }
        self.one_says(&before.0, before.1);
        Ok(())
    }

    fn one_says(&mut self, key: &[u8], [elsewhere, log]: [u64; 2]) {
        match key {
            [OF_OBJECT, ..] if self.is_recovered && elsewhere <= log => {}
            [OF_OBJECT, rest @ ..] if elsewhere != log => {
                let path = String::from_utf8_lossy(&rest[..rest.len().saturating_sub(32)]).into_owned();
                let what = if elsewhere > log {
                    format!("the object {path} was not acquired as it is described, says the action log")
                } else {
                    format!("no line describes the object {path} as the action log says that it was acquired")
                };
                self.log_wrong(OBJECTS, what);
            }
            [OF_ERROR, ..] if log > 0 && elsewhere == 0 && !self.sums.counted && !self.is_recovered => {
                self.log_wrong(FAILURES, "an error that the action log has of an object is not in it");
            }
            _ => {}
        }
    }

    /// The last action seals: it says what the bundle holds.
    fn sealing(&mut self, log: &Log, info: &BagInfo) {
        let Some(last) = log.last.as_ref().filter(|last| text(last, "action") == seal::SEAL) else {
            self.log_wrong(ACTIONS, "does not end with the action that seals the bundle");
            return;
        };
        if matches!(self.store, Store::Archive { .. }) && text(last, "object") != self.root {
            self.log_wrong(ACTIONS, "the bundle that it seals has another name than the folder in the archive");
        }
        let status = info.get("Collector-Status").unwrap_or_default();
        if text(last, "result") != status {
            self.log_wrong(BAG_INFO, "its Collector-Status is not what the action log says");
        }
        if status == "complete" && log.was_interrupted {
            self.log_wrong(
                BAG_INFO,
                "its Collector-Status is complete, and the action log says that it was interrupted",
            );
        }
        if status == "complete" && log.located > 0 && log.acquired == 0 {
            self.log_wrong(ACTIONS, "it found objects and acquired none, and the bundle says that it is complete");
        }
        if number(last, "objects") != self.sums.objects {
            self.log_wrong(OBJECTS, "has not as many lines as the action log says");
        }
        if number(last, "bytes") != self.sums.payload.1 {
            self.log_wrong(ACTIONS, "the payload has not as many bytes as it says");
        }
        if number(last, "problems") < self.sums.failures {
            self.log_wrong(FAILURES, "has more lines than the action log says that there were problems");
        }
        self.sealed_digests(last, info);
    }

    /// The sealing action carries the digests of what the log itself does not have.
    fn sealed_digests(&mut self, last: &Value, info: &BagInfo) {
        let of = |path: &str| self.digests.get(path).map(|digested| hex(&digested.sha256));
        let actual = [
            (BAG_INFO, seal::BAG_INFO_SHA256, Some(info.sha256.clone())),
            (FAILURES, seal::FAILURES_SHA256, of(FAILURES)),
            (HOST, seal::HOST_SHA256, of(HOST)),
            (MANIFESTS[0], seal::MANIFEST_SHA256, of(MANIFESTS[0])),
            (OBJECTS, seal::OBJECTS_SHA256, of(OBJECTS)),
            (TOOL, seal::TOOL_SHA256, of(TOOL)),
        ];
        if actual.iter().all(|(_, member, _)| last.get(member).is_none()) {
            let note = "not recorded: the action log has no digests of the other files, as earlier versions did not \
                        write them, so its last hash does not stand for them";
            self.report.notes.push(note.to_owned());
            return;
        }
        for (path, member, actual) in actual {
            if actual.is_some_and(|actual| last.get(member).and_then(Value::as_str) != Some(&actual)) {
                self.log_wrong(path, "is not the file that the action log sealed");
            }
        }
    }

    /// What the log says of the program, the source and its volumes is what the files about them say.
    fn beginning(&mut self, log: &Log, host: Option<&HostFile>, tool: Option<&ToolFile>) {
        let Some(begin) = &log.begin else {
            self.log_wrong(ACTIONS, "does not say how the collection began");
            return;
        };
        if let Some(tool) = tool {
            let command_line = Value::from(tool.command_line.clone());
            let program = tool.sha256.clone().map_or(Value::Null, Value::from);
            if text(begin, "object") != format!("{} {}", tool.name, tool.version)
                || begin.get("command_line") != Some(&command_line)
                || begin.get("program_sha256") != Some(&program)
            {
                self.log_wrong(TOOL, "does not name the program, or the way it was called, that the action log names");
            }
        }
        let Some(host) = host else { return };
        let mut volumes: Vec<_> = host
            .volumes
            .iter()
            .map(|volume| (volume.id.clone(), volume.kind.clone(), volume.offset, volume.searched))
            .collect();
        let mut opened = log.volumes.clone();
        volumes.sort();
        opened.sort();
        if volumes != opened {
            self.log_wrong(HOST, "does not have the volumes that the action log says were opened");
        }
        for (name, result) in &log.checks {
            if host.source.facts.get(name) != Some(result) {
                self.log_wrong(
                    HOST,
                    format!("does not say what the action log has of the check of the image: {}", one_line(name)),
                );
            }
        }
    }
}
