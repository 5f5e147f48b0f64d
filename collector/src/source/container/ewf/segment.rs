//! The segment files of one image: those that lie beside the given one, share its stem, and go on counting.

use super::super::Candidate;
use crate::source::tree::{Child, Store};
use evidence::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Segment files that stay open. An image can have thousands, more than a process may have open.
const MOST_OPEN: usize = 128;

/// One segment file.
pub(crate) struct SegmentFile {
    /// Its name in its folder.
    pub(crate) name: String,
    /// Its number by its extension, where that is one of a segment file.
    pub(crate) by_name: Option<u32>,
    /// Its path on this machine.
    pub(crate) path: Option<PathBuf>,
    length: u64,
    held: Option<Arc<dyn Bytes>>,
    store: Arc<dyn Store>,
    key: String,
}

impl Bytes for SegmentFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.held {
            Some(bytes) => bytes.read_at(offset, buffer),
            None => self.store.open(&self.key)?.read_at(offset, buffer),
        }
    }
}

#[cfg(test)]
impl SegmentFile {
    /// One in memory.
    pub(crate) fn of(name: &str, by_name: Option<u32>, bytes: &[u8]) -> Self {
        SegmentFile {
            name: name.to_owned(),
            by_name,
            path: None,
            length: bytes.len() as u64,
            held: Some(Arc::new(bytes.to_vec())),
            store: Arc::new(crate::source::tree::Folder::new(Path::new("."))),
            key: String::new(),
        }
    }
}

/// What a segment file's extension says: the letters that lead it as a number, and what it counts.
fn parts(extension: &str) -> Option<(u32, Count)> {
    let letter = |byte: u8| byte.is_ascii_alphabetic().then(|| u32::from(byte.to_ascii_uppercase() - b'A'));
    let bytes = extension.as_bytes();
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (lead, rest) = bytes.split_at(bytes.len().checked_sub(if digits >= 2 { digits } else { 2 })?);
    if !(1..=2).contains(&lead.len()) {
        return None;
    }
    let lead = lead.iter().try_fold(0, |sum, byte| Some(sum * 26 + letter(*byte)?))?;
    if digits >= 2 {
        let number = std::str::from_utf8(rest).ok()?.parse().ok()?;
        return Some((lead, Count::Digits(number)));
    }
    Some((lead, Count::Letters(letter(rest[0])? * 26 + letter(rest[1])?)))
}

#[derive(Clone, Copy)]
enum Count {
    Digits(u32),
    Letters(u32),
}

/// `.E01` to `.E99`, `.EAA` to `.EZZ`, and on through `.FAA`; `.Ex01` and `.s01` likewise. `first` are the letters that
/// lead the first segment's extension.
///
/// Reference: Joachim Metz, "Expert Witness Compression Format", segment file extensions.
fn number_by_name(extension: &str, first: u32) -> Option<u32> {
    match parts(extension)? {
        (lead, Count::Digits(number)) => (lead == first && number > 0).then_some(number),
        (lead, Count::Letters(letters)) => Some(100 + lead.checked_sub(first)? * 26 * 26 + letters),
    }
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// The segment files, in the order of their numbers by name, whichever of them was given. The given one is always among
/// them; others of its number are not. A file that does not begin as a segment file does is one only if later ones do, since
/// `.vhd` and `.txt` would count on as well.
pub(crate) fn beside(candidate: &Candidate<'_>, signature: &[u8; 8]) -> Vec<SegmentFile> {
    let mut files = all_beside(candidate);
    let is_signed = |file: &SegmentFile| {
        let mut head = [0; 8];
        file.read_full_at(0, &mut head).is_ok() && head == *signature
    };
    let last = files.iter().rposition(is_signed).unwrap_or(0);
    files.truncate(last + 1);
    files
}

/// Whether a file that is called as the first segment lies beside a later one.
pub(crate) fn has_first(candidate: &Candidate<'_>) -> bool {
    let (stem, extension) = split(candidate.name);
    let of_first = |name: &str| split(name).0 == stem && matches!(parts(split(name).1), Some((_, Count::Digits(1))));
    let is_first = |child: &Child| !child.is_folder && child.name != candidate.name && of_first(&child.name);
    let mut any = false;
    parts(extension).is_some()
        && candidate
            .store
            .each(candidate.folder, &mut |child| {
                any |= is_first(&child);
                Ok(())
            })
            .is_ok()
        && any
}

fn all_beside(candidate: &Candidate<'_>) -> Vec<SegmentFile> {
    let (stem, extension) = split(candidate.name);
    let own = |by_name| SegmentFile {
        name: candidate.name.to_owned(),
        by_name,
        path: candidate.path().map(Path::to_owned),
        length: candidate.bytes.len(),
        held: Some(candidate.bytes.clone()),
        store: candidate.store.clone(),
        key: String::new(),
    };
    let is_sibling = |child: &Child| {
        let (other, ending) = split(&child.name);
        let is_file = !child.is_folder && !child.is_link && child.name != candidate.name;
        is_file && other.eq_ignore_ascii_case(stem) && ending.len() >= 3
    };
    let mut siblings = Vec::new();
    let listed = candidate.store.each(candidate.folder, &mut |child| {
        if is_sibling(&child) {
            siblings.push(child);
        }
        Ok(())
    });
    if listed.is_err() {
        siblings.clear();
    }
    let siblings: Vec<&Child> = siblings.iter().collect();
    // SMART counts from `.s01`; an image of EnCase reaches `.SAA` only after nine thousand segments.
    let is_there = |wanted: &str| siblings.iter().any(|child| split(&child.name).1.eq_ignore_ascii_case(wanted));
    let first = match parts(extension) {
        Some((lead, Count::Digits(_))) => lead,
        Some((lead, _)) if lead >= 26 => 4 * 26 + 23,
        _ if is_there("s01") && !is_there("e01") => 18,
        _ => 4,
    };
    let Some(number) = number_by_name(extension, first) else { return vec![own(None)] };
    let mut chosen = BTreeMap::from([(number, own(Some(number)))]);
    let likeness = |name: &str| {
        let (other, ending) = split(name);
        (other == stem, ending.starts_with(&extension[..1]))
    };
    for child in siblings {
        let Some(by_name) = number_by_name(split(&child.name).1, first).filter(|other| *other != number) else {
            continue;
        };
        if chosen.get(&by_name).is_some_and(|there| likeness(&there.name) >= likeness(&child.name)) {
            continue;
        }
        let hold = candidate.path().is_none() || chosen.len() < MOST_OPEN;
        let opened = candidate.store.open(&child.key);
        // One that cannot be opened is as good as missing, and is said to be.
        let Ok(bytes) = opened else { continue };
        chosen.insert(
            by_name,
            SegmentFile {
                name: child.name.clone(),
                by_name: Some(by_name),
                path: candidate.path().and_then(|_| candidate.store.local_path(&child.key)),
                length: bytes.len(),
                held: hold.then_some(bytes),
                store: candidate.store.clone(),
                key: child.key.clone(),
            },
        );
    }
    chosen.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers follow from the naming that the format's description gives.
    #[test]
    fn names_count_as_the_format_says() {
        let e01 = |extension| number_by_name(extension, 4);
        assert_eq!([e01("E01"), e01("e99"), e01("EAA"), e01("EAZ")], [Some(1), Some(99), Some(100), Some(125)]);
        assert_eq!([e01("EBA"), e01("ezz"), e01("FAA")], [Some(126), Some(775), Some(776)]);
        assert_eq!([e01("E00"), e01("F01"), e01("DAA"), e01("txt1"), e01("E"), e01("")], [None; 6]);
        let ex01 = |extension| number_by_name(extension, 4 * 26 + 23);
        assert_eq!([ex01("Ex01"), ex01("EX99"), ex01("ExAA"), ex01("EyAA")], [Some(1), Some(99), Some(100), Some(776)]);
        assert_eq!(number_by_name("sab", 18), Some(101));
    }
}
