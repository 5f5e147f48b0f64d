//! Keeps to the share of the processors, the read rate and the time that the user allowed, by waiting.
//!
//! Whoever works calls [`work`] now and then, and whoever reads a live volume [`read`] before it does. Both return at
//! once where nothing was limited.

use cpu_time::ProcessTime;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest single wait, so that an interrupt is never far.
const STEP: Duration = Duration::from_millis(50);

/// What is allowed, and what was used.
struct Pace {
    /// Processor seconds for each second of time.
    cpu: Option<f64>,
    /// Bytes for each second.
    io: Option<u64>,
    started: Instant,
    cpu_started: ProcessTime,
}

static READ: AtomicU64 = AtomicU64::new(0);

static PACE: OnceLock<Pace> = OnceLock::new();

/// Sets the limits, once: percent of all processors, bytes for each second, and for how long `at_end` is not called.
pub(crate) fn limit(cpu: Option<u8>, io: Option<u64>, time: Option<Duration>, at_end: fn()) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    PACE.get_or_init(|| Pace {
        cpu: cpu.map(|percent| f64::from(percent) / 100.0 * processors),
        io: io.filter(|rate| *rate > 0),
        started: Instant::now(),
        cpu_started: ProcessTime::now(),
    });
    if let Some(time) = time {
        std::thread::spawn(move || {
            std::thread::sleep(time);
            at_end();
        });
    }
}

/// Waits while more of the processors was used than is allowed.
pub(crate) fn work() {
    let Some(Pace { cpu: Some(share), started, cpu_started, .. }) = PACE.get() else { return };
    loop {
        let ahead = cpu_started.elapsed().as_secs_f64() / share - started.elapsed().as_secs_f64();
        if ahead <= 0.0 {
            return;
        }
        std::thread::sleep(Duration::from_secs_f64(ahead).min(STEP));
    }
}

/// Bytes that were read from volumes so far.
pub(crate) fn bytes_read() -> u64 {
    READ.load(Ordering::Relaxed)
}

/// Counts bytes that are about to be read, and waits until they are allowed.
pub(crate) fn read(bytes: usize) {
    work();
    let until = READ.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
    let Some(Pace { io: Some(rate), started, .. }) = PACE.get() else { return };
    loop {
        let ahead = until as f64 / *rate as f64 - started.elapsed().as_secs_f64();
        if ahead <= 0.0 {
            return;
        }
        std::thread::sleep(Duration::from_secs_f64(ahead).min(STEP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold() {
        limit(Some(20), Some(10 << 20), None, || ());
        let (started, cpu) = (Instant::now(), ProcessTime::now());
        let mut sum = 0u64;
        while started.elapsed() < Duration::from_millis(600) {
            sum = (0..200_000u64).fold(sum, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
            work();
        }
        std::hint::black_box(sum);
        let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let used = cpu.elapsed().as_secs_f64() / started.elapsed().as_secs_f64() / processors;
        // Other tests of this program run in the same process and count as well, but the loop above must not pass them.
        assert!(used < 0.9, "{used}");
        let (started, read_before) = (Instant::now(), PACE.get().unwrap().started.elapsed());
        (0..32).for_each(|_| read(1 << 20));
        // 32 MiB at 10 MiB for each second since the start.
        let least = Duration::from_millis(3200).saturating_sub(read_before);
        assert!(started.elapsed() + Duration::from_millis(60) >= least, "{:?}", started.elapsed());
    }
}
