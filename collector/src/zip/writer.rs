//! Writes a zip archive, front to back, with the ZIP64 records where they are needed.
//!
//! The usual library is not used for it: it ends the archive when it is dropped, also after a failure, so that half a
//! bundle would look like a whole one, and it prints to standard error when even that fails.
//!
//! Times and permissions are fixed, so the same content gives the same bytes.
//!
//! Reference: PKWARE, *.ZIP File Format Specification (APPNOTE.TXT)* 4.3 and 4.5.

use super::blocks::{Block, END};
use crate::spill::{Spill, Spool};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// What a 32-bit field holds when the number stands in a ZIP64 field.
const IN_ZIP64: u32 = u32::MAX;
/// 1980-01-01 00:00, the first date that the format can hold.
const DATE: u16 = 0x0021;
/// A plain file that its owner may write and everyone may read.
const UNIX_MODE: u32 = 0o100_644;

/// Bytes of a local header without the name.
const LOCAL_HEADER: usize = 30;

/// What compresses and counts.
struct Body {
    crc: Crc,
    size: u64,
    encoder: Encoder,
}

enum Encoder {
    Stored(Vec<u8>),
    Deflated(Box<DeflateEncoder<Vec<u8>>>),
    /// Deflated elsewhere, in blocks.
    Blocks(Vec<u8>),
}

impl Body {
    fn new(stored: bool) -> Self {
        let encoder = match stored {
            true => Encoder::Stored(Vec::new()),
            false => Encoder::Deflated(Box::new(DeflateEncoder::new(Vec::new(), Compression::new(1)))),
        };
        Body { crc: Crc::new(), size: 0, encoder }
    }

    fn method(&self) -> u16 {
        match self.encoder {
            Encoder::Stored(_) => 0,
            Encoder::Deflated(_) | Encoder::Blocks(_) => 8,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        match &mut self.encoder {
            Encoder::Stored(out) => out.write_all(bytes),
            Encoder::Deflated(encoder) => encoder.write_all(bytes),
            Encoder::Blocks(_) => Err(io::Error::other("this file is written in blocks")),
        }
    }

    /// What is ready to be written out.
    fn out(&mut self) -> &mut Vec<u8> {
        match &mut self.encoder {
            Encoder::Stored(out) | Encoder::Blocks(out) => out,
            Encoder::Deflated(encoder) => encoder.get_mut(),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Stored(_) => Ok(()),
            Encoder::Deflated(encoder) => encoder.try_finish(),
            Encoder::Blocks(out) => out.write_all(&END),
        }
    }
}

/// A file that is being compressed in memory, on any thread.
pub(crate) struct Packing {
    name: String,
    body: Body,
}

/// A file that was compressed in memory and is written later.
pub(crate) struct Packed {
    name: String,
    method: u16,
    crc: u32,
    size: u64,
    data: Vec<u8>,
}

impl Packing {
    /// Begins a file, compressed unless it is to be stored as it is.
    pub(crate) fn new(name: String, stored: bool) -> Self {
        Packing { name, body: Body::new(stored) }
    }

    /// Ends it. The compressor, which takes much more memory than a short file, goes.
    pub(crate) fn finish(mut self) -> io::Result<Packed> {
        self.body.end()?;
        let mut data = std::mem::take(self.body.out());
        data.shrink_to_fit();
        let Packing { name, body } = self;
        Ok(Packed { name, method: body.method(), crc: body.crc.sum(), size: body.size, data })
    }
}

impl Packed {
    /// Bytes that it takes in the archive, without its line in the directory.
    pub(crate) fn len(&self) -> u64 {
        (LOCAL_HEADER + self.name.len() + self.data.len()) as u64
    }
}

impl Write for Packing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.body.write(buffer).map(|()| buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of the directory.
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    size: u64,
    packed_size: u64,
    offset: u64,
    /// Whether the local header has room for sizes of 4 GiB and more.
    large: bool,
}

impl Entry {
    /// The part that local header and directory share, from the version that is needed on.
    fn common(&self, large: bool, extra: usize) -> io::Result<Vec<u8>> {
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "the name is too long for a zip archive");
        let name_length = u16::try_from(self.name.len()).map_err(too_long)?;
        let small = |number: u64| match large {
            true => IN_ZIP64,
            false => u32::try_from(number).unwrap_or(IN_ZIP64),
        };
        // Bit 11 says that the name is UTF-8.
        let flags: u16 = if self.name.is_ascii() { 0 } else { 1 << 11 };
        let version: u16 =
            if large || self.size.max(self.packed_size).max(self.offset) >= u64::from(IN_ZIP64) { 45 } else { 20 };
        let mut bytes = Vec::new();
        bytes.extend(version.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(DATE.to_le_bytes());
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(small(self.packed_size).to_le_bytes());
        bytes.extend(small(self.size).to_le_bytes());
        bytes.extend(name_length.to_le_bytes());
        bytes.extend((extra as u16).to_le_bytes());
        Ok(bytes)
    }

    fn local_header(&self) -> io::Result<Vec<u8>> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(self.common(self.large, if self.large { 20 } else { 0 })?);
        bytes.extend(self.name.as_bytes());
        if self.large {
            bytes.extend(zip64_field(&[self.size, self.packed_size]));
        }
        Ok(bytes)
    }

    fn directory_line(&self) -> io::Result<Vec<u8>> {
        let large: Vec<u64> = [self.size, self.packed_size, self.offset]
            .into_iter()
            .filter(|number| *number >= u64::from(IN_ZIP64))
            .collect();
        let extra = if large.is_empty() { Vec::new() } else { zip64_field(&large) };
        let mut bytes = b"PK\x01\x02".to_vec();
        // Made by version 4.5 of the format on Unix, so that the permissions count.
        bytes.extend([45, 3]);
        bytes.extend(self.common(false, extra.len())?);
        bytes.extend([0; 6]);
        bytes.extend((UNIX_MODE << 16).to_le_bytes());
        bytes.extend(u32::try_from(self.offset).unwrap_or(IN_ZIP64).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(extra);
        Ok(bytes)
    }
}

/// The local header, and the line of the directory, that this program writes of such a file at this offset. `large` says
/// whether the local header has room for sizes of 4 GiB and more.
pub(super) fn headers(
    name: &str,
    entry: &super::central::Entry,
    offset: u64,
    large: bool,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (method, crc, size, packed_size) = (entry.method, entry.crc, entry.size, entry.packed_size);
    let entry = Entry { name: name.to_owned(), method, crc, size, packed_size, offset, large };
    Ok((entry.local_header()?, entry.directory_line()?))
}

fn zip64_field(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = vec![1, 0];
    bytes.extend((numbers.len() as u16 * 8).to_le_bytes());
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes
}

/// Where an archive can be written to, and taken back from.
pub(crate) trait Output: Write + Seek + Send {
    /// Cuts it off after so many bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Writes everything through to the medium.
    fn sync(&mut self) -> io::Result<()>;
}

impl Output for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Output for io::Cursor<Vec<u8>> {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.get_mut().truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Box<dyn Output> {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        (**self).cut(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
}

/// Bytes that are held back until there are so many.
const HELD: usize = 1 << 20;

/// Writes at the end of an output, many bytes at a time. Unlike `BufWriter` it can take back what failed.
struct Buffered<W> {
    inner: W,
    /// Where the output ends, without what is held back.
    at: u64,
    held: Vec<u8>,
    /// Whether the output stands at its end.
    is_at_end: bool,
}

impl<W: Output> Buffered<W> {
    fn new(inner: W) -> Self {
        Buffered { inner, at: 0, held: Vec::new(), is_at_end: false }
    }

    fn len(&self) -> u64 {
        self.at + self.held.len() as u64
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.held.len() + bytes.len() > HELD {
            self.flush()?;
        }
        if bytes.len() > HELD {
            return self.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.is_at_end {
            self.inner.seek(SeekFrom::Start(self.at))?;
        }
        self.is_at_end = false;
        self.inner.write_all(bytes)?;
        self.is_at_end = true;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let written = if held.is_empty() { Ok(()) } else { self.write(&held) };
        self.held = held;
        if written.is_ok() {
            self.held.clear();
        }
        written
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(held) = at.checked_sub(self.at).and_then(|from| self.held.get_mut(usize::try_from(from).ok()?..)) {
            let length = bytes.len().min(held.len());
            held[..length].copy_from_slice(&bytes[..length]);
            return Ok(());
        }
        self.flush()?;
        self.is_at_end = false;
        self.inner.seek(SeekFrom::Start(at))?;
        self.inner.write_all(bytes)
    }

    /// Takes back everything from this place on, also what a failed write left behind.
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.is_at_end = false;
        self.held.truncate(usize::try_from(length.saturating_sub(self.at)).unwrap_or(usize::MAX));
        self.at = self.at.min(length);
        self.inner.cut(self.at)
    }
}

/// An archive that is being written. Without [`ZipWriter::finish`] it is none.
pub(crate) struct ZipWriter<W> {
    output: Buffered<W>,
    /// Where the last whole entry ends.
    whole: u64,
    /// The lines of the directory.
    directory: Spool,
    entries: u64,
}

impl<W: Output> ZipWriter<W> {
    pub(crate) fn new(output: W, spill: &Spill) -> Self {
        ZipWriter { output: Buffered::new(output), whole: 0, directory: Spool::new(spill), entries: 0 }
    }

    fn list(&mut self, entry: &Entry) -> io::Result<()> {
        self.directory.push(&entry.directory_line()?)?;
        self.entries += 1;
        self.whole = self.output.len();
        Ok(())
    }

    /// Where the next entry begins.
    pub(crate) fn end(&self) -> u64 {
        self.whole
    }

    /// Writes what was written so far through to the medium.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.output.flush()?;
        self.output.inner.sync()
    }

    /// Bytes behind the last whole entry that the output took before a write failed.
    pub(crate) fn taken(&mut self) -> io::Result<u64> {
        Ok(self.output.inner.stream_position()?.saturating_sub(self.whole))
    }

    /// Takes back what was written of an entry that did not become whole.
    pub(crate) fn undo(&mut self) -> io::Result<()> {
        self.output.cut(self.whole)
    }

    /// Writes a file that is ready, and gives it to the system, so that it stays when the program is killed.
    pub(crate) fn add(&mut self, packed: Packed) -> io::Result<()> {
        let Packed { name, method, crc, size, data } = packed;
        let packed_size = data.len() as u64;
        let large = size.max(packed_size) >= u64::from(IN_ZIP64);
        let entry = Entry { name, method, crc, size, packed_size, offset: self.output.len(), large };
        let header = entry.local_header()?;
        self.output.push(&header)?;
        self.output.push(&data)?;
        self.output.flush()?;
        self.list(&entry)
    }

    /// Begins a file that is compressed while it is written. `large` gives room for 4 GiB and more.
    pub(crate) fn stream(&mut self, name: String, stored: bool, large: bool) -> io::Result<Streaming<'_, W>> {
        self.begin(name, Body::new(stored), large)
    }

    /// The same for a file that comes in blocks that are packed already, see [`Streaming::add`].
    pub(crate) fn stream_blocks(&mut self, name: String, stored: bool, large: bool) -> io::Result<Streaming<'_, W>> {
        let encoder = if stored { Encoder::Stored(Vec::new()) } else { Encoder::Blocks(Vec::new()) };
        self.begin(name, Body { crc: Crc::new(), size: 0, encoder }, large)
    }

    fn begin(&mut self, name: String, body: Body, large: bool) -> io::Result<Streaming<'_, W>> {
        // Until it is whole its header claims lengths that no archive can have, so that nobody takes it for whole.
        let unknown = if large { u64::MAX } else { u64::from(IN_ZIP64) };
        let (method, offset) = (body.method(), self.output.len());
        let mut entry = Entry { name, method, crc: 0, size: unknown, packed_size: unknown, offset, large };
        let header = entry.local_header()?;
        (entry.size, entry.packed_size) = (0, 0);
        self.output.push(&header)?;
        let data_start = self.output.len();
        Ok(Streaming { zip: self, entry, body, data_start })
    }

    /// Writes the directory and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let start = self.output.len();
        let mut directory = self.directory.read(0)?;
        loop {
            let lines = directory.fill_buf()?;
            if lines.is_empty() {
                break;
            }
            self.output.push(lines)?;
            let count = lines.len();
            directory.consume(count);
        }
        drop(directory);
        let (end, count) = (self.output.len(), self.entries);
        let size = end - start;
        if count >= u64::from(u16::MAX) || start >= u64::from(IN_ZIP64) || size >= u64::from(IN_ZIP64) {
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44u64.to_le_bytes());
            record.extend([45, 3, 45, 0]);
            record.extend([0; 8]);
            [count, count, size, start].iter().for_each(|number| record.extend(number.to_le_bytes()));
            record.extend(b"PK\x06\x07\0\0\0\0");
            record.extend(end.to_le_bytes());
            record.extend(1u32.to_le_bytes());
            self.output.push(&record)?;
        }
        let short_count = u16::try_from(count).unwrap_or(u16::MAX);
        let mut record = b"PK\x05\x06\0\0\0\0".to_vec();
        record.extend(short_count.to_le_bytes());
        record.extend(short_count.to_le_bytes());
        record.extend(u32::try_from(size).unwrap_or(IN_ZIP64).to_le_bytes());
        record.extend(u32::try_from(start).unwrap_or(IN_ZIP64).to_le_bytes());
        record.extend([0; 2]);
        self.output.push(&record)?;
        self.output.flush()?;
        Ok(self.output.inner)
    }
}

/// A file of the archive that is being written.
pub(crate) struct Streaming<'a, W> {
    zip: &'a mut ZipWriter<W>,
    entry: Entry,
    body: Body,
    data_start: u64,
}

impl<W: Output> Streaming<'_, W> {
    fn drain(&mut self) -> io::Result<()> {
        let mut out = std::mem::take(self.body.out());
        self.zip.output.push(&out)?;
        out.clear();
        *self.body.out() = out;
        Ok(())
    }

    /// Adds a block, stored or deflated as the file is.
    pub(crate) fn add(&mut self, block: &Block) -> io::Result<()> {
        self.body.crc.combine(&block.crc);
        self.body.size += block.size;
        self.zip.output.push(block.bytes())
    }

    /// Ends the file, corrects its header and gives it to the system, so that it stays when the program is killed.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.end(true)
    }

    /// The same without giving it to the system at once.
    pub(crate) fn finish_later(self) -> io::Result<()> {
        self.end(false)
    }

    fn end(mut self, now: bool) -> io::Result<()> {
        self.body.end()?;
        self.drain()?;
        self.entry.crc = self.body.crc.sum();
        self.entry.size = self.body.size;
        self.entry.packed_size = self.zip.output.len() - self.data_start;
        if !self.entry.large && self.entry.size.max(self.entry.packed_size) >= u64::from(IN_ZIP64) {
            return Err(io::Error::other("the file became longer than it was said to be"));
        }
        let header = self.entry.local_header()?;
        self.zip.output.overwrite(self.entry.offset, &header)?;
        if now {
            self.zip.output.flush()?;
        }
        self.zip.list(&self.entry)
    }
}

impl<W: Output> Write for Streaming<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.body.write(buffer)?;
        self.drain()?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::tests::{listing, oddities};
    use std::io::{Cursor, Read};

    #[test]
    fn another_reader_reads_it() {
        let text = b"some text ".repeat(1000);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()), &Spill::into_folder(&std::env::temp_dir()));
        let mut packing = Packing::new("dir/packed".to_owned(), false);
        packing.write_all(&text).unwrap();
        zip.add(packing.finish().unwrap()).unwrap();
        for (name, stored, large) in [("stored", true, false), ("deflated", false, false), ("large", false, true)] {
            let mut stream = zip.stream(name.to_owned(), stored, large).unwrap();
            text.chunks(777).for_each(|part| stream.write_all(part).unwrap());
            stream.finish().unwrap();
        }
        zip.add(Packing::new("empty".to_owned(), true).finish().unwrap()).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let mut foreign = zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
        assert_eq!(foreign.len(), 5);
        for name in ["dir/packed", "stored", "deflated", "large"] {
            let mut content = Vec::new();
            foreign.by_name(name).unwrap().read_to_end(&mut content).unwrap();
            assert!(content == text, "{name}");
        }
        assert_eq!(oddities(&bytes), []);
    }

    #[test]
    fn more_entries_than_sixteen_bits_count() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()), &Spill::into_folder(&std::env::temp_dir()));
        for number in 0..70_000 {
            zip.add(Packing::new(number.to_string(), true).finish().unwrap()).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        assert_eq!(zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap().len(), 70_000);
        assert_eq!(listing(&bytes).unwrap().1.len(), 70_000);
        assert_eq!(oddities(&bytes), []);
    }
}
