//! Keeps the sum of what the workers hold in memory below a ceiling: a worker waits until there is room.

use artifacts::formats::hive;
use artifacts::{PROGRAM_MEMORY, SIBLINGS_MEMORY};
use evidence::{Artifact, Reads};
use parking_lot::{Condvar, Mutex};

/// Most memory that an artifact takes which reads its objects in parts, whatever their length.
const IN_PARTS: u64 = 16 << 20;

/// Whether an artifact is kept in hives, whose transaction logs are read with them.
pub(crate) fn reads_hives(artifact: &Artifact) -> bool {
    artifact.reads.iter().any(|location| matches!(location, Reads::Key { .. }))
}

/// Memory that parsing an object of this size takes, with the logs of a hive or the files beside a program. Nothing is
/// refused for it: every object is read in parts.
pub(crate) fn of_parsing(artifact: &Artifact, size: u64, companions: u64) -> u64 {
    // What is short is held as stored, and what is read of it is no longer.
    let doubled = size.saturating_mul(2);
    if artifact.reads.contains(&Reads::Lead) {
        doubled.min(PROGRAM_MEMORY) + companions.saturating_mul(2).min(SIBLINGS_MEMORY)
    } else if reads_hives(artifact) {
        doubled.saturating_add(companions).min(hive::MEMORY)
    } else {
        size.min(IN_PARTS)
    }
}

/// A ceiling that workers share.
pub(crate) struct Ceiling {
    limit: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Room that a worker holds until it is dropped.
pub(crate) struct Room<'a> {
    ceiling: &'a Ceiling,
    bytes: u64,
}

impl Ceiling {
    /// A ceiling of so many bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Ceiling { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until `bytes` fit. Something larger than the whole ceiling waits until it is alone; whether it is
    /// done at all is for the caller to decide.
    pub(crate) fn enter(&self, bytes: u64) -> Room<'_> {
        let bytes = bytes.min(self.limit);
        let mut used = self.used.lock();
        while *used + bytes > self.limit {
            self.freed.wait(&mut used);
        }
        *used += bytes;
        Room { ceiling: self, bytes }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        *self.ceiling.used.lock() -= self.bytes;
        self.ceiling.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn never_above_the_limit() {
        let ceiling = Ceiling::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for bytes in [30, 60, 100, 500] {
                        let room = ceiling.enter(bytes);
                        let sum = now.fetch_add(room.bytes, Ordering::SeqCst) + room.bytes;
                        most.fetch_max(sum, Ordering::SeqCst);
                        now.fetch_sub(room.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100);
    }
}
