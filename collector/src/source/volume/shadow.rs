//! Shadow copies on a volume: whether there are any. They are not read.
//!
//! Reference: J. Metz, *Volume Shadow Snapshot (VSS) format*, "Volume header" and "Catalog".

use evidence::le::u64_or_0;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::collections::BTreeSet;

/// Where the header stands.
const HEADER: u64 = 0x1E00;
/// 3808876b-c176-4e48-b7ae-04046e6cc752 as it is stored.
const MARK: [u8; 16] = [0x6B, 0x87, 0x08, 0x38, 0x76, 0xC1, 0x48, 0x4E, 0xB7, 0xAE, 0x04, 0x04, 0x6E, 0x6C, 0xC7, 0x52];
/// Length of a block of the catalog in bytes.
const BLOCK: usize = 16 << 10;
/// Windows keeps at most 512 copies of a volume; a block has room for more than 60.
const MAX_BLOCKS: usize = 64;

/// The problem that the shadow copies of an NTFS volume are not searched, where it has any.
pub(super) fn problem(volume: &dyn Bytes, item: &str) -> Option<Problem> {
    let mut header = [0; 56];
    let read = volume.read_full_at(HEADER, &mut header).ok()?;
    if read < header.len() || header[..16] != MARK {
        return None;
    }
    let what = match copies(volume, u64_or_0(&header, 48)) {
        Some(0) => return None,
        Some(1) => "one shadow copy is on the volume and is not searched".to_owned(),
        Some(count) => format!("{count} shadow copies are on the volume and are not searched"),
        None => {
            "the volume has a store of shadow copies, whose catalogue cannot be read; shadow copies are not searched"
                .to_owned()
        }
    };
    Some(Problem::new(
        Stage::Source,
        ProblemKind::NotUnderstood,
        item,
        what,
        "earlier logs, hives and files may be in them, also what was deleted or cleared later; mount the shadow copies, and \
         give their folders as sources of their own",
    ))
}

/// How many copies the catalogue names; `None` where it cannot be read to its end.
fn copies(volume: &dyn Bytes, catalogue: u64) -> Option<usize> {
    let mut seen = BTreeSet::new();
    let (mut at, mut count) = (catalogue, 0);
    let mut block = vec![0; BLOCK];
    while at != 0 {
        if !seen.insert(at) || seen.len() > MAX_BLOCKS {
            return None;
        }
        let read = volume.read_full_at(at, &mut block).ok()?;
        if read < block.len() || block[..16] != MARK {
            return None;
        }
        // Each copy has one entry of type 2 that names it.
        count += block[128..].chunks_exact(128).filter(|entry| u64_or_0(entry, 0) == 2).count();
        at = u64_or_0(&block, 40);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(catalogue: u64, blocks: &[(usize, u64, &[u64])]) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 17];
        let header = HEADER as usize;
        bytes[header..header + 16].copy_from_slice(&MARK);
        bytes[header + 48..header + 56].copy_from_slice(&catalogue.to_le_bytes());
        for (at, next, kinds) in blocks {
            bytes[*at..at + 16].copy_from_slice(&MARK);
            bytes[at + 40..at + 48].copy_from_slice(&next.to_le_bytes());
            for (index, kind) in kinds.iter().enumerate() {
                bytes[at + 128 * (index + 1)..][..8].copy_from_slice(&kind.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn shadow_copies_are_counted_and_named() {
        let said = |bytes: Vec<u8>| problem(&bytes, "x").map(|problem| problem.what);
        assert_eq!(said(vec![0; 1 << 16]), None);
        assert_eq!(said(vec![0; 100]), None);
        assert_eq!(said(volume(0, &[])), None, "the store was made and is empty");
        assert_eq!(said(volume(0x4000, &[(0x4000, 0, &[1, 1, 0])])), None);
        let two = said(volume(0x4000, &[(0x4000, 0xC000, &[2, 3, 1]), (0xC000, 0, &[2, 3])])).unwrap();
        assert!(two.starts_with("2 shadow copies are"), "{two}");
        assert!(said(volume(0x4000, &[(0x4000, 0, &[2, 3])])).unwrap().starts_with("one shadow copy"));
        // A catalogue that is lost, and one that runs in a circle.
        for bytes in [volume(0x4000, &[]), volume(0x4000, &[(0x4000, 0x4000, &[2])]), volume(u64::MAX, &[])] {
            assert!(said(bytes).unwrap().contains("cannot be read"));
        }
    }
}
