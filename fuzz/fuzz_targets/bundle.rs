//! A bundle of any bytes: its archive, its manifests and what describes its objects.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = collector::examine_bundle(data.to_vec());
});
