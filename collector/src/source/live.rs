//! The live host: what is volatile first, then its volumes.
//!
//! Its state is taken in the order in which it vanishes (processes, connections, names that the resolver remembers,
//! services) and kept as files of a volume of its own, `live`, which only [`evidence::Reads::Volatile`] looks at, so
//! that a file on a disk can never pass for it. Then every volume: NTFS is read raw through `\\.\C:` with the reader for
//! images, since the files that matter are locked; what cannot be read so is read through the file API, and is said to
//! be. Drives of the network are named, not read.

pub(crate) mod early;
#[cfg(windows)]
mod export;
#[cfg(any(windows, test))]
mod images;
pub(crate) mod memory_tree;
#[cfg(windows)]
mod snapshot;
#[cfg(windows)]
pub(crate) mod sys;
#[cfg(windows)]
mod volumes;
#[cfg(any(windows, test))]
mod watched;

use super::Source;
use crate::Error;
use evidence::Filetime;
#[cfg(any(windows, test))]
use evidence::{Problem, ProblemKind, Stage};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// A live host of which nothing was taken.
#[cfg(test)]
pub(crate) fn nothing() -> super::OpenedVolume {
    memory_tree::volume(Vec::new())
}

/// How a live host is opened.
pub struct Request<'a> {
    /// The clock.
    pub now: &'a dyn Fn() -> Filetime,
    /// Where the bundle will go.
    pub destination: &'a Path,
    /// Called with their number before bytes of a volume are read.
    pub pace: fn(usize),
    /// Set when the collection is to end early.
    pub cancel: &'a AtomicBool,
    /// Whether the shadow copies that are there are read as well.
    pub shadow_copies: bool,
    /// Whether a shadow copy of the system volume is made, and the volume read from it.
    pub make_shadow_copy: bool,
}

/// What a user writes for the live host, and the id of the volume that has its state.
pub const NAME: &str = "live";
/// The id of the volume of logs that the event log service exported.
pub(crate) const SERVICE: &str = "service";
/// How the ids of the volumes of shadow copies begin.
pub(crate) const SHADOW_COPY: &str = "shadow-copy-";

/// Opens the host that this program runs on.
#[cfg(not(windows))]
pub fn open(_: &Request<'_>) -> Result<Source, Error> {
    let why = "a live host is collected by the Windows program, on the host itself".to_owned();
    Err(Error::NotASource { path: Path::new(NAME).to_owned(), why })
}

/// Opens the host that this program runs on.
#[cfg(windows)]
pub fn open(request: &Request<'_>) -> Result<Source, Error> {
    let Request { destination, pace, shadow_copies, .. } = *request;
    if sys::is_emulated() == Some(true) {
        let why = "this program runs emulated here and would see other folders and registry keys than the system; use \
                   the program for this machine's own architecture";
        return Err(Error::NotASource { path: Path::new(NAME).to_owned(), why: why.to_owned() });
    }
    // Copies of the event logs go to the destination before any volume is opened.
    let system = sys::windows_folder().ok().and_then(|folder| folder.chars().next());
    if letter_of(destination).is_some_and(|letter| system.is_some_and(|system| system.eq_ignore_ascii_case(&letter))) {
        let source_path = Path::new("the system volume of this host").to_owned();
        return Err(Error::DestinationOnEvidence { path: destination.to_owned(), source_path });
    }
    let mut problems = Vec::new();
    if let Err(error) = sys::work_in_background() {
        let what = format!("background priority was refused: {error}");
        let effect = "the host may be slower while it is collected";
        problems.push(Problem::new(Stage::Source, ProblemKind::AccessDenied, NAME, what, effect));
    }
    if let Err(error) = sys::load_from_system_only() {
        let what = format!("libraries could not be limited to System32: {error}");
        let effect = "a library beside this program might be loaded; the program itself loads from System32 only";
        problems.push(Problem::new(Stage::Source, ProblemKind::AccessDenied, NAME, what, effect));
    }
    let elevated = sys::is_elevated();
    problems.extend(missing_rights(elevated, sys::enable_privilege));
    let files = snapshot::take(request, &mut problems);
    // What was just taken is gone for good if the program ends now, and what follows takes a while.
    let early = early::Early::keep(destination, &files).map_err(|source| Error::write(destination, source))?;
    let mut volumes = vec![memory_tree::volume(files)];
    volumes.extend(export::take(destination, &mut problems));
    let own = if request.make_shadow_copy { volumes::make_shadow_copy(&mut problems) } else { None };
    volumes.extend(volumes::open(letter_of(destination), own.as_ref(), pace, &mut problems));
    if shadow_copies {
        volumes.extend(volumes::shadow_copies(own.as_ref(), pace, &mut problems));
    }
    let facts = vec![
        ("elevated".to_owned(), elevated.to_string()),
        ("uptime in milliseconds".to_owned(), sys::uptime_ms().to_string()),
    ];
    let system = volumes.iter().filter(|(volume, _)| volume.is_system).filter_map(|(volume, _)| volume.letter);
    let files = system.map(|letter| std::path::PathBuf::from(format!("{letter}:\\"))).collect();
    let made = own.map(|own| Box::new(own) as Box<dyn super::Made>);
    Ok(Source {
        kind: "live host",
        facts,
        volumes,
        problems,
        files,
        is_older: false,
        made,
        early: Some(early),
        media: Vec::new(),
    })
}

/// What this process may not do, and what that costs.
#[cfg(any(windows, test))]
fn missing_rights(elevated: bool, enable: impl Fn(&str) -> std::io::Result<()>) -> Vec<Problem> {
    let problem = |what, effect| Problem::new(Stage::Source, ProblemKind::AccessDenied, NAME, what, effect);
    let mut problems = Vec::new();
    if !elevated {
        problems.push(problem(
            "not elevated: raw volume, Security log, other users' hives unavailable".to_owned(),
            "what these hold is not seen; start the program as administrator to see it",
        ));
    }
    for (privilege, cost) in [
        ("SeDebugPrivilege", "command lines and accounts of other users' processes may be missing"),
        ("SeBackupPrivilege", "files that only their owners may read are missing where volumes are not read raw"),
        ("SeSecurityPrivilege", "the Security log cannot be exported through its service"),
    ] {
        if let Err(error) = enable(privilege) {
            problems.push(problem(format!("{privilege} is not available: {error}"), cost));
        }
    }
    problems
}

/// Calls when the console says that the program is to end, on a thread of its own, with whether the system ends it within
/// seconds. An error says that the system refuses to tell.
#[cfg(windows)]
pub fn on_console_event(told: fn(bool)) -> std::io::Result<()> {
    sys::on_console_event(told)
}

/// Bytes that this process read and wrote so far, by the system's own count.
#[cfg(windows)]
pub fn io_counters() -> std::io::Result<(u64, u64)> {
    sys::io_counters()
}

/// The drive letter of a path that may not be there yet.
#[cfg(windows)]
fn letter_of(path: &Path) -> Option<char> {
    use std::path::{Component, Prefix};
    match std::path::absolute(path).ok()?.components().next()? {
        Component::Prefix(prefix) => match prefix.kind() {
            Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => Some(char::from(letter).to_ascii_uppercase()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_that_is_missing_is_said_with_what_it_costs() {
        assert_eq!(missing_rights(true, |_| Ok(())), []);
        let refused = |privilege: &str| match privilege {
            // What Windows answers for a privilege that the token does not hold: not all privileges are assigned.
            "SeDebugPrivilege" | "SeSecurityPrivilege" => Err(std::io::Error::from_raw_os_error(1300)),
            _ => Ok(()),
        };
        let problems = missing_rights(false, refused);
        let said: Vec<&str> = problems.iter().map(|problem| problem.what.split(':').next().unwrap()).collect();
        assert_eq!(said, ["not elevated", "SeDebugPrivilege is not available", "SeSecurityPrivilege is not available"]);
        assert!(problems.iter().all(|problem| problem.kind.name() == "access_denied" && !problem.effect.is_empty()));
    }
}
