//! Reads event logs beside the `evtx` library, which renders every record: P1. Prints figures and asserts nothing.
//!
//! `COMTRAIL_BENCH_LOGS=FOLDER cargo bench -p artifacts --bench event_log`, with a folder in which every `.evtx` counts.
//! What is measured is the processor time of the thread, since wall time depends on what else the machine does. Chunks
//! that occur twice are left out, so that nothing wins by remembering.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evidence::Input;
use std::collections::HashSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};

const HEADER: usize = 4096;
const CHUNK: usize = 0x10000;

/// Nanoseconds that this thread ran on a processor. Elsewhere than on Linux there are none, and all times are zero.
struct ProcessorTime(WallTime);

fn nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Measurement for ProcessorTime {
    type Intermediate = u64;
    type Value = std::time::Duration;

    fn start(&self) -> u64 {
        nanoseconds()
    }

    fn end(&self, start: u64) -> Self::Value {
        std::time::Duration::from_nanos(nanoseconds() - start)
    }

    fn add(&self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        *a + *b
    }

    fn zero(&self) -> Self::Value {
        std::time::Duration::ZERO
    }

    fn to_f64(&self, value: &Self::Value) -> f64 {
        self.0.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}

fn logs_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            logs_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("evtx")) {
            found.push(path);
        }
    }
}

/// The logs without chunks that an earlier one has.
fn distinct(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    let mut logs = Vec::new();
    for path in paths {
        let Ok(bytes) = std::fs::read(path) else { continue };
        let Some((header, chunks)) = bytes.split_at_checked(HEADER) else { continue };
        let mut log = header.to_vec();
        for chunk in chunks.chunks_exact(CHUNK).filter(|chunk| chunk.starts_with(b"ElfChnk\0")) {
            if seen.insert(chunk.to_vec()) {
                log.extend_from_slice(chunk);
            }
        }
        if log.len() > HEADER {
            logs.push(log);
        }
    }
    logs
}

fn kept(logs: &[Vec<u8>]) -> u64 {
    let artifact = artifacts::by_id("event-log").expect("the artifact");
    let mut records = 0;
    for bytes in logs {
        let mut keep = |record| {
            black_box(&record);
            records += 1;
        };
        black_box(artifact.parse_alone(&Input::new("log.evtx", bytes), &mut keep));
    }
    records
}

fn rendered(logs: &[Vec<u8>]) -> u64 {
    let mut records = 0;
    for bytes in logs {
        let Ok(parser) = evtx::EvtxParser::from_read_seek(std::io::Cursor::new(bytes)) else { continue };
        let mut parser = parser.with_configuration(evtx::ParserSettings::new().num_threads(1).indent(false));
        for chunk in parser.chunks_json_bytes(false) {
            records += black_box(chunk).records().count() as u64;
        }
    }
    records
}

fn event_logs(criterion: &mut Criterion<ProcessorTime>) {
    let Some(folder) = std::env::var_os("COMTRAIL_BENCH_LOGS") else {
        println!("skipped: COMTRAIL_BENCH_LOGS is not set");
        return;
    };
    let mut paths = Vec::new();
    logs_below(Path::new(&folder), &mut paths);
    paths.sort();
    let everything = distinct(&paths);
    for (what, word) in
        [("all", ""), ("Security", "Microsoft-Windows-Security-Auditing"), ("Sysmon", "Microsoft-Windows-Sysmon")]
    {
        // A log is of a channel when its first chunk spells the name.
        let needle: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let of = |log: &&Vec<u8>| needle.is_empty() || log[HEADER..].windows(needle.len()).any(|part| part == needle);
        let logs: Vec<Vec<u8>> = everything.iter().filter(of).cloned().collect();
        let bytes: usize = logs.iter().map(Vec::len).sum();
        println!(
            "{what}: {} logs, {bytes} bytes of distinct chunks, {} records kept, {} rendered by evtx",
            logs.len(),
            kept(&logs),
            rendered(&logs)
        );
        let mut group = criterion.benchmark_group(format!("event logs, {what}"));
        group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("comtrail keeps what the technique needs", |bencher| bencher.iter(|| kept(&logs)));
        group.bench_function("evtx renders everything", |bencher| bencher.iter(|| rendered(&logs)));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime(WallTime));
    targets = event_logs
}
criterion_main!(benches);
