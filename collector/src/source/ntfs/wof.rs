//! Content that the Windows Overlay Filter compressed ("CompactOS").
//!
//! The unnamed stream is a hole of the content's length. The stream `WofCompressedData` begins with a table of the
//! offsets at which each chunk but the first begins, counted from the table's end, followed by the chunks. A chunk as
//! long as what it unpacks to is stored as it is.
//!
//! References: Microsoft, *FILE_PROVIDER_EXTERNAL_INFO_V1*; *[MS-XCA]* 2.1; Microsoft, *Windows Imaging File Format (WIM)*,
//! whose resources have the same shape.

use super::lzx;
use super::placed::merged;
use crate::source::Content;
use compcol::{Algorithm, Decoder, Status, xpress_huffman::XpressHuffman};
use evidence::Bytes;
use ntfs_layout::WofFile;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Longest table that is read: a file of more than 64 GiB would need it.
const MAX_TABLE: u64 = 128 << 20;

/// A WOF-compressed file, decompressed as it is read.
pub(crate) struct Wof {
    stored: Box<dyn Content>,
    size: u64,
    chunk: u64,
    lzx: bool,
    /// Where each chunk begins in `stored`, and one more for the end of the last.
    starts: Vec<u64>,
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl Wof {
    /// `stored` is the stream `WofCompressedData`, `size` the length of the content. An error in words.
    pub(crate) fn new(stored: Box<dyn Content>, size: u64, file: WofFile) -> Result<Self, String> {
        let (chunk, lzx) = match (file.provider, file.algorithm) {
            (2, 0) => (4096, false),
            (2, 1) => (32_768, true),
            (2, 2) => (8192, false),
            (2, 3) => (16_384, false),
            (1, _) => return Err("its content lies in a WIM archive, not in the file".into()),
            (provider, algorithm) => return Err(format!("provider {provider}, algorithm {algorithm} is not known")),
        };
        let chunks = size.div_ceil(chunk);
        let width = if size > u64::from(u32::MAX) { 8 } else { 4 };
        let table = chunks.saturating_sub(1).saturating_mul(width);
        if table > MAX_TABLE || table > stored.len() {
            return Err(format!("{chunks} chunks cannot lie in {} stored bytes", stored.len()));
        }
        let mut bytes = vec![0; table as usize];
        let read = stored.read_full_at(0, &mut bytes).map_err(|error| format!("its chunk table: {error}"))?;
        if (read as u64) < table {
            return Err("its chunk table is cut short".into());
        }
        let offsets = bytes.chunks_exact(width as usize).map(|bytes| {
            let mut wide = [0; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(wide).saturating_add(table)
        });
        let starts = std::iter::once(table).chain(offsets).chain(std::iter::once(stored.len())).collect();
        Ok(Wof { stored, size, chunk, lzx, starts, last: Mutex::default() })
    }

    /// Decompresses one chunk into `out`, which has its length.
    fn unpack(&self, number: u64, out: &mut [u8]) -> io::Result<()> {
        let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let [start, end] = self.starts[number as usize..number as usize + 2] else { return Err(bad("no such chunk")) };
        let length = end.checked_sub(start).filter(|length| *length <= out.len() as u64);
        let length = length.ok_or_else(|| bad("the chunk table is out of order"))? as usize;
        if length == out.len() {
            let read = self.stored.read_full_at(start, out)?;
            return if read == length { Ok(()) } else { Err(bad("a chunk is cut short")) };
        }
        let mut packed = vec![0; length];
        let read = self.stored.read_full_at(start, &mut packed)?;
        let packed = &packed[..read];
        if self.lzx { lzx::decompress(packed, out).map_err(bad) } else { xpress(packed, out).map_err(bad) }
    }
}

/// Decompresses one XPRESS Huffman chunk to exactly the length of `out`.
pub(crate) fn xpress(packed: &[u8], out: &mut [u8]) -> Result<(), &'static str> {
    let damaged = "an XPRESS chunk is damaged";
    // The library wants the unpacked length in front, which Windows keeps elsewhere.
    let length = u32::try_from(out.len()).map_err(|_| damaged)?;
    let framed = [&length.to_le_bytes(), packed].concat();
    let mut decoder = XpressHuffman::decoder();
    let (mut read, mut done) = (0, 0);
    while done < out.len() && read < framed.len() {
        let (progress, status) = decoder.decode(&framed[read..], &mut out[done..]).map_err(|_| damaged)?;
        (read, done) = (read + progress.consumed, done + progress.written);
        if status == Status::StreamEnd || progress.consumed + progress.written == 0 {
            break;
        }
    }
    while done < out.len() {
        let (progress, status) = decoder.finish(&mut out[done..]).map_err(|_| damaged)?;
        done += progress.written;
        if status == Status::StreamEnd || progress.written == 0 {
            break;
        }
    }
    if done == out.len() { Ok(()) } else { Err("an XPRESS chunk is cut short") }
}

impl Bytes for Wof {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let (number, skip) = (offset / self.chunk, (offset % self.chunk) as usize);
        let length = self.chunk.min(self.size - number * self.chunk) as usize;
        let count = (length - skip).min(wanted);
        let buffer = &mut buffer[..count];
        if count == length {
            self.unpack(number, buffer)?;
            return Ok(count);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, chunk)) if *known == number => buffer.copy_from_slice(&chunk[skip..skip + count]),
            _ => {
                let mut chunk = vec![0; length];
                self.unpack(number, &mut chunk)?;
                buffer.copy_from_slice(&chunk[skip..skip + count]);
                *last = Some((number, chunk));
            }
        }
        Ok(count)
    }
}

impl Content for Wof {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        merged(std::iter::once(0..self.size), self.size)
    }
}
