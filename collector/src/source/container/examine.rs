//! Containers of any bytes, for programs that try them.

use super::{Candidate, Opened};
use crate::source::VolumeKind;
use crate::source::tree::{Child, Store};
use crate::spill::Spill;
use evidence::{Bytes, Method};
use std::io;
use std::sync::Arc;

/// Files in memory, all in one folder. A file's key is its name.
struct Files(Vec<(String, Arc<Vec<u8>>)>);

impl Store for Files {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Archive
    }

    fn method(&self) -> Method {
        Method::Archive
    }

    fn each(&self, _folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        let child = |(name, bytes): &(String, Arc<Vec<u8>>)| Child {
            name: name.clone(),
            key: name.clone(),
            is_folder: false,
            is_link: false,
            size: bytes.len() as u64,
            times: None,
        };
        self.0.iter().map(child).try_for_each(take)
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        let found = self.0.iter().find(|(name, _)| name == file);
        found.map(|(_, bytes)| bytes.clone() as Arc<dyn Bytes>).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Opens the first of these files, which lie beside each other, as the container that it is, and reads parts of the disk in
/// it; what it is in words. For fuzzing.
#[doc(hidden)]
pub fn examine(files: Vec<(String, Vec<u8>)>, spill: &Spill) -> Option<&'static str> {
    let files: Vec<(String, Arc<Vec<u8>>)> = files.into_iter().map(|(name, bytes)| (name, Arc::new(bytes))).collect();
    let (name, bytes) = files.first().cloned()?;
    let store: Arc<dyn Store> = Arc::new(Files(files));
    let candidate = Candidate::new(&store, "", &name, None, bytes, spill).ok()?;
    match super::open(&candidate).ok()?? {
        Opened::Disk(disk) => {
            let length = disk.bytes.len();
            let mut buffer = vec![0; 1 << 16];
            let mut at = 0;
            // What is passed over is passed over once; some places behind it are read.
            for _ in 0..16 {
                at = disk.bytes.next_data(at);
                let read = disk.bytes.read_full_at(at, &mut buffer).unwrap_or(0);
                assert!(at <= length && read as u64 <= length - at, "bytes behind the end of the disk");
                at = at.saturating_add(length / 16 + 1).min(length);
            }
            Some(disk.kind)
        }
        Opened::Files(..) => Some("files"),
        Opened::One(..) => Some("a file"),
    }
}
