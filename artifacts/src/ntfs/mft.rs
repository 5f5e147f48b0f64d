//! $MFT: every file of an NTFS volume, the deleted ones of which the record was not used again included.
//!
//! # What Windows records
//! One file record for each file and folder: its names in folders, four times kept for programs
//! ($STANDARD_INFORMATION), four times kept with each name ($FILE_NAME), its size and its streams.
//!
//! # When it writes
//! With every change of the file. The times of $FILE_NAME are set when a name is made or moved, and hardly ever
//! afterwards; those of $STANDARD_INFORMATION follow what programs do, and programs may set them at will.
//!
//! # Where
//! `\$MFT` of every NTFS volume.
//!
//! # What it supports
//! A file of this name was in this folder; when it was made, changed and moved, as far as nobody set the times.
//!
//! # What it does not
//! That anybody ran or opened the file. When a deleted file was deleted: none of the eight times says so.
//!
//! # Versions
//! NTFS 3.0 and 3.1, that is Windows 2000 and later.
//!
//! # Limits
//! Only files that the focus names are described, unless it asks for everything. A name or stream whose attribute
//! stands in an extension record is found as long as that record is sound. Sequence numbers are as stored: deletion
//! counts them up by one. A path is that of the folders at the time when the volume was read.
//!
//! # References
//! Microsoft, *FILE_RECORD_SEGMENT_HEADER*; Linux-NTFS project, *NTFS Documentation*.

use evidence::{
    Artifact, Beside, Claim, Field, Fields, Filetime, Focus, Format, Input, Integrity, Locator, Macb, Meaning, Memory,
    Moment, Parse, Phase, ProblemKind, Reads, Record, RecordType, Role, Sink, Tells, Timestamp, Value, When,
    name::into_shown,
};
use ntfs_layout::{
    FileName, FileRecord, FileReference, Form, MftPart, MftReader, Name, Namespace, Paths, RecordFault,
    StandardInformation, kind,
};

use super::wanted::Wanted;

/// $MFT.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "mft",
    title: "NTFS master file table",
    records: &[&FILE],
    reads: &[Reads::EveryVolume(r"\$MFT"), Reads::Loose(Format::FileRecords)],
    supports: "A file of this name was in this folder of the volume, and, as far as nobody set them, when it was made, \
               changed and moved. A record that is no longer in use shows a deleted file whose record was not used again.",
    does_not_support: "That anybody ran or opened the file, or when a deleted file was deleted. Programs can set the times \
                       of $STANDARD_INFORMATION at will, so they alone prove no date.",
    windows: "All versions, on every NTFS volume.",
    references: &[
        "https://learn.microsoft.com/en-us/windows/win32/devnotes/file-record-segment-header",
        "https://flatcap.github.io/linux-ntfs/ntfs/",
    ],
    phase: Phase::Focused,
    older_states: false,
    beside: Beside::Nothing,
    memory: Memory::InParts,
    parse: Some(Parse::InParts(parse)),
    leads: None,
};

const PATH: Field = Field::text("Path", "full path without the volume").role(Role::Path);
const IN_USE: Field = Field::flag("InUse", "false: deleted; none of the times says when").role(Role::InUse);
const DIRECTORY: Field = Field::flag("Directory", "whether it is a folder").role(Role::Directory);
const PATH_CERTAIN: Field =
    Field::flag("PathCertain", "whether every parent's sequence number matched").role(Role::PathCertain);
const SIZE: Field = Field::number("Size", "size in bytes").role(Role::Size);
const NAME: Field = Field::text("Name", "name that was asked for, else the first long one").role(Role::Name);
const SHORT_NAME: Field = Field::text("ShortName", "its name in 8.3 form");
const ENTRY: Field = Field::number("Entry", "number of the file record").role(Role::FileEntry);
const SEQUENCE: Field =
    Field::number("Sequence", "its sequence number as stored: deletion counts it up").role(Role::FileSequence);
const PARENT_ENTRY: Field = Field::number("ParentEntry", "number of the folder's file record");
const PARENT_SEQUENCE: Field = Field::number("ParentSequence", "its sequence number");
const ATTRIBUTES: Field = Field::number("Attributes", "file attributes");
const STREAMS: Field = Field::list("Streams", "names of alternate streams").role(Role::Streams);
const LINKS: Field = Field::list("Links", "its further paths").role(Role::Links);

/// A file or folder.
static FILE: RecordType = RecordType {
    tells: Tells::File,
    fields: &[
        PATH,
        IN_USE,
        DIRECTORY,
        PATH_CERTAIN,
        SIZE,
        NAME,
        SHORT_NAME,
        ENTRY,
        SEQUENCE,
        PARENT_ENTRY,
        PARENT_SEQUENCE,
        ATTRIBUTES,
        STREAMS,
        LINKS,
    ],
    says: "One record per file, under the name that was asked for, else its first long one. Moments: four of $STANDARD_INFORMATION, four of $FILE_NAME. Locator: MFT entry. Integrity `Recovered` where not in use, `Corrupted` where the record is torn.",
    claims: &[Claim::Present],
    absence: "a deleted file's record may have been reused",
    ..RecordType::named("windows:ntfs:file")
};

/// Most extension records remembered until the end of the pass; a volume has a few per thousand files.
const MAX_EXTENSIONS: usize = 1 << 20;

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let mft = MftReader::new(input.bytes);
    let begin = || Files::new(&mft, input.focus);
    let mut parts = mft.parts();
    let mut later = Later::default();
    sink.in_parts(
        || {
            let part = parts.next()?;
            let (records, size) = (part.records(), mft.record_size() as u64);
            let (offset, length) = (records.start * size, (records.end - records.start) * size);
            Some((Locator::ByteRange { offset, length }, part))
        },
        begin,
        |part, files, sink| files.read(part, sink),
        |part| later.add(part.unwrap_or_default()),
    );
    // What did not fit in a file's base record can be before or behind it, so these come last.
    later.extensions.sort_unstable();
    let (mut files, mut buffer) = (begin(), Vec::new());
    for number in later.waiting.iter().flat_map(Waiting::numbers) {
        files.describe_with_extensions(number, &later.extensions, &mut buffer, sink);
    }
    if later.left_out > 0 {
        let what = format!("the extension records of some files are not read: {} over the limit", later.left_out);
        sink.problem(ProblemKind::LimitReached, None, what, "names and streams of some files may be missing");
    }
    if later.sound == 0 {
        let kind =
            ProblemKind::BadSignature { offset: 0, expected: "FILE".to_owned(), actual: "no file record".to_owned() };
        let effect = "nothing is known of the files of this volume";
        sink.problem(kind, None, format!("no file record in {} bytes", input.bytes.len()), effect);
    }
}

/// What of some records is for later.
#[derive(Default)]
struct Later {
    /// Base record and extension record, both by number.
    extensions: Vec<(u64, u64)>,
    /// Files with extension records.
    waiting: Vec<Waiting>,
    /// Extension records that are not remembered.
    left_out: u64,
    /// Records that were read.
    sound: u64,
}

impl Later {
    /// Adds what is for later of the part that follows.
    fn add(&mut self, part: Later) {
        let room = MAX_EXTENSIONS - self.extensions.len();
        self.left_out += part.extensions.len().saturating_sub(room) as u64;
        self.extensions.extend(part.extensions.into_iter().take(room));
        self.waiting.extend(part.waiting);
        self.sound += part.sound;
    }
}

/// The files of one part that have extension records, one bit each: an $MFT of any length takes little memory, whatever
/// it says.
struct Waiting {
    first: u64,
    bits: [u64; MftPart::RECORDS / 64],
}

impl Waiting {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let places = (0..MftPart::RECORDS).filter(|place| self.bits[place / 64] >> (place % 64) & 1 == 1);
        places.map(|place| self.first + place as u64)
    }
}

fn report_fault(sink: &mut Sink<'_>, number: u64, offset: u64, size: usize, fault: &RecordFault) {
    let kind = match fault {
        RecordFault::BadSignature(found) => {
            ProblemKind::BadSignature { offset, expected: "FILE".to_owned(), actual: found.escape_ascii().to_string() }
        }
        RecordFault::Truncated { expected, actual } => ProblemKind::Truncated {
            offset: offset + *actual as u64,
            expected: (*expected).saturating_sub(*actual) as u64,
            actual: 0,
        },
        RecordFault::Zeroed | RecordFault::Unreadable(_) => ProblemKind::ReadFailed,
    };
    let locator = Locator::ByteRange { offset, length: size as u64 };
    let what = format!("file record {number}: {fault}");
    sink.problem(kind, Some(locator), what, "a file that this record may have described is not known");
}

fn report_torn(sink: &mut Sink<'_>, record: &FileRecord<'_>, offset: u64) {
    let what = if record.is_baad() {
        format!("file record {} was marked as torn by NTFS", record.number())
    } else {
        format!("parts of file record {} were not written together", record.number())
    };
    let locator = Locator::MftEntry { entry: record.number(), sequence: record.sequence(), offset };
    let effect = "names, times and streams in the torn parts may be those of another moment or file";
    sink.problem(ProblemKind::BadChecksum { offset }, Some(locator), what, effect);
}

/// What the attributes of a file say, over its base record and its extension records.
#[derive(Default)]
struct Content<'r> {
    standard: Option<StandardInformation>,
    names: Vec<FileName<'r>>,
    size: Option<u64>,
    streams: Vec<Name<'r>>,
    has_list: bool,
    damaged: bool,
}

impl<'r> Content<'r> {
    fn add(&mut self, record: &FileRecord<'r>) {
        self.damaged |= !record.fixups().intact() || record.is_baad();
        for attribute in record.attributes() {
            let Ok(attribute) = attribute else {
                self.damaged = true;
                break;
            };
            match attribute.kind {
                kind::STANDARD_INFORMATION => {
                    let parsed = attribute.resident().and_then(StandardInformation::parse);
                    self.damaged |= parsed.is_none();
                    self.standard = self.standard.or(parsed);
                }
                kind::FILE_NAME => match attribute.resident().and_then(FileName::parse) {
                    Some(name) => self.names.push(name),
                    None => self.damaged = true,
                },
                kind::ATTRIBUTE_LIST => self.has_list = true,
                kind::DATA => {
                    // Of a stream in several parts only the first one knows the size.
                    if matches!(attribute.form, Form::NonResident(place) if place.first_vcn != 0) {
                        continue;
                    }
                    if attribute.name.is_empty() {
                        self.size = self.size.or(Some(attribute.size()));
                    } else if !self.streams.contains(&attribute.name) {
                        self.streams.push(attribute.name);
                    }
                }
                _ => {}
            }
        }
    }
}

struct Files<'a, 'f> {
    mft: &'a MftReader<'a>,
    paths: Paths<'a>,
    wanted: Wanted<'f>,
    /// Whether every file is described. Then folders that come by are remembered, since all are asked for.
    everything: bool,
    /// Places in the list of names of those that are links beside the first; kept for its memory.
    links: Vec<usize>,
}

impl<'a, 'f> Files<'a, 'f> {
    fn new(mft: &'a MftReader<'a>, focus: &'f Focus) -> Self {
        Files {
            mft,
            paths: Paths::new(mft),
            wanted: Wanted::new(focus),
            everything: focus.everything,
            links: Vec::new(),
        }
    }

    /// Describes the files of a part, and gives what is for later.
    fn read(&mut self, part: MftPart, sink: &mut Sink<'_>) -> Later {
        let first = part.records().start;
        let mut later = Later::default();
        let mut waiting = Waiting { first, bits: Default::default() };
        let mut pass = self.mft.pass_of(part);
        while let Some(entry) = pass.next_record() {
            let record = match entry.record {
                Ok(record) => record,
                Err(RecordFault::Zeroed) => continue,
                Err(fault) => {
                    report_fault(sink, entry.number, entry.offset, self.mft.record_size(), &fault);
                    continue;
                }
            };
            later.sound += 1;
            if !record.fixups().intact() || record.is_baad() {
                report_torn(sink, &record, entry.offset);
            }
            if let Some(base) = record.base() {
                later.extensions.push((base.entry, entry.number));
                continue;
            }
            if self.everything {
                self.paths.meet(&record);
            }
            let mut content = Content::default();
            content.add(&record);
            if content.has_list {
                let place = (entry.number - first) as usize;
                waiting.bits[place / 64] |= 1 << (place % 64);
            } else if let Some(record) = self.describe(&record, entry.offset, &content) {
                sink.record(record);
            }
        }
        if waiting.bits.iter().any(|bits| *bits != 0) {
            later.waiting.push(waiting);
        }
        later
    }

    fn describe_with_extensions(
        &mut self,
        number: u64,
        extensions: &[(u64, u64)],
        buffer: &mut Vec<u8>,
        sink: &mut Sink<'_>,
    ) {
        /// Most extension records of one file; NTFS allows an attribute list of 256 KiB.
        const MAX_PER_FILE: usize = 8192;
        let Ok(base) = self.mft.record(number, buffer) else { return };
        let from = extensions.partition_point(|(base, _)| *base < number);
        let own = extensions[from..].iter().take_while(|(base, _)| *base == number).take(MAX_PER_FILE);
        let mut buffers = vec![Vec::new(); own.clone().count()];
        let records =
            own.zip(&mut buffers).filter_map(|((_, extension), buffer)| self.mft.record(*extension, buffer).ok());
        let mut content = Content::default();
        content.add(&base);
        for record in records {
            // Deletion counts the base record's number up, and leaves the reference to it.
            let is_own = |owner: FileReference| {
                owner.sequence == base.sequence() || !base.in_use() && owner.next_sequence() == base.sequence()
            };
            if record.base().is_some_and(is_own) {
                content.add(&record);
            }
        }
        let offset = number * self.mft.record_size() as u64;
        if let Some(record) = self.describe(&base, offset, &content) {
            sink.record(record);
        }
    }

    /// The record about a file, if it has a name that is wanted.
    fn describe(&mut self, record: &FileRecord<'_>, offset: u64, content: &Content<'_>) -> Option<Record> {
        let names = &content.names;
        let is_long = |name: &FileName<'_>| name.namespace != Namespace::Dos;
        self.links.clear();
        self.links.extend((0..names.len()).filter(|at| is_long(&names[*at])));
        if self.links.is_empty() {
            // A short name without its long one: better than none.
            self.links.extend(0..names.len());
        }
        if self.links.is_empty() {
            return None;
        }
        let is_wanted = |at: &usize| self.wanted.wants(names[*at].parent, names[*at].name, &mut self.paths);
        let first = match self.everything {
            // Of several names it is the same one as where only the wanted files are described.
            true if self.links.len() > 1 => self.links.iter().position(is_wanted).unwrap_or(0),
            true => 0,
            false => self.links.iter().position(is_wanted)?,
        };
        let name = &names[self.links.remove(first)];
        let short = names.iter().find(|other| !is_long(other) && is_long(name) && other.parent == name.parent);
        let (path, certain) = self.paths.path(name.parent, name.name);
        let path = into_shown(path);

        let mut fields = Fields::with_capacity(14, 512);
        // The timeline shows these in words for each time, and finds them here without reading the rest.
        fields.push(PATH.name, path.as_str());
        fields.push(IN_USE.name, record.in_use());
        fields.push(DIRECTORY.name, record.is_folder());
        fields.push(PATH_CERTAIN.name, certain);
        fields.push_some(SIZE.name, content.size);
        fields.push(NAME.name, name.name);
        fields.push_some(SHORT_NAME.name, short.map(|short| short.name));
        fields.push(ENTRY.name, record.number());
        fields.push(SEQUENCE.name, u64::from(record.sequence()));
        fields.push(PARENT_ENTRY.name, name.parent.entry);
        fields.push(PARENT_SEQUENCE.name, u64::from(name.parent.sequence));
        fields.push_some(ATTRIBUTES.name, content.standard.map(|standard| standard.attributes));
        if !content.streams.is_empty() {
            fields.push(
                STREAMS.name,
                content.streams.iter().map(|name| into_shown(name.to_string())).collect::<Vec<_>>(),
            );
        }
        if !self.links.is_empty() {
            let links = self.links.iter().map(|at| self.paths.path(names[*at].parent, names[*at].name).0);
            fields.push(LINKS.name, Value::List(links.map(into_shown).map(Value::Text).collect()));
        }

        let mut moments = Vec::with_capacity(8);
        if let Some(standard) = &content.standard {
            let meanings = [Meaning::SI_CREATED, Meaning::SI_MODIFIED, Meaning::SI_CHANGED, Meaning::SI_ACCESSED];
            push_times(&mut moments, meanings, &standard.times);
        }
        let meanings = [Meaning::FN_CREATED, Meaning::FN_MODIFIED, Meaning::FN_CHANGED, Meaning::FN_ACCESSED];
        push_times(&mut moments, meanings, &name.times);
        Some(Record {
            artifact: ARTIFACT.id,
            of: &FILE,
            subject: path,
            user: None,
            moments,
            fields,
            claims: FILE.claims,
            locator: Locator::MftEntry { entry: record.number(), sequence: record.sequence(), offset },
            integrity: match (content.damaged, record.in_use()) {
                (true, _) => Integrity::Corrupted,
                (false, true) => Integrity::Intact,
                (false, false) => Integrity::Recovered,
            },
        })
    }
}

fn push_times(moments: &mut Vec<Moment>, meanings: [Meaning; 4], times: &Macb) {
    let times = [times.born, times.modified, times.changed, times.accessed];
    for (meaning, time) in meanings.into_iter().zip(times) {
        let timestamp = time.and_then(|Filetime(raw)| Timestamp::filetime(raw));
        moments.extend(timestamp.map(|timestamp| Moment { meaning, when: When::At(timestamp), locator: None }));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use evidence::{Focus, Problem, ValueRef};

    use super::*;

    /// A resident attribute.
    fn attribute(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let value_at = (24 + name.len()).next_multiple_of(8);
        let mut bytes = vec![0; (value_at + value.len()).next_multiple_of(8)];
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        (bytes[9], bytes[10], bytes[20]) = (name.len() as u8 / 2, 24, value_at as u8);
        bytes[16..20].copy_from_slice(&(value.len() as u32).to_le_bytes());
        bytes[24..24 + name.len()].copy_from_slice(&name);
        bytes[value_at..value_at + value.len()].copy_from_slice(value);
        bytes
    }

    fn raw((entry, sequence): (u64, u16)) -> u64 {
        entry | u64::from(sequence) << 48
    }

    /// $FILE_NAME with the times 5, 6, 7, 8.
    pub(crate) fn name(parent: (u64, u16), namespace: u8, text: &str) -> Vec<u8> {
        let mut value = vec![0; 66];
        for (at, number) in [raw(parent), 5, 6, 7, 8].into_iter().enumerate() {
            value[8 * at..8 * at + 8].copy_from_slice(&number.to_le_bytes());
        }
        (value[64], value[65]) = (text.encode_utf16().count() as u8, namespace);
        value.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        attribute(0x30, "", &value)
    }

    /// $STANDARD_INFORMATION with the times 1, 2, 3, 0 and the attribute 0x20.
    fn standard() -> Vec<u8> {
        let mut value = vec![0; 72];
        (value[0], value[8], value[16], value[32]) = (1, 2, 3, 0x20);
        attribute(0x10, "", &value)
    }

    /// A record whose fixups have been undone already.
    pub(crate) fn file(sequence: u16, flags: u8, base: (u64, u16), attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut record = vec![0; 1024];
        record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        record[16..18].copy_from_slice(&sequence.to_le_bytes());
        (record[20], record[22]) = (56, flags);
        record[28..32].copy_from_slice(&1024u32.to_le_bytes());
        record[32..40].copy_from_slice(&raw(base).to_le_bytes());
        record[48] = 7;
        let content = attributes.concat();
        record[56..56 + content.len()].copy_from_slice(&content);
        record[56 + content.len()..60 + content.len()].fill(0xFF);
        record
    }

    /// Nothing in 0 to 4, then the root, two folders, and files.
    pub(crate) fn volume(files: &[Vec<u8>]) -> Vec<u8> {
        let mut mft = vec![0; 5 * 1024];
        mft.extend(file(5, 3, (0, 0), &[name((5, 5), 3, ".")]));
        mft.extend(file(2, 3, (0, 0), &[name((5, 5), 3, "Users")])); // 6
        mft.extend(file(9, 3, (0, 0), &[name((6, 2), 3, "Public")])); // 7
        mft.extend(files.concat()); // from 8
        mft
    }

    fn read(mft: &[u8], focus: &Focus) -> (Vec<Record>, Vec<Problem>) {
        let mut records = Vec::new();
        let mut keep = |record| records.push(record);
        let mut sink = Sink::new("mft", &mut keep);
        let bytes = mft.to_vec();
        parse(&Input { focus, ..Input::new(r"\$MFT", &bytes) }, &mut sink);
        let problems = sink.finish();
        (records, problems)
    }

    fn names_and_folders(names: &[&str], folders: &[&str]) -> Focus {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Focus { everything: false, names: set(names), folders: set(folders) }
    }

    #[test]
    fn names_times_streams_and_links() {
        let payload = file(
            3,
            1,
            (0, 0),
            &[
                standard(),
                name((7, 9), 2, "PAYLOA~1.DLL"),
                name((7, 9), 1, "payload with name.dll"),
                name((6, 2), 0, "second"),
                attribute(0x80, "", b"MZ content"),
                attribute(0x80, "Zone.Identifier", b"[ZoneTransfer]"),
            ],
        );
        let (records, problems) = read(&volume(&[payload]), &names_and_folders(&["PAYLOAD WITH NAME.DLL"], &[]));
        assert_eq!(problems, []);
        let [record] = &records[..] else { panic!("{records:?}") };
        let fields = &record.fields;
        assert_eq!(record.subject, r"\Users\Public\payload with name.dll");
        assert_eq!(fields.text("Path"), Some(record.subject.as_str()));
        assert_eq!(fields.text("ShortName"), Some("PAYLOA~1.DLL"));
        assert_eq!(fields.get("Links").map(ValueRef::to_value), Some(Value::from(vec![r"\Users\second"])));
        assert_eq!(fields.get("Streams").map(ValueRef::to_value), Some(Value::from(vec!["Zone.Identifier"])));
        let number = |name| fields.number(name);
        assert_eq!((number("Entry"), number("Sequence"), number("Size")), (Some(8), Some(3), Some(10)));
        let parent = (number("ParentEntry"), number("ParentSequence"));
        assert_eq!((parent, number("Attributes")), ((Some(7), Some(9)), Some(0x20)));
        let flag = |name| fields.get(name).and_then(ValueRef::as_bool);
        assert_eq!((flag("InUse"), flag("Directory"), flag("PathCertain")), (Some(true), Some(false), Some(true)));
        let times: Vec<_> = record.moments.iter().map(|one| (one.meaning, one.when.sort_key().unwrap().0)).collect();
        let expected = [
            (Meaning::SI_CREATED, 1),
            (Meaning::SI_MODIFIED, 2),
            (Meaning::SI_CHANGED, 3),
            (Meaning::FN_CREATED, 5),
            (Meaning::FN_MODIFIED, 6),
            (Meaning::FN_CHANGED, 7),
            (Meaning::FN_ACCESSED, 8),
        ];
        assert_eq!(times, expected, "a time of zero is none");
        assert_eq!(record.locator, Locator::MftEntry { entry: 8, sequence: 3, offset: 8 * 1024 });
        assert_eq!((record.integrity, record.claims), (Integrity::Intact, &[Claim::Present][..]));
    }

    #[test]
    fn a_file_of_several_names_has_the_wanted_one_also_where_every_file_is_described() {
        let mft = volume(&[
            file(1, 2, (0, 0), &[name((7, 9), 1, "first.dll"), name((6, 2), 1, "second.dll")]),
            file(1, 1, (0, 0), &[standard()]),
        ]);
        for (names, folders, path) in [
            (&["SECOND.DLL"][..], &[][..], r"\Users\second.dll"),
            (&["FIRST.DLL"], &[], r"\Users\Public\first.dll"),
            (&["FIRST.DLL", "SECOND.DLL"], &[], r"\Users\Public\first.dll"),
            (&[], &[r"\USERS"], r"\Users\second.dll"),
        ] {
            let wanted = names_and_folders(names, folders);
            let [some, every] = [false, true].map(|everything| read(&mft, &Focus { everything, ..wanted.clone() }).0);
            let is_it = |record: &&Record| record.subject == path;
            assert!(some.iter().any(|record| is_it(&record)), "{some:?}");
            assert_eq!(some.iter().find(is_it), every.iter().find(is_it));
        }
        // Where none is wanted it has the first, and a record without a name is no file that can be described.
        let every = read(&mft, &Focus { everything: true, ..Focus::default() }).0;
        assert!(every.iter().any(|record| record.subject == r"\Users\Public\first.dll"), "{every:?}");
    }

    #[test]
    fn the_focus_decides_by_name_and_by_folder() {
        let files = [
            file(1, 1, (0, 0), &[name((7, 9), 3, "a.dll")]),
            file(1, 1, (0, 0), &[name((6, 2), 3, "B.dll")]),
            file(1, 1, (0, 0), &[name((5, 5), 3, "GROẞ ä.dll")]),
        ];
        let mft = volume(&files);
        let found = |names: &[&str], folders: &[&str]| {
            let (records, _) = read(&mft, &names_and_folders(names, folders));
            records.iter().map(|record| record.subject.clone()).collect::<Vec<_>>()
        };
        assert_eq!(found(&["A.DLL"], &[]), [r"\Users\Public\a.dll"]);
        assert_eq!(found(&[&"groẞ ä.dll".to_uppercase()], &[]), [r"\GROẞ ä.dll"]);
        assert_eq!(found(&[], &[r"\USERS"]), [r"\Users", r"\Users\Public", r"\Users\B.dll"], "and the folder itself");
        assert_eq!(found(&[], &[r"\USERS\PUBLIC"]), [r"\Users\Public", r"\Users\Public\a.dll"]);
        assert_eq!(found(&["NOTHING"], &[r"\NOWHERE"]), [""; 0]);
        // What is decided quickly here must be what the focus itself says.
        for focus in [names_and_folders(&["B.DLL"], &[r"\USERS\PUBLIC", ""]), names_and_folders(&["."], &[r"\USERS"])] {
            let everything = read(&mft, &Focus { everything: true, ..Focus::default() }).0;
            let expected = everything.into_iter().filter(|record| focus.wants(&record.subject)).collect::<Vec<_>>();
            assert_eq!(read(&mft, &focus).0, expected);
        }
    }

    #[test]
    fn a_deleted_file_is_recovered_and_its_deletion_undated() {
        let mft = volume(&[file(4, 0, (0, 0), &[standard(), name((7, 9), 3, "gone.dll")])]);
        let (records, problems) = read(&mft, &names_and_folders(&["GONE.DLL"], &[]));
        assert_eq!((records.len(), problems.len()), (1, 0));
        assert_eq!((records[0].integrity, records[0].claims), (Integrity::Recovered, &[Claim::Present][..]));
        assert_eq!(records[0].fields.get("InUse").map(ValueRef::to_value), Some(Value::Bool(false)));
    }

    #[test]
    fn names_in_extension_records_are_found() {
        let list = attribute(0x20, "", &[0; 32]);
        let base = file(3, 1, (0, 0), &[standard(), list.clone()]);
        let deleted = file(8, 0, (0, 0), &[standard(), list]);
        let files = [
            file(1, 1, (9, 3), &[name((7, 9), 3, "in extension.dll")]), // 8, before its base
            base,                                                       // 9
            file(1, 1, (9, 3), &[attribute(0x80, "late", b"x")]),       // 10
            file(1, 1, (9, 2), &[name((7, 9), 3, "of an earlier owner.dll")]), // 11
            deleted,                                                    // 12
            file(1, 0, (12, 7), &[name((7, 9), 3, "deleted.dll")]),     // 13
        ];
        let (records, _) = read(&volume(&files), &names_and_folders(&[], &[r"\USERS\PUBLIC"]));
        let subjects: Vec<&str> = records.iter().map(|record| record.subject.as_str()).collect();
        assert_eq!(subjects, [r"\Users\Public", r"\Users\Public\in extension.dll", r"\Users\Public\deleted.dll"]);
        assert_eq!(records[1].fields.get("Streams").map(ValueRef::to_value), Some(Value::from(vec!["late"])));
        assert_eq!(records[1].fields.number("Entry"), Some(9));
    }

    #[test]
    fn damage_is_told_and_costs_no_other_file() {
        let mut torn = file(1, 1, (0, 0), &[name((7, 9), 3, "torn.dll")]);
        // The end of the first part is neither the number nor what the array keeps for it.
        (torn[50], torn[510]) = (1, 9);
        let mut foreign = vec![0; 1024];
        foreign[..4].copy_from_slice(b"JUNK");
        let files = [torn, foreign, file(1, 1, (0, 0), &[name((7, 9), 3, "sound.dll")]), vec![b'F'; 100]];
        let (records, problems) = read(&volume(&files), &names_and_folders(&["TORN.DLL", "SOUND.DLL"], &[]));
        let found: Vec<_> = records.iter().map(|record| (record.subject.as_str(), record.integrity)).collect();
        assert_eq!(
            found,
            [(r"\Users\Public\torn.dll", Integrity::Corrupted), (r"\Users\Public\sound.dll", Integrity::Intact)]
        );
        let kinds: Vec<&str> = problems.iter().map(|problem| problem.kind.name()).collect();
        assert_eq!(kinds, ["bad_checksum", "bad_signature", "truncated"]);
    }
}
