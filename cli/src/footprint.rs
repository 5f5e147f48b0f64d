//! What a live collection left behind on the host, by the system's own count, and what it must have left.

use crate::{pace, place};
use serde_json::json;
use std::path::Path;

/// Traces that Windows makes of any program that runs, whatever the program does. An examiner will find them.
const EXPECTED: [&str; 8] = [
    "a process creation record (Security 4688, Sysmon 1) that names this program, its command line and the account",
    "a prefetch file of this program and an entry in Amcache and ShimCache, where these are on",
    "an entry of this program's resource use in SRUM, and of its start in BAM",
    "Sysmon 9 (raw access read) for every volume that was read through its device",
    "Sysmon 10 (process access) and records of other watchers for every process that was opened to be looked at",
    "Security 4703 or 4673 for the privileges that were enabled, where these are audited",
    "the mounting of the destination: MountedDevices, MountPoints2, USBSTOR, Partition/Diagnostic 1006",
    "last-access times of files that were read through the file API, on volumes where Windows keeps them",
];

/// And those of a shadow copy that was asked for.
const OF_A_SHADOW_COPY: [&str; 2] = [
    "System Volume Information: the difference area of the shadow copy, in which free clusters were written to",
    "System and Application: records of the Volume Shadow Copy Service that started, and of volsnap",
];

/// Writes `footprint.json` into the folder of a case.
pub(crate) fn write(case: &Path, made_shadow_copy: bool) -> anyhow::Result<()> {
    let destination = size_below(case);
    let (read, written) = counters();
    let of_the_copy = if made_shadow_copy { &OF_A_SHADOW_COPY[..] } else { &[] };
    let expected: Vec<&str> = EXPECTED.iter().chain(of_the_copy).copied().collect();
    let footprint = json!({
        "volume_bytes_read": pace::bytes_read(),
        "bytes_read": read,
        "bytes_written": written,
        "destination_bytes": destination,
        "written_elsewhere": "nothing by this program: every file that it creates lies in the destination, it writes no \
                              registry key, and it starts no service or driver; a shadow copy that was asked for is made \
                              and deleted by Windows",
        "expected_traces": expected,
        "meaning": "bytes_read and bytes_written are the system's count for this process (GetProcessIoCounters; null where it does not count), with \
                    temporary files of the analysis, which lie in the destination and are gone; destination_bytes is \
                    what is there now",
    });
    let text = serde_json::to_string_pretty(&footprint)? + "\n";
    place::write(case, place::FOOTPRINT, text.as_bytes())
}

#[cfg(windows)]
fn counters() -> (Option<u64>, Option<u64>) {
    // A system that does not count (Wine) says that nothing was read or written, which cannot be.
    match collector::source::live::io_counters() {
        Ok((read, written)) if (read, written) != (0, 0) => (Some(read), Some(written)),
        _ => (None, None),
    }
}

/// Live hosts are Windows hosts.
#[cfg(not(windows))]
fn counters() -> (Option<u64>, Option<u64>) {
    (None, None)
}

fn size_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|facts| facts.len()).sum()
}
