//! Raw images, and whatever else was cut by length, in parts: `disk.001`, `disk.000`, `disk.dd.aa`, `disk.part1.dd`, `xaa`.
//!
//! Only names say that files belong together and in which order. All parts but the last have one length, and by that it is
//! known where a part belongs when one before it is missing or cut short.

use super::blocks::{le64, section};
use super::parent;
use super::{Candidate, Disk, HEAD, Integrity, Opened, Refusal, item};
use crate::source::tree::Child;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// What it is called among the containers.
pub(super) const NAME: &str = "split image";

/// How parts are numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// `001`, of one width.
    Padded(usize),
    /// `1` to `9`, `10`, ….
    Plain,
    /// `aa`, `ab`, …, `zz`, of one width.
    Letters(usize),
}

impl Numbers {
    fn of_digits(text: &str) -> Option<Numbers> {
        let is_number = (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = text.len() == 1 || !text.starts_with('0');
        // Three digits without a zero before them can be the 100th part of either kind; the padded one is what is usual.
        is_number.then_some(if is_plain && text.len() < 2 { Numbers::Plain } else { Numbers::Padded(text.len()) })
    }

    fn number(self, text: &str) -> Option<u64> {
        let is_digits = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Numbers::Padded(width) if is_digits && text.len() == width => text.parse().ok(),
            Numbers::Plain if is_digits && (text.len() == 1 || !text.starts_with('0')) => text.parse().ok(),
            Numbers::Letters(width) if text.len() == width && text.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                Some(text.bytes().fold(0, |number, byte| number * 26 + u64::from(byte - b'a')))
            }
            _ => None,
        }
    }

    fn text(self, number: u64) -> String {
        match self {
            Numbers::Padded(width) => format!("{number:0width$}"),
            Numbers::Plain => number.to_string(),
            Numbers::Letters(width) => {
                let letter = |place: usize| {
                    let digit = number / 26u64.saturating_pow(u32::try_from(width - 1 - place).unwrap_or(0)) % 26;
                    char::from(b'a' + u8::try_from(digit).unwrap_or(0))
                };
                (0..width).map(letter).collect()
            }
        }
    }
}

/// A way to read a name as that of a part.
struct Reading<'a> {
    before: &'a str,
    after: &'a str,
    numbers: Numbers,
    number: u64,
    /// Names of this kind are given to whole files too, so there must be a first part and another one.
    is_weak: bool,
}

/// Endings of raw images after the number.
const IMAGES: [&str; 6] = ["dd", "raw", "img", "bin", "ima", "image"];
/// What stands before the number where that is no ending of its own.
const WORDS: [&str; 5] = ["part", "seg", "segment", "split", "chunk"];

/// `aa` to `dz`.
const MOST_LETTERS: u64 = 4 * 26;

/// Whether only the raw image of a disk has this name: other files end in `.bin` and `.image` too.
pub(super) fn is_raw_name(name: &str) -> bool {
    let is_usual = |ending: &str| !["bin", "ima", "image"].contains(&ending);
    IMAGES.iter().any(|ending| is_usual(ending) && super::ends_in(name, &[*ending]))
}

/// Whether it is the usual name of a first part: `disk.001` or `disk.000`.
pub(super) fn is_first_name(name: &str) -> bool {
    readings(name).iter().any(|one| !one.is_weak && one.number <= 1 && one.numbers == Numbers::Padded(3))
}

/// Every way to read a name as that of a part, the surest first.
fn readings(name: &str) -> Vec<Reading<'_>> {
    let mut readings = Vec::new();
    let mut add = |before: &'_ str, text: &str, after, numbers: Numbers, is_weak| {
        let before = &name[..before.len()];
        if let Some(number) = numbers.number(text) {
            readings.push(Reading { before, after, numbers, number, is_weak });
        }
    };
    if let Some(dot) = name.rfind('.').filter(|dot| *dot > 0) {
        let ending = &name[dot + 1..];
        match Numbers::of_digits(ending) {
            Some(numbers) => add(&name[..=dot], ending, "", numbers, numbers == Numbers::Plain),
            None if (2..=3).contains(&ending.len()) => {
                add(&name[..=dot], ending, "", Numbers::Letters(ending.len()), true);
            }
            None => {}
        }
    }
    let ending = name.rfind('.').filter(|dot| IMAGES.contains(&name[dot + 1..].to_ascii_lowercase().as_str()));
    let (stem, after) = name.split_at(ending.unwrap_or(name.len()));
    let before = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let text = &stem[before.len()..];
    if let Some(numbers) = Numbers::of_digits(text) {
        let lower = before.to_ascii_lowercase();
        let has_word = WORDS.iter().any(|word| lower.trim_end_matches(['.', '_', '-']).ends_with(word));
        let is_set_off = before.len() > 1 && before.ends_with(['.', '_', '-']);
        if has_word {
            add(before, text, after, numbers, false);
        } else if is_set_off && !after.is_empty() && text.starts_with('0') && text.len() > 1 {
            add(before, text, after, numbers, true);
        }
    }
    // `split` sets its letters directly behind the name that it is given, or behind an x.
    if let Some(at) = name.len().checked_sub(2).filter(|at| name.is_char_boundary(*at)) {
        let before = &name[..at];
        let is_image =
            before.rsplit_once('.').is_some_and(|(_, ending)| IMAGES.contains(&&*ending.to_ascii_lowercase()));
        if is_image || before == "x" {
            add(before, &name[at..], "", Numbers::Letters(2), true);
        }
    }
    // Endings of letters are common, and each costs a look at the folder; images of more parts than that are not.
    readings.retain(|reading| !matches!(reading.numbers, Numbers::Letters(_)) || reading.number < MOST_LETTERS);
    readings
}

/// The parts of an image, by number.
struct Parts {
    numbers: Numbers,
    first: u64,
    children: BTreeMap<u64, Child>,
    /// What the whole is called.
    name: String,
}

impl Parts {
    fn of(candidate: &Candidate<'_>) -> io::Result<Option<Parts>> {
        let readings = readings(candidate.name);
        if readings.is_empty() {
            return Ok(None);
        }
        let files = parent::files(candidate)?;
        for reading in readings {
            let mut children = BTreeMap::new();
            for file in &files {
                let text = file.name.strip_prefix(reading.before).and_then(|rest| rest.strip_suffix(reading.after));
                if let Some(number) = text.and_then(|text| reading.numbers.number(text)) {
                    children.insert(number, file.clone());
                }
            }
            if let Some(parts) = Parts::accept(candidate, &reading, children) {
                return Ok(Some(parts));
            }
        }
        Ok(None)
    }

    fn accept(candidate: &Candidate<'_>, reading: &Reading<'_>, children: BTreeMap<u64, Child>) -> Option<Parts> {
        let is_letters = matches!(reading.numbers, Numbers::Letters(_));
        let lowest = *children.keys().next()?;
        let first = if is_letters || lowest == 0 { 0 } else { 1 };
        let is_first_there = lowest == first;
        let is_part = match (children.len(), reading.is_weak) {
            // Alone, it is a whole image unless its number says otherwise and it does not begin as a disk does.
            (0 | 1, false) => !is_first_there && is_later_part(candidate),
            (0 | 1, true) => false,
            (_, is_weak) if is_first_there => is_cut(candidate, &children, is_weak),
            // Two numbered disks of one host lie beside each other too.
            (_, is_weak) => !is_weak && is_later_part(candidate),
        };
        is_part.then(|| Parts {
            numbers: reading.numbers,
            first,
            children,
            name: format!("{}{}", reading.before.trim_end_matches(['.', '_', '-']), reading.after),
        })
    }
}

/// Files of which the first is shorter than this, and that begin as nothing known, are logs that somebody numbers.
const SMALLEST: u64 = 1 << 20;

/// Whether a file of which the first part is missing can be a part of an image.
fn is_later_part(candidate: &Candidate<'_>) -> bool {
    candidate.bytes.len() >= SMALLEST && !begins_a_disk(&candidate.head)
}

/// Whether the first of these begins something, and the second does not begin a disk of its own.
fn is_cut(candidate: &Candidate<'_>, children: &BTreeMap<u64, Child>, is_weak: bool) -> bool {
    let head = |child: &Child, length: u64| {
        let bytes = candidate.store.open(&child.key)?;
        section(&*bytes, 0, bytes.len().min(length), length)
    };
    let mut children = children.values();
    let (Some(first), Some(second)) = (children.next(), children.next()) else { return false };
    let is_large = first.size >= SMALLEST && !is_weak;
    let begins = is_large || head(first, HEAD as u64).is_ok_and(|head| begins_something(candidate, first, head));
    // A volume can begin where a part does; numbers that are often those of disks are not trusted that far.
    begins && (!is_weak || head(second, 1024).is_ok_and(|head| !begins_a_disk(&head)))
}

/// Whether a part begins as a disk or as any container does.
fn begins_something(candidate: &Candidate<'_>, child: &Child, head: Vec<u8>) -> bool {
    if begins_a_disk(&head) {
        return true;
    }
    let (store, folder, bytes) = (candidate.store, candidate.folder, candidate.bytes.clone());
    let first = Candidate::of_member(store, folder, &child.name, bytes, head, candidate.spill);
    let mut others = super::ALL.iter().filter(|container| container.name != NAME);
    others.any(|container| (container.probe)(&first))
        || super::refused::REFUSED.iter().any(|refused| (refused.probe)(&first))
}

/// Whether these are the first sectors of a disk or a volume.
fn begins_a_disk(head: &[u8]) -> bool {
    head.get(510..512) == Some(&[0x55, 0xAA]) || head.get(512..520) == Some(b"EFI PART")
}

/// A piece of the whole.
struct Piece {
    start: u64,
    end: u64,
    /// Its bytes, or why there are none.
    bytes: Result<Arc<dyn Bytes>, String>,
}

/// Parts one after the other, with holes where parts are missing.
struct Joined {
    pieces: Vec<Piece>,
    length: u64,
}

impl Joined {
    fn push(&mut self, length: u64, bytes: Result<Arc<dyn Bytes>, String>) {
        let end = self.length.saturating_add(length).min(i64::MAX as u64);
        if end > self.length {
            self.pieces.push(Piece { start: self.length, end, bytes });
        }
        self.length = end;
    }

    /// A hole for the parts with these numbers, unless its length is not known; with what is to be said of them.
    fn push_missing(&mut self, parts: &Parts, missing: Range<u64>, lengths: &Lengths, is_lost: bool) -> String {
        let count = missing.end - missing.start;
        let why = match count {
            1 => format!("part {} of the split image is missing", parts.numbers.text(missing.start)),
            _ => {
                let (from, to) = (parts.numbers.text(missing.start), parts.numbers.text(missing.end - 1));
                format!("parts {from} to {to} of the split image are missing")
            }
        };
        if !is_lost {
            self.push(lengths.size.saturating_mul(count), Err(why.clone()));
        }
        why
    }
}

impl Bytes for Joined {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let index = self.pieces.partition_point(|piece| piece.end <= offset);
        let Some(piece) = self.pieces.get(index) else { return Ok(0) };
        let left = usize::try_from(piece.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        match &piece.bytes {
            Err(why) if left > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, why.clone())),
            Err(_) => Ok(0),
            Ok(bytes) => match bytes.read_at(offset - piece.start, &mut buffer[..left])? {
                0 if left > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a part has become shorter")),
                read => Ok(read),
            },
        }
    }

    fn next_data(&self, offset: u64) -> u64 {
        let index = self.pieces.partition_point(|piece| piece.end <= offset);
        let Some(Piece { start, end, bytes: Ok(bytes) }) = self.pieces.get(index) else { return offset };
        start.saturating_add(bytes.next_data(offset - start)).min(*end)
    }
}

/// Whether the name is that of a part and others are beside it, or the first is missing.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    matches!(Parts::of(candidate), Ok(Some(_)))
}

/// Opens all parts as one.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Opened, Refusal> {
    const ADVICE: &str = "check the files beside it, or give the whole image";
    let cannot = |error: io::Error| Refusal::new(format!("its parts cannot be read: {error}"), ADVICE);
    let parts = Parts::of(candidate).map_err(cannot)?.ok_or_else(|| Refusal::new("it has no parts", ADVICE))?;
    let mut problems = Vec::new();
    let (joined, used) = join(candidate, &parts, &mut problems);
    let files = used.iter().filter_map(|child| candidate.store.local_path(&child.key)).collect();
    let joined: Arc<dyn Bytes> = Arc::new(joined);
    if let Some(opened) = as_container(candidate, &parts, &joined)? {
        return Ok(with_parts(opened, problems, files));
    }
    let facts = vec![("segments".to_owned(), used.len().to_string())];
    Ok(Opened::Disk(Disk {
        kind: "split raw image",
        bytes: joined,
        facts,
        problems,
        files,
        integrity: Integrity::default(),
    }))
}

/// What was cut by length need not be raw.
fn as_container(candidate: &Candidate<'_>, parts: &Parts, joined: &Arc<dyn Bytes>) -> Result<Option<Opened>, Refusal> {
    let (store, folder, spill) = (candidate.store, candidate.folder, candidate.spill);
    let Ok(mut whole) = Candidate::new(store, folder, &parts.name, candidate.path(), joined.clone(), spill) else {
        return Ok(None);
    };
    whole.chain.clone_from(&candidate.chain);
    // The name of the whole is none of a part unless it is cut twice, which nobody does.
    if readings(whole.name).iter().any(|reading| !reading.is_weak) {
        return Ok(None);
    }
    super::open(&whole)
}

fn with_parts(opened: Opened, problems: Vec<Problem>, files: Vec<std::path::PathBuf>) -> Opened {
    match opened {
        Opened::Disk(mut disk) => {
            disk.problems.splice(0..0, problems);
            disk.files.extend(files);
            disk.files.sort();
            disk.files.dedup();
            Opened::Disk(disk)
        }
        Opened::Files(store, mut its) => {
            its.splice(0..0, problems);
            Opened::Files(store, its)
        }
        Opened::One(bytes, name, mut its) => {
            its.splice(0..0, problems);
            Opened::One(bytes, name, its)
        }
    }
}

/// What is known of the lengths of the parts.
struct Lengths {
    /// Of every part but the last.
    size: u64,
    last: u64,
    /// Whether the parts make up exactly the disk that begins in them, of whatever length each is.
    is_as_declared: bool,
    /// Whether it is certain where each part belongs.
    is_certain: bool,
}

/// The parts that could be opened.
type Open = BTreeMap<u64, (Child, Arc<dyn Bytes>)>;

impl Lengths {
    fn of(parts: &Parts, opened: &Open, declared: Option<u64>) -> Lengths {
        let last = opened.keys().next_back().copied().unwrap_or(parts.first);
        let middle: Vec<u64> = opened.range(..last).map(|(_, (_, bytes))| bytes.len()).collect();
        let size = middle.iter().copied().max().unwrap_or(0);
        let whole = middle.iter().filter(|length| **length == size).count();
        let is_gapless = opened.len() as u64 == (last - parts.first).saturating_add(1);
        let sum = opened.values().fold(0u64, |sum, (_, bytes)| sum.saturating_add(bytes.len()));
        let is_as_declared = is_gapless && declared == Some(sum);
        let is_certain = is_as_declared || (whole > 0 && whole * 2 >= middle.len());
        Lengths { size, last, is_as_declared, is_certain }
    }
}

/// Puts every part where it belongs as far as that is certain; with those that were used.
fn join(candidate: &Candidate<'_>, parts: &Parts, problems: &mut Vec<Problem>) -> (Joined, Vec<Child>) {
    let mut problem = |kind: ProblemKind, what: String, effect: &str| {
        problems.push(Problem::new(Stage::Source, kind, item(candidate), what, effect));
    };
    let mut opened = Open::new();
    let handles = parent::Handles::of(candidate);
    for (number, child) in &parts.children {
        match handles.open(child) {
            Ok(bytes) => {
                candidate.uses(&child.key);
                opened.insert(*number, (child.clone(), bytes));
            }
            Err(error) => {
                let part = parts.numbers.text(*number);
                let what = format!("part {part} of the split image, {}, cannot be opened: {error}", child.name);
                problem(ProblemKind::ReadFailed, what, "what is in this part is not known");
            }
        }
    }
    let declared = opened.get(&parts.first).and_then(|(_, first)| declared_length(&**first));
    let lengths = Lengths::of(parts, &opened, declared);
    let mut joined = Joined { pieces: Vec::new(), length: 0 };
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    let mut next = parts.first;
    let mut is_lost = false;
    for (number, (child, bytes)) in opened {
        if number > next {
            is_lost |= !lengths.is_certain;
            let why = joined.push_missing(parts, next..number, &lengths, is_lost);
            let effect = match is_lost {
                false => "the bytes of the missing part cannot be read; later parts are where they belong",
                true => "the length of the missing part is not known, so no later part is used",
            };
            problem(ProblemKind::ReadFailed, format!("{why}, and later ones are there"), effect);
        }
        next = number.saturating_add(1);
        if is_lost {
            unused.push(child.name);
            continue;
        }
        let length = bytes.len();
        joined.push(length, Ok(bytes));
        used.push(child);
        if number != lengths.last && length != lengths.size && !lengths.is_as_declared {
            let (part, size) = (parts.numbers.text(number), lengths.size);
            let what = format!("part {part} of the split image has {length} bytes, others before the last have {size}");
            let effect = match lengths.is_certain {
                true => "it is cut short or not the right part; the rest up to the next part cannot be read",
                false => "it is not known where later parts belong, so none of them is used",
            };
            problem(ProblemKind::Truncated { offset: length, expected: size, actual: length }, what, effect);
            is_lost |= !lengths.is_certain;
            if lengths.is_certain {
                joined.push(size - length, Err(format!("part {part} of the split image is cut short here")));
            }
        }
    }
    if !unused.is_empty() {
        let what = format!("parts of the split image were not used: {}", unused.join(", "));
        problem(ProblemKind::NotUnderstood, what, "what is in them was not examined");
    }
    if let Some(declared) = declared.filter(|declared| *declared > joined.length) {
        let kind = ProblemKind::Truncated { offset: joined.length, expected: declared, actual: joined.length };
        let what = format!("the split image has {} bytes, and the disk in it {declared}", joined.length);
        problem(kind, what, "the last parts are missing or cut short; what was in them is not known");
    }
    (joined, used)
}

/// How long a disk or volume is by its own first sectors: by the place of GPT's copy, or by NTFS's boot sector.
fn declared_length(first: &dyn Bytes) -> Option<u64> {
    let head = section(first, 0, first.len().min(4096 + 512), 4096 + 512).ok()?;
    for sector in [512, 4096usize] {
        let header = head.get(sector..)?;
        if header.starts_with(b"EFI PART") {
            return le64(header, 32).checked_add(1)?.checked_mul(sector as u64);
        }
    }
    if head.get(3..11) != Some(b"NTFS    ") {
        return None;
    }
    let sector = u64::from(u16::from_le_bytes([head[11], head[12]]));
    // The boot sector's copy stands behind the sectors that are counted.
    le64(&head, 40).checked_add(1)?.checked_mul(sector)
}

#[cfg(test)]
mod tests {
    use crate::source::container::disk_at;
    use std::path::Path;

    fn write(folder: &Path, files: &[(&str, &[u8])]) {
        files.iter().for_each(|(name, content)| std::fs::write(folder.join(name), content).unwrap());
    }

    /// What begins as a disk does, and parts of one length of which each has its own byte.
    fn parts(length: usize, count: u8) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> = (1..=count).map(|number| vec![number; length]).collect();
        parts[0][510..512].copy_from_slice(&[0x55, 0xAA]);
        parts
    }

    #[test]
    fn parts_of_every_common_numbering_are_one_image_whichever_is_named() {
        let numberings: [&[&str]; 14] = [
            &["d.001", "d.002", "d.003"],
            &["d.000", "d.001", "d.002"],
            &["d.dd.001", "d.dd.002", "d.dd.003"],
            &["d.raw.00", "d.raw.01", "d.raw.02"],
            &["d.0001", "d.0002", "d.0003"],
            &["d.1", "d.2", "d.3"],
            &["d.aa", "d.ab", "d.ac"],
            &["d.dd.aaa", "d.dd.aab", "d.dd.aac"],
            &["xaa", "xab", "xac"],
            &["d.ddaa", "d.ddab", "d.ddac"],
            &["d.part1", "d.part2", "d.part3"],
            &["d.part01.dd", "d.part02.dd", "d.part03.dd"],
            &["d_001.dd", "d_002.dd", "d_003.dd"],
            &["d.001.img", "d.002.img", "d.003.img"],
        ];
        let mut parts = parts(600, 3);
        parts[2].truncate(100);
        let whole = parts.concat();
        for names in numberings {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in names.iter().zip(&parts) {
                std::fs::write(folder.path().join(name), content).unwrap();
            }
            for name in names {
                let image = disk_at(&folder.path().join(name)).unwrap();
                assert_eq!((image.kind, image.problems.len(), image.files.len()), ("split raw image", 0, 3), "{name}");
                assert_eq!(image.bytes.read_all(2000).unwrap().unwrap(), whole, "{name}");
                let mut middle = [0; 700];
                assert_eq!(image.bytes.read_full_at(550, &mut middle).unwrap(), 700);
                assert_eq!(middle, whole[550..1250]);
            }
        }
    }

    #[test]
    fn more_parts_than_can_be_open_at_once_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let count = 1500u32;
        for number in 1..=count {
            let mut part = [0; 512];
            part[..4].copy_from_slice(&number.to_be_bytes());
            part[510..].copy_from_slice(if number == 1 { &[0x55, 0xAA] } else { &[0, 0] });
            std::fs::write(folder.path().join(format!("d.{number:04}")), part).unwrap();
        }
        let image = disk_at(&folder.path().join("d.0007")).unwrap();
        assert!(image.problems.is_empty() && image.files.len() == 1500);
        let all = image.bytes.read_all(1 << 20).unwrap().unwrap();
        let numbers: Vec<u32> =
            all.chunks(512).map(|part| u32::from_be_bytes([part[0], part[1], part[2], part[3]])).collect();
        assert!(numbers == (1..=count).collect::<Vec<_>>());
    }

    #[test]
    fn numbered_disks_are_not_parts_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut boot = vec![0; 1024];
        boot[510..512].copy_from_slice(&[0x55, 0xAA]);
        for names in [["host.1", "host.2"], ["disk_01.dd", "disk_02.dd"], ["disk1.dd", "disk2.dd"], ["e.001", "e.txt"]]
        {
            write(folder.path(), &[(names[0], &boot), (names[1], &boot)]);
            assert_eq!(disk_at(&folder.path().join(names[0])).unwrap().kind, "raw image", "{names:?}");
        }
        write(
            folder.path(),
            &[("access.log.1", b"GET /"), ("access.log.2", b"GET /a"), ("t.etl.001", b"E"), ("t.etl.002", b"E")],
        );
        for name in ["access.log.1", "t.etl.001", "t.etl.002"] {
            assert_eq!(disk_at(&folder.path().join(name)).unwrap().kind, "raw image", "{name}");
        }
        write(folder.path(), &[("image.dd", b"x"), ("image.2024", &boot)]);
        assert_eq!(disk_at(&folder.path().join("image.dd")).unwrap().kind, "raw image");
        assert_eq!(disk_at(&folder.path().join("image.2024")).unwrap().kind, "raw image");
    }

    #[test]
    fn behind_a_missing_part_the_others_are_where_they_belong() {
        let folder = tempfile::tempdir().unwrap();
        const PART: usize = 1 << 20;
        let mut parts = parts(PART, 4);
        parts[3].truncate(5000);
        write(folder.path(), &[("d.001", &parts[0]), ("d.003", &parts[2]), ("d.004", &parts[3])]);
        for name in ["d.001", "d.003", "d.004"] {
            let image = disk_at(&folder.path().join(name)).unwrap();
            assert_eq!(image.bytes.len(), 3 * PART as u64 + 5000);
            let mut read = [0; 200];
            assert_eq!(image.bytes.read_full_at(3 * PART as u64 - 100, &mut read).unwrap(), 200);
            assert_eq!((&read[..100], &read[100..]), (&[3; 100][..], &[4; 100][..]));
            assert!(image.bytes.read_full_at(PART as u64 - 2, &mut read).is_err());
            assert_eq!(image.problems.len(), 1);
            assert!(image.problems[0].what.contains("part 002"), "{:?}", image.problems);
            assert_ne!(image.problems[0].kind, evidence::ProblemKind::NotFound);
        }
        std::fs::remove_file(folder.path().join("d.001")).unwrap();
        let image = disk_at(&folder.path().join("d.003")).unwrap();
        assert!(image.problems[0].what.contains("parts 001 to 002"), "{:?}", image.problems);
        let mut read = [0; 100];
        assert!(image.bytes.read_at(0, &mut read).is_err());
        assert_eq!(image.bytes.read_at(3 * PART as u64 - 100, &mut read).unwrap(), 100);
        assert_eq!(read, [3; 100]);
    }

    #[test]
    fn a_part_that_is_cut_moves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = parts(1000, 4);
        parts[1].truncate(300);
        parts[3].truncate(200);
        let all = [("d.001", &*parts[0]), ("d.002", &*parts[1]), ("d.003", &*parts[2]), ("d.004", &*parts[3])];
        write(folder.path(), &all);
        let image = disk_at(&folder.path().join("d.001")).unwrap();
        let mut read = [0; 2];
        assert_eq!(image.bytes.read_full_at(2000, &mut read).unwrap(), 2);
        assert_eq!(read, [3, 3]);
        assert_eq!(image.bytes.read_at(1300, &mut read).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(image.problems[0].what.contains("part 002"), "{:?}", image.problems);
        // Nothing says which length is the right one.
        write(folder.path(), &[("d.001", &parts[0][..600]), ("d.003", &parts[2][..700])]);
        let image = disk_at(&folder.path().join("d.001")).unwrap();
        assert_eq!(image.bytes.read_all(1000).unwrap().unwrap(), parts[0][..600]);
        assert!(image.problems.iter().any(|problem| problem.what.contains("not used: d.002, d.003, d.004")));
    }

    #[test]
    fn parts_of_any_length_that_make_up_the_disk_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = parts(8192, 1).remove(0);
        disk[3..11].copy_from_slice(b"NTFS    ");
        disk[11..13].copy_from_slice(&512u16.to_le_bytes());
        disk[40..48].copy_from_slice(&15u64.to_le_bytes());
        let cut = |name: &'static str, from: usize, to: usize| (name, &disk[from..to]);
        write(folder.path(), &[cut("d.001", 0, 4096), cut("d.002", 4096, 5000), cut("d.003", 5000, 8192)]);
        let image = disk_at(&folder.path().join("d.001")).unwrap();
        assert!(image.problems.is_empty() && image.bytes.read_all(10_000).unwrap().unwrap() == disk);
        // Windows keeps the name of a removed file as long as it is open.
        drop(image);
        // A volume that is longer than its parts says that the last ones are missing.
        write(folder.path(), &[cut("d.002", 4096, 8192 - 512)]);
        std::fs::remove_file(folder.path().join("d.003")).unwrap();
        let image = disk_at(&folder.path().join("d.001")).unwrap();
        assert!(image.problems[0].what.contains("has 7680 bytes, and the disk in it 8192"), "{:?}", image.problems);
    }
}
