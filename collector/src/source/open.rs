//! Opens a source by what it is, never by its name.

use super::archive::{self, Archive};
use super::folder::Folder;
use super::image::{self, FileBytes, Slice};
use super::{OpenedVolume, Source, file_tree, partitions, volumes};
use crate::Error;
use evidence::Bytes;
use std::path::Path;
use std::sync::Arc;

/// Opens a folder, a zip archive or a disk image.
pub fn open(path: &Path) -> Result<Source, Error> {
    let cannot = |source| Error::OpenSource { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if metadata.is_dir() {
        let mut problems = Vec::new();
        let volumes = file_tree::volumes(Folder::new(path), &mut problems).map_err(cannot)?;
        return Ok(Source {
            kind: "folder",
            facts: Vec::new(),
            volumes,
            problems,
            files: vec![path.to_owned()],
            made: None,
        });
    }
    let file = FileBytes::open(path).map_err(cannot)?;
    if file.is_empty() {
        return Err(Error::NotASource { path: path.to_owned(), why: "it is empty".to_owned() });
    }
    if archive::is_zip(&file) {
        let mut problems = Vec::new();
        let refuse = |error: std::io::Error| Error::NotASource {
            path: path.to_owned(),
            why: format!("it begins like a zip archive, but {error}"),
        };
        let archive = Archive::open(path, &mut problems).map_err(refuse)?;
        let volumes = file_tree::volumes(archive, &mut problems).map_err(refuse)?;
        return Ok(Source {
            kind: "zip archive",
            facts: Vec::new(),
            volumes,
            problems,
            files: vec![path.to_owned()],
            made: None,
        });
    }
    let image = image::open(path).map_err(|why| Error::NotASource { path: path.to_owned(), why })?;
    Ok(open_image(image))
}

fn open_image(image: image::Image) -> Source {
    let mut problems = image.problems;
    let mut facts = image.facts;
    facts.push(("length in bytes".to_owned(), image.bytes.len().to_string()));
    let found = partitions::find(&image.bytes);
    facts.push(("partition scheme".to_owned(), found.scheme));
    problems.extend(found.problems);
    let mut opened = Vec::new();
    for partition in found.partitions {
        let slice: Arc<dyn Bytes> = Arc::new(Slice::new(image.bytes.clone(), partition.offset, partition.length));
        let (mut volume, tree) = volumes::open(slice, partition.offset, partition.length, &mut problems);
        volume.partition = partition.id;
        opened.push((volume, tree));
    }
    name_volumes(&mut opened);
    Source { kind: image.kind, facts, volumes: opened, problems, files: image.files, made: None }
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
