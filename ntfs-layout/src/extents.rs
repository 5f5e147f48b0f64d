//! Data runs: where a non-resident value lies.

use crate::attribute::NonResident;
use std::fmt;

/// A range of clusters of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First cluster within the value.
    pub vcn: u64,
    /// First cluster on the volume; `None` for a hole.
    pub lcn: Option<u64>,
    /// Number of clusters, at least 1.
    pub clusters: u64,
}

impl Extent {
    /// The cluster of the value after this range.
    pub fn end(&self) -> u64 {
        self.vcn.saturating_add(self.clusters)
    }
}

/// Why the runs end early. What was decoded before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunFault {
    /// The encoded bytes end inside a run, or a number has more than eight bytes.
    Malformed,
    /// A run of no clusters, or of more than there can be.
    BadLength,
    /// A run begins before the volume.
    Negative,
    /// A run ends after the volume.
    PastTheEnd {
        /// Its first cluster.
        lcn: u64,
        /// How many clusters it claims.
        clusters: u64,
    },
    /// The runs describe more or fewer clusters than the attribute says.
    WrongTotal {
        /// The cluster after the last one, as the attribute says it.
        stated: u64,
        /// The same by its runs.
        found: u64,
    },
    /// This part of the value does not begin where the one before ended.
    Gap {
        /// Where it should begin.
        expected: u64,
        /// Where it begins.
        found: u64,
    },
}

impl fmt::Display for RunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunFault::Malformed => write!(f, "the data runs are cut short"),
            RunFault::BadLength => write!(f, "a data run has an impossible length"),
            RunFault::Negative => write!(f, "a data run begins before the volume"),
            RunFault::PastTheEnd { lcn, clusters } => {
                write!(f, "a data run of {clusters} clusters from cluster {lcn} ends after the volume")
            }
            RunFault::WrongTotal { stated, found } => {
                write!(f, "the data runs end at cluster {found} of the value, not at {stated}")
            }
            RunFault::Gap { expected, found } => {
                write!(f, "a part of the value begins at cluster {found}, not at {expected}")
            }
        }
    }
}

/// The ranges of a value in order, without gaps and overlaps within the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents(Vec<Extent>);

fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut raw = if negative { [0xFF; 8] } else { [0; 8] };
    raw[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(raw)
}

impl Extents {
    /// The ranges.
    pub fn as_slice(&self) -> &[Extent] {
        &self.0
    }

    /// The cluster of the value after the last one described.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, Extent::end)
    }

    /// Appends a part of the value, on a volume of `volume_clusters`. Parts must come in order.
    /// At a fault what was decoded stays; the rest of the value is then not known.
    pub fn append(&mut self, part: &NonResident<'_>, volume_clusters: u64) -> Result<(), RunFault> {
        if part.first_vcn != self.end() {
            return Err(RunFault::Gap { expected: self.end(), found: part.first_vcn });
        }
        let mut runs = part.runs;
        let mut vcn = part.first_vcn;
        let mut lcn = 0i64;
        loop {
            let head = match runs.split_first() {
                Some((0, _)) => break,
                // Some tools cut the terminator off when the runs are complete without it.
                None if vcn == part.last_vcn.wrapping_add(1) => break,
                None => return Err(RunFault::Malformed),
                Some((head, rest)) => {
                    runs = rest;
                    *head
                }
            };
            let (length_bytes, offset_bytes) = (usize::from(head & 15), usize::from(head >> 4));
            if length_bytes > 8 || offset_bytes > 8 || runs.len() < length_bytes + offset_bytes {
                return Err(RunFault::Malformed);
            }
            let clusters = u64::try_from(number(&runs[..length_bytes])).map_err(|_| RunFault::BadLength)?;
            let end = vcn.checked_add(clusters).filter(|_| clusters > 0).ok_or(RunFault::BadLength)?;
            let start = if offset_bytes == 0 {
                None
            } else {
                let delta = number(&runs[length_bytes..length_bytes + offset_bytes]);
                lcn = lcn.checked_add(delta).ok_or(RunFault::Negative)?;
                let start = u64::try_from(lcn).map_err(|_| RunFault::Negative)?;
                if start.checked_add(clusters).is_none_or(|end| end > volume_clusters) {
                    return Err(RunFault::PastTheEnd { lcn: start, clusters });
                }
                Some(start)
            };
            runs = &runs[length_bytes + offset_bytes..];
            self.push(Extent { vcn, lcn: start, clusters });
            vcn = end;
        }
        let stated = part.last_vcn.wrapping_add(1);
        if stated == vcn { Ok(()) } else { Err(RunFault::WrongTotal { stated, found: vcn }) }
    }

    fn push(&mut self, next: Extent) {
        if let Some(last) = self.0.last_mut() {
            let continues = match (last.lcn, next.lcn) {
                (None, None) => true,
                (Some(a), Some(b)) => a.checked_add(last.clusters) == Some(b),
                _ => false,
            };
            if continues {
                last.clusters += next.clusters;
                return;
            }
        }
        self.0.push(next);
    }

    /// The range that holds this cluster of the value.
    pub fn find(&self, vcn: u64) -> Option<&Extent> {
        let index = self.0.partition_point(|extent| extent.end() <= vcn);
        self.0.get(index).filter(|extent| extent.vcn <= vcn)
    }

    /// Whether two ranges of the value claim the same cluster of the volume, which no sound file does.
    pub fn overlap(&self) -> bool {
        let mut taken: Vec<(u64, u64)> = self.0.iter().filter_map(|e| Some((e.lcn?, e.clusters))).collect();
        taken.sort_unstable();
        taken.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first_vcn: u64, last_vcn: u64, runs: &[u8]) -> NonResident<'_> {
        NonResident { first_vcn, last_vcn, runs, compression_unit: 0, allocated: 0, size: 0, initialized: 0 }
    }

    #[test]
    fn runs_with_a_hole_and_a_step_back() {
        let mut extents = Extents::default();
        // 0x18 clusters at 0x5634, 4 clusters of hole, 2 clusters at 0x5634 - 0x10.
        let runs = [0x21, 0x18, 0x34, 0x56, 0x01, 0x04, 0x11, 0x02, 0xF0, 0x00];
        assert_eq!(extents.append(&part(0, 0x1D, &runs), 0x10000), Ok(()));
        let expected = [
            Extent { vcn: 0, lcn: Some(0x5634), clusters: 0x18 },
            Extent { vcn: 0x18, lcn: None, clusters: 4 },
            Extent { vcn: 0x1C, lcn: Some(0x5624), clusters: 2 },
        ];
        assert_eq!(extents.as_slice(), expected);
        assert!(!extents.overlap());
        assert_eq!(extents.find(0x1B).map(|e| e.vcn), Some(0x18));
        assert_eq!(extents.find(0x1E), None);
        assert_eq!(extents.append(&part(0x1E, 0x1E, &[0x11, 1, 9, 0]), 0x10000), Ok(()), "the next part");
        let gap = extents.append(&part(99, 99, &[0]), 0x10000);
        assert_eq!(gap, Err(RunFault::Gap { expected: 0x1F, found: 99 }));
    }

    #[test]
    fn faults_keep_what_came_before() {
        let cases: [(&[u8], RunFault); 8] = [
            (&[0x11, 1, 8, 0x11, 1], RunFault::Malformed),
            (&[0x11, 1, 8, 0x19, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0], RunFault::Malformed),
            (&[0x11, 1, 8, 0x11, 0, 1, 0], RunFault::BadLength),
            (&[0x11, 1, 8, 0x11, 0x80, 1, 0], RunFault::BadLength),
            (&[0x11, 1, 8, 0x11, 1, 0x80, 0], RunFault::Negative),
            (&[0x11, 1, 8, 0x11, 100, 1, 0], RunFault::PastTheEnd { lcn: 9, clusters: 100 }),
            (&[0x11, 1, 8, 0], RunFault::WrongTotal { stated: 2, found: 1 }),
            (&[0x11, 1, 8], RunFault::Malformed),
        ];
        for (runs, fault) in cases {
            let mut extents = Extents::default();
            assert_eq!(extents.append(&part(0, 1, runs), 64), Err(fault), "{runs:?}");
            assert_eq!(extents.as_slice()[0], Extent { vcn: 0, lcn: Some(8), clusters: 1 });
        }
        let mut twice = Extents::default();
        assert_eq!(twice.append(&part(0, 3, &[0x11, 2, 8, 0x11, 2, 1, 0]), 64), Ok(()));
        assert!(twice.overlap());
    }

    #[test]
    fn an_empty_value_has_no_runs() {
        let mut extents = Extents::default();
        assert_eq!(extents.append(&part(0, u64::MAX, &[0]), 64), Ok(()));
        assert_eq!(extents.end(), 0);
    }
}
