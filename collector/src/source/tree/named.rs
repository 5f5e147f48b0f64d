//! Files outside of trees whose names say what they should be, while their first bytes do not.

use std::io;

/// How far the first chunk of an event log is looked for: one that lacks its header and its first chunk has the next
/// within two chunks.
const SEARCHED: usize = 4096 + 2 * 65_536;
/// Chunks lie at multiples of a sector also where the header is lost or something stands before it.
const STEP: usize = 512;

/// What a file of this name should be, in words.
pub(crate) fn should_be(name: &str) -> Option<&'static str> {
    const HIVES: [&str; 7] = ["SYSTEM", "SOFTWARE", "SECURITY", "SAM", "NTUSER.DAT", "USRCLASS.DAT", "AMCACHE.HVE"];
    let upper = name.to_ascii_uppercase();
    match upper.rsplit_once('.') {
        Some((_, "EVTX")) => Some("an event log"),
        Some((_, "PF")) => Some("a prefetch file"),
        _ => HIVES.contains(&upper.as_str()).then_some("a registry hive"),
    }
}

/// Whether a file that is named like an event log and does not begin like one has chunks of one. `head` gives its first
/// bytes, as many as it is asked for.
pub(crate) fn has_chunks(name: &str, head: impl FnOnce(usize) -> io::Result<Vec<u8>>) -> bool {
    should_be(name) == Some("an event log")
        && head(SEARCHED).is_ok_and(|head| head.chunks(STEP).any(|sector| sector.starts_with(b"ElfChnk\0")))
}
