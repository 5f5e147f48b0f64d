//! Event logs.
//!
//! # What Windows records
//! Providers write events with named values into channels; each channel is a file. For this technique the process
//! records of Security (4688, 4689) and Sysmon (1, 5) carry the command line, the account and the parent; Sysmon 12 and
//! 13 the registration; logon, task, service, installer, PowerShell and Defender events what stands around them.
//!
//! # When it writes
//! Immediately, into memory; a chunk of 64 KiB reaches the file within a minute or when it is full. A copy of a live
//! log is therefore marked dirty and may lack the last records.
//!
//! # Where
//! `%SystemRoot%\System32\winevt\Logs\*.evtx`, archived logs beside them, and wherever the registry keeps a log
//! (artifact `event-log-file`); of a live host also as the service copies them (`EvtExportLog`). Before Vista
//! `%SystemRoot%\System32\config\*.Evt`.
//!
//! # What it supports
//! That the provider logged this at this time; for 4688 and Sysmon 1 that a process with this image started. The numbers
//! of a log's records run on without holes, so a hole, and a first record that says that the log was cleared, are
//! findings as well.
//!
//! # What it does not
//! A missing record proves nothing until the channel was enabled, the audit policy was on and the log reaches back that
//! far. A command line can be forged by the process that starts another. `TimeCreated` is when it was logged; Sysmon's
//! `UtcTime` is when its driver saw it.
//!
//! # Versions
//! Windows Vista and later; logs of the older format are collected and named, not read. Fields come by name from the record's own template, so an event version with fewer or more
//! of them is not an error.
//!
//! # Limits
//! Only events of a list are kept ([`kinds`]); the record about the channel counts all by number. Messages are not
//! rendered: their texts stand in files of the host that are localised, so `%%1936` and its like stay as they are.
//! Records behind the free-space mark of a chunk, in chunks that a closed log no longer counts, and in chunks without
//! header are recovered and labelled; they may be older than they seem, and the log may hold them elsewhere as well.
//! Chunks are searched at multiples of 512 bytes. A log that holds fewer chunks or lower record numbers than its header
//! says is told as cut off; a log whose header is lost or changed may be cut off without our knowing.
//!
//! # References
//! See the references of [`ARTIFACT`].

mod channels;
mod chunks;
mod kinds;
mod leads;
mod naming;
mod second_reader;
mod shortfall;
mod summary;
#[cfg(test)]
mod tests;

use crate::formats::evtx::{
    CHUNK_SIZE, Chunk, Event, Events, FileHeader, Label, RawRecord, StoredOrigin, Undecodable, Values,
};
use chunks::{Part, Piece, Pieces};
use evidence::{
    Artifact, Beside, FieldName, Fields, Format, Input, Integrity, Locator, Meaning, Memory, Moment, Parse, Phase,
    ProblemKind, Reads, Record, RecordType, Sink, Tells, Timestamp,
};
pub(crate) use kinds::event_type;
use kinds::{Kind, Kinds, OfProvider};
use second_reader::Decoded;
use shortfall::Held;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::LazyLock;
use summary::Summary;

/// Event logs.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "event-log",
    title: "Event logs",
    records: &kinds::RECORDS,
    reads: &[
        Reads::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx"),
        Reads::File(r"%SystemRoot%\System32\config\*.evt*"),
        Reads::Loose(Format::EventLog),
        Reads::Volatile("*.evtx"),
    ],
    supports: "That a provider logged this event, with these values, at this time. Security 4688 and Sysmon 1 are records \
               of a process start with its image, account, parent and, where the policy or Sysmon gives it, command \
               line; Sysmon 12 and 13 of registry writes with the process that made them.",
    does_not_support: "A missing record proves nothing unless the channel was enabled, the audit policy on and the log \
                       reaches back that far: see the coverage table. A recorded command line is what the parent gave, \
                       which a process can forge. A recovered record has lost its place in the order of the log.",
    windows: "Windows Vista and later; older logs (.Evt) are collected and not read. Security 4688 needs the audit policy, its command line another one; Sysmon is an \
              add-on; TaskScheduler/Operational and DNS Client/Operational are off by default.",
    references: &[
        "libyal, Windows XML Event Log (EVTX) format, https://github.com/libyal/libevtx",
        "Microsoft, [MS-EVEN6] EventLog Remoting Protocol, section 2.2.12 BinXml",
        "Microsoft, 4688(S): A new process has been created, https://learn.microsoft.com/windows/security/threat-protection/auditing/event-4688",
        "Microsoft, Sysmon, https://learn.microsoft.com/sysinternals/downloads/sysmon",
    ],
    phase: Phase::Independent,
    older_states: true,
    beside: Beside::Nothing,
    memory: Memory::InParts,
    parse: Some(Parse::InParts(parse)),
    leads: Some(leads::of),
};

static CHANNEL: RecordType = RecordType {
    tells: Tells::Log,
    fields: summary::FIELDS,
    channels: channels::CHANNELS,
    message: "Event log {Channel}[: {Records} records][, {FirstRecordId} to {LastRecordId}][, from {First} to {Last}][, missing {MissingRecordIds}]",
    says: "One record per file, undated: `Channel` (of most records; else from the file name), `Records` (live ones, kept \
           or not), `Recovered`, `Undecodable` (live ones), `UndecodableRecovered` (what looks like a record in free space and \
           cannot be decoded, where there is any), `FirstRecordId`, `LastRecordId`, `First`, `Last` (times), \
           `MissingRecordIds` (list of text ranges `a-b`, capped; where the header says that a higher number was given, \
           up to that; `up to b` where no record is left), `MissingChunks` (how many chunks the header counts and the log \
           does not have, where there are any), `Dirty` (bool; normal for a copy of a live log), `Unread` (`evt` for a \
           log of the format before Vista, which has none of the other fields but `Channel`), `Events` (map of \
           `channel:event id` to the number of live records).",
    ..RecordType::named("windows:evtx:channel")
};

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let mut head = vec![0u8; FileHeader::FIRST_CHUNK as usize];
    let read = input.bytes.read_full_at(0, &mut head).unwrap_or_else(|error| {
        unreadable(0, head.len() as u64, &error.to_string(), sink);
        0
    });
    head.truncate(read);
    if is_of_the_old_format(&head) {
        return old_format(input.original_path, sink);
    }
    let header = self::header(&head, sink);
    let mut held = Held::new(header, input.bytes.len());
    let mut pieces = Pieces::new(input.bytes, &head, header.is_some());
    let (mut counts, mut is_whole) = (Counts::default(), true);
    sink.in_parts(
        || Part::next(&mut pieces, &mut held),
        || (),
        |part, (), sink| Log::read(&part, header.is_none(), sink),
        |part| match part {
            Some(part) => counts.add(part),
            None => is_whole = false,
        },
    );
    // What a part holds that was not read to its end is not missing from the log.
    if !is_whole {
        return;
    }
    counts.tell_nameless(sink);
    counts.tell_undecodable(sink);
    let shortfall = held.shortfall(&counts.summary);
    shortfall.tell(sink);
    counts.summary.describe(input.original_path, header, (shortfall.chunks, shortfall.record_ids), sink);
}

/// Whether a log is of the format before Vista: the size of its header, then `LfLe`.
fn is_of_the_old_format(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"LfLe") && head.starts_with(&0x30u32.to_le_bytes())
}

/// Tells that a log is there and not read.
fn old_format(original_path: &str, sink: &mut Sink<'_>) {
    let channel = summary::channel_of_file(original_path).unwrap_or_default();
    sink.problem(
        ProblemKind::UnsupportedVersion { found: "an event log of the format before Windows Vista (.Evt)".into() },
        None,
        format!("the log {channel} is of a format that is not read"),
        "what it records is not known: it is collected, and another program can read it",
    );
    let mut fields = Fields::new();
    fields.push(summary::CHANNEL_NAME.name, channel.as_str());
    fields.push(summary::UNREAD.name, "evt");
    sink.record(Record {
        artifact: ARTIFACT.id,
        of: &CHANNEL,
        subject: channel,
        user: None,
        moments: Vec::new(),
        fields,
        claims: &[],
        locator: Locator::Whole,
        integrity: Integrity::Intact,
    });
}

/// Reads the file header and tells what is wrong with it.
fn header(head: &[u8], sink: &mut Sink<'_>) -> Option<FileHeader> {
    let header = FileHeader::parse(head);
    match header {
        None => sink.problem(
            ProblemKind::BadSignature {
                offset: 0,
                expected: "ElfFile".into(),
                actual: head[..head.len().min(8)].escape_ascii().to_string(),
            },
            None,
            "the file header of an event log is missing",
            "chunks are searched at every 512 bytes; how many there should be is not known",
        ),
        Some(header) if !header.checksum_matches => sink.problem(
            ProblemKind::BadChecksum { offset: 0 },
            None,
            "the file header does not match its checksum",
            "the header may have been changed; the chunks are read independently of it, and how many there should be \
             is not known",
        ),
        Some(_) => {}
    }
    header
}

fn unreadable(offset: u64, length: u64, error: &str, sink: &mut Sink<'_>) {
    let place = Locator::ByteRange { offset, length };
    let what = format!("reading failed: {error}");
    sink.problem(ProblemKind::ReadFailed, Some(place), what, "the records of this chunk are missing");
}

/// A stored record and how it was found.
#[derive(Clone, Copy)]
struct Stored {
    /// Offset of the chunk in the file.
    chunk: u64,
    raw: RawRecord,
    integrity: Integrity,
}

impl Stored {
    fn locator(&self) -> Locator {
        Locator::EvtxRecord { record_id: self.raw.number, offset: self.chunk + self.raw.offset as u64 }
    }
}

/// A record that our own reader could not decode, or not to the end.
struct Failed {
    stored: Stored,
    error: Undecodable,
    /// What was decoded before the error.
    partial: Option<Decoded>,
}

/// Origins that are compared before one is looked up.
const MOST_KNOWN: usize = 16;

/// Where events come from, and what that decides.
struct Known {
    stored: StoredOrigin,
    channel: String,
    channel_number: usize,
    of: Rc<OfProvider>,
}

/// What is counted in a log, or in a part of it.
#[derive(Default)]
struct Counts {
    summary: Summary,
    /// Recovered records whose values have lost their names.
    nameless: u64,
}

impl Counts {
    /// Adds what was counted in the part that follows.
    fn add(&mut self, part: Counts) {
        self.summary.add(part.summary);
        self.nameless += part.nameless;
    }

    /// Says once how many recovered records have lost the names of their values, as what lies in free space often has.
    fn tell_nameless(&self, sink: &mut Sink<'_>) {
        if self.nameless == 0 {
            return;
        }
        let a = format!("{} recovered records refer to definitions of their fields", self.nameless);
        sink.note(
            ProblemKind::Inconsistent { a, b: "other data is there by now".into() },
            None,
            "recovered records have lost the names of their values",
            "their values are listed by number, and no conclusion is drawn from them",
        );
    }
}

impl Counts {
    /// Says once how many records of the free space there are of which nothing can be said.
    fn tell_undecodable(&self, sink: &mut Sink<'_>) {
        let count = self.summary.count_of_undecodable_recovered();
        let (records, are) = match count {
            0 => return,
            1 => ("1 record".to_owned(), "was"),
            count => (format!("{count} records"), "were"),
        };
        sink.note(
            ProblemKind::OutOfRange { raw: format!("{records} in free space") },
            None,
            format!("{records} in free space could not be decoded and {are} not recovered"),
            "what they said is not known; free space keeps what is left of old records",
        );
    }
}

/// A part of a log being read.
struct Log<'l, 's> {
    sink: &'l mut Sink<'s>,
    counts: Counts,
    kinds: Kinds,
    /// Origins of the last records, the newest first.
    known: Vec<Rc<Known>>,
}

impl<'l, 's> Log<'l, 's> {
    /// Reads the records of a part.
    fn read(part: &Part, is_without_file_header: bool, sink: &'l mut Sink<'s>) -> Counts {
        let mut log = Log { sink, counts: Counts::default(), kinds: Kinds::default(), known: Vec::new() };
        for (at, piece) in part.pieces() {
            match piece {
                Piece::Chunk { data, is_uncounted } => log.chunk(data, at, is_uncounted),
                Piece::Headless(data) => log.headless(data, at, is_without_file_header),
                Piece::Unreadable(error) => unreadable(at, CHUNK_SIZE as u64, error, log.sink),
            }
        }
        log.counts
    }

    /// Searches records in bytes that have no chunk's header. What stands before the first chunk of a file without header
    /// is part of that loss, which is told already.
    fn headless(&mut self, data: &[u8], at: u64, is_without_file_header: bool) {
        if !(at == 0 && is_without_file_header && data.len() < CHUNK_SIZE) {
            self.sink.problem(
                ProblemKind::BadSignature {
                    offset: at,
                    expected: "ElfChnk".into(),
                    actual: data[..data.len().min(8)].escape_ascii().to_string(),
                },
                None,
                "a chunk has lost its header",
                "its records are searched by their signature and are marked as recovered",
            );
        }
        self.records(&Chunk::without_header(data), at, Integrity::Recovered);
    }

    fn chunk(&mut self, data: &[u8], at: u64, is_uncounted: bool) {
        // A header that is cut off says nothing of records.
        let Some(chunk) = Chunk::parse(data) else { return self.headless(data, at, false) };
        if data.len() < CHUNK_SIZE {
            self.sink.problem(
                ProblemKind::Truncated { offset: at, expected: CHUNK_SIZE as u64, actual: data.len() as u64 },
                None,
                "a chunk is cut off",
                "records behind the cut are missing",
            );
        }
        let integrity = if is_uncounted {
            Integrity::Recovered
        } else if chunk.checksums_match() {
            Integrity::Intact
        } else {
            self.sink.problem(
                ProblemKind::BadChecksum { offset: at },
                None,
                "a chunk does not match its checksums",
                "it was being written when it was copied, or was changed; its records are read and marked as corrupted",
            );
            Integrity::Corrupted
        };
        self.records(&chunk, at, integrity);
    }

    /// Reads the records of a chunk, whose own records have this integrity.
    fn records(&mut self, chunk: &Chunk<'_>, at: u64, integrity: Integrity) {
        let mut gaps = 0;
        let records = chunk.records(&mut gaps);
        if gaps > 0 {
            self.sink.problem(
                ProblemKind::Inconsistent {
                    a: format!("the chunk at offset {at} should hold records only"),
                    b: format!("something else is in {gaps} places"),
                },
                None,
                "a chunk is damaged between its records",
                "records that were there are missing",
            );
        }
        let mut events = Events::new(chunk.data(), naming::label);
        let mut failed = Vec::new();
        // Free space often still holds an earlier writing of records that live in the chunk.
        let live: HashSet<(u64, u64)> = match records.last() {
            Some(last) if last.is_stale => {
                records.iter().filter(|one| !one.is_stale).map(|one| (one.number, one.written)).collect()
            }
            _ => HashSet::new(),
        };
        for raw in records {
            if raw.is_stale && live.contains(&(raw.number, raw.written)) {
                continue;
            }
            let integrity = if raw.is_stale { Integrity::Recovered } else { integrity };
            self.record(&mut events, Stored { chunk: at, raw, integrity }, &mut failed);
        }
        if !failed.is_empty() {
            self.failed(chunk.data(), failed);
        }
    }

    fn record(&mut self, events: &mut Events<'_>, stored: Stored, failed: &mut Vec<Failed>) {
        let malformed = Undecodable::Malformed { offset: stored.raw.body };
        let opened = events.open(&stored.raw).and_then(|event| Ok((event.event_id().ok_or(malformed)?, event)));
        let (event_id, event) = match opened {
            Ok(opened) => opened,
            Err(error) => return failed.push(Failed { stored, error, partial: None }),
        };
        let origin = self.origin(&event);
        self.count(&stored, event.time(), Some((origin.channel_number, event_id)));
        if let Some(kind) = origin.of.find(event_id) {
            let (fields, outcome) = render(events, &event);
            match outcome {
                Ok(()) => self.keep(kind, &stored, event.time(), &origin.channel, fields),
                Err(Undecodable::Nameless) if stored.integrity == Integrity::Recovered => {
                    self.counts.nameless += 1;
                    self.keep(kind, &stored, event.time(), &origin.channel, fields);
                }
                Err(error) => {
                    let decoded = Decoded {
                        provider: event.provider().into_owned(),
                        provider_guid: event.provider_guid().into_owned(),
                        channel: origin.channel.clone(),
                        event_id,
                        time: event.time(),
                        fields,
                    };
                    failed.push(Failed { stored, error, partial: Some(decoded) });
                }
            }
        }
        events.close(event);
    }

    /// Provider and channel of an event; most logs have one, and all but few a handful.
    fn origin(&mut self, event: &Event<'_>) -> Rc<Known> {
        let stored = event.origin();
        if let Some(place) = self.known.iter().position(|known| known.stored == stored) {
            // The next record is likely of the same origin.
            self.known.swap(0, place);
            return self.known[0].clone();
        }
        let channel = event.channel().into_owned();
        let known = Rc::new(Known {
            stored: stored.to_owned(),
            of: self.kinds.of(&event.provider(), &event.provider_guid()),
            channel_number: self.counts.summary.channel_number(&channel),
            channel,
        });
        self.known.truncate(MOST_KNOWN - 1);
        self.known.insert(0, known.clone());
        known
    }

    /// Asks the second reader for what the first could not decode.
    fn failed(&mut self, data: &[u8], failed: Vec<Failed>) {
        let raw: Vec<RawRecord> = failed.iter().map(|failed| failed.stored.raw).collect();
        let mut decoded = second_reader::decode(data, &raw);
        for Failed { mut stored, error, partial } in failed {
            let was_counted = partial.is_some();
            let found = match decoded.remove(&stored.raw.body) {
                Some(whole) => Some(whole),
                // Free space is full of fragments that only look like records.
                None if !was_counted && stored.integrity == Integrity::Recovered => {
                    self.counts.summary.undecodable_recovered();
                    continue;
                }
                None => {
                    self.undecodable(&stored, error);
                    stored.integrity = stored.integrity.max(Integrity::Corrupted);
                    partial
                }
            };
            let Some(found) = found else {
                self.count(&stored, None, None);
                continue;
            };
            if !was_counted {
                let channel = self.counts.summary.channel_number(&found.channel);
                self.count(&stored, found.time, Some((channel, found.event_id)));
            }
            if let Some(kind) = self.kinds.of(&found.provider, &found.provider_guid).find(found.event_id) {
                self.keep(kind, &stored, found.time, &found.channel, found.fields);
            }
        }
    }

    fn count(&mut self, stored: &Stored, time: Option<u64>, event: Option<(usize, u64)>) {
        if stored.integrity == Integrity::Recovered {
            return self.counts.summary.recovered();
        }
        self.counts.summary.live(stored.raw.number, time.unwrap_or(stored.raw.written));
        match event {
            Some((channel, event_id)) => self.counts.summary.event(channel, event_id),
            None => self.counts.summary.undecodable(),
        }
    }

    fn keep(&mut self, kind: &'static Kind, stored: &Stored, time: Option<u64>, channel: &str, fields: Fields) {
        let said = |names: &[&str], nothing: &[&str]| {
            let mut texts = names.iter().filter_map(|name| fields.text(name));
            texts.find(|text| !nothing.contains(text)).map(str::to_owned)
        };
        let subject = said(kind.subject, &["", "-"]).unwrap_or_else(|| channel.to_owned());
        // S-1-0-0 is nobody.
        let user = said(kind.user, &["", "-", "S-1-0-0"]);
        let time = Timestamp::filetime(time.unwrap_or(stored.raw.written));
        self.sink.record(Record {
            artifact: ARTIFACT.id,
            of: &kind.of,
            subject,
            user,
            moments: time.map(|time| Moment::at(Meaning::RECORDED, time)).into_iter().collect(),
            claims: kind.of.claims,
            fields,
            locator: stored.locator(),
            integrity: stored.integrity,
        });
    }

    fn undecodable(&mut self, stored: &Stored, error: Undecodable) {
        let (kind, effect) = match error {
            Undecodable::Malformed { offset } => (
                ProblemKind::OutOfRange { raw: format!("binary XML at offset {:#x}", stored.chunk + offset as u64) },
                "what this record says is not known, or only in part",
            ),
            Undecodable::Nameless => (
                ProblemKind::Inconsistent {
                    a: "the record refers to a definition of its fields".into(),
                    b: "something else is there".into(),
                },
                "the record's values have lost their names and are listed by number",
            ),
            Undecodable::TooLarge => {
                (ProblemKind::LimitReached, "the record holds more than any that Windows writes; the rest is left out")
            }
        };
        if stored.raw.is_stale {
            // In free space, so later data may have been written over a part of it.
            self.sink.note(kind, Some(stored.locator()), "a record in free space could not be decoded", effect);
        } else {
            self.sink.problem(kind, Some(stored.locator()), "a record could not be decoded", effect);
        }
    }
}

/// Names of the first values without one; few records have more.
static NUMBERED: LazyLock<Vec<FieldName>> =
    LazyLock::new(|| (0..64).map(|number| FieldName::kept(&format!("Data[{number}]"))).collect());

/// Values become fields of their names.
struct Named {
    fields: Fields,
    /// Values without a name so far.
    numbered: usize,
}

impl Values for Named {
    fn text(&mut self) -> &mut String {
        self.fields.texts()
    }

    fn end(&mut self, label: &Label, start: Option<usize>) {
        let name = match label {
            Label::Skip => return,
            Label::Named(name) => name.clone(),
            Label::Numbered => {
                self.numbered += 1;
                match NUMBERED.get(self.numbered - 1) {
                    Some(name) => name.clone(),
                    None => format!("Data[{}]", self.numbered - 1).into(),
                }
            }
        };
        if let Some(start) = start {
            self.fields.push_from(name, start);
        }
    }
}

/// Every value of an event under its name, as far as it could be decoded.
fn render<'a>(events: &mut Events<'a>, event: &Event<'a>) -> (Fields, Result<(), Undecodable>) {
    // Enough for nearly every record at once.
    let mut named = Named { fields: Fields::with_capacity(48, 1536), numbered: 0 };
    let outcome = events.render(event, &mut named);
    (named.fields, outcome)
}
