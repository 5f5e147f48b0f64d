//! Whether a process is the tool: by its version resource or its metadata, by its path, or only by its name.

use super::files::Files;
use super::process::Process;
use crate::command;
use crate::paths::PathKey;
use evidence::{Identity, Tool, Value};

/// What a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The tool.
    Tool(Tool, Identity),
    /// A file with its name that is something else.
    Lookalike(String),
    /// Another program.
    Other,
}

/// The tool whose version resource has this description.
pub(super) fn tool_described(description: &str) -> Option<Tool> {
    match description.to_ascii_lowercase().as_str() {
        "microsoft .net assembly registration utility" => Some(Tool::Regasm),
        "microsoft .net services installation utility" => Some(Tool::Regsvcs),
        _ => None,
    }
}

/// `\<Windows>\Microsoft.NET\Framework…\v…\` directly below.
pub(super) fn in_framework(key: &PathKey) -> bool {
    let parts: Vec<&str> = key.rest.split('\\').skip(1).collect();
    matches!(parts.as_slice(), [_, net, framework, version, _]
        if *net == "MICROSOFT.NET"
            && matches!(*framework, "FRAMEWORK" | "FRAMEWORK64" | "FRAMEWORKARM64")
            && version.starts_with('V'))
}

/// What the facts of a collected program say about it.
fn by_facts(facts: &Value) -> Option<Result<Tool, String>> {
    let kind = facts.get("Kind").and_then(Value::as_text);
    if let Some(assembly) = facts.get("Cli").and_then(|cli| cli.get("Assembly")) {
        let name = assembly.get("Name").and_then(Value::as_text)?;
        let token = assembly.get("PublicKeyToken").and_then(Value::as_text).unwrap_or_default();
        return Some(match command::tool_named(name) {
            Some(tool) if token.eq_ignore_ascii_case("b03f5f7f11d50a3a") => Ok(tool),
            _ => Err(format!("its metadata names the assembly {name} (public key token {})", or_none(token))),
        });
    }
    let original = facts.get("Version").and_then(|version| version.get("OriginalFilename")).and_then(Value::as_text);
    match (original.map(str::trim).filter(|name| !name.is_empty()), kind) {
        (_, Some("native")) => Some(Err("it is a native program, and the tool is a managed one".to_owned())),
        (_, Some("not_pe")) => Some(Err("it is not a program file".to_owned())),
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
    // What was recorded at the start describes the file as it was then; a collected file may be newer.
    let recorded = match (&start.original_file_name, &start.description) {
        (Some(name), _) => {
            Some(command::tool_named(name).ok_or_else(|| format!("its version resource named {name} when it ran")))
        }
        (None, Some(text)) => match tool_described(text) {
            Some(tool) => Some(Ok(tool)),
            // Descriptions may be translated, so alone they deny nothing in the tool's own directory.
            None if in_framework(&process.key) => None,
            None => Some(Err(format!("its version resource described \"{text}\" when it ran"))),
        },
        (None, None) => None,
    };
    let by_hash = start.sha256.as_deref().and_then(|sha256| files.facts_by_hash(sha256)).and_then(by_facts);
    let collected = || files.facts_at(&process.key).and_then(by_facts);
    let fact = by_hash.or(recorded).or_else(collected);
    match (fact, named) {
        (Some(Ok(tool)), _) => Verdict::Tool(tool, Identity::Proven),
        (Some(Err(because)), Some(_)) => Verdict::Lookalike(because),
        (Some(Err(_)) | None, None) => Verdict::Other,
        (None, Some(tool)) => by_path(tool, &process.key),
    }
}

/// Without any fact, where the file lay decides.
fn by_path(tool: Tool, key: &PathKey) -> Verdict {
    Verdict::Tool(tool, if in_framework(key) { Identity::ByPath } else { Identity::ByName })
}

/// Decides what the program of a prefetch file is, from its path alone and what was collected there.
pub(super) fn decide_path(path: &str, files: &Files) -> Verdict {
    let key = PathKey::new(path);
    match (files.facts_at(&key).and_then(by_facts), command::tool_named(path)) {
        (Some(Ok(tool)), _) => Verdict::Tool(tool, Identity::Proven),
        (Some(Err(because)), Some(_)) => Verdict::Lookalike(because),
        (_, None) => Verdict::Other,
        (None, Some(tool)) => by_path(tool, &key),
    }
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
