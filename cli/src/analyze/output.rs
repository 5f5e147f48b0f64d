//! The files of an analysis and their digests.

use crate::place::{self, hash_of};
use evidence::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Names and digests of the files of an analysis.
#[derive(Default)]
pub(super) struct Hashes(pub(super) BTreeMap<&'static str, String>);

impl Hashes {
    pub(super) fn write(&mut self, folder: &Path, name: &'static str, bytes: &[u8]) -> anyhow::Result<()> {
        place::write(folder, name, bytes)?;
        self.0.insert(name, hash_of(bytes));
        Ok(())
    }

    pub(super) fn manifest(&self) -> String {
        self.0.iter().map(|(name, sha256)| place::manifest_line(name, sha256)).collect()
    }
}

/// A file whose digest is computed while it is written, and which is on the disk but for its end when that is reached.
pub(super) struct Hashed {
    file: File,
    sha256: Sha256,
    /// Bytes that were written since the last time that `syncing` was asked.
    unsynced: usize,
    /// Asks for the file to be brought to the disk, on a thread that does so.
    wake: SyncSender<()>,
    syncing: JoinHandle<io::Result<()>>,
}

/// Bytes after which a file is brought to the disk while more is made.
const SYNCED: usize = 32 << 20;

impl Hashed {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let same = file.try_clone()?;
        let syncing = thread::spawn(move || woken.into_iter().try_for_each(|()| same.sync_data()));
        Ok(Hashed { file, sha256: Sha256::new(), unsynced: 0, wake, syncing })
    }

    /// Brings the rest to the disk and gives the digest.
    pub(super) fn finish(self) -> io::Result<String> {
        drop(self.wake);
        // The system tells a failure to write once, to whoever asked first.
        self.syncing.join().unwrap_or_else(|_| Err(io::Error::other("the thread that synchronises it ended")))?;
        self.file.sync_all()?;
        Ok(hex(&self.sha256.finalize()))
    }
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        self.unsynced += written;
        if self.unsynced >= SYNCED {
            self.unsynced = 0;
            // Where it is busy still, or failed, the end waits for it, or tells.
            let _ = self.wake.try_send(());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
