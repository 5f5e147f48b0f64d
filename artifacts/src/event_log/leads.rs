//! Which files the records name that should be collected: the assemblies and the renamed copies of the tools.

use super::kinds::{SIGNATURE, SIGNATURE_STATUS};
use evidence::technique::{FRAMEWORK, lies_elsewhere};
use evidence::{Field, Lead, Record, Role, Tells, Told, Tool, ValueRef};

/// Whether the file name of a path is one of the tools'.
fn is_tool(path: &str) -> bool {
    Tool::named(path.rsplit(['\\', '/']).next().unwrap_or(path)).is_some()
}

fn in_framework(path: &str) -> bool {
    path.to_ascii_uppercase().contains(FRAMEWORK)
}

/// Files that process starts and Sysmon's records of the tools name. Script text that merely names them gives none.
pub(super) fn of(record: &Record) -> Vec<Lead> {
    let text = |role| record.role(role).and_then(Told::text);
    let path = |role| text(role).filter(|path| !path.is_empty()).map(|path| Lead::Path(path.to_owned()));
    let by_tool = || text(Role::Image).is_some_and(is_tool);
    let lead = match record.of.tells {
        Tells::ProcessStart(_) => return process_start(record),
        Tells::ProcessEnd => {
            text(Role::Image).filter(|image| lies_elsewhere(image)).map(|image| Lead::Program(image.to_owned()))
        }
        Tells::ImageLoaded if by_tool() && !is_of_windows(record) => path(Role::LoadedImage),
        Tells::FileWritten(_) | Tells::FileDeleted(_) if by_tool() => path(Role::File),
        Tells::RegistryChange if text(Role::RegistryTarget).is_some_and(is_code_base) => path(Role::RegistryValue),
        _ => None,
    };
    lead.into_iter().collect()
}

/// The command line of a tool, and the tool itself where it is not where Windows keeps it.
fn process_start(record: &Record) -> Vec<Lead> {
    let text = |role| record.role(role).and_then(Told::text);
    let image = text(Role::Image);
    let original = text(Role::OriginalFileName);
    let command_line = text(Role::CommandLine).filter(|line| !line.is_empty());
    let mut leads = Vec::new();
    if let Some(command_line) = command_line
        && [Some(command_line), image, original].into_iter().flatten().any(Tool::is_in)
    {
        leads.push(Lead::CommandLine {
            image: image.map(str::to_owned),
            command_line: command_line.to_owned(),
            current_directory: text(Role::CurrentDirectory).map(str::to_owned),
        });
    }
    if let Some(image) = image
        && (is_tool(image) || original.is_some_and(is_tool))
        && !(is_tool(image) && in_framework(image))
    {
        leads.push(Lead::Path(image.to_owned()));
    } else if let Some(image) = image
        && lies_elsewhere(image)
    {
        leads.extend(command_line.map(|command_line| Lead::IfTool {
            program: image.to_owned(),
            lead: Box::new(Lead::CommandLine {
                image: Some(image.to_owned()),
                command_line: command_line.to_owned(),
                current_directory: text(Role::CurrentDirectory).map(str::to_owned),
            }),
        }));
        leads.push(Lead::Program(image.to_owned()));
    }
    leads
}

/// A CodeBase value below InprocServer32, of the class or of one of its versions.
fn is_code_base(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.ends_with(r"\codebase") && lower.contains(r"\inprocserver32\")
}

/// Whether Sysmon found Windows' own signature on an image from Windows' folder, as on the dozens of libraries that
/// every managed program loads.
fn is_of_windows(record: &Record) -> bool {
    let starts = |text: Option<&str>, start: &str| {
        text.and_then(|text| text.get(..start.len())).is_some_and(|text| text.eq_ignore_ascii_case(start))
    };
    let says = |field: Field, start| starts(field.of(record).and_then(ValueRef::as_text), start);
    says(SIGNATURE_STATUS, "Valid")
        && says(SIGNATURE, "Microsoft ")
        && starts(record.role(Role::LoadedImage).and_then(Told::text), r"C:\Windows\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_type;
    use evidence::{Fields, Integrity, Locator};

    fn leads(provider: &str, event_id: u64, values: &[(&'static str, &str)]) -> Vec<Lead> {
        let mut fields = Fields::new();
        for (name, value) in values {
            fields.push(*name, *value);
        }
        of(&Record {
            artifact: "event-log",
            of: event_type(provider, "", event_id).unwrap(),
            subject: String::new(),
            user: None,
            moments: Vec::new(),
            fields,
            claims: &[],
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        })
    }

    const SYSMON: &str = "Microsoft-Windows-Sysmon";
    const REGASM: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe";

    fn path(path: &str) -> Lead {
        Lead::Path(path.to_owned())
    }

    fn command(image: &str, line: &str, directory: Option<&str>) -> Lead {
        Lead::CommandLine {
            image: Some(image.to_owned()),
            command_line: line.to_owned(),
            current_directory: directory.map(str::to_owned),
        }
    }

    #[test]
    fn command_lines() {
        assert_eq!(
            leads(SYSMON, 1, &[("Image", REGASM), ("CommandLine", "REGASM /u a.dll"), ("CurrentDirectory", r"C:\x\")]),
            [command(REGASM, "REGASM /u a.dll", Some(r"C:\x\"))]
        );
        let security = "Microsoft-Windows-Security-Auditing";
        let shell = r"C:\Windows\System32\cmd.exe";
        assert_eq!(
            leads(security, 4688, &[("NewProcessName", shell), ("CommandLine", "cmd /c RegSvcs a.dll")]),
            [command(shell, "cmd /c RegSvcs a.dll", None)]
        );
        assert_eq!(leads(security, 4688, &[("NewProcessName", shell), ("CommandLine", "cmd /c dir")]), []);
        assert_eq!(leads(security, 4689, &[("ProcessName", REGASM)]), []);
    }

    #[test]
    fn j_2_programs_that_may_be_a_tool_under_another_name() {
        let security = "Microsoft-Windows-Security-Auditing";
        let program = |path: &str| Lead::Program(path.to_owned());
        let image = r"C:\ProgramData\a.exe";
        let waits = Lead::IfTool { program: image.to_owned(), lead: Box::new(command(image, "a /u x.dll", None)) };
        assert_eq!(
            leads(security, 4688, &[("NewProcessName", image), ("CommandLine", "a /u x.dll")]),
            [waits, program(image)]
        );
        assert_eq!(leads(security, 4688, &[("NewProcessName", image)]), [program(image)]);
        assert_eq!(leads(SYSMON, 1, &[("Image", image), ("OriginalFileName", "other.exe")]), [program(image)]);
        assert_eq!(leads(security, 4689, &[("ProcessName", image)]), [program(image)]);
        let installed = r"C:\Program Files\Vendor\a.exe";
        assert_eq!(leads(security, 4688, &[("NewProcessName", installed), ("CommandLine", "a /u x.dll")]), []);
    }

    #[test]
    fn renamed_and_moved_tools() {
        let copy = [("Image", r"C:\x\copy.exe"), ("OriginalFileName", "RegAsm.exe"), ("CommandLine", "copy /u a.dll")];
        assert_eq!(leads(SYSMON, 1, &copy), [command(r"C:\x\copy.exe", "copy /u a.dll", None), path(r"C:\x\copy.exe")]);
        let beside = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\csc.exe";
        assert_eq!(leads(SYSMON, 1, &[("Image", beside), ("OriginalFileName", "RegSvcs.exe")]), [path(beside)]);
        let moved = r"C:\Temp\regsvcs.exe";
        assert_eq!(leads("Microsoft-Windows-Security-Auditing", 4688, &[("NewProcessName", moved)]), [path(moved)]);
    }

    #[test]
    fn what_the_tools_touch() {
        assert_eq!(
            leads(
                SYSMON,
                13,
                &[
                    ("Image", REGASM),
                    ("TargetObject", r"HKCR\CLSID\{X}\InprocServer32\0.0.0.0\CodeBase"),
                    ("Details", "file:///C:/a/b.DLL"),
                ]
            ),
            [path("file:///C:/a/b.DLL")]
        );
        assert_eq!(leads(SYSMON, 11, &[("Image", REGASM), ("TargetFilename", r"C:\a\b.tlb")]), [path(r"C:\a\b.tlb")]);
        assert_eq!(leads(SYSMON, 11, &[("Image", r"C:\x\other.exe"), ("TargetFilename", r"C:\a\b.tlb")]), []);
        let mut loaded = vec![("Image", REGASM), ("ImageLoaded", r"C:\Windows\System32\evil.dll")];
        assert_eq!(leads(SYSMON, 7, &loaded), [path(r"C:\Windows\System32\evil.dll")], "not signed");
        loaded.extend([("Signature", "Microsoft Windows"), ("SignatureStatus", "Valid")]);
        assert_eq!(leads(SYSMON, 7, &loaded), []);
    }

    #[test]
    fn script_text_gives_none() {
        let values =
            [("ScriptBlockText", "regasm /u a.dll"), ("CommandLine", "regasm /u a.dll"), ("Path", r"C:\a.ps1")];
        assert_eq!(leads("Microsoft-Windows-PowerShell", 4104, &values), []);
        assert_eq!(leads("PowerShell", 800, &values), []);
    }
}
