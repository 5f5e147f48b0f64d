//! A zip archive that a triage program left behind.

use super::VolumeKind;
use super::file_tree::{Child, Store};
use super::image::FileBytes;
use crate::zip_reader::{Directory, Section};
use evidence::{Bytes, Method, Problem, ProblemKind, Stage};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// Members up to this length are inflated in memory, longer ones into a temporary file.
const IN_MEMORY: u64 = 8 << 20;

/// The archive, with its folders.
pub(crate) struct Archive {
    bytes: FileBytes,
    directory: Directory,
    nodes: Vec<Node>,
}

/// A folder, or a member.
struct Node {
    children: BTreeMap<String, usize>,
    entry: Option<usize>,
}

impl Archive {
    /// Lists the archive.
    pub(crate) fn open(path: &Path, problems: &mut Vec<Problem>) -> io::Result<Self> {
        let bytes = FileBytes::open(path)?;
        let directory = Directory::read(&bytes)?;
        let mut nodes = vec![Node { children: BTreeMap::new(), entry: None }];
        let mut doubled = 0u64;
        for (index, entry) in directory.entries.iter().enumerate() {
            let mut at = 0;
            // Backslashes as separators are against the format and are written all the same. Names that climb are
            // harmless here because nothing is extracted under them.
            let components = entry.name.split(['/', '\\']).filter(|name| !matches!(*name, "" | "." | ".."));
            for name in components {
                let next = nodes.len();
                at = *nodes[at].children.entry(name.to_owned()).or_insert(next);
                if at == next {
                    nodes.push(Node { children: BTreeMap::new(), entry: None });
                }
            }
            if at != 0 && !entry.is_folder() {
                doubled += u64::from(nodes[at].entry.replace(index).is_some());
            }
        }
        if doubled > 0 {
            problems.push(Problem::new(
                Stage::Source,
                ProblemKind::Inconsistent {
                    a: format!("{doubled} names occur more than once in the archive"),
                    b: "a name should stand for one file".to_owned(),
                },
                path.display().to_string(),
                "the archive holds several files under one name",
                "only the last of each is seen",
            ));
        }
        Ok(Archive { bytes, directory, nodes })
    }

    fn content(&self, index: usize) -> io::Result<Box<dyn Bytes>> {
        let entry = &self.directory.entries[index];
        let mut reader = self.directory.open(&self.bytes, entry)?;
        inflated(&mut reader, entry.size, None)
    }
}

/// The bytes of a reader, in memory or in a temporary file that vanishes with them. Never more than `size`, which
/// is what the archive says; the reader gives an error when it has more or less.
pub(crate) fn inflated(reader: &mut dyn Read, size: u64, folder: Option<&Path>) -> io::Result<Box<dyn Bytes>> {
    let mut limited = reader.take(size.saturating_add(1));
    if size <= IN_MEMORY {
        let mut bytes = Vec::new();
        limited.read_to_end(&mut bytes)?;
        return Ok(Box::new(bytes));
    }
    let mut file = match folder {
        Some(folder) => tempfile::tempfile_in(folder)?,
        None => tempfile::tempfile()?,
    };
    io::copy(&mut limited, &mut file)?;
    Ok(Box::new(FileBytes::new(file)?))
}

impl Store for Archive {
    type Key = usize;
    const KIND: VolumeKind = VolumeKind::Archive;
    const METHOD: Method = Method::Archive;

    fn root(&self) -> usize {
        0
    }

    fn children(&self, folder: &usize) -> io::Result<Vec<Child<usize>>> {
        let Some(node) = self.nodes.get(*folder) else { return Ok(Vec::new()) };
        Ok(node
            .children
            .iter()
            .map(|(name, key)| {
                let child = &self.nodes[*key];
                let entry = child.entry.map(|index| &self.directory.entries[index]);
                Child {
                    name: name.clone(),
                    key: *key,
                    is_folder: entry.is_none() || !child.children.is_empty(),
                    is_link: entry.is_some_and(|entry| entry.is_link),
                    size: entry.map_or(0, |entry| entry.size),
                    times: entry.and_then(|entry| entry.times),
                }
            })
            .collect())
    }

    fn open(&self, file: &usize) -> io::Result<Box<dyn Bytes>> {
        match self.nodes.get(*file).and_then(|node| node.entry) {
            Some(index) => self.content(index),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "it is a folder")),
        }
    }
}

/// Whether this file is a zip archive, by its first bytes.
pub(crate) fn is_zip(file: &dyn Bytes) -> bool {
    let mut start = Vec::new();
    Section::new(file, 0, 4).read_to_end(&mut start).is_ok()
        && [b"PK\x03\x04", b"PK\x05\x06"].iter().any(|magic| start == magic.as_slice())
}
