//! A small NTFS volume of any bytes: opened, walked, looked up and read. Where the bytes have no boot sector of NTFS they get
//! one, so that what lies behind it is met.
#![no_main]

use collector::source::volume::ntfs::NtfsTree;
use collector::source::{Found, Tree};
use evidence::Bytes;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

/// Most files that are looked at.
const MAX_FILES: usize = 200;

fn boot_sector(bytes: &mut [u8]) {
    let Some(boot) = bytes.get_mut(..512) else { return };
    boot[3..11].copy_from_slice(b"NTFS    ");
    // Sectors of 512 bytes, clusters of 1024, records of 1024, index records of 4096, $MFT in cluster 4.
    boot[11..14].copy_from_slice(&[0, 2, 2]);
    boot[40..48].copy_from_slice(&0x1_0000u64.to_le_bytes());
    boot[48..56].copy_from_slice(&4u64.to_le_bytes());
    boot[56..64].copy_from_slice(&2u64.to_le_bytes());
    (boot[64], boot[68]) = (0xF6, 0xF4);
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    if bytes.get(3..11) != Some(b"NTFS    ") {
        boot_sector(&mut bytes);
    }
    let Ok(tree) = NtfsTree::open(Arc::new(bytes) as Arc<dyn Bytes>) else { return };
    let mut stack: Vec<Found> = tree.lookup("\\").ok().flatten().into_iter().collect();
    let mut seen = 0;
    while let Some(found) = stack.pop() {
        seen += 1;
        if seen > MAX_FILES {
            break;
        }
        if let Ok(content) = tree.open(&found) {
            let mut buffer = [0; 8192];
            std::hint::black_box(content.data_ranges().len());
            let _ = content.read_at(0, &mut buffer);
            let _ = content.read_at(found.size.saturating_sub(100), &mut buffer);
        }
        let _ = tree.lookup(&found.full_path());
        let _ = tree.link(&found.path);
        if found.is_folder && found.stream.is_none() {
            stack.extend(tree.list(&found).unwrap_or_default().into_iter().take(MAX_FILES));
        }
    }
    let _ = tree.lookup(r"\Windows\System32\config\SYSTEM");
    let _ = tree.lookup_deleted("a.dll");
    std::hint::black_box(tree.take_problems());
});
