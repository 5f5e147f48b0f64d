//! Files in a store that are no files of Windows: what of them is an archive or an image is opened in turn.

use super::member::{self, Deferred};
use super::{Kind, MAX_MISNAMED, Opening, Seated, Seen, not_understood, refused};
use crate::file_bytes::Slice;
use crate::source::VolumeKind;
use crate::source::container::{self, Candidate, Disk, HEAD, Integrity, Opened};
use crate::source::tree::{self, Store, Unknown};
use crate::source::volume::{kind, partitions};
use evidence::{Problem, ProblemKind, Stage, name};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Archives and images inside each other that are opened.
pub(super) const MAX_NESTED: u32 = 16;
/// Archives and images inside a source that are opened in all.
const MAX_CONTAINERS: u32 = 20_000;
/// Bytes below which a file inside of a source is not taken for the image of a disk.
const SMALLEST_DISK: u64 = 1 << 20;

/// What a file in a store turned out to be.
enum Inside {
    /// A part of something else, or a program with nothing behind it.
    Nothing,
    /// Nothing that can be opened.
    NoContainer,
    /// Opened, with what speaks against all of its bytes.
    Opened(Opened, Option<String>),
}

impl Opening<'_> {
    /// Looks at a file in a store that is no file of Windows.
    pub(super) fn unknown(
        &mut self,
        store: &Arc<dyn Store>,
        unknown: &Unknown<'_>,
        at: &str,
        depth: u32,
        seen: &mut Seen,
    ) {
        let path = store.local_path(&unknown.child.key);
        if seen.parts.contains(&unknown.child.key)
            || seen.parents.contains(&unknown.child.key)
            || path.as_ref().is_some_and(|path| self.used.contains(path))
        {
            return;
        }
        let place = format!("{at}{}", unknown.path);
        let (opened, doubt) = match self.look_into(store, unknown, path.as_deref(), &place, seen) {
            Err(problem) => return self.problems.push(problem),
            Ok(Inside::Nothing) => return,
            Ok(Inside::NoContainer) => return self.no_container(unknown, &place, seen),
            Ok(Inside::Opened(opened, doubt)) => (opened, doubt),
        };
        self.containers += 1;
        if depth >= MAX_NESTED || self.containers > MAX_CONTAINERS {
            self.too_many(&place, depth);
            return;
        }
        let doubt = self.newly_doubted(&place, doubt);
        match opened {
            Opened::Disk(disk) => {
                self.used.extend(disk.files.iter().cloned());
                let (key, before) = (unknown.child.key.clone(), self.sources.len());
                seen.disks.push(Seated { key, place, disk, doubt, before });
            }
            Opened::Files(store, problems) => {
                self.problems.extend(problems.into_iter().map(|problem| Problem { item: place.clone(), ..problem }));
                let name = last_stem(&unknown.child.name);
                self.archive(&store, (&place, name, path), doubt, depth + 1);
            }
            Opened::One(bytes, name, problems) => {
                let doubt = doubt.or(member::of_packed(&problems));
                self.problems.extend(problems.into_iter().map(|problem| Problem { item: place.clone(), ..problem }));
                self.doubting(doubt, |opening| opening.one(bytes, name, &place, depth + 1));
            }
        }
    }

    /// Opens a file in a store, if it is something that can be opened.
    fn look_into(
        &self,
        store: &Arc<dyn Store>,
        unknown: &Unknown<'_>,
        path: Option<&Path>,
        place: &str,
        seen: &mut Seen,
    ) -> Result<Inside, Problem> {
        let candidate = self.candidate(store, unknown, path).map_err(|error| {
            let what = format!("this file cannot be read: {error}");
            not_understood(place, &what, "what it is and what it holds is not known")
        })?;
        if container::is_later_segment(&candidate) {
            // It was opened with the first segment, or will be.
            return Ok(Inside::Nothing);
        }
        let opened = match unknown.is_program {
            true => container::behind_program(&candidate),
            false => container::open(&candidate),
        };
        let (used, parents) = (candidate.used(), candidate.parents());
        let neighbours: BTreeSet<String> = used.union(&parents).cloned().collect();
        seen.parts.extend(used);
        if opened.is_ok() {
            // The parent of a disk that cannot be opened is still the disk that it was.
            seen.parents.extend(parents);
        }
        let opened = match opened.map_err(|refusal| refused(place, &refusal))? {
            None if unknown.is_program => return Ok(Inside::Nothing),
            None => disk_in(&candidate).map(Opened::Disk),
            opened => opened,
        };
        let Some(opened) = opened else { return Ok(Inside::NoContainer) };
        let is_member = path.is_none() && !unknown.is_program;
        let doubt = if is_member { member::flaw(&candidate, &neighbours) } else { None };
        Ok(Inside::Opened(opened, doubt))
    }

    fn candidate<'c>(
        &'c self,
        store: &'c Arc<dyn Store>,
        unknown: &'c Unknown<'c>,
        path: Option<&'c Path>,
    ) -> io::Result<Candidate<'c>> {
        let (folder, name) = (unknown.folder, unknown.child.name.as_str());
        // A disk image of a fixed size can have its description at the end.
        let whole = path.is_some() || unknown.head.get(510..512) == Some(&[0x55, 0xAA]);
        if whole {
            let bytes = store.open(&unknown.child.key)?;
            return Candidate::new(store, folder, name, path, bytes, self.spill);
        }
        // What is known only by what stands further behind is an image.
        let head = match unknown.child.size < SMALLEST_DISK {
            true => unknown.head.to_vec(),
            false => store.head(&unknown.child.key, HEAD)?,
        };
        let bytes = Arc::new(Deferred::new(store, unknown.child));
        Ok(Candidate::of_member(store, folder, name, bytes, head, self.spill))
    }

    /// Looks through an archive at this place of the source, which has a file of this machine where it lies in none.
    fn archive(
        &mut self,
        store: &Arc<dyn Store>,
        (place, name, path): (&str, &str, Option<PathBuf>),
        doubt: Option<String>,
        depth: u32,
    ) {
        let before = (self.sources.len(), self.loose.len(), self.problems.len());
        let kind = Kind { name: "archive in the source", files: path.into_iter().collect() };
        self.doubting(doubt, |opening| opening.store(store, &kind, place, name, depth));
        if before == (self.sources.len(), self.loose.len(), self.problems.len()) {
            self.problems.push(Problem::new(
                Stage::Source,
                ProblemKind::NotFound,
                name::shown(place),
                "no file of Windows is in this archive",
                "nothing of it is in the answer",
            ));
        }
    }

    /// Tells of a file that is called like what could be opened, and is none of it.
    fn no_container(&mut self, unknown: &Unknown<'_>, place: &str, seen: &mut Seen) {
        let said = |what: &str| format!("it is named like {what}, and is none by its bytes");
        if let Some(what) = container::named(&unknown.child.name) {
            let problem = not_understood(place, &said(&format!("a {what}")), "nothing of it is in the answer");
            seen.no_containers.push((unknown.child.key.clone(), problem));
        } else if let Some(what) = tree::named::misnamed(&unknown.child.name, unknown.head) {
            self.misnamed += 1;
            if self.misnamed <= MAX_MISNAMED {
                self.problems.push(not_understood(place, &said(what), "nothing of it is in the answer"));
            }
        }
    }

    /// Tells of an archive or image that is not opened, because there are too many or it lies too deep in others.
    fn too_many(&mut self, place: &str, depth: u32) {
        if depth < MAX_NESTED && self.containers != MAX_CONTAINERS + 1 {
            return;
        }
        let what = match depth >= MAX_NESTED {
            true => format!("it lies in {MAX_NESTED} archives inside each other"),
            false => format!("there are more than {MAX_CONTAINERS} archives and images in the source"),
        };
        let effect = "it is not opened; give it as a source of its own";
        let problem = Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(place), what, effect);
        self.problems.push(problem);
    }
}

fn last_stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The disk that a file in a store is if nothing says so but its first sector. Most files that end like one are short.
fn disk_in(candidate: &Candidate<'_>) -> Option<Disk> {
    let bytes = &candidate.bytes;
    let is_likely = candidate.head.get(510..512) == Some(&[0x55, 0xAA])
        || candidate
            .head
            .get(3..11)
            .is_some_and(|oem| [b"NTFS    ", b"-FVE-FS-", b"ReFS\0\0\0\0"].iter().any(|known| oem == *known));
    if !is_likely || bytes.len() < SMALLEST_DISK {
        return None;
    }
    let found = partitions::find(bytes);
    let known = found.partitions.iter().any(|partition| {
        kind::probe(&Slice::new(bytes.clone(), partition.offset, partition.length)) != VolumeKind::Unknown
    });
    known.then(|| Disk {
        kind: "raw image",
        bytes: bytes.clone(),
        facts: Vec::new(),
        problems: Vec::new(),
        files: candidate.path().map(Path::to_owned).into_iter().collect(),
        integrity: Integrity::default(),
    })
}
