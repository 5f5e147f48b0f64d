//! Reads a bundle back, for the analysis.

use super::verify::root_of;
use super::{FAILURES, HOST, OBJECTS, TAG_MANIFEST, TOOL, failures};
use crate::Error;
use crate::digest::hex;
use crate::file_bytes::FileBytes;
use crate::spill::Spill;
use crate::zip::reader::{Directory, Entry};
use evidence::{Bytes, Item, Problem, StoredRange};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line of metadata.
const MAX_LINE: u64 = 16 << 20;
/// Longest single metadata document.
const MAX_DOCUMENT: u64 = 16 << 20;

/// An opened bundle. Opening does not verify it; each object is checked against its SHA-256 when it is opened.
pub struct BundleReader {
    path: PathBuf,
    bytes: FileBytes,
    directory: Directory,
    root: String,
    /// Index into the directory by path in the bag.
    files: HashMap<String, usize>,
    items: Vec<Item>,
    failures: Vec<Problem>,
    host: serde_json::Value,
    tool: serde_json::Value,
}

impl BundleReader {
    /// Opens a bundle.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let bytes = FileBytes::open(path).map_err(|source| Error::OpenSource { path: path.to_owned(), source })?;
        let not_a_bundle = |why: String| Error::NotABundle { path: path.to_owned(), why };
        let directory = Directory::read(&bytes).map_err(|error| not_a_bundle(error.to_string()))?;
        let root = root_of(&directory)
            .ok_or_else(|| not_a_bundle("there is no bagit.txt in a folder at the top of the archive".to_owned()))?;
        let prefix = format!("{root}/");
        let mut files = HashMap::new();
        for (index, entry) in directory.entries.iter().enumerate() {
            if let Some(file) = entry.name.strip_prefix(&prefix) {
                // With two entries of one name nobody can tell which one was meant, so there is none to be read.
                if files.insert(file.to_owned(), index).is_some() {
                    return Err(not_a_bundle(format!("{file} is in it twice")));
                }
            }
        }
        let mut reader = BundleReader {
            path: path.to_owned(),
            bytes,
            directory,
            root,
            files,
            items: Vec::new(),
            failures: Vec::new(),
            host: serde_json::Value::Null,
            tool: serde_json::Value::Null,
        };
        let mut items: Vec<Item> = Vec::new();
        reader.each_line(OBJECTS, &mut |line| {
            items.push(serde_json::from_str(line).map_err(|error| error.to_string())?);
            Ok(())
        })?;
        let mut problems = Vec::new();
        reader.each_line(FAILURES, &mut |line| {
            let value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            problems.push(failures::from_json(&value).ok_or("it describes no problem")?);
            Ok(())
        })?;
        reader.host = reader.document(HOST)?;
        reader.tool = reader.document(TOOL)?;
        reader.items = items;
        reader.failures = problems;
        Ok(reader)
    }

    /// Name of the bag.
    pub fn bag(&self) -> &str {
        &self.root
    }

    /// Every object, in the order of the original paths.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// What went wrong while it was collected.
    pub fn failures(&self) -> &[Problem] {
        &self.failures
    }

    /// `metadata/host.json`: source, volumes, and what was known about the host.
    pub fn host(&self) -> &serde_json::Value {
        &self.host
    }

    /// `metadata/tool.json`: the program that collected.
    pub fn tool(&self) -> &serde_json::Value {
        &self.tool
    }

    /// SHA-256 of `tagmanifest-sha256.txt` in lower-case hexadecimal: it covers the manifest and so every object.
    pub fn tag_manifest_sha256(&self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let mut reader = self.read(TAG_MANIFEST)?.take(MAX_DOCUMENT);
        reader.read_to_end(&mut bytes).map_err(|error| self.damaged(TAG_MANIFEST, error))?;
        Ok(hex(&Sha256::digest(&bytes)))
    }

    fn damaged(&self, item: &str, why: impl ToString) -> Error {
        Error::DamagedBundle { path: self.path.clone(), item: item.to_owned(), why: why.to_string() }
    }

    fn entry(&self, file: &str) -> Result<&Entry, Error> {
        let index = self.files.get(file).ok_or_else(|| self.damaged(file, "it is missing"))?;
        Ok(&self.directory.entries[*index])
    }

    fn read(&self, file: &str) -> Result<Box<dyn Read + Send + '_>, Error> {
        self.directory.open(&self.bytes, self.entry(file)?).map_err(|error| self.damaged(file, error))
    }

    fn each_line(&self, file: &str, take: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<(), Error> {
        let mut reader = BufReader::new(self.read(file)?);
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| self.damaged(file, error))? == 0 {
                break;
            }
            let text = std::str::from_utf8(&line).map_err(|error| self.damaged(file, error))?;
            take(text).map_err(|why| self.damaged(file, format!("line {number}: {why}")))?;
        }
        Ok(())
    }

    fn document(&self, file: &str) -> Result<serde_json::Value, Error> {
        serde_json::from_reader(self.read(file)?.take(MAX_DOCUMENT)).map_err(|error| self.damaged(file, error))
    }

    /// The bytes of an object at their original offsets, holes as zeros. Short ones are in memory, long ones in a
    /// file in `temp_folder` that vanishes with them. An error when the SHA-256 is not the one that `objects.jsonl`
    /// states, so nothing is ever analyzed that is not what was collected.
    pub fn open_item(&self, item: &Item, temp_folder: &Path) -> Result<Box<dyn Bytes>, Error> {
        let file =
            item.bundle_path.as_deref().ok_or_else(|| self.damaged(&item.original_path, "nothing was collected"))?;
        let entry = self.entry(file)?;
        if entry.size != item.stored_size {
            return Err(self.damaged(file, "it is not as long as objects.jsonl says"));
        }
        let inner = self.directory.open(&self.bytes, entry).map_err(|error| self.damaged(file, error))?;
        let mut hashing = Hashing { inner, sha256: Sha256::new() };
        let bytes =
            Spill::into_folder(temp_folder).keep(&mut hashing, item.stored_size).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::StorageFull => Error::write(temp_folder, error),
                    _ => self.damaged(file, error),
                }
            })?;
        let sha256 = hex(&hashing.sha256.finalize());
        if sha256 != item.sha256 {
            return Err(self.damaged(file, format!("its SHA-256 is {sha256}, objects.jsonl says {}", item.sha256)));
        }
        if item.stored_ranges.is_empty() {
            return Ok(bytes);
        }
        let sparse = Sparse::new(bytes, item.stored_ranges.clone(), item.size)
            .ok_or_else(|| self.damaged(OBJECTS, format!("the stored ranges of {file} are impossible")))?;
        Ok(Box::new(sparse))
    }
}

struct Hashing<R> {
    inner: R,
    sha256: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}

/// A payload without its holes, at its original offsets.
struct Sparse {
    stored: Box<dyn Bytes>,
    ranges: Vec<StoredRange>,
    size: u64,
}

impl Sparse {
    fn new(stored: Box<dyn Bytes>, ranges: Vec<StoredRange>, size: u64) -> Option<Self> {
        let (mut offset, mut stored_at) = (0, 0);
        for range in &ranges {
            if range.offset < offset || range.stored_at != stored_at {
                return None;
            }
            offset = range.offset.checked_add(range.length)?;
            stored_at = stored_at.checked_add(range.length)?;
        }
        (offset <= size && stored_at == stored.len()).then_some(Sparse { stored, ranges, size })
    }
}

impl Bytes for Sparse {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let next = self.ranges.partition_point(|range| range.offset + range.length <= offset);
        let Some(range) = self.ranges.get(next) else {
            buffer[..wanted].fill(0);
            return Ok(wanted);
        };
        if offset < range.offset {
            let hole = usize::try_from(range.offset - offset).unwrap_or(usize::MAX).min(wanted);
            buffer[..hole].fill(0);
            return Ok(hole);
        }
        let inside = offset - range.offset;
        let count = usize::try_from(range.length - inside).unwrap_or(usize::MAX).min(wanted);
        self.stored.read_at(range.stored_at + inside, &mut buffer[..count])
    }

    fn next_data(&self, offset: u64) -> u64 {
        StoredRange::next_data(&self.ranges, self.size, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, stored_at: u64, length: u64) -> StoredRange {
        StoredRange { offset, stored_at, length }
    }

    #[test]
    fn holes_are_zeros_again() {
        let stored = || Box::new(b"abcdef".to_vec()) as Box<dyn Bytes>;
        let sparse = Sparse::new(stored(), vec![range(2, 0, 2), range(7, 2, 4)], 13).unwrap();
        assert_eq!(sparse.read_all(100).unwrap().unwrap(), b"\0\0ab\0\0\0cdef\0\0");
        for offset in 0..14 {
            let mut byte = [9];
            let read = sparse.read_at(offset, &mut byte).unwrap();
            assert_eq!(read, usize::from(offset < 13));
        }
        let next: Vec<u64> = (0..14).map(|offset| sparse.next_data(offset)).collect();
        assert_eq!(next, [2, 2, 2, 3, 7, 7, 7, 7, 8, 9, 10, 13, 13, 13]);
        for ranges in [
            vec![range(2, 0, 7)],
            vec![range(2, 1, 6)],
            vec![range(2, 0, 2), range(3, 2, 4)],
            vec![range(9, 0, 6)],
            vec![range(u64::MAX, 0, 6)],
        ] {
            assert!(Sparse::new(stored(), ranges.clone(), 13).is_none(), "{ranges:?}");
        }
    }
}
