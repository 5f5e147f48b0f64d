//! A folder of the analysis machine.

use super::{Child, Store};
use crate::file_bytes::{ManyFiles, special};
use crate::source::VolumeKind;
use evidence::{Bytes, Filetime, Macb, Method, name};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder.
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The children whose names are such.
    fn children_where(&self, folder: &str, is_wanted: &dyn Fn(&str) -> bool) -> io::Result<Vec<Child>> {
        let mut children = Vec::new();
        for entry in std::fs::read_dir(self.path(folder))? {
            let entry = entry?;
            let name = kept(&entry.file_name());
            if is_wanted(&name) {
                let key = format!("{folder}/{name}");
                children.extend(of_entry(&entry, name, key)?);
            }
        }
        Ok(children)
    }

    pub(crate) fn new(root: &Path) -> Self {
        Folder { root: root.to_owned() }
    }
}

fn filetime(time: SystemTime) -> Option<Filetime> {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).ok()?, after.subsec_nanos()),
        Err(before) => {
            // A time before 1970 counts back; its fraction still counts forward.
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).ok()?;
            match before.subsec_nanos() {
                0 => (-whole, 0),
                nanos => (-whole - 1, 1_000_000_000 - nanos),
            }
        }
    };
    Filetime::from_unix_seconds(seconds)?.checked_add_ticks(i64::from(nanos / 100))
}

/// The name as text that it can be had back from.
#[cfg(unix)]
pub(crate) fn kept(name: &OsStr) -> String {
    name::from_bytes(std::os::unix::ffi::OsStrExt::as_bytes(name))
}

/// The name as text that it can be had back from.
#[cfg(windows)]
pub(crate) fn kept(name: &OsStr) -> String {
    name::from_utf16(std::os::windows::ffi::OsStrExt::encode_wide(name))
}

/// The name as the system has it.
#[cfg(unix)]
fn of_system(name: &str) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(name::to_bytes(name))
}

/// The name as the system has it.
#[cfg(windows)]
fn of_system(name: &str) -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(&name::to_utf16(name))
}

fn child(name: String, key: String, metadata: &std::fs::Metadata) -> Child {
    // Last access is left out: our own reading would change it from one collection to the next.
    let times = Macb {
        modified: metadata.modified().ok().and_then(filetime),
        born: metadata.created().ok().and_then(filetime),
        accessed: None,
        changed: None,
    };
    Child {
        name,
        key,
        is_folder: metadata.is_dir(),
        is_link: metadata.is_symlink() || !(metadata.is_dir() || metadata.is_file()),
        size: if metadata.is_file() { metadata.len() } else { 0 },
        times: Some(times),
    }
}

/// A child of which the system says no more than its name and kind. Its length is not known; it is not taken for an empty
/// file, so that it is opened and the error said.
fn unknown(name: String, key: String, is_folder: bool) -> Child {
    Child { name, key, is_folder, is_link: false, size: u64::from(!is_folder), times: None }
}

/// A child as the listing names it; `None` if it vanished between the listing and the look at it.
fn of_entry(entry: &std::fs::DirEntry, name: String, key: String) -> io::Result<Option<Child>> {
    match entry.metadata() {
        Ok(metadata) => Ok(Some(child(name, key, &metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Who may list the folder but not enter it cannot open anything in it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Err(_) => Ok(Some(unknown(name, key, entry.file_type()?.is_dir()))),
    }
}

impl Folder {
    fn path(&self, key: &str) -> PathBuf {
        key.split('/').filter(|name| !name.is_empty()).fold(self.root.clone(), |path, name| path.join(of_system(name)))
    }
}

impl Store for Folder {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Folder
    }

    fn method(&self) -> Method {
        Method::FileApi
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        for entry in std::fs::read_dir(self.path(folder))? {
            let entry = entry?;
            let name = kept(&entry.file_name());
            let key = format!("{folder}/{name}");
            if let Some(child) = of_entry(&entry, name, key)? {
                take(child)?;
            }
        }
        Ok(())
    }

    fn named(&self, folder: &str, name: &str) -> io::Result<Vec<Child>> {
        let key = format!("{folder}/{name}");
        match std::fs::symlink_metadata(self.path(&key)) {
            // A file of exactly this name comes before those that are spelled otherwise.
            Ok(metadata) if metadata.is_file() => Ok(vec![child(name.to_owned(), key, &metadata)]),
            _ => {
                let mut named = self.children_where(folder, &|own| name::same(own, name))?;
                named.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(named)
            }
        }
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        Ok(Arc::new(ManyFiles::open(self.path(file))?))
    }

    fn stream(&self, file: &str, name: &str) -> Option<Child> {
        // Windows, and ntfs-3g with streams_interface=windows, open streams by this name.
        let key = format!("{file}:{name}");
        let metadata = std::fs::symlink_metadata(self.path(&key)).ok()?;
        metadata.is_file().then(|| child(name.to_owned(), key, &metadata))
    }

    fn what(&self, child: &str) -> Option<&'static str> {
        special(std::fs::symlink_metadata(self.path(child)).ok()?.file_type())
    }

    fn link(&self, child: &str) -> Option<String> {
        Some(kept(std::fs::read_link(self.path(child)).ok()?.as_os_str()))
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        Some(self.path(key))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_that_are_no_text_are_kept_apart_and_opened() {
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"old\x80"[..], b"old\x81", b"a\\b", "old\u{fffd}".as_bytes()] {
            std::fs::write(folder.path().join(OsStr::from_bytes(name)), name).unwrap();
        }
        let store = Folder::new(folder.path());
        let children = store.children("").unwrap();
        assert_eq!(children.len(), 4);
        for child in children {
            let bytes = store.open(&child.key).unwrap().read_all(99).unwrap().unwrap();
            assert_eq!(name::to_bytes(&child.name), bytes);
        }
    }

    #[test]
    fn a_folder_that_may_be_listed_but_not_entered_is_not_empty() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let locked = folder.path().join("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::write(locked.join("A.pf"), b"MAM").unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o444)).unwrap();
        // The superuser may enter every folder.
        let may_enter = std::fs::metadata(locked.join("A.pf")).is_ok();
        let listed = Folder::new(folder.path()).children("/locked");
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
        match listed {
            Ok(children) => assert!(may_enter && children.len() == 1),
            Err(error) => assert!(!may_enter && error.kind() == io::ErrorKind::PermissionDenied, "{error}"),
        }
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        std::os::unix::fs::symlink("socket", folder.path().join("link")).unwrap();
        let store = Folder::new(folder.path());
        let mut children = store.children("").unwrap();
        children.sort_by(|a, b| a.name.cmp(&b.name));
        let what: Vec<_> = children.iter().map(|child| (child.is_link, store.what(&child.key))).collect();
        assert_eq!(what, [(true, Some("a link")), (true, Some("a socket"))]);
    }
}
