//! The timeline's files, written row by row while the merge goes on.

mod body;
mod csv;
mod jsonl;
mod message;
#[cfg(test)]
mod tests;
mod text;

use crate::event::Event;
use crate::merge::{Batch, EventView, MergeError, Names, RecordView, Shape, Sorted, ValueView};
use evidence::{ItemId, Items, Problem, Role};
use foldhash::fast::RandomState;
use parking_lot::RwLock;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::ops::{ControlFlow, Deref};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use text::Clock;

/// A file format of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// JSON Lines in Timesketch's field names, with every field of the record.
    Jsonl,
    /// CSV in Timesketch's column names, safe to open in a spreadsheet.
    Csv,
    /// mactime's body file.
    Body,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Jsonl, Format::Csv, Format::Body];

    /// Name of the file that an analysis writes.
    pub fn file_name(self) -> &'static str {
        match self {
            Format::Jsonl => "timeline.jsonl",
            Format::Csv => "timeline.csv",
            Format::Body => "timeline.body",
        }
    }

    fn write(self, row: &mut Row<'_>, out: &mut Vec<u8>) {
        match self {
            Format::Jsonl => jsonl::write(row, out),
            Format::Csv => csv::write(row, out),
            Format::Body => body::write(row, out),
        }
    }
}

/// Why the timeline's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// The merge failed.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A file could not be written, mostly because the disk is full.
    #[error("cannot write {name}: {source}")]
    Write {
        /// Name or path of the file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Where one format goes.
pub struct Output<W> {
    /// The format.
    pub format: Format,
    /// Name for error messages.
    pub name: String,
    /// Takes the rows, in pieces of several hundred kilobytes.
    pub to: W,
}

impl Output<File> {
    /// Creates the format's file in a folder, readable by its owner only; a file that is there already is an error.
    pub fn create(folder: &Path, format: Format) -> Result<Self, TimelineError> {
        let path: PathBuf = folder.join(format.file_name());
        let name = path.display().to_string();
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(to) => Ok(Output { format, name, to }),
            Err(source) => Err(TimelineError::Write { name, source }),
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineSummary {
    /// Rows.
    pub events: u64,
    /// Events that stand as another source in the row of an equal one.
    pub joined: u64,
    /// What limits of ours cost.
    pub problems: Vec<Problem>,
}

/// What the rows need to know of an item, ready for each format.
struct ItemText {
    path: String,
    /// `,"item":"…","item_sha256":"…"`.
    json: Vec<u8>,
    /// `,"path",sha256,`.
    csv: Vec<u8>,
    /// Whether it is not what was sealed.
    changed: bool,
    /// SHA-256 over the item's own in hexadecimal, to be continued for each event.
    id: Sha256,
}

impl ItemText {
    fn new(path: &str, sha256: &str, changed: bool) -> Self {
        let mut json = b",\"item\":\"".to_vec();
        text::json(path, &mut json);
        json.extend_from_slice(b"\",\"item_sha256\":\"");
        text::json(sha256, &mut json);
        json.push(b'"');
        if changed {
            json.extend_from_slice(b",\"object_changed\":\"true\"");
        }
        let mut csv = vec![b','];
        text::cell(path, &mut csv);
        csv.push(b',');
        text::cell(sha256, &mut csv);
        csv.push(b',');
        ItemText { path: path.to_owned(), json, csv, changed, id: Sha256::new().chain_update(sha256) }
    }
}

/// What the rows need to know of a shape, ready for each format.
struct ShapeText {
    json_head: Vec<u8>,
    json_keys: Vec<Vec<u8>>,
    /// `,data type,artifact,`.
    csv: Vec<u8>,
}

impl ShapeText {
    fn new(shape: &Shape) -> Self {
        let csv = format!(",{},{},", shape.of.name, shape.artifact).into_bytes();
        ShapeText { json_head: jsonl::head(shape), json_keys: jsonl::keys(shape), csv }
    }
}

/// What all rows are made with.
struct Setting<'a> {
    names: Names,
    shapes: Vec<ShapeText>,
    items: ItemTexts<'a>,
    formats: Vec<Format>,
    wants: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Objects up to which the texts of all are made beforehand; of more, those that are met.
const MOST_KNOWN: usize = 8_192;

/// The texts of the items.
struct ItemTexts<'a> {
    items: &'a dyn Items,
    changed: &'a BTreeSet<ItemId>,
    known: Vec<ItemText>,
    met: RwLock<HashMap<u32, Arc<ItemText>, RandomState>>,
    unknown: ItemText,
}

/// The text of one item.
enum Shown<'a> {
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
    fn new(items: &'a dyn Items, changed: &'a BTreeSet<ItemId>) -> Self {
        let mut known = Vec::new();
        if items.count() <= MOST_KNOWN {
            items.each(&mut |item| {
                // Ids are indexes; a gap would only come from a damaged bundle.
                if item.id.0 as usize == known.len() {
                    known.push(ItemText::new(&item.original_path, item.cited_sha256(), changed.contains(&item.id)));
                }
            });
        }
        let unknown = ItemText::new("(unknown item)", "", false);
        ItemTexts { items, changed, known, met: RwLock::default(), unknown }
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
        let text = Arc::new(ItemText::new(&item.original_path, item.cited_sha256(), self.changed.contains(&id)));
        let mut met = self.met.write();
        if met.len() >= MOST_KNOWN {
            met.clear();
        }
        met.insert(id.0, Arc::clone(&text));
        Shown::Met(text)
    }
}

/// A row of the timeline, before it has a format.
struct Row<'a> {
    event: &'a EventView<'a>,
    items: &'a ItemTexts<'a>,
    shape: &'a ShapeText,
    item: &'a ItemText,
    message: &'a str,
    /// Hexadecimal digits.
    id: [u8; 32],
    /// The words of the record's place, as the evidence gives them.
    place: &'a [u8],
    /// `2019-07-19T14:45:55.699293+00:00`, and the same as microseconds since 1970; empty for undated events.
    datetime: &'a [u8],
    micros: &'a [u8],
    clock: &'a mut Clock,
    scratch: &'a mut Vec<u8>,
}

/// What a file record says of its file in the fields that rows show in words.
struct FileFacts {
    directory: bool,
    in_use: bool,
    path_certain: bool,
    size: Option<u64>,
}

impl FileFacts {
    fn of(record: &RecordView<'_>) -> Self {
        let mut facts = FileFacts { directory: false, in_use: true, path_certain: true, size: None };
        let mut left = 4;
        // They stand among the first, and file records are by far the most; their fields come in the declared order.
        let declared = record.shape.of.fields;
        let mut next = 0;
        record.each_field(|name, value| {
            let name = name.as_str();
            let Some(at) = (next..declared.len()).chain(0..next).find(|at| declared[*at].name == name) else {
                return ControlFlow::Continue(());
            };
            next = at + 1;
            match (declared[at].role, value) {
                (Some(Role::Directory), ValueView::Bool(flag)) => facts.directory = flag,
                (Some(Role::InUse), ValueView::Bool(flag)) => facts.in_use = flag,
                (Some(Role::PathCertain), ValueView::Bool(flag)) => facts.path_certain = flag,
                (Some(Role::Size), ValueView::Unsigned(bytes)) => facts.size = Some(bytes),
                _ => return ControlFlow::Continue(()),
            }
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        facts
    }
}

/// Texts that the formats of a row share; kept for their memory.
#[derive(Default)]
struct Shared {
    message: Vec<u8>,
    place: Vec<u8>,
    datetime: Vec<u8>,
    micros: Vec<u8>,
}

impl Row<'_> {
    /// Every meaning of the row's time.
    fn meanings(&self, out: &mut Vec<u8>) {
        for (index, (_, meaning)) in self.event.moments.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_slice(meaning.0.as_bytes());
        }
    }
}

impl Shared {
    fn clear(&mut self) {
        self.message.clear();
        self.place.clear();
        self.datetime.clear();
        self.micros.clear();
    }
}

/// The id of an event: the first 128 bits of SHA-256 over the item's SHA-256 in hexadecimal, the words of
/// the place, and the time in FILETIME ticks, separated by line feeds. A record has one event for each time.
fn event_id(event: &EventView<'_>, item: &ItemText, place: &[u8], scratch: &mut Vec<u8>) -> [u8; 32] {
    scratch.clear();
    scratch.push(b'\n');
    let own = event
        .moments
        .first()
        .and_then(|(index, _)| event.record.moment_places().find(|(there, _)| there == index).map(|(_, place)| place));
    match own {
        Some(own) => text::place(own, scratch),
        None => scratch.extend_from_slice(place),
    }
    scratch.push(b'\n');
    if let Some(time) = event.time {
        text::decimal(time.0, scratch);
    }
    let digest = item.id.clone().chain_update(&scratch).finalize();
    let mut id = [0; 32];
    for (pair, byte) in id.chunks_exact_mut(2).zip(digest.iter()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    id
}

/// A batch on its way through the writers.
#[derive(Default)]
struct Work {
    batch: Batch,
    /// Rows, a buffer for each output.
    rows: Vec<Vec<u8>>,
    /// Events that the observer wants.
    events: Vec<Event>,
    damaged: bool,
}

/// Most batches that are rendered at once, so that memory does not grow with the cores.
const MOST_BATCHES: usize = 16;

/// Writes every event to every output in the order of time, and shows `observe` those whose data type
/// `wants` names. Rendering runs on all threads; the bytes do not depend on their number.
pub fn write_timeline<W: Write + Send>(
    sorted: Sorted,
    items: &dyn Items,
    outputs: &mut [Output<W>],
    wants: &(dyn Fn(&str) -> bool + Sync),
    observe: &mut (dyn FnMut(Event) + Send),
) -> Result<TimelineSummary, TimelineError> {
    write_timeline_marking(sorted, items, &BTreeSet::new(), outputs, wants, observe)
}

/// The same, with a mark on every row that rests on one of the `changed` objects.
pub fn write_timeline_marking<W: Write + Send>(
    sorted: Sorted,
    items: &dyn Items,
    changed: &BTreeSet<ItemId>,
    outputs: &mut [Output<W>],
    wants: &(dyn Fn(&str) -> bool + Sync),
    observe: &mut (dyn FnMut(Event) + Send),
) -> Result<TimelineSummary, TimelineError> {
    let names = sorted.names();
    let setting = Setting {
        shapes: names.shapes().map(ShapeText::new).collect(),
        names,
        items: ItemTexts::new(items, changed),
        formats: outputs.iter().map(|output| output.format).collect(),
        wants,
    };
    // From a thread of the pool the work is handed on without waking another one each time.
    rayon::scope(|_| write_all(sorted, &setting, outputs, observe))
}

fn write_all<W: Write + Send>(
    mut sorted: Sorted,
    setting: &Setting<'_>,
    outputs: &mut [Output<W>],
    observe: &mut (dyn FnMut(Event) + Send),
) -> Result<TimelineSummary, TimelineError> {
    for output in outputs.iter_mut().filter(|output| output.format == Format::Csv) {
        write_to(output, csv::HEADER)?;
    }
    // Two for each thread, so that one that takes longer is made up for; a thread alone has none to wait for.
    let width = match rayon::current_num_threads() {
        1 => 1,
        threads => (threads * 2).min(MOST_BATCHES),
    };
    let fresh = || (0..width).map(|_| Work::default()).collect::<Vec<_>>();
    let (mut rendering, mut finished) = (fresh(), fresh());
    let mut summary = TimelineSummary::default();
    read(&mut sorted, &mut rendering)?;
    loop {
        // While one set of batches is rendered, the set before it is written and used again for reading.
        let ((), written) = rayon::join(
            || rendering.par_iter_mut().for_each(|work| work.render(setting)),
            || -> Result<(), TimelineError> {
                for work in &mut finished {
                    if work.damaged {
                        return Err(sorted.damaged().into());
                    }
                    summary.events += work.batch.len() as u64;
                    for (output, rows) in outputs.iter_mut().zip(&work.rows) {
                        write_to(output, rows)?;
                    }
                    work.events.drain(..).for_each(&mut *observe);
                }
                Ok(read(&mut sorted, &mut finished)?)
            },
        );
        written?;
        if rendering.iter().all(|work| work.batch.is_empty()) {
            break;
        }
        std::mem::swap(&mut rendering, &mut finished);
    }
    for output in outputs {
        output.to.flush().map_err(|source| TimelineError::Write { name: output.name.clone(), source })?;
    }
    summary.joined = sorted.joined();
    summary.problems = sorted.problems();
    Ok(summary)
}

fn write_to<W: Write>(output: &mut Output<W>, bytes: &[u8]) -> Result<(), TimelineError> {
    output.to.write_all(bytes).map_err(|source| TimelineError::Write { name: output.name.clone(), source })
}

/// Fills a set with the next batches. After a large one, of which the rows take megabytes, the rest stays empty.
fn read(sorted: &mut Sorted, set: &mut [Work]) -> Result<(), MergeError> {
    let mut is_full = false;
    for work in set {
        match is_full {
            true => work.batch.clear(),
            false => sorted.next_batch(&mut work.batch)?,
        }
        is_full |= work.batch.is_large();
    }
    Ok(())
}

impl Work {
    fn render(&mut self, setting: &Setting<'_>) {
        let Setting { names, shapes, items, formats, wants } = setting;
        /// Room that is kept for the next rows.
        const KEPT: usize = 1 << 20;
        self.events.clear();
        self.events.shrink_to(KEPT / size_of::<Event>());
        self.rows.resize_with(formats.len(), Vec::new);
        for rows in &mut self.rows {
            rows.clear();
            rows.shrink_to(KEPT);
        }
        let (mut clock, mut scratch, mut shared) = (Clock::default(), Vec::new(), Shared::default());
        // The body file has no ids, and no sentences for files.
        let described = formats.iter().any(|format| *format != Format::Body);
        let mut moments = Vec::new();
        for index in 0..self.batch.len() {
            let Some(event) = self.batch.event(index, names, &mut moments) else {
                self.damaged = true;
                return;
            };
            let item = items.get(event.record.item);
            let Some(shape) = shapes.get(event.record.shape_number as usize) else {
                self.damaged = true;
                return;
            };
            shared.clear();
            if described || !body::is_file(event.record.shape) {
                message::write(&event.record, &mut shared.message);
            }
            let mut id = [b'0'; 32];
            if described {
                text::place(event.record.place, &mut shared.place);
                id = event_id(&event, &item, &shared.place, &mut scratch);
                if let Some(time) = event.time {
                    clock.micros(time, &mut shared.datetime);
                    text::signed(time.unix_micros(), &mut shared.micros);
                }
            }
            let mut row = Row {
                event: &event,
                items,
                shape,
                item: &item,
                message: std::str::from_utf8(&shared.message).unwrap_or_default(),
                id,
                place: &shared.place,
                datetime: &shared.datetime,
                micros: &shared.micros,
                clock: &mut clock,
                scratch: &mut scratch,
            };
            for (format, out) in formats.iter().zip(&mut self.rows) {
                format.write(&mut row, out);
            }
            if wants(event.record.shape.of.name) {
                self.events.push(event.to_event());
            }
        }
    }
}
