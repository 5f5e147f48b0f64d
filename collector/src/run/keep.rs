//! Into the bundle with what was located: short objects several at a time, long ones straight through; and what happens to
//! those for which the destination has no room.

use super::objects::Kept;
use super::store::{self, Stored};
use super::{Job, Run, way_out};
use crate::progress::{Progress, Step};
use crate::source::VolumeKind;
use crate::zip::writer::Packed;
use evidence::ItemStatus;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

impl Run<'_> {
    /// Prepares several objects on all threads and writes them in order.
    pub(super) fn flush(&mut self, batch: Vec<Job>, total: u64) -> std::io::Result<()> {
        let request = self.request;
        let root = &self.root;
        let prepared: Vec<_> = batch
            .into_par_iter()
            .map(|job| {
                let prepared = store::prepare(request, root, &job);
                (job, prepared)
            })
            .collect();
        for (job, prepared) in prepared {
            if self.way_out.stopped.is_some() {
                self.not_reached(job.wanted.original_path, String::new());
                continue;
            }
            let at = self.writer.end();
            match prepared? {
                store::Prepared::Ready(packed, stored) if !self.has_room_for(packed.len()) => {
                    self.in_vain(stored.stored_size());
                    self.not_taken(job.wanted.original_path, stored.size());
                }
                store::Prepared::Ready(packed, stored) => {
                    if self.bytes_stored.saturating_add(stored.stored_size()) > request.limits.max_total {
                        let stored = store::over_total(request, &job);
                        self.keep(job, stored, at, None, total)?;
                    } else {
                        self.keep(job, stored, at, Some(packed), total)?;
                    }
                }
                store::Prepared::Failed(stored) => self.keep(job, stored, at, None, total)?,
                store::Prepared::TooLong => self.stream(job, total)?,
                store::Prepared::NotReached => self.not_reached(job.wanted.original_path, String::new()),
            }
        }
        Ok(())
    }

    /// Reads one long object straight into the bundle.
    pub(super) fn stream(&mut self, job: Job, total: u64) -> std::io::Result<()> {
        // The room that was kept back is free by then, and is for the seal.
        if self.way_out.stopped.is_some() {
            self.not_reached(job.wanted.original_path, String::new());
            return Ok(());
        }
        let request = self.request;
        let already = self.bytes_stored;
        let (done, known) = (self.objects.len() as u64, self.bytes_known);
        let passed = std::sync::atomic::AtomicU64::new(0);
        let path = job.wanted.original_path.clone();
        let tell = |bytes: u64| {
            let passed = passed.fetch_add(bytes, Ordering::Relaxed) + bytes;
            let progress = Progress {
                step: Step::Acquire,
                path: &path,
                bytes_done: already.saturating_add(passed),
                bytes_total: known.max(already.saturating_add(passed)),
                items_done: done,
                items_total: total,
            };
            request.observer.event(progress);
        };
        let room = (request.limits.max_total.saturating_sub(already), self.most_that_is_tried());
        let at = self.writer.end();
        let (journal, mut noted) = (&mut self.way_out.journal, 0);
        let mut begin = |item| {
            noted = way_out::note_reading(journal, item, at)?;
            Ok(())
        };
        match store::stream(request, &mut self.writer, &job, room, (&tell, &mut begin)) {
            Ok(Some(stored)) => return self.keep(job, stored, at, None, total),
            Ok(None) => self.not_taken(path, job.wanted.located.found.size),
            Err(error) => {
                let size = job.wanted.located.found.size;
                self.in_vain(passed.into_inner());
                self.does_not_fit(&error, noted, path, size);
            }
        }
        Ok(())
    }

    /// Notes what became of an object.
    fn keep(
        &mut self,
        job: Job,
        mut stored: Stored,
        at: u64,
        packed: Option<Packed>,
        total: u64,
    ) -> std::io::Result<()> {
        let key = job.wanted.key();
        let volume = job.wanted.located.volume;
        let found = &job.wanted.located.found;
        let deleted = found.recovery.is_some().then(|| Box::new(found.clone()));
        let unreadable = stored.unreadable();
        let leads = stored.leads();
        if !unreadable.is_empty()
            && let Err(error) = self.note_image()
        {
            self.stop(&error);
        }
        let (item, problems) = stored.into_item(self.request.source, job);
        if self.request.source.volumes[volume].0.kind == VolumeKind::Live {
            self.volatile_is_due(item.stored_size);
        }
        let is_packed = packed.is_some();
        match self.write_down(&item, &problems, at, packed) {
            Ok(()) => self.took(at),
            Err(error) if is_packed => {
                self.in_vain(item.stored_size);
                self.does_not_fit(&error, 0, item.original_path, item.size);
                return Ok(());
            }
            // It is whole in the bundle.
            Err(error) => self.stop(&error),
        }
        self.bytes_stored = self.bytes_stored.saturating_add(item.stored_size);
        let result = match item.status {
            ItemStatus::Complete => "complete",
            ItemStatus::Partial => "partial",
            ItemStatus::Failed => "failed",
        };
        let mut about = vec![("round", item.round.into()), ("bytes", item.stored_size.into())];
        if item.status != ItemStatus::Failed {
            about.push(("sha256", item.sha256.clone().into()));
        }
        if let Some(problem) = problems.first() {
            about.push(("error", problem.what.clone().into()));
        }
        let path = item.original_path.clone();
        self.act("acquire", &path, result, &about)?;
        // The journal has them with the object.
        self.problems.extend(problems);
        let full_path = key.1.clone();
        self.gathered.add(self.objects.len(), leads);
        self.objects.push(&key, &Kept { item, volume, full_path, deleted, held: None, unreadable })?;
        self.tell(Step::Acquire, &path, self.objects.len() as u64, total);
        Ok(())
    }
}
