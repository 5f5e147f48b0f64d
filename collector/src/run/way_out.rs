//! What keeps a collection whole when it does not come to its end: the journal, the room for the seal, and the stop when
//! the destination takes nothing more.

use super::locate::Key;
use super::objects::Later;
use super::{CollectRequest, Run};
use crate::bundle::journal::{Journal, Learned, Line, Noted};
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

/// Notes in the journal that a long object is being read, and lies here.
pub(super) fn note_reading(journal: &mut Journal, item: Item, at: u64) -> io::Result<()> {
    journal.add(&Line::Reading(Box::new(Noted::new(item, Some(at), &[]))))?;
    journal.flush()
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
        let line = way_out.journal.add(&Line::Object(Box::new(Noted::new(item.clone(), at, problems))))?;
        way_out.lines += line;
        way_out.need.text += line + BESIDE_LINE + 2 * name + item.original_path.len() as u64;
        way_out.need.directory += UNCOMPRESSED + self.root.len() as u64 + 2 * name;
        // What does not fit into memory is sorted on the medium, twice.
        way_out.need.sorted = if way_out.lines > budget { 3 * way_out.lines } else { 0 };
        way_out.reserve.keep(way_out.need)?;
        way_out.journal.flush()?;
        packed.map_or(Ok(()), |packed| self.writer.add(packed))
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
        let undone = self.writer.undo();
        let _ = self.way_out.journal.undo();
        let released = self.way_out.reserve.release();
        self.way_out.broken = undone.and(released).err();
        let full = is_full(error);
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

/// Whether an error says that there is no room.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero)
}
