//! The command line grammar of RegSvcs.exe.
//!
//! Reference: Microsoft, *Regsvcs.exe (.NET Services Installation Tool)*; behaviour of the 2.0 generation.

use super::Command;
use evidence::Mode;

/// Options without a value; any case.
const WORDS: [&str; 15] = [
    "?",
    "help",
    "c",
    "fc",
    "exapp",
    "extlb",
    "tlb",
    "reconfig",
    "noreconfig",
    "nologo",
    "quiet",
    "u",
    "componly",
    "bootstrapi",
    "bootstrapu",
];

/// Options with a value; the 2.0 generation compares these with regard to case.
const WITH_VALUE: [&str; 4] = ["tlb:", "appname:", "parname:", "appdir:"];

/// The status with which the tool ends when it does not understand its command line.
const FAILED: u32 = 1;

pub(super) fn read(arguments: &[String]) -> Command {
    let mut command = Command::new(Mode::CoplusInstall);
    if arguments.is_empty() {
        command.mode = Mode::Usage;
        command.predicted_exit = Some(0);
        return command;
    }
    let (mut uninstall, mut help, mut bootstrap, mut refused) = (false, false, false, None);
    let mut rest = arguments;
    while let [argument, more @ ..] = rest {
        let Some(option) = argument.strip_prefix(['/', '-']) else { break };
        rest = more;
        if let Some((name, value)) =
            WITH_VALUE.iter().find_map(|name| option.strip_prefix(name).map(|value| (*name, value)))
        {
            command.options.push(format!("{argument} = {}", name.trim_end_matches(':')));
            match name {
                "tlb:" => command.type_library = Some(value.to_owned()),
                "appname:" => command.application = Some(value.to_owned()),
                "appdir:" => command.search.push(value.to_owned()),
                _ => {}
            }
            continue;
        }
        let lower = option.to_ascii_lowercase();
        let Some(word) = WORDS.iter().find(|word| **word == lower) else {
            refused.get_or_insert(format!("the option \"{option}\" is not known"));
            command.options.push(format!("{argument} = not understood"));
            continue;
        };
        command.options.push(format!("{argument} = {word}"));
        match *word {
            "?" | "help" => help = true,
            "u" => uninstall = true,
            "nologo" | "quiet" => command.quiet = true,
            "bootstrapi" | "bootstrapu" => bootstrap = true,
            _ => {}
        }
    }
    // From the first word that is not an option on, nothing is an option any more.
    command.assembly = rest.first().cloned();
    if let Some(application) = rest.get(1) {
        command.application = Some(application.clone());
    }
    if let Some(library) = rest.get(2) {
        command.type_library = Some(library.clone());
    }
    for late in rest.iter().skip(1).filter(|word| word.starts_with(['/', '-'])) {
        command.warnings.push(format!(
            "option_after_assembly: \"{late}\" is behind the assembly, where the tool reads it as the name of an \
             application or type library and not as an option"
        ));
    }
    if let Some(reason) = refused {
        command.refuse(reason, FAILED);
    } else if help {
        command.mode = Mode::Usage;
        command.predicted_exit = Some(0);
    } else if rest.len() > 3 {
        command.refuse(format!("{} names where three are allowed", rest.len()), FAILED);
    } else if bootstrap && command.assembly.is_none() {
        command.mode = Mode::Unknown;
        command.warnings.push(
            "undocumented_option: sets up or removes the COM+ support of the framework itself; what it does is not \
             described"
                .to_owned(),
        );
    } else if command.assembly.is_none() {
        command.refuse("no assembly is named".to_owned(), FAILED);
    } else if uninstall {
        command.mode = Mode::CoplusUninstall;
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mode::{CoplusInstall, CoplusUninstall, Invalid, Unknown, Usage};

    fn of(line: &str) -> Command {
        crate::command::read(evidence::Tool::Regsvcs, &format!("regsvcs {line}"))
    }

    #[test]
    fn modes() {
        for (line, mode, assembly) in [
            ("", Usage, None),
            ("x.dll", CoplusInstall, Some("x.dll")),
            ("/U x.dll", CoplusUninstall, Some("x.dll")),
            ("-u x.dll", CoplusUninstall, Some("x.dll")),
            ("x.dll /u", CoplusInstall, Some("x.dll")),
            ("/fc /quiet x.dll App lib.tlb", CoplusInstall, Some("x.dll")),
            ("/appname:App /tlb:a.tlb x.dll", CoplusInstall, Some("x.dll")),
            ("/?", Usage, None),
            ("/HELP x.dll", Usage, Some("x.dll")),
            ("/bootstrapi", Unknown, None),
            ("x.dll a b c", Invalid, Some("x.dll")),
            ("/un x.dll", Invalid, Some("x.dll")),
            ("/unregister x.dll", Invalid, Some("x.dll")),
            ("/APPNAME:App x.dll", Invalid, Some("x.dll")),
            ("/u", Invalid, None),
            ("\"Foo, Version=1.0.0.0\"", CoplusInstall, Some("Foo, Version=1.0.0.0")),
        ] {
            let command = of(line);
            assert_eq!((command.mode, command.assembly.as_deref()), (mode, assembly), "{line}");
            let exit = match mode {
                Invalid => Some(1),
                Usage => Some(0),
                _ => None,
            };
            assert_eq!(command.predicted_exit, exit, "{line}");
        }
    }

    #[test]
    fn an_option_behind_the_assembly_is_a_name() {
        let command = of("x.dll /u");
        assert_eq!(command.application.as_deref(), Some("/u"));
        assert!(command.warnings[0].starts_with("option_after_assembly:"));
        let command = of("/parname:p /appdir:d /tlb x.dll App lib.tlb");
        assert_eq!(command.application.as_deref(), Some("App"));
        assert_eq!(command.type_library.as_deref(), Some("lib.tlb"));
        assert!(command.warnings.is_empty());
    }
}
