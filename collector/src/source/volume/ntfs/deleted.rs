//! Deleted files: which records still bear a name, and whether the content's clusters were given away.

use super::file::{Body, Value};
use super::upcase::Upcase;
use super::volume::Volume;
use evidence::{ProblemKind, Recovery};
use ntfs_layout::{FileName, Name, kind};

/// Most names kept, sixteen bytes each.
const MAX_NAMES: usize = 2_000_000;

/// The names of deleted files by a hash of the name in upper case; a record is read again before it is believed.
pub(crate) struct DeletedNames(Vec<(u64, u64)>);

/// FNV-1a over the units in upper case.
fn hash(units: impl Iterator<Item = u16>) -> u64 {
    units
        .flat_map(u16::to_le_bytes)
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

impl DeletedNames {
    /// One pass over $MFT.
    pub(crate) fn read(volume: &Volume, upcase: &Upcase) -> Self {
        let mut names = Vec::new();
        let (mut left_out, mut torn, mut unreadable) = (0u64, 0u64, 0u64);
        let records = volume.records();
        let mut pass = records.pass();
        while let Some(entry) = pass.next_record() {
            let record = match entry.record {
                Ok(record) => record,
                Err(ntfs_layout::RecordFault::Unreadable(_)) => {
                    unreadable += 1;
                    continue;
                }
                Err(_) => continue,
            };
            torn += u64::from(!record.fixups().intact() || record.is_baad());
            if record.in_use() {
                continue;
            }
            // A name in an extension record is the name of the base record.
            let owner = record.base().map_or(entry.number, |base| base.entry);
            for attribute in record.attributes().map_while(Result::ok).filter(|a| a.kind == kind::FILE_NAME) {
                let Some(name) = attribute.resident().and_then(FileName::parse) else { continue };
                if names.len() < MAX_NAMES {
                    names.push((hash(upper(name.name, upcase)), owner));
                } else {
                    left_out += 1;
                }
            }
        }
        if left_out > 0 {
            let what = format!("{left_out} names of deleted files are not searched");
            volume.problem(ProblemKind::LimitReached, r"\$MFT", what, "deleted files among them are not found");
        }
        if torn > 0 {
            let what = format!("{torn} file records are torn; they were read in spite of it");
            volume.problem(
                ProblemKind::BadChecksum { offset: 0 },
                r"\$MFT",
                what,
                "names or contents of those files may be wrong",
            );
        }
        if unreadable > 0 {
            let what = format!("{unreadable} file records could not be read");
            volume.problem(
                ProblemKind::ReadFailed,
                r"\$MFT",
                what,
                "files among them are missing, though they may exist",
            );
        }
        names.sort_unstable();
        names.dedup();
        DeletedNames(names)
    }

    /// Records that may bear this name, in order.
    pub(crate) fn candidates(&self, name: &str, upcase: &Upcase) -> impl Iterator<Item = u64> + '_ {
        let wanted = hash(upcase.name(name).into_iter());
        let start = self.0.partition_point(|(hash, _)| *hash < wanted);
        self.0[start..].iter().take_while(move |(hash, _)| *hash == wanted).map(|(_, entry)| *entry)
    }
}

fn upper<'a>(name: Name<'a>, upcase: &'a Upcase) -> impl Iterator<Item = u16> + 'a {
    name.units().map(|unit| upcase.unit(unit))
}

/// Whether the clusters of a deleted value are still free. Where $Bitmap cannot be read they count as given away.
pub(crate) fn recovery(volume: &Volume, value: &Value) -> Recovery {
    const BITMAP: u64 = 6;
    let Body::Clusters { extents, .. } = &value.body else { return Recovery::Resident };
    let Some(bitmap) = volume.system_content(BITMAP) else { return Recovery::ClustersReused };
    let mut buffer = vec![0; 64 << 10];
    for extent in extents.as_slice() {
        let Some(lcn) = extent.lcn else { continue };
        let (mut at, end) = (lcn, lcn + extent.clusters);
        while at < end {
            let first = at / 8;
            let want = usize::try_from(end.div_ceil(8) - first).map_or(buffer.len(), |want| want.min(buffer.len()));
            match bitmap.read_full_at(first, &mut buffer[..want]) {
                Ok(read) if read == want => {}
                _ => return Recovery::ClustersReused,
            }
            let stop = end.min((first + want as u64) * 8);
            let used = |cluster: u64| buffer[(cluster / 8 - first) as usize] >> (cluster % 8) & 1 == 1;
            if (at..stop).any(used) {
                return Recovery::ClustersReused;
            }
            at = stop;
        }
    }
    Recovery::ClustersFree
}
