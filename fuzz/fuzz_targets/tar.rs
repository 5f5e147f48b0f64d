//! A tar archive of any bytes. The checksum of each block that could be a header is made right, since nothing behind a
//! wrong one is looked at.
#![no_main]

use collector::{Spill, source::examine_archive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut archive = data.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| block[0] != 0) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let _ = examine_archive(archive, &Spill::into_folder(&std::env::temp_dir()));
});
