//! MAM: the compressed container in which Windows 8 and later keep prefetch and superfetch files.
//!
//! Layout: `MAM`, a byte with the compression format in its low nibble and a flag for a checksum in its highest
//! bit, the uncompressed size as u32, the CRC-32 as u32 where the flag is set, then one stream without further
//! framing. The CRC-32 covers the header, four zero bytes in place of the checksum, and the stream.
//!
//! Reference: libyal, *Windows Prefetch File (PF) format*, section "Compressed Prefetch file"; Microsoft,
//! *\[MS-XCA\] Xpress Compression Algorithm*, section 2.1.

use std::borrow::Cow;

use compcol::{Algorithm, Decoder, Status, xpress_huffman::XpressHuffman};
use evidence::ProblemKind;

/// LZXPRESS with Huffman codes, as `COMPRESSION_FORMAT_XPRESS_HUFF` numbers it.
const XPRESS_HUFFMAN: u8 = 4;
/// The bit of the fourth byte that says that a checksum follows the size.
const HAS_CHECKSUM: u8 = 0x80;

/// What a MAM file holds.
#[derive(Debug)]
pub struct Unpacked<'a> {
    /// The content: the file itself where it is not compressed, else as much as could be decompressed.
    pub content: Cow<'a, [u8]>,
    /// Whether the file was a MAM container, so that offsets in `content` are not offsets in the file.
    pub compressed: bool,
    /// What is wrong with the container, each with a sentence.
    pub faults: Vec<(ProblemKind, String)>,
}

/// Whether the bytes begin like a MAM container.
pub fn is_mam(file: &[u8]) -> bool {
    file.starts_with(b"MAM")
}

/// Decompresses a MAM file, and passes anything else through. `limit` bounds the content: a container that
/// declares more is refused before anything is allocated.
pub fn unpack(file: &[u8], limit: u32) -> Unpacked<'_> {
    if !is_mam(file) {
        return Unpacked { content: Cow::Borrowed(file), compressed: false, faults: Vec::new() };
    }
    let mut unpacked = Unpacked { content: Cow::Borrowed(&[]), compressed: true, faults: Vec::new() };
    let faults = &mut unpacked.faults;
    let Some((&[_, _, _, method], rest)) = file.split_first_chunk::<4>() else {
        faults.push(truncated(3, 5, 0, "the compressed container ends within its header"));
        return unpacked;
    };
    let Some((&size, mut stream)) = rest.split_first_chunk::<4>() else {
        faults.push(truncated(4, 4, rest.len(), "the compressed container ends within its header"));
        return unpacked;
    };
    if method & !HAS_CHECKSUM != XPRESS_HUFFMAN {
        let found = format!("MAM compression format {method:#04x}");
        faults.push((ProblemKind::UnsupportedVersion { found }, "the compression format is not known".to_owned()));
        return unpacked;
    }
    if method & HAS_CHECKSUM != 0 {
        let Some((&stored, after)) = stream.split_first_chunk::<4>() else {
            faults.push(truncated(8, 4, stream.len(), "the compressed container ends within its checksum"));
            return unpacked;
        };
        stream = after;
        let computed = crc32([&file[..8], &[0; 4], stream]);
        if computed != u32::from_le_bytes(stored) {
            let what =
                format!("the container's CRC-32 is {:08X}, its bytes give {computed:08X}", u32::from_le_bytes(stored));
            faults.push((ProblemKind::BadChecksum { offset: 0 }, what));
        }
    }
    let declared = u32::from_le_bytes(size);
    if declared > limit {
        let raw = declared.to_string();
        faults.push((ProblemKind::OutOfRange { raw }, format!("the container declares more than {limit} bytes")));
        return unpacked;
    }
    let content = xpress_huffman(stream, declared);
    if content.len() != declared as usize {
        let what = "the compressed stream is damaged or ends early";
        faults.push(truncated(content.len(), declared as usize - content.len(), 0, what));
    }
    unpacked.content = Cow::Owned(content);
    unpacked
}

fn truncated(offset: usize, expected: usize, actual: usize, what: &str) -> (ProblemKind, String) {
    let kind = ProblemKind::Truncated { offset: offset as u64, expected: expected as u64, actual: actual as u64 };
    (kind, what.to_owned())
}

/// Decompresses up to `size` bytes; fewer come back where the stream is damaged.
fn xpress_huffman(stream: &[u8], size: u32) -> Vec<u8> {
    if let Some(whole) = decode(stream, size) {
        return whole;
    }
    // The decoder gives nothing of what it had decoded before it met a fault. It stops at the size that it is told
    // though, so the longest beginning that can be decoded is found by halving.
    let (mut good, mut bad) = (0, size);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match decode(stream, middle) {
            Some(_) => good = middle,
            None => bad = middle,
        }
    }
    decode(stream, good).unwrap_or_default()
}

/// The first `size` bytes of the content, or nothing if they cannot be had.
fn decode(stream: &[u8], size: u32) -> Option<Vec<u8>> {
    // The decoder wants the size in front.
    let input = [&size.to_le_bytes(), stream].concat();
    let size = size as usize;
    let mut decoder = XpressHuffman::decoder();
    let mut buffer = vec![0; size.clamp(1, 64 * 1024)];
    let mut content = Vec::new();
    let mut rest = &input[..];
    loop {
        let (progress, status) = decoder.decode(rest, &mut buffer).ok()?;
        content.extend_from_slice(&buffer[..progress.written.min(size - content.len())]);
        rest = rest.get(progress.consumed..)?;
        let stalled = progress.written == 0 && progress.consumed == 0;
        if status == Status::StreamEnd || content.len() == size {
            break;
        }
        if status == Status::InputEmpty || stalled {
            return None;
        }
    }
    (content.len() == size).then_some(content)
}

/// CRC-32 of ISO 3309 over the parts in order.
fn crc32(parts: [&[u8]; 3]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(content: &[u8]) -> Vec<u8> {
        [b"MAM\x04", &*compcol::vec::compress_to_vec::<XpressHuffman>(content).unwrap()].concat()
    }

    fn content() -> Vec<u8> {
        (0..200_000u32).flat_map(|n| [(n % 251) as u8, (n / 251) as u8]).collect()
    }

    #[test]
    fn plain_bytes_pass_through() {
        let unpacked = unpack(b"plain", 10);
        assert_eq!((&*unpacked.content, unpacked.compressed, unpacked.faults.len()), (&b"plain"[..], false, 0));
    }

    #[test]
    fn whole_stream() {
        let unpacked = unpack(&pack(&content()), 1 << 20).content.into_owned();
        assert_eq!(unpacked, content());
    }

    #[test]
    fn a_truncated_stream_gives_its_beginning() {
        let packed = pack(&content());
        let unpacked = unpack(&packed[..packed.len() / 2], 1 << 20);
        assert!(unpacked.content.len() > content().len() / 4, "{}", unpacked.content.len());
        assert!(content().starts_with(&unpacked.content));
        assert!(matches!(unpacked.faults[..], [(ProblemKind::Truncated { .. }, _)]));
        // The table takes 256 bytes; from there on every two bytes give some of the content.
        let small = pack(&content()[..2000]);
        let lengths = (0..small.len() - 8).map(|cut| {
            let unpacked = unpack(&small[..small.len() - cut], 1 << 20).content.into_owned();
            assert!(content().starts_with(&unpacked), "{cut} bytes cut");
            unpacked.len()
        });
        let lengths: Vec<usize> = lengths.collect();
        assert!(lengths.is_sorted_by(|a, b| a >= b) && lengths[100] > 0, "{lengths:?}");
    }

    #[test]
    fn a_declared_size_is_not_an_allocation() {
        let mut packed = pack(b"small");
        packed[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let unpacked = unpack(&packed, 1 << 20);
        assert!(unpacked.content.is_empty());
        assert!(matches!(unpacked.faults[..], [(ProblemKind::OutOfRange { .. }, _)]));
    }

    #[test]
    fn the_checksum_is_checked() {
        // The CRC-32 of "123456789" is the published check value of this polynomial.
        assert_eq!(crc32([b"123", b"456", b"789"]), 0xCBF4_3926);
        let mut packed = pack(&content());
        packed[3] |= HAS_CHECKSUM;
        let crc = crc32([&packed[..8], &[0; 4], &packed[8..]]);
        packed.splice(8..8, crc.to_le_bytes());
        assert_eq!(unpack(&packed, 1 << 20).faults, []);
        packed[9] ^= 1;
        let damaged = unpack(&packed, 1 << 20);
        assert_eq!(damaged.faults[0].0, ProblemKind::BadChecksum { offset: 0 });
        assert_eq!(*damaged.content, content(), "a wrong checksum loses nothing");
    }

    #[test]
    fn other_methods_and_short_headers_are_named() {
        assert_eq!(unpack(b"MAM\x02\x05\0\0\0abcde", 10).faults[0].0.name(), "unsupported_version");
        for file in [&b"MAM"[..], b"MAM\x04", b"MAM\x04\x01\x02", b"MAM\x84\x01\0\0\0\x01", b"MAM\x04\x01\0\0\0"] {
            assert_eq!(unpack(file, 10).faults[0].0.name(), "truncated", "{file:?}");
        }
    }
}
