//! The two tools that T1218.009 abuses: what they are called, where they lie, and what they say of themselves.
//!
//! Reference: MITRE ATT&CK, *System Binary Proxy Execution: Regsvcs/Regasm*, <https://attack.mitre.org/techniques/T1218/009/>.

use serde::{Serialize, Serializer};

/// Which of the two tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// RegAsm.exe, the assembly registration utility.
    Regasm,
    /// RegSvcs.exe, the services installation utility.
    Regsvcs,
}

/// Token of the key with which Microsoft signs both.
pub const KEY_TOKEN: &str = "b03f5f7f11d50a3a";

/// What the paths of the folders that the tools belong in have in them, upper case; also those of the 64-bit and of the
/// ARM64 framework.
pub const FRAMEWORK: &str = r"\MICROSOFT.NET\FRAMEWORK";

/// The folder of all frameworks below that of Windows, and the names of the frameworks in it, upper case.
pub const FRAMEWORKS: (&str, [&str; 3]) = ("MICROSOFT.NET", ["FRAMEWORK", "FRAMEWORK64", "FRAMEWORKARM64"]);

/// Where the tools and their configuration lie, as path patterns.
pub const FILES: [&str; 4] = [
    r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegAsm.exe",
    r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegSvcs.exe",
    r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegAsm.exe.config",
    r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegSvcs.exe.config",
];

/// Folders that Windows and its installers own, upper case, behind the root of a volume.
const OWNED: [&str; 3] = [r"WINDOWS\", r"PROGRAM FILES\", r"PROGRAM FILES (X86)\"];
/// Folders inside of Windows' own that anybody may write to, likewise.
const SHARED: [&str; 4] =
    [r"WINDOWS\TEMP\", r"WINDOWS\TASKS\", r"WINDOWS\TRACING\", r"WINDOWS\SYSTEM32\SPOOL\DRIVERS\COLOR\"];

/// Whether a program at this path lay outside of the folders of Windows and of installed programs, where a copy of a tool
/// can be put under another name. The path is verbatim: with a drive letter, a device, a volume, or of a share. A name
/// without a folder says nothing of that.
pub fn lies_elsewhere(path: &str) -> bool {
    let upper = path.to_uppercase().replace('/', r"\");
    let plain = [r"\\?\", r"\??\", r"\\.\"].iter().find_map(|prefix| upper.strip_prefix(prefix)).unwrap_or(&upper);
    let behind_name = |rest: &str| rest.split_once('\\').map(|(_, inside)| inside.to_owned());
    let inside = if plain.get(1..3) == Some(r":\") {
        plain.get(3..).map(str::to_owned)
    } else if plain.starts_with(r"\VOLUME{") || plain.starts_with("VOLUME{") || plain.starts_with('{') {
        plain.split_once('}').and_then(|(_, rest)| behind_name(rest))
    } else if let Some(rest) = plain.strip_prefix(r"\DEVICE\") {
        behind_name(rest)
    } else if let Some(rest) = plain.strip_prefix(r"\SYSTEMROOT\") {
        Some(format!(r"WINDOWS\{rest}"))
    } else {
        plain.strip_prefix('\\').filter(|rest| !rest.starts_with('\\')).map(str::to_owned)
    };
    let Some(inside) = inside else { return plain.starts_with(r"\\") };
    let is_in = |folders: &[&str]| folders.iter().any(|folder| inside.starts_with(folder));
    !is_in(&OWNED) || is_in(&SHARED)
}

impl Tool {
    /// Both.
    pub const ALL: [Tool; 2] = [Tool::Regasm, Tool::Regsvcs];

    /// Its file name without extension, and the simple name of its assembly, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Tool::Regasm => "regasm",
            Tool::Regsvcs => "regsvcs",
        }
    }

    /// The description in its version resource, lower case.
    pub const fn description(self) -> &'static str {
        match self {
            Tool::Regasm => "microsoft .net assembly registration utility",
            Tool::Regsvcs => "microsoft .net services installation utility",
        }
    }

    /// The tool with this file name, in any case, with or without `.exe`.
    pub fn named(file_name: &str) -> Option<Tool> {
        let (stem, end) = file_name.split_at_checked(file_name.len().saturating_sub(4)).unwrap_or((file_name, ""));
        let name = if end.eq_ignore_ascii_case(".exe") { stem } else { file_name };
        Tool::ALL.into_iter().find(|tool| tool.name().eq_ignore_ascii_case(name))
    }

    /// The tool with this description, in any case.
    pub fn described(description: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.description().eq_ignore_ascii_case(description))
    }

    /// Whether a text has the name of one of the tools in it, in any case.
    pub fn is_in(text: &str) -> bool {
        let text = text.as_bytes();
        let names = Tool::ALL.map(|tool| tool.name().as_bytes());
        let is_at = |rest: &[u8], name: &[u8]| rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        (0..text.len()).any(|at| {
            let first = text[at].to_ascii_lowercase();
            names.iter().any(|name| name[0] == first && is_at(&text[at..], name))
        })
    }

    /// Its file name in upper case: `REGASM.EXE`.
    pub fn file_name(self) -> String {
        format!("{}.EXE", self.name().to_uppercase())
    }
}

/// By its name.
impl Serialize for Tool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_which_a_copy_can_lie() {
        for (path, wanted) in [
            (r"C:\ProgramData\Intel\helper.exe", true),
            (r"\Device\HarddiskVolume3\Users\Public\a.exe", true),
            (r"\VOLUME{01da2f77-9a3c11f2}\TOOLS\A.EXE", true),
            (r"\??\D:\a.exe", true),
            (r"C:\Windows\Temp\a.exe", true),
            (r"\\server\share\a.exe", true),
            (r"C:\WindowsUpdate\a.exe", true),
            (r"C:\Windows\System32\cmd.exe", false),
            (r"\Device\HarddiskVolume3\Program Files (x86)\Vendor\a.exe", false),
            (r"\VOLUME{01da2f77-9a3c11f2}\WINDOWS\EXPLORER.EXE", false),
            (r"\SystemRoot\System32\smss.exe", false),
            ("Registry", false),
            ("", false),
        ] {
            assert_eq!(lies_elsewhere(path), wanted, "{path}");
        }
    }

    #[test]
    fn file_names() {
        for (name, tool) in [
            ("RegAsm.exe", Some(Tool::Regasm)),
            ("REGSVCS", Some(Tool::Regsvcs)),
            ("regasm.exe.config", None),
            ("regasm64.exe", None),
            ("", None),
        ] {
            assert_eq!(Tool::named(name), tool, "{name}");
        }
        for text in ["cmd /c RegSvcs a.dll", "REGASM", "rregasm"] {
            assert!(Tool::is_in(text), "{text}");
        }
        for text in ["regsvr32", "regas", "reg^asm", "ſregsvc", ""] {
            assert!(!Tool::is_in(text), "{text}");
        }
    }
}
