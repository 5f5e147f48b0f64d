//! The program files of running processes: their hashes, and the signature that stands in them, as it stands.
//!
//! The system is not asked to judge signatures: that would load libraries that the registry names, which an intruder may
//! have changed, and it writes to the registry of the user who asks. What the certificates say is read from them later.

use evidence::Bytes;
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::io;
use std::ops::Range;

/// Longest program file that is read, and longest table of certificates that is kept.
const LARGEST: u64 = 512 << 20;
const MOST_CERTIFICATES: u64 = 256 << 10;

/// The headers lie in the first bytes of a file; programs with more than that before them are not made.
const HEADERS: usize = 4096;

/// What the digest of an image leaves out, in the order of the file: its checksum, the entry of the certificates and the
/// certificates. Reference: Microsoft, *Windows Authenticode Portable Executable Signature Format*.
fn left_out(headers: &[u8], length: u64) -> Option<[Range<u64>; 3]> {
    let short = |at: usize| headers.get(at..at + 2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let long = |at: usize| headers.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let pe = usize::try_from(long(0x3C)?).ok().filter(|pe| *pe < HEADERS)?;
    if !headers.starts_with(b"MZ") || headers.get(pe..pe + 4)? != b"PE\0\0" {
        return None;
    }
    let optional = pe + 24;
    let directories = match short(optional)? {
        0x10B => optional + 96,
        0x20B => optional + 112,
        _ => return None,
    };
    let checksum = optional as u64 + 64;
    let (mut entry, mut certificates) = (0..0, length..length);
    if long(directories - 4)? > 4 {
        let at = directories + 32;
        entry = at as u64..at as u64 + 8;
        let (from, size) = (u64::from(long(at)?), u64::from(long(at + 4)?));
        if size > 0 && from >= entry.end && from + size <= length {
            certificates = from..from + size;
        }
    }
    Some([checksum..checksum + 4, entry, certificates])
}

/// Hashes a program file in one pass and puts down what it is. `step` is called before so many bytes are read, and may
/// end the reading.
pub(super) fn describe(
    file: &dyn Bytes,
    step: &dyn Fn(usize) -> io::Result<()>,
    line: &mut Map<String, Value>,
) -> io::Result<()> {
    let length = file.len();
    line.insert("size".to_owned(), length.into());
    if length > LARGEST {
        return Err(io::Error::other(format!("the file is longer than {LARGEST} bytes")));
    }
    let mut block = vec![0; 64 << 10];
    let (mut whole, mut image_256, mut image_1) = (Sha256::new(), Sha256::new(), Sha1::new());
    let mut ranges: Option<[Range<u64>; 3]> = None;
    let (mut at, mut certificates) = (0u64, Vec::new());
    loop {
        step(block.len())?;
        // A block is filled, so that the headers are in the first one.
        let read = file.read_full_at(at, &mut block)?;
        if read == 0 {
            break;
        }
        let bytes = &block[..read];
        whole.update(bytes);
        if at == 0 {
            ranges = left_out(&bytes[..read.min(HEADERS)], length);
        }
        if let Some(ranges) = &ranges {
            let end = at + read as u64;
            let part = |range: Range<u64>| {
                let (from, to) = (range.start.clamp(at, end) - at, range.end.clamp(at, end) - at);
                &bytes[from as usize..(to as usize).max(from as usize)]
            };
            let mut from = 0;
            for range in ranges {
                image_256.update(part(from..range.start));
                image_1.update(part(from..range.start));
                from = from.max(range.end);
            }
            image_256.update(part(from..u64::MAX));
            image_1.update(part(from..u64::MAX));
            if ranges[2].end - ranges[2].start <= MOST_CERTIFICATES {
                certificates.extend_from_slice(part(ranges[2].clone()));
            }
        }
        at += read as u64;
    }
    line.insert("sha256".to_owned(), evidence::hex(&whole.finalize()).into());
    if let Some(ranges) = ranges {
        line.insert("image_sha256".to_owned(), evidence::hex(&image_256.finalize()).into());
        line.insert("image_sha1".to_owned(), evidence::hex(&image_1.finalize()).into());
        if ranges[2].end - ranges[2].start > MOST_CERTIFICATES {
            let why = format!("the certificates take more than {MOST_CERTIFICATES} bytes");
            line.insert("certificates_error".to_owned(), why.into());
        } else if !certificates.is_empty() {
            line.insert("certificates".to_owned(), evidence::hex(&certificates).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Map<String, Value> {
        let mut line = Map::new();
        describe(&bytes.to_vec(), &|_| Ok(()), &mut line).unwrap();
        line
    }

    /// A file with the headers of a 64-bit program, and certificates at its end.
    fn program(length: usize, certificates: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length).map(|at| (at * 7 % 256) as u8).collect();
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3C..0x40].copy_from_slice(&0x80u32.to_le_bytes());
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x98..0x9A].copy_from_slice(&0x20Bu16.to_le_bytes());
        bytes[0x98 + 108..0x98 + 112].copy_from_slice(&16u32.to_le_bytes());
        let entry = 0x98 + 112 + 32;
        bytes[entry..entry + 4].copy_from_slice(&((length - certificates) as u32).to_le_bytes());
        bytes[entry + 4..entry + 8].copy_from_slice(&(certificates as u32).to_le_bytes());
        bytes
    }

    #[test]
    fn the_image_is_what_is_neither_checksum_nor_certificates() {
        for (length, certificates) in [(2048, 64), (200_000, 70_000), (65_536, 8), (65_537, 1), (1024, 0)] {
            let bytes = program(length, certificates);
            let line = said(&bytes);
            let entry = 0x98 + 112 + 32;
            let image = [&bytes[..0xD8], &bytes[0xDC..entry], &bytes[entry + 8..length - certificates]].concat();
            assert_eq!(line["sha256"], evidence::hex(&Sha256::digest(&bytes)));
            assert_eq!(line["image_sha256"], evidence::hex(&Sha256::digest(&image)), "{length}");
            assert_eq!(line["image_sha1"], evidence::hex(&Sha1::digest(&image)), "{length}");
            let kept = line.get("certificates").map_or("", |text| text.as_str().unwrap());
            assert_eq!(kept, evidence::hex(&bytes[length - certificates..]));
        }
    }

    /// Longer than any program.
    struct Endless;

    impl Bytes for Endless {
        fn len(&self) -> u64 {
            LARGEST + 1
        }

        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            panic!("it is not read")
        }
    }

    #[test]
    fn what_is_no_program_and_what_claims_too_much() {
        assert_eq!(said(b"").get("image_sha256"), None);
        assert_eq!(said(&[b'M'; 5000]).get("image_sha256"), None);
        let whole = program(2048, 64);
        for length in 0..whole.len() {
            said(&whole[..length]);
        }
        let line = said(&program(600_000, 300_000));
        assert!(line.contains_key("certificates_error") && !line.contains_key("certificates"));
        assert!(describe(&Endless, &|_| Ok(()), &mut Map::new()).is_err());
    }
}
