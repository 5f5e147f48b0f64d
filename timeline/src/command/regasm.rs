//! The command line grammar of RegAsm.exe.
//!
//! Reference: Microsoft, *Regasm.exe (Assembly Registration Tool)*; behaviour of the 2.0 generation.

use super::Command;
use evidence::Mode;

#[derive(Clone, Copy, PartialEq, Eq)]
enum TakesValue {
    No,
    Maybe,
    Always,
}

const OPTIONS: [(&str, TakesValue); 11] = [
    ("regfile", TakesValue::Maybe),
    ("tlb", TakesValue::Maybe),
    ("unregister", TakesValue::No),
    ("registered", TakesValue::No),
    ("codebase", TakesValue::No),
    ("nologo", TakesValue::No),
    ("silent", TakesValue::No),
    ("verbose", TakesValue::No),
    ("?", TakesValue::No),
    ("help", TakesValue::No),
    ("asmpath", TakesValue::Always),
];

/// Every error ends the tool with this status.
const FAILED: u32 = 100;

/// What the options say that stands nowhere else in the command.
#[derive(Default)]
struct Given {
    unregister: bool,
    regfile: bool,
    tlb: bool,
    asmpath: bool,
    help: bool,
    /// The first error.
    refused: Option<String>,
}

pub(super) fn read(arguments: &[String]) -> Command {
    let mut command = Command::new(Mode::Register);
    if arguments.is_empty() {
        command.mode = Mode::Usage;
        command.predicted_exit = Some(0);
        return command;
    }
    let mut given = Given::default();
    let mut ignored = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.strip_prefix(['/', '-']) {
            Some(option) => {
                if let Err(reason) = given.take(option, argument, &mut rest, &mut command) {
                    given.refused.get_or_insert(reason);
                }
            }
            None if command.assembly.is_none() => command.assembly = Some(argument.clone()),
            None => ignored.push(argument.clone()),
        }
    }
    if !ignored.is_empty() {
        command.warnings.push(format!("ignored_arguments: only the first name counts, ignored: {}", ignored.join(" ")));
    }
    given.decide(&mut command);
    command
}

impl Given {
    /// Takes an option, which is `argument` without its sign, and its value from the `rest` where it is the next token.
    fn take(
        &mut self,
        option: &str,
        argument: &str,
        rest: &mut std::slice::Iter<'_, String>,
        command: &mut Command,
    ) -> Result<(), String> {
        let (written, value) = match option.find([':', '=']) {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        };
        let (name, takes) =
            find(written).inspect_err(|_| command.options.push(format!("{argument} = not understood")))?;
        command.options.push(format!("{argument} = {name}"));
        let value = match (takes, value) {
            (TakesValue::No | TakesValue::Maybe, None) => None,
            (TakesValue::No, Some(_)) => return Err(format!("the option {name} takes no value")),
            (TakesValue::Always, None) => return Err(format!("the option {name} needs a value")),
            // A value that is announced and empty is the next token.
            (_, Some("")) => match rest.as_slice().first() {
                Some(next) if !next.starts_with(['/', '-']) => rest.next().cloned(),
                _ => return Err(format!("the option {name} announces a value and none follows")),
            },
            (_, Some(value)) => Some(value.to_owned()),
        };
        match name {
            "unregister" => self.unregister = true,
            "regfile" => (self.regfile, command.registry_file) = (true, value),
            "tlb" => (self.tlb, command.type_library) = (true, value),
            "codebase" => command.codebase = true,
            "nologo" | "silent" => command.quiet = true,
            "?" | "help" => self.help = true,
            "asmpath" => {
                self.asmpath = true;
                command.search.extend(value);
            }
            _ => {}
        }
        Ok(())
    }

    /// What the tool does, by all of them.
    fn decide(self, command: &mut Command) {
        if let Some(reason) = self.refused {
            command.refuse(reason, FAILED);
        } else if self.help {
            command.mode = Mode::Usage;
            command.predicted_exit = Some(0);
        } else if command.assembly.is_none() {
            command.refuse("no assembly is named".to_owned(), FAILED);
        } else if self.regfile && self.unregister {
            command.refuse("regfile and unregister exclude each other".to_owned(), FAILED);
        } else if self.regfile && self.tlb {
            command.refuse("regfile and tlb exclude each other".to_owned(), FAILED);
        } else if self.asmpath && !self.regfile {
            command.refuse("asmpath is only allowed with regfile".to_owned(), FAILED);
        } else if self.regfile {
            command.mode = Mode::Regfile;
        } else if self.unregister {
            command.mode = Mode::Unregister;
        }
    }
}

/// The option that a text spells or abbreviates: any prefix that only one option has.
fn find(written: &str) -> Result<(&'static str, TakesValue), String> {
    let lower = written.to_ascii_lowercase();
    if let Some(exact) = OPTIONS.iter().find(|(name, _)| *name == lower) {
        return Ok(*exact);
    }
    let mut matches = OPTIONS.iter().filter(|(name, _)| name.starts_with(&lower));
    match (matches.next(), matches.next()) {
        (Some(only), None) => Ok(*only),
        (Some(_), Some(_)) => Err(format!("the option \"{written}\" is ambiguous")),
        (None, _) => Err(format!("the option \"{written}\" is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mode::{Invalid, Regfile, Register, Unregister, Usage};

    fn of(line: &str) -> Command {
        crate::command::read(evidence::Tool::Regasm, &format!("regasm.exe {line}"))
    }

    #[test]
    fn modes() {
        for (line, mode, assembly) in [
            ("", Usage, None),
            ("x.dll", Register, Some("x.dll")),
            ("/u x.dll", Unregister, Some("x.dll")),
            ("x.dll /u", Unregister, Some("x.dll")),
            ("-UNREG x.dll", Unregister, Some("x.dll")),
            ("/un x.dll", Unregister, Some("x.dll")),
            ("/unregister x.dll y.dll", Unregister, Some("x.dll")),
            ("/U T1121.dll", Unregister, Some("T1121.dll")),
            ("/silent /unreg \"C:\\Users\\j d\\report.txt\"", Unregister, Some("C:\\Users\\j d\\report.txt")),
            ("/codebase /nologo C:\\x.dll", Register, Some("C:\\x.dll")),
            ("/c /n /s /v x.dll", Register, Some("x.dll")),
            ("/t x.dll", Register, Some("x.dll")),
            ("/t: y.tlb x.dll", Register, Some("x.dll")),
            ("/tlb:y.tlb x.dll", Register, Some("x.dll")),
            ("/tlb=y.tlb x.dll", Register, Some("x.dll")),
            ("\"C:\\Program Files\\V.dll\" /regfile:C:\\S\\v.reg", Regfile, Some("C:\\Program Files\\V.dll")),
            ("/regf x.dll", Regfile, Some("x.dll")),
            ("/regfile /asmpath:C:\\d x.dll", Regfile, Some("x.dll")),
            ("/regi x.dll", Register, Some("x.dll")),
            ("/?", Usage, None),
            ("/h x.dll", Usage, Some("x.dll")),
            ("/? /u x.dll", Usage, Some("x.dll")),
            ("@x.rsp", Register, Some("@x.rsp")),
            ("/r x.dll", Invalid, Some("x.dll")),
            ("/re x.dll", Invalid, Some("x.dll")),
            ("/reg x.dll", Invalid, Some("x.dll")),
            ("/ x.dll", Invalid, Some("x.dll")),
            ("--u x.dll", Invalid, Some("x.dll")),
            ("/unreg:x x.dll", Invalid, Some("x.dll")),
            ("/tlb: /u x.dll", Invalid, Some("x.dll")),
            ("x.dll /tlb:", Invalid, Some("x.dll")),
            ("/u", Invalid, None),
            ("/u /regfile x.dll", Invalid, Some("x.dll")),
            ("/tlb /regfile x.dll", Invalid, Some("x.dll")),
            ("/a:d x.dll", Invalid, Some("x.dll")),
            ("/regfile /asmpath x.dll", Invalid, Some("x.dll")),
            ("/unknown x.dll", Invalid, Some("x.dll")),
        ] {
            let command = of(line);
            assert_eq!((command.mode, command.assembly.as_deref()), (mode, assembly), "{line}");
            assert_eq!(command.invalid.is_some(), mode == Invalid, "{line}");
            let exit = match mode {
                Invalid => Some(100),
                Usage => Some(0),
                _ => None,
            };
            assert_eq!(command.predicted_exit, exit, "{line}");
        }
    }

    #[test]
    fn what_options_say() {
        let command = of("/T:lib.tlb -C /S x.dll y.dll");
        assert!(command.codebase && command.quiet);
        assert_eq!(command.type_library.as_deref(), Some("lib.tlb"));
        assert_eq!(command.options, ["/T:lib.tlb = tlb", "-C = codebase", "/S = silent"]);
        assert!(command.warnings[0].starts_with("ignored_arguments:") && command.warnings[0].ends_with("y.dll"));
        let command = of("/regfile:out.reg /asmpath:a /asmpath: b x.dll");
        assert_eq!(command.registry_file.as_deref(), Some("out.reg"));
        assert_eq!(command.search, ["a", "b"]);
        assert_eq!(of("/r x.dll").invalid.as_deref(), Some("the option \"r\" is ambiguous"));
    }
}
