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
use parking_lot::Mutex;
use std::io;
use std::ops::Range;

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
        if self.stored.read_full_at(start, &mut packed)? < length {
            return Err(bad("a chunk is cut short"));
        }
        if self.lzx { lzx::decompress(&packed, out).map_err(bad) } else { xpress(&packed, out).map_err(bad) }
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
        let mut last = self.last.lock();
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

#[cfg(test)]
mod tests {
    use super::super::placed::Resident;
    use super::*;
    use sha2::{Digest, Sha256};

    /// The bytes that went into the vectors: words, code full of calls, zeros, noise, words, calls at the very end.
    fn sample() -> Vec<u8> {
        let mut state = 0x1234_5678u32;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        const WORDS: [&[u8]; 10] = [
            b"regasm ",
            b"regsvcs ",
            b"assembly ",
            b"codebase ",
            b"the ",
            b"of ",
            b"register ",
            b"\r\n",
            b"0x",
            b"class ",
        ];
        let mut out = Vec::new();
        while out.len() < 30_000 {
            out.extend(WORDS[random() as usize % 10]);
        }
        while out.len() < 50_000 {
            out.extend(b"\x55\x8b\xec\xe8");
            out.extend(((random() % 4000) as i32 - 2000).to_le_bytes());
            out.extend([0x83, 0xC4, (random() % 32) as u8, 0xC3]);
        }
        out.resize(out.len() + 5000, 0);
        while out.len() < 60_000 {
            out.push((random() >> 24) as u8);
        }
        while out.len() < 69_990 {
            out.extend(WORDS[random() as usize % 7]);
        }
        out.truncate(69_990);
        out.extend(b"\xe8\x01\x02\x00\x00\xe8\x01\x02\x00\x00");
        out
    }

    const VECTORS: [(&[u8], u32); 4] = [
        (include_bytes!("vectors/xpress4k.bin"), 0),
        (include_bytes!("vectors/lzx.bin"), 1),
        (include_bytes!("vectors/xpress8k.bin"), 2),
        (include_bytes!("vectors/xpress16k.bin"), 3),
    ];

    fn wof(stored: &[u8], algorithm: u32) -> Result<Wof, String> {
        Wof::new(Box::new(Resident(stored.to_vec())), 70_000, WofFile { provider: 2, algorithm })
    }

    #[test]
    fn what_another_program_compressed_unpacks_to_what_went_in() {
        let sample = sample();
        let hash: String = Sha256::digest(&sample).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "90ed6de583b854edb10bf290715f14c1b5cb400036ff31a3e0823f5993958b1b");
        for (stored, algorithm) in VECTORS {
            let content = wof(stored, algorithm).unwrap();
            assert!(content.read_all(70_000).unwrap().unwrap() == sample, "{algorithm}");
            for (offset, length) in [(0, 1), (4095, 2), (32_767, 40_000), (69_999, 5), (70_000, 5)] {
                let mut part = vec![0; length];
                let read = content.read_full_at(offset, &mut part).unwrap();
                let end = (offset as usize + length).min(70_000);
                assert!(part[..read] == sample[offset as usize..end], "{algorithm} {offset}");
            }
        }
    }

    #[test]
    fn damage_is_an_error_of_its_chunk() {
        for (stored, algorithm) in VECTORS {
            for length in [0, 1, 3, 8, 70, 600] {
                if let Ok(content) = wof(&stored[..length], algorithm) {
                    assert!(content.read_all(70_000).is_err(), "{algorithm} {length}");
                }
            }
            let mut buffer = vec![0; 70_000];
            for at in (0..stored.len()).step_by(97) {
                let mut bytes = stored.to_vec();
                bytes[at] ^= 0x55;
                // It may be an error or other bytes, but it ends and does not panic.
                let _ = wof(&bytes, algorithm).map(|content| content.read_full_at(0, &mut buffer).is_ok());
            }
        }
        assert!(Wof::new(Box::new(Resident(vec![0; 9])), u64::MAX / 2, WofFile { provider: 2, algorithm: 0 }).is_err());
        assert!(Wof::new(Box::new(Resident(vec![0; 9])), 9, WofFile { provider: 1, algorithm: 0 }).is_err());
        assert!(Wof::new(Box::new(Resident(vec![0; 9])), 9, WofFile { provider: 2, algorithm: 4 }).is_err());
        for fill in [0, 0xFF] {
            let mut out = [0; 4096];
            assert!(lzx::decompress(&[fill; 300], &mut out).is_err());
            let _ = xpress(&[fill; 300], &mut out);
        }
    }

    #[test]
    fn stored_chunks_and_files_of_one_chunk() {
        let stored =
            [0x10, 0x10, 0, 0].into_iter().chain(std::iter::repeat_n(7, 4096)).chain([8, 9]).collect::<Vec<u8>>();
        let mut table = stored.clone();
        table[..4].copy_from_slice(&4096u32.to_le_bytes());
        let content = Wof::new(Box::new(Resident(table)), 4098, WofFile { provider: 2, algorithm: 0 }).unwrap();
        let all = content.read_all(9999).unwrap().unwrap();
        assert_eq!((all.len(), all[4095], all[4096], all[4097]), (4098, 7, 8, 9));
        let one = Wof::new(Box::new(Resident(vec![5; 10])), 10, WofFile { provider: 2, algorithm: 1 }).unwrap();
        assert_eq!(one.read_all(10).unwrap().unwrap(), [5; 10]);
    }
}
