//! `comtrail run`: collects, verifies and analyses, each host of the source by itself.

use crate::analyze::{self, Analyzed};
use crate::args::{CaseWords, CollectLimits, Common, TimelineScope};
use crate::collect::{self, Opened};
use crate::hosts::Host;
use crate::{Outcome, footprint, in_words, place, say, signals};
use anyhow::Context;
use collector::Collected;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use timeline::{Index, IndexedHost, ToolName};

/// What the run was asked for.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a Path,
    /// The host that was asked for, where one was.
    pub(crate) host: Option<&'a str>,
    pub(crate) output: &'a Path,
    pub(crate) words: &'a CaseWords,
    pub(crate) limits: &'a CollectLimits,
    pub(crate) scope: &'a TimelineScope,
    pub(crate) common: &'a Common,
}

/// Runs the job on the hosts; one is answered in the folder of the case itself, several each in a folder of its own.
pub(crate) fn run(job: &Job<'_>, mut hosts: Vec<Host>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    for host in &hosts {
        host.opened.refuse_destination(job.output)?;
    }
    if hosts.len() > 1 {
        return several(job, hosts, out);
    }
    let only = hosts.pop().context("the source holds no host")?;
    let (analyzed, collected) = one(job, only.opened, (job.output, job.host), &mut None)?;
    if job.source.as_os_str() == collector::source::live::NAME {
        footprint::write(job.output, job.limits.make_shadow_copy)?;
    }
    let from = say::From { source: job.source, host: job.host };
    say::analyzed(&analyzed, Some((&collected, from)), job.output, job.common, out)
}

/// One host: its bundle and its report in a folder. `bundle` learns the bundle's name as soon as there is one.
fn one(
    job: &Job<'_>,
    opened: Opened,
    (folder, host): (&Path, Option<&str>),
    bundle: &mut Option<String>,
) -> anyhow::Result<(Analyzed, Collected)> {
    place::folder(folder)?;
    let started = collect::now();
    let name = bundle_name(&opened.name, started);
    let collected = collect::collect(&opened, &folder.join(&name), (started, None), job.words, job.limits, job.common)?;
    *bundle = Some(name);
    drop(opened);
    anyhow::ensure!(
        collected.verified.is_right(),
        "what was read back from {} is not what was written; it is kept for examination, nothing was analysed",
        collector::shown(&collected.path)
    );
    if collected.interrupted && collected.objects == 0 {
        let (why, command) = say::interrupted(&collected, say::From { source: job.source, host }).unwrap_or_default();
        anyhow::bail!(
            "nothing of the evidence could be collected: {why}. {} is sealed, holds no object and lists what was not \
             reached; no report was made. Go on with: {command}",
            collector::shown(&collected.path)
        );
    }
    let analyzed = analyze::analyze(&analyze::Request {
        bundles: std::slice::from_ref(&collected.path),
        folder,
        options: &analyze::Options::new(job.scope, false),
        replace: false,
        // The bundle was read back a moment ago.
        read_back: Some(&collected.verified),
        common: job.common,
    });
    let analyzed = analyzed.with_context(|| {
        let (bundle, state) =
            (collector::shown(&collected.path), if collected.interrupted { ", as interrupted," } else { "" });
        let sha256 = collected.verified.archive_sha256.as_deref().unwrap_or("not known");
        format!(
            "{bundle} is sealed{state} and was read back (SHA-256 {sha256}); only its analysis failed, which \
             `comtrail analyze {bundle} -o FOLDER` makes"
        )
    })?;
    Ok((analyzed, collected))
}

/// Several hosts, one after the other, and the overview of all. What goes wrong with one does not stop the others.
fn several(job: &Job<'_>, hosts: Vec<Host>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    for host in &hosts {
        place::refuse_second_run(&job.output.join(&host.folder))?;
    }
    let hosts = hosts.into_iter().map(|Host { opened, folder }| (opened, folder));
    let source = collector::shown(job.source);
    overview((job.output, false), &source, job.common, hosts, out, |(opened, folder)| {
        host_of_several(job, opened, folder)
    })
}

/// A host of several, and how it was done.
pub(crate) type Done = (IndexedHost, Outcome);

/// Does each of the hosts, which have a folder each, and writes the overview of all, in place of one that is there where
/// that is wanted.
pub(crate) fn overview<T>(
    (case, replace): (&Path, bool),
    source: &str,
    common: &Common,
    hosts: impl ExactSizeIterator<Item = (T, String)>,
    out: &mut dyn Write,
    mut done: impl FnMut((T, String)) -> Done,
) -> anyhow::Result<Outcome> {
    for name in place::INDEX {
        let path = case.join(name);
        let there = !replace && path.symlink_metadata().is_ok();
        anyhow::ensure!(!there, "{} is there already; choose another folder", collector::shown(&path));
    }
    place::folder(case)?;
    let mut worst = Outcome::Complete;
    let mut indexed = Vec::new();
    let total = hosts.len();
    for (index, host) in hosts.enumerate() {
        if !common.quiet && !common.json {
            crate::complain(&format!("host {} ({} of {total})", host.1, index + 1));
        }
        let (host, outcome) = done(host);
        worst = worst.max(outcome);
        indexed.push(host);
    }
    let index = Index::new(tool(), source.to_owned(), indexed);
    let manifest_sha256 = write_overview(case, &index, replace)?;
    say::overview(&index, &manifest_sha256, case, common, out)?;
    Ok(worst)
}

/// The program, for the overview.
pub(crate) fn tool() -> ToolName {
    ToolName { name: "comtrail".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// A host that was analysed, as the overview lists it. `bundle` is the file in its folder; one that lies elsewhere is told
/// by its hash alone.
pub(crate) fn indexed(name: String, folder: String, bundle: Option<String>, analyzed: &Analyzed) -> IndexedHost {
    let sha256 = analyzed.bundles.first().and_then(|first| first.archive_sha256.clone()).unwrap_or_default();
    let mut host = IndexedHost::new(name, folder, (bundle, sha256), &analyzed.report)
        .with_volumes(analyzed.serials.iter().cloned(), analyzed.windows.clone());
    host.analysis_manifest_sha256 = Some(analyzed.manifest_sha256.clone());
    host.action_log_hash = analyzed.bundles.first().and_then(|first| first.log_head.clone());
    host
}

/// Writes the overview, and the manifest over it and over the manifests of the hosts. Gives the manifest's own hash.
fn write_overview(case: &Path, index: &Index, replace: bool) -> anyhow::Result<String> {
    let files = [("index.html", index.to_html().into_bytes()), ("index.json", index.to_json()?)];
    let mut hashes: BTreeMap<String, String> = index
        .hosts
        .iter()
        .filter_map(|host| {
            Some((format!("{}/{}", host.folder, place::MANIFEST), host.analysis_manifest_sha256.clone()?))
        })
        .collect();
    let aside = place::temporary(case)?;
    for (name, bytes) in &files {
        place::write(aside.path(), name, bytes)?;
        hashes.insert((*name).to_owned(), place::hash_of(bytes));
    }
    let manifest: String = hashes.iter().map(|(name, sha256)| place::manifest_line(name, sha256)).collect();
    place::write(aside.path(), place::MANIFEST, manifest.as_bytes())?;
    analyze::publish(aside.path(), case, place::INDEX, replace)?;
    Ok(place::hash_of(manifest.as_bytes()))
}

fn host_of_several(job: &Job<'_>, opened: Opened, folder: String) -> Done {
    let name = opened.name.clone();
    if signals::is_interrupted() {
        let why = "the run was interrupted, or its time was over, before this host was begun";
        return (IndexedHost::without_report(name, folder, None, why), Outcome::WithProblems);
    }
    let mut bundle = None;
    let own = place::folder_of_host(job.output, &folder);
    let done = own.and_then(|own| one(job, opened, (&own, Some(&folder)), &mut bundle)).map(|(analyzed, collected)| {
        let from = say::From { source: job.source, host: Some(&folder) };
        if let Some((why, command)) = say::interrupted(&collected, from) {
            crate::complain(&format!(
                "{folder}: interrupted: {why}; what was collected until then is sealed. Go on with: {command}"
            ));
        }
        let outcome = say::outcome_of(&analyzed.report, Some(&collected));
        let file = collector::shown(collected.path.file_name().unwrap_or_default());
        (indexed(name.clone(), folder.clone(), Some(file), &analyzed), outcome)
    });
    done.unwrap_or_else(|error| {
        let why = in_words(&error);
        crate::complain(&format!("{folder}: {why}"));
        (IndexedHost::without_report(name, folder, bundle, &why), Outcome::NotValid)
    })
}

/// `WS-FIN-07-20260304T141233Z.zip`, with the characters of a host name that every file system takes.
fn bundle_name(host: &str, started: evidence::Filetime) -> String {
    let plain: String = host
        .chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .collect();
    let t = started.civil();
    format!("{plain}-{:04}{:02}{:02}T{:02}{:02}{:02}Z.zip", t.year, t.month, t.day, t.hour, t.minute, t.second)
}
