//! Where event logs are kept, by the registry.
//!
//! # What Windows records
//! The value `File` of a log's key: the file that the event log service opens. The classic logs have a key each below
//! `Services\EventLog`, all channels one below `WINEVT\Channels`; a group policy has its own.
//!
//! # When it writes
//! Setup writes the usual places. Somebody who moves a log, through the viewer, `wevtutil sl /lfn`, a policy or the
//! registry itself, writes another one; the service follows at its next start at the latest.
//!
//! # Where
//! SYSTEM `ControlSet*\Services\EventLog\<log>`, in every control set; SOFTWARE
//! `Microsoft\Windows\CurrentVersion\WINEVT\Channels\<channel>` and `Policies\Microsoft\Windows\EventLog\<log>`.
//!
//! # What it supports
//! That a log is, or was to be, kept in another file than the usual one: administrators do so for lack of room, and
//! somebody who wants a log not to be found does it too (MITRE ATT&CK T1562.002). The file is collected as a lead, and
//! what it holds is read as an event log.
//!
//! # What it does not
//! When the log was moved: the time is that of the last change of the key, which any other value of it may have been. Who
//! did it, and whether anything was kept from being logged.
//!
//! # Versions
//! Windows XP to 11; `WINEVT\Channels` from Vista on.
//!
//! # Limits
//! Only places that are not the usual ones give a record. Of the variables those that the hive's own place explains are
//! resolved; a path with another one, a bare name or a path on another machine is told and cannot be followed. Deleted
//! keys are not searched.
//!
//! # References
//! See the references of [`ARTIFACT`].

use super::{Found, HIVE, InHive, MEMORY};
use evidence::{
    Artifact, Beside, Field, Fields, Hive, Lead, Parse, Phase, ProblemKind, Reads, Record, RecordType, Role, Sink,
    Tells, ValueRef,
};

/// Where event logs are kept.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "event-log-file",
    title: "Where event logs are kept",
    records: &[&RECORD],
    reads: &[
        Reads::Key { hive: Hive::System, key: r"ControlSet*\Services\EventLog" },
        Reads::Key { hive: Hive::Software, key: r"Microsoft\Windows\CurrentVersion\WINEVT\Channels" },
        Reads::Key { hive: Hive::Software, key: r"Policies\Microsoft\Windows\EventLog" },
    ],
    supports: "That the event log service was told to keep a log in another file than the usual one.",
    does_not_support: "When and by whom the log was moved: the time is that of the last change of the key.",
    windows: "All versions; always on.",
    references: &[
        "Microsoft, Eventlog key, https://learn.microsoft.com/windows/win32/eventlog/eventlog-key",
        "Microsoft, wevtutil, https://learn.microsoft.com/windows-server/administration/windows-commands/wevtutil",
        "MITRE ATT&CK, T1562.002, https://attack.mitre.org/techniques/T1562/002/",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::HiveLogs,
    memory: MEMORY,
    parse: Some(Parse::In(&HIVE, &InHive(read))),
    leads: Some(leads),
};

const LOG: Field = Field::text("Log", "name of the log's key").role(Role::Name);
const FILE: Field = Field::text("File", "the value, verbatim").role(Role::Value);
const PATH: Field =
    Field::text("Path", "the file with its variables resolved by the place of the hive, where that is possible")
        .role(Role::Path);

static RECORD: RecordType = RecordType {
    tells: Tells::LogPlace,
    fields: &[LOG, FILE, PATH],
    says: "One record per log that the registry does not keep in its usual place. Moment: `Content Modification Time` of the key, which need not be when the log was moved. `subject`: the value.",
    message: "The registry keeps the event log {Log} at {File}, which is not its usual place (T1562.002); the key was last changed then",
    ..RecordType::named("windows:registry:event_log_file")
};
/// Folders below that of Windows in which logs usually lie, and are looked for anyway.
const USUAL: [&str; 2] = [r"System32\winevt\Logs", r"System32\config"];
/// The logs that every Windows has, and the names of their files since Vista and before.
const CLASSIC: [(&str, &str); 3] = [("Application", "AppEvent"), ("Security", "SecEvent"), ("System", "SysEvent")];

fn read(hive: &super::Hive<'_>, sink: &mut Sink<'_>) {
    let windows = Windows::of_hive(hive.path);
    hive.for_each_key(&ARTIFACT, &mut |logs| logs_below(logs, &windows, sink));
}

fn logs_below(logs: &Found<'_>, windows: &Windows, sink: &mut Sink<'_>) {
    for key in logs.subkeys() {
        let Some(file) = key.text("File").filter(|text| !text.trim().is_empty()) else { continue };
        let log = key.name();
        let full = windows.expand(&file);
        if full.as_ref().is_ok_and(|full| windows.is_usual(&log, full)) {
            continue;
        }
        let locator = key.locator(Some("File"));
        let mut fields = Fields::new();
        fields.push(LOG.name, log.as_str());
        fields.push(FILE.name, file.as_str());
        match full {
            Ok(full) => fields.push(PATH.name, full),
            Err(why) => sink.problem(
                ProblemKind::OutOfRange { raw: file.clone() },
                Some(locator.clone()),
                format!("the registry keeps the event log {log} at {file}, {why}"),
                "the log could not be looked for there: what it recorded is not known",
            ),
        }
        sink.record(Record { locator, ..key.record(&ARTIFACT, &RECORD, file, fields) });
    }
}

/// The file, to be read as an event log.
fn leads(record: &Record) -> Vec<Lead> {
    let path = PATH.of(record).and_then(ValueRef::as_text).map(str::to_owned);
    path.map(|path| Lead::KeptAt { artifact: crate::event_log::ARTIFACT.id, path }).into_iter().collect()
}

/// Where Windows is, by the place of the hive: the variables of a service mean nothing else.
struct Windows {
    /// `C:`, empty where the letter is not known; then paths are from the root of some volume.
    drive: String,
    /// `C:\Windows`.
    root: String,
}

impl Windows {
    fn of_hive(path: &str) -> Windows {
        let drive = match path.as_bytes() {
            [letter, b':', ..] if letter.is_ascii_alphabetic() => path.get(..2).unwrap_or_default(),
            _ => "",
        };
        let folder = path.rsplit_once('\\').map_or("", |(folder, _)| folder);
        let at = folder.len().saturating_sub(r"\System32\config".len());
        let root = match folder.split_at_checked(at) {
            Some((root, config)) if config.eq_ignore_ascii_case(r"\System32\config") => {
                // A volume without letter stands in braces.
                root.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(root, |(_, root)| root).to_owned()
            }
            _ => format!(r"{drive}\Windows"),
        };
        Windows { drive: drive.to_owned(), root }
    }

    /// The full path, or why there is none.
    fn expand(&self, file: &str) -> Result<String, &'static str> {
        let mut path = String::new();
        let mut rest = file.trim().trim_matches('"');
        while let Some((before, name, after)) = rest
            .split_once('%')
            .and_then(|(before, rest)| rest.split_once('%').map(|(name, after)| (before, name, after)))
        {
            path.push_str(before);
            path.push_str(&self.variable(name).ok_or("with a variable whose value is not known")?);
            rest = after;
        }
        path.push_str(rest);
        let path = path.replace('/', "\\");
        let plain = [r"\??\", r"\\?\"].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(&path);
        let below_root = plain.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(r"\SystemRoot\"));
        let full = if below_root { format!("{}{}", self.root, &plain[11..]) } else { plain.to_owned() };
        match full.as_bytes() {
            [b'\\', b'\\', ..] => Err("on another machine"),
            [b'\\', ..] => Ok(format!("{}{full}", self.drive)),
            [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic() => Ok(full),
            _ => Err("which is not a full path"),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        let below = |path: &str| Some(format!("{}{path}", self.drive));
        match name.to_ascii_lowercase().as_str() {
            "systemroot" | "windir" => Some(self.root.clone()),
            "systemdrive" | "homedrive" => below(""),
            "programdata" | "allusersprofile" => below(r"\ProgramData"),
            "programfiles" | "programw6432" => below(r"\Program Files"),
            "programfiles(x86)" => below(r"\Program Files (x86)"),
            "commonprogramfiles" | "commonprogramw6432" => below(r"\Program Files\Common Files"),
            "public" => below(r"\Users\Public"),
            // Those of a service.
            "temp" | "tmp" => Some(format!(r"{}\Temp", self.root)),
            _ => None,
        }
    }

    /// Whether a log lies where Windows keeps it.
    fn is_usual(&self, log: &str, full: &str) -> bool {
        let Some((folder, name)) = full.rsplit_once('\\') else { return false };
        let Some((stem, extension)) = name.rsplit_once('.') else { return false };
        let is_there = USUAL.iter().any(|usual| folder.eq_ignore_ascii_case(&format!(r"{}\{usual}", self.root)));
        let is_named = match CLASSIC.iter().find(|(name, _)| name.eq_ignore_ascii_case(log)) {
            Some((name, old)) => stem.eq_ignore_ascii_case(name) || stem.eq_ignore_ascii_case(old),
            None => true,
        };
        is_there && is_named && ["evtx", "evt"].iter().any(|usual| extension.eq_ignore_ascii_case(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s11_variables_are_those_of_the_windows_that_the_hive_is_of() {
        let windows = Windows::of_hive(r"D:\WINNT\System32\config\SYSTEM");
        for (file, full) in [
            (r"%SystemRoot%\System32\winevt\Logs\a.evtx", r"D:\WINNT\System32\winevt\Logs\a.evtx"),
            (r"%systemDRIVE%\x\a.evtx", r"D:\x\a.evtx"),
            (r"%ProgramData%/x/a.evtx", r"D:\ProgramData\x\a.evtx"),
            (r"\SystemRoot\x\a.evtx", r"D:\WINNT\x\a.evtx"),
            (r"\??\E:\Logs\a.evtx", r"E:\Logs\a.evtx"),
            (r"C:\100%\a.evtx", r"C:\100%\a.evtx"),
            (r"\Logs\a.evtx", r"D:\Logs\a.evtx"),
        ] {
            assert_eq!(windows.expand(file).as_deref(), Ok(full), "{file}");
        }
        for file in [r"\\server\logs\a.evtx", "a.evtx", r"%APPDATA%\a.evtx", r"C:a.evtx", "%"] {
            assert!(windows.expand(file).is_err(), "{file}");
        }
        let unnamed = Windows::of_hive(r"{volume-1}\Windows\System32\config\SOFTWARE");
        assert_eq!(unnamed.expand(r"%SystemRoot%\a.evtx").as_deref(), Ok(r"\Windows\a.evtx"));
        let loose = Windows::of_hive("SYSTEM");
        assert_eq!(loose.expand(r"%windir%\a.evtx").as_deref(), Ok(r"\Windows\a.evtx"));
    }

    #[test]
    fn s11_the_usual_places_are_no_move() {
        let windows = Windows::of_hive(r"C:\Windows\System32\config\SYSTEM");
        for (log, path) in [
            ("Security", r"C:\WINDOWS\system32\WINEVT\logs\security.EVTX"),
            ("Security", r"C:\Windows\System32\config\SecEvent.Evt"),
            ("DNS Server", r"C:\Windows\System32\config\DnsEvent.Evt"),
            ("Internet Explorer", r"C:\Windows\System32\winevt\Logs\Internet Explorer.evtx"),
        ] {
            assert!(windows.is_usual(log, path), "{log} {path}");
        }
        for (log, path) in [
            ("Security", r"C:\Windows\System32\winevt\Logs\Other.evtx"),
            ("Security", r"C:\Windows\System32\winevt\Logs\Security.dat"),
            ("Security", r"C:\Windows\System32\winevt\Logs\x\Security.evtx"),
            ("Application", r"D:\Windows\System32\winevt\Logs\Application.evtx"),
        ] {
            assert!(!windows.is_usual(log, path), "{log} {path}");
        }
    }
}
