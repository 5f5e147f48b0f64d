//! A bundle that was unpacked: the same checks, but for those of the archive, which is not there.

use super::rows::Row;
use super::{Check, Member, WrongKind};
use crate::Error;
use crate::file_bytes::real_path;
use crate::spill::Sorter;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The bag in this folder, or in the only folder in it, and its name.
pub(in crate::bundle) fn locate(path: &Path) -> Result<(PathBuf, String), Error> {
    let failed = |source| Error::OpenSource { path: path.to_owned(), source };
    let root = root_of(path).map_err(failed)?.ok_or_else(|| Error::NotABundle {
        path: path.to_owned(),
        why: "there is no bagit.txt in this folder or in the only folder in it".to_owned(),
    })?;
    let name = real_path(&root).ok().and_then(|real| real.file_name().map(|name| crate::shown(Path::new(name))));
    Ok((root, name.unwrap_or_default()))
}

/// The folder that `bagit.txt` lies in.
fn root_of(path: &Path) -> io::Result<Option<PathBuf>> {
    if path.join("bagit.txt").is_file() {
        return Ok(Some(path.to_owned()));
    }
    let mut only = None;
    for entry in std::fs::read_dir(path)? {
        let inner = entry?.path();
        if inner.join("bagit.txt").is_file() && only.replace(inner).is_some() {
            return Ok(None);
        }
    }
    Ok(only)
}

/// Opens a file of the bag, and nothing that is none.
pub(in crate::bundle) fn open(root: &Path, path: &str) -> io::Result<Box<dyn Read + Send>> {
    let path = path.split('/').fold(root.to_owned(), |folder, part| folder.join(part));
    if !path.symlink_metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(Box::new(File::open(path)?))
}

/// What a file lets others do; only some systems say.
#[derive(Default)]
struct Modes {
    several_names: u64,
    others_may_write: u64,
}

impl Modes {
    #[cfg(unix)]
    fn see(&mut self, facts: &Metadata) -> Option<&'static str> {
        use std::os::unix::fs::MetadataExt;
        self.several_names += u64::from(facts.nlink() > 1);
        self.others_may_write += u64::from(facts.mode() & 0o002 != 0);
        (facts.mode() & 0o7000 != 0).then_some("would run with the rights of its owner or group")
    }

    #[cfg(not(unix))]
    fn see(&mut self, _: &Metadata) -> Option<&'static str> {
        None
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let said = |count: u64, what: &str| (count > 0).then(|| format!("{count} files {what}"));
        let names = said(self.several_names, "have a second name (a hard link) through which they can be changed");
        let writable = said(self.others_may_write, "can be changed by every user of this machine");
        [names, writable].into_iter().flatten()
    }
}

impl Check<'_> {
    /// Lists the files below the folder. Gives how many there are, and their bytes.
    pub(super) fn list_folder(&mut self, root: &Path, rows: &mut Sorter) -> io::Result<(u64, u64)> {
        let mut totals = (0u64, 0u64);
        let mut modes = Modes::default();
        let mut folders = vec![(root.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let mut is_empty = true;
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                is_empty = false;
                let name = entry.file_name();
                let path =
                    format!("{prefix}{}", name.to_str().map_or_else(|| crate::shown(Path::new(&name)), str::to_owned));
                // Says what a link is, and does not follow it.
                let facts = entry.metadata()?;
                let kind = facts.file_type();
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{path}/")));
                    continue;
                }
                if name.to_str().is_none() {
                    self.wrong(WrongKind::Added, &path, "its name is no text");
                    continue;
                }
                if !kind.is_file() {
                    let what = if kind.is_symlink() { "is a symbolic link" } else { "is a device, pipe or socket" };
                    self.wrong(WrongKind::Archive, &path, what);
                    continue;
                }
                if let Some(what) = modes.see(&facts) {
                    self.wrong(WrongKind::Archive, &path, what);
                }
                let member = Member { at: 0, size: facts.len() };
                totals = (totals.0 + 1, totals.1.saturating_add(facts.len()));
                rows.push(path.as_bytes(), &Row::File(member).to_bytes())?;
                if let Some(tag) = self.name(&path) {
                    self.tags.insert(tag, member);
                }
            }
            if is_empty && !prefix.is_empty() {
                self.wrong(WrongKind::Archive, &prefix, "is a folder without any file, which no bag has");
            }
        }
        self.report.notes.extend(modes.notes());
        Ok(totals)
    }
}
