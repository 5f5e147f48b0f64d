//! Every artifact's parser over the same hostile bytes. The first byte chooses the artifact.
#![no_main]

use evidence::{Focus, Input, Sink};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let artifact = artifacts::ALL[usize::from(choice) % artifacts::ALL.len()];
    let focus = Focus { everything: true, ..Focus::default() };
    let bytes = bytes.to_vec();
    let input = Input { original_path: r"C:\fuzz", bytes: &bytes, companions: Vec::new(), focus: &focus };
    let mut on_record = |record| {
        std::hint::black_box(&record);
    };
    let mut sink = Sink::new("fuzz", &mut on_record);
    (artifact.parse)(&input, &mut sink);
    sink.finish();
});
