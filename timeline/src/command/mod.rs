//! What a command line asks RegAsm.exe or RegSvcs.exe to do, and whether a command line of another program
//! would start one of them.

mod place;
mod powershell;
mod regasm;
mod regsvcs;
mod resolve;
mod shell;
mod split;
mod started;

pub use place::{Asker, Machine, View};
pub use resolve::{Remote, Resolution, resolve};
pub(crate) use started::value_of as value_behind;
pub use started::{Started, started_tools};

use evidence::{Mode, Tool};
use split::Token;

/// Longest command line that Windows can pass to a process, in UTF-16 units with the terminator.
const LONGEST: usize = 32_767;

/// A command line of one of the tools, as the tool reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it asks for.
    pub mode: Mode,
    /// The assembly argument as the tool gets it, quotes taken off.
    pub assembly: Option<String>,
    /// Every option, as written and as read: `/u = unregister`.
    pub options: Vec<String>,
    /// What is odd about it; each starts with a stable word.
    pub warnings: Vec<String>,
    /// Why the tool refuses it.
    pub invalid: Option<String>,
    /// The exit status, where the command line alone decides it.
    pub predicted_exit: Option<u32>,
    /// `/codebase` was given.
    pub codebase: bool,
    /// Output is suppressed: `/silent`, `/nologo`, `/quiet`.
    pub quiet: bool,
    /// Type library file named with `/tlb:` or as the third word for regsvcs.
    pub type_library: Option<String>,
    /// Registry file named with `/regfile:`.
    pub registry_file: Option<String>,
    /// COM+ application named for regsvcs.
    pub application: Option<String>,
    /// Directories or files of `/asmpath` (regasm), directory of `/appdir` (regsvcs).
    pub search: Vec<String>,
}

impl Command {
    fn new(mode: Mode) -> Self {
        Command {
            mode,
            assembly: None,
            options: Vec::new(),
            warnings: Vec::new(),
            invalid: None,
            predicted_exit: None,
            codebase: false,
            quiet: false,
            type_library: None,
            registry_file: None,
            application: None,
            search: Vec::new(),
        }
    }

    fn refuse(&mut self, reason: String, exit: u32) {
        self.mode = Mode::Invalid;
        self.invalid = Some(reason);
        self.predicted_exit = Some(exit);
    }
}

/// Reads a command line of `tool`. The first token is the program's own name, whatever it says: which
/// program it was comes from the process record, never from this text.
pub fn read(tool: Tool, command_line: &str) -> Command {
    let (program, tokens) = split::split(command_line);
    let arguments: Vec<String> = tokens.iter().map(|token| token.text.clone()).collect();
    let mut command = match tool {
        Tool::Regasm => regasm::read(&arguments),
        Tool::Regsvcs => regsvcs::read(&arguments),
    };
    command.warnings.extend(oddities(command_line, program.as_ref(), &tokens));
    command
}

/// What hides or bends the text of a command line.
fn oddities(line: &str, program: Option<&Token>, tokens: &[Token]) -> Vec<String> {
    let mut warnings = Vec::new();
    if line.contains('\0') {
        warnings.push("embedded_nul: the text has a NUL character, at which Windows ends a command line".to_owned());
    }
    let invisible: Vec<String> = line
        .chars()
        .filter(|character| is_invisible(*character))
        .map(|character| format!("U+{:04X}", u32::from(character)))
        .collect();
    if let Some(first) = invisible.first() {
        warnings.push(format!(
            "invisible_characters: {} invisible or direction-changing characters, the first is {first}",
            invisible.len()
        ));
    }
    if line.contains('\u{FFFD}') {
        warnings.push("unpaired_surrogates: characters that are not valid UTF-16 are in the text".to_owned());
    }
    if line.encode_utf16().count() >= LONGEST {
        warnings.push(format!("too_long: longer than the {LONGEST} units that a process can get"));
    }
    let inside = |token: &Token| {
        let raw = &line[token.start..token.end];
        raw.matches('"').count() > 2 || raw.trim_matches('"').contains("\"\"")
    };
    if tokens.iter().any(inside) {
        warnings.push("odd_quoting: quotation marks inside a word".to_owned());
    }
    if program.is_some_and(|token| token.text.contains(" /") || token.text.contains("\"/")) {
        warnings.push("joined_program: options are glued to the program's name and do not reach the tool".to_owned());
    }
    warnings
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// Which tool a program's file name spells: `regasm`, `RegAsm.exe`, `"C:\…\regsvcs.EXE."`.
pub(crate) fn tool_named(program: &str) -> Option<Tool> {
    Tool::named(crate::paths::file_name(program.trim_matches(['"', ' ', '\t'])).trim_end_matches(['.', ' ']))
}

/// The words of a command line behind its program.
pub(crate) fn words_behind_program(command_line: &str) -> Vec<String> {
    split::split(command_line).1.into_iter().map(|token| token.text).collect()
}

/// Which tool the first word of a command line names.
pub(crate) fn program_tool(command_line: &str) -> Option<Tool> {
    split::split(command_line).0.and_then(|program| tool_named(&program.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_tools() {
        for (program, wanted) in [
            ("regasm", Some(Tool::Regasm)),
            (r"C:\x\RegAsm.exe", Some(Tool::Regasm)),
            ("REGSVCS.EXE.", Some(Tool::Regsvcs)),
            ("regasm.txt", None),
            ("myregasm.exe", None),
            ("regasm.exe.config", None),
            ("regasm64.exe", None),
            ("", None),
        ] {
            assert_eq!(tool_named(program), wanted, "{program}");
        }
    }

    #[test]
    fn odd_text_is_said() {
        let words = |line: &str| -> Vec<String> {
            let warnings = read(Tool::Regasm, line).warnings;
            warnings.iter().filter_map(|one| one.split(':').next()).map(str::to_owned).collect()
        };
        assert_eq!(words("regasm x.dll"), [""; 0]);
        assert_eq!(words("regasm annex\u{202e}txt.dll"), ["invisible_characters"]);
        assert_eq!(words("regasm x.dll\0"), ["embedded_nul"]);
        assert_eq!(words("regasm \u{fffd}.dll"), ["unpaired_surrogates"]);
        assert_eq!(words(r#"regasm "x"".d"ll"#), ["odd_quoting"]);
        assert_eq!(words(&format!("regasm {}", "a".repeat(40_000))), ["too_long"]);
    }

    #[test]
    fn glued_options_never_reach_the_tool() {
        let command = read(Tool::Regasm, r#""..\RegAsm.exe"/u"C:\a b\x.dll""#);
        assert_eq!(command.mode, Mode::Usage);
        assert_eq!(command.assembly, None);
    }

    #[test]
    fn the_real_command_lines() {
        let command = read(Tool::Regasm, r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\regasm.exe  /U T1121.dll");
        assert_eq!((command.mode, command.assembly.as_deref()), (Mode::Unregister, Some("T1121.dll")));
        let command = read(Tool::Regsvcs, r#""C:\Windows\Microsoft.NET\Framework\v4.0.30319\regsvcs.exe" T1121.dll"#);
        assert_eq!((command.mode, command.assembly.as_deref()), (Mode::CoplusInstall, Some("T1121.dll")));
    }
}
