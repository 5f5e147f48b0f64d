//! Content that fails as failing media do, for tests.

use super::{Content, Found, Source, Tree, Volume, VolumeKind};
use evidence::{Bytes, FileTimes, Filetime, Macb, Method, Problem};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes in memory with faults.
pub(crate) struct Faulty {
    data: Vec<u8>,
    bad: Vec<Range<u64>>,
    ranges: Vec<Range<u64>>,
    gone_after: u64,
    stuck_at: u64,
    ends_at: u64,
    most_at_once: usize,
    read: AtomicU64,
    calls: AtomicU64,
}

impl Faulty {
    /// No faults yet.
    pub(crate) fn new(data: Vec<u8>) -> Self {
        Faulty {
            ranges: std::iter::once(0..data.len() as u64).collect(),
            data,
            bad: Vec::new(),
            gone_after: u64::MAX,
            stuck_at: u64::MAX,
            ends_at: u64::MAX,
            most_at_once: usize::MAX,
            read: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    /// Reads that touch these ranges fail.
    pub(crate) fn bad(mut self, bad: &[Range<u64>]) -> Self {
        self.bad = bad.to_vec();
        self
    }

    /// Everything fails once so many bytes were read.
    pub(crate) fn gone_after(mut self, bytes: u64) -> Self {
        self.gone_after = bytes;
        self
    }

    /// A read of this place does not return and is given up.
    pub(crate) fn stuck_at(mut self, at: u64) -> Self {
        self.stuck_at = at;
        self
    }

    /// There is nothing from here on, whatever the length says.
    pub(crate) fn ends_at(mut self, at: u64) -> Self {
        self.ends_at = at;
        self
    }

    /// Gives at most so many bytes at once.
    pub(crate) fn short(mut self, most: usize) -> Self {
        self.most_at_once = most;
        self
    }

    /// Only these ranges hold data.
    pub(crate) fn ranges(mut self, ranges: &[Range<u64>]) -> Self {
        self.ranges = ranges.to_vec();
        self
    }

    /// Bytes given so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Reads asked for so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Bytes for Faulty {
    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let most = buffer.len().min(self.most_at_once);
        let end = (offset + most as u64).min(self.ends_at).min(self.len());
        if self.bytes_read() >= self.gone_after {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the device is gone"));
        }
        if offset <= self.stuck_at && self.stuck_at < end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a read did not return"));
        }
        if self.bad.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        let count = end.saturating_sub(offset) as usize;
        let read = self.data.as_slice().read_at(offset, &mut buffer[..count])?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Content for Faulty {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        self.ranges.clone()
    }
}

/// Opened twice, it is the same file with the same faults.
#[derive(Clone)]
struct Shared(Arc<Faulty>);

impl Bytes for Shared {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

impl Content for Shared {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        self.0.data_ranges()
    }
}

/// A volume with such files in its root.
pub(crate) struct FaultyTree {
    files: Vec<(&'static str, Shared)>,
    /// How often a file is another one when it is looked up again; and how often that was.
    changes: u64,
    looked_up: AtomicU64,
}

impl FaultyTree {
    /// Files by name, in the order of their names.
    pub(crate) fn new(files: Vec<(&'static str, Faulty)>) -> Self {
        let files = files.into_iter().map(|(name, content)| (name, Shared(Arc::new(content)))).collect();
        FaultyTree { files, changes: 0, looked_up: AtomicU64::new(0) }
    }

    /// Each of the first lookups of a file gives another time.
    pub(crate) fn changing(mut self, times: u64) -> Self {
        self.changes = times;
        self
    }

    /// A source of this volume alone.
    pub(crate) fn source(self) -> Source {
        let volume = Volume::new("volume-at-0", VolumeKind::Ntfs);
        Source {
            kind: "raw image",
            facts: Vec::new(),
            volumes: vec![(volume, Some(Arc::new(self))), crate::source::live::nothing()],
            problems: Vec::new(),
            files: Vec::new(),
            is_older: false,
            made: None,
            early: None,
            media: Vec::new(),
        }
    }

    fn found(path: &str, size: u64) -> Found {
        Found {
            path: path.to_owned(),
            stream: None,
            is_folder: path.is_empty(),
            size,
            times: FileTimes::default(),
            mft: None,
            recovery: None,
            method: Method::RawNtfs,
        }
    }
}

impl Tree for FaultyTree {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        if path.is_empty() {
            return Ok(Some(Self::found("", 0)));
        }
        let number = self.looked_up.fetch_add(1, Ordering::Relaxed) + 1;
        let modified = Some(Filetime(number.min(self.changes))).filter(|time| time.0 > 0);
        let found = self.list(&Self::found("", 0))?.into_iter().find(|found| found.path == path);
        Ok(found.map(|mut found| {
            found.times.container = modified.map(|time| Macb { modified: Some(time), ..Macb::default() });
            found
        }))
    }

    fn each(&self, _: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        self.files.iter().for_each(|(name, content)| take(Self::found(&format!("\\{name}"), content.len())));
        Ok(())
    }

    fn streams(&self, _: &Found) -> Result<Vec<Found>, Problem> {
        Ok(Vec::new())
    }

    fn lookup_deleted(&self, _: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let file = self.files.iter().find(|(name, _)| found.path.trim_start_matches('\\') == *name).unwrap();
        Ok(Box::new(file.1.clone()))
    }

    fn take_problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}
