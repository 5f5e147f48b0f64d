//! The rows of a batch, before they have a format: what all formats show of them, made once.

use super::file_record::is_file;
use super::message;
use super::text::{self, Clock};
use crate::merge::{Batch, EventView, MomentView, Names, RecordView};
use evidence::{Filetime, ItemId, Items};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// What rows show of an object.
pub(crate) struct ItemText {
    pub(crate) path: String,
    pub(crate) sha256: String,
    /// Whether it is not what was sealed.
    pub(crate) changed: bool,
    /// What each writer made of it, in the order of the writers.
    made: Vec<Vec<u8>>,
    /// SHA-256 over the object's own in hexadecimal, to be continued for each event.
    id: Sha256,
}

/// Makes what a writer shows of each object, for the writer of this number.
pub(super) type MakeItem<'a> = &'a (dyn Fn(&ItemText) -> Vec<Vec<u8>> + Sync);

/// Objects up to which the texts of all are made beforehand; of more, those that are met.
const MOST_KNOWN: usize = 8_192;

/// The texts of the objects.
pub(super) struct ItemTexts<'a> {
    items: &'a dyn Items,
    changed: &'a BTreeSet<ItemId>,
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

fn item_text(path: &str, sha256: &str, changed: bool, make: MakeItem<'_>) -> ItemText {
    let id = Sha256::new().chain_update(sha256);
    let text = ItemText { path: path.to_owned(), sha256: sha256.to_owned(), changed, made: Vec::new(), id };
    ItemText { made: make(&text), ..text }
}

impl<'a> ItemTexts<'a> {
    pub(super) fn new(items: &'a dyn Items, changed: &'a BTreeSet<ItemId>, make: MakeItem<'a>) -> Self {
        let mut known = Vec::new();
        if items.count() <= MOST_KNOWN {
            items.each(&mut |item| {
                // Ids are indexes; a gap would only come from a damaged bundle.
                if item.id.0 as usize == known.len() {
                    let is_changed = changed.contains(&item.id);
                    known.push(item_text(&item.original_path, item.cited_sha256(), is_changed, make));
                }
            });
        }
        let unknown = item_text("(unknown item)", "", false, make);
        ItemTexts { items, changed, make, known, met: RwLock::default(), unknown }
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
        let is_changed = self.changed.contains(&id);
        let text = Arc::new(item_text(&item.original_path, item.cited_sha256(), is_changed, self.make));
        let mut met = self.met.write();
        if met.len() >= MOST_KNOWN {
            met.clear();
        }
        met.insert(id.0, Arc::clone(&text));
        Shown::Met(text)
    }
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
    /// The number of the writer that reads them.
    pub(super) writer: usize,
}

/// A row, with its texts as ranges.
struct Part<'a> {
    event: EventView<'a>,
    item: Shown<'a>,
    id: [u8; 32],
    meanings: Range<usize>,
    message: Range<usize>,
    place: Range<usize>,
    datetime: Range<usize>,
    micros: Range<usize>,
}

/// A row of the timeline.
pub(crate) struct Row<'a> {
    pub(crate) event: &'a EventView<'a>,
    pub(crate) item: &'a ItemText,
    /// What the writer made of the object.
    pub(crate) of_item: &'a [u8],
    /// Hexadecimal digits.
    pub(crate) id: &'a [u8; 32],
    /// Every meaning of the time.
    pub(crate) meanings: &'a [u8],
    pub(crate) message: &'a str,
    /// The words of the record's place, as the evidence gives them.
    pub(crate) place: &'a [u8],
    /// `2019-07-19T14:45:55.699293+00:00`, and the same as microseconds since 1970; empty for undated events.
    pub(crate) datetime: &'a [u8],
    pub(crate) micros: &'a [u8],
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
    /// Reads the rows of a batch, and shows `look` each event with the moments of its time; `None` where it is damaged.
    pub(super) fn read(
        batch: &'a Batch,
        names: &'a Names,
        items: &'a ItemTexts<'a>,
        shows: Shows,
        look: &mut dyn FnMut(EventView<'_>, &[MomentView]),
    ) -> Option<Self> {
        let described = shows == Shows::All;
        let (mut rows, mut texts) = (Vec::with_capacity(batch.len()), Vec::new());
        let (mut clock, mut scratch, mut moments) = (Clock::default(), Vec::new(), Vec::new());
        for index in 0..batch.len() {
            let event = batch.event(index, names, &mut moments)?;
            look(event, &moments);
            if shows == Shows::Nothing {
                continue;
            }
            let item = items.get(event.record.item);
            let mut text = |write: &mut dyn FnMut(&mut Vec<u8>)| {
                let start = texts.len();
                write(&mut texts);
                start..texts.len()
            };
            let mut part = Part {
                event,
                item,
                id: [b'0'; 32],
                meanings: 0..0,
                message: 0..0,
                place: 0..0,
                datetime: 0..0,
                micros: 0..0,
            };
            if described || !is_file(event.record.shape) {
                part.message = text(&mut |out| message::write(&event.record, out));
            }
            if described {
                part.meanings = text(&mut |out| {
                    for (index, (_, meaning)) in moments.iter().enumerate() {
                        out.extend_from_slice(if index > 0 { b"; " } else { b"" });
                        out.extend_from_slice(meaning.0.as_bytes());
                    }
                });
                part.place = text(&mut |out| text::place(event.record.place, out));
                if let Some(time) = event.time {
                    part.datetime = text(&mut |out| clock.micros(time, out));
                    part.micros = text(&mut |out| text::number(time.unix_micros(), out));
                }
                let moment = moments.first().map(|(index, _)| *index);
                part.id = event_id(&event, moment, &part.item, &texts[part.place.clone()], &mut scratch);
            }
            rows.push(part);
        }
        Some(Rows { rows, texts, items, writer: 0 })
    }

    /// The rows in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        self.rows.iter().map(move |part| Row {
            event: &part.event,
            item: &part.item,
            of_item: part.item.made.get(self.writer).map_or(&[], Vec::as_slice),
            id: &part.id,
            meanings: text(&part.meanings),
            message: std::str::from_utf8(text(&part.message)).unwrap_or_default(),
            place: text(&part.place),
            datetime: text(&part.datetime),
            micros: text(&part.micros),
        })
    }

    /// Other places of the record of a row.
    pub(crate) fn others(&self, event: &EventView<'a>) -> impl Iterator<Item = Other<'a>> {
        let (items, writer) = (self.items, self.writer);
        event.others().map(move |record| Other { item: items.get(record.item), record, writer })
    }
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
    let own = event.record.moment_places().find(|(there, _)| Some(*there) == moment);
    match own {
        Some((_, own)) => text::place(own, scratch),
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
