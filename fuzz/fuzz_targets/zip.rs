//! A zip archive of any bytes: its directory, or what its local headers give where that is lost, and every entry. Behind a
//! zero, bytes that only end as one.
#![no_main]

use collector::{Spill, source::examine_archive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let archive = match data {
        [0, data @ ..] => data.to_vec(),
        data => [b"PK", data].concat(),
    };
    let _ = examine_archive(archive, &Spill::into_folder(&std::env::temp_dir()));
});
