//! The timeline's files, written row by row while the merge goes on.

mod body;
mod csv;
mod file_record;
mod jsonl;
mod marks;
mod message;
mod row;
#[cfg(test)]
mod tests;
mod text;

use crate::cited::CitedRecord;
use crate::event::Glance;
use crate::merge::{Batch, Eye, MergeError, Names, Observer, Seen, Shape, Sorted};
use evidence::{Items, Problem};
pub use marks::Marks;
use message::Sentences;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use row::{ItemText, ItemTexts, Rows, Shows};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file format of the timeline.
pub struct Format {
    /// What it is called on the command line and in `analysis.json`.
    pub name: &'static str,
    /// Name of the file that an analysis writes.
    pub file_name: &'static str,
    /// What it is.
    pub says: &'static str,
    writer: fn() -> Box<dyn Writer>,
}

impl Format {
    /// All of them, in the order in which they are written.
    pub const ALL: &'static [&'static Format] = &[&jsonl::FORMAT, &csv::FORMAT, &body::FORMAT];

    /// The format of this name.
    pub fn named(name: &str) -> Option<&'static Format> {
        Self::ALL.iter().copied().find(|format| format.name == name)
    }
}

/// A format is declared once, so it is the same as itself only.
impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Format {}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Makes the file of one format: a beginning, pieces of some rows each, and an end.
///
/// The pieces are made on all threads at once and written in the order of the rows. Where the rows are divided depends on
/// them alone, so that the bytes do not depend on the number of threads.
pub(crate) trait Writer: Send + Sync {
    /// Whether it shows the ids and places of rows, and the sentences of file records. They cost time.
    fn describes(&self) -> bool {
        true
    }

    /// Takes every shape that a record of the timeline has, in the order of their numbers, and makes what comes before
    /// the first row. A format with columns finds their names and types in [`evidence::RecordType::fields`].
    fn begin(&mut self, _shapes: &mut dyn Iterator<Item = &Shape>, _out: &mut Vec<u8>) {}

    /// What its rows show of an object, made once; rows get it back as `of_item`.
    fn item(&self, _item: &ItemText) -> Vec<u8> {
        Vec::new()
    }

    /// Makes the piece of consecutive rows.
    fn batch(&self, rows: &Rows<'_>, piece: &mut Piece);

    /// Makes what comes after the last row, such as a list of where each piece is.
    fn finish(&self, _notes: &[Note], _out: &mut Vec<u8>) {}
}

/// A piece of a file.
#[derive(Default)]
pub(crate) struct Piece {
    /// What is written.
    pub(crate) bytes: Vec<u8>,
    /// What the end of the file has to know of it; kept in memory until then, so it must be short.
    pub(crate) note: Vec<u8>,
}

/// What is known of a piece that was written and has a note.
#[cfg_attr(not(test), expect(dead_code, reason = "none of the formats with text has an end"))]
pub(crate) struct Note {
    /// Where in the file the piece begins.
    pub(crate) offset: u64,
    /// Its number of rows.
    pub(crate) rows: u64,
    /// What the piece noted.
    pub(crate) note: Vec<u8>,
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
    pub format: &'static Format,
    /// Name for error messages.
    pub name: String,
    /// Takes the rows, in pieces of several hundred kilobytes.
    pub to: W,
}

impl Output<File> {
    /// Creates the format's file in a folder, readable by its owner only; a file that is there already is an error.
    pub fn create(folder: &Path, format: &'static Format) -> Result<Self, TimelineError> {
        let path: PathBuf = folder.join(format.file_name);
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineSummary {
    /// Rows.
    pub events: u64,
    /// Events that stand as another source in the row of an equal one.
    pub joined: u64,
    /// What limits of ours cost.
    pub problems: Vec<Problem>,
    /// The rows that the report cites, in their order.
    pub cited: Vec<CitedRecord>,
}

/// What all rows are made with.
struct Setting<'a, T> {
    names: Names,
    items: ItemTexts<'a>,
    sentences: Sentences,
    writers: &'a [Box<dyn Writer>],
    shows: Shows,
    /// What the observer looks with.
    eye: Option<Eye<T>>,
}

/// A file that is being written.
struct Written<'a, W> {
    output: &'a mut Output<W>,
    bytes: u64,
    notes: Vec<Note>,
}

impl<W: Write> Written<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), TimelineError> {
        let failed = |source| TimelineError::Write { name: self.output.name.clone(), source };
        self.output.to.write_all(bytes).map_err(failed)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn piece(&mut self, piece: &mut Piece, rows: u64) -> Result<(), TimelineError> {
        if !piece.note.is_empty() {
            self.notes.push(Note { offset: self.bytes, rows, note: std::mem::take(&mut piece.note) });
        }
        self.write(&piece.bytes)
    }

    fn end(mut self, writer: &dyn Writer) -> Result<(), TimelineError> {
        let mut end = Vec::new();
        writer.finish(&self.notes, &mut end);
        self.write(&end)?;
        self.output.to.flush().map_err(|source| TimelineError::Write { name: self.output.name.clone(), source })
    }
}

/// What is counted of each event of a batch, and what the observer takes of it.
type Glances<T> = Vec<(Glance, Option<T>)>;

/// A batch on its way through the writers.
struct Work<T> {
    batch: Batch,
    /// What each writer makes of it.
    pieces: Vec<Piece>,
    /// What the observer counts, and what it gets of an event for which it asks.
    glances: Glances<T>,
    /// What the report cites of its rows.
    cited: Vec<CitedRecord>,
    damaged: bool,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Work { batch: Batch::default(), pieces: Vec::new(), glances: Vec::new(), cited: Vec::new(), damaged: false }
    }
}

/// Most batches that are rendered at once, so that memory does not grow with the cores.
const MOST_BATCHES: usize = 16;

/// Who looks on.
pub(crate) struct Observed<'a, O> {
    pub(crate) by: Option<&'a mut O>,
    /// Called for each row.
    pub(crate) tick: &'a mut (dyn FnMut() + Send),
}

/// Writes every event to every output in the order of time, with its marks on each row,
/// and shows the observer what it asks for. Rendering runs on all threads; the bytes do not depend on their number.
pub(crate) fn write_rows<W: Write + Send, O: Observer>(
    sorted: &mut Sorted,
    items: &dyn Items,
    marks: Marks<'_>,
    outputs: &mut [Output<W>],
    observed: Observed<'_, O>,
) -> Result<TimelineSummary, TimelineError> {
    let writers = outputs.iter().map(|output| (output.format.writer)()).collect();
    write_with(writers, sorted, items, marks, outputs, observed)
}

fn write_with<W: Write + Send, O: Observer>(
    mut writers: Vec<Box<dyn Writer>>,
    sorted: &mut Sorted,
    items: &dyn Items,
    marks: Marks<'_>,
    outputs: &mut [Output<W>],
    observed: Observed<'_, O>,
) -> Result<TimelineSummary, TimelineError> {
    let names = sorted.names();
    let mut files: Vec<_> = outputs.iter_mut().map(|output| Written { output, bytes: 0, notes: Vec::new() }).collect();
    for (writer, file) in writers.iter_mut().zip(&mut files) {
        let mut beginning = Vec::new();
        writer.begin(&mut names.shapes(), &mut beginning);
        file.write(&beginning)?;
    }
    let make = |item: &ItemText| writers.iter().map(|writer| writer.item(item)).collect();
    let setting = Setting {
        items: ItemTexts::new(items, marks, &make),
        sentences: Sentences::new(&names),
        names,
        shows: match writers.iter().map(|writer| writer.describes()).max() {
            None => Shows::Nothing,
            Some(false) => Shows::Lines,
            Some(true) => Shows::All,
        },
        writers: &writers,
        eye: observed.by.as_deref().map(Observer::eye),
    };
    // From a thread of the pool the work is handed on without waking another one each time.
    rayon::scope(|_| write_all(sorted, &setting, files, observed))
}

fn write_all<W: Write + Send, O: Observer>(
    sorted: &mut Sorted,
    setting: &Setting<'_, O::Taken>,
    mut files: Vec<Written<'_, W>>,
    mut observed: Observed<'_, O>,
) -> Result<TimelineSummary, TimelineError> {
    // Two for each thread, so that one that takes longer is made up for; a thread alone has none to wait for.
    let width = match rayon::current_num_threads() {
        1 => 1,
        threads => (threads * 2).min(MOST_BATCHES),
    };
    let fresh = || (0..width).map(|_| Work::default()).collect::<Vec<Work<O::Taken>>>();
    let (mut reading, mut rendering, mut finished) = (fresh(), fresh(), fresh());
    let mut summary = TimelineSummary::default();
    read(sorted, &mut reading)?;
    while [&reading, &rendering].iter().any(|set| set.iter().any(|work| !work.batch.is_empty())) {
        // The set that was written is read into, the one that was read is rendered, and the one that was rendered is written.
        std::mem::swap(&mut finished, &mut reading);
        std::mem::swap(&mut finished, &mut rendering);
        if finished.iter().any(|work| work.damaged) {
            return Err(sorted.damaged().into());
        }
        summary.cited.extend(finished.iter_mut().flat_map(|work| work.cited.drain(..)));
        summary.events += finished.iter().map(|work| work.batch.len() as u64).sum::<u64>();
        let parts = finished.iter_mut().map(|Work { batch, pieces, glances, .. }| {
            let rows = batch.len() as u64;
            ((glances, &*batch), (pieces, rows))
        });
        let (mut seen, mut pieces): (Vec<_>, Vec<_>) = parts.unzip();
        let ((read, ()), (written, ())) = rayon::join(
            || {
                let render = || rendering.par_iter_mut().for_each(|work| work.render(setting));
                rayon::join(|| read(sorted, &mut reading), render)
            },
            || {
                let show = || seen.iter_mut().for_each(|seen| show(seen, setting, &mut observed));
                rayon::join(|| write(&mut files, &mut pieces), show)
            },
        );
        read?;
        written?;
        finished.iter_mut().for_each(Work::empty);
    }
    for (file, writer) in files.into_iter().zip(setting.writers) {
        file.end(&**writer)?;
    }
    summary.joined = sorted.joined();
    summary.problems = sorted.problems();
    Ok(summary)
}

/// Fills a set with the next batches. After a large one, of which the rows take megabytes, the rest stays empty.
fn read<T>(sorted: &mut Sorted, set: &mut [Work<T>]) -> Result<(), MergeError> {
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

/// Writes the pieces of a set, each file on a thread of its own.
fn write<W: Write + Send>(
    files: &mut [Written<'_, W>],
    set: &mut [(&mut Vec<Piece>, u64)],
) -> Result<(), TimelineError> {
    let mut pieces: Vec<Vec<(&mut Piece, u64)>> = files.iter().map(|_| Vec::with_capacity(set.len())).collect();
    for (of_batch, rows) in set {
        pieces.iter_mut().zip(of_batch.iter_mut()).for_each(|(of_file, piece)| of_file.push((piece, *rows)));
    }
    let of_files = files.par_iter_mut().zip(pieces);
    of_files.try_for_each(|(file, pieces)| pieces.into_iter().try_for_each(|(piece, rows)| file.piece(piece, rows)))
}

/// Shows the observer the events of a batch.
fn show<O: Observer>(
    (glances, batch): &mut (&mut Glances<O::Taken>, &Batch),
    setting: &Setting<'_, O::Taken>,
    observed: &mut Observed<'_, O>,
) {
    let mut moments = Vec::new();
    for (index, (glance, taken)) in glances.drain(..).enumerate() {
        (observed.tick)();
        let Some(observer) = &mut observed.by else { continue };
        observer.count(&glance);
        let taken = match &setting.eye {
            Some(eye) if batch.is_large() => {
                let event = batch.event(index, &setting.names, &mut moments);
                event.and_then(|event| eye(&Seen::new(event, &moments)))
            }
            _ => taken,
        };
        if let Some(taken) = taken {
            observer.observe(taken);
        }
    }
}

impl<T: Send> Work<T> {
    /// Forgets what was written, before anything else is read.
    fn empty(&mut self) {
        /// Room that is kept for the next rows.
        const KEPT: usize = 1 << 20;
        self.glances.clear();
        self.glances.shrink_to(KEPT / size_of::<(Glance, Option<T>)>());
        for piece in &mut self.pieces {
            piece.bytes.clear();
            piece.bytes.shrink_to(KEPT);
            piece.note.clear();
        }
    }

    fn render(&mut self, setting: &Setting<'_, T>) {
        self.pieces.resize_with(setting.writers.len(), Piece::default);
        if self.batch.is_empty() {
            return;
        }
        let Work { batch, glances, .. } = self;
        let mut look = |seen: &Seen<'_>| {
            // Of a large batch what is taken would be megabytes, so that waits until it is shown.
            let taken = setting.eye.as_ref().filter(|_| !batch.is_large()).and_then(|eye| eye(seen));
            glances.push((Glance::of(seen), taken));
        };
        let Setting { names, items, sentences, shows, .. } = setting;
        let Some(mut rows) = Rows::read(batch, names, items, sentences, *shows, &mut look) else {
            self.damaged = true;
            return;
        };
        self.cited.append(&mut rows.cited);
        for (number, (writer, piece)) in setting.writers.iter().zip(&mut self.pieces).enumerate() {
            rows.writer = number;
            writer.batch(&rows, piece);
        }
    }
}
