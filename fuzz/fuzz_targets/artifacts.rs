//! Every artifact's parser over the same hostile bytes. The first byte chooses the artifact, the second the paths, the
//! third how much of the rest is a file beside the first: none for 0, else so many 256ths.
#![no_main]

use evidence::{Focus, Input, ProblemKind};
use libfuzzer_sys::fuzz_target;

/// A path that some parser reads differently, and the file beside it.
const PATHS: &[(&str, &str)] = &[
    (r"C:\fuzz", r"C:\fuzz.LOG1"),
    (r"C:\fuzz", r"C:\$MFT"),
    (r"C:\fuzz.dll", r"C:\base.dll"),
    (r"C:\fuzz.dll:Zone.Identifier", r"C:\fuzz.dll"),
    (r"C:\$Extend\$UsnJrnl:$Max", r"C:\$MFT"),
    ("volatile/connections.jsonl", "volatile/processes.jsonl"),
    ("volatile/images.jsonl", "volatile/processes.jsonl"),
];

fuzz_target!(|data: &[u8]| {
    let [artifact, paths, share, rest @ ..] = data else { return };
    let artifact = artifacts::ALL[usize::from(*artifact) % artifacts::ALL.len()];
    let (path, beside) = PATHS[usize::from(*paths) % PATHS.len()];
    let (bytes, other) = rest.split_at(rest.len() - rest.len() * usize::from(*share) / 256);
    let (bytes, other) = (bytes.to_vec(), other.to_vec());
    let companions = if other.is_empty() { Vec::new() } else { vec![(beside, &other as &dyn evidence::Bytes)] };
    let focus = Focus { everything: true, ..Focus::default() };
    let input = Input { companions, focus: &focus, ..Input::new(path, &bytes) };
    let mut on_record = |record| {
        std::hint::black_box(&record);
    };
    let problems = artifact.parse_alone(&input, &mut on_record);
    // A parser's panic is a problem of its object; the fuzzer is to see it.
    assert!(problems.iter().all(|problem| problem.kind != ProblemKind::ParserPanicked));
});
