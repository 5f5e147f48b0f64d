//! The chunks of an E01 image over its segment files.
//!
//! A chunk has no number of its own: its place is the sum of what all tables before it count. So where a segment file or a
//! table is lost, chunks behind it are read only if their place follows from the end of the image; they are never placed by
//! guess. Nothing here grows with the image: what a chunk needs is read from its table when it is asked for.

use super::chunks::{self, Broken, Cache, Flaw, Method, Recorder};
use super::sections::{Geometry, Group, Part, Sections, Table, exactly, le32, segment_number};
use super::segment::SegmentFile;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Bit of a table's entry: the chunk is compressed.
const COMPRESSED: u32 = 1 << 31;

/// An opened image.
pub(super) struct Image {
    segments: Vec<SegmentFile>,
    /// In the order of their chunks.
    groups: Vec<Placed>,
    /// Chunks that stand nowhere, and why.
    lost: Option<(Range<u64>, String)>,
    chunk_size: u64,
    size: u64,
    cache: Cache,
    recorder: Arc<Recorder>,
}

/// Chunks whose place is known.
struct Placed {
    first: u64,
    segment: usize,
    group: Group,
    has_copies: bool,
    /// The table to be used, once it was checked.
    checked: OnceLock<Option<Checked>>,
}

#[derive(Clone, Copy)]
struct Checked {
    table: usize,
    /// From this entry on all 32 bits are the offset of a chunk that is stored, as EnCase 6.7.1 wrote behind 2 GiB.
    overflows_from: u64,
}

/// What else the image says.
pub(super) struct About {
    pub(super) sections: Vec<Sections>,
    pub(super) problems: Vec<Problem>,
    pub(super) recorder: Arc<Recorder>,
}

/// A segment file with what it says.
struct Read {
    file: SegmentFile,
    number: u32,
    sections: Sections,
}

/// Problems while an image is opened.
struct Said {
    image: String,
    problems: Vec<Problem>,
}

impl Said {
    fn say(&mut self, kind: ProblemKind, what: String, effect: &str) {
        self.problems.push(Problem::new(Stage::Source, kind, self.image.clone(), what, effect));
    }
}

const LOST: &str =
    "chunks that were there cannot be read; objects that lie in them are partial, with zeros in their place";
const UNUSED: &str = "it is not used; the chunks that belong in its place cannot be read";

/// Reads every segment file and leaves out those that are not of this image. Their numbers come from their headers, which
/// their names must not contradict, since the place of everything behind them depends on it.
fn read_all(files: Vec<SegmentFile>, said: &mut Said) -> Vec<Read> {
    let mut all = Vec::new();
    for file in files {
        let number = match segment_number(&file) {
            Ok(number) => number,
            Err(why) => {
                said.say(ProblemKind::NotUnderstood, format!("segment file {}: {why}", file.name), UNUSED);
                continue;
            }
        };
        if let Some(by_name) = file.by_name.filter(|by_name| *by_name != number) {
            let what = format!("{} is segment {by_name} by its name, but says that it is segment {number}", file.name);
            let kind =
                ProblemKind::Inconsistent { a: format!("its name says {by_name}"), b: format!("its header {number}") };
            said.say(kind, what, UNUSED);
            continue;
        }
        let sections = Sections::read(&file);
        all.push(Read { file, number, sections });
    }
    all.sort_by_key(|read| read.number);
    all
}

/// The geometry to go by: that of the first segment file that has a sound one, else any.
fn geometry(all: &[Read]) -> Option<Geometry> {
    let every = || all.iter().flat_map(|read| &read.sections.geometries);
    let usable = |geometry: &&Geometry| geometry.chunk_size().is_some();
    let sound = || every().filter(usable).filter(|geometry| geometry.is_sound);
    sound().find(|geometry| geometry.sectors > 0).or_else(|| sound().next()).or_else(|| every().find(usable)).copied()
}

fn words(read: &Read) -> String {
    format!("segment {} ({})", read.number, read.file.name)
}

/// The chunks of the image in their order, as far as that is known.
enum Piece {
    Group(usize, Group, bool),
    Lost(String),
}

fn pieces(all: &[Read], said: &mut Said) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut number = 0u32;
    for (index, read) in all.iter().enumerate() {
        if read.number > number.saturating_add(1) {
            let (from, to) = (number.saturating_add(1), read.number - 1);
            let what = if from == to { format!("segment {from}") } else { format!("segments {from} to {to}") };
            said.say(ProblemKind::ReadFailed, format!("{what} of the image is missing or not used"), LOST);
            pieces.push(Piece::Lost(what));
        }
        number = read.number;
        for part in &read.sections.parts {
            pieces.push(match part {
                Part::Group(group) => Piece::Group(index, group.clone(), read.sections.has_copies),
                Part::Lost(why) => {
                    said.say(ProblemKind::ReadFailed, format!("{}: {why}", words(read)), LOST);
                    Piece::Lost(words(read))
                }
            });
        }
    }
    let ends_in_loss = matches!(pieces.last(), Some(Piece::Lost(_)));
    if let Some(last) = all.last().filter(|last| !last.sections.is_last && !ends_in_loss) {
        let what = format!("{} is not the last segment of the image; segment {} is missing", words(last), number + 1);
        said.say(ProblemKind::ReadFailed, what, LOST);
        pieces.push(Piece::Lost(format!("segment {} or a later one", number + 1)));
    }
    pieces
}

/// The number of all chunks. Where nothing is lost and the tables count others than the volume section, a segment file may
/// be another image's; if no identifier says that they belong together, only those of the first are certain.
fn agreed(all: &[Read], pieces: &mut Vec<Piece>, total: Option<u64>, said: &mut Said) -> Option<u64> {
    let counted = pieces.iter().try_fold(0u64, |sum, piece| match piece {
        Piece::Group(_, group, _) => Some(sum.saturating_add(group.count)),
        Piece::Lost(_) => None,
    });
    let (Some(counted), Some(stated)) = (counted, total) else { return total };
    let set = |read: &Read| read.sections.geometries.iter().find(|geometry| geometry.is_sound).map(|found| found.set);
    let first = all.first().and_then(set).filter(|set| *set != [0; 16]);
    if counted == stated || first.is_some() && all.iter().all(|read| set(read) == first) {
        return total;
    }
    if let Some(second) = pieces.iter().position(|piece| matches!(piece, Piece::Group(1.., _, _))) {
        let what = format!(
            "the segment files describe {counted} chunks, the volume section counts {stated}; a segment file may be another \
             image's, and nothing says which"
        );
        said.say(ProblemKind::Inconsistent { a: stated.to_string(), b: counted.to_string() }, what, LOST);
        pieces.insert(second, Piece::Lost("a segment file that does not belong to it".to_owned()));
        return None;
    }
    total
}

/// Where all chunks are.
struct Layout {
    groups: Vec<Placed>,
    /// Chunks that are nowhere, and with what they were lost.
    lost: Option<(Range<u64>, String)>,
    /// The number of all chunks, as far as it is known.
    chunks: u64,
}

/// Gives each group its place: counted from the beginning up to the first loss, and from the end, where the number of all
/// chunks is certain, back to the last one.
fn place(pieces: Vec<Piece>, total: Option<u64>, said: &mut Said) -> Layout {
    let count = |piece: &Piece| if let Piece::Group(_, group, _) = piece { group.count } else { 0 };
    let first_lost = pieces.iter().position(|piece| matches!(piece, Piece::Lost(_)));
    let Some(first_lost) = first_lost else {
        let (groups, end) = laid(pieces, 0);
        return Layout { groups, lost: None, chunks: end };
    };
    let last_lost = pieces.iter().rposition(|piece| matches!(piece, Piece::Lost(_))).unwrap_or(first_lost);
    let mut head = pieces;
    let tail = head.split_off(last_lost + 1);
    let middle = head.split_off(first_lost);
    let mut names: Vec<String> = Vec::new();
    let mut unplaced: u64 = 0;
    for piece in &middle {
        match piece {
            Piece::Lost(name) if names.last() != Some(name) => names.push(name.clone()),
            _ => unplaced = unplaced.saturating_add(count(piece)),
        }
    }
    let names = names.join(", ");
    let (mut groups, end) = laid(head, 0);
    let behind = tail.iter().map(count).fold(0, u64::saturating_add);
    let from = total.and_then(|total| total.checked_sub(behind)).filter(|from| {
        // The lost part cannot be shorter than what is known of it.
        end.checked_add(unplaced).is_some_and(|known| known <= *from)
    });
    let effect = "these chunks cannot be read, since their place in the image is not certain";
    if unplaced > 0 {
        let what = format!("{unplaced} chunks stand between lost parts of the image ({names})");
        said.say(ProblemKind::ReadFailed, what, effect);
    }
    let Some(from) = from else {
        if behind > 0 {
            let why = "the number of all chunks is not certain, so that nothing says how many are lost";
            said.say(ProblemKind::ReadFailed, format!("{behind} chunks stand behind {names}; {why}"), effect);
        }
        let all = total.unwrap_or(0).max(end.saturating_add(unplaced).saturating_add(behind));
        return Layout { groups, lost: Some((end..u64::MAX, names)), chunks: all };
    };
    let (after, all) = laid(tail, from);
    groups.extend(after);
    if from > end + unplaced {
        let what =
            format!("{} chunks were lost with {names} (number {end} to {}, counted from 0)", from - end, from - 1);
        said.say(ProblemKind::ReadFailed, what, LOST);
    }
    Layout { groups, lost: Some((end..from, names)), chunks: all }
}

fn laid(pieces: Vec<Piece>, from: u64) -> (Vec<Placed>, u64) {
    let (mut groups, mut next) = (Vec::new(), from);
    for piece in pieces {
        if let Piece::Group(segment, group, has_copies) = piece {
            let first = next;
            next = next.saturating_add(group.count);
            if group.count > 0 {
                groups.push(Placed { first, segment, group, has_copies, checked: OnceLock::new() });
            }
        }
    }
    (groups, next)
}

/// Leaves out what is not of this image, and says what is odd about the rest.
fn keep_own(all: &mut Vec<Read>, geometry: &Geometry, said: &mut Said) {
    let first = all.first().and_then(|read| read.sections.geometries.first());
    if let Some(first) = first.filter(|first| first.is_sound && first.sectors == 0 && geometry.sectors > 0) {
        let what =
            format!("the first volume section counts {} chunks and 0 sectors; a later one was used", first.chunks);
        let kind = ProblemKind::OutOfRange { raw: format!("{} chunks, 0 sectors", first.chunks) };
        said.say(kind, what, "the length of the disk is what the later one says");
    }
    all.retain(|read| {
        let foreign = read.sections.geometries.iter().find(|other| other.is_sound && !other.fits(geometry));
        if foreign.is_some() {
            let what = format!("{} is a segment of another image", words(read));
            said.say(ProblemKind::NotUnderstood, what, UNUSED);
        }
        foreign.is_none()
    });
    if let Some(last) = all.iter().position(|read| read.sections.is_last) {
        for read in all.drain(last + 1..) {
            let what = format!("{} stands behind the last segment of the image", words(&read));
            said.say(ProblemKind::NotUnderstood, what, "it is not used, since it belongs to another image");
        }
    }
    for read in &*all {
        for note in &read.sections.notes {
            let kind = ProblemKind::BadChecksum { offset: 0 };
            said.say(kind, format!("{}: {note}", words(read)), "nothing of the disk is lost by this");
        }
    }
}

impl Image {
    /// Opens an image from its segment files.
    pub(super) fn open(files: Vec<SegmentFile>, image: String) -> Result<(Self, About), String> {
        let mut said = Said { image: image.clone(), problems: Vec::new() };
        let mut all = read_all(files, &mut said);
        let why = |said: &Said| said.problems.first().map(|problem| format!(": {}", problem.what)).unwrap_or_default();
        let Some(geometry) = geometry(&all) else {
            let what = all.iter().flat_map(|read| &read.sections.geometries).next();
            return Err(match what {
                Some(geometry) => {
                    format!("it has chunks of {} sectors of {} bytes", geometry.sectors_per_chunk, geometry.sector_size)
                }
                None => format!("no volume section says how it is divided into chunks{}", why(&said)),
            });
        };
        keep_own(&mut all, &geometry, &mut said);
        let total = geometry.certain_chunks().filter(|_| geometry.is_sound);
        let mut pieces = pieces(&all, &mut said);
        let total = agreed(&all, &mut pieces, total, &mut said);
        let is_whole = !pieces.iter().any(|piece| matches!(piece, Piece::Lost(_)));
        let Layout { groups, lost, chunks } = place(pieces, total, &mut said);
        if groups.is_empty() {
            return Err(format!("none of its tables of chunks can be used{}", why(&said)));
        }
        let chunk_size = geometry.chunk_size().unwrap_or(1 << 15);
        let recorder = Arc::new(Recorder::new(image, all.iter().map(words).collect(), chunk_size, Method::Zlib));
        let (segments, sections) = all.into_iter().map(|read| (read.file, read.sections)).unzip();
        let mut image = Image {
            segments,
            groups,
            lost,
            chunk_size,
            size: chunks.saturating_mul(chunk_size).min(u64::MAX / 2),
            cache: Cache::new(chunk_size),
            recorder: recorder.clone(),
        };
        if !geometry.is_sound && chunks > 1 && !image.has_chunks_of_this_size() {
            return Err("its volume section is damaged, and no chunk is as long as that says".to_owned());
        }
        image.settle_size(&geometry, chunks, is_whole, &mut said);
        Ok((image, About { sections, problems: said.problems, recorder }))
    }

    /// Whether one of the first chunks confirms how long they all are.
    fn has_chunks_of_this_size(&self) -> bool {
        let first =
            self.groups.iter().flat_map(|placed| (placed.first..placed.first + placed.group.count).take(2)).take(16);
        first.into_iter().any(|number| {
            let read = self.placed(number).and_then(|placed| self.read_chunk(placed, number, self.chunk_size));
            read.is_ok_and(|bytes| bytes.len() as u64 == self.chunk_size)
        })
    }

    /// Finds the length of the disk: that of the volume section where its tables do not contradict it.
    fn settle_size(&mut self, geometry: &Geometry, chunks: u64, is_whole: bool, said: &mut Said) {
        let of_tables = self.size;
        let size = geometry.size();
        if !geometry.is_sound {
            let what = "the volume section does not have its checksum; the tables of chunks were used".to_owned();
            let effect = "the length of the disk is what the tables say";
            said.say(ProblemKind::BadChecksum { offset: 0 }, what, effect);
        } else if geometry.sectors == 0 || geometry.chunks == 0 {
            let what = format!(
                "the volume section counts {} chunks and {} sectors; the tables of chunks were used, which count {chunks} chunks",
                geometry.chunks, geometry.sectors
            );
            let kind =
                ProblemKind::OutOfRange { raw: format!("{} chunks, {} sectors", geometry.chunks, geometry.sectors) };
            said.say(kind, what, "the length of the disk is what the tables say");
        } else if size > of_tables {
            if is_whole {
                let kind = ProblemKind::Truncated { offset: of_tables, expected: size - of_tables, actual: 0 };
                let effect = "nothing in the missing part can be read; a later segment file may be missing, or the copy be cut off";
                let what = "the image ends early: it says that it is longer than what its tables describe".to_owned();
                said.say(kind, what, effect);
            }
            self.size = size;
            return;
        } else if of_tables - size < self.chunk_size {
            self.size = size;
            return;
        } else {
            let kind = ProblemKind::Inconsistent {
                a: format!("the volume section counts {} sectors", geometry.sectors),
                b: format!("the tables describe {chunks} chunks"),
            };
            let what = "the tables describe more than the volume section counts; the tables were used".to_owned();
            said.say(kind, what, "the length of the disk is what the tables say");
        }
        // The last chunk can be shorter than the others, and then says so.
        let last = chunks.saturating_sub(1);
        if let Ok(bytes) = self.placed(last).and_then(|placed| self.read_chunk(placed, last, 1)) {
            self.size = last.saturating_mul(self.chunk_size).saturating_add(bytes.len() as u64).min(u64::MAX / 2);
        }
    }

    /// The chunks that stand with this one in a table.
    fn placed(&self, number: u64) -> Result<&Placed, Broken> {
        let before = self.groups.partition_point(|placed| placed.first <= number);
        let placed = before.checked_sub(1).and_then(|index| self.groups.get(index));
        placed.filter(|placed| number - placed.first < placed.group.count).ok_or_else(|| {
            let lost = self.lost.as_ref().filter(|(range, _)| range.contains(&number));
            let why = lost.map_or("is in no table of the image".to_owned(), |(_, why)| format!("was lost with {why}"));
            Broken::new(Flaw::Absent, format!("chunk {number} {why}"))
        })
    }

    fn chunk(&self, number: u64) -> Result<Arc<Vec<u8>>, Broken> {
        let placed = self.placed(number)?;
        let shortest = self.chunk_size.min(self.size.saturating_sub(number.saturating_mul(self.chunk_size)));
        self.cache.get(number, || {
            let read = self.read_chunk(placed, number, shortest);
            read.map_err(|broken| self.recorder.broken(placed.segment, number, broken))
        })
    }

    /// Reads a chunk. The last one of the disk has at least so many bytes, any other is as long as they all are.
    fn read_chunk(&self, placed: &Placed, number: u64, shortest: u64) -> Result<Vec<u8>, Broken> {
        let file = &self.segments[placed.segment];
        let no_table = || {
            let last = placed.first + placed.group.count - 1;
            let what = format!(
                "the table of chunks {} to {last} does not have its checksum, nor has a copy of it",
                placed.first
            );
            Broken::new(Flaw::Table, what)
        };
        let checked = placed.checked.get_or_init(|| placed.check(file, &self.recorder)).ok_or_else(no_table)?;
        let table = &placed.group.tables[checked.table];
        let (span, is_compressed) = span(table, checked, file, number - placed.first)
            .ok_or_else(|| Broken::new(Flaw::Read, format!("the table's entry of chunk {number} could not be read")))?;
        let is_last = (number + 1).saturating_mul(self.chunk_size) >= self.size;
        let length = span.end.saturating_sub(span.start);
        // Compression makes no chunk twice as long.
        let most = if is_compressed { 2 * self.chunk_size + 64 } else { self.chunk_size + 4 };
        let mut data = vec![0; usize::try_from(length.min(most).min(file.len())).unwrap_or(0)];
        let read = file.read_full_at(span.start, &mut data).map_err(|error| Broken::read(&error))?;
        if read < data.len() || data.is_empty() {
            return Err(Broken::new(Flaw::Cut, format!("chunk {number} lies behind the end of the file")));
        }
        let bytes = if is_compressed {
            chunks::decompress(Method::Zlib, &data, self.chunk_size, number)?
        } else {
            match chunks::stored(data, number) {
                // Behind the last chunk there can be other bytes before the table.
                Err(_) if is_last && length > shortest + 4 => {
                    let mut data = vec![0; usize::try_from(shortest + 4).unwrap_or(0)];
                    file.read_full_at(span.start, &mut data).map_err(|error| Broken::read(&error))?;
                    chunks::stored(data, number)?
                }
                other => other?,
            }
        };
        let length = bytes.len() as u64;
        if length != self.chunk_size && !(is_last && shortest <= length) {
            let what = format!("chunk {number} has {length} bytes instead of {}", self.chunk_size);
            return Err(Broken::new(Flaw::Length, what));
        }
        Ok(bytes)
    }
}

/// Where a chunk lies in its segment file, and whether it is compressed. It ends where the next one begins, the last one of
/// a table with the section that holds them.
fn span(table: &Table, checked: Checked, file: &dyn Bytes, index: u64) -> Option<(Range<u64>, bool)> {
    let place = |index: u64, entry: u32| match index >= checked.overflows_from {
        true => (u64::from(entry), false),
        false => (u64::from(entry & !COMPRESSED), entry & COMPRESSED != 0),
    };
    let at = table.entries + index * 4;
    let has_next = index + 1 < table.count;
    let (entry, next) = match has_next {
        true => exactly::<8>(file, at).map(|pair| (le32(&pair, 0), le32(&pair, 4)))?,
        false => (le32(&exactly::<4>(file, at)?, 0), 0),
    };
    let (start, is_compressed) = place(index, entry);
    let start = start.checked_add(table.base)?;
    let mut end = if start < table.section { table.section } else { table.end };
    if has_next {
        let next = place(index + 1, next).0.checked_add(table.base)?;
        if next > start && next < end {
            end = next;
        }
    }
    Some((start..end, is_compressed))
}

impl Placed {
    /// The first of the table and its copy whose entries have their checksum.
    fn check(&self, file: &dyn Bytes, recorder: &Recorder) -> Option<Checked> {
        let mut damaged = None;
        for (index, table) in self.group.tables.iter().enumerate() {
            match entries_of(table, file, self.has_copies) {
                Some(overflows_from) => {
                    if let Some(section) = damaged {
                        let segment = recorder.segment(self.segment);
                        let what = format!(
                            "{segment}: the table at byte {section} does not have its checksum; its copy was used"
                        );
                        let kind = ProblemKind::BadChecksum { offset: section };
                        recorder.other(kind, what, "nothing of the disk is lost by this");
                    }
                    return Some(Checked { table: index, overflows_from });
                }
                None => damaged = Some(table.section),
            }
        }
        None
    }
}

/// Reads all entries of a table once and compares their checksum. Gives the first entry of those that take all 32 bits for
/// the offset; `None` where the checksum does not match.
fn entries_of(table: &Table, file: &dyn Bytes, has_copies: bool) -> Option<u64> {
    let length = table.count * 4;
    let mut sum = adler2::Adler32::new();
    let mut block = vec![0; usize::try_from(length.min(1 << 16)).ok()?];
    let (mut done, mut before, mut overflows_from) = (0, 0u32, u64::MAX);
    let mut first = None;
    while done < length {
        let wanted = usize::try_from(length - done).unwrap_or(usize::MAX).min(block.len());
        if file.read_full_at(table.entries + done, &mut block[..wanted]).ok()? < wanted {
            return None;
        }
        sum.write_slice(&block[..wanted]);
        for (index, entry) in (done / 4..).zip(block[..wanted].chunks_exact(4)) {
            let entry = le32(entry, 0);
            let offset = entry & !COMPRESSED;
            first.get_or_insert(offset);
            // Offsets only ever grow, so a smaller one whose upper bit is set has outgrown 31 bits.
            if overflows_from == u64::MAX && offset < before && entry & COMPRESSED != 0 {
                overflows_from = index;
            }
            before = offset;
        }
        done += wanted as u64;
    }
    let is_summed = exactly::<4>(file, table.entries + length).is_some_and(|stored| sum.checksum() == le32(&stored, 0));
    // SMART has no checksum behind the entries: the first chunk stands there.
    let has_none =
        !has_copies && first.is_some_and(|first| u64::from(first).saturating_add(table.base) == table.entries + length);
    (is_summed || has_none).then_some(overflows_from)
}

impl Bytes for Image {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let chunk = self.chunk(offset / self.chunk_size)?;
        let wanted = usize::try_from(self.size - offset).unwrap_or(usize::MAX).min(buffer.len());
        let rest = chunk.get((offset % self.chunk_size) as usize..).unwrap_or_default();
        let count = rest.len().min(wanted);
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the last chunk is shorter than the image says"));
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
