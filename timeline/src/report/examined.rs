//! What was not examined, in a few words. The answer begins with it, because "not looked at" and "looked at, and nothing
//! was there" are different answers.

use crate::command::tool_named;
use crate::declared::{self, Declared};
use crate::words::{count, list, plural};
use evidence::{Artifact, Channel, Coverage, CoverageState, Problem, ProblemKind, Problems, Reads, Stage, Tells};
use std::collections::BTreeSet;

/// Most parts that the answer names, and most names in a part.
const MOST_PARTS: usize = 5;
const MOST_NAMES: usize = 2;
/// Names of registry hive files, the most important first.
const HIVES: [&str; 8] =
    ["SOFTWARE", "SYSTEM", "NTUSER.DAT", "USRCLASS.DAT", "AMCACHE.HVE", "SECURITY", "SAM", "DEFAULT"];
/// Those of them in which classes are registered.
const CLASSES: [&str; 3] = ["SOFTWARE", "NTUSER.DAT", "USRCLASS.DAT"];

/// How far the answer reaches.
#[derive(Default)]
pub(super) struct Examined {
    /// What was not examined, the most important first, each as a phrase.
    pub(super) parts: Vec<String>,
    /// Whether something was read whole that would show a run, and nothing of the kind was left out.
    pub(super) runs_would_show: bool,
    /// The same of a process of another program.
    pub(super) processes_would_show: bool,
}

/// Why coverage has nothing of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The evidence has it, and it could not be read.
    Unread,
    /// The host has it, and it was not collected.
    NotCollected,
    /// Where it would lie could not be looked at.
    Unlisted,
    /// The collection is not complete, so that nobody knows.
    Incomplete,
    /// It was looked for and was not there.
    Absent,
}

/// What kind of gap a problem leaves, the most important first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    Source,
    /// A part of the collection that was not given.
    Part,
    Interrupted,
    /// Folders that could not be listed.
    Unlisted,
    Unreadable,
    LeftOut,
    Leads,
    CutShort,
    /// A volume that Windows needs for starting only, on most disks.
    StartVolume,
}

fn name(item: &str) -> &str {
    item.rsplit(['\\', '/']).next().unwrap_or(item)
}

/// How much an object tells of the tools; less is more. Logs stand in the order in which they are declared.
fn rank(declared: Declared, item: &str) -> usize {
    const HIVE: usize = 20;
    let name = name(item);
    if let Some(place) = HIVES.iter().position(|hive| hive.eq_ignore_ascii_case(name)) {
        // `$MFT` stands between the hives of the system and those of the users.
        return HIVE + place * 2;
    }
    if name.eq_ignore_ascii_case("$MFT") {
        return HIVE + 3;
    }
    if declared.is_log(item) {
        return declared.rank_of_channel(&channel(declared, item)).unwrap_or(41);
    }
    // Such files are called after the program: `REGASM.EXE-1A2B3C4D.pf`, `RegAsm.exe.log`.
    let is_of_tool = |end| name.rsplit_once(end).is_some_and(|(program, _)| tool_named(program).is_some());
    match declared.is_witness(item) {
        true if is_of_tool('-') || is_of_tool('.') => 40,
        true => 42,
        false => 43,
    }
}

fn is_hive(item: &str) -> bool {
    HIVES.iter().any(|hive| name(item).eq_ignore_ascii_case(hive))
}

/// Whether event logs, which record processes, could lie at a place that could not be looked at.
fn may_hold_logs(declared: Declared, item: &str) -> bool {
    declared.is_log(item) || declared.logs_may_lie_below(item)
}

/// Whether records of runs could lie there.
fn may_hold_runs(declared: Declared, item: &str) -> bool {
    let mut witnesses = declared.witnesses();
    may_hold_logs(declared, item)
        || witnesses.any(|artifact| declared::keeps(artifact, item) || declared::may_lie_below(artifact, item))
}

/// Whether a place outside of what was given was named.
fn is_outside(problem: &Problem) -> bool {
    problem.stage == Stage::Locate && problem.kind == ProblemKind::NotUnderstood
}

/// Whether what could not be looked at is an object of a source, or a folder in which such objects can lie.
fn is_above(declared: Declared, item: &str, source: &str) -> bool {
    match declared.witness(source) {
        Some(artifact) => declared::keeps(artifact, item) || declared::may_lie_below(artifact, item),
        None if declared.is_log(item) => channel(declared, item).eq_ignore_ascii_case(source),
        None => declared.logs_may_lie_below(item),
    }
}

/// Whether a place was looked for and could not be, so that nothing is known of what is there.
fn is_unlisted(problem: &Problem) -> bool {
    problem.stage == Stage::Locate
        && is_failure(problem)
        && problem.kind != ProblemKind::LimitReached
        && !problem.item.is_empty()
}

/// Whether it means that bytes which should be there were not read.
fn is_failure(problem: &Problem) -> bool {
    !problem.is_note && !matches!(problem.kind, ProblemKind::Dirty | ProblemKind::Inconsistent { .. })
}

/// The channel of a log by the name of its file; XP and Server 2003 have names of their own.
fn channel(declared: Declared, item: &str) -> String {
    let name = name(item);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).replace("%4", "/");
    let is_old = |channel: &&Channel| channel.before_vista.is_some_and(|old| old.eq_ignore_ascii_case(&stem));
    declared.channels().find(is_old).map_or_else(|| stem.clone(), |channel| channel.name.to_owned())
}

/// Whether anything came out of a log, or of what an artifact is kept in.
fn was_read(declared: Declared, item: &str, coverage: &[Coverage]) -> bool {
    let is_of_it = |one: &Coverage| match declared.is_log(item) {
        true => one.item.as_deref() == Some(item),
        false => declared.witness(&one.source).is_some_and(|artifact| declared::keeps(artifact, item)),
    };
    coverage.iter().any(|one| one.records > 0 && is_of_it(one))
}

fn gap(declared: Declared, problem: &Problem, coverage: &[Coverage]) -> Option<Gap> {
    use ProblemKind as Kind;
    let item = problem.item.as_str();
    match (&problem.kind, problem.stage) {
        _ if problem.is_note => None,
        (Kind::UnsupportedVersion { found }, Stage::Source) if found == "fat" => Some(Gap::StartVolume),
        (Kind::NotUnderstood, Stage::Locate) => Some(Gap::Unlisted),
        (Kind::NotUnderstood, _) => Some(Gap::Source),
        (Kind::Interrupted, Stage::Bundle) => Some(Gap::Part),
        (Kind::Interrupted, _) => Some(Gap::Interrupted),
        (Kind::LimitReached, Stage::Locate) if item.is_empty() => Some(Gap::Leads),
        (Kind::LimitReached, Stage::Acquire) => Some(Gap::LeftOut),
        (Kind::LimitReached, Stage::Source | Stage::Locate) => Some(Gap::Source),
        (Kind::LimitReached, _) => Some(Gap::CutShort),
        (Kind::BadChecksum { .. }, Stage::Source) => None,
        _ if is_unlisted(problem) => Some(Gap::Unlisted),
        (_, Stage::Source) if is_failure(problem) => Some(Gap::Source),
        // Beyond some number, problems of one wording are counted in one without an item.
        (_, Stage::Acquire | Stage::Bundle)
            if is_failure(problem) && (declared.is_witness(item) || is_hive(item) || item.is_empty()) =>
        {
            Some(Gap::Unreadable)
        }
        (
            Kind::BadSignature { .. }
            | Kind::Truncated { .. }
            | Kind::ReadFailed
            | Kind::UnsupportedVersion { .. }
            | Kind::ParserPanicked,
            Stage::Parse,
        ) if is_hive(item) || declared.is_witness(item) && !declared.is_log(item) => Some(Gap::Unreadable),
        // A record that cannot be read can be the one of the run.
        (_, Stage::Parse)
            if is_failure(problem) && problem.locator.as_ref().is_some_and(|at| declared.is_in_witness(at)) =>
        {
            Some(Gap::Unreadable)
        }
        // What the transaction logs of a hive hold may be missing.
        (Kind::Dirty, Stage::Parse) if is_hive(item) && declared.is_witness(item) => Some(Gap::Unreadable),
        (_, Stage::Parse)
            if is_failure(problem) && declared.is_witness(item) && !was_read(declared, item, coverage) =>
        {
            Some(Gap::Unreadable)
        }
        _ => None,
    }
}

/// `Security.evtx, System.evtx and 12 more objects`; those that tell most of the tools first.
fn names(declared: Declared, problems: &[&Problem]) -> String {
    let named = || problems.iter().filter(|problem| !problem.item.is_empty());
    let items: BTreeSet<(usize, &str)> =
        named().map(|problem| (rank(declared, &problem.item), problem.item.as_str())).collect();
    let mut shown: Vec<String> = items.iter().take(MOST_NAMES).map(|(_, item)| name(item).to_owned()).collect();
    // Beyond some number, problems of one wording are counted in one without an item, whose wording goes on.
    let (mut more, mut is_all) = (items.len().saturating_sub(MOST_NAMES), true);
    for problem in problems.iter().filter(|problem| problem.item.is_empty()) {
        match Problems::counted(problem) {
            Some(count) => more = more.saturating_add(usize::try_from(count).unwrap_or(usize::MAX)),
            None => is_all &= !named().any(|other| problem.what.starts_with(other.what.as_str())),
        }
    }
    match more {
        0 if is_all => {}
        0 => shown.push("further objects".to_owned()),
        more if is_all => shown.push(plural(more, "more object", "more objects")),
        more => shown.push(format!("at least {}", plural(more, "more object", "more objects"))),
    }
    list(&shown.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `volume at byte 1048576 (encrypted with BitLocker)`.
fn part_of_a_source(problem: &Problem) -> String {
    let what = problem.what.trim_end_matches('.');
    // Which record names it stands in the section Problems.
    let what = what.split_once(" (named by ").map_or(what, |(what, _)| what);
    let what = ["it is ", "a record names it, and "].iter().find_map(|start| what.strip_prefix(start)).unwrap_or(what);
    if problem.item.is_empty() { what.to_owned() } else { format!("{} ({what})", problem.item) }
}

fn phrases(declared: Declared, gap: Gap, problems: &[&Problem]) -> Vec<String> {
    let has_names = problems.iter().any(|problem| !problem.item.is_empty());
    match gap {
        Gap::Source | Gap::Part | Gap::Unlisted | Gap::StartVolume => {
            let first = |problem: &Problem| (!may_hold_runs(declared, &problem.item), rank(declared, &problem.item));
            let all: BTreeSet<_> = problems.iter().map(|problem| (first(problem), part_of_a_source(problem))).collect();
            let mut shown: Vec<String> = all.iter().take(MOST_NAMES).map(|(_, part)| part.clone()).collect();
            if let Some(more @ 1..) = all.len().checked_sub(MOST_NAMES) {
                shown.push(match gap {
                    Gap::Unlisted => plural(more, "more place", "more places"),
                    Gap::Part => plural(more, "more part of the collection", "more parts of the collection"),
                    _ => plural(more, "more part of the source", "more parts of the source"),
                });
            }
            shown
        }
        Gap::Interrupted if !has_names => vec!["what the interrupted collection had not reached".to_owned()],
        Gap::Interrupted => {
            vec![format!("{}, which the interrupted collection had not reached", names(declared, problems))]
        }
        Gap::Unreadable => vec![format!("{}, which could not be read, or not whole", names(declared, problems))],
        Gap::LeftOut => vec![format!("{}, left out by a limit of size or number", names(declared, problems))],
        Gap::Leads => {
            let all: BTreeSet<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
            all.into_iter().map(str::to_owned).collect()
        }
        Gap::CutShort if !has_names => vec!["what was beyond a limit of the analysis".to_owned()],
        Gap::CutShort => vec![format!("parts of {}, where a limit was reached", names(declared, problems))],
    }
}

fn records_processes(declared: Declared, source: &Coverage) -> bool {
    declared.channel(&source.source).is_some_and(|channel| channel.shows_processes)
}

/// A log without a record, which was read without a fault, was examined as well: it may have been cleared.
fn was_examined(source: &Coverage, problems: &[Problem]) -> bool {
    let faulty = || problems.iter().any(|problem| !problem.is_note && Some(&problem.item) == source.item.as_ref());
    source.records > 0 || source.item.is_some() && !faulty()
}

/// Whether a source is an artifact that Windows keeps of each run.
fn is_of_each_run(declared: Declared, source: &Coverage) -> bool {
    declared.witnesses_of_each_run().any(|artifact| artifact.id == source.source)
}

/// Why no source was read that Windows keeps of each run or that shows processes; `None` where one was.
fn nothing_to_show_runs(
    declared: Declared,
    coverage: &[Coverage],
    problems: &[Problem],
    any_object: bool,
) -> Option<String> {
    let shows = |one: &&Coverage| is_of_each_run(declared, one) || records_processes(declared, one);
    if coverage.iter().filter(shows).any(|one| was_examined(one, problems)) {
        return None;
    }
    let of_each_run = || declared.witnesses_of_each_run();
    let is_one = |item: &str| declared.is_log(item) || of_each_run().any(|artifact| declared::keeps(artifact, item));
    let is_above = |item: &str| {
        may_hold_logs(declared, item) || of_each_run().any(|artifact| declared::may_lie_below(artifact, item))
    };
    let failed = problems.iter().any(|problem| is_failure(problem) && is_one(&problem.item) && !is_outside(problem));
    let why = match failed {
        true => "none could be read",
        false if problems.iter().any(|problem| is_unlisted(problem) && is_above(&problem.item)) => {
            "where they would lie could not be looked at"
        }
        false => "none was found",
    };
    let titles: Vec<String> = of_each_run().map(|artifact| declared.in_sentence(artifact.id)).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    Some(if any_object || failed {
        format!("event logs that record processes, and {} ({why})", list(&titles))
    } else {
        format!("{} ({why})", list(&[&["event logs"], titles.as_slice(), &["registry hives"]].concat()))
    })
}

/// Artifacts that show runs and of which nothing was read although nothing is wrong with them, each as a phrase.
fn not_asked(declared: Declared, coverage: &[Coverage], problems: &[Problem]) -> BTreeSet<String> {
    let row = |artifact: &Artifact| coverage.iter().find(|one| one.source == artifact.id);
    let why = |artifact: &Artifact| match row(artifact)?.state {
        CoverageState::NotSearched if missing(declared, artifact.id, problems) == Missing::Absent => {
            Some(format!("{}, for which the collection did not look", declared.in_sentence(artifact.id)))
        }
        CoverageState::NotRead if artifact.parse.is_none() => {
            Some(format!("{}, which this version does not read", declared.in_sentence(artifact.id)))
        }
        // Files may not be there; every Windows has the hives.
        CoverageState::Absent => artifact.reads.iter().find_map(|reads| match reads {
            Reads::Key { hive, .. } => Some(format!("{}, which was not found", name(hive.globs().first()?))),
            _ => None,
        }),
        _ => None,
    };
    declared.witnesses().filter_map(why).collect()
}

/// What was not examined of so many objects and what was left out of them, and whether a run would have shown.
pub(super) fn examined(declared: Declared, coverage: &[Coverage], problems: &[Problem], objects: u64) -> Examined {
    let mut parts = Vec::new();
    // A hive of which coverage does not tell was collected all the same.
    let any_object = objects > 0 || coverage.iter().any(|one| one.present);
    let nothing = nothing_to_show_runs(declared, coverage, problems, any_object);
    let (mut hides_runs, mut hides_processes) = (nothing.is_some(), false);
    parts.extend(nothing);
    let mut gaps: Vec<(Gap, &Problem)> =
        problems.iter().filter_map(|problem| Some((gap(declared, problem, coverage)?, problem))).collect();
    gaps.sort_by_key(|(gap, _)| *gap);
    for group in gaps.chunk_by(|(one, _), (other, _)| one == other) {
        let kind = group[0].0;
        let of_the_kind: Vec<&Problem> = group.iter().map(|(_, problem)| *problem).collect();
        let hides = |is_one: &dyn Fn(&str) -> bool, may_hold: &dyn Fn(&str) -> bool| match kind {
            Gap::Part | Gap::Interrupted => true,
            Gap::Unreadable | Gap::LeftOut | Gap::CutShort => {
                of_the_kind.iter().any(|problem| problem.item.is_empty() || is_one(&problem.item))
            }
            Gap::Unlisted => of_the_kind.iter().any(|problem| may_hold(&problem.item)),
            Gap::Source | Gap::Leads | Gap::StartVolume => false,
        };
        hides_runs |= hides(&|item| declared.is_witness(item), &|item| may_hold_runs(declared, item));
        hides_processes |= hides(&|item| declared.is_log(item), &|item| may_hold_logs(declared, item));
        parts.extend(phrases(declared, kind, &of_the_kind));
    }
    let not_asked = if any_object { not_asked(declared, coverage, problems) } else { BTreeSet::new() };
    hides_runs |= !not_asked.is_empty();
    parts.extend(not_asked);
    if let Some(more @ 1..) = parts.len().checked_sub(MOST_PARTS) {
        parts.truncate(MOST_PARTS);
        parts.push(format!("and {} more, which the section Problems names", count(more)));
    }
    let has_processes = coverage.iter().any(|one| records_processes(declared, one) && was_examined(one, problems));
    Examined { parts, runs_would_show: !hides_runs, processes_would_show: has_processes && !hides_processes }
}

/// Whether an object is one from which a source of coverage comes.
fn belongs(declared: Declared, item: &str, source: &str) -> bool {
    let is_of_log = || declared.is_log(item) && channel(declared, item).eq_ignore_ascii_case(source);
    declared.keeps(source, item).unwrap_or_else(is_of_log)
}

/// Why a source that was read was not read whole.
pub(super) fn partly(declared: Declared, source: &Coverage, problems: &[Problem]) -> Option<String> {
    let of_it = |problem: &&Problem| match &source.item {
        Some(item) => *item == problem.item,
        None => belongs(declared, &problem.item, &source.source),
    };
    let failed = problems.iter().filter(|problem| is_failure(problem) && problem.stage != Stage::Locate).find(of_it)?;
    Some(format!("{}: {}", failed.item, failed.what))
}

/// What the evidence says of a source of which coverage has nothing.
pub(super) fn missing(declared: Declared, source: &str, problems: &[Problem]) -> Missing {
    let is_collected = |problem: &Problem| {
        !(problem.kind == ProblemKind::Interrupted
            || problem.kind == ProblemKind::LimitReached && problem.stage == Stage::Acquire)
    };
    let of_it =
        |problem: &&Problem| belongs(declared, &problem.item, source) && is_failure(problem) && !is_outside(problem);
    // An interruption is not known to have come after everything was looked for, nor what was only counted to be of others.
    let is_open = |problem: &Problem| {
        is_failure(problem)
            && (problem.kind == ProblemKind::Interrupted || problem.stage == Stage::Acquire && problem.item.is_empty())
    };
    if problems.iter().filter(of_it).any(is_collected) {
        Missing::Unread
    } else if problems.iter().any(|problem| of_it(&problem)) {
        Missing::NotCollected
    } else if unlisted(declared, source, problems) {
        Missing::Unlisted
    } else if problems.iter().any(is_open) {
        Missing::Incomplete
    } else {
        Missing::Absent
    }
}

/// Whether a note says of a place that nothing is there, and what is kept at that place was found at another: absence is that of a
/// source, which coverage has. A hive that holds classes is the only place of its classes.
pub(super) fn is_known_otherwise(declared: Declared, problem: &Problem, coverage: &[Coverage]) -> bool {
    if !problem.is_note || problem.stage != Stage::Locate || problem.kind != ProblemKind::NotFound {
        return false;
    }
    let is_class_hive = CLASSES.iter().any(|hive| hive.eq_ignore_ascii_case(name(&problem.item)));
    let is_present = |source: &str| coverage.iter().any(|one| one.source.eq_ignore_ascii_case(source) && one.present);
    let of_place = declared.without_logs().filter(|artifact| declared::is_place_of(artifact, &problem.item));
    let mut kept = of_place.map(|artifact| artifact.id).peekable();
    let of_logs = || declared.is_place_of_logs(&problem.item) && declared.channels().any(|one| is_present(one.name));
    !is_class_hive && (kept.peek().is_some() && kept.all(is_present) || of_logs())
}

/// Why the registrations that were found may not be all that the host has, for a sentence.
pub(super) fn why_not_all_registrations(
    declared: Declared,
    coverage: &[Coverage],
    problems: &[Problem],
) -> Option<String> {
    let source = declared.id_telling(Tells::ComClass)?;
    let is_present = coverage.iter().any(|one| one.source == source && one.present);
    let of_hives = || problems.iter().filter(|problem| belongs(declared, &problem.item, source) && !problem.is_note);
    let not_found = |problem: &Problem| {
        problem.stage == Stage::Locate && problem.kind == ProblemKind::NotFound && name(&problem.item) == CLASSES[0]
    };
    if let Some(hive) = of_hives().min_by_key(|problem| (rank(declared, &problem.item), &problem.item)) {
        return Some(format!("{} was not read, or not whole", hive.item));
    }
    match missing(declared, source, problems) {
        Missing::Unlisted => Some("where the hives would lie could not be looked at".to_owned()),
        Missing::Incomplete => Some("the collection is not complete".to_owned()),
        _ if !is_present => Some("no registry hive that holds them was read".to_owned()),
        _ if problems.iter().any(not_found) => Some("the hive SOFTWARE was not found".to_owned()),
        _ => None,
    }
}

/// The sources of which it is not known whether the evidence has them: where they would lie could not be looked at.
fn unlisted(declared: Declared, source: &str, problems: &[Problem]) -> bool {
    let is_told = declared.witness(source).is_some() || declared.keeps(source, "").is_none();
    is_told && problems.iter().any(|problem| is_unlisted(problem) && is_above(declared, &problem.item, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Claim, Hive, RecordType, RunTime};

    fn read(source: &str, item: &str, records: u64) -> Coverage {
        let (state, present) = (CoverageState::Read, records > 0);
        Coverage { state, present, item: Some(item.to_owned()), records, ..Coverage::named(source) }
    }

    fn problem(stage: Stage, kind: ProblemKind, item: &str, what: &str) -> Problem {
        Problem::new(stage, kind, item, what, "")
    }

    fn declared() -> Declared {
        Declared::new(artifacts::ALL)
    }

    fn examined(coverage: &[Coverage], problems: &[Problem]) -> Examined {
        super::examined(declared(), coverage, problems, 0)
    }

    fn missing(source: &str, problems: &[Problem]) -> Missing {
        super::missing(declared(), source, problems)
    }

    fn unlisted(source: &str, problems: &[Problem]) -> bool {
        super::unlisted(declared(), source, problems)
    }

    fn why_not_all_registrations(coverage: &[Coverage], problems: &[Problem]) -> Option<String> {
        super::why_not_all_registrations(declared(), coverage, problems)
    }

    fn rank(item: &str) -> usize {
        super::rank(declared(), item)
    }

    const SECURITY: &str = r"C:\Windows\System32\winevt\Logs\Security.evtx";

    #[test]
    fn what_was_read_whole_needs_no_words() {
        let absent = problem(Stage::Locate, ProblemKind::NotFound, r"C:\Windows\Prefetch\*.pf", "nothing is there");
        let stale = problem(Stage::Parse, ProblemKind::BadChecksum { offset: 4096 }, SECURITY, "a chunk is damaged");
        let all = examined(&[read("Security", SECURITY, 10)], &[absent, stale]);
        assert!(all.parts.is_empty() && all.runs_would_show, "{:?}", all.parts);
        let cleared = examined(&[read("Security", SECURITY, 0)], &[]);
        assert!(cleared.parts.is_empty() && cleared.runs_would_show, "an empty log was examined");
    }

    #[test]
    fn without_a_source_that_records_runs_nothing_is_concluded() {
        let nothing = examined(&[], &[]);
        assert_eq!(nothing.parts, ["event logs, prefetch files and registry hives (none was found)"]);
        assert!(!nothing.runs_would_show);
        let hive = examined(&[read("com-registration", "SOFTWARE", 3)], &[]);
        assert_eq!(hive.parts, ["event logs that record processes, and prefetch files (none was found)"]);
        let damaged =
            problem(Stage::Parse, ProblemKind::Truncated { offset: 0, expected: 4096, actual: 0 }, SECURITY, "");
        let damaged = examined(&[read("Security", SECURITY, 0)], &[damaged]);
        assert!(damaged.parts[0].ends_with("(none could be read)") && !damaged.runs_would_show, "{:?}", damaged.parts);
    }

    #[test]
    fn the_most_important_part_comes_first() {
        let coverage = [read("prefetch", r"C:\Windows\Prefetch\A.EXE-1.pf", 1)];
        let limit = |item: &str, what: &str| problem(Stage::Acquire, ProblemKind::LimitReached, item, what);
        let problems = [
            problem(
                Stage::Locate,
                ProblemKind::LimitReached,
                "",
                "the files that records name (leads) were not looked for: --max-leads 0",
            ),
            limit(r"C:\Windows\System32\config\SOFTWARE", ""),
            limit(r"C:\$MFT", ""),
            limit(SECURITY, ""),
            problem(
                Stage::Source,
                ProblemKind::UnsupportedVersion { found: "bitlocker".to_owned() },
                "volume at byte 7",
                "it is encrypted with BitLocker",
            ),
        ];
        let all = examined(&coverage, &problems);
        assert_eq!(
            all.parts,
            [
                "volume at byte 7 (encrypted with BitLocker)",
                "Security.evtx, SOFTWARE and one more object, left out by a limit of size or number",
                "the files that records name (leads) were not looked for: --max-leads 0",
            ]
        );
        assert!(!all.runs_would_show, "the log that was left out may show a run");
        assert!(examined(&coverage, &problems[..3]).runs_would_show, "none of these shows runs");
        let counted = examined(&coverage, &[limit(r"C:\$MFT", "a"), limit("", "a; the same was met 7 more times")]);
        assert_eq!(counted.parts, ["$MFT and seven more objects, left out by a limit of size or number"]);
        assert!(!counted.runs_would_show, "a log may be among those that were only counted");
        let old = [problem(Stage::Source, ProblemKind::NotUnderstood, r"\case\SecEvent.Evt", "it is an old event log")];
        let is = |source: &str, problems: &[Problem]| missing(source, problems);
        assert_eq!(is("Security", &old), Missing::Unread, "logs of XP have other names");
        assert_eq!(is("System", &old), Missing::Absent);
        assert_eq!(examined(&coverage, &old).parts, [r"\case\SecEvent.Evt (an old event log)"]);
        for source in ["Security", "mft", "com-registration"] {
            assert_eq!(is(source, &problems), Missing::NotCollected, "{source} was left out by a limit");
        }
        for source in ["System", "prefetch", "usn-journal"] {
            assert_eq!(is(source, &problems), Missing::Absent, "{source}");
            assert_eq!(
                is(source, &[limit("", "a")]),
                Missing::Incomplete,
                "it may be among those that were only counted"
            );
        }
    }

    #[test]
    fn a_hive_that_was_examined_is_not_called_missing_and_a_damaged_one_is_named() {
        let alone = super::examined(declared(), &[], &[], 1);
        assert_eq!(alone.parts, ["event logs that record processes, and prefetch files (none was found)"]);
        let kind = ProblemKind::BadSignature { offset: 0, expected: "regf".to_owned(), actual: "zeros".to_owned() };
        for hive in [r"C:\Users\a\NTUSER.DAT", r"C:\Windows\System32\config\SOFTWARE"] {
            let damaged = [problem(Stage::Parse, kind.clone(), hive, "the base block has no signature")];
            let all = examined(&[read("Security", SECURITY, 10)], &damaged);
            assert_eq!(all.parts, [format!("{}, which could not be read, or not whole", name(hive))]);
            assert!(all.runs_would_show, "no artifact in it records runs");
        }
    }

    /// What hides a run follows from the declarations: an artifact that claims a run and is in no list of this program.
    #[test]
    fn whatever_is_declared_to_show_runs_is_asked() {
        static RUN: RecordType = RecordType {
            claims: &[Claim::Executed(RunTime::Before)],
            absence: "it keeps the newest only",
            ..RecordType::named("windows:registry:third")
        };
        static THIRD: Artifact = Artifact {
            title: "Third traces",
            records: &[&RUN],
            reads: &[Reads::Key { hive: Hive::Software, key: "Third" }, Reads::File(r"%SystemRoot%\Third\*.dat")],
            ..Artifact::named("third")
        };
        static PRESENT: RecordType =
            RecordType { claims: &[Claim::Present], ..RecordType::named("windows:registry:other") };
        static OTHER: Artifact = Artifact { records: &[&PRESENT], ..THIRD };
        fn known(third: &'static Artifact) -> Declared {
            let all: Vec<_> = artifacts::ALL.iter().copied().chain([third]).collect();
            Declared::new(all.leak())
        }
        let read_whole = |source: &str, item: &str| read(source, item, 1);
        let (log, hive) = (read_whole("Security", SECURITY), r"C:\Windows\System32\config\SOFTWARE");
        let row = |state| Coverage { state, ..Coverage::named("third") };
        let asked = |third, state, problems: &[Problem]| {
            let all = super::examined(known(third), &[log.clone(), row(state)], problems, 1);
            (all.parts, all.runs_would_show, all.processes_would_show)
        };
        use CoverageState::{Absent, NotRead, NotSearched, Read};
        let known_to_be_none = (vec![], true, true);
        let hidden_by = |part: &str| (vec![part.to_owned()], false, true);
        assert_eq!(asked(&THIRD, Read, &[]), known_to_be_none);
        assert_eq!(asked(&THIRD, Absent, &[]), hidden_by("SOFTWARE, which was not found"));
        assert_eq!(asked(&THIRD, NotSearched, &[]), hidden_by("third traces, for which the collection did not look"));
        assert_eq!(asked(&THIRD, NotRead, &[]), hidden_by("third traces, which this version does not read"));
        for state in [Absent, NotSearched, NotRead] {
            assert_eq!(asked(&OTHER, state, &[]), known_to_be_none, "it shows no run");
        }
        let cut = ProblemKind::Truncated { offset: 4096, expected: 8192, actual: 4096 };
        let damaged = |item: &str| [problem(Stage::Parse, cut.clone(), item, "it is cut off")];
        let not_whole = |item: &str| format!("{}, which could not be read, or not whole", name(item));
        for (item, runs) in [(hive, false), (r"C:\Windows\Third\a.dat", false), (r"C:\Windows\Other\a.dat", true)] {
            let (parts, runs_would_show, _) = asked(&THIRD, Read, &damaged(item));
            assert_eq!(runs_would_show, runs, "{item}");
            assert_eq!(parts, if runs { vec![] } else { vec![not_whole(item)] });
        }
        assert!(asked(&OTHER, Read, &damaged(hive)).1 && asked(&OTHER, Read, &damaged(r"C:\Windows\Third\a.dat")).1);
        // A hive that was not closed, with logs that are not there.
        let dirty = [problem(Stage::Parse, ProblemKind::Dirty, hive, "its logs are not there")];
        assert_eq!(asked(&THIRD, Read, &dirty), hidden_by(&not_whole(hive)));
        assert_eq!(asked(&THIRD, Read, &dirty.map(Problem::as_note)), known_to_be_none);
        let denied = [problem(Stage::Locate, ProblemKind::AccessDenied, r"C:\Windows\Third", "denied")];
        assert!(!asked(&THIRD, Read, &denied).1 && asked(&OTHER, Read, &denied).1);
    }

    #[test]
    fn what_cannot_be_listed_is_never_said_to_be_absent() {
        let denied = |item: &str| {
            problem(Stage::Locate, ProblemKind::AccessDenied, item, "cannot be read: Permission denied (os error 13)")
        };
        let logs = [denied(r"C:\Windows\System32\winevt\Logs")];
        let all = examined(&[read("com-registration", "SOFTWARE", 3)], &logs);
        assert_eq!(
            all.parts,
            [
                "event logs that record processes, and prefetch files (where they would lie could not be looked at)",
                r"C:\Windows\System32\winevt\Logs (cannot be read: Permission denied (os error 13))",
            ]
        );
        assert!(!all.runs_would_show);
        assert!(unlisted("Security", &logs) && !unlisted("prefetch", &logs) && !unlisted("mft", &logs));
        let prefetch = [denied(r"C:\Windows\Prefetch")];
        let all = examined(&[read("Security", SECURITY, 10)], &prefetch);
        assert_eq!(all.parts, [r"C:\Windows\Prefetch (cannot be read: Permission denied (os error 13))"]);
        assert!(!all.runs_would_show && unlisted("prefetch", &prefetch) && !unlisted("System", &prefetch));
        let user = [denied(r"C:\Users\jdoe")];
        let all = examined(&[read("Security", SECURITY, 10)], &user);
        assert_eq!(all.parts, [r"C:\Users\jdoe (cannot be read: Permission denied (os error 13))"]);
        assert!(!all.runs_would_show && all.processes_would_show, "usage logs lie there, and no event logs");
        let moved = r"C:\EvtStore\Security.evtx";
        let what = "a record names it, and it lies outside of what was given (named by SYSTEM, value File)";
        let moved = [problem(Stage::Locate, ProblemKind::NotUnderstood, moved, what)];
        let all = examined(&[read("prefetch", r"C:\Windows\Prefetch\A.EXE-1.pf", 1)], &moved);
        assert_eq!(all.parts, [r"C:\EvtStore\Security.evtx (it lies outside of what was given)"]);
        assert!(!all.runs_would_show && missing("Security", &moved) == Missing::Unlisted);
        assert!(!unlisted("System", &moved) && !unlisted("prefetch", &moved));
        let root = [denied(r"C:\")];
        assert!(unlisted("Security", &root) && unlisted("prefetch", &root));
    }

    #[test]
    fn an_interrupted_collection_and_a_log_that_cannot_be_read_hide_runs() {
        let coverage = [read("Security", SECURITY, 10)];
        let sysmon = r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx";
        let failed = [problem(Stage::Acquire, ProblemKind::ReadFailed, sysmon, "nothing of it can be read")];
        let all = examined(&coverage, &failed);
        assert_eq!(all.parts, ["Microsoft-Windows-Sysmon%4Operational.evtx, which could not be read, or not whole"]);
        assert!(!all.runs_would_show && !all.processes_would_show);
        assert_eq!(missing("Microsoft-Windows-Sysmon/Operational", &failed), Missing::Unread);
        let interrupted = [problem(Stage::Acquire, ProblemKind::Interrupted, "", "the collection was interrupted")];
        let all = examined(&coverage, &interrupted);
        assert_eq!(all.parts, ["what the interrupted collection had not reached"]);
        assert!(!all.runs_would_show);
        assert_eq!(missing("Microsoft-Windows-Sysmon/Operational", &interrupted), Missing::Incomplete);
        let reached = |item: &str| problem(Stage::Acquire, ProblemKind::Interrupted, item, "interrupted before this");
        assert_eq!(missing("Security", &[reached(SECURITY)]), Missing::NotCollected);
        assert_eq!(missing("mft", &[reached(r"C:\$MFT")]), Missing::NotCollected);
    }

    /// What is listed of 300 equal problems are the first 50; the rest is counted, and may be what matters most.
    #[test]
    fn objects_that_were_only_counted_are_counted_in_the_answer() {
        let reached = |item: &str| problem(Stage::Acquire, ProblemKind::Interrupted, item, "interrupted before this");
        let mut all: Problems = (0..300).map(|number| reached(&format!(r"C:\x\{number:03}.dll"))).collect();
        all.push(problem(Stage::Acquire, ProblemKind::Interrupted, "", "the collection was ended early"));
        let all = all.into_vec();
        assert_eq!(
            examined(&[], &all).parts[1],
            "000.dll, 001.dll and 298 more objects, which the interrupted collection had not reached"
        );
        let open = [reached("a"), reached("b"), reached("c"), reached("")];
        assert!(examined(&[], &open).parts[1].starts_with("a, b and at least one more object, which"));
    }

    #[test]
    fn what_tells_most_of_the_tools_is_named_first() {
        let log = |name: &str| format!(r"C:\Windows\System32\winevt\Logs\{name}.evtx");
        let hive = |name: &str| format!(r"C:\Windows\System32\config\{name}");
        let order = [
            SECURITY.to_owned(),
            log("Microsoft-Windows-Sysmon%4Operational"),
            log("System"),
            log("Microsoft-Windows-PowerShell%4Operational"),
            hive("SOFTWARE"),
            hive("SYSTEM"),
            r"C:\$MFT".to_owned(),
            r"C:\Users\zoe\NTUSER.DAT".to_owned(),
            r"C:\Windows\Prefetch\REGSVCS.EXE-0A1B2C3D.pf".to_owned(),
            log("AppV"),
            r"C:\Windows\Prefetch\APP.EXE-0A1B2C3D.pf".to_owned(),
            r"C:\a.dll".to_owned(),
        ];
        assert!(order.is_sorted_by_key(|item| rank(item)), "{:?}", order.each_ref().map(|item| rank(item)));
        let left_out = |item: &String| problem(Stage::Acquire, ProblemKind::LimitReached, item, "too large");
        let mut problems: Vec<Problem> = order.iter().map(left_out).collect();
        problems.sort();
        let parts = examined(&[], &problems).parts;
        assert!(parts[1].starts_with("Security.evtx, Microsoft-Windows-Sysmon%4Operational.evtx and ten"), "{parts:?}");
    }

    #[test]
    fn no_registration_is_said_to_be_missing_where_a_hive_was_not_read_whole() {
        let hive = r"C:\Windows\System32\config\SOFTWARE";
        let why = |problems: &[Problem]| why_not_all_registrations(&[read("com-registration", hive, 1)], problems);
        assert_eq!(why(&[]), None);
        let cut = ProblemKind::Truncated { offset: 4096, expected: 8192, actual: 4096 };
        for (stage, kind) in [
            (Stage::Parse, cut),
            (Stage::Acquire, ProblemKind::ReadFailed),
            (Stage::Acquire, ProblemKind::LimitReached),
            (Stage::Acquire, ProblemKind::Interrupted),
        ] {
            let said = why(&[problem(stage, kind, hive, "x")]).unwrap();
            assert_eq!(said, format!("{hive} was not read, or not whole"));
        }
        let place = r"%SystemRoot%\System32\config\SOFTWARE";
        let absent = problem(Stage::Locate, ProblemKind::NotFound, place, "nothing is there").as_note();
        assert_eq!(why(&[absent]).unwrap(), "the hive SOFTWARE was not found");
        let ended = problem(Stage::Acquire, ProblemKind::Interrupted, "", "ended early");
        assert_eq!(why(&[ended]).unwrap(), "the collection is not complete");
        assert_eq!(why_not_all_registrations(&[], &[]).unwrap(), "no registry hive that holds them was read");
        let other = problem(Stage::Parse, ProblemKind::ReadFailed, r"C:\Windows\System32\config\SAM", "x");
        assert_eq!(why(&[other]), None, "no class is registered in it");
    }
}
