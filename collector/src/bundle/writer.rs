//! Writes the bag into its archive, front to back.
//!
//! Everything goes to `NAME.partial`, which is created anew, and gets its name only when it is complete, so that
//! half a bundle is never taken for a whole one.

use super::journal::journal_of;
use crate::Error;
use crate::digest::{Digested, Digests, Which};
use crate::file_bytes::{create_private, real_path};
use crate::spill::{Spill, Spool};
pub(crate) use crate::zip::writer::Output;
use crate::zip::writer::{Packed, Packing, Streaming, ZipWriter};
use evidence::hex;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Payloads from this size on are declared large beforehand, since compression can make them longer than 4 GiB.
const LARGE_FROM: u64 = 0xF000_0000;

/// The bag being written.
pub(crate) struct Writer {
    zip: ZipWriter<Box<dyn Output>>,
    root: String,
    tags: Vec<(String, Digested)>,
    sha512: bool,
}

/// Digests what it writes.
struct Digesting<W> {
    inner: W,
    digests: Digests,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.digests.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Writer {
    /// Begins a bag in the folder `root` of the archive, with manifests of SHA-512 too where these are asked for.
    pub(crate) fn new(output: Box<dyn Output>, root: &str, sha512: bool, spill: &Spill) -> io::Result<Self> {
        let mut writer = Writer { zip: ZipWriter::new(output, spill), root: root.to_owned(), tags: Vec::new(), sha512 };
        writer.tag("bagit.txt", |sink| sink.write_all(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"))?;
        Ok(writer)
    }

    /// Starts a payload file in memory, to be written later with [`Writer::add`].
    pub(crate) fn prepare(root: &str, bundle_path: &str, stored: bool) -> Packing {
        Packing::new(format!("{root}/{bundle_path}"), stored)
    }

    /// Adds a prepared payload file.
    pub(crate) fn add(&mut self, prepared: Packed) -> io::Result<()> {
        self.zip.add(prepared)
    }

    /// Where the next file begins in the archive.
    pub(crate) fn end(&self) -> u64 {
        self.zip.end()
    }

    /// Writes what was written so far through to the medium.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.zip.sync()
    }

    /// Bytes that the medium took of a file before a write failed.
    pub(crate) fn taken(&mut self) -> io::Result<u64> {
        self.zip.taken()
    }

    /// Takes back what was written of a file that did not become whole.
    pub(crate) fn undo(&mut self) -> io::Result<()> {
        self.zip.undo()
    }

    /// Begins a payload file whose content is then written to what is returned.
    pub(crate) fn stream(
        &mut self,
        bundle_path: &str,
        size: u64,
        stored: bool,
    ) -> io::Result<Streaming<'_, Box<dyn Output>>> {
        self.zip.stream(format!("{}/{bundle_path}", self.root), stored, size >= LARGE_FROM)
    }

    /// The same for a payload file that comes in blocks that are packed already.
    pub(crate) fn stream_blocks(
        &mut self,
        bundle_path: &str,
        size: u64,
        stored: bool,
    ) -> io::Result<Streaming<'_, Box<dyn Output>>> {
        self.zip.stream_blocks(format!("{}/{bundle_path}", self.root), stored, size >= LARGE_FROM)
    }

    /// Writes a file that describes the bag.
    pub(crate) fn tag(&mut self, path: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        // How long it becomes is not known yet, so there is room for more than 4 GiB.
        let stream = self.zip.stream(format!("{}/{path}", self.root), false, true)?;
        let digests = Digests::new(Which { sha512: self.sha512, program: false });
        let mut sink = BufWriter::with_capacity(1 << 16, Digesting { inner: stream, digests });
        write(&mut sink)?;
        let digesting = sink.into_inner().map_err(io::IntoInnerError::into_error)?;
        digesting.inner.finish_later()?;
        self.tags.push((path.to_owned(), digesting.digests.finish()));
        Ok(())
    }

    /// The folder in the archive that the bag is.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// SHA-256 of a file that describes the bag and is written, in hexadecimal.
    pub(crate) fn tag_sha256(&self, path: &str) -> Option<String> {
        self.tags.iter().find(|(name, _)| name == path).map(|(_, digested)| hex(&digested.sha256))
    }

    /// Writes the manifests of the payload, which `payload` gives in the order of the paths: path, and SHA-256 and, where
    /// it was asked for, SHA-512 in hexadecimal.
    pub(crate) fn manifests(
        &mut self,
        spill: &Spill,
        payload: impl Iterator<Item = io::Result<(String, String, String)>>,
    ) -> io::Result<()> {
        let (mut second, is_wanted) = (Spool::new(spill), self.sha512);
        self.tag("manifest-sha256.txt", |sink| {
            for row in payload {
                let (path, sha256, sha512) = row?;
                writeln!(sink, "{sha256}  {path}")?;
                if !is_wanted {
                    continue;
                }
                second.push(format!("{sha512}  {path}\n").as_bytes())?;
            }
            Ok(())
        })?;
        if !is_wanted {
            return Ok(());
        }
        self.tag("manifest-sha512.txt", |sink| io::copy(&mut second.read(0)?, sink).map(|_| ()))
    }

    /// Writes the manifests of everything but the payload, ends the archive and writes it through to the medium.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let mut tags = std::mem::take(&mut self.tags);
        tags.sort_by(|a, b| a.0.cmp(&b.0));
        self.tag("tagmanifest-sha256.txt", |sink| {
            tags.iter().try_for_each(|(path, digested)| writeln!(sink, "{}  {path}", hex(&digested.sha256)))
        })?;
        if self.sha512 {
            self.tag("tagmanifest-sha512.txt", |sink| {
                tags.iter().try_for_each(|(path, digested)| {
                    writeln!(sink, "{}  {path}", hex(&digested.sha512.unwrap_or([0; 64])))
                })
            })?;
        }
        self.zip.finish()?.sync()
    }
}

/// The file that a bundle is written to.
pub(crate) struct Destination {
    path: PathBuf,
    partial: PathBuf,
    journal: PathBuf,
}

/// Refuses a destination that lies on the evidence. Its folder need not be there yet.
pub fn refuse_destination(path: &Path, evidence: &[PathBuf]) -> Result<(), Error> {
    let absolute = std::path::absolute(path).map_err(|error| Error::write(path, error))?;
    // What is there already may be a link to the evidence.
    let there = absolute.ancestors().find_map(|ancestor| Some((ancestor, real_path(ancestor).ok()?)));
    let real = match there {
        Some((ancestor, real)) => real.join(absolute.strip_prefix(ancestor).unwrap_or(Path::new(""))),
        None => absolute,
    };
    for source in evidence.iter().filter_map(|source| real_path(source).ok()) {
        if real == source || source.is_dir() && real.starts_with(&source) {
            return Err(Error::DestinationOnEvidence { path: path.to_owned(), source_path: source });
        }
    }
    Ok(())
}

impl Destination {
    /// Creates `NAME.partial` and its journal. Refuses to overwrite, and to write onto the evidence.
    pub(crate) fn create(path: &Path, evidence: &[PathBuf]) -> Result<(Destination, File, File), Error> {
        let name = path
            .file_name()
            .ok_or_else(|| Error::write(path, io::Error::new(io::ErrorKind::InvalidInput, "it has no file name")))?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real_folder = real_path(folder).map_err(|error| Error::write(folder, error))?;
        let real = real_folder.join(name);
        refuse_destination(&real, evidence)?;
        let mut partial = real.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if real.symlink_metadata().is_ok() {
            return Err(Error::DestinationExists { path: path.to_owned() });
        }
        let journal = journal_of(&partial);
        if journal.symlink_metadata().is_ok() {
            return Err(Error::DestinationExists { path: journal });
        }
        let file = create_new(&partial)?;
        let lines = create_new(&journal).inspect_err(|_| {
            // Nothing is in it yet.
            let _ = std::fs::remove_file(&partial);
        })?;
        Ok((Destination { path: real, partial, journal }, file, lines))
    }

    /// Where the bundle lies until it is sealed.
    pub(crate) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Removes the journal, when the bundle has its name and holds all that the journal does.
    fn remove_journal(&self) {
        let _ = std::fs::remove_file(&self.journal);
    }

    /// Gives the bundle its name, without overwriting anything that came to be there meanwhile.
    pub(crate) fn seal(self) -> Result<PathBuf, Error> {
        let failed = |error| Error::write(&self.path, error);
        let mut permissions = std::fs::metadata(&self.partial).map_err(failed)?.permissions();
        permissions.set_readonly(true);
        match std::fs::hard_link(&self.partial, &self.path) {
            Ok(()) => std::fs::remove_file(&self.partial).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::DestinationExists { path: self.path.clone() });
            }
            // Not every file system has hard links. Between the look and the renaming there is a moment in which
            // another program could create the name; that is as close as it gets.
            Err(_) if self.path.symlink_metadata().is_ok() => {
                return Err(Error::DestinationExists { path: self.path.clone() });
            }
            Err(_) => std::fs::rename(&self.partial, &self.path).map_err(failed)?,
        }
        self.remove_journal();
        std::fs::set_permissions(&self.path, permissions).map_err(failed)?;
        // The name is durable only when the folder is written out too. Not every system can do that to a folder.
        if let Some(folder) = self.path.parent()
            && let Ok(folder) = File::open(folder)
        {
            let _ = folder.sync_all();
        }
        Ok(self.path.clone())
    }
}

/// Creates a file that is not there yet.
fn create_new(path: &Path) -> Result<File, Error> {
    create_private(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::DestinationExists { path: path.to_owned() },
        _ => Error::write(path, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom};

    /// A medium that is full after so many bytes.
    struct Full {
        left: u64,
        inner: io::Cursor<Vec<u8>>,
    }

    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            if self.left < buffer.len() as u64 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.left -= buffer.len() as u64;
            self.inner.write(buffer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Full {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.inner.seek(to)
        }
    }

    impl Output for Full {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.inner.cut(length)
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(left: u64) -> io::Result<()> {
        let output = Box::new(Full { left, inner: io::Cursor::new(Vec::new()) });
        let mut writer = Writer::new(output, "bag", true, &Spill::into_folder(&std::env::temp_dir()))?;
        let mut small = Writer::prepare("bag", "data/raw/C/small", true);
        small.write_all(&[7; 1000])?;
        writer.add(small.finish()?)?;
        let mut large = writer.stream("data/raw/C/large", 1000, false)?;
        large.write_all(&[7; 1000])?;
        large.finish()?;
        let row = |path: &str| Ok((path.to_owned(), "00".to_owned(), "00".to_owned()));
        let spill = Spill::into_folder(&std::env::temp_dir());
        writer.manifests(&spill, [row("data/raw/C/large"), row("data/raw/C/small")].into_iter())?;
        writer.finish()
    }

    #[test]
    fn a_full_medium_is_an_error_wherever_it_strikes() {
        assert!(write(1 << 20).is_ok());
        let needed = (0..1 << 20).step_by(64).find(|left| write(*left).is_ok()).unwrap();
        assert!(needed > 1000, "{needed}");
        for left in (0..needed - 64).step_by(17) {
            assert_eq!(write(left).unwrap_err().kind(), io::ErrorKind::StorageFull, "{left}");
        }
    }
}
