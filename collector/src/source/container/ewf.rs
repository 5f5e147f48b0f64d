//! E01 images.

use super::ex01::{self, About, Ex01};
use super::{Candidate, Disk, Refusal};
use crate::file_bytes::FileBytes;
use evidence::{Bytes, Problem, ProblemKind, Stage, guarded};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

const E01_SIGNATURE: &[u8; 8] = b"EVF\x09\x0d\x0a\xff\x00";
const EWF_SIGNATURES: [&[u8; 8]; 2] = [E01_SIGNATURE, ex01::SIGNATURE];
const ADVICE: &str = "check that every segment is there, or give an exported raw image";

/// Whether it begins as an E01 does.
pub(super) fn is_e01(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(E01_SIGNATURE)
}

/// Whether it begins as an Ex01 does.
pub(super) fn is_ex01(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(ex01::SIGNATURE)
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

/// Opens it with its segments.
pub(super) fn open_ex01(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let path = candidate.path().ok_or_else(in_archive)?;
    let paths = ewf_paths(path);
    let (image, About { facts, problems }) = Ex01::open(&paths)
        .map_err(|error| Refusal::new(format!("the Ex01 image cannot be opened: {error}"), ADVICE))?;
    Ok(Disk { kind: "Ex01 image", bytes: Arc::new(image), facts, problems, files: paths })
}

fn in_archive() -> Refusal {
    Refusal::new("it is in an archive", "extract it with its segments and give the first")
}

/// Opens it with its segments.
pub(super) fn open_e01(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let path = candidate.path().ok_or_else(in_archive)?;
    let paths = ewf_paths(path);
    let reader = guarded(|| ewf::EwfReader::open_segments(&paths))
        .ok_or_else(|| Refusal::new("the E01 reader panicked", ADVICE))?
        .map_err(|error| Refusal::new(format!("the E01 image cannot be opened: {error}"), ADVICE))?;
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
    Ok(Disk { kind: "E01 image", bytes: Arc::new(Ewf(reader)), facts, problems, files: paths })
}
