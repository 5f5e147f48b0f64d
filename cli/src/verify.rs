//! `comtrail verify`: one bundle or many, as archives or unpacked.

use crate::Outcome;
use crate::args::{CheckOptions, Common, ExpectedHashes};
use crate::progress::{Progress, Style, printable};
use crate::summary::Page;
use crate::table::{Cell, Column, Table, grouped};
use crate::{Usage, check_case, collect};
use collector::VerifyReport;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Things that are wrong with one bundle and stand on the terminal; JSON has all.
const SHOWN: usize = 100;

/// Verifies the bundles, one after the other. The worst of them decides how it ends.
pub(crate) fn run(
    bundles: &[PathBuf],
    expected: &ExpectedHashes,
    analysis: &CheckOptions,
    common: &Common,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let cancel = crate::signals::cancel();
    let mut worst = Outcome::Complete;
    let (mut list, mut done, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for bundle in bundles {
        if check_case::is_case(bundle) {
            if expected.archive.is_some() || expected.log.is_some() {
                let what = collector::shown(bundle);
                return Err(Usage(format!(
                    "{what} is the folder of an analysis, and --expect-bundle and --expect-log are for a bundle; give the \
                     bundle itself, or --expect-analysis"
                ))
                .into());
            }
            let checked = check_case::check(bundle, analysis, common)?;
            worst = worst.max(checked.outcome());
            if common.json {
                list.push(checked.to_json(bundle));
            } else if bundles.len() == 1 || common.verbose || checked.outcome() != Outcome::Complete {
                checked.write(bundle, common.quiet, out)?;
            }
            lines.push(Line::of_case(bundle, &checked));
            continue;
        }
        if analysis.are_given() {
            let what = collector::shown(bundle);
            return Err(Usage(format!(
                "{what} is no folder of an analysis, and --again, --bundle and --expect-analysis are for one"
            ))
            .into());
        }
        let shown = collect::Shown::new(Progress::new(Style::choose(common.quiet, common.json)));
        let verified = collector::verify(bundle, common.worker_threads(), cancel, &shown);
        shown.progress.finish();
        let mut report = match verified {
            Ok(report) => report,
            Err(error) if bundles.len() == 1 => return Err(error.into()),
            Err(error) => {
                worst = Outcome::NotValid;
                let error = error.to_string();
                if common.json {
                    list.push(serde_json::json!({"bundle": collector::shown(bundle), "valid": false, "error": error}));
                } else {
                    writeln!(out, "{}: NOT verified: {}", printable(&collector::shown(bundle)), printable(&error))?;
                }
                lines.push(Line::without_bundle(bundle, "not verified"));
                continue;
            }
        };
        report.expect(expected.archive.as_deref(), expected.log.as_deref());
        if common.json {
            list.push(to_json(&report, bundle));
        } else if !report.is_valid() || !common.quiet && (bundles.len() == 1 || common.verbose) {
            write(&report, bundle, bundles.len() == 1 || common.verbose, out)?;
        }
        lines.push(Line::of_bundle(bundle, &report));
        // What is wrong was said; of each bundle only what its parts need is kept.
        report.wrong.truncate(1);
        done.push((bundle.as_path(), report));
    }
    worst = worst.max(together(&done, &mut lines, &mut list, common, out)?);
    match list.as_slice() {
        _ if !common.json && (common.quiet || lines.len() < 2) => {}
        _ if !common.json => {
            let (page, closing) = (Page::of_standard_output(), closing(&lines, &done));
            table(lines).write(&page, out)?;
            page.wrapped(out, "", "", &closing)?;
        }
        [only] if bundles.len() == 1 => writeln!(out, "{only}")?,
        all => writeln!(out, "{}", serde_json::Value::from(all.to_vec()))?,
    }
    Ok(worst)
}

/// How the bundles are with one another. What is to be said of a part goes to its line or its JSON.
fn together(
    done: &[(&Path, VerifyReport)],
    lines: &mut [Line],
    list: &mut [serde_json::Value],
    common: &Common,
    out: &mut dyn Write,
) -> std::io::Result<Outcome> {
    let mut worst = Outcome::Complete;
    for (bundle, report) in done {
        let (outcome, said) = among_its_parts(report, done);
        worst = worst.max(outcome);
        if outcome == Outcome::NotValid {
            lines
                .iter_mut()
                .filter(|line| line.path == *bundle)
                .for_each(|line| (line.state, line.outcome) = (NOT_VALID, outcome));
        }
        let Some(said) = said else { continue };
        if common.json {
            let shown = collector::shown(bundle);
            let noted = list.iter_mut().find(|one| one["bundle"] == *shown).and_then(|one| one["notes"].as_array_mut());
            noted.into_iter().for_each(|notes| notes.push(said.clone().into()));
        } else if !common.quiet || outcome == Outcome::NotValid {
            writeln!(out, "{}: {}", printable(&collector::shown(bundle)), printable(&said))?;
        }
    }
    Ok(worst)
}

/// What stands in the table for a bundle of which something is wrong.
const NOT_VALID: &str = "NOT VALID";

/// The same for one of which nothing is wrong or missing.
const COMPLETE: &str = "complete and valid";

/// One line of the table of many.
struct Line {
    path: PathBuf,
    is_analysis: bool,
    state: &'static str,
    outcome: Outcome,
    /// Payload files and their bytes, of a bundle.
    holds: Option<(u64, u64)>,
    /// SHA-256 of the archive, or of the manifest of an analysis.
    sha256: Option<String>,
}

impl Line {
    fn of_bundle(path: &Path, report: &VerifyReport) -> Self {
        let state = match report.status.as_deref() {
            _ if !report.is_valid() => NOT_VALID,
            Some("interrupted") => "valid, interrupted",
            Some("recovered") => "valid, recovered",
            Some("empty") => "valid, empty",
            _ if report.is_complete() => COMPLETE,
            _ => "valid",
        };
        let (holds, sha256) = (Some((report.files, report.bytes)), report.archive_sha256.clone());
        Line { path: path.to_owned(), is_analysis: false, state, outcome: outcome(report), holds, sha256 }
    }

    fn of_case(path: &Path, checked: &check_case::Checked) -> Self {
        let outcome = checked.outcome();
        let state = match outcome {
            Outcome::Complete => "unchanged",
            Outcome::WithProblems => "not all seen",
            Outcome::NotValid if checked.wrong.is_empty() => "bundle changed",
            Outcome::NotValid => "CHANGED",
        };
        let sha256 = checked.manifest_sha256.clone();
        Line { path: path.to_owned(), is_analysis: true, state, outcome, holds: None, sha256 }
    }

    fn without_bundle(path: &Path, state: &'static str) -> Self {
        let outcome = Outcome::NotValid;
        Line { path: path.to_owned(), is_analysis: false, state, outcome, holds: None, sha256: None }
    }
}

fn table(lines: Vec<Line>) -> Table<4> {
    let mut table = Table::new([
        Column::text("bundle", Some(16), 9),
        Column::text("state", None, 8),
        Column::number("objects", 2),
        Column::number("bytes", 1),
    ]);
    for line in lines {
        let style = match line.outcome {
            Outcome::Complete => console::Style::new().green(),
            Outcome::WithProblems => console::Style::new().yellow(),
            Outcome::NotValid => console::Style::new().red().bold(),
        };
        let number = |number: Option<u64>| Cell::new(number.map_or_else(String::new, grouped));
        let row = [
            Cell::new(collector::shown(&line.path)),
            Cell::styled(line.state, style),
            number(line.holds.map(|(files, _)| files)),
            number(line.holds.map(|(_, bytes)| bytes)),
        ];
        table.push_with_hash(row, line.sha256);
    }
    table
}

/// What is to be said of all of them: how many are whole, and whether the parts of a collection are together.
fn closing(lines: &[Line], done: &[(&Path, VerifyReport)]) -> String {
    let mut said = Vec::new();
    let bundles: Vec<&Line> = lines.iter().filter(|line| !line.is_analysis).collect();
    if !bundles.is_empty() {
        let whole = bundles.iter().filter(|line| line.state == COMPLETE).count();
        let are = if whole == 1 { "is" } else { "are" };
        said.push(format!("{whole} of {} {are} complete and valid; none is signed.", bundles.len()));
    }
    let analyses = lines.len() - bundles.len();
    if analyses > 0 {
        let right = lines.iter().filter(|line| line.is_analysis && line.outcome == Outcome::Complete).count();
        let are = if right == 1 { "is" } else { "are" };
        said.push(format!("{right} of {analyses} analyses {are} unchanged."));
    }
    let mut groups: BTreeMap<&str, Vec<&VerifyReport>> = BTreeMap::new();
    for (_, report) in done {
        groups.entry(&report.part.of).or_default().push(report);
    }
    groups.retain(|_, parts| parts.iter().any(|part| part.part.number > 1));
    let several = groups.len() > 1;
    for (collection, parts) in groups {
        let are_whole = parts.iter().all(|part| among_its_parts(part, done).0 == Outcome::Complete);
        let of = if several { format!(" of {collection}") } else { String::new() };
        let are = if are_whole { "are" } else { "are NOT" };
        said.push(format!("Together the parts{of} {are} complete."));
    }
    said.join(" ")
}

/// 0, 2 or 1: valid and complete, valid and not all of what was wanted, not valid.
fn outcome(report: &VerifyReport) -> Outcome {
    match (report.is_valid(), report.is_complete()) {
        (false, _) => Outcome::NotValid,
        (true, false) => Outcome::WithProblems,
        (true, true) => Outcome::Complete,
    }
}

/// Whether a bundle is valid and says that it is complete, and holds no object.
fn is_empty(report: &VerifyReport) -> bool {
    report.is_valid() && report.status.as_deref() == Some("empty")
}

/// How it is with a bundle among the others that were given: a part needs those before it, and an interrupted one is made
/// whole by the last.
fn among_its_parts(report: &VerifyReport, all: &[(&Path, VerifyReport)]) -> (Outcome, Option<String>) {
    let alone = outcome(report);
    let parts: BTreeMap<u64, &VerifyReport> =
        all.iter().filter(|(_, one)| one.part.of == report.part.of).map(|(_, one)| (one.part.number, one)).collect();
    let last = parts.keys().next_back().copied().unwrap_or(1);
    if alone == Outcome::NotValid || last == 1 {
        return (alone, None);
    }
    let missing = (1..last).find(|number| !parts.contains_key(number));
    if let Some(number) = missing.filter(|number| *number < report.part.number) {
        let said = format!("part {number} of the collection {} is not among these bundles", report.part.of);
        return (Outcome::WithProblems, Some(said));
    }
    if parts.get(&1).is_some_and(|first| !report.goes_on_with(first)) {
        return (Outcome::NotValid, Some("it goes on from another first part than the one that is given".to_owned()));
    }
    // Where nothing was left to be read, the last part holds no object; what there is lies in those before it.
    let holds_rest = |last: &&VerifyReport| {
        last.is_complete() || is_empty(last) && parts.values().any(|part| part.files > 0 && part.is_valid())
    };
    let is_whole = missing.is_none() && parts.get(&last).is_some_and(holds_rest);
    (if is_whole { Outcome::Complete } else { alone }, None)
}

fn to_json(report: &VerifyReport, bundle: &Path) -> serde_json::Value {
    let wrong: Vec<_> = report
        .wrong
        .iter()
        .map(|wrong| serde_json::json!({"path": wrong.path, "kind": wrong.kind.name(), "what": wrong.what}))
        .collect();
    serde_json::json!({
        "bundle": collector::shown(bundle),
        "valid": report.is_valid(),
        "complete": report.is_complete(),
        "status": report.status,
        "interrupted": report.interrupted,
        "signed": false,
        "archive_sha256": report.archive_sha256,
        "action_log_hash": report.log_head,
        "part": report.part.number,
        "part_of": report.part.of,
        "tag_manifest_sha256": report.tag_manifest_sha256,
        "files": report.files,
        "bytes": report.bytes,
        "wrong": wrong,
        "more_wrong": report.more_wrong,
        "notes": report.notes,
    })
}

fn write(report: &VerifyReport, bundle: &Path, in_full: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let name = printable(&collector::shown(bundle));
    let unsigned = format!("unsigned; {} payload files, {} bytes", report.files, report.bytes);
    let status = report.status.as_deref().unwrap_or_default();
    let is_valid = report.is_valid();
    if report.is_complete() {
        writeln!(out, "{name}: complete and valid, {unsigned}")?;
    } else if is_valid {
        writeln!(out, "{name}: valid, but {}; {unsigned}", printable(&in_words(status)))?;
    } else {
        let count = report.wrong.len() as u64 + report.more_wrong;
        let what = if report.interrupted { "not checked to its end, ".to_owned() } else { String::new() };
        let things = if count == 1 { "1 thing is wrong".to_owned() } else { format!("{count} things are wrong") };
        writeln!(out, "{name}: NOT complete and valid: {what}{things}")?;
        for wrong in report.wrong.iter().take(SHOWN) {
            writeln!(out, "  {}", printable(&wrong.to_string()))?;
        }
        let more = count.saturating_sub(SHOWN as u64);
        if more > 0 {
            writeln!(out, "  and {more} more; --json lists them")?;
        }
    }
    if !in_full && is_valid {
        return Ok(());
    }
    for (what, hash) in [("bundle    ", &report.archive_sha256), ("action log", &report.log_head)] {
        writeln!(out, "  {what}  {}", hash.as_deref().unwrap_or("not known"))?;
    }
    for note in &report.notes {
        writeln!(out, "  note: {}", printable(note))?;
    }
    if is_valid {
        let hint = "nobody signed it: compare both hashes with those that were written down when it was made \
                    (--expect-bundle, --expect-log)";
        Page::of_standard_output().wrapped(out, "  ", "  ", hint)?;
        if let Some(command) = not_renamed(bundle) {
            writeln!(out, "  it has not got its name: {}", printable(&command))?;
        }
    }
    Ok(())
}

/// How a bundle gets its name that was sealed and not renamed, since the program was ended between the two.
fn not_renamed(bundle: &Path) -> Option<String> {
    let is_partial = bundle.extension().is_some_and(|extension| extension == "partial");
    is_partial.then(|| format!("`{}` copies it", collector::recover_command(bundle)))
}

fn in_words(status: &str) -> String {
    match status {
        "interrupted" => "the collection was interrupted, so it is not complete".to_owned(),
        "recovered" => "recovered from a collection that came to no end, so it is not complete".to_owned(),
        "empty" => "it holds no object".to_owned(),
        other => format!("its status is {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use collector::Part;

    fn part(number: u64, status: &str, first: Option<&str>) -> VerifyReport {
        let mut report = VerifyReport::default();
        report.status = Some(status.to_owned());
        report.archive_sha256 = Some(format!("hash of {number}"));
        report.part = Part { of: "bag".to_owned(), number, first_sha256: first.map(str::to_owned), first_log: None };
        report
    }

    fn ends(reports: &[VerifyReport]) -> Vec<Outcome> {
        let all: Vec<_> = reports.iter().map(|report| (Path::new("x.zip"), report.clone())).collect();
        reports.iter().map(|report| among_its_parts(report, &all).0).collect()
    }

    #[test]
    fn what_all_of_them_are_is_said_at_the_end() {
        let said = |reports: &[VerifyReport]| {
            let done: Vec<_> = reports.iter().map(|report| (Path::new("x.zip"), report.clone())).collect();
            let lines: Vec<_> = done.iter().map(|(path, report)| Line::of_bundle(path, report)).collect();
            closing(&lines, &done)
        };
        let (first, second) = (part(1, "interrupted", None), part(2, "complete", Some("hash of 1")));
        let mut other = part(1, "complete", None);
        other.part.of = "another bag".to_owned();
        assert_eq!(said(&[other.clone(), other.clone()]), "2 of 2 are complete and valid; none is signed.");
        assert_eq!(
            said(&[first.clone(), second.clone()]),
            "1 of 2 is complete and valid; none is signed. Together the parts are complete."
        );
        assert_eq!(
            said(&[second.clone(), other]),
            "2 of 2 are complete and valid; none is signed. Together the parts are NOT complete."
        );
        assert_eq!(Line::of_bundle(Path::new("x.zip"), &first).state, "valid, interrupted");
    }

    #[test]
    fn parts_are_taken_together() {
        use Outcome::{Complete, NotValid, WithProblems};
        let (first, second) = (part(1, "interrupted", None), part(2, "interrupted", Some("hash of 1")));
        let third = part(3, "complete", Some("hash of 1"));
        assert_eq!(ends(&[part(1, "complete", None)]), [Complete]);
        assert_eq!(ends(std::slice::from_ref(&first)), [WithProblems]);
        assert_eq!(ends(&[first.clone(), second.clone()]), [WithProblems; 2]);
        assert_eq!(ends(&[third.clone(), first.clone(), second.clone()]), [Complete; 3]);
        assert_eq!(ends(&[first.clone(), third.clone()]), [WithProblems; 2]);
        assert_eq!(ends(&[second.clone(), third.clone()]), [WithProblems; 2]);
        // Nothing was left for the last one; without an object in any, nothing is complete.
        let (nothing, mut holds) = (part(2, "empty", Some("hash of 1")), first.clone());
        assert_eq!(ends(&[first.clone(), nothing.clone()]), [WithProblems; 2]);
        holds.files = 1;
        assert_eq!(ends(&[holds.clone(), nothing.clone()]), [Complete; 2]);
        assert_eq!(ends(&[nothing]), [WithProblems]);
        assert_eq!(ends(&[holds, part(3, "empty", Some("hash of 1"))]), [WithProblems; 2]);
        let other = part(2, "complete", Some("another hash"));
        assert_eq!(ends(&[first.clone(), other]), [Complete, NotValid]);
        let mut elsewhere = second;
        elsewhere.part.of = "another bag".to_owned();
        assert_eq!(ends(&[first, elsewhere]), [WithProblems; 2]);
    }
}
