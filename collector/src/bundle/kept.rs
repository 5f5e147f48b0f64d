//! Tells by its bytes whether a file is a bundle of this program, or one that was not finished.

use super::OBJECTS;
use super::verify::root_in;
use crate::file_bytes::FileBytes;
use crate::zip::reader::Directory;
use evidence::Bytes;
use std::path::Path;

/// What a file of ours is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A bundle, and the name of its bag.
    Bundle(String),
    /// A bundle that was not finished, or what stands beside it.
    Partial,
}

/// What this file is, where it is a bundle, whatever its name, or the beginning of one. Nothing is verified.
pub fn kept(path: &Path) -> Option<Kept> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let unfinished = name.ends_with(".partial");
    if name.ends_with(".zip.partial") || name.ends_with(".zip.partial.log") {
        return Some(Kept::Partial);
    }
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let bytes = FileBytes::open(path).ok()?;
    let mut head = [0; 30];
    if bytes.read_full_at(0, &mut head).ok()? != 30 || !head.starts_with(b"PK\x03\x04") {
        return None;
    }
    if unfinished {
        let mut first = vec![0; usize::from(u16::from_le_bytes([head[26], head[27]]))];
        let read = bytes.read_full_at(30, &mut first).ok()?;
        let is_bag = read == first.len() && std::str::from_utf8(&first).is_ok_and(|name| root_in(name).is_some());
        return is_bag.then_some(Kept::Partial);
    }
    bag_of(&bytes).map(Kept::Bundle)
}

/// The name of the bag, where an archive has the files that only a bundle has.
fn bag_of(bytes: &dyn Bytes) -> Option<String> {
    let (mut bag, mut objects) = (None, None);
    let listed = Directory::look(bytes, &mut |_, entry| {
        bag = bag.take().or_else(|| root_in(&entry.name).map(str::to_owned));
        objects = objects.take().or_else(|| entry.name.strip_suffix(OBJECTS)?.strip_suffix('/').map(str::to_owned));
        Ok(())
    });
    listed.ok()?;
    bag.filter(|bag| objects.as_ref() == Some(bag))
}
