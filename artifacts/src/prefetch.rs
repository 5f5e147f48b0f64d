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
//! the command line (hosting programs such as `SVCHOST.EXE`) cannot be checked without that command line.
//!
//! # References
//! libyal, *Windows Prefetch File (PF) format*; Microsoft, *\[MS-XCA\]*; Hexacorn, *Prefetch hash calculator* and
//! *The argument about /Prefetch:X*.

use evidence::{
    Artifact, Claim, Fields, Filetime, Input, Integrity, Lead, Location, Locator, Meaning, Moment, Phase, ProblemKind,
    Record, Sink, Timestamp, Value, When,
};

use crate::formats::{mam, scca};

/// Prefetch.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "prefetch",
    title: "Prefetch",
    data_types: &["windows:prefetch:execution"],
    locations: &[Location::File(r"%SystemRoot%\Prefetch\*.pf")],
    claims: &[Claim::Executed, Claim::Opened],
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
    parse,
    leads,
};

/// Windows' own prefetch files stay far below this, decompressed or not.
const MAX_SIZE: u32 = 32 << 20;
/// A trace of the boot or of an operation of Explorer, not of a program's start.
const NOT_A_PROGRAM: u32 = 1;
/// Programs whose hash Windows salts with the command line: its list of hosting programs, and those whose files
/// show it. `TASKHOST` stands for its successors `TASKHOSTEX` and `TASKHOSTW` too.
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
    "RUNTIMEBROKER.EXE",
];
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
    fields.push("Version", scca.version);
    fields.push("Compressed", compressed);
    fields.push("Executable", scca.executable.as_str());
    fields.push("Hash", format!("{:08X}", scca.hash));
    if scca.flags != 0 {
        fields.push("Flags", scca.flags);
    }
    fields.push_some("RunCount", scca.run_count);
    fields.push_some("Path", checked.path);
    fields.push("HashMatches", checked.matches);
    fields.push_some("HashPath", checked.hash_path.as_deref());
    fields.push_some("HashBecause", checked.because.as_deref());
    fields.push("Files", Value::List(scca.files.iter().map(file_value).collect()));
    fields.push("Volumes", Value::List(scca.volumes.iter().map(volume_value).collect()));
    let moments = scca.run_times.iter().filter_map(|run| {
        let meaning = if run.slot == 0 { Meaning::LAST_RUN } else { Meaning::PREVIOUS_RUN };
        let when = When::At(Timestamp::filetime(run.raw)?);
        Some(Moment { meaning, when, locator: Some(Locator::ByteRange { offset: run.offset, length: 8 }) })
    });
    let ran = scca.flags & NOT_A_PROGRAM == 0 && (!scca.run_times.is_empty() || scca.run_count.unwrap_or(0) > 0);
    Record {
        artifact: ARTIFACT.id,
        data_type: "windows:prefetch:execution",
        subject: checked.path.unwrap_or(&scca.executable).to_owned(),
        user: None,
        moments: moments.collect(),
        fields,
        claims: if ran { &[Claim::Executed, Claim::Opened] } else { &[Claim::Opened] },
        locator: Locator::ByteRange { offset: 0, length: scca.information_end },
        integrity,
    }
}

fn file_value(file: &scca::File) -> Value {
    let mut members = vec![("Path".to_owned(), file.path.as_str().into())];
    if let Some((entry, sequence)) = file.reference {
        members.push(("MftEntry".to_owned(), entry.into()));
        members.push(("Sequence".to_owned(), u64::from(sequence).into()));
    }
    Value::Map(members)
}

fn volume_value(volume: &scca::Volume) -> Value {
    let mut members = vec![
        ("DevicePath".to_owned(), volume.device_path.as_str().into()),
        ("Serial".to_owned(), format!("{:08X}", volume.serial).into()),
    ];
    if volume.created != 0 {
        members.push(("Created".to_owned(), Filetime(volume.created).into()));
    }
    let folders = volume.directories.iter().map(|folder| folder.as_str().into()).collect();
    members.push(("Folders".to_owned(), Value::List(folders)));
    Value::Map(members)
}

/// Whether the stored hash is that of a path in the file list.
#[derive(Debug, Default, PartialEq)]
struct HashCheck<'a> {
    /// Path of the executable in the file list, verbatim.
    path: Option<&'a str>,
    /// `yes`, `no`, `unknown`.
    matches: &'static str,
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
        matches: "unknown",
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
                return HashCheck { path: Some(path), matches: "yes", hash_path: Some(device_path), because: None };
            }
            if difference <= MAX_PREFETCH_ARGUMENT {
                salted = Some((path, device_path, difference));
            }
        }
    }
    if let Some((path, device_path, argument)) = salted {
        let because = format!("the path's hash plus {argument}, as Windows adds for the argument /prefetch:{argument}");
        return HashCheck { path: Some(path), matches: "yes", hash_path: Some(device_path), because: Some(because) };
    }
    if SALTED.contains(&wanted.as_str()) {
        return unknown(Some(first), "Windows salts the hash of this program with its command line");
    }
    HashCheck { path: Some(first), matches: "no", hash_path: None, because: None }
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
    let numbered = rest.into_iter().flat_map(|rest| {
        (1..=MAX_VOLUME_NUMBER).map(move |number| format!(r"\DEVICE\HARDDISKVOLUME{number}{rest}"))
    });
    std::iter::once(path.to_owned()).chain(numbered)
}

/// What the two tools mapped: the assemblies that they were given are among it.
fn leads(record: &Record) -> Vec<Lead> {
    let executable = record.fields.text("Executable").unwrap_or_default().to_uppercase();
    if executable != "REGASM.EXE" && executable != "REGSVCS.EXE" {
        return Vec::new();
    }
    let files = record.fields.get("Files").map(Value::items).unwrap_or_default();
    let paths = files.iter().filter_map(|file| file.get("Path")?.as_text());
    paths.filter(|path| is_lead(path)).map(|path| Lead::Path(path.to_owned())).collect()
}

/// Folders below `\WINDOWS\` in which a .NET program maps files in every run.
const USUAL_FOLDERS: &[&str] = &[
    r"MICROSOFT.NET\",
    r"WINSXS\",
    r"ASSEMBLY\",
    r"SYSTEM32\",
    r"SYSWOW64\",
    r"SYSARM32\",
    r"SYSTEMAPPS\",
    r"GLOBALIZATION\",
    r"FONTS\",
];
/// Endings of files that no folder of Windows makes suspicious, and that are no code.
const USUAL_ENDINGS: &[&str] = &[".NLS", ".MUI", ".TTF", ".TTC", ".FON", ".NLP", ".SDB", ".DAT", ".CONFIG", ".DB"];

/// Everything outside `\WINDOWS\`, and inside it what does not belong to a run of a .NET program.
fn is_lead(path: &str) -> bool {
    let upper = path.to_uppercase();
    let inside = [r"\VOLUME{", r"\DEVICE\HARDDISKVOLUME"]
        .iter()
        .find_map(|prefix| upper.strip_prefix(prefix)?.split_once('\\').map(|(_, inside)| inside));
    let Some(inside) = inside else { return true };
    if inside.starts_with('$') {
        // NTFS' own files, which the prefetcher lists with the rest.
        return false;
    }
    let Some(below_windows) = inside.strip_prefix(r"WINDOWS\") else { return true };
    if USUAL_FOLDERS.iter().any(|folder| below_windows.starts_with(folder)) {
        return below_windows.starts_with(r"SYSTEM32\SPOOL\") || below_windows.starts_with(r"SYSTEM32\TASKS\");
    }
    !USUAL_ENDINGS.iter().any(|ending| below_windows.ends_with(ending))
}
