//! Content that lies in clusters as it is: neither compressed nor small enough for the file record.

use crate::source::Content;
use evidence::Bytes;
use ntfs_layout::Extents;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A value by its clusters. Holes and everything after the initialised length read as zeros; clusters that the
/// damaged run list no longer names are an error, because zeros would be an invention.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) volume: Arc<dyn Bytes>,
    pub(crate) cluster_size: u64,
    pub(crate) extents: Extents,
    pub(crate) size: u64,
    pub(crate) initialized: u64,
}

impl Placed {
    /// Bytes of the value that are in clusters or ought to be.
    fn valid(&self) -> u64 {
        self.size.min(self.initialized)
    }

    /// Where the known runs end, in bytes.
    fn known(&self) -> u64 {
        self.extents.end().saturating_mul(self.cluster_size)
    }
}

impl Bytes for Placed {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        let piece = |until: u64| usize::try_from(until - offset).map_or(wanted, |piece| piece.min(wanted));
        if offset >= self.valid() {
            buffer[..wanted].fill(0);
            return Ok(wanted);
        }
        let Some(extent) = self.extents.find(offset / self.cluster_size) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the data runs of this range are lost"));
        };
        let end = extent.end().saturating_mul(self.cluster_size).min(self.valid());
        let count = piece(end);
        match extent.lcn {
            None => buffer[..count].fill(0),
            Some(lcn) => {
                // Extents lie within the volume, so this cannot overflow.
                let at = lcn * self.cluster_size + (offset - extent.vcn * self.cluster_size);
                let read = self.volume.read_full_at(at, &mut buffer[..count])?;
                if read == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the cluster lies after the end of the image",
                    ));
                }
                return Ok(read);
            }
        }
        Ok(count)
    }

    fn next_data(&self, offset: u64) -> u64 {
        let end = self.valid();
        let mut ranges = self.present_from(offset).map(|range| range.start..range.end.min(end));
        ranges.find(|range| range.end > offset).map_or(self.size, |range| range.start).max(offset)
    }
}

/// How much of a range that cannot be read is listed as data. Some must be, so that reading it fails and the loss is
/// seen; all of it could be more than any disk holds, because a damaged length says anything.
const LOST_SHOWN: u64 = 64 << 10;

impl Placed {
    /// The ranges of the value that are in clusters, in order; of clusters that the image does not have, and of
    /// clusters that the run list no longer names, only the beginning.
    pub(crate) fn present(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.present_from(0)
    }

    /// The same without those that end before this offset.
    fn present_from(&self, offset: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let image = self.volume.len();
        let extents = self.extents.as_slice();
        let first = extents.partition_point(|extent| extent.end().saturating_mul(self.cluster_size) <= offset);
        let extents = extents[first..].iter().filter_map(move |extent| {
            let start = extent.vcn.saturating_mul(self.cluster_size);
            let readable = image.saturating_sub(extent.lcn?.saturating_mul(self.cluster_size));
            let length = extent.clusters.saturating_mul(self.cluster_size);
            Some(start..start.saturating_add(length.min(readable.saturating_add(LOST_SHOWN))))
        });
        let known = self.known();
        extents.chain(std::iter::once(known..self.valid().min(known.saturating_add(LOST_SHOWN))))
    }
}

impl Content for Placed {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        merged(self.present(), self.valid())
    }
}

/// Ranges in order, cut at `end`, adjacent ones joined, empty ones left out.
pub(crate) fn merged(ranges: impl Iterator<Item = Range<u64>>, end: u64) -> Vec<Range<u64>> {
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let range = range.start..range.end.min(end);
        if range.start >= range.end {
            continue;
        }
        match merged.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => merged.push(range),
        }
    }
    merged
}

/// Content that the file record itself holds, or that was made up of several parts in memory.
pub(crate) struct Resident(pub(crate) Vec<u8>);

impl Bytes for Resident {
    fn len(&self) -> u64 {
        Bytes::len(&self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

impl Content for Resident {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        merged(std::iter::once(0..self.len()), self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntfs_layout::NonResident;

    fn placed(runs: &[u8], clusters: u64, size: u64, initialized: u64) -> Placed {
        let part = NonResident {
            first_vcn: 0,
            last_vcn: clusters.wrapping_sub(1),
            runs,
            compression_unit: 0,
            allocated: 0,
            size,
            initialized,
        };
        let mut extents = Extents::default();
        let _ = extents.append(&part, 16);
        let volume: Vec<u8> = (0..16 * 512).map(|n: u32| (n / 512) as u8 + 1).collect();
        Placed { volume: Arc::new(volume), cluster_size: 512, extents, size, initialized }
    }

    #[test]
    fn holes_and_the_tail_that_was_never_written_are_zeros() {
        // Clusters 4 and 5, a hole of two, cluster 3; 2400 bytes long, 2100 written.
        let content = placed(&[0x11, 2, 4, 0x01, 2, 0x11, 1, 0xFF, 0], 5, 2400, 2100);
        let all = content.read_all(9999).unwrap().unwrap();
        let expected = [vec![5; 512], vec![6; 512], vec![0; 1024], vec![4; 52], vec![0; 300]].concat();
        assert_eq!(all, expected);
        assert_eq!(content.data_ranges(), [0..1024, 2048..2100]);
        let next = [0, 1023, 1024, 2047, 2048, 2099, 2100, 2400].map(|offset| content.next_data(offset));
        assert_eq!(next, [0, 1023, 2048, 2048, 2048, 2099, 2400, 2400]);
        let mut part = [9; 3];
        assert_eq!(content.read_full_at(511, &mut part).unwrap(), 3);
        assert_eq!(part, [5, 6, 6]);
        assert_eq!(content.read_at(2400, &mut part).unwrap(), 0);
    }

    #[test]
    fn lost_runs_are_an_error_not_zeros() {
        let content = placed(&[0x11, 1, 4, 0x11, 1, 0x7F, 0], 2, 1024, 1024);
        let mut part = [0; 512];
        assert_eq!(content.read_at(0, &mut part).unwrap(), 512);
        assert!(content.read_at(512, &mut part).is_err());
        assert_eq!((content.data_ranges().len(), content.data_ranges()[0].clone()), (1, 0..1024));
    }
}
