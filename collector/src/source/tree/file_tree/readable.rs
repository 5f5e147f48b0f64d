//! How far a file is what its name, or else its first bytes, say: by signature, lengths and checksums of its format.

use evidence::le::{u16_at, u32_at};
use evidence::{Bytes, name};
use std::io;

/// What is known of one copy of a file. A greater one is more readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Readable {
    pub(super) state: State,
    /// Bytes of its parts whose own signatures and checksums hold, where the format has such parts.
    pub(super) intact: u64,
}

/// What a copy is as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Empty, zeros where a signature belongs, or not to be read at all.
    #[default]
    Nothing,
    /// It can be read, and nothing says that it is what it should be.
    Unknown,
    /// It begins as what it should be, but is cut, has a wrong checksum or cannot be read to its end.
    Damaged,
    /// Signature, lengths and checksums hold.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hive,
    EventLog,
    Prefetch,
    Program,
    FileTable,
}

/// The first page of a hive and the header of an event log, behind which their parts lie.
const FIRST: usize = 4096;
/// Length of a chunk of an event log; and what is read at a time.
const CHUNK: usize = 1 << 16;
/// Length of a page of a hive.
const PAGE: usize = 4096;

/// How readable the bytes of a file of this name are. All of them are read.
pub(super) fn readable(name: &str, bytes: &dyn Bytes) -> Readable {
    let mut head = vec![0; FIRST];
    let Ok(read) = bytes.read_full_at(0, &mut head) else { return Readable::default() };
    head.truncate(read);
    let (wanted, own) = (by_name(name), by_content(&head));
    let state = match (wanted, own) {
        _ if head.is_empty() => State::Nothing,
        (Some(wanted), Some(own)) if wanted != own => State::Unknown,
        (_, Some(own)) => whole_if(is_whole(own, &head, bytes)),
        (Some(_), None) if head.iter().all(|byte| *byte == 0) => State::Nothing,
        _ => State::Unknown,
    };
    let mut parts = Parts { kind: wanted.or(own), intact: 0, next: FIRST as u64 };
    match parts.read(bytes) {
        Ok(()) if bytes.flaw().is_none() => Readable { state, intact: parts.intact },
        _ => Readable { state: state.min(State::Damaged), intact: parts.intact },
    }
}

fn whole_if(is_whole: bool) -> State {
    if is_whole { State::Whole } else { State::Damaged }
}

fn by_name(name: &str) -> Option<Kind> {
    const HIVES: [&str; 11] = [
        "SYSTEM",
        "SOFTWARE",
        "SECURITY",
        "SAM",
        "DEFAULT",
        "COMPONENTS",
        "DRIVERS",
        "BCD",
        "NTUSER.DAT",
        "USRCLASS.DAT",
        "AMCACHE.HVE",
    ];
    let upper = name::folded(name);
    let without_log = [".LOG1", ".LOG2", ".LOG"].iter().find_map(|ending| upper.strip_suffix(ending));
    if HIVES.contains(&without_log.unwrap_or(&upper)) {
        return Some(Kind::Hive);
    }
    match upper.rsplit_once('.')?.1 {
        "EVTX" => Some(Kind::EventLog),
        "PF" => Some(Kind::Prefetch),
        "EXE" | "DLL" | "SYS" | "OCX" => Some(Kind::Program),
        _ => None,
    }
}

fn by_content(head: &[u8]) -> Option<Kind> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if at(0, b"regf") {
        Some(Kind::Hive)
    } else if at(0, b"ElfFile\0") {
        Some(Kind::EventLog)
    } else if at(0, b"MAM\x04") || at(4, b"SCCA") {
        Some(Kind::Prefetch)
    } else if at(0, b"MZ") {
        Some(Kind::Program)
    } else if at(0, b"FILE") || at(0, b"BAAD") {
        Some(Kind::FileTable)
    } else {
        None
    }
}

fn is_whole(kind: Kind, head: &[u8], bytes: &dyn Bytes) -> bool {
    let length = bytes.len();
    match kind {
        Kind::Hive => is_whole_hive(head, length),
        Kind::EventLog => is_whole_log(head, length).unwrap_or(false),
        // What is compressed says its length only as it is afterwards.
        Kind::Prefetch => head.starts_with(b"MAM") || u32_at(head, 12).is_some_and(|own| u64::from(own) == length),
        Kind::Program => is_whole_program(head, bytes).unwrap_or(false),
        Kind::FileTable => head.starts_with(b"FILE"),
    }
}

/// The XOR of the first 508 bytes is the checksum, with 1 for 0 and -2 for -1. A transaction log has no length of its own.
fn is_whole_hive(head: &[u8], length: u64) -> bool {
    let Some(words) = head.get(..508) else { return false };
    let sum = words.chunks_exact(4).fold(0, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let sum = match sum {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    };
    let is_log = u32_at(head, 28).is_some_and(|kind| kind != 0);
    let needs = u32_at(head, 40).map_or(u64::MAX, |bins| FIRST as u64 + u64::from(bins));
    u32_at(head, 508) == Some(sum) && (is_log || needs <= length)
}

/// The CRC-32 of the first 120 bytes is the checksum of the header; the header counts the chunks.
fn is_whole_log(head: &[u8], length: u64) -> Option<bool> {
    let mut crc = flate2::Crc::new();
    crc.update(head.get(..120)?);
    let chunks = u64::from(u16_at(head, 42)?);
    Some(u32_at(head, 124)? == crc.sum() && FIRST as u64 + chunks * CHUNK as u64 <= length)
}

/// Whether every section of the file lies in it.
fn is_whole_program(head: &[u8], bytes: &dyn Bytes) -> Option<bool> {
    let start = u64::from(u32_at(head, 60)?);
    let mut headers = vec![0; 24 + 0xFFFF];
    let read = bytes.read_full_at(start, &mut headers).ok()?;
    headers.truncate(read);
    if !headers.starts_with(b"PE\0\0") {
        return Some(false);
    }
    let sections = 24 + usize::from(u16_at(&headers, 20)?);
    for index in 0..usize::from(u16_at(&headers, 6)?) {
        let Some(section) = headers.get(sections + index * 40..).and_then(|rest| rest.get(..40)) else { break };
        if u64::from(u32_at(section, 16)?) + u64::from(u32_at(section, 20)?) > bytes.len() {
            return Some(false);
        }
    }
    Some(true)
}

/// The parts of a file behind its first page.
struct Parts {
    kind: Option<Kind>,
    intact: u64,
    /// Where the next bin of a hive begins.
    next: u64,
}

impl Parts {
    /// Reads all of a file.
    fn read(&mut self, bytes: &dyn Bytes) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut at = FIRST as u64;
        while at < bytes.len() {
            let read = bytes.read_full_at(at, &mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.look(at, &buffer[..read]);
            at += read as u64;
        }
        Ok(())
    }

    fn look(&mut self, at: u64, block: &[u8]) {
        match self.kind {
            Some(Kind::EventLog) if is_chunk(block) => self.intact += CHUNK as u64,
            Some(Kind::Hive) => {
                for (index, page) in block.chunks(PAGE).enumerate() {
                    let place = at + (index * PAGE) as u64;
                    let size = u32_at(page, 8).filter(|size| *size > 0 && size % PAGE as u32 == 0);
                    if let (true, true, Some(size)) = (place >= self.next, page.starts_with(b"hbin"), size) {
                        self.intact += u64::from(size);
                        self.next = place.saturating_add(u64::from(size));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a block is a chunk of an event log whose header is intact: the CRC-32 of bytes 0 to 120 and 128 to 512.
fn is_chunk(block: &[u8]) -> bool {
    let parts = || Some((block.get(..120)?, block.get(128..512)?, u32_at(block, 124)?));
    let Some((first, second, expected)) = parts() else { return false };
    let mut crc = flate2::Crc::new();
    crc.update(first);
    crc.update(second);
    block.len() == CHUNK && block.starts_with(b"ElfChnk\0") && crc.sum() == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str, bytes: &[u8]) -> State {
        readable(name, &bytes.to_vec()).state
    }

    /// A base block as the format has it, for bins of this length.
    fn hive(bins: u32) -> Vec<u8> {
        let mut hive = vec![0; 4096 + bins as usize];
        hive[..4].copy_from_slice(b"regf");
        hive[40..44].copy_from_slice(&bins.to_le_bytes());
        // "regf" XOR the length, by hand for 4096 and 8192: 0x66676572 ^ 0x1000 and ^ 0x2000.
        let sum: u32 = match bins {
            4096 => 0x6667_7572,
            8192 => 0x6667_4572,
            _ => panic!("no sum for {bins}"),
        };
        hive[508..512].copy_from_slice(&sum.to_le_bytes());
        for at in (4096..hive.len()).step_by(4096) {
            hive[at..at + 4].copy_from_slice(b"hbin");
            hive[at + 8..at + 12].copy_from_slice(&4096u32.to_le_bytes());
        }
        hive
    }

    #[test]
    fn a_hive_is_whole_by_its_checksum_and_length() {
        let whole = hive(8192);
        assert_eq!(readable("SYSTEM", &whole), Readable { state: State::Whole, intact: 8192 });
        assert_eq!(readable("a", &whole[..8192].to_vec()), Readable { state: State::Damaged, intact: 4096 });
        let mut changed = whole;
        changed[100] = 1;
        assert_eq!(state("SYSTEM", &changed), State::Damaged);
        assert_eq!(state("SYSTEM", &[0; 70_000]), State::Nothing);
        assert_eq!(state("SYSTEM", b"a text that is longer than the hive"), State::Unknown);
        assert_eq!(state("SYSTEM", b"MZ"), State::Unknown, "it is a program under the name of a hive");
        assert!(readable("SYSTEM", &hive(4096)) < readable("SYSTEM", &hive(8192)));
    }

    #[test]
    fn an_event_log_is_whole_by_its_checksum_and_the_count_of_its_chunks() {
        let mut log = vec![0; 4096 + 65_536];
        log[..8].copy_from_slice(b"ElfFile\0");
        log[42] = 1;
        assert_eq!(state("a.evtx", &log), State::Damaged);
        // zlib.crc32(b"ElfFile\0" + 34 * b"\0" + b"\x01" + 77 * b"\0") of Python.
        log[124..128].copy_from_slice(&0x5D1C_7E38_u32.to_le_bytes());
        assert_eq!(readable("a.evtx", &log), Readable { state: State::Whole, intact: 0 });
        log[4096..4104].copy_from_slice(b"ElfChnk\0");
        // zlib.crc32(b"ElfChnk\0" + 496 * b"\0").
        log[4096 + 124..4096 + 128].copy_from_slice(&0x7D27_0E07_u32.to_le_bytes());
        assert_eq!(readable("a.evtx", &log), Readable { state: State::Whole, intact: 65_536 });
        assert_eq!(state("a.evtx", &log[..69_000]), State::Damaged);
    }

    #[test]
    fn prefetch_files_and_programs_are_whole_by_their_lengths() {
        let mut prefetch = vec![0; 84];
        prefetch[4..8].copy_from_slice(b"SCCA");
        prefetch[12] = 84;
        assert_eq!((state("a.pf", &prefetch), state("a.pf", &prefetch[..83])), (State::Whole, State::Damaged));
        let mut program = vec![0; 600];
        program[..2].copy_from_slice(b"MZ");
        program[60] = 64;
        program[64..68].copy_from_slice(b"PE\0\0");
        program[70] = 1;
        // Without an optional header the section begins at 88; 100 bytes from 500 on.
        program[88 + 16] = 100;
        program[88 + 20..88 + 22].copy_from_slice(&500u16.to_le_bytes());
        assert_eq!((state("a.dll", &program), state("a.dll", &program[..599])), (State::Whole, State::Damaged));
    }
}
