//! Raw images, whole or split into segments: `disk.001`, `disk.002`, ….

use super::{Candidate, Disk, Integrity, Refusal};
use crate::file_bytes::FileBytes;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Segments of a raw image, one after the other.
pub(crate) struct Segments {
    /// Where each begins.
    starts: Vec<u64>,
    parts: Vec<FileBytes>,
    length: u64,
}

impl Segments {
    fn open(paths: &[PathBuf]) -> io::Result<Self> {
        let mut segments = Segments { starts: Vec::new(), parts: Vec::new(), length: 0 };
        for path in paths {
            let part = FileBytes::open(path)?;
            segments.starts.push(segments.length);
            segments.length = segments.length.checked_add(part.len()).ok_or_else(|| io::Error::other("too long"))?;
            segments.parts.push(part);
        }
        Ok(segments)
    }
}

impl Bytes for Segments {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.length {
            return Ok(0);
        }
        // Empty segments share their start with the next one; the last of equals is the one that has bytes.
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        self.parts[index].read_at(offset - self.starts[index], buffer)
    }
}

/// The other segments of a split raw image when the given file is one: `disk.001`, `disk.002`, … in order, from
/// the first, whichever of them was named. Empty when the name has no number or nothing else belongs to it.
fn segment_paths(path: &Path) -> (Vec<PathBuf>, Option<Problem>) {
    let none = (Vec::new(), None);
    let (Some(stem), Some(number)) = (path.file_stem(), path.extension().and_then(|e| e.to_str())) else {
        return none;
    };
    let width = number.len();
    if !(2..=6).contains(&width) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return none;
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return none };
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .map(|entry| folder.join(entry.file_name()))
        .filter(|other| other.file_stem() == Some(stem))
        .filter_map(|other| {
            let extension = other.extension()?.to_str()?;
            let same = extension.len() == width && extension.bytes().all(|b| b.is_ascii_digit());
            same.then(|| extension.parse().ok()).flatten().map(|number| (number, other.clone()))
        })
        .collect();
    found.sort();
    if found.len() < 2 || found[0].0 > 1 {
        let missing_first = found.first().is_some_and(|(first, _)| *first > 1);
        let problem = missing_first.then(|| {
            Problem::new(
                Stage::Source,
                ProblemKind::NotFound,
                path.display().to_string(),
                "this looks like a later segment of a split image, but the first segment is not beside it",
                "everything in the missing segments is unknown, and offsets may be wrong",
            )
        });
        return (Vec::new(), problem);
    }
    let first = found[0].0;
    let contiguous = found.iter().zip(first..).take_while(|((number, _), expected)| number == expected).count();
    let problem = (contiguous < found.len()).then(|| {
        Problem::new(
            Stage::Source,
            ProblemKind::NotFound,
            path.display().to_string(),
            format!(
                "segment {:0width$} of the split image is missing; {} later ones are there",
                first as usize + contiguous,
                found.len() - contiguous
            ),
            "everything from the missing segment on is unknown",
        )
    });
    (found.into_iter().take(contiguous).map(|(_, path)| path).collect(), problem)
}

/// Whether the name is that of a segment and others are beside it, or the first is missing.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    let Some(path) = candidate.path() else { return false };
    let (segments, problem) = segment_paths(path);
    !segments.is_empty() || problem.is_some()
}

/// Opens all segments as one.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let path = candidate.path().ok_or_else(|| Refusal::new("it is in an archive", "extract it and give that"))?;
    let (segments, problem) = segment_paths(path);
    let problems = problem.into_iter().collect();
    if segments.is_empty() {
        let files = vec![path.to_owned()];
        return Ok(Disk {
            kind: "raw image",
            bytes: candidate.bytes.clone(),
            facts: Vec::new(),
            problems,
            files,
            integrity: Integrity::default(),
        });
    }
    let bytes = Segments::open(&segments).map_err(|error| Refusal::new(error.to_string(), "check the segments"))?;
    let facts = vec![("segments".to_owned(), segments.len().to_string())];
    Ok(Disk {
        kind: "split raw image",
        bytes: Arc::new(bytes),
        facts,
        problems,
        files: segments,
        integrity: Integrity::default(),
    })
}

#[cfg(test)]
mod tests {
    use crate::source::container::disk_at;

    #[test]
    fn segments_are_one_image_whichever_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("d.001", "abc"), ("d.002", "de"), ("d.003", ""), ("d.004", "f"), ("e.001", "x")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        for name in ["d.001", "d.002", "d.004"] {
            let image = disk_at(&folder.path().join(name)).unwrap();
            assert_eq!(image.kind, "split raw image");
            assert_eq!(image.bytes.read_all(100).unwrap().unwrap(), b"abcdef");
            let mut middle = [0; 3];
            assert_eq!(image.bytes.read_full_at(2, &mut middle).unwrap(), 3);
            assert_eq!(&middle, b"cde");
        }
        assert_eq!(disk_at(&folder.path().join("e.001")).unwrap().kind, "raw image");
    }

    #[test]
    fn a_missing_segment_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["d.001", "d.002", "d.004"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let image = disk_at(&folder.path().join("d.001")).unwrap();
        assert_eq!(image.bytes.len(), 10);
        assert!(image.problems[0].what.contains("segment 003"), "{:?}", image.problems);
        std::fs::remove_file(folder.path().join("d.001")).unwrap();
        assert_eq!(disk_at(&folder.path().join("d.002")).unwrap().problems.len(), 1);
    }
}
