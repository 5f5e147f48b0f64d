//! From the records of all objects to the timeline and the report.

use super::Options;
use super::beside::Neighbours;
use super::changed::Changed;
use super::output::{Hashed, Hashes};
use super::work::Analysis;
use crate::args::Common;
use crate::focus;
use crate::memory::held_of;
use crate::pace;
use crate::parts::Collection;
use crate::progress::{Progress, Style};
use crate::renamed::Renamed;
use crate::signals;
use anyhow::Context;
use collector::{BundleReader, Spill};
use evidence::{Focus, Item, ItemId, Items, Phase, Problem, ProblemKind, Record, Stage};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::path::Path;
use timeline::{
    BundleName, CaseFacts, Cited, Correlator, Host, Marks, Merger, Output, Report, Rules, Sorted, TimelineSummary,
    ToolName,
};

/// What a report is made of.
pub(super) struct Work<'a> {
    pub(super) collection: &'a Collection,
    pub(super) changed: Option<&'a Changed<'a>>,
    /// Where the timeline's files and what does not fit into memory go.
    pub(super) folder: &'a Path,
    pub(super) options: &'a Options,
    pub(super) rules: Rules,
    pub(super) common: &'a Common,
}

impl Work<'_> {
    pub(super) fn report(&self, hashes: &mut Hashes) -> anyhow::Result<Report> {
        let (reader, memory) = (&self.collection.reader, self.common.memory);
        let failures: Vec<Problem> = reader.failures().iter().chain(&self.collection.missing).cloned().collect();
        let items: &dyn Items = self.changed.map_or(reader.items() as &dyn Items, |changed| &changed.items);
        let progress = Progress::new(Style::choose(self.common.quiet, self.common.json));
        let neighbours = Neighbours::new(items, artifacts::ALL);
        let temp = Spill::into_folder(self.folder).holding(held_of(memory));
        let analysis = Analysis::new((reader, items, neighbours), temp, memory / 2, progress, &failures);
        let merger = Merger::new(self.folder, usize::try_from(memory / 8).unwrap_or(32 << 20));
        let (host, focus, tools) = self.parse(&analysis, items, &merger);
        let (progress, parsed) = analysis.finish();
        signals::check()?;
        let mut problems = match parsed {
            Err(error @ collector::Error::Write { .. }) => return Err(error.into()),
            other => {
                // Says all that is wrong with a bundle of which an object is not what was sealed.
                self.collection.end_verifying(self.common)?;
                other?
            }
        };
        progress.phase("merging and correlating", 0);
        let mut correlator = Correlator::new(host, items, artifacts::ALL, self.rules.own_acts())
            .suspecting(&tools)
            .knowing(&failures)
            .having_searched(searched(reader))
            .within(focus.everything.then_some(Focus { everything: false, ..focus }));
        let mut sorted = merger.finish()?;
        let summary = timeline::show(&mut sorted, items, &mut correlator, &mut pace::work)?;
        reader.failure().map_or(Ok(()), Err)?;
        signals::check()?;
        problems.extend(summary.problems);
        let tool = ToolName { name: "comtrail".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let bundle = self.bundle(summary.events)?;
        let story = correlator.finish();
        let assessed = timeline::assess(&story, &self.rules);
        let mut report = Report::new(tool, bundle, story, assessed, problems.into_vec());
        report.case = case_facts(reader);
        report.changed = self.changed.map(|changed| changed.said.clone());
        // Rows say to what of the report they belong.
        let cited = report.cited();
        let written = self.timeline(sorted, items, &cited, &report.host, hashes)?;
        report.take_records(written.cited);
        signals::check()?;
        progress.finish();
        Ok(report)
    }

    /// Parses every object: first for the artifacts that need nothing but their bytes, then for those that describe only
    /// what the records of the first are about. What describes the host is no event. Gives what that was too.
    fn parse(&self, analysis: &Analysis<'_>, items: &dyn Items, merger: &Merger) -> (Host, Focus, BTreeSet<ItemId>) {
        let focus = Mutex::new(focus::on_the_tools());
        let of_host: Mutex<Vec<(Item, Record)>> = Mutex::default();
        let renamed = Renamed::default();
        let take = |item: &Item, record: Record| match record.of.tells.is_of_the_host() {
            true => of_host.lock().push((item.clone(), record)),
            false => merger.add(item.id, &record),
        };
        analysis.run(Phase::Independent, "parsing", &Focus::default(), &|artifact, item, record| {
            for ((path, kept_for), _) in renamed.leads(artifact, item, &record) {
                // Programs that merely ran are no more than looked at.
                if kept_for != Some(Item::RAN) {
                    focus::add_path(&mut focus.lock(), &path);
                }
            }
            take(item, record);
        });
        let mut focus = focus.into_inner();
        let (tools, left_out) = renamed.finish();
        if left_out > 0 {
            let what = format!("{left_out} names in records of programs that ran were left out, to bound memory");
            let effect =
                "if such a program is a tool under another name, a file that it was given may not have been collected";
            analysis.add(Problem::new(Stage::Parse, ProblemKind::LimitReached, "", what, effect));
        }
        focus::add_items(&mut focus, items, &tools);
        focus.everything = self.options.full_timeline;
        analysis.run(Phase::Focused, "parsing the file system", &focus, &|_, item, record| take(item, record));
        // The first of several records counts, whichever thread was the first.
        let mut of_host = of_host.into_inner();
        of_host.sort_by_key(|(item, record)| (item.id, record.artifact));
        let mut host = Host::from_records(&of_host);
        host.serials = serials(&self.collection.reader);
        (host, focus, tools)
    }

    /// Writes the files of the timeline.
    fn timeline(
        &self,
        sorted: Sorted,
        items: &dyn Items,
        cited: &Cited,
        host: &Host,
        hashes: &mut Hashes,
    ) -> anyhow::Result<TimelineSummary> {
        let mut outputs = Vec::new();
        for format in self.options.timeline.iter() {
            let Output { format, name, to } = Output::create(self.folder, format)?;
            let to = Hashed::new(to).with_context(|| format!("cannot write {name}"))?;
            outputs.push(Output { format, name, to });
        }
        let marks = Marks { changed: self.changed.map(|changed| &changed.ids), cited: Some(cited), host: Some(host) };
        let summary = timeline::write_timeline(sorted, items, marks, &mut outputs, &mut pace::work)?;
        for Output { format, name, to } in outputs {
            let sha256 = to.finish().with_context(|| format!("cannot write {name}"))?;
            hashes.0.insert(format.file_name, sha256);
        }
        Ok(summary)
    }

    fn bundle(&self, events: u64) -> anyhow::Result<BundleName> {
        let Collection { reader, verified, names, .. } = self.collection;
        let collecting = |name: &str| reader.tool().get(name).cloned().unwrap_or_default();
        Ok(BundleName {
            file: format!("{}.zip", reader.bag()),
            bag: reader.bag().to_owned(),
            archive_sha256: verified.first().and_then(|first| first.archive_sha256.clone()),
            sha256: reader.tag_manifest_sha256()?,
            source: serde_json::from_value(collecting("source")).unwrap_or_default(),
            checks: image_checks(reader),
            collected: serde_json::from_value(collecting("started")).ok(),
            objects: reader.items().count() as u64,
            events,
            full_timeline: self.options.full_timeline,
            parts: names.clone(),
        })
    }
}

/// Which artifacts the collection looked for, where the bundle says so; one that was recovered does not.
fn searched(reader: &BundleReader) -> Option<BTreeSet<String>> {
    let listed = reader.tool().get("artifacts")?.as_array()?;
    let ids: BTreeSet<String> = listed.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The letters of the collected volumes, with what Windows shows of their serial numbers: the last eight digits.
fn serials(reader: &BundleReader) -> Vec<(String, String)> {
    let volumes = reader.host()["volumes"].as_array();
    let of = |volume: &serde_json::Value| {
        let (letter, serial) = (volume["letter"].as_str()?, volume["serial"].as_str()?);
        Some((format!("{}:", letter.trim_end_matches(':')), serial.get(serial.len().checked_sub(8)?..)?.to_owned()))
    };
    volumes.into_iter().flatten().filter_map(of).collect()
}

/// What was said about the case when it was collected.
fn case_facts(reader: &BundleReader) -> CaseFacts {
    let fact = |name: &str| Some(reader.host().pointer("/facts")?.get(name)?.as_str()?.to_owned());
    CaseFacts {
        id: fact("CaseId"),
        examiner: fact("Examiner"),
        organization: fact("Organization"),
        reference_time: fact("ReferenceTime"),
        clock_difference: fact("ClockDifference"),
    }
}

/// What the check of the image gave, where there was one.
fn image_checks(reader: &BundleReader) -> Vec<String> {
    let facts = reader.host().pointer("/source/facts").and_then(serde_json::Value::as_object);
    let checks = facts.into_iter().flatten().filter(|(name, _)| name.starts_with("check of the "));
    checks.map(|(name, result)| format!("{name}: {}", result.as_str().unwrap_or_default())).collect()
}
