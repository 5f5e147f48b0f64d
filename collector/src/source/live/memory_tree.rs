//! Files that exist in memory only: the state of a live host as it was taken.

use crate::source::{Content, Found, OpenedVolume, Tree, Volume, VolumeKind};
use evidence::{Bytes, FileTimes, Macb, Method, Problem, ProblemKind, Stage};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// One file.
pub(crate) struct MemoryFile {
    pub(crate) name: &'static str,
    pub(crate) bytes: Arc<[u8]>,
    /// When its content was taken.
    pub(crate) taken: Option<evidence::Filetime>,
}

/// The files as a volume.
#[cfg_attr(not(windows), allow(dead_code))]
pub(crate) fn volume(files: Vec<MemoryFile>) -> OpenedVolume {
    let size = files.iter().map(|file| file.bytes.len() as u64).sum();
    let volume = Volume { size, ..Volume::new(super::NAME, VolumeKind::Live) };
    (volume, Some(Arc::new(MemoryTree(files))))
}

struct MemoryTree(Vec<MemoryFile>);

impl MemoryTree {
    fn get(&self, path: &str) -> Option<&MemoryFile> {
        let name = path.trim_start_matches('\\');
        self.0.iter().find(|file| file.name.eq_ignore_ascii_case(name))
    }
}

fn found(file: &MemoryFile) -> Found {
    let times = Macb { modified: file.taken, ..Macb::default() };
    Found {
        path: format!("\\{}", file.name),
        stream: None,
        is_folder: false,
        size: file.bytes.len() as u64,
        times: FileTimes { container: Some(times), ..FileTimes::default() },
        mft: None,
        recovery: None,
        method: Method::SystemCall,
    }
}

impl Tree for MemoryTree {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        if path.trim_matches('\\').is_empty() {
            let root = Found {
                path: String::new(),
                stream: None,
                is_folder: true,
                size: 0,
                times: FileTimes::default(),
                mft: None,
                recovery: None,
                method: Method::SystemCall,
            };
            return Ok(Some(root));
        }
        Ok(self.get(path).map(found))
    }

    fn each(&self, _: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        self.0.iter().map(found).for_each(take);
        Ok(())
    }

    fn streams(&self, _: &Found) -> Result<Vec<Found>, Problem> {
        Ok(Vec::new())
    }

    fn lookup_deleted(&self, _: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let file = self.get(&found.path).ok_or_else(|| {
            Problem::new(Stage::Acquire, ProblemKind::NotFound, &found.path, "it is not there", "it is not collected")
        })?;
        Ok(Box::new(Shared(file.bytes.clone())))
    }

    fn take_problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

struct Shared(Arc<[u8]>);

impl Bytes for Shared {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

impl Content for Shared {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.len()).collect()
    }
}
