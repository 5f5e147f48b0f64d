//! Prefetch: which programs started, when, and which files they mapped in their first seconds.
//!
//! # What Windows records
//! One `NAME.EXE-HASH.pf` for each program and path: how often it was started, the time of the last start (the last
//! eight from Windows 8 on), every file mapped in about the first ten seconds with its NTFS file reference, and the
//! volumes on which they lie. The hash is that of the executable's device path, so a tool that ran from another
//! folder has another file.
//!
//! # When it writes
//! About ten seconds after the start, or at the end of a process that lives shorter. The stored times are those of the
//! start.
//!
//! # Where
//! `%SystemRoot%\Prefetch\*.pf`.
//!
//! # What it supports
//! A program of this name started from this path at these times, and opened these files in one of its runs.
//!
//! # What it does not
//! Who started it, with which arguments, in which of the runs a file was opened, or what the program did. Absence
//! means nothing on Windows Server (off by default), with `EnablePrefetcher` 0, or once the file was evicted.
//!
//! # Versions
//! 17 (XP, 2003), 23 (Vista, 7), 26 (8, 8.1), 30 in two variants (10), 31 (11); from 10 on inside a MAM container.
//!
//! # Limits
//! Trace chains and the volumes' own file reference lists are not read. Of the header's name only 29 units are
//! stored. Byte ranges count in the decompressed data where the field `Compressed` is true. A path hash salted with
//! the command line (hosting programs such as `SVCHOST.EXE`) or the package (Store applications) cannot be checked.
//! `HashMatches` is `no` too where the executable was moved after it started: the list has the path of a later moment.
//!
//! # References
//! libyal, *Windows Prefetch File (PF) format*; Microsoft, *\[MS-XCA\]*; Hexacorn, *Prefetch hash calculator* and
//! *The argument about /Prefetch:X*.

use evidence::{
    Answer, Artifact, Beside, Claim, Field, Fields, Filetime, Format, Input, Integrity, Lead, Locator, Meaning, Memory,
    Moment, Parse, Phase, ProblemKind, Reads, Record, RecordType, Role, RunTime, Sink, Tells, Timestamp, Tool, Value,
    ValueRef, When,
    technique::{FRAMEWORK, lies_elsewhere},
};

use crate::formats::{mam, scca};

/// Prefetch.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "prefetch",
    title: "Prefetch files",
    records: &[&RUNS],
    reads: &[Reads::File(r"%SystemRoot%\Prefetch\*.pf"), Reads::Loose(Format::Prefetch)],
    supports: "A program of this name was started from this path at each of these times, and opened each of the listed \
               files within about ten seconds of one of its starts.",
    does_not_support: "Who started it, with which arguments, in which run a listed file was opened, and whether any \
                       method of a listed assembly ran. That there is no prefetch file does not show that a program did \
                       not run: Windows Server keeps none by default, old ones are evicted, and anyone may delete them.",
    windows: "XP to 11 by default (at most 128 files, 1024 from Windows 8 on); off by default on Windows Server.",
    references: &[
        "https://github.com/libyal/libscca/blob/main/documentation/Windows%20Prefetch%20File%20(PF)%20format.asciidoc",
        "https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-xca/",
        "https://www.hexacorn.com/blog/2012/06/13/prefetch-hash-calculator-a-hash-lookup-table-xpvistaw7w2k3w2k8/",
        "https://www.hexacorn.com/blog/2013/07/06/the-argument-about-prefetchx-or-the-other-way-around/",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::Nothing,
    memory: Memory::InParts,
    parse: Some(Parse::Alone(parse)),
    leads: Some(leads),
};

const FILE_PATH: Field = Field::text("Path", "path on its volume").role(Role::Path);
const MFT_ENTRY: Field = Field::number("MftEntry", "number of its file record").role(Role::FileEntry);
const SEQUENCE: Field = Field::number("Sequence", "sequence number of that record").role(Role::FileSequence);
const FILES_OF: &[Field] = &[FILE_PATH, MFT_ENTRY, SEQUENCE];

const DEVICE_PATH: Field = Field::text("DevicePath", "device or volume that it was mounted as");
const SERIAL: Field = Field::text("Serial", "serial number, 8 hexadecimal digits");
const CREATED: Field = Field::time("Created", "when it was formatted");
const FOLDERS: Field = Field::list("Folders", "folders of the files");
const VOLUMES_OF: &[Field] = &[DEVICE_PATH, SERIAL, CREATED, FOLDERS];

const VERSION: Field = Field::number("Version", "format version");
const COMPRESSED: Field = Field::flag(
    "Compressed",
    "whether it is stored in a MAM container; where true, every byte range counts in the decompressed data",
)
.role(Role::Decompressed);
const EXECUTABLE: Field = Field::text("Executable", "name in the header").role(Role::Name);
const HASH: Field = Field::text("Hash", "8 upper-case hexadecimal digits");
const FLAGS: Field =
    Field::number("Flags", "flags, where not 0; 1: trace of the boot or of an operation, no program's run");
const RUN_COUNT: Field = Field::number("RunCount", "how often the program ran").role(Role::RunCount);
const PATH: Field = Field::text("Path", "path of the executable in the file list").role(Role::Image);
const HASH_MATCHES: Field =
    Field::text("HashMatches", "whether the stored hash is that of the path: `yes`, `no`, `unknown`");
const HASH_PATH: Field = Field::text("HashPath", "device path that gives the hash").role(Role::Image);
const HASH_BECAUSE: Field = Field::text("HashBecause", "why that is unknown, or which `/prefetch:n` was added");
const FILES: Field =
    Field::maps("Files", FILES_OF, "files that were mapped in about the first ten seconds").role(Role::Files);
const VOLUMES: Field = Field::maps("Volumes", VOLUMES_OF, "volumes that they lie on");

/// What a prefetch file holds.
static RUNS: RecordType = RecordType {
    tells: Tells::Prefetch,
    fields: &[
        VERSION,
        COMPRESSED,
        EXECUTABLE,
        HASH,
        FLAGS,
        RUN_COUNT,
        PATH,
        HASH_MATCHES,
        HASH_PATH,
        HASH_BECAUSE,
        FILES,
        VOLUMES,
    ],
    says: "Moments: `Last Time Executed`, `Previous Last Time Executed`, each with the byte range of its slot. `subject`: the path, else the name in the header.",
    claims: &[Claim::Executed(RunTime::Start), Claim::Opened],
    message: "{Executable} ran, {RunCount} runs in all[, from {Path}][, prefetch hash {Hash}]",
    absence: "Windows keeps the last eight starts of a program, drops the oldest files, and is set to keep none on servers",
    of_each_run: true,
    ..RecordType::named("windows:prefetch:execution")
};

/// Windows' own prefetch files stay far below this, decompressed or not.
const MAX_SIZE: u32 = 16 << 20;
/// A trace of the boot or of an operation of Explorer, not of a program's start.
const NOT_A_PROGRAM: u32 = 1;
/// Programs whose hash Windows salts with more than their path: its own list of hosting programs, and those of which
/// one path has several hashes in real evidence.
///
/// Reference: registry value `HostingAppList` of `…\CurrentVersion\Prefetcher`; libyal, *Windows Prefetch File*.
const SALTED: &[&str] = &[
    "SVCHOST.EXE",
    "DLLHOST.EXE",
    "RUNDLL32.EXE",
    "MMC.EXE",
    "TASKHOST.EXE",
    "TASKHOSTEX.EXE",
    "TASKHOSTW.EXE",
    "BACKGROUNDTASKHOST.EXE",
    "BACKGROUNDTRANSFERHOST.EXE",
    "RUNTIMEBROKER.EXE",
    "WWAHOST.EXE",
    "MSEDGEWEBVIEW2.EXE",
];
/// Folders of packaged applications; their hashes depend on the package as well.
const PACKAGES: &[&str] =
    &[r"\PROGRAM FILES\WINDOWSAPPS\", r"\WINDOWS\SYSTEMAPPS\", r"\WINDOWS\IMMERSIVECONTROLPANEL\"];
/// Highest `n` of a `/prefetch:n` argument that is looked for.
const MAX_PREFETCH_ARGUMENT: u32 = 16;
/// Highest volume number that is tried for a path which names its volume otherwise.
const MAX_VOLUME_NUMBER: u32 = 32;
/// Units of the executable's name that the header has room for.
const HEADER_NAME_UNITS: usize = 29;

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    const NOTHING: &str = "nothing is known of the starts that this prefetch file records";
    let file = match input.bytes.read_all(u64::from(MAX_SIZE)) {
        Ok(Some(file)) => file,
        Ok(None) => {
            let what = format!("the file has {} bytes, more than any prefetch file", input.bytes.len());
            return sink.problem(ProblemKind::LimitReached, None, what, NOTHING);
        }
        Err(error) => {
            let what = format!("the file could not be read: {error}");
            return sink.problem(ProblemKind::ReadFailed, None, what, NOTHING);
        }
    };
    if (file.len() as u64) < input.bytes.len() {
        let kind = ProblemKind::Truncated {
            offset: file.len() as u64,
            expected: input.bytes.len() - file.len() as u64,
            actual: 0,
        };
        sink.problem(kind, None, "fewer bytes could be read than the file has", "what follows is incomplete");
    }
    let unpacked = mam::unpack(&file, MAX_SIZE);
    let mut sound = unpacked.faults.is_empty();
    for (kind, what) in unpacked.faults {
        sink.problem(kind, None, what, "what could be decompressed is read; runs, files or volumes may be missing");
    }
    if unpacked.compressed && unpacked.content.is_empty() {
        return;
    }
    let scca = scca::read(&unpacked.content);
    sound &= scca.faults.is_empty();
    let readable = scca.information_end > 0;
    for fault in &scca.faults {
        let effect = if readable { "runs, files or volumes of this program may be missing" } else { NOTHING };
        let locator = Locator::ByteRange { offset: fault.offset, length: 0 };
        sink.problem(fault.kind.clone(), Some(locator), fault.what.clone(), effect);
    }
    if !readable {
        return;
    }
    check_file_name(input.original_path, &scca, sink);
    let integrity = if sound { Integrity::Intact } else { Integrity::Corrupted };
    sink.record(record(&scca, unpacked.compressed, integrity));
}

/// A `.pf` carries its name and hash twice: in its file name and in its header.
fn check_file_name(path: &str, scca: &scca::Scca, sink: &mut Sink<'_>) {
    let name = path.rsplit(['\\', '/']).next().unwrap_or(path).to_uppercase();
    let Some((_, hash)) = name.strip_suffix(".PF").and_then(|stem| stem.rsplit_once('-')) else { return };
    let Some(hash) = (hash.len() == 8).then(|| u32::from_str_radix(hash, 16).ok()).flatten() else { return };
    if hash != scca.hash && scca.flags & NOT_A_PROGRAM == 0 {
        let kind = ProblemKind::Inconsistent {
            a: format!("the file is named {name}"),
            b: format!("its header says {}-{:08X}", scca.executable, scca.hash),
        };
        let what = "file name and header give different hashes";
        sink.problem(kind, None, what, "the file was renamed or altered; the header's values are used");
    }
}

fn record(scca: &scca::Scca, compressed: bool, integrity: Integrity) -> Record {
    let checked = check_hash(scca);
    let mut fields = Fields::new();
    fields.push(VERSION.name, scca.version);
    fields.push(COMPRESSED.name, compressed);
    fields.push(EXECUTABLE.name, scca.executable.as_str());
    fields.push(HASH.name, format!("{:08X}", scca.hash));
    if scca.flags != 0 {
        fields.push(FLAGS.name, scca.flags);
    }
    fields.push_some(RUN_COUNT.name, scca.run_count);
    fields.push_some(PATH.name, checked.path);
    fields.push(HASH_MATCHES.name, checked.matches.name());
    fields.push_some(HASH_PATH.name, checked.hash_path.as_deref());
    fields.push_some(HASH_BECAUSE.name, checked.because.as_deref());
    fields.push(FILES.name, Value::List(scca.files.iter().map(file_value).collect()));
    fields.push(VOLUMES.name, Value::List(scca.volumes.iter().map(volume_value).collect()));
    let moments = scca.run_times.iter().filter_map(|run| {
        let meaning = if run.slot == 0 { Meaning::LAST_RUN } else { Meaning::PREVIOUS_RUN };
        let when = When::At(Timestamp::filetime(run.raw)?);
        Some(Moment { meaning, when, locator: Some(Box::new(Locator::ByteRange { offset: run.offset, length: 8 })) })
    });
    let ran = scca.flags & NOT_A_PROGRAM == 0 && (!scca.run_times.is_empty() || scca.run_count.unwrap_or(0) > 0);
    Record {
        artifact: ARTIFACT.id,
        of: &RUNS,
        subject: checked.path.unwrap_or(&scca.executable).to_owned(),
        user: None,
        moments: moments.collect(),
        fields,
        claims: if ran { RUNS.claims } else { &[Claim::Opened] },
        locator: Locator::ByteRange { offset: 0, length: scca.information_end },
        integrity,
    }
}

fn file_value(file: &scca::File) -> Value {
    let mut members = Vec::new();
    if !file.path.is_empty() {
        members.push((FILE_PATH.name.to_owned(), file.path.as_str().into()));
    }
    if let Some((entry, sequence)) = file.reference {
        members.push((MFT_ENTRY.name.to_owned(), entry.into()));
        members.push((SEQUENCE.name.to_owned(), u64::from(sequence).into()));
    }
    Value::Map(members)
}

fn volume_value(volume: &scca::Volume) -> Value {
    let mut members = vec![
        (DEVICE_PATH.name.to_owned(), volume.device_path.as_str().into()),
        (SERIAL.name.to_owned(), format!("{:08X}", volume.serial).into()),
    ];
    if volume.created != 0 {
        members.push((CREATED.name.to_owned(), Filetime(volume.created).into()));
    }
    let folders = volume.directories.iter().map(|folder| folder.as_str().into()).collect();
    members.push((FOLDERS.name.to_owned(), Value::List(folders)));
    Value::Map(members)
}

/// Whether the stored hash is that of a path in the file list.
#[derive(Debug, PartialEq)]
struct HashCheck<'a> {
    /// Path of the executable in the file list, verbatim.
    path: Option<&'a str>,
    matches: Answer,
    /// The device path that gives the stored hash.
    hash_path: Option<String>,
    /// Why it is not a plain yes or no.
    because: Option<String>,
}

/// Windows names the file by the hash of `\DEVICE\HARDDISKVOLUMEn\…`, but from Windows 10 on the list inside has
/// `\VOLUME{…}\…`, and nothing in the file says which `n` that was: all are tried.
fn check_hash(scca: &scca::Scca) -> HashCheck<'_> {
    let hash: fn(&str) -> u32 = if scca.version == 17 { scca::hash_xp } else { scca::hash };
    let wanted = scca.executable.to_uppercase();
    let candidates: Vec<&str> =
        scca.files.iter().map(|file| file.path.as_str()).filter(|path| names(path, &wanted)).collect();
    let unknown = |path, because: &str| HashCheck {
        path,
        matches: Answer::Unknown,
        hash_path: None,
        because: Some(because.to_owned()),
    };
    let Some(&first) = candidates.first() else {
        return unknown(None, "the list of files does not hold the executable");
    };
    let mut salted = None;
    for path in candidates {
        for device_path in device_paths(path) {
            let difference = scca.hash.wrapping_sub(hash(&device_path));
            if difference == 0 {
                return HashCheck {
                    path: Some(path),
                    matches: Answer::Yes,
                    hash_path: Some(device_path),
                    because: None,
                };
            }
            if difference <= MAX_PREFETCH_ARGUMENT {
                salted = Some((path, device_path, difference));
            }
        }
    }
    if let Some((path, device_path, argument)) = salted {
        let because = format!("the path's hash plus {argument}, as Windows adds for the argument /prefetch:{argument}");
        return HashCheck {
            path: Some(path),
            matches: Answer::Yes,
            hash_path: Some(device_path),
            because: Some(because),
        };
    }
    if SALTED.contains(&wanted.as_str()) {
        return unknown(Some(first), "Windows salts the hash of this program with its command line or package");
    }
    if PACKAGES.iter().any(|folder| first.to_uppercase().contains(folder)) {
        return unknown(Some(first), "Windows salts the hash of a packaged application with its package");
    }
    HashCheck { path: Some(first), matches: Answer::No, hash_path: None, because: None }
}

/// Whether the last component of a path is this name, of which the header stores only so many units.
fn names(path: &str, wanted: &str) -> bool {
    let name = path.rsplit('\\').next().unwrap_or(path);
    name.eq_ignore_ascii_case(wanted)
        || name.to_uppercase() == wanted
        || (wanted.encode_utf16().count() >= HEADER_NAME_UNITS && name.to_uppercase().starts_with(wanted))
}

/// The path as it is, then with every device name that could stand for its volume.
fn device_paths(path: &str) -> impl Iterator<Item = String> {
    let rest = match path.strip_prefix(r"\VOLUME{").or_else(|| path.strip_prefix(r"\DEVICE\HARDDISKVOLUME")) {
        Some(after) => after.find('\\').map(|at| after[at..].to_owned()),
        None => None,
    };
    let numbered = rest
        .into_iter()
        .flat_map(|rest| (1..=MAX_VOLUME_NUMBER).map(move |number| format!(r"\DEVICE\HARDDISKVOLUME{number}{rest}")));
    std::iter::once(path.to_owned()).chain(numbered)
}

/// Whether an upper-case file name is that of a program whose file list is followed.
fn is_tool(name: &str) -> bool {
    Tool::ALL.iter().any(|tool| tool.file_name() == name)
}

/// What the two tools mapped: the assemblies that they were given are among it. A managed program, and one from where
/// copies can lie, may be one of them under another name.
fn leads(record: &Record) -> Vec<Lead> {
    let executable = EXECUTABLE.of(record).and_then(ValueRef::as_text).unwrap_or_default();
    let files = FILES.of(record).map(ValueRef::items).unwrap_or_default();
    let paths = || files.iter().filter_map(|file| file.get(FILE_PATH.name)?.as_text());
    let mapped = || paths().filter(|path| is_lead(path)).map(|path| Lead::Path(path.to_owned()));
    if is_tool(&executable.to_uppercase()) {
        return mapped().collect();
    }
    let Some(program) = PATH.of(record).and_then(ValueRef::as_text) else { return Vec::new() };
    let is_managed = paths().any(|path| path.to_uppercase().ends_with(RUNTIME));
    if !is_managed && !lies_elsewhere(program) {
        return Vec::new();
    }
    let of_it = mapped().map(|lead| Lead::IfTool { program: program.to_owned(), lead: Box::new(lead) });
    let of_it = of_it.filter(|_| is_managed);
    std::iter::once(Lead::Program(program.to_owned())).chain(of_it).collect()
}

/// What every managed program maps: the shim that finds its runtime.
const RUNTIME: &str = r"\MSCOREE.DLL";

/// Folders below `\WINDOWS\` from which every run of a .NET program maps code.
const CODE_FOLDERS: &[&str] = &[r"MICROSOFT.NET\", r"WINSXS\", r"ASSEMBLY\", r"SYSTEM32\", r"SYSWOW64\", r"SYSARM32\"];
/// Folders inside those that programs other than Windows' own may write to.
const WRITABLE: &[&str] =
    &[r"\TASKS\", r"\SPOOL\", r"\CONFIG\SYSTEMPROFILE\", r"\MACHINEKEYS\", r"\TEMPORARY ASP.NET FILES\", r"\TEMP\"];
/// Folders below `\WINDOWS\` from which every program maps data, never code.
const DATA_FOLDERS: &[&str] =
    &[r"GLOBALIZATION\", r"FONTS\", r"CACHES\", r"REGISTRATION\", r"APPPATCH\", r"SYSTEMRESOURCES\"];

/// Whether a mapped file is worth collecting: everything outside `\WINDOWS\`, and inside it what does not belong to
/// every run of a .NET program.
fn is_lead(path: &str) -> bool {
    let upper = path.to_uppercase();
    let inside = [r"\VOLUME{", r"\DEVICE\HARDDISKVOLUME"]
        .iter()
        .find_map(|prefix| upper.strip_prefix(prefix)?.split_once('\\').map(|(_, inside)| inside));
    // A network path, or a volume named otherwise.
    let Some(inside) = inside else { return true };
    if inside.starts_with(r"$EXTEND\") || (inside.starts_with('$') && !inside.contains('\\')) {
        // NTFS' own files, which the prefetcher lists with the rest.
        return false;
    }
    let Some(below_windows) = inside.strip_prefix(r"WINDOWS\") else { return true };
    if below_windows.rsplit('\\').next().is_some_and(is_tool) {
        return !below_windows.starts_with(FRAMEWORK.trim_start_matches('\\'));
    }
    let in_any = |folders: &[&str]| folders.iter().any(|folder| below_windows.starts_with(folder));
    if in_any(CODE_FOLDERS) {
        return WRITABLE.iter().any(|folder| below_windows.contains(folder));
    }
    !in_any(DATA_FOLDERS) || below_windows.ends_with(".DLL") || below_windows.ends_with(".EXE")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of the tools below `\WINDOWS\MICROSOFT.NET\` on volumes 1 to 8, computed by another implementation.
    const HASHES: &str = r"
        FRAMEWORK\V2.0.50727\REGASM.EXE C2EF506E 87E26C23 4CD587D8 11C8A38D D6BBBF42 9BAEDAF7 60A1F6AC 25951261
        FRAMEWORK64\V2.0.50727\REGASM.EXE E3D1F5D0 ACEE8335 760B109A 3F279DFF 08442B64 D160B8C9 9A7D462E 6399D393
        FRAMEWORK\V4.0.30319\REGASM.EXE 8A092F8F 4EFC4B44 13EF66F9 D8E282AE 9DD59E63 62C8BA18 27BBD5CD ECAEF182
        FRAMEWORK64\V4.0.30319\REGASM.EXE AAEBD4F1 74086256 3D24EFBB 06417D20 CF5E0A85 987A97EA 6197254F 2AB3B2B4
        FRAMEWORKARM64\V4.0.30319\REGASM.EXE C80C6F21 89B0D36E 4B5537BB 0CF99C08 CE9E0055 904264A2 51E6C8EF 138B2D3C
        FRAMEWORK\V2.0.50727\REGSVCS.EXE 340A9DC4 6C19C8B1 A428F39E DC381E8B 14474978 4C567465 84659F52 BC74CA3F
        FRAMEWORK64\V2.0.50727\REGSVCS.EXE 101106D6 89C127F3 03714910 7D216A2D F6D18B4A 7081AC67 EA31CD84 63E1EEA1
        FRAMEWORK\V4.0.30319\REGSVCS.EXE ED64D53D 2574002A 5D832B17 95925604 CDA180F1 05B0ABDE 3DBFD6CB 75CF01B8
        FRAMEWORK64\V4.0.30319\REGSVCS.EXE C96B3E4F 431B5F6C BCCB8089 367BA1A6 B02BC2C3 29DBE3E0 A38C04FD 1D3C261A
        FRAMEWORKARM64\V4.0.30319\REGSVCS.EXE 8CC3C8FF 14E028C4 9CFC8889 2518E84E AD354813 3551A7D8 BD6E079D 458A6762
    ";

    fn scca(executable: &str, hash: u32, paths: &[&str]) -> scca::Scca {
        let files = paths.iter().map(|path| scca::File { path: (*path).to_owned(), reference: None }).collect();
        scca::Scca { version: 30, executable: executable.to_owned(), hash, files, ..Default::default() }
    }

    #[test]
    fn hashes_of_the_tools_on_every_volume() {
        for line in HASHES.trim().lines() {
            let (path, hashes) = line.trim().split_once(' ').unwrap();
            for (volume, hash) in (1..).zip(hashes.split(' ')) {
                let hash = u32::from_str_radix(hash, 16).unwrap();
                let full = format!(r"\DEVICE\HARDDISKVOLUME{volume}\WINDOWS\MICROSOFT.NET\{path}");
                assert_eq!(scca::hash(&full), hash, "{full}");
                let listed = format!(r"\VOLUME{{01d834b54842fb73-1a484cb6}}\WINDOWS\MICROSOFT.NET\{path}");
                let scca = scca(path.rsplit('\\').next().unwrap(), hash, &[&listed]);
                let checked = check_hash(&scca);
                assert_eq!(
                    (checked.matches, checked.path, checked.hash_path),
                    (Answer::Yes, Some(&*listed), Some(full))
                );
            }
        }
    }

    #[test]
    fn known_hashes() {
        for (path, hash) in [
            (r"\DEVICE\HARDDISKVOLUME2\WINDOWS\SYSTEM32\CMD.EXE", 0x4A81_B364),
            (r"\DEVICE\HARDDISKVOLUME2\WINDOWS\SYSTEM32\WINDOWSPOWERSHELL\V1.0\POWERSHELL.EXE", 0x920B_BA2A),
            (r"\DEVICE\HARDDISKVOLUME3\WINDOWS\SYSTEM32\CMD.EXE", 0x0BD3_0981),
            (r"\DEVICE\HARDDISKVOLUME2\WINDOWS\MICROSOFT.NET\FRAMEWORK64\V4.0.30319\CSC.EXE", 0x6767_9278),
        ] {
            assert_eq!(scca::hash(path), hash, "{path}");
        }
        // The example that libyal's format description gives.
        assert_eq!(scca::hash_xp(r"\DEVICE\HARDDISKVOLUME1\WINDOWS\NOTEPAD.EXE"), 0x1895_78DA);
    }

    #[test]
    fn a_hash_that_does_not_match() {
        let path = r"\DEVICE\HARDDISKVOLUME2\USERS\PUBLIC\REGASM.EXE";
        assert_eq!(check_hash(&scca("REGASM.EXE", 1, &[path])).matches, Answer::No);
        assert_eq!(check_hash(&scca("REGASM.EXE", 1, &[])).matches, Answer::Unknown);
        assert_eq!(check_hash(&scca("REGASM.EXE", 1, &[r"\VOLUME{x"])).matches, Answer::Unknown);
        let svchost = scca("SVCHOST.EXE", 1, &[r"\DEVICE\HARDDISKVOLUME2\WINDOWS\SYSTEM32\SVCHOST.EXE"]);
        let salted = check_hash(&svchost);
        assert!(salted.matches == Answer::Unknown && salted.because.is_some());
        let argument = scca("REGASM.EXE", scca::hash(path) + 3, &[path]);
        let because = check_hash(&argument).because.unwrap();
        assert!(because.contains("/prefetch:3"), "{because}");
    }

    #[test]
    fn the_path_whose_hash_matches_is_the_executables() {
        let right = r"\DEVICE\HARDDISKVOLUME2\USERS\PUBLIC\REGASM.EXE";
        let other = r"\DEVICE\HARDDISKVOLUME2\WINDOWS\REGASM.EXE";
        assert_eq!(check_hash(&scca("REGASM.EXE", scca::hash(right), &[other, right])).path, Some(right));
        assert_eq!(check_hash(&scca("REGASM.EXE", 7, &[other, right])).path, Some(other));
    }

    #[test]
    fn a_name_longer_than_the_header() {
        let path = r"\DEVICE\HARDDISKVOLUME2\X\AVERYLONGNAMEOFAPROGRAMTHATENDS.EXE";
        let cut = "AVERYLONGNAMEOFAPROGRAMTHATEN";
        assert_eq!((cut.len(), check_hash(&scca(cut, scca::hash(path), &[path])).matches), (29, Answer::Yes));
    }

    #[test]
    fn leads_are_what_the_tools_mapped_and_windows_does_not_explain() {
        let volume = r"\VOLUME{01d834b54842fb73-1a484cb6}";
        let wanted = [
            r"\USERS\BOB\DOWNLOADS\PAYLOAD.DLL",
            r"\WINDOWS\TEMP\X.DAT",
            r"\WINDOWS\TASKS\X.DLL",
            r"\WINDOWS\SYSTEM32\TASKS\X.TXT",
            r"\WINDOWS\SYSTEM32\SPOOL\DRIVERS\COLOR\X.DLL",
            r"\WINDOWS\FONTS\X.DLL",
            r"\WINDOWS\WINSXS\AMD64_REGASM\REGASM.EXE",
            r"\$RECYCLE.BIN\S-1-5-21\$R123.DLL",
        ];
        let unwanted = [
            r"\WINDOWS\MICROSOFT.NET\FRAMEWORK64\V4.0.30319\REGASM.EXE",
            r"\WINDOWS\MICROSOFT.NET\FRAMEWORK64\V4.0.30319\CLR.DLL",
            r"\WINDOWS\ASSEMBLY\NATIVEIMAGES_V4.0.30319_64\MSCORLIB\1\MSCORLIB.NI.DLL",
            r"\WINDOWS\SYSTEM32\NTDLL.DLL",
            r"\WINDOWS\GLOBALIZATION\SORTING\SORTDEFAULT.NLS",
            r"\$MFT",
            r"\$EXTEND\$DELETED\1",
        ];
        let full = |paths: &[&str]| paths.iter().map(|path| format!("{volume}{path}")).collect::<Vec<_>>();
        let all = [full(&wanted), full(&unwanted), vec![r"\DEVICE\MUP\10.0.0.9\SHARE\X.DLL".to_owned()]].concat();
        let paths: Vec<&str> = all.iter().map(String::as_str).collect();
        let of = |executable| leads(&record(&scca(executable, 0, &paths), false, Integrity::Intact));
        let expected: Vec<Lead> = [full(&wanted), vec![r"\DEVICE\MUP\10.0.0.9\SHARE\X.DLL".to_owned()]]
            .concat()
            .into_iter()
            .map(Lead::Path)
            .collect();
        assert_eq!(of("REGASM.EXE"), expected);
        assert_eq!(of("REGSVCS.EXE").len(), expected.len());
        assert_eq!(of("NOTEPAD.EXE"), []);
    }

    #[test]
    fn j_2_a_program_from_elsewhere_and_one_that_is_managed_are_looked_at() {
        let full = |path: &str| format!(r"\VOLUME{{01d834b54842fb73-1a484cb6}}{path}");
        let of = |program: &str, listed: &[&str]| {
            let paths: Vec<String> = std::iter::once(&program).chain(listed).map(|path| full(path)).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let name = program.rsplit('\\').next().unwrap();
            leads(&record(&scca(name, 0, &paths), false, Integrity::Intact))
        };
        let looked = |path: &str| Lead::Program(full(path));
        let (runtime, library) = (r"\WINDOWS\SYSTEM32\MSCOREE.DLL", r"\DEPOT\X.DLL");
        assert_eq!(of(r"\DEPOT\A.EXE", &[library]), [looked(r"\DEPOT\A.EXE")], "no runtime, so nothing was registered");
        let waits = |path: &str| {
            let program = full(r"\PROGRAM FILES\V\A.EXE");
            Lead::IfTool { program, lead: Box::new(Lead::Path(full(path))) }
        };
        let program = r"\PROGRAM FILES\V\A.EXE";
        assert_eq!(of(program, &[runtime, library]), [looked(program), waits(program), waits(library)]);
        assert_eq!(of(program, &[library]), []);
        assert_eq!(of(r"\WINDOWS\SYSTEM32\SVC.EXE", &[runtime]), [looked(r"\WINDOWS\SYSTEM32\SVC.EXE")]);
    }

    #[test]
    fn a_trace_of_the_boot_is_no_execution() {
        let mut boot = scca("NTOSBOOT", 0xB00D_FAAD, &[]);
        boot.flags = NOT_A_PROGRAM;
        boot.run_count = Some(3);
        boot.run_times = vec![scca::RunTime { slot: 0, offset: 128, raw: 1 }];
        assert!(record(&boot, false, Integrity::Intact).run_time().is_none());
    }

    #[test]
    fn a_renamed_prefetch_file_is_a_problem() {
        let problems = |path: &str| {
            let mut ignore = |_| {};
            let mut sink = Sink::new(path, &mut ignore);
            check_file_name(path, &scca("REGASM.EXE", 0xD8E2_82AE, &[]), &mut sink);
            sink.finish().len()
        };
        assert_eq!(problems(r"\Windows\Prefetch\REGASM.EXE-D8E282AE.pf"), 0);
        assert_eq!(problems(r"\Windows\Prefetch\REGASM.EXE-D8E282AF.pf"), 1);
        assert_eq!(problems("REGASM.pf"), 0);
    }

    #[test]
    fn what_is_no_prefetch_file_is_a_problem() {
        for bytes in [&b""[..], b"MAM", b"MAM\x04\xff\xff\xff\xff", b"\x1e\0\0\0SCCB", &[0; 500]] {
            let mut records = 0;
            let mut count = |_| records += 1;
            let mut sink = Sink::new("x", &mut count);
            let bytes = bytes.to_vec();
            parse(&Input::new("x", &bytes), &mut sink);
            let problems = sink.finish();
            assert!(records == 0 && !problems.is_empty(), "{bytes:?}");
        }
    }
}
