//! How fast the artifacts of a volume are read. `COMTRAIL_BENCH_MFT` and `COMTRAIL_BENCH_J` name an $MFT and a $J;
//! without them fabricated ones of 64 MB are used. `mft_dump -o csv` of the crate mft is the peer for the former.

#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evidence::{Focus, Input};

fn file_or(variable: &str, build: fn() -> Vec<u8>) -> Vec<u8> {
    match std::env::var_os(variable) {
        Some(path) => std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        None => build(),
    }
}

/// Records of 1 KiB: folders, and in each a hundred files with a long and a short name.
fn mft() -> Vec<u8> {
    let attribute = |kind: u32, value: &[u8]| {
        let length = (24 + value.len()).next_multiple_of(8);
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[16..20].copy_from_slice(&(value.len() as u32).to_le_bytes());
        bytes[20] = 24;
        bytes[24..24 + value.len()].copy_from_slice(value);
        bytes
    };
    let name = |parent: u64, namespace: u8, text: &str| {
        let mut value = vec![1u8; 66];
        value[..8].copy_from_slice(&(parent | 1 << 48).to_le_bytes());
        (value[64], value[65]) = (text.len() as u8, namespace);
        value.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        value
    };
    let mut bytes = Vec::new();
    for number in 0..65_536u64 {
        let is_folder = number % 100 == 5;
        let parent = if number == 5 { 5 } else { number.saturating_sub(5) / 100 * 100 + 5 };
        let parent = if is_folder { 5 } else { parent };
        let attributes = [
            attribute(0x10, &[1; 72]),
            attribute(0x30, &name(parent, 2, &format!("NAME~{number}.DLL"))),
            attribute(0x30, &name(parent, 1, &format!("a longer name of file {number}.dll"))),
            attribute(0x80, b"content"),
        ];
        let mut record = vec![0; 1024];
        record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
        (record[16], record[20], record[22]) = (1, 56, if is_folder { 3 } else { 1 });
        record[28..32].copy_from_slice(&1024u32.to_le_bytes());
        let content = attributes.concat();
        record[56..56 + content.len()].copy_from_slice(&content);
        record[56 + content.len()..60 + content.len()].fill(0xFF);
        bytes.extend(record);
    }
    bytes
}

/// A hole, then records of version 2 that fill pages.
fn journal() -> Vec<u8> {
    let mut bytes = vec![0; 32 << 20];
    while bytes.len() < 64 << 20 {
        let usn = bytes.len() as u64;
        let name: Vec<u8> = format!("file number {usn}.dll").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = (60 + name.len()).next_multiple_of(8);
        if bytes.len() % 4096 + length > 4096 {
            bytes.resize(bytes.len().next_multiple_of(4096), 0);
            continue;
        }
        let mut record = vec![0; length];
        record[..4].copy_from_slice(&(length as u32).to_le_bytes());
        (record[4], record[8], record[16], record[40]) = (2, 77, 5, 1);
        record[24..32].copy_from_slice(&usn.to_le_bytes());
        record[32..40].copy_from_slice(&134_171_071_530_000_000u64.to_le_bytes());
        record[56..58].copy_from_slice(&(name.len() as u16).to_le_bytes());
        record[58] = 60;
        record[60..60 + name.len()].copy_from_slice(&name);
        bytes.extend(record);
    }
    bytes
}

fn volumes(criterion: &mut Criterion) {
    let everything = Focus { everything: true, ..Focus::default() };
    let few = Focus {
        names: ["REGASM.EXE", "REGSVCS.EXE"].map(str::to_owned).into(),
        folders: [r"\USERS\PUBLIC".to_owned()].into(),
        ..Focus::default()
    };
    for (id, bytes) in
        [("mft", file_or("COMTRAIL_BENCH_MFT", mft)), ("usn-journal", file_or("COMTRAIL_BENCH_J", journal))]
    {
        let artifact = artifacts::by_id(id).expect("an artifact of this id");
        let mut group = criterion.benchmark_group(id);
        group.sample_size(10).throughput(Throughput::BytesDecimal(bytes.len() as u64));
        for (name, focus) in [("everything", &everything), ("few files", &few)] {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let mut count = 0u64;
                    let mut on_record = |record| {
                        black_box(record);
                        count += 1;
                    };
                    let input = Input { focus, ..Input::new("bench", &bytes) };
                    (artifact.parse_alone(&input, &mut on_record).len(), count)
                });
            });
        }
    }
}

criterion_group!(benches, volumes);
criterion_main!(benches);
