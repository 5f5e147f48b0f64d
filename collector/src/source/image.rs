//! The bytes of a disk image: one raw file, a raw file split into segments, an E01 or an Ex01.
//!
//! Everything is read with positioned reads and never mapped into memory: a failing medium or a file that is cut
//! off while it is read then gives an error that can be reported, where a mapping would end the process.

use super::ex01::{self, About, Ex01};
use evidence::{Bytes, Problem, ProblemKind, Stage, guarded};
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file or a block device.
pub(crate) struct FileBytes {
    file: File,
    length: u64,
}

impl FileBytes {
    /// Opens it; the length of a block device is found by seeking.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.seek(io::SeekFrom::End(0))?;
        Ok(FileBytes { file, length })
    }

    /// The same for a file that is open already.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let length = file.seek(io::SeekFrom::End(0))?;
        Ok(FileBytes { file, length })
    }
}

impl Bytes for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }
}

/// A part of other bytes, such as a partition.
pub(crate) struct Slice {
    inner: Arc<dyn Bytes>,
    offset: u64,
    length: u64,
}

impl Slice {
    /// The part that begins at `offset`; it ends where the whole ends.
    pub(crate) fn new(inner: Arc<dyn Bytes>, offset: u64, length: u64) -> Self {
        let length = length.min(inner.len().saturating_sub(offset));
        Slice { inner, offset, length }
    }
}

impl Bytes for Slice {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        self.inner.read_at(self.offset + offset, &mut buffer[..wanted])
    }
}

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

/// An E01 image. The library decodes chunks behind a lock of its own cache only, so several threads can
/// read at once.
struct Ewf(ewf::EwfReader);

impl Bytes for Ewf {
    fn len(&self) -> u64 {
        self.0.total_size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        guarded(|| self.0.read_at(buffer, offset))
            .ok_or_else(|| io::Error::other("the E01 reader panicked"))?
            .map_err(io::Error::other)
    }
}

/// An opened image.
pub(crate) struct Image {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Arc<dyn Bytes>,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) problems: Vec<Problem>,
    /// Every file that it consists of.
    pub(crate) files: Vec<PathBuf>,
}

const E01_SIGNATURE: &[u8; 8] = b"EVF\x09\x0d\x0a\xff\x00";
const EWF_SIGNATURES: [&[u8; 8]; 2] = [E01_SIGNATURE, ex01::SIGNATURE];
const EWF_LOGICAL: [&[u8; 8]; 2] = [b"LVF\x09\x0d\x0a\xff\x00", b"LEF2\x0d\x0a\x81\x00"];

/// Opens an image by its content: the signature of an E01 or Ex01, else raw bytes.
pub(crate) fn open(path: &Path) -> Result<Image, String> {
    let file = FileBytes::open(path).map_err(|error| error.to_string())?;
    let mut start = [0; 8];
    let _ = file.read_full_at(0, &mut start).map_err(|error| error.to_string())?;
    if EWF_LOGICAL.contains(&&start) {
        return Err("it is a logical evidence file (L01); extract it to a folder and give that".to_owned());
    }
    if &start == E01_SIGNATURE {
        return open_e01(path);
    }
    if &start == ex01::SIGNATURE {
        return open_ex01(path);
    }
    let (segments, problem) = segment_paths(path);
    let problems = problem.into_iter().collect();
    if segments.is_empty() {
        let files = vec![path.to_owned()];
        return Ok(Image { kind: "raw image", bytes: Arc::new(file), facts: Vec::new(), problems, files });
    }
    let bytes = Segments::open(&segments).map_err(|error| error.to_string())?;
    let facts = vec![("segments".to_owned(), segments.len().to_string())];
    Ok(Image { kind: "split raw image", bytes: Arc::new(bytes), facts, problems, files: segments })
}

/// Segment files of an E01 that lie beside the first and share its stem: `.E01` to `.E99`, `.EAA` to `.EZZ`,
/// and on through `.FAA`; `.Ex01` likewise. Which one the user named does not matter.
fn ewf_paths(path: &Path) -> Vec<PathBuf> {
    let own = vec![path.to_owned()];
    let (Some(stem), Some(extension)) = (path.file_stem(), path.extension().and_then(|e| e.to_str())) else {
        return own;
    };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_segment = |other: &str| {
        other.len() == extension.len()
            && other.len() >= 3
            && other.as_bytes()[0].to_ascii_uppercase() >= extension.as_bytes()[0].to_ascii_uppercase()
            && other.as_bytes()[0].is_ascii_alphabetic()
            && other.bytes().skip(1).all(|b| b.is_ascii_alphanumeric())
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return own };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| folder.join(entry.file_name()))
        .filter(|other| other.file_stem() == Some(stem))
        .filter(|other| other.extension().and_then(|e| e.to_str()).is_some_and(is_segment))
        .filter(|other| {
            let mut start = [0; 8];
            FileBytes::open(other).and_then(|file| file.read_full_at(0, &mut start)).is_ok()
                && EWF_SIGNATURES.contains(&&start)
        })
        .collect();
    found.sort_by_key(|path| path.extension().map(|e| e.to_string_lossy().to_uppercase()));
    if found.is_empty() { own } else { found }
}

/// Whether the sections of this segment file end with the one that ends an image; `None` where it cannot be read.
fn ends_with_done(segment: &Path) -> Option<bool> {
    let file = FileBytes::open(segment).ok()?;
    let mut at = 13;
    loop {
        let mut section = [0; 76];
        if file.read_full_at(at, &mut section).ok()? < section.len() {
            return Some(false);
        }
        if section.starts_with(b"done\0") {
            return Some(true);
        }
        let mut next = [0; 8];
        next.copy_from_slice(&section[16..24]);
        let next = u64::from_le_bytes(next);
        // The chain only ever leads forward, so it has an end.
        if next <= at {
            return Some(false);
        }
        at = next;
    }
}

fn open_ex01(path: &Path) -> Result<Image, String> {
    let paths = ewf_paths(path);
    let (image, About { facts, problems }) =
        Ex01::open(&paths).map_err(|error| format!("the Ex01 image cannot be opened: {error}"))?;
    Ok(Image { kind: "Ex01 image", bytes: Arc::new(image), facts, problems, files: paths })
}

fn open_e01(path: &Path) -> Result<Image, String> {
    let paths = ewf_paths(path);
    let reader = guarded(|| ewf::EwfReader::open_segments(&paths))
        .ok_or_else(|| "the E01 reader panicked".to_owned())?
        .map_err(|error| format!("the E01 image cannot be opened: {error}"))?;
    let mut facts = vec![("segments".to_owned(), paths.len().to_string())];
    let hashes = reader.stored_hashes();
    if let Some(md5) = hashes.md5 {
        facts.push(("stored MD5".to_owned(), crate::digest::hex(&md5)));
    }
    if let Some(sha1) = hashes.sha1 {
        facts.push(("stored SHA-1".to_owned(), crate::digest::hex(&sha1)));
    }
    let about = reader.metadata();
    for (name, value) in [
        ("case number", &about.case_number),
        ("evidence number", &about.evidence_number),
        ("description", &about.description),
        ("examiner", &about.examiner),
        ("notes", &about.notes),
        ("acquisition software", &about.acquiry_software),
        ("acquisition system", &about.os_version),
        ("acquisition date", &about.acquiry_date),
        ("system date", &about.system_date),
    ] {
        if let Some(value) = value {
            facts.push((name.to_owned(), value.clone()));
        }
    }
    let mut problems: Vec<Problem> = reader
        .acquisition_errors()
        .iter()
        .take(100)
        .map(|error| {
            Problem::new(
                Stage::Source,
                ProblemKind::ReadFailed,
                path.display().to_string(),
                format!(
                    "{} sectors from sector {} on could not be read when the image was made",
                    error.sector_count, error.first_sector
                ),
                "they stand as zeros in the image; files that lie there are damaged",
            )
        })
        .collect();
    let expected = reader.total_size();
    let actual = (reader.chunk_count() as u64).saturating_mul(reader.chunk_size());
    if actual < expected {
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::Truncated { offset: actual, expected: expected - actual, actual: 0 },
            path.display().to_string(),
            "the image ends early: it says that it is longer than what its tables describe",
            "nothing in the missing part can be read; a later segment file may be missing, or the copy be cut off",
        ));
    } else if paths.last().is_some_and(|last| ends_with_done(last) == Some(false)) {
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::NotFound,
            path.display().to_string(),
            "the last segment does not end as an E01 does",
            "it may have been cut off, or a later segment file may be missing",
        ));
    }
    Ok(Image { kind: "E01 image", bytes: Arc::new(Ewf(reader)), facts, problems, files: paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_one_image_whichever_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("d.001", "abc"), ("d.002", "de"), ("d.003", ""), ("d.004", "f"), ("e.001", "x")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        for name in ["d.001", "d.002", "d.004"] {
            let image = open(&folder.path().join(name)).unwrap();
            assert_eq!(image.kind, "split raw image");
            assert_eq!(image.bytes.read_all(100).unwrap().unwrap(), b"abcdef");
            let mut middle = [0; 3];
            assert_eq!(image.bytes.read_full_at(2, &mut middle).unwrap(), 3);
            assert_eq!(&middle, b"cde");
        }
        assert_eq!(open(&folder.path().join("e.001")).unwrap().kind, "raw image");
    }

    #[test]
    fn a_missing_segment_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["d.001", "d.002", "d.004"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let image = open(&folder.path().join("d.001")).unwrap();
        assert_eq!(image.bytes.len(), 10);
        assert!(image.problems[0].what.contains("segment 003"), "{:?}", image.problems);
        std::fs::remove_file(folder.path().join("d.001")).unwrap();
        assert_eq!(open(&folder.path().join("d.002")).unwrap().problems.len(), 1);
    }

    #[test]
    fn a_slice_ends_with_the_whole() {
        let whole: Arc<dyn Bytes> = Arc::new(b"0123456789".to_vec());
        let slice = Slice::new(whole.clone(), 4, 3);
        assert_eq!(slice.read_all(10).unwrap().unwrap(), b"456");
        assert_eq!(Slice::new(whole.clone(), 8, 100).read_all(10).unwrap().unwrap(), b"89");
        assert_eq!(Slice::new(whole, 80, 100).len(), 0);
    }
}
