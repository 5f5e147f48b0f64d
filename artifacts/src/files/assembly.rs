//! Suspicious assemblies: what a file is, and which of its methods the tools would run.
//!
//! # What Windows records
//! The file itself. Its metadata names the types, their methods and the two attributes that make regasm and regsvcs call
//! a method: `ComRegisterFunction` and `ComUnregisterFunction`.
//!
//! # When it writes
//! When the file is written. The compiler sets the link time and the module version id.
//!
//! # Where
//! Wherever a command line, a CodeBase, a prefetch list or a registry write says; and the tools' own files in the .NET
//! framework directories.
//!
//! # What it supports
//! What the file would do under the tools, by the rules that the tools follow.
//!
//! # What it does not
//! That it did so. The file may have been replaced since the run; a method may decide at run time to do nothing.
//!
//! # Versions
//! .NET Framework 2.0 and 4.x; native programs and other files are described as far as their headers go.
//!
//! # Limits
//! Method bodies are not followed, and signatures are not verified. A base class in another assembly is read where that
//! assembly was collected from the same folder; where it was not, what depends on it is unknown, never no. A link time of
//! a reproducible build is a hash. A file is read where it is, header by header and row by row, so that its length costs
//! no memory; above 16 GiB, which holes can make of any file, it is not hashed as a whole.
//!
//! # References
//! See the references of [`ARTIFACT`].

mod clsid;
mod fields;
mod framework;
mod library;
mod managed;
mod module;
mod outlook;
mod pass;
mod types;

use crate::formats::note::Note;
use crate::formats::pages::{KEPT, Pages};
use crate::formats::pe::{Directory, NotPe, Pe};

use evidence::{
    Artifact, Beside, Claim, Field, Fields, Format, Input, Integrity, Lead, Locator, Meaning, Memory, Moment, Parse,
    Phase, ProblemKind, ProgramKind, Reads, Record, RecordType, Sink, StampReading, Tells, Timestamp, Value, hex,
    technique,
};
use pass::Pass;
use sha2::{Digest, Sha256};

/// Suspicious assemblies.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "assembly",
    title: "Suspicious assemblies and the tools' own files",
    records: &[&FILE, &STREAM],
    reads: &[
        Reads::Lead,
        Reads::Loose(Format::Assembly),
        Reads::File(technique::FILES[0]),
        Reads::File(technique::FILES[1]),
        Reads::File(technique::FILES[2]),
        Reads::File(technique::FILES[3]),
    ],
    supports: "What the file is: hashes, identity, COM hooks and whether regasm or regsvcs would call them, computed class \
               ids to look for in the registry, native imports, version resource, debug record, and its streams.",
    does_not_support: "That anything of it ran, or that it is the file that was there at the time of a run. The link time \
                       can be set freely, and in a reproducible build it is a hash. Certificates are not checked.",
    windows: "Every version with .NET Framework 2.0 or 4.x.",
    references: &[
        "ECMA-335, Common Language Infrastructure, partition II",
        "Microsoft, PE Format, https://learn.microsoft.com/windows/win32/debug/pe-format",
        "Microsoft, Regasm.exe, https://learn.microsoft.com/dotnet/framework/tools/regasm-exe-assembly-registration-tool",
        "Microsoft, Regsvcs.exe, https://learn.microsoft.com/dotnet/framework/tools/regsvcs-exe-net-services-installation-tool",
        "MITRE ATT&CK T1218.009, https://attack.mitre.org/techniques/T1218/009/",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::Siblings(library::SIBLINGS),
    memory: Memory::TwiceEach { most: PROGRAM_MEMORY, beside: library::SIBLINGS_MEMORY },
    parse: Some(Parse::Alone(parse)),
    leads: Some(leads),
};

static FILE: RecordType = RecordType {
    fields: fields::OF_FILE,
    says: "Moment: `Creation Time (PE link)` where the stamp is a time. `subject`: the path.",
    tells: Tells::ProgramFile,
    claims: &[Claim::Present],
    message: "{@subject}: {Kind} program file[, {Machine}][, SHA-256 {Sha256}]",
    ..RecordType::named("windows:pe:file")
};

static STREAM: RecordType = RecordType {
    fields: fields::OF_STREAM,
    says: "A small alternate stream that is no program; it has `Text` or `FirstBytes`. Undated.",
    tells: Tells::Stream,
    claims: &[Claim::Present],
    message: "Alternate stream {Name} of {@subject}: {Text:300}",
    ..RecordType::named("windows:ntfs:stream")
};
/// Most memory that reading a program file takes in bytes, whatever its length: what is held of it ([`KEPT`]), what is
/// known of its types and attributes (`module`), and what is listed of them.
const PROGRAM_MEMORY: u64 = 24 << 20;
/// Largest file that is hashed as a whole, bytes. No program is a tenth of it, and a hole can make a file longer than
/// hashing could ever end.
const MAX_HASHED: u64 = 16 << 30;
/// Longest stream or configuration text that is shown, bytes.
const MAX_TEXT: usize = 64 << 10;
/// Most assemblies that one file names as leads.
const MAX_LEADS: usize = 64;

const UNKNOWN: &str = "whether the tools would run code of it is not known";

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    parse_holding(KEPT, input, sink);
}

fn parse_holding(kept: u64, input: &Input<'_>, sink: &mut Sink<'_>) {
    let stream = stream_name(input.original_path);
    let length = input.bytes.len();
    // A program hidden in a stream is a program; anything small that stands in one is a note about the file.
    let mut magic = [0; 2];
    let is_program = input.bytes.read_full_at(0, &mut magic).is_ok_and(|read| read == 2 && &magic == b"MZ");
    let (of, fields, moments): (&'static RecordType, _, _) = match stream {
        Some(name) if !is_program && length <= MAX_TEXT as u64 => {
            (&STREAM, describe_stream(name, input, sink), Vec::new())
        }
        _ => {
            let mut moments = Vec::new();
            (&FILE, describe_file(kept, input, stream, &mut moments, sink), moments)
        }
    };
    let Some(fields) = fields else { return };
    sink.record(Record {
        artifact: ARTIFACT.id,
        of,
        subject: input.original_path.to_owned(),
        user: None,
        moments,
        fields,
        claims: of.claims,
        locator: Locator::Whole,
        integrity: Integrity::Intact,
    });
}

/// Assemblies that the file refers to and that are not the framework's: the tools look for them in its folder.
fn leads(record: &Record) -> Vec<Lead> {
    let references = fields::CLI.of(record).and_then(|cli| cli.get(fields::cli::REFERENCES.name));
    let Some((folder, _)) = record.subject.rsplit_once('\\') else { return Vec::new() };
    references
        .map(Value::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_text)
        .filter_map(|display| {
            let (name, rest) = display.split_once(", Version=")?;
            let token = rest.rsplit_once("PublicKeyToken=").map_or("", |(_, token)| token);
            let is_plain = !name.is_empty() && !name.contains(['\\', '/', ':', '\0', '*', '?', '"']);
            (is_plain && !framework::is_framework(name, token)).then(|| Lead::Path(format!("{folder}\\{name}.dll")))
        })
        .take(MAX_LEADS)
        .collect()
}

/// The name behind the colon of an alternate stream; the colon of a drive letter is none.
fn stream_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['\\', '/']).next()?;
    let (file, stream) = name.split_once(':')?;
    let is_drive = file.len() == 1 && path.len() == name.len();
    let stream = if is_drive { stream.split_once(':')?.1 } else { stream };
    Some(stream.strip_suffix(":$DATA").unwrap_or(stream)).filter(|stream| !stream.is_empty())
}

fn read_failed(sink: &mut Sink<'_>, error: &std::io::Error, effect: &str) {
    sink.problem(ProblemKind::ReadFailed, None, format!("reading failed: {error}"), effect);
}

fn describe_stream(name: &str, input: &Input<'_>, sink: &mut Sink<'_>) -> Option<Fields> {
    let data = match input.bytes.read_all(MAX_TEXT as u64) {
        Ok(data) => data.unwrap_or_default(),
        Err(error) => {
            read_failed(sink, &error, "what the stream says is not known");
            return None;
        }
    };
    let mut fields = Fields::new();
    fields.push(fields::STREAM_NAME.name, name);
    fields.push(fields::SIZE.name, data.len() as u64);
    fields.push(fields::SHA256.name, hex(&Sha256::digest(&data)));
    match as_text(&data) {
        Some(text) => fields.push(fields::TEXT.name, text),
        None => fields.push(fields::FIRST_BYTES.name, hex(&data[..data.len().min(16)])),
    }
    Some(fields)
}

/// Text in UTF-16 with its mark or in UTF-8; where it is neither, each byte that does not fit becomes U+FFFD. `None` for
/// what is no text: it holds control characters.
fn as_text(data: &[u8]) -> Option<String> {
    let text = match data {
        [0xFF, 0xFE, rest @ ..] => {
            char::decode_utf16(rest.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t')).then_some(text)
}

fn map(members: Vec<(Field, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(field, value)| (field.name.to_owned(), value)).collect())
}

fn describe_file(
    kept: u64,
    input: &Input<'_>,
    stream: Option<&str>,
    moments: &mut Vec<Moment>,
    sink: &mut Sink<'_>,
) -> Option<Fields> {
    let file = Pages::program(input.bytes, kept);
    let parsed = Pe::parse(&file);
    if file.failed() > 0 {
        // What its headers say decides what the file is.
        for note in file.take_failures() {
            Note { effect: UNKNOWN, ..note }.report(sink);
        }
        return None;
    }
    let pass = pass(&file, parsed.as_ref().ok(), sink);
    let mut fields = Fields::new();
    let cli_header = parsed.as_ref().ok().and_then(Pe::cli_header);
    let kind = match (&parsed, cli_header) {
        (Err(_), _) => ProgramKind::NotPe,
        (Ok(_), None) => ProgramKind::Native,
        (Ok(_), Some(_)) => ProgramKind::Managed,
    };
    fields.push(fields::KIND.name, kind.name());
    fields.push_some(fields::IN_STREAM.name, stream);
    if let Some(pass) = &pass {
        pass.push_hashes(&mut fields);
    }
    fields.push(fields::SIZE.name, file.len());
    match parsed {
        Ok(mut pe) => {
            describe_pe(&pe, pass.as_ref(), &mut fields, moments);
            let mut malformed = std::mem::take(&mut pe.malformed);
            if let Some(cli_header) = cli_header {
                let found = managed::describe(&pe, cli_header, input, &mut malformed, sink);
                found.into_iter().for_each(|(field, value)| fields.push(field.name, value));
            }
            if !malformed.is_empty() {
                sink.problem(
                    ProblemKind::Inconsistent {
                        a: "ordinary headers and attributes are expected".into(),
                        b: malformed.join("; "),
                    },
                    None,
                    "the file is not what a compiler makes",
                    "Windows and the runtime may read it otherwise than we do",
                );
            }
            fields.push(fields::MALFORMED.name, malformed);
        }
        Err(why) => describe_other(&file, input.original_path, why, &mut fields, sink),
    }
    file.take_failures().into_iter().for_each(|note| note.report(sink));
    Some(fields)
}

/// What takes every byte of the file; `None` where the file is too long or cannot be read to its end.
fn pass(file: &Pages<'_>, pe: Option<&Pe<'_>>, sink: &mut Sink<'_>) -> Option<Pass> {
    let effect = "it has no hashes by which it could be recognised";
    if file.len() > MAX_HASHED {
        let what = format!("the file has {} bytes; it is not hashed as a whole", file.len());
        sink.problem(ProblemKind::LimitReached, None, what, effect);
        return None;
    }
    match Pass::over(file, pe) {
        Ok(pass) => Some(pass),
        Err(error) => {
            read_failed(sink, &error, effect);
            None
        }
    }
}

/// A file that is no program: its first bytes, and the text of a configuration file.
fn describe_other(file: &Pages<'_>, path: &str, why: NotPe, fields: &mut Fields, sink: &mut Sink<'_>) {
    fields.push(fields::FIRST_BYTES.name, hex(&file.prefix(0, 16)));
    if path.to_lowercase().ends_with(".config") {
        fields.push_some(fields::TEXT.name, as_text(&file.prefix(0, MAX_TEXT as u64)));
        if file.len() > MAX_TEXT as u64 {
            sink.problem(
                ProblemKind::LimitReached,
                None,
                format!("only the first {MAX_TEXT} bytes of the configuration are shown"),
                "settings behind them are not seen",
            );
        }
    }
    let (kind, what) = match why {
        NotPe::NoDosHeader => return,
        NotPe::NoPeHeader { offset } => {
            let actual = file.prefix(offset, 4).escape_ascii().to_string();
            (
                ProblemKind::BadSignature { offset, expected: r"PE\0\0".into(), actual },
                "it begins like a program and has no PE header: a program for DOS or 16-bit Windows, or damaged",
            )
        }
        NotPe::CutOff { offset } => (
            ProblemKind::Truncated { offset, expected: 1, actual: file.len().saturating_sub(offset) },
            "it begins like a program and ends within its headers",
        ),
        NotPe::UnknownOptionalHeader { magic, .. } => (
            ProblemKind::OutOfRange { raw: format!("{magic:#06x}") },
            "its optional header is of a kind that Windows does not load",
        ),
    };
    sink.problem(kind, None, what, "as it is, no tool can load it; what it may have been is not known");
}

fn describe_pe(pe: &Pe<'_>, pass: Option<&Pass>, fields: &mut Fields, moments: &mut Vec<Moment>) {
    fields.push(fields::MACHINE.name, machine(pe.machine));
    fields.push(fields::LIBRARY.name, pe.characteristics & 0x2000 != 0);
    fields.push(fields::ENTRY_POINT.name, pe.entry_point);
    let debug = pe.debug();
    timestamp(pe, debug.is_reproducible, fields, moments);
    let sections = pe.sections.iter().map(|section| {
        let mut members = vec![
            (fields::section::NAME, section.name.clone().into()),
            (fields::section::ADDRESS, section.address.into()),
            (fields::section::VIRTUAL_SIZE, section.virtual_size.into()),
            (fields::section::OFFSET, section.offset.into()),
            (fields::section::SIZE, section.size.into()),
            (fields::section::FLAGS, format!("{:#010x}", section.flags).into()),
        ];
        members.extend(pass.map(|pass| (fields::section::ENTROPY, pass.entropy(pe.section_range(section)).into())));
        map(members)
    });
    fields.push(fields::SECTIONS.name, Value::List(sections.collect()));
    let imports = pe.imports();
    let libraries = imports.libraries.into_iter().map(|(library, functions)| {
        map(vec![(fields::import::LIBRARY, library.into()), (fields::import::FUNCTIONS, functions.into())])
    });
    fields.push(fields::IMPORTS.name, Value::List(libraries.collect()));
    if imports.is_cut {
        fields.push(fields::IMPORTS_CUT.name, true);
    }
    if pe.directory(Directory::Tls).is_some() {
        fields.push(fields::THREAD_LOCAL_STORAGE.name, true);
    }
    if let Some(version) = pe.version() {
        let mut members: Vec<(String, Value)> =
            version.strings.into_iter().map(|(name, text)| (name, text.into())).collect();
        for (field, number) in [
            (fields::version::FIXED_FILE_VERSION, version.file_version),
            (fields::version::FIXED_PRODUCT_VERSION, version.product_version),
        ] {
            members.extend(number.map(|number| (field.name.to_owned(), number.into())));
        }
        fields.push(fields::VERSION.name, Value::Map(members));
    }
    let mut members = vec![(fields::debug::REPRODUCIBLE, Value::Bool(debug.is_reproducible))];
    if let Some(code_view) = debug.code_view {
        members.push((fields::debug::GUID, code_view.guid.into()));
        members.push((fields::debug::AGE, code_view.age.into()));
        members.push((fields::debug::PDB_PATH, code_view.path.into()));
    }
    fields.push(fields::DEBUG.name, map(members));
    fields.push(fields::SIGNED.name, pe.directory(Directory::Security).is_some());
}

fn machine(code: u16) -> String {
    match code {
        0x014C => "x86".to_owned(),
        0x8664 => "x64".to_owned(),
        0xAA64 => "ARM64".to_owned(),
        0x01C0 | 0x01C4 => "ARM".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// How the link time is to be read. A build that is reproducible by its own word, or whose stamp has the high bit, which
/// no time before 2038 has, stores a hash. Nothing was linked for Windows NT before 1993, and no assembly before 2002.
fn timestamp(pe: &Pe<'_>, is_reproducible: bool, fields: &mut Fields, moments: &mut Vec<Moment>) {
    const YEAR_1993: u32 = 725_846_400;
    const YEAR_2002: u32 = 1_009_843_200;
    let first = if pe.cli_header().is_some() { YEAR_2002 } else { YEAR_1993 };
    let reading = match pe.timestamp {
        0 | u32::MAX => StampReading::Impossible,
        _ if is_reproducible => StampReading::Hash,
        0x8000_0000.. => StampReading::Hash,
        stamp if stamp < first => StampReading::Impossible,
        _ => StampReading::Time,
    };
    let mut members =
        vec![(fields::timestamp::RAW, Value::from(pe.timestamp)), (fields::timestamp::READING, reading.name().into())];
    if let Some(time) = Timestamp::unix32(pe.timestamp).filter(|_| reading == StampReading::Time) {
        members.push((fields::timestamp::TIME, time.ticks.into()));
        let mut moment = Moment::at(Meaning::COMPILED, time);
        moment.locator = Some(Box::new(Locator::ByteRange { offset: pe.timestamp_at, length: 4 }));
        moments.push(moment);
    }
    fields.push(fields::TIMESTAMP.name, map(members));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::cli::{Metadata, Table};
    use crate::formats::pages::PAGE;
    use evidence::Bytes;
    use std::ops::Range;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    const HOOKS: &[u8] = include_bytes!("../../../fixtures/assembly/com-hooks/input");
    const SERVICED: &[u8] = include_bytes!("../../../fixtures/assembly/serviced/input");

    fn parse_at(path: &str, bytes: &dyn Bytes) -> (Vec<Record>, usize) {
        let (records, problems) = parse_holding_at(KEPT, path, bytes);
        (records, problems.len())
    }

    fn parse_holding_at(kept: u64, path: &str, bytes: &dyn Bytes) -> (Vec<Record>, Vec<evidence::Problem>) {
        let mut records = Vec::new();
        let mut on_record = |record| records.push(record);
        let mut sink = Sink::new(path, &mut on_record);
        parse_holding(kept, &Input::new(path, bytes), &mut sink);
        let problems = sink.finish();
        (records, problems)
    }

    fn fields(bytes: &[u8]) -> Fields {
        parse_at(r"C:\x.dll", &bytes.to_vec()).0.remove(0).fields
    }

    fn outlook(fields: &Fields, name: &str) -> (String, String) {
        let part = |part: &str| fields.get(name).and_then(|one| one.get(part)).and_then(Value::as_text).unwrap_or("");
        (part("State").to_owned(), part("Because").to_owned())
    }

    /// What the headers and metadata of the fixture say.
    fn of<T>(data: &[u8], ask: impl Fn(&Pe<'_>, &Metadata<'_>) -> T) -> T {
        let bytes = data.to_vec();
        let file = Pages::program(&bytes, KEPT);
        let pe = Pe::parse(&file).unwrap();
        ask(&pe, &Metadata::parse(&pe, pe.cli_header().unwrap()).unwrap())
    }

    /// File offset of a row of the fixture.
    fn row(data: &[u8], table: Table, row: u32) -> usize {
        of(data, |_, metadata| metadata.row_offset(table, row).unwrap() as usize)
    }

    /// File offset of a field of the CLI header.
    fn cli_header(data: &[u8], field: usize) -> usize {
        of(data, |pe, _| pe.offset_of(pe.cli_header().unwrap()).unwrap() as usize + field)
    }

    #[test]
    fn streams_and_drives_are_told_apart() {
        assert_eq!(stream_name(r"C:\a\b.dll:Zone.Identifier"), Some("Zone.Identifier"));
        assert_eq!(stream_name(r"C:\a\b.dll:s:$DATA"), Some("s"));
        assert_eq!(stream_name(r"C:\a\b.dll"), None);
        assert_eq!(stream_name(r"C:b.dll"), None);
        assert_eq!(stream_name(r"C:b.dll:s"), Some("s"));
        assert_eq!(stream_name(r"{volume-1}\b.dll:s"), Some("s"));
    }

    #[test]
    fn a_program_in_a_stream_is_a_program() {
        let (records, _) = parse_at(r"C:\notes.txt:x", &HOOKS.to_vec());
        assert_eq!((records[0].of, records[0].fields.text("Kind")), (&FILE, Some("managed")));
        assert_eq!(records[0].fields.text("Stream"), Some("x"));
        let (records, _) = parse_at(r"C:\notes.txt:x", &vec![0; 100_000]);
        assert_eq!((records[0].of, records[0].fields.text("Kind")), (&FILE, Some("not_pe")));
        let (records, _) = parse_at(r"C:\x.dll:Zone.Identifier", &b"\xFF\xFE[\0Z\0]\0".to_vec());
        assert_eq!(records[0].fields.text("Text"), Some("[Z]"));
        let (records, _) = parse_at(r"C:\x.dll:Zone.Identifier", &b"HostUrl=https://x/\xE9".to_vec());
        assert_eq!(records[0].fields.text("Text"), Some("HostUrl=https://x/\u{fffd}"));
        let (records, _) = parse_at(r"C:\x.dll:s", &vec![0; 3]);
        assert_eq!((records[0].fields.text("Text"), records[0].fields.text("FirstBytes")), (None, Some("000000")));
    }

    #[test]
    fn garbage_is_described_as_what_it_is() {
        for (data, problems) in [(&b""[..], 0), (b"MZ", 1), (&[0xFF; 2000], 0)] {
            let (records, found) = parse_at(r"C:\x.dll", &data.to_vec());
            assert_eq!((records[0].fields.text("Kind"), found), (Some("not_pe"), problems));
        }
    }

    #[test]
    fn base_classes_in_a_circle_end() {
        let mut data = HOOKS.to_vec();
        // Derived (row 7) extends itself: TypeDefOrRef with the tag of TypeDef.
        let at = row(&data, Table::TypeDef, 7) + 8;
        data[at..at + 2].copy_from_slice(&(7u16 << 2).to_le_bytes());
        let fields = fields(&data);
        let types = fields.get("Cli").unwrap().get("Types").unwrap();
        let derived = types.items().iter().find(|one| one.get("Name").unwrap().as_text() == Some("Demo.Case.Derived"));
        let register = derived.unwrap().get("Register").unwrap();
        assert_eq!(register.get("Runs").unwrap().as_text(), Some("unknown"));
        assert!(register.get("Because").unwrap().as_text().unwrap().contains("circle"));
    }

    #[test]
    fn rows_that_are_not_there_make_a_no_unknown() {
        let mut data = SERVICED.to_vec();
        // The attributes are unhooked, then more of them are claimed than there are bytes for.
        let at = row(&data, Table::CustomAttribute, 1);
        let count = of(&data, |_, metadata| metadata.rows(Table::CustomAttribute));
        data[at..at + 6 * count as usize].fill(0);
        assert_eq!(outlook(&fields(&data), "ExecutesOnRegister").0, "no");
        // The counts stand behind the header of the tables, one for each table that is there.
        let find = |what: &[u8]| data.windows(what.len()).position(|window| window == what).unwrap();
        let word = |at: usize| u32::from_le_bytes(*data[at..].first_chunk().unwrap());
        let tables = find(b"BSJB") + word(find(b"#~\0\0") - 8) as usize;
        let before = (word(tables + 8) & ((1 << (Table::CustomAttribute as u32)) - 1)).count_ones();
        let claimed = tables + 24 + before as usize * 4;
        assert_eq!(word(claimed), count);
        data[claimed..claimed + 4].copy_from_slice(&0x00FF_FFFFu32.to_le_bytes());
        let (state, because) = outlook(&fields(&data), "ExecutesOnRegister");
        assert_eq!(state, "unknown");
        assert!(because.contains("the stream has room for"), "{because}");
    }

    #[test]
    fn what_regsvcs_asks_for() {
        let mut data = SERVICED.to_vec();
        assert_eq!(outlook(&fields(&data), "ExecutesForRegsvcs").0, "yes");
        let flags = cli_header(&data, 16);
        data[flags] &= !8;
        let (state, because) = outlook(&fields(&data), "ExecutesForRegsvcs");
        assert_eq!(state, "unknown");
        assert!(because.contains("not signed"), "{because}");
        // Without the public key.
        let at = row(&data, Table::Assembly, 1) + 16;
        data[at..at + 2].fill(0);
        let (state, because) = outlook(&fields(&data), "ExecutesForRegsvcs");
        assert_eq!((state.as_str(), because.contains("no strong name")), ("no", true));
    }

    #[test]
    fn native_code_runs_by_loading() {
        let mut data = HOOKS.to_vec();
        let flags = cli_header(&data, 16);
        data[flags] &= !1;
        let (state, because) = outlook(&fields(&data), "ExecutesOnLoad");
        assert_eq!((state.as_str(), because.as_str()), ("no", "its entry point only jumps into the runtime"));
        let entry = of(&data, |pe, _| pe.offset_of(pe.entry_point).unwrap() as usize);
        data[entry] = 0x90;
        assert_eq!(outlook(&fields(&data), "ExecutesOnLoad").0, "yes");
    }

    #[test]
    fn link_times() {
        let reading = |stamp: u32| {
            let mut data = HOOKS.to_vec();
            let at = of(&data, |pe, _| pe.timestamp_at as usize);
            data[at..at + 4].copy_from_slice(&stamp.to_le_bytes());
            let (records, _) = parse_at(r"C:\x.dll", &data);
            let stamp = records[0].fields.get("Timestamp").unwrap();
            (stamp.get("Reading").unwrap().as_text().unwrap().to_owned(), records[0].moments.len())
        };
        assert_eq!(reading(0x5E6A_99D5), ("time".to_owned(), 1));
        assert_eq!(reading(0xDEAD_BEEF), ("hash".to_owned(), 0));
        assert_eq!(reading(0x2A42_5E19), ("impossible".to_owned(), 0));
        assert_eq!(reading(0), ("impossible".to_owned(), 0));
    }

    #[test]
    fn leads_are_assemblies_that_are_not_the_frameworks() {
        let data = include_bytes!("../../../fixtures/assembly/base-missing/input").to_vec();
        let (records, _) = parse_at(r"C:\Users\Public\addin.dll", &data);
        assert_eq!(leads(&records[0]), [Lead::Path(r"C:\Users\Public\shared.dll".into())]);
        let (records, _) = parse_at("addin.dll", &data);
        assert_eq!(leads(&records[0]), [], "without a folder there is no place to look");
        assert_eq!(leads(&parse_at(r"C:\a.dll", &HOOKS.to_vec()).0[0]), []);
    }

    /// A file of which only the beginning and the places given are not zero. It remembers what is asked of it.
    #[derive(Default)]
    struct Huge {
        length: u64,
        pieces: Vec<(u64, Vec<u8>)>,
        /// Ranges that cannot be read.
        bad: Vec<Range<u64>>,
        longest: AtomicUsize,
        asked: AtomicU64,
    }

    impl Huge {
        fn new(length: u64) -> Self {
            Huge { length, pieces: vec![(0, HOOKS.to_vec())], ..Huge::default() }
        }

        /// An assembly whose metadata lie behind so many bytes of a resource: its sections but the first lie there.
        fn padded(padding: u64) -> Self {
            let pe_at = u32::from_le_bytes(*HOOKS[0x3C..].first_chunk().unwrap()) as usize;
            let word = |at: usize| u32::from_le_bytes(*HOOKS[at..].first_chunk().unwrap());
            let table = pe_at + 24 + usize::from(u16::from_le_bytes(*HOOKS[pe_at + 20..].first_chunk().unwrap()));
            let count = usize::from(HOOKS[pe_at + 6]);
            let first = (0..count).map(|one| word(table + one * 40 + 20)).min().unwrap() as usize;
            let mut head = HOOKS[..first].to_vec();
            for one in 0..count {
                let at = table + one * 40 + 20;
                head[at..at + 4].copy_from_slice(&(word(at) + padding as u32).to_le_bytes());
            }
            let pieces = vec![(0, head), (first as u64 + padding, HOOKS[first..].to_vec())];
            Huge { length: HOOKS.len() as u64 + padding, pieces, ..Huge::default() }
        }
    }

    impl Bytes for Huge {
        fn len(&self) -> u64 {
            self.length
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
            self.longest.fetch_max(buffer.len(), Ordering::Relaxed);
            self.asked.fetch_add(count as u64, Ordering::Relaxed);
            let end = offset + count as u64;
            if self.bad.iter().any(|bad| bad.start < end && offset < bad.end) {
                return Err(std::io::Error::other("bad sector"));
            }
            buffer[..count].fill(0);
            for (start, piece) in &self.pieces {
                let (from, to) = (offset.max(*start), end.min(start + piece.len() as u64));
                if from < to {
                    let part = &piece[(from - start) as usize..(to - start) as usize];
                    buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
                }
            }
            Ok(count)
        }
    }

    #[test]
    fn very_large_files_are_described_as_any_other() {
        let (records, problems) = parse_at(r"C:\x.dll", &Huge::new(300 << 20));
        let fields = &records[0].fields;
        assert_eq!((fields.text("Kind"), fields.number("Size"), problems), (Some("managed"), Some(300 << 20), 0));
        // head -c 4096 com-hooks/input, then zeros to 300 MiB, through sha256sum.
        assert_eq!(fields.text("Sha256"), Some("50abe6dbb564fb98709886ed6bfc67670eb18c400f1df41f4f049f4f32006ba9"));
        assert_eq!(outlook(fields, "ExecutesOnRegister").0, "yes");
        let (records, problems) = parse_at(r"C:\x.dll", &Huge::new(1 << 60));
        let fields = &records[0].fields;
        assert_eq!((fields.text("Kind"), fields.number("Size"), problems), (Some("managed"), Some(1 << 60), 1));
        assert_eq!((fields.get("Sha256"), fields.get("ImageSha256")), (None, None), "nobody waits for it");
        assert_eq!(outlook(fields, "ExecutesOnRegister").0, "yes");
    }

    #[test]
    fn a_large_assembly_is_read_in_small_parts() {
        let padded = Huge::padded(1 << 30);
        let file = Pages::program(&padded, KEPT);
        let pe = Pe::parse(&file).unwrap();
        let metadata = Metadata::parse(&pe, pe.cli_header().unwrap()).unwrap();
        let types = (1..=metadata.rows(Table::TypeDef)).map(|row| metadata.name(Table::TypeDef, row, 1));
        let expected = of(HOOKS, |_, short| {
            (1..=short.rows(Table::TypeDef)).map(|row| short.name(Table::TypeDef, row, 1)).collect::<Vec<_>>()
        });
        assert_eq!(types.collect::<Vec<_>>(), expected);
        assert!(padded.longest.load(Ordering::Relaxed) <= PAGE);
        assert!(padded.asked.load(Ordering::Relaxed) <= 4 * PAGE as u64, "{:?}", padded.asked);
        // With its hashes, once more, and never much of it at a time.
        let padded = Huge::padded(64 << 20);
        let (records, problems) = parse_at(r"C:\x.dll", &padded);
        assert_eq!((records.len(), problems), (1, 0));
        assert!(padded.longest.load(Ordering::Relaxed) <= 1 << 20);
        assert!(padded.asked.load(Ordering::Relaxed) <= padded.length + (1 << 20));
        let short = fields(HOOKS);
        for name in ["ExecutesOnRegister", "ExecutesOnUnregister", "ExecutesForRegsvcs", "ExecutesOnLoad"] {
            assert_eq!(outlook(&records[0].fields, name), outlook(&short, name));
        }
    }

    #[test]
    fn damaged_assemblies_are_the_same_held_and_in_pages() {
        let mut seed = 1u32;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 4) as usize % below
        };
        for _ in 0..400 {
            // Where the sections begin at any offset, their structures lie across the ends of pages.
            let padded = Huge::padded(random(2 * PAGE) as u64);
            let mut data = padded.read_all(u64::MAX).unwrap().unwrap();
            for _ in 0..random(8) {
                let (start, piece) = &padded.pieces[random(2)];
                data[*start as usize + random(piece.len())] = random(256) as u8;
            }
            data.truncate(data.len() - random(data.len() / 8));
            let read = |kept| format!("{:?}", parse_holding_at(kept, r"C:\x.dll", &data));
            assert_eq!(read(KEPT), read(0));
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_never_no() {
        let at = row(SERVICED, Table::CustomAttribute, 1) as u64;
        let length = 16 << 20;
        let pieces = vec![(0, SERVICED.to_vec())];
        let bad = |bad: Range<u64>| Huge { length, pieces: pieces.clone(), bad: vec![bad], ..Huge::default() };
        // The attributes of the methods.
        let (records, problems) = parse_at(r"C:\x.dll", &bad(at..at + 1));
        let fields = &records[0].fields;
        assert_eq!(fields.get("Sha256"), None);
        let (state, because) = outlook(fields, "ExecutesOnRegister");
        assert_eq!((state.as_str(), because.contains("could not be read")), ("unknown", true), "{because}");
        assert_eq!(problems, 2, "it has no hashes, and a part is missing");
        // Wherever it is, a yes never becomes a no.
        let (mut open, sectors) = (0, SERVICED.len() as u64 / 512);
        for sector in 0..sectors {
            let (records, problems) = parse_at(r"C:\x.dll", &bad(sector * 512..sector * 512 + 512));
            assert!(problems > 0);
            for record in records.iter().filter(|record| record.fields.text("Kind") == Some("managed")) {
                let state = outlook(&record.fields, "ExecutesOnRegister").0;
                assert!(state == "yes" || state == "unknown", "{sector}: {state}");
                open += u64::from(state == "unknown");
            }
        }
        assert!(open > 2, "{open} of {sectors}");
        // Nothing that is asked for.
        let (records, problems) = parse_at(r"C:\x.dll", &bad(length - 1..length));
        assert_eq!((outlook(&records[0].fields, "ExecutesOnRegister").0.as_str(), problems), ("yes", 1));
        // The headers, which say what it is.
        let (records, problems) = parse_at(r"C:\x.dll", &bad(0..1));
        assert_eq!((records.len(), problems), (0, 1));
    }
}
