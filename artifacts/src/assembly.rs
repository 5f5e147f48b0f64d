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
//! Method bodies are not followed. A base class in another assembly is not read: what depends on it is unknown, never no.
//! A link time of a reproducible build is a hash. Files above 256 MiB are hashed but not described.
//!
//! # References
//! See the references of [`ARTIFACT`].

mod clsid;
mod types;

use crate::formats::cli::Metadata;
use crate::formats::pe::{Directory, Pe};
use evidence::{
    Artifact, Claim, Fields, Input, Integrity, Location, Locator, Meaning, Moment, Phase, ProblemKind, Record, Sink,
    Timestamp, Value, no_leads,
};
use sha2::Digest;
use types::{Declared, Known, MAX_LISTED, Type};

/// Suspicious assemblies.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "assembly",
    title: "Suspicious assemblies and the tools' own files",
    data_types: &[FILE, STREAM],
    locations: &[
        Location::Lead,
        Location::File(r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegAsm.exe"),
        Location::File(r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegSvcs.exe"),
        Location::File(r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegAsm.exe.config"),
        Location::File(r"%SystemRoot%\Microsoft.NET\Framework*\v*\RegSvcs.exe.config"),
    ],
    claims: &[Claim::Present],
    supports: "What the file is: hashes, identity, COM hooks and whether regasm or regsvcs would call them, computed class \
               ids to look for in the registry, native imports, version resource, debug record, and its streams.",
    does_not_support: "That anything of it ran, or that it is the file that was there at the time of a run. The link time \
                       can be set freely, and in a reproducible build it is a hash.",
    windows: "Every version with .NET Framework 2.0 or 4.x.",
    references: &[
        "ECMA-335, Common Language Infrastructure, partition II",
        "Microsoft, PE Format, https://learn.microsoft.com/windows/win32/debug/pe-format",
        "Microsoft, Regasm.exe, https://learn.microsoft.com/dotnet/framework/tools/regasm-exe-assembly-registration-tool",
        "Microsoft, Regsvcs.exe, https://learn.microsoft.com/dotnet/framework/tools/regsvcs-exe-net-services-installation-tool",
        "MITRE ATT&CK T1218.009, https://attack.mitre.org/techniques/T1218/009/",
    ],
    phase: Phase::Independent,
    parse,
    leads: no_leads,
};

const FILE: &str = "windows:pe:file";
const STREAM: &str = "windows:ntfs:stream";
/// Largest file that is described; larger ones are hashed only.
const MAX_FILE: u64 = 256 << 20;
/// Longest stream or configuration text that is shown.
const MAX_TEXT: usize = 64 << 10;

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    if let Some(name) = stream_name(input.original_path) {
        return parse_stream(name, input, sink);
    }
    let mut fields = Fields::new();
    let mut moments = Vec::new();
    let owned;
    let data = match input.bytes.as_slice() {
        Some(data) => data,
        None => match input.bytes.read_all(MAX_FILE) {
            Ok(Some(data)) => {
                owned = data;
                &owned[..]
            }
            Ok(None) => {
                sink.problem(
                    ProblemKind::LimitReached,
                    None,
                    format!("the file has {} bytes and is not described", input.bytes.len()),
                    "whether the tools would run code of it is not known",
                );
                return;
            }
            Err(error) => {
                sink.problem(
                    ProblemKind::ReadFailed,
                    None,
                    format!("reading failed: {error}"),
                    "whether the tools would run code of it is not known",
                );
                return;
            }
        },
    };
    describe(data, input.original_path, &mut fields, &mut moments, sink);
    sink.record(Record {
        artifact: ARTIFACT.id,
        data_type: FILE,
        subject: input.original_path.to_owned(),
        user: None,
        moments,
        fields,
        claims: &[Claim::Present],
        locator: Locator::Whole,
        integrity: Integrity::Intact,
    });
}

/// The name behind the colon of an alternate stream; the colon of a drive letter is none.
fn stream_name(path: &str) -> Option<&str> {
    let name = path.rsplit(['\\', '/']).next()?;
    name.split_once(':').map(|(_, stream)| stream).filter(|_| path.len() > name.len())
}

fn parse_stream(name: &str, input: &Input<'_>, sink: &mut Sink<'_>) {
    let mut head = vec![0; MAX_TEXT.min(usize::try_from(input.bytes.len()).unwrap_or(MAX_TEXT))];
    let read = match input.bytes.read_full_at(0, &mut head) {
        Ok(read) => read,
        Err(error) => {
            sink.problem(
                ProblemKind::ReadFailed,
                None,
                format!("reading failed: {error}"),
                "what the stream says is not known",
            );
            return;
        }
    };
    let mut fields = Fields::new();
    fields.push("Name", name);
    fields.push("Size", input.bytes.len());
    fields.push_some("Text", as_text(&head[..read]));
    sink.record(Record {
        artifact: ARTIFACT.id,
        data_type: STREAM,
        subject: input.original_path.to_owned(),
        user: None,
        moments: Vec::new(),
        fields,
        claims: &[Claim::Present],
        locator: Locator::Whole,
        integrity: Integrity::Intact,
    });
}

/// Text in UTF-8 or UTF-16 with its mark; `None` for anything with control characters.
fn as_text(data: &[u8]) -> Option<String> {
    let text = match data {
        [0xFF, 0xFE, rest @ ..] => {
            char::decode_utf16(rest.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
                .collect::<Result<String, _>>()
                .ok()?
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => std::str::from_utf8(rest).ok()?.to_owned(),
        _ => std::str::from_utf8(data).ok()?.to_owned(),
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t')).then_some(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn map(members: Vec<(&str, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn describe(data: &[u8], path: &str, fields: &mut Fields, moments: &mut Vec<Moment>, sink: &mut Sink<'_>) {
    let pe = Pe::parse(data);
    let metadata = pe.as_ref().and_then(|pe| Metadata::parse(pe, data));
    let kind = match (&pe, &metadata) {
        (_, Some(_)) => "managed",
        (Some(_), None) => "native",
        (None, _) => "not_pe",
    };
    fields.push("Kind", kind);
    fields.push("Sha256", hex(&sha2::Sha256::digest(data)));
    fields.push("Sha1", hex(&sha1::Sha1::digest(data)));
    fields.push("Md5", hex(&md5::Md5::digest(data)));
    fields.push("Size", data.len() as u64);
    let Some(pe) = pe else {
        fields.push("FirstBytes", hex(&data[..data.len().min(16)]));
        if path.to_lowercase().ends_with(".config") {
            fields.push_some("Text", as_text(&data[..data.len().min(MAX_TEXT)]));
        }
        if data.starts_with(b"MZ") {
            sink.problem(
                ProblemKind::BadSignature { offset: 0, expected: "PE headers".into(), actual: "MZ only".into() },
                None,
                "the file begins like a program but has no usable PE header",
                "whether the tools would run code of it is not known",
            );
        }
        return;
    };
    fields.push_some("ImageSha256", pe.image_sha256().map(|hash| hex(&hash)));
    fields.push("Machine", machine(pe.machine));
    let (code_view, reproducible) = pe.debug();
    timestamp(&pe, reproducible, fields, moments);
    let sections = pe.sections.iter().map(|section| {
        map(vec![
            ("Name", section.name.clone().into()),
            ("Address", section.address.into()),
            ("VirtualSize", section.virtual_size.into()),
            ("Offset", section.offset.into()),
            ("Size", section.size.into()),
        ])
    });
    fields.push("Sections", Value::List(sections.collect()));
    let imports = pe
        .imports()
        .into_iter()
        .map(|(library, functions)| map(vec![("Library", library.into()), ("Functions", functions.into())]));
    fields.push("Imports", Value::List(imports.collect()));
    let version = pe.version_strings();
    if !version.is_empty() {
        fields.push("Version", Value::Map(version.into_iter().map(|(name, text)| (name, text.into())).collect()));
    }
    let mut debug = vec![("Reproducible", Value::Bool(reproducible))];
    if let Some(code_view) = code_view {
        debug.push(("Guid", code_view.guid.into()));
        debug.push(("Age", code_view.age.into()));
        debug.push(("PdbPath", code_view.path.into()));
    }
    fields.push("Debug", map(debug));
    fields.push("Signed", pe.security().is_some());
    match metadata {
        Some(metadata) => {
            let declared = types::read(&metadata);
            let mut malformed = metadata.malformed.clone();
            malformed.extend(
                declared
                    .fake_attributes
                    .iter()
                    .map(|name| format!("{name} is defined by this file itself; the tools ignore it")),
            );
            if !malformed.is_empty() {
                sink.problem(
                    ProblemKind::Inconsistent { a: "the metadata headers".into(), b: malformed.join("; ") },
                    None,
                    "the metadata is not what a compiler writes",
                    "the runtime may read it otherwise than we do",
                );
            }
            fields.push("Malformed", malformed);
            fields.push("Cli", cli(&metadata, &declared));
            for (name, answer) in outlook(&metadata, &declared) {
                fields.push(name, answer);
            }
        }
        None if pe.directory(Directory::Cli).is_some() => {
            fields.push("Malformed", vec!["the CLI header leads to no metadata".to_owned()]);
            sink.problem(
                ProblemKind::BadSignature {
                    offset: 0,
                    expected: "CLI metadata".into(),
                    actual: "something else".into(),
                },
                None,
                "the file claims to be managed but its metadata cannot be found",
                "whether the tools would run code of it is not known",
            );
        }
        None => {}
    }
}

fn machine(code: u16) -> String {
    match code {
        0x014C => "x86".to_owned(),
        0x8664 => "x64".to_owned(),
        0xAA64 => "ARM64".to_owned(),
        0x01C4 => "ARM".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// A link time between 2002 (the first .NET Framework) and 2100 may be a time; a reproducible build has a hash there.
fn timestamp(pe: &Pe<'_>, reproducible: bool, fields: &mut Fields, moments: &mut Vec<Moment>) {
    const FIRST: u32 = 1_009_843_200;
    const LAST: u32 = 0x8000_0000;
    let plausible = (FIRST..LAST).contains(&pe.timestamp);
    let mut members = vec![
        ("Raw", Value::from(pe.timestamp)),
        (
            "Reading",
            if reproducible {
                "hash"
            } else if plausible {
                "time"
            } else {
                "impossible"
            }
            .into(),
        ),
    ];
    if let Some(time) = Timestamp::unix32(pe.timestamp).filter(|_| plausible && !reproducible) {
        members.push(("Time", time.ticks.into()));
        moments.push(Moment::at(Meaning::COMPILED, time));
    }
    fields.push("Timestamp", map(members));
}

/// The token of a public key: the last eight bytes of its SHA-1, reversed.
fn token(public_key: &[u8]) -> String {
    if public_key.is_empty() {
        return "null".to_owned();
    }
    let hash = sha1::Sha1::digest(public_key);
    hash.iter().rev().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn cli(metadata: &Metadata<'_>, declared: &Declared) -> Value {
    let flag = |bit: u32| Value::Bool(metadata.flags & bit != 0);
    let [major, minor, build, revision] = declared.identity.version;
    let version = format!("{major}.{minor}.{build}.{revision}");
    let culture = if declared.culture.is_empty() { "neutral" } else { &declared.culture };
    let token = token(&declared.public_key);
    let mut members = vec![
        ("RuntimeVersion", metadata.runtime_version.clone().into()),
        (
            "Flags",
            map(vec![
                ("IlOnly", flag(1)),
                ("Requires32Bit", flag(2)),
                ("StrongNameSigned", flag(8)),
                ("NativeEntryPoint", flag(0x10)),
                ("Prefers32Bit", flag(0x20000)),
            ]),
        ),
        (
            "Assembly",
            map(vec![
                ("Name", declared.identity.name.clone().into()),
                ("Version", version.clone().into()),
                ("Culture", culture.into()),
                ("PublicKeyToken", token.clone().into()),
                ("PublicKey", hex(&declared.public_key).into()),
                (
                    "DisplayName",
                    format!("{}, Version={version}, Culture={culture}, PublicKeyToken={token}", declared.identity.name)
                        .into(),
                ),
            ]),
        ),
        ("StrongNameSignature", metadata.has_strong_name_signature.into()),
        ("ComVisible", declared.com_visible.into()),
        ("TypeLibId", declared.type_library.clone().into()),
        ("References", declared.references.clone().into()),
        ("NativeFunctions", declared.native_functions.clone().into()),
        ("TypeCount", declared.type_count.into()),
    ];
    if let Some(mvid) = &declared.mvid {
        members.insert(2, ("Mvid", mvid.clone().into()));
    }
    let listed = declared.types.iter().filter(|one| one.is_registrable() || one.has_hook()).take(MAX_LISTED);
    members.push(("Types", Value::List(listed.map(Type::as_value).collect())));
    map(members)
}

impl Type {
    fn has_hook(&self) -> bool {
        self.register != Known::No || self.unregister != Known::No
    }
}

impl PartialEq for types::Hook {
    fn eq(&self, other: &Self) -> bool {
        self.can_run() == other.can_run()
    }
}

/// What would run, for each of the ways in which the tools use the file.
fn outlook(metadata: &Metadata<'_>, declared: &Declared) -> Vec<(&'static str, Value)> {
    let answer = |state: &str, because: String| map(vec![("State", state.into()), ("Because", because.into())]);
    let hooks = |choose: fn(&Type) -> &Known<types::Hook>| -> (&'static str, String) {
        let (mut no, mut unknown, mut any) = (Vec::new(), Vec::new(), false);
        for one in &declared.types {
            match choose(one) {
                Known::Yes(hook) => {
                    any = true;
                    match (one.is_registrable(), hook.can_run()) {
                        (true, Ok(name)) => return ("yes", format!("{name} of {} would be called", one.name)),
                        (true, Err(why)) => no.push(why),
                        (false, _) => no.push(format!("{} is not registrable: {}", one.name, one.because.join(", "))),
                    }
                }
                Known::Unknown(why) if one.is_registrable() => unknown.push(format!("{}: {why}", one.name)),
                _ => {}
            }
        }
        no.truncate(5);
        unknown.truncate(5);
        match (unknown.is_empty(), any) {
            (false, _) => ("unknown", unknown.join("; ")),
            (true, true) => ("no", no.join("; ")),
            (true, false) => ("no", "no type has a method with this attribute".to_owned()),
        }
    };
    let register = hooks(|one| &one.register);
    let unregister = hooks(|one| &one.unregister);
    let strong = !declared.public_key.is_empty() && metadata.flags & 8 != 0;
    let serviced = declared.types.iter().filter(|one| one.is_registrable());
    let (mut has_serviced, mut serviced_unknown) = (false, None);
    for one in serviced {
        match &one.serviced {
            Known::Yes(()) => has_serviced = true,
            Known::Unknown(why) => serviced_unknown = Some(why.clone()),
            Known::No => {}
        }
    }
    let under_regsvcs = |hook: &(&'static str, String)| -> (&'static str, String) {
        if !strong {
            return ("no", "regsvcs refuses it: it has no strong name".to_owned());
        }
        if !has_serviced {
            return match &serviced_unknown {
                Some(why) => ("unknown", format!("whether it has a serviced component is not known: {why}")),
                None => ("no", "regsvcs finds no registrable serviced component in it".to_owned()),
            };
        }
        (hook.0, format!("it is strong-named and has a serviced component; {}", hook.1))
    };
    let for_regsvcs = under_regsvcs(&register);
    let rollback = under_regsvcs(&unregister);
    let on_load = if metadata.flags & 1 == 0 {
        ("unknown", "it is a mixed-mode image: native code runs when it is loaded, whatever its methods do".to_owned())
    } else {
        ("no", "it has intermediate code only, none of which runs by loading".to_owned())
    };
    [
        ("ExecutesOnRegister", register),
        ("ExecutesOnUnregister", unregister),
        ("ExecutesForRegsvcs", for_regsvcs),
        ("ExecutesForRegsvcsRollback", rollback),
        ("ExecutesOnLoad", on_load),
    ]
    .into_iter()
    .map(|(name, (state, because))| (name, answer(state, because)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Focus;

    #[test]
    fn streams_and_drives_are_told_apart() {
        assert_eq!(stream_name(r"C:\a\b.dll:Zone.Identifier"), Some("Zone.Identifier"));
        assert_eq!(stream_name(r"C:\a\b.dll"), None);
        assert_eq!(stream_name(r"{volume-1}\b.dll:s"), Some("s"));
    }

    #[test]
    fn garbage_is_described_as_what_it_is() {
        for data in [&b""[..], b"MZ", &[0xFF; 2000]] {
            let mut records = Vec::new();
            let mut on_record = |record| records.push(record);
            let mut sink = Sink::new("x", &mut on_record);
            let focus = Focus::default();
            let bytes = data.to_vec();
            parse(
                &Input { original_path: r"C:\x.dll", bytes: &bytes, companions: Vec::new(), focus: &focus },
                &mut sink,
            );
            sink.finish();
            assert_eq!(records[0].fields.text("Kind"), Some("not_pe"));
        }
    }
}
