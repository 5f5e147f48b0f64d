//! From what a record names to the files that should be collected because of it.

use crate::command::{self, Asker, Machine, Resolution};
use crate::paths::{self, Form, PathKey};
use evidence::{Lead, Tool};

/// Most paths that one lead gives.
const MOST: usize = 24;

/// The paths that a lead of a record of this computer names, to be looked for in the source. Paths on other machines and
/// names of the global assembly cache give none: they cannot be in it. Where the File System Redirector may have acted, both
/// files are looked for.
pub fn lead_paths(lead: &Lead, computer: Option<&str>) -> Vec<String> {
    let asker = Asker { computer, ..Asker::default() };
    let mut paths = match lead {
        // A name alone is looked for wherever a copy can lie.
        Lead::Program(path) if paths::form(path) == Form::Relative && !path.contains(['\\', '/', '\0', ':']) => {
            vec![path.clone()]
        }
        Lead::Path(path) | Lead::KeptAt { path, .. } | Lead::Program(path) => from_path(path, &asker),
        Lead::IfTool { lead, .. } => match &**lead {
            Lead::CommandLine { image, command_line, current_directory } => {
                let (image, current_directory) = (image.as_deref(), current_directory.as_deref());
                // Which of the tools it is decides little: both grammars give the same first name in most lines.
                let asker = Asker { image, current_directory, ..asker };
                Tool::ALL.iter().flat_map(|tool| assembly(*tool, command_line, &asker)).collect()
            }
            lead => lead_paths(lead, computer),
        },
        Lead::CommandLine { image, command_line, current_directory } => {
            let (image, current_directory) = (image.as_deref(), current_directory.as_deref());
            from_command_line(command_line, &Asker { image, current_directory, ..asker })
        }
    };
    let mut seen = std::collections::HashSet::new();
    paths.retain(|path| seen.insert(paths::fold(path)));
    paths.truncate(MOST);
    paths
}

fn from_path(path: &str, asker: &Asker<'_>) -> Vec<String> {
    let path = path.trim().trim_matches('"');
    if path.is_empty() || path.contains('\0') {
        return Vec::new();
    }
    if let Some(local) = paths::from_file_url(path) {
        return from_path(&local, asker);
    }
    match paths::form(path) {
        Form::Drive | Form::Volume | Form::Rooted => vec![paths::canonical(path)],
        Form::Unc => kept(command::resolve(Tool::Regasm, path, asker, &Machine::default())),
        // A bare name, a display name, an address: nothing that says where a file lies.
        Form::Empty | Form::DriveRelative | Form::Relative | Form::Device | Form::Url => Vec::new(),
    }
}

fn from_command_line(command_line: &str, asker: &Asker<'_>) -> Vec<String> {
    let image = asker.image;
    let own = image.map_or_else(|| command::program_tool(command_line), command::tool_named);
    let mut found = Vec::new();
    if let Some(tool) = own {
        found.extend(assembly(tool, command_line, asker));
        found.extend(image.into_iter().flat_map(|image| from_path(image, asker)).filter(|path| !in_framework(path)));
        return found;
    }
    let starts = command::started_tools(image, command_line);
    for start in &starts {
        found.extend(assembly(start.tool, &start.command, &Asker { image: None, ..*asker }));
    }
    if starts.is_empty() {
        // A renamed tool is known by its record, not by its name: both grammars give the same first name.
        if image.is_some_and(|image| !is_shell(image)) && names_assembly(command_line) {
            found.extend(assembly(Tool::Regasm, command_line, asker));
        }
    }
    found
}

/// Programs whose arguments are never an assembly for the tool.
fn is_shell(image: &str) -> bool {
    matches!(paths::stem(image).as_str(), "cmd" | "powershell" | "pwsh" | "wmic" | "schtasks" | "at" | "forfiles")
}

/// Whether the record that gave this lead can only be about a renamed tool: it names neither tool.
fn names_assembly(command_line: &str) -> bool {
    !Tool::is_in(command_line)
}

fn in_framework(path: &str) -> bool {
    paths::fold(path).contains(evidence::technique::FRAMEWORK)
}

fn assembly(tool: Tool, command_line: &str, asker: &Asker<'_>) -> Vec<String> {
    let read = command::read(tool, command_line);
    let mut found = Vec::new();
    for name in read.assembly.iter().chain(&read.type_library).chain(&read.registry_file) {
        found.extend(kept(command::resolve(tool, name, asker, &Machine::default())));
    }
    found
}

/// Candidates on this machine; nothing of another one.
fn kept(resolution: Resolution) -> Vec<String> {
    resolution
        .candidates
        .into_iter()
        .filter(|path| matches!(paths::form(path), Form::Drive | Form::Volume) && !path.contains('\0'))
        .collect()
}

/// The key of a path that names a program, without its volume: two records of one program have the same.
pub fn program_key(path: &str) -> String {
    PathKey::new(path).rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(image: Option<&str>, command_line: &str, directory: Option<&str>) -> Vec<String> {
        let lead = Lead::CommandLine {
            image: image.map(str::to_owned),
            command_line: command_line.to_owned(),
            current_directory: directory.map(str::to_owned),
        };
        lead_paths(&lead, Some("WS-FIN-07.corp.example"))
    }

    #[test]
    fn paths_as_records_spell_them() {
        for (path, wanted) in [
            ("file:///C:/AtomicRedTeam/T1121.DLL", Some(r"C:\AtomicRedTeam\T1121.DLL")),
            ("file:///C:/a%20b/x.dll", Some(r"C:\a b\x.dll")),
            (r"C:\a\..\b\x.dll", Some(r"C:\b\x.dll")),
            (r"\??\C:\x.dll", Some(r"C:\x.dll")),
            (r"\Device\HarddiskVolume3\x.dll", Some(r"\Device\HarddiskVolume3\x.dll")),
            (r"\VOLUME{01d1-9a}\X.DLL", Some(r"\VOLUME{01d1-9a}\X.DLL")),
            (r"\Windows\x.dll", Some(r"\Windows\x.dll")),
            (r"\\localhost\C$\x.dll", Some(r"C:\x.dll")),
            (r"\\server\share\x.dll", None),
            ("http://h/x.dll", None),
            ("T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc", None),
            ("x.dll", None),
            ("", None),
        ] {
            assert_eq!(lead_paths(&Lead::Path(path.to_owned()), None).first().map(String::as_str), wanted, "{path}");
        }
    }

    #[test]
    fn command_lines_of_the_tool() {
        let image = Some(r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe");
        let found = line(image, r"regasm.exe  /U T1121.dll", Some(r"C:\AtomicRedTeam\"));
        assert_eq!(found[0], r"C:\AtomicRedTeam\T1121.dll");
        assert!(found.contains(&r"C:\Windows\SysWOW64\T1121.dll".to_owned()));
        assert_eq!(line(image, "regasm", Some(r"C:\w")), [""; 0]);
        assert_eq!(line(image, r"regasm \\10.0.0.1\c$\u.dll", Some(r"C:\w")), [""; 0]);
        assert_eq!(line(image, r"regasm \\ws-fin-07\C$\u.dll", Some(r"C:\w")), [r"C:\u.dll"]);
        assert_eq!(line(image, r"regasm \\WS-FIN-08\C$\u.dll", Some(r"C:\w")), [""; 0]);
        let both = [r"C:\Windows\SysWOW64\u.dll", r"C:\Windows\System32\u.dll"];
        assert_eq!(line(image, r"regasm C:\Windows\System32\u.dll", None), both);
        assert_eq!(line(image, r"regasm C:\a\b.dll /tlb:C:\a\c.tlb", None), [r"C:\a\b.dll", r"C:\a\c.tlb"]);
        assert_eq!(line(None, r#""C:\x y\regsvcs.exe" C:\a.dll"#, None), [r"C:\a.dll"]);
    }

    #[test]
    fn j_2_a_line_of_a_program_that_is_a_tool_is_read_as_the_tools() {
        let lead = Lead::CommandLine {
            image: Some(r"C:\x\copy.exe".to_owned()),
            command_line: r"copy.exe /u C:\x\regasm.dll".to_owned(),
            current_directory: None,
        };
        let waits = Lead::IfTool { program: r"C:\x\copy.exe".to_owned(), lead: Box::new(lead) };
        assert_eq!(lead_paths(&waits, None), [r"C:\x\regasm.dll"]);
        assert_eq!(program_key(r"\Device\HarddiskVolume3\x\Copy.exe"), program_key(r"C:\x\COPY.EXE"));
    }

    #[test]
    fn attempts_and_renamed_tools() {
        let cmd = Some(r"C:\Windows\System32\cmd.exe");
        assert_eq!(line(cmd, r#"cmd /c "regasm /u x.dll""#, Some(r"C:\w"))[0], r"C:\w\x.dll");
        assert_eq!(line(cmd, "cmd /c findstr regasm x.dll", Some(r"C:\w")), [""; 0]);
        let found = line(
            Some(r"C:\ProgramData\Intel\svchelper.exe"),
            r"svchelper.exe /u C:\ProgramData\Intel\svcore.ocx",
            None,
        );
        assert_eq!(found, [r"C:\ProgramData\Intel\svcore.ocx"]);
        let found = line(Some(r"C:\Temp\regasm.exe"), r"regasm C:\a.dll", None);
        assert_eq!(found, [r"C:\a.dll", r"C:\Temp\regasm.exe"], "a tool outside its directory is evidence too");
    }
}
