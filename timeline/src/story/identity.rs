//! Whether a process is the tool: by its version resource or its metadata, by its path, or only by its name.

use super::files::Files;
use super::process::Process;
use super::word::{self, Word, in_framework};
use crate::command;
use crate::paths::PathKey;
use evidence::{Facts, Filetime, Identity, Tool};

/// What a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tool.
    Tool(Tool, Basis),
    /// A file with its name that is something else.
    Lookalike(String),
    /// Another program.
    Other,
}

/// Why a program is held to be the tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    pub(super) identity: Identity,
    /// Whether it bears the tool's name and key, and has other bytes than the host's own.
    pub(super) is_patched: bool,
    /// What says so, and what was not checked, for a sentence.
    pub(super) because: String,
}

/// What nobody checked of a file that was not collected.
const NOT_COLLECTED: &str = "the file itself was not collected, so neither its hash nor its signature was checked";
/// Why a file's own word is no proof.
const ANYBODY: &str = "which anybody can write; its signature was not checked";

/// Something that says what a program is.
struct Fact {
    says: Result<Tool, String>,
    because: String,
    /// Whether its bytes are those of the host's own copy in a framework directory.
    is_own: bool,
    is_patched: bool,
}

/// What bytes say that were collected at this path and have this hash.
fn of_bytes(path: &str, facts: &Facts, sha256: &str, what: &str, files: &Files) -> Option<Fact> {
    if let Some((own, facts)) = files.framework_copy(sha256)
        && let Some(tool) = word::tool_of(facts)
    {
        let because = match own == path {
            true => format!("{what}, which says so of itself; its signature was not checked"),
            false => format!("{what}, and its bytes are those of the host's own {own}"),
        };
        return Some(Fact { says: Ok(tool), because, is_own: true, is_patched: false });
    }
    let Word { says, has_key } = word::word_of(facts)?;
    let is_patched = has_key && says.as_ref().is_ok_and(|tool| files.has_framework_copy_like(*tool, facts));
    let because = match (&says, is_patched) {
        (Ok(_), true) => format!(
            "{what}, which names itself so with Microsoft's key token, and its bytes are not those of the host's own \
             copy: it was changed, or is of another version; its signature was not checked"
        ),
        (Ok(_), false) => format!("{what}, which says so of itself, {ANYBODY}"),
        (Err(because), _) => because.clone(),
    };
    Some(Fact { says, because, is_own: false, is_patched })
}

/// What the file says that was collected from a place, unless it was made after the program ran.
fn collected(key: &PathKey, at: Option<Filetime>, files: &Files) -> Option<Fact> {
    let (found, facts) = files.program_at(key)?;
    if at.is_some_and(|at| found.is_newer_than(at)) {
        return None;
    }
    let what = "the file was collected from there";
    of_bytes(&found.path, facts, &found.sha256, what, files)
}

/// What was recorded of the program when it started.
fn recorded(process: &Process, is_collected: bool) -> Option<Fact> {
    let start = &process.start;
    let (says, what) = match (&start.original_file_name, &start.description) {
        (Some(name), _) => (
            command::tool_named(name).ok_or_else(|| format!("its version resource named {name} when it ran")),
            format!("OriginalFileName {name}"),
        ),
        (None, Some(text)) => match Tool::described(text) {
            Some(tool) => (Ok(tool), format!("Description \"{text}\"")),
            // Descriptions may be translated, so alone they deny nothing in the tool's own directory.
            None if in_framework(&process.key) => return None,
            None => (Err(format!("its version resource described \"{text}\" when it ran")), String::new()),
        },
        (None, None) => return None,
    };
    let unchecked = match is_collected {
        true => "the file that was collected from there is not known to be the same; no signature was checked",
        false => NOT_COLLECTED,
    };
    let because = match &says {
        Ok(_) => format!("Sysmon recorded {what} when it started; {unchecked}"),
        Err(because) => because.clone(),
    };
    Some(Fact { says, because, is_own: false, is_patched: false })
}

/// Decides what a process is.
pub(super) fn decide(process: &Process, files: &Files) -> Verdict {
    let start = &process.start;
    let hash = start.sha256.as_deref();
    let by_hash = hash.and_then(|sha256| {
        let (path, facts) = files.facts_by_hash(sha256)?;
        let what = format!("the SHA-256 that was recorded when it started is that of the collected file {path}");
        of_bytes(&path, facts, sha256, &what, files)
    });
    // What was recorded at the start describes the file as it was then; a collected file may be newer.
    let recorded = recorded(process, files.facts_at(&process.key).is_some());
    let is_denied = recorded.as_ref().is_some_and(|fact| fact.says.is_err()) || hash.is_some() && by_hash.is_none();
    let collected = collected(&process.key, process.start_for_joins().or(process.ended_as_recorded()), files);
    let fact = by_hash.or_else(|| match (recorded, collected) {
        (Some(recorded), Some(collected)) if !is_denied && (collected.is_own || collected.is_patched) => {
            // The bytes say more, unless they say something else.
            Some(if collected.says == recorded.says { collected } else { recorded })
        }
        (recorded, collected) => recorded.or(collected.filter(|_| !is_denied)),
    });
    verdict(fact, command::tool_named(&start.image), &process.key)
}

/// What follows from what a program says of itself, and from its name and place.
fn verdict(fact: Option<Fact>, named: Option<Tool>, key: &PathKey) -> Verdict {
    let Some(Fact { says, because, is_own, is_patched }) = fact else {
        return named.map_or(Verdict::Other, |tool| Verdict::Tool(tool, by_path(key)));
    };
    match (says, named) {
        (Ok(tool), _) => {
            let (identity, because) = match in_framework(key) {
                true => (Identity::Proven, format!("it lies in a .NET framework directory, and {because}")),
                false if is_own => (Identity::Proven, because),
                false => (Identity::ByName, because),
            };
            Verdict::Tool(tool, Basis { identity, is_patched, because })
        }
        (Err(because), Some(_)) => Verdict::Lookalike(because),
        (Err(_), None) => Verdict::Other,
    }
}

/// Without any fact, where the file lay decides.
fn by_path(key: &PathKey) -> Basis {
    let (identity, what) = match in_framework(key) {
        true => (Identity::ByPath, "it lies in a .NET framework directory under the tool's name"),
        false => (Identity::ByName, "it has the tool's name"),
    };
    let because = format!("{what}; nothing that it says of itself was recorded or collected");
    Basis { identity, is_patched: false, because }
}

/// Decides what a program is that ran at this time at the latest, from its path alone, which this is the key of, and from
/// what was collected there. A name without a folder is that of any collected copy of the tool that is called so.
pub(super) fn decide_path(path: &str, key: &PathKey, at: Option<Filetime>, files: &Files) -> Verdict {
    let named = command::tool_named(path);
    if named.is_none()
        && !path.contains(['\\', '/'])
        && let Some((copy, tool)) = files.copy_named(path)
    {
        let because = format!(
            "the record has only its name, and so is called the collected file {copy}, which says of itself that it is the tool"
        );
        return Verdict::Tool(tool, Basis { identity: Identity::ByName, is_patched: false, because });
    }
    verdict(collected(key, at, files), named, key)
}
