//! The files of an analysis and their digests.

use crate::place::{self, hash_of};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

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

/// A file whose digest is computed while it is written.
pub(super) struct Hashed {
    pub(super) file: File,
    pub(super) sha256: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
