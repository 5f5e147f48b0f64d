//! The rows of a batch, before they have a format: what all formats show of them, made once.

use super::file_record::is_file;
use super::marks::Marks;
use super::message::{self, Sentences};
use super::text::{self, Clock};
use crate::cited::{self, CitedRecord};
use crate::merge::{Batch, EventView, Names, Place, RecordView, Seen};
use evidence::{Filetime, ItemId, Items};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// What rows show of an object.
pub(crate) struct ItemText {
    pub(crate) path: String,
    pub(crate) sha256: String,
    /// Whether it is not what was sealed.
    pub(crate) changed: bool,
    /// Whether a place in it is cited.
    is_cited: bool,
    /// What each writer made of it, in the order of the writers.
    made: Vec<Vec<u8>>,
    /// SHA-256 over the object's own in hexadecimal, to be continued for each event.
    id: Sha256,
}

impl Marks<'_> {
    fn item(&self, id: Option<ItemId>, path: &str, sha256: &str, make: MakeItem<'_>) -> ItemText {
        let text = ItemText {
            path: path.to_owned(),
            sha256: sha256.to_owned(),
            changed: id.zip(self.changed).is_some_and(|(id, changed)| changed.contains(&id)),
            is_cited: self.cited.is_some_and(|cited| cited.of_object(path, sha256).is_some()),
            made: Vec::new(),
            id: Sha256::new().chain_update(sha256),
        };
        ItemText { made: make(&text), ..text }
    }
}

/// Makes what a writer shows of each object, for the writer of this number.
pub(super) type MakeItem<'a> = &'a (dyn Fn(&ItemText) -> Vec<Vec<u8>> + Sync);

/// Objects up to which the texts of all are made beforehand; of more, those that are met.
const MOST_KNOWN: usize = 8_192;

/// The texts of the objects.
pub(super) struct ItemTexts<'a> {
    items: &'a dyn Items,
    marks: Marks<'a>,
    make: MakeItem<'a>,
    known: Vec<ItemText>,
    met: RwLock<HashMap<u32, Arc<ItemText>, RandomState>>,
    unknown: ItemText,
}

/// The text of one object.
pub(super) enum Shown<'a> {
    Known(&'a ItemText),
    Met(Arc<ItemText>),
}

impl Deref for Shown<'_> {
    type Target = ItemText;

    fn deref(&self) -> &ItemText {
        match self {
            Shown::Known(text) => text,
            Shown::Met(text) => text,
        }
    }
}

impl<'a> ItemTexts<'a> {
    pub(super) fn new(items: &'a dyn Items, marks: Marks<'a>, make: MakeItem<'a>) -> Self {
        let mut known = Vec::new();
        if items.count() <= MOST_KNOWN {
            items.each(&mut |item| {
                // Ids are indexes; a gap would only come from a damaged bundle.
                if item.id.0 as usize == known.len() {
                    known.push(marks.item(Some(item.id), &item.original_path, item.cited_sha256(), make));
                }
            });
        }
        let unknown = marks.item(None, "(unknown item)", "", make);
        ItemTexts { items, marks, make, known, met: RwLock::default(), unknown }
    }

    fn get(&self, id: ItemId) -> Shown<'_> {
        if let Some(text) = self.known.get(id.0 as usize) {
            return Shown::Known(text);
        }
        if self.items.count() <= MOST_KNOWN {
            return Shown::Known(&self.unknown);
        }
        let met = self.met.read().get(&id.0).cloned();
        if let Some(text) = met {
            return Shown::Met(text);
        }
        let Some(item) = self.items.by_id(id) else { return Shown::Known(&self.unknown) };
        let text = Arc::new(self.marks.item(Some(id), &item.original_path, item.cited_sha256(), self.make));
        let mut met = self.met.write();
        if met.len() >= MOST_KNOWN {
            met.clear();
        }
        met.insert(id.0, Arc::clone(&text));
        Shown::Met(text)
    }
}

/// A place of a row that the report cites.
struct Found<'a> {
    path: String,
    sha256: String,
    words: &'a str,
    place: &'a cited::Place,
}

impl<'a> ItemTexts<'a> {
    /// The places of an event that the report cites: that of its time, that of its record, and those of its copies.
    fn cited(&self, event: &EventView<'_>, moment: Option<usize>, item: &ItemText) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        let Some(cited) = self.marks.cited else { return found };
        let mut words = Vec::new();
        let mut look = |item: &ItemText, place: Place<'_>| {
            let places = item.is_cited.then(|| cited.of_object(&item.path, &item.sha256)).flatten();
            let Some(places) = places else { return };
            words.clear();
            text::place(place, &mut words);
            let there = std::str::from_utf8(&words).ok().and_then(|words| places.get_key_value(words));
            if let Some((words, place)) = there {
                found.push(Found { path: item.path.clone(), sha256: item.sha256.clone(), words, place });
            }
        };
        if let Some(own) = own_place(event, moment) {
            look(item, own);
        }
        look(item, event.record.place);
        for other in event.others() {
            look(&self.get(other.item), other.place);
        }
        found
    }
}

impl Found<'_> {
    /// What the row of a cited place says.
    fn record(&self, part: &Part<'_>, texts: &[u8]) -> CitedRecord {
        let text =
            |range: &Range<usize>| String::from_utf8_lossy(texts.get(range.clone()).unwrap_or_default()).into_owned();
        let mut record = CitedRecord {
            event_id: String::from_utf8_lossy(&part.id).into_owned(),
            item: self.path.clone(),
            sha256: self.sha256.clone(),
            place: self.words.to_owned(),
            at: part.event.time,
            is_told: self.place.is_told,
            ..CitedRecord::default()
        };
        if self.place.is_told {
            record.meaning = text(&part.meanings);
            record.event = message::event_name(&part.event.record);
            record.says = text(&part.message);
            record.decompressed = message::is_decompressed(&part.event.record);
            record.fields = cited::Fields(message::known_fields(&part.event.record));
            record.belongs_to = self.place.owners.clone();
        }
        record
    }
}

/// Writes whose row it is, each once.
fn belongs_to(found: &[Found<'_>], out: &mut Vec<u8>) {
    let mut all: Vec<&str> = Vec::new();
    for owner in found.iter().flat_map(|found| &found.place.owners) {
        if !all.contains(&owner.as_str()) {
            all.push(owner);
        }
    }
    out.extend_from_slice(all.join("; ").as_bytes());
}

/// What of the rows the writers show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// There is no writer.
    Nothing,
    /// No ids and places of rows, and no sentences of file records.
    Lines,
    All,
}

/// Consecutive rows.
pub(crate) struct Rows<'a> {
    rows: Vec<Part<'a>>,
    /// The texts that the rows share, in one piece of memory.
    texts: Vec<u8>,
    items: &'a ItemTexts<'a>,
    /// What the report cites of them.
    pub(super) cited: Vec<CitedRecord>,
    /// The number of the writer that reads them.
    pub(super) writer: usize,
}

/// A row, with its texts as ranges.
struct Part<'a> {
    event: EventView<'a>,
    item: Shown<'a>,
    id: [u8; 32],
    /// What the record is about; none where that is shown as it is recorded.
    subject: Option<Range<usize>>,
    meanings: Range<usize>,
    message: Range<usize>,
    place: Range<usize>,
    datetime: Range<usize>,
    micros: Range<usize>,
    belongs_to: Range<usize>,
}

/// A row of the timeline.
pub(crate) struct Row<'a> {
    pub(crate) event: &'a EventView<'a>,
    pub(crate) item: &'a ItemText,
    /// What the writer made of the object.
    pub(crate) of_item: &'a [u8],
    /// Hexadecimal digits.
    pub(crate) id: &'a [u8; 32],
    /// What the record is about.
    pub(crate) subject: &'a str,
    /// Every meaning of the time.
    pub(crate) meanings: &'a [u8],
    pub(crate) message: &'a str,
    /// The words of the record's place, as the evidence gives them.
    pub(crate) place: &'a [u8],
    /// `2019-07-19T14:45:55.699293+00:00`, and the same as microseconds since 1970; empty for undated events.
    pub(crate) datetime: &'a [u8],
    pub(crate) micros: &'a [u8],
    /// Ids of the runs, attempts and registrations of the report that it belongs to, separated by `; `.
    pub(crate) belongs_to: &'a str,
}

/// Another place of a row's record.
pub(crate) struct Other<'a> {
    pub(crate) record: RecordView<'a>,
    item: Shown<'a>,
    writer: usize,
}

impl Other<'_> {
    /// The object.
    pub(crate) fn item(&self) -> &ItemText {
        &self.item
    }

    /// What the writer made of the object.
    pub(crate) fn of_item(&self) -> &[u8] {
        self.item.made.get(self.writer).map_or(&[], Vec::as_slice)
    }
}

impl<'a> Rows<'a> {
    /// Reads the rows of a batch, and shows each event to `look`; `None` where it is damaged.
    pub(super) fn read(
        batch: &'a Batch,
        names: &'a Names,
        items: &'a ItemTexts<'a>,
        sentences: &Sentences,
        shows: Shows,
        look: &mut dyn FnMut(&Seen<'_>),
    ) -> Option<Self> {
        let described = shows == Shows::All;
        let (mut rows, mut texts, mut cited) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        let (mut clock, mut scratch, mut moments) = (Clock::default(), Vec::new(), Vec::new());
        for index in 0..batch.len() {
            let event = batch.event(index, names, &mut moments)?;
            let seen = Seen::new(event, &moments);
            look(&seen);
            let item = items.get(event.record.item);
            let moment = moments.first().map(|(index, _)| *index);
            let found = items.cited(&event, moment, &item);
            if shows == Shows::Nothing && found.is_empty() {
                continue;
            }
            let described = described || !found.is_empty();
            let mut text = |write: &mut dyn FnMut(&mut Vec<u8>)| {
                let start = texts.len();
                write(&mut texts);
                start..texts.len()
            };
            let mut part = Part {
                event,
                item,
                id: [b'0'; 32],
                subject: None,
                meanings: 0..0,
                message: 0..0,
                place: 0..0,
                datetime: 0..0,
                micros: 0..0,
                belongs_to: 0..0,
            };
            if let Cow::Owned(shown) = items.marks.shown(event.record.subject) {
                part.subject = Some(text(&mut |out| out.extend_from_slice(shown.as_bytes())));
            }
            if !found.is_empty() {
                part.belongs_to = text(&mut |out| belongs_to(&found, out));
            }
            if described || !is_file(event.record.shape) {
                part.message = text(&mut |out| sentences.write(&seen, items.marks, out));
            }
            if described {
                part.meanings = text(&mut |out| {
                    // A key and a value of it, say, can be changed at one time, which is said once.
                    let is_new = |at: usize| !moments[..at].iter().any(|(_, before)| *before == moments[at].1);
                    for (at, (_, meaning)) in moments.iter().enumerate().filter(|(at, _)| is_new(*at)) {
                        out.extend_from_slice(if at > 0 { b"; " } else { b"" });
                        out.extend_from_slice(meaning.0.as_bytes());
                    }
                });
                part.place = text(&mut |out| text::place(event.record.place, out));
                if let Some(time) = event.time {
                    part.datetime = text(&mut |out| clock.micros(time, out));
                    part.micros = text(&mut |out| text::number(time.unix_micros(), out));
                }
                part.id = event_id(&event, moment, &part.item, &texts[part.place.clone()], &mut scratch);
            }
            cited.extend(found.iter().map(|found| found.record(&part, &texts)));
            if shows != Shows::Nothing {
                rows.push(part);
            }
        }
        Some(Rows { rows, texts, items, cited, writer: 0 })
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        self.rows.iter().map(move |part| Row {
            event: &part.event,
            item: &part.item,
            of_item: part.item.made.get(self.writer).map_or(&[], Vec::as_slice),
            id: &part.id,
            subject: part
                .subject
                .as_ref()
                .map_or(part.event.record.subject, |shown| std::str::from_utf8(text(shown)).unwrap_or_default()),
            meanings: text(&part.meanings),
            message: std::str::from_utf8(text(&part.message)).unwrap_or_default(),
            place: text(&part.place),
            datetime: text(&part.datetime),
            micros: text(&part.micros),
            belongs_to: std::str::from_utf8(text(&part.belongs_to)).unwrap_or_default(),
        })
    }

    /// Other places of the record of a row.
    pub(crate) fn others(&self, event: &EventView<'a>) -> impl Iterator<Item = Other<'a>> {
        let (items, writer) = (self.items, self.writer);
        event.others().map(move |record| Other { item: items.get(record.item), record, writer })
    }
}

/// Where the time of an event stands, where that is not where its record is.
fn own_place<'a>(event: &EventView<'a>, moment: Option<usize>) -> Option<Place<'a>> {
    event.record.moment_places().find(|(there, _)| Some(*there) == moment).map(|(_, place)| place)
}

/// The id of an event: the first 128 bits of SHA-256 over the item's SHA-256 in hexadecimal, the words of
/// the place, and the time in FILETIME ticks, separated by line feeds. A record has one event for each time.
fn event_id(
    event: &EventView<'_>,
    moment: Option<usize>,
    item: &ItemText,
    place: &[u8],
    scratch: &mut Vec<u8>,
) -> [u8; 32] {
    scratch.clear();
    scratch.push(b'\n');
    match own_place(event, moment) {
        Some(own) => text::place(own, scratch),
        None => scratch.extend_from_slice(place),
    }
    scratch.push(b'\n');
    if let Some(Filetime(ticks)) = event.time {
        text::number(ticks, scratch);
    }
    let digest = item.id.clone().chain_update(&scratch).finalize();
    let mut id = [0; 32];
    for (pair, byte) in id.chunks_exact_mut(2).zip(digest.iter()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    id
}
