//! Zip archives that triage programs leave behind.

use super::{Archive, Member, Members};
use crate::spill::Spill;
use crate::zip::reader::Directory;
use evidence::{Bytes, Problem};
use std::io;
use std::sync::Arc;

struct Zip {
    bytes: Arc<dyn Bytes>,
    directory: Directory,
}

/// Lists a zip archive.
pub(crate) fn open(
    bytes: Arc<dyn Bytes>,
    name: &str,
    spill: &Spill,
    problems: &mut Vec<Problem>,
) -> io::Result<Archive> {
    let directory = Directory::read(&*bytes)?;
    Archive::new(Box::new(Zip { bytes, directory }), name, spill, problems)
}

impl Members for Zip {
    fn backslash_separates(&self) -> bool {
        true
    }

    fn each(&self, take: &mut dyn FnMut(u64, Member) -> io::Result<()>, _: &mut Vec<Problem>) -> io::Result<()> {
        for at in 0..self.directory.entries.len() as u64 {
            take(at, self.member(at)?)?;
        }
        Ok(())
    }

    fn member(&self, at: u64) -> io::Result<Member> {
        let entry = &self.directory.entries[at as usize];
        Ok(Member {
            name: entry.name.clone(),
            is_folder: entry.is_folder(),
            is_link: entry.is_link,
            same_as: None,
            size: entry.size,
            times: entry.times,
        })
    }

    fn open(&self, at: u64, spill: &Spill) -> io::Result<Arc<dyn Bytes>> {
        let entry = &self.directory.entries[at as usize];
        let mut reader = self.directory.open(&*self.bytes, entry)?;
        Ok(spill.keep(&mut reader, entry.size)?.into())
    }
}
