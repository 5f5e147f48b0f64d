//! A disk of any bytes: its partition table, and what each volume on it is. The first byte says how many sectors of zeros
//! stand in front of the last part, so that tables at the end of a disk are met too.
#![no_main]

use evidence::Bytes;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|data: &[u8]| {
    let [gap, split, rest @ ..] = data else { return };
    let (front, back) = rest.split_at(rest.len() - rest.len() * usize::from(*split) / 256);
    let mut disk = front.to_vec();
    disk.resize(disk.len() + 512 * usize::from(*gap), 0);
    disk.extend(back);
    let length = disk.len() as u64;
    let (volumes, problems) = collector::source::volume::volumes_of(Arc::new(disk) as Arc<dyn Bytes>);
    assert!(volumes.iter().all(|(volume, _)| volume.offset <= length));
    std::hint::black_box(problems);
});
