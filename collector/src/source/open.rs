//! Opens a source by what it is, never by its name.

use super::container::{self, Candidate, Disk, Opened, Refusal};
use super::tree::{self, Folder, Store};
use super::volume::{self, partitions};
use super::{OpenedVolume, Source};
use crate::file_bytes::FileBytes;
use crate::{Error, Spill};
use evidence::{Bytes, Problem};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens a folder, an archive or a disk image. Each host in it is a source of its own.
pub fn open(path: &Path, spill: &Spill) -> Result<Vec<Source>, Error> {
    let cannot = |source| Error::OpenSource { path: path.to_owned(), source };
    let refuse = |refusal: Refusal| Error::NotASource {
        path: path.to_owned(),
        why: format!("{}; {}", refusal.why, refusal.advice),
    };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if metadata.is_dir() {
        let store: Arc<dyn Store> = Arc::new(Folder::new(path));
        return Ok(vec![open_files(&store, "folder", path, Vec::new()).map_err(cannot)?]);
    }
    let bytes: Arc<dyn Bytes> = Arc::new(FileBytes::open(path).map_err(cannot)?);
    if bytes.is_empty() {
        return Err(Error::NotASource { path: path.to_owned(), why: "it is empty".to_owned() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let candidate = Candidate::new(&store, "", &name, Some(path), bytes, spill).map_err(cannot)?;
    match container::open(&candidate).map_err(refuse)? {
        Some(Opened::Disk(disk)) => Ok(vec![open_disk(disk)]),
        Some(Opened::Files(store, problems)) => {
            Ok(vec![open_files(&store, "zip archive", path, problems).map_err(cannot)?])
        }
        Some(Opened::One(bytes, _)) => Ok(vec![open_disk(raw(bytes, path))]),
        None => Ok(vec![open_disk(raw(candidate.bytes.clone(), path))]),
    }
}

fn raw(bytes: Arc<dyn Bytes>, path: &Path) -> Disk {
    Disk { kind: "raw image", bytes, facts: Vec::new(), problems: Vec::new(), files: vec![path.to_owned()] }
}

fn open_files(
    store: &Arc<dyn Store>,
    kind: &'static str,
    path: &Path,
    mut problems: Vec<Problem>,
) -> std::io::Result<Source> {
    let volumes = tree::volumes(store, &mut problems)?;
    let files: Vec<PathBuf> = vec![path.to_owned()];
    Ok(Source { kind, facts: Vec::new(), volumes, problems, files, is_older: false, made: None })
}

fn open_disk(disk: Disk) -> Source {
    let mut problems = disk.problems;
    let mut facts = disk.facts;
    facts.push(("length in bytes".to_owned(), disk.bytes.len().to_string()));
    let found = partitions::find(&disk.bytes);
    facts.push(("partition scheme".to_owned(), found.scheme));
    problems.extend(found.problems);
    let mut opened = Vec::new();
    for partition in found.partitions {
        opened.push(volume::open_partition(&disk.bytes, partition, &mut problems));
    }
    name_volumes(&mut opened);
    Source { kind: disk.kind, facts, volumes: opened, problems, files: disk.files, is_older: false, made: None }
}
/// Finds the system volume, calls it `C`, and gives every other one an id that does not change from run to run.
fn name_volumes(volumes: &mut [OpenedVolume]) {
    let mut ids = std::collections::BTreeSet::new();
    let mut have_c = false;
    for (volume, tree) in volumes.iter_mut() {
        let marks = [r"\Windows\System32\config\SYSTEM", r"\Windows\System32\ntoskrnl.exe"];
        volume.is_system = tree.as_ref().is_some_and(|tree| {
            marks.iter().any(|mark| tree.lookup(mark).ok().flatten().is_some_and(|found| !found.is_folder))
        });
        if volume.is_system && !have_c {
            have_c = true;
            volume.letter = Some('C');
            volume.id = "C".to_owned();
        } else {
            let by_serial = volume.serial.map(|serial| format!("volume-{:08X}", serial & 0xFFFF_FFFF));
            // Two copies of one volume share their serial number; the offset tells them apart.
            volume.id =
                by_serial.filter(|id| !ids.contains(id)).unwrap_or_else(|| format!("volume-at-{}", volume.offset));
        }
        ids.insert(volume.id.clone());
    }
}
