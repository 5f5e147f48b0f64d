//! What the records are about: the files that are collected as leads and that focused artifacts describe.

use evidence::technique::FRAMEWORK;
use evidence::{Focus, Item, ItemId, Items, Lead, Tool};
use std::collections::BTreeSet;

/// What stands behind the names that are always of interest: those of the tools, of their configuration and of their CLR
/// usage logs.
const ALWAYS: [&str; 3] = ["", ".CONFIG", ".LOG"];

/// Folders of Windows in which a lead says nothing about its neighbours: they hold thousands of files.
const CROWDED: [&str; 5] = [r"\WINDOWS", r"\WINDOWS\SYSTEM32", r"\WINDOWS\SYSWOW64", r"\WINDOWS\PREFETCH", ""];

/// What the file of a lead is kept for, where that is not what a record merely names.
pub(crate) fn kept_for(lead: &Lead) -> Option<&'static str> {
    match lead {
        Lead::KeptAt { artifact, .. } => Some(artifact),
        Lead::Program(_) => Some(Item::RAN),
        Lead::IfTool { lead, .. } => kept_for(lead),
        Lead::Path(_) | Lead::CommandLine { .. } => None,
    }
}

/// A focus on nothing but the tools themselves.
pub(crate) fn on_the_tools() -> Focus {
    let names = Tool::ALL.iter().flat_map(|tool| ALWAYS.map(|end| tool.file_name() + end));
    Focus { names: names.collect(), ..Focus::default() }
}

/// Adds a file: its name, and its folder unless that is crowded.
pub(crate) fn add_path(focus: &mut Focus, path: &str) {
    let upper = without_volume(path).to_uppercase();
    let (folder, name) = upper.rsplit_once('\\').unwrap_or(("", &upper));
    // A stream belongs to its file.
    let name = name.split(':').next().unwrap_or(name);
    if !name.is_empty() {
        focus.names.insert(name.to_owned());
    }
    if !CROWDED.contains(&folder) && !folder.contains(FRAMEWORK) {
        focus.folders.insert(folder.to_owned());
    }
}

/// Adds the objects that were collected because a record named them, the tools among those that merely ran, and the prefetch
/// files of the tools.
pub(crate) fn add_items(focus: &mut Focus, items: &dyn Items, tools: &BTreeSet<ItemId>) {
    items.each(&mut |item| {
        let name = item.original_path.rsplit('\\').next().unwrap_or_default().to_uppercase();
        if item.is_lead() || tools.contains(&item.id) {
            add_path(focus, &item.original_path);
        } else if Tool::ALL.iter().any(|tool| name.starts_with(&(tool.file_name() + "-"))) {
            focus.names.insert(name);
        }
    });
}

/// `C:\a\b`, `{volume-9A3C11F2}\a\b`, `\Device\HarddiskVolume3\a\b` and `\VOLUME{…}\a\b` to `\a\b`.
fn without_volume(path: &str) -> &str {
    let upper = path.to_uppercase();
    if path.as_bytes().get(1) == Some(&b':') {
        return path.get(2..).unwrap_or_default();
    }
    if path.starts_with('{') || upper.starts_with(r"\VOLUME{") {
        return path.find('}').and_then(|at| path.get(at + 1..)).unwrap_or(path);
    }
    if upper.starts_with(r"\DEVICE\") {
        let rest = path.get(r"\DEVICE\".len()..).unwrap_or_default();
        return rest.find('\\').and_then(|at| rest.get(at..)).unwrap_or(path);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_taken_off() {
        for path in [r"C:\a\b", r"{volume-9A3C11F2}\a\b", r"\Device\HarddiskVolume3\a\b", r"\VOLUME{01d1-9a}\a\b"] {
            assert_eq!(without_volume(path), r"\a\b", "{path}");
        }
    }

    #[test]
    fn crowded_folders_are_not_described() {
        let mut focus = Focus::default();
        add_path(&mut focus, r"C:\Windows\System32\x.dll");
        add_path(&mut focus, r"C:\ProgramData\WinSync\WinSyncHelper.dll:stream");
        assert!(focus.wants(r"\Windows\System32\X.DLL"));
        assert!(!focus.wants(r"\Windows\System32\kernel32.dll"));
        assert!(focus.wants(r"\ProgramData\WinSync\other.txt"));
        assert!(focus.wants(r"\somewhere\winsynchelper.dll"));
    }
}
