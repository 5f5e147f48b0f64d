//! Usage logs of the .NET runtime: which managed programs each user ran to their end, and when first and last.
//!
//! # What Windows records
//! A file for each name of a program, version of the runtime and kind of process, below the profile of the user: `RegAsm.exe.log`.
//! It lists what the runtime took from the global assembly cache or as a native image. The program itself and what lies
//! beside it are not listed, but the parts of the framework that it used are.
//!
//! # When it writes
//! The runtime writes the file when the program ends by itself. The creation of the file is thus the end of the first run
//! under this name, its last change the end of the last run that wrote it.
//!
//! # Where
//! `%UserProfile%\AppData\Local\Microsoft\CLR_v4.0\UsageLogs\*.log`; with `_32` behind the version for 32-bit processes, and
//! `CLR_v2.0` for .NET 2.0 to 3.5; the same below `Packages\*\LocalCache\Local` for packaged applications. The profiles of
//! the system (in System32 and, for 32-bit processes, in SysWOW64) and of the services are profiles as well.
//!
//! # What it supports
//! A program of this name ran under this account, as a process of this kind, and ended between the two times.
//!
//! # What it does not
//! Where the program lay, with which arguments it ran, how often, and what it did. Absence means nothing: a program that is
//! killed writes no file, a run need not write it anew, a setting of the user or an environment variable
//! (`NGenAssemblyUsageLog`) keeps it from being written, and anyone may delete it.
//!
//! # Versions
//! .NET Framework 2.0 to 4.8, wherever it is installed; .NET 5 and later have none.
//!
//! # Limits
//! A file has no time of its own: those of the file system are used. Where the file is only a copy its creation is that of
//! the copy, and only the time of its last change is used. At most 256 KiB are read.
//!
//! # References
//! See the references of [`ARTIFACT`].

use evidence::{
    Artifact, Beside, Claim, Field, Fields, Filetime, Input, Integrity, Lead, Locator, Meaning, Memory, Moment, Parse,
    Phase, ProblemKind, Reads, Record, RecordType, Role, RunTime, Sink, Tells, Timestamp, Tool, Value, ValueRef,
};

/// Usage logs of the .NET runtime.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "usage-log",
    title: "Usage logs of the .NET runtime",
    records: &[&PROGRAM],
    reads: &[
        Reads::File(r"%UserProfile%\AppData\Local\Microsoft\CLR_v*\UsageLogs\*.log"),
        Reads::File(r"%UserProfile%\AppData\Local\Packages\*\LocalCache\Local\Microsoft\CLR_v*\UsageLogs\*.log"),
    ],
    supports: "That a program of this name ran under this account, in a 32- or 64-bit process with this version of the .NET \
               runtime, ended by itself, and used the listed parts of the framework.",
    does_not_support: "Where the program lay, with which arguments it ran, how often, and what it did. That there is no file \
                       does not show that a program did not run: one that is killed writes none, a setting keeps it from \
                       being written, and anyone may delete it.",
    windows: "Wherever the .NET Framework 2.0 to 4.8 is installed, by default.",
    references: &[
        "artefacts.help, .NET CLR UsageLogs, https://artefacts.help/windows_net_clr_usagelogs.html",
        "bohops, Investigating .NET CLR Usage Log Tampering Techniques For EDR Evasion, 2021",
        "MITRE ATT&CK, T1218.009, https://attack.mitre.org/techniques/T1218/009/",
    ],
    phase: Phase::Independent,
    older_states: true,
    beside: Beside::Nothing,
    memory: Memory::InParts,
    parse: Some(Parse::Alone(parse)),
    leads: Some(leads),
};

/// The program, of which only the name is recorded: it can be a tool under another one.
fn leads(record: &Record) -> Vec<Lead> {
    let image = IMAGE.of(record).and_then(ValueRef::as_text).filter(|_| PACKAGE.of(record).is_none());
    let image = image.filter(|image| Tool::named(image).is_none());
    image.map(|image| Lead::Program(image.to_owned())).into_iter().collect()
}

const SETTING_NAME: Field = Field::text("Name", "its name");
const SETTING_VALUE: Field = Field::text("Value", "its value");
const FLAG: Field = Field::number("Flag", "the number at the end of the line; its meaning is not published");
const SETTING: &[Field] = &[SETTING_NAME, SETTING_VALUE, FLAG];

const KIND: Field = Field::number("Kind", "kind of the line: 2 without a native image, 3 with one");
const NAME: Field = Field::text("Name", "display name of the assembly").role(Role::Name);
const NATIVE_IMAGE: Field = Field::text("NativeImage", "path of its native image, where it has one");
const ASSEMBLY: &[Field] = &[KIND, NAME, NATIVE_IMAGE, FLAG];

const IMAGE: Field = Field::text("Image", "name of the program, without a path, as it was started").role(Role::Image);
const RUNTIME: Field = Field::text("Runtime", "version of the runtime in the name of the folder, `v4.0`");
const BITS: Field = Field::number("Bits", "64 or 32: the kind of the process, by the folder").role(Role::Bits);
const PROFILE: Field =
    Field::text("Profile", "folder of the profile of the user, where it is not that of a service").role(Role::Profile);
const PACKAGE: Field = Field::text("Package", "the package, where it is a packaged application");
const CREATED: Field =
    Field::time("Created", "when the file was created, where it is a copy, so that no run is dated by that");
const SETTINGS: Field = Field::maps("Settings", SETTING, "how the runtime was set: the lines of kind 1");
const ASSEMBLIES: Field = Field::maps("Assemblies", ASSEMBLY, "assemblies that the runtime took from the framework");

/// One program of a user.
static PROGRAM: RecordType = RecordType {
    tells: Tells::Row,
    claims: &[Claim::Executed(RunTime::Window)],
    fields: &[IMAGE, RUNTIME, BITS, PROFILE, PACKAGE, CREATED, SETTINGS, ASSEMBLIES],
    says: "One record per file. Moments: `Creation Time` and `Content Modification Time` of the file; of a copy only the second, of a file of which no times are known none. `subject`: the name of the program. `user`: the account of a service, by the folder. A file without any readable line claims nothing. Locator: the whole file.",
    message: "Usage log of the .NET runtime[ {Runtime}] for {Image}[, a {Bits}-bit process][, in the profile {Profile}]; its times are those of the file, which the runtime writes when the program ends",
    absence: "the .NET runtime writes a usage log only when a program ends by itself, can be set to write none, and anyone may delete it",
    ..RecordType::named("windows:dotnet:usage_log")
};

/// Most that is read of a file. Real ones have a few thousand bytes.
const MOST: u64 = 256 << 10;
/// Most characters of a line that a problem shows.
const SHOWN: usize = 80;
/// Kind of the lines that are settings.
const OF_SETTINGS: u64 = 1;

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let mut content = vec![0; usize::try_from(input.bytes.len().min(MOST)).unwrap_or_default()];
    let mut is_whole = input.bytes.len() <= MOST;
    if !is_whole {
        let what = format!("the file has {} bytes, more than any usage log", input.bytes.len());
        sink.problem(ProblemKind::LimitReached, None, what, "what the runtime lists further on is not known");
    }
    match input.bytes.read_full_at(0, &mut content) {
        Ok(read) if read < content.len() => {
            let kind =
                ProblemKind::Truncated { offset: read as u64, expected: content.len() as u64 - read as u64, actual: 0 };
            sink.problem(kind, None, "fewer bytes could be read than the file has", "what follows is incomplete");
            content.truncate(read);
            is_whole = false;
        }
        Ok(_) => {}
        Err(error) => {
            let what = format!("the file could not be read: {error}");
            sink.problem(ProblemKind::ReadFailed, None, what, "what the runtime lists in it is not known");
            content.clear();
            is_whole = false;
        }
    }
    let lines = Lines::of(&content, sink);
    let has_lines = !lines.settings.is_empty() || !lines.assemblies.is_empty();
    if !has_lines {
        let what = "no line of the file is one of a usage log";
        let effect = "whether the runtime wrote it is not known, so it shows no run";
        let kind =
            ProblemKind::BadSignature {
                offset: 0, expected: "1,\"…\",\"…\",0".to_owned(), actual: shown(&content)
            };
        sink.problem(kind, None, what, effect);
    }
    let place = Place::of(input.original_path);
    let (moments, created) = moments(input);
    let mut fields = Fields::new();
    fields.push(IMAGE.name, place.image);
    fields.push_some(RUNTIME.name, place.runtime);
    fields.push_some(BITS.name, place.bits);
    if place.account.is_none() {
        fields.push_some(PROFILE.name, place.profile);
    }
    fields.push_some(PACKAGE.name, place.package);
    fields.push_some(CREATED.name, created);
    for (field, values) in [(SETTINGS, lines.settings), (ASSEMBLIES, lines.assemblies)] {
        if !values.is_empty() {
            fields.push(field.name, Value::List(values));
        }
    }
    sink.record(Record {
        artifact: ARTIFACT.id,
        of: &PROGRAM,
        subject: place.image.to_owned(),
        user: place.account.map(str::to_owned),
        moments,
        fields,
        claims: if has_lines { PROGRAM.claims } else { &[] },
        locator: Locator::Whole,
        integrity: if is_whole && lines.all_understood { Integrity::Intact } else { Integrity::Corrupted },
    });
}

/// The times of the file that date runs, and when it was created where that dates none.
fn moments(input: &Input<'_>) -> (Vec<Moment>, Option<Filetime>) {
    let of_volume = input.times.si;
    let Some(times) = of_volume.or(input.times.container) else { return (Vec::new(), None) };
    // What a copying program sets is the last change; the creation is that of the copy.
    let is_copy = of_volume.is_none() || times.born.zip(times.modified).is_some_and(|(born, modified)| born > modified);
    let born = times.born.filter(|_| !is_copy);
    let all = [(Meaning::SI_CREATED, born), (Meaning::SI_MODIFIED, times.modified)];
    let all = all.into_iter().filter_map(|(meaning, at)| Some(Moment::at(meaning, Timestamp::filetime(at?.0)?)));
    (all.collect(), times.born.filter(|_| is_copy))
}

/// What the path of a file tells.
struct Place<'p> {
    image: &'p str,
    runtime: Option<&'p str>,
    bits: Option<u64>,
    /// Folder of the profile.
    profile: Option<&'p str>,
    /// SID of a service.
    account: Option<&'static str>,
    package: Option<&'p str>,
}

/// Profiles of the accounts of services, by the end of their folders.
const ACCOUNTS: [(&str, &str); 4] = [
    (r"\System32\config\systemprofile", "S-1-5-18"),
    (r"\SysWOW64\config\systemprofile", "S-1-5-18"),
    (r"\ServiceProfiles\LocalService", "S-1-5-19"),
    (r"\ServiceProfiles\NetworkService", "S-1-5-20"),
];

impl<'p> Place<'p> {
    fn of(path: &'p str) -> Place<'p> {
        let mut from_end = path.rsplit('\\');
        let name = from_end.next().unwrap_or(path);
        let image = without_end(name, ".log").unwrap_or(name);
        let version = from_end.nth(1).and_then(|folder| without_start(folder, "CLR_"));
        let (runtime, bits) = match version.map(|version| version.split_once('_').unwrap_or((version, ""))) {
            Some((runtime, "")) => (Some(runtime), Some(64)),
            Some((runtime, "32")) => (Some(runtime), Some(32)),
            Some((runtime, _)) => (Some(runtime), None),
            None => (None, None),
        };
        let (profile, below) = find(path, r"\AppData\Local\").unzip();
        let account = ACCOUNTS.iter().find(|(end, _)| profile.is_some_and(|folder| without_end(folder, end).is_some()));
        let is_redirected = account.is_some_and(|(end, _)| end.starts_with(r"\SysWOW64"));
        Place {
            image,
            runtime,
            bits: if is_redirected { Some(32) } else { bits },
            profile,
            account: account.map(|(_, sid)| *sid),
            package: below
                .and_then(|below| without_start(below, r"Packages\"))
                .and_then(|below| below.split('\\').next()),
        }
    }
}

/// What stands before and behind a part of a path, in any case.
fn find<'p>(path: &'p str, part: &str) -> Option<(&'p str, &'p str)> {
    let at = path.to_ascii_lowercase().find(&part.to_ascii_lowercase())?;
    Some((path.get(..at)?, path.get(at + part.len()..)?))
}

fn without_start<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let (beginning, rest) = text.split_at_checked(start.len())?;
    beginning.eq_ignore_ascii_case(start).then_some(rest)
}

fn without_end<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let (rest, ending) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    ending.eq_ignore_ascii_case(end).then_some(rest)
}

/// The lines of a file.
struct Lines {
    settings: Vec<Value>,
    assemblies: Vec<Value>,
    all_understood: bool,
}

impl Lines {
    fn of(content: &[u8], sink: &mut Sink<'_>) -> Lines {
        let mut lines = Lines { settings: Vec::new(), assemblies: Vec::new(), all_understood: true };
        let mut offset = 0;
        for stored in content.split_inclusive(|byte| *byte == b'\n') {
            let at = offset;
            offset += stored.len() as u64;
            let line = stored.trim_ascii_end();
            if line.is_empty() {
                continue;
            }
            match std::str::from_utf8(line).ok().and_then(line_of) {
                Some((OF_SETTINGS, name, value, flag)) => lines.settings.push(Value::Map(vec![
                    (SETTING_NAME.name.to_owned(), name.into()),
                    (SETTING_VALUE.name.to_owned(), value.into()),
                    (FLAG.name.to_owned(), flag.into()),
                ])),
                Some((kind, name, image, flag)) => {
                    let mut members = vec![(KIND.name.to_owned(), kind.into()), (NAME.name.to_owned(), name.into())];
                    if !image.is_empty() {
                        members.push((NATIVE_IMAGE.name.to_owned(), image.into()));
                    }
                    members.push((FLAG.name.to_owned(), flag.into()));
                    lines.assemblies.push(Value::Map(members));
                }
                None => {
                    lines.all_understood = false;
                    let locator = Locator::ByteRange { offset: at, length: line.len() as u64 };
                    let what = "a line is not of the form kind, name, place, number";
                    let effect = "which part of the framework it lists is not known";
                    sink.problem(ProblemKind::OutOfRange { raw: shown(line) }, Some(locator), what, effect);
                }
            }
        }
        lines
    }
}

/// `kind,"name","place",number`.
fn line_of(line: &str) -> Option<(u64, &str, &str, u64)> {
    let (kind, rest) = line.trim_start_matches('\u{feff}').split_once(",\"")?;
    let (rest, flag) = rest.rsplit_once("\",")?;
    let (name, place) = rest.split_once("\",\"")?;
    Some((kind.parse().ok()?, name, place, flag.parse().ok()?))
}

/// The beginning of what stands there, as text.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    String::from_utf8_lossy(start).chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{FileTimes, Macb};

    #[test]
    fn the_path_tells_the_program_the_runtime_and_whose_it_is() {
        let told = |path: &str| {
            let place = Place::of(path);
            (place.image.to_owned(), place.runtime.map(str::to_owned), place.bits, place.account)
        };
        let program = |runtime: &str, bits, account| ("RegAsm.exe".to_owned(), Some(runtime.to_owned()), bits, account);
        for (profile, folder, expected) in [
            (r"C:\Users\jdoe", "CLR_v4.0", program("v4.0", Some(64), None)),
            (r"C:\USERS\JDOE", "clr_v2.0_32", program("v2.0", Some(32), None)),
            (r"C:\Users\jdoe", "CLR_v4.0_arm64", program("v4.0", None, None)),
            (r"C:\Windows\System32\config\systemprofile", "CLR_v4.0", program("v4.0", Some(64), Some("S-1-5-18"))),
            // What a 32-bit process is given as System32 lies there.
            (r"D:\WINNT\syswow64\config\systemprofile", "CLR_v4.0", program("v4.0", Some(32), Some("S-1-5-18"))),
            (r"C:\Windows\ServiceProfiles\LocalService", "CLR_v4.0", program("v4.0", Some(64), Some("S-1-5-19"))),
            (r"C:\Windows\ServiceProfiles\NetworkService", "CLR_v4.0_32", program("v4.0", Some(32), Some("S-1-5-20"))),
        ] {
            let path = format!(r"{profile}\AppData\Local\Microsoft\{folder}\UsageLogs\RegAsm.exe.log");
            assert_eq!(told(&path), expected, "{path}");
            assert_eq!(Place::of(&path).profile, Some(profile));
        }
        let packaged =
            r"C:\Users\a\AppData\Local\Packages\Some.App_1\LocalCache\Local\Microsoft\CLR_v4.0\UsageLogs\b.LOG";
        let packaged = Place::of(packaged);
        assert_eq!(
            (packaged.image, packaged.package, packaged.profile),
            ("b", Some("Some.App_1"), Some(r"C:\Users\a"))
        );
        assert_eq!(told(r"\garbage"), ("garbage".to_owned(), None, None, None));
    }

    #[test]
    fn the_creation_of_a_copy_dates_no_run() {
        let moments = |times| {
            let nothing: Vec<u8> = Vec::new();
            let input = Input { times, ..Input::new("a.exe.log", &nothing) };
            let (moments, created) = moments(&input);
            let moments = moments.into_iter().map(|moment| (moment.meaning, moment.when.sort_key().unwrap().0));
            (moments.collect::<Vec<_>>(), created)
        };
        let macb = |born, modified| {
            Some(Macb { born: Some(Filetime(born)), modified: Some(Filetime(modified)), ..Macb::default() })
        };
        let none = FileTimes::default();
        let (first, last) = (134_171_071_540_000_000, 134_171_071_550_000_000);
        let both = vec![(Meaning::SI_CREATED, first), (Meaning::SI_MODIFIED, last)];
        assert_eq!(moments(FileTimes { si: macb(first, last), ..none }), (both, None));
        let only = |at| vec![(Meaning::SI_MODIFIED, at)];
        assert_eq!(moments(FileTimes { si: macb(last, first), ..none }), (only(first), Some(Filetime(last))));
        assert_eq!(moments(FileTimes { container: macb(first, last), ..none }), (only(last), Some(Filetime(first))));
        assert_eq!(moments(none), (vec![], None));
    }

    /// A file that was filled up or emptied must not make a run of nothing, nor hide one.
    #[test]
    fn a_long_file_shows_its_run_and_an_empty_one_shows_none() {
        let claims = |content: Vec<u8>| {
            let mut found = Vec::new();
            let problems = ARTIFACT.parse_alone(&Input::new("a.exe.log", &content), &mut |record| found.push(record));
            (found.remove(0).claims.len(), problems.into_iter().map(|problem| problem.kind).collect::<Vec<_>>())
        };
        let mut long = b"1,\"fusion\",\"GAC\",0\r\n".to_vec();
        assert_eq!(claims(long.clone()), (1, vec![]));
        long.resize(300 << 10, b'\n');
        assert_eq!(claims(long), (1, vec![ProblemKind::LimitReached]));
        assert!(matches!(&claims(Vec::new()), (0, problems) if problems.len() == 1));
    }
}
