//! Whether a process is the tool: by its version resource or its metadata, by its path, or only by its name.

use super::files::Files;
use super::process::Process;
use crate::command;
use crate::paths::PathKey;
use evidence::technique::{FRAMEWORKS, KEY_TOKEN};
use evidence::{Facts, Identity, ProgramKind, Role, Tool};

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
    /// What says so, and what was not checked, for a sentence.
    pub(super) because: String,
}

/// What nobody checked of a file that was not collected.
const NOT_COLLECTED: &str = "the file itself was not collected, so neither its hash nor its signature was checked";

/// `\<Windows>\Microsoft.NET\Framework…\v…\` directly below.
pub(crate) fn in_framework(key: &PathKey) -> bool {
    let parts: Vec<&str> = key.rest.split('\\').skip(1).collect();
    matches!(parts.as_slice(), [_, net, framework, version, _]
        if *net == FRAMEWORKS.0
            && FRAMEWORKS.1.contains(framework)
            && version.starts_with('V'))
}

/// The generation of the CLR that a framework folder belongs to: 1, 2 or 4. Versions 3.0 and 3.5 of the framework run on 2.
pub(super) fn framework_of(key: &PathKey) -> Option<u32> {
    let (folder, _) = key.rest.rsplit_once('\\')?;
    let (_, version) = folder.rsplit_once('\\').filter(|_| in_framework(key))?;
    match version.strip_prefix('V')?.split('.').next()? {
        "1" => Some(1),
        "2" | "3" => Some(2),
        "4" => Some(4),
        _ => None,
    }
}

/// What the facts of a collected program say about it.
fn by_facts(facts: &Facts) -> Option<Result<Tool, String>> {
    let kind = facts.text_of(Role::Kind).and_then(ProgramKind::named);
    if let Some(assembly) = facts.role(Role::Cli).and_then(|cli| cli.role(Role::Assembly)) {
        let name = assembly.text_of(Role::Name)?;
        let token = assembly.text_of(Role::PublicKeyToken).unwrap_or_default();
        return Some(match command::tool_named(name) {
            Some(tool) if token.eq_ignore_ascii_case(KEY_TOKEN) => Ok(tool),
            _ => Err(format!("its metadata names the assembly {name} (public key token {})", or_none(token))),
        });
    }
    let original = facts.role(Role::VersionStrings).and_then(|version| version.text_of(Role::OriginalFileName));
    match (original.map(str::trim).filter(|name| !name.is_empty()), kind) {
        (_, Some(ProgramKind::Native)) => Some(Err("it is a native program, and the tool is a managed one".to_owned())),
        (_, Some(ProgramKind::NotPe)) => Some(Err("it is not a program file".to_owned())),
        (Some(name), _) => Some(command::tool_named(name).ok_or_else(|| format!("its version resource names {name}"))),
        (None, _) => None,
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Decides what a process is.
pub(super) fn decide(process: &Process, files: &Files) -> Verdict {
    let start = &process.start;
    let named = command::tool_named(&start.image);
    let is_collected = files.facts_at(&process.key).is_some();
    // What was recorded at the start describes the file as it was then; a collected file may be newer.
    let recorded = match (&start.original_file_name, &start.description) {
        (Some(name), _) => Some((
            command::tool_named(name).ok_or_else(|| format!("its version resource named {name} when it ran")),
            format!("OriginalFileName {name}"),
        )),
        (None, Some(text)) => match Tool::described(text) {
            Some(tool) => Some((Ok(tool), format!("Description \"{text}\""))),
            // Descriptions may be translated, so alone they deny nothing in the tool's own directory.
            None if in_framework(&process.key) => None,
            None => Some((Err(format!("its version resource described \"{text}\" when it ran")), String::new())),
        },
        (None, None) => None,
    };
    let recorded = recorded.map(|(fact, what)| {
        let unchecked = match is_collected {
            true => "the file that was collected from there is not known to be the same; no signature was checked",
            false => NOT_COLLECTED,
        };
        (fact, format!("Sysmon recorded {what} when it started; {unchecked}"))
    });
    let copy = start.sha256.as_deref().and_then(|sha256| files.facts_by_hash(sha256));
    let by_hash = copy.and_then(|(path, facts)| Some((path, by_facts(facts)?)));
    // Bytes that are those of the host's own tool need no further word.
    let of_the_framework = by_hash.as_ref().is_some_and(|(path, _)| in_framework(&PathKey::new(path)));
    let by_hash = by_hash.map(|(path, fact)| {
        let what = format!("the SHA-256 that was recorded when it started is that of the collected file {path}");
        (fact, format!("{what}, which says so of itself; its signature was not checked"))
    });
    let fact = by_hash.or(recorded).or_else(|| collected(&process.key, files));
    verdict(fact, named, &process.key, of_the_framework)
}

/// What the file that was collected from a place says of itself.
fn collected(key: &PathKey, files: &Files) -> Option<(Result<Tool, String>, String)> {
    let fact = files.facts_at(key).and_then(by_facts)?;
    Some((fact, "the file that was collected from there says so of itself; its signature was not checked".to_owned()))
}

/// What follows from what a program says of itself, and from its name and place.
fn verdict(
    fact: Option<(Result<Tool, String>, String)>,
    named: Option<Tool>,
    key: &PathKey,
    of_the_framework: bool,
) -> Verdict {
    match (fact, named) {
        (Some((Ok(tool), because)), _) if of_the_framework => {
            Verdict::Tool(tool, Basis { identity: Identity::Proven, because })
        }
        (Some((Ok(tool), because)), _) if in_framework(key) => {
            let because = format!("it lies in a .NET framework directory, and {because}");
            Verdict::Tool(tool, Basis { identity: Identity::Proven, because })
        }
        (Some((Ok(tool), because)), _) => Verdict::Tool(tool, Basis { identity: Identity::ByItself, because }),
        (Some((Err(because), _)), Some(_)) => Verdict::Lookalike(because),
        (Some((Err(_), _)) | None, None) => Verdict::Other,
        (None, Some(tool)) => Verdict::Tool(tool, by_path(key)),
    }
}

/// Without any fact, where the file lay decides.
fn by_path(key: &PathKey) -> Basis {
    let (identity, what) = match in_framework(key) {
        true => (Identity::ByPath, "it lies in a .NET framework directory under the tool's name"),
        false => (Identity::ByName, "it has the tool's name"),
    };
    let because = format!("{what}; nothing that it says of itself was recorded or collected");
    Basis { identity, because }
}

/// Decides what a program is, from its path alone, which this is the key of, and what was collected there.
pub(super) fn decide_path(path: &str, key: &PathKey, files: &Files) -> Verdict {
    verdict(collected(key, files), command::tool_named(path), key, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framework_directories() {
        for (path, wanted) in [
            (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe", true),
            (r"\Device\HarddiskVolume3\WINNT\Microsoft.NET\Framework\v2.0.50727\RegAsm.exe", true),
            (r"C:\Temp\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe", false),
            (r"C:\Windows\Microsoft.NET\Framework\RegAsm.exe", false),
            (r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\x\RegAsm.exe", false),
            (r"C:\Windows\WinSxS\x\regasm.exe", false),
            ("RegAsm.exe", false),
        ] {
            assert_eq!(in_framework(&PathKey::new(path)), wanted, "{path}");
        }
    }
}
