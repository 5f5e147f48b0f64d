//! SCCA: the prefetch file, decompressed.
//!
//! Layout: a header of 84 bytes, the file information (its size, the place of the run count and the number of run
//! times depend on the version), then arrays that the file information points to: metrics (one entry a file),
//! trace chains (not read), file name strings, volumes.
//!
//! Reference: libyal, *Windows Prefetch File (PF) format*.

use std::cell::Cell;

use evidence::ProblemKind;

/// Size of the header; the file information follows.
const HEADER_SIZE: u64 = 84;
/// Units of the executable's name in the header, the final zero included.
const NAME_UNITS: u64 = 30;
/// Metrics offset of the file information that has the run count at 124: version 26, and 30 before build 18362.
const METRICS_OFFSET_LONG: u32 = 0x130;
/// Metrics offset of the file information that has it at 116: version 30 from build 18362 on, and 31.
const METRICS_OFFSET_SHORT: u32 = 0x128;
/// Most faults listed of a file; a damaged array would otherwise give one for every entry.
const MAX_FAULTS: usize = 100;

/// A prefetch file. What could not be read is missing here and described in `faults`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scca {
    /// Format version: 17, 23, 26, 30 or 31.
    pub version: u32,
    /// Size that the header declares.
    pub declared_size: u32,
    /// The executable's name, at most 29 units of it.
    pub executable: String,
    /// Hash of the executable's path as Windows computed it.
    pub hash: u32,
    /// Flags; 1 is set for traces of the boot and of Explorer's operations, which are no runs of a program.
    pub flags: u32,
    /// Where header and file information end.
    pub information_end: u64,
    /// How often Windows counted a start; does not rise where another prefetch file of this name was evicted.
    pub run_count: Option<u32>,
    /// The non-empty run time slots, newest first as stored.
    pub run_times: Vec<RunTime>,
    /// Files mapped in the first seconds, in the order of the metrics array.
    pub files: Vec<File>,
    /// Volumes on which they lie.
    pub volumes: Vec<Volume>,
    /// What is wrong, where, each with a sentence.
    pub faults: Vec<Fault>,
}

/// One non-empty run time slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunTime {
    /// Which slot, 0 for the newest run.
    pub slot: u64,
    /// Where its 8 bytes stand.
    pub offset: u64,
    /// FILETIME.
    pub raw: u64,
}

/// One entry of the metrics array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path as stored: upper case, with the device or volume in front; empty where only the reference can be read.
    pub path: String,
    /// NTFS file reference (record number and sequence number); absent in version 17 and where it is zero.
    pub reference: Option<(u64, u16)>,
}

/// One entry of the volumes array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Device path as stored, `\DEVICE\HARDDISKVOLUME2` or `\VOLUME{…}`.
    pub device_path: String,
    /// FILETIME of the volume's creation; zero where it is not stored.
    pub created: u64,
    /// Serial number as the boot sector's lower half has it.
    pub serial: u32,
    /// Folders of the files, as stored.
    pub directories: Vec<String>,
}

/// Something that does not fit the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Kind.
    pub kind: ProblemKind,
    /// Where.
    pub offset: u64,
    /// In a sentence.
    pub what: String,
}

/// What differs between the versions.
struct Layout {
    run_times_at: u64,
    run_times: u64,
    run_count_at: u64,
    metrics_size: u64,
    volume_size: u64,
    information_size: u64,
}

fn layout(version: u32, metrics_offset: u32) -> Option<Layout> {
    let modern = |volume_size, run_count_at, information_size| Layout {
        run_times_at: 44,
        run_times: 8,
        run_count_at,
        metrics_size: 32,
        volume_size,
        information_size,
    };
    Some(match (version, metrics_offset) {
        (17, _) => Layout {
            run_times_at: 36,
            run_times: 1,
            run_count_at: 60,
            metrics_size: 20,
            volume_size: 40,
            information_size: 68,
        },
        (23, _) => Layout {
            run_times_at: 44,
            run_times: 1,
            run_count_at: 68,
            metrics_size: 32,
            volume_size: 104,
            information_size: 156,
        },
        (26, _) => modern(104, 124, 220),
        (30 | 31, METRICS_OFFSET_LONG) => modern(96, 124, 220),
        (30 | 31, METRICS_OFFSET_SHORT) => modern(96, 116, 212),
        _ => return None,
    })
}

/// Bytes with checked access; every offset in the file is the attacker's.
struct View<'a> {
    bytes: &'a [u8],
    /// How many bytes of text may still be read. Strings of a sound file do not overlap, so all of them
    /// together are shorter than the file; without this a small file could name one long string a million times.
    text_left: Cell<u64>,
}

impl<'a> View<'a> {
    fn slice(&self, offset: u64, length: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = usize::try_from(offset.checked_add(length)?).ok()?;
        self.bytes.get(start..end)
    }

    fn u16(&self, offset: u64) -> Option<u16> {
        Some(u16::from_le_bytes(self.slice(offset, 2)?.try_into().ok()?))
    }

    fn u32(&self, offset: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.slice(offset, 4)?.try_into().ok()?))
    }

    fn u64(&self, offset: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.slice(offset, 8)?.try_into().ok()?))
    }

    /// UTF-16 of this many units, up to the first zero.
    fn text(&self, offset: u64, units: u64) -> Option<String> {
        self.text_left.set(self.text_left.get().checked_sub(units * 2)?);
        let units = self.slice(offset, units * 2)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        Some(char::decode_utf16(units.take_while(|unit| *unit != 0)).map(|c| c.unwrap_or('\u{FFFD}')).collect())
    }

    fn missing(&self, offset: u64, length: u64, what: &str) -> Fault {
        let there = (self.bytes.len() as u64).saturating_sub(offset).min(length);
        Fault {
            kind: ProblemKind::Truncated { offset, expected: length, actual: there },
            offset,
            what: what.to_owned(),
        }
    }
}

/// Reads a decompressed prefetch file as far as it can be read.
pub fn read(content: &[u8]) -> Scca {
    let view = View { bytes: content, text_left: Cell::new(content.len() as u64) };
    let mut scca = Scca::default();
    let Some(signature) = view.slice(4, 4) else {
        scca.faults.push(view.missing(0, HEADER_SIZE, "the file ends within its header"));
        return scca;
    };
    if signature != b"SCCA" {
        let actual = format!("{}", signature.escape_ascii());
        scca.faults.push(Fault {
            kind: ProblemKind::BadSignature { offset: 4, expected: "SCCA".to_owned(), actual },
            offset: 4,
            what: "this is not a prefetch file".to_owned(),
        });
        return scca;
    }
    scca.version = view.u32(0).unwrap_or_default();
    let (Some(size), Some(executable), Some(hash), Some(flags)) =
        (view.u32(12), view.text(16, NAME_UNITS), view.u32(76), view.u32(80))
    else {
        scca.faults.push(view.missing(0, HEADER_SIZE, "the file ends within its header"));
        return scca;
    };
    scca.declared_size = size;
    scca.executable = executable;
    scca.hash = hash;
    scca.flags = flags;
    scca.information_end = HEADER_SIZE;
    if u64::from(size) > content.len() as u64 {
        let missing = u64::from(size) - content.len() as u64;
        scca.faults.push(view.missing(content.len() as u64, missing, "the header declares more bytes than there are"));
    }
    let Some(metrics_offset) = view.u32(HEADER_SIZE) else {
        scca.faults.push(view.missing(HEADER_SIZE, 4, "the file ends before its file information"));
        return scca;
    };
    let Some(layout) = layout(scca.version, metrics_offset) else {
        let found = format!("version {}, metrics at {metrics_offset:#x}", scca.version);
        scca.faults.push(Fault {
            kind: ProblemKind::UnsupportedVersion { found },
            offset: 0,
            what: "this version of the format is not known".to_owned(),
        });
        return scca;
    };
    scca.information_end = (HEADER_SIZE + layout.information_size).min(content.len() as u64);
    read_runs(&view, &layout, &mut scca);
    read_files(&view, &layout, u64::from(metrics_offset), &mut scca);
    read_volumes(&view, &layout, &mut scca);
    scca
}

fn read_runs(view: &View<'_>, layout: &Layout, scca: &mut Scca) {
    for slot in 0..layout.run_times {
        let offset = HEADER_SIZE + layout.run_times_at + 8 * slot;
        match view.u64(offset) {
            Some(0) => {}
            Some(raw) => scca.run_times.push(RunTime { slot, offset, raw }),
            None => {
                scca.faults.push(view.missing(offset, 8, "the file ends within its run times"));
                return;
            }
        }
    }
    let offset = HEADER_SIZE + layout.run_count_at;
    scca.run_count = view.u32(offset);
    if scca.run_count.is_none() {
        scca.faults.push(view.missing(offset, 4, "the file ends before its run count"));
    }
}

/// Whether reading an array should stop because nothing in it is sound; says so once.
fn too_many_faults(scca: &mut Scca, offset: u64, of_what: &str) -> bool {
    let stop = scca.faults.len() >= MAX_FAULTS;
    if stop && scca.faults.last().is_some_and(|fault| fault.kind != ProblemKind::LimitReached) {
        let what = format!("the remaining {of_what} are not read because so much is damaged");
        scca.faults.push(Fault { kind: ProblemKind::LimitReached, offset, what });
    }
    stop
}

fn read_files(view: &View<'_>, layout: &Layout, metrics_at: u64, scca: &mut Scca) {
    let at = |offset| view.u32(HEADER_SIZE + offset).map(u64::from);
    let (Some(count), Some(strings_at), Some(strings_size)) = (at(4), at(16), at(20)) else {
        scca.faults.push(view.missing(HEADER_SIZE, 24, "the file ends within its file information"));
        return;
    };
    let name_at = if layout.metrics_size == 20 { 8 } else { 12 };
    for index in 0..count {
        if too_many_faults(scca, metrics_at, "listed files") {
            return;
        }
        let entry = metrics_at + index * layout.metrics_size;
        let (Some(name), Some(units), Some(reference)) = (
            view.u32(entry + name_at),
            view.u32(entry + name_at + 4),
            if layout.metrics_size == 32 { view.u64(entry + 24) } else { view.slice(entry, 20).map(|_| 0) },
        ) else {
            let rest = (count - index) * layout.metrics_size;
            let what = format!("{} of {count} listed files are missing", count - index);
            scca.faults.push(view.missing(entry, rest, &what));
            return;
        };
        let (name, units) = (u64::from(name), u64::from(units));
        let reference = (reference != 0).then_some(split_reference(reference));
        if name + units * 2 > strings_size {
            scca.faults.push(Fault {
                kind: ProblemKind::OutOfRange { raw: format!("{name} + 2 * {units}") },
                offset: entry + name_at,
                what: "a file's name lies outside the file name strings".to_owned(),
            });
            continue;
        }
        let Some(path) = view.text(strings_at + name, units) else {
            scca.faults.push(view.missing(strings_at + name, units * 2, "a file's name is missing"));
            scca.files.extend(reference.map(|reference| File { path: String::new(), reference: Some(reference) }));
            continue;
        };
        scca.files.push(File { path, reference });
    }
}

/// Record number in the lower 48 bits, sequence number in the upper 16.
fn split_reference(reference: u64) -> (u64, u16) {
    (reference & 0xFFFF_FFFF_FFFF, (reference >> 48) as u16)
}

fn read_volumes(view: &View<'_>, layout: &Layout, scca: &mut Scca) {
    let at = |offset| view.u32(HEADER_SIZE + offset).map(u64::from);
    let (Some(volumes_at), Some(count)) = (at(24), at(28)) else {
        scca.faults.push(view.missing(HEADER_SIZE + 24, 8, "the file ends within its file information"));
        return;
    };
    for index in 0..count {
        if too_many_faults(scca, volumes_at, "volumes") {
            return;
        }
        let entry = volumes_at + index * layout.volume_size;
        let (Some(path_at), Some(units), Some(created), Some(serial)) =
            (view.u32(entry), view.u32(entry + 4), view.u64(entry + 8), view.u32(entry + 16))
        else {
            let what = format!("{} of {count} volumes are missing", count - index);
            scca.faults.push(view.missing(entry, layout.volume_size, &what));
            return;
        };
        let path_at = volumes_at + u64::from(path_at);
        let device_path = view.text(path_at, u64::from(units)).unwrap_or_else(|| {
            scca.faults.push(view.missing(path_at, u64::from(units) * 2, "a volume's device path is missing"));
            String::new()
        });
        let directories = read_directories(view, volumes_at, entry, scca);
        scca.volumes.push(Volume { device_path, created, serial, directories });
    }
}

fn read_directories(view: &View<'_>, volumes_at: u64, entry: u64, scca: &mut Scca) -> Vec<String> {
    let (Some(strings), Some(count)) = (view.u32(entry + 28), view.u32(entry + 32)) else { return Vec::new() };
    let mut offset = volumes_at + u64::from(strings);
    let mut directories = Vec::new();
    for index in 0..count {
        let text = view.u16(offset).and_then(|units| Some((view.text(offset + 2, u64::from(units))?, units)));
        let Some((text, units)) = text else {
            let what = format!("{} of {count} folder names of a volume are missing", count - index);
            scca.faults.push(view.missing(offset, 2, &what));
            break;
        };
        directories.push(text);
        // Length, text, final zero.
        offset += 2 + 2 * u64::from(units) + 2;
    }
    directories
}

/// The hash of an executable's device path as Windows Vista and later compute it: every byte of the upper-case
/// UTF-16LE text without a final zero. The function published as that of Windows 7 and 2008 is the same one,
/// written for eight bytes at a time.
pub fn hash(path: &str) -> u32 {
    bytes(path).fold(314_159, step)
}

/// The same of Windows XP and 2003.
pub fn hash_xp(path: &str) -> u32 {
    let hash = bytes(path).fold(0, step).wrapping_mul(314_159_269);
    // Windows takes the absolute value of a signed number here.
    hash.cast_signed().unsigned_abs() % 1_000_000_007
}

fn bytes(path: &str) -> impl Iterator<Item = u8> {
    path.encode_utf16().flat_map(u16::to_le_bytes)
}

fn step(hash: u32, byte: u8) -> u32 {
    hash.wrapping_mul(37).wrapping_add(u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this version with two run times in the first slots where there is room, run count 5, one listed
    /// file and one volume. Built from the tables of the format description, independently of the reader's layout.
    fn build(version: u32, metrics_at: u32) -> Vec<u8> {
        // Version or variant: place of the first run time, of the run count, size of a metrics entry, of a volume.
        let (time_at, count_at, metrics_size, volume_size) = match (version, metrics_at) {
            (17, _) => (120, 144, 20, 40),
            (23, _) => (128, 152, 32, 104),
            (26, _) => (128, 208, 32, 104),
            (_, 0x130) => (128, 208, 32, 96),
            _ => (128, 200, 32, 96),
        };
        let text = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let path = text("\\DEVICE\\X\\A.EXE\0");
        let strings_at = metrics_at + metrics_size;
        let volumes_at = strings_at + path.len() as u32;
        let device = text("\\DEVICE\\X\0");
        let folder = [&9u16.to_le_bytes()[..], &text("\\DEVICE\\X\0")].concat();
        let mut file = vec![0u8; (volumes_at + volume_size) as usize];
        let mut put = |at: u32, bytes: &[u8]| file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        put(0, &version.to_le_bytes());
        put(4, b"SCCA");
        put(16, &text("A.EXE"));
        put(76, &0xABCD_EF01u32.to_le_bytes());
        for (index, value) in
            [metrics_at, 1, 0, 0, strings_at, path.len() as u32, volumes_at, 1].into_iter().enumerate()
        {
            put(84 + 4 * index as u32, &value.to_le_bytes());
        }
        put(time_at, &100u64.to_le_bytes());
        if version >= 26 {
            put(time_at + 16, &50u64.to_le_bytes());
        }
        put(count_at, &5u32.to_le_bytes());
        let name_at = metrics_at + if metrics_size == 20 { 8 } else { 12 };
        put(name_at, &0u32.to_le_bytes());
        put(name_at + 4, &15u32.to_le_bytes());
        if metrics_size == 32 {
            put(metrics_at + 24, &(7u64 << 48 | 0x1_2345).to_le_bytes());
        }
        put(strings_at, &path);
        put(volumes_at, &volume_size.to_le_bytes());
        put(volumes_at + 4, &9u32.to_le_bytes());
        put(volumes_at + 8, &77u64.to_le_bytes());
        put(volumes_at + 16, &0x1234_5678u32.to_le_bytes());
        put(volumes_at + 28, &(volume_size + device.len() as u32).to_le_bytes());
        put(volumes_at + 32, &1u32.to_le_bytes());
        file.extend([device, folder].concat());
        let size = file.len() as u32;
        file[12..16].copy_from_slice(&size.to_le_bytes());
        file
    }

    const VERSIONS: [(u32, u32); 7] =
        [(17, 0x98), (23, 0xF0), (26, 0x130), (30, 0x130), (30, 0x128), (31, 0x130), (31, 0x128)];

    #[test]
    fn every_version() {
        for (version, metrics_at) in VERSIONS {
            let scca = read(&build(version, metrics_at));
            assert_eq!(scca.faults, [], "version {version}");
            assert_eq!((scca.version, &*scca.executable, scca.hash), (version, "A.EXE", 0xABCD_EF01));
            assert_eq!(scca.run_count, Some(5), "version {version}");
            let times: Vec<_> = scca.run_times.iter().map(|time| (time.slot, time.raw)).collect();
            assert_eq!(times, if version >= 26 { vec![(0, 100), (2, 50)] } else { vec![(0, 100)] });
            assert_eq!(scca.run_times[0].offset, if version == 17 { 120 } else { 128 });
            let reference = (version != 17).then_some((0x1_2345, 7));
            assert_eq!(scca.files, [File { path: r"\DEVICE\X\A.EXE".to_owned(), reference }]);
            let volume = Volume {
                device_path: r"\DEVICE\X".to_owned(),
                created: 77,
                serial: 0x1234_5678,
                directories: vec![r"\DEVICE\X".to_owned()],
            };
            assert_eq!(scca.volumes, [volume]);
        }
    }

    #[test]
    fn every_truncation_keeps_what_is_there_and_says_so() {
        for (version, metrics_at) in VERSIONS {
            let whole = build(version, metrics_at);
            for length in 0..whole.len() {
                let scca = read(&whole[..length]);
                assert!(!scca.faults.is_empty(), "version {version}, {length} bytes");
                assert_eq!(scca.run_times.is_empty(), length < if version == 17 { 128 } else { 136 });
            }
        }
    }

    #[test]
    fn malformed_fields() {
        let with = |at: usize, value: u32| {
            let mut file = build(30, 0x128);
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            read(&file)
        };
        let faults = |scca: &Scca| scca.faults.iter().map(|fault| fault.kind.name()).collect::<Vec<_>>();
        assert_eq!(faults(&with(0, 99)), ["unsupported_version"]);
        assert_eq!(faults(&with(84, 0x120)), ["unsupported_version"]);
        assert_eq!(faults(&with(12, u32::MAX)), ["truncated"]);
        assert_eq!(faults(&with(88, u32::MAX)).last(), Some(&"truncated"), "number of files");
        assert_eq!(faults(&with(100, u32::MAX)), ["truncated"], "place of the names");
        assert_eq!(faults(&with(104, 2)), ["out_of_range"], "size of the names");
        assert_eq!(faults(&with(0x128 + 16, u32::MAX)), ["out_of_range"], "length of a name");
        assert_eq!(faults(&with(108, u32::MAX)), ["truncated"], "place of the volumes");
        assert!(faults(&with(112, u32::MAX)).contains(&"truncated"), "number of volumes");
        assert!(with(0, 99).run_times.is_empty() && !with(112, u32::MAX).run_times.is_empty());
    }

    #[test]
    fn overlapping_names_do_not_multiply() {
        // A thousand entries that all name the same long string.
        let mut file = build(30, 0x128);
        let strings_at = 0x128 + 32 * 10_000;
        file.resize(0x128, 0);
        for _ in 0..10_000u32 {
            let entry: Vec<u8> = [0, 0, 0, 0, 0x7000, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
            file.extend(entry);
        }
        file.extend(std::iter::repeat_n(b'A', 0xE000));
        for (at, value) in [(88, 10_000), (100, strings_at), (104, 0xE000), (112, 0u32)] {
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let scca = read(&file);
        let text: usize = scca.files.iter().map(|file| file.path.len()).sum();
        assert!(text <= 2 * file.len() && scca.faults.len() <= MAX_FAULTS + 1, "{text}, {}", scca.faults.len());
        assert_eq!(scca.faults.last().unwrap().kind, ProblemKind::LimitReached);
    }
}
