//! Every parser on bytes that nobody should write: it must not panic, hang, fill the memory, or pass over them in
//! silence. A new artifact is tested here without further ado.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evidence::{Artifact, Bytes, Focus, Problem, ProblemKind, StoredRange};

/// Longest that one input may take. Inputs here are small; this is for loops, not for slowness.
const LIMIT: Duration = Duration::from_secs(20);
/// Most that all of it may add to the peak of resident memory.
const MEMORY_LIMIT: u64 = 512 << 20;
/// Damaged versions made of each fixture.
const MUTATIONS: u64 = 400;

/// A generator of reproducible numbers (SplitMix64), so that a failure can be repeated.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Parses and returns how many records and problems came; fails with what was tried.
fn survive(
    artifact: &'static Artifact,
    path: &str,
    bytes: &[u8],
    companions: &[(String, Vec<u8>)],
    what: &str,
) -> (usize, usize) {
    let focus = Focus { everything: true, ..Focus::default() };
    let started = Instant::now();
    let (records, problems) = super::parse(artifact, path, bytes, companions, &focus);
    let took = started.elapsed();
    let is_panic = |problem: &Problem| problem.kind == ProblemKind::ParserPanicked;
    assert!(!problems.iter().any(is_panic), "{}: panics on {what}", artifact.id);
    assert!(took < LIMIT, "{}: takes {took:?} on {what}", artifact.id);
    for record in &records {
        // Leads are asked of every record, so they must survive as well.
        let leads = catch_unwind(AssertUnwindSafe(|| {
            artifact.leads.into_iter().flat_map(|leads| leads(record)).collect::<Vec<_>>()
        }));
        assert!(leads.is_ok(), "{}: leads panic on {what}", artifact.id);
    }
    (records.len(), problems.len())
}

/// Peak of resident memory in bytes, where the system tells it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

#[test]
fn garbage_is_neither_fatal_nor_passed_over() {
    let before = peak();
    for artifact in artifacts::ALL.iter().filter(|artifact| !artifact.records.is_empty()) {
        for size in [0, 1, 3, 8, 511, 512, 4096, 65_536 + 7, 1 << 20] {
            for fill in [0x00, 0xFF, 0x41] {
                let what = format!("{size} bytes of {fill:#04x}");
                let (records, problems) = survive(artifact, r"\garbage", &vec![fill; size], &[], &what);
                assert!(records + problems > 0, "{}: says nothing of {what}", artifact.id);
            }
        }
        let mut random = Seeded(artifact.id.len() as u64);
        for size in [16, 100, 1024, 100_000] {
            let bytes: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
            let (records, problems) = survive(artifact, r"\garbage", &bytes, &[], "noise");
            assert!(records + problems > 0, "{}: says nothing of {size} bytes of noise", artifact.id);
        }
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY_LIMIT, "garbage of a few megabytes took {grown} bytes of memory");
}

#[test]
fn damaged_fixtures_are_survived() {
    let before = peak();
    for case in super::cases() {
        let path = &case.origin.original_path;
        let name = case.folder.display().to_string();
        let try_it = |bytes: &[u8], what: String| survive(case.artifact, path, bytes, &case.companions, &what);
        let length = case.input.len();
        // Every short beginning, then about two hundred longer ones.
        let step = (length / 200).max(1);
        for end in (0..length.min(256)).chain((256..length).step_by(step)) {
            try_it(&case.input[..end], format!("{name}, first {end} bytes"));
        }
        for seed in 0..MUTATIONS {
            let bytes = mutate(&case.input, seed);
            try_it(&bytes, format!("{name}, mutation {seed}"));
        }
        for (index, (companion, bytes)) in case.companions.iter().enumerate() {
            for seed in 0..MUTATIONS / 4 {
                let mut companions = case.companions.clone();
                companions[index].1 = mutate(bytes, seed);
                let what = format!("{name}, mutation {seed} of {companion}");
                survive(case.artifact, path, &case.input, &companions, &what);
            }
        }
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY_LIMIT, "damaged fixtures took {grown} bytes of memory");
}

/// An exabyte of zeros, as a damaged or hostile volume can state it, with bytes at one place.
struct Hole<'a> {
    at: u64,
    bytes: &'a [u8],
    reads: AtomicU64,
}

impl Bytes for Hole<'_> {
    fn len(&self) -> u64 {
        1 << 60
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(self.reads.fetch_add(1, Ordering::Relaxed) < 2_000, "the hole is read");
        for (place, byte) in (offset..).zip(buffer.iter_mut()) {
            let inside = place.checked_sub(self.at).and_then(|inside| self.bytes.get(inside as usize));
            *byte = inside.copied().unwrap_or(0);
        }
        Ok(buffer.len().min((self.len() - offset) as usize))
    }

    fn next_data(&self, offset: u64) -> u64 {
        let stored = StoredRange { offset: self.at, stored_at: 0, length: self.bytes.len() as u64 };
        StoredRange::next_data(&[stored], self.len(), offset)
    }
}

#[test]
fn holes_larger_than_any_disk_are_passed_over() {
    let focus = Focus { everything: true, ..Focus::default() };
    for case in super::cases() {
        let path = &case.origin.original_path;
        let records_at = |at: u64| {
            let hole = Hole { at, bytes: &case.input, reads: AtomicU64::new(0) };
            super::parse_bytes(case.artifact, path, &hole, &case.companions, &focus).0.len()
        };
        let found = (records_at(0), records_at(1 << 50));
        // These two formats have no end of their own, and their records can stand anywhere.
        if ["mft", "usn-journal"].contains(&case.artifact.id) && !path.ends_with("$Max") {
            let whole = super::parse(case.artifact, path, &case.input, &case.companions, &focus).0.len();
            assert_eq!(found, (whole, whole), "{path}");
            assert!(whole > 0);
        }
    }
}

/// One to eight changes: a flipped bit, a number set to an extreme, a stretch overwritten, removed or repeated.
fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Seeded(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(8) {
        if bytes.len() < 16 {
            break;
        }
        let at = random.below(bytes.len() - 8);
        let stretch = 1 + random.below((bytes.len() - at).min(64));
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => {
                let extremes = [0u32, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF, 0x1_0000];
                bytes[at..at + 4].copy_from_slice(&extremes[random.below(extremes.len())].to_le_bytes());
            }
            3 => bytes[at..at + stretch].fill(if random.below(2) == 0 { 0x00 } else { 0xFF }),
            4 => drop(bytes.drain(at..at + stretch)),
            _ => {
                let copy = bytes[at..at + stretch].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}
