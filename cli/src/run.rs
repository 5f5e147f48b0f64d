//! `comtrail run`: collects, verifies and analyses, each host of the source by itself.

use crate::args::{CaseWords, CollectLimits, Common, TimelineScope};
use crate::collect::{self, Opened};
use crate::hosts::Host;
use crate::{Outcome, analyze, footprint, in_words, say};
use anyhow::Context;
use collector::Collected;
use std::io::Write;
use std::path::Path;
use timeline::{Index, IndexedHost, Report, ToolName};

/// What the run was asked for.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a Path,
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
    let (report, collected) = one(job, only.opened, job.output, &mut None)?;
    if job.source.as_os_str() == collector::source::live::NAME {
        footprint::write(job.output, job.limits.make_shadow_copy)?;
    }
    say::analyzed(&report, Some(&collected), job.output, job.common, out)
}

/// One host: its bundle and its report in a folder. `bundle` learns the bundle's name as soon as there is one.
fn one(
    job: &Job<'_>,
    opened: Opened,
    folder: &Path,
    bundle: &mut Option<String>,
) -> anyhow::Result<(Report, Collected)> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", collector::shown(folder)))?;
    let started = collect::now();
    let name = bundle_name(&opened.name, started);
    let collected = collect::collect(&opened, &folder.join(&name), started, job.words, job.limits, job.common)?;
    *bundle = Some(name);
    drop(opened);
    anyhow::ensure!(
        collected.verified.is_right(),
        "what was read back from {} is not what was written; it is kept for examination, nothing was analysed",
        collector::shown(&collected.path)
    );
    let analyzed = analyze::analyze(&collected.path, folder, job.scope.full_timeline, job.common)?;
    Ok((analyzed.report, collected))
}

/// Several hosts, one after the other, and the overview of all. What goes wrong with one does not stop the others.
fn several(job: &Job<'_>, hosts: Vec<Host>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    for name in ["index.html", "index.json"] {
        let path = job.output.join(name);
        anyhow::ensure!(!path.exists(), "{} is there already; choose another folder", collector::shown(&path));
    }
    let mut worst = Outcome::Complete;
    let mut indexed = Vec::new();
    let total = hosts.len();
    for (index, host) in hosts.into_iter().enumerate() {
        if !job.common.quiet && !job.common.json {
            crate::complain(&format!("host {} ({} of {total})", host.folder, index + 1));
        }
        let (host, outcome) = host_of_several(job, host);
        worst = worst.max(outcome);
        indexed.push(host);
    }
    let tool = ToolName { name: "comtrail".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let index = Index::new(tool, collector::shown(job.source), indexed);
    // Where no host could be collected, the folder may not be there yet.
    std::fs::create_dir_all(job.output).with_context(|| format!("cannot create {}", collector::shown(job.output)))?;
    analyze::write(job.output, "index.json", &index.to_json()?)?;
    analyze::write(job.output, "index.html", index.to_html().as_bytes())?;
    say::overview(&index, job.output, job.common, out)?;
    Ok(worst)
}

fn host_of_several(job: &Job<'_>, host: Host) -> (IndexedHost, Outcome) {
    let Host { opened, folder } = host;
    let name = opened.name.clone();
    if collect::is_interrupted() {
        let why = "the run was interrupted, or its time was over, before this host was begun";
        return (IndexedHost::without_report(name, folder, None, why), Outcome::WithProblems);
    }
    let mut bundle = None;
    let place = job.output.join(&folder);
    let done = one(job, opened, &place, &mut bundle).and_then(|(report, collected)| {
        let outcome = say::outcome_of(&report, Some(&collected));
        let sha256 = collect::file_hash(&collected.path)
            .with_context(|| format!("cannot read {}", collector::shown(&collected.path)))?;
        let file = collector::shown(collected.path.file_name().unwrap_or_default());
        let problems = say::count_real(&report.problems);
        Ok((IndexedHost::new(name.clone(), folder.clone(), (file, sha256), &report, problems), outcome))
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
