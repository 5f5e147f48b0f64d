//! Deflates a long file in blocks that need nothing of each other but the bytes before them, so that several are deflated at
//! once. One after the other they are one ordinary stream, the same for any number of threads.
//!
//! Reference: RFC 1951 3.2.3 and 3.2.6; zlib manual, `deflateSetDictionary` and `Z_SYNC_FLUSH`.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io;
use std::sync::Arc;

/// How far back a match can reach, in bytes.
const WINDOW: usize = 1 << 15;

/// An empty last block of fixed codes, which ends the stream.
pub(super) const END: [u8; 2] = [3, 0];

/// A block of a file, ready to be written.
pub(crate) struct Block {
    data: Data,
    pub(super) crc: Crc,
    pub(super) size: u64,
}

enum Data {
    Stored(Arc<Vec<u8>>),
    Deflated(Vec<u8>),
}

impl Block {
    /// A block as it is.
    pub(crate) fn stored(block: &Arc<Vec<u8>>) -> Self {
        Block { data: Data::Stored(block.clone()), crc: crc(block), size: block.len() as u64 }
    }

    /// A block that is compressed, with the one before it, in the memory of one that was written.
    pub(crate) fn deflated(block: &[u8], before: Option<&[u8]>, spare: Option<Block>) -> io::Result<Self> {
        let mut deflated = match spare {
            Some(Block { data: Data::Deflated(spare), .. }) => spare,
            _ => Vec::new(),
        };
        deflate(block, before.unwrap_or_default(), &mut deflated).map_err(io::Error::other)?;
        Ok(Block { data: Data::Deflated(deflated), crc: crc(block), size: block.len() as u64 })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Stored(bytes) => bytes,
            Data::Deflated(bytes) => bytes,
        }
    }
}

fn crc(block: &[u8]) -> Crc {
    let mut crc = Crc::new();
    crc.update(block);
    crc
}

/// Ends on a whole byte, where another block can follow.
fn deflate(block: &[u8], before: &[u8], out: &mut Vec<u8>) -> Result<(), flate2::CompressError> {
    let mut compress = Compress::new(Compression::new(1), false);
    let dictionary = &before[before.len().saturating_sub(WINDOW)..];
    if !dictionary.is_empty() {
        compress.set_dictionary(dictionary)?;
    }
    out.clear();
    out.reserve(block.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(block.len());
        let status = compress.compress_vec(&block[taken..], out, FlushCompress::Sync)?;
        // Where there is room left, nothing waits for it.
        if out.len() < out.capacity() && compress.total_in() == block.len() as u64 || status == Status::StreamEnd {
            return Ok(());
        }
        out.reserve(block.len() / 2 + 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::Spill;
    use crate::zip::writer::ZipWriter;
    use std::io::{Cursor, Read};

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n:08X} {:08X}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    /// An archive with one file of these blocks.
    fn archive(data: &[u8], block: usize, stored: bool) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()), &Spill::into_folder(&std::env::temp_dir()));
        let mut stream = zip.stream_blocks("a".to_owned(), stored, false).unwrap();
        let (mut before, mut spare): (Option<&[u8]>, _) = (None, None);
        for block in data.chunks(block) {
            let made = match stored {
                true => Block::stored(&Arc::new(block.to_vec())),
                false => Block::deflated(block, before, spare.take()).unwrap(),
            };
            stream.add(&made).unwrap();
            (before, spare) = (Some(block), Some(made));
        }
        stream.finish().unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn other_readers_read_blocks_as_one_file() {
        let mixed = [noise(200_000), numbers(50_000), vec![0; 300_000], noise(3)].concat();
        for data in [Vec::new(), vec![7], noise(100_000), numbers(100_000), vec![0; 3 << 20], mixed] {
            for block in [1000, 1 << 15, 100_001, 1 << 20] {
                for stored in [false, true] {
                    let archive = archive(&data, block, stored);
                    let mut zip = zip::ZipArchive::new(Cursor::new(&archive)).unwrap();
                    let mut file = zip.by_index(0).unwrap();
                    assert_eq!(file.size(), data.len() as u64);
                    let mut read = Vec::new();
                    // The library compares the checksum.
                    file.read_to_end(&mut read).unwrap();
                    assert!(read == data, "{} in {block}", data.len());
                }
            }
        }
    }

    #[test]
    fn blocks_cost_little() {
        let data = numbers(400_000);
        let whole = archive(&data, data.len(), false).len();
        let blocks = archive(&data, 1 << 20, false).len();
        assert!(blocks < whole + whole / 200, "{blocks} {whole}");
    }
}
