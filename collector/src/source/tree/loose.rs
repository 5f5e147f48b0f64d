//! Files of Windows that lie outside of every tree of Windows, recognised by their content.

use super::Store;
use super::file_tree::{FileTree, Root};
use crate::source::{Content, Found, Tree};
use evidence::{Format, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The files of one store that were recognised. Others of the store are seen too, by their path, because a hive's logs
/// lie beside it.
pub(crate) struct LooseFiles {
    tree: FileTree,
    /// By path.
    files: BTreeMap<String, Format>,
    /// The path in the source of the archive that the store is, empty for the source itself.
    at: String,
}

impl LooseFiles {
    /// The recognised files of a store that lies at this path of the source.
    pub(crate) fn new(store: Arc<dyn Store>, at: &str, files: BTreeMap<String, Format>) -> Self {
        let root = Root { key: String::new(), encoded: false, place: at.to_owned() };
        LooseFiles { tree: FileTree::apart(store, root), files, at: at.to_owned() }
    }

    fn inner<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.at.as_str())
    }

    fn outer(&self, mut found: Found) -> Found {
        found.path.insert_str(0, &self.at);
        found
    }

    fn inner_of(&self, found: &Found) -> Found {
        let path = self.inner(&found.path).unwrap_or_default().to_owned();
        Found { path, ..found.clone() }
    }
}

impl Tree for LooseFiles {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        let Some(path) = self.inner(path) else { return Ok(None) };
        Ok(self.tree.lookup(path)?.map(|found| self.outer(found)))
    }

    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        self.tree.each(&self.inner_of(folder), &mut |found| take(self.outer(found)))
    }

    fn streams(&self, file: &Found) -> Result<Vec<Found>, Problem> {
        let streams = self.tree.streams(&self.inner_of(file))?;
        Ok(streams.into_iter().map(|found| self.outer(found)).collect())
    }

    fn lookup_deleted(&self, _path: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        self.tree.open(&self.inner_of(found))
    }

    fn take_problems(&self) -> Vec<Problem> {
        self.tree.take_problems()
    }

    fn of_format(&self, wanted: &dyn Fn(Format) -> bool) -> Vec<Result<Found, Problem>> {
        let files = self.files.iter().filter(|(_, format)| wanted(**format));
        files
            .filter_map(|(path, _)| self.tree.lookup(path).transpose())
            .map(|found| found.map(|found| self.outer(found)))
            .collect()
    }
}
