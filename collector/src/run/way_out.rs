//! What keeps a collection whole when it does not come to its end: the journal, the room for the seal, and the stop when
//! the destination takes nothing more.

use super::locate::Key;
use super::{CollectRequest, MAX_LISTED, Run};
use crate::bundle::journal::{Journal, Later, Learned, Line, Noted};
use crate::bundle::{Need, Output, Reserve};
use crate::source::VolumeKind;
use crate::spill::Spill;
use crate::zip::writer::Packed;
use evidence::{Item, Problem, ProblemKind, Stage, name};
use std::io;

/// The files that a collection writes.
pub(crate) struct Media {
    pub(crate) bundle: Box<dyn Output>,
    pub(crate) journal: Box<dyn Output>,
    pub(crate) reserve: Reserve,
}

/// How the collection stands with its destination.
pub(crate) struct WayOut {
    pub(super) journal: Journal,
    pub(super) reserve: Reserve,
    pub(super) need: Need,
    /// Bytes of the lines of objects.
    lines: u64,
    /// What the journal has of the image as a whole.
    image: Vec<Problem>,
    /// Set when the destination is full, and only what still fits is taken.
    pub(super) full: Option<Full>,
    /// Why the destination took nothing more.
    pub(super) stopped: Option<String>,
    /// Why not even what failed could be taken back; nothing can be sealed then.
    pub(super) broken: Option<io::Error>,
}

impl WayOut {
    pub(super) fn new(journal: Box<dyn Output>, reserve: Reserve, need: Need) -> Self {
        WayOut {
            journal: Journal::new(journal),
            reserve,
            need,
            lines: 0,
            image: Vec::new(),
            full: None,
            stopped: None,
            broken: None,
        }
    }
}

/// The room that must be there before anything is read: for the seal of an empty bag, and for the volatile state.
pub(super) fn need_at_first(request: &CollectRequest<'_>) -> Need {
    let volatile = request.source.volumes.iter().filter(|(volume, _)| volume.kind == VolumeKind::Live);
    let first = volatile.map(|(volume, _)| volume.size).fold(0, u64::saturating_add);
    Need { first, ..Need::default() }
}

/// Keeps back room on the medium of this folder. An error means that there is not so much.
pub(super) fn keep_room(spill: &Spill, need: Need) -> io::Result<Reserve> {
    let mut reserve = Reserve::new(Box::new(spill.file()?));
    reserve.keep(need)?;
    reserve.sync()?;
    Ok(reserve)
}

/// Bytes of text beside its own line that an object costs the seal: its line of the action log, and of two manifests.
const BESIDE_LINE: u64 = 600;
/// Bytes that it costs uncompressed: its entry in the directory, and its digest while the second manifest waits.
const UNCOMPRESSED: u64 = 250;

/// Notes in the journal that a long object is being read, and lies here. Gives the length of the line.
pub(super) fn note_reading(journal: &mut Journal, item: Item, at: u64) -> io::Result<u64> {
    let line = journal.add(&Line::Reading(Box::new(Noted::new(item, Some(at), &[]))))?;
    match journal.flush() {
        Ok(()) => Ok(line),
        Err(error) => journal.take_back(line).and(Err(error)),
    }
}

impl Run<'_> {
    /// Notes what went wrong, in the journal as well.
    pub(crate) fn note(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.way_out.need.text = self.way_out.need.text.saturating_add(200 + problem.what.len() as u64);
            let noted = self.way_out.journal.problem(&problem);
            self.problems.push(problem);
            if let Err(error) = noted {
                self.stop(&error);
            }
        }
    }

    /// Writes down what became of an object, and the object itself where it was packed in memory. The journal has it
    /// first, so that whatever is whole in the unfinished bundle is described there. An error means that it is not in the
    /// bundle, if it was packed.
    pub(super) fn write_down(
        &mut self,
        item: &Item,
        problems: &[Problem],
        at: u64,
        packed: Option<Packed>,
    ) -> io::Result<()> {
        let at = item.bundle_path.is_some().then_some(at);
        let name = item.bundle_path.as_ref().map_or(0, String::len) as u64;
        let budget = self.sorted_at_once() as u64;
        let way_out = &mut self.way_out;
        let before = (way_out.need, way_out.lines);
        let line = way_out.journal.add(&Line::Object(Box::new(Noted::new(item.clone(), at, problems))))?;
        way_out.lines += line;
        way_out.need.text += line + BESIDE_LINE + 2 * name + item.original_path.len() as u64;
        way_out.need.directory += UNCOMPRESSED + self.root.len() as u64 + 2 * name;
        // What does not fit into memory is sorted on the medium, twice.
        way_out.need.sorted = if way_out.lines > budget { 3 * way_out.lines } else { 0 };
        let noted = way_out.reserve.keep(way_out.need).and_then(|()| way_out.journal.flush());
        let Some(packed) = packed else { return noted };
        noted.and_then(|()| self.writer.add(packed)).or_else(|error| {
            // The journal has nothing that the bundle has not.
            (self.way_out.need, self.way_out.lines) = before;
            self.way_out.journal.take_back(line).and(Err(error))
        })
    }

    /// Notes what was learned of an object that was tried already, in the journal as well.
    pub(super) fn learn(&mut self, key: Key, more: Later) -> io::Result<()> {
        let path = self.request.source.volumes[key.0].0.original_path(&key.1);
        let path = name::raw(&path).unwrap_or_else(|| name::into_shown(path));
        let line = Line::Learned(Box::new(Learned { path, mft: key.2, more }));
        let length = self.way_out.journal.add(&line)?;
        self.way_out.need.text = self.way_out.need.text.saturating_add(length);
        if let Line::Learned(learned) = line {
            self.objects.learn(key, learned.more);
        }
        Ok(())
    }

    /// Notes in the journal what the reading so far found wrong with the image. The seal has it from the image itself.
    pub(super) fn note_image(&mut self) -> io::Result<()> {
        let problems: Vec<Problem> = self.request.source.media.iter().flat_map(|media| media.problems()).collect();
        if problems != self.way_out.image {
            self.way_out.journal.image(&problems)?;
            self.way_out.image = problems;
        }
        Ok(())
    }

    /// Gives back the room for a part of the volatile state that is about to be written.
    pub(super) fn volatile_is_due(&mut self, bytes: u64) {
        let way_out = &mut self.way_out;
        way_out.need.first = way_out.need.first.saturating_sub(bytes);
        if let Err(error) = way_out.reserve.shrink(way_out.need) {
            self.stop(&error);
        }
    }

    /// Writes what is there through to the medium.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.writer.sync()?;
        self.way_out.journal.sync()
    }

    /// Ends the collecting because the destination takes nothing more. What is not whole in it is taken back, and the room
    /// for the seal is given free.
    pub(super) fn stop(&mut self, error: &io::Error) {
        if self.way_out.stopped.is_some() {
            return;
        }
        self.way_out.stopped = Some(error.to_string());
        let full = has_no_room(error) || error.kind() == io::ErrorKind::FileTooLarge;
        let is_said = full && self.way_out.full.is_some();
        let undone = self.writer.undo();
        let _ = self.way_out.journal.undo();
        let released = self.way_out.reserve.release();
        self.way_out.broken = undone.and(released).err();
        if is_said {
            return;
        }
        let what = match full {
            true => format!("the collection was ended early, because the destination is full: {error}"),
            false => format!("the collection was ended early, because the destination failed: {error}"),
        };
        let effect = "what it had not reached is not in the bundle; its absence says nothing about the host";
        self.note([Problem::new(Stage::Acquire, ProblemKind::Interrupted, "", what, effect)]);
        let result = if full { "destination full" } else { "destination failed" };
        // The log is in memory; that the journal has it too is wanted, but no condition any more.
        let _ = self.act("interrupt", "", result, &[]);
    }
}

/// Whether an error says that the medium has no room; the file alone can also be as long as the medium lets one be.
fn has_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | WriteZero)
}

/// A destination that has not room for everything.
pub(super) struct Full {
    why: String,
    /// Bytes that it took of the last object that did not fit, less what was taken since.
    room: u64,
    /// Bytes of objects that were read and did not fit.
    in_vain: u64,
    /// Objects that were not taken.
    count: usize,
}

/// With less room than this nothing more is tried: what describes an object takes room too.
const LEAST_ROOM: u64 = 16 << 10;
/// Bytes up to which the room is tried. Some systems write nothing of a block that does not fit whole, which says less.
const MOST_PROBED: u64 = 1 << 20;
/// So many times as long as the room is what is tried at most. Event logs compress so well, little else does.
const MOST_PACKED: u64 = 20;
/// Bytes that are read of objects that then do not fit; after that only what fits uncompressed is tried.
const MOST_IN_VAIN: u64 = 256 << 20;

impl Run<'_> {
    /// The longest object that is tried, in bytes.
    pub(super) fn most_that_is_tried(&self) -> u64 {
        match &self.way_out.full {
            None => u64::MAX,
            Some(full) if full.in_vain < MOST_IN_VAIN => full.room.saturating_mul(MOST_PACKED),
            Some(full) => full.room,
        }
    }

    /// Whether there is room for so many bytes, as far as that is known.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.way_out.full.as_ref().is_none_or(|full| bytes <= full.room)
    }

    /// An object was written that begins here.
    pub(super) fn took(&mut self, at: u64) {
        let bytes = self.writer.end().saturating_sub(at);
        if let Some(full) = &mut self.way_out.full {
            full.room = full.room.saturating_sub(bytes);
        }
    }

    /// So many bytes were read of an object that is not taken.
    pub(super) fn in_vain(&mut self, bytes: u64) {
        if let Some(full) = &mut self.way_out.full {
            full.in_vain = full.in_vain.saturating_add(bytes);
        }
    }

    /// An object could not be written, of which the journal has a last line of this length. What was written of it is taken
    /// back. Where the medium has merely no room for it, shorter ones can still fit; else nothing more is tried.
    pub(super) fn does_not_fit(&mut self, error: &io::Error, line: u64, path: String, size: u64) {
        let taken = self.writer.taken().unwrap_or(0);
        let undone = self.writer.undo().and_then(|()| self.way_out.journal.take_back(line));
        let room = match undone {
            Ok(()) if has_no_room(error) => taken.max(self.way_out.reserve.room(MOST_PROBED).unwrap_or(0)),
            _ => 0,
        };
        if room < LEAST_ROOM {
            self.stop(error);
            return match has_no_room(error) {
                true => self.not_taken(path, size),
                false => self.not_reached(path, String::new()),
            };
        }
        match &mut self.way_out.full {
            Some(full) => full.room = room,
            none => {
                *none = Some(Full { why: error.to_string(), room, in_vain: 0, count: 0 });
                let what =
                    format!("the destination is full: {error}; of the rest only what still fitted was collected");
                let effect = "what did not fit is not in the bundle; its absence says nothing about the host";
                self.note([Problem::new(Stage::Acquire, ProblemKind::Interrupted, "", what, effect)]);
                let _ = self.act("interrupt", "", "destination full", &[]);
            }
        }
        self.not_taken(path, size);
    }

    /// Names an object for which there is no room.
    pub(super) fn not_taken(&mut self, path: String, size: u64) {
        let full = self.way_out.full.as_mut();
        let count = full.map_or(0, |full| {
            full.count += 1;
            full.count
        });
        if count <= MAX_LISTED {
            let what = format!("the destination has no room for its {size} bytes");
            let effect = "it is not in the bundle, although it is on the host";
            self.note([Problem::new(Stage::Acquire, ProblemKind::Interrupted, path, what, effect)]);
        }
    }

    /// Says how many objects did not fit, where they are more than are named.
    pub(super) fn not_taken_in_all(&mut self) {
        let more = self.way_out.full.as_ref().map_or(0, |full| full.count.saturating_sub(MAX_LISTED));
        if more > 0 {
            let what = format!("the destination has no room for {more} more objects");
            let effect = "they are not in the bundle, although they are on the host";
            self.note([Problem::new(Stage::Acquire, ProblemKind::Interrupted, "", what, effect)]);
        }
    }
}

impl WayOut {
    /// Why the destination did not take everything, if so.
    pub(super) fn why_not_all(&self) -> Option<String> {
        self.stopped.clone().or_else(|| self.full.as_ref().map(|full| full.why.clone()))
    }
}
