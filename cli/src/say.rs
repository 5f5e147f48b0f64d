//! What a command says at its end, to people or to programs.

use crate::Outcome;
use crate::analyze::Analyzed;
use crate::args::Common;
use crate::progress::printable;
use crate::summary::Page;
use crate::table::{Cell, Column, Table};
use collector::{Collected, Recovered};
use console::Style;
use evidence::Problem;
use std::io::Write;
use std::path::Path;
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
            writeln!(
                out,
                "  {}{}: {}: {}. {}",
                if problem.is_note { "note: " } else { "" },
                problem.kind.name(),
                printable(&problem.item),
                printable(&problem.what),
                printable(&problem.effect)
            )?;
        }
    }
    let real = match problems.len() - notes {
        0 => "none".to_owned(),
        real => real.to_string(),
    };
    writeln!(out, "problems     {real}, and {}", count(notes as u64, "note"))
}

/// After a collection.
pub(crate) fn collected(collected: &Collected, common: &Common, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let (objects, bytes) = (collected.objects, collected.bytes);
    if common.json {
        let result = serde_json::json!({
            "bundle": collector::shown(&collected.path), "objects": objects, "bytes": bytes, "rounds": collected.rounds,
            "interrupted": collected.interrupted, "stopped": collected.stopped,
            "verified": collected.read_back && collected.verified.is_right(), "read_back": collected.read_back,
            "archive_sha256": collected.verified.archive_sha256, "action_log_hash": collected.action_log_hash,
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
        if let Some(hash) = &collected.verified.archive_sha256 {
            writeln!(out, "archive      {hash}")?;
        }
        writeln!(out, "action log   {}", collected.action_log_hash)?;
        if collected.interrupted {
            let why = collected.stopped.as_ref().map(|why| format!("the destination took no more ({why}); "));
            let why = why.unwrap_or_default();
            writeln!(out, "interrupted  {}what was collected until then is sealed", printable(&why))?;
        }
        list(&collected.problems, common, out)?;
    }
    if !collected.verified.is_right() {
        return Ok(Outcome::NotValid);
    }
    Ok(if collected.interrupted { Outcome::WithProblems } else { outcome(&collected.problems) })
}

/// After a recovery, which never gives a complete bundle.
pub(crate) fn recovered(recovered: &Recovered, common: &Common, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let Recovered { whole, not_known, lost, journal, .. } = *recovered;
    let right = recovered.verified.is_right();
    if common.json {
        let result = serde_json::json!({
            "bundle": collector::shown(&recovered.path), "status": "recovered", "journal": journal, "whole": whole,
            "not_known": not_known, "lost": lost, "bytes": recovered.bytes, "verified": right,
            "archive_sha256": recovered.verified.archive_sha256, "action_log_hash": recovered.action_log_hash,
            "problems": recovered.problems,
        });
        writeln!(out, "{result}")?;
    } else if !common.quiet {
        writeln!(out, "bundle       {}", plain(&recovered.path))?;
        writeln!(out, "recovered    {whole} objects as they were read, {} bytes in all", recovered.bytes)?;
        if not_known > 0 {
            writeln!(out, "not known    of {not_known} objects whether all was read")?;
        }
        if lost > 0 {
            writeln!(out, "lost         {lost} objects that had been begun")?;
        }
        if !journal {
            writeln!(out, "journal      none was there")?;
        }
        writeln!(out, "verified     {}", if right { "valid, as a recovered bundle" } else { "NOT VALID" })?;
        if let Some(hash) = &recovered.verified.archive_sha256 {
            writeln!(out, "archive      {hash}")?;
        }
        writeln!(out, "action log   {}", recovered.action_log_hash)?;
        list(&recovered.problems, common, out)?;
    }
    Ok(if right { Outcome::WithProblems } else { Outcome::NotValid })
}

/// After an analysis.
pub(crate) fn analyzed(
    analyzed: &Analyzed,
    collected: Option<&Collected>,
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
            "bundle": collected.map(|collected| collector::shown(&collected.path)),
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
        if let Some(collected) = collected {
            writeln!(out, "bundle       {}", plain(&collected.path))?;
        }
        writeln!(out, "report       {}", collector::shown(folder.join("report.html")))?;
        writeln!(out, "timeline     {} events", report.bundle.events)?;
        list(&report.problems, common, out)?;
        writeln!(out, "\nTo be written down, elsewhere than with the files:")?;
        for bundle in &analyzed.bundles {
            if analyzed.bundles.len() > 1 {
                writeln!(out, "of           {}", printable(&bundle.bag))?;
            }
            if let Some(sha256) = &bundle.archive_sha256 {
                writeln!(out, "bundle       {sha256}")?;
            }
            if let Some(head) = &bundle.log_head {
                writeln!(out, "action log   {head}")?;
            }
        }
        writeln!(out, "analysis     {}", analyzed.manifest_sha256)?;
    } else if let Some(changed) = &report.changed {
        crate::complain(&changed.statement);
    }
    Ok(outcome_of(report, collected))
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
        return Ok(());
    }
    let page = Page::of_standard_output();
    page.wrapped(out, "", "", &index.headline)?;
    writeln!(out)?;
    let mut table = Table::new([
        Column::text("host", Some(12), 9),
        Column::number("runs", 7),
        Column::number("asked for", 3),
        Column::number("problems", 5),
        Column::text("what is known", None, 8),
        Column::sha256(1),
    ]);
    for host in &index.hosts {
        let known = match (&host.report, host.partly_examined) {
            (None, _) => Cell::styled("NOT EXAMINED", Style::new().red().bold()),
            (Some(_), true) => Cell::styled("not all examined", Style::new().yellow()),
            (Some(_), false) => Cell::styled("all was examined", Style::new().green()),
        };
        let number = |number: usize| Cell::new(host.report.as_ref().map_or_else(String::new, |_| number.to_string()));
        let [runs, asked, problems] = [host.executions, host.attempts, host.problems].map(number);
        let sha256 = Cell::new(host.bundle_sha256.as_deref().unwrap_or_default());
        table.push([Cell::new(&host.folder), runs, asked, problems, known, sha256]);
    }
    table.write(&page, out)?;
    for host in &index.hosts {
        if common.verbose || host.report.is_none() {
            page.wrapped(out, &format!("\n{}  ", printable(&host.folder)), "  ", &host.headline)?;
        }
    }
    writeln!(out, "\noverview     {}", collector::shown(folder.join("index.html")))?;
    writeln!(out, "manifest     {manifest_sha256}")?;
    Ok(())
}

/// A path as people write it: without the mark by which Windows knows a path of any length.
fn plain(path: &Path) -> String {
    let text = collector::shown(path);
    text.strip_prefix(r"\\?\").filter(|rest| !rest.starts_with("UNC")).map_or(text.clone(), str::to_owned)
}
