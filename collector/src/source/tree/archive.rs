//! A zip archive that a triage program left behind.

use super::{Child, Store};
use crate::source::VolumeKind;
use crate::spill::Spill;
use crate::zip::reader::Directory;
use evidence::{Bytes, Method, Problem, ProblemKind, Stage};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The archive, with its folders.
pub(crate) struct Archive {
    bytes: Arc<dyn Bytes>,
    spill: Spill,
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
    pub(crate) fn open(
        bytes: Arc<dyn Bytes>,
        name: &str,
        spill: &Spill,
        problems: &mut Vec<Problem>,
    ) -> io::Result<Self> {
        let directory = Directory::read(&*bytes)?;
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
                name,
                "the archive holds several files under one name",
                "only the last of each is seen",
            ));
        }
        Ok(Archive { bytes, spill: spill.clone(), directory, nodes })
    }

    fn content(&self, index: usize) -> io::Result<Arc<dyn Bytes>> {
        let entry = &self.directory.entries[index];
        let mut reader = self.directory.open(&*self.bytes, entry)?;
        Ok(self.spill.keep(&mut reader, entry.size)?.into())
    }
}

impl Archive {
    fn node(&self, key: &str) -> Option<&Node> {
        let index = if key.is_empty() { 0 } else { key.parse().ok()? };
        self.nodes.get(index)
    }
}

impl Store for Archive {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Archive
    }

    fn method(&self) -> Method {
        Method::Archive
    }

    fn children(&self, folder: &str) -> io::Result<Vec<Child>> {
        let Some(node) = self.node(folder) else { return Ok(Vec::new()) };
        Ok(node
            .children
            .iter()
            .map(|(name, key)| {
                let child = &self.nodes[*key];
                let entry = child.entry.map(|index| &self.directory.entries[index]);
                Child {
                    name: name.clone(),
                    key: key.to_string(),
                    is_folder: entry.is_none() || !child.children.is_empty(),
                    is_link: entry.is_some_and(|entry| entry.is_link),
                    size: entry.map_or(0, |entry| entry.size),
                    times: entry.and_then(|entry| entry.times),
                }
            })
            .collect())
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        match self.node(file).and_then(|node| node.entry) {
            Some(index) => self.content(index),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "it is a folder")),
        }
    }

    fn head(&self, file: &str, length: usize) -> io::Result<Vec<u8>> {
        let Some(index) = self.node(file).and_then(|node| node.entry) else { return Ok(Vec::new()) };
        let reader = self.directory.open(&*self.bytes, &self.directory.entries[index])?;
        let mut head = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(reader, length as u64), &mut head)?;
        Ok(head)
    }
}
