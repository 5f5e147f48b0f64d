//! What a program says of itself, and what its folder says of it.

use crate::command;
use crate::paths::PathKey;
use evidence::technique::{FRAMEWORKS, KEY_TOKEN};
use evidence::{Facts, ProgramKind, Role, Tool};

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

/// What a program says of itself.
pub(super) struct Word {
    /// The tool that it says it is, or what it says instead.
    pub(super) says: Result<Tool, String>,
    /// Whether it has Microsoft's key.
    pub(super) has_key: bool,
}

/// What the facts of a collected program say about it.
pub(super) fn word_of(facts: &Facts) -> Option<Word> {
    let kind = facts.text_of(Role::Kind).and_then(ProgramKind::named);
    if let Some(assembly) = facts.role(Role::Cli).and_then(|cli| cli.role(Role::Assembly)) {
        let name = assembly.text_of(Role::Name)?;
        let token = assembly.text_of(Role::PublicKeyToken).unwrap_or_default();
        let has_key = token.eq_ignore_ascii_case(KEY_TOKEN);
        let says = command::tool_named(name).filter(|_| has_key);
        let other = || format!("its metadata names the assembly {name} (public key token {})", or_none(token));
        return Some(Word { says: says.ok_or_else(other), has_key });
    }
    let original = facts.role(Role::VersionStrings).and_then(|version| version.text_of(Role::OriginalFileName));
    let says = match (original.map(str::trim).filter(|name| !name.is_empty()), kind) {
        (_, Some(ProgramKind::Native)) => Err("it is a native program, and the tool is a managed one".to_owned()),
        (_, Some(ProgramKind::NotPe)) => Err("it is not a program file".to_owned()),
        (Some(name), _) => command::tool_named(name).ok_or_else(|| format!("its version resource names {name}")),
        (None, _) => return None,
    };
    Some(Word { says, has_key: false })
}

/// The tool that a program file says it is, by its metadata with Microsoft's key token or by its version resource.
pub(super) fn tool_of(facts: &Facts) -> Option<Tool> {
    word_of(facts)?.says.ok()
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The runtime that a program was built for, and the processor.
pub(super) fn build_of(facts: &Facts) -> (Option<&str>, Option<&str>) {
    let runtime = facts.role(Role::Cli).and_then(|cli| cli.text_of(Role::RuntimeVersion));
    (runtime, facts.text_of(Role::Machine))
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
