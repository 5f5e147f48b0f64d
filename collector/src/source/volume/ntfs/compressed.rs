//! Content that NTFS compressed (LZNT1).
//!
//! The value is cut into units of 2^n clusters. A unit with all its clusters is stored as it is, one without
//! any is zeros, and one with some holds LZNT1 chunks of up to 4096 bytes each.
//!
//! References: *[MS-XCA]* 2.5; Microsoft, *NTFS Compression* in the Win32 documentation.

use super::placed::{Placed, merged};
use crate::source::Content;
use compcol::{Algorithm, Decoder, lznt1::Lznt1};
use evidence::Bytes;
use parking_lot::Mutex;
use std::io;
use std::ops::Range;

/// What an LZNT1 chunk holds when it is full.
const CHUNK: usize = 4096;
/// NTFS compresses units of at most 64 KiB.
const MAX_UNIT: u64 = 1 << 20;

/// A compressed value, decompressed as it is read.
pub(crate) struct Compressed {
    stored: Placed,
    unit: u64,
    /// The unit decompressed last: sequential readers with small buffers would decompress each one often.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

/// What a unit holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zeros,
    Stored,
    Packed { bytes: u64 },
    Lost,
}

impl Compressed {
    /// `exponent` is the power of two of clusters per unit.
    pub(crate) fn new(stored: Placed, exponent: u8) -> Result<Self, String> {
        let unit = 1u64.checked_shl(u32::from(exponent)).and_then(|clusters| clusters.checked_mul(stored.cluster_size));
        match unit.filter(|unit| *unit <= MAX_UNIT) {
            Some(unit) => Ok(Compressed { stored, unit, last: Mutex::default() }),
            None => Err(format!("compression units of 2^{exponent} clusters are not defined")),
        }
    }

    fn kind(&self, number: u64) -> Kind {
        let clusters = self.unit / self.stored.cluster_size;
        let (first, end) = (number * clusters, (number + 1) * clusters);
        let (mut at, mut used) = (first, 0);
        while at < end {
            let Some(extent) = self.stored.extents.find(at) else {
                // A value may end inside its last unit, but not before the content does.
                let covered = at.saturating_mul(self.stored.cluster_size) >= self.stored.size;
                if covered || used > 0 {
                    break;
                }
                return Kind::Lost;
            };
            let stop = extent.end().min(end);
            if extent.lcn.is_some() {
                used += stop - at;
            }
            at = stop;
        }
        match used {
            0 => Kind::Zeros,
            used if used == clusters => Kind::Stored,
            used => Kind::Packed { bytes: used * self.stored.cluster_size },
        }
    }

    /// Decompresses one unit into `out`, which has the unit's length.
    fn unpack(&self, number: u64, bytes: u64, out: &mut [u8]) -> io::Result<()> {
        // The packed bytes are read past the content's own length, which counts unpacked ones.
        let all = Placed { size: u64::MAX, initialized: u64::MAX, ..self.stored.clone() };
        let mut packed = vec![0; bytes as usize];
        let read = all.read_full_at(number * self.unit, &mut packed)?;
        packed.truncate(read);
        lznt1(&packed, out).map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

/// Decompresses LZNT1 chunks. The part of `out` that no chunk fills becomes zeros.
pub(crate) fn lznt1(packed: &[u8], out: &mut [u8]) -> Result<(), &'static str> {
    let mut rest = packed;
    let mut chunks = out.chunks_mut(CHUNK);
    for chunk in chunks.by_ref() {
        let header = match rest {
            [] | [0, 0, ..] => {
                chunk.fill(0);
                break;
            }
            [low, high, ..] => u16::from_le_bytes([*low, *high]),
            [_] => return Err("an LZNT1 chunk is cut short"),
        };
        let length = 2 + usize::from(header & 0x0FFF) + 1;
        let own = rest.get(..length).ok_or("an LZNT1 chunk is cut short")?;
        rest = &rest[length..];
        let mut decoder = Lznt1::decoder();
        let mut done = 0;
        let (progress, _) = decoder.decode(own, chunk).map_err(|_| "an LZNT1 chunk is damaged")?;
        done += progress.written;
        // A chunk that unpacks to less than the rest of the value leaves zeros behind it.
        chunk[done..].fill(0);
    }
    chunks.for_each(|chunk| chunk.fill(0));
    Ok(())
}

impl Bytes for Compressed {
    fn len(&self) -> u64 {
        self.stored.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let valid = self.stored.initialized.min(self.len());
        if offset >= valid {
            buffer[..wanted].fill(0);
            return Ok(wanted);
        }
        let (number, skip) = (offset / self.unit, (offset % self.unit) as usize);
        let end = ((number + 1) * self.unit).min(valid);
        let count = usize::try_from(end - offset).map_or(wanted, |count| count.min(wanted));
        let buffer = &mut buffer[..count];
        match self.kind(number) {
            Kind::Zeros => buffer.fill(0),
            Kind::Stored => return self.stored.read_at(offset, buffer),
            Kind::Lost => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the data runs of this range are lost"));
            }
            Kind::Packed { bytes } if skip == 0 && count as u64 == self.unit => self.unpack(number, bytes, buffer)?,
            Kind::Packed { bytes } => {
                let mut last = self.last.lock();
                match &*last {
                    Some((known, unit)) if *known == number => buffer.copy_from_slice(&unit[skip..skip + count]),
                    _ => {
                        let mut unit = vec![0; self.unit as usize];
                        self.unpack(number, bytes, &mut unit)?;
                        buffer.copy_from_slice(&unit[skip..skip + count]);
                        *last = Some((number, unit));
                    }
                }
            }
        }
        Ok(count)
    }
}

impl Content for Compressed {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        let end = self.len().min(self.stored.initialized);
        // Every unit with a cluster holds data; an extent may begin or end inside one.
        let mut covered = 0;
        let units = self.stored.present().map(move |range| {
            let start = range.start.min(end) / self.unit * self.unit;
            let range = start.max(covered)..range.end.min(end).next_multiple_of(self.unit);
            covered = covered.max(range.end);
            range
        });
        merged(units, end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CLUSTER, Clusters};
    use super::*;
    use compcol::vec::compress_to_vec;
    use ntfs_layout::{Attribute, Extents, FileRecord, Form};
    use std::sync::Arc;

    /// The extents of an attribute made by hand.
    fn extents(runs: &[(Option<u64>, u64)]) -> Extents {
        let attribute = Clusters { kind: 0x80, runs, ..Clusters::default() }.build();
        let mut record = super::super::testing::record(1, 1, None, &[attribute]);
        let record = FileRecord::parse(0, &mut record).unwrap();
        let Some(Ok(Attribute { form: Form::NonResident(place), .. })) = record.attributes().next() else { panic!() };
        let mut extents = Extents::default();
        extents.append(&place, 1 << 20).unwrap();
        extents
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| b"regasm /U T1121.dll "[n % 20] ^ (n / 5000) as u8).collect()
    }

    #[test]
    fn packed_stored_and_empty_units() {
        const UNIT: usize = 16 * CLUSTER;
        let content = text(3 * UNIT + 100);
        let mut volume = vec![0; 80 * CLUSTER];
        let packed = compress_to_vec::<Lznt1>(&content[..UNIT]).unwrap();
        let clusters = packed.len().div_ceil(CLUSTER) as u64;
        assert!(clusters < 16);
        volume[CLUSTER..CLUSTER + packed.len()].copy_from_slice(&packed);
        volume[20 * CLUSTER..36 * CLUSTER].copy_from_slice(&content[2 * UNIT..3 * UNIT]);
        let tail = compress_to_vec::<Lznt1>(&content[3 * UNIT..]).unwrap();
        volume[40 * CLUSTER..40 * CLUSTER + tail.len()].copy_from_slice(&tail);
        let runs = [(Some(1), clusters), (None, 16 - clusters), (None, 16), (Some(20), 16), (Some(40), 1), (None, 15)];
        let size = content.len() as u64;
        let stored = |initialized| Placed {
            volume: Arc::new(volume.clone()),
            cluster_size: CLUSTER as u64,
            extents: extents(&runs),
            size,
            initialized,
        };
        let compressed = Compressed::new(stored(size), 4).unwrap();
        let mut expected = content.clone();
        expected[UNIT..2 * UNIT].fill(0);
        assert!(compressed.read_all(size).unwrap().unwrap() == expected);
        let unit = UNIT as u64;
        assert_eq!(compressed.data_ranges(), [0..unit, 2 * unit..size]);
        for (offset, length) in [(0, 1), (UNIT - 1, 2), (2 * UNIT - 9, 5 * CLUSTER), (3 * UNIT + 99, 9)] {
            let mut part = vec![0; length];
            let read = compressed.read_full_at(offset as u64, &mut part).unwrap();
            assert!(part[..read] == expected[offset..(offset + length).min(expected.len())], "{offset}");
        }
        let short = Compressed::new(stored(50), 4).unwrap();
        let all = short.read_all(size).unwrap().unwrap();
        assert!(all[..50] == content[..50] && all[50..].iter().all(|byte| *byte == 0));
        assert!(Compressed::new(stored(size), 60).is_err());
    }

    #[test]
    fn chunks_by_hand_and_damaged_ones() {
        // "abcabcabc": three letters and a match of distance 3 and length 6, as [MS-XCA] 3.2 encodes it.
        let mut out = [1; 5000];
        lznt1(&[0x05, 0xB0, 0x08, b'a', b'b', b'c', 0x03, 0x20, 0, 0], &mut out).unwrap();
        assert_eq!((&out[..9], out[9], out[4999]), (&b"abcabcabc"[..], 0, 0));
        assert!(lznt1(&[0x05, 0xB0, 0x08], &mut out).is_err());
        assert!(lznt1(&[0x05], &mut out).is_err());
        assert!(lznt1(&[0x02, 0xB0, 0xFF, 0, 0], &mut out).is_err());
        assert!(lznt1(&[0xFF; 9000], &mut out).is_err());
        lznt1(&[], &mut out).unwrap();
        assert_eq!(out, [0; 5000]);
    }

    #[test]
    fn lost_runs_and_damaged_units_are_errors() {
        let content = text(16 * CLUSTER);
        let packed = compress_to_vec::<Lznt1>(&content).unwrap();
        let mut volume = vec![0; 8 * CLUSTER];
        volume[..packed.len()].copy_from_slice(&packed);
        let mut value = Placed {
            volume: Arc::new(volume.clone()),
            cluster_size: CLUSTER as u64,
            extents: extents(&[(Some(0), packed.len().div_ceil(CLUSTER) as u64)]),
            size: 64 * CLUSTER as u64,
            initialized: 64 * CLUSTER as u64,
        };
        let compressed = Compressed::new(value.clone(), 4).unwrap();
        let mut buffer = vec![0; 16 * CLUSTER];
        assert_eq!(compressed.read_full_at(0, &mut buffer).unwrap(), 16 * CLUSTER);
        assert!(compressed.read_at(17 * CLUSTER as u64, &mut buffer).is_err());
        // Of what is lost a unit is listed, so that reading it fails and the loss is seen.
        let listed = compressed.data_ranges();
        assert_eq!((listed.len(), listed[0].clone()), (1, 0..32 * CLUSTER as u64));
        volume[1] = 0x10;
        value.volume = Arc::new(volume);
        assert!(Compressed::new(value, 4).unwrap().read_at(0, &mut buffer).is_err());
    }
}
