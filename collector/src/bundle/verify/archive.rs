//! What lies in the archive.

use super::rows::Row;
use super::{Check, Member, WrongKind};
use crate::spill::Sorter;
use crate::zip::reader::{Directory, Entry};
use crate::zip::strict;
use evidence::Bytes;
use std::io;

const EMPTY_FOLDER: &str = "is a folder without any file, which no bag has";

/// The place in the directory that a row has.
fn place(row: &[u8]) -> io::Result<u64> {
    row.try_into().map(u64::from_be_bytes).map_err(io::Error::other)
}

/// Names that are one where a file system does not tell upper from lower case.
struct SameNames {
    key: Vec<u8>,
    first: String,
    count: u64,
    differ: bool,
}

impl Check<'_> {
    /// Lists the files of the bag; everything outside of it, and everything that is odd about the archive, is wrong.
    /// Gives how many files there are, and their bytes.
    pub(super) fn list_archive(
        &mut self,
        bytes: &dyn Bytes,
        directory: &Directory,
        rows: &mut Sorter,
    ) -> io::Result<(u64, u64)> {
        let (mut by_name, mut by_place) = (self.sorter(), self.sorter());
        let (mut totals, mut count) = ((0u64, 0u64), 0);
        Directory::look(bytes, &mut |at, entry| {
            count += 1;
            by_name.push(entry.name.to_ascii_lowercase().as_bytes(), &at.to_be_bytes())?;
            by_place.push(&entry.header_offset.to_be_bytes(), &at.to_be_bytes())?;
            if !entry.is_folder() {
                totals = (totals.0 + 1, entry.size.saturating_add(totals.1));
            }
            Ok(())
        })?;
        let prefix = format!("{}/", self.root);
        let order = by_place.finish()?.map(|row| row.and_then(|row| place(&row.1)));
        let mut odd = |name: &str, what: String| {
            self.report.add(WrongKind::Archive, name.strip_prefix(&prefix).unwrap_or(name), what);
        };
        let is_ours = strict::odd_places(bytes, directory, count, order, &mut odd)?;
        if !is_ours {
            let note =
                "the archive was packed by another program than the one that sealed the bundle; its files are checked";
            self.report.notes.push(note.to_owned());
        }
        let mut before = SameNames { key: Vec::new(), first: String::new(), count: 0, differ: false };
        let mut folders: Vec<String> = Vec::new();
        for row in by_name.finish()? {
            let (key, at) = row?;
            let at = place(&at)?;
            let entry = directory.entry(bytes, at)?;
            if *key == *before.key && before.count > 0 {
                before.count += 1;
                before.differ |= before.first != entry.name;
            } else {
                self.told_twice(&before);
                before = SameNames { key: key.into(), first: entry.name.clone(), count: 1, differ: false };
            }
            if let Some(path) = self.listed(&entry, &mut folders) {
                let member = Member { at, size: entry.size };
                rows.push(path.as_bytes(), &Row::File(member).to_bytes())?;
                if let Some(tag) = self.name(&path) {
                    self.tags.insert(tag, member);
                }
            }
        }
        self.told_twice(&before);
        folders.iter().for_each(|folder| self.wrong(WrongKind::Archive, folder, EMPTY_FOLDER));
        Ok(totals)
    }

    fn told_twice(&mut self, names: &SameNames) {
        if names.count > 1 {
            let path = names.first.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/'));
            let how = if names.differ { ", in upper and lower case" } else { "" };
            let what = format!("occurs {} times in the archive{how}", names.count);
            self.wrong(WrongKind::Archive, path.unwrap_or(&names.first), what);
        }
    }

    /// The path in the bag of an entry that is a file of it. Entries come in the order of their names, and `folders` are
    /// those before it that have no file yet.
    fn listed(&mut self, entry: &Entry, folders: &mut Vec<String>) -> Option<String> {
        let path = entry.name.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
        let Some(path) = path else {
            self.wrong(WrongKind::Added, &entry.name, "lies outside of the bag");
            return None;
        };
        if entry.is_folder() {
            if entry.size != 0 || entry.packed_size != 0 {
                self.wrong(WrongKind::Archive, &path, "is a folder with content");
            }
            folders.push(path);
            return None;
        }
        for folder in folders.drain(..) {
            if !path.to_ascii_lowercase().starts_with(&folder.to_ascii_lowercase()) {
                self.report.add(WrongKind::Archive, &folder, EMPTY_FOLDER);
            }
        }
        Some(path)
    }
}
