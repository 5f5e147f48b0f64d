//! What a command says at its end, to people or to programs.

use crate::analyze::Analyzed;
use crate::args::Common;
use crate::progress::printable;
use crate::summary::Page;
use crate::table::{Cell, Column, Table};
use crate::{Outcome, signals};
use collector::{Collected, Recovered};
use console::Style;
use evidence::Problem;
use std::io::Write;
use std::path::{Path, PathBuf};
use timeline::{Index, Report};

/// `1 note`, `2 notes`.
fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

fn outcome(problems: &[Problem]) -> Outcome {
    if problems.iter().all(|problem| problem.is_note) { Outcome::Complete } else { Outcome::WithProblems }
}

fn list(problems: &[Problem], common: &Common, out: &mut dyn Write) -> std::io::Result<()> {
    let notes = problems.iter().filter(|problem| problem.is_note).count();
    if common.verbose {
        for problem in problems {
            writeln!(out, "  {}", printable(&in_one_line(problem)))?;
        }
    }
    let real = match problems.len() - notes {
        0 => "none".to_owned(),
        real => real.to_string(),
    };
    writeln!(out, "problems     {real}, and {}", count(notes as u64, "note"))
}

/// `note: absent: C:\a: it is not there. Nothing follows`; a problem that is about no item names none.
fn in_one_line(problem: &Problem) -> String {
    let note = if problem.is_note { "note: " } else { "" };
    let item = if problem.item.is_empty() { String::new() } else { format!("{}: ", problem.item) };
    format!("{note}{}: {item}{}. {}", problem.kind.name(), problem.what, problem.effect)
}

/// Where the objects of a bundle come from: the source, and which of its hosts where it has several.
#[derive(Clone, Copy)]
pub(crate) struct From<'a> {
    pub(crate) source: &'a Path,
    pub(crate) host: Option<&'a str>,
}

/// Why a collection was ended early, and the command that goes on with it; none where it was not.
pub(crate) fn interrupted(collected: &Collected, from: From<'_>) -> Option<(String, String)> {
    if !collected.interrupted {
        return None;
    }
    let why = match &collected.stopped {
        Some(why) => format!("the destination took no more ({why})"),
        None => signals::why().to_owned(),
    };
    let command = collector::resume_command(from.source, from.host, &collected.path);
    Some((why, command))
}

/// Says that a collection was ended early.
fn write_interrupted(collected: &Collected, from: From<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let Some((why, command)) = interrupted(collected, from) else { return Ok(()) };
    let text = format!("{why}; what was collected until then is sealed");
    Page::of_standard_output().fact(out, "interrupted", &text)?;
    // In one piece, so that it can be copied.
    writeln!(out, "go on with   {}", printable(&command))
}

/// The hashes of a bundle, under the words by which everything else calls them.
fn write_down(bundle: Option<&str>, log: Option<&str>, out: &mut dyn Write) -> std::io::Result<()> {
    for (what, hash) in [("bundle", bundle), ("action log", log)] {
        if let Some(hash) = hash {
            writeln!(out, "{what:<12} {hash}")?;
        }
    }
    Ok(())
}

const WRITE_DOWN: &str = "\nTo be written down, elsewhere than with the files:";

/// After a collection.
pub(crate) fn collected(
    collected: &Collected,
    from: From<'_>,
    common: &Common,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let (objects, bytes) = (collected.objects, collected.bytes);
    if common.json {
        let result = serde_json::json!({
            "bundle": collector::shown(&collected.path), "objects": objects, "bytes": bytes, "rounds": collected.rounds,
            "interrupted": collected.interrupted, "stopped": collected.stopped,
            "verified": collected.read_back && collected.verified.is_right(), "read_back": collected.read_back,
            "archive_sha256": collected.verified.archive_sha256, "action_log_hash": collected.action_log_hash,
            "go_on_with": interrupted(collected, from).map(|(_, command)| command),
            "problems": collected.problems,
        });
        writeln!(out, "{result}")?;
    } else if !common.quiet {
        writeln!(out, "bundle       {}", plain(&collected.path))?;
        let (objects, rounds) = (count(objects, "object"), count(collected.rounds.into(), "round"));
        writeln!(out, "collected    {objects}, {bytes} bytes, in {rounds}")?;
        writeln!(
            out,
            "verified     {}",
            match (collected.read_back, collected.verified.is_right()) {
                (false, _) => "not read back, the system was ending; run `comtrail verify`",
                (true, true) if collected.interrupted => "valid",
                (true, true) => "complete and valid",
                (true, false) => "NOT VALID",
            }
        )?;
        write_interrupted(collected, from, out)?;
        list(&collected.problems, common, out)?;
        writeln!(out, "{WRITE_DOWN}")?;
        write_down(collected.verified.archive_sha256.as_deref(), Some(&collected.action_log_hash), out)?;
    }
    if !collected.verified.is_right() {
        return Ok(Outcome::NotValid);
    }
    Ok(if collected.interrupted { Outcome::WithProblems } else { outcome(&collected.problems) })
}

/// After a recovery, which gives a complete bundle only where it was complete and had not got its name.
pub(crate) fn recovered(recovered: &Recovered, common: &Common, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let Recovered { whole, not_known, lost, journal, .. } = *recovered;
    let right = recovered.verified.is_right();
    if common.json {
        let result = serde_json::json!({
            "bundle": collector::shown(&recovered.path),
            "status": recovered.sealed.as_deref().unwrap_or("recovered"), "journal": journal, "whole": whole,
            "not_known": not_known, "lost": lost, "bytes": recovered.bytes, "verified": right,
            "archive_sha256": recovered.verified.archive_sha256, "action_log_hash": recovered.action_log_hash,
            "problems": recovered.problems,
        });
        writeln!(out, "{result}")?;
    } else if !common.quiet {
        writeln!(out, "bundle       {}", plain(&recovered.path))?;
        match recovered.sealed.as_deref() {
            Some(status) => {
                let it_is = if status == "complete" { "it is complete" } else { "it was sealed" };
                let text = format!("{it_is}: it was only not renamed; this bundle is a copy of it, byte for byte");
                Page::of_standard_output().fact(out, "recovered", &text)?;
            }
            None => {
                let objects = count(whole, "object");
                let they = if whole == 1 { "it was" } else { "they were" };
                writeln!(out, "recovered    {objects} as {they} read, {} bytes in all", recovered.bytes)?;
            }
        }
        if not_known > 0 {
            writeln!(out, "not known    whether all was read of {}", count(not_known, "object"))?;
        }
        if lost > 0 {
            writeln!(out, "lost         {} that had been begun", count(lost, "object"))?;
        }
        if !journal && recovered.sealed.is_none() {
            writeln!(out, "journal      none was there")?;
        }
        let verified = match (right, recovered.sealed.as_deref()) {
            (false, _) => "NOT VALID",
            (true, Some("complete")) => "complete and valid",
            (true, Some(_)) => "valid",
            (true, None) => "valid, as a recovered bundle",
        };
        writeln!(out, "verified     {verified}")?;
        if recovered.sealed.is_none() || !recovered.problems.is_empty() {
            list(&recovered.problems, common, out)?;
        }
        writeln!(out, "{WRITE_DOWN}")?;
        write_down(recovered.verified.archive_sha256.as_deref(), Some(&recovered.action_log_hash), out)?;
    }
    Ok(match (right, recovered.sealed.as_deref()) {
        (false, _) => Outcome::NotValid,
        (true, Some("complete")) => Outcome::Complete,
        (true, _) => Outcome::WithProblems,
    })
}

/// After an analysis.
pub(crate) fn analyzed(
    analyzed: &Analyzed,
    collected: Option<(&Collected, From<'_>)>,
    folder: &Path,
    common: &Common,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let report = &analyzed.report;
    let first = analyzed.bundles.first();
    if common.json {
        let mut result = serde_json::Map::new();
        if let Some(changed) = &report.changed {
            result.insert("changed_after_sealing".to_owned(), serde_json::to_value(changed)?);
        }
        let facts = serde_json::json!({
            "bundle": collected.map(|(collected, _)| collector::shown(&collected.path)),
            "interrupted": collected.is_some_and(|(collected, _)| collected.interrupted),
            "stopped": collected.and_then(|(collected, _)| collected.stopped.as_ref()),
            "go_on_with": collected.and_then(|(collected, from)| Some(interrupted(collected, from)?.1)),
            "archive_sha256": first.and_then(|first| first.archive_sha256.as_ref()),
            "action_log_hash": first.and_then(|first| first.log_head.as_ref()),
            "analysis_manifest_sha256": analyzed.manifest_sha256,
            "report": collector::shown(folder.join("report.html")),
            "executions": report.executions.len(), "attempts": report.attempts.len(),
            "registrations": report.registrations.len(), "events": report.bundle.events, "summary": report.summary,
            "problems": report.problems_and_notes().0, "notes": report.problems_and_notes().1,
        });
        result.extend(facts.as_object().cloned().unwrap_or_default());
        if analyzed.bundles.len() > 1 {
            let parts = analyzed.bundles.iter().map(|part| {
                serde_json::json!({
                    "bag": part.bag, "archive_sha256": part.archive_sha256, "action_log_hash": part.log_head,
                })
            });
            result.insert("parts".to_owned(), parts.collect());
        }
        writeln!(out, "{}", serde_json::Value::from(result))?;
    } else if !common.quiet {
        let page = Page::of_standard_output();
        if let Some(changed) = &report.changed {
            page.wrapped(out, "", "", &changed.statement)?;
        }
        page.report(report, common.verbose, out)?;
        if let Some((collected, from)) = collected {
            writeln!(out, "bundle       {}", plain(&collected.path))?;
            write_interrupted(collected, from, out)?;
        }
        writeln!(out, "report       {}", plain(&absolute(&folder.join("report.html"))))?;
        writeln!(out, "timeline     {} events", report.bundle.events)?;
        list(&report.problems, common, out)?;
        writeln!(out, "{WRITE_DOWN}")?;
        for bundle in &analyzed.bundles {
            if analyzed.bundles.len() > 1 {
                writeln!(out, "of           {}", printable(&bundle.bag))?;
            }
            write_down(bundle.archive_sha256.as_deref(), bundle.log_head.as_deref(), out)?;
        }
        writeln!(out, "analysis     {}", analyzed.manifest_sha256)?;
    } else if let Some(changed) = &report.changed {
        crate::complain(&changed.statement);
    }
    Ok(outcome_of(report, collected.map(|(collected, _)| collected)))
}

/// How a host was done.
pub(crate) fn outcome_of(report: &Report, collected: Option<&Collected>) -> Outcome {
    let interrupted = collected.is_some_and(|collected| collected.interrupted);
    let doubtful = interrupted || report.changed.is_some();
    if doubtful { Outcome::WithProblems } else { outcome(&report.problems) }
}

/// After a run on several hosts.
pub(crate) fn overview(
    index: &Index,
    manifest_sha256: &str,
    folder: &Path,
    common: &Common,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if common.json {
        let mut result = serde_json::to_value(index)?;
        result["manifest_sha256"] = manifest_sha256.into();
        writeln!(out, "{result}")?;
        return Ok(());
    }
    if common.quiet {
        if let Some(changed) = &index.changed {
            crate::complain(&changed.statement);
        }
        return Ok(());
    }
    let page = Page::of_standard_output();
    if let Some(changed) = &index.changed {
        page.wrapped(out, "", "", &changed.statement)?;
    }
    page.wrapped(out, "", "", &index.headline)?;
    writeln!(out)?;
    let mut table = Table::new([
        Column::text("host", Some(12), 9),
        Column::number("runs", 7),
        Column::number("asked for", 3),
        Column::number("problems", 5),
        Column::text("what is known", None, 8),
    ]);
    for host in &index.hosts {
        let known = match (&host.report, host.partly_examined) {
            _ if host.changed.is_some() => Cell::styled("CHANGED after sealing", Style::new().red().bold()),
            (None, _) => Cell::styled("NOT EXAMINED", Style::new().red().bold()),
            (Some(_), true) => Cell::styled("not all examined", Style::new().yellow()),
            (Some(_), false) => Cell::styled("all was examined", Style::new().green()),
        };
        let number = |number: usize| Cell::new(host.report.as_ref().map_or_else(String::new, |_| number.to_string()));
        let [runs, asked, problems] = [host.executions, host.attempts, host.problems].map(number);
        table.push([Cell::new(&host.folder), runs, asked, problems, known]);
    }
    table.write(&page, out)?;
    for host in &index.hosts {
        if common.verbose || host.report.is_none() {
            page.wrapped(out, &format!("\n{}  ", printable(&host.folder)), "  ", &host.headline)?;
        }
    }
    writeln!(out, "\noverview     {}", plain(&absolute(&folder.join("index.html"))))?;
    writeln!(out, "{WRITE_DOWN}")?;
    for host in index.hosts.iter().filter(|host| host.bundle_sha256.is_some() || host.action_log_hash.is_some()) {
        writeln!(out, "of           {}", printable(&host.folder))?;
        write_down(host.bundle_sha256.as_deref(), host.action_log_hash.as_deref(), out)?;
        if let Some(sha256) = &host.analysis_manifest_sha256 {
            writeln!(out, "analysis     {sha256}")?;
        }
    }
    writeln!(out, "of all analyses together")?;
    writeln!(out, "analysis     {manifest_sha256}")?;
    Ok(())
}

/// A path from the root, so that every path that is told can be used from anywhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path as people write it: without the mark by which Windows knows a path of any length.
fn plain(path: &Path) -> String {
    let text = collector::shown(path);
    text.strip_prefix(r"\\?\").filter(|rest| !rest.starts_with("UNC")).map_or(text.clone(), str::to_owned)
}
