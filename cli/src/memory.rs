//! Keeps the sum of what the workers hold in memory below a ceiling: a worker waits until there is room.

use parking_lot::{Condvar, Mutex};

/// Objects up to this length are part of what parsing them takes, as [`evidence::Group::memory`] has it.
pub(crate) const SHORT: u64 = 8 << 20;

/// Length in bytes up to which the analysis holds an object in memory: an eighth of all memory. A longer one is inflated
/// while it is read, and goes to a temporary file only where it is read back and forth.
pub(crate) fn held_of(memory: u64) -> u64 {
    memory / 8
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

    /// How often so many bytes fit beside what is held once, at least once.
    pub(crate) fn times(&self, bytes: u64, once: u64) -> usize {
        let times = self.limit.saturating_sub(once).checked_div(bytes).unwrap_or(1);
        usize::try_from(times).unwrap_or(usize::MAX).max(1)
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
