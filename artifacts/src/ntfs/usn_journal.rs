//! The change journal $UsnJrnl: what happened to the files of an NTFS volume, change by change.
//!
//! # What Windows records
//! For every file that is changed a record with its name, its folder's number, the reasons that have added up since
//! it was opened, and the time; one more with `CLOSE` when the last handle is closed. `$Max` has the size limit and
//! the number of the journal.
//!
//! # When it writes
//! At the first change of each kind, at once.
//!
//! # Where
//! `\$Extend\$UsnJrnl`, streams `$J` and `$Max`, of every NTFS volume that has a journal. `$J` begins with a hole: its
//! oldest records are given up as new ones come.
//!
//! # What it supports
//! A file of this name was created, changed, renamed or deleted at this time; it survives the deletion of the file.
//!
//! # What it does not
//! Who did it, or that a program ran: scanners, updates and backups change files too. `EA_CHANGE` of a program file is
//! the mark of a scanner or of the code integrity cache, not of a start.
//!
//! # Versions
//! Records of version 2 and 3; version 4 (ranges, without name and time) only for files that others name. On by default
//! since Windows Vista on the system volume; it holds hours to weeks.
//!
//! # Limits
//! The path of a record is that which its folder has in the $MFT collected with it, which may be later than the record.
//! Only records about files that the focus names are described, under all names that these files had, unless it asks
//! for everything.
//!
//! # References
//! Microsoft, *USN_RECORD_V2*, *USN_RECORD_V3*, *USN_RECORD_V4*, *USN_JOURNAL_DATA_V0*.

use std::collections::HashSet;
use std::ops::Range;

use evidence::{
    Artifact, Beside, Claim, Field, Fields, Filetime, Focus, Input, Integrity, Locator, Meaning, Memory, Moment, Parse,
    Phase, ProblemKind, Reads, Record, RecordType, Role, Sink, Tells, Timestamp, name::into_shown,
};
use ntfs_layout::{
    FileName, FileReference, MftReader, Namespace, Paths, UsnReader, UsnRecord, kind, reason_names, source_names,
};

use super::wanted::Wanted;

/// The change journal.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "usn-journal",
    title: "NTFS change journal",
    records: &[&CHANGE, &CHANGES, &JOURNAL],
    reads: &[Reads::EveryVolume(r"\$Extend\$UsnJrnl:$J"), Reads::EveryVolume(r"\$Extend\$UsnJrnl:$Max")],
    supports: "A file of this name was created, changed, renamed or deleted on this volume at this time, even if nothing else \
               is left of it.",
    does_not_support: "Who changed the file, or that anything ran: updates, scanners and backups change files too. That \
                       there is no record does not show that nothing happened: the journal keeps hours to weeks, and can be \
                       deleted (then its number changes).",
    windows: "Vista and later by default on the system volume; where somebody switched it on, 2000 and later.",
    references: &[
        "https://learn.microsoft.com/en-us/windows/win32/api/winioctl/ns-winioctl-usn_record_v2",
        "https://learn.microsoft.com/en-us/windows/win32/api/winioctl/ns-winioctl-usn_journal_data_v0",
    ],
    phase: Phase::Focused,
    older_states: false,
    beside: Beside::OfVolume(MFT),
    memory: Memory::InParts,
    parse: Some(Parse::InParts(parse)),
    leads: None,
};

const NAME: Field = Field::text("Name", "name of the file").role(Role::Name);
const PATH: Field = Field::text(
    "Path",
    "full path without the volume, where the volume's $MFT is there; the folder as it was when that was read",
)
.role(Role::Path);
const PATH_CERTAIN: Field = Field::flag("PathCertain", "whether every parent's sequence number matched");
const USN: Field = Field::number("Usn", "update sequence number");
const ENTRY: Field = Field::number("Entry", "number of the file record").role(Role::FileEntry);
const SEQUENCE: Field = Field::number("Sequence", "its sequence number").role(Role::FileSequence);
const PARENT_ENTRY: Field = Field::number("ParentEntry", "number of the folder's file record");
const PARENT_SEQUENCE: Field = Field::number("ParentSequence", "its sequence number");
const REASONS: Field =
    Field::list("Reasons", "names of the changes that have added up since the file was opened, `FILE_CREATE`, …")
        .role(Role::Reasons);
const SOURCES: Field = Field::list("Sources", "names, where the change was not made by an ordinary program");
const ATTRIBUTES: Field = Field::number("Attributes", "file attributes");
const FOLLOWED: Field =
    Field::flag("Followed", "true: the file is asked for by another name, or by its folder").role(Role::Followed);

const MAXIMUM_SIZE: Field = Field::number("MaximumSize", "bytes that the journal may take");
const ALLOCATION_DELTA: Field = Field::number("AllocationDelta", "bytes by which it grows");
const JOURNAL_ID: Field = Field::number("JournalId", "its number, the time when it was made");
const LOWEST_VALID_USN: Field = Field::number("LowestValidUsn", "lowest number of this journal");

/// A change of a file.
static CHANGE: RecordType = RecordType {
    tells: Tells::FileChange,
    fields: &[
        NAME,
        PATH,
        PATH_CERTAIN,
        USN,
        ENTRY,
        SEQUENCE,
        PARENT_ENTRY,
        PARENT_SEQUENCE,
        REASONS,
        SOURCES,
        ATTRIBUTES,
        FOLLOWED,
    ],
    says: "One per change. Moment: `Metadata Modification Time (USN)`. Locator: USN record. Claims `deleted` only with `FILE_DELETE`.",
    claims: &[Claim::Present, Claim::Deleted],
    message: "{Path|Name}: {Reasons}",
    absence: "the journal is a ring: what is older than its first record is not in it",
    ..RecordType::named("windows:ntfs:usn")
};

const RECORDS: Field = Field::number("Records", "how many records there are").role(Role::Records);
const FIRST: Field = Field::time("First", "time of the first record").role(Role::FirstRecord);
const LAST: Field = Field::time("Last", "time of the last record").role(Role::LastRecord);
const WHOLE: Field =
    Field::flag("Whole", "whether every record between them is there and could be read").role(Role::Whole);

/// Of which time the journal has the changes. Without it that there is no change of a file would say nothing.
static CHANGES: RecordType = RecordType {
    tells: Tells::FileChanges,
    fields: &[RECORDS, FIRST, LAST, WHOLE],
    says: "What `$J` holds, whatever files were asked for. No moment. Locator: the whole journal.",
    claims: &[Claim::Present],
    message: "The change journal has {Records} records, from {First} to {Last}",
    ..RecordType::named("windows:ntfs:usn_changes")
};

/// The journal itself.
static JOURNAL: RecordType = RecordType {
    fields: &[MAXIMUM_SIZE, ALLOCATION_DELTA, JOURNAL_ID, LOWEST_VALID_USN],
    says: "What `$Max` says. Moment: `Creation Time` of the journal.",
    claims: &[Claim::Present],
    message: "Change journal {JournalId} was created[, lowest valid USN {LowestValidUsn}]",
    ..RecordType::named("windows:ntfs:usn_journal")
};

/// The file records of the volume: a journal names parents by record number only, and these have their paths.
const MFT: &str = r"\$MFT";
/// Most files followed through their renamings.
const MAX_FOLLOWED: usize = 1 << 18;
/// `DATA_OVERWRITE`, `DATA_EXTEND` and `DATA_TRUNCATION` among the reasons.
const DATA: u32 = 0x7;
/// `FILE_DELETE` among the reasons.
const FILE_DELETE: u32 = 0x200;

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    if input.original_path.to_uppercase().ends_with(":$MAX") {
        return parse_max(input, sink);
    }
    let mft_bytes = input.companion(MFT);
    // Without $MFT every folder is unknown; an empty one gives the same answers.
    let nothing = Vec::new();
    let mft = MftReader::new(mft_bytes.unwrap_or(&nothing));
    let mut paths = Paths::new(&mft);
    let mut wanted = Wanted::with_folders_above(input.focus);

    // A wanted file may have had other names before and after, so its records are found by its number.
    let mut followed = HashSet::new();
    let mut linked = Linked { mft: &mft, asked: HashSet::new(), buffer: Vec::new() };
    let mut asking = UsnReader::new(input.bytes);
    while let Some(record) = asking.next_record() {
        let Some(name) = record.name else { continue };
        if followed.len() < MAX_FOLLOWED
            && (wanted.wants(record.parent(), name, &mut paths)
                || record.reason & DATA != 0 && linked.is_wanted(record.file(), &mut wanted, &mut paths))
        {
            followed.insert(record.file());
        }
    }
    let mut reader = UsnReader::new(input.bytes);
    let mut first = None;
    let mut reach = Reach::default();
    sink.in_parts(
        || {
            let part = Part::next(&mut reader)?;
            let offset = part.records.first()?.0;
            first.get_or_insert(offset);
            Some((Locator::ByteRange { offset, length: part.data.len() as u64 }, part))
        },
        || Paths::new(&mft),
        |part, paths, sink| {
            let mut reach = Reach::default();
            for record in part.records() {
                reach.add(&record);
                let is_followed = followed.contains(&record.file());
                if input.focus.everything || is_followed {
                    let by_other_name = is_followed && !is_named(&record, input.focus);
                    sink.record(describe(&record, mft_bytes.is_some().then_some(&mut *paths), by_other_name));
                }
            }
            reach
        },
        |part| match part {
            Some(part) => reach.join(part),
            None => reach.has_gap = true,
        },
    );
    if let Some(first) = first {
        let is_damaged = !reader.unreadable().is_empty() || reader.skipped().any(|range| range.start > first);
        sink.record(reach.describe(input, is_damaged));
    }
    if followed.len() >= MAX_FOLLOWED {
        let what = format!("more than {MAX_FOLLOWED} files are asked for");
        sink.problem(ProblemKind::LimitReached, None, what, "changes of some of the files are missing");
    }
    report(&reader, first, sink);
    if mft_bytes.is_none() && first.is_some() {
        let what = "the $MFT of this volume is not there";
        let effect =
            "the folders of changed files are known by their numbers only, and files asked for by folder are missing";
        sink.problem(ProblemKind::NotFound, None, what, effect);
    }
}

/// The files of several names: what is written by one of them is written into the file of each.
struct Linked<'a> {
    mft: &'a MftReader<'a>,
    /// Files that were looked up, each once.
    asked: HashSet<FileReference>,
    buffer: Vec<u8>,
}

impl Linked<'_> {
    /// Whether a file has a wanted name beside others.
    fn is_wanted(&mut self, file: FileReference, wanted: &mut Wanted<'_>, paths: &mut Paths<'_>) -> bool {
        if self.asked.len() >= MAX_FOLLOWED || !self.asked.insert(file) {
            return false;
        }
        let Ok(record) = self.mft.record(file.entry, &mut self.buffer) else { return false };
        if record.sequence() != file.sequence {
            return false;
        }
        let names = || {
            let attributes = record.attributes().map_while(Result::ok).filter(|one| one.kind == kind::FILE_NAME);
            let names = attributes.filter_map(|one| one.resident().and_then(FileName::parse));
            names.filter(|name| name.namespace != Namespace::Dos)
        };
        names().nth(1).is_some() && names().any(|name| wanted.wants(name.parent, name.name, paths))
    }
}

/// Of which time a journal, or a part of it, has the records.
#[derive(Default)]
struct Reach {
    records: u64,
    /// Time of the first record and of the last one that have times, in stored order.
    times: Option<(Filetime, Filetime)>,
    /// Number of the first record, and the one behind the last.
    numbers: Option<(u64, u64)>,
    /// Whether there is room between two records that Windows does not leave.
    has_gap: bool,
}

impl Reach {
    /// Adds the record that follows.
    fn add(&mut self, record: &UsnRecord<'_>) {
        self.join(Reach {
            records: 1,
            times: record.time.map(|time| (time, time)),
            numbers: Some((record.usn, record.usn.saturating_add(u64::from(record.length)))),
            has_gap: false,
        });
    }

    /// Adds what follows.
    fn join(&mut self, next: Reach) {
        /// No record goes over the end of a page of the journal, so what would not fit before it stays empty.
        const PAGE: u64 = 4096;
        self.records += next.records;
        self.has_gap |= next.has_gap;
        if let Some((first, last)) = next.times {
            self.times = Some((self.times.map_or(first, |(first, _)| first), last));
        }
        if let Some((first, end)) = next.numbers {
            let before = self.numbers.map_or(first, |(_, end)| end);
            self.has_gap |= first < before || first - before >= PAGE;
            self.numbers = Some((self.numbers.map_or(first, |(first, _)| first), end));
        }
    }

    fn describe(self, input: &Input<'_>, is_damaged: bool) -> Record {
        let mut fields = Fields::with_capacity(4, 64);
        fields.push(RECORDS.name, self.records);
        if let Some((first, last)) = self.times {
            fields.push(FIRST.name, first);
            fields.push(LAST.name, last);
        }
        fields.push(WHOLE.name, !self.has_gap && !is_damaged);
        Record {
            artifact: ARTIFACT.id,
            of: &CHANGES,
            subject: input.original_path.to_owned(),
            user: None,
            moments: Vec::new(),
            fields,
            claims: CHANGES.claims,
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        }
    }
}

/// Some records of a journal, apart from it.
struct Part {
    data: Vec<u8>,
    /// Where each begins in the journal, and where its bytes are in `data`.
    records: Vec<(u64, Range<usize>)>,
}

impl Part {
    /// The records that follow, if there are any.
    fn next(reader: &mut UsnReader<'_>) -> Option<Part> {
        const BYTES: usize = 256 << 10;
        let mut part = Part { data: Vec::with_capacity(BYTES + (4 << 10)), records: Vec::new() };
        while part.data.len() < BYTES
            && let Some((offset, bytes)) = reader.next_bytes()
        {
            let start = part.data.len();
            part.data.extend_from_slice(bytes);
            part.records.push((offset, start..part.data.len()));
        }
        (!part.records.is_empty()).then_some(part)
    }

    fn records(&self) -> impl Iterator<Item = UsnRecord<'_>> {
        self.records.iter().filter_map(|(offset, place)| UsnRecord::parse(&self.data[place.clone()], *offset))
    }
}

/// What could not be read, or is neither hole nor record.
fn report(reader: &UsnReader<'_>, first: Option<u64>, sink: &mut Sink<'_>) {
    const EFFECT: &str = "changes that were here are not known";
    for (range, error) in reader.unreadable() {
        let locator = Locator::ByteRange { offset: range.start, length: range.end - range.start };
        let what = format!("part of the change journal could not be read: {error}");
        sink.problem(ProblemKind::ReadFailed, Some(locator), what, EFFECT);
    }
    let Some(first) = first else {
        let kind =
            ProblemKind::Inconsistent { a: "this is a change journal".to_owned(), b: "it holds no record".to_owned() };
        return sink.problem(kind, None, "no record in the change journal", "changes of files are not known");
    };
    // What stands before the first record is the rest of one that Windows gave up.
    for range in reader.skipped().filter(|range| range.start > first) {
        let locator = Locator::ByteRange { offset: range.start, length: range.end - range.start };
        let kind = ProblemKind::BadSignature {
            offset: range.start,
            expected: "a change journal record".to_owned(),
            actual: format!("{} bytes of something else", range.end - range.start),
        };
        sink.problem(kind, Some(locator), "part of the change journal is damaged", EFFECT);
    }
}

/// Whether a record has a name that is asked for.
fn is_named(record: &UsnRecord<'_>, focus: &Focus) -> bool {
    record.name.is_some_and(|name| focus.names.contains(&name.to_string().to_uppercase()))
}

/// `by_other_name`: whether the file is asked for by another name or by its folder.
fn describe(record: &UsnRecord<'_>, paths: Option<&mut Paths<'_>>, by_other_name: bool) -> Record {
    let (file, parent) = (record.file(), record.parent());
    let name = record.name.map(|name| into_shown(name.to_string()));
    let path = match (paths, record.name) {
        (Some(paths), Some(name)) => {
            let (path, certain) = paths.path(parent, name);
            Some((into_shown(path), certain))
        }
        _ => None,
    };
    let mut fields = Fields::with_capacity(12, 256);
    fields.push_some(NAME.name, name.as_deref());
    if let Some((path, certain)) = &path {
        fields.push(PATH.name, path.as_str());
        fields.push(PATH_CERTAIN.name, *certain);
    }
    fields.push(USN.name, record.usn);
    push_reference(&mut fields, [ENTRY, SEQUENCE], file);
    push_reference(&mut fields, [PARENT_ENTRY, PARENT_SEQUENCE], parent);
    fields.push(REASONS.name, reason_names(record.reason).collect::<Vec<_>>());
    if record.source != 0 {
        fields.push(SOURCES.name, source_names(record.source).collect::<Vec<_>>());
    }
    fields.push_some(ATTRIBUTES.name, record.attributes);
    fields.push_some(FOLLOWED.name, by_other_name.then_some(true));
    let timestamp = record.time.and_then(|Filetime(raw)| Timestamp::filetime(raw));
    Record {
        artifact: ARTIFACT.id,
        of: &CHANGE,
        subject: path.map(|(path, _)| path).or(name).unwrap_or_else(|| format!("file {file}")),
        user: None,
        moments: timestamp.map(|timestamp| Moment::at(Meaning::JOURNAL, timestamp)).into_iter().collect(),
        fields,
        claims: if record.reason & FILE_DELETE != 0 { CHANGE.claims } else { &[Claim::Present] },
        locator: Locator::UsnRecord { usn: record.usn, offset: record.offset },
        integrity: Integrity::Intact,
    }
}

fn push_reference(fields: &mut Fields, [entry, sequence]: [Field; 2], reference: FileReference) {
    fields.push(entry.name, reference.entry);
    fields.push(sequence.name, u64::from(reference.sequence));
}

/// $Max: four numbers. The journal's number is the time when it was made, so a young one on an old system means that
/// somebody deleted its predecessor.
fn parse_max(input: &Input<'_>, sink: &mut Sink<'_>) {
    const EFFECT: &str = "it is not known when the change journal was made";
    let mut bytes = [0; 32];
    let read = match input.bytes.read_full_at(0, &mut bytes) {
        Ok(read) => read,
        Err(error) => {
            let what = format!("$Max could not be read: {error}");
            return sink.problem(ProblemKind::ReadFailed, None, what, EFFECT);
        }
    };
    if read < bytes.len() {
        let kind = ProblemKind::Truncated { offset: read as u64, expected: (bytes.len() - read) as u64, actual: 0 };
        return sink.problem(kind, None, "$Max is too short", EFFECT);
    }
    let (numbers, _) = bytes.as_chunks::<8>();
    let [size, delta, id, lowest] = [0, 1, 2, 3].map(|at| u64::from_le_bytes(numbers[at]));
    let mut fields = Fields::with_capacity(4, 64);
    fields.push(MAXIMUM_SIZE.name, size);
    fields.push(ALLOCATION_DELTA.name, delta);
    fields.push(JOURNAL_ID.name, id);
    fields.push(LOWEST_VALID_USN.name, lowest);
    let made = Timestamp::filetime(id).map(|timestamp| Moment::at(Meaning::SI_CREATED, timestamp));
    sink.record(Record {
        artifact: ARTIFACT.id,
        of: &JOURNAL,
        subject: input.original_path.to_owned(),
        user: None,
        moments: made.into_iter().collect(),
        fields,
        claims: &[Claim::Present],
        locator: Locator::ByteRange { offset: 0, length: 32 },
        integrity: Integrity::Intact,
    });
}

#[cfg(test)]
mod tests {
    use evidence::{Bytes, Focus, Problem, Value, ValueRef};

    use super::*;
    use crate::ntfs::mft::tests::{file, name, volume};

    const CREATE: u32 = 0x100;
    const RENAME_OLD: u32 = 0x1000;
    const RENAME_NEW: u32 = 0x2000;
    const CLOSE: u32 = 0x8000_0000;

    /// A record of version 2 about entry 8 (or another) in folder 7-9, at 2026-03-04 14:12:33 UTC.
    fn change(usn: u64, entry: u64, name: &str, reason: u32) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut bytes = vec![0; (60 + name.len()).next_multiple_of(8)];
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = 2;
        for (at, number) in [(8, entry | 3 << 48), (16, 7 | 9 << 48), (24, usn), (32, 134_171_071_530_000_000)] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[40..44].copy_from_slice(&reason.to_le_bytes());
        (bytes[52], bytes[56], bytes[58]) = (0x20, name.len() as u8, 60);
        bytes[60..60 + name.len()].copy_from_slice(&name);
        bytes
    }

    fn mft() -> Vec<u8> {
        volume(&[file(3, 1, (0, 0), &[name((7, 9), 3, "payload.dll")])])
    }

    /// The changes that are described, without what is said of the journal as a whole.
    fn read(path: &str, journal: &[u8], mft: Option<&Vec<u8>>, focus: &Focus) -> (Vec<Record>, Vec<Problem>) {
        let (mut records, problems) = read_all(path, journal, mft, focus);
        records.retain(|record| record.of.name != CHANGES.name);
        (records, problems)
    }

    fn read_all(path: &str, journal: &[u8], mft: Option<&Vec<u8>>, focus: &Focus) -> (Vec<Record>, Vec<Problem>) {
        let mut records = Vec::new();
        let mut keep = |record| records.push(record);
        let mut sink = Sink::new("journal", &mut keep);
        let bytes = journal.to_vec();
        let companions = mft.map(|mft| (r"C:\$MFT", mft as &dyn Bytes)).into_iter().collect();
        parse(&Input { companions, focus, ..Input::new(path, &bytes) }, &mut sink);
        let problems = sink.finish();
        (records, problems)
    }

    fn by_name(name: &str) -> Focus {
        Focus { names: [name.to_owned()].into(), ..Focus::default() }
    }

    fn names_of(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.fields.text("Name").unwrap()).collect()
    }

    #[test]
    fn a_file_is_followed_through_its_names() {
        let journal = [
            vec![0; 8192],
            change(8192, 8, "x.tmp", CREATE),
            change(8272, 30, "other.txt", CREATE | CLOSE),
            change(8352, 8, "x.tmp", CREATE | RENAME_OLD),
            change(8432, 8, "payload.dll", CREATE | RENAME_NEW | CLOSE),
            change(8520, 8, "payload.dll", 0x200 | CLOSE),
        ]
        .concat();
        let mft = mft();
        let (records, problems) = read("$J", &journal, Some(&mft), &by_name("PAYLOAD.DLL"));
        assert_eq!(problems, []);
        assert_eq!(names_of(&records), ["x.tmp", "x.tmp", "payload.dll", "payload.dll"]);
        let last = &records[3];
        assert_eq!(last.subject, r"\Users\Public\payload.dll");
        assert_eq!(last.fields.get("Reasons").map(ValueRef::to_value), Some(Value::from(vec!["FILE_DELETE", "CLOSE"])));
        assert_eq!((last.fields.number("Entry"), last.fields.number("Sequence")), (Some(8), Some(3)));
        assert_eq!((last.fields.number("ParentEntry"), last.fields.number("ParentSequence")), (Some(7), Some(9)));
        assert_eq!(last.moments[0].meaning, Meaning::JOURNAL);
        assert_eq!(last.moments[0].when.sort_key().unwrap().to_string(), "2026-03-04T14:12:33.0000000Z");
        assert!(matches!(last.locator, Locator::UsnRecord { usn: 8520, .. }));
        assert_eq!(last.claims, [Claim::Present, Claim::Deleted]);
        assert_eq!(records[2].claims, [Claim::Present]);
        let (all, _) = read("$J", &journal, Some(&mft), &Focus { everything: true, ..Focus::default() });
        assert_eq!(all.len(), 5);
        let folder = Focus { folders: [r"\USERS\PUBLIC".to_owned()].into(), ..Focus::default() };
        assert_eq!(read("$J", &journal, Some(&mft), &folder).0.len(), 5, "every change in the folder");
    }

    #[test]
    fn without_the_mft_only_names_are_known() {
        let journal = change(0, 8, "payload.dll", CREATE);
        let (records, problems) = read("$J", &journal, None, &by_name("PAYLOAD.DLL"));
        assert_eq!((records[0].subject.as_str(), records[0].fields.get("Path")), ("payload.dll", None));
        assert_eq!(problems.iter().map(|problem| problem.kind.name()).collect::<Vec<_>>(), ["not_found"]);
    }

    #[test]
    fn a_change_of_attributes_is_no_execution() {
        let journal = change(0, 8, "RegAsm.exe", 0x400 | CLOSE);
        let (records, _) = read("$J", &journal, Some(&mft()), &by_name("REGASM.EXE"));
        assert_eq!(records[0].claims, [Claim::Present]);
    }

    #[test]
    fn damage_between_records_is_told_and_the_torn_start_is_not() {
        let all = Focus { everything: true, ..Focus::default() };
        let (one, two) = (change(64, 8, "payload.dll", CREATE), change(200, 8, "payload.dll", CLOSE));
        let kinds = |journal: &[u8]| {
            let (records, problems) = read("$J", journal, Some(&mft()), &all);
            (records.len(), problems.iter().map(|problem| problem.kind.name()).collect::<Vec<_>>())
        };
        assert_eq!(kinds(&[vec![0xAA; 40], one.clone(), two.clone()].concat()), (2, vec![]));
        assert_eq!(kinds(&[one, vec![0xAA; 40], two].concat()), (2, vec!["bad_signature"]));
        assert_eq!(kinds(&[]), (0, vec!["inconsistent"]));
        assert_eq!(kinds(&[0; 5000]), (0, vec!["inconsistent"]));
    }

    /// Of a record at byte 80 that is 80 bytes long the next one follows at 160, or up to a page further where it would not fit.
    #[test]
    fn j_1_a_journal_says_of_which_time_it_has_every_change() {
        let none = by_name("OTHER.DLL");
        let whole = |journal: &[u8]| {
            let (records, _) = read_all("$J", journal, Some(&mft()), &none);
            let [all] = &records[..] else { panic!("{} records", records.len()) };
            assert_eq!(all.of.name, "windows:ntfs:usn_changes");
            let time = |name| all.fields.get(name).map(ValueRef::to_value);
            let at = Some(Value::from(Filetime(134_171_071_530_000_000)));
            assert_eq!((time("First"), time("Last")), (at.clone(), at));
            (all.fields.number("Records"), all.fields.get("Whole").and_then(|value| value.as_bool()))
        };
        let one = |usn| change(usn, 8, "a.txt", CREATE);
        let length = one(0).len() as u64;
        let journal = |usns: &[u64]| usns.iter().flat_map(|usn| one(*usn)).collect::<Vec<u8>>();
        assert_eq!(whole(&journal(&[80, 80 + length])), (Some(2), Some(true)));
        assert_eq!(whole(&journal(&[80, 80 + length + 4088])), (Some(2), Some(true)), "the rest of a page");
        assert_eq!(whole(&journal(&[80, 80 + length + 4096])), (Some(2), Some(false)), "a page is missing");
        assert_eq!(whole(&journal(&[4096, 80])), (Some(2), Some(false)), "records of another journal");
        let damaged = [one(80), vec![0xAA; 40], one(80 + length)].concat();
        assert_eq!(whole(&damaged), (Some(2), Some(false)));
    }

    #[test]
    fn j_1_what_is_written_by_another_name_is_of_the_wanted_file() {
        let names = [name((7, 9), 3, "payload.dll"), name((7, 9), 1, "other.dat")];
        let mft = volume(&[file(3, 1, (0, 0), &names)]);
        let by = |reason| read("$J", &change(0, 8, "other.dat", reason), Some(&mft), &by_name("PAYLOAD.DLL")).0;
        let written = by(0x1);
        assert_eq!(names_of(&written), ["other.dat"]);
        assert_eq!(written[0].fields.get("Followed").and_then(|value| value.as_bool()), Some(true));
        assert_eq!(by(0x800).len(), 0, "a change of rights is no change of the content");
    }

    #[test]
    fn j_1_folders_above_the_wanted_ones_are_followed() {
        let renamed = |name| change(0, 30, name, RENAME_OLD);
        let focus = Focus { folders: [r"\USERS\PUBLIC\QUARTZ\V2".to_owned()].into(), ..Focus::default() };
        let count = |name| read("$J", &renamed(name), Some(&mft()), &focus).0.len();
        assert_eq!((count("Quartz"), count("V2"), count("Other")), (1, 0, 0), "V2 lies in Quartz, not beside it");
    }

    #[test]
    fn the_journal_itself() {
        let max: Vec<u8> =
            [0x200_0000u64, 0x80_0000, 134_171_071_530_000_000, 4096].into_iter().flat_map(u64::to_le_bytes).collect();
        let (records, problems) = read(r"C:\$Extend\$UsnJrnl:$Max", &max, None, &Focus::default());
        assert_eq!((records.len(), problems.len()), (1, 0));
        assert_eq!(records[0].fields.number("LowestValidUsn"), Some(4096));
        assert_eq!(records[0].moments[0].when.sort_key().unwrap().to_string(), "2026-03-04T14:12:33.0000000Z");
        let (records, problems) = read(r"\$Extend\$UsnJrnl:$Max", &max[..31], None, &Focus::default());
        assert_eq!((records.len(), problems[0].kind.name()), (0, "truncated"));
    }
}
