//! Changes of single bytes: every byte of the archive.

use super::*;
use rayon::prelude::*;

/// The parts of an archive that are the compressed content of an entry, by the headers.
fn compressed(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (_, entries) = crate::zip::tests::listing(bytes).unwrap();
    entries
        .iter()
        .map(|entry| {
            let header = entry.header_offset as usize;
            let length = |at: usize| usize::from(u16::from_le_bytes([bytes[header + at], bytes[header + at + 1]]));
            let start = header + 30 + length(26) + length(28);
            start..start + entry.packed_size as usize
        })
        .collect()
}

/// A change of one byte, an inserted or a removed one.
fn mutations(bytes: &[u8], at: usize, is_content: bool) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let values: Vec<u8> = match is_content {
        true => vec![bytes[at] ^ 1, bytes[at] ^ 0x80, !bytes[at]],
        false => (0..8).map(|bit| bytes[at] ^ 1 << bit).chain([0, 0xFF, !bytes[at]]).collect(),
    };
    for value in values.into_iter().filter(|value| *value != bytes[at]) {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        all.push(changed);
    }
    if !is_content {
        let mut longer = bytes.to_vec();
        longer.insert(at, bytes[at]);
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        all.extend([longer, shorter]);
    }
    all
}

/// Every change is noticed, but for other spellings of the same compressed bytes: bits behind the end of a deflate stream
/// in its last byte, and the like. They change nothing that comes out of any program.
#[test]
fn every_changed_byte_is_seen_or_changes_nothing_that_comes_out() {
    let bytes = small();
    assert_eq!(wrong(&bytes), [] as [&str; 0]);
    let original = files(&bytes);
    let content = compressed(&bytes);
    let is_content = |at: usize| content.iter().any(|range| range.contains(&at));
    let (done, unseen) = (0..bytes.len())
        .into_par_iter()
        .map(|at| {
            let all = mutations(&bytes, at, is_content(at));
            let count = all.len();
            let unseen: Vec<usize> = all
                .into_iter()
                .filter(|changed| said_of(changed).is_ok_and(|report| report.is_valid()))
                .map(|changed| {
                    assert!(is_content(at), "byte {at} of the structure was changed and nothing said");
                    assert!(files(&changed) == original, "byte {at} changed a file and nothing was said");
                    at
                })
                .collect();
            (count, unseen.len())
        })
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert!(done > 40_000, "{done}");
    assert!(unseen * 200 < done, "{unseen} of {done}");
}
