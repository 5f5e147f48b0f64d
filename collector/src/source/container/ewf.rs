//! E01 and Ex01 images, the Expert Witness Compression Format: from one file to the image that it is a segment of.

pub(super) mod chunks;
mod image;
mod sections;
pub(super) mod segment;
#[cfg(test)]
mod tests;

use super::ex01::{self, Ex01};
use super::{Candidate, Disk, Integrity, Refusal};
use evidence::{Problem, ProblemKind, Stage};
use image::Image;
use sections::Sections;
use segment::SegmentFile;
use std::path::PathBuf;
use std::sync::Arc;

const ADVICE: &str = "check that every segment is there, or give an exported raw image";

/// Whether it begins as an E01 does.
pub(super) fn is_e01(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(sections::SIGNATURE)
}

/// Whether it begins as an Ex01 does.
pub(super) fn is_ex01(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(ex01::SIGNATURE)
}

/// Whether it is a segment of an image whose first segment lies beside it.
pub(super) fn is_later_segment(candidate: &Candidate<'_>) -> bool {
    let number = match &candidate.head {
        head if head.starts_with(sections::SIGNATURE) => {
            head.get(9..11).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]).into())
        }
        head if head.starts_with(ex01::SIGNATURE) => {
            head.get(12..).and_then(|rest| rest.first_chunk()).map(|number| u32::from_le_bytes(*number))
        }
        _ => None,
    };
    number.is_some_and(|number| number > 1) && segment::has_first(candidate)
}

/// What problems call the image.
fn name(candidate: &Candidate<'_>) -> String {
    candidate.path().map_or_else(|| candidate.name.to_owned(), |path| path.display().to_string())
}

fn paths(segments: &[SegmentFile]) -> Vec<PathBuf> {
    segments.iter().filter_map(|segment| segment.path.clone()).collect()
}

/// The stored digests, as facts name them.
pub(super) fn digests(facts: &[(String, String)]) -> Vec<(&'static str, String)> {
    let stored = |algorithm: &'static str| {
        let name = format!("stored {algorithm}");
        facts.iter().find(|(there, _)| *there == name).map(|(_, value)| (algorithm, value.clone()))
    };
    ["MD5", "SHA-1"].into_iter().filter_map(stored).collect()
}

/// Opens it with its segments.
pub(super) fn open_ex01(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let segments = segment::beside(candidate, ex01::SIGNATURE);
    let files = paths(&segments);
    let (image, about) = Ex01::open(segments, name(candidate))
        .map_err(|error| Refusal::new(format!("the Ex01 image cannot be opened: {error}"), ADVICE))?;
    let integrity = Integrity { digests: digests(&about.facts), faults: Some(about.recorder) };
    let (facts, problems) = (about.facts, about.problems);
    Ok(Disk { kind: "Ex01 image", bytes: Arc::new(image), facts, problems, files, integrity })
}

/// Opens it with its segments.
pub(super) fn open_e01(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let segments = segment::beside(candidate, sections::SIGNATURE);
    let files = paths(&segments);
    let (image, about) = Image::open(segments, name(candidate))
        .map_err(|error| Refusal::new(format!("the E01 image cannot be opened: {error}"), ADVICE))?;
    let facts = facts(&about.sections);
    let mut problems = about.problems;
    let errors = about.sections.iter().flat_map(|sections| &sections.errors).take(100);
    problems.extend(errors.map(|(first, sectors)| {
        Problem::new(
            Stage::Source,
            ProblemKind::ReadFailed,
            name(candidate),
            format!("{sectors} sectors from sector {first} on could not be read when the image was made"),
            "they are zeros in the image; files that are there are damaged",
        )
    }));
    let integrity = Integrity { digests: digests(&facts), faults: Some(about.recorder) };
    Ok(Disk { kind: "E01 image", bytes: Arc::new(image), facts, problems, files, integrity })
}

/// The columns of a header: lines, of which the third has names and the fourth values.
fn columns(text: &str) -> Vec<(&str, &str)> {
    let mut lines = text.lines().skip(2);
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return Vec::new() };
    names.split('\t').zip(values.split('\t')).filter(|(_, value)| !value.is_empty()).collect()
}

fn facts(all: &[Sections]) -> Vec<(String, String)> {
    let mut facts = vec![("segments".to_owned(), all.len().to_string())];
    if let Some(md5) = all.iter().rev().find_map(|sections| sections.md5) {
        facts.push(("stored MD5".to_owned(), evidence::hex(&md5)));
    }
    if let Some(sha1) = all.iter().rev().find_map(|sections| sections.sha1) {
        facts.push(("stored SHA-1".to_owned(), evidence::hex(&sha1)));
    }
    let header = all.iter().find_map(|sections| sections.header.as_deref()).map(columns).unwrap_or_default();
    let header2 = all.iter().find_map(|sections| sections.header2.as_deref()).map(columns).unwrap_or_default();
    let value = |id: &str| {
        let of = |columns: &[(&str, &str)]| {
            columns.iter().find(|(there, _)| *there == id).map(|(_, text)| (*text).to_owned())
        };
        // The older text is in a code page that it does not name, so the newer one is better for what is no ASCII.
        of(&header)
            .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER))
            .or_else(|| of(&header2))
            .or_else(|| of(&header))
    };
    for (name, id) in [
        ("case number", "c"),
        ("evidence number", "n"),
        ("description", "a"),
        ("examiner", "e"),
        ("notes", "t"),
        ("acquisition software", "av"),
        ("acquisition system", "ov"),
        ("acquisition date", "m"),
        ("system date", "u"),
    ] {
        facts.extend(value(id).map(|value| (name.to_owned(), value)));
    }
    facts
}
